"""Henderson's equations for any sum of effects: unknowns, blocks, and the sums over rows that fill them.

With b_t = (I ⊗ Λ_t) v_t and Λ_t Λ_tᵀ = Σ_t/σ², the unknowns v have the prior N(0, σ² K_t ⊗ I) and the equations

    [Λᵀ ZᵀWZ Λ + K⁻¹ ⊗ I    Λᵀ ZᵀWC] [v]   [Λᵀ ZᵀWy]
    [CᵀWZ Λ                 CᵀWC   ] [γ] = [CᵀWy   ]

which stay regular where a variance is zero. The blocks of unknowns are those of `row_design`.

Source: Henderson (1975); Bates, Mächler, Bolker & Walker (2015), section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import CovariancePrior
from intertwine.mixed_effects import _henderson_kernels as kernels
from intertwine.mixed_effects.batched_cholesky import BatchedFactors
from intertwine.mixed_effects.gram import Gram
from intertwine.mixed_effects.row_design import RowDesign
from intertwine.mixed_effects.sparse_cholesky import AbstractFactors, SparseFactors, SparsePattern, TailBlock

__all__ = ["HendersonEquations"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_MANY = 8  # factors: the lanes of a vector unit
_SMALL_TAIL = 64  # unknowns


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
        gram = Gram(design)
        self.groups = gram.groups
        self.pattern = self._pattern(max_entries)
        self.slots = {(group.s, group.t): self.pattern.slots(*gram.entries(group)) for group in gram.groups}

    def _pattern(self, max_entries: float) -> SparsePattern:
        counts = np.array([self.design.blocks[s].n_nodes for s in self.design.hot], np.int64)
        offset = dict(zip(self.design.hot, np.cumsum(counts) - counts, strict=True))
        hot = [group for group in self.groups if group.of_row is not None]
        empty = [np.empty(0, np.int64)]
        one = np.concatenate([offset[group.s] + group.one for group in hot] or empty)
        other = np.concatenate([offset[group.t] + group.other for group in hot] or empty)
        different = one != other
        size = np.repeat([self.design.blocks[s].n_basis for s in self.design.hot], counts).astype(np.int64)
        dense_prior = [
            s < self.design.n_effects and isinstance(self.design.priors[s], CovariancePrior)
            for s in self.design.hot
        ]
        last = np.repeat(np.array(dense_prior, bool), counts)
        n_dense = self.design.n_unknowns - int(size.sum())
        return SparsePattern(size, one[different], other[different], last, n_dense, max_entries)

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
            left, right, slots = factors[group.s], factors[group.t], self.slots[group.s, group.t]
            if len(out) == 1:  # no threads to wake
                values = group.values[value_of[0]]
                kernels.scatter_one(values, slots, group.prior, left[0], right[0], out[0])
            else:
                kernels.scatter(group.values, value_of, slots, group.prior, left, right, out)
        return out

    def matrices_side_by_side(self, factors: Sequence[Array], value_of: Index) -> Array:
        """The same with the matrices side by side: (entries, matrices)."""
        out = np.zeros((self.pattern.n_entries, len(value_of)))
        for group in self.groups:
            left, right, slots = factors[group.s], factors[group.t], self.slots[group.s, group.t]
            kernels.scatter_side_by_side(group.values, value_of, slots, group.prior, left, right, out)
        return out

    def factors(self, roots: Sequence[Array], value_of: Index) -> AbstractFactors:
        """Cholesky factors of the equations: side by side where there are many, and small ones."""
        if len(value_of) >= _MANY and self.pattern.n_tail <= _SMALL_TAIL and not self._has_tail_blocks:
            return BatchedFactors(self.pattern, self.matrices_side_by_side(roots, value_of))
        return SparseFactors(self.pattern, self.matrices(roots, value_of), self.tail_blocks())

    @property
    def _has_tail_blocks(self) -> bool:
        return any(isinstance(prior, CovariancePrior) for prior in self.design.priors)
