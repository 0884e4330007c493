"""The rows of a mixed model: what each of them knows of the unknowns of every effect.

A block is an effect, or the fixed columns: of an effect's levels every row knows one; of functions (a basis of K,
scaled to variance one) and of fixed columns it knows all, so they stand last. Nothing here knows variances.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import AbstractBoundEffect, BasisPrior, LevelPrior
from intertwine.mixed_effects import _henderson_kernels as kernels
from intertwine.mixed_effects.base import as_numbers
from intertwine.mixed_effects.row_cells import RowCells, cells_of

__all__ = ["Block", "RowDesign"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_ROWS_AT_ONCE = 1 << 15  # of the dense columns


@final
class Block(NamedTuple):
    """Unknowns of one kind: node j has the unknowns begin + j·r … begin + j·r + r − 1."""

    begin: int
    n_nodes: int
    n_basis: int
    level: Index | None  # of each row; None where every row knows all nodes
    basis: Array  # (n, r)
    scale: Array | None  # (nodes,) that gives functions the variance one
    loadings: Array | None  # (levels, nodes) of the functions so scaled
    row_level: Index | None  # of each row among the rows of ``loadings``

    def of_level(self) -> Index:
        """Level of each row, whether levels or functions are the nodes."""
        level = self.row_level if self.level is None else self.level
        assert level is not None  # only fixed columns have none
        return level


@final
class RowDesign:
    """Levels, bases, fixed columns and weights of n rows.

    Parameters
    ----------
    effects, priors : the bound effects, and K of each at the shape.
    fixed : (n, c) array or None
    weights : (n,) or (n, p) array, or None
    """

    def __init__(
        self,
        effects: Sequence[AbstractBoundEffect],
        priors: Sequence[LevelPrior],
        fixed: Array | None,
        weights: Array | None,
    ) -> None:
        self.n_rows = len(effects[0].level)
        self.priors = tuple(priors)
        self.fixed = np.empty((self.n_rows, 0)) if fixed is None else np.ascontiguousarray(fixed, np.float64)
        self.weights = None if weights is None else _by_output(weights)
        self.n_effects = len(priors)
        self.blocks = self._lay_out(effects)
        self.n_fixed = self.fixed.shape[1]
        self.hot = [s for s, block in enumerate(self.blocks) if block.level is not None]
        self.dense = [s for s, block in enumerate(self.blocks) if block.level is None]
        w = self.weights
        self.n_entries = np.array([float(self.n_rows)]) if w is None else (w > 0).sum(axis=1).astype(float)
        logs = np.zeros(1) if w is None else np.log(w, where=w > 0, out=np.zeros_like(w)).sum(axis=1)
        self.log_weights = logs  # Σ log w of each output, or of all

    def observed(self, y: NDArray[Any]) -> NDArray[Any]:
        """Outcomes (n, p) as they came, float32 too, with zeros where nothing was observed."""
        y, by_row = as_numbers(y), self.weights_by_row
        return y if by_row is None else np.where(by_row > 0.0, y, y.dtype.type(0.0))

    @cached_property
    def weights_by_row(self) -> Array | None:
        """Weights (n, 1) or (n, p)."""
        return None if self.weights is None else np.ascontiguousarray(self.weights.T)

    @cached_property
    def cells(self) -> RowCells:
        """Rows that know the same of all blocks but those that every row knows."""
        return cells_of(
            [(self.levels(s), self.blocks[s].basis, self.blocks[s].begin) for s in self.hot], self.n_rows
        )

    def levels(self, s: int) -> Index:
        """Level of each row, of a block of which a row knows one."""
        level = self.blocks[s].level
        assert level is not None
        return level

    def split(self, unknowns: Array) -> list[Array]:
        """Columns of unknowns (unknowns, k) by effect: (k, nodes, r) each."""
        return [
            unknowns[b.begin : b.begin + b.n_nodes * b.n_basis].T.reshape(
                unknowns.shape[1], b.n_nodes, b.n_basis
            )
            for b in self.blocks[:-1]
        ]

    def joined(self, parts: Sequence[Array]) -> Array:
        """Numbers of the nodes of every block, fixed columns too, (k, nodes, r) each, as columns (unknowns, k)."""
        out = np.empty((self.n_unknowns, len(parts[0])))
        for block, part in zip(self.blocks, parts, strict=True):
            out[block.begin : block.begin + block.n_nodes * block.n_basis] = part.reshape(len(part), -1).T
        return out

    def _lay_out(self, effects: Sequence[AbstractBoundEffect]) -> tuple[Block, ...]:
        """Levels first, then functions, then fixed columns; blocks keep the order of the effects."""
        blocks: dict[int, Block] = {}
        begin = 0
        for functions in (False, True):
            for t, (effect, prior) in enumerate(zip(effects, self.priors, strict=True)):
                if isinstance(prior, BasisPrior) is not functions:
                    continue
                level = np.ascontiguousarray(effect.level, np.int64)
                basis = _basis_columns(effect.basis, self.n_rows)
                if isinstance(prior, BasisPrior):
                    scale = np.sqrt(prior.variances)
                    loadings = np.asarray(prior.loadings) * scale
                    q, r = loadings.shape[1], basis.shape[1]
                    blocks[t] = Block(begin, q, r, None, basis, scale, loadings, level)
                else:
                    blocks[t] = Block(begin, effect.n_levels, basis.shape[1], level, basis, None, None, None)
                begin += blocks[t].n_nodes * blocks[t].n_basis
        ones = np.ones((self.n_rows, 1))
        fixed = Block(begin, self.fixed.shape[1], 1, None, ones, None, None, None)
        return (*(blocks[t] for t in range(len(blocks))), fixed)

    @property
    def n_unknowns(self) -> int:
        return self.blocks[-1].begin + self.n_fixed

    def row_weights(self, rows: slice = slice(None)) -> Array:
        """(1 or outputs, rows)."""
        if self.weights is None:
            return np.ones((1, len(range(*rows.indices(self.n_rows)))))
        return self.weights[:, rows]

    def dense_columns(self, s: int, rows: slice) -> Array:
        """Functions times basis, or fixed columns, at some rows: (rows, nodes · r)."""
        block = self.blocks[s]
        if block.loadings is None:
            return self.fixed[rows]
        assert block.row_level is not None
        functions = block.loadings[block.row_level[rows]]
        if block.n_basis == 1:
            return functions * block.basis[rows]
        return (functions[:, :, None] * block.basis[rows][:, None, :]).reshape(len(functions), -1)

    def row_slices(self):
        """Stretches of rows whose dense columns are held at once."""
        for start in range(0, self.n_rows, _ROWS_AT_ONCE):
            yield slice(start, min(self.n_rows, start + _ROWS_AT_ONCE))

    @property
    def n_known_once(self) -> int:
        """Unknowns of which a row knows a few; they come first."""
        return min((self.blocks[s].begin for s in self.dense), default=self.n_unknowns)

    def right_sides(self, y: NDArray[Any]) -> list[Array]:
        """ZᵀWy of each block, (outputs, nodes, r); ``y`` is (n, outputs), as `observed` gives it."""
        p, weights = y.shape[1], self.weights_by_row
        out = [np.zeros((p, block.n_nodes, block.n_basis)) for block in self.blocks]
        if p == 1:
            weighted = y[:, 0] if weights is None else y[:, 0] * weights[:, 0]
            for s in self.hot:
                kernels.sum_levels_one(self.levels(s), self.blocks[s].basis, weighted, out[s][0])
        elif self.hot:
            sums = self.cells.sums(y, weights, self.n_known_once)
            for s in self.hot:
                out[s] = self._of_block(sums, s)
        for rows in self.row_slices() if self.dense_unknowns else ():
            some = np.asarray(y[rows], np.float64)
            weighted = (some if weights is None else some * weights[rows]).T
            for s in self.dense:
                out[s] += (weighted @ self.dense_columns(s, rows)).reshape(out[s].shape)
        return out

    @property
    def dense_unknowns(self) -> int:
        """Unknowns that every row knows."""
        return self.n_unknowns - self.n_known_once

    def _of_block(self, table: Array, s: int) -> Array:
        """Rows of a table (unknowns, p) that are those of a block, (p, nodes, r)."""
        begin, q, r = self.blocks[s].begin, self.blocks[s].n_nodes, self.blocks[s].n_basis
        return np.ascontiguousarray(table[begin : begin + q * r].T).reshape(table.shape[1], q, r)

    def table(self, coefficients: Sequence[Array]) -> Array:
        """Coefficients (p, nodes, r) of every block, of the unknowns of which a row knows a few, (unknowns, p)."""
        out = np.empty((self.n_known_once, len(coefficients[0])))
        for s in self.hot:
            begin, part = self.blocks[s].begin, coefficients[s]
            flat = part.reshape(len(part), -1)
            out[begin : begin + flat.shape[1]] = flat.T
        return out

    def values_at_rows(self, coefficients: Sequence[Array]) -> Array:
        """Σ_t Z_t b_t of the blocks that are given, (n, outputs)."""
        out = self._dense_values(coefficients)
        if out.shape[1] == 1:
            for s in self.hot:
                kernels.add_levels_one(self.levels(s), self.blocks[s].basis, coefficients[s][0], out[:, 0])
        elif self.hot:
            self.cells.add(self.table(coefficients), out)
        return out

    def misfit(self, y: NDArray[Any], coefficients: Sequence[Array]) -> Array:
        """(y − Σ_t Z_t b_t)ᵀ W (y − Σ_t Z_t b_t) over all blocks, (outputs,); ``y`` as `observed` gives it."""
        weights = self.weights_by_row
        if y.shape[1] > 1 and self.hot:
            left = y - self._dense_values(coefficients) if self.dense_unknowns else y
            return self.cells.misfit(left, weights, self.table(coefficients))
        squares = (y - self.values_at_rows(coefficients)) ** 2
        return np.asarray((squares if weights is None else squares * weights).sum(axis=0))

    def _dense_values(self, coefficients: Sequence[Array]) -> Array:
        out = np.zeros((self.n_rows, len(coefficients[0])))
        dense = [s for s in self.dense if s < len(coefficients) and coefficients[s].size]
        for rows in self.row_slices() if dense else ():
            for s in dense:
                out[rows] += self.dense_columns(s, rows) @ coefficients[s].reshape(out.shape[1], -1).T
        return out


def _by_output(weights: Array) -> Array:
    weights = np.asarray(weights, np.float64)
    return np.ascontiguousarray(weights[None] if weights.ndim == 1 else weights.T)


def _basis_columns(basis: Array | None, n_rows: int) -> Array:
    return np.ones((n_rows, 1)) if basis is None else np.ascontiguousarray(basis, np.float64)
