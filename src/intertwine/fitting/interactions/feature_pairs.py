"""A fitted model at the level of pairs of features: how strong each is, how sure, and what of it is the target.

Without a basis a pair of features is one coefficient. With one it is a block of them, and its size is that of the
surface they draw: the root mean square over the fitted rows of f_ab(x) = Σ θ_jk x_j x_k, j in a and k in b. The sparse
path does not keep its rows; there a surface has the size it would have if its columns were independent.
"""

from __future__ import annotations

import numpy as np

from intertwine.coefficients import DualCoefficients, strongest
from intertwine.fitting.interactions.model import InteractionModel

__all__ = [
    "conditional_pair_errors",
    "pair_errors",
    "pair_estimates",
    "ranked_pairs",
    "target_shares",
    "wald",
]


def wald(estimate, std_error):
    """Ratio estimate / std_error, NaN where there is none."""
    return np.divide(estimate, std_error, out=np.full_like(estimate, np.nan), where=std_error > 0)


def ranked_pairs(model: InteractionModel, n_pairs: int, by: str):
    """Pairs of features in order of strength, as index arrays; pairs of no strength at all are left out."""
    if model.preparation.spline is None:
        ranking = strongest(model.pairs, n_pairs, model.preparation.weights, by)
        return ranking.j, ranking.k
    a, b = np.triu_indices(model.preparation.feature_of[-1] + 1, 1)
    size = pair_estimates(model, a, b)
    if by == "z":
        size = np.nan_to_num(wald(size, pair_errors(model, a, b)))
    order = np.argsort(-size, kind="stable")[:n_pairs]
    order = order[size[order] > 0]
    return a[order], b[order]


def pair_estimates(model: InteractionModel, first, second) -> np.ndarray:
    """Estimates of pairs of features, index arrays of equal length: per standard deviation of both, or sizes."""
    if model.preparation.spline is None:
        return model.pairs.entries(first, second) * _scale(model, first, second)
    return _surface_sizes(model, first, second, lambda j, k: model.pairs.block(j, k))


def pair_errors(model: InteractionModel, first, second) -> np.ndarray:
    """Standard errors, what the target leaves open included; NaN where there are none.

    Of a surface: the root mean posterior variance over the fitted rows.
    """
    covariance = model.pairs.covariance if isinstance(model.pairs, DualCoefficients) else _none
    return _errors(model, first, second, model.pairs.variances, covariance)


def conditional_pair_errors(model: InteractionModel, first, second) -> np.ndarray:
    """The same at a target held fixed."""
    covariance = model.pairs.conditional_covariance if isinstance(model.pairs, DualCoefficients) else _none
    return _errors(model, first, second, model.pairs.conditional_variances, covariance)


def _none(j, k) -> None:
    """No covariance."""


def _errors(model: InteractionModel, first, second, variances, covariance_of) -> np.ndarray:
    if model.preparation.spline is None:
        return np.sqrt(variances(first, second)) * _scale(model, first, second)
    out = np.full(len(first), np.nan)
    feature_of = model.preparation.feature_of
    for i, (a, b) in enumerate(zip(first, second, strict=True)):
        j, k = np.flatnonzero(feature_of == a), np.flatnonzero(feature_of == b)
        covariance = covariance_of(np.repeat(j, len(k)), np.tile(k, len(j)))
        if covariance is None:
            return out
        columns = model.pairs.columns  # type: ignore[attr-defined]
        products = (columns[:, j][:, :, None] * columns[:, k][:, None, :]).reshape(len(columns), -1)
        out[i] = np.sqrt(max(np.sum(covariance * (products.T @ products)) / len(columns), 0.0))
    return out


def target_shares(model: InteractionModel, first, second) -> np.ndarray:
    """|target| / (|target| + |deviation|) of pairs of features, between 0 and 1."""
    if model.preparation.spline is None:
        target = model.pairs.target_entries(first, second)
        deviation = model.pairs.entries(first, second) - target
    else:
        target = _surface_sizes(model, first, second, lambda j, k: _target_block(model, j, k))
        deviation = _surface_sizes(
            model, first, second, lambda j, k: model.pairs.block(j, k) - _target_block(model, j, k)
        )
    target, deviation = np.abs(target), np.abs(deviation)
    whole = target + deviation
    return np.divide(target, whole, out=np.zeros_like(whole), where=whole > 0)


def _scale(model, first, second):
    """From coefficients of weighted columns to those of scaled ones."""
    weights = model.preparation.weights
    return weights[first] * weights[second]


def _target_block(model, j, k):
    jj, kk = np.meshgrid(j, k, indexing="ij")
    return model.pairs.target_entries(jj.ravel(), kk.ravel()).reshape(jj.shape)


def _surface_sizes(model, first, second, block):
    feature_of, weights = model.preparation.feature_of, model.preparation.weights
    columns = model.pairs.columns if isinstance(model.pairs, DualCoefficients) else None
    out = np.empty(len(first))
    for i, (a, b) in enumerate(zip(first, second, strict=True)):
        j, k = np.flatnonzero(feature_of == a), np.flatnonzero(feature_of == b)
        theta = block(j, k)
        if columns is None:
            # the columns of a feature share a variance of one, before their weight
            out[i] = np.linalg.norm(theta) * weights[j[0]] * weights[k[0]] / np.sqrt(len(j) * len(k))
        else:
            surface = np.einsum("ik,ik->i", columns[:, j] @ theta, columns[:, k])
            out[i] = np.sqrt(np.mean(surface**2))
    return out
