"""Factors of a covariance: loadings W and noise D with W Wᵀ + D near it, and which rotation of W is shown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

__all__ = ["NOISE_FLOOR", "aligned", "factor_step", "principal_axes"]

Array = NDArray[np.float64]

NOISE_FLOOR = 1e-6  # of a feature of variance one: below, factors would explain a feature entirely


def factor_step(
    covariance: Array, noise: Array, n_components: int, isotropic: bool, extra: Array | None = None
) -> tuple[Array, Array]:
    """Loadings that are best at a noise, then a better noise at these: no step lowers the likelihood.

    Parameters
    ----------
    covariance : ndarray of shape (p, p)
    noise : ndarray of shape (p,)
    n_components : int
    isotropic : bool
        The same noise in every feature; without ``extra`` both are then the best there are (probabilistic PCA).
    extra : ndarray of shape (p,), optional
        A variance of the features that no factor can explain, on top of the covariance.

    Returns
    -------
    loadings : ndarray of shape (p, d)
    noise : ndarray of shape (p,)

    References
    ----------
    Tipping & Bishop, Probabilistic Principal Component Analysis (1999); Barber, Bayesian Reasoning and Machine
    Learning (2012), section 21.2.
    """
    p, d = len(noise), n_components
    scale = np.ones(p) if isotropic else np.sqrt(noise)
    values, vectors = eigh(covariance / np.outer(scale, scale), subset_by_index=[p - d, p - 1])
    level = 1.0
    if isotropic:
        level = float(noise[0])
        if extra is None and p > d:
            level = max((np.trace(covariance) - values.sum()) / (p - d), NOISE_FLOOR)
    loadings = scale[:, None] * vectors[:, ::-1] * np.sqrt(np.maximum(values[::-1] - level, 0.0))
    left = np.diag(covariance) - np.sum(loadings**2, axis=1)
    if extra is not None:
        left = left + extra
    return loadings, np.maximum(np.mean(left) if isotropic else left, NOISE_FLOOR) * np.ones(p)


def aligned(loadings: Array, like: Array) -> Array:
    """The rotation of loadings that is nearest to others: iterations go on without turning."""
    left, _, right = np.linalg.svd(loadings.T @ like)
    return loadings @ left @ right


def principal_axes(loadings: Array) -> Array:
    """Loadings turned to orthogonal columns, the longest first, the largest entry of each positive.

    Examples
    --------
    >>> principal_axes(np.array([[0.0, -2.0], [1.0, 0.0]])) + 0.0
    array([[2., 0.],
           [0., 1.]])
    """
    left, sizes, _ = np.linalg.svd(loadings, full_matrices=False)
    largest = np.abs(left).argmax(axis=0)
    signs = np.sign(left[largest, np.arange(left.shape[1])])
    axes = left * (sizes * np.where(signs == 0, 1.0, signs))
    return np.pad(axes, ((0, 0), (0, loadings.shape[1] - axes.shape[1])))
