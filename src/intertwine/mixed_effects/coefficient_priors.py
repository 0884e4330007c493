"""Priors of the coefficients on latent axes: what the next precision is, once their second moments are known.

With u_j = E a_j², a prior that is a mixture of Gaussians asks for the mean of its precision, in place of 1 / D_j:

    Gaussian     an effect c of g coefficients has one variance: D = Σ u / g
    Laplace      exp(−λ |a_j|):  λ / √u_j
    Cauchy       1 / (1 + a_j² / s²):  2 / (s² + u_j)
    horseshoe    deviations λ_c τ, both half-Cauchy, one λ for each effect and axis, one τ for each axis

so that one EM step costs nothing beyond the moments. Where no scale is given, λ and s are the most likely ones at the
same moments: λ = g / Σ √u of the g coefficients of an effect, and s with Σ 2u / (s² + u) = g. Coefficients of subjects
share one variance for all subjects; Laplace and Cauchy priors, which are of one coefficient each, leave these Gaussian,
the horseshoe takes them in. Correlated coefficients of subjects stay Gaussian, with the covariance of their moments.

Source: Andrews & Mallows (1974); Carvalho, Polson & Scott (2010); Makalic & Schmidt (2016) for the auxiliary variables.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from intertwine.mixed_effects.subjects import LatentVariances, OwnCorrelation

__all__ = [
    "AbstractCoefficientPrior",
    "CauchyPrior",
    "GaussianPrior",
    "HorseshoePrior",
    "LaplacePrior",
    "LearntColumns",
    "horseshoe_precision",
]

Array = NDArray[np.float64]

_ROUNDS = 100  # of the horseshoe's local and global scales in turn
_LEAP = 5.0  # that the logarithm of the global scale may go at once
_SMALLEST = 1e-300
_HALVINGS = 60


class LearntColumns(NamedTuple):
    """Which columns the effects have whose variances are learnt; other coefficients keep theirs.

    Attributes
    ----------
    shared : tuple of slice
        Of the shared features, one for each effect.
    own : tuple of slice
        Of the features of subjects' own coefficients.
    """

    shared: tuple[slice, ...] = ()
    own: tuple[slice, ...] = ()


class AbstractCoefficientPrior(abc.ABC):
    """What an EM step makes of second moments."""

    @abc.abstractmethod
    def next_variances(
        self, moments: LatentVariances, variances: LatentVariances, columns: LearntColumns, n_subjects: int
    ) -> LatentVariances:
        """Variances for the next step; those of the noise and of trends are their moments, and so are correlations."""


def _averaged(moments: Array, variances: Array, columns: tuple[slice, ...]) -> Array:
    """One variance for each effect and axis; other columns as they were."""
    out = variances.copy()
    for part in columns:
        out[part] = moments[part].mean(axis=0)
    return out


@final
@dataclass(frozen=True)
class GaussianPrior(AbstractCoefficientPrior):
    """One variance for each effect and axis, at its most likely value.

    Examples
    --------
    >>> one, none = np.ones((2, 1)), np.empty((0, 1))
    >>> moments = LatentVariances(np.ones(1), np.array([[1.0], [3.0]]), none, none)
    >>> start = LatentVariances(np.ones(1), one, none, none)
    >>> GaussianPrior().next_variances(moments, start, LearntColumns((slice(0, 2),)), 5).shared.ravel()
    array([2., 2.])
    """

    def next_variances(
        self, moments: LatentVariances, variances: LatentVariances, columns: LearntColumns, n_subjects: int
    ) -> LatentVariances:
        return LatentVariances(
            moments.noise,
            _averaged(moments.shared, variances.shared, columns.shared),
            _averaged(moments.own, variances.own, columns.own),
            moments.trends,
            moments.correlations,
        )


@final
@dataclass(frozen=True)
class LaplacePrior(AbstractCoefficientPrior):
    """exp(−rate |a_j|) for every shared coefficient.

    Parameters
    ----------
    rate : float, optional
        None: the most likely one of each effect and axis, g / Σ √u, at every step.
    """

    rate: float | None = None

    def next_variances(
        self, moments: LatentVariances, variances: LatentVariances, columns: LearntColumns, n_subjects: int
    ) -> LatentVariances:
        shared = variances.shared.copy()
        for part in columns.shared:
            size = np.sqrt(moments.shared[part])
            shared[part] = size * (size.mean(axis=0) if self.rate is None else 1.0 / self.rate)
        own = _averaged(moments.own, variances.own, columns.own)
        return LatentVariances(moments.noise, shared, own, moments.trends, moments.correlations)


@final
@dataclass(frozen=True)
class CauchyPrior(AbstractCoefficientPrior):
    """1 / (1 + a_j² / scale²) for every shared coefficient.

    Parameters
    ----------
    scale : float, optional
        None: the most likely one of each effect and axis, at every step.
    """

    scale: float | None = None

    def next_variances(
        self, moments: LatentVariances, variances: LatentVariances, columns: LearntColumns, n_subjects: int
    ) -> LatentVariances:
        shared = variances.shared.copy()
        for part in columns.shared:
            square = _cauchy_scale(moments.shared[part]) if self.scale is None else self.scale**2
            shared[part] = 0.5 * (square + moments.shared[part])
        own = _averaged(moments.own, variances.own, columns.own)
        return LatentVariances(moments.noise, shared, own, moments.trends, moments.correlations)


@final
@dataclass(frozen=True)
class HorseshoePrior(AbstractCoefficientPrior):
    """Whole effects are small, or free, on each axis."""

    def next_variances(
        self, moments: LatentVariances, variances: LatentVariances, columns: LearntColumns, n_subjects: int
    ) -> LatentVariances:
        free, taken = _independent(columns.own, moments.correlations)
        sums = [moments.shared[part].sum(axis=0) for part in columns.shared]
        sizes = [len(moments.shared[part]) for part in columns.shared]
        sums += [n_subjects * moments.own[part].sum(axis=0) for part in free]
        sizes += [n_subjects * len(moments.own[part]) for part in free]
        shared, own = variances.shared.copy(), _averaged(moments.own, variances.own, taken)
        if sums:
            found = 1.0 / horseshoe_precision(np.array(sums), np.array(sizes, dtype=np.float64))
            for variance, part in zip(found, columns.shared, strict=False):
                shared[part] = variance
            for variance, part in zip(found[len(columns.shared) :], free, strict=True):
                own[part] = variance
        return LatentVariances(moments.noise, shared, own, moments.trends, moments.correlations)


def _independent(
    columns: tuple[slice, ...], correlations: tuple[OwnCorrelation, ...]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Own columns of which none is correlated with others, and those that are."""
    taken = {int(column) for one in correlations for column in one.columns}
    free = tuple(part for part in columns if part.start not in taken)
    return free, tuple(part for part in columns if part.start in taken)


