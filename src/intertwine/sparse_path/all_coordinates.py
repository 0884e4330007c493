"""Few coordinates: the problem is solved on all of them at once, without a working set to choose.

All that the coordinates are to each other is in one Gram matrix, which does not depend on penalties: for the squared
loss it is formed once for a whole path, and rows are then needed for the scores alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

import numpy as np
from numpy.typing import NDArray

from intertwine.minimize import Callback, Result, minimize
from intertwine.pair_problem import PairProblem
from intertwine.restricted_problem import RestrictedProblem
from intertwine.solvers.proximal_newton import AbstractProximalNewton, GramNewton, NewtonState
from intertwine.solvers.working_set import newton_solver
from intertwine.sparse_path.solution import SparseSolution
from intertwine.sparse_path.warm_start import Memory
from intertwine.structures.columns import Coordinates

__all__ = ["AllCoordinates", "are_few"]

_FEW = 500  # coordinates of which a Gram matrix costs less than choosing among them
_FORMED_ONCE = 3  # times as many where it is formed only once


def are_few(problem: PairProblem) -> bool:
    """Tell whether a problem has so few coordinates that all are taken at once."""
    p = problem.design.n_features
    few = _FORMED_ONCE * _FEW if problem.loss.is_quadratic else _FEW
    return problem.design.n_linear + p * (p - 1) // 2 <= few


@final
class AllCoordinates:
    """The columns of all coordinates, the linear block first: they serve every set of penalties.

    Parameters
    ----------
    problem : PairProblem
        Where the columns are from.
    """

    def __init__(self, problem: PairProblem) -> None:
        self._n_linear = problem.design.n_linear
        self._rows, self._cols = np.triu_indices(problem.design.n_features, 1)
        self.coordinates = Coordinates.of(self._n_linear, self._rows, self._cols)
        self.columns = problem.design.columns(self.coordinates)
        self._last: tuple[SparseSolution, NewtonState] | None = None

    def solve(
        self,
        problem: PairProblem,
        start: SparseSolution | None,
        memory: Memory | None,
        tol: float,
        max_iter: int,
        callbacks: Iterable[Callback],
    ) -> Result:
        """Solve a problem; see `SparsePairProblem.solve` for ``start`` and the last three."""
        restricted = self.restricted(problem)
        width = len(restricted.penalty.l1)
        # a model that is never renewed is worth its Gram matrix however many coordinates there are
        solver = GramNewton(tol) if problem.loss.is_quadratic else newton_solver(problem.loss, width, tol)
        state = self._begin(restricted, solver, start, problem.penalty.allowed is None)
        # where a Hessian depends on the scores, only a start says that the memory is of a similar problem
        if memory is not None and (start is not None or problem.loss.is_quadratic):
            state = state._replace(reference=memory.reference, hessian=memory.hessian)
        return minimize(restricted, solver, start=state, max_iter=max_iter, callbacks=callbacks)

    def restricted(self, problem: PairProblem) -> RestrictedProblem:
        """Return a problem on all coordinates as one on some that happen to be all."""
        penalty = problem.penalty.of(self.coordinates)
        return RestrictedProblem(problem.loss, self.columns, penalty, problem.gradient_scale)

    def keep(self, solution: SparseSolution, state: NewtonState) -> None:
        """Remember the state behind a solution: when that is the next start, nothing of it is computed again.

        For a quadratic loss it is to the bit what would be; for others, line searches leave their rounding.
        """
        self._last = solution, state

    def _begin(
        self,
        restricted: RestrictedProblem,
        solver: AbstractProximalNewton,
        start: SparseSolution | None,
        unrestrained: bool,
    ) -> NewtonState:
        if self._last is not None and unrestrained and restricted.loss.is_quadratic:
            solution, state = self._last
            if solution is start:
                # nothing is known under the new penalty; a step on a quadratic does not ask
                return state._replace(value=np.inf, optimality=np.inf)
        return solver.init(restricted, self._params(start, np.isfinite(restricted.penalty.l1)))

    def _params(self, start: SparseSolution | None, allowed: NDArray) -> NDArray:
        out = np.zeros(len(allowed))
        if start is not None:
            p, pairs = self.columns.n_features, out[self._n_linear :]
            out[: self._n_linear] = start.linear
            # how many pairs lie before (j, k) in the upper half, row by row
            pairs[start.rows * (2 * p - start.rows - 3) // 2 + start.cols - 1] = start.values
        return np.where(allowed, out, 0.0)

    def parts(self, params: NDArray) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """Return the linear block, and rows, columns and values of the pairs that are not zero."""
        used = np.flatnonzero(params[self._n_linear :])
        values = params[self._n_linear :][used]
        return params[: self._n_linear].copy(), self._rows[used], self._cols[used], values
