"""Latents of rows at a decoder that is given: the most probable ones, and the density with u integrated out.

A row x (the random effects' mean taken off) has the density ∫ N(x; f(u), diag 1/w) N(u; 0, I) du, where 1/w is noise
plus what is open about the effects; entries that are not Gaussian are those of `vae_local_rows`. The encoder knows only
the weights it met in training, so its mean is a first guess, as are fixed places of the prior; Levenberg-Marquardt
steps go on from the better of the two. Integrals are by importance sampling from a Gaussian there, wider than the
curvature says: that of the density is never above the truth, in logarithms and on average. Where entries are missing
p(u | x) is wide, and the expected row E[f(u) | x] is not the row at the most probable u.
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
from intertwine.fitting.random_effects.vae_local_rows import LocalRows
from intertwine.networks import Autoencoder, decode, encode, n_latents

__all__ = [
    "GaussianRows",
    "decoder_slopes",
    "encoded",
    "expected",
    "log_densities",
    "most_probable",
    "prior_points",
]

Array = NDArray[np.float64]

_STEPS = 12
_PLACES = 64  # of the prior, tried beside the encoder's mean
_DRAWS = 64
_WIDER = 1.3  # the proposal's variance, relative to that of the curvature
_ROWS = {"encoded": 4096, "most_probable": 1024, "log_densities": 256, "expected": 256}  # of one call


def prior_points(n_points: int, n_components: int) -> NDArray[np.float32]:
    """Evenly spread points of N(0, I), always the same, (n, d)."""
    ratio = 2.0
    for _ in range(30):  # the root of r^(d+1) = r + 1, which generates the sequence R_d of Roberts (2018)
        ratio = (1.0 + ratio) ** (1.0 / (n_components + 1))
    steps = ratio ** -np.arange(1.0, n_components + 1.0)
    places = (0.5 + np.arange(1, n_points + 1)[:, None] * steps) % 1.0
    return np.asarray(ndtri(np.clip(places, 1e-4, 1 - 1e-4)), dtype=np.float32)


class GaussianRows(NamedTuple):
    """Rows in the units of the networks.

    Attributes
    ----------
    x : (n, p)
        Without the random effects' mean; zero where nothing was observed.
    weight : (n, p)
        Of noise and what is open about the effects; zero where nothing was observed.
    """

    x: Any
    weight: Any

    def take(self, rows: Any) -> GaussianRows:
        """Some of the rows."""
        return GaussianRows(self.x[rows], self.weight[rows])

    def seen(self) -> tuple[Any, Any]:
        """What an encoder is shown, (n, p), and where anything was observed."""
        return self.x, self.weight > 0

    def slopes(self, decoded: Any) -> tuple[Any, Any]:
        """Of the log density of entries in f, (n, p), and minus its curvatures."""
        return self.weight * (self.x - decoded), self.weight

    def misfit(self, decoded: Any) -> Any:
        """Minus the log density, (n,), up to a constant."""
        return 0.5 * jnp.sum(self.weight * (self.x - decoded) ** 2, axis=1)

    def misfits(self, points: Any, decoded: Any) -> Any:
        """Of latents (k, d) that decode to (k, p), their own prior included, (n, k); but for a constant of each row."""
        prior = 0.5 * jnp.sum(points**2, axis=1)
        return prior - (self.weight * self.x) @ decoded.T + 0.5 * self.weight @ (decoded**2).T

    def log_densities(self, decoded: Any) -> Any:
        """Of rows at decoded latents (n, k, p), (n, k); without the constant of `log_scale`."""
        return -0.5 * jnp.sum(self.weight[:, None] * (self.x[:, None] - decoded) ** 2, axis=2)

    def log_scale(self) -> Any:
        """½ Σ log(weight / 2π) over what was observed, (n,)."""
        there = self.weight > 0
        scale = jnp.where(there, jnp.log(jnp.where(there, self.weight, 1.0) / (2.0 * jnp.pi)), 0.0)
        return 0.5 * jnp.sum(scale, axis=1)


Rows = GaussianRows | LocalRows


def encoded(params: Autoencoder, rows: Rows) -> Array:
    """The encoder's means, (n, d)."""
    return _by_rows("encoded", _encoder_mean, params, rows)


def most_probable(params: Autoencoder, rows: Rows) -> Array:
    """The u of largest p(u | x), of rows, (n, d)."""
    return _by_rows("most_probable", _modes, params, rows)


def log_densities(params: Autoencoder, rows: Rows) -> Array:
    """Log density of what was observed of rows, (n,)."""
    return _by_rows("log_densities", _densities, params, rows)


def expected(params: Autoencoder, rows: Rows) -> Array:
    """E[f(u) | x] of rows, (n, p)."""
    return _by_rows("expected", _expected, params, rows)


def decoder_slopes(params: Autoencoder, u: NDArray[np.float32]) -> Array:
    """Derivatives of f at latents (n, d), (n, p, d)."""
    size, parts = _ROWS["encoded"], []
    for first in range(0, len(u), size):
        rows = np.minimum(np.arange(first, first + size), len(u) - 1)
        with own_compilation_cache():
            parts.append(np.asarray(_slopes(params, u[rows]), dtype=np.float64)[: len(u) - first])
    return np.concatenate(parts)


def _by_rows(name: str, function: Any, params: Autoencoder, rows: Rows) -> Array:
    """A function of rows, in pieces of one shape."""
    size, parts, n_rows = _ROWS[name], [], len(rows.x)
    points = prior_points(_PLACES, n_latents(params))
    for first in range(0, max(n_rows, 1), size):
        part = rows.take(np.minimum(np.arange(first, first + size), n_rows - 1))
        with own_compilation_cache():
            found = function(params, part, points)
        parts.append(np.asarray(found, dtype=np.float64)[: n_rows - first])
    return np.concatenate(parts)


