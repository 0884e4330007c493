r"""The entry point of the sparse path: one convex problem, solved and certified, cheap to solve again.

Which solver:

* **all coordinates** at once where there are few: a quadratic loss needs no more than their Gram matrix;
* the **working set** solver where the solution has few pairs: time goes with the size of the working set, plus one
  streamed pass over all pairs a round;
* the **proximal** solver where it has many, or where pairs carry no L1 and there are too many to hold: every
  iteration handles all pairs, O(n p²).

The working set is given up once it is too wide (`intertwine.solvers.working_set.fits`).
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import Self, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from intertwine.dense_pair_problem import DensePairProblem
from intertwine.losses.base import AbstractLoss
from intertwine.minimize import Callback, Iteration, minimize
from intertwine.pair_problem import PairDesign, PairPenalty, PairProblem
from intertwine.solvers.proximal import ProximalGradient, ProximalState
from intertwine.solvers.working_set import WorkingSet, WorkingSetState, fits
from intertwine.sparse_path.all_coordinates import AllCoordinates, are_few
from intertwine.sparse_path.null_model import critical_factor, gradient_scale
from intertwine.sparse_path.quadratic_path import QuadraticPath
from intertwine.sparse_path.solution import SparseSolution
from intertwine.sparse_path.warm_start import Memory, first_coordinates, n_free_coordinates, starting_state
from intertwine.structures.columns import Coordinates
from intertwine.structures.pairwise import ProductScaling

__all__ = ["SparsePairProblem"]


@final
class SparsePairProblem:
    """Elastic net over a linear block and all pairs of features, for any loss.

    minimise over a (m,) and symmetric zero-diagonal Θ (p, p):

        L(M a + pairs(Θ)) + Σ l1_j|a_j| + ½ Σ l2_j a_j² + Σ_{j<k} [ pairs_l1|θ_jk| + ½ pairs_l2 θ_jk² − shift_jk θ_jk ]

    A tie to a latent target T, ½·tie·Σ(θ_jk − t_jk)², is ``pairs_l2 = ridge + tie`` and ``shift = tie * T``.

    Parameters
    ----------
    loss : AbstractLoss
        Loss of the scores, bound to n rows.
    linear : array-like of shape (n, m)
        Linear block M: intercept column, unpenalised columns, main effects, squares.
    linear_l1, linear_l2 : array-like of shape (m,)
        Strengths of its absolute values and half squares; both zero for the intercept.
    features : array-like of shape (n, p)
        Features whose products are the pairs.
    pairs_l1, pairs_l2 : float
        Strengths of the pairs.
    scaling : ProductScaling, optional
        Center and scale of the products, from `intertwine.structures.pairwise.fit_product_scaling`.
    allowed : array-like of bool, shape (p, p), optional
        Candidate pairs, symmetric; all by default.

    Raises
    ------
    ValueError
        If shapes disagree, or a strength is negative or NaN.

    Notes
    -----
    A problem remembers the working set and the Hessian of its last solution, and `scaled` and `with_allowed` pass
    the memory on; they are used when a ``start`` is given. One problem is for one thread at a time.

    Examples
    --------
    >>> import numpy as np
    >>> from intertwine.losses.squared import SquaredLoss
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 10))
    >>> y = X[:, 0] + 2 * X[:, 1] * X[:, 2]
    >>> linear = np.column_stack([np.ones(200), X])
    >>> l1 = np.r_[0.0, np.full(10, 0.1)]
    >>> problem = SparsePairProblem(SquaredLoss(y), linear, l1, 0 * l1, X, pairs_l1=0.1, pairs_l2=0.0)
    >>> solution = problem.solve()
    >>> strongest = np.argmax(abs(solution.values))
    >>> int(solution.rows[strongest]), int(solution.cols[strongest]), solution.optimality < 1e-8
    (1, 2, True)
    """

    def __init__(
        self,
        loss: AbstractLoss,
        linear: ArrayLike,
        linear_l1: ArrayLike,
        linear_l2: ArrayLike,
        features: ArrayLike,
        pairs_l1: float,
        pairs_l2: float,
        scaling: ProductScaling | None = None,
        allowed: ArrayLike | None = None,
    ) -> None:
        self.loss = loss
        self.design = PairDesign.of(linear, features, scaling)
        mask = None if allowed is None else np.asarray(allowed, dtype=bool)
        self.penalty = PairPenalty(
            np.asarray(linear_l1, float),
            np.asarray(linear_l2, float),
            float(pairs_l1),
            float(pairs_l2),
            allowed=mask,
        )
        _check(loss, self.design, self.penalty)
        self._memory: list[Memory] = []  # holds at most one; shared by problems that share the data
        self._scale: list[float] = []
        self._everything: list[AllCoordinates] = []

    def scaled(self, factor: float) -> Self:
        """Return the problem with all strengths multiplied by ``factor``: another point of the path."""
        return self._with_penalty(self.penalty.scaled(factor))

    def with_penalties(
        self, linear_l1: ArrayLike, linear_l2: ArrayLike, pairs_l1: float, pairs_l2: float
    ) -> Self:
        """Return the problem with other strengths."""
        penalty = self.penalty._replace(
            linear_l1=np.asarray(linear_l1, float),
            linear_l2=np.asarray(linear_l2, float),
            pairs_l1=float(pairs_l1),
            pairs_l2=float(pairs_l2),
        )
        _check(self.loss, self.design, penalty)
        return self._with_penalty(penalty)

    def with_allowed(self, allowed: NDArray | None) -> Self:
        """Return the problem with other candidate pairs, a symmetric mask (p, p)."""
        return self._with_penalty(self.penalty._replace(allowed=allowed))

    def take(self, rows: ArrayLike, scaling: ProductScaling | None = None) -> SparsePairProblem:
        """Return the problem on some rows: a fold. The scaling of products is that of the fold."""
        index = np.asarray(rows)
        taken = object.__new__(SparsePairProblem)
        taken.loss = self.loss.take(index)
        taken.design = self.design.take(index, scaling)
        taken.penalty = self.penalty
        taken._memory, taken._scale, taken._everything = [], [], []
        return taken

    @property
    def gradient_scale(self) -> float:
        """Largest gradient of the model without penalised terms: the unit of ``tol``."""
        if not self._scale:
            self._scale.append(gradient_scale(self._problem(None)))
        return self._scale[0]

    def critical_factor(self, shift: NDArray | None = None) -> float:
        """Return the least factor at which all coordinates with L1 are zero ("lambda max").

        Exact when the coordinates without L1 carry no ridge either (which would change with the factor).
        """
        return critical_factor(self._problem(shift))

    def memory(self) -> dict | None:
        """Return what a solution from a ``start`` depends on besides it, as a state for a checkpoint."""
        if not self._memory:
            return None
        coordinates, reference, hessian = self._memory[0]
        return {
            "rows": coordinates.rows,
            "cols": coordinates.cols,
            "reference": reference,
            "hessian": hessian,
        }

    def remember(self, memory: dict | None) -> None:
        """Take back what ``memory`` gave."""
        self._memory[:] = (
            []
            if memory is None
            else [Memory(Coordinates(memory["rows"], memory["cols"]), memory["reference"], memory["hessian"])]
        )

    def solve(
        self,
        shift: NDArray | None = None,
        start: SparseSolution | None = None,
        tol: float = 1e-8,
        max_iter: int = 200,
        callbacks: Iterable[Callback] = (),
    ) -> SparseSolution:
        """Solve the problem.

        Parameters
        ----------
        shift : ndarray of shape (p, p), optional
            Linear rewards ``tie * target`` of the pairs, symmetric.
        start : SparseSolution, optional
            Solution of a similar problem: other strengths, another shift.
        tol : float, default=1e-8
            Largest violation of the conditions for optimality, relative to `gradient_scale`.
        max_iter : int, default=200
            Most steps of the solver.
        callbacks : iterable of callable, default=()
            See `intertwine.minimize.Callback`.

        Returns
        -------
        SparseSolution
        """
        problem = self._problem(shift, self.gradient_scale)
        callbacks = tuple(callbacks)
        if are_few(problem):
            return self._solve_on_all(problem, start, tol, max_iter, callbacks)
        n_steps = 0
        if self._fits(n_free_coordinates(problem)):
            state = starting_state(problem, first_coordinates(problem), start, self._memory)
            watched = (*callbacks, self._stop_when_wide)
            result = minimize(problem, WorkingSet(tol), state, max_iter=max_iter, callbacks=watched)
            state, n_steps = result.state, len(result.history) - 1
            start = self._from_working_set(problem, state, n_steps, result.converged)
            if self._fits(len(state.params)):
                self._memory[:] = [Memory(state.coordinates, state.reference, state.hessian)]
                return start
        self._memory.clear()
        dense = DensePairProblem(problem)
        params = np.zeros(dense.size)
        if start is not None:
            params = dense.flatten(start.linear, start.interactions(self.design.n_features))
        result = minimize(dense, ProximalGradient(tol), params, max_iter=max_iter, callbacks=callbacks)
        return self._from_dense(dense, result.state, n_steps + len(result.history) - 1, result.converged)

    def quadratic_path(self) -> QuadraticPath | None:
        """Return a path over multiples of the strengths in blocks; None where that is not to be had."""
        problem = self._problem(None, self.gradient_scale)
        if not (self.loss.is_quadratic and are_few(problem)):
            return None
        everything = self._all_coordinates(problem)
        if not self._memory:
            reference = np.zeros(self.loss.n_rows)
            hessian = everything.restricted(problem).gram(reference)
            self._memory[:] = [Memory(everything.coordinates, reference, hessian)]
        return QuadraticPath(problem, everything.coordinates, everything.columns, self._memory[0].hessian)

    def _all_coordinates(self, problem: PairProblem) -> AllCoordinates:
        if not self._everything:
            self._everything.append(AllCoordinates(problem))
        return self._everything[0]

    def _solve_on_all(
        self,
        problem: PairProblem,
        start: SparseSolution | None,
        tol: float,
        max_iter: int,
        callbacks: Iterable[Callback],
    ) -> SparseSolution:
        everything, memory = self._all_coordinates(problem), self._memory[0] if self._memory else None
        result = everything.solve(problem, start, memory, tol, max_iter, callbacks)
        state = result.state
        self._memory[:] = [Memory(everything.coordinates, state.reference, state.hessian)]
        solution = SparseSolution(
            *everything.parts(state.params),
            state.scores,
            state.value,
            state.optimality * problem.gradient_scale,
            state.optimality,
            len(result.history) - 1,
            result.converged,
            "all coordinates",
        )
        everything.keep(solution, state)
        return solution

    def _with_penalty(self, penalty: PairPenalty) -> Self:
        self.gradient_scale  # noqa: B018 - so that it does not depend on who asks first
        other = copy(self)  # shares data, memory and scale
        other.penalty = penalty
        return other

    def _problem(self, shift: NDArray | None, scale: float = 1.0) -> PairProblem:
        return PairProblem(self.loss, self.design, self.penalty._replace(shift=shift), scale)

    def _fits(self, n_coordinates: int) -> bool:
        return fits(self.loss, self.design.n_features, n_coordinates)

    def _stop_when_wide(self, row: Iteration, state: WorkingSetState) -> bool:
        return not self._fits(len(state.params))

    def _from_working_set(
        self, problem: PairProblem, state: WorkingSetState, n_steps: int, converged: bool
    ) -> SparseSolution:
        rows, cols = state.coordinates
        linear = np.zeros(self.design.n_linear)
        in_block = rows < 0
        linear[cols[in_block]] = state.params[in_block]
        used = np.flatnonzero(~in_block & (state.params != 0.0))
        used = used[np.lexsort((cols[used], rows[used]))]
        return SparseSolution(
            linear,
            rows[used],
            cols[used],
            state.params[used],
            state.scores,
            state.value,
            state.optimality * problem.gradient_scale,
            state.optimality,
            n_steps,
            converged,
            "working set",
        )

    def _from_dense(
        self, dense: DensePairProblem, state: ProximalState, n_steps: int, converged: bool
    ) -> SparseSolution:
        pairs = state.params[self.design.n_linear :]
        used = np.flatnonzero(pairs)
        rows, cols = np.triu_indices(self.design.n_features, 1)
        return SparseSolution(
            state.params[: self.design.n_linear],
            rows[used],
            cols[used],
            pairs[used],
            state.scores,
            state.value,
            state.optimality * dense.gradient_scale,
            state.optimality,
            n_steps,
            converged,
            "proximal",
        )


def _check(loss: AbstractLoss, design: PairDesign, penalty: PairPenalty) -> None:
    n, m, p = loss.n_rows, design.n_linear, design.n_features
    if design.linear_t.shape != (m, n) or design.features_t.shape != (p, n):
        raise ValueError(
            f"linear has {design.linear_t.shape[1]} rows and features {design.features_t.shape[1]}, expecting {n}"
        )
    if penalty.linear_l1.shape != (m,) or penalty.linear_l2.shape != (m,):
        raise ValueError(f"linear_l1 and linear_l2 must have shape ({m},), one strength a column")
    strengths = np.concatenate([penalty.linear_l1, penalty.linear_l2, [penalty.pairs_l1, penalty.pairs_l2]])
    if not np.all(strengths >= 0.0):
        raise ValueError("penalty strengths must be numbers that are not negative")
    if penalty.allowed is not None and penalty.allowed.shape != (p, p):
        raise ValueError(f"allowed has shape {penalty.allowed.shape}, expecting ({p}, {p})")
