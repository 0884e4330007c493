"""One effect in space: the covariance of its sites is diagonalised once, for all outputs and all variances.

Let K = L Lᵀ (a Cholesky factor, or the loadings of few functions) and LᵀCL = QΛQᵀ, where C holds the weights of the
rows of each site. Then b = T e with T = LQ and TᵀCT = Λ, so that modes e are independent a priori and a posteriori.
With ρ = τ/σ² of an output and z = TᵀZᵀWr,

    E[e | y] = ρ z / (1 + ρΛ)            Var[e | y] = τ / (1 + ρΛ)
    rᵀV⁻¹r = (rᵀWr − Σ ρ z² / (1 + ρΛ)) / σ²            log|V| = n log σ² + Σ log(1 + ρΛ) − log|W|

and an evaluation at other variances costs no more than the number of modes, for every output. C^½ K C^½ has the same
eigenvalues; L is used since sites without rows (of weight zero) are then like all others.

Source: Kang et al., Efficient control of population structure in model organism association mapping (2008), for one
output; the rest is Henderson's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import cholesky, eigh, solve_triangular

from intertwine.effects.random import AbstractBoundEffect, BasisPrior, CovariancePrior, LevelPrior, Located
from intertwine.mixed_effects import _spectral_kernels as kernels
from intertwine.mixed_effects.base import (
    AbstractObserved,
    AbstractObservedSystem,
    AbstractScoredPosterior,
    Array,
    VarianceComponents,
    as_numbers,
)
from intertwine.resources import require_memory

__all__ = ["SpectralSystem"]

_LOG_TWO_PI = float(np.log(2.0 * np.pi))
_BLOCK = 2_000_000  # numbers of a temporary


@final
class SpectralSystem(AbstractObservedSystem):
    """The system of one effect with a dense covariance or a basis, for residuals (n, p).

    Parameters
    ----------
    effect : AbstractBoundEffect
        With one coefficient a level, the same for all its rows.
    shape : array
    fixed : array of shape (n, c), optional
        Columns of the fixed effects, linearly independent.
    weights : array of shape (n,), optional
        The noise of a row has the variance σ²/w; a row of weight zero is missing.
    n_outputs : int
    restricted : bool
        Whether fixed effects are integrated out.

    Raises
    ------
    ValueError
        Where fixed columns depend on each other.
    MemoryError
        Where the covariance does not fit.
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
        if effect.basis is not None or effect.n_basis != 1:
            raise TypeError("an effect with slopes needs another system")
        prior = effect.prior(shape)
        if not isinstance(prior, CovariancePrior | BasisPrior):
            raise TypeError("levels without a dense covariance need another system")
        self.level = np.asarray(effect.level, dtype=np.int64)
        n = len(self.level)
        weights = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
        if weights.shape != (n,):
            raise TypeError("weights that differ between outputs need another system")
        self.there = np.flatnonzero(weights > 0.0)
        self.weights = weights[self.there]
        self.collect = sparse.csr_array(
            (self.weights, (self.level[self.there], np.arange(len(self.there)))),
            shape=(effect.n_levels, len(self.there)),
        )  # ZᵀW
        self.eigenvalues, self.coefficient_modes, self.level_modes = _modes(
            prior, np.asarray(self.collect.sum(axis=1)).reshape(-1)
        )
        self.fixed, self.triangle = _orthonormal(fixed, self.there, self.weights)
        self.fixed_sums = self.collect @ self.fixed
        self.fixed_modes = self.level_modes.T @ self.fixed_sums
        self.log_weights = float(np.log(self.weights).sum())
        self.restricted = restricted
        self.n_levels, self.n_basis = (len(self.coefficient_modes),), (1,)
        self.n_entries = np.full(n_outputs, float(len(self.there)))
        self.n_fixed = self.fixed.shape[1]

    def observe(self, y: Array) -> SpectralObserved:
        return SpectralObserved(self, y)


