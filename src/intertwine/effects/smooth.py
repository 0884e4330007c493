"""Smooth effects of a number: a Gaussian process by its waves (`waves`), centred over the rows of a fit."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from numbers import Integral, Real
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.covariate import AbstractBoundCovariateEffect, Covariates
from intertwine.effects.interaction import AbstractFactor
from intertwine.effects.stationary_kernels import KERNELS, correlation
from intertwine.effects.waves import WaveRule, waves
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

_SHORTEST, _START, _LONGEST = 0.1, 0.3, 1.5  # length scales, in ranges of the rows of the fit
_MOST_FUNCTIONS = 1000
_POINTS = 2048  # that stand for the values of the fit, whatever their number


@final
@dataclass(frozen=True)
class Smooth(AbstractFactor):
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
        mean = self._weights @ self._waves(self._points, length_scale)
        out = np.zeros((len(values), self.n_functions))
        out[:, :-1] = self._waves(values, length_scale) - mean
        outside = np.maximum(self.low - values, values - self.high)
        if len(beyond := np.flatnonzero(outside > 0.0)):
            gone = 1.0 - self._falling(outside[beyond], length_scale)
            out[beyond, :-1] += gone[:, None] * mean
            out[beyond, -1] = np.sqrt(self._mirrored(outside[beyond], length_scale))
        return out

    def _waves(self, values: Array, length_scale: float) -> Array:
        """Not centred."""
        half = self.half_width(length_scale)
        return waves(self.effect.kernel, values - self._centre, half, length_scale, self.n_waves)

    def _falling(self, distance: Array, length_scale: float) -> Array:
        origin = np.zeros((1, 1))
        return correlation(self.effect.kernel, distance[:, None], origin, length_scale)[:, 0]

    def _mirrored(self, outside: Array, length_scale: float) -> Array:
        """The variance that a box takes from values beyond the range of the fit: all of it beyond the boundary."""
        margin = self.half_width(length_scale) - self._half_range
        at_edge = self._falling(np.array([2.0 * margin]), length_scale)[0]
        taken = self._falling(2.0 * np.maximum(margin - outside, 0.0), length_scale)
        return np.maximum(taken - at_edge, 0.0) / (1.0 - at_edge)

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
