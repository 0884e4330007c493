"""Variances of a latent mixed model where the sites are held: the most likely ones, all axes at once.

The search is over log σ² and the deviations √v_c of effects, each relative to a fixed scale of its axis, so that a
variance of zero is a maximum within (see `variance_search`). The gradient is that of EM: of g coefficients of variance
v it is ½ (Σ E a² / v − g) / v. Of correlated coefficients, B = M D Mᵀ (see `own_factor`), the search is over √D and the
entries of M below its diagonal, whose gradient is that part of P M⁻ᵀD⁻¹(T − D), with T = M⁻¹ (Σ_p E bbᵀ / P) M⁻ᵀ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.mixed_effects.accelerated_steps import fixed_point
from intertwine.mixed_effects.coefficient_priors import (
    AbstractCoefficientPrior,
    GaussianPrior,
    LearntColumns,
)
from intertwine.mixed_effects.lockstep import maximize
from intertwine.mixed_effects.own_factor import correlated, covariance_of, innovations, unit_factor
from intertwine.mixed_effects.subject_system import SubjectSystem
from intertwine.mixed_effects.subjects import LatentVariances, OwnCorrelation, Sites

__all__ = ["FittedVariances", "fit_latent_variances"]

Array = NDArray[np.float64]

_NOTHING = 1e-4  # of a deviation relative to the scale of its axis: below it a variance may be zero
_LIFT = 0.3  # deviation that is tried where one came to nothing that should not have
_TOO_LARGE, _TOO_SMALL = 10.0, 1e-6  # noise to begin with, relative to the variance of what is seen
_STEEPEST = 50.0  # that an entry of N is taken to be
_FARTHEST = 23.0  # that log σ² goes from the start: a factor of 1e10


class FittedVariances(NamedTuple):
    """The variances, the log-evidence (K,) that they have, and whether each axis came to an end (K,)."""

    variances: LatentVariances
    log_evidence: Array
    converged: NDArray[np.bool_]
    n_iter: int


def fit_latent_variances(
    system: SubjectSystem,
    sites: Sites,
    columns: LearntColumns,
    start: LatentVariances,
    prior: AbstractCoefficientPrior | None = None,
    learn_noise: bool = True,
    tolerance: float = 1e-7,
    max_iter: int = 200,
) -> FittedVariances:
    """Find the variances of effects, of trends and of the noise.

    Parameters
    ----------
    system : SubjectSystem
    sites : Sites
    columns : LearntColumns
        What has a variance that is learnt; the others keep that of ``start``.
    start : LatentVariances
    prior : AbstractCoefficientPrior, optional
        Without one, or with a `GaussianPrior`, the evidence is maximised by BFGS; with the others, accelerated EM
        steps are taken.
    learn_noise : bool
    tolerance : float
        Of the log-evidence that is still expected to be gained; of the relative change of variances for EM steps.
    max_iter : int
    """
    if prior is None or isinstance(prior, GaussianPrior):
        near = _near(sites, columns, start) if learn_noise else start
        return _Search(system, sites, columns, near, learn_noise).run(tolerance, max_iter)
    sizes = np.cumsum([1, *(len(part) for part in start.of_effects)])

    def unpacked(x: Array) -> LatentVariances:
        noise, shared, own, trends, ratios = np.split(x, sizes)
        return LatentVariances(noise[0], shared, own, trends, _correlations(ratios, start.correlations))

    def step(x: Array) -> Array:
        variances = unpacked(x)
        posterior = system.posterior(sites, variances)
        new = prior.next_variances(posterior.moments(), variances, columns, system.rows.n_subjects)
        return _packed(new if learn_noise else new._replace(noise=start.noise))

    x, converged, n_steps = fixed_point(step, _packed(start), _NOTHING**2 * start.noise, tolerance, max_iter)
    variances = unpacked(x)
    return FittedVariances(variances, system.posterior(sites, variances).log_evidence, converged, n_steps)


def _near(sites: Sites, columns: LearntColumns, start: LatentVariances) -> LatentVariances:
    """The start, or where its noise is wrong by orders of magnitude all of it in the units of the sites."""
    there = np.isfinite(sites.variance)
    n_sites, seen = np.maximum(there.sum(axis=0), 1), np.where(there, sites.mean, 0.0)
    spread = np.where(there, (seen - seen.sum(axis=0) / n_sites) ** 2, 0.0).sum(axis=0) / n_sites
    ratio = start.noise / np.maximum(spread, 1e-300)
    wrong = (spread > 0.0) & ((ratio > _TOO_LARGE) | (ratio < _TOO_SMALL))
    factor = np.where(wrong, 0.5 * spread / np.maximum(start.noise, 1e-300), 1.0)
    shared, own = start.shared.copy(), start.own.copy()
    for part in columns.shared:
        shared[part] *= factor
    for part in columns.own:
        own[part] *= factor
    return LatentVariances(start.noise * factor, shared, own, start.trends * factor, start.correlations)


def _packed(variances: LatentVariances) -> Array:
    """All variances of an axis below each other, that of the noise first; then correlations as positive numbers.

    These are exp N, of the N in `unit_factor`: any positive numbers stand for correlations.
    """
    ratios = []
    for columns, matrix in variances.correlations:
        below = unit_factor(matrix)[0][:, *np.tril_indices(len(columns), -1)]
        ratios.append(np.exp(np.clip(below.T, -_STEEPEST, _STEEPEST)))
    return np.vstack([variances.noise[None, :], *variances.of_effects, *ratios])


def _correlations(ratios: Array, like: Sequence[OwnCorrelation]) -> tuple[OwnCorrelation, ...]:
    """What `_packed` has made ``ratios`` of."""
    out = []
    for columns, _ in like:
        m = len(columns)
        mine, ratios = np.split(ratios, [m * (m - 1) // 2])
        factor = _unit_lower(np.log(mine).T, m)
        new = np.ones((len(factor), m))
        for i in range(1, m):
            explained = np.einsum("kj,kj->k", factor[:, i, :i] ** 2, new[:, :i])
            new[:, i] = np.maximum(1.0 - explained, 0.0)
        covariance = np.einsum("kij,kj,klj->kil", factor, new, factor)
        out.append(correlated(columns, covariance)[1])
    return tuple(out)


def _unit_lower(below: Array, m: int) -> Array:
    """Matrices (K, m, m) with ones on the diagonal and ``below`` (K, m (m − 1) / 2) under it."""
    out = np.zeros((len(below), m, m))
    out[:] = np.eye(m)
    out[:, *np.tril_indices(m, -1)] = below
    return out


@final
class _Search:
    """Points (K, 1 + effects + entries of M) and the variances that they stand for."""

    def __init__(
        self,
        system: SubjectSystem,
        sites: Sites,
        columns: LearntColumns,
        start: LatentVariances,
        learn_noise: bool,
    ) -> None:
        self.system, self.sites, self.columns, self.given = system, sites, columns, start
        self.learn_noise = learn_noise
        there = np.isfinite(sites.variance)
        self.n_sites = np.maximum(there.sum(axis=0), 1)
        self.scale = start.noise + np.where(there, sites.variance, 0.0).sum(axis=0) / self.n_sites
        P = system.rows.n_subjects
        # Of each effect: the field of the variances, its columns there, and by how many subjects each is shared.
        self.effects: list[tuple[str, slice, Array]] = []
        K = len(start.noise)
        for field, parts, repeats in (("shared", columns.shared, 1), ("own", columns.own, P)):
            self.effects += [(field, part, np.full(K, float(repeats))) for part in parts]
        counts = system.trend_counts(sites)
        self.effects += [("trends", slice(j, j + 1), counts[j]) for j in range(len(counts))]
        new, mixings = innovations(start.own, start.correlations)
        fields = {"shared": start.shared, "own": new, "trends": start.trends}
        deviations = [
            np.sqrt(fields[field][part].mean(axis=0) / self.scale) for field, part, _ in self.effects
        ]
        first = np.log(np.maximum(start.noise, 1e-10 * self.scale))
        positive = [np.where(d > 0.0, d, _LIFT) for d in deviations]
        sizes = [len(range(*part.indices(10**9))) * repeats for _, part, repeats in self.effects]
        self.deviations = slice(1, 1 + len(self.effects))
        self.blocks: list[tuple[NDArray[np.int64], slice]] = []
        below, bends, end = [], [], self.deviations.stop
        for at, matrix in mixings:
            rows, before = np.tril_indices(len(at), -1)
            below.append(matrix[:, rows, before])
            variance = np.maximum(new[at].T, _NOTHING**2 * self.scale[:, None])
            bends.append(P * variance[:, before] / variance[:, rows])
            self.blocks.append((at, slice(end, end + len(rows))))
            end += len(rows)
        self.start = np.column_stack([first, *positive, *below])
        self.curvature = np.column_stack([0.5 * self.n_sites, *[2.0 * size for size in sizes], *bends])

    def _new(self, x: Array, which: NDArray[np.int64]) -> dict[str, Array]:
        """Variances of some axes, of correlated coefficients D."""
        parts = {name: getattr(self.given, name)[:, which] for name in ("shared", "own", "trends")}
        for number, (field, part, _) in enumerate(self.effects):
            parts[field][part] = self.scale[which] * x[:, 1 + number] ** 2
        return parts

    def variances(self, x: Array, which: NDArray[np.int64]) -> LatentVariances:
        """Of some axes."""
        noise = np.exp(x[:, 0]) if self.learn_noise else self.given.noise[which]
        parts, correlations = self._new(x, which), []
        for columns, at in self.blocks:
            M = _unit_lower(x[:, at], len(columns))
            covariance = np.einsum("kij,jk,klj->kil", M, parts["own"][columns], M)
            parts["own"][columns], correlation = correlated(columns, covariance)
            correlations.append(correlation)
        return LatentVariances(noise, **parts, correlations=tuple(correlations))

    def evaluate(self, x: Array, which: NDArray[np.int64]) -> tuple[Array, Array]:
        """Log-evidence of some axes and its gradient."""
        inside = np.abs(x[:, 0] - self.start[which, 0]) < _FARTHEST
        inside &= np.all(np.abs(x[:, 1:]) < 1e8, axis=1)
        x = np.where(inside[:, None], x, self.start[which])
        variances = self.variances(x, which)
        posterior = self.system.posterior(
            Sites(self.sites.mean[:, which], self.sites.variance[:, which]), variances
        )
        moments, gradient = posterior.moments(), np.zeros_like(x)
        if self.learn_noise:
            gradient[:, 0] = 0.5 * self.n_sites[which] * (moments.noise / variances.noise - 1.0)
        priors, of_new = (
            self._new(x, which),
            {"shared": moments.shared, "own": moments.own, "trends": moments.trends},
        )
        for (columns, at), second in zip(self.blocks, moments.correlations, strict=True):
            M, D = _unit_lower(x[:, at], len(columns)), priors["own"][columns].T
            half = np.linalg.solve(M, covariance_of(moments.own, second))
            T = np.linalg.solve(M, half.swapaxes(1, 2))
            of_new["own"][columns] = np.einsum("kii->ki", T).T
            relative = np.where(D > 0.0, 1.0 / np.where(D > 0.0, D, 1.0), 0.0)[:, :, None] * T
            slopes = np.linalg.solve(M.swapaxes(1, 2), relative)
            gradient[:, at] = self.system.rows.n_subjects * slopes[:, *np.tril_indices(len(columns), -1)]
        for number, (field, part, repeats) in enumerate(self.effects):
            prior, moment = priors[field][part], of_new[field][part]
            safe = np.where(prior > 0.0, prior, 1.0)
            excess = np.where(prior > 0.0, moment / safe - 1.0, 0.0).sum(axis=0) * repeats[which]
            deviation = x[:, 1 + number]
            gradient[:, 1 + number] = excess / np.where(deviation != 0.0, deviation, 1.0)
        good = inside & np.isfinite(posterior.log_evidence) & np.isfinite(gradient).all(axis=1)
        value = np.where(good, posterior.log_evidence, -np.inf)
        return value, np.where(good[:, None], gradient, 0.0)

    def run(self, tolerance: float, max_iter: int) -> FittedVariances:
        found = maximize(self.evaluate, self.start, self.curvature, tolerance, max_iter)
        n_iter = int(found.n_iter.max(initial=0))
        everything = np.arange(len(self.start))
        lifted = self._lift(found.x)
        if lifted is not None:
            again = maximize(self.evaluate, lifted, self.curvature, tolerance, max_iter)
            better = again.value > found.value + tolerance
            x = np.where(better[:, None], again.x, found.x)
            value = np.where(better, again.value, found.value)
            converged = np.where(better, again.converged, found.converged)
            n_iter += int(again.n_iter.max(initial=0))
        else:
            x, value, converged = found.x, found.value, found.converged
        settled = x.copy()
        at = self.deviations
        settled[:, at] = np.where(np.abs(x[:, at]) < 10.0 * _NOTHING, 0.0, x[:, at])
        if np.any(settled != x):
            zero_value, _ = self.evaluate(settled, everything)
            no_worse = zero_value >= value - 1e-9 * np.maximum(1.0, 1e-4 * np.abs(value))
            x = np.where(no_worse[:, None], settled, x)
            value = np.where(no_worse, zero_value, value)
        return FittedVariances(self.variances(x, everything), value, converged, n_iter)

    def _lift(self, x: Array) -> Array | None:
        """Points at which deviations have come to nothing although the evidence rises from there."""
        at = self.deviations
        nothing = np.abs(x[:, at]) < _NOTHING
        if not nothing.any():
            return None
        nearby = x.copy()
        nearby[:, at] = np.where(nothing, 10.0 * _NOTHING, x[:, at])
        _, gradient = self.evaluate(nearby, np.arange(len(x)))
        rises = nothing & (0.5 * gradient[:, at] / (10.0 * _NOTHING) * _LIFT**2 > 1e-4)
        if not rises.any():
            return None
        lifted = x.copy()
        lifted[:, at] = np.where(rises, _LIFT, x[:, at])
        return lifted
