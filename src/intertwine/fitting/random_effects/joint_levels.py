"""Coefficients of levels when the latents of their rows are open, too: both Gaussian, the latents integrated out.

    y_i = μ + J_i u_i + B_jᵀ z_i + e_i,     u_i ~ N(0, I_d),  e_i ~ N(0, diag 1/w_i),     B_jm ~ N(0, Σ_m) of level j

With J_i the loadings of principal components this is their model; a decoder f is linearised where the latents are
found, J_i = f'(û_i) and y_i = x_i − f(û_i) + J_i û_i. A row less its level has the precision

    V_i = (J_i J_iᵀ + diag 1/w_i)⁻¹ = diag w_i − A_i A_iᵀ,      A_i A_iᵀ = w_i J_i (I + J_iᵀ w_i J_i)⁻¹ J_iᵀ w_i

and a level the posterior P_j = (⊕_m Σ_m⁻¹ + Σ_i z_i z_iᵀ ⊗ V_i)⁻¹ of order r p. Were the latents known, it would be
D_j, an r × r block for each feature. What they leave open has the rank of the latents of the level's rows, or r p if
that is less: no more is factorized (Woodbury). Means take μ for zero; standard errors can count that it is estimated.

Source: Tierney & Kadane, Accurate approximations for posterior moments and marginal densities (1986), the curvature
that of Gauss and Newton; Henderson (1975) for the mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.mixed_effects.factors import semidefinite_factor

__all__ = ["JointLevels"]

Array = NDArray[np.float64]

_BLOCK = 4_000_000  # numbers of one temporary


class _Some(NamedTuple):
    """Some levels; coefficients in the order basis, features."""

    levels: NDArray[np.int64]
    weight: Array  # Σ_i w_i (c, p)
    root: Array  # of D_j by features (c, p, r, r): D = root rootᵀ
    turned: Array  # rootᵀ U with U_i = z_i ⊗ A_i (c, r p, k)
    inverse: Array  # of the factor of I − the smaller product of that with itself
    narrow: bool  # whether the smaller one is of order k
    right: Array  # Σ_i z_i ⊗ V_i y_i (c, r p)
    touch: Array  # Σ_i z_i ⊗ w_i (c, r, p)
    tall: Array  # U
    wide: Array  # A_i beside one another (c, p, k)


@final
class JointLevels:
    """Rows of one effect with independent levels.

    Parameters
    ----------
    residual : ndarray of shape (n, p)
        x_i − f(û_i); whatever stands at entries that were not observed.
    latents : ndarray of shape (n, d)
        û.
    slopes_at : callable
        Numbers of rows, (…), to J there, (…, p, d).
    weight : ndarray of shape (n, p)
        w; zero where nothing was observed.
    level : ndarray of int of shape (n,)
    n_levels : int
    basis : ndarray of shape (n, r) or None
        z; None is a column of ones.
    covariance : ndarray of shape (p, r, r)
        Σ.

    Examples
    --------
    One row each of two levels, whose latent explains as much as the effect and the noise do:

    >>> one, levels = np.ones((2, 1)), np.arange(2)
    >>> slopes_at = lambda rows: np.ones((*rows.shape, 1, 1))
    >>> found = JointLevels(np.array([[3.0], [0.0]]), 0 * one, slopes_at, one, levels, 2, None, np.ones((1, 1, 1)))
    >>> found.means().ravel().round(3), found.variances().ravel().round(3)
    (array([1., 0.]), array([0.667, 0.667]))
    """

    def __init__(
        self,
        residual: NDArray[np.floating],
        latents: NDArray[np.floating],
        slopes_at: Callable[[NDArray[np.int64]], Array],
        weight: Array,
        level: NDArray[np.int64],
        n_levels: int,
        basis: Array | None,
        covariance: Array,
    ) -> None:
        self.residual, self.latents, self.slopes_at, self.weight = residual, latents, slopes_at, weight
        self.basis = np.ones((len(residual), 1)) if basis is None else basis
        self.prior_root = semidefinite_factor(covariance)
        self.order = np.argsort(level, kind="stable")
        self.starts = np.searchsorted(level[self.order], np.arange(n_levels + 1))
        self.shape = (n_levels, covariance.shape[1], len(covariance))

    def means(self) -> Array:
        """E[B_j | y] at μ = 0, (q, r, p)."""
        found = np.empty(self.shape)
        for part in self._parts():
            found[part.levels] = _solved(part, part.right[:, :, None]).reshape(-1, *self.shape[1:])
        return found

    def variances(self) -> Array:
        """Variances of the coefficients about their means at a μ that is known, (q, r, p)."""
        found = np.empty(self.shape)
        for part in self._parts():
            found[part.levels] = _variances(part).reshape(-1, *self.shape[1:])
        return found

    def variances_beside_means(self) -> Array:
        """Variances that count that μ is found from these rows, too, (q, r, p)."""
        found, precision = self.variances(), np.zeros(2 * self.shape[2:])
        for part in self._parts():
            touch = _touch(part)
            precision += np.diag(part.weight.sum(axis=0)) - np.tensordot(
                part.wide, part.wide, ((0, 2), (0, 2))
            )
            precision -= np.tensordot(touch, _solved(part, touch), ((0, 1), (0, 1)))
        values, vectors = np.linalg.eigh(0.5 * (precision + precision.T))
        root = vectors / np.sqrt(np.maximum(values, 1e-12 * values[-1]))
        for part in self._parts():
            moved = _solved(part, _touch(part) @ root)
            found[part.levels] += np.sum(moved**2, axis=2).reshape(-1, *self.shape[1:])
        return found

    def _parts(self) -> Iterator[_Some]:
        """All levels, those of as many rows together."""
        q, r, p = self.shape
        d, counts = self.latents.shape[1], np.diff(self.starts)
        by_size, first = np.argsort(counts, kind="stable")[::-1], 0
        while first < q:
            most = max(int(counts[by_size[first]]), 1)
            width = r * p * max(most * d, p)
            last = min(first + max(1, _BLOCK // width), q)
            yield self._some(by_size[first:last], most)
            first = last

    def _some(self, levels: NDArray[np.int64], most: int) -> _Some:
        _, r, p = self.shape
        place = self.starts[levels][:, None] + np.arange(most)
        there = place < self.starts[levels + 1][:, None]
        rows = self.order[np.minimum(place, len(self.order) - 1)]
        w, z = self.weight[rows] * there[:, :, None], self.basis[rows] * there[:, :, None]
        slopes = self.slopes_at(rows)
        c, _, _, d = slopes.shape
        y = self.residual[rows] + (slopes @ self.latents[rows][..., None])[..., 0]
        y = np.where(w > 0.0, y, 0.0)
        weighted = w[..., None] * slopes
        K = np.eye(d) + np.swapaxes(slopes, 2, 3) @ weighted
        A = weighted @ np.swapaxes(np.linalg.inv(np.linalg.cholesky(K)), 2, 3)
        told = w * y - (A @ (np.swapaxes(A, 2, 3) @ y[..., None]))[..., 0]
        S = self.prior_root
        gram = np.einsum("cia,cib,cim->cmab", z, z, w, optimize=True)
        inner = np.eye(r) + np.swapaxes(S, 1, 2) @ gram @ S
        root = S @ np.swapaxes(np.linalg.inv(np.linalg.cholesky(inner)), 2, 3)
        wide = A.transpose(0, 2, 1, 3).reshape(c, p, most * d)
        tall = np.einsum("cia,cimd->camid", z, A).reshape(c, r * p, most * d)
        turned = _by_features(np.swapaxes(root, 2, 3), tall)
        narrow = most * d <= r * p
        product = np.swapaxes(turned, 1, 2) @ turned if narrow else turned @ np.swapaxes(turned, 1, 2)
        factor = np.linalg.cholesky(np.eye(product.shape[1]) - product)
        return _Some(
            levels,
            w.sum(axis=1),
            root,
            turned,
            np.linalg.inv(factor),
            narrow,
            np.einsum("cia,cim->cam", z, told).reshape(c, r * p),
            np.einsum("cia,cim->cam", z, w),
            tall,
            wide,
        )


def _by_features(blocks: Array, columns: Array) -> Array:
    """Blocks (c, p, r, r) of every feature times columns (c, r p, k)."""
    c, p, r, _ = blocks.shape
    return np.einsum("cmab,cbmk->camk", blocks, columns.reshape(c, r, p, -1)).reshape(columns.shape)


def _solved(part: _Some, right: Array) -> Array:
    """P_j times columns (c, r p, k)."""
    turned = _by_features(np.swapaxes(part.root, 2, 3), right)
    down = np.swapaxes(part.inverse, 1, 2)
    if part.narrow:
        inner = down @ (part.inverse @ (np.swapaxes(part.turned, 1, 2) @ turned))
        return _by_features(part.root, turned + part.turned @ inner)
    return _by_features(part.root, down @ (part.inverse @ turned))


def _variances(part: _Some) -> Array:
    """The diagonal of P_j (c, r p)."""
    c, p, r, _ = part.root.shape
    if part.narrow:
        own = np.einsum("cmab,cmab->cam", part.root, part.root).reshape(c, r * p)
        shared = _by_features(part.root, part.turned @ np.swapaxes(part.inverse, 1, 2))
        return own + np.sum(shared**2, axis=2)
    return np.sum(_by_features(part.root, np.swapaxes(part.inverse, 1, 2)) ** 2, axis=2)


def _touch(part: _Some) -> Array:
    """What a change of μ by one adds to the right-hand sides, (c, r p, p)."""
    c, r, p = part.touch.shape
    found = -part.tall @ np.swapaxes(part.wide, 1, 2)
    found.reshape(c, r, p, p)[:, :, np.arange(p), np.arange(p)] += part.touch
    return found