def _modes(prior: LevelPrior, counts: Array) -> tuple[Array, Array, Array]:
    """Λ (k,), the coefficients (q or m, k) of the modes, and their values T at the levels (q, k)."""
    if isinstance(prior, CovariancePrior):
        root = loadings = cholesky(prior.covariance, lower=True, check_finite=False)
    else:
        assert isinstance(prior, BasisPrior)
        loadings, root = prior.loadings, None
    q, m = loadings.shape
    require_memory(8 * (2 * q * m + 4 * m * m), f"the modes of {q:,} sites", "fewer functions")
    scaled = loadings * np.sqrt(counts)[:, None]
    if root is None:
        scale = np.sqrt(prior.variances)  # type: ignore[union-attr]
        scaled *= scale
    values, vectors = eigh(scaled.T @ scaled, overwrite_a=True, check_finite=False, driver="evd")
    values = np.maximum(values, 0.0)  # rounding
    if root is not None:
        modes = root @ vectors
        return values, modes, modes
    coefficients = scale[:, None] * vectors
    return values, coefficients, loadings @ coefficients


def _orthonormal(fixed: Array | None, there: NDArray[np.int64], weights: Array) -> tuple[Array, Array]:
    """Fixed columns at the rows that are there, with CᵀWC = I, and the R (c, c) that gives them back."""
    if fixed is None or np.shape(fixed)[1] == 0:
        return np.empty((len(there), 0)), np.empty((0, 0))
    root = np.sqrt(weights)[:, None]
    columns, triangle = np.linalg.qr(root * np.asarray(fixed, dtype=np.float64)[there])
    sizes = np.linalg.norm(triangle, axis=0)
    if len(triangle) < triangle.shape[1] or np.any(np.abs(np.diag(triangle)) <= 1e-11 * sizes):
        raise ValueError("fixed columns are linearly dependent: leave out the columns that others give")
    return columns / root, triangle


