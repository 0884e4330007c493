"""One effect whose levels share nothing: closed forms, of all outputs at once.

V is block diagonal, a block for each level, and of a level only sums over its rows are needed (see `_block_kernels`).
Fixed effects enter by their Schur complement,

    CᵀV⁻¹C = (CᵀWC − Σ_j HᵀEᵀEH) / σ²,

and n log σ² + Σ_j log det A_j − log det W is log det V. Once the sums are there nothing depends on the rows: an
evaluation costs O(q p r² (r + c)), and what is kept is of the size of the sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import solve_triangular

from intertwine.effects.random import AbstractBoundEffect, IndependentPrior, Located
from intertwine.mixed_effects import _block_kernels as kernels
from intertwine.mixed_effects.base import (
    AbstractObserved,
    AbstractObservedSystem,
    AbstractPosterior,
    Array,
    VarianceComponents,
)
from intertwine.mixed_effects.factors import semidefinite_factor
from intertwine.resources import require_memory

__all__ = ["BlockSystem"]

_PARTS = 16  # into which levels are dealt, whatever the number of threads
_LOG_TWO_PI = float(np.log(2.0 * np.pi))


class _Rows:
    """Rows in the order of their levels, and the parts into which the levels are dealt."""

    def __init__(self, level: NDArray[np.int64], n_levels: int) -> None:
        self.level = np.ascontiguousarray(level, dtype=np.int64)
        counts = np.bincount(self.level, minlength=n_levels)
        self.starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        is_sorted = bool(np.all(self.level[1:] >= self.level[:-1]))
        self.order = np.arange(len(level)) if is_sorted else np.argsort(self.level, kind="stable")
        work = self.starts + np.arange(n_levels + 1)  # a level costs about what a row does
        self.bounds = np.searchsorted(work, np.linspace(0, work[-1], min(_PARTS, n_levels) + 1)).astype(
            np.int64
        )

    @property
    def in_order(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        return self.bounds, self.order, self.starts


def _columns(basis: Array | None, n_rows: int) -> Array:
    return np.ones((n_rows, 1)) if basis is None else np.ascontiguousarray(basis, dtype=np.float64)


def _weight_columns(weights: Array | None, n_rows: int, n_outputs: int) -> tuple[Array, NDArray[np.int64]]:
    """Distinct columns of weights (n, k), and which of them each output has."""
    if weights is None:
        return np.ones((n_rows, 1)), np.zeros(n_outputs, dtype=np.int64)
    weights = np.asarray(weights, dtype=np.float64)
    if weights.ndim == 1:
        return np.ascontiguousarray(weights[:, None]), np.zeros(n_outputs, dtype=np.int64)
    seen: dict[bytes, int] = {}
    pattern = np.array([seen.setdefault(column.tobytes(), len(seen)) for column in weights.T], dtype=np.int64)
    first = np.unique(pattern, return_index=True)[1]
    return np.ascontiguousarray(weights[:, first]), pattern


@final
class BlockSystem(AbstractObservedSystem):
    """The system of one exchangeable effect, for residuals (n, p).

    Parameters
    ----------
    effect : AbstractBoundEffect
        Its prior must be independent.
    fixed : array of shape (n, c), optional
        Columns of the fixed effects, linearly independent.
    weights : array of shape (n,) or (n, p), optional
        The noise of an entry has the variance σ²/w; an entry of weight zero is missing.
    n_outputs : int
    restricted : bool
        Whether fixed effects are integrated out.

    Raises
    ------
    ValueError
        Where fixed columns depend on each other.
    """

    def __init__(
        self,
        effect: AbstractBoundEffect,
        shape: Array,
        fixed: Array | None = None,
        weights: Array | None = None,
        n_outputs: int = 1,
        restricted: bool = True,
    ) -> None:
        if not isinstance(effect.prior(shape), IndependentPrior):
            raise TypeError("levels that are not independent need another system")
        n = len(effect.level)
        self.rows = _Rows(effect.level, effect.n_levels)
        self.basis = _columns(effect.basis, n)
        self.weights, self.pattern = _weight_columns(weights, n, n_outputs)
        self.restricted = restricted
        self.n_levels, self.n_basis = (effect.n_levels,), (effect.n_basis,)
        there = self.weights > 0.0
        counts, logs = there.sum(axis=0), np.log(np.where(there, self.weights, 1.0)).sum(axis=0)
        self.n_entries = counts[self.pattern].astype(np.float64)
        self.log_weights = logs[self.pattern]
        self.fixed, self.triangle = _orthogonal(fixed, n)
        self.n_fixed = self.fixed.shape[1]
        self.gram, self.cross, self.square = kernels.design_sums(
            *self.rows.in_order, self.basis, self.weights, self.fixed
        )

    def observe(self, y: Array) -> BlockObserved:
        return BlockObserved(self, y)


def _orthogonal(fixed: Array | None, n_rows: int) -> tuple[Array, Array]:
    """Fixed columns with the Gram matrix n I and the R (c, c) that gives them back: C = columns @ R."""
    if fixed is None or np.shape(fixed)[1] == 0:
        return np.empty((n_rows, 0)), np.empty((0, 0))
    columns, triangle = np.linalg.qr(np.asarray(fixed, dtype=np.float64))
    sizes = np.linalg.norm(triangle, axis=0)
    if len(triangle) < triangle.shape[1] or np.any(np.abs(np.diag(triangle)) <= 1e-11 * sizes):
        raise ValueError("fixed columns are linearly dependent: leave out the columns that others give")
    scale = np.sqrt(n_rows)
    return np.ascontiguousarray(columns * scale), triangle / scale


@final
class BlockObserved(AbstractObserved):
    """Sums over the rows of each level, of y less what fixed columns alone give."""

    def __init__(self, system: BlockSystem, y: Array) -> None:
        s, y = system, np.ascontiguousarray(y, dtype=np.float64)
        self.system = system
        self.start = np.empty((0, y.shape[1]))
        if s.n_fixed:
            # What follows subtracts sums of squares from each other: most digits are saved by subtracting this first.
            products = kernels.fixed_products(*s.rows.in_order, s.weights, s.pattern, s.fixed, y)
            self.start = np.ascontiguousarray(
                np.linalg.solve(s.square[s.pattern], products[..., None])[..., 0].T
            )
        self.sums, self.squares, self.products = kernels.outcome_sums(
            *s.rows.in_order, s.basis, s.weights, s.pattern, s.fixed, self.start, y
        )

    def posterior(self, variances: VarianceComponents) -> BlockPosterior:
        return BlockPosterior(self, variances)


@final
class BlockPosterior(AbstractPosterior):
    """Closed forms; covariances of levels are formed where they are needed and not kept."""

    def __init__(self, observed: BlockObserved, variances: VarianceComponents) -> None:
        s = self._system = observed.system
        noise = self._noise = np.asarray(variances.noise, dtype=np.float64)
        self._Sigma = np.asarray(variances.effects[0], dtype=np.float64)
        root = self._root = semidefinite_factor(self._Sigma)
        self._factor = root / np.sqrt(noise)[:, None, None]
        small = (s.gram, s.cross, s.pattern, self._factor)
        log_determinant, squares, products, grams = kernels.reduce_levels(
            s.rows.bounds, *small, observed.sums
        )
        grams = np.tril(grams) + np.swapaxes(np.tril(grams, -1), 1, 2)
        information = s.square[s.pattern] - grams  # all of these times σ²
        gamma = np.linalg.solve(information, (observed.products - products)[..., None])[..., 0]
        gamma_root = np.ascontiguousarray(np.linalg.inv(np.linalg.cholesky(information)).swapaxes(1, 2))
        self._quadratic = (
            observed.squares - squares - np.sum(gamma * (observed.products - products), axis=1)
        ) / noise
        entries, c = s.n_entries, s.n_fixed
        self.log_likelihood = -0.5 * (
            entries * (_LOG_TWO_PI + np.log(noise)) + log_determinant - s.log_weights + self._quadratic
        )
        if s.restricted:
            log_information = -2.0 * np.log(np.einsum("mcc->mc", gamma_root)).sum(axis=1)
            log_information += 2.0 * np.log(np.abs(np.diag(s.triangle))).sum()
            self.log_likelihood += 0.5 * (c * (_LOG_TWO_PI + np.log(noise)) - log_information)
        self.fixed = (
            solve_triangular(s.triangle, observed.start + gamma.T) if c else np.empty((0, len(noise)))
        )
        back = np.linalg.inv(s.triangle) @ gamma_root
        self.fixed_covariance = noise[:, None, None] * back @ back.swapaxes(1, 2)
        # A γ that is known adds no variance anywhere.
        self._gamma_root = gamma_root if s.restricted else np.zeros((len(noise), c, 0))
        means, outer, spread = kernels.level_means(
            s.rows.bounds, *small, observed.sums, np.ascontiguousarray(gamma), self._gamma_root
        )
        self.effects = (means,)
        raw = np.tril(outer) / noise[:, None, None] + np.tril(spread)
        self._unit_moments = raw + np.swapaxes(np.tril(raw, -1), 1, 2)

    def fitted(self) -> Array:
        return kernels.row_means(self._system.rows.level, self._system.basis, self.effects[0])

    def row_variance(self) -> Array:
        s = self._system
        q = s.n_levels[0]
        return self._variance(
            s.rows, s.basis, np.empty((len(s.basis), 0)), np.arange(q + 1), np.arange(q), np.ones(q)
        )

    def _variance(self, rows: _Rows, basis, fixed, indptr, indices, values) -> Array:
        """Of Cγ + Z b at rows whose levels are combinations of the known ones."""
        s = self._system
        out = np.empty((len(basis), len(self._noise)))
        of_rows = (*rows.in_order, basis, fixed, indptr, indices, values)
        of_levels = (s.gram, s.cross, s.pattern, self._factor, self._gamma_root)
        kernels.row_moments(*of_rows, *of_levels, out)
        out *= self._noise
        return out

    def level_covariance(self, effect: int) -> Array:
        s = self._system
        q, r, p = s.n_levels[0], s.n_basis[0], len(self._noise)
        require_memory(8 * q * p * r * r, "the covariance of every level", "row_variance")
        small = (s.gram, s.cross, s.pattern, self._factor, self._gamma_root)
        return kernels.level_covariances(s.rows.bounds, *small, self._noise)

    def second_moments(self) -> tuple[Array, ...]:
        return (self._root @ self._unit_moments @ self._root.swapaxes(1, 2),)

    def noise_moment(self) -> Array:
        # By scaling all variances at once: σ² and Σ times t multiply yᵀPy by 1/t and the determinants by powers of t.
        s = self._system
        unknown = s.n_fixed if s.restricted else 0
        coefficients = s.n_levels[0] * s.n_basis[0] - np.einsum("maa->m", self._unit_moments)
        return self._noise * (self._quadratic + unknown + coefficients)

    def predict(self, located: Sequence[Located], fixed: Array | None) -> tuple[Array, Array]:
        s, where = self._system, located[0]
        n, r = len(where.level), s.n_basis[0]
        basis = _columns(where.basis, n)
        projection = where.projection
        if projection is None:
            projection = sparse.eye_array(s.n_levels[0], format="csr")
        projection = sparse.csr_array(projection)
        rows = _Rows(where.level, projection.shape[0])
        columns, means = np.empty((n, 0)), self.effects[0]
        level_means = (projection @ means.reshape(len(means), -1)).reshape(-1, r, means.shape[2])
        mean = kernels.row_means(rows.level, basis, level_means)
        if fixed is not None and s.n_fixed:
            mean += np.asarray(fixed) @ self.fixed
            columns = np.ascontiguousarray(solve_triangular(s.triangle.T, np.asarray(fixed).T, lower=True).T)
        small = (
            projection.indptr.astype(np.int64),
            projection.indices.astype(np.int64),
            projection.data * 1.0,
        )
        variance = self._variance(rows, basis, columns, *small)
        if where.extra is not None:
            unseen = np.flatnonzero(where.extra[rows.level])
            prior = np.einsum("ia,mab,ib->im", basis[unseen], self._Sigma, basis[unseen], optimize=True)
            variance[unseen] += where.extra[rows.level[unseen], None] * prior
        return mean, variance
