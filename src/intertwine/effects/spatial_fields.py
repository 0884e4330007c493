"""A Gaussian field of unit variance at one length scale: its prior at the sites, and what it says elsewhere.

Exact, the prior is the matrix of correlations of all sites and a new place is kriged from them. With few functions,
g(x) = φ(x)ᵀa, Cov(a) = diag(d), so that no matrix of sites × sites exists. What the functions leave of the variance
of a new place, 1 − φᵀ diag(d) φ, is independent of everything that was seen.
"""

from __future__ import annotations

import abc
from functools import cached_property
from math import pi
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular

from intertwine.effects.random import BasisPrior, CovariancePrior, LevelPrior
from intertwine.effects.stationary_kernels import correlation, distance_at, spectral_density
from intertwine.resources import require_memory

__all__ = ["AbstractField", "ExactField", "HilbertField", "NystromField", "choose_landmarks"]

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

JITTER = 1e-8  # of the unit variance: what keeps the correlations of close sites positive definite in floating point

_SEARCHED = 4000  # sites among which landmarks are looked for; more change nothing but the time
_PROBES = 300  # sites between which the error of a basis of waves is measured
_WAVE_ERROR = 0.01  # of a correlation, that a basis of waves may make


class AbstractField(abc.ABC):
    """A field at the sites, and elsewhere given these."""

    length_scale: float
    error: float  # the largest error of a correlation between sites

    @property
    @abc.abstractmethod
    def prior(self) -> LevelPrior:
        """K of the sites."""

    @abc.abstractmethod
    def project(self, points: Array) -> tuple[Array, Array]:
        """What the engine's coefficients say of other places, (n, q or m), and the variance they leave, (n,)."""


@final
class ExactField(AbstractField):
    """All correlations of all sites: q² numbers, and q³ operations to decompose them."""

    error = 0.0

    def __init__(self, kernel: str, length_scale: float, sites: Array) -> None:
        self.kernel, self.length_scale, self.sites = kernel, length_scale, sites
        require_memory(
            8 * 5 * len(sites) ** 2,
            f"the covariance of {len(sites):,} sites, with its decomposition,",
            "Spatial(method='nystrom')",
        )

    @property
    def prior(self) -> CovariancePrior:
        covariance = correlation(self.kernel, self.sites, self.sites, self.length_scale)
        covariance.flat[:: len(covariance) + 1] += JITTER
        return CovariancePrior(covariance)

    @cached_property
    def _factor(self) -> Array:
        return cholesky(self.prior.covariance, lower=True, overwrite_a=True, check_finite=False)

    def project(self, points):
        require_memory(
            8 * 3 * len(points) * len(self.sites),
            f"kriging {len(points):,} places from {len(self.sites):,} sites",
            "fewer rows at a time",
        )
        across = correlation(self.kernel, self.sites, points, self.length_scale)
        weights = cho_solve((self._factor, True), across, check_finite=False)
        return weights.T, _left(1.0 + JITTER - np.einsum("qn,qn->n", across, weights))


@final
class NystromField(AbstractField):
    """The field at few landmarks, and what it says of all else.

    Functions φ(x) = R⁻ᵀ k(landmarks, x) with RᵀR = K(landmarks), of unit variance: the covariance of the sites is met
    exactly at landmarks, and the variance left at any other place is known.

    Source: Williams & Seeger, Using the Nyström method to speed up kernel machines (2001); landmarks by Cholesky with
    pivots, Harbrecht, Peters & Schneider, On the low-rank approximation by the pivoted Cholesky decomposition (2012).
    """

    def __init__(self, kernel: str, length_scale: float, sites: Array, landmarks: Rows) -> None:
        self.kernel, self.length_scale, self.sites = kernel, length_scale, sites
        self.landmarks = landmarks
        self._places = sites[landmarks]
        own = correlation(kernel, self._places, self._places, length_scale)
        own.flat[:: len(own) + 1] += 1e-13  # rounding alone can leave the last pivots negative
        self._factor = cholesky(own, lower=True, check_finite=False)

    def _functions(self, points: Array) -> Array:
        require_memory(
            8 * 3 * len(points) * len(self.landmarks),
            f"{len(self.landmarks):,} functions of {len(points):,} sites",
            "a smaller n_functions",
        )
        across = correlation(self.kernel, self._places, points, self.length_scale)
        return solve_triangular(self._factor, across, lower=True, overwrite_b=True, check_finite=False).T

    @cached_property
    def _loadings(self) -> Array:
        return self._functions(self.sites)

    @property
    def error(self) -> float:  # type: ignore[override]
        # what is left is a covariance, whose largest entry is on its diagonal
        return float(_left(1.0 - np.square(self._loadings).sum(axis=1)).max())

    @property
    def prior(self) -> BasisPrior:
        return BasisPrior(self._loadings, np.ones(len(self.landmarks)))

    def project(self, points):
        functions = self._functions(points)
        return functions, _left(1.0 - np.square(functions).sum(axis=1))


