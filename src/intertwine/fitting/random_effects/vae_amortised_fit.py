"""The fit whose effects a second encoder guesses, kept on record while it runs; see `vae_amortised`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from intertwine.effects.random import AbstractRandomEffect, IndependentPrior
from intertwine.fitting.kept_epochs import kept_epochs
from intertwine.fitting.random_effects.latent import LatentRows
from intertwine.fitting.random_effects.vae_amortised import (
    AmortisedRows,
    AmortisedState,
    advance,
    begun,
    guessed_effects,
)
from intertwine.fitting.random_effects.vae_fit import FittedVAE
from intertwine.fitting.random_effects.vae_model import VAEModel
from intertwine.fitting.random_effects.vae_problem import VAESettings, n_epochs_of
from intertwine.fitting.watch import Watch
from intertwine.minimize import Iteration
from intertwine.mixed_effects.base import VarianceComponents

__all__ = ["fit_amortised_vae"]


def fit_amortised_vae(
    rows: LatentRows,
    effects: Sequence[AbstractRandomEffect],
    settings: VAESettings,
    rng: np.random.Generator,
    watch: Watch,
) -> VAEModel:
    """Fit networks of latents and of effects together.

    Parameters
    ----------
    rows : LatentRows
    effects : sequence of AbstractRandomEffect
        At least one; their levels must be independent.
    settings : VAESettings
        Starts and whole groups are not for this fit.
    rng : numpy.random.Generator
    watch : Watch

    Returns
    -------
    VAEModel

    Raises
    ------
    ValueError
        Without effects, or for those whose levels are not independent.
    FloatingPointError
        When the networks diverge.
    """
    X, there = rows.X, np.isfinite(rows.X)
    bound = [effect.bind(rows.effects) for effect in effects]
    shapes = [effect.start_shape() for effect in bound]
    if not bound or not all(
        isinstance(effect.prior(shape), IndependentPrior) for effect, shape in zip(bound, shapes, strict=True)
    ):
        raise ValueError(
            "inference='amortised' guesses levels one by one: it needs effects, and only such with independent levels "
            "(Grouped, Longitudinal); use inference='collapsed'"
        )
    observed = None if there.all() else there
    table = AmortisedRows.of(np.where(there, X, 0.0).astype(np.float32), observed, bound)
    p, n_coefficients = X.shape[1], table.level.shape[1]
    half = 0.5 * np.nanvar(X, axis=0)
    prior = np.tile(half / n_coefficients, (n_coefficients, 1))
    masked = observed is not None
    state = begun(rng, table, settings.hidden, settings.n_components, masked, half, prior)
    state, history = _run(table, state, settings, n_epochs_of(settings, len(X)), rng, watch)
    variances, first = [], 0
    for effect in bound:
        own = state.prior[first : first + effect.n_basis]
        variances.append(own.T[:, :, None] * np.eye(effect.n_basis))
        first += effect.n_basis
    found = FittedVAE(
        jax.tree.map(np.asarray, state.latents),
        np.ones(p),
        VarianceComponents(state.noise, tuple(variances)),
        np.zeros((0, p), np.float32),
        history[-1]["objective"],
        "random",
        (("random", history[-1]["objective"]),),
        {name: [row[name] for row in history] for name in history[0]},
        True,
    )
    known = guessed_effects(table, state.effects)
    return VAEModel(found, effects, rows.effects, shapes, observed, 1.0, False, known)


def _run(
    table: AmortisedRows, state: AmortisedState, settings: VAESettings, n_epochs: int,
    rng: np.random.Generator, watch: Watch,
) -> tuple[AmortisedState, list[dict[str, Any]]]:  # fmt: skip
    betas = settings.beta_latents, settings.beta_effects
    began: float | None = None

    def one_more(now: AmortisedState, epoch: int, history: list[dict[str, Any]]) -> AmortisedState:
        nonlocal began
        if began is None:
            began = time.perf_counter() - (history[-1]["seconds"] if history else 0.0)
        now, objective = advance(
            table, now, (epoch, n_epochs), settings.batch_size, settings.learning_rate, betas, rng
        )
        if not np.isfinite(objective):
            raise FloatingPointError(f"overflow at epoch {epoch + 1}; lower learning_rate")
        seconds = time.perf_counter() - began
        history.append({"iteration": epoch + 1, "objective": objective, "seconds": seconds})
        watch.progress.iteration(Iteration(epoch + 1, -objective, float("nan"), seconds), now)
        return now

    return kept_epochs("amortised", state, range(n_epochs), one_more, rng, watch.journal)
