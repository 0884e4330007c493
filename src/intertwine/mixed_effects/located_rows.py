"""Rows, new or old, as sparse vectors of the unknowns of Henderson's equations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from intertwine.effects.random import Located
from intertwine.mixed_effects.row_design import Block, RowDesign
from intertwine.mixed_effects.sparse_cholesky import SparseFactors, SparsePattern

__all__ = ["LocatedPart", "LocatedRows"]

Array = NDArray[np.float64]

_ENTRIES_AT_ONCE = 4_000_000


@final
class LocatedRows:
    """Where rows stand in every effect, a part of the rows at a time.

    Parameters
    ----------
    design : RowDesign
    located : sequence of Located, one for each effect
    fixed : (n, c) array or None
        Fixed columns, where their coefficients are among the unknowns.
    """

    def __init__(self, design: RowDesign, located: Sequence[Located], fixed: Array | None) -> None:
        self._design, self._located, self._fixed = design, located, fixed
        self.n_rows = len(located[0].level)
        self._projections = [
            _to_nodes(where, block) for where, block in zip(located, design.blocks[:-1], strict=True)
        ]

    def parts(self, n_factors: int) -> Iterator[tuple[slice, LocatedPart]]:
        """Stretches of rows such that the entries of all factors fit into memory."""
        width = 1 if self._fixed is None else 1 + self._fixed.shape[1]
        for A, block in zip(self._projections, self._design.blocks[:-1], strict=True):
            width += block.n_basis * (1 if A is None else 1 + int(A.nnz / max(1, A.shape[0])))
        step = max(256, _ENTRIES_AT_ONCE // (width * n_factors))
        for start in range(0, self.n_rows, step):
            rows = slice(start, min(self.n_rows, start + step))
            yield rows, self._part(rows)

    def _part(self, rows: slice) -> LocatedPart:
        n = rows.stop - rows.start
        pieces = []
        for where, A, block in zip(self._located, self._projections, self._design.blocks[:-1], strict=True):
            level = np.asarray(where.level[rows], np.int64)
            if A is None:
                row, node, value = np.arange(n), level, np.ones(n)
            else:
                chosen = sparse.coo_array(A[level])
                (row, node), value = chosen.coords, chosen.data
            basis = np.ones((n, block.n_basis)) if where.basis is None else where.basis[rows]
            pieces.append((row, block, node, value[:, None] * basis[row]))
        if self._fixed is not None:
            block, c = self._design.blocks[-1], self._fixed.shape[1]
            row, node = np.repeat(np.arange(n), c), np.tile(np.arange(c), n)
            pieces.append((row, block, node, np.asarray(self._fixed[rows], np.float64).reshape(-1, 1)))
        return LocatedPart(self._design, n, pieces)


@final
class LocatedPart:
    """Some rows: their entries by block, and all together."""

    def __init__(self, design: RowDesign, n_rows: int, pieces: Sequence[tuple]) -> None:
        self._pieces, self._shape = pieces, (n_rows, design.n_unknowns)

    def mean(self, coefficients: Sequence[Array]) -> Array:
        """Σ of the rows' values under coefficients (outputs, nodes, r) of each block, (rows, outputs)."""
        out = np.zeros((self._shape[0], len(coefficients[0])))
        for (row, block, node, values), b in zip(self._pieces, coefficients, strict=False):
            columns = np.asarray(node)[:, None] * block.n_basis + np.arange(block.n_basis)
            flat = b.reshape(len(b), -1)
            matrix = sparse.coo_array(
                (values.ravel(), (np.repeat(row, block.n_basis), columns.ravel())),
                (self._shape[0], flat.shape[1]),
            )
            out += matrix.tocsr() @ flat.T
        return out

    def mean_forms(self, blocks: Sequence[Array]) -> Array:
        """aᵀ Q a averaged over the nodes that a row knows, for Q (nodes, r, r) of each effect: (rows,)."""
        out, count = np.zeros(self._shape[0]), np.zeros(self._shape[0])
        for (row, _, node, values), Q in zip(self._pieces, blocks, strict=True):
            forms = np.einsum("ek,ekl,el->e", values, Q[node], values, optimize=True)
            out += np.bincount(row, forms, self._shape[0])
            count += np.bincount(row, minlength=self._shape[0])
        return out / np.maximum(count, 1.0)

    def variance(
        self, pattern: SparsePattern, factors: SparseFactors, inverses: Array, roots: Sequence[Array]
    ) -> Array:
        """Posterior variance over σ² of the rows, with Λ (factors, r, r) of each block: (factors, rows)."""
        rows, columns, values = [], [], []
        for (row, block, node, value), root in zip(self._pieces, roots, strict=False):
            unknowns = block.begin + np.asarray(node, np.int64)[:, None] * block.n_basis
            columns.append((unknowns + np.arange(block.n_basis)).ravel())
            rows.append(np.repeat(row, block.n_basis))
            values.append((value @ root).reshape(len(root), -1))
        of_row = np.concatenate(rows)
        order = np.argsort(of_row, kind="stable")
        in_order = pattern.position[np.concatenate(columns)[order]]
        start = np.concatenate([[0], np.cumsum(np.bincount(of_row, minlength=self._shape[0]))])
        entries = np.concatenate(values, axis=1)[:, order]
        paths = pattern.paths(start, in_order)
        return factors.quadratic_forms(inverses, start, in_order, entries, paths)


def _to_nodes(where: Located, block: Block) -> sparse.csr_array | None:
    """From the levels of the rows to the nodes of the effect; None is the identity."""
    if where.projection is None:
        return None if block.loadings is None else sparse.csr_array(block.loadings)
    A = sparse.csr_array(where.projection)
    return A if block.scale is None else sparse.csr_array(A @ sparse.diags_array(block.scale))
