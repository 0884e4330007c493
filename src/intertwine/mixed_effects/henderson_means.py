"""What follows from the solution of Henderson's equations, however it was found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import CovariancePrior, PrecisionPrior
from intertwine.mixed_effects.base import VarianceComponents
from intertwine.mixed_effects.row_design import Block, RowDesign

__all__ = ["at_levels", "basis_forms", "distinct_ratios", "log_prior", "prior_moments"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]


def distinct_ratios(variances: VarianceComponents, weights: Array | None) -> tuple[Index, Index]:
    """One output of every set that shares its equations, and the set of each output.

    Outputs share them where they have the same Σ_t/σ², and the same weights.
    """
    noise = np.asarray(variances.noise)
    p = len(noise)
    if weights is not None and len(weights) > 1:
        return np.arange(p), np.arange(p)
    ratios = [np.asarray(Sigma) / noise[:, None, None] for Sigma in variances.effects]
    keys = np.concatenate([ratio.reshape(p, -1) for ratio in ratios], axis=1)
    _, first, set_of = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)  # as they come: where all differ, an output and its set have one number
    return first[order], np.argsort(order)[set_of]


def at_levels(coefficients: Array, block: Block) -> Array:
    """Coefficients (outputs, nodes, r) at the levels of an effect, (levels, r, outputs)."""
    if block.loadings is not None:
        coefficients = np.einsum("lm,pmk->plk", block.loadings, coefficients)
    return np.moveaxis(coefficients, 0, 2)


def prior_moments(design: RowDesign, parts: Sequence[Array], whitened: Sequence[Array]) -> list[Array]:
    """Σ_ll' (K⁻¹)_ll' v_l v_l'ᵀ of each effect, (outputs, r, r).

    ``whitened`` holds F⁻¹v of the effects whose K = F Fᵀ is a dense matrix.
    """
    out, left = [], list(whitened)
    for prior, v in zip(design.priors, parts[: design.n_effects], strict=True):
        if isinstance(prior, CovariancePrior):
            v = left.pop(0).reshape(v.shape)
        other = v
        if isinstance(prior, PrecisionPrior):
            flat = np.moveaxis(v, 1, 0).reshape(v.shape[1], -1)
            other = np.moveaxis((prior.precision @ flat).reshape(v.shape[1], len(v), -1), 0, 1)
        out.append(v.swapaxes(1, 2) @ other)
    return out


def log_prior(design: RowDesign) -> float:
    """Σ_t r_t log|K_t| of the unknowns as they are solved for."""
    return -sum(
        prior.log_determinant * block.n_basis
        for prior, block in zip(design.priors, design.blocks[:-1], strict=True)
        if isinstance(prior, PrecisionPrior)
    )


def basis_forms(basis: Array | None, Sigma: Array) -> Array:
    """basisᵀ Σ basis of each row and output, (n, p)."""
    if basis is None:
        return Sigma.sum(axis=(1, 2))[None, :]
    return np.einsum("ik,pkl,il->ip", basis, Sigma, basis, optimize=True)