def choose_landmarks(
    kernel: str, length_scale: float, sites: Array, counts: Array, most: int, tolerance: float
) -> tuple[Rows, bool]:
    """Sites from which the field is known elsewhere, each the one of which the earlier ones tell least.

    It ends when what is left of the variance of a site, times the rows it has, is below ``tolerance`` everywhere:
    then no noise of a size near the field's lets it be seen.

    Returns
    -------
    landmarks : ndarray (m,)
    enough : bool
        Whether that was reached with ``most`` landmarks.

    Examples
    --------
    >>> import numpy as np
    >>> line = np.linspace(0, 1, 1000)[:, None]
    >>> landmarks, enough = choose_landmarks("rbf", 0.3, line, np.ones(1000), most=100, tolerance=1e-6)
    >>> len(landmarks), enough
    (9, True)
    """
    searched = np.arange(len(sites))
    if len(sites) > _SEARCHED:
        searched = np.sort(np.random.default_rng(0).choice(len(sites), _SEARCHED, replace=False))
    places, weight = sites[searched], counts[searched]
    most = min(most, len(places))
    rows = np.empty((min(64, most), len(places)))
    left = np.ones(len(places))
    chosen: list[int] = []
    while len(chosen) < most:
        k, pivot = len(chosen), int(np.argmax(left * weight))
        if left[pivot] * weight[pivot] <= tolerance or left[pivot] < 1e-12:
            return searched[chosen], True
        if k == len(rows):
            rows = np.vstack([rows, np.empty((min(k, most - k), len(places)))])
        row = correlation(kernel, places[pivot : pivot + 1], places, length_scale)[0]
        row -= rows[:k, pivot] @ rows[:k]
        row /= np.sqrt(left[pivot])
        rows[k] = row
        left -= row * row
        left[pivot] = 0.0
        chosen.append(pivot)
    return searched[chosen], bool((left * weight).max() <= tolerance)


@final
class HilbertField(AbstractField):
    """Waves that vanish on a box around the sites, with the variances that the kernel's spectrum gives them.

    φ_j(x) = Π_i L_i^(−½) sin(π j_i (x_i + L_i) / 2L_i) and d_j = density(|ω_j|), ω_ji = π j_i / 2L_i.

    The box mirrors the field: a place has an image beyond the boundary, with the opposite sign. The boundary is put
    where the correlation with it falls to half the error allowed, .01; then waves are taken, those of most variance
    first, until no more than that is missing from the variance of sampled sites, or ``most`` are used.

    Source: Solin & Särkkä, Hilbert space methods for reduced-rank Gaussian process regression (2020); Riutort-Mayol et
    al., Practical Hilbert space approximate Bayesian Gaussian processes (2023), who give numbers for a laxer rule.
    """

    def __init__(
        self, kernel: str, length_scale: float, sites: Array, most: int, given: int | None = None
    ) -> None:
        self.length_scale, self.sites = length_scale, sites
        low, high = sites.min(axis=0), sites.max(axis=0)
        margin = 0.5 * distance_at(kernel, 0.5 * _WAVE_ERROR, length_scale)
        self._centre, self._half = 0.5 * (low + high), 0.5 * (high - low) + margin
        self._frequency = _lowest_frequencies(self._half, given or most)
        speed = np.linalg.norm(self._frequency, axis=1)
        self.variances = spectral_density(kernel, speed, length_scale, sites.shape[1])
        some = sites[:: max(1, len(sites) // _PROBES)]
        functions = self._functions(some)
        if given is None:
            missing = 1.0 - np.cumsum(np.square(functions) * self.variances, axis=1).min(axis=0)
            used = 1 + int(np.argmax(np.append(missing[:-1] <= _WAVE_ERROR, True)))
            self._frequency, self.variances = self._frequency[:used], self.variances[:used]
            functions = functions[:, :used]
        truth = correlation(kernel, some, some, length_scale)
        self.error = float(np.abs(functions * self.variances @ functions.T - truth).max())

    def _functions(self, points: Array) -> Array:
        require_memory(
            8 * 3 * len(points) * len(self.variances),
            f"{len(self.variances):,} functions of {len(points):,} sites",
            "a smaller n_functions",
        )
        out = np.ones((len(points), len(self.variances)))
        for i, half in enumerate(self._half):
            place = points[:, i] - self._centre[i] + half
            out *= np.sin(np.outer(place, self._frequency[:, i])) / np.sqrt(half)
            out[(place < 0) | (place > 2 * half)] = 0.0  # beyond the box nothing is known
        return out

    @property
    def prior(self) -> BasisPrior:
        return BasisPrior(self._functions(self.sites), self.variances)

    def project(self, points):
        functions = self._functions(points)
        return functions, _left(1.0 - np.square(functions) @ self.variances)


def _lowest_frequencies(half: Array, count: int) -> Array:
    """Angular frequencies (count, d) of the slowest waves in a box of these half-widths."""
    limit = pi / 2.0 * float(np.linalg.norm(1.0 / half))
    while True:
        axes = [pi * np.arange(1, 1 + int(limit * 2.0 * width / pi)) / (2.0 * width) for width in half]
        frequency = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(half))
        speed = np.linalg.norm(frequency, axis=1)
        if np.count_nonzero(speed <= limit) >= count:
            return frequency[np.argsort(speed, kind="stable")[:count]]
        limit *= 1.3


def _left(variance: Array) -> Array:
    """Rounding and waves near their boundary can take a hair more than all."""
    return np.maximum(variance, 0.0)
