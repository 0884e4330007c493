"""Sweeps that keep, for every row, the sums of which the slopes are made, and move them with every feature.

Columns are taken in blocks, each in the cheapest of three ways:

* *exclusive*: no two columns share a row (the levels of one category). Their conditionals do not see one another and
  may be drawn by several threads with the same result.
* *repeated*: many rows hold the same entries (what is known of a user, in each of their ratings). The conditionals are
  computed on the different patterns (`_fm_repeated`).
* *plain*: one column after the other.
"""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from intertwine.structures import _fm_kernels as kernels
from intertwine.structures import _fm_repeated as repeated
from intertwine.structures.fm import FMParams, unstacked
from intertwine.structures.fm_patterns import PatternedRows, Patterns, find_patterns, segments_of
from intertwine.structures.fm_sweep import THREADS, WORTH_THREADS, AbstractFMSweep, exclusive_runs

__all__ = ["RunningSums"]

_SHARE = 2  # of the rows: a pattern costs d² numbers, a row d


class _Repeated(NamedTuple):
    """Columns in which rows repeat themselves, as the kernels take them."""

    features: NDArray[np.intp]
    columns: sparse.csc_array  # different rows × features
    pointer: NDArray[np.intp]  # where the members of each pattern begin
    members: NDArray[np.intp]

    @classmethod
    def of(cls, patterns: Patterns) -> _Repeated:
        count = patterns.rows.shape[0]
        order = np.argsort(patterns.of_row, kind="stable")
        pointer = np.concatenate([[0], np.cumsum(np.bincount(patterns.of_row, minlength=count))])
        return cls(patterns.features, patterns.rows.tocsc(), pointer.astype(np.intp), order)


class _Block(NamedTuple):
    begin: int
    end: int
    exclusive: bool
    repeated: _Repeated | None


class _Running(NamedTuple):
    """State of the rows, and what they are to reach."""

    state: NDArray[np.float64]
    target: NDArray[np.float64]


@final
class RunningSums(AbstractFMSweep):
    """Sweeps that keep the sums of every row.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n, p)
    n_components, n_triple_components : int
        Factors of pairs and of triples.
    linear : bool
        Whether the table begins with a column of linear weights.
    groups : ndarray of int, shape (p,)
        Exclusive blocks never reach across two groups.
    n_threads : int, default=1
        More than one lets exclusive and repeated blocks be drawn by all threads that numba has been given.
    """

    def __init__(self, X, n_components, n_triple_components, linear, groups, n_threads=1):
        super().__init__(X, n_components, n_triple_components, linear, n_threads)
        patterns: list[Patterns] = []
        if n_triple_components == 0:
            most = _SHARE * self.rows.shape[0] // self.width
            patterns = find_patterns(self.rows, segments_of(groups), most)
        self._patterned = PatternedRows(self.rows, patterns) if patterns else None
        others = self.rows if self._patterned is None else self._patterned.others
        self.columns = others.tocsc()
        self._blocks = sorted(_blocks(self.columns, groups, patterns), key=lambda block: block.begin)

    def scores(self, table):
        if self._patterned is not None:
            return self._patterned.score(self._params(table))
        X, scores = self.rows, np.zeros(self.rows.shape[0])
        arguments = (X.indptr, X.indices, X.data, table, self.n_linear, self.n_components, scores)
        if self.parallel and X.nnz >= WORTH_THREADS:
            with THREADS:
                kernels.score_rows_in_parallel(*arguments)
        else:
            kernels.score_rows(*arguments)
        return scores

    def begin(self, table):
        """Return residual, root of the weight, q, q₃, s₃ of every row (n, 2 + k + 2 k₃), and the targets."""
        n, params = self.rows.shape[0], self._params(table)
        if self._patterned is not None:
            sums = self._patterned.sums(params)[:, 1:]
        else:
            squares = self.rows.power(2) @ params.triples**2
            sums = np.hstack([self.rows @ params.factors, self.rows @ params.triples, squares])
        return _Running(np.column_stack([np.zeros((n, 2)), sums]), np.zeros(n))

    def _params(self, table) -> FMParams:
        full = table if self.n_linear else np.hstack([np.zeros((len(table), 1)), table])
        return unstacked(0.0, full, self.n_components)

    def replace(self, running, target, fitted, weight):
        running.target[:] = target
        running.state[:, kernels.RESIDUAL] = target - fitted
        running.state[:, kernels.ROOT_WEIGHT] = np.sqrt(weight)

    def run(self, running, table, priors, noise):
        settings = (self.n_linear, self.n_components, priors.group, priors.mean, priors.precision, noise)
        columns = (self.columns.indptr, self.columns.indices, self.columns.data)
        state = running.state
        for block in self._blocks:
            if block.repeated is not None:
                proper = self._run_repeated(block.repeated, table, state, priors, noise)
            elif block.exclusive and self.parallel:
                with THREADS:
                    proper = kernels.redraw_exclusive_columns(
                        block.begin, block.end, *columns, table, *settings, state
                    )
            else:
                proper = kernels.redraw_columns(block.begin, block.end, 1, *columns, table, *settings, state)
            if not proper:
                raise FloatingPointError("a conditional distribution has overflowed")
        return running.target - state[:, kernels.RESIDUAL]

    def _run_repeated(self, block, table, state, priors, noise):
        k, (features, columns, pointer, members) = self.n_components, block
        own = columns @ np.ascontiguousarray(table[features, self.n_linear :])
        before, count, wide = own.copy(), len(own), -(-k // repeated.LANES) * repeated.LANES
        vectors, matrices = np.empty((count, 2 * (1 + k))), np.empty((count, k, wide))
        gain, moved = np.zeros(count), np.zeros((count, k))
        gathered = (pointer, members, own, state, vectors, matrices)
        passed = (pointer, members, before, gain, moved, state)
        with THREADS:
            if self.parallel:
                repeated.sum_over_members_in_parallel(min(kernels.PARTS, count), *gathered)
            else:
                repeated.sum_over_members(*gathered)
            proper = repeated.redraw_repeated(
                features, columns.indptr, columns.indices, columns.data, table, self.n_linear,
                priors.group, priors.mean, priors.precision, noise, own, vectors, matrices, gain, moved,
            )  # fmt: skip
            if self.parallel:
                repeated.pass_to_members_in_parallel(min(kernels.PARTS, count), *passed)
            else:
                repeated.pass_to_members(*passed)
        return proper


def _blocks(columns, groups, patterns):
    """Cut the columns into the longest blocks that can be drawn in one of the three ways."""
    shared = np.zeros(columns.shape[1], dtype=bool)
    for one in patterns:
        shared[one.features] = True
        yield _Block(int(one.features[0]), int(one.features[0]), False, _Repeated.of(one))
    runs = exclusive_runs(columns)
    changes = [np.diff(labels) != 0 for labels in (runs, groups, shared)]
    cuts = np.flatnonzero(np.logical_or.reduce(changes)) + 1
    plain = None
    for begin, end in zip([0, *cuts], [*cuts, columns.shape[1]], strict=True):
        exclusive = end - begin > 1 and int(columns.indptr[end] - columns.indptr[begin]) >= WORTH_THREADS
        if not (exclusive or shared[begin]):
            plain = _Block(begin, end, False, None) if plain is None else plain._replace(end=end)
            continue
        if plain is not None:
            yield plain
            plain = None
        if exclusive and not shared[begin]:
            yield _Block(begin, end, True, None)
    if plain is not None:
        yield plain
