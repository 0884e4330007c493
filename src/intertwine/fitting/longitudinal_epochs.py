"""Epochs of a longitudinal variational autoencoder, kept on record while they run."""

from __future__ import annotations

import time
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.longitudinal_contexts import drawn_context
from intertwine.fitting.longitudinal_latents import LatentState, followed, prior_values, solved
from intertwine.fitting.longitudinal_problem import LongitudinalProblem, visit_order
from intertwine.fitting.longitudinal_steps import (
    Training,
    VisitBatch,
    decoder_step,
    train_step,
)
from intertwine.fitting.vae_batches import Chosen, GroupPacks
from intertwine.fitting.vae_compile import own_compilation_cache
from intertwine.latent_prior import LatentBatch, TrendSteps, trend_steps
from intertwine.mixed_effects.subject_system import SubjectSystem
from intertwine.mixed_effects.subjects import SubjectRows

__all__ = ["EpochRow", "Phase", "Runner"]

Single = NDArray[np.float32]

_STEPS_OF_A_SOLVE = 10  # of mini-batches, at least: sites move little in fewer


class Phase(NamedTuple):
    """Some epochs alike.

    Attributes
    ----------
    name : str
    n_epochs : int
    weights : tuple of float
        Of the bound, of its divergence, and of predictions.
    solves : int
        Exact solves in an epoch, at most; 0: the prior stays as it is.
    ramp : float
        Epochs over which the weight of the divergence rises from zero: at once, it would silence latents before the
        decoder has learnt to listen.
    """

    name: str
    n_epochs: int
    weights: tuple[float, float, float]
    solves: int
    ramp: float = 0.0

    def weights_at(self, epochs_done: float) -> NDArray[np.float32]:
        """The weights at a moment of the phase."""
        bound, divergence, prediction = self.weights
        risen = min(1.0, epochs_done / self.ramp) if self.ramp else 1.0
        return np.array([bound, divergence * risen, prediction], np.float32)


class EpochRow(NamedTuple):
    """What an epoch has seen, per visit."""

    phase: str
    reconstruction: float
    divergence: float
    prediction: float
    seconds: float


