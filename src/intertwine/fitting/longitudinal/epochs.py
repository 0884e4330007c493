"""Epochs of a longitudinal variational autoencoder, kept on record while they run."""

from __future__ import annotations

import time
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.compiled_steps import own_compilation_cache
from intertwine.fitting.longitudinal.batches import VisitBatches
from intertwine.fitting.longitudinal.latents import LatentState, followed, improved, prior_values
from intertwine.fitting.longitudinal.problem import LongitudinalProblem
from intertwine.fitting.longitudinal.steps import (
    Training,
    decoder_step,
    train_step,
)
from intertwine.mixed_effects.subject_system import Kept, SubjectSystem
from intertwine.mixed_effects.subjects import SubjectRows
from intertwine.networks import Autoencoder

__all__ = ["EpochRow", "Phase", "Runner"]

Single = NDArray[np.float32]

_STEPS_OF_A_SOLVE = 30  # of mini-batches, about: a solve then costs less than half of what small networks do


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
        self._batches = VisitBatches(problem, rows)
        self._spent = Kept()

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
        chosen = self._batches.chosen(rng)
        n_solves = min(phase.solves, max(1, len(chosen) // _STEPS_OF_A_SOLVE))
        solve_at = np.linspace(0, len(chosen), n_solves, endpoint=False).astype(int).tolist()
        site_mean, site_variance = latents.site_mean.copy(), latents.site_variance.copy()
        totals = np.zeros(3)
        with own_compilation_cache():
            for place, (pack, context) in enumerate(chosen):
                if place in solve_at:
                    now = latents._replace(site_mean=site_mean, site_variance=site_variance)
                    latents = improved(self.problem, self.system, now, self._spent)
                batch, plain = self._batches.batch(pack, context, settings.dropout, rng)
                part = place / len(chosen)
                rate, weights = _falling(settings.learning_rate, done, part), phase.weights_at(number + part)
                training, stepped = train_step(
                    training, batch, prior_values(latents), self.problem.likelihood, weights, rate,
                    architecture=self.problem.architecture, n_subjects=self._batches.n_subjects,
                )  # fmt: skip
                told = np.flatnonzero(plain)
                site_mean[pack.rows[told]] = np.asarray(stepped.site_mean)[told]
                there = batch.shown[told].max(axis=1, keepdims=True) > 0
                variance = np.where(there, np.asarray(stepped.site_variance)[told], np.inf)
                site_variance[pack.rows[told]] = variance
                if phase.solves:
                    share = pack.n_rows / len(site_mean)
                    latents = latents._replace(mean=followed(latents, np.asarray(stepped.pull), share))
                totals += np.asarray(stepped.sums)
        if not np.all(np.isfinite(totals)):
            raise FloatingPointError("the networks diverged; lower learning_rate")
        latents = latents._replace(site_mean=site_mean, site_variance=site_variance)
        seconds = time.perf_counter() - began
        seen, divergence, missed = (totals / len(site_mean)).tolist()
        return training, latents, EpochRow(phase.name, seen, divergence, missed, seconds)

    def decoder_epoch(
        self,
        training: Training,
        encoder: Autoencoder,
        latents: LatentState,
        done: tuple[float, float],
        rng: np.random.Generator,
    ) -> tuple[Training, EpochRow]:
        """One pass for the decoder of predicted latents, behind an encoder that stays as it is."""
        began, settings, total, n_hidden = time.perf_counter(), self.problem.settings, 0.0, 0
        chosen = self._batches.chosen(rng)
        prior = prior_values(latents)
        with own_compilation_cache():
            for place, (pack, context) in enumerate(chosen):
                batch, _ = self._batches.batch(pack, context, 0.0, rng)
                rate = _falling(settings.decoder_learning_rate, done, place / len(chosen))
                training, misfit = decoder_step(
                    training, encoder, batch, prior, self.problem.likelihood, rate,
                    architecture=self.problem.architecture, n_subjects=self._batches.n_subjects,
                )  # fmt: skip
                total += float(misfit)
                n_hidden += int(np.sum(batch.present * (1 - batch.context)))
        if not np.isfinite(total):
            raise FloatingPointError("the decoder diverged; lower learning_rate")
        row = EpochRow("decoder", np.nan, np.nan, total / max(n_hidden, 1), time.perf_counter() - began)
        return training, row


def _falling(rate: float, done: tuple[float, float], place: float) -> np.float32:
    """Half a cosine."""
    part = done[0] + place * (done[1] - done[0])
    return np.float32(0.5 * rate * (1.0 + np.cos(np.pi * part)) + 1e-2 * rate)
