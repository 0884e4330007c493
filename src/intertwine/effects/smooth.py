"""Smooth effects of a number: waves in a box whose prior variances are a kernel's spectrum.

    g(x) = Σ_j a_j √S(ω_j) φ_j(x),   φ_j(x) = L^(−½) sin(ω_j (x − centre + L)),   ω_j = πj / 2L,   a ~ N(0, v I)

so that Cov g(x), g(x') is v times the kernel, but for two errors. A box of half width L mirrors the function at its
boundary: with h the half range of the fit's rows and L = h + aℓ the correlation with the image is at most ε. The
waves above ω_m are left out: with m = b L/ℓ they carry a share ε of the variance. Both constants follow from the
kernel, a = ½ (distance at which it falls to ε) / ℓ and b = (2/π) (frequency · ℓ that ε of its spectrum exceeds):

    ε = .01      rbf (1.517, 1.640)     matern52 (1.794, 2.567)     matern32 (1.916, 3.718)
    ε = .05      matern12 (1.498, 8.089), whose spectrum falls so slowly that .01 would take five times as many

Only at the shortest length scale and at the crest of a wave do the two meet: 2ε. The box follows the length scale, so
that m, which is enough for the shortest one admitted, is enough for all of them: b (h/ℓ_min + a) waves, where one box
for all length scales would take b (h + a ℓ_max)/ℓ_min.

Source: Solin & Särkkä, Hilbert space methods for reduced-rank Gaussian process regression (2020); a rule of this form,
with laxer constants, in Riutort-Mayol et al., Practical Hilbert space approximate Bayesian Gaussian processes (2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, pi
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from intertwine.effects.covariate import AbstractBoundCovariateEffect, AbstractCovariateEffect, Covariates
from intertwine.effects.stationary_kernels import KERNELS, correlation, distance_at, spectral_density
from intertwine.resources import require_memory

__all__ = [
    "BoundSmooth",
    "Smooth",
    "WaveRule",
    "length_scale_bounds",
    "require_positive",
    "values_that_apply",
]

Array = NDArray[np.float64]

_ERROR = {"rbf": 0.01, "matern12": 0.05, "matern32": 0.01, "matern52": 0.01}
_DEGREES_OF_FREEDOM = {"matern12": 1.0, "matern32": 3.0, "matern52": 5.0}  # of the spectrum, a t distribution
_SHORTEST, _START, _LONGEST = 0.1, 0.3, 1.5  # length scales, in ranges of the rows of the fit
_MOST_FUNCTIONS = 1000
_POINTS = 2048  # that stand for the values of the fit, whatever their number


class WaveRule(NamedTuple):
    """What a kernel needs for an error of ``error``: a box of h + aℓ, and b (h + aℓ)/ℓ waves.

    Examples
    --------
    >>> [round(number, 3) for number in WaveRule.of("matern32")]
    [1.916, 3.718, 0.01]
    """

    a: float
    b: float
    error: float

    @classmethod
    def of(cls, kernel: str) -> WaveRule:
        """The constants of a kernel."""
        error = _ERROR[kernel]
        upper = 1.0 - 0.5 * error
        fastest = ndtri(upper) if kernel == "rbf" else stdtrit(_DEGREES_OF_FREEDOM[kernel], upper)
        return cls(0.5 * distance_at(kernel, error, 1.0), 2.0 / pi * float(fastest), error)


@final
@dataclass(frozen=True)
class Smooth(AbstractCovariateEffect):
    """A smooth function of a number, centred over the rows of the fit.

    Within the range of the fit it is a Gaussian process up to the error of the rule that chooses functions and
    boundary. Beyond that range it goes back to its mean over the fit, on the way that the kernel sets, and its prior
    variance stays that of the process: nothing wraps around. Where trust in values some way outside is wanted, a
    wider ``boundary`` moves the box out.

    Parameters
    ----------
    key : str or int
        The covariate; where it is NaN the effect does not apply.
    kernel : {"rbf", "matern12", "matern32", "matern52"}, default="rbf"
        From matern12, like a random walk, to rbf, the smoothest.
    length_scale : float, optional
        In the unit of the covariate. Learnt, between .1 and 1.5 ranges of the covariate, where it is not given.
    n_functions : int, optional
        By default as many as the shortest length scale needs (11 for rbf, 18, 26 and 53 for matern52, 32 and 12).
        Given, and the length scale learnt, no length scale is admitted for which they would be too few.
    boundary : float, optional
        Half width of the box, in half ranges of the covariate, above 1. By default it follows the length scale.

    Examples
    --------
    >>> age = Covariates(5, {"age": np.array([30.0, 45.0, 60.0, 75.0, np.nan])}, {})
    >>> bound = Smooth("age").bind(age)
    >>> features = bound.features(age, np.array([15.0]))
    >>> features.shape, features[4].tolist() == [0.0] * 9, bool(np.abs(features.sum(axis=0)).max() < 1e-12)
    ((5, 9), True, True)
    >>> (features @ features.T)[0].round(2)  # of the covariance, less its means
    array([ 0.63,  0.09, -0.38, -0.35,  0.  ])
    """

    key: Any
    kernel: Literal["rbf", "matern12", "matern32", "matern52"] = "rbf"
    length_scale: float | None = None
    n_functions: int | None = None
    boundary: float | None = None

    def __post_init__(self) -> None:
        if self.kernel not in KERNELS:
            raise ValueError(f"kernel of {self._called} must be one of {list(KERNELS)}, got {self.kernel!r}")
        require_positive("length_scale", self._called, self.length_scale)
        require_positive("boundary", self._called, self.boundary)
        if self.boundary is not None and self.boundary <= 1.0:
            raise ValueError(
                f"boundary of {self._called} must be above 1 (half ranges of the covariate), got {self.boundary!r}"
            )
        whole = isinstance(self.n_functions, Integral) and not isinstance(self.n_functions, bool)
        if self.n_functions is not None and not (whole and self.n_functions >= 1):
            raise ValueError(
                f"n_functions of {self._called} must be a positive integer or None, got {self.n_functions!r}"
            )

    @property
    def _called(self) -> str:
        return f"Smooth({self.key!r})"

    @property
    def number_keys(self) -> tuple[Any, ...]:
        return (self.key,)

    @property
    def category_keys(self) -> tuple[Any, ...]:
        return ()

    @property
    def title(self) -> str:
        return str(self.key)

    def bind(self, columns: Covariates) -> BoundSmooth:
        values = values_that_apply(columns, self.key)
        points, weights = _summary(values)
        return BoundSmooth(self, float(values.min()), float(values.max()), points, weights)

    def restore(self, state: dict[str, Any]) -> BoundSmooth:
        low, high = (float(limit) for limit in state["range"])
        points, weights = np.asarray(state["points"]), np.asarray(state["weights"])
        return BoundSmooth(self, low, high, points, weights)


@final
class BoundSmooth(AbstractBoundCovariateEffect):
    """Waves over the range of the rows of a fit, and one function that is zero there and not beyond.

    Parameters
    ----------
    effect : Smooth
    low, high : float
        Range of the values of the fit.
    points, weights : ndarray
        What stands for the values of the fit in means over its rows.
    """

    shape_names = ("length_scale",)

    def __init__(self, effect: Smooth, low: float, high: float, points: Array, weights: Array) -> None:
        self.effect, self.low, self.high = effect, low, high
        self._points, self._weights = points, weights
        self._centre, self._half_range = 0.5 * (low + high), 0.5 * (high - low)
        self._rule = WaveRule.of(effect.kernel)
        shortest = float(self.shape_bounds()[0, 0])
        needed = ceil(self._rule.b * self.half_width(shortest) / shortest)
        if effect.n_functions is None and needed > _MOST_FUNCTIONS:
            raise ValueError(
                f"length_scale={effect.length_scale:g} of Smooth({effect.key!r}) is so short within the range of "
                f"{high - low:g} that {needed:,} functions would be needed: give a longer one, or n_functions"
            )
        self.n_waves = effect.n_functions or needed
        self.n_functions = self.n_waves + 1
        self.names = (*(f"wave {j}" for j in range(1, self.n_functions)), "beyond")

    def start_shape(self) -> Array:
        low, high = self.shape_bounds()[0]
        return np.array([np.clip(_START * (self.high - self.low), low, high)])

    def shape_bounds(self) -> Array:
        given = self.effect.length_scale
        if given is not None:
            return np.full((1, 2), float(given))
        low, high = length_scale_bounds(self.high - self.low, len(self._points))
        if self.effect.n_functions is not None:
            low = min(max(low, self._shortest_for(self.effect.n_functions)), 0.5 * high)
        return np.array([[low, high]])

    def _shortest_for(self, n_waves: int) -> float:
        """The length scale for which that many waves are just enough; infinite where they never are."""
        a, b, _ = self._rule
        if self.effect.boundary is not None:
            return b * self.effect.boundary * self._half_range / n_waves
        return b * self._half_range / (n_waves - a * b) if n_waves > a * b else np.inf

    def half_width(self, length_scale: float) -> float:
        """Of the box, L."""
        if self.effect.boundary is not None:
            return self.effect.boundary * self._half_range
        return self._half_range + self._rule.a * length_scale

    def features(self, columns: Covariates, shape: Array) -> Array:
        length_scale = float(np.asarray(shape).reshape(-1)[0])
        values = columns.numbers[self.effect.key]
        require_memory(
            8 * 3 * len(values) * self.n_functions,
            f"{self.n_functions:,} functions of {self.effect.key!r} at {len(values):,} rows",
            "a smaller n_functions, or fewer rows at a time",
        )
        applies = ~np.isnan(values)
        out = np.zeros((len(values), self.n_functions))
        out[applies] = self._functions(values[applies], length_scale)
        return out

    def _functions(self, values: Array, length_scale: float) -> Array:
        outside = np.maximum(np.maximum(self.low - values, values - self.high), 0.0)
        back_to_mean = self._falling(outside, length_scale)
        mean = self._weights @ self._waves(self._points, length_scale)
        waves = self._waves(values, length_scale) - back_to_mean[:, None] * mean
        return np.column_stack([waves, np.sqrt(self._mirrored(outside, length_scale))])

    def _waves(self, values: Array, length_scale: float) -> Array:
        """φ_j √S(ω_j), not centred: zero beyond the box."""
        half = self.half_width(length_scale)
        frequency = 0.5 * pi / half * np.arange(1.0, self.n_functions)
        place = values - (self._centre - half)
        waves = np.sin(np.outer(place, frequency))
        waves *= np.sqrt(spectral_density(self.effect.kernel, frequency, length_scale, 1) / half)
        waves[(place < 0.0) | (place > 2.0 * half)] = 0.0
        return waves

    def _falling(self, distance: Array, length_scale: float) -> Array:
        origin = np.zeros((1, 1))
        return correlation(self.effect.kernel, distance[:, None], origin, length_scale)[:, 0]

    def _mirrored(self, outside: Array, length_scale: float) -> Array:
        """The variance that a box takes from values beyond the range of the fit: all of it beyond the boundary."""
        margin = self.half_width(length_scale) - self._half_range
        image = (
            np.array([margin, 0.0]) * 2.0
        )  # how far the image is at the edge of the range, at the boundary
        at_edge = self._falling(image[:1], length_scale)[0]
        taken = self._falling(2.0 * np.maximum(margin - outside, 0.0), length_scale)
        return np.where(outside > 0.0, np.maximum(taken - at_edge, 0.0) / (1.0 - at_edge), 0.0)

    def missing_variance(self, shape: Array) -> float:
        length_scale = float(np.asarray(shape).reshape(-1)[0])
        ends = np.concatenate([[self.low, self.high], self._points])
        carried = np.square(self._waves(ends, length_scale)).sum(axis=1)
        return float(np.clip(1.0 - carried.min(), 0.0, 1.0))

    def state(self) -> dict[str, Any]:
        return {
            "range": np.array([self.low, self.high]),
            "points": self._points,
            "weights": self._weights,
        }


def values_that_apply(columns: Covariates, key: Any) -> Array:
    """The values of a covariate that are numbers.

    Raises
    ------
    ValueError
        Where there is none, or all are the same.
    """
    values = columns.numbers[key]
    values = values[~np.isnan(values)]
    if len(values) == 0:
        raise ValueError(f"covariate {key!r} is NaN in every row: its effect never applies; leave it out")
    if values.min() == values.max():
        raise ValueError(
            f"covariate {key!r} is {values[0]:g} in every row that has it: it explains nothing; leave it out"
        )
    return values


def length_scale_bounds(extent: float, n_distinct: int) -> tuple[float, float]:
    """Length scales between which one is looked for: shorter than the values' spacing none is identified."""
    return max(_SHORTEST, 0.5 / (n_distinct - 1)) * extent, _LONGEST * extent


def require_positive(name: str, called: str, value: Any) -> None:
    """Refuse what is neither None nor a positive number.

    Raises
    ------
    ValueError
        With the effect and the parameter.
    """
    number = isinstance(value, Real) and not isinstance(value, bool)
    if value is not None and not (number and 0.0 < value < np.inf):
        raise ValueError(f"{name} of {called} must be a positive number or None, got {value!r}")


def _summary(values: Array) -> tuple[Array, Array]:
    """Points and weights with the values' distribution: distinct values, or the means of many equal bins."""
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) < _POINTS:
        return distinct, counts / len(values)
    place = (distinct - distinct[0]) * (_POINTS / (distinct[-1] - distinct[0]))
    cell = np.minimum(place.astype(np.int64), _POINTS - 1)
    rows = np.bincount(cell, weights=counts, minlength=_POINTS)
    sums = np.bincount(cell, weights=counts * distinct, minlength=_POINTS)
    return sums[rows > 0.0] / rows[rows > 0.0], rows[rows > 0.0] / len(values)
