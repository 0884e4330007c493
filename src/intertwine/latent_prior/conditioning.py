"""The latent prior of a batch of subjects, conditioned in closed form, so that gradients reach what is seen of it.

    z_nk = f_nᵀ a_k + u_nᵀ b_pk + Σ g_pk(t_n) + ε_nk       visit n of subject p,  ε_nk ~ N(0, σ_k²)
    b_pk ~ N(0, B_k),         g_pk ~ Markov processes,     z̃_nk ~ N(z_nk, s̃_nk): sites, said by an encoder

With a held at its mean, R = σ² + s̃, and r = 1/R (zero where a site is left out), the part l = u b + Σ g that is a
subject's own is found from the residuals e = z̃ − f a; where there are coefficients only,

    M = I + B^½ (Σ u r uᵀ) B^½,    b̂ = C Σ u r e,    C = B^½ M⁻¹ B^½
    log Z = −½ [Σ r e² − eᵀ r u b̂ + log |M| + Σ log 2πR]

and with processes by filter and smoother. A visit, known or still to come, has z ~ N(m, s) in one formula: a future
visit is one whose site is left out. The same algebra in double precision, with a integrated out, is
`intertwine.mixed_effects.subjects`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

from intertwine.latent_prior.batch import LatentBatch, LinearPart, PriorValues
from intertwine.latent_prior.elimination import eliminated
from intertwine.latent_prior.state_space import filtered

__all__ = ["Smoothed", "site_divergence", "smoothed"]


class Smoothed(NamedTuple):
    """Latents of visits given the sites of their subject's context."""

    mean: Any  # (n, K)
    variance: Any  # (n, K)
    log_evidence: Any  # scalar
    pull: Any  # (p, K) its gradient in the shared coefficients


def smoothed(
    prior: PriorValues, batch: LatentBatch, site_mean: Any, site_variance: Any, context: Any, n_subjects: int
) -> Smoothed:
    """Condition the prior on sites (n, K) of those visits whose ``context`` (n,) is one."""
    known = context[:, None]
    total = prior.noise + site_variance
    r = known / total
    shared = batch.shared @ prior.coefficients
    residual = site_mean - shared
    if batch.trends:
        own = filtered(prior, batch, residual, r, known)
    elif batch.own.shape[1]:
        own = eliminated(prior, batch, residual, r, known, n_subjects)
    else:
        nothing = jnp.zeros_like(residual)
        own = LinearPart(nothing, nothing, jnp.sum(r * residual**2), jnp.sum(known * jnp.log(total)))
    linear = shared + own.mean
    kept = known * prior.noise / total  # share of what the linear part leaves open that the site closes
    left = (
        1.0 - known
    ) + known * site_variance / total  # 1 − kept, which rounds to zero where sites are sure
    constant = jnp.log(2.0 * jnp.pi) * jnp.sum(jnp.broadcast_to(known, total.shape))
    return Smoothed(
        linear + kept * (site_mean - linear),
        prior.noise * left + left**2 * own.variance,
        -0.5 * (own.quadratic + own.log_determinant + constant),
        batch.shared.T @ (r * (site_mean - linear)),
    )


def site_divergence(found: Smoothed, site_mean: Any, site_variance: Any, context: Any) -> Any:
    """KL[q(z) ‖ p(z)] of all visits together: Σ E_q log site − log Z."""
    away = (
        jnp.log(2.0 * jnp.pi * site_variance)
        + ((site_mean - found.mean) ** 2 + found.variance) / site_variance
    )
    return -0.5 * jnp.sum(context[:, None] * away) - found.log_evidence
