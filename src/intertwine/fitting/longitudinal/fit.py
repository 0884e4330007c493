"""The fit of a longitudinal variational autoencoder, in phases.

    warm-up   latents are independent N(0, 1): networks find what varies at all
    scales    length scales of smooth effects, where the sites of the warm-up are most likely
    joint     the latent mixed model, exact, and predictions of visits from others of their subject
    decoder   a decoder of its own for latents that were predicted: it learns E[x | context], which is smoother than
              E[x | z]

Then sites, variances, shared coefficients and the noise of columns once more, with nothing hidden, and the axes in the
order in which they are reported.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.longitudinal.epochs import Phase
from intertwine.fitting.longitudinal.latents import LatentState, first_latents, solved, unconditional
from intertwine.fitting.longitudinal.model import FittedLatents, LongitudinalModel
from intertwine.fitting.longitudinal.noise import columns_at_rest
from intertwine.fitting.longitudinal.phases import Phases
from intertwine.fitting.longitudinal.problem import LongitudinalProblem
from intertwine.fitting.longitudinal.sites import (
    all_sites,
    decoded_outputs,
    decoder_slopes,
    require_finite_sites,
)
from intertwine.fitting.longitudinal.steps import Networks, begun
from intertwine.fitting.longitudinal.validation import HeldOut, first_visits, held_out
from intertwine.fitting.longitudinal.widening import forecast_widening
from intertwine.fitting.watch import Watch
from intertwine.mixed_effects.latent_axes import axis_convention
from intertwine.mixed_effects.subject_system import SubjectSystem
from intertwine.mixed_effects.subjects import SubjectRows
from intertwine.resources import require_memory

__all__ = ["fit_longitudinal_vae", "settled"]

Array = NDArray[np.float64]

_BYTES_OF_AN_ENTRY = 60  # measured: visits, weights and reconstructions, in both precisions
_LAST_STEPS = 10  # of EM, once networks are done
_SETTLED = 0.01  # of all that the joint phase gained, which its last tenth may still bring
_DEVIATIONS = 2.0  # by which epochs must be better for it to be more than their scatter


def fit_longitudinal_vae(
    problem: LongitudinalProblem, rng: np.random.Generator, watch: Watch
) -> LongitudinalModel:
    """Fit the networks, the latent mixed model and the decoder of predictions.

    Raises
    ------
    FloatingPointError
        When the networks diverge.
    MemoryError
        Before anything too large is allocated.
    """
    fitted, held = held_out(problem, rng)
    settings, visits = problem.settings, fitted.visits
    n, K = len(visits.X), problem.n_components
    needed = _BYTES_OF_AN_ENTRY * visits.X.size + 64 * n * K
    require_memory(needed, f"the fit of {n:,} visits", "fewer visits")
    columns = problem.likelihood.start(np.asarray(visits.X))
    networks = Networks(problem.architecture.draw(rng), columns, jax.tree.map(np.copy, columns))
    shape = problem.effects.start_shape()
    rows, phases = fitted.rows(shape), Phases(fitted, held, rng, watch)
    warm = Phase("warm-up", settings.warm_up, (1.0, 1.0, 0.0), 0, ramp=0.5 * settings.warm_up)
    training = phases.warm_up(rows, begun(networks), unconditional(problem.effects, n, K), warm)
    latents = first_latents(problem.effects, problem.effects.scales(rows), _sites(fitted, training.params))
    shape, rows, latents = phases.length_scales(rows, latents, shape)
    weights = (1.0 - settings.prediction, settings.beta, settings.prediction)
    joint = Phase("joint", settings.epochs, weights, settings.n_solves)
    networks, latents = phases.joint(rows, training, latents, joint, shape)
    latents = _at_rest(fitted, rows, networks, latents)
    predictor, predicted = phases.decoder(rows, networks, latents, shape)
    networks = networks._replace(predicted=predicted)
    if held is not None:
        rows = problem.rows(shape)
        latents = _at_rest(problem, rows, networks, latents)
    return _published(problem, held, rows, shape, networks, predictor, latents, phases.history, rng)


def _sites(problem: LongitudinalProblem, networks: Networks) -> tuple[Any, Any]:
    found = all_sites(problem.architecture, problem.likelihood, networks.autoencoder, problem.visits.X)
    require_finite_sites(*found)
    return found


def _at_rest(
    problem: LongitudinalProblem, rows: SubjectRows, networks: Networks, latents: LatentState
) -> LatentState:
    """Variances and shared coefficients at the sites of all visits, with nothing hidden from the encoder."""
    mean, variance = _sites(problem, networks)
    state = latents._replace(site_mean=mean, site_variance=variance)
    return solved(problem, SubjectSystem(rows), state, _LAST_STEPS)


def _published(
    problem: LongitudinalProblem,
    held: HeldOut | None,
    rows: SubjectRows,
    shape: Array,
    networks: Networks,
    predictor: Any,
    latents: LatentState,
    history: list[dict[str, Any]],
    rng: np.random.Generator,
) -> LongitudinalModel:
    """Noises and the bound of all visits at the end, and axes by convention."""
    system, sites = SubjectSystem(rows), latents.sites
    posterior = system.posterior(sites, latents.variances)
    found = posterior.marginals()
    networks = networks._replace(likelihood=columns_at_rest(problem, networks, found, sites))
    asked, given = (problem, first_visits(problem)) if held is None else held
    known = posterior.shared, latents.variances
    widening = forecast_widening(asked, given, networks, predictor, known, shape)
    drawn = found.mean + np.sqrt(found.variance) * rng.standard_normal(found.mean.shape)
    outputs = decoded_outputs(problem.architecture, networks.autoencoder, drawn)
    density = problem.likelihood.log_density(networks.likelihood, outputs, problem.visits.X)
    there = np.isfinite(sites.variance)
    variance = np.where(there, sites.variance, 1.0)
    told = np.log(2.0 * np.pi * variance) + ((sites.mean - found.mean) ** 2 + found.variance) / variance
    said = -0.5 * float(told[there].sum())
    bound = float(np.asarray(density, np.float64).sum()) - said + float(posterior.log_evidence.sum())
    prior = problem.effects.visit_variances(latents.variances, rows).sum(axis=0)
    slopes = decoder_slopes(problem.architecture, networks.autoencoder, found.mean)
    convention = axis_convention(prior, latents.variances.noise, slopes)
    told_latents = FittedLatents(problem.effects, shape, latents.variances, posterior.shared, sites)
    return LongitudinalModel(
        problem.architecture,
        problem.likelihood,
        networks,
        predictor,
        widening,
        convention,
        told_latents.turned(convention),
        bound,
        settled([row for row in history if row["phase"] == "joint"]),
        {name: [row[name] for row in history] for name in history[0]} if history else {},
    )


def settled(rows: list[dict[str, Any]]) -> bool:
    """Whether more joint epochs would bring little.

    Where subjects are held out: that the epoch which predicts them best was before the last tenth. Otherwise that the
    last tenth of the epochs, in their mean, is better than the tenth before by less than a hundredth of what all of
    them brought, or by less than epochs scatter: draws, and what is hidden from the encoder, differ between them.

    Examples
    --------
    >>> rows = [{"reconstruction": 5.0 / n, "divergence": 1.0} for n in range(1, 41)]
    >>> settled(rows[:10]), settled(rows)
    (False, True)
    """
    if len(rows) < 2:
        return False
    size = max(1, len(rows) // 10)
    judged = [row.get("held_out", np.nan) for row in rows]
    if np.isfinite(judged).any() and np.nanargmin(judged) < len(rows) - size:
        return True
    loss = np.array([row["reconstruction"] + row["divergence"] for row in rows])
    before, last = loss[-2 * size : -size].mean(), loss[-size:].mean()
    scatter = np.diff(loss[-max(3, len(loss) // 2) :]).std() / np.sqrt(size)  # of the two means' difference
    least = max(_SETTLED * (loss.max() - last), _DEVIATIONS * scatter, 1e-12)
    return bool(before - last < least) or len(rows) < 3
