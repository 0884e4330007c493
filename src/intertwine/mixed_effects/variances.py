"""Variance components by maximum likelihood, restricted or not, of several outputs at once.

The search is over log σ² and the factors Λ of Σ = σ² Λ Λᵀ, as in lme4, but without bounds: the sign of a column of Λ
does not matter, so that a variance of zero is a maximum within, at which derivatives vanish, and is reached as fast as
any other. That they vanish there whatever the data say is made up for at the end: where a variance has come to nothing,
the derivative with respect to Σ tells whether it should have.

Source: Bates et al., Fitting linear mixed-effects models using lme4 (2015), section 3; Laird & Ware (1982) for EM.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import AbstractBoundEffect
from intertwine.mixed_effects.base import (
    AbstractGaussianSystem,
    AbstractPosterior,
    AbstractScoredPosterior,
    Array,
    VarianceComponents,
    posteriors,
)
from intertwine.mixed_effects.factors import semidefinite_factor
from intertwine.mixed_effects.lockstep import Maxima, maximize

__all__ = ["VarianceReport", "em_variances", "fit_variances", "start_variances"]

_NOTHING = 1e-4  # of a standard deviation relative to the noise: below it a variance may be zero
_LIFT = 0.1  # variance, relative to the noise, that is tried instead


class VarianceReport(NamedTuple):
    """How the search of each output ended.

    ``boundary`` says of each effect (T, p) whether its Σ is singular: a variance is zero, or a correlation is ±1.
    ``expected_gain`` is what a quadratic model of the log-likelihood still promised.
    """

    converged: NDArray[np.bool_]
    n_iter: NDArray[np.int64]
    boundary: NDArray[np.bool_]
    expected_gain: Array
    n_evaluations: int


def start_variances(
    effects: Sequence[AbstractBoundEffect], y: Array, fixed: Array | None = None, weights: Array | None = None
) -> VarianceComponents:
    """Half of what fixed columns leave of the variance to the noise, the rest to all basis functions alike.

    Entries of weight zero are not read.
    """
    there = (
        np.ones(y.shape, dtype=bool) if weights is None else np.broadcast_to(_by_entry(weights) > 0, y.shape)
    )
    total = np.empty(y.shape[1])
    for m in range(y.shape[1]):
        values = y[there[:, m], m]
        if fixed is not None and fixed.shape[1]:
            C = fixed[there[:, m]]
            values = values - C @ np.linalg.lstsq(C, values, rcond=None)[0]
        total[m] = np.mean(values**2) if values.size else 0.0
    total = np.where(total > 0.0, total, 1.0)
    scales = [basis_scale(effect) for effect in effects]
    share = 0.5 / sum(len(scale) for scale in scales)
    return VarianceComponents(
        0.5 * total, tuple(share * total[:, None, None] * np.diag(1.0 / scale**2) for scale in scales)
    )


def _by_entry(weights: Array) -> Array:
    return weights[:, None] if weights.ndim == 1 else weights


def basis_scale(effect: AbstractBoundEffect) -> Array:
    """Root mean square of each basis function over the rows, (r,)."""
    if effect.basis is None:
        return np.ones(1)
    scale = np.sqrt(np.mean(effect.basis**2, axis=0))
    return np.where(scale > 0.0, scale, 1.0)


def em_variances(
    posterior: AbstractPosterior,
    system: AbstractGaussianSystem,
    effects: Sequence[AbstractBoundEffect],
    extra_noise: Array | float = 0.0,
) -> VarianceComponents:
    """One step of EM: every variance becomes the expectation of what it is the variance of.

    Parameters
    ----------
    posterior : AbstractPosterior
        At the variances before the step.
    system : AbstractGaussianSystem
    effects : sequence of AbstractBoundEffect
        Say which Σ are diagonal.
    extra_noise : array of shape (p,) or float, default=0.0
        Added to the weighted sum of squares of the noise: what is uncertain in y itself, summed over entries.

    Returns
    -------
    VarianceComponents
        With a higher likelihood, or the same.
    """
    new = []
    for moment, q, effect in zip(posterior.second_moments(), system.n_levels, effects, strict=True):
        Sigma = moment / q
        new.append(Sigma if effect.correlated else Sigma * np.eye(Sigma.shape[1]))
    return VarianceComponents((posterior.noise_moment() + extra_noise) / system.n_entries, tuple(new))


def fit_variances(
    system: AbstractGaussianSystem,
    y: Array,
    effects: Sequence[AbstractBoundEffect],
    start: VarianceComponents,
    tolerance: float = 1e-10,
    max_iter: int = 200,
    on_iteration: Callable[[int, Array], None] | None = None,
) -> tuple[VarianceComponents, AbstractPosterior, VarianceReport]:
    """Maximise the likelihood that a system gives, separately for each output.

    Parameters
    ----------
    system : AbstractGaussianSystem
        Restricted or not.
    y : array of shape (n, p)
    effects : sequence of AbstractBoundEffect
        Those of the system; they say which Σ are diagonal.
    start : VarianceComponents
        Positive definite. See `start_variances`.
    tolerance : float, default=1e-10
        Of the log-likelihood: an output has converged when no more than this is expected to be gained.
    max_iter : int, default=200
    on_iteration : callable, optional
        Called with the number of the iteration and the log-likelihoods (p,).

    Returns
    -------
    variances : VarianceComponents
    posterior : AbstractPosterior
        At these variances.
    report : VarianceReport

    Examples
    --------
    >>> from intertwine.effects import Grouped
    >>> from intertwine.effects.random import EffectRows, GroupCodes
    >>> from intertwine.mixed_effects.choose import system_for
    >>> groups = np.repeat(np.arange(50), 20)
    >>> rng = np.random.default_rng(0)
    >>> y = 3.0 * rng.standard_normal((50, 1))[groups] + rng.standard_normal((1000, 1))
    >>> effects = [Grouped().bind(EffectRows(1000, {None: GroupCodes(groups, 50)}))]
    >>> fixed = np.ones((1000, 1))
    >>> start = start_variances(effects, y, fixed)
    >>> found, posterior, report = fit_variances(system_for(effects, fixed=fixed), y, effects, start)
    >>> report.converged, found.noise.round(2), found.effects[0].round(1)
    (array([ True]), array([0.96]), array([[[7.7]]]))
    """
    search = _Search(system, y, effects, start)
    found = search.maximize(search.start, tolerance, max_iter, on_iteration)
    n_iter = found.n_iter
    for _ in range(2):
        lifted = search.lift(found.x)
        if lifted is None:
            break
        again = search.maximize(lifted, tolerance, max_iter, on_iteration)
        better = again.value > found.value
        n_iter = n_iter + again.n_iter
        found = Maxima(*(_choose(better, new, old) for new, old in zip(again, found, strict=True)))
    x = search.settle(found)
    variances = search.variances(x)
    posterior = search.at(variances)
    report = VarianceReport(
        found.converged, n_iter, search.singular(x), found.expected_gain, search.n_evaluations
    )
    return variances, posterior, report


def _choose(which: NDArray[np.bool_], new, old):
    return np.where(which.reshape(-1, *[1] * (np.ndim(new) - 1)), new, old)


class _Search:
    """Points (p, d) of the search and the variances that they stand for: log σ² first, then the entries of factors.

    Factors are those of basis functions with mean square one, so that all entries are of the order of one.
    """

    def __init__(self, system, y, effects, start: VarianceComponents) -> None:
        self.system, self.n_evaluations = system, 0
        self._posterior_at = posteriors(system, y)
        p = len(start.noise)
        self._log_noise = np.log(start.noise)
        self._scales, self._entries, columns = [], [], [self._log_noise]
        curvature = [np.broadcast_to(0.5 * np.asarray(system.n_entries, dtype=np.float64), (p,))]
        self._parts, at = [], 1
        for Sigma, effect, q in zip(start.effects, effects, system.n_levels, strict=True):
            r = Sigma.shape[1]
            relative = Sigma / start.noise[:, None, None]
            scale = np.tile(1.0 / basis_scale(effect), (p, 1))
            factor = semidefinite_factor(relative) / scale[:, :, None]
            entries = np.tril_indices(r) if effect.correlated else np.diag_indices(r)
            self._scales.append(scale)
            self._entries.append(entries)
            self._parts.append(slice(at, at + len(entries[0])))
            at += len(entries[0])
            columns.extend(factor[:, entries[0], entries[1]].T)
            curvature.extend([np.full(p, 1.0 * q)] * len(entries[0]))
        self.start = np.column_stack(columns)
        self._curvature = np.maximum(np.column_stack(curvature), 1.0)

    def maximize(self, x, tolerance, max_iter, on_iteration) -> Maxima:
        return maximize(self._evaluate, x, self._curvature, tolerance, max_iter, on_iteration)

    def at(self, variances: VarianceComponents) -> AbstractPosterior:
        self.n_evaluations += 1
        return self._posterior_at(variances)

    def _factors(self, x: Array) -> list[Array]:
        """Λ of each effect, of basis functions with mean square one."""
        out = []
        for scale, (a, b), part in zip(self._scales, self._entries, self._parts, strict=True):
            factor = np.zeros((len(x), scale.shape[1], scale.shape[1]))
            factor[:, a, b] = x[:, part]
            out.append(factor)
        return out

    def variances(self, x: Array) -> VarianceComponents:
        noise = np.exp(x[:, 0])
        effects = []
        for scale, factor in zip(self._scales, self._factors(x), strict=True):
            root = scale[:, :, None] * factor
            effects.append(noise[:, None, None] * root @ root.swapaxes(1, 2))
        return VarianceComponents(noise, tuple(effects))

    def _evaluate(self, x: Array) -> tuple[Array, Array]:
        # So far from the start no likelihood has its maximum; without the limits a long step would overflow.
        inside = np.abs(x[:, 0] - self._log_noise) < 60.0
        x = np.where(inside[:, None], x, self.start)
        variances = self.variances(x)
        posterior = self.at(variances)
        slopes = self._slopes(posterior, variances)
        noise, entries = variances.noise, self.system.n_entries
        by_log_noise = 0.5 * (posterior.noise_moment() / noise - entries)
        gradient = np.empty_like(x)
        for slope, Sigma, scale, factor, (a, b), part in zip(
            slopes, variances.effects, self._scales, self._factors(x), self._entries, self._parts, strict=True
        ):
            by_log_noise = by_log_noise + np.sum(slope * Sigma, axis=(1, 2))
            root = scale[:, :, None] * factor
            gradient[:, part] = (2.0 * noise[:, None, None] * scale[:, :, None] * (slope @ root))[:, a, b]
        gradient[:, 0] = by_log_noise
        value = posterior.log_likelihood
        good = inside & np.isfinite(value) & np.isfinite(gradient).all(axis=1)
        return np.where(good, value, -np.inf), np.where(good[:, None], gradient, 0.0)

    def _slopes(self, posterior: AbstractPosterior, variances: VarianceComponents) -> tuple[Array, ...]:
        """Gradient with respect to each Σ, (p, r, r)."""
        if isinstance(posterior, AbstractScoredPosterior):
            return posterior.score()
        out = []
        for moment, Sigma, q in zip(
            posterior.second_moments(), variances.effects, self.system.n_levels, strict=True
        ):
            size = np.einsum("maa->ma", Sigma)
            # A variance of zero has no inverse; one that is a little larger has nearly the same derivative.
            floor = np.maximum(1e-12 * size.max(axis=1, keepdims=True), 1e-300)
            inverse = np.linalg.pinv(Sigma + floor[:, :, None] * np.eye(Sigma.shape[1]), hermitian=True)
            out.append(0.5 * inverse @ (moment - q * Sigma) @ inverse)
        return tuple(out)

    def _smallest(self, x: Array) -> list[tuple[Array, Array]]:
        """Of each effect the smallest variance relative to the noise (p,), and its direction (p, r)."""
        out = []
        for factor in self._factors(x):
            values, vectors = np.linalg.eigh(factor @ factor.swapaxes(1, 2))
            out.append((values[:, 0], vectors[:, :, 0]))
        return out

    def singular(self, x: Array) -> NDArray[np.bool_]:
        return np.array([smallest < _NOTHING**2 for smallest, _ in self._smallest(x)])

    def lift(self, x: Array) -> Array | None:
        """Points at which variances have come to nothing that should not have, moved to where they have not."""
        variances = self.variances(x)
        posterior = self.at(variances)
        slopes = self._slopes(posterior, variances)
        new, any_lifted = x.copy(), False
        for t, (smallest, vector) in enumerate(self._smallest(x)):
            slope = variances.noise[:, None, None] * slopes[t]
            towards = np.einsum("ma,mab,mb->m", vector * self._scales[t], slope, vector * self._scales[t])
            wrong = (smallest < _NOTHING**2) & (towards * _LIFT > 1e-4)
            if wrong.any():
                factor = self._factors(x)[t]
                covariance = factor @ factor.swapaxes(1, 2) + _LIFT * vector[:, :, None] * vector[:, None, :]
                a, b = self._entries[t]
                new[wrong, self._parts[t]] = np.linalg.cholesky(
                    covariance[wrong] + 1e-12 * np.eye(covariance.shape[1])
                )[:, a, b]
                any_lifted = True
        return new if any_lifted else None

    def settle(self, found: Maxima) -> Array:
        """Pivots that are nearly zero are zero where that is no less likely."""
        x = found.x.copy()
        for part, (a, b) in zip(self._parts, self._entries, strict=True):
            block = x[:, part]
            block[:, a == b] = np.where(np.abs(block[:, a == b]) < 10.0 * _NOTHING, 0.0, block[:, a == b])
        changed = np.any(x != found.x, axis=1)
        if changed.any():
            value = self.at(self.variances(x)).log_likelihood
            worse = changed & ~(value >= found.value - 1e-9 * np.maximum(1.0, 1e-4 * np.abs(found.value)))
            x[worse] = found.x[worse]
        return x
