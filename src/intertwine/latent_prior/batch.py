"""What a step reads of the latent prior: features of a batch's visits, and the prior at its present values."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

__all__ = ["LatentBatch", "LinearPart", "PriorValues", "TrendSteps", "own_covariance", "own_features"]


class TrendSteps(NamedTuple):
    """A Markov process with variance one, from each visit of a subject to its next, states of s numbers.

    The first number is the process itself. See `intertwine.latent_prior.state_space.trend_steps`.
    """

    transition: Any  # (n, s, s) from the visit before
    innovation: Any  # (n, s, s) covariance of what comes to it on the way
    at_rest: Any  # (s, s)
    reads: Any  # (n,) one, and zero where the process is not part of the visit


class LatentBatch(NamedTuple):
    """Visits of whole subjects; padding belongs to the last place of subjects and is never part of a context.

    With trends, visits of a subject stand side by side in the order of time.
    """

    subject: Any  # (n,) place among the subjects of the batch
    shared: Any  # (n, p)
    own: Any  # (n, q)
    trends: tuple[TrendSteps, ...] = ()


class PriorValues(NamedTuple):
    """The prior at its present values."""

    coefficients: Any  # (p, K) mean of the shared ones
    own: Any  # (q, K) variances of what is new in own coefficients, given those before them
    noise: Any  # (K,) variances
    trends: Any  # (T, K) variances
    mixings: tuple[
        Any, ...
    ] = ()  # columns (m,) and matrices (K, m, m) by which own coefficients are made of what is new


def own_features(prior: PriorValues, own: Any) -> Any:
    """Features (n, q, K), or (n, q, 1) where axes have the same, of what is new in own coefficients."""
    features = own[:, :, None]
    for columns, matrix in prior.mixings:
        features = jnp.broadcast_to(features, (*own.shape, len(matrix)))
        features = features.at[:, columns].set(jnp.einsum("na,kab->nbk", own[:, columns], matrix))
    return features


def own_covariance(prior: PriorValues) -> Any:
    """Prior covariances (K, q, q) of own coefficients."""
    covariance = jax.vmap(jnp.diag, in_axes=1)(prior.own)
    for columns, matrix in prior.mixings:
        block = jnp.einsum("kab,bk,kcb->kac", matrix, prior.own[columns], matrix)
        covariance = covariance.at[:, columns[:, None], columns].set(block)
    return covariance


class LinearPart(NamedTuple):
    """What is each subject's own, u b + Σ g, given the residuals e that stand at visits with precisions r."""

    mean: Any  # (n, K)
    variance: Any  # (n, K)
    quadratic: Any  # Σ eᵀ (diag(1/r) + prior)⁻¹ e
    log_determinant: Any  # Σ log |diag(1/r) + prior|, over visits that are known
