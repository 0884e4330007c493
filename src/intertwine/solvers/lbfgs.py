"""Limited-memory BFGS for smooth problems, as init and step on a resumable state."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np

from intertwine.solvers.base import AbstractSolver

__all__ = ["LBFGS", "LBFGSState"]

_CRUDE = 1e-5  # what the bound without curvature may say where nothing is left to gain
_LEAST_MEMORY = 5  # steps before the inverse Hessian's word is taken


class LBFGSState(NamedTuple):
    """Everything the next step depends on: a run resumed from a saved state repeats itself to the bit."""

    params: np.ndarray
    value: float
    optimality: float
    gradient: np.ndarray
    moves: np.ndarray  # (m, size), oldest first
    changes: np.ndarray  # (m, size), of the gradient
    direction: np.ndarray  # of the next step


@final
class LBFGS(AbstractSolver):
    """Quasi-Newton descent with a weak Wolfe search; the value never rises.

    Accepts smooth problems (``value_and_gradient``). The optimality is the decrease that the quadratic model still
    promises, ½ gᵀ H g with H the inverse Hessian, relative to the value. It does not depend on units, nor on how the
    parameters are scaled: where an infimum lies at infinity (a low-rank target may send one feature there, and all
    others to zero in proportion) gradients stay large although nothing is left to gain.

    Source: Nocedal & Wright (2006), algorithm 7.4; search: Lewis & Overton (2013), algorithm 2.6.

    Parameters
    ----------
    tol : float
        Relative optimality at which the run has converged.
    memory : int, default=20
        Number of past steps kept.
    """

    _MAX_TRIALS = 40

    def __init__(self, tol: float, memory: int = 20) -> None:
        super().__init__(tol)
        self.memory = memory

    def init(self, problem, params):
        value, gradient = problem.value_and_gradient(params)
        empty = np.zeros((0, params.size))
        return _state(params, value, gradient, empty, empty)

    def step(self, problem, state):
        direction = state.direction
        slope = float(direction @ state.gradient)
        if slope >= 0.0:
            direction, slope = -state.gradient, -float(state.gradient @ state.gradient)
        # Without curvature information a first step of a tenth of the parameters' size is a safe guess.
        length = float(np.linalg.norm(direction))
        size = float(np.linalg.norm(state.params))
        first = 1.0 if len(state.moves) else 0.1 * max(size, 1e-3) / max(length, 1e-300)
        found = self._search(problem, state, direction, slope, first)
        if found is None:
            if not len(state.moves) and state.optimality <= _CRUDE:
                # not even the gradient leads down: the crude bound was too cautious, rounding has the last word
                return state._replace(optimality=min(state.optimality, self.tol))
            return state._replace(moves=state.moves[:0], changes=state.changes[:0], direction=-state.gradient)
        params, value, gradient = found
        moves, changes = state.moves, state.changes
        move, change = params - state.params, gradient - state.gradient
        if move @ change > 1e-12 * np.linalg.norm(move) * np.linalg.norm(change):
            moves = np.vstack([moves, move])[-self.memory :]
            changes = np.vstack([changes, change])[-self.memory :]
        return _state(params, value, gradient, moves, changes)

    def _search(self, problem, state, direction, slope, step):
        low, high, best = 0.0, np.inf, None
        for _ in range(self._MAX_TRIALS):
            params = state.params + step * direction
            try:
                value, gradient = problem.value_and_gradient(params)
            except FloatingPointError:  # a step so long that nothing can be computed there
                value, gradient = np.inf, state.gradient
            if not np.isfinite(value) or value > state.value + 1e-4 * step * slope:
                high = step
            elif gradient @ direction < 0.9 * slope:
                low, best = step, (params, value, gradient)
            else:
                return params, value, gradient
            step = 2.0 * low if np.isinf(high) else 0.5 * (low + high)
        return best


def _state(params, value: float, gradient, moves, changes):
    direction = -_apply_inverse_hessian(gradient, moves, changes)
    if len(moves) < _LEAST_MEMORY:
        # what a change of the parameters by their own size would bring
        promise = float(np.linalg.norm(gradient)) * max(float(np.linalg.norm(params)), 1.0)
    else:
        promise = 0.5 * gradient @ direction
    optimality = float(abs(promise) / max(abs(value), 1e-300))
    return LBFGSState(params, value, optimality, gradient, moves, changes, direction)


def _apply_inverse_hessian(gradient, moves, changes):
    """Two-loop recursion."""
    q = gradient.copy()
    if not len(moves):
        return q
    curvatures = 1.0 / np.einsum("mi,mi->m", moves, changes)
    weights = np.empty(len(moves))
    for i in range(len(moves) - 1, -1, -1):
        weights[i] = curvatures[i] * (moves[i] @ q)
        q -= weights[i] * changes[i]
    q *= 1.0 / (curvatures[-1] * (changes[-1] @ changes[-1]))
    for i in range(len(moves)):
        q += (weights[i] - curvatures[i] * (changes[i] @ q)) * moves[i]
    return q
