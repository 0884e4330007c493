"""Latent targets: what every interaction is tied to, g_jk = g(z_j, z_k).

All four structures are one bilinear form in lifted factors, T = U(z) M U(z)ᵀ without its diagonal:

=============  =======================  ===========================================
structure      g_jk                     U, M
=============  =======================  ===========================================
low rank       z_jᵀ z_k                 Z, I
signed         z_jᵀ S z_k, S = ±1       Z, S
two factor     ½(z_jᵀ w_k + w_jᵀ z_k)   [Z W], ½[[0 I] [I 0]]
distance       a₀ − ‖z_j − z_k‖²        [Z ‖z‖² 1], [[2I 0 0] [0 0 −1] [0 −1 a₀]]
=============  =======================  ===========================================

so there is one score, one derivative and one norm, each without a p × p array:

* score      φ_i = ½ [ x_iᵀ U M Uᵀ x_i − Σ_j x_ij² d_j ],  d = diag(U M Uᵀ)          O(n p r)
* derivative ∂⟨v, φ⟩/∂U = [Xᵀ diag(v) X U − diag((X²)ᵀ v) U] M                       O(n p r)
* norm       ½‖T‖² = ¼ [ tr(M G M G) − Σ_j d_j² ],  G = UᵀU                          O(p r²)

The two-factor form is the symmetric part of the paper's z_jᵀ w_k (j < k), which would depend on the order of
the columns. Parameters travel as one flat vector, because the outer search is a plain smooth minimisation.

Source: LIT-LVM, arXiv 2506.15492, section 3 (low rank and latent distance); the rest follows by algebra.
"""

from __future__ import annotations

import abc
from typing import final

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from intertwine.structures.base import AbstractStructure

__all__ = ["AbstractLatentTarget", "Distance", "LowRank", "TwoFactor", "leading_directions"]


_NOISE = 0.01  # size of the random part of a spectral start, as a share of its largest target


def _weighted_squares(X, v):
    """Column sums Σ_i v_i x_ij², without an n × p temporary."""
    return np.einsum("i,ij,ij->j", v, X, X)


def interaction_curvature(X, v):
    """The symmetric operator offdiag(Xᵀ diag(v) X), as scipy sees it: what a dual vector says about all pairs."""
    diagonal = _weighted_squares(X, v)

    def matvec(b):
        b = np.ravel(b)
        return X.T @ (v * (X @ b)) - diagonal * b

    return LinearOperator((X.shape[1], X.shape[1]), matvec=matvec, dtype=float)


def leading_directions(X, v, n_pairs, rng):
    """Eigenpairs of largest magnitude of offdiag(Xᵀ diag(v) X): the start of every latent search.

    Z = 0 is a stationary point of the objective and must never be the start; these directions are where it
    falls fastest, and the signs of their eigenvalues say which sign pattern the data ask for.
    """
    p = X.shape[1]
    n_pairs = min(n_pairs, p)
    if p <= max(4 * n_pairs, 200):
        dense = (X.T * v) @ X
        np.fill_diagonal(dense, 0.0)
        values, vectors = np.linalg.eigh(dense)
    else:
        values, vectors = eigsh(
            interaction_curvature(X, v), k=n_pairs, which="LM", v0=rng.standard_normal(p), tol=1e-4
        )
    order = np.argsort(-np.abs(values))[:n_pairs]
    return values[order], vectors[:, order]


def _columns(values, vectors, wanted, noise, rng):
    """Scaled eigenvectors for each wanted sign (+1, −1, or 0 for either), random columns where none is left."""
    p = vectors.shape[0]
    columns = rng.standard_normal((p, len(wanted))) * np.sqrt(noise / p)
    signs = np.where(np.asarray(wanted) == 0, 1.0, wanted)
    free = list(range(len(values)))
    top = max(np.abs(values).max(), 1e-300)
    for slot, sign in enumerate(wanted):
        match = next((i for i in free if sign == 0 or values[i] * sign > 0), None)
        if match is not None:
            free.remove(match)
            columns[:, slot] += vectors[:, match] * np.sqrt(np.abs(values[match]) / top)
            signs[slot] = np.sign(values[match]) or 1.0
    return columns, signs


