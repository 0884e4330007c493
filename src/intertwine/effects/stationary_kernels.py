"""Stationary kernels of distance: correlations, and the spectra that a basis of waves needs.

    rbf       exp(−d² / 2ℓ²)
    matern12  exp(−d/ℓ)
    matern32  (1 + √3 d/ℓ) exp(−√3 d/ℓ)
    matern52  (1 + √5 d/ℓ + 5d²/3ℓ²) exp(−√5 d/ℓ)

Fields are smoother from matern12 (continuous, like a random walk) over matern32 and matern52 (once and twice
differentiable) to rbf (infinitely often).

Source: Rasmussen & Williams, Gaussian Processes for Machine Learning (2006), section 4.2.
"""

from __future__ import annotations

from math import gamma, log, pi, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.spatial.distance import cdist

__all__ = ["KERNELS", "correlation", "distance_at", "spectral_density"]

Array = NDArray[np.float64]

_SMOOTHNESS = {"rbf": np.inf, "matern12": 0.5, "matern32": 1.5, "matern52": 2.5}
KERNELS = tuple(_SMOOTHNESS)


def correlation(kernel: str, points: Array, others: Array, length_scale: float) -> Array:
    """Correlations of a field at n points with itself at m others, (n, m), in one matrix and one temporary.

    Examples
    --------
    >>> import numpy as np
    >>> line = np.array([[0.0], [1.0], [2.0]])
    >>> correlation("matern12", line, line[:1], length_scale=1.0).ravel().round(3)
    array([1.   , 0.368, 0.135])
    """
    scale = length_scale / sqrt(2 * _SMOOTHNESS[kernel]) if kernel != "rbf" else sqrt(2.0) * length_scale
    metric = "sqeuclidean" if kernel == "rbf" else "euclidean"
    distance = cdist(points / scale, others / scale, metric=metric)
    if kernel == "rbf" or kernel == "matern12":
        np.negative(distance, out=distance)
        return np.exp(distance, out=distance)
    decay = np.exp(-distance)
    if kernel == "matern52":  # 1 + d + d²/3
        decay *= distance * (distance / 3.0 + 1.0) + 1.0
    else:
        distance += 1.0
        decay *= distance
    return decay


def distance_at(kernel: str, level: float, length_scale: float) -> float:
    """Distance at which the correlation has fallen to a level in (0, 1).

    Examples
    --------
    >>> round(distance_at("matern12", level=0.1, length_scale=2.0), 3)
    4.605
    """
    origin = np.zeros((1, 1))
    return length_scale * brentq(
        lambda d: float(correlation(kernel, origin, np.array([[d]]), 1.0)[0, 0]) - level, 0.0, 1e3
    )


def spectral_density(kernel: str, frequency: Array, length_scale: float, n_dimensions: int) -> Array:
    """Spectral density at angular frequencies |ω|: the correlation is (2π)^(−d) ∫ density(|ω|) exp(i ωᵀx) dω.

    Examples
    --------
    >>> import numpy as np
    >>> spectral_density("rbf", np.array([0.0]), length_scale=1.0, n_dimensions=2) / (2 * np.pi)
    array([1.])
    """
    d, squares = n_dimensions, np.square(frequency)
    if kernel == "rbf":
        return (sqrt(2 * pi) * length_scale) ** d * np.exp(-0.5 * length_scale**2 * squares)
    nu = _SMOOTHNESS[kernel]
    log_scale = d * log(2.0) + 0.5 * d * log(pi) + log(gamma(nu + 0.5 * d) / gamma(nu))
    rate = 2.0 * nu / length_scale**2
    return np.exp(log_scale + nu * log(rate) - (nu + 0.5 * d) * np.log(rate + squares))
