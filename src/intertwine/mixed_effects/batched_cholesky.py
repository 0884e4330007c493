"""Cholesky factors of many small matrices of one pattern, side by side.

What `SparseFactors` does matrix by matrix is done here for all of them in every step: where a factor is so small that
finding the next entry costs more than the arithmetic, the vector unit then works on as many matrices at once as it
has lanes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from intertwine.mixed_effects import _batched_cholesky_kernels as kernels
from intertwine.mixed_effects.sparse_cholesky import (
    AbstractFactors,
    RowPaths,
    SparsePattern,
    corner_inverses,
    forms_of_rows,
    require_positive,
    tail_inverse,
)

__all__ = ["BatchedFactors"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@final
class BatchedFactors(AbstractFactors):
    """Factors of matrices whose tail is small.

    Parameters
    ----------
    pattern : SparsePattern
    values : (entries, matrices) array
        The lower triangles, each number in its slot; overwritten.

    Raises
    ------
    numpy.linalg.LinAlgError
        Where a matrix is not positive definite.

    Examples
    --------
    >>> pattern = SparsePattern(np.ones(2, int), np.array([0]), np.array([1]), np.zeros(2, bool), 0)
    >>> values = np.zeros((pattern.n_entries, 1))
    >>> values[pattern.slots(np.array([0, 0, 1]), np.array([0, 1, 1])), 0] = [2.0, 1.0, 2.0]
    >>> float(BatchedFactors(pattern, values).log_determinants(2)[0])  # of [[2, 1], [1, 2]]
    1.09...
    """

    def __init__(self, pattern: SparsePattern, values: Array) -> None:
        self._pattern, self._values = pattern, values
        p, n_matrices = pattern, values.shape[1]
        failed = np.full(n_matrices, -1, np.int64)
        head = p.column_start, p.rows, p.row_start, p.row_column, p.row_entry, p.tail_start, p.n_tail
        kernels.factor_columns(values, *head, failed)
        self._tails = self._of_tail(values)  # (matrices, tail, tail), as LAPACK wants them
        for f in range(n_matrices) if p.n_tail else ():
            if failed[f] < 0:
                _, info = lapack.dpotrf(self._tails[f].T, lower=0, overwrite_a=1, clean=0)
                failed[f] = -1 if info == 0 else p.n_head + info - 1
        require_positive(failed)
        self._values[p.column_start[-1] :] = self._tails.reshape(n_matrices, -1).T

    def _of_tail(self, values: Array) -> Array:
        n = self._pattern.n_tail
        return np.ascontiguousarray(values[self._pattern.column_start[-1] :].T).reshape(values.shape[1], n, n)

    def log_determinants(self, n_leading):
        p = self._pattern
        n = n_leading - p.n_head
        tail = self._values[p.column_start[-1] + (p.n_tail + 1) * np.arange(n)]
        return 2.0 * (np.log(self._values[p.column_start[:-1]]).sum(axis=0) + np.log(tail).sum(axis=0))

    def solve(self, right, factor_of):
        solution = np.empty(right.shape)
        turns = list(_turns(factor_of))
        for outputs in turns:
            alone = len(turns) == 1
            own = right if alone else right[outputs]
            found = solution if alone else np.empty(own.shape)
            self._solve(own, factor_of[outputs], found)
            if not alone:
                solution[outputs] = found
        return solution, ()

    def _solve(self, right: Array, factor_of: Index, out: Array) -> None:
        """Solve for right-hand sides of different factors."""
        p = self._pattern
        x = np.zeros((p.n_unknowns, self._values.shape[1]))
        kernels.in_order_of_elimination(right, p.position, factor_of, x)
        kernels.forward_columns(self._values, p.column_start, p.rows, x)
        for f in factor_of if p.n_tail else ():
            x[p.n_head :, f] = lapack.dpotrs(self._tails[f].T, x[p.n_head :, f], lower=0)[0]
        kernels.backward_columns(self._values, p.column_start, p.rows, x)
        kernels.in_order_of_unknowns(x, p.position, factor_of, out)

    def quadratic_forms(self, inverses, start: Index, columns: Index, entries: Array, paths: RowPaths):
        one_by_one = np.ascontiguousarray(self._values.T), np.ascontiguousarray(inverses)
        return forms_of_rows(self._pattern, *one_by_one, start, columns, entries, paths)

    def inverses(self, n_forgotten=0):
        p = self._pattern
        out = np.empty_like(self._values)
        tails = np.zeros_like(self._tails)
        for lower, tail in zip(self._tails, tails, strict=True):
            tail_inverse(lower, n_forgotten, tail)
        out[p.column_start[-1] :] = tails.reshape(len(tails), -1).T
        kernels.invert_columns(self._values, out, p.column_start, p.rows, p.tail_start, p.n_tail)
        return out.T, None

    def trailing_inverse(self, count):
        return corner_inverses(list(self._tails), count)


def _turns(factor_of: Index) -> Iterator[Index]:
    """Outputs in turns, in each of which no two have the same factor."""
    order = np.argsort(factor_of, kind="stable")
    sorted_factors = factor_of[order]
    turn = np.empty(len(order), np.int64)
    turn[order] = np.arange(len(order)) - np.searchsorted(sorted_factors, sorted_factors)
    for k in range(int(turn.max(initial=-1)) + 1):
        yield np.flatnonzero(turn == k)
