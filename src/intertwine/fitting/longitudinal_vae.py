"""The fit of a longitudinal variational autoencoder, in phases.

    warm-up   latents are independent N(0, 1): networks find what varies at all
    scales    length scales of smooth effects, where the sites of the warm-up are most likely
    joint     the latent mixed model, exact, and predictions of visits from others of their subject
    decoder   a decoder of its own for latents that were predicted: it learns E[x | context], which is smoother than
              E[x | z]

Then sites, variances and shared coefficients once more, with nothing hidden, and the axes in the order in which they
are reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.longitudinal_epochs import EpochRow, Phase, Runner
from intertwine.fitting.longitudinal_latents import LatentState, first_latents, solved, unconditional
from intertwine.fitting.longitudinal_model import FittedLatents, LongitudinalModel
from intertwine.fitting.longitudinal_problem import LongitudinalProblem
from intertwine.fitting.longitudinal_sites import all_sites, decoded_outputs, decoder_slopes
from intertwine.fitting.longitudinal_steps import Networks, Predictor, Training, begun
from intertwine.fitting.watch import Watch
from intertwine.minimize import Iteration
from intertwine.mixed_effects.latent_axes import axis_convention
from intertwine.mixed_effects.latent_length_scales import fit_length_scales
from intertwine.mixed_effects.subject_system import SubjectSystem
from intertwine.mixed_effects.subjects import SubjectRows
from intertwine.networks import Autoencoder
from intertwine.resources import require_memory

__all__ = ["fit_longitudinal_vae", "settled"]

Array = NDArray[np.float64]

_FIRST_STEPS = 10  # of EM, before networks meet the effects
_LAST_STEPS = 10  # and once they are done
_SETTLED = 0.01  # of all that the joint phase gained, which its last tenth may still bring


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
    settings, visits = problem.settings, problem.visits
    n, K = len(visits.X), problem.n_components
    require_memory(4 * visits.X.size + 64 * n * K, f"the latents of {n:,} visits", "fewer visits")
    shape = problem.effects.start_shape()
    columns = problem.likelihood.start(np.asarray(visits.X))
    networks = Networks(problem.architecture.draw(rng), columns, jax.tree.map(np.copy, columns))
    training, latents = begun(networks), unconditional(problem.effects, n, K)
    rows, history = problem.rows(shape), list[dict[str, Any]]()
    schedule = max(settings.warm_up + settings.epochs, 1)
    alpha = 1.0 - settings.prediction
    run = _Recorded(problem, rng, watch, history)
    warm = Phase("warm-up", settings.warm_up, (1.0, settings.beta, 0.0), 0, ramp=0.5 * settings.warm_up)
    training, latents = run.phase(rows, training, latents, warm, (0, schedule))
    sites = all_sites(problem.architecture, problem.likelihood, training.params.autoencoder, visits.X)
    latents = first_latents(problem.effects, problem.effects.scales(rows), sites)
    shape, rows, latents = run.length_scales(rows, latents, shape)
    joint = Phase("joint", settings.epochs, (alpha, settings.beta, settings.prediction), settings.n_solves)
    training, latents = run.phase(rows, training, latents, joint, (settings.warm_up, schedule))
    sites = all_sites(problem.architecture, problem.likelihood, training.params.autoencoder, visits.X)
    system = SubjectSystem(rows)
    latents = latents._replace(site_mean=sites[0], site_variance=sites[1])
    latents = solved(problem, system, latents, _LAST_STEPS)
    networks = jax.tree.map(np.asarray, training.params)
    predictor, predicted = run.decoder(rows, networks, latents)
    networks = networks._replace(predicted=predicted)
    return _published(problem, rows, shape, networks, predictor, latents, history, rng)


class _Recorded:
    """Phases, each a step of the journal, and the rows of their history."""

    def __init__(
        self,
        problem: LongitudinalProblem,
        rng: np.random.Generator,
        watch: Watch,
        history: list[dict[str, Any]],
    ) -> None:
        self.problem, self.rng, self.watch, self.history = problem, rng, watch, history

    def phase(
        self,
        rows: SubjectRows,
        training: Training,
        latents: LatentState,
        phase: Phase,
        place: tuple[int, int],
    ) -> tuple[Training, LatentState]:
        """Run the epochs of a phase; ``place``: the first one, of how many."""
        start = (training, latents)

        def compute() -> dict[str, Any]:
            runner, told, first = Runner(self.problem, rows), list[dict[str, Any]](), 0
            training, latents = start
            if (kept := self.watch.journal.begun()) is not None:
                training, latents = _restored(start, kept["leaves"])
                told, first = list(kept["history"]), kept["epoch"]
                self.rng.bit_generator.state = kept["random"]
            for epoch in range(first, phase.n_epochs):
                done = ((place[0] + epoch) / place[1], (place[0] + epoch + 1) / place[1])
                training, latents, row = runner.epoch(training, latents, phase, epoch, done, self.rng)
                told.append(self._told(row, len(told)))
                self._keep((training, latents), told, epoch + 1)
            return {"leaves": _leaves((training, latents)), "history": told}

        found = self.watch.journal.step(phase.name, compute, self.rng)
        self.history += found["history"]
        return _restored(start, found["leaves"])

    def length_scales(
        self, rows: SubjectRows, latents: LatentState, shape: Array
    ) -> tuple[Array, SubjectRows, LatentState]:
        """Length scales, and variances to begin from."""
        problem, visits = self.problem, self.problem.visits
        latents = solved(problem, SubjectSystem(rows), latents, _FIRST_STEPS)
        bounds = problem.effects.shape_bounds()
        if np.any(bounds[:, 1] > bounds[:, 0]):

            def compute() -> dict[str, Any]:
                return {
                    "shape": fit_length_scales(
                        problem.effects,
                        visits.columns,
                        visits.subject,
                        latents.sites,
                        shape,
                        latents.variances,
                    ).shape
                }

            shape = np.asarray(self.watch.journal.step("length scales", compute)["shape"])
            rows = problem.rows(shape)
            latents = solved(problem, SubjectSystem(rows), latents, _FIRST_STEPS)
        return shape, rows, latents

    def decoder(self, rows: SubjectRows, networks: Networks, latents: LatentState) -> tuple[Any, Any]:
        """Train the decoder of predicted latents: its layers, and the parameters of columns."""
        start = begun(Predictor(Autoencoder((), networks.autoencoder.decoder), networks.predicted))
        n_epochs = self.problem.settings.decoder_epochs

        def compute() -> dict[str, Any]:
            runner, now, told = Runner(self.problem, rows), start, list[dict[str, Any]]()
            for epoch in range(n_epochs):
                now, row = runner.decoder_epoch(
                    now, latents, (epoch / n_epochs, (epoch + 1) / n_epochs), self.rng
                )
                told.append(self._told(row, len(told)))
            return {"leaves": _leaves(now), "history": told}

        found = self.watch.journal.step("decoder", compute, self.rng)
        self.history += found["history"]
        autoencoder, predicted = _restored(start, found["leaves"]).params
        return autoencoder.decoder, predicted

    def _told(self, row: EpochRow, before: int) -> dict[str, Any]:
        told = {"iteration": len(self.history) + before + 1, **row._asdict()}
        bound = -(row.reconstruction + row.divergence)
        objective = row.prediction if np.isnan(bound) else -bound
        self.watch.progress.iteration(
            Iteration(told["iteration"], float(objective), float("inf"), row.seconds), row
        )
        return told

    def _keep(self, state: Any, told: list[dict[str, Any]], epoch: int) -> None:
        leaves, rows, random = _leaves(state), list(told), self.rng.bit_generator.state
        self.watch.journal.keep(lambda: {"leaves": leaves, "history": rows, "epoch": epoch, "random": random})


def _leaves(tree: Any) -> list[Any]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


def _restored(template: Any, leaves: Sequence[Any]) -> Any:
    return jax.tree.unflatten(jax.tree.structure(template), leaves)


def _published(
    problem: LongitudinalProblem,
    rows: SubjectRows,
    shape: Array,
    networks: Networks,
    predictor: Any,
    latents: LatentState,
    history: list[dict[str, Any]],
    rng: np.random.Generator,
) -> LongitudinalModel:
    """The bound of all visits at the end, and axes by convention."""
    system, sites = SubjectSystem(rows), latents.sites
    posterior = system.posterior(sites, latents.variances)
    found = posterior.marginals()
    drawn = found.mean + np.sqrt(found.variance) * rng.standard_normal(found.mean.shape)
    outputs = decoded_outputs(problem.architecture, networks.autoencoder, drawn)
    density = problem.likelihood.log_density(networks.likelihood, outputs, problem.visits.X)
    there = np.isfinite(sites.variance)
    variance = np.where(there, sites.variance, 1.0)
    told = np.log(2.0 * np.pi * variance) + ((sites.mean - found.mean) ** 2 + found.variance) / variance
    said = -0.5 * float(told[there].sum())
    bound = float(np.asarray(density, np.float64).sum()) - said + float(posterior.log_evidence.sum())
    by_effect = problem.effects.by_effect(latents.variances)
    prior = (by_effect * problem.effects.scales(rows)[:, None]).sum(axis=0)
    slopes = decoder_slopes(problem.architecture, networks.autoencoder, found.mean)
    convention = axis_convention(prior, latents.variances.noise, slopes)
    told_latents = FittedLatents(problem.effects, shape, latents.variances, posterior.shared, sites)
    return LongitudinalModel(
        problem.architecture,
        problem.likelihood,
        networks,
        predictor,
        convention,
        told_latents.turned(convention),
        bound,
        settled([row for row in history if row["phase"] == "joint"]),
        {name: [row[name] for row in history] for name in history[0]} if history else {},
    )


def settled(rows: list[dict[str, Any]]) -> bool:
    """Whether the last tenth of the joint epochs brought less than a hundredth of what all of them did."""
    if len(rows) < 2:
        return False
    loss = [row["reconstruction"] + row["divergence"] for row in rows]
    last = loss[-1 - max(1, len(loss) // 10)] - loss[-1]
    return last < max(_SETTLED * (max(loss) - loss[-1]), 1e-12) or len(rows) < 3
