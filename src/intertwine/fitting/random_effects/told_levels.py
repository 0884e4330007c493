"""What further rows tell of levels about which something is known already: one step of Bayes' rule, exact.

x_i = μ + W u_i + B_jᵀ z_i + e_i,     B_j ~ N(mean, C + F Fᵀ) from the rows before,   C by features, F shared
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.factor_rows import factor_posterior
from intertwine.fitting.random_effects.pca_exact import PCAParameters
from intertwine.mixed_effects.factors import semidefinite_factor
from intertwine.resources import require_memory

__all__ = ["ToldLevels"]

Array = NDArray[np.float64]


class ToldLevels(NamedTuple):
    """Levels of some rows, and what these say of their coefficients, in the order basis, features.

    Attributes
    ----------
    levels : ndarray of int of shape (q,)
    information : ndarray of shape (q, r p, r p)
        Σ_i z_i z_iᵀ ⊗ V_i with V_i the precision of a row given its level, zero where it was not observed.
    right : ndarray of shape (q, r p)
        Σ_i z_i ⊗ V_i (x_i − μ).
    """

    levels: NDArray[np.int64]
    information: Array
    right: Array

    @classmethod
    def of(
        cls, left: Array, level: NDArray[np.int64], basis: Array | None, params: PCAParameters
    ) -> ToldLevels:
        """From rows less the mean (n, p), NaN where nothing was observed.

        Raises
        ------
        MemoryError
            Where there are too many levels for the covariances of their features.
        """
        W, noise = params.loadings, params.noise
        n, p = left.shape
        z = np.ones((n, 1)) if basis is None else basis
        r = z.shape[1]
        levels = np.unique(level)
        require_memory(
            4 * 8 * len(levels) * (r * p) ** 2, f"the covariances of {len(levels):,} levels", "fewer levels"
        )
        weight, shown = np.isfinite(left) / noise, np.nan_to_num(left)
        C = factor_posterior(left, noise, W).covariance
        A = weight[:, :, None] * W @ np.linalg.cholesky(C)
        information, right = np.zeros((len(levels), r * p, r * p)), np.zeros((len(levels), r * p))
        for j, one in enumerate(levels):
            mine = np.flatnonzero(level == one)
            squares = np.einsum("ia,ib,im->abm", z[mine], z[mine], weight[mine])
            blocks = np.zeros((r, p, r, p))
            blocks[:, range(p), :, range(p)] = squares.transpose(2, 0, 1)
            tall = np.einsum("ia,imd->amid", z[mine], A[mine]).reshape(r * p, -1)
            information[j] = blocks.reshape(r * p, r * p) - tall @ tall.T
            told = np.einsum("imd,im->id", A[mine], shown[mine]).ravel()
            right[j] = (z[mine].T @ (weight[mine] * shown[mine])).ravel() - tall @ told
        return cls(levels, information, right)

    def posterior(self, mean: Array, covariance: Array, shared: Array) -> tuple[Array, Array]:
        """Means (q, r, p) and roots (q, p, r, r p) of covariances.

        Parameters
        ----------
        mean : ndarray of shape (q, r, p)
            Before these rows, as is
        covariance : ndarray of shape (q, p, r, r)
            C, and
        shared : ndarray of shape (q, p, r, f)
            F.
        """
        q, r, p = mean.shape
        means, roots = np.empty((q, r, p)), np.empty((q, p, r, r * p))
        for j in range(q):
            own = np.zeros((r, p, r, p))
            own[:, range(p), :, range(p)] = semidefinite_factor(covariance[j])
            tall = shared[j].transpose(1, 0, 2).reshape(r * p, -1)
            root = np.concatenate([own.reshape(r * p, r * p), tall], axis=1)
            inner = np.eye(root.shape[1]) + root.T @ self.information[j] @ root
            after = root @ np.linalg.inv(np.linalg.cholesky(inner)).T
            found = after @ after.T
            before = mean[j].ravel()
            means[j] = (before + found @ (self.right[j] - self.information[j] @ before)).reshape(r, p)
            values, vectors = np.linalg.eigh(found)
            square = vectors * np.sqrt(np.maximum(values, 0.0))
            roots[j] = square.reshape(r, p, r * p).transpose(1, 0, 2)
        return means, roots
