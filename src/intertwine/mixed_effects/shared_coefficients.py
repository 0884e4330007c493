"""The shared coefficients, once subjects have been eliminated: ridge regression with a prior deviation each.

With S = diag(√D), or any scale where the prior is flat, and δ = 1 (0 where flat),

    M = diag(δ) + S (Σ FᵀWF) S = L Lᵀ,    V = ρ ρᵀ,  ρ = S L⁻ᵀ,    μ = V Σ FᵀWz̃

so that a variance of zero needs no inverse.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cholesky, solve_triangular

__all__ = ["SharedInformation", "SharedSolution", "covariance_root", "solve_shared"]

Array = NDArray[np.float64]

_LOG_TWO_PI = float(np.log(2.0 * np.pi))
_DEPENDENT = 1e-11  # of a flat column: what is left of its square once the others are taken away


class SharedInformation(NamedTuple):
    """What sites say of the shared coefficients; that of several sets of subjects adds up, part by part.

    Attributes
    ----------
    precision : ndarray of shape (K, p, p)
        Σ FᵀWF.
    shift : ndarray of shape (p, K)
        Σ FᵀWz̃.
    log_density : ndarray of shape (K,)
        Of the sites where all shared coefficients are zero: Σ log N(z̃; 0, W⁻¹).
    """

    precision: Array
    shift: Array
    log_density: Array


class SharedSolution(NamedTuple):
    """Of one axis: mean (p,), a root ρ of the covariance (p, p), and what integrating them out adds to log Z."""

    mean: Array
    root: Array
    log_evidence: float


def solve_shared(precision: Array, shift: Array, variances: Array) -> SharedSolution:
    """Posterior of the shared coefficients of one axis.

    Parameters
    ----------
    precision : array of shape (p, p)
    shift : array of shape (p,)
    variances : array of shape (p,)
        Of the prior; infinite where it is flat.

    Raises
    ------
    numpy.linalg.LinAlgError
        Where columns with a flat prior depend on each other.

    Examples
    --------
    >>> found = solve_shared(np.array([[3.0]]), np.array([8.0]), np.array([1.0]))
    >>> found.mean, (found.root @ found.root.T).round(12)
    (array([2.]), array([[0.25]]))
    """
    p = len(variances)
    if not p:
        return SharedSolution(np.empty(0), np.empty((0, 0)), 0.0)
    flat = np.isinf(variances)
    diagonal = np.diag(precision)
    scale = np.where(flat, 1.0 / np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0)), np.sqrt(variances))
    M = scale[:, None] * precision * scale
    M[np.diag_indices(p)] += np.where(flat, 0.0, 1.0)
    order = np.argsort(
        flat, kind="stable"
    )  # flat columns last: what their pivots are is what no other column gives
    try:
        factor = cholesky(M[np.ix_(order, order)], lower=True)
    except LinAlgError:
        factor = None
    pivots = np.ones(p) if factor is None else np.diag(factor)
    dependent = factor is None or np.any(pivots[flat[order]] ** 2 < _DEPENDENT)
    if factor is None or dependent:
        columns = ", ".join(str(j) for j in np.flatnonzero(flat)[:5])
        raise np.linalg.LinAlgError(
            f"shared columns with a flat prior ({columns}{', …' if flat.sum() > 5 else ''}) depend on each other over "
            "the rows that are seen: leave out columns that others give, or give them a variance"
        )
    scaled = np.zeros((p, p))
    scaled[order] = solve_triangular(factor, np.eye(p), lower=True, trans="T")
    root = scale[:, None] * scaled
    white = root.T @ shift
    log_evidence = 0.5 * float(white @ white) - float(np.log(pivots).sum())
    log_evidence += float(np.log(scale[flat]).sum()) + 0.5 * int(flat.sum()) * _LOG_TWO_PI
    return SharedSolution(root @ white, root, log_evidence)


def covariance_root(covariance: Array) -> Array:
    """ρ with ρ ρᵀ = covariance (p, p), which may be singular."""
    if not len(covariance):
        return covariance
    try:
        return cholesky(covariance, lower=True)
    except LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        return vectors * np.sqrt(np.maximum(values, 0.0))
