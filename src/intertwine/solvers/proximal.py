r"""Monotone accelerated proximal gradient with Newton steps, for problems whose scores are linear in the parameters.

One step of the solver is a burst of accelerated proximal gradient iterations, an exact certificate, and, once the
burst has left the signs alone, a Newton step on the support:

* the metric is D, the diagonal of the Hessian, so columns of different scale cost nothing; the step length 1/L is
  measured along every move, d̂ᵀW d̂ / ‖d‖²_D with d̂ the scores of the move: O(n), because scores are linear;
* extrapolated scores need no product with the design either; an iteration costs one product with the design and one
  with its transpose. Momentum starts anew when the objective would rise, so it never does;
* a Newton step is kept when it brings the objective down. Without L1 every step is one, and there is no burst.

Every step ends with the exact gradient, so the certificate is exact.

Source: Beck & Teboulle (2009), SIAM J. Imaging Sci. 2 (monotone version: IEEE Trans. Image Process. 18);
O'Donoghue & Candès (2015), Adaptive restart for accelerated gradient schemes, Found. Comput. Math. 15.
"""

from __future__ import annotations

from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.solvers.base import AbstractSolver
from intertwine.solvers.support_newton import inverse_or_zero, newton_target

__all__ = ["ProximalGradient", "ProximalState"]

_SHORTEST_BURST = 10
_LONGEST_BURST = 160
_SETTLED = 0.01  # share of the support that may change its sign in a burst that is called settled
_NEWTON_TRIALS = 3
_MAX_HALVINGS = 60
_SUFFICIENT = 1e-3
_ROUNDING = 1e-14


class ProximalState(NamedTuple):
    """State of a run; see `intertwine.solvers.base.BasicState` for the first three.

    Attributes
    ----------
    params : ndarray of shape (size,)
        Parameters.
    value, optimality : float
        Objective and largest relative violation, exact.
    scores : ndarray of shape (n,)
        Scores of ``params``.
    gradient : ndarray of shape (size,)
        Gradient of the loss.
    previous, previous_scores : ndarray
        The point before, which momentum is measured from.
    momentum : float
        Nesterov's t; 1 is none.
    step : float
        Step length in units of 1/D.
    burst : int
        Accelerated iterations to make in the next step.
    """

    params: NDArray
    value: float
    optimality: float
    scores: NDArray
    gradient: NDArray
    previous: NDArray
    previous_scores: NDArray
    momentum: float
    step: float
    burst: int


@final
class ProximalGradient(AbstractSolver):
    """Monotone accelerated proximal gradient with Newton steps, for composite problems with linear scores.

    The problem has ``score(params)``, its adjoint ``pullback(v)``, ``value(params, scores)``,
    ``curvature_diagonal(scores)``, a ``loss``, an `ElasticNet` as ``penalty`` and a ``gradient_scale``.

    Parameters
    ----------
    tol : float
        Largest relative violation at which the run has converged.
    """

    def init(self, problem: Any, params: NDArray) -> ProximalState:
        """Return the state at ``params``."""
        scores = problem.score(params)
        smooth = not np.any(np.isfinite(problem.penalty.l1) & (problem.penalty.l1 > 0.0))
        state = ProximalState(
            params, 0.0, 0.0, scores, params, params, scores, 1.0, 1.0, 0 if smooth else _SHORTEST_BURST
        )
        return _certified(problem, state)

    def step(self, problem: Any, state: ProximalState) -> ProximalState:
        """Make a burst of accelerated iterations, and a Newton step if the signs have settled."""
        scale = problem.curvature_diagonal(state.scores)
        before = np.sign(state.params)
        for _ in range(state.burst):
            state = _accelerated(problem, state, scale)
        if state.burst > 0:
            state = _certified(problem, state)
        changed = np.count_nonzero(np.sign(state.params) != before)
        if state.burst > 0 and changed > _SETTLED * np.count_nonzero(state.params):
            return state
        newton = _newton(problem, state, scale)
        if newton is not None:
            return newton
        if state.burst == 0:
            return _certified(problem, _accelerated(problem, state, scale))
        return state._replace(burst=min(2 * state.burst, _LONGEST_BURST))


def _certified(problem: Any, state: ProximalState) -> ProximalState:
    gradient = problem.pullback(problem.loss.gradient(state.scores))
    violation = float(np.max(problem.penalty.violation(state.params, gradient), initial=0.0))
    value = problem.value(state.params, state.scores)
    return state._replace(value=value, gradient=gradient, optimality=violation / problem.gradient_scale)


def _accelerated(problem: Any, state: ProximalState, scale: NDArray) -> ProximalState:
    """One iteration: extrapolate, proximal gradient step with a measured length, keep or restart."""
    loss, penalty = problem.loss, problem.penalty
    momentum = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * state.momentum**2))
    weight = (state.momentum - 1.0) / momentum
    point = state.params + weight * (state.params - state.previous)
    scores = state.scores + weight * (state.scores - state.previous_scores)
    gradient = problem.pullback(loss.gradient(scores))
    curvature = loss.curvature(scores)
    inverse = inverse_or_zero(scale)
    step = 1.1 * state.step
    for _ in range(_MAX_HALVINGS):
        target = penalty.prox(point - step * inverse * gradient, step * inverse)
        target_scores = problem.score(target)
        moved = target_scores - scores
        length = float(scale @ np.square(target - point))
        lipschitz = float(moved @ curvature.matmul(moved)) / length if length > 0.0 else 0.0
        if step * lipschitz <= 1.0:
            break
        step = min(0.5 * step, 0.95 / lipschitz)
    value = problem.value(target, target_scores)
    if value > state.value + _ROUNDING * abs(state.value):
        # without momentum the loss itself is at fault (curvature grows along the step): shorten it
        step = step if weight > 0.0 else 0.25 * step
        return state._replace(previous=state.params, previous_scores=state.scores, momentum=1.0, step=step)
    return state._replace(
        params=target,
        value=value,
        scores=target_scores,
        previous=state.params,
        previous_scores=state.scores,
        momentum=momentum,
        step=step,
    )


def _newton(problem: Any, state: ProximalState, scale: NDArray) -> ProximalState | None:
    """Newton step on the support, or None where it does not bring the objective down."""
    target = newton_target(problem, state.params, state.scores, state.gradient, state.optimality, scale)
    for _ in range(_NEWTON_TRIALS):
        scores = problem.score(target)
        promised = float(state.gradient @ (target - state.params))
        promised += problem.penalty.value(target) - problem.penalty.value(state.params)
        bound = state.value + _SUFFICIENT * promised + _ROUNDING * abs(state.value)
        if promised < 0.0 and problem.value(target, scores) <= bound:
            moved = state._replace(
                params=target, scores=scores, previous=target, previous_scores=scores, momentum=1.0
            )
            return _certified(problem, moved)
        target = 0.5 * (target + state.params)
    return None
