"""Trends of subjects by filter and smoother: one pass over the visits of a batch, subject after subject.

A subject's state is its trends' states and its own coefficients, which stand still. Forwards the Kalman filter of a
scalar measurement; backwards the adjoint smoother of Bryson and Frazier, which inverts nothing:

    λ ← Hᵀ(−e/S) + (I − G H)ᵀ λ,    Λ ← HᵀH/S + (I − G H)ᵀ Λ (I − G H),    then λ ← Aᵀλ, Λ ← AᵀΛA

with the state before visit n, (x, P), seen through H with gain G: E = x − P λ, Cov = P − P Λ P. At the first visit of a
subject the state starts at rest, and nothing comes back from the subject behind.

Source: Bierman, Fixed interval smoothing with discrete measurements (1973).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import block_diag
from numpy.typing import NDArray

from intertwine.latent_prior.batch import LatentBatch, LinearPart, PriorValues, TrendSteps, own_covariance

__all__ = ["filtered", "trend_steps"]

Array = NDArray[np.float64]

# Of the scaled state (g, g′/λ, …) where time is measured in 1/λ: dx = (N − I) x dt + noise, N nilpotent.
_NILPOTENT = {
    "matern12": [[0.0]],
    "matern32": [[1.0, 1.0], [-1.0, -1.0]],
    "matern52": [[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [-1.0, -3.0, -2.0]],
}
_AT_REST = {
    "matern12": [[1.0]],
    "matern32": [[1.0, 0.0], [0.0, 1.0]],
    "matern52": [[1.0, 0.0, -1.0 / 3.0], [0.0, 1.0 / 3.0, 0.0], [-1.0 / 3.0, 0.0, 1.0]],
}


def trend_steps(kernel: str, length_scale: float, time: Array, first: NDArray[np.bool_]) -> TrendSteps:
    """Steps of a Matérn process of variance one along visits in order.

    Parameters
    ----------
    kernel : {"matern12", "matern32", "matern52"}
    length_scale : float
    time : ndarray of shape (n,)
        NaN where the process is not part of a visit.
    first : ndarray of bool, shape (n,)
        Visits that begin a subject.

    Examples
    --------
    >>> steps = trend_steps("matern12", 2.0, np.array([0.0, 2.0]), np.array([True, False]))
    >>> steps.transition.ravel().round(3), steps.innovation.ravel().round(3)
    (array([1.   , 0.368], dtype=float32), array([0.   , 0.865], dtype=float32))
    """
    N, rest = np.array(_NILPOTENT[kernel]), np.array(_AT_REST[kernel])
    d, reads = len(N), ~np.isnan(time)
    # a visit without the process leaves it where it was: its time is that of the last visit that had it
    last = np.maximum.accumulate(np.where(reads, np.arange(len(time)), -1))
    known = np.where(last >= 0, time[np.maximum(last, 0)], 0.0)
    begin = np.maximum.accumulate(np.where(first, np.arange(len(time)), 0))
    gap = np.concatenate([[0.0], np.diff(known)])
    before = np.concatenate([[-1], last[:-1]])
    gap[before < begin] = 0.0  # nothing of this subject came before
    x = np.sqrt(2.0 * d - 1.0) / length_scale * gap
    power, transition = np.eye(d), np.zeros((len(time), d, d))
    factor = np.exp(-x)
    for k in range(d):
        transition += factor[:, None, None] * power
        power, factor = power @ N, factor * x / (k + 1)
    innovation = rest - transition @ rest @ transition.transpose(0, 2, 1)
    single = (transition, innovation, rest, reads)
    return TrendSteps(*(part.astype(np.float32) for part in single))


def filtered(prior: PriorValues, batch: LatentBatch, residual: Any, precision: Any, known: Any) -> LinearPart:
    """Condition trends and coefficients of subjects on residuals (n, K) with precisions (n, K)."""
    n, q, n_axes = len(residual), batch.own.shape[1], residual.shape[1]
    at_rest = jax.vmap(_at_rest, in_axes=(None, 1, 0))(  # (K, d, d)
        batch.trends, prior.trends, own_covariance(prior)
    )
    reads = [jnp.eye(len(trend.at_rest))[0] * trend.reads[:, None] for trend in batch.trends]
    H = jnp.concatenate([*reads, batch.own], axis=1)  # (n, d)
    first = jnp.concatenate([jnp.ones(1, bool), batch.subject[1:] != batch.subject[:-1]])
    still = jnp.broadcast_to(jnp.eye(q), (n, q, q))
    A = _beside([*(trend.transition for trend in batch.trends), still])
    moved = [trend.innovation for trend in batch.trends]
    still_open = jnp.zeros((n, q, q))
    by_axis = [
        _beside([*(value * part for value, part in zip(prior.trends[:, k], moved, strict=True)), still_open])
        for k in range(n_axes)
    ]
    Q = jnp.stack(by_axis, axis=1)  # (n, K, d, d)

    def forward(state: Any, row: Any) -> Any:
        x, P = state
        A_n, Q_n, H_n, first_n, e, r = row
        x = jnp.where(first_n, 0.0, x @ A_n.T)
        P = jnp.where(first_n, at_rest, A_n @ P @ A_n.T + Q_n)
        toward = P @ H_n  # (K, d)
        open_ = toward @ H_n
        weight = r / (1.0 + r * open_)  # 1/S, zero where nothing is seen
        innovation = e - x @ H_n
        gain = weight[:, None] * toward
        after = (x + gain * innovation[:, None], P - gain[:, :, None] * toward[:, None, :])
        return after, (x, P, gain, weight, innovation)

    rows = (A, Q, H, first, residual, precision)
    start = (jnp.zeros((n_axes, H.shape[1])), at_rest)
    _, (x, P, gain, weight, innovation) = jax.lax.scan(forward, start, rows)

    def backward(state: Any, row: Any) -> Any:
        adjoint, information = state  # (K, d), (K, d, d): of the state after the visit
        A_n, H_n, first_n, G, w, e = row
        left = jnp.eye(len(H_n)) - G[:, :, None] * H_n  # I − G H
        adjoint = jnp.einsum("kij,ki->kj", left, adjoint) - (w * e)[:, None] * H_n
        information = jnp.swapaxes(left, 1, 2) @ information @ left + w[:, None, None] * jnp.outer(H_n, H_n)
        found = (adjoint, information)
        adjoint, information = adjoint @ A_n, A_n.T @ information @ A_n
        gone = jnp.where(first_n, 0.0, 1.0)
        return (gone * adjoint, gone * information), found

    nothing = (jnp.zeros((n_axes, H.shape[1])), jnp.zeros_like(at_rest))
    _, (adjoint, information) = jax.lax.scan(
        backward, nothing, (A, H, first, gain, weight, innovation), reverse=True
    )
    toward = jnp.einsum("nkij,nj->nki", P, H)
    mean = jnp.einsum("nki,ni->nk", x, H) - jnp.einsum("nki,nki->nk", toward, adjoint)
    variance = jnp.einsum("nki,ni->nk", toward, H)
    variance = variance - jnp.einsum("nki,nkij,nkj->nk", toward, information, toward)
    log_determinant = -jnp.sum(known * jnp.log(jnp.where(known > 0, weight, 1.0)))
    return LinearPart(mean, jnp.maximum(variance, 0.0), jnp.sum(weight * innovation**2), log_determinant)


def _at_rest(trends: tuple[TrendSteps, ...], variances: Any, own: Any) -> Any:
    parts = [value * trend.at_rest for value, trend in zip(variances, trends, strict=True)]
    return block_diag(*parts, own)


def _beside(parts: Sequence[Any]) -> Any:
    """Matrices (n, a, a), (n, b, b), … along the diagonal of one, (n, a + b + …, …)."""
    return jax.vmap(lambda *blocks: block_diag(*blocks))(*(part for part in parts if part.shape[1]))