class AbstractLatentTarget(AbstractStructure):
    """A family T(parameters) of symmetric, zero-diagonal targets for the interactions of p features."""

    def __init__(self, n_features: int, n_components: int):
        self.n_features = n_features
        self.n_components = n_components

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """Length of the flat parameter vector."""

    @abc.abstractmethod
    def lift(self, params) -> tuple[np.ndarray, np.ndarray]:
        """Factors U (p, r) and the symmetric form M (r, r)."""

    @abc.abstractmethod
    def lower(self, params, gradient_U, gradient_M) -> np.ndarray:
        """Chain rule: derivatives with respect to U and M (…, p, r) and (…, r, r), to flat vectors (…, size)."""

    @abc.abstractmethod
    def coordinates(self, params) -> np.ndarray:
        """Latent coordinates of the features, (p, d), for maps and tables."""

    @abc.abstractmethod
    def spectral_start(self, values, vectors, rng) -> np.ndarray:
        """Parameters along leading interaction directions, their largest vector of length about 1."""

    @abc.abstractmethod
    def scaled(self, params, factor: float) -> np.ndarray:
        """Parameters whose target is ``factor`` times as large."""

    @abc.abstractmethod
    def signature(self) -> dict:
        """What rebuilds this structure from a model file: its name and sizes."""

    def init(self, X, rng) -> np.ndarray:
        """Random parameters of moderate size (a start among several)."""
        return rng.standard_normal(self.size) / np.sqrt(self.n_features)

    def score(self, params, X) -> np.ndarray:
        """φ(params), (n,)."""
        U, M = self.lift(params)
        A = X @ U
        diagonal = np.einsum("jr,rs,js->j", U, M, U)
        return 0.5 * (np.einsum("ir,rs,is->i", A, M, A) - np.einsum("ij,ij,j->i", X, X, diagonal))

    def pushforward(self, params, X, direction) -> np.ndarray:
        """Derivative of the score along ``direction``, exact because the score is a polynomial of degree ≤ 4."""
        # Five-point central differences are exact for polynomials of degree four.
        step = 1.0
        f = [self.score(params + t * step * direction, X) for t in (-2, -1, 1, 2)]
        return (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * step)

    def pullback(self, params, X, v) -> np.ndarray:
        """Gradient of ⟨v, φ(params)⟩, flat."""
        U, M = self.lift(params)
        A = X @ U
        squares = _weighted_squares(X, v)
        applied = X.T @ (v[:, None] * A) - squares[:, None] * U
        gradient_M = 0.5 * (A.T @ (v[:, None] * A) - U.T @ (squares[:, None] * U))
        return self.lower(params, applied @ M, gradient_M)

    def jacobian(self, params, X) -> np.ndarray:
        """Gradient of the score of every row, (n, size)."""
        U, M = self.lift(params)
        A, X2 = X @ U, X * X
        gradient_U = (X[:, :, None] * A[:, None, :] - X2[:, :, None] * U) @ M
        squares = np.einsum("ij,jr,js->irs", X2, U, U, optimize=True)
        return self.lower(params, gradient_U, 0.5 * (A[:, :, None] * A[:, None, :] - squares))

    def entry_pullback(self, params, theta) -> np.ndarray:
        """Gradient of Σ_{j<k} θ_jk g_jk, flat, for a symmetric ``theta`` (p, p) with zero diagonal."""
        U, M = self.lift(params)
        applied = theta @ U
        return self.lower(params, applied @ M, 0.5 * U.T @ applied)

    def entry_jacobian(self, params, j, k) -> np.ndarray:
        """Gradients of the entries g_jk, (m, size), for index arrays j and k of equal length m, j ≠ k."""
        U, M = self.lift(params)
        UM, m = U @ M, np.arange(len(j))
        gradient_U = np.zeros((len(j), *U.shape))
        gradient_U[m, j], gradient_U[m, k] = UM[k], UM[j]
        outer = U[j][:, :, None] * U[k][:, None, :]
        return self.lower(params, gradient_U, 0.5 * (outer + outer.transpose(0, 2, 1)))

    def entry_gram(self, params) -> np.ndarray:
        """Σ_{j<k} ∇g_jk ∇g_jkᵀ, (size, size): the Gauss-Newton curvature of ``half_norm``, in O(p² r²)."""
        U, M = self.lift(params)
        p, r = U.shape
        UM, everyone = U @ M, np.arange(p)
        # ∂g_jk/∂u_j = (U M)_k and ∂g_jk/∂M = ½ (u_j u_kᵀ + u_k u_jᵀ), summed over all pairs and less those of j = k
        of_U = np.einsum("ks,jt->jskt", UM, UM)
        of_U[everyone, :, everyone] = UM.T @ UM - UM[:, :, None] * UM[:, None, :]
        crossed = np.einsum("ja,sb->jsab", U, UM.T @ U) - np.einsum("ja,js,jb->jsab", U, UM, U)
        crossed = 0.5 * (crossed + crossed.transpose(0, 1, 3, 2))
        N = U.T @ U
        of_M = np.einsum("ae,bf->abef", N, N) + np.einsum("af,be->abef", N, N)
        of_M = 0.25 * of_M - 0.5 * np.einsum("ja,jb,je,jf->abef", U, U, U, U, optimize=True)
        half = self.lower(params, of_U.reshape(p * r, p, r), crossed.reshape(p * r, r, r))
        below = self.lower(
            params, crossed.transpose(2, 3, 0, 1).reshape(r * r, p, r), of_M.reshape(r * r, r, r)
        )
        return self.lower(params, half.T.reshape(-1, p, r), below.T.reshape(-1, r, r))

    def half_norm(self, params) -> tuple[float, np.ndarray]:
        """½ Σ_{j<k} g_jk² and its gradient, flat."""
        U, M = self.lift(params)
        G = U.T @ U
        UM = U @ M
        diagonal = np.einsum("jr,jr->j", UM, U)
        MG = M @ G
        value = 0.25 * (np.sum(MG * MG.T) - diagonal @ diagonal)
        gradient_U = UM @ G @ M - diagonal[:, None] * UM
        gradient_M = 0.5 * (G @ M @ G - U.T @ (diagonal[:, None] * U))
        return value, self.lower(params, gradient_U, gradient_M)

    def block(self, params, rows, columns) -> np.ndarray:
        """Target entries g_jk for j in rows, k in columns, zero where j = k."""
        U, M = self.lift(params)
        T = (U[rows] @ M) @ U[columns].T
        T[np.asarray(rows)[:, None] == np.asarray(columns)[None, :]] = 0.0
        return T

    def entries(self, params, j, k) -> np.ndarray:
        """Target entries g_jk for index arrays j and k of equal length."""
        U, M = self.lift(params)
        return np.einsum("ir,rs,is->i", U[j], M, U[k])


