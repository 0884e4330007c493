"""What conjugate gradients are preconditioned with: nothing, the diagonal, or the diagonal blocks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import final

import numpy as np
from numpy.typing import NDArray

from intertwine.risk import AbstractExpansion
from intertwine.solvers import _block_kernels as kernels
from intertwine.structures.fm_sweep import THREADS
from intertwine.structures.linearization import packed_diagonal, width_of_packed

__all__ = ["AbstractPreconditioner", "BlockDiagonal", "Diagonal", "NoPreconditioner"]

Solve = Callable[[NDArray[np.float64]], NDArray[np.float64]]

_LEAST = 1e-30  # pivot: below it a coefficient has no curvature at all
_PARTS = 32
_WORTH_THREADS = 100_000  # entries of blocks


class AbstractPreconditioner(ABC):
    """Makes, at a point, the map v ↦ M⁻¹ v for an M near the Gauss-Newton matrix plus damping.

    Attributes
    ----------
    passes : float
        Passes over the rows that making one costs.
    """

    passes: float

    @abstractmethod
    def at(self, expansion: AbstractExpansion, damping: float) -> Solve:
        """Return v ↦ M⁻¹ v."""


@final
class NoPreconditioner(AbstractPreconditioner):
    """M = I."""

    passes = 0.0

    def at(self, expansion, damping):
        return np.copy


@final
class Diagonal(AbstractPreconditioner):
    """M = the diagonal."""

    passes = 1.0

    def at(self, expansion, damping):
        diagonals = [
            block[:, packed_diagonal(width_of_packed(block))].ravel() for block in expansion.blocks()
        ]
        inverse = 1.0 / np.maximum(np.concatenate(diagonals) + damping, _LEAST)
        return inverse.__mul__


@final
class BlockDiagonal(AbstractPreconditioner):
    """M = the diagonal blocks: one for each user and item of a latent-factor model.

    For other structures the blocks are single entries, and this is `Diagonal`.

    Parameters
    ----------
    n_threads : int, default=1
        More than one: as many as numba has been given.
    """

    passes = 1.0

    def __init__(self, n_threads: int = 1) -> None:
        self._many = n_threads > 1

    def at(self, expansion, damping):
        blocks = [np.ascontiguousarray(block) for block in expansion.blocks()]
        for block in blocks:
            if self._many and block.size >= _WORTH_THREADS:
                with THREADS:
                    kernels.factor_in_parallel(_PARTS, block, damping, _LEAST)
            else:
                kernels.factor_some(0, len(block), block, damping, _LEAST)

        def solve(v: NDArray[np.float64]) -> NDArray[np.float64]:
            out, place = v.copy(), 0
            for block in blocks:
                count, d = len(block), width_of_packed(block)
                rows = out[place : place + count * d].reshape(count, d)
                if self._many and block.size >= _WORTH_THREADS:
                    with THREADS:
                        kernels.solve_in_parallel(_PARTS, block, rows)
                else:
                    kernels.solve_some(0, count, block, rows)
                place += count * d
            return out

        return solve
