r"""Working sets: solve on few coordinates, check all of them, add those that violate, until none does.

One check is one streamed matrix product over all pairs, O(n p²). Between two checks the gradient moves by about the
violation δ that the first one finds (along a path with strengths λ' < λ it is δ = λ − λ'), so every coordinate with
|gradient| > l1 − δ is likely to be needed: this is the sequential strong rule, without needing to know the path.
The last check is the certificate: it covers all pairs, whatever was added before.

A working set has a width up to which it pays (`fits`). A Gram matrix costs n·w², and an iteration on all
pairs 4·n·p², of which some hundred are typical: the border is near w = 25·p. With many more columns than rows the
columns are explicit and the border is their memory.

Source: Tibshirani et al. (2012), Strong rules for discarding predictors in lasso-type problems, JRSS B 74.
"""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.losses.base import AbstractLoss
from intertwine.minimize import minimize
from intertwine.pair_problem import PairProblem, Scan
from intertwine.solvers.base import AbstractSolver
from intertwine.solvers.proximal_newton import AbstractProximalNewton, ColumnNewton, GramNewton, NewtonState
from intertwine.structures.columns import Coordinates

__all__ = ["WorkingSet", "WorkingSetState", "fits", "newton_solver", "uses_gram"]

_NEWTON_STEPS = 100
_LEAST_GROWTH = 200
_GRAM_WIDTH = 2  # coordinates a row up to which a Gram matrix pays
_ALWAYS_GRAM = 2000  # a Gram matrix of this width is 32 MB, whatever the number of features
_WIDEST_GRAM = 6000
_PRODUCTS = 25  # border between a Gram matrix and iterations on all pairs, in units of p
_COLUMN_BYTES = 1 << 30


class WorkingSetState(NamedTuple):
    """State of a run; see `intertwine.solvers.base.BasicState` for the first three.

    Attributes
    ----------
    params : ndarray of shape (w,)
        Coefficients of the working set.
    value : float
        Objective.
    optimality : float
        Largest relative violation over all coordinates; ∞ before the first check.
    coordinates : Coordinates
        The working set.
    scores, reference : ndarray of shape (n,)
        Scores of the coefficients, and those at which the Hessian was formed.
    hessian : ndarray of shape (w, w) or (0, 0)
        Hessian of the loss over the working set, when one is kept.
    """

    params: NDArray
    value: float
    optimality: float
    coordinates: Coordinates
    scores: NDArray
    reference: NDArray
    hessian: NDArray


def uses_gram(loss: AbstractLoss, n_coordinates: int) -> bool:
    """Tell whether a working set of this size is solved with a Gram matrix rather than with explicit columns.

    A sweep costs as much with either where half of 2n coordinates move, and a Gram matrix can be kept. Explicit columns
    want a diagonal curvature; the diagonal above that of interacting rows is far too cautious.
    """
    return loss.rows_interact or n_coordinates <= _GRAM_WIDTH * loss.n_rows


def fits(loss: AbstractLoss, n_features: int, n_coordinates: int) -> bool:
    """Tell whether a working set of this size is cheaper than iterations on all pairs, and fits into memory."""
    if uses_gram(loss, n_coordinates):
        return n_coordinates <= max(_ALWAYS_GRAM, min(_PRODUCTS * n_features, _WIDEST_GRAM))
    return 8 * loss.n_rows * n_coordinates <= _COLUMN_BYTES


def newton_solver(loss: AbstractLoss, n_coordinates: int, tol: float) -> AbstractProximalNewton:
    """Return the solver of a problem that is restricted to so many coordinates."""
    return GramNewton(tol) if uses_gram(loss, n_coordinates) else ColumnNewton(tol)


@final
class WorkingSet(AbstractSolver):
    """Working-set solver of a `PairProblem`.

    The Hessian is not formed for a working set that does not fit (`fits`): whoever started the run is expected to
    stop it there.

    Parameters
    ----------
    tol : float
        Largest relative violation over all coordinates at which the run has converged.
    """

    def init(self, problem: PairProblem, params: WorkingSetState) -> WorkingSetState:
        """Return a state to start from.

        Parameters
        ----------
        problem : PairProblem
            What to solve.
        params : WorkingSetState
            Working set, coefficients and, for what of the Hessian is known, ``reference`` and ``hessian``; the
            rest is computed.
        """
        restricted = problem.restrict(params.coordinates)
        scores = restricted.columns.score(params.params)
        value = restricted.value(params.params, scores)
        return params._replace(value=value, optimality=np.inf, scores=scores)

    def step(self, problem: PairProblem, state: WorkingSetState) -> WorkingSetState:
        """Solve on the working set, check all coordinates, grow the working set."""
        solved = self._solve(problem, state)
        n_support = int(np.count_nonzero(solved.params))
        scan = problem.scan(solved.scores, state.coordinates, max(_LEAST_GROWTH, n_support))
        optimality = max(solved.optimality, scan.violation / problem.gradient_scale)
        grown = state._replace(
            params=solved.params,
            value=solved.value,
            optimality=optimality,
            scores=solved.scores,
            reference=solved.reference,
            hessian=solved.hessian,
        )
        return grown if optimality <= self.tol else _grow(problem, grown, scan)

    def _solve(self, problem: PairProblem, state: WorkingSetState) -> NewtonState:
        restricted = problem.restrict(state.coordinates)
        solver = newton_solver(problem.loss, len(state.params), self.tol)
        begin = solver.init(restricted, state.params)
        begin = begin._replace(reference=state.reference, hessian=state.hessian)
        return minimize(restricted, solver, start=begin, max_iter=_NEWTON_STEPS).state


def _grow(problem: PairProblem, state: WorkingSetState, scan: Scan) -> WorkingSetState:
    added = scan.coordinates.take(scan.excess > -scan.violation)
    coordinates = state.coordinates.joined(added)
    params = np.concatenate([state.params, np.zeros(len(added.rows))])
    old, width = len(state.hessian), len(params)
    n_features = problem.design.n_features
    if old != len(state.params) or not (
        uses_gram(problem.loss, width) and fits(problem.loss, n_features, width)
    ):
        return state._replace(coordinates=coordinates, params=params, hessian=np.empty((0, 0)))
    hessian = np.empty((width, width))
    hessian[:old, :old] = state.hessian
    hessian[old:] = problem.restrict(coordinates).gram(state.reference, first=old)
    hessian[:old, old:] = hessian[old:, :old].T
    return state._replace(coordinates=coordinates, params=params, hessian=hessian)
