"""Rows of a factor model, one by one: posterior means of factors, and densities, with entries missing.

    x_i ~ N(0, A_i A_iᵀ + diag(ψ_i)),      A_i (p × f)

The first factors are the latents; further ones may stand for what is open of random effects.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["FactorPosterior", "factor_posterior", "row_blocks"]

Array = NDArray[np.float64]

_BLOCK = 2_000_000  # numbers of one temporary
_LOG_2PI = float(np.log(2.0 * np.pi))


class FactorPosterior(NamedTuple):
    """Means (n, f) and covariances (n, f, f) of the factors of rows, and the log density of the rows (n,)."""

    mean: Array
    covariance: Array
    log_density: Array


def row_blocks(n_rows: int, width: int) -> Iterator[slice]:
    """Parts of the rows whose temporaries of ``width`` numbers a row stay small.

    Examples
    --------
    >>> [part.stop for part in row_blocks(5, 1_000_000)]
    [2, 4, 5]
    """
    step = max(1, _BLOCK // max(1, width))
    for first in range(0, n_rows, step):
        yield slice(first, min(first + step, n_rows))


def factor_posterior(X: Array, noise: Array, A: Array) -> FactorPosterior:
    """Factors of rows given what was observed of them.

    Parameters
    ----------
    X : ndarray of shape (n, p)
        NaN where an entry is missing.
    noise : ndarray of shape (p,) or (n, p)
        ψ.
    A : ndarray of shape (p, f) or (n, p, f)

    Returns
    -------
    FactorPosterior
    """
    observed = np.isfinite(X)
    complete = bool(observed.all())
    f = A.shape[-1]
    weight = 1.0 / noise if complete else np.where(observed, 1.0 / noise, 0.0)
    shown = X if complete else np.where(observed, X, 0.0)
    if A.ndim == 2:
        products = (A[:, :, None] * A[:, None, :]).reshape(len(A), f * f)
        precision = (np.atleast_2d(weight) @ products).reshape(-1, f, f) + np.eye(f)
        right = (shown * weight) @ A
    else:
        weighted = A * (weight[:, :, None] if weight.ndim == 2 else weight[None, :, None])
        precision = np.swapaxes(weighted, 1, 2) @ A + np.eye(f)
        right = np.einsum("ipf,ip->if", weighted, shown)
    factor = np.linalg.cholesky(precision)
    root = np.linalg.inv(factor)  # precision⁻¹ = rootᵀ root
    half = (root @ right[:, :, None])[:, :, 0]
    mean = np.einsum("iab,ia->ib", np.broadcast_to(root, (len(X), f, f)), half)
    log_noise = np.log(noise) if complete else np.where(observed, np.log(noise), 0.0)
    determinant = np.atleast_2d(log_noise).sum(axis=1)
    determinant = determinant + 2.0 * np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
    quadratic = np.sum(shown**2 * weight, axis=1) - np.sum(half**2, axis=1)
    log_density = -0.5 * (quadratic + determinant + observed.sum(axis=1) * _LOG_2PI)
    covariance = np.broadcast_to(np.swapaxes(root, 1, 2) @ root, (len(X), f, f))
    return FactorPosterior(mean, covariance, log_density)
