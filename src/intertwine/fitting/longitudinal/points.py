"""Points that stand for a Gaussian distribution of latents."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["gaussian_points", "normal_points"]

Array = NDArray[np.float64]

_DRAWS = 64  # at least; two for each axis
_RIDGE = 1e-9  # of precisions, that they have a root where nothing is known of a direction


def normal_points(n_axes: int) -> Array:
    """Points of N(0, I), always the same, (s, K), with just this mean and this covariance.

    Examples
    --------
    >>> points = normal_points(2)
    >>> points.shape, (points.T @ points / 64).round(6).tolist()
    ((64, 2), [[1.0, 0.0], [0.0, 1.0]])
    """
    half = np.random.default_rng(0).standard_normal((max(_DRAWS // 2, n_axes), n_axes))
    half = half @ np.linalg.inv(np.linalg.cholesky(half.T @ half / len(half))).T
    return np.concatenate([half, -half])


def gaussian_points(mean: Array, precision: Array) -> Array:
    """Points (n, s, K) of Gaussians with means (n, K) and precisions (n, K, K).

    Examples
    --------
    >>> precision = np.array([[[2.0, 1.0], [1.0, 2.0]]])
    >>> points = gaussian_points(np.array([[3.0, 4.0]]), precision)[0]
    >>> points.mean(axis=0).round(6).tolist(), np.linalg.inv(np.cov(points.T, ddof=0)).round(6).tolist()
    ([3.0, 4.0], [[2.0, 1.0], [1.0, 2.0]])
    """
    width = np.sqrt(np.einsum("nkk->nk", precision))
    scaled = precision / (width[:, :, None] * width[:, None, :])
    scaled = (1.0 - _RIDGE) * scaled + _RIDGE * np.eye(mean.shape[1])
    root = np.swapaxes(np.linalg.inv(np.linalg.cholesky(scaled)), 1, 2) / width[:, :, None]
    return mean[:, None] + np.einsum("nab,sb->nsa", root, normal_points(mean.shape[1]))
