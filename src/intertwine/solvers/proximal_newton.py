r"""Proximal Newton steps on a few columns, for any loss: a quadratic model, its minimum, a line search.

Two solvers differ in the model of the loss:

* `GramNewton` keeps the Hessian ZᵀWZ at *reference scores* and goes on using it for as long as a step cuts the
  violation to a third: forming it costs O(n w²), a step with an old one O(n w). For the squared loss it is exact for
  ever; for the logistic and Cox losses warm starts rarely need a new one. W need not be diagonal (Cox).
* `ColumnNewton` keeps the columns and takes the diagonal W or, for Cox, a diagonal above it; right when there are
  more columns than rows.

Scores are linear in the coefficients, so a line search costs O(n) a trial.

Source: Lee, Sun & Saunders (2014), Proximal Newton-type methods, SIAM J. Optim. 24; Friedman, Hastie & Tibshirani
(2010), J. Stat. Softw. 33, for IRLS with coordinate descent.
"""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.restricted_problem import RestrictedProblem
from intertwine.solvers.base import AbstractSolver
from intertwine.solvers.coordinate import ColumnQuadratic, minimize_quadratic
from intertwine.solvers.gram_descent import descend

__all__ = ["AbstractProximalNewton", "ColumnNewton", "GramNewton", "NewtonState"]

_INEXACT = 0.01  # share of the violation to which a model is minimised
_MARGIN = 0.1  # share of the tolerance: small changes in a sweep may add up to a larger violation
_WITHIN = 0.9  # share of the tolerance, of which rounding takes none
_GOOD_CONTRACTION = 0.3
_SUFFICIENT = 0.1  # share of the decrease promised by the model that a step must bring
_MAX_HALVINGS = 40
_ROUNDING = 1e-14  # relative accuracy of a computed objective


class NewtonState(NamedTuple):
    """State of a run; see `intertwine.solvers.base.BasicState` for the first three.

    Attributes
    ----------
    params : ndarray of shape (w,)
        Coefficients.
    value, optimality : float
        Objective and largest relative violation.
    scores : ndarray of shape (n,)
        Scores of ``params``.
    gradient : ndarray of shape (w,)
        Gradient of the loss.
    reference : ndarray of shape (n,)
        Scores at which ``hessian`` was formed.
    hessian : ndarray of shape (w, w)
        Hessian of the loss at ``reference``; empty (0, 0) before the first is formed.
    stale : bool
        Whether the last step was poor enough to ask for a new Hessian.
    """

    params: NDArray
    value: float
    optimality: float
    scores: NDArray
    gradient: NDArray
    reference: NDArray
    hessian: NDArray
    stale: bool


class AbstractProximalNewton(AbstractSolver):
    """Proximal Newton for a `RestrictedProblem`; the model of the loss is the subclass's.

    Parameters
    ----------
    tol : float
        Relative violation at which the run has converged.
    """

    def init(self, problem: RestrictedProblem, params: NDArray) -> NewtonState:
        """Return the state at coefficients ``params`` of shape (w,)."""
        scores = problem.columns.score(params)
        gradient = problem.gradient(scores)
        return NewtonState(
            params,
            problem.value(params, scores),
            problem.optimality(params, gradient),
            scores,
            gradient,
            scores,
            np.empty((0, 0)),
            False,
        )

    def _model_tol(self, problem: RestrictedProblem, state: NewtonState) -> float:
        """Violation to which a model is minimised, in units of the gradient."""
        return max(_MARGIN * self.tol, _INEXACT * state.optimality) * problem.gradient_scale

    def _towards(self, problem: RestrictedProblem, state: NewtonState, target: NDArray) -> NewtonState:
        """Search along the line to the model's minimum."""
        params, value, scores = _line_search(problem, state, target)
        gradient = problem.gradient(scores)
        optimality = problem.optimality(params, gradient)
        return state._replace(
            params=params,
            value=value,
            optimality=optimality,
            scores=scores,
            gradient=gradient,
            stale=optimality > _GOOD_CONTRACTION * state.optimality,
        )


@final
class GramNewton(AbstractProximalNewton):
    """Proximal Newton with an explicit Hessian that is renewed when it no longer serves."""

    def step(self, problem: RestrictedProblem, state: NewtonState) -> NewtonState:
        """Minimise the model; where the loss is no more than its model that is all, else search along the line."""
        absent = len(state.hessian) != len(state.params)
        if absent or (state.stale and _curvature_moved(problem, state)):
            state = state._replace(hessian=problem.gram(state.scores), reference=state.scores)
        exact = problem.loss.is_quadratic
        tol = _WITHIN * self.tol * problem.gradient_scale if exact else self._model_tol(problem, state)
        params, gradient = state.params.copy(), state.gradient.copy()
        descend(state.hessian, gradient, params, problem.penalty, tol)
        if not exact:
            return self._towards(problem, state, params)
        scores = problem.columns.score(params)
        # from the rows: what followed the moves has gathered their rounding
        gradient = problem.gradient(scores)
        return state._replace(
            params=params,
            value=problem.value(params, scores),
            optimality=problem.optimality(params, gradient),
            scores=scores,
            gradient=gradient,
        )


@final
class ColumnNewton(AbstractProximalNewton):
    """Proximal Newton with explicit columns and a diagonal curvature."""

    def step(self, problem: RestrictedProblem, state: NewtonState) -> NewtonState:
        """Minimise the model and search along the line to its minimum."""
        weight = problem.loss.curvature(state.scores).majorizer()
        model = ColumnQuadratic(problem.explicit_columns, weight, problem.loss.gradient(state.scores))
        target = minimize_quadratic(model, state.params, problem.penalty, self._model_tol(problem, state))
        return self._towards(problem, state, target)


def _curvature_moved(problem: RestrictedProblem, state: NewtonState) -> bool:
    """Tell whether a new Hessian would differ: for the squared loss it never does."""
    now = problem.loss.curvature(state.scores).diagonal()
    return not np.array_equal(now, problem.loss.curvature(state.reference).diagonal())


def _line_search(
    problem: RestrictedProblem, state: NewtonState, target: NDArray
) -> tuple[NDArray, float, NDArray]:
    """Largest of 1, ½, ¼, … towards ``target`` that brings its share of the promised decrease."""
    direction = target - state.params
    moved = problem.columns.score(direction)
    penalty_now = problem.penalty.value(state.params)
    # convexity of the penalty: the decrease promised at a fraction t is at least t times this
    promised = float(state.gradient @ direction) + problem.penalty.value(target) - penalty_now
    allowance = _ROUNDING * max(abs(state.value), abs(penalty_now), 1e-300)
    fraction = 1.0
    for _ in range(_MAX_HALVINGS):
        params = target if fraction == 1.0 else state.params + fraction * direction
        scores = state.scores + fraction * moved
        value = problem.value(params, scores)
        if value <= state.value + _SUFFICIENT * fraction * promised + allowance:
            return params, value, scores
        fraction *= 0.5
    return state.params, state.value, state.scores
