"""Coefficients of each subject, eliminated together: all small matrices go through each step side by side."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from intertwine.latent_prior.batch import LatentBatch, LinearPart, PriorValues, own_features

__all__ = ["eliminated", "inverse_and_log_determinant"]


def eliminated(
    prior: PriorValues, batch: LatentBatch, residual: Any, precision: Any, known: Any, n_subjects: int
) -> LinearPart:
    """Condition the coefficients of subjects on residuals (n, K) with precisions (n, K), zero where not ``known``."""
    scaled = own_features(prior, batch.own) * jnp.sqrt(prior.own)  # (n, q, K)
    pulled = precision * residual
    gram = jax.ops.segment_sum(
        jnp.einsum("nak,nk,nbk->nkab", scaled, precision, scaled), batch.subject, n_subjects
    )
    pull = jax.ops.segment_sum(jnp.einsum("nak,nk->nka", scaled, pulled), batch.subject, n_subjects)
    inverse, log_determinant = inverse_and_log_determinant(gram + jnp.eye(scaled.shape[1]))
    found = jnp.sum(inverse * pull[:, :, None], axis=-1)
    return LinearPart(
        jnp.einsum("nak,nka->nk", scaled, found[batch.subject]),
        jnp.einsum("nak,nkab,nbk->nk", scaled, inverse[batch.subject], scaled),
        jnp.sum(pulled * residual) - jnp.sum(pull * found),
        jnp.sum(log_determinant) - jnp.sum(known * jnp.log(jnp.where(known > 0, precision, 1.0))),
    )


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
    product = _product(inverse, change)
    return (inverse, log_determinant), (-_product(product, inverse), jnp.trace(product, axis1=-2, axis2=-1))


def _product(left: Any, right: Any) -> Any:
    """Of small matrices (…, q, q): all at once, where one call for each would take longer than what it computes."""
    return jnp.sum(left[..., :, :, None] * right[..., None, :, :], axis=-2)
