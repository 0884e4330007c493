"""ZᵀWZ of all effects and fixed columns, and K⁻¹ beside it: for every two nodes that meet, one small block.

It depends on the design alone; variances only turn and scale it.
"""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from intertwine.effects.random import IndependentPrior, PrecisionPrior
from intertwine.mixed_effects import _henderson_kernels as kernels
from intertwine.mixed_effects.row_design import RowDesign

__all__ = ["Gram", "PairGroup"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@final
class PairGroup(NamedTuple):
    """All pairs of a node of block s with a node of block t whose equations have a common entry."""

    s: int
    t: int
    one: Index  # (pairs,) nodes
    other: Index
    values: Array  # (1 or outputs, pairs, r_s, r_t): ZᵀWZ
    prior: Array  # (pairs,): K⁻¹
    of_row: Index | None  # (n,) pair of each row


@final
class Gram:
    """Blocks of ZᵀWZ in groups, one for every two effects (or fixed columns) of a design."""

    def __init__(self, design: RowDesign) -> None:
        self.design = design
        hot = design.hot
        pairs = {(s, t): self._pairs_of(s, t) for a, t in enumerate(hot) for s in hot[: a + 1]}
        self.groups = [self._group(s, t, *found) for (s, t), found in pairs.items()] + self._dense_groups()

    def unknowns(self, s: int, nodes: Index) -> Index:
        """Numbers of the unknowns of some nodes of block s, (nodes, r)."""
        block = self.design.blocks[s]
        return block.begin + nodes[:, None] * block.n_basis + np.arange(block.n_basis)

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

    def _group(self, s: int, t: int, one: Index, other: Index, prior: Array, of_row: Index) -> PairGroup:
        left, right = self.design.blocks[s], self.design.blocks[t]
        weights = self.design.row_weights()
        values = np.zeros((len(weights), len(one), left.n_basis, right.n_basis))
        kernels.sum_pairs(of_row, weights, left.basis, right.basis, values)
        return PairGroup(s, t, one, other, values, prior, of_row)

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
        return PairGroup(s, t, one, other, values, prior, None)

    def entries(self, group: PairGroup) -> tuple[Index, Index]:
        """Unknowns of rows and of columns of the blocks of a group, (pairs, r_s, r_t) each."""
        rows = self.unknowns(group.s, group.one)[:, :, None]
        columns = self.unknowns(group.t, group.other)[:, None, :]
        rows, columns = np.broadcast_arrays(rows, columns)
        return rows, columns

    def matrix(self, output: int = 0) -> sparse.csr_array:
        """ZᵀWZ of one output as a sparse matrix, both triangles."""
        parts = []
        for group in self.groups:
            values = group.values[output if len(group.values) > 1 else 0]
            rows, columns = self.entries(group)
            off = np.broadcast_to(
                ((group.one != group.other) | (group.s != group.t))[:, None, None], rows.shape
            )
            parts.append((rows.ravel(), columns.ravel(), values.ravel()))
            parts.append((columns[off], rows[off], values[off]))
        row, column, value = (np.concatenate(part) for part in zip(*parts, strict=True))
        n = self.design.n_unknowns
        out = sparse.coo_array((value, (row, column)), (n, n)).tocsr()
        out.eliminate_zeros()
        return out
