"""Where a working-set run begins: with the last working set and its Hessian, as far as they are of use."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.pair_problem import PairProblem
from intertwine.solvers.working_set import WorkingSetState
from intertwine.sparse_path.solution import SparseSolution
from intertwine.structures.columns import Coordinates

__all__ = ["Memory", "first_coordinates", "n_free_coordinates", "starting_state"]

_ROOMY = 500


class Memory(NamedTuple):
    """Working set and Hessian of the last solution: they depend on the data, not on the penalties.

    Attributes
    ----------
    coordinates : Coordinates
        The working set.
    reference : ndarray of shape (n,)
        Scores at which the Hessian was formed.
    hessian : ndarray of shape (w, w) or (0, 0)
        Hessian of the loss, when one was kept.
    """

    coordinates: Coordinates
    reference: NDArray
    hessian: NDArray

    def cut_down(self, keys: NDArray, required: NDArray) -> tuple[Memory, NDArray]:
        """Return the part that is required, and its keys, when the rest is most of it; all of it otherwise."""
        if len(keys) <= 3 * len(required) + _ROOMY:
            return self, keys
        kept = np.flatnonzero(np.isin(keys, required))
        hessian = self.hessian[np.ix_(kept, kept)] if len(self.hessian) else self.hessian
        return Memory(self.coordinates.take(kept), self.reference, hessian), keys[kept]


def n_free_coordinates(problem: PairProblem) -> int:
    """Return how many coordinates have no L1, at most: they are in every working set."""
    p = problem.design.n_features
    pairs = p * (p - 1) // 2 if problem.penalty.pairs_l1 == 0.0 else 0
    return int(np.count_nonzero(problem.penalty.linear_l1 == 0.0)) + pairs


def first_coordinates(problem: PairProblem) -> Coordinates:
    """Return the coordinates that every working set has: those without L1."""
    linear = np.flatnonzero(problem.penalty.linear_l1 == 0.0)
    rows, cols = np.zeros((2, 0), dtype=np.int64)
    if problem.penalty.pairs_l1 == 0.0:
        rows, cols = np.triu_indices(problem.design.n_features, 1)
        rows, cols = _candidates(problem, rows, cols)
    return Coordinates(np.full(len(linear), -1), linear).joined(Coordinates(rows, cols))


def starting_state(
    problem: PairProblem, first: Coordinates, start: SparseSolution | None, memory: list[Memory]
) -> WorkingSetState:
    """Return the state that a run begins with.

    Parameters
    ----------
    problem : PairProblem
        What is to be solved.
    first : Coordinates
        What `first_coordinates` gives.
    start : SparseSolution or None
        Coefficients to start from; zero when None, and then the memory is not used either.
    memory : list of Memory
        At most one.
    """
    n, m, p = problem.loss.n_rows, problem.design.n_linear, problem.design.n_features
    nothing = np.zeros(0)
    support, values = (
        (Coordinates.of(0, nothing, nothing), nothing) if start is None else _support(problem, start)
    )
    required = _without_repeats(first.joined(support), m, p)
    coordinates, reference, hessian = required, np.zeros(n), np.empty((0, 0))
    if start is not None and memory:
        required_keys = required.keys(m, p)
        kept, keys = memory[0].cut_down(memory[0].coordinates.keys(m, p), required_keys)
        missing = required.take(~np.isin(required_keys, keys))
        coordinates, reference = kept.coordinates.joined(missing), kept.reference
        hessian = kept.hessian if len(missing.rows) == 0 else hessian
    params = np.zeros(len(coordinates.rows))
    keys = coordinates.keys(m, p)
    order = np.argsort(keys)
    params[order[np.searchsorted(keys, support.keys(m, p), sorter=order)]] = values
    return WorkingSetState(params, 0.0, np.inf, coordinates, np.zeros(n), reference, hessian)


def _support(problem: PairProblem, start: SparseSolution) -> tuple[Coordinates, NDArray]:
    rows, cols = _candidates(problem, start.rows, start.cols)
    values = start.values
    if problem.penalty.allowed is not None:
        values = values[problem.penalty.allowed[start.rows, start.cols]]
    linear = np.flatnonzero(start.linear)
    support = Coordinates(np.full(len(linear), -1), linear).joined(Coordinates(rows, cols))
    return support, np.concatenate([start.linear[linear], values])


def _candidates(problem: PairProblem, rows: NDArray, cols: NDArray) -> tuple[NDArray, NDArray]:
    if problem.penalty.allowed is None:
        return rows, cols
    kept = problem.penalty.allowed[rows, cols]
    return rows[kept], cols[kept]


def _without_repeats(coordinates: Coordinates, n_linear: int, n_features: int) -> Coordinates:
    first = np.unique(coordinates.keys(n_linear, n_features), return_index=True)[1]
    return coordinates.take(np.sort(first))
