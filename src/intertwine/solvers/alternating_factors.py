r"""Alternating least squares for latent factors of users and items: all rows of a side to their joint optimum, in turn.

    ½ Σ w (y_ui − b_u − c_i − ⟨p_u, q_i⟩)² + ½ λ Σ_u n_u^ρ ‖[b_u, p_u] − Aᵀx_u‖² + ½ λ_A ‖A‖²   (+ items alike)

The conditional posteriors of `intertwine.solvers.variational` with no variance and with fixed strengths.
"""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.solvers.base import AbstractSolver
from intertwine.solvers.feature_ridge import RowRegression
from intertwine.solvers.rated_sides import RatedSide, RatedSides
from intertwine.structures.factor_moments import Moments

__all__ = ["AlternatingFactors", "FactorPoint", "FactorPointState", "FactorRows"]

_RIDGE_STEPS = 2  # of conjugate gradients in a half sweep


class FactorRows(NamedTuple):
    """One side.

    Attributes
    ----------
    table : ndarray of shape (n_rows, d)
        What side features say included.
    regression : RowRegression
        What side features say.
    """

    table: NDArray[np.float64]
    regression: RowRegression


class FactorPoint(NamedTuple):
    """Both sides."""

    users: FactorRows
    items: FactorRows


class FactorPointState(NamedTuple):
    """State of `AlternatingFactors`.

    Attributes
    ----------
    params : FactorPoint
    value : float
        Objective; infinite before the first sweep.
    optimality : float
        Share of the objective by which the last sweep lowered it; infinite before the second.
    """

    params: FactorPoint
    value: float
    optimality: float


@final
class AlternatingFactors(AbstractSolver):
    """Sweeps of exact conditional optima, for `RatedSides`.

    Parameters
    ----------
    tol : float
        Converged once a sweep lowers the objective by less than this share of it.
    strength, feature_strength : float
        λ and λ_A.
    """

    def __init__(self, tol: float, strength: float, feature_strength: float) -> None:
        super().__init__(tol)
        self.strength = strength
        self.feature_strength = feature_strength

    @staticmethod
    def start(sides: RatedSides, n_components: int, init_scale: float, rng: np.random.Generator):
        """Return a point to start from: normal factors of items of deviation ``init_scale``."""
        biases = int(sides.users.rows.biases)
        d = biases + n_components
        items = init_scale * rng.standard_normal((sides.items.rows.n_rows, d))
        items[:, :biases] = 0.0
        tables = (np.zeros((sides.users.rows.n_rows, d)), items)
        return FactorPoint(
            *(
                FactorRows(table, side.features.at(np.zeros(d), np.zeros((side.features.n_features, d))))
                for table, side in zip(tables, sides, strict=True)
            )
        )

    def init(self, problem: RatedSides, params: FactorPoint) -> FactorPointState:
        """Return the state at ``params``."""
        return FactorPointState(params, float("inf"), float("inf"))

    def step(self, problem: RatedSides, state: FactorPointState) -> FactorPointState:
        """Return the state after one sweep: users, then items."""
        users, user_penalty, _ = self._updated(problem.users, state.params.users, state.params.items)
        items, item_penalty, squares = self._updated(problem.items, state.params.items, users)
        value = 0.5 * squares + user_penalty + item_penalty
        decrease = (state.value - value) / max(abs(value), 1e-300)
        return FactorPointState(FactorPoint(users, items), value, decrease)

    def _updated(
        self, side: RatedSide, rows: FactorRows, others: FactorRows
    ) -> tuple[FactorRows, float, float]:
        """One side at its optimum given the other, its penalty, and the squared errors."""
        precision = self.strength * np.eye(rows.table.shape[1])
        conditional = side.rows.conditional(
            Moments.of(others.table), rows.regression.expected, precision, 1.0, side.scale, spread=0.0
        )
        regression, conditional = side.features.improved(
            rows.regression, conditional, precision, self.feature_strength / self.strength, 1.0, _RIDGE_STEPS
        )
        table = conditional.moments.means
        own = side.scale @ (table - regression.expected) ** 2
        features = (regression.weights**2).sum()
        penalty = 0.5 * self.strength * own.sum() + 0.5 * self.feature_strength * features
        return FactorRows(table, regression), float(penalty), float(conditional.errors.sum())
