"""The posterior of one effect whose levels share nothing; covariances of levels are formed where they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, final

import numpy as np
from scipy import sparse
from scipy.linalg import solve_triangular

from intertwine.effects.random import Located
from intertwine.mixed_effects import _block_covariances as covariances
from intertwine.mixed_effects import _block_kernels as kernels
from intertwine.mixed_effects import _block_sums as row_sums
from intertwine.mixed_effects.base import AbstractScoredPosterior, Array, VarianceComponents
from intertwine.mixed_effects.factors import semidefinite_factor
from intertwine.mixed_effects.level_rows import LevelRows
from intertwine.resources import require_memory

if TYPE_CHECKING:
    from intertwine.mixed_effects.block import BlockObserved, BlockSystem

__all__ = ["BlockPosterior"]

_LOG_TWO_PI = float(np.log(2.0 * np.pi))


def _symmetric(packed: Array, size: int) -> Array:
    """Matrices (p, size, size) from packed lower triangles (size (size + 1) / 2, p)."""
    out = np.empty((packed.shape[1], size, size))
    a, b = np.tril_indices(size)
    out[:, a, b] = packed.T
    out[:, b, a] = packed.T
    return out


def _last(matrices: Array) -> Array:
    """(p, a, b) as (a, b, p): outputs side by side, as kernels want them."""
    return np.ascontiguousarray(np.moveaxis(matrices, 0, -1))


@final
class BlockPosterior(AbstractScoredPosterior):
    """Closed forms (`_block_kernels` has the letters)."""

    def __init__(self, system: BlockSystem, observed: BlockObserved, variances: VarianceComponents) -> None:
        s = self._system = system
        (q,), (r,), c = s.n_levels, s.n_basis, s.n_fixed
        noise = self._noise = np.asarray(variances.noise, dtype=np.float64)
        self._Sigma, p = np.asarray(variances.effects[0], dtype=np.float64), len(noise)
        self._factor = _last(semidefinite_factor(self._Sigma) / np.sqrt(noise)[:, None, None])
        self._level = (s.gram, s.cross, s.pattern, self._factor)
        parts = s.rows.n_parts
        logs, squares = np.zeros((parts, p)), np.zeros((parts, p))
        products, grams = np.zeros((parts, c, p)), np.zeros((parts, c * (c + 1) // 2, p))
        s.rows.each(
            lambda part, first, last: kernels.reduce_levels(
                first,
                last,
                *self._level,
                observed.sums,
                logs[part],
                squares[part],
                products[part],
                grams[part],
            )
        )
        # All of these times σ².
        information = s.square[s.pattern] - _symmetric(grams.sum(axis=0), c)
        right = (observed.products - products.sum(axis=0)).T
        gamma_root = np.linalg.inv(np.linalg.cholesky(information)).swapaxes(1, 2)
        gamma = np.einsum("mab,mcb,mc->ma", gamma_root, gamma_root, right)
        self._quadratic = (observed.squares - squares.sum(axis=0) - np.sum(gamma * right, axis=1)) / noise
        self.log_likelihood = -0.5 * (
            s.n_entries * (_LOG_TWO_PI + np.log(noise)) + logs.sum(axis=0) - s.log_weights + self._quadratic
        )
        if s.restricted:
            log_information = -2.0 * np.log(np.einsum("mcc->mc", gamma_root)).sum(axis=1)
            log_information += 2.0 * np.log(np.abs(np.diag(s.triangle))).sum()
            self.log_likelihood += 0.5 * (c * (_LOG_TWO_PI + np.log(noise)) - log_information)
        self.fixed = solve_triangular(s.triangle, observed.guess + gamma.T) if c else np.empty((0, p))
        back = np.linalg.inv(s.triangle) @ gamma_root
        self.fixed_covariance = noise[:, None, None] * back @ back.swapaxes(1, 2)
        # A γ that is known adds no variance anywhere.
        self._gamma_root = _last(gamma_root) if s.restricted else np.zeros((c, 0, p))
        means, score = np.empty((q, r, p)), np.zeros((parts, r * (r + 1) // 2, p))
        solved = (noise, observed.sums, np.ascontiguousarray(gamma.T), self._gamma_root, means)
        s.rows.each(
            lambda part, first, last: kernels.level_means(first, last, *self._level, *solved, score[part])
        )
        self.effects = (means,)
        self._score = 0.5 * _symmetric(score.sum(axis=0), r) / noise[:, None, None]

    def fitted(self) -> Array:
        return self._row_means(self._system.rows, self._system.basis, self.effects[0])

    def _row_means(self, rows: LevelRows, basis: Array, means: Array) -> Array:
        out = np.empty((len(basis), len(self._noise)))
        rows.each(
            lambda _, first, last: row_sums.row_means(first, last, rows.order, rows.starts, basis, means, out)
        )
        return out

    def row_variance(self) -> Array:
        s = self._system
        return self._variance(s.rows, s.basis, np.empty((len(s.basis), 0)), *self._same_levels())

    def _same_levels(self):
        """The identity in compressed form."""
        q = self._system.n_levels[0]
        return np.arange(q + 1), np.arange(q), np.ones(q)

    def _variance(self, rows: LevelRows, basis: Array, fixed: Array, *projection) -> Array:
        """Of Cγ + Z b at rows whose levels are combinations of the known ones."""
        out = np.empty((len(basis), len(self._noise)))
        given = (rows.order, rows.starts, basis, fixed, *projection, *self._level, self._gamma_root, out)
        rows.each(lambda _, first, last: covariances.row_variances(first, last, *given))
        out *= self._noise
        return out

    def level_covariance(self, effect: int) -> Array:
        s = self._system
        q, r, p = s.n_levels[0], s.n_basis[0], len(self._noise)
        require_memory(8 * q * p * r * r, "the covariance of every level", "row_variance")
        out = np.empty((q, p, r, r))
        given = (*self._same_levels(), *self._level, self._gamma_root, self._noise, out)
        s.rows.each(lambda _, first, last: covariances.level_covariances(first, last, *given))
        return out

    def score(self) -> tuple[Array, ...]:
        return (self._score,)

    def second_moments(self) -> tuple[Array, ...]:
        return (self._system.n_levels[0] * self._Sigma + 2.0 * self._Sigma @ self._score @ self._Sigma,)

    def noise_moment(self) -> Array:
        # Multiply all variances by t: yᵀPy becomes yᵀPy / t and the determinants powers of t, so that the gradient
        # with respect to σ² follows from that with respect to Σ.
        unknown = self._system.n_fixed if self._system.restricted else 0
        by_effect = np.einsum("mab,mab->m", self._score, self._Sigma)
        return self._noise * (self._quadratic + unknown - 2.0 * by_effect)

    def predict(self, located: Sequence[Located], fixed: Array | None) -> tuple[Array, Array]:
        s, where = self._system, located[0]
        n, r, p = len(where.level), s.n_basis[0], len(self._noise)
        basis = (
            np.ones((n, 1)) if where.basis is None else np.ascontiguousarray(where.basis, dtype=np.float64)
        )
        means, n_levels, projection = self.effects[0], s.n_levels[0], self._same_levels()
        if where.projection is not None:
            A = sparse.csr_array(where.projection)
            n_levels = A.shape[0]
            means = (A @ means.reshape(len(means), -1)).reshape(-1, r, p)
            projection = (A.indptr.astype(np.int64), A.indices.astype(np.int64), A.data.astype(np.float64))
        rows, columns = LevelRows(where.level, n_levels, p), np.empty((n, 0))
        mean = self._row_means(rows, basis, means)
        if fixed is not None and s.n_fixed:
            mean += np.asarray(fixed) @ self.fixed
            columns = np.ascontiguousarray(solve_triangular(s.triangle.T, np.asarray(fixed).T, lower=True).T)
        variance = self._variance(rows, basis, columns, *projection)
        if where.extra is not None:
            unseen = np.flatnonzero(where.extra[where.level])
            prior = np.einsum("ia,mab,ib->im", basis[unseen], self._Sigma, basis[unseen], optimize=True)
            variance[unseen] += where.extra[where.level[unseen], None] * prior
        return mean, variance
