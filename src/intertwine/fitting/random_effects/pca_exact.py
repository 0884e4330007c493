"""The exact likelihood of factors and one random effect, from rows that were turned.

A level's turned rows y (r × p), see `intertwine.fitting.random_effects.rotated_rows`, have the covariance

    V = ⊕_m G_m + (I_r ⊗ W)(I_r ⊗ W)ᵀ,      G_m = R Σ_m Rᵀ + σ_m² I_r,

and the free rows S = W Wᵀ + D each. Latents and coefficients are both integrated out; what an iteration costs depends
on the number of levels, not on the number of rows. V⁻¹ is found from the matrix K = I + Σ_m G_m⁻¹ ⊗ w_m w_mᵀ of order
r d.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.factor_rows import row_blocks
from intertwine.fitting.random_effects.rotated_rows import RotatedRows

__all__ = [
    "ExactMoments",
    "PCAParameters",
    "exact_moments",
    "level_solution",
    "moved_by_mean",
    "noise_covariance",
]

Array = NDArray[np.float64]

_LOG_2PI = float(np.log(2.0 * np.pi))
_CHUNK = 2_000_000  # numbers of one block of the low-rank part


class PCAParameters(NamedTuple):
    """Mean (p,), loadings W (p, d), noise σ² (p,) and Σ of each effect (p, r, r)."""

    mean: Array
    loadings: Array
    noise: Array
    effects: tuple[Array, ...]


class ExactMoments(NamedTuple):
    """The likelihood, with its mean at its best value, and all that an iteration takes from it.

    Attributes
    ----------
    log_likelihood : float
    mean : ndarray of shape (p,)
        Best at the other parameters.
    scatter : ndarray of shape (p, p)
        E Σ_i (x_i − μ − g_i)(x_i − μ − g_i)ᵀ with the effects g hidden: what factors are found from.
    gradient_S : ndarray of shape (p, p)
        Derivative of the likelihood with respect to S; of W it is 2 gradient_S W, of σ² its diagonal.
    gradient_effect : ndarray of shape (p, r, r)
        Derivative with respect to Σ_m.
    """

    log_likelihood: float
    mean: Array
    scatter: Array
    gradient_S: Array
    gradient_effect: Array


class _Kinds(NamedTuple):
    """V⁻¹ of each kind of level: G⁻¹ (k, p, r, r), a root of K⁻¹ (k, r d, r d), and log |V| (k,)."""

    G_inverse: Array
    root: Array
    log_determinant: Array


def exact_moments(rows: RotatedRows, params: PCAParameters) -> ExactMoments:
    """Likelihood and moments of complete rows with one effect of independent levels, or none."""
    W, noise = params.loadings, params.noise
    S, S_inverse, log_det = noise_covariance(W, noise)
    kinds = _kinds(rows.R, params)
    P, precision = _low_rank(rows, kinds, W)
    # the mean, then the levels about it
    mean = params.mean
    a = _solved(rows, kinds, W, rows.Y - rows.ones[rows.kind][:, :, None] * mean)
    precision += rows.weight_rest * S_inverse
    score = np.einsum("qa,qam->m", rows.ones[rows.kind], a)
    score += S_inverse @ (rows.ones_rest - rows.weight_rest * mean)
    step = np.linalg.solve(precision, score)
    mean = mean + step
    a -= _solved_kinds(kinds, W, rows.ones[:, :, None] * step)[rows.kind]
    rest = rows.scatter - np.outer(rows.ones_rest, mean) - np.outer(mean, rows.ones_rest)
    rest += rows.weight_rest * np.outer(mean, mean)
    # the likelihood
    centred = rows.Y - rows.ones[rows.kind][:, :, None] * mean
    quadratic = float(np.vdot(centred, a)) + float(np.vdot(S_inverse, rest))
    determinant = rows.n_rest * log_det + float(rows.counts @ kinds.log_determinant)
    log_likelihood = -0.5 * (quadratic + determinant + rows.n_rows * len(noise) * _LOG_2PI)
    # its derivatives
    flat = a.reshape(-1, len(noise))
    H = flat.T @ flat + P
    gradient_S = 0.5 * (S_inverse @ rest @ S_inverse - rows.n_rest * S_inverse + H)
    gradient_effect = 0.5 * _effect_gradient(rows, kinds, W, a)
    scatter = rest + rows.Y.shape[0] * rows.Y.shape[1] * S + S @ H @ S
    return ExactMoments(log_likelihood, mean, scatter, gradient_S, gradient_effect)


def noise_covariance(W: Array, noise: Array) -> tuple[Array, Array, float]:
    """S = W Wᵀ + D, its inverse and its log determinant."""
    weighted = W / noise[:, None]
    K = np.eye(W.shape[1]) + W.T @ weighted
    inverse = np.diag(1.0 / noise) - weighted @ np.linalg.solve(K, weighted.T)
    return W @ W.T + np.diag(noise), inverse, float(np.log(noise).sum() + np.linalg.slogdet(K)[1])


def level_solution(rows: RotatedRows, params: PCAParameters) -> tuple[Array, Array, Array, Array]:
    """For prediction: R, V⁻¹(y − μ) (q, r, p), G⁻¹ of each kind, and (G⁻¹ ⊗ W) K^{-½} of each kind (k, p, r, r d)."""
    kinds = _kinds(rows.R, params)
    a = _solved(rows, kinds, params.loadings, rows.Y - rows.ones[rows.kind][:, :, None] * params.mean)
    return rows.R, a, kinds.G_inverse, _tall(kinds, params.loadings)


def moved_by_mean(rows: RotatedRows, params: PCAParameters) -> Iterator[Array]:
    """What a mean that is wrong by a standard deviation moves coefficients by: (k, p, r, c) of some directions at once.

    The sum of squares over all p directions is the variance that coefficients have for that the mean is estimated.
    """
    W = params.loadings
    kinds, p = _kinds(rows.R, params), len(W)
    precision = _low_rank(rows, kinds, W)[1] + rows.weight_rest * noise_covariance(W, params.noise)[1]
    values, vectors = np.linalg.eigh(0.5 * (precision + precision.T))
    root = vectors / np.sqrt(np.maximum(values, 1e-12 * values[-1]))
    tall = _tall(kinds, W)
    met = np.einsum("ka,kmaf->kfm", rows.ones, tall)
    own = np.einsum("kmab,kb->kma", kinds.G_inverse, rows.ones)
    spread = params.effects[0] @ np.swapaxes(rows.R, 1, 2)[:, None]
    for part in row_blocks(p, own.size):
        directions = root[:, part]
        moved = own[..., None] * directions[:, None] - tall @ (met @ directions)[:, None]
        yield spread @ moved


def _kinds(R: Array, params: PCAParameters) -> _Kinds:
    W, noise, r = params.loadings, params.noise, R.shape[1]
    k, (p, d) = len(R), W.shape
    if k == 0:
        return _Kinds(np.empty((0, p, r, r)), np.empty((0, r * d, r * d)), np.empty(0))
    effect = params.effects[0]
    G = R[:, None] @ effect[None] @ np.swapaxes(R, 1, 2)[:, None]
    G += noise[None, :, None, None] * np.eye(r)
    G_inverse, log_det = _inverse(G)
    products = (W[:, :, None] * W[:, None, :]).reshape(p, d * d)
    K = (G_inverse.reshape(k, p, r * r).transpose(0, 2, 1) @ products).reshape(k, r, r, d, d)
    K = K.transpose(0, 1, 3, 2, 4).reshape(k, r * d, r * d) + np.eye(r * d)
    factor = np.linalg.cholesky(K)
    root = np.swapaxes(np.linalg.inv(factor), 1, 2)
    log_K = 2.0 * np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
    return _Kinds(G_inverse, root, log_det.sum(axis=1) + log_K)


def _inverse(G: Array) -> tuple[Array, Array]:
    """Inverse and log determinant of small symmetric matrices (…, r, r)."""
    if G.shape[-1] == 1:
        return 1.0 / G, np.log(G[..., 0, 0])
    if G.shape[-1] == 2:
        determinant = G[..., 0, 0] * G[..., 1, 1] - G[..., 0, 1] ** 2
        inverse = np.empty_like(G)
        inverse[..., 0, 0], inverse[..., 1, 1] = G[..., 1, 1], G[..., 0, 0]
        inverse[..., 0, 1] = inverse[..., 1, 0] = -G[..., 0, 1]
        return inverse / determinant[..., None, None], np.log(determinant)
    return np.asarray(np.linalg.inv(G)), np.linalg.slogdet(G)[1]


def _solved(rows: RotatedRows, kinds: _Kinds, W: Array, Y: Array) -> Array:
    """V⁻¹ y of every level, (q, r, p)."""
    return _applied(kinds.G_inverse[rows.kind], kinds.root[rows.kind], W, Y)


def _solved_kinds(kinds: _Kinds, W: Array, Y: Array) -> Array:
    return _applied(kinds.G_inverse, kinds.root, W, Y)


def _applied(G_inverse: Array, root: Array, W: Array, Y: Array) -> Array:
    q, r, d = *Y.shape[:2], W.shape[1]
    t = (_times(G_inverse, Y) @ W).reshape(q, 1, r * d)
    s = ((t @ root) @ np.swapaxes(root, 1, 2)).reshape(q, r, d)
    return _times(G_inverse, Y - s @ W.T)


def _times(G_inverse: Array, Y: Array) -> Array:
    if Y.shape[1] == 1:
        return G_inverse[:, None, :, 0, 0] * Y
    return np.einsum("qmab,qbm->qam", G_inverse, Y)


def _tall(kinds: _Kinds, W: Array) -> Array:
    """(G⁻¹ ⊗ W) K^{-½} of each kind, (k, p, r, r d)."""
    k, p, r, _ = kinds.G_inverse.shape
    wide = (kinds.G_inverse[:, :, :, :, None] * W[None, :, None, None, :]).reshape(k, p, r, r * W.shape[1])
    return wide @ kinds.root[:, None]


def _low_rank(rows: RotatedRows, kinds: _Kinds, W: Array) -> tuple[Array, Array]:
    """−Σ_levels Σ_a (V⁻¹)_aa (p × p), and the precision of the mean Σ_levels 1ᵀV⁻¹1."""
    p, r, k = len(W), rows.R.shape[1], len(rows.R)
    minus, precision = np.zeros((p, p)), np.zeros((p, p))
    step = max(1, _CHUNK // max(1, p * r * r * W.shape[1]))
    for first in range(0, k, step):
        part = slice(first, first + step)
        few = _Kinds(kinds.G_inverse[part], kinds.root[part], kinds.log_determinant[part])
        counts, ones = rows.counts[part], rows.ones[part]
        tall = _tall(few, W) * np.sqrt(counts)[:, None, None, None]
        wide = tall.transpose(1, 0, 2, 3).reshape(p, -1)
        minus += wide @ wide.T
        minus[np.diag_indices(p)] -= counts @ np.trace(few.G_inverse, axis1=2, axis2=3)
        met = np.einsum("ka,kmab->mkb", ones, tall).reshape(p, -1)
        precision -= met @ met.T
        weight = np.einsum("k,ka,kmab,kb->m", counts, ones, few.G_inverse, ones, optimize=True)
        precision[np.diag_indices(p)] += weight
    return minus, precision


def _effect_gradient(rows: RotatedRows, kinds: _Kinds, W: Array, a: Array) -> Array:
    """Σ_levels Rᵀ(a_m a_mᵀ − (V⁻¹)_mm) R, (p, r, r)."""
    turned = np.swapaxes(rows.R, 1, 2)[rows.kind] @ a
    found = np.einsum("qam,qbm->mab", turned, turned, optimize=True)
    tall = _tall(kinds, W)
    inverse = kinds.G_inverse - tall @ np.swapaxes(tall, 2, 3)
    weighted = rows.counts[:, None, None] * rows.R
    return found - np.einsum("kca,kmcd,kdb->mab", weighted, inverse, rows.R, optimize=True)
