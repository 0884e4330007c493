"""The latent prior of a batch of subjects, conditioned in closed form, so that gradients reach what is seen of it.

    z_nk = f_nᵀ a_k + u_nᵀ b_pk + ε_nk,     b_pk ~ N(0, diag(B_k)),   ε_nk ~ N(0, σ_k²)    visit n of subject p
    z̃_nk ~ N(z_nk, s̃_nk)                                                     sites, said by an encoder

With a held at its mean, R = σ² + s̃, and r = 1/R (zero where a site is left out),

    M = I + B^½ (Σ u r uᵀ) B^½,    b̂ = C Σ u r e,    C = B^½ M⁻¹ B^½,    e = z̃ − f a
    log Z = −½ [Σ r e² − eᵀ r u b̂ + log |M| + Σ log 2πR]

and a visit, known or still to come, has z ~ N(m, s) in one formula: a future visit is one whose site is left out. The
same algebra in double precision, with a integrated out, is `intertwine.mixed_effects.subjects`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

__all__ = [
    "LatentBatch",
    "PriorValues",
    "Smoothed",
    "inverse_and_log_determinant",
    "site_divergence",
    "smoothed",
]


class LatentBatch(NamedTuple):
    """Visits of whole subjects; padding belongs to the last place of subjects and is never part of a context."""

    subject: Any  # (n,) place among the subjects of the batch
    shared: Any  # (n, p)
    own: Any  # (n, q)


class PriorValues(NamedTuple):
    """The prior at its present values."""

    coefficients: Any  # (p, K) mean of the shared ones
    own: Any  # (q, K) variances
    noise: Any  # (K,) variances


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
    residual = site_mean - batch.shared @ prior.coefficients
    pulled = r * residual
    quadratic = jnp.sum(pulled * residual)
    log_scale = jnp.sum(known * jnp.log(2.0 * jnp.pi * total))
    if batch.own.shape[1]:
        scaled = batch.own[:, :, None] * jnp.sqrt(prior.own)  # (n, q, K)
        gram = jax.ops.segment_sum(
            jnp.einsum("nak,nk,nbk->nkab", scaled, r, scaled), batch.subject, n_subjects
        )
        pull = jax.ops.segment_sum(jnp.einsum("nak,nk->nka", scaled, pulled), batch.subject, n_subjects)
        inverse, log_determinant = inverse_and_log_determinant(gram + jnp.eye(scaled.shape[1]))
        found = jnp.einsum("skab,skb->ska", inverse, pull)
        quadratic = quadratic - jnp.sum(pull * found)
        log_scale = log_scale + jnp.sum(log_determinant)
        own_mean = jnp.einsum("nak,nka->nk", scaled, found[batch.subject])
        own_variance = jnp.einsum("nak,nkab,nbk->nk", scaled, inverse[batch.subject], scaled)
    else:
        own_mean = own_variance = jnp.zeros(())
    linear = batch.shared @ prior.coefficients + own_mean
    kept = known * prior.noise / total  # share of what the linear part leaves open that the site closes
    mean = linear + kept * (site_mean - linear)
    variance = prior.noise * (1.0 - kept) + (1.0 - kept) ** 2 * own_variance
    pull_shared = batch.shared.T @ (r * (site_mean - linear))
    return Smoothed(mean, variance, -0.5 * (quadratic + log_scale), pull_shared)


@jax.custom_jvp
def inverse_and_log_determinant(matrix: Any) -> tuple[Any, Any]:
    """Of symmetric matrices (…, q, q) not below the identity, which need no pivots: Gauss and Jordan's elimination.

    All matrices go through each step together. LAPACK, which XLA calls for one small matrix after the other, is slower,
    and inside a large step two threads have been seen to wait for each other there for ever.
    """
    inverse, log_determinant = jnp.asarray(matrix), jnp.zeros(())
    for j in range(matrix.shape[-1]):
        pivot = inverse[..., j, j]
        row = inverse[..., j, :] / pivot[..., None]
        row = row.at[..., j].set(1.0 / pivot)
        column = inverse[..., :, j].at[..., j].set(0.0)
        inverse = inverse.at[..., :, j].set(0.0).at[..., j, :].set(0.0)
        inverse = inverse - column[..., :, None] * row[..., None, :]
        inverse = inverse.at[..., j, :].set(row)
        log_determinant = log_determinant + jnp.log(pivot)
    return inverse, log_determinant


@inverse_and_log_determinant.defjvp
def _inverse_and_log_determinant_jvp(primals: Any, tangents: Any) -> Any:
    inverse, log_determinant = inverse_and_log_determinant(*primals)
    (change,) = tangents
    product = inverse @ change
    return (inverse, log_determinant), (-product @ inverse, jnp.trace(product, axis1=-2, axis2=-1))


def site_divergence(found: Smoothed, site_mean: Any, site_variance: Any, context: Any) -> Any:
    """KL[q(z) ‖ p(z)] of all visits together: Σ E_q log site − log Z."""
    away = (
        jnp.log(2.0 * jnp.pi * site_variance)
        + ((site_mean - found.mean) ** 2 + found.variance) / site_variance
    )
    return -0.5 * jnp.sum(context[:, None] * away) - found.log_evidence
