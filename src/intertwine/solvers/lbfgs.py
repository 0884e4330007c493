"""Limited-memory BFGS for smooth problems, as init and step on a resumable state."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np

from intertwine.solvers.base import AbstractSolver

__all__ = ["LBFGS", "LBFGSState"]


class LBFGSState(NamedTuple):
    """Everything the next step depends on: a run resumed from a saved state repeats itself to the bit."""

    params: np.ndarray
    value: float
    optimality: float
    gradient: np.ndarray
    moves: np.ndarray  # (m, size), oldest first
    changes: np.ndarray  # (m, size), of the gradient


@final
class LBFGS(AbstractSolver):
    """Quasi-Newton descent with a weak Wolfe search; the value never rises.

    Accepts smooth problems (``value_and_gradient``). The optimality is the largest gradient entry relative to the
    size of value and parameters, so that ``tol`` does not depend on the units of either.

    Source: Nocedal & Wright (2006), algorithm 7.4; search: Lewis & Overton (2013), algorithm 2.6.

    Parameters
    ----------
    tol : float
        Relative optimality at which the run has converged.
    memory : int, default=10
        Number of past steps kept.
    """

    _MAX_TRIALS = 40

    def __init__(self, tol: float, memory: int = 10) -> None:
        super().__init__(tol)
        self.memory = memory

    def init(self, problem, params):
        value, gradient = problem.value_and_gradient(params)
        empty = np.zeros((0, params.size))
        return LBFGSState(params, value, _optimality(params, value, gradient), gradient, empty, empty)

    def step(self, problem, state):
        direction = -_apply_inverse_hessian(state)
        slope = float(direction @ state.gradient)
        if slope >= 0.0:
            direction, slope = -state.gradient, -float(state.gradient @ state.gradient)
        # Without curvature information a first step of one percent of the parameters' size is a safe guess.
        length = np.linalg.norm(direction)
        first = (
            1.0 if len(state.moves) else 0.1 * max(np.linalg.norm(state.params), 1e-3) / max(length, 1e-300)
        )
        found = self._search(problem, state, direction, slope, first)
        if found is None:
            return state._replace(moves=state.moves[:0], changes=state.changes[:0])
        params, value, gradient = found
        moves, changes = state.moves, state.changes
        move, change = params - state.params, gradient - state.gradient
        if move @ change > 1e-12 * np.linalg.norm(move) * np.linalg.norm(change):
            moves = np.vstack([moves, move])[-self.memory :]
            changes = np.vstack([changes, change])[-self.memory :]
        return LBFGSState(params, value, _optimality(params, value, gradient), gradient, moves, changes)

    def _search(self, problem, state, direction, slope, step):
        low, high, best = 0.0, np.inf, None
        for _ in range(self._MAX_TRIALS):
            params = state.params + step * direction
            value, gradient = problem.value_and_gradient(params)
            if not np.isfinite(value) or value > state.value + 1e-4 * step * slope:
                high = step
            elif gradient @ direction < 0.9 * slope:
                low, best = step, (params, value, gradient)
            else:
                return params, value, gradient
            step = 2.0 * low if np.isinf(high) else 0.5 * (low + high)
        return best


def _optimality(params, value, gradient):
    return float(np.max(np.abs(gradient)) * max(1.0, np.max(np.abs(params))) / max(abs(value), 1e-12))


def _apply_inverse_hessian(state):
    """Two-loop recursion."""
    q = state.gradient.copy()
    if not len(state.moves):
        return q
    curvatures = 1.0 / np.einsum("mi,mi->m", state.moves, state.changes)
    weights = np.empty(len(state.moves))
    for i in range(len(state.moves) - 1, -1, -1):
        weights[i] = curvatures[i] * (state.moves[i] @ q)
        q -= weights[i] * state.changes[i]
    q *= 1.0 / (curvatures[-1] * (state.changes[-1] @ state.changes[-1]))
    for i in range(len(state.moves)):
        q += (weights[i] - curvatures[i] * (state.changes[i] @ q)) * state.moves[i]
    return q
