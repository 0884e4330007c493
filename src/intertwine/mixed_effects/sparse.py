"""The Gaussian system of any sum of effects, by Henderson's equations and a sparse Cholesky factor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import AbstractBoundEffect
from intertwine.mixed_effects.base import AbstractObserved, AbstractObservedSystem, VarianceComponents
from intertwine.mixed_effects.henderson import HendersonEquations
from intertwine.mixed_effects.row_design import RowDesign
from intertwine.resources import available_memory, require_memory

if TYPE_CHECKING:
    from intertwine.mixed_effects.sparse_posterior import SparsePosterior

__all__ = ["SparseObserved", "SparseSystem"]

Array = NDArray[np.float64]


@final
class SparseSystem(AbstractObservedSystem):
    """Any sum of effects with any priors over their levels.

    Parameters
    ----------
    effects : sequence of AbstractBoundEffect
    shapes : sequence of arrays
        Shape of each effect.
    fixed : (n, c) array or None
        Columns with a flat prior.
    weights : (n,) or (n, p) array, or None
        Of the rows, or of the entries; zero where an entry is missing.
    n_outputs : int
    restricted : bool
        Whether the fixed effects are integrated out (REML) or set to their best value.

    Raises
    ------
    MemoryError
        Before anything large is allocated, where a factor would not fit.
    """

    def __init__(
        self,
        effects: Sequence[AbstractBoundEffect],
        shapes: Sequence[Array],
        fixed: Array | None = None,
        weights: Array | None = None,
        n_outputs: int = 1,
        restricted: bool = True,
    ) -> None:
        priors = [effect.prior(shape) for effect, shape in zip(effects, shapes, strict=True)]
        self.equations = HendersonEquations(
            RowDesign(effects, priors, fixed, weights), available_memory() / 24.0
        )
        require_memory(
            24.0 * self.equations.pattern.n_entries, "a factor of the equations", "IterativeSystem"
        )
        blocks = self.equations.design.blocks[:-1]
        self.n_levels = tuple(block.n_nodes for block in blocks)
        self.n_basis = tuple(block.n_basis for block in blocks)
        self.n_fixed = self.equations.design.n_fixed
        self.restricted = restricted
        design = self.equations.design
        self.n_entries, self.log_weights = design.n_entries, design.log_weights

    def observe(self, y: Array) -> SparseObserved:
        return SparseObserved(self, y)


@final
class SparseObserved(AbstractObserved):
    """Outcomes with the sums over their levels."""

    def __init__(self, system: SparseSystem, y: Array) -> None:
        design = system.equations.design
        self.system, self.y = system, design.observed(y)  # (outputs, n)
        self.sums = design.right_sides(self.y)

    def posterior(self, variances: VarianceComponents) -> SparsePosterior:
        from intertwine.mixed_effects.sparse_posterior import SparsePosterior

        return SparsePosterior(self, variances)
