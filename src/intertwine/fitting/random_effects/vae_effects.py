"""The random effects beside a network that learns: posterior, variances, and each row's prediction from the others."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import AbstractBoundEffect
from intertwine.fitting.random_effects._other_rows_kernels import tell_rows
from intertwine.mixed_effects.base import (
    AbstractGaussianSystem,
    AbstractObservedSystem,
    AbstractPosterior,
    AbstractTabledPosterior,
    VarianceComponents,
    posteriors,
)
from intertwine.mixed_effects.variances import fit_variances

__all__ = ["LARGEST_LEVERAGE", "AbstractCollapsedEffects", "CollapsedEffects", "OtherRows", "Solved", "moved"]

Array = NDArray[np.float64]

_SMALLEST = 1e-6  # of a variance, relative to that of the residuals
# All rows move at once. With D the weights, such steps settle where 2D − V⁻¹ is positive definite: as V⁻¹ ≤ I/σ², D ≥
# I/2σ² is enough. Beyond that (rows of small crossed groups) a row keeps some of its own influence on its effects.
LARGEST_LEVERAGE = 0.5
_BLOCK = 512  # rows
_TOL, _SEARCH_STEPS = 1e-3, 100  # of a log-likelihood, and of the search for its maximum


class OtherRows(NamedTuple):
    """The distribution N(offset, 1 / weight) of every residual given all other ones; see `intertwine.elbo`.

    Where a row's leverage is above a half, it counts as a half.

    Attributes
    ----------
    offset, weight : ndarray of float32, shape (n, p)
        The weight is zero where nothing was observed.
    """

    offset: NDArray[np.float32]
    weight: NDArray[np.float32]


class Solved(NamedTuple):
    """What residuals say.

    Attributes
    ----------
    others : OtherRows
    log_likelihood : float
        Of all residuals, the effects integrated out; with β ≠ 1 what takes its place,
        max over q of E log p(r | b) − β KL(q(b) ‖ p(b)).
    variances : VarianceComponents
        After EM.
    posterior : AbstractPosterior or None
        Of the effects, before EM.
    local : LocalSolved or None
        Of columns that are not Gaussian; see `vae_local_effects`.
    """

    others: OtherRows
    log_likelihood: float
    variances: VarianceComponents
    posterior: AbstractPosterior | None
    local: Any = None


class AbstractCollapsedEffects(abc.ABC):
    """Random effects of p features that are integrated out, whatever the features' likelihood."""

    gaussian: (
        NDArray[np.bool_] | np.bool_
    )  # of every column, or of all alike: whether it has a scale and a noise

    @abc.abstractmethod
    def begun(self, residual: Array, variances: VarianceComponents, n_steps: int) -> Solved:
        """What `solve` gives after as many steps of EM, which are taken before there is a network."""

    @abc.abstractmethod
    def solve(
        self, residual: Array, variances: VarianceComponents, n_steps: int = 0, sites: Any = None
    ) -> Solved:
        """All that residuals (n, p), zero where nothing was observed, say at some variances.

        ``n_steps`` of EM improve the variances. ``sites`` are those of an earlier solve, where columns have such.
        """

    @abc.abstractmethod
    def settled(self, residual: Array, variances: VarianceComponents) -> VarianceComponents:
        """Variances at which the likelihood of the residuals is largest, where a search costs next to nothing.

        A covariance of coefficients of which levels say little has come nowhere near by the steps of EM that epochs
        take; elsewhere those are enough, and the variances stay as they are.
        """

    @abc.abstractmethod
    def uncertainty(
        self, solved: Solved, variances: VarianceComponents, spread_out: NDArray[np.float32]
    ) -> float:
        """What variances S (n, p) of the decoded latents take from the bound."""

    @abc.abstractmethod
    def measured(self, residual: Array, solved: Solved) -> tuple[Array, Array | None]:
        """Residuals (n, p) as the Gaussian algebra sees them, and the weights of its noise where there are any."""