@final
class SpectralObserved(AbstractObserved):
    """Modes of y less what fixed columns alone give: what follows subtracts squares, and this saves most digits."""

    def __init__(self, system: SpectralSystem, y: Array) -> None:
        s, y = system, as_numbers(y)
        self.system = system
        p, n = y.shape[1], len(s.there)
        whole = n == len(y)
        start, sums, squares = np.zeros((s.n_fixed, p)), np.zeros((len(s.level_modes), p)), np.zeros(p)
        step = max(1, _BLOCK // max(p, 1))
        blocks = [slice(at, min(at + step, n)) for at in range(0, n, step)]
        for rows in blocks if s.n_fixed else ():
            part = y[rows] if whole else y[s.there[rows]]
            start += s.fixed[rows].T @ (s.weights[rows, None] * part)
        for rows in blocks:
            part = y[rows] if whole else y[s.there[rows]]
            if s.n_fixed:
                part = part - s.fixed[rows] @ start
            kernels.add_rows(
                s.level[rows] if whole else s.level[s.there[rows]], s.weights[rows], part, sums, squares
            )
        self.start, self.squares = start, squares
        self.modes = s.level_modes.T @ sums

    def posterior(self, variances: VarianceComponents) -> SpectralPosterior:
        return SpectralPosterior(self, variances)


@final
class SpectralPosterior(AbstractScoredPosterior):
    """Independent modes, and fixed effects by their Schur complement."""

    def __init__(self, observed: SpectralObserved, variances: VarianceComponents) -> None:
        s = self._system = observed.system
        noise = self._noise = np.asarray(variances.noise, dtype=np.float64)
        self._tau = np.asarray(variances.effects[0], dtype=np.float64).reshape(len(noise))
        ratio = self._tau / noise
        growth = 1.0 + s.eigenvalues[:, None] * ratio
        shrink = self._shrink = ratio / growth
        U, z, outputs, c = s.fixed_modes, observed.modes, range(len(noise)), s.n_fixed
        one = np.eye(c)
        information = np.stack([one - U.T @ (shrink[:, m, None] * U) for m in outputs])
        right = -U.T @ (shrink * z)
        gamma = np.linalg.solve(information, right.T[..., None])[..., 0].T
        root = np.linalg.inv(np.linalg.cholesky(information)).swapaxes(1, 2)  # (CᵀV⁻¹C σ²)⁻¹ = root rootᵀ
        self._quadratic = (
            observed.squares - np.einsum("km,km,km->m", shrink, z, z) - np.sum(gamma * right, axis=0)
        ) / noise
        self.log_likelihood = -0.5 * (
            s.n_entries * (_LOG_TWO_PI + np.log(noise))
            + np.log(growth).sum(axis=0)
            - s.log_weights
            + self._quadratic
        )
        if s.restricted:
            log_information = -2.0 * np.log(np.einsum("mcc->mc", root)).sum(axis=1)
            log_information += 2.0 * np.log(np.abs(np.diag(s.triangle))).sum()
            self.log_likelihood += 0.5 * (c * (_LOG_TWO_PI + np.log(noise)) - log_information)
        self.fixed = solve_triangular(s.triangle, observed.start + gamma) if c else np.empty((0, len(noise)))
        back = np.linalg.inv(s.triangle) @ root
        self.fixed_covariance = noise[:, None, None] * back @ back.swapaxes(1, 2)
        # a γ that is known adds no variance anywhere
        self._gamma_root = root if s.restricted else np.zeros((len(noise), c, 0))
        self._left = z - U @ gamma
        self._means = shrink * self._left
        # What the moments are compared with in the derivative by τ, which has no division where τ is zero.
        rise = np.square(self._left / growth).sum(axis=0) / noise - (s.eigenvalues[:, None] / growth).sum(
            axis=0
        )
        self._score = 0.5 / noise * (rise + [self._fixed_share(growth, m) for m in outputs])

    @cached_property
    def effects(self) -> tuple[Array, ...]:  # type: ignore[override]
        return ((self._system.level_modes @ self._means)[:, None, :],)

    def _fixed_share(self, growth: Array, m: int) -> float:
        """What not knowing γ adds to the squares of the modes."""
        U = self._system.fixed_modes
        return float(np.square((U / growth[:, m, None]) @ self._gamma_root[m]).sum())

    def fitted(self) -> Array:
        return self.effects[0][self._system.level, 0, :]

    def row_variance(self) -> Array:
        return self._level_variance(self._system.level_modes)[self._system.level]

    def level_covariance(self, effect: int) -> Array:
        return self._level_variance(self._system.level_modes)[:, :, None, None]

    def _level_variance(self, modes: Array) -> Array:
        """Posterior variance of M e, (levels, p)."""
        variance = self._known_variance(modes)
        for m, shift in enumerate(self._shifts(modes)):
            variance[:, m] += self._noise[m] * np.square(shift).sum(axis=1)
        return variance

    def _known_variance(self, modes: Array) -> Array:
        """The same if γ were known; in blocks, since the squares are as large as the modes."""
        spread = self._noise * self._shrink  # τ / (1 + ρΛ)
        step = max(1, _BLOCK // modes.shape[1])
        out = np.empty((len(modes), len(self._noise)))
        for at in range(0, len(modes), step):
            np.matmul(np.square(modes[at : at + step]), spread, out=out[at : at + step])
        return out

    def _shifts(self, modes: Array) -> list[Array]:
        """By how much M e falls as γ rises along the axes of its uncertainty, (levels, c) of each output."""
        U = self._system.fixed_modes
        return [modes @ (self._shrink[:, m, None] * (U @ root)) for m, root in enumerate(self._gamma_root)]

    def second_moments(self) -> tuple[Array, ...]:
        moment = self._tau * (self._system.n_levels[0] + 2.0 * self._tau * self._score)
        return (moment[:, None, None],)

    def score(self) -> tuple[Array, ...]:
        return (self._score[:, None, None],)

    def noise_moment(self) -> Array:
        # By scaling both variances at once: times t, yᵀPy falls by 1/t and the determinants rise by powers of t.
        unknown = self._system.n_fixed if self._system.restricted else 0
        return self._noise * (self._quadratic + unknown - 2.0 * self._tau * self._score)

    def predict(self, located: Sequence[Located], fixed: Array | None) -> tuple[Array, Array]:
        s, where = self._system, located[0]
        level, basis = where.level, where.basis
        modes = s.level_modes
        if where.projection is not None:
            modes = np.asarray(where.projection @ s.coefficient_modes)
        size = 1.0 if basis is None else basis
        mean = size * (modes @ self._means)[level]
        known = self._known_variance(modes)
        if where.extra is not None:
            known += where.extra[:, None] * self._tau
        variance = size**2 * known[level]
        columns = None
        if fixed is not None and s.n_fixed:
            mean += np.asarray(fixed) @ self.fixed
            columns = solve_triangular(s.triangle.T, np.asarray(fixed).T, lower=True).T
        for m, shift in enumerate(self._shifts(modes)):
            along = -(size * shift[level])
            if columns is not None:
                along += columns @ self._gamma_root[m]
            variance[:, m] += self._noise[m] * np.square(along).sum(axis=1)
        return mean, variance