@jax.jit
def _encoder_mean(params: Autoencoder, rows: Rows, points: Any) -> Any:
    return encode(params, *rows.seen())[0]


@jax.jit
def _slopes(params: Autoencoder, u: Any) -> Any:
    axes = jnp.eye(u.shape[1], dtype=u.dtype)
    along = [jax.jvp(partial(decode, params), (u,), (jnp.broadcast_to(axis, u.shape),))[1] for axis in axes]
    return jnp.stack(along, axis=2)


class _Search(NamedTuple):
    u: Any  # (n, d)
    misfit: Any  # (n,)
    damping: Any  # (n,)


def _misfit(params: Autoencoder, u: Any, rows: Rows) -> Any:
    """−log p(x, u) up to a constant, (n,)."""
    return rows.misfit(decode(params, u)) + 0.5 * jnp.sum(u**2, axis=1)


def _curved(params: Autoencoder, u: Any, rows: Rows) -> tuple[Any, Any]:
    """Gradient (n, d) and Gauss-Newton curvature (n, d, d) of the misfit."""
    axes, slopes = jnp.eye(u.shape[1], dtype=u.dtype), _slopes(params, u)
    slope, curvature = rows.slopes(decode(params, u))
    gradient = u - jnp.einsum("npd,np->nd", slopes, slope)
    return gradient, axes + jnp.einsum("npd,np,npe->nde", slopes, curvature, slopes)


def _searched(params: Autoencoder, rows: Rows, points: Any) -> _Search:
    guess = encode(params, *rows.seen())[0]
    place = points[jnp.argmin(rows.misfits(points, decode(params, points)), axis=1)]
    first, other = _misfit(params, guess, rows), _misfit(params, place, rows)
    u = jnp.where((first <= other)[:, None], guess, place)
    start = _Search(u, jnp.minimum(first, other), jnp.full(len(u), 1e-2, u.dtype))

    def step(_: Any, now: _Search) -> _Search:
        gradient, curvature = _curved(params, now.u, rows)
        damped = curvature * (1.0 + now.damping[:, None, None] * jnp.eye(u.shape[1], dtype=u.dtype))
        tried = now.u - jnp.linalg.solve(damped, gradient[:, :, None])[:, :, 0]
        misfit = _misfit(params, tried, rows)
        better = misfit < now.misfit
        return _Search(
            jnp.where(better[:, None], tried, now.u),
            jnp.where(better, misfit, now.misfit),
            now.damping * jnp.where(better, 0.2, 5.0),
        )

    return jax.lax.fori_loop(0, _STEPS, step, start)


@jax.jit
def _modes(params: Autoencoder, rows: Rows, points: Any) -> Any:
    return _searched(params, rows, points).u


class _Proposal(NamedTuple):
    """A Gaussian for each row, about the mode of p(u | x) and wider."""

    center: Any  # (n, d)
    factor: Any  # (n, d, d), lower, of the precision

    @classmethod
    def of(cls, params: Autoencoder, rows: Rows, points: Any) -> _Proposal:
        u = _searched(params, rows, points).u
        return cls(u, jnp.linalg.cholesky(_curved(params, u, rows)[1] / _WIDER))

    def draws(self, points: Any) -> Any:
        """(n, k, d), from points of N(0, I)."""
        shifts = jax.vmap(
            lambda one: jax.scipy.linalg.solve_triangular(one.T, points.T, lower=False).T  # (k, d)
        )(self.factor)
        return self.center[:, None] + shifts

    def log_density(self, u: Any) -> Any:
        """At u (n, k, d), without (2π)^(−d/2)."""
        white = jnp.einsum("nkd,nde->nke", u - self.center[:, None], self.factor)
        log_det = jnp.sum(jnp.log(jnp.einsum("ndd->nd", self.factor)), axis=1)
        return log_det[:, None] - 0.5 * jnp.sum(white**2, axis=2)


def _log_prior(u: Any) -> Any:
    return -0.5 * jnp.sum(u**2, axis=2)  # without (2π)^(−d/2)


def _decoded(params: Autoencoder, u: Any) -> Any:
    return decode(params, u.reshape(-1, u.shape[2])).reshape(*u.shape[:2], -1)


@jax.jit
def _densities(params: Autoencoder, rows: Rows, points: Any) -> Any:
    proposal = _Proposal.of(params, rows, points)
    u = proposal.draws(points[:_DRAWS])
    joint = rows.log_densities(_decoded(params, u)) + _log_prior(u)
    evidence = jax.scipy.special.logsumexp(joint - proposal.log_density(u), axis=1) - jnp.log(float(_DRAWS))
    return evidence + rows.log_scale()


@jax.jit
def _expected(params: Autoencoder, rows: Rows, points: Any) -> Any:
    """From draws of the proposal and of the prior, as of one mixture: p(u | x) may have modes beside the one found."""
    proposal = _Proposal.of(params, rows, points)
    near = proposal.draws(points[:_DRAWS])
    u = jnp.concatenate([near, jnp.broadcast_to(points[:_DRAWS], near.shape)], axis=1)
    decoded = _decoded(params, u)
    mixture = jnp.logaddexp(proposal.log_density(u), _log_prior(u))
    share = jax.nn.softmax(rows.log_densities(decoded) + _log_prior(u) - mixture, axis=1)
    return jnp.einsum("nk,nkp->np", share, decoded)
