"""Stochastic gradient descent for latent factors: every rating moves its user and its item.

Source: S. Funk, Netflix Update: Try This at Home (2006); Y. Koren, R. Bell & C. Volinsky, Matrix Factorization
Techniques for Recommender Systems (2009), eq. 5.
"""

from __future__ import annotations

from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.solvers.base import AbstractSolver

__all__ = ["FactorTables", "StochasticDescent", "StochasticState"]


class FactorTables(NamedTuple):
    """Bias and factors of users (n_users, d) and of items (n_items, d)."""

    users: NDArray[np.float64]
    items: NDArray[np.float64]


class StochasticState(NamedTuple):
    """State of `StochasticDescent`.

    Attributes
    ----------
    params : FactorTables
    value : float
        Half the squared errors as met on the way, plus the penalty at the end of the epoch; infinite before the first.
    optimality : float
        Share of the objective by which the last epoch lowered it; infinite before the second.
    """

    params: FactorTables
    value: float
    optimality: float


@final
class StochasticDescent(AbstractSolver):
    """Epochs of steps of one length, for problems that have ``epoch(tables, rate)`` and ``penalty(tables)``.

    Parameters
    ----------
    tol : float
        Converged once an epoch changes the objective by less than this share of it.
    learning_rate : float
    """

    def __init__(self, tol: float, learning_rate: float) -> None:
        super().__init__(tol)
        self.learning_rate = learning_rate

    def init(self, problem: Any, params: FactorTables) -> StochasticState:
        """Return the state at ``params``."""
        return StochasticState(params, float("inf"), float("inf"))

    def step(self, problem: Any, state: StochasticState) -> StochasticState:
        """Return the state after one epoch."""
        params = FactorTables(*(table.copy() for table in state.params))
        squares = problem.epoch(params, self.learning_rate)
        value = 0.5 * squares + problem.penalty(params)
        if not np.isfinite(value):
            raise FloatingPointError("steps grew without bound; lower learning_rate")
        return StochasticState(params, value, abs(state.value - value) / max(abs(value), 1e-300))
