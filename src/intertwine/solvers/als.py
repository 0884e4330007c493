"""Alternating least squares: every feature's coefficients to their optimum, one feature after the other.

Each sweep minimises a quadratic upper bound of the loss that touches it at the present scores (for squared loss: the
loss itself), so the objective never rises. No step length, no scale to tune.

Source: S. Rendle et al., Fast Context-aware Recommendations with Factorization Machines (SIGIR 2011), here with all
coefficients of a feature at once; the logistic bound is that of Jaakkola & Jordan (2000).
"""

from __future__ import annotations

from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.solvers.base import AbstractSolver

__all__ = ["AlternatingLeastSquares", "MultilinearPoint", "SweepState"]


class MultilinearPoint(NamedTuple):
    """Intercept, and one row of coefficients per feature."""

    intercept: float
    table: NDArray[np.float64]


class SweepState(NamedTuple):
    """State of a solver that sweeps over features.

    Attributes
    ----------
    params : MultilinearPoint
    value : float
        Objective.
    optimality : float
        Share of the objective by which the last sweep lowered it; infinite before the first.
    scores : ndarray of shape (n,)
        Of the rows at ``params``.
    """

    params: MultilinearPoint
    value: float
    optimality: float
    scores: NDArray[np.float64]


@final
class AlternatingLeastSquares(AbstractSolver):
    """Sweeps of exact conditional optima, for problems that have ``scores``, ``value``, ``majorized`` and ``sweep``.

    Parameters
    ----------
    tol : float
        Converged once a sweep lowers the objective by less than this share of it.
    """

    def init(self, problem: Any, params: MultilinearPoint) -> SweepState:
        """Return the state at ``params``."""
        scores = problem.scores(params)
        return SweepState(params, problem.value(params, scores), float("inf"), scores)

    def step(self, problem: Any, state: SweepState) -> SweepState:
        """Return the state after one sweep over all features."""
        params = problem.sweep(state.params, problem.majorized(state.scores), state.scores)
        scores = problem.scores(params)
        value = problem.value(params, scores)
        return SweepState(params, value, (state.value - value) / max(abs(value), 1e-300), scores)
