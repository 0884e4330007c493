"""Henderson's equations for any sum of effects: unknowns, blocks, and the sums over rows that fill them.

With b_t = (I ⊗ Λ_t) v_t and Λ_t Λ_tᵀ = Σ_t/σ², the unknowns v have the prior N(0, σ² K_t ⊗ I) and the equations

    [Λᵀ ZᵀWZ Λ + K⁻¹ ⊗ I    Λᵀ ZᵀWC] [v]   [Λᵀ ZᵀWy]
    [CᵀWZ Λ                 CᵀWC   ] [γ] = [CᵀWy   ]

which stay regular where a variance is zero. The blocks of unknowns are those of `row_design`.

Source: Henderson (1975); Bates, Mächler, Bolker & Walker (2015), section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from intertwine.effects.random import CovariancePrior, IndependentPrior, PrecisionPrior
from intertwine.mixed_effects import _henderson_kernels as kernels
from intertwine.mixed_effects.row_design import RowDesign
from intertwine.mixed_effects.sparse_cholesky import SparsePattern, TailBlock

__all__ = ["HendersonEquations", "PairGroup"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]


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
    design : RowDesign
    max_entries : float
        How large one factor may get.
    """

    def __init__(self, design: RowDesign, max_entries: float = np.inf) -> None:
        self.design = design
        hot = design.hot
        pairs = {(s, t): self._pairs_of(s, t) for a, t in enumerate(hot) for s in hot[: a + 1]}
        self.pattern = self._pattern(pairs, max_entries)
        self.groups = [self._group(s, t, *found) for (s, t), found in pairs.items()] + self._dense_groups()

    def _pairs_of(self, s: int, t: int) -> tuple[Index, Index, Array, Index]:
        """Nodes of blocks s and t that meet, K⁻¹ there, and which pair each row has."""
        one, other = self.design.blocks[s], self.design.blocks[t]
        assert one.level is not None
        assert other.level is not None
        if s != t:
            keys, of_row = np.unique(one.level * other.n_nodes + other.level, return_inverse=True)
            return keys // other.n_nodes, keys % other.n_nodes, np.zeros(len(keys)), of_row.astype(np.int64)
        nodes, prior = np.arange(one.n_nodes), self.design.priors[s]
        if isinstance(prior, PrecisionPrior):
            below = sparse.coo_array(sparse.tril(prior.precision, -1))
            diagonal = prior.precision.diagonal()
            rows, columns = (np.concatenate([nodes, part.astype(np.int64)]) for part in below.coords)
            return rows, columns, np.concatenate([diagonal, below.data]).astype(float), one.level
        unit = 1.0 if isinstance(prior, IndependentPrior) else 0.0
        return nodes, nodes, np.full(one.n_nodes, unit), one.level

    def _pattern(self, pairs: dict, max_entries: float) -> SparsePattern:
        counts = np.array([self.design.blocks[s].n_nodes for s in self.design.hot], np.int64)
        offset = dict(zip(self.design.hot, np.cumsum(counts) - counts, strict=True))
        empty = [np.empty(0, np.int64)]
        one = np.concatenate([offset[s] + found[0] for (s, t), found in pairs.items()] or empty)
        other = np.concatenate([offset[t] + found[1] for (s, t), found in pairs.items()] or empty)
        different = one != other
        size = np.repeat([self.design.blocks[s].n_basis for s in self.design.hot], counts).astype(np.int64)
        dense_prior = [
            s < self.design.n_effects and isinstance(self.design.priors[s], CovariancePrior)
            for s in self.design.hot
        ]
        last = np.repeat(np.array(dense_prior, bool), counts)
        n_dense = self.design.n_unknowns - int(size.sum())
        return SparsePattern(size, one[different], other[different], last, n_dense, max_entries)

    def _unknowns(self, s: int, nodes: Index) -> Index:
        block = self.design.blocks[s]
        return block.begin + nodes[:, None] * block.n_basis + np.arange(block.n_basis)

    def _slots(self, s: int, t: int, one: Index, other: Index) -> Index:
        rows, columns = self._unknowns(s, one)[:, :, None], self._unknowns(t, other)[:, None, :]
        return self.pattern.slots(*np.broadcast_arrays(rows, columns))

    def _group(self, s: int, t: int, one: Index, other: Index, prior: Array, of_row: Index) -> PairGroup:
        left, right = self.design.blocks[s], self.design.blocks[t]
        weights = self.design.row_weights()
        values = np.zeros((len(weights), len(one), left.n_basis, right.n_basis))
        kernels.sum_pairs(of_row, weights, left.basis, right.basis, values)
        return PairGroup(s, t, one, other, self._slots(s, t, one, other), values, prior, of_row)

    def _dense_groups(self) -> list[PairGroup]:
        n_weights = 1 if self.design.weights is None else len(self.design.weights)
        width = {s: block.n_nodes * block.n_basis for s, block in enumerate(self.design.blocks)}
        pairs = [
            (s, t)
            for t in self.design.dense
            for s in [*self.design.hot, *(d for d in self.design.dense if d <= t)]
        ]
        pairs = [(s, t) for s, t in pairs if width[s] and width[t]]
        sums = {(s, t): np.zeros((n_weights, width[s], width[t])) for s, t in pairs}
        for rows in self.design.row_slices():
            weights = np.ascontiguousarray(self.design.row_weights(rows))
            columns = {s: np.ascontiguousarray(self.design.dense_columns(s, rows)) for s in self.design.dense}
            for (s, t), total in sums.items():
                block = self.design.blocks[s]
                if block.level is None:
                    for w, out in zip(weights, total, strict=True):
                        out += (columns[s] * w[:, None]).T @ columns[t]
                else:
                    by_level = total.reshape(n_weights, block.n_nodes, block.n_basis, width[t])
                    kernels.sum_dense(block.level[rows], weights, block.basis[rows], columns[t], by_level)
        return [self._dense_group(s, t, total) for (s, t), total in sums.items()]

    def _dense_group(self, s: int, t: int, total: Array) -> PairGroup:
        left, right = self.design.blocks[s], self.design.blocks[t]
        one, other = (part.ravel() for part in np.indices((left.n_nodes, right.n_nodes)).astype(np.int64))
        shape = len(total), left.n_nodes, left.n_basis, right.n_nodes, right.n_basis
        by_node = total.reshape(shape).transpose(0, 1, 3, 2, 4)
        values = by_node.reshape(len(total), -1, left.n_basis, right.n_basis)
        if s == t:
            below = one >= other
            one, other, values = one[below], other[below], values[:, below]
        prior = np.where((one == other) & (s == t) & (t < self.design.n_effects), 1.0, 0.0)
        values = np.ascontiguousarray(values)
        return PairGroup(s, t, one, other, self._slots(s, t, one, other), values, prior, None)

    def tail_blocks(self) -> list[TailBlock]:
        """Effects whose K is a dense matrix: b = F z with F Fᵀ = K ⊗ I."""
        out = []
        for s, prior in enumerate(self.design.priors):
            if isinstance(prior, CovariancePrior):
                block = self.design.blocks[s]
                factor = np.kron(np.linalg.cholesky(prior.covariance), np.eye(block.n_basis))
                begin = int(self.pattern.position[block.begin]) - self.pattern.n_head
                out.append(TailBlock(begin, factor))
        return out

    def matrices(self, factors: Sequence[Array], value_of: Index) -> Array:
        """The numbers of the equations, for Λ (matrices, r, r) of every block: (matrices, entries)."""
        out = np.zeros((len(value_of), self.pattern.n_entries))
        if self.design.weights is None or len(self.design.weights) == 1:
            value_of = np.zeros_like(value_of)
        for group in self.groups:
            left, right = factors[group.s], factors[group.t]
            if len(out) == 1:  # no threads to wake
                values = group.values[value_of[0]]
                kernels.scatter_one(values, group.slots, group.prior, left[0], right[0], out[0])
            else:
                kernels.scatter(group.values, value_of, group.slots, group.prior, left, right, out)
        return out
