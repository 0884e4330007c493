"""Latent target of third-order interactions: a symmetric CP tensor, g_jkl = Σ_r a_jr a_kr a_lr.

With power sums s_m = Σ_j (x_j a_jr)^m, the score of all triples j < k < l is the elementary symmetric polynomial

    φ_i = Σ_r e₃(x_i ∘ a_r) = Σ_r (s₁³ − 3 s₁ s₂ + 2 s₃) / 6                       O(n p r)

and the squared norm over triples is Σ_rs e₃(a_r ∘ a_s), by the same identity.
"""

from __future__ import annotations

from typing import final

import numpy as np

from intertwine.structures.base import AbstractStructure

__all__ = ["SymmetricCP", "third_symmetric_polynomial"]


def third_symmetric_polynomial(s1, s2, s3):
    """e₃ from power sums (Newton's identity)."""
    return (s1**3 - 3.0 * s1 * s2 + 2.0 * s3) / 6.0


@final
class SymmetricCP(AbstractStructure):
    """Triple interactions tied to a symmetric CP tensor of rank ``n_components``."""

    def __init__(self, n_features: int, n_components: int):
        self.n_features = n_features
        self.n_components = n_components

    @property
    def size(self) -> int:
        return self.n_features * self.n_components

    def init(self, X, rng):
        # e₃ vanishes to third order at zero, so the start must be clearly away from it.
        return rng.standard_normal(self.size) * (0.5 / np.sqrt(self.n_components))

    def _factors(self, params):
        return params.reshape(self.n_features, self.n_components)

    def score(self, params, X):
        A = self._factors(params)
        X2, A2 = X * X, A * A  # a power of three costs numpy fifty times as much as a product
        s1, s2, s3 = X @ A, X2 @ A2, (X2 * X) @ (A2 * A)
        return third_symmetric_polynomial(s1, s2, s3).sum(axis=1)

    def pushforward(self, params, X, direction):
        A, D = self._factors(params), self._factors(direction)
        X2 = X * X
        X3 = X2 * X
        s1, s2 = X @ A, X2 @ (A * A)
        d1, d2, d3 = X @ D, 2.0 * X2 @ (A * D), 3.0 * X3 @ (A * A * D)
        return ((s1**2 - s2) * d1 / 2.0 - s1 * d2 / 2.0 + d3 / 3.0).sum(axis=1)

    def pullback(self, params, X, v):
        A = self._factors(params)
        X2 = X * X
        s1, s2 = X @ A, X2 @ (A * A)
        first = X.T @ (v[:, None] * (s1**2 - s2)) / 2.0
        second = (X2.T @ (v[:, None] * s1)) * A
        third = ((X2 * X).T @ v)[:, None] * (A * A)
        return (first - second + third).ravel()

    def jacobian(self, params, X):
        """Gradient of the score of every row, (n, size)."""
        A = self._factors(params)
        X2 = X * X
        s1, s2 = X @ A, X2 @ (A * A)
        first = X[:, :, None] * (s1**2 - s2)[:, None, :] / 2.0
        second = X2[:, :, None] * s1[:, None, :] * A
        third = (X2 * X)[:, :, None] * (A * A)
        return (first - second + third).reshape(len(X), -1)

    def half_norm(self, params):
        A = self._factors(params)
        A2 = A * A
        A3 = A2 * A
        s1, s2, s3 = A.T @ A, A2.T @ A2, A3.T @ A3
        value = 0.5 * third_symmetric_polynomial(s1, s2, s3).sum()
        gradient = A @ (s1**2 - s2) / 2.0 - A * (A2 @ s1) + A2 * A3.sum(axis=1, keepdims=True)
        return value, gradient.ravel()

    def entries(self, params, j, k, m):
        """Target entries g_jkm for index arrays of equal length."""
        A = self._factors(params)
        return np.einsum("ir,ir,ir->i", A[j], A[k], A[m])

    def coordinates(self, params):
        return self._factors(params)

    def signature(self):
        return {"name": "cp", "n_components": self.n_components}