@final
class CollapsedEffects(AbstractCollapsedEffects):
    """Random effects of p Gaussian features.

    Parameters
    ----------
    system : AbstractGaussianSystem or None
        Without fixed effects; None: there are no random effects.
    observed : ndarray of bool, shape (n, p), or None
        None: all.
    beta : float
        Weight of the effects' divergence from their prior.
    searched : sequence of AbstractBoundEffect
        The system's effects, where variances are to settle by a search at the end; none: by EM alone.
    alone : AbstractBoundEffect or None
        The system's only effect, where nothing but its coefficients at a row's level tells of the row.
    """

    def __init__(
        self,
        system: AbstractGaussianSystem | None,
        observed: NDArray[np.bool_] | None,
        beta: float = 1.0,
        searched: Sequence[AbstractBoundEffect] = (),
        alone: AbstractBoundEffect | None = None,
    ) -> None:
        self._system, self._observed, self._beta = system, observed, beta
        # tables of levels that are as long as the rows would save nothing
        pays = alone is not None and alone.n_levels * alone.n_basis**2 <= len(alone.level)
        self._alone = alone if pays else None
        self._searched = searched if beta == 1.0 else ()

    gaussian = np.bool_(True)

    def begun(self, residual, variances, n_steps):
        return self.solve(residual, variances, n_steps)

    def solve(
        self, residual: Array, variances: VarianceComponents, n_steps: int = 0, sites: Any = None
    ) -> Solved:
        if self._system is None:
            return self._without_effects(residual, variances, n_steps)
        if not isinstance(self._system, AbstractObservedSystem):
            residual = np.asarray(residual, dtype=np.float64)
        at = posteriors(self._system, residual)
        posterior = at(self._tempered(variances))
        improved = variances
        if n_steps:
            floor = _SMALLEST * self._mean_square(residual)
            improved = self._improved(posterior, variances, floor)
            for _ in range(n_steps - 1):
                improved = self._improved(at(self._tempered(improved)), improved, floor)
        value = self._log_likelihood(residual, posterior, variances.noise)
        return Solved(self._others(residual, posterior, variances.noise), value, improved, posterior)

    def settled(self, residual, variances):
        if self._system is None or not self._searched:
            return variances
        residual = np.asarray(residual, dtype=np.float64)
        found, *_ = fit_variances(self._system, residual, self._searched, variances, _TOL, _SEARCH_STEPS)
        floor = _SMALLEST * self._mean_square(residual)
        return found._replace(effects=tuple(moved(Sigma, Sigma, floor) for Sigma in found.effects))

    def _without_effects(self, residual: Array, variances: VarianceComponents, n_steps: int) -> Solved:
        noise, square = variances.noise, self._mean_square(residual)
        weight = np.broadcast_to((1.0 / noise).astype(np.float32), residual.shape)
        weight = weight.copy() if self._observed is None else weight * self._observed
        terms = self._entries(residual) * (square / noise + np.log(2.0 * np.pi * noise))
        improved = variances._replace(noise=np.maximum(square, 1e-12)) if n_steps else variances
        others = OtherRows(np.zeros(residual.shape, np.float32), weight)
        return Solved(others, -0.5 * float(np.sum(terms)), improved, None)

    def uncertainty(
        self, solved: Solved, variances: VarianceComponents, spread_out: NDArray[np.float32]
    ) -> float:
        # ½ Σ_im (V_m⁻¹)_ii S_im
        if solved.posterior is None:
            return 0.5 * float(np.sum(solved.others.weight * spread_out, dtype=np.float64))
        leverage = solved.posterior.row_variance() / (self._beta * variances.noise)
        weight = np.maximum(1.0 - leverage, 0.0) / variances.noise
        weight = weight if self._observed is None else weight * self._observed
        return 0.5 * float(np.sum(weight * spread_out))

    def measured(self, residual, solved):
        return residual, None

    def _tempered(self, variances: VarianceComponents) -> VarianceComponents:
        return variances._replace(noise=self._beta * variances.noise)

    def _improved(
        self, posterior: AbstractPosterior, variances: VarianceComponents, floor: Array
    ) -> VarianceComponents:
        """One step of EM."""
        assert self._system is not None
        noise = np.maximum(posterior.noise_moment() / self._system.n_entries, floor)
        moments = zip(posterior.second_moments(), self._system.n_levels, variances.effects, strict=True)
        return VarianceComponents(
            noise, tuple(moved(moment / q, before, floor) for moment, q, before in moments)
        )

    def _log_likelihood(self, residual: Array, posterior: AbstractPosterior, noise: Array) -> float:
        if self._beta == 1.0:
            return float(np.sum(posterior.log_likelihood))
        tempered = np.log(2.0 * np.pi * self._beta * noise)
        change = 0.5 * self._entries(residual) * (self._beta * tempered - np.log(2.0 * np.pi * noise))
        return float(np.sum(self._beta * posterior.log_likelihood + change))

    def _others(self, residual: Array, posterior: AbstractPosterior, noise: Array) -> OtherRows:
        offset, weight = np.empty(residual.shape, np.float32), np.empty(residual.shape, np.float32)
        if self._alone is not None:
            self._tell(self._alone, residual, posterior, noise, offset, weight)
            return OtherRows(offset, weight)
        tables = posterior.row_tables() if isinstance(posterior, AbstractTabledPosterior) else None
        if tables is not None:
            tables.tell(residual, noise, self._beta, LARGEST_LEVERAGE, offset, weight)
            if self._observed is not None:
                weight *= self._observed
            return OtherRows(offset, weight)
        variance, fitted = posterior.row_variance(), posterior.fitted()
        for first in range(0, len(residual), _BLOCK):  # what is worked on stays in the cache
            rows = slice(first, first + _BLOCK)
            leverage = np.clip(variance[rows] / (self._beta * noise), 0.0, LARGEST_LEVERAGE)
            kept = 1.0 - leverage
            offset[rows] = (fitted[rows] - leverage * residual[rows]) / kept
            weight[rows] = kept / noise
            if self._observed is not None:
                weight[rows] *= self._observed[rows]
        return OtherRows(offset, weight)

    def _tell(
        self,
        effect: AbstractBoundEffect,
        residual: Array,
        posterior: AbstractPosterior,
        noise: Array,
        offset: NDArray[np.float32],
        weight: NDArray[np.float32],
    ) -> None:
        """The same from tables of levels: nothing of the size of the rows lies between."""
        basis = np.ones((len(residual), 1)) if effect.basis is None else effect.basis
        a, b = np.tril_indices(basis.shape[1])
        covariance = np.moveaxis(posterior.level_covariance(0)[:, :, a, b], 1, 2)
        tell_rows(
            np.ascontiguousarray(residual),
            effect.level,
            np.ascontiguousarray(basis, dtype=np.float64),
            np.ascontiguousarray(posterior.effects[0]),
            np.ascontiguousarray(covariance),
            noise,
            self._beta,
            LARGEST_LEVERAGE,
            offset,
            weight,
        )
        if self._observed is not None:
            weight *= self._observed

    def _entries(self, residual: Array) -> Array:
        if self._observed is None:
            return np.full(residual.shape[1], float(len(residual)))
        return self._observed.sum(axis=0).astype(np.float64)

    def _mean_square(self, residual: Array) -> Array:
        total = np.zeros(residual.shape[1])
        for first in range(0, len(residual), _BLOCK):  # in double precision, whatever that of the residuals
            part = np.asarray(residual[first : first + _BLOCK], dtype=np.float64)
            total += np.einsum("im,im->m", part, part)
        return total / np.maximum(self._entries(residual), 1.0)


def moved(covariance: Array, before: Array, floor: Array) -> Array:
    """Covariances (p, r, r) after an EM step: zeros stay, and a variance never reaches zero, which EM cannot leave."""
    r = np.arange(before.shape[1])
    is_diagonal = not np.any(before * (1.0 - np.eye(len(r))))
    moved = covariance * np.eye(len(r)) if is_diagonal else covariance.copy()
    moved[:, r, r] = np.maximum(moved[:, r, r], floor[:, None])
    return moved