@final
class Runner:
    """Runs epochs over the visits of a problem.

    Parameters
    ----------
    problem : LongitudinalProblem
    rows : SubjectRows
        The features of its visits.
    """

    def __init__(self, problem: LongitudinalProblem, rows: SubjectRows) -> None:
        self.problem, self.rows = problem, rows
        self.system = SubjectSystem(rows)
        visits = problem.visits
        self._packs = GroupPacks(visits.subject, problem.settings.batch_size)
        self._number = visit_order(visits.subject, visits.time)
        self._features = rows.shared.astype(np.float32), rows.own.astype(np.float32)

    def epoch(
        self,
        training: Training,
        latents: LatentState,
        phase: Phase,
        number: int,
        done: tuple[float, float],
        rng: np.random.Generator,
    ) -> tuple[Training, LatentState, EpochRow]:
        """Pass ``number`` of a phase; ``done`` are the parts of the schedule before it and after it."""
        began, settings = time.perf_counter(), self.problem.settings
        chosen = self._chosen(rng)
        n_solves = min(phase.solves, -(-len(chosen) // _STEPS_OF_A_SOLVE))
        solve_at = np.linspace(0, len(chosen), n_solves, endpoint=False).astype(int).tolist()
        site_mean, site_variance = latents.site_mean.copy(), latents.site_variance.copy()
        totals = np.zeros(3)
        for place, pack in enumerate(chosen):
            if place in solve_at:
                now = latents._replace(site_mean=site_mean, site_variance=site_variance)
                latents = solved(self.problem, self.system, now)
            batch = self._batch(pack, settings.dropout, rng)
            part = place / len(chosen)
            rate, weights = _falling(settings.learning_rate, done, part), phase.weights_at(number + part)
            with own_compilation_cache():
                training, stepped = train_step(
                    training, batch, prior_values(latents), self.problem.likelihood, weights, rate,
                    architecture=self.problem.architecture, n_subjects=self._packs.n_groups,
                )  # fmt: skip
            here = pack.rows[: pack.n_rows]
            site_mean[here] = np.asarray(stepped.site_mean)[: pack.n_rows]
            there = batch.shown[: pack.n_rows].max(axis=1, keepdims=True) > 0
            site_variance[here] = np.where(there, np.asarray(stepped.site_variance)[: pack.n_rows], np.inf)
            if phase.solves:
                share = pack.n_rows / len(site_mean)
                latents = latents._replace(mean=followed(latents, np.asarray(stepped.pull), share))
            totals += [float(value) for value in stepped[:3]]
        if not np.all(np.isfinite(totals)):
            raise FloatingPointError("the networks diverged; lower learning_rate")
        latents = latents._replace(site_mean=site_mean, site_variance=site_variance)
        seconds = time.perf_counter() - began
        seen, divergence, missed = (totals / len(site_mean)).tolist()
        return training, latents, EpochRow(phase.name, seen, divergence, missed, seconds)

    def decoder_epoch(
        self, training: Training, latents: LatentState, done: tuple[float, float], rng: np.random.Generator
    ) -> tuple[Training, EpochRow]:
        """One pass for the decoder of predicted latents, at the sites as they are."""
        began, settings, total, n_hidden = time.perf_counter(), self.problem.settings, 0.0, 0
        chosen = self._chosen(rng)
        prior = prior_values(latents)
        for place, pack in enumerate(chosen):
            batch = self._batch(pack, 0.0, rng)
            mean, variance = latents.site_mean[pack.rows], latents.site_variance[pack.rows]
            seen = np.isfinite(variance[:, 0])
            sites = mean, np.where(seen[:, None], variance, 1.0)
            batch = batch._replace(context=batch.context * seen)
            rate = _falling(settings.decoder_learning_rate, done, place / len(chosen))
            with own_compilation_cache():
                training, misfit = decoder_step(
                    training, batch, prior, self.problem.likelihood, sites, rate,
                    architecture=self.problem.architecture, n_subjects=self._packs.n_groups,
                )  # fmt: skip
            total += float(misfit)
            n_hidden += int(np.sum(batch.present * (1 - batch.context)))
        if not np.isfinite(total):
            raise FloatingPointError("the decoder diverged; lower learning_rate")
        row = EpochRow("decoder", np.nan, np.nan, total / max(n_hidden, 1), time.perf_counter() - began)
        return training, row

    def _chosen(self, rng: np.random.Generator) -> list[Chosen]:
        """Batches of all visits, those of a subject in the order of time."""
        packs = []
        for pack in self._packs.batches(rng):
            assert pack.level is not None
            here = pack.rows[: pack.n_rows]
            order = np.lexsort([self._number[here], pack.level[: pack.n_rows]])
            packs.append(pack._replace(rows=np.concatenate([here[order], pack.rows[pack.n_rows :]])))
        return packs

    def _trends(self, pack: Chosen) -> tuple[TrendSteps, ...]:
        assert pack.level is not None
        first = np.append(True, np.diff(pack.level) != 0)
        padding = np.arange(len(pack.rows)) >= pack.n_rows
        return tuple(
            trend_steps(
                trend.kernel, trend.length_scale, np.where(padding, np.nan, trend.time[pack.rows]), first
            )
            for trend in self.rows.trends
        )

    def _batch(self, pack: Chosen, dropout: float, rng: np.random.Generator) -> VisitBatch:
        assert pack.level is not None
        visits, n = self.problem.visits, pack.n_rows
        present = (np.arange(len(pack.rows)) < n).astype(np.float32)
        context = np.zeros(len(pack.rows), np.float32)
        context[:n] = drawn_context(
            rng, pack.level[:n], self._number[pack.rows[:n]], self.problem.settings.context
        )
        x = visits.X[pack.rows]
        shown = (~np.isnan(x) & (present > 0)[:, None]).astype(np.float32)
        if dropout:
            shown *= rng.random(x.shape, dtype=np.float32) >= dropout
        shared, own = (part[pack.rows] for part in self._features)
        noise = rng.standard_normal((len(x), self.problem.n_components), dtype=np.float32)
        return VisitBatch(
            x, shown, present, context, LatentBatch(pack.level, shared, own, self._trends(pack)), noise
        )


def _falling(rate: float, done: tuple[float, float], place: float) -> np.float32:
    """Half a cosine."""
    part = done[0] + place * (done[1] - done[0])
    return np.float32(0.5 * rate * (1.0 + np.cos(np.pi * part)) + 1e-2 * rate)
