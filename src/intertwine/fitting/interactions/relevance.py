"""Relevance of features by evidence (automatic relevance determination) in the pair model.

With relevance r_j = w_j² the Gaussian model of a response is

    K(r) = Σ_j r_j k_j / a + ½ [ (Σ_j r_j k_j)² − Σ_j r_j² k_j∘k_j ] / b,     k_j = x_j x_jᵀ,

and with G = (α αᵀ/s² − P)/2, the derivative of the log evidence with respect to K,

    ∂/∂r_j = x_jᵀ [ G/a + (G ∘ K₁)/b ] x_j − r_j (x_j²)ᵀ G (x_j²) / b,

so all derivatives together cost two products of n × n with n × q.

Source: MacKay (1992), Neal (1996) for the idea; Rasmussen & Williams (2006), eq. 5.9 for the derivative.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg
from scipy.optimize import minimize as scipy_minimize

__all__ = ["evidence_relevance"]

_MAX_ROWS = 800
_MAX_ITER = 60
_LOG_BOUNDS = (-12.0, 6.0)


def evidence_relevance(columns, feature_of, response, sample_weight) -> np.ndarray:
    """Weights w_j = √r_j (p,) of features that maximise the evidence of a Gaussian pair model.

    Parameters
    ----------
    columns : ndarray (n, q)
        Scaled columns.
    feature_of : ndarray of int (q,)
        Columns of one feature share a relevance.
    response : ndarray (n,)
        Outcome, or the residual of the null model for other losses.
    sample_weight : ndarray (n,)
        Rows of weight 0 are left out; beyond 800 rows an even subset is used, which is ample for p scalars.
    """
    kept = np.flatnonzero(sample_weight > 0)
    if len(kept) > _MAX_ROWS:
        kept = kept[np.linspace(0, len(kept) - 1, _MAX_ROWS).astype(int)]
    X, y, w = columns[kept], response[kept], sample_weight[kept]
    y = (y - np.average(y, weights=w)) / max(np.std(y), 1e-300)
    p = feature_of[-1] + 1
    squares = X * X

    def negative_evidence(log_params):
        relevance = np.exp(log_params[:p])
        main, pairs, noise = np.exp(log_params[p:])
        r = relevance[feature_of]
        K1 = (X * r) @ X.T
        K2 = 0.5 * (K1 * K1 - (squares * r**2) @ squares.T)
        H = main * K1 + pairs * K2
        H.flat[:: len(H) + 1] += noise / w * w.mean()
        factor = linalg.cholesky(H, lower=True, check_finite=False)
        inverse, _ = linalg.lapack.dpotri(factor, lower=1)
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        # the constant is a fixed effect
        ones = inverse.sum(axis=1)
        P = inverse - np.outer(ones, ones) / ones.sum()
        alpha = P @ y
        value = 0.5 * (alpha @ y) + np.sum(np.log(np.diag(factor))) + 0.5 * np.log(ones.sum())
        G = 0.5 * (np.outer(alpha, alpha) - P)
        inner = main * G + pairs * (G * K1)
        by_column = np.einsum("ij,ij->j", X, inner @ X) - pairs * r * np.einsum(
            "ij,ij->j", squares, G @ squares
        )
        by_feature = np.bincount(feature_of, weights=by_column) * relevance
        by_scale = [np.sum(G * K1) * main, np.sum(G * K2) * pairs, np.diag(G) @ (w.mean() / w) * noise]
        return value, -np.concatenate([by_feature, by_scale])

    start = np.concatenate([np.full(p, 0.0), np.log([0.5 / p, 0.5 / p**2, 0.5])])
    bounds = [_LOG_BOUNDS] * p + [(-25.0, 5.0)] * 2 + [(np.log(1e-3), 3.0)]
    result = scipy_minimize(
        negative_evidence, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _MAX_ITER}
    )
    return np.exp(0.5 * result.x[:p])
