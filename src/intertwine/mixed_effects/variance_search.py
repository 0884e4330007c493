"""Where variance components are searched: points without bounds, and what the likelihood says of them.

The search is over log σ² and the factors Λ of Σ = σ² Λ Λᵀ, as in lme4, but without bounds: the sign of a column of Λ
does not matter, so that a variance of zero is a maximum within, at which derivatives vanish, and is reached as fast as
any other. That they vanish there whatever the data say is made up for at the end: where a variance has come to nothing,
the derivative with respect to Σ tells whether it should have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import AbstractBoundEffect
from intertwine.mixed_effects.base import (
    AbstractClimbable,
    AbstractDivisible,
    AbstractGaussianSystem,
    AbstractObservedSystem,
    AbstractPosterior,
    AbstractScoredPosterior,
    Array,
    Climber,
    VarianceComponents,
    posteriors,
)
from intertwine.mixed_effects.factors import semidefinite_factor
from intertwine.mixed_effects.lockstep import Maxima, maximize
from intertwine.mixed_effects.row_sample import row_sample

__all__ = ["VarianceSearch", "basis_root"]

_NOTHING = 1e-4  # of a standard deviation relative to the noise: below it a variance may be zero
_FARTHEST = 23.0  # that log σ² goes from the start: a factor of 1e10
_LIFT = 0.1  # variance, relative to the noise, that is tried instead
_SAMPLE = 100_000  # rows that tell how basis functions hang together


def basis_root(effect: AbstractBoundEffect) -> Array:
    """R (r, r) that makes basis functions orthonormal over the rows (basis @ R), or of mean square one.

    Only of correlated coefficients may functions be mixed: a diagonal Σ would not stay diagonal.
    """
    if effect.basis is None:
        return np.eye(1)
    rows = row_sample(len(effect.basis), _SAMPLE)
    basis = np.asarray(effect.basis, dtype=np.float64)[rows]
    scale = np.sqrt(np.mean(basis**2, axis=0))
    scale = np.where(scale > 0.0, scale, 1.0)
    if effect.correlated:
        triangle = np.linalg.qr(basis / scale, mode="r") / np.sqrt(len(rows))
        if len(triangle) == len(scale) and np.abs(np.diag(triangle)).min() > 1e-7:
            return np.linalg.inv(triangle) / scale[:, None]
    return np.diag(1.0 / scale)


@final
class VarianceSearch:
    """Points (p, d) and the variances that they stand for: log σ² first, then the entries of factors.

    Factors are those of basis functions that are orthonormal, so that all entries are of the order of one.
    """

    def __init__(
        self,
        system: AbstractGaussianSystem,
        y: Array,
        effects: Sequence[AbstractBoundEffect],
        start: VarianceComponents,
    ) -> None:
        self.n_evaluations = 0
        self._n_levels = system.n_levels
        self._observed = system.observe(y) if isinstance(system, AbstractObservedSystem) else None
        self._posterior = posteriors(system, y) if self._observed is None else self._observed.posterior
        p = len(start.noise)
        self._n_entries = np.broadcast_to(np.asarray(system.n_entries, dtype=np.float64), (p,))
        self._roots, self._entries, self._parts = [], [], []
        columns, curvature, at = [np.log(start.noise)], [0.5 * self._n_entries], 1
        for Sigma, effect, q in zip(start.effects, effects, system.n_levels, strict=True):
            root, r = basis_root(effect), Sigma.shape[1]
            inverse = np.linalg.inv(root)
            factor = semidefinite_factor(inverse @ (Sigma / start.noise[:, None, None]) @ inverse.T)
            a, b = np.tril_indices(r) if effect.correlated else np.diag_indices(r)
            self._roots.append(root)
            self._entries.append((a, b))
            self._parts.append(slice(at, at + len(a)))
            at += len(a)
            columns.extend(factor[:, a, b].T)
            curvature.extend([np.full(p, 1.0 * q)] * len(a))
        self.start = np.column_stack(columns)
        self._climb: Climber = self._evaluate
        if isinstance(self._observed, AbstractClimbable):
            [root], [(a, b)] = self._roots, self._entries
            self._climb = self._observed.climber(root, a, b, self.start[:, 0], _FARTHEST) or self._evaluate
        self._curvature = np.maximum(np.column_stack(curvature), 1.0)

    def maximize(
        self, x: Array, tolerance: float, max_iter: int, on_iteration: Callable[[int, Array], None] | None
    ) -> Maxima:
        return maximize(self._climb, x, self._curvature, tolerance, max_iter, on_iteration)

    def at(self, variances: VarianceComponents) -> AbstractPosterior:
        """The posterior of all outputs."""
        self.n_evaluations += 1
        return self._posterior(variances)

    def variances(self, x: Array) -> VarianceComponents:
        noise = np.exp(x[:, 0])
        roots = [root @ factor for root, factor in zip(self._roots, self._factors(x), strict=True)]
        return VarianceComponents(noise, tuple(noise[:, None, None] * A @ A.swapaxes(1, 2) for A in roots))

    def _factors(self, x: Array) -> list[Array]:
        """Λ of each effect, of orthonormal functions."""
        out = []
        for root, (a, b), part in zip(self._roots, self._entries, self._parts, strict=True):
            factor = np.zeros((len(x), *root.shape))
            factor[:, a, b] = x[:, part]
            out.append(factor)
        return out

    def _evaluate(self, x: Array, which: NDArray[np.int64]) -> tuple[Array, Array]:
        """Log-likelihoods of some outputs, and their gradients."""
        # Without the limit the likelihood of outcomes that have no noise would be climbed for ever.
        inside = np.abs(x[:, 0] - self.start[which, 0]) < _FARTHEST
        x = np.where(inside[:, None], x, self.start[which])
        variances = self.variances(x)
        value, noise_moment, slopes = self._likelihood(x, variances, which)
        noise, gradient = variances.noise, np.empty_like(x)
        gradient[:, 0] = 0.5 * (noise_moment / noise - self._n_entries[which])
        for slope, Sigma, root, factor, (a, b), part in zip(
            slopes, variances.effects, self._roots, self._factors(x), self._entries, self._parts, strict=True
        ):
            gradient[:, 0] += np.sum(slope * Sigma, axis=(1, 2))
            gradient[:, part] = (2.0 * noise[:, None, None] * (root.T @ slope @ root) @ factor)[:, a, b]
        good = inside & np.isfinite(value) & np.isfinite(gradient).all(axis=1)
        return np.where(good, value, -np.inf), np.where(good[:, None], gradient, 0.0)

    def _likelihood(self, x, variances, which) -> tuple[Array, Array, list[Array]]:
        """Log-likelihood, moment of the noise and gradients with respect to each Σ."""
        some = len(which) < len(self.start)
        if some and isinstance(self._observed, AbstractDivisible):
            self.n_evaluations += 1
            posterior = self._observed.take(which).posterior(variances)
            return posterior.log_likelihood, posterior.noise_moment(), self._slopes(posterior, variances)
        if some:
            everything = self.start.copy()
            everything[which] = x
            variances = self.variances(everything)
        posterior = self.at(variances)
        slopes = self._slopes(posterior, variances)
        return (
            posterior.log_likelihood[which],
            posterior.noise_moment()[which],
            [one[which] for one in slopes],
        )

    def _slopes(self, posterior: AbstractPosterior, variances: VarianceComponents) -> list[Array]:
        if isinstance(posterior, AbstractScoredPosterior):
            return list(posterior.score())
        out = []
        for moment, Sigma, q in zip(
            posterior.second_moments(), variances.effects, self._n_levels, strict=True
        ):
            # A variance of zero has no inverse; one that is a little larger has nearly the same derivative.
            size = np.einsum("maa->ma", Sigma).max(axis=1)[:, None, None]
            floor = np.maximum(1e-12 * size, 1e-300) * np.eye(Sigma.shape[1])
            inverse = np.linalg.pinv(Sigma + floor, hermitian=True)
            out.append(0.5 * inverse @ (moment - q * Sigma) @ inverse)
        return out

    def _smallest(self, x: Array) -> list[tuple[Array, Array]]:
        """Of each effect the smallest variance relative to the noise (p,), and its direction (p, r)."""
        out = []
        for factor in self._factors(x):
            values, vectors = np.linalg.eigh(factor @ factor.swapaxes(1, 2))
            out.append((values[:, 0], vectors[:, :, 0]))
        return out

    def singular(self, x: Array) -> NDArray[np.bool_]:
        """Whether each Σ has come to a boundary, (T, p)."""
        return np.array([smallest < _NOTHING**2 for smallest, _ in self._smallest(x)])

    def lift(self, x: Array) -> Array | None:
        """Points at which variances have come to nothing that should not have, moved to where they have not."""
        if not self.singular(x).any():
            return None
        variances = self.variances(x)
        slopes = self._slopes(self.at(variances), variances)
        new, any_lifted = x.copy(), False
        for t, (smallest, vector) in enumerate(self._smallest(x)):
            root, (a, b) = self._roots[t], self._entries[t]
            slope = variances.noise[:, None, None] * (root.T @ slopes[t] @ root)
            gain = _LIFT * np.einsum("ma,mab,mb->m", vector, slope, vector)
            wrong = (smallest < _NOTHING**2) & (gain > 1e-4)
            if wrong.any():
                factor = self._factors(x)[t]
                covariance = factor @ factor.swapaxes(1, 2) + _LIFT * vector[:, :, None] * vector[:, None, :]
                new[wrong, self._parts[t]] = semidefinite_factor(covariance)[wrong][:, a, b]
                any_lifted = True
        return new if any_lifted else None

    def settle(self, found: Maxima) -> Array:
        """Pivots that are nearly zero are zero where that is no less likely."""
        x = found.x.copy()
        for part, (a, b) in zip(self._parts, self._entries, strict=True):
            block = x[:, part]
            pivots = block[:, a == b]
            block[:, a == b] = np.where(np.abs(pivots) < 10.0 * _NOTHING, 0.0, pivots)
        changed = np.any(x != found.x, axis=1)
        if changed.any():
            value = self.at(self.variances(x)).log_likelihood
            allowed = 1e-9 * np.maximum(1.0, 1e-4 * np.abs(found.value))
            worse = changed & ~(value >= found.value - allowed)
            x[worse] = found.x[worse]
        return x
