"""Series whose values at near times are alike: a first-order autoregression, at even or uneven times."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from intertwine.effects.exchangeable import Grouping, group_name, keys_of
from intertwine.effects.random import (
    AbstractBoundEffect,
    AbstractRandomEffect,
    EffectRows,
    Located,
    PrecisionPrior,
)

__all__ = ["AR1", "BoundAR1"]

Array = NDArray[np.float64]

_SHORTEST = 0.2  # length scale in median steps: neighbours are then correlated by .007, as good as noise
_LEAST_CHANGE = 1e-12  # 1 − ρ² of neighbours, under which their values cannot be told apart
_LONGEST = 10.0  # in durations: the series is then a constant within any noise


@final
@dataclass(frozen=True)
class AR1(AbstractRandomEffect):
    """A series for each group that returns to zero: Cov(g(s), g(t)) = τ ρ^|t − s| = τ exp(−|t − s| / ℓ).

    At even times it is the autoregression of first order, at uneven ones the Ornstein-Uhlenbeck process. Rows of one
    group at the same time share a value. Between and after the times seen the series is interpolated and dies out,
    with the variance that is left.

    Parameters
    ----------
    group : str, int or tuple of them, optional
        As of `Grouped`: what has a series of its own. None is the only column of ``groups``, or, without ``groups``,
        one series for all rows.
    rho : float, optional
        Correlation ρ of two values a unit of time apart, between 0 and 1.
    length_scale : float, optional
        ℓ = −1 / log ρ, in the unit of time. Learnt, one for all outputs, where neither is given.

    Examples
    --------
    >>> import numpy as np
    >>> from intertwine.effects.random import EffectRows
    >>> bound = AR1(rho=0.5).bind(EffectRows(3, {}, time=np.array([0.0, 1.0, 2.0])))
    >>> np.linalg.inv(bound.prior(bound.start_shape()).precision.toarray()).round(6).tolist()
    [[1.0, 0.5, 0.25], [0.5, 1.0, 0.5], [0.25, 0.5, 1.0]]
    """

    group: Any = None
    rho: float | None = None
    length_scale: float | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        return ("time",) if self.group is None else ("groups", "time")

    @property
    def group_keys(self) -> tuple[Any, ...]:
        return keys_of(self.group)

    @property
    def covariate_keys(self) -> tuple[Any, ...]:
        return ()

    def bind(self, rows: EffectRows) -> BoundAR1:
        self._check()
        assert rows.time is not None  # it is among the needs
        grouped = self.group is not None or None in rows.groups
        grouping = Grouping.of(rows, self.group) if grouped else None
        series = np.zeros(rows.n_rows, np.int64) if grouping is None else grouping.levels(rows)
        order = np.lexsort((rows.time, series))
        times, of = rows.time[order], series[order]
        new = np.ones(rows.n_rows, bool)
        new[1:] = (np.diff(of) != 0) | (np.diff(times) != 0)
        level = np.empty(rows.n_rows, np.int64)
        level[order] = np.cumsum(new) - 1
        bound = BoundAR1(self, grouping, of[new], times[new], level)
        if not len(bound.steps):
            raise ValueError(
                f"every series of {group_name(self.group)} has one time, so how its values follow each other is not "
                "identified: use Grouped, or give later rows"
            )
        nearest = bound.steps.min()
        if -np.expm1(-2.0 * nearest / bound.start_shape()[0]) < _LEAST_CHANGE:
            raise ValueError(
                f"times {nearest:.2g} apart are one and the same at a length scale of {bound.start_shape()[0]:.2g}: "
                "round time, rescale it, or give another rho or length_scale"
            )
        return bound

    def restore(self, state: dict[str, Any]) -> BoundAR1:
        grouping = Grouping.restore(self.group, state) if "sizes" in state else None
        series, times = np.asarray(state["series"]), np.asarray(state["times"])
        return BoundAR1(self, grouping, series, times, np.empty(0, np.int64))

    def _check(self) -> None:
        if self.rho is not None and self.length_scale is not None:
            raise ValueError("rho and length_scale of AR1 say the same thing: give one of them")
        if self.rho is not None and not (isinstance(self.rho, Real) and 0.0 < self.rho < 1.0):
            raise ValueError(f"rho of AR1 must lie between 0 and 1, or be None, got {self.rho!r}")
        scale = self.length_scale
        if scale is not None and not (isinstance(scale, Real) and 0.0 < scale < np.inf):
            raise ValueError(f"length_scale of AR1 must be a positive number or None, got {scale!r}")


@final
class BoundAR1(AbstractBoundEffect):
    """The distinct times of each series, series by series in order of time.

    Parameters
    ----------
    effect : AR1
    grouping : Grouping or None
        None where there is one series.
    series, times : (q,) arrays
        Of each level.
    level : (n,) int array
    """

    basis = None
    basis_names = ("intercept",)
    shape_names = ("length_scale",)
    correlated = True

    def __init__(
        self,
        effect: AR1,
        grouping: Grouping | None,
        series: NDArray[np.int64],
        times: Array,
        level: NDArray[np.int64],
    ) -> None:
        self.grouping, self.series, self.times = grouping, series, times
        self.level, self.n_levels = level, len(times)
        self._follows = np.diff(series) == 0  # whether a level and the next one are of one series
        self.steps = np.diff(times)[self._follows]
        self._given = effect.length_scale if effect.rho is None else -1.0 / np.log(effect.rho)

    def start_shape(self) -> Array:
        if self._given is not None:
            return np.array([self._given])
        return np.array([2.0 * np.median(self.steps)])

    def shape_bounds(self) -> Array:
        if self._given is not None:
            return np.full((1, 2), self._given)
        first = np.concatenate([[True], ~self._follows])
        last = np.concatenate([~self._follows, [True]])
        longest = (self.times[last] - self.times[first]).max()
        return np.array([[_SHORTEST * np.median(self.steps), _LONGEST * longest]])

    def prior(self, shape: Array) -> PrecisionPrior:
        gaps = np.where(self._follows, np.diff(self.times), 0.0)
        decay = np.where(self._follows, np.exp(-gaps / shape[0]), 0.0)
        left = np.where(self._follows, -np.expm1(-2.0 * gaps / shape[0]), 1.0)  # 1 − ρ²
        diagonal = np.ones(self.n_levels)
        diagonal[1:] += decay**2 / left  # 1/(1 − ρ²) is 1 + ρ²/(1 − ρ²)
        diagonal[:-1] += decay**2 / left
        beside = -decay / left
        precision = sparse.diags_array([beside, diagonal, beside], offsets=[-1, 0, 1], format="csr")
        precision.eliminate_zeros()
        return PrecisionPrior(precision, -float(np.log(left).sum()))

    def locate(self, rows: EffectRows, shape: Array) -> Located:
        time = np.asarray(rows.time, np.float64)
        n, q = rows.n_rows, self.n_levels
        series = np.zeros(n, np.int64) if self.grouping is None else self.grouping.levels(rows)
        after = self._first_not_before(series, time)
        inside = np.minimum(after, q - 1)
        known = (after < q) & (self.series[inside] == series) & (self.times[inside] == time)
        if known.all():
            return Located(after, None, None, None)
        new = np.flatnonzero(~known)
        before = np.maximum(after[new] - 1, 0)
        has_before = (after[new] > 0) & (self.series[before] == series[new])
        has_after = (after[new] < q) & (self.series[inside[new]] == series[new])
        # The correlations with the value before, with the value after, and of these two with each other.
        a = np.where(has_before, np.exp(-(time[new] - self.times[before]) / shape[0]), 0.0)
        b = np.where(has_after, np.exp(-(self.times[inside[new]] - time[new]) / shape[0]), 0.0)
        free = 1.0 - (a * b) ** 2
        weights = np.concatenate([a * (1.0 - b**2) / free, b * (1.0 - a**2) / free])
        place = np.concatenate([before, inside[new]])
        row = np.tile(np.arange(len(new)), 2)
        between = sparse.coo_array((weights, (row, place)), (len(new), q)).tocsr()
        between.eliminate_zeros()
        projection = sparse.csr_array(sparse.vstack([sparse.eye_array(q, format="csr"), between]))
        level = after.copy()
        level[new] = q + np.arange(len(new))
        extra = np.concatenate([np.zeros(q), (1.0 - a**2) * (1.0 - b**2) / free])
        return Located(level, None, projection, extra)

    def _first_not_before(self, series: NDArray[np.int64], time: Array) -> NDArray[np.int64]:
        """First level of the row's series, or of a later one, that is not before the row's time; q where none is."""
        order = np.lexsort(
            (
                np.concatenate([np.ones(self.n_levels), np.zeros(len(time))]),
                np.concatenate([self.times, time]),
                np.concatenate([self.series, series]),
            )
        )
        counts = np.cumsum(order < self.n_levels)
        out = np.empty(len(order), np.int64)
        out[order] = counts
        return out[self.n_levels :]

    def state(self) -> dict[str, Any]:
        grouping = {} if self.grouping is None else self.grouping.state()
        return {"series": self.series, "times": self.times, **grouping}
