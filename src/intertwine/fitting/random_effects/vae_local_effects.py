"""Random effects beside a network where some columns are 0 and 1 or counts: local bounds, then exact algebra.

Given f, an entry of such a column stands for a measurement of η = center + f + effects with a precision of its own
(`intertwine.likelihoods.local_bounds`), so that the effects on the scale of η are integrated out by the same systems as
those of Gaussian columns, at weights of entries. Measurements are found entry by entry from what the other rows say of
the entry's effects, which settles where q(B) is the best Gaussian for the bound

    Σ_im E(η_im) − KL[q(B) ‖ p(B)] = Σ_m log N(y_m − f_m; 0, V_m) + Σ_im (E − E log N(y; η, 1/w))_im

and any measurements, settled or not, give a lower bound of log p(x | u).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.random_effects.vae_effects import (
    LARGEST_LEVERAGE,
    AbstractCollapsedEffects,
    OtherRows,
    Solved,
    moved,
)
from intertwine.likelihoods.local_bounds import Moments
from intertwine.likelihoods.local_columns import LocalColumns
from intertwine.mixed_effects.base import (
    AbstractGaussianSystem,
    AbstractPosterior,
    VarianceComponents,
    posteriors,
)

__all__ = ["LocalEffects", "LocalSolved", "Sites"]

Array = NDArray[np.float64]

_ROUNDS, _FIRST_ROUNDS = 2, 6  # from earlier measurements, and from none
_SMALLEST = 1e-6  # of a variance of η, or relative to that of Gaussian residuals
_LEAST_PRECISION = 1e-10  # an expected count can be next to nothing
_NEARLY_ONE = 1.0 - 1e-9


class Sites(NamedTuple):
    """Measurements of η and their precisions, (n, p); of Gaussian columns zero, and where nothing was observed."""

    measured: Array
    precision: Array


class LocalSolved(NamedTuple):
    """What a solve says besides, of columns that are not Gaussian.

    Attributes
    ----------
    sites : Sites
    offset, variance : ndarray of float32, shape (n, p)
        Of η − f given the other rows; of Gaussian columns what `OtherRows` has, and zero.
    at : Moments
        Of η given all rows, (n, p).
    """

    sites: Sites
    offset: NDArray[np.float32]
    variance: NDArray[np.float32]
    at: Moments


@final
class LocalEffects(AbstractCollapsedEffects):
    """Random effects of p features, some of which have local bounds.

    Parameters
    ----------
    system_at : callable or None
        Weights of entries (n, p) to the system without fixed effects; None: there are no random effects.
    columns : LocalColumns
    x : ndarray of shape (n, p)
        Of columns with local bounds; anything finite elsewhere.
    observed : ndarray of bool, shape (n, p)
    """

    def __init__(
        self,
        system_at: Callable[[Array], AbstractGaussianSystem] | None,
        columns: LocalColumns,
        x: Array,
        observed: NDArray[np.bool_],
    ) -> None:
        self._system_at, self._columns, self._x, self._observed = system_at, columns, x, observed
        self.gaussian = ~columns.local
        self._there = observed & columns.local

    def begun(self, residual, variances, n_steps):
        solved = self.solve(residual, variances)
        for _ in range(n_steps):
            solved = self.solve(residual, solved.variances, 1, solved.local.sites)
        return solved

    def solve(
        self,
        residual: Array,
        variances: VarianceComponents,
        n_steps: int = 0,
        sites: Sites | None = None,
    ) -> Solved:
        """As of Gaussian columns; residuals of the others are −f."""
        residual = np.asarray(residual, dtype=np.float64)
        rounds = _FIRST_ROUNDS if sites is None else _ROUNDS
        sites = self._guessed() if sites is None else sites
        for _ in range(rounds):
            sites = self._tightened(residual, sites, variances)
        left, system = self._left(residual, sites), self._system(sites)
        floor = self._floor(left)
        if system is None:
            posterior, improved = None, variances
            if n_steps:
                own = np.sum(left**2, axis=0) / self._counts
                improved = variances._replace(noise=np.where(self.gaussian, np.maximum(own, floor), 1.0))
        else:
            at = posteriors(system, left)
            posterior = at(variances)
            improved = variances
            for step in range(n_steps):
                now = posterior if step == 0 else at(improved)
                improved = self._improved(now, system, improved, floor)
        moments = self._moments(residual, posterior)
        value = self._log_likelihood(left, posterior, variances.noise)
        value += self._slack(sites, moments)
        others, local = self._others(left, residual, posterior, sites, variances.noise)
        return Solved(others, value, improved, posterior, LocalSolved(sites, *local, moments))

    def settled(self, residual, variances):
        return variances  # measurements that entries stand for would move with every variance that is tried

    def uncertainty(self, solved, variances, spread_out):
        leverage = 0.0 if solved.posterior is None else solved.posterior.row_variance() / variances.noise
        weight = np.maximum(1.0 - leverage, 0.0) / variances.noise * (self._observed & self.gaussian)
        mean, variance = solved.local.at
        lost = self._columns.expected(self._x, Moments(mean, variance))
        lost = lost - self._columns.expected(self._x, Moments(mean, variance + spread_out))
        return 0.5 * float(np.sum(weight * spread_out)) + float(np.sum(lost, where=self._there))

    def measured(self, residual, solved):
        sites = solved.local.sites
        return self._left(residual, sites), self._weights(sites)

    @property
    def _counts(self) -> Array:
        return np.maximum(self._observed.sum(axis=0), 1.0)

    def _guessed(self) -> Sites:
        measured, precision = self._columns.guess(np.where(self._there, self._x, 0.0))
        return Sites(measured * self._there, precision * self._there)

    def _weights(self, sites: Sites) -> Array:
        return np.where(self.gaussian, self._observed.astype(np.float64), sites.precision)

    def _system(self, sites: Sites) -> AbstractGaussianSystem | None:
        return None if self._system_at is None else self._system_at(self._weights(sites))

    def _left(self, residual: Array, sites: Sites) -> Array:
        """What effects and noise are to explain: of columns that are not Gaussian, measurements less f and center."""
        own = sites.measured - self._columns.center + residual
        return np.where(self.gaussian, residual, np.where(self._there, own, 0.0))

    def _moments(self, residual: Array, posterior: AbstractPosterior | None) -> Moments:
        location = self._columns.center - residual
        if posterior is None:
            return Moments(location, np.zeros_like(location))
        return Moments(location + posterior.fitted(), posterior.row_variance())

    def _without(
        self, left: Array, posterior: AbstractPosterior | None, weights: Array, most: float
    ) -> tuple[Array, Array, Array]:
        """Mean and variance of the effects at every row without its own entry, and the leverage of that, (n, p).

        ``weights`` are precisions of entries, noise included.
        """
        if posterior is None:
            nothing = np.zeros_like(left)
            return nothing, nothing, nothing
        variance = posterior.row_variance()
        leverage = np.clip(variance * weights, 0.0, most)
        return (
            (posterior.fitted() - leverage * left) / (1.0 - leverage),
            variance / (1.0 - leverage),
            leverage,
        )

    def _tightened(self, residual: Array, sites: Sites, variances: VarianceComponents) -> Sites:
        left, system = self._left(residual, sites), self._system(sites)
        posterior = None if system is None else system.posterior(left, variances)
        weights = self._weights(sites) / variances.noise
        offset, variance, _ = self._without(left, posterior, weights, _NEARLY_ONE)
        at = self._columns.tightened(self._x, self._columns.center - residual + offset, variance)
        precision = np.maximum(self._columns.precision(at), _LEAST_PRECISION)
        measured = at.mean + self._columns.slope(self._x, at) / precision
        return Sites(np.where(self._there, measured, 0.0), np.where(self._there, precision, 0.0))

    def _floor(self, left: Array) -> Array:
        square = np.einsum("im,im->m", left, left) / self._counts
        return _SMALLEST * np.where(self.gaussian, square, 1.0)

    def _improved(
        self,
        posterior: AbstractPosterior,
        system: AbstractGaussianSystem,
        variances: VarianceComponents,
        floor: Array,
    ) -> VarianceComponents:
        """One step of EM at measurements that stay."""
        noise = np.maximum(posterior.noise_moment() / system.n_entries, floor)
        moments = zip(posterior.second_moments(), system.n_levels, variances.effects, strict=True)
        return VarianceComponents(
            np.where(self.gaussian, noise, 1.0),
            tuple(moved(moment / q, before, floor) for moment, q, before in moments),
        )

    def _log_likelihood(self, left: Array, posterior: AbstractPosterior | None, noise: Array) -> float:
        """Of Gaussian columns, and of the measurements in place of the others."""
        if posterior is not None:
            return float(np.sum(posterior.log_likelihood))
        terms = self._observed * (left**2 / noise + np.log(2.0 * np.pi * noise))
        return -0.5 * float(np.sum(terms, where=self.gaussian))

    def _slack(self, sites: Sites, at: Moments) -> float:
        """What the bound has above the density of the measurements."""
        precision = np.where(self._there, sites.precision, 1.0)
        misfit = precision * ((sites.measured - at.mean) ** 2 + at.variance)
        density = 0.5 * (np.log(precision / (2.0 * np.pi)) - misfit)
        if self._system_at is None:
            density = np.zeros_like(density)
        return float(np.sum(self._columns.expected(self._x, at) - density, where=self._there))

    def _others(
        self,
        left: Array,
        residual: Array,
        posterior: AbstractPosterior | None,
        sites: Sites,
        noise: Array,
    ) -> tuple[OtherRows, tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """What networks are told; x less the offset is what an encoder is shown of a column that is not Gaussian."""
        weights = self._weights(sites) / noise
        offset, variance, leverage = self._without(left, posterior, weights, LARGEST_LEVERAGE)
        own = self._columns.center + offset
        shown = self._columns.seen(self._x, own)
        weight = np.where(self.gaussian, (1.0 - leverage) / noise, 1.0) * self._observed
        others = OtherRows(
            np.where(self.gaussian, offset, -shown).astype(np.float32), weight.astype(np.float32)
        )
        location = np.where(self.gaussian, offset, own).astype(np.float32)
        return others, (location, np.where(self.gaussian, 0.0, variance).astype(np.float32))
