"""The latent mixed model while networks learn: sites of all visits, shared coefficients and variances.

Sites change a little with every mini-batch. Between exact solves the mean of the shared coefficients follows by steps
of the natural gradient,

    a ← a + ρ V (N/B Σ_batch Fᵀ W (z̃ − F a) − D⁻¹ a),

in which V is their covariance at the last solve; ρ = 1 on all visits would be that solve. An exact solve over the sites
as batches left them, and one EM step for the variances at the posterior that it finds, come a few times per epoch. The
posterior at the variances after the step waits for the next solve, which has to be computed anyway.

Source: Hoffman et al., Stochastic variational inference (2013); Neal & Hinton (1998) for the incremental E-step.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.longitudinal.problem import LongitudinalProblem
from intertwine.latent_prior import PriorValues
from intertwine.mixed_effects.latent_effects import LatentEffects
from intertwine.mixed_effects.own_factor import Mixing, innovations
from intertwine.mixed_effects.subject_system import Kept, SubjectSystem
from intertwine.mixed_effects.subjects import AbstractSubjectPosterior, LatentVariances, Sites

__all__ = ["LatentState", "first_latents", "followed", "improved", "prior_values", "solved", "unconditional"]

Array = NDArray[np.float64]
Single = NDArray[np.float32]

_SMALLEST = 1e-6  # variances relative to that of an axis; smaller ones are nothing to single precision


class LatentState(NamedTuple):
    """What is held while networks take a step.

    Attributes
    ----------
    mean : ndarray of shape (p, K)
        Of the shared coefficients,
    covariance : ndarray of shape (K, p, p)
        and their covariance at the last solve.
    variances : LatentVariances
    site_mean, site_variance : ndarray of float32, shape (n, K)
        As the last batch that held a visit left them; an infinite variance: nothing was observed.
    log_evidence : float
        At the last solve.
    """

    mean: Array
    covariance: Array
    variances: LatentVariances
    site_mean: Single
    site_variance: Single
    log_evidence: np.float64

    @property
    def sites(self) -> Sites:
        """In double precision."""
        return Sites(self.site_mean.astype(np.float64), self.site_variance.astype(np.float64))


def unconditional(effects: LatentEffects, n_rows: int, n_axes: int) -> LatentState:
    """Latents that are independent N(0, 1): the prior of a plain variational autoencoder."""
    learnt = [part for part in effects.places if not part.flat]
    variances = effects.variances(np.ones(n_axes), np.zeros((len(learnt), n_axes)))
    p = len(variances.shared)
    empty = np.zeros((n_rows, n_axes), np.float32)
    nothing = np.full_like(empty, np.inf)
    return LatentState(
        np.zeros((p, n_axes)), np.zeros((n_axes, p, p)), variances, empty, nothing, np.float64(0.0)
    )


def first_latents(effects: LatentEffects, scales: Array, sites: tuple[Single, Single]) -> LatentState:
    """A start for the variances: half of what sites vary by is noise, the rest is shared evenly by the effects."""
    mean, variance = sites
    there = np.isfinite(variance).all(axis=1)
    spread = np.var(mean[there], axis=0, dtype=np.float64)
    share = 0.5 * spread / max(len(scales), 1)
    by_effect = share[None, :] / np.maximum(scales, 1e-12)[:, None]
    variances = effects.variances(0.5 * spread, by_effect)
    p, n_axes = len(variances.shared), len(spread)
    return LatentState(
        np.zeros((p, n_axes)), np.zeros((n_axes, p, p)), variances, mean, variance, np.float64(-np.inf)
    )


def solved(
    problem: LongitudinalProblem, system: SubjectSystem, state: LatentState, n_steps: int
) -> LatentState:
    """EM steps, and the exact posterior of the shared coefficients at the variances that they lead to."""
    sites, variances = state.sites, state.variances
    posterior = system.posterior(sites, variances)
    for _ in range(n_steps):
        variances = _next_variances(problem, posterior, sites, variances)
        posterior = system.posterior(sites, variances)
    return _with(state, posterior)._replace(variances=variances)


def improved(
    problem: LongitudinalProblem, system: SubjectSystem, state: LatentState, spent: Kept
) -> LatentState:
    """The exact posterior of the shared coefficients, and the variances after one EM step from there.

    ``spent`` are subjects eliminated at the step before, whose memory is used again.
    """
    sites, variances = state.sites, state.variances
    posterior = system.posterior(sites, variances, spent)
    return _with(state, posterior)._replace(variances=_next_variances(problem, posterior, sites, variances))


def _next_variances(
    problem: LongitudinalProblem, posterior: AbstractSubjectPosterior, sites: Sites, before: LatentVariances
) -> LatentVariances:
    columns, n_subjects = problem.effects.learnt, problem.visits.n_subjects
    return _bounded(problem.prior.next_variances(posterior.moments(), before, columns, n_subjects), sites)


def _with(state: LatentState, posterior: AbstractSubjectPosterior) -> LatentState:
    shared = posterior.shared
    return state._replace(
        mean=shared.mean,
        covariance=shared.covariance,
        log_evidence=np.float64(posterior.log_evidence.sum()),
    )


def followed(state: LatentState, pull: Array, share: float) -> Array:
    """The mean of the shared coefficients after a batch that holds a ``share`` of the visits, (p, K)."""
    gradient = np.asarray(pull, dtype=np.float64) / share - state.mean / state.variances.shared
    step = np.matmul(state.covariance, gradient.T[:, :, None])[:, :, 0].T
    return state.mean + share * step


def prior_values(state: LatentState) -> PriorValues:
    """In single precision, for a step."""
    own, mixings = innovations(state.variances.own, state.variances.correlations)
    return PriorValues(
        state.mean.astype(np.float32),
        own.astype(np.float32),
        state.variances.noise.astype(np.float32),
        state.variances.trends.astype(np.float32),
        tuple(Mixing(columns, matrix.astype(np.float32)) for columns, matrix in mixings),
    )


def _bounded(variances: LatentVariances, sites: Sites) -> LatentVariances:
    there = np.isfinite(sites.variance).all(axis=1)
    least = _SMALLEST * np.maximum(np.var(sites.mean[there], axis=0), 1e-12)
    return variances.each(lambda part: np.maximum(part, least))
