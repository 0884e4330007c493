"""Henderson's equations for any sum of effects: unknowns, blocks, and the sums over rows that fill them.

With b_t = (I ⊗ Λ_t) v_t and Λ_t Λ_tᵀ = Σ_t/σ², the unknowns v have the prior N(0, σ² K_t ⊗ I) and the equations

    [Λᵀ ZᵀWZ Λ + K⁻¹ ⊗ I    Λᵀ ZᵀWC] [v]   [Λᵀ ZᵀWy]
    [CᵀWZ Λ                 CᵀWC   ] [γ] = [CᵀWy   ]

which stay regular where a variance is zero. A block is an effect, or the fixed columns: of an effect's levels every row
knows one; of functions (a basis of K, scaled to variance one) and fixed columns it knows all, so they stand last.

Source: Henderson (1975); Bates, Mächler, Bolker & Walker (2015), section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from intertwine.effects.random import (
    AbstractBoundEffect,
    BasisPrior,
    CovariancePrior,
    IndependentPrior,
    LevelPrior,
    PrecisionPrior,
)
from intertwine.mixed_effects import _henderson_kernels as kernels
from intertwine.mixed_effects.sparse_cholesky import SparsePattern, TailBlock

__all__ = ["Block", "HendersonEquations", "PairGroup"]

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


@final
class PairGroup(NamedTuple):
    """All pairs of a node of block s with a node of block t whose equations have a common entry."""

    s: int
    t: int
    one: Index  # (pairs,) nodes
    other: Index
    slots: Index  # (pairs, r_s, r_t)
    values: Array  # (1 or outputs, pairs, r_s, r_t): ZᵀWZ
    prior: Array  # (pairs,): K⁻¹
    of_row: Index | None  # (n,) pair of each row


@final
class HendersonEquations:
    """The equations of one design; variances come later.

    Parameters
    ----------
    effects, priors : the bound effects, and K of each at the shape.
    fixed : (n, c) array or None
    weights : (n,) or (n, p) array, or None
    max_entries : float
        How large one factor may get.
    """

    def __init__(
        self,
        effects: Sequence[AbstractBoundEffect],
        priors: Sequence[LevelPrior],
        fixed: Array | None,
        weights: Array | None,
        max_entries: float = np.inf,
    ) -> None:
        self.n_rows = len(effects[0].level)
        self.priors = tuple(priors)
        self.fixed = np.empty((self.n_rows, 0)) if fixed is None else np.ascontiguousarray(fixed, np.float64)
        self.weights = None if weights is None else _by_output(weights)
        self.n_effects = len(priors)
        self.blocks = self._lay_out(effects)
        self.n_fixed = self.fixed.shape[1]
        self._hot = [s for s, block in enumerate(self.blocks) if block.level is not None]
        self._dense = [s for s, block in enumerate(self.blocks) if block.level is None]
        pairs = {(s, t): self._pairs_of(s, t) for a, t in enumerate(self._hot) for s in self._hot[: a + 1]}
        self.pattern = self._pattern(pairs, max_entries)
        self.groups = [self._group(s, t, *found) for (s, t), found in pairs.items()] + self._dense_groups()

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

    def _pairs_of(self, s: int, t: int) -> tuple[Index, Index, Array, Index]:
        """Nodes of blocks s and t that meet, K⁻¹ there, and which pair each row has."""
        one, other = self.blocks[s], self.blocks[t]
        assert one.level is not None
        assert other.level is not None
        if s != t:
            keys, of_row = np.unique(one.level * other.n_nodes + other.level, return_inverse=True)
            return keys // other.n_nodes, keys % other.n_nodes, np.zeros(len(keys)), of_row.astype(np.int64)
        nodes, prior = np.arange(one.n_nodes), self.priors[s]
        if isinstance(prior, PrecisionPrior):
            below = sparse.coo_array(sparse.tril(prior.precision, -1))
            diagonal = prior.precision.diagonal()
            rows, columns = (np.concatenate([nodes, part.astype(np.int64)]) for part in below.coords)
            return rows, columns, np.concatenate([diagonal, below.data]).astype(float), one.level
        unit = 1.0 if isinstance(prior, IndependentPrior) else 0.0
        return nodes, nodes, np.full(one.n_nodes, unit), one.level

    def _pattern(self, pairs: dict, max_entries: float) -> SparsePattern:
        counts = np.array([self.blocks[s].n_nodes for s in self._hot], np.int64)
        offset = dict(zip(self._hot, np.cumsum(counts) - counts, strict=True))
        empty = [np.empty(0, np.int64)]
        one = np.concatenate([offset[s] + found[0] for (s, t), found in pairs.items()] or empty)
        other = np.concatenate([offset[t] + found[1] for (s, t), found in pairs.items()] or empty)
        different = one != other
        size = np.repeat([self.blocks[s].n_basis for s in self._hot], counts).astype(np.int64)
        dense_prior = [s < self.n_effects and isinstance(self.priors[s], CovariancePrior) for s in self._hot]
        last = np.repeat(np.array(dense_prior, bool), counts)
        n_dense = self.n_unknowns - int(size.sum())
        return SparsePattern(size, one[different], other[different], last, n_dense, max_entries)

    def _unknowns(self, s: int, nodes: Index) -> Index:
        block = self.blocks[s]
        return block.begin + nodes[:, None] * block.n_basis + np.arange(block.n_basis)

    def _slots(self, s: int, t: int, one: Index, other: Index) -> Index:
        rows, columns = self._unknowns(s, one)[:, :, None], self._unknowns(t, other)[:, None, :]
        return self.pattern.slots(*np.broadcast_arrays(rows, columns))

    def _row_weights(self, rows: slice = slice(None)) -> Array:
        """(1 or outputs, rows)."""
        if self.weights is None:
            return np.ones((1, len(range(*rows.indices(self.n_rows)))))
        return self.weights[:, rows]

    def _group(self, s: int, t: int, one: Index, other: Index, prior: Array, of_row: Index) -> PairGroup:
        left, right = self.blocks[s], self.blocks[t]
        weights = self._row_weights()
        values = np.zeros((len(weights), len(one), left.n_basis, right.n_basis))
        kernels.sum_pairs(of_row, weights, left.basis, right.basis, values)
        return PairGroup(s, t, one, other, self._slots(s, t, one, other), values, prior, of_row)

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

    def _dense_groups(self) -> list[PairGroup]:
        n_weights = 1 if self.weights is None else len(self.weights)
        width = {s: block.n_nodes * block.n_basis for s, block in enumerate(self.blocks)}
        pairs = [(s, t) for t in self._dense for s in [*self._hot, *(d for d in self._dense if d <= t)]]
        pairs = [(s, t) for s, t in pairs if width[s] and width[t]]
        sums = {(s, t): np.zeros((n_weights, width[s], width[t])) for s, t in pairs}
        for rows in self.row_slices():
            weights = np.ascontiguousarray(self._row_weights(rows))
            columns = {s: np.ascontiguousarray(self.dense_columns(s, rows)) for s in self._dense}
            for (s, t), total in sums.items():
                block = self.blocks[s]
                if block.level is None:
                    for w, out in zip(weights, total, strict=True):
                        out += (columns[s] * w[:, None]).T @ columns[t]
                else:
                    by_level = total.reshape(n_weights, block.n_nodes, block.n_basis, width[t])
                    kernels.sum_dense(block.level[rows], weights, block.basis[rows], columns[t], by_level)
        return [self._dense_group(s, t, total) for (s, t), total in sums.items()]

    def _dense_group(self, s: int, t: int, total: Array) -> PairGroup:
        left, right = self.blocks[s], self.blocks[t]
        one, other = (part.ravel() for part in np.indices((left.n_nodes, right.n_nodes)).astype(np.int64))
        shape = len(total), left.n_nodes, left.n_basis, right.n_nodes, right.n_basis
        by_node = total.reshape(shape).transpose(0, 1, 3, 2, 4)
        values = by_node.reshape(len(total), -1, left.n_basis, right.n_basis)
        if s == t:
            below = one >= other
            one, other, values = one[below], other[below], values[:, below]
        prior = np.where((one == other) & (s == t) & (t < self.n_effects), 1.0, 0.0)
        values = np.ascontiguousarray(values)
        return PairGroup(s, t, one, other, self._slots(s, t, one, other), values, prior, None)

    def tail_blocks(self) -> list[TailBlock]:
        """Effects whose K is a dense matrix: b = F z with F Fᵀ = K ⊗ I."""
        out = []
        for s, prior in enumerate(self.priors):
            if isinstance(prior, CovariancePrior):
                block = self.blocks[s]
                factor = np.kron(np.linalg.cholesky(prior.covariance), np.eye(block.n_basis))
                begin = int(self.pattern.position[block.begin]) - self.pattern.n_head
                out.append(TailBlock(begin, factor))
        return out

    def matrices(self, factors: Sequence[Array], value_of: Index) -> Array:
        """The numbers of the equations, for Λ (matrices, r, r) of every block: (matrices, entries)."""
        out = np.zeros((len(value_of), self.pattern.n_entries))
        if self.weights is None or len(self.weights) == 1:
            value_of = np.zeros_like(value_of)
        for group in self.groups:
            left, right = factors[group.s], factors[group.t]
            if len(out) == 1:  # no threads to wake
                values = group.values[value_of[0]]
                kernels.scatter_one(values, group.slots, group.prior, left[0], right[0], out[0])
            else:
                kernels.scatter(group.values, value_of, group.slots, group.prior, left, right, out)
        return out

    def right_sides(self, y: Array) -> list[Array]:
        """ZᵀWy of each block, (outputs, nodes, r); ``y`` is (outputs, n)."""
        weighted = y if self.weights is None else y * self.weights
        out = [np.zeros((len(y), block.n_nodes, block.n_basis)) for block in self.blocks]
        for s in self._hot:
            level, basis = self.blocks[s].level, self.blocks[s].basis
            if len(y) == 1:
                kernels.sum_levels_one(level, basis, weighted[0], out[s][0])
            else:
                kernels.sum_levels(level, basis, weighted, out[s])
        for rows in self.row_slices():
            for s in self._dense:
                out[s] += (weighted[:, rows] @ self.dense_columns(s, rows)).reshape(out[s].shape)
        return out

    def values_at_rows(self, coefficients: Sequence[Array]) -> Array:
        """Σ_t Z_t b_t of the blocks that are given, (outputs, n)."""
        out = np.zeros((len(coefficients[0]), self.n_rows))
        for s, b in enumerate(coefficients):
            if s in self._hot:
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
