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
from intertwine.structures.fm_sweep import THREADS, WORTH_THREADS, AbstractFMSweep, exclusive_runs

__all__ = ["RunningSums"]


class _Patterns(NamedTuple):
    """A block's different rows, and who has them."""

    columns: sparse.csc_array  # different rows × columns of the block
    of_row: NDArray[np.intp]
    pointer: NDArray[np.intp]  # where the members of each pattern begin
    members: NDArray[np.intp]


class _Block(NamedTuple):
    begin: int
    end: int
    exclusive: bool
    patterns: _Patterns | None


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
        Blocks never reach across two groups.
    n_threads : int, default=1
        More than one lets exclusive and repeated blocks be drawn by all threads that numba has been given.
    """

    def __init__(self, X, n_components, n_triple_components, linear, groups, n_threads=1):
        super().__init__(X, n_components, n_triple_components, linear, n_threads)
        pairs_only = n_triple_components == 0
        self._blocks = list(_blocks(self.rows, self.columns, groups, self.width, pairs_only))

    def scores(self, table):
        if self._has_patterns:
            linear, q, squares = self._sums(table)
            return linear + 0.5 * ((q**2).sum(axis=1) - squares)
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
        n, a = self.rows.shape[0], self.n_linear + self.n_components
        if self._has_patterns:
            sums = self._sums(table)[1]
        else:
            pairs, triples = (
                np.ascontiguousarray(table[:, self.n_linear : a]),
                np.ascontiguousarray(table[:, a:]),
            )
            sums = np.hstack([self.rows @ pairs, self.rows @ triples, self.rows.power(2) @ triples**2])
        return _Running(np.column_stack([np.zeros((n, 2)), sums]), np.zeros(n))

    def replace(self, running, target, fitted, weight):
        running.target[:] = target
        running.state[:, kernels.RESIDUAL] = target - fitted
        running.state[:, kernels.ROOT_WEIGHT] = np.sqrt(weight)

    @property
    def _has_patterns(self) -> bool:
        return any(block.patterns is not None for block in self._blocks)

    def _sums(self, table):
        """Linear part (n,), q (n, k) and Σ_f s_f (n,), each pattern computed once."""
        n = self.rows.shape[0]
        linear, q, squares = np.zeros(n), np.zeros((n, self.n_components)), np.zeros(n)
        for block in self._blocks:
            part = table[block.begin : block.end]
            if block.patterns is None:
                X, of_row = self.columns[:, block.begin : block.end], slice(None)
            else:
                X, of_row = block.patterns.columns, block.patterns.of_row
            factors = np.ascontiguousarray(part[:, self.n_linear :])
            q += (X @ factors)[of_row]
            squares += (X.power(2) @ (factors**2).sum(axis=1))[of_row]
            if self.n_linear:
                linear += (X @ part[:, 0])[of_row]
        return linear, q, squares

    def run(self, running, table, priors, noise):
        settings = (self.n_linear, self.n_components, priors.group, priors.mean, priors.precision, noise)
        columns = (self.columns.indptr, self.columns.indices, self.columns.data)
        state = running.state
        for block in self._blocks:
            if block.patterns is not None:
                proper = self._run_patterns(block, table, state, priors, noise)
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

    def _run_patterns(self, block, table, state, priors, noise):
        k, (columns, _, pointer, members) = self.n_components, block.patterns
        own = columns @ table[block.begin : block.end, self.n_linear :]
        before = own.copy()
        moments, cross = np.empty((len(own), 1 + k, 1 + k)), np.empty((len(own), 1 + k))
        gain, shift = np.zeros(len(own)), np.zeros((len(own), 1 + k))
        gather, scatter = repeated.sum_over_members, repeated.pass_to_members
        if self.parallel:
            gather, scatter = repeated.sum_over_members_in_parallel, repeated.pass_to_members_in_parallel
        with THREADS:
            gather(pointer, members, k, state, moments, cross)
            proper = repeated.redraw_repeated(
                block.begin, columns.indptr, columns.indices, columns.data, table, self.n_linear,
                priors.group, priors.mean, priors.precision, noise, own, moments, cross, gain, shift,
            )  # fmt: skip
            scatter(pointer, members, before, k, gain, shift, state)
        return proper


def _blocks(rows, columns, groups, width, pairs_only):
    """Cut the columns into the longest blocks that can be drawn in one of the three ways."""
    runs, plain = exclusive_runs(columns), None
    begin, p = 0, columns.shape[1]
    while begin < p:
        end_of_group = begin + _same(groups[begin:])
        end = begin + _same(runs[begin:end_of_group])
        patterns = (
            _patterns(rows[:, begin:end_of_group], width) if end < end_of_group and pairs_only else None
        )
        end = end_of_group if patterns is not None else end
        worth_threads = int(columns.indptr[end] - columns.indptr[begin]) >= WORTH_THREADS
        block = _Block(begin, end, end - begin > 1 and worth_threads, patterns)
        begin = end
        if not block.exclusive and patterns is None:
            plain = block if plain is None else plain._replace(end=end)
            continue
        if plain is not None:
            yield plain
            plain = None
        yield block
    if plain is not None:
        yield plain


def _same(labels: NDArray) -> int:
    """How many entries at the beginning equal the first."""
    return int(np.argmin(np.append(labels == labels[0], False)))


def _patterns(part: sparse.csr_array, width: int) -> _Patterns | None:
    """The different rows of a block, where they are so few that working on them pays."""
    n = part.shape[0]
    if part.nnz <= 2 * n:
        return None
    found: dict[bytes, int] = {}
    pattern = np.empty(n, dtype=np.intp)
    most = 2 * n // width  # a pattern costs d² numbers, a row d
    for i in range(n):
        entries = slice(part.indptr[i], part.indptr[i + 1])
        key = part.indices[entries].tobytes() + part.data[entries].tobytes()
        pattern[i] = found.setdefault(key, len(found))
        if len(found) > most:
            return None
    first = np.unique(pattern, return_index=True)[1]
    order = np.argsort(pattern, kind="stable")
    pointer = np.concatenate([[0], np.cumsum(np.bincount(pattern, minlength=len(first)))])
    return _Patterns(sparse.csc_array(part[first]), pattern, pointer.astype(np.intp), order.astype(np.intp))
