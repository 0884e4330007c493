"""Random effects guessed by a second encoder: the estimator of the paper, for comparison.

    q(b_l) of a level's coefficients: a row's encoder gives means m_b(x_i) and variances; draws are averaged over those
    rows of the level that are in the mini-batch

What is optimised is Σ log N(x_i; f(u_i) + z_iᵀ b̄, σ²) − Σ KL(u) − Σ KL(b), a level's divergence being the average of
what its rows say. It is no bound of the likelihood: b̄ depends on who else is in the batch, the prior is taken as
independent between levels and coefficients, and with few rows in a level m_b passes p numbers of a row around the
bottleneck. After the fit a level has the average m_b of its training rows; other levels have zero.

Source: Simchoni & Rosset (arXiv 2412.16899), and their public code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

from intertwine.effects.random import AbstractBoundEffect, Located
from intertwine.elbo import conditional_loss, latent_divergence
from intertwine.fitting.compiled_steps import own_compilation_cache
from intertwine.fitting.mini_batches import row_batches
from intertwine.fitting.random_effects.latent import EffectTerms
from intertwine.networks import Autoencoder, decode, drawn_autoencoder, encode

__all__ = ["AmortisedEffects", "AmortisedRows", "AmortisedState", "advance", "begun", "guessed_effects"]

Array = NDArray[np.float64]
Single = NDArray[np.float32]

_ADAM = optax.scale_by_adam()


class AmortisedRows(NamedTuple):
    """Rows in the units of the networks.

    Attributes
    ----------
    x : ndarray of float32, shape (n, p)
        Zero where nothing was observed.
    observed : ndarray of float32, shape (n, p)
    level : ndarray of int, shape (n, R)
        Of every coefficient: R is the number of basis functions of all effects.
    basis : ndarray of float32, shape (n, R)
    size : ndarray of float32, shape (n, R)
        Rows of that level.
    """

    x: Single
    observed: Single
    level: NDArray[np.int64]
    basis: Single
    size: Single

    @classmethod
    def of(
        cls, x: Single, observed: NDArray[np.bool_] | None, bound: Sequence[AbstractBoundEffect]
    ) -> AmortisedRows:
        """Coefficients of all effects side by side."""
        n_rows = len(x)
        level = [np.repeat(effect.level[:, None], effect.n_basis, axis=1) for effect in bound]
        basis = [np.ones((n_rows, 1)) if effect.basis is None else effect.basis for effect in bound]
        sizes = [
            np.repeat(
                np.bincount(effect.level, minlength=effect.n_levels)[effect.level][:, None], effect.n_basis, 1
            )
            for effect in bound
        ]
        there = np.ones(x.shape, np.float32) if observed is None else observed.astype(np.float32)
        return cls(
            x,
            there,
            np.concatenate(level, axis=1),
            np.concatenate(basis, axis=1).astype(np.float32),
            np.concatenate(sizes, axis=1).astype(np.float32),
        )


class AmortisedState(NamedTuple):
    """Between two epochs: networks of latents and of effects, their optimiser, variances."""

    latents: Autoencoder
    effects: Autoencoder  # only its encoder is used: R p means, and as many log standard deviations
    optimiser: Any
    noise: Array  # (p,)
    prior: Array  # (R, p)
    divergence: np.float64


def begun(
    rng: np.random.Generator, rows: AmortisedRows, hidden: Sequence[int], n_components: int, masked: bool,
    noise: Array, prior: Array,
) -> AmortisedState:  # fmt: skip
    """The state before the first epoch."""
    p, R = rows.x.shape[1], rows.level.shape[1]
    latents = drawn_autoencoder(rng, p, hidden, n_components, masked=masked)
    effects = drawn_autoencoder(rng, p, hidden, R * p, masked=masked)._replace(decoder=())
    optimiser = jax.tree.map(np.asarray, _ADAM.init((latents, effects)))
    return AmortisedState(latents, effects, optimiser, noise, prior, np.float64(0.0))


class _Batch(NamedTuple):
    x: Any
    observed: Any
    present: Any
    place: Any  # (n, R) of a row's level among those in the batch
    basis: Any
    size: Any
    noise: Any  # draws for u (n, d)
    effect_noise: Any  # and for b (n, R, p)


def _guessed(params: Autoencoder, x: Any, observed: Any, R: int) -> tuple[Any, Any]:
    """Means and log standard deviations of the coefficients, (n, R, p) each."""
    mean, log_scale = encode(params, x, observed)
    return mean.reshape(len(x), R, -1), log_scale.reshape(len(x), R, -1)


@jax.jit
def _step(
    params: Any,
    optimiser: Any,
    batch: _Batch,
    noise: Any,
    prior: Any,
    rate: Any,
    beta: Any,
    beta_effects: Any,
) -> tuple[Any, Any, Any, Any]:
    n, R = batch.place.shape

    def loss_of(params: Any) -> tuple[Any, tuple[Any, Any]]:
        latents, effects = params
        mean, log_scale = encode(latents, batch.x, batch.observed)
        m, s = _guessed(effects, batch.x, batch.observed, R)
        drawn = (m + jnp.exp(s) * batch.effect_noise) * batch.present[:, None, None]

        def averaged(values: Any, place: Any) -> Any:
            counts = jax.ops.segment_sum(batch.present, place, n)
            return (jax.ops.segment_sum(values, place, n) / jnp.maximum(counts, 1.0)[:, None])[place]

        shared = jax.vmap(averaged, in_axes=(1, 1), out_axes=1)(drawn, batch.place)
        fitted = decode(latents, mean + jnp.exp(log_scale) * batch.noise)
        fitted = fitted + jnp.einsum("nr,nrp->np", batch.basis, shared)
        weight = batch.observed * batch.present[:, None] / noise
        divergence = jnp.sum(batch.present * latent_divergence(mean, log_scale))
        apart = 0.5 * ((m**2 + jnp.exp(2.0 * s)) / prior - 2.0 * s + jnp.log(prior) - 1.0)
        of_levels = jnp.sum(batch.present[:, None] * apart.sum(axis=2) / batch.size)
        misfit = jnp.sum(conditional_loss(batch.x, fitted, weight))
        return misfit + beta * divergence + beta_effects * of_levels, (
            fitted,
            beta * divergence + beta_effects * of_levels,
        )

    gradient, told = jax.grad(loss_of, has_aux=True)(params)
    gradient = jax.tree.map(lambda g: g / jnp.maximum(jnp.sum(batch.present), 1.0), gradient)
    update, optimiser = _ADAM.update(gradient, optimiser)
    return jax.tree.map(lambda p, s: p - rate * s, params, update), optimiser, *told


def advance(
    rows: AmortisedRows, state: AmortisedState, progress: tuple[int, int], size: int, rate: float,
    betas: tuple[float, float], rng: np.random.Generator,
) -> tuple[AmortisedState, float]:  # fmt: skip
    """One epoch (its number, and of how many): the state after it, and the objective that its steps saw."""
    epoch, n_epochs = progress
    n_rows, p = rows.x.shape
    params, optimiser = (state.latents, state.effects), state.optimiser
    noise, prior = state.noise.astype(np.float32), state.prior.astype(np.float32)
    square, divergence, chosen = np.zeros(p), 0.0, list(row_batches(rng, n_rows, size))
    for number, batch in enumerate(chosen):
        done = (epoch + number / len(chosen)) / n_epochs
        cosine = np.float32(0.5 * rate * (1.0 + np.cos(np.pi * done)))
        given = _batch(rows, batch.rows, batch.n_rows, state.latents, rng)
        betas32 = np.float32(betas[0]), np.float32(betas[1])
        with own_compilation_cache():
            params, optimiser, fitted, apart = _step(params, optimiser, given, noise, prior, cosine, *betas32)
        there = batch.rows[: batch.n_rows]
        error = rows.observed[there] * (rows.x[there] - np.asarray(fitted)[: batch.n_rows])
        square += np.einsum("im,im->m", error, error, dtype=np.float64)
        divergence += float(apart)
    counts = np.maximum(rows.observed.sum(axis=0, dtype=np.float64), 1.0)
    objective = (
        -0.5 * float(np.sum(square / state.noise + counts * np.log(2 * np.pi * state.noise))) - divergence
    )
    latents, effects = params
    known = guessed_effects(rows, effects)
    prior = np.stack(
        [(known.means[r] ** 2 + known.variances[r]).mean(axis=0) for r in range(rows.level.shape[1])]
    )
    spread = np.maximum(square / counts, 1e-6), np.maximum(prior, 1e-6)
    return AmortisedState(latents, effects, optimiser, *spread, np.float64(divergence)), objective


def _batch(
    rows: AmortisedRows, at: NDArray[np.int64], n_rows: int, latents: Autoencoder, rng: np.random.Generator
) -> _Batch:
    present = (np.arange(len(at)) < n_rows).astype(np.float32)
    place = np.column_stack([np.unique(column, return_inverse=True)[1] for column in rows.level[at].T])
    d = latents.decoder[0].weight.shape[0]
    return _Batch(
        rows.x[at],
        rows.observed[at],
        present,
        place,
        rows.basis[at],
        rows.size[at],
        rng.standard_normal((len(at), d), dtype=np.float32),
        rng.standard_normal((*place.shape, rows.x.shape[1]), dtype=np.float32),
    )


@final
class AmortisedEffects:
    """Coefficients of levels: means and variances, (q, p) for each of the R basis functions of all effects."""

    def __init__(self, means: Sequence[Array], variances: Sequence[Array]) -> None:
        self.means, self.variances = tuple(means), tuple(variances)

    def predict(self, located: Sequence[Located], prior: Sequence[Array]) -> tuple[Array, Array]:
        """Mean and variance at rows, (n, p) each; unknown levels have the ``prior`` Σ (p, r, r) of their effect."""
        mean, variance, r = 0.0, 0.0, 0
        for where, Sigma in zip(located, prior, strict=True):
            basis = np.ones((len(where.level), 1)) if where.basis is None else where.basis
            for k in range(basis.shape[1]):
                # the level after the last stands for those that are not known
                means = np.concatenate([self.means[r], np.zeros_like(self.means[r][:1])])
                spread = np.concatenate([self.variances[r], Sigma[None, :, k, k]])
                mean = mean + basis[:, [k]] * means[where.level]
                variance = variance + basis[:, [k]] ** 2 * spread[where.level]
                r += 1
        return np.asarray(mean), np.asarray(variance)

    def terms(self, n_basis: Sequence[int]) -> tuple[EffectTerms, ...]:
        """By effect, which have ``n_basis`` basis functions each."""
        parts, first = [], 0
        for r in n_basis:
            means, variances = self.means[first : first + r], self.variances[first : first + r]
            parts.append(EffectTerms(np.stack(means, axis=1), np.stack(variances, axis=1)))
            first += r
        return tuple(parts)

    def to_state(self) -> dict[str, Any]:
        """What a file holds."""
        return {"means": list(self.means), "variances": list(self.variances)}


def guessed_effects(rows: AmortisedRows, effects: Autoencoder) -> AmortisedEffects:
    """What the training rows of every level say of it, on average."""
    n_rows, p = rows.x.shape
    R, size = rows.level.shape[1], min(4096, len(rows.x))
    q = rows.level.max(axis=0) + 1
    means = [np.zeros((q[r], p)) for r in range(R)]
    variances = [np.zeros((q[r], p)) for r in range(R)]
    for first in range(0, n_rows, size):
        at = np.minimum(np.arange(first, first + size), n_rows - 1)
        count = min(size, n_rows - first)
        m, s = (np.asarray(part)[:count] for part in _guess(effects, rows.x[at], rows.observed[at], R))
        for r in range(R):
            share = (1.0 / rows.size[at[:count], r])[:, None]
            np.add.at(means[r], rows.level[at[:count], r], share * m[:, r])
            np.add.at(variances[r], rows.level[at[:count], r], share**2 * np.exp(2.0 * s[:, r]))
    return AmortisedEffects(means, variances)


_guess = jax.jit(_guessed, static_argnums=3)
