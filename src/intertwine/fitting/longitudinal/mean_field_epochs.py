"""Epochs of the paper's objective, see `mean_field_steps`: Adam on mini-batches, then an EM step.

Networks and q(A) take the steps; the variances are those at which the divergences of an epoch are least.
"""

from __future__ import annotations

import time
from typing import NamedTuple, final

import jax
import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.compiled_steps import own_compilation_cache
from intertwine.fitting.longitudinal.mean_field_steps import (
    FieldBatch,
    FieldCoefficients,
    FieldNetworks,
    FieldTraining,
    FieldVariances,
    field_begun,
    field_step,
)
from intertwine.fitting.longitudinal.problem import LongitudinalProblem
from intertwine.fitting.mini_batches import Chosen, row_batches
from intertwine.mixed_effects.mean_field import MeanField
from intertwine.mixed_effects.subjects import LatentVariances, SubjectRows

__all__ = ["FieldRunner", "FieldState"]

Array = NDArray[np.float64]
Single = NDArray[np.float32]

_SMALLEST = 1e-6  # of a variance, relative to that of an axis


class FieldState(NamedTuple):
    """Between two epochs.

    Attributes
    ----------
    training : FieldTraining
    variances : LatentVariances
    """

    training: FieldTraining
    variances: LatentVariances


@final
class FieldRunner:
    """Runs epochs over the visits of which something was observed.

    Parameters
    ----------
    problem : LongitudinalProblem
    rows : SubjectRows
        Features of those visits,
    X : ndarray of float32, shape (n, p)
        and their values.
    """

    def __init__(self, problem: LongitudinalProblem, rows: SubjectRows, X: Single) -> None:
        self.problem, self.rows, self.X = problem, rows, X
        self._features = rows.shared.astype(np.float32), rows.own.astype(np.float32)
        self._size = min(problem.settings.batch_size, len(X))

    def begun(self, rng: np.random.Generator) -> FieldState:
        """Before the first epoch: half of the latents' variance is noise, effects have even shares of the rest."""
        problem, K = self.problem, self.problem.n_components
        scales = np.maximum(problem.effects.scales(self.rows), 1e-12)
        even = np.repeat((0.5 / max(len(scales), 1) / scales)[:, None], K, axis=1)
        variances = problem.effects.variances(np.full(K, 0.5), even)
        field = MeanField.best(self.rows, np.zeros((len(self.X), K)), variances)
        networks = FieldNetworks(
            problem.architecture.draw(rng), problem.likelihood.start(self.X), FieldCoefficients.of(field)
        )
        return FieldState(field_begun(networks), variances)

    def epoch(
        self, state: FieldState, place: tuple[int, int], rng: np.random.Generator
    ) -> tuple[FieldState, dict[str, float]]:
        """One pass; ``place``: which epoch, of how many. The second result is per visit."""
        began, settings, n = time.perf_counter(), self.problem.settings, len(self.X)
        training, single = state.training, FieldVariances.of(state.variances)
        alpha = np.float32(1.0 - settings.prediction)
        mean, variance = (np.empty((n, self.problem.n_components)) for _ in range(2))
        chosen, totals = list(row_batches(rng, n, self._size)), np.zeros(3)
        with own_compilation_cache():
            for number, pack in enumerate(chosen):
                done = (place[0] + number / len(chosen)) / place[1]
                rate = np.float32(0.5 * settings.learning_rate * (1.0 + np.cos(np.pi * done)))
                training, stepped = field_step(
                    training, self._batch(pack, rng), single, self.problem.likelihood, alpha, rate,
                    np.float32(n), architecture=self.problem.architecture,
                )  # fmt: skip
                here = pack.rows[: pack.n_rows]
                mean[here], variance[here] = (np.asarray(part)[: pack.n_rows] for part in stepped[3:])
                totals += [float(value) for value in stepped[:3]]
        if not np.all(np.isfinite(totals)):
            raise FloatingPointError(f"overflow at epoch {place[0] + 1}; lower learning_rate")
        field = jax.tree.map(np.asarray, training.params.coefficients).field()
        variances = self.improved(field, mean, variance, state.variances)
        names = ("reconstruction", "divergence", "prediction", "seconds")
        seen = [*(totals / n).tolist(), time.perf_counter() - began]
        return FieldState(training, variances), dict(zip(names, seen, strict=True))

    def improved(
        self, field: MeanField, mean: Array, variance: Array, before: LatentVariances
    ) -> LatentVariances:
        """Variances after an EM step."""
        moments = field.moments(self.rows, mean, variance)
        problem = self.problem
        found = problem.prior.next_variances(moments, before, problem.effects.learnt, self.rows.n_subjects)
        least = _SMALLEST * np.maximum(np.var(mean, axis=0), 1e-12)
        return found.each(lambda part: np.maximum(part, least))

    def settled(
        self, mean: Array, variance: Array, variances: LatentVariances, n_steps: int
    ) -> tuple[MeanField, LatentVariances]:
        """The best independent coefficients for q(z) as it is, and variances that agree with them."""
        for _ in range(n_steps):
            field = MeanField.best(self.rows, mean, variances)
            variances = self.improved(field, mean, variance, variances)
        return MeanField.best(self.rows, mean, variances), variances

    def _batch(self, pack: Chosen, rng: np.random.Generator) -> FieldBatch:
        x, K = self.X[pack.rows], self.problem.n_components
        shown = (~np.isnan(x)).astype(np.float32)
        if dropout := self.problem.settings.dropout:
            shown *= rng.random(x.shape, dtype=np.float32) >= dropout
        present = (np.arange(len(x)) < pack.n_rows).astype(np.float32)
        shared, own = (part[pack.rows] for part in self._features)
        draws = rng.standard_normal((2, len(x), K), dtype=np.float32)
        return FieldBatch(x, shown, present, self.rows.subject[pack.rows], shared, own, *draws)
