"""Every feature's coefficients redrawn from their Gaussian conditional, once round: the step of ALS and of Gibbs.

A conditional needs the rows that hold the feature, so columns are taken in blocks, each in the cheapest of three ways:

* *exclusive*: no two columns share a row (the levels of one category). Their conditionals do not see one another and
  may be drawn by several threads with the same result.
* *repeated*: many rows hold the same entries (what is known of a user, in each of their ratings). The conditionals are
  computed on the different patterns (`_fm_repeated`).
* *plain*: one column after the other.

The result is the same whichever way is taken, up to rounding.
"""

from __future__ import annotations

import threading
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from intertwine.structures import _fm_kernels as kernels
from intertwine.structures import _fm_repeated as repeated

__all__ = ["FMSweep", "GaussianPriors", "exclusive_runs"]

_WORTH_THREADS = 20_000  # stored entries of a block: below, starting threads costs more than it saves
_THREADS = threading.Lock()  # numba's simplest threading layer may not be entered twice


class GaussianPriors(NamedTuple):
    """Independent Gaussian priors, one per group of features and column of the table.

    Attributes
    ----------
    group : ndarray of int, shape (p,)
        Group of each feature.
    mean, precision : ndarray of shape (n_groups, d)
    """

    group: NDArray[np.intp]
    mean: NDArray[np.float64]
    precision: NDArray[np.float64]


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


@final
class FMSweep:
    """Sweeps over the features of one table of rows.

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
        self.rows = X if sparse.issparse(X) else sparse.csr_array(X)
        self.columns = self.rows.tocsc()
        self.n_components = n_components
        self.n_triple_components = n_triple_components
        self.n_linear = int(linear)
        self.parallel = n_threads > 1
        self._blocks = list(_blocks(self.rows, self.columns, groups, self.width, n_triple_components == 0))

    @property
    def width(self) -> int:
        """Columns d of the table."""
        return self.n_linear + self.n_components + self.n_triple_components

    def scores(self, table: NDArray) -> NDArray:
        """Scores of the rows, without an intercept (n,)."""
        if self._has_patterns:
            linear, q, squares = self._sums(table)
            return linear + 0.5 * ((q**2).sum(axis=1) - squares)
        X, scores = self.rows, np.zeros(self.rows.shape[0])
        arguments = (X.indptr, X.indices, X.data, table, self.n_linear, self.n_components, scores)
        if self.parallel and X.nnz >= _WORTH_THREADS:
            with _THREADS:
                kernels.score_rows_in_parallel(*arguments)
        else:
            kernels.score_rows(*arguments)
        return scores

    def state(self, table: NDArray, residual: NDArray, weight: NDArray) -> NDArray:
        """What the kernels keep of every row, from scratch (n, 2 + k + 2 k₃)."""
        first = [residual, np.sqrt(weight)]
        if self._has_patterns:
            return np.column_stack([*first, self._sums(table)[1]])
        a = self.n_linear + self.n_components
        pairs, triples = np.ascontiguousarray(table[:, self.n_linear : a]), np.ascontiguousarray(table[:, a:])
        return np.column_stack(
            [*first, self.rows @ pairs, self.rows @ triples, self.rows.power(2) @ triples**2]
        )

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

    def shift(self, state: NDArray, move: float, residual: NDArray) -> None:
        """Lower all residuals by ``move``: those of the state, and the copy of them that lies side by side."""
        kernels.shift_residuals(state, move, residual)

    def run(self, table, state, priors: GaussianPriors, noise) -> None:
        """Redraw all features in place: mean of the conditional plus its root covariance times ``noise`` (p, d).

        Raises
        ------
        FloatingPointError
            Where a conditional is not a proper distribution: numbers have overflowed.
        """
        settings = (self.n_linear, self.n_components, priors.group, priors.mean, priors.precision, noise)
        columns = (self.columns.indptr, self.columns.indices, self.columns.data)
        for block in self._blocks:
            if block.patterns is not None:
                proper = self._run_patterns(block, table, state, priors, noise)
            elif block.exclusive and self.parallel:
                with _THREADS:
                    proper = kernels.redraw_exclusive_columns(
                        block.begin, block.end, *columns, table, *settings, state
                    )
            else:
                proper = kernels.redraw_columns(block.begin, block.end, 1, *columns, table, *settings, state)
            if not proper:
                raise FloatingPointError("a conditional distribution has overflowed")

    def _run_patterns(self, block, table, state, priors, noise):
        k, (columns, _, pointer, members) = self.n_components, block.patterns
        own = columns @ table[block.begin : block.end, self.n_linear :]
        before = own.copy()
        moments, cross = np.empty((len(own), 1 + k, 1 + k)), np.empty((len(own), 1 + k))
        gain, shift = np.zeros(len(own)), np.zeros((len(own), 1 + k))
        gather, scatter = repeated.sum_over_members, repeated.pass_to_members
        if self.parallel:
            gather, scatter = repeated.sum_over_members_in_parallel, repeated.pass_to_members_in_parallel
        with _THREADS:
            gather(pointer, members, k, state, moments, cross)
            proper = repeated.redraw_repeated(
                block.begin, columns.indptr, columns.indices, columns.data, table, self.n_linear,
                priors.group, priors.mean, priors.precision, noise, own, moments, cross, gain, shift,
            )  # fmt: skip
            scatter(pointer, members, before, k, gain, shift, state)
        return proper


def exclusive_runs(columns: sparse.csc_array) -> NDArray[np.intp]:
    """Number the longest runs of neighbouring columns of which no two share a row, from left to right.

    Examples
    --------
    >>> import numpy as np
    >>> two_categories = np.array([[1, 0, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1]])
    >>> exclusive_runs(sparse.csc_array(two_categories))
    array([0, 0, 1, 1])
    """
    return kernels.number_runs(columns.shape[0], columns.indptr, columns.indices)


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
        worth_threads = int(columns.indptr[end] - columns.indptr[begin]) >= _WORTH_THREADS
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
