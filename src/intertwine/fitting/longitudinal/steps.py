"""Compiled steps of the longitudinal variational autoencoder: one shape each, whatever the number of visits.

The bound of a batch of whole subjects, in which the shared coefficients are held at their mean, is

    L = Σ E_q log p(x_n | z_n) − KL[q(z) ‖ p(z)],      q(z) ∝ p(z) Π_n N(z̃_n; z_n, s̃_n)

with the sites of `intertwine.latent_prior` said by the encoder. Beside it stands the prediction of every visit from a
few visits of its subject, −log p(x_n | E[z_n | context]), whose gradient reaches the encoder through the conditioning:
α L_ELBO + (1 − α) L_GSNN of Sohn, Lee & Yan (2015), with noise of its own, since a prediction misses by more.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from intertwine.architectures.base import AbstractArchitecture
from intertwine.latent_prior import LatentBatch, PriorValues, site_divergence, smoothed
from intertwine.likelihoods.columns import ColumnLikelihood
from intertwine.networks import Autoencoder

__all__ = [
    "Networks",
    "Predictor",
    "Stepped",
    "Training",
    "VisitBatch",
    "begun",
    "decoded",
    "decoder_step",
    "encoded_sites",
    "train_step",
]

_ADAM = optax.scale_by_adam()
_COLUMN_RATE = 20.0  # of noises and cut points, relative to networks


class Networks(NamedTuple):
    """All that gradients learn.

    Attributes
    ----------
    autoencoder : Autoencoder
    likelihood : tuple
        Parameters of the columns given latents that were seen,
    predicted : tuple
        and given latents that were predicted from other visits.
    """

    autoencoder: Autoencoder
    likelihood: Any
    predicted: Any


class Predictor(NamedTuple):
    """What the last phase learns: a decoder without encoder, and parameters of columns."""

    autoencoder: Autoencoder
    predicted: Any


class Training(NamedTuple):
    """Parameters and the state of their optimiser."""

    params: Any
    optimiser: Any


class VisitBatch(NamedTuple):
    """Visits of whole subjects; padding is not ``present``."""

    x: Any  # (n, p), NaN where not observed
    shown: Any  # (n, p) entries that the encoder is shown
    present: Any  # (n,)
    context: Any  # (n,) visits from which the others are predicted
    latent: LatentBatch
    noise: Any  # (n, K) standard normal draws


class Stepped(NamedTuple):
    """What a step has seen, before it moved the parameters; sums over the batch."""

    sums: Any  # (3,) of reconstruction, divergence and prediction: one array is fetched sooner than three
    site_mean: Any  # (n, K)
    site_variance: Any
    pull: Any  # (p, K) gradient of log Z in the shared coefficients


def begun(params: Any) -> Training:
    """Before the first step."""
    return Training(params, jax.tree.map(np.asarray, _ADAM.init(params)))


def _sites(
    architecture: AbstractArchitecture, params: Autoencoder, x: Any, shown: Any, likelihood: ColumnLikelihood
):
    values = likelihood.encoded(jnp.where(shown > 0, x, 0.0), shown)
    mean, log_scale = architecture.encode(params, values, shown)
    return mean, jnp.exp(2.0 * log_scale)


@partial(jax.jit, static_argnames=("architecture", "n_subjects"), donate_argnames=("training",))
def train_step(
    training: Training,
    batch: VisitBatch,
    prior: PriorValues,
    likelihood: ColumnLikelihood,
    weights: Any,
    rate: Any,
    *,
    architecture: AbstractArchitecture,
    n_subjects: int,
) -> tuple[Training, Stepped]:
    """One step of Adam.

    Parameters
    ----------
    training : Training
        Of `Networks`.
    batch : VisitBatch
    prior : PriorValues
    likelihood : ColumnLikelihood
    weights : (3,)
        Of the bound, of its divergence, and of predictions.
    rate : scalar
    """

    def loss_of(params: Networks) -> tuple[Any, Stepped]:
        mean, variance = _sites(architecture, params.autoencoder, batch.x, batch.shown, likelihood)
        everything = batch.present * (jnp.sum(batch.shown, axis=1) > 0)
        found = smoothed(prior, batch.latent, mean, variance, everything, n_subjects)
        divergence = site_divergence(found, mean, variance, everything)
        drawn = found.mean + jnp.sqrt(found.variance) * batch.noise
        ahead = smoothed(prior, batch.latent, mean, variance, everything * batch.context, n_subjects)
        # one pass of the decoder for both
        outputs = architecture.decode(params.autoencoder, jnp.concatenate([drawn, ahead.mean]))
        seen = _misfit(likelihood, params.likelihood, outputs[: len(drawn)], batch)
        missed = _misfit(likelihood, params.predicted, outputs[len(drawn) :], batch)
        loss = weights[0] * (seen + weights[1] * divergence) + weights[2] * missed
        return loss, Stepped(jnp.stack([seen, divergence, missed]), mean, variance, found.pull)

    gradient, stepped = jax.grad(loss_of, has_aux=True)(training.params)
    return _moved(training, gradient, jnp.sum(batch.present), rate), stepped


@partial(jax.jit, static_argnames=("architecture", "n_subjects"), donate_argnames=("training",))
def decoder_step(
    training: Training,
    encoder: Autoencoder,
    batch: VisitBatch,
    prior: PriorValues,
    likelihood: ColumnLikelihood,
    rate: Any,
    *,
    architecture: AbstractArchitecture,
    n_subjects: int,
) -> tuple[Training, Any]:
    """One step for a decoder (and its noise) that meets nothing but latents predicted from a context.

    ``training`` is of a `Predictor`. The second result is the sum of misfits.
    """
    mean, variance = _sites(architecture, encoder, batch.x, batch.shown, likelihood)
    context = batch.present * batch.context * (jnp.sum(batch.shown, axis=1) > 0)
    ahead = smoothed(prior, batch.latent, mean, variance, context, n_subjects)
    hidden = batch._replace(present=batch.present * (1.0 - batch.context))

    def loss_of(params: Predictor) -> Any:
        guess = architecture.decode(params.autoencoder, ahead.mean)
        return _misfit(likelihood, params.predicted, guess, hidden)

    loss, gradient = jax.value_and_grad(loss_of)(training.params)
    return _moved(training, gradient, jnp.sum(hidden.present), rate), loss


@partial(jax.jit, static_argnames="architecture")
def encoded_sites(
    params: Autoencoder, x: Any, likelihood: ColumnLikelihood, *, architecture: AbstractArchitecture
) -> tuple[Any, Any]:
    """Sites of visits, (n, K) each: means and variances."""
    return _sites(architecture, params, x, (~jnp.isnan(x)).astype(x.dtype), likelihood)


@partial(jax.jit, static_argnames="architecture")
def decoded(params: Autoencoder, z: Any, *, architecture: AbstractArchitecture) -> Any:
    """A decoder's outputs (n, p) of latents (n, K)."""
    return architecture.decode(params, z)


def _misfit(likelihood: ColumnLikelihood, params: Any, outputs: Any, batch: VisitBatch) -> Any:
    return -jnp.sum(batch.present[:, None] * likelihood.log_density(params, outputs, batch.x))


def _moved(training: Training, gradient: Any, n_visits: Any, rate: Any) -> Training:
    gradient = jax.tree.map(lambda g: g / jnp.maximum(n_visits, 1.0), gradient)
    update, optimiser = _ADAM.update(gradient, training.optimiser)
    networks, *columns = training.params
    moved = jax.tree.map(lambda p, s: p - rate * s, networks, update[0])
    # a noise of a hundredth is far from one of a half, and known from few visits
    columns = jax.tree.map(lambda p, s: p - _COLUMN_RATE * rate * s, tuple(columns), tuple(update[1:]))
    return Training(type(training.params)._make((moved, *columns)), optimiser)
