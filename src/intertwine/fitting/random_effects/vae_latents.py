"""Latents of rows at a decoder that is given: the most probable ones, and the density with u integrated out.

A row x (the random effects' mean taken off) has the density ∫ N(x; f(u), diag 1/w) N(u; 0, I) du, where 1/w is noise
plus what is open about the effects. The encoder knows only the weights it met in training, so its mean is a first
guess, as are fixed places of the prior; Levenberg-Marquardt steps go on from the better of the two. The integral is
by importance sampling from a Gaussian there, wider than the curvature says: its logarithm is never above the truth on
average.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from intertwine.fitting.compiled_steps import own_compilation_cache
from intertwine.networks import Autoencoder, decode, encode, n_latents

__all__ = ["encoded", "log_densities", "most_probable", "prior_points"]

Array = NDArray[np.float64]

_STEPS = 12
_PLACES = 64  # of the prior, tried beside the encoder's mean
_DRAWS = 64
_WIDER = 1.3  # the proposal's variance, relative to that of the curvature
_ROWS = {"encoded": 4096, "most_probable": 1024, "log_densities": 256}  # of one call


def prior_points(n_points: int, n_components: int) -> NDArray[np.float32]:
    """Evenly spread points of N(0, I), always the same, (n, d)."""
    ratio = 2.0
    for _ in range(30):  # the root of r^(d+1) = r + 1, which generates the sequence R_d of Roberts (2018)
        ratio = (1.0 + ratio) ** (1.0 / (n_components + 1))
    steps = ratio ** -np.arange(1.0, n_components + 1.0)
    places = (0.5 + np.arange(1, n_points + 1)[:, None] * steps) % 1.0
    return np.asarray(ndtri(np.clip(places, 1e-4, 1 - 1e-4)), dtype=np.float32)


def encoded(params: Autoencoder, x: Array, weight: Array) -> Array:
    """The encoder's means, (n, d); weights are zero at missing entries."""
    return _by_rows("encoded", _encoder_mean, params, x, weight)


def most_probable(params: Autoencoder, x: Array, weight: Array) -> Array:
    """The u of largest p(u | x), of rows, (n, d).

    Parameters
    ----------
    params : Autoencoder
    x, weight : ndarray of shape (n, p)
        In the units of the networks; the weight is zero at missing entries.
    """
    return _by_rows("most_probable", _modes, params, x, weight)


def log_densities(params: Autoencoder, x: Array, weight: Array) -> Array:
    """Log density of what was observed of rows, (n,); parameters as in `most_probable`."""
    return _by_rows("log_densities", _densities, params, x, weight)


def _by_rows(name: str, function: Any, params: Autoencoder, x: Array, weight: Array) -> Array:
    """A function of rows, in pieces of one shape."""
    size, parts = _ROWS[name], []
    points = prior_points(_PLACES, n_latents(params))
    for first in range(0, max(len(x), 1), size):
        rows = np.minimum(np.arange(first, first + size), len(x) - 1)
        w = weight[rows].astype(np.float32)
        values = np.where(w > 0, x[rows], 0.0).astype(np.float32)
        with own_compilation_cache():
            found = function(params, values, w, points)
        parts.append(np.asarray(found, dtype=np.float64)[: len(x) - first])
    return np.concatenate(parts)


@jax.jit
def _encoder_mean(params: Autoencoder, x: Any, weight: Any, points: Any) -> Any:
    return encode(params, x, weight > 0)[0]


class _Search(NamedTuple):
    u: Any  # (n, d)
    misfit: Any  # (n,)
    damping: Any  # (n,)


def _misfit(params: Autoencoder, u: Any, x: Any, weight: Any) -> Any:
    """−log p(x, u) up to a constant, (n,)."""
    return 0.5 * jnp.sum(weight * (x - decode(params, u)) ** 2, axis=1) + 0.5 * jnp.sum(u**2, axis=1)


def _curved(params: Autoencoder, u: Any, x: Any, weight: Any) -> tuple[Any, Any]:
    """Gradient (n, d) and Gauss-Newton curvature (n, d, d) of the misfit."""
    axes = jnp.eye(u.shape[1], dtype=u.dtype)
    along = [jax.jvp(partial(decode, params), (u,), (jnp.broadcast_to(axis, u.shape),))[1] for axis in axes]
    slopes = jnp.stack(along, axis=2)  # (n, p, d)
    gradient = u - jnp.einsum("npd,np->nd", slopes, weight * (x - decode(params, u)))
    return gradient, axes + jnp.einsum("npd,np,npe->nde", slopes, weight, slopes)


def _searched(params: Autoencoder, x: Any, weight: Any, points: Any) -> _Search:
    guess = encode(params, x, weight > 0)[0]
    at_points = decode(params, points)  # (k, p)
    prior = 0.5 * jnp.sum(points**2, axis=1)
    misfit = prior - (weight * x) @ at_points.T + 0.5 * weight @ (at_points**2).T
    place = points[jnp.argmin(misfit, axis=1)]
    first, other = _misfit(params, guess, x, weight), _misfit(params, place, x, weight)
    u = jnp.where((first <= other)[:, None], guess, place)
    start = _Search(u, jnp.minimum(first, other), jnp.full(len(x), 1e-2, x.dtype))

    def step(_: Any, now: _Search) -> _Search:
        gradient, curvature = _curved(params, now.u, x, weight)
        damped = curvature * (1.0 + now.damping[:, None, None] * jnp.eye(u.shape[1], dtype=x.dtype))
        tried = now.u - jnp.linalg.solve(damped, gradient[:, :, None])[:, :, 0]
        misfit = _misfit(params, tried, x, weight)
        better = misfit < now.misfit
        return _Search(
            jnp.where(better[:, None], tried, now.u),
            jnp.where(better, misfit, now.misfit),
            now.damping * jnp.where(better, 0.2, 5.0),
        )

    return jax.lax.fori_loop(0, _STEPS, step, start)


@jax.jit
def _modes(params: Autoencoder, x: Any, weight: Any, points: Any) -> Any:
    return _searched(params, x, weight, points).u


@jax.jit
def _densities(params: Autoencoder, x: Any, weight: Any, points: Any) -> Any:
    u = _searched(params, x, weight, points).u
    factor = jnp.linalg.cholesky(_curved(params, u, x, weight)[1] / _WIDER)
    draws = points[:_DRAWS]
    shifts = jax.vmap(
        lambda one: jax.scipy.linalg.solve_triangular(one.T, draws.T, lower=False).T  # (k, d)
    )(factor)
    tried = u[:, None] + shifts
    decoded = decode(params, tried.reshape(-1, u.shape[1])).reshape(*tried.shape[:2], -1)
    joint = -0.5 * jnp.sum(weight[:, None] * (x[:, None] - decoded) ** 2, axis=2) - 0.5 * jnp.sum(
        tried**2, axis=2
    )
    log_det = jnp.sum(jnp.log(jnp.einsum("ndd->nd", factor)), axis=1)
    proposal = log_det[:, None] - 0.5 * jnp.sum(draws**2, axis=1)  # both without (2π)^(−d/2)
    evidence = jax.scipy.special.logsumexp(joint - proposal, axis=1) - jnp.log(float(_DRAWS))
    there = weight > 0
    scale = jnp.where(there, jnp.log(jnp.where(there, weight, 1.0) / (2.0 * jnp.pi)), 0.0)
    return evidence + 0.5 * jnp.sum(scale, axis=1)
