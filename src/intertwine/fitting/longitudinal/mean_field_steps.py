"""Compiled steps of the paper's longitudinal variational autoencoder: an encoder of latents, independent coefficients.

    q(z_n | y_n) = N(m(y_n), s(y_n)),    q(A) = Π N(μ_j, v_j)   (of all shared coefficients and every subject's)

    ELBO = Σ_n {E_q log p(y_n | z_n) − E_q(A) KL[q(z_n | y_n) ‖ N(A φ_n, σ²)]} − KL[q(A) ‖ p(A)]
    GSNN = Σ_n E_q(A) E_p(z | A, x_n) log p(y_n | z),        what is maximised is α ELBO + (1 − α) GSNN

Rows of a mini-batch are any visits, since nothing is conditioned on a subject's other visits: what these say of a
visit has to reach it through q(A).

Source: the objective of arXiv 2409.11008; Sohn, Lee & Yan (2015) for GSNN.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from intertwine.architectures.base import AbstractArchitecture
from intertwine.likelihoods.columns import ColumnLikelihood
from intertwine.mixed_effects.mean_field import MeanField
from intertwine.mixed_effects.subjects import LatentVariances
from intertwine.networks import Autoencoder

__all__ = [
    "FieldBatch",
    "FieldCoefficients",
    "FieldNetworks",
    "FieldStepped",
    "FieldTraining",
    "FieldVariances",
    "field_begun",
    "field_step",
]

_ADAM = optax.scale_by_adam()
# times the rate of the networks: most coefficients of a subject are met once in an epoch,
_COEFFICIENT_RATE = 5.0
_COLUMN_RATE = 20.0  # and a noise of a hundredth is far from one of a half


class FieldCoefficients(NamedTuple):
    """Parameters of q(A)."""

    shared_mean: Any  # (p, K)
    shared_log_scale: Any
    own_mean: Any  # (P, q, K)
    own_log_scale: Any

    @classmethod
    def of(cls, field: MeanField) -> FieldCoefficients:
        """In single precision."""
        parts = (
            field.shared_mean,
            0.5 * np.log(field.shared_variance),
            field.own_mean,
            0.5 * np.log(field.own_variance),
        )
        return cls(*(part.astype(np.float32) for part in parts))

    def field(self) -> MeanField:
        """In double precision."""
        parts = [np.asarray(part, np.float64) for part in self]
        return MeanField(parts[0], np.exp(2.0 * parts[1]), parts[2], np.exp(2.0 * parts[3]))


class FieldNetworks(NamedTuple):
    """All that gradients learn."""

    autoencoder: Autoencoder
    likelihood: Any
    coefficients: FieldCoefficients


class FieldTraining(NamedTuple):
    """Parameters and the state of their optimiser."""

    params: FieldNetworks
    optimiser: Any


class FieldVariances(NamedTuple):
    """The prior of latents and coefficients, held during an epoch."""

    noise: Any  # (K,)
    shared: Any  # (p, K), infinite: flat
    own: Any  # (q, K)

    @classmethod
    def of(cls, variances: LatentVariances) -> FieldVariances:
        """In single precision."""
        return cls(*(part.astype(np.float32) for part in variances[:3]))


class FieldBatch(NamedTuple):
    """Any visits; padding is not ``present``."""

    x: Any  # (n, p), NaN where not observed
    shown: Any  # (n, p) entries that the encoder is shown
    present: Any  # (n,)
    subject: Any  # (n,)
    shared: Any  # (n, p)
    own: Any  # (n, q)
    noise: Any  # (n, K) standard normal draws for z given y,
    prior_noise: Any  # (n, K) and for z given the covariates


class FieldStepped(NamedTuple):
    """What a step has seen, before it moved the parameters; sums over the batch."""

    reconstruction: Any
    divergence: Any  # of the latents
    prediction: Any
    mean: Any  # (n, K) of q(z | y)
    variance: Any


def field_begun(params: FieldNetworks) -> FieldTraining:
    """Before the first step."""
    return FieldTraining(params, jax.tree.map(np.asarray, _ADAM.init(params)))


@partial(jax.jit, static_argnames="architecture", donate_argnames="training")
def field_step(
    training: FieldTraining,
    batch: FieldBatch,
    variances: FieldVariances,
    likelihood: ColumnLikelihood,
    alpha: Any,
    rate: Any,
    n_visits: Any,
    *,
    architecture: AbstractArchitecture,
) -> tuple[FieldTraining, FieldStepped]:
    """One step of Adam.

    Parameters
    ----------
    training : FieldTraining
    batch : FieldBatch
    variances : FieldVariances
    likelihood : ColumnLikelihood
    alpha : scalar
        Weight of the bound; the rest is that of the prediction from covariates.
    rate : scalar
        Of the networks; coefficients and parameters of columns take longer steps.
    n_visits : scalar
        Of the fit: a batch holds its share of the divergence of all coefficients.
    """
    size = jnp.maximum(jnp.sum(batch.present), 1.0)

    def loss_of(params: FieldNetworks) -> tuple[Any, FieldStepped]:
        stepped = _seen(params, batch, variances, likelihood, architecture)
        coefficients = _coefficient_divergence(params.coefficients, variances) * size / n_visits
        bound = stepped.reconstruction + stepped.divergence + coefficients
        return alpha * bound + (1.0 - alpha) * stepped.prediction, stepped

    gradient, stepped = jax.grad(loss_of, has_aux=True)(training.params)
    gradient = jax.tree.map(lambda g: g / size, gradient)
    update, optimiser = _ADAM.update(gradient, training.optimiser)
    coefficients = jax.tree.map(lambda step: _COEFFICIENT_RATE * step, update.coefficients)
    columns = jax.tree.map(lambda step: _COLUMN_RATE * step, update.likelihood)
    update = update._replace(coefficients=coefficients, likelihood=columns)
    params = jax.tree.map(lambda p, step: p - rate * step, training.params, update)
    return FieldTraining(params, optimiser), stepped


def _seen(
    params: FieldNetworks,
    batch: FieldBatch,
    variances: FieldVariances,
    likelihood: ColumnLikelihood,
    architecture: AbstractArchitecture,
) -> FieldStepped:
    values = likelihood.encoded(jnp.where(batch.shown > 0, batch.x, 0.0), batch.shown)
    mean, log_scale = architecture.encode(params.autoencoder, values, batch.shown)
    variance = jnp.exp(2.0 * log_scale)
    linear, spread = _linear(params.coefficients, batch)
    squares = ((mean - linear) ** 2 + spread + variance) / variances.noise
    divergence = 0.5 * (squares - 1.0 + jnp.log(variances.noise) - 2.0 * log_scale)

    def misfit(z: Any) -> Any:
        outputs = architecture.decode(params.autoencoder, z)
        density = likelihood.log_density(params.likelihood, outputs, batch.x)
        return -jnp.sum(batch.present[:, None] * density)

    return FieldStepped(
        misfit(mean + jnp.exp(log_scale) * batch.noise),
        jnp.sum(batch.present[:, None] * divergence),
        misfit(linear + jnp.sqrt(variances.noise + spread) * batch.prior_noise),
        mean,
        variance,
    )


def _linear(q: FieldCoefficients, batch: FieldBatch) -> tuple[Any, Any]:
    """Mean and variance of A φ, (n, K) each."""
    mean = batch.shared @ q.shared_mean + jnp.einsum("nq,nqk->nk", batch.own, q.own_mean[batch.subject])
    own = jnp.exp(2.0 * q.own_log_scale)[batch.subject]
    variance = batch.shared**2 @ jnp.exp(2.0 * q.shared_log_scale)
    return mean, variance + jnp.einsum("nq,nqk->nk", batch.own**2, own)


def _coefficient_divergence(q: FieldCoefficients, variances: FieldVariances) -> Any:
    """KL[q(A) ‖ p(A)]; a flat prior has density one."""

    def of(mean: Any, log_scale: Any, prior: Any) -> Any:
        flat = jnp.isinf(prior)
        safe = jnp.where(flat, 1.0, prior)
        squares = (mean**2 + jnp.exp(2.0 * log_scale)) / safe
        proper = 0.5 * (squares - 1.0 + jnp.log(safe)) - log_scale
        return jnp.sum(jnp.where(flat, -log_scale - 0.5 * (1.0 + np.log(2.0 * np.pi)), proper))

    return of(q.shared_mean, q.shared_log_scale, variances.shared) + of(
        q.own_mean, q.own_log_scale, variances.own
    )
