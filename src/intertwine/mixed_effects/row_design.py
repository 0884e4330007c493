"""The rows of a mixed model: what each of them knows of the unknowns of every effect.

A block is an effect, or the fixed columns: of an effect's levels every row knows one; of functions (a basis of K,
scaled to variance one) and of fixed columns it knows all, so they stand last. Nothing here knows variances.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import AbstractBoundEffect, BasisPrior, LevelPrior
from intertwine.mixed_effects import _henderson_kernels as kernels

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

    def observed(self, y: Array) -> Array:
        """Outcomes with the outputs first, and zero where nothing was observed: (outputs, n)."""
        outputs_first = np.ascontiguousarray(np.asarray(y, np.float64).T)
        return outputs_first if self.weights is None else np.where(self.weights > 0, outputs_first, 0.0)

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

    def right_sides(self, y: Array) -> list[Array]:
        """ZᵀWy of each block, (outputs, nodes, r); ``y`` is (outputs, n)."""
        weighted = y if self.weights is None else y * self.weights
        out = [np.zeros((len(y), block.n_nodes, block.n_basis)) for block in self.blocks]
        for s in self.hot:
            level, basis = self.blocks[s].level, self.blocks[s].basis
            if len(y) == 1:
                kernels.sum_levels_one(level, basis, weighted[0], out[s][0])
            else:
                kernels.sum_levels(level, basis, weighted, out[s])
        for rows in self.row_slices():
            for s in self.dense:
                out[s] += (weighted[:, rows] @ self.dense_columns(s, rows)).reshape(out[s].shape)
        return out

    def values_at_rows(self, coefficients: Sequence[Array]) -> Array:
        """Σ_t Z_t b_t of the blocks that are given, (outputs, n)."""
        out = np.zeros((len(coefficients[0]), self.n_rows))
        for s, b in enumerate(coefficients):
            if s in self.hot:
                level, basis = self.blocks[s].level, self.blocks[s].basis
                if len(b) == 1:
                    kernels.add_levels_one(level, basis, b[0], out[0])
                else:
                    kernels.add_levels(level, basis, b, out)
            elif b.size:
                for rows in self.row_slices():
                    out[:, rows] += b.reshape(len(b), -1) @ self.dense_columns(s, rows).T
        return out


def _by_output(weights: Array) -> Array:
    weights = np.asarray(weights, np.float64)
    return np.ascontiguousarray(weights[None] if weights.ndim == 1 else weights.T)


def _basis_columns(basis: Array | None, n_rows: int) -> Array:
    return np.ones((n_rows, 1)) if basis is None else np.ascontiguousarray(basis, np.float64)
