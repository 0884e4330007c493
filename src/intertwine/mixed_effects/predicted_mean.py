"""Means at other rows without their variances, which cost much more where effects are crossed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from intertwine.effects.random import AbstractBoundEffect, BasisPrior, Located
from intertwine.mixed_effects.base import AbstractPosterior, Array

__all__ = ["predicted_mean"]


def predicted_mean(
    posterior: AbstractPosterior,
    effects: Sequence[AbstractBoundEffect],
    shapes: Sequence[Array],
    located: Sequence[Located],
    fixed: Array,
) -> Array:
    """C γ̂ + Σ_t Z_t E[b_t | y] at other rows.

    Parameters
    ----------
    posterior : AbstractPosterior
    effects : sequence of AbstractBoundEffect
    shapes : sequence of ndarray
    located : sequence of Located
    fixed : ndarray of shape (n, c)

    Returns
    -------
    ndarray of shape (n, p)
        As `AbstractPosterior.predict` gives it.
    """
    on_functions = (
        isinstance(effect.prior(shape), BasisPrior) for effect, shape in zip(effects, shapes, strict=True)
    )
    if any(on_functions):  # rows are projected on functions, whose coefficients only the posterior knows
        return posterior.predict(located, fixed)[0]
    mean = np.asarray(fixed, dtype=np.float64) @ posterior.fixed
    for where, coefficients in zip(located, posterior.effects, strict=True):
        q, r, p = coefficients.shape
        of_levels = coefficients
        if where.projection is not None:
            of_levels = np.asarray(where.projection @ coefficients.reshape(q, r * p)).reshape(-1, r, p)
        if where.basis is None:
            mean += of_levels[where.level].sum(axis=1)
        else:
            mean += np.einsum("ir,irp->ip", where.basis, of_levels[where.level], optimize=True)
    return mean
