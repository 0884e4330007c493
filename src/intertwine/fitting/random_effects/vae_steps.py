"""Compiled steps of the variational autoencoders: one shape each, whatever the number of rows."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from intertwine.elbo import collapsed_loss, conditional_loss, latent_divergence
from intertwine.fitting.random_effects.vae_local_rows import LocalRows
from intertwine.networks import Autoencoder, decode, encode

__all__ = ["Batch", "GroupBatch", "Training", "decoded_moments", "quadrature", "started", "train_step"]

_ADAM = optax.scale_by_adam()


class GroupBatch(NamedTuple):
    """What the exact collapse of whole groups needs besides a `Batch`; see `intertwine.elbo.collapsed_loss`."""

    precision: Any  # (n, p)
    basis: Any  # (n, r)
    level: Any  # (n,) among the groups of the batch
    covariance: Any  # (g, p, r, r)


class Batch(NamedTuple):
    """Rows of one mini-batch; padding has weights zero."""

    x: Any  # (n, p)
    offset: Any  # (n, p) prediction of the random effects from the other rows
    weight: Any  # (n, p) its precision; zero at missing entries
    present: Any  # (n,) 1, and 0 for padding
    noise: Any  # (n, d) standard normal draws
    scores: Any  # (n, d) where u is pulled to at the start


class Training(NamedTuple):
    """Networks and the state of their optimiser."""

    params: Autoencoder
    optimiser: Any


def started(params: Autoencoder) -> Training:
    """Before the first step."""
    return Training(params, jax.tree.map(np.asarray, _ADAM.init(params)))


@partial(jax.jit, donate_argnums=0)
def train_step(
    training: Training, batch: Batch, besides: GroupBatch | LocalRows | None, rate: Any, beta: Any, pull: Any
) -> tuple[Training, Any, Any]:
    """One step of Adam on the collapsed bound.

    Parameters
    ----------
    training : Training
    batch : Batch
    besides : GroupBatch, LocalRows or None
        Where the batch holds whole groups, or columns that are not Gaussian.
    rate, beta, pull : scalars
        Step length; weight of the latents' divergence; strength of the pull of u to the scores.

    Returns
    -------
    training : Training
    decoded : (n, p)
        f at the draw of u that the step used.
    divergence : scalar
        Sum of the latents' divergences.
    """

    def loss_of(params: Autoencoder) -> tuple[Any, tuple[Any, Any]]:
        observed = (batch.weight > 0).astype(batch.x.dtype)
        mean, log_scale = encode(params, batch.x - batch.offset, observed)
        decoded = decode(params, mean + jnp.exp(log_scale) * batch.noise)
        divergence = jnp.sum(batch.present * latent_divergence(mean, log_scale))
        if besides is None:
            misfit = jnp.sum(conditional_loss(batch.x - decoded, batch.offset, batch.weight))
        elif isinstance(besides, LocalRows):
            misfit = besides.surrogate(decoded)
        else:
            residual = jnp.where(besides.precision > 0, batch.x - decoded, 0.0)
            misfit = collapsed_loss(residual, *besides)
        away = jnp.sum(batch.present[:, None] * (mean - batch.scores) ** 2)
        return misfit + beta * divergence + pull * away, (decoded, divergence)

    gradient, (decoded, divergence) = jax.grad(loss_of, has_aux=True)(training.params)
    size = jnp.maximum(jnp.sum(batch.present), 1.0)
    gradient = jax.tree.map(lambda g: g / size, gradient)
    update, optimiser = _ADAM.update(gradient, training.optimiser)
    params = jax.tree.map(lambda p, s: p - rate * s, training.params, update)
    return Training(params, optimiser), decoded, divergence


@jax.jit
def decoded_moments(
    params: Autoencoder, x: Any, offset: Any, weight: Any, nodes: Any, node_weights: Any
) -> tuple[Any, Any, Any, Any]:
    """Mean and variance of f(u) under q(u | x), (n, p) each, the divergences of q (n,), and its means (n, d)."""
    mean, log_scale = encode(params, x - offset, (weight > 0).astype(x.dtype))
    scale = jnp.exp(log_scale)
    at_nodes = jnp.stack([decode(params, mean + scale * node) for node in nodes])
    first = jnp.tensordot(node_weights, at_nodes, 1)
    variance = jnp.tensordot(node_weights, (at_nodes - first) ** 2, 1)
    return first, variance, latent_divergence(mean, log_scale), mean


def quadrature(n_components: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (k, d) and weights (k,) for moments under N(0, I): exact for polynomials of degree 5 (d = 1), 3 beyond."""
    if n_components == 1:
        nodes, weights = np.polynomial.hermite_e.hermegauss(3)
        return nodes[:, None].astype(np.float32), (weights / weights.sum()).astype(np.float32)
    axes = np.sqrt(n_components) * np.eye(n_components)
    weights = np.full(2 * n_components, 1.0 / (2 * n_components))
    return np.concatenate([axes, -axes]).astype(np.float32), weights.astype(np.float32)
