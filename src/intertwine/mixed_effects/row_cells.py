"""Rows that know the same: one level of every effect, and the same basis there.

In nested designs many rows share a cell, and what depends on the cell alone is computed once for all of them; where
hardly any two rows do, a cell is a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.mixed_effects import _row_cell_kernels as kernels

__all__ = ["RowCells", "RowTables", "cells_of"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@final
class RowCells(NamedTuple):
    """Rows by cell: those of cell c are ``order[starts[c]:starts[c + 1]]``.

    Attributes
    ----------
    order : ndarray of int, shape (n,)
    starts : ndarray of int, shape (cells + 1,)
    unknown : ndarray of int, shape (cells, a)
        The unknowns that a row of the cell knows.
    basis : ndarray of shape (cells, a)
        What it multiplies them by.

    Examples
    --------
    Five rows of two groupings.

    >>> one, other = np.array([0, 0, 1, 1, 0]), np.array([1, 0, 0, 0, 1])
    >>> cells = cells_of([(one, np.ones((5, 1)), 0), (other, np.ones((5, 1)), 2)], 5)
    >>> len(cells.starts) - 1, cells.sums(np.arange(5.0)[:, None], None, 4).ravel()
    (3, array([5., 5., 6., 4.]))
    """

    order: Index
    starts: Index
    unknown: Index
    basis: Array

    def sums(self, y: NDArray[Any], weights: Array | None, n_unknowns: int) -> Array:
        """ZᵀWy of y (n, p), with weights (n, 1) or (n, p): (unknowns, p)."""
        out = np.zeros((n_unknowns, y.shape[1]))
        kernels.sum_cells(*self, y, _given(weights), out)
        return out

    def misfit(self, y: NDArray[Any], weights: Array | None, table: Array) -> Array:
        """(y − Zb)ᵀ W (y − Zb) of b (unknowns, p): (p,)."""
        return np.asarray(kernels.misfit_of_cells(*self, table, y, _given(weights)))

    def add(self, table: Array, out: Array) -> None:
        """Add Zb to the rows (n, p)."""
        kernels.add_cells(*self, table, out)


@final
class RowTables(NamedTuple):
    """What levels, and pairs of levels that meet, say of rows.

    Attributes
    ----------
    cells : RowCells
    groups : ndarray of int, shape (g, 4)
        Of every two effects: the first of their columns in ``cells.basis``, and how many columns they have.
    pair : ndarray of int, shape (cells, g)
        Where in ``covariances`` the block of the two levels of a cell begins; it stands row by row.
    means : ndarray of shape (unknowns, p)
    covariances : ndarray of shape (entries, p)
        Those of different effects twice, as each stands for two.
    """

    cells: RowCells
    groups: Index
    pair: Index
    means: Array
    covariances: Array

    def tell(
        self,
        residual: NDArray[Any],
        noise: Array,
        beta: float,
        largest: float,
        offset: NDArray[np.float32],
        weight: NDArray[np.float32],
    ) -> None:
        """Fill what every residual (n, p) is told by the others: see `vae_effects.OtherRows`."""
        tables = tuple(self.cells), self.groups, self.pair, self.means, self.covariances
        kernels.tell_cells(tables, residual, noise, beta, largest, offset, weight)

    def add_variances(self, out: Array) -> None:
        """Add the variance of Zb to the rows (n, p)."""
        cells = self.cells
        kernels.variance_of_cells(
            cells.order, cells.starts, cells.basis, self.groups, self.pair, self.covariances, out
        )


def cells_of(blocks: Sequence[tuple[Index, Array, int]], n_rows: int) -> RowCells:
    """Cells of rows whose blocks have a level (n,), a basis (n, r), and a first unknown."""
    cell, n_cells = np.zeros(n_rows, np.int64), 1
    for level, basis, _ in blocks:
        columns = [level] + [column for column in basis.T if np.any(column != column[:1])]
        for column in columns:
            values, code = np.unique(column, return_inverse=True)
            found, cell = np.unique(cell * len(values) + code, return_inverse=True)
            n_cells = len(found)
    order = np.argsort(cell, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=n_cells))]).astype(np.int64)
    first = order[starts[:-1]]
    unknown = [
        begin + level[first, None] * basis.shape[1] + np.arange(basis.shape[1])
        for level, basis, begin in blocks
    ]
    none = np.zeros((len(first), 0))
    return RowCells(
        order,
        starts,
        np.concatenate([none.astype(np.int64), *unknown], axis=1),
        np.concatenate([none, *(basis[first] for _, basis, _ in blocks)], axis=1),
    )


def _given(weights: Array | None) -> Array:
    return np.empty((0, 0)) if weights is None else weights
