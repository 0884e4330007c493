"""Shapes of covariances, which all outputs share: length scales, autocorrelations.

For each shape that is tried the variances of every output are set to their best values, and what is maximised is the
sum of the outputs' log-likelihoods. A trial costs a decomposition of the covariance, so trials are few: one parameter
at a time, on its logarithm, and no further than the likelihood can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from intertwine.effects.random import AbstractBoundEffect
from intertwine.mixed_effects.base import (
    AbstractGaussianSystem,
    AbstractPosterior,
    Array,
    VarianceComponents,
)
from intertwine.mixed_effects.scalar_search import maximize_scalar
from intertwine.mixed_effects.variances import VarianceReport, fit_variances

__all__ = ["ShapeFit", "ShapeReport", "fit_shapes"]

_STEP = 0.7  # of a logarithm: the first trials are at half and twice the start
_MAX_CYCLES = 10
_SMALLEST_START = 1e-3  # of the first variances: a warm start must be positive definite


class ShapeReport(NamedTuple):
    """How the search for the shape ended.

    ``bound`` says of each parameter of each effect, (s,), whether it lies on its lower (−1) or upper (1) limit, where
    the likelihood knows no more of it than that; 0 for those inside and those that are given. ``tried`` are all
    log-likelihoods found, with the parameters side by side: (trials, parameters + 1).
    """

    bound: tuple[Array, ...]
    converged: bool
    tried: Array


class ShapeFit(NamedTuple):
    """The best shape of each effect, and everything at it."""

    shapes: tuple[Array, ...]
    system: AbstractGaussianSystem
    variances: VarianceComponents
    posterior: AbstractPosterior
    variance_report: VarianceReport
    shape_report: ShapeReport


def fit_shapes(
    effects: Sequence[AbstractBoundEffect],
    system_at: Callable[[tuple[Array, ...]], AbstractGaussianSystem],
    y: Array,
    start: VarianceComponents,
    *,
    shapes: Sequence[Array] | None = None,
    tolerance: float = 1e-3,
    variance_tolerance: float = 1e-9,
    max_iter: int = 200,
    on_trial: Callable[[tuple[Array, ...], float], None] | None = None,
) -> ShapeFit:
    """Maximise the likelihood over shapes and variances.

    With no shape to learn it is a call of :func:`fit_variances`.

    Parameters
    ----------
    effects : sequence of AbstractBoundEffect
    system_at : callable
        The system of these effects at their shapes.
    y : array of shape (n, p)
    start : VarianceComponents
        See :func:`start_variances`.
    shapes : sequence of arrays, optional
        Where to begin; by default where each effect says.
    tolerance : float, default=1e-3
        Of the log-likelihood summed over outputs. A shape that is a standard error off costs 0.5.
    variance_tolerance, max_iter : float, int
        Of the search for variances at each shape.
    on_trial : callable, optional
        Called with the shapes and the log-likelihood of each trial.

    Returns
    -------
    ShapeFit

    Examples
    --------
    >>> from intertwine.effects import Spatial
    >>> from intertwine.effects.random import EffectRows
    >>> from intertwine.mixed_effects.choose import system_for
    >>> from intertwine.mixed_effects.variances import start_variances
    >>> rng = np.random.default_rng(0)
    >>> x = np.linspace(0, 10, 300)[:, None]
    >>> y = np.sin(2 * x) + 0.3 * rng.standard_normal((300, 1))
    >>> effects = [Spatial().bind(EffectRows(300, {}, coords=x))]
    >>> fit = fit_shapes(effects, lambda shapes: system_for(effects, shapes), y, start_variances(effects, y))
    >>> fit.shapes[0].round(1), fit.variances.noise.round(2)
    (array([0.9]), array([0.09]))
    """
    search = _Search(effects, system_at, y, start, variance_tolerance, max_iter, on_trial)
    first = [effect.start_shape() for effect in effects] if shapes is None else shapes
    search.evaluate(np.concatenate([np.log(np.asarray(shape, dtype=np.float64)) for shape in first]))
    free = np.flatnonzero(search.low < search.high)
    bound, converged, step = np.zeros(len(search.low), dtype=np.int64), True, _STEP
    for _ in range(_MAX_CYCLES):
        before, converged = search.best_value, True
        for k in free:
            found = maximize_scalar(
                search.along(int(k)),
                search.best[k],
                search.low[k],
                search.high[k],
                step=step,
                tolerance=tolerance,
            )
            bound[k] = found.bound
            converged &= found.converged
        if len(free) < 2 or search.best_value - before <= tolerance:
            break
        step = max(0.5 * step, 0.05)
        converged = False
    return search.fit(bound, converged)


class _Search:
    """All parameters side by side, as logarithms, and the best fit so far."""

    def __init__(self, effects, system_at, y, start, variance_tolerance, max_iter, on_trial) -> None:
        self._effects, self._system_at, self._y, self._start = effects, system_at, y, start
        self._variance_tolerance, self._max_iter, self._on_trial = variance_tolerance, max_iter, on_trial
        limits = [effect.shape_bounds() for effect in effects]
        self._cuts = np.cumsum([len(limit) for limit in limits])[:-1]
        self._limits = np.concatenate(limits).T
        self.low, self.high = np.log(self._limits)
        self.best_value, self._last = -np.inf, np.empty(0)
        self._values: dict[bytes, float] = {}
        self._tried: list[Array] = []

    def _shapes(self, x: Array) -> tuple[Array, ...]:
        return tuple(
            np.split(np.clip(np.exp(x), *self._limits), self._cuts)
        )  # what is given is given to the bit

    def evaluate(self, x: Array) -> float:
        """The likelihood at a point; every point is tried once."""
        if x.tobytes() in self._values:
            return self._values[x.tobytes()]
        shapes = self._shapes(x)
        system = self._system_at(shapes)
        variances, posterior, report = fit_variances(
            system, self._y, self._effects, self._start, self._variance_tolerance, self._max_iter
        )
        value = float(np.sum(posterior.log_likelihood))
        self._values[x.tobytes()], self._last = value, x
        self._tried.append(np.append(np.exp(x), value))
        if self._on_trial is not None:
            self._on_trial(shapes, value)
        if value > self.best_value:
            self.best, self.best_value = x, value
            self._best = (system, variances, posterior, report)
            self._start = _positive(variances, self._start)
        return value

    def along(self, k: int) -> Callable[[float], float]:
        """The likelihood as a function of one parameter, the others being the best so far."""
        base = self.best.copy()

        def function(value: float) -> float:
            x = base.copy()
            x[k] = value
            return self.evaluate(x)

        return function

    def fit(self, bound, converged: bool) -> ShapeFit:
        shapes = self._shapes(self.best)
        if self._last is not self.best:
            for effect, shape in zip(self._effects, shapes, strict=True):
                effect.prior(
                    shape
                )  # an effect remembers its last shape, of which it will be asked to predict
        report = ShapeReport(tuple(np.split(bound, self._cuts)), converged, np.array(self._tried))
        return ShapeFit(shapes, *self._best, report)


def _positive(variances: VarianceComponents, start: VarianceComponents) -> VarianceComponents:
    """Variances to begin from: those found, with a little of the start where they are singular."""
    effects = tuple(
        found + _SMALLEST_START * first for found, first in zip(variances.effects, start.effects, strict=True)
    )
    return VarianceComponents(variances.noise, effects)
