"""Phases of a fit, each a step of the journal: an interrupted fit goes on from the last epoch, to the same result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, final

import jax
import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.kept_epochs import kept_epochs
from intertwine.fitting.longitudinal.epochs import EpochRow, Phase, Runner
from intertwine.fitting.longitudinal.latents import LatentState, solved
from intertwine.fitting.longitudinal.problem import LongitudinalProblem
from intertwine.fitting.longitudinal.steps import Networks, Predictor, Training, begun
from intertwine.fitting.longitudinal.validation import HeldOut
from intertwine.fitting.watch import Watch
from intertwine.minimize import Iteration
from intertwine.mixed_effects.latent_length_scales import fit_length_scales
from intertwine.mixed_effects.subject_system import SubjectSystem
from intertwine.mixed_effects.subjects import SubjectRows
from intertwine.networks import Autoencoder

__all__ = ["Phases"]

Array = NDArray[np.float64]

_FIRST_STEPS = 10  # of EM, before networks meet the effects


class _Point(NamedTuple):
    """Where a phase stands, and the best that held-out subjects have seen of it."""

    training: Training
    latents: LatentState | None
    best: Any
    misfit: np.float64


@final
class Phases:
    """Runs phases and keeps the rows of their history.

    Parameters
    ----------
    problem : LongitudinalProblem
        Of the subjects that networks are fitted to.
    held : HeldOut or None
    rng : numpy.random.Generator
    watch : Watch
    """

    def __init__(
        self,
        problem: LongitudinalProblem,
        held: HeldOut | None,
        rng: np.random.Generator,
        watch: Watch,
    ) -> None:
        self.problem, self.held, self.rng, self.watch = problem, held, rng, watch
        self.history = list[dict[str, Any]]()

    def warm_up(self, rows: SubjectRows, training: Training, latents: LatentState, phase: Phase) -> Training:
        """Epochs without effects."""
        start = _Point(training, latents, None, np.float64(np.inf))
        return self._epochs(rows, start, phase, None).training

    def joint(
        self,
        rows: SubjectRows,
        training: Training,
        latents: LatentState,
        phase: Phase,
        shape: Array,
    ) -> tuple[Networks, LatentState]:
        """Epochs with effects: the last, or where subjects are held out the one that predicts these best."""
        best = (_copied(training.params), latents)
        point = self._epochs(rows, _Point(training, latents, best, np.float64(np.inf)), phase, shape)
        if self.held is not None:
            return point.best
        assert point.latents is not None
        return _copied(point.training.params), point.latents

    def _epochs(self, rows: SubjectRows, start: _Point, phase: Phase, shape: Array | None) -> _Point:
        """Run a phase. With a shape, held-out subjects judge every epoch."""
        runner = Runner(self.problem, rows)

        def advance(point: _Point, epoch: int, told: list[dict[str, Any]]) -> _Point:
            done = (epoch / phase.n_epochs, (epoch + 1) / phase.n_epochs)
            assert point.latents is not None
            training, latents, row = runner.epoch(point.training, point.latents, phase, epoch, done, self.rng)
            point, misfit = point._replace(training=training, latents=latents), np.nan
            if self.held is not None and shape is not None:
                params = training.params
                misfit = self.held.misfit(
                    params.autoencoder, params.autoencoder.decoder, params.predicted, latents, shape
                )
                if misfit < point.misfit:
                    point = point._replace(best=(_copied(params), latents), misfit=np.float64(misfit))
            told.append(self._told(row, len(told), misfit))
            return point

        return self._run(phase.name, start, phase.n_epochs, advance)

    def _run(
        self,
        name: str,
        start: _Point,
        n_epochs: int,
        advance: Callable[[_Point, int, list[dict[str, Any]]], _Point],
    ) -> _Point:
        point, told = kept_epochs(name, start, range(n_epochs), advance, self.rng, self.watch.journal)
        self.history += told
        return point

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

    def decoder(
        self, rows: SubjectRows, networks: Networks, latents: LatentState, shape: Array
    ) -> tuple[Any, Any]:
        """Train the decoder of predicted latents: its layers, and the parameters of columns."""
        training = begun(Predictor(Autoencoder((), networks.autoencoder.decoder), networks.predicted))
        n_epochs = self.problem.settings.decoder_epochs

        def misfit_of(params: Any) -> float:
            if self.held is None:
                return np.nan
            encoder, decoder = networks.autoencoder, params.autoencoder.decoder
            return self.held.misfit(encoder, decoder, params.predicted, latents, shape)

        start = _Point(training, None, _copied(training.params), np.float64(misfit_of(training.params)))

        runner = Runner(self.problem, rows)

        def advance(point: _Point, epoch: int, told: list[dict[str, Any]]) -> _Point:
            done = (epoch / n_epochs, (epoch + 1) / n_epochs)
            training, row = runner.decoder_epoch(
                point.training, networks.autoencoder, latents, done, self.rng
            )
            point, misfit = point._replace(training=training), misfit_of(training.params)
            if not misfit >= point.misfit:  # also where nothing is held out
                point = point._replace(best=_copied(training.params), misfit=np.float64(misfit))
            told.append(self._told(row, len(told), misfit))
            return point

        best = self._run("decoder", start, n_epochs, advance).best
        return best.autoencoder.decoder, best.predicted

    def _told(self, row: EpochRow, before: int, misfit: float) -> dict[str, Any]:
        told = {"iteration": len(self.history) + before + 1, **row._asdict(), "held_out": float(misfit)}
        bound = -(row.reconstruction + row.divergence)
        objective = row.prediction if np.isnan(bound) else -bound
        self.watch.progress.iteration(
            Iteration(told["iteration"], float(objective), float("inf"), row.seconds), row
        )
        return told


def _copied(params: Any) -> Any:
    """In numpy: a step takes the memory of the parameters that it is given."""
    return jax.tree.map(np.array, params)
