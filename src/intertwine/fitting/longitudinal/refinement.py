"""The most likely latents of visits, from where an encoder says that they are.

    z* = argmax  Σ_observed log p(x_j | z) − ½ Σ_k ρ_k (z_k − m_k)²,

where N(m_k, 1/ρ_k) is what everything but the visit itself says of its latents: effects, and other visits of its
subject. An encoder answers for all visits with the same weights and misses the mode of each; what it misses shows in
the entries that were not observed. Steps are those of Adam in units of each latent's own standard deviation, so that
they do not depend on the scale of the axes; the best point on the way is kept, so that no visit becomes less likely.

About z* latents are as Gaussian as the curvature there says (Laplace), with the decoder taken as a line (Gauss &
Newton): the precision is diag(ρ) + Jᵀ diag(−∂² log p / ∂o²) J, with J the slopes of the decoder's outputs o.

Source: Kim et al., Semi-amortized variational autoencoders (2018); Cremer, Li & Duvenaud, Inference suboptimality in
variational autoencoders (2018).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

from intertwine.architectures.base import AbstractArchitecture
from intertwine.likelihoods.columns import ColumnLikelihood
from intertwine.mixed_effects.subjects import Marginals, Sites
from intertwine.networks import Autoencoder

__all__ = ["most_likely", "observed_information", "without_own_site"]

Array = NDArray[np.float64]

_STEP = 0.5  # standard deviations of a latent, at the beginning


def without_own_site(known: Marginals, sites: Sites) -> Sites:
    """What all but its own site says of each latent: means and variances, infinite where that is nothing.

    Examples
    --------
    >>> prior, site = (0.0, 1.0), (3.0, 0.5)  # their product is N(2, 1/3)
    >>> known = Marginals(*(np.array([[x]]) for x in (0.0, 0.0, 2.0, 1 / 3)))
    >>> [float(part.round(12)[0, 0]) for part in without_own_site(known, Sites(*np.array(site)[:, None, None]))]
    [0.0, 1.0]
    """
    told = 1.0 / sites.variance
    left = 1.0 / known.variance - told
    apart = left > 1e-9 / known.variance
    precision = np.where(apart, left, 1.0)
    mean = np.where(apart, (known.mean / known.variance - sites.mean * told) / precision, known.mean)
    return Sites(mean, np.where(apart, 1.0 / precision, np.inf))


@partial(jax.jit, static_argnames=("architecture", "n_steps"))
def most_likely(
    decoder: Any,
    columns: Any,
    likelihood: ColumnLikelihood,
    axes: Any,
    x: Any,
    start: Any,
    unit: Any,
    mean: Any,
    precision: Any,
    *,
    architecture: AbstractArchitecture,
    n_steps: int,
) -> Any:
    """Latents (n, K) of visits.

    Parameters
    ----------
    decoder, columns : pytree
        Layers, and the parameters of the likelihood.
    likelihood : ColumnLikelihood
    axes : array of shape (K, K)
        Latents @ axes are those that the decoder reads.
    x : array of shape (n, p)
        NaN where not observed.
    start, unit : array of shape (n, K)
        Latents to begin with, and their standard deviations.
    mean, precision : array of shape (n, K)
        Of what all but the visit says.
    architecture : AbstractArchitecture
    n_steps : int
    """

    def losses(steps: Any) -> tuple[Any, Any]:
        z = start + unit * steps
        outputs = architecture.decode(Autoencoder((), decoder), z @ axes)
        density = likelihood.log_density(columns, outputs, x).sum(axis=1)
        each = 0.5 * (precision * (z - mean) ** 2).sum(axis=1) - density
        return each.sum(), each

    optimiser = optax.adam(optax.cosine_decay_schedule(_STEP, n_steps))
    slope = jax.value_and_grad(losses, has_aux=True)

    def kept(best: Any, least: Any, steps: Any, each: Any) -> tuple[Any, Any]:
        better = each < least  # never true of what is not a number
        return jnp.where(better[:, None], steps, best), jnp.where(better, each, least)

    def step(carry: Any, _: Any) -> tuple[Any, None]:
        steps, state, best, least = carry
        (_, each), gradient = slope(steps)
        best, least = kept(best, least, steps, each)
        update, state = optimiser.update(gradient, state)
        return (steps + update, state, best, least), None

    nowhere = jnp.zeros_like(start)
    first = (nowhere, optimiser.init(nowhere), nowhere, jnp.full(len(start), jnp.inf, start.dtype))
    (steps, _, best, least), _ = jax.lax.scan(step, first, length=n_steps)
    best, _ = kept(best, least, steps, losses(steps)[1])
    return start + unit * best


@partial(jax.jit, static_argnames="architecture")
def observed_information(
    decoder: Any,
    columns: Any,
    likelihood: ColumnLikelihood,
    axes: Any,
    x: Any,
    z: Any,
    *,
    architecture: AbstractArchitecture,
) -> Any:
    """What the entries of visits (n, p) that were observed say of latents near z (n, K): precisions (n, K, K).

    Parameters are those of `most_likely`.
    """

    def outputs_at(latents: Any) -> Any:
        return architecture.decode(Autoencoder((), decoder), latents @ axes)

    def pull(outputs: Any) -> Any:
        return jax.grad(lambda o: jnp.sum(likelihood.log_density(columns, o, x)))(outputs)

    def slope(axis: Any) -> Any:
        return jax.jvp(outputs_at, (z,), (jnp.broadcast_to(axis, z.shape),))[1]

    outputs = outputs_at(z)
    curvature = jnp.maximum(-jax.jvp(pull, (outputs,), (jnp.ones_like(outputs),))[1], 0.0)
    slopes = jax.lax.map(slope, jnp.eye(z.shape[1], dtype=z.dtype))  # (K, n, p)
    return jnp.einsum("anp,np,bnp->nab", slopes, curvature, slopes)