def _cauchy_scale(moments: Array) -> Array:
    """The s² at which Σ [log s + log(1 + u / s²)] over coefficients (g, K) is least, (K,): between least and largest u.

    Its derivative has one root, which is bisected.
    """
    logs = np.log(np.maximum(moments, _SMALLEST))
    low, high = logs.min(axis=0), logs.max(axis=0)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        is_low = (2.0 * expit(logs - middle)).sum(axis=0) > len(logs)
        low, high = np.where(is_low, middle, low), np.where(is_low, high, middle)
    return np.exp(0.5 * (low + high))


def horseshoe_precision(sums: Array, sizes: Array) -> Array:
    """E λ⁻² τ⁻² of each effect and axis (C, K), from the sums of its coefficients' squares and their number (C,).

    λ⁻², τ⁻² and their auxiliary variables are at their fixed point, which for one of them given the other is the root
    of a quadratic.

    Examples
    --------
    A large effect is hardly shrunk, beside it a small one is:

    >>> horseshoe_precision(np.array([[40.0], [0.01]]), np.array([4.0, 4.0])).ravel().round(2).tolist()
    [0.12, 300.9]
    """
    sums = np.maximum(sums, _SMALLEST)

    def local(overall: Array) -> Array:
        return _half_cauchy_precision(0.5 * np.exp(overall) * sums, sizes[:, None])

    def again(overall: Array) -> Array:
        return np.log(_half_cauchy_precision(0.5 * np.sum(local(overall) * sums, axis=0), sizes.sum()))

    overall = np.zeros(sums.shape[1])  # log τ⁻²
    for _ in range(_ROUNDS):  # Steffensen: the fixed point of a line through two rounds
        once = again(overall)
        twice = again(once)
        first, second = once - overall, twice - once
        bend = np.where(np.abs(second - first) > 1e-12, second - first, -1.0)
        leap = np.clip(first**2 / bend, -_LEAP, _LEAP)
        overall = np.where(np.abs(second) < np.abs(first), overall - leap, twice)
        if np.all(np.abs(first) <= 1e-10):
            break
    return local(overall) * np.exp(overall)


def _half_cauchy_precision(half_sum: Array, size: Array | float) -> Array:
    """The x > 0 with x (1 / (1 + x) + half_sum) = (size + 1) / 2: E λ⁻² where E ν⁻¹ = 1 / (1 + E λ⁻²)."""
    target = 0.5 * (size + 1.0)
    b = 1.0 + half_sum - target
    root = np.sqrt(b**2 + 4.0 * half_sum * target)
    # The form of the root that does not subtract numbers alike.
    return np.where(b > 0.0, 2.0 * target / (b + root), (root - b) / (2.0 * half_sum))
