"""One effect whose levels share nothing: closed forms, of all outputs at once.

V is block diagonal, a block for each level, and of a level only sums over its rows are needed (`_block_sums`). Fixed
effects enter by their Schur complement,

    CᵀV⁻¹C = (CᵀWC − Σ_j HᵀEᵀEH) / σ²,

and n log σ² + Σ_j log det A_j − log det W is log det V (see `_block_kernels` for the letters). Once the sums are there
nothing depends on the rows: an evaluation costs O(q p r² (r + c)), and what is kept is of the size of the sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import cache, cached_property
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import solve_triangular

from intertwine.effects.random import AbstractBoundEffect, IndependentPrior, Located
from intertwine.mixed_effects import _block_covariances as covariances
from intertwine.mixed_effects import _block_kernels as kernels
from intertwine.mixed_effects import _block_solve_kernels as solving
from intertwine.mixed_effects import _block_sums as row_sums
from intertwine.mixed_effects.base import (
    AbstractClimbable,
    AbstractObservedSystem,
    AbstractScoredPosterior,
    Array,
    Climber,
    VarianceComponents,
    as_numbers,
)
from intertwine.mixed_effects.block_design import orthogonal_columns, require_rank, weight_columns
from intertwine.mixed_effects.factors import semidefinite_factor
from intertwine.mixed_effects.level_rows import LevelRows
from intertwine.mixed_effects.row_sample import row_sample
from intertwine.resources import require_memory

__all__ = ["BlockObserved", "BlockPosterior", "BlockSystem"]

_SAMPLE = 500  # rows, and a few more for each fixed column, from which the fixed effects are guessed
_SINGULAR = 1e-12  # of a Gram matrix, added to it for the guess


@final
class BlockSystem(AbstractObservedSystem):
    """The system of one exchangeable effect, for y (n, p).

    Parameters
    ----------
    effect : AbstractBoundEffect
        Its prior must be independent.
    shape : array
        Of the effect; of most, empty.
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
        Where fixed columns depend on each other, over all rows or over the observed entries of an output.
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
        n, q, r = len(effect.level), effect.n_levels, effect.n_basis
        self.rows = LevelRows(effect.level, q, n_outputs)
        self.basis = (
            np.ones((n, 1)) if effect.basis is None else np.ascontiguousarray(effect.basis, dtype=np.float64)
        )
        self.weights, self.pattern = weight_columns(weights, n, n_outputs)
        self.restricted = restricted
        self.n_levels, self.n_basis = (q,), (r,)
        there = self.weights > 0.0
        counts, logs = there.sum(axis=0), np.log(np.where(there, self.weights, 1.0)).sum(axis=0)
        self.n_entries = counts[self.pattern].astype(np.float64)
        self.log_weights = logs[self.pattern]
        self.fixed, self.triangle = orthogonal_columns(fixed, n)
        self.log_triangle = 2.0 * np.log(np.abs(np.diag(self.triangle))).sum()
        c, k = self.fixed.shape[1], self.weights.shape[1]
        self.n_fixed = c
        self.gram = np.zeros((q, k, r * (r + 1) // 2))
        cross = np.zeros((q, k, r, c))
        square = np.zeros((self.rows.n_parts, k, c, c))
        given = (self.rows.order, self.rows.starts, self.basis, self.weights, self.fixed)
        self.rows.each(
            lambda part, first, last: row_sums.design_sums(
                first, last, *given, self.gram, cross, square[part]
            )
        )
        self.cross, self.square = cross.reshape(q, k, r * c), square.sum(axis=0)
        require_rank(self.square, self.pattern)

    def observe(self, y: Array) -> BlockObserved:
        return BlockObserved(self, y)


@final
class BlockObserved(AbstractClimbable):
    """Sums over the rows of each level, of y less about what fixed columns alone give.

    The posterior subtracts such sums from each other, and most digits are saved where the mean of y is away first.
    """

    def __init__(self, system: BlockSystem, y: Array) -> None:
        s, y = system, as_numbers(y)
        (q,), (r,), c, p = s.n_levels, s.n_basis, s.n_fixed, y.shape[1]
        self.system = system
        self.guess = self._guess(y)
        self.sums = np.zeros((q, r, p))
        squares, products = np.zeros((s.rows.n_parts, p)), np.zeros((s.rows.n_parts, c, p))
        given = (
            s.rows.order,
            s.rows.starts,
            s.basis,
            s.weights,
            s.pattern,
            s.fixed,
            self.guess,
            y,
            self.sums,
        )
        s.rows.each(
            lambda part, first, last: row_sums.outcome_sums(
                first, last, *given, squares[part], products[part]
            )
        )
        self.squares, self.products = squares.sum(axis=0), products.sum(axis=0)

    def _guess(self, y: Array) -> Array:
        """Coefficients (c, p) by least squares on some of the rows."""
        s = self.system
        if not s.n_fixed:
            return np.empty((0, y.shape[1]))
        rows = row_sample(len(y), _SAMPLE + 4 * s.n_fixed)
        C, W = s.fixed[rows], s.weights[rows]
        weighted = np.where(W[:, s.pattern] > 0.0, y[rows], 0.0) * W[:, s.pattern]
        gram = (W.T[:, :, None] * C).swapaxes(1, 2) @ C
        # some of the rows may not tell columns apart that all rows do
        ridge = _SINGULAR * np.einsum("kaa->k", gram) + np.finfo(float).tiny
        gram += ridge[:, None, None] * np.eye(s.n_fixed)
        solved = np.linalg.solve(gram[s.pattern], (C.T @ weighted).T[:, :, None])
        return np.asarray(solved[:, :, 0].T, dtype=np.float64)

    def posterior(self, variances: VarianceComponents) -> BlockPosterior:
        return BlockPosterior(self.system, self, variances)

    def climber(
        self, root: Array, rows: NDArray[np.int64], columns: NDArray[np.int64], centre: Array, farthest: float
    ) -> Climber | None:
        if self.system.rows.n_parts > 1:
            return None

        search, whole = solving.Search(root, rows, columns, farthest), self._sums_of_levels

        def evaluate(x: Array, which: NDArray[np.int64]) -> tuple[Array, Array]:
            some = len(which) < len(centre)
            return solving.climb(
                x, centre[which], search, self.take(which)._sums_of_levels if some else whole
            )

        return evaluate

    @property
    def _sums_of_levels(self) -> solving.Observed:
        s = self.system
        return solving.Observed(
            s.gram,
            s.cross,
            s.pattern,
            self.sums,
            s.square,
            self.squares,
            self.products,
            s.n_entries,
            s.log_weights,
            s.log_triangle,
            s.restricted,
        )

    def take(self, outputs: NDArray[np.int64]) -> BlockObserved:
        part, s = copy(self), copy(self.system)
        s.pattern, s.n_entries, s.log_weights = (
            s.pattern[outputs],
            s.n_entries[outputs],
            s.log_weights[outputs],
        )
        part.system = s
        part.guess = self.guess[:, outputs]
        part.products = np.ascontiguousarray(self.products[:, outputs])
        part.sums, part.squares = np.ascontiguousarray(self.sums[:, :, outputs]), self.squares[outputs]
        return part


@cache
def _triangle(size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of a lower triangle; a search asks for the same few thousands of times."""
    return np.tril_indices(size)


def _symmetric(packed: Array, size: int) -> Array:
    """Matrices (p, size, size) from packed lower triangles (size (size + 1) / 2, p)."""
    out = np.empty((packed.shape[1], size, size))
    a, b = _triangle(size)
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
        s, c = system, system.n_fixed
        self._system = s
        noise = self._noise = np.array(variances.noise, dtype=np.float64)
        self._Sigma, p = np.asarray(variances.effects[0], dtype=np.float64), len(noise)
        self._factor = _last(semidefinite_factor(self._Sigma) / np.sqrt(noise)[:, None, None])
        self._level, self._sums = (s.gram, s.cross, s.pattern, self._factor), observed.sums
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
        gamma, gamma_root = np.empty((p, c)), np.empty((p, c, c))
        self._quadratic, self.log_likelihood = np.empty(p), np.empty(p)
        solving.solve_fixed(
            s.square[s.pattern],
            grams.sum(axis=0),
            observed.products - products.sum(axis=0),
            observed.squares - squares.sum(axis=0),
            logs.sum(axis=0),
            noise,
            s.n_entries,
            s.log_weights,
            s.restricted,
            gamma,
            gamma_root,
            self._quadratic,
            self.log_likelihood,
        )
        if np.isnan(gamma_root).any():
            raise np.linalg.LinAlgError("at these variances the rows do not tell fixed columns apart")
        if s.restricted:
            self.log_likelihood -= 0.5 * s.log_triangle
        self._solved = observed.guess + gamma.T, gamma_root
        self._gamma = np.ascontiguousarray(gamma.T)
        # A γ that is known adds no variance anywhere.
        self._gamma_root = _last(gamma_root) if s.restricted else np.zeros((c, 0, p))

    @property
    def effects(self) -> tuple[Array, ...]:  # type: ignore[override]
        return (self._means_and_score[0],)

    @property
    def _score(self) -> Array:
        return self._means_and_score[1]

    @cached_property
    def _means_and_score(self) -> tuple[Array, Array]:
        """A second pass over the levels, which the likelihood does not need."""
        s, p = self._system, len(self._noise)
        (q,), (r,) = s.n_levels, s.n_basis
        means, score = np.empty((q, r, p)), np.zeros((s.rows.n_parts, r * (r + 1) // 2, p))
        solved = (self._noise, self._sums, self._gamma, self._gamma_root, means)
        s.rows.each(
            lambda part, first, last: kernels.level_means(first, last, *self._level, *solved, score[part])
        )
        return means, 0.5 * _symmetric(score.sum(axis=0), r) / self._noise[:, None, None]

    @cached_property
    def fixed(self) -> Array:  # type: ignore[override]
        solved, s = self._solved[0], self._system
        return solve_triangular(s.triangle, solved) if s.n_fixed else np.empty((0, len(self._noise)))

    @cached_property
    def fixed_covariance(self) -> Array:  # type: ignore[override]
        back = np.linalg.inv(self._system.triangle) @ self._solved[1]
        return self._noise[:, None, None] * back @ back.swapaxes(1, 2)

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