@final
class LowRank(AbstractLatentTarget):
    """g_jk = Σ_f s_f z_jf z_kf with fixed signs s_f = ±1 (all +1: the paper's low-rank structure).

    Positive signs alone cannot make more than d + 1 features repel each other pairwise; signs can.
    """

    def __init__(self, n_features: int, n_components: int, signs=None):
        super().__init__(n_features, n_components)
        self.signs = np.ones(n_components) if signs is None else np.asarray(signs, dtype=float)

    @property
    def size(self) -> int:
        return self.n_features * self.n_components

    def lift(self, params):
        return params.reshape(self.n_features, self.n_components), np.diag(self.signs)

    def lower(self, params, gradient_U, gradient_M):
        return gradient_U.reshape(*gradient_U.shape[:-2], -1)

    def coordinates(self, params):
        return params.reshape(self.n_features, self.n_components)

    def spectral_start(self, values, vectors, rng):
        return _columns(values, vectors, self.signs, _NOISE, rng)[0].ravel()

    def scaled(self, params, factor):
        return params * np.sqrt(factor)

    def signature(self):
        return {"name": "low_rank", "n_components": self.n_components, "signs": self.signs.tolist()}


@final
class TwoFactor(AbstractLatentTarget):
    """g_jk = ½ (z_jᵀ w_k + w_jᵀ z_k): every feature has a giving and a receiving vector."""

    @property
    def size(self) -> int:
        return 2 * self.n_features * self.n_components

    def lift(self, params):
        eye = np.eye(self.n_components)
        zero = np.zeros_like(eye)
        return params.reshape(self.n_features, -1), 0.5 * np.block([[zero, eye], [eye, zero]])

    def lower(self, params, gradient_U, gradient_M):
        return gradient_U.reshape(*gradient_U.shape[:-2], -1)

    def coordinates(self, params):
        return params.reshape(self.n_features, -1)

    def spectral_start(self, values, vectors, rng):
        Z, signs = _columns(values, vectors, np.zeros(self.n_components), _NOISE, rng)
        # Z = ±W is a symmetric point that no gradient leaves; a little noise does.
        W = Z * signs + rng.standard_normal(Z.shape) * np.sqrt(_NOISE / self.n_features)
        return np.hstack([Z, W]).ravel()

    def scaled(self, params, factor):
        return params * np.sqrt(factor)

    def signature(self):
        return {"name": "two_factor", "n_components": self.n_components}


@final
class Distance(AbstractLatentTarget):
    """g_jk = a₀ − ‖z_j − z_k‖²: features that sit close interact more positively."""

    @property
    def size(self) -> int:
        return self.n_features * self.n_components + 1

    def _split(self, params):
        return params[:-1].reshape(self.n_features, self.n_components), params[-1]

    def lift(self, params):
        Z, level = self._split(params)
        d = self.n_components
        M = np.zeros((d + 2, d + 2))
        M[:d, :d] = 2 * np.eye(d)
        M[d, d + 1] = M[d + 1, d] = -1.0
        M[d + 1, d + 1] = level
        U = np.hstack([Z, np.sum(Z**2, axis=1, keepdims=True), np.ones((self.n_features, 1))])
        return U, M

    def lower(self, params, gradient_U, gradient_M):
        Z, _ = self._split(params)
        d = self.n_components
        gradient_Z = gradient_U[..., :d] + 2.0 * Z * gradient_U[..., d : d + 1]
        flat = gradient_Z.reshape(*gradient_Z.shape[:-2], -1)
        return np.concatenate([flat, gradient_M[..., d + 1, d + 1, None]], axis=-1)

    def coordinates(self, params):
        return self._split(params)[0]

    def spectral_start(self, values, vectors, rng):
        Z, _ = _columns(values, vectors, np.ones(self.n_components), _NOISE, rng)
        # The level at which the mean target is zero: no overall shift to begin with.
        spread = 2.0 * np.sum(np.var(Z, axis=0)) * self.n_features / max(self.n_features - 1, 1)
        return np.append(Z.ravel(), spread)

    def scaled(self, params, factor):
        return np.append(params[:-1] * np.sqrt(factor), params[-1] * factor)

    def signature(self):
        return {"name": "distance", "n_components": self.n_components}
