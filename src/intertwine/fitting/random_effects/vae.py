"""A variational autoencoder with random effects, from rows as an estimator reads them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import AbstractBoundEffect, AbstractRandomEffect
from intertwine.fitting.random_effects.latent import LatentRows
from intertwine.fitting.random_effects.vae_effects import CollapsedEffects
from intertwine.fitting.random_effects.vae_fit import FittedVAE, fit_vae
from intertwine.fitting.random_effects.vae_local_effects import LocalEffects
from intertwine.fitting.random_effects.vae_model import VAEModel
from intertwine.fitting.random_effects.vae_problem import LocalEntries, VAESettings
from intertwine.fitting.watch import Watch
from intertwine.likelihoods.local_columns import LocalColumns
from intertwine.mixed_effects.base import AbstractGaussianSystem, VarianceComponents
from intertwine.mixed_effects.block import BlockSystem
from intertwine.mixed_effects.choose import system_for
from intertwine.mixed_effects.spectral import SpectralSystem
from intertwine.mixed_effects.variances import start_variances
from intertwine.resources import require_memory

__all__ = ["fit_random_effects_vae"]

Array = NDArray[np.float64]

_BYTES_OF_AN_ENTRY = 120  # measured: rows, residuals and effects, in both precisions, and copies on the way
_CHEAP_EM_STEPS = 8  # a covariance of several coefficients settles slowly; here a step costs next to nothing


def fit_random_effects_vae(
    rows: LatentRows,
    effects: Sequence[AbstractRandomEffect],
    settings: VAESettings,
    rng: np.random.Generator,
    watch: Watch,
    *,
    refine: bool = True,
) -> VAEModel:
    """Fit a variational autoencoder and the random effects beside it.

    Shapes of effects (a length scale, an autocorrelation) are those that fit the features best while f = 0.

    Parameters
    ----------
    rows : LatentRows
    effects : sequence of AbstractRandomEffect
    settings : VAESettings
    rng : numpy.random.Generator
    watch : Watch
    refine : bool
        Of the model, see `VAEModel`.

    Returns
    -------
    VAEModel

    Raises
    ------
    FloatingPointError
        When the networks diverge.
    MemoryError
        Before anything too large is allocated.
    ValueError
        When whole groups are asked for of other effects than one with independent levels; whole groups, or a weight of
        the effects' divergence, where columns are not Gaussian.
    """
    X, columns = rows.X, rows.columns
    require_memory(
        _BYTES_OF_AN_ENTRY * X.size, "the fit of X beside its random effects", "a part of the rows"
    )
    bound = [effect.bind(rows.effects) for effect in effects]
    there = np.isfinite(X)
    observed = None if there.all() else there
    if columns is not None:
        found, shapes = _fitted_beside_local_columns(rows, columns, bound, there, settings, rng, watch)
        return VAEModel(found, effects, rows.effects, shapes, observed, 1.0, refine, None, columns)
    weights = None if observed is None else observed.astype(np.float64)
    shapes, system, variances = _at_start(bound, X, weights)
    level = basis = None
    if settings.whole_groups:
        if not isinstance(system, BlockSystem):
            raise ValueError(
                "batches='groups' needs one effect whose levels are independent; use batches='rows'"
            )
        level, basis = bound[0].level, bound[0].basis
    cheap = isinstance(system, BlockSystem)
    if cheap:
        settings = settings._replace(n_em_steps=_CHEAP_EM_STEPS)
    beside = CollapsedEffects(
        system,
        observed,
        settings.beta_effects,
        bound if cheap else (),
        bound[0] if isinstance(system, BlockSystem | SpectralSystem) else None,
    )
    found = fit_vae(X, beside, variances, settings, rng, watch, level=level, basis=basis)
    return VAEModel(found, effects, rows.effects, shapes, observed, settings.beta_effects, refine)


def _fitted_beside_local_columns(
    rows: LatentRows,
    columns: LocalColumns,
    bound: Sequence[AbstractBoundEffect],
    there: NDArray[np.bool_],
    settings: VAESettings,
    rng: np.random.Generator,
    watch: Watch,
) -> tuple[FittedVAE, list[Array]]:
    """The fit where some columns have local bounds, and the shapes of the effects."""
    if settings.whole_groups or settings.beta_effects != 1.0:
        raise ValueError(
            "batches='groups' and beta_effects are for Gaussian columns: leave them out, or take likelihood='gaussian'"
        )
    x = np.where(there, rows.X, 0.0)
    local = there & columns.local
    measured, precision = columns.guess(np.where(local, x, 0.0))
    first = np.where(there, np.where(columns.local, measured - columns.center, x), np.nan)
    shapes, system, variances = _at_start(bound, first, np.where(local, precision, there.astype(np.float64)))
    variances = variances._replace(noise=np.where(columns.local, 1.0, variances.noise))
    system_at = None
    if system is not None:

        def system_at(weights: Array) -> AbstractGaussianSystem:
            return system_for(bound, shapes, None, weights, x.shape[1], restricted=False)

    beside = LocalEffects(system_at, columns, np.where(local, x, 0.0), there)
    entries = LocalEntries(columns, np.where(local, x, 0.0).astype(np.float32))
    others = np.where(there, np.where(columns.local, 0.0, x), np.nan)
    if isinstance(system, BlockSystem):
        settings = settings._replace(n_em_steps=_CHEAP_EM_STEPS)
    return fit_vae(others, beside, variances, settings, rng, watch, entries=entries), shapes


def _at_start(
    bound: Sequence[AbstractBoundEffect], X: Array, weights: Array | None
) -> tuple[list[Array], AbstractGaussianSystem | None, VarianceComponents]:
    """Shapes, the system at these, and variances to begin from."""
    if not bound:
        return [], None, VarianceComponents(np.nanvar(X, axis=0), ())
    variances = start_variances(bound, X, None, weights)

    def system_at(shapes: Sequence[Array]) -> AbstractGaussianSystem:
        return system_for(bound, shapes, None, weights, X.shape[1], restricted=False)

    shapes = [effect.start_shape() for effect in bound]
    if all(np.ptp(effect.shape_bounds(), axis=1).max(initial=0.0) == 0.0 for effect in bound):
        return shapes, system_at(shapes), variances
    from intertwine.mixed_effects.shapes import fit_shapes

    found = fit_shapes(bound, system_at, np.where(np.isfinite(X), X, 0.0), variances)
    return list(found.shapes), found.system, found.variances
