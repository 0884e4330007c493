"""Search over the latent target: several starts, the best optimum."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from intertwine.minimize import minimize
from intertwine.solvers.lbfgs import LBFGS
from intertwine.structures.latent import leading_directions
from intertwine.structures.registry import candidates

__all__ = ["LatentFit", "LatentSettings", "search_target"]

_SCALES = np.logspace(-3, 2, 6)


class LatentSettings(NamedTuple):
    """What to search and how hard."""

    name: str
    n_components: int
    n_init: int
    max_iter: int
    tol: float


class LatentFit(NamedTuple):
    """The best target found; ``spread`` holds the objective at the optimum of every start."""

    target: Any  # AbstractLatentTarget, or SumOfTargets
    params: np.ndarray
    value: float
    optimality: float
    converged: bool
    history: list
    spread: list


def search_target(
    make_objective, X, dual, settings: LatentSettings, rng, callbacks=(), start=None
) -> LatentFit:
    """Minimise J(z) over the structures that a name stands for, from several starts each.

    Parameters
    ----------
    make_objective : callable
        Target to objective with ``value_and_gradient``.
    X : ndarray (n, p)
        Columns whose products are the interactions.
    dual : ndarray (n,)
        −∂L/∂f without a target: says in which directions the pairs want to move.
    settings : LatentSettings
    rng : numpy.random.Generator
    callbacks : sequence of callable
        Passed to the loop.
    start : LatentFit, optional
        An earlier fit on the same columns: its structure and parameters are the only start.
    """
    if start is not None:
        return _descend(make_objective(start.target), start.target, start.params, settings, callbacks)
    values, vectors = leading_directions(X, dual, 3 * settings.n_components, rng)
    fits = []
    for target in candidates(settings.name, X.shape[1], settings.n_components, values):
        objective = make_objective(target)
        points = [target.spectral_start(values, vectors, rng)]
        points += [target.init(X, rng) for _ in range(settings.n_init - 1)]
        for point in points:
            fits.append(
                _descend(objective, target, _best_scale(objective, target, point), settings, callbacks)
            )
    best = min(fits, key=lambda fit: fit.value)
    return best._replace(spread=[fit.value for fit in fits])


def _best_scale(objective, target, params):
    """The direction of a start matters less than its size; sizes are cheap to try."""
    trials = [target.scaled(params, scale) for scale in _SCALES]
    return min(trials, key=lambda trial: objective.value_and_gradient(trial)[0])


def _descend(objective, target, params, settings, callbacks):
    result = minimize(objective, LBFGS(settings.tol), params, max_iter=settings.max_iter, callbacks=callbacks)
    state = result.state
    return LatentFit(
        target, state.params, state.value, state.optimality, result.converged, result.history, [state.value]
    )
