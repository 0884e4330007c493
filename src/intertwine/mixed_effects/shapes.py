"""Shapes of covariances, which all outputs share: length scales, autocorrelations.

For each shape that is tried the variances of every output are set to their best values, and what is maximised is the
sum of the outputs' log-likelihoods, as a function of the logarithms. A trial costs a decomposition of the covariance,
so trials are few, and go no further than the likelihood can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from intertwine.effects.random import AbstractApproximateEffect, AbstractBoundEffect
from intertwine.mixed_effects.base import (
    AbstractGaussianSystem,
    AbstractPosterior,
    Array,
    VarianceComponents,
)
from intertwine.mixed_effects.scalar_search import maximize_scalar
from intertwine.mixed_effects.variances import VarianceReport, fit_variances

__all__ = ["ShapeFit", "ShapeReport", "cautions", "fit_shapes"]

_STEP = 0.7  # of a logarithm: the first trials are at half and twice the start
_DIFFERENCE = 1e-3  # of a logarithm, for slopes where several parameters are free
_MAX_STEPS = 50
_TRIAL_TOLERANCE = 1e-2  # of the variances, in tolerances of the shape
_TRIAL_ITERATIONS = 50
_SMALLEST_START = 1e-3  # of the first variances: a warm start must be positive definite
_LEAST_NOISE = 0.1  # of the first: near zero the likelihood is flat in log σ², and no search would come away


class ShapeReport(NamedTuple):
    """How the search for the shape ended.

    ``bound`` says of each parameter of each effect, (s,), whether it lies on its lower (−1) or upper (1) limit, where
    the likelihood knows no more of it than that; 0 for those inside and those that are given. ``tried`` are all
    log-likelihoods found, with the parameters side by side: (trials, parameters + 1).
    """

    bound: tuple[NDArray[np.int64], ...]
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
    tolerance: float = 1e-6,
    variance_tolerance: float = 1e-9,
    max_iter: int = 200,
    on_trial: Callable[[tuple[Array, ...], float], None] | None = None,
    on_iteration: Callable[[int, Array], None] | None = None,
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
    tolerance : float, default=1e-6
        Of the log-likelihood summed over outputs. A shape that is a standard error off costs 0.5.
    variance_tolerance, max_iter : float, int
        Of the search for variances at the shape that is found; trials are laxer.
    on_trial : callable, optional
        Called with the shapes and the log-likelihood of each trial.
    on_iteration : callable, optional
        Called in every iteration of every search for variances with its number and the log-likelihoods (p,).

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
    first = tuple(effect.start_shape() for effect in effects) if shapes is None else tuple(shapes)
    search = _Search(effects, system_at, y, start, _TRIAL_TOLERANCE * tolerance, on_trial, on_iteration)
    free = np.flatnonzero(search.low < search.high)
    if not free.size:
        system = system_at(first)
        found = fit_variances(system, y, effects, start, variance_tolerance, max_iter, on_iteration)
        none = tuple(np.zeros(len(shape), dtype=np.int64) for shape in first)
        return ShapeFit(first, system, *found, ShapeReport(none, True, np.empty((0, len(search.low) + 1))))
    search.evaluate(np.log(np.concatenate(first)))
    climb = search.climb_one if len(free) == 1 else search.climb_many
    converged = climb(free, tolerance)
    return search.fit(converged, variance_tolerance, max_iter)


def cautions(effects: Sequence[AbstractBoundEffect], fit: ShapeFit) -> list[str]:
    """What to be told of the shapes that were found: those on a limit, and approximations that can be seen.

    Examples
    --------
    >>> from intertwine.effects import Spatial
    >>> from intertwine.effects.random import EffectRows
    >>> from intertwine.mixed_effects.choose import system_for
    >>> from intertwine.mixed_effects.variances import start_variances
    >>> x = np.linspace(0, 10, 300)[:, None]
    >>> effects = [Spatial("matern12", method="nystrom", n_functions=8).bind(EffectRows(300, {}, coords=x))]
    >>> fit = fit_shapes(effects, lambda s: system_for(effects, s), np.sin(x), start_variances(effects, np.sin(x)))
    >>> cautions(effects, fit)
    ["8 functions miss up to ...% of the covariance of a matern12 field of length scale ... at 300 sites; ..."]
    """
    said = []
    for effect, shape, bounds in zip(effects, fit.shapes, fit.shape_report.bound, strict=True):
        for name, value, at, limits in zip(
            effect.shape_names, shape, bounds, effect.shape_bounds(), strict=True
        ):
            if at:
                side, far = ("lower", "small") if at < 0 else ("upper", "large")
                said.append(
                    f"{name} lies on the {side} limit of its search, {value:.3g} (between {limits[0]:.3g} and "
                    f"{limits[1]:.3g}): rows do not tell how {far} it is; give one that you know, or "
                    "leave the effect out"
                )
        loss = effect.caution(shape) if isinstance(effect, AbstractApproximateEffect) else None
        if loss is not None:
            said.append(loss)
    return said


@final
class _Search:
    """All parameters side by side, as logarithms, and the best fit so far."""

    def __init__(self, effects, system_at, y, start, variance_tolerance, on_trial, on_iteration) -> None:
        self._effects, self._system_at, self._y = effects, system_at, y
        self._first = self._start = start
        self._variance_tolerance = variance_tolerance
        self._on_trial, self._on_iteration = on_trial, on_iteration
        limits = [effect.shape_bounds() for effect in effects]
        self._cuts = np.cumsum([len(limit) for limit in limits])[:-1]
        self._limits = np.concatenate(limits).T
        self.low, self.high = np.log(self._limits)
        self.best_value, self._last = -np.inf, np.empty(0)
        self._values: dict[bytes, float] = {}
        self._variances: dict[bytes, VarianceComponents] = {}
        self._tried: list[Array] = []

    def _shapes(self, x: Array) -> tuple[Array, ...]:
        return tuple(
            np.split(np.clip(np.exp(x), *self._limits), self._cuts)
        )  # what is given is given to the bit

    def _system(self, x: Array) -> AbstractGaussianSystem:
        self._last = x
        return self._system_at(self._shapes(x))

    def evaluate(self, x: Array) -> float:
        """The likelihood at a point; every point is tried once."""
        key = x.tobytes()
        if key not in self._values:
            system = self._system(x)
            variances, posterior, _ = fit_variances(
                system,
                self._y,
                self._effects,
                self._start,
                self._variance_tolerance,
                _TRIAL_ITERATIONS,
                self._on_iteration,
            )
            value = float(np.sum(posterior.log_likelihood))
            self._values[key], self._variances[key] = value, variances
            self._tried.append(np.append(np.exp(x), value))
            if self._on_trial is not None:
                self._on_trial(self._shapes(x), value)
            if value > self.best_value:
                self.best, self.best_value, self._best_system = x, value, system
                self._start, self._best_variances = _positive(variances, self._first, _LEAST_NOISE), variances
        return self._values[key]

    def climb_one(self, free: NDArray[np.int64], tolerance: float) -> bool:
        """Parabolas, where one parameter is free."""
        k, base = int(free[0]), self.best

        def function(value: float) -> float:
            x = base.copy()
            x[k] = value
            return self.evaluate(x)

        limits = float(self.low[k]), float(self.high[k])
        return maximize_scalar(function, float(base[k]), *limits, step=_STEP, tolerance=tolerance).converged

    def climb_many(self, free: NDArray[np.int64], tolerance: float) -> bool:
        """Quasi-Newton. At the best variances the likelihood does not depend on them, so these stay for a slope."""
        base, size = self.best, max(1.0, abs(self.best_value))

        def at(z: Array) -> Array:
            x = base.copy()
            x[free] = z
            return x

        def minus(z: Array) -> tuple[float, Array]:
            x, slopes = at(z), np.zeros(len(free))
            value = self.evaluate(x)
            variances = self._variances[x.tobytes()]
            for i, k in enumerate(free):
                moved = x.copy()
                moved[k] += _DIFFERENCE if x[k] + _DIFFERENCE <= self.high[k] else -_DIFFERENCE
                likelihood = self._system(moved).posterior(self._y, variances).log_likelihood
                slopes[i] = (np.sum(likelihood) - value) / (moved[k] - x[k])
            return -value, -slopes

        found = minimize(
            minus,
            base[free],
            jac=True,
            method="L-BFGS-B",
            bounds=list(zip(self.low[free], self.high[free], strict=True)),
            options={"ftol": tolerance / size, "gtol": 0.0, "maxiter": _MAX_STEPS},
        )
        return bool(found.success)

    def fit(self, converged: bool, variance_tolerance: float, max_iter: int) -> ShapeFit:
        shapes = self._shapes(self.best)
        if self._last is not self.best:
            for effect, shape in zip(self._effects, shapes, strict=True):
                effect.prior(
                    shape
                )  # an effect remembers its last shape, of which it will be asked to predict
        found = fit_variances(
            self._best_system,
            self._y,
            self._effects,
            _positive(self._best_variances, self._first, 0.0),
            variance_tolerance,
            max_iter,
            self._on_iteration,
        )
        free = self.low < self.high
        bound = np.where(free & (self.best == self.high), 1, np.where(free & (self.best == self.low), -1, 0))
        report = ShapeReport(tuple(np.split(bound, self._cuts)), converged, np.array(self._tried))
        return ShapeFit(shapes, self._best_system, *found, report)


def _positive(variances: VarianceComponents, start: VarianceComponents, least: float) -> VarianceComponents:
    """Variances to begin from: those found, but not singular, nor with next to no noise."""
    effects = tuple(
        found + _SMALLEST_START * first for found, first in zip(variances.effects, start.effects, strict=True)
    )
    return VarianceComponents(np.maximum(variances.noise, least * start.noise), effects)
