"""Stochastic descent of a local factorization machine: mini-batches, one epoch a step, steps that fade to zero."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.local_fm.problem import LocalFMProblem
from intertwine.losses import LossOverflowError
from intertwine.solvers.base import AbstractSolver
from intertwine.solvers.row_adam import SQUARE_FADING, RowMoments, step_rows
from intertwine.structures import _local_fm_kernels as kernels
from intertwine.structures.local_fm import Anchors, LocalFMParams, Rows

__all__ = ["DescentState", "LocalFMDescent"]


class DescentState(NamedTuple):
    """Everything the next epoch depends on.

    Attributes
    ----------
    params : LocalFMParams
    value : float
        Mean loss of the batches, each before its step.
    optimality : float
        How much of the schedule is left, from one to zero.
    epoch : int
    moments : tuple of RowMoments
        Of intercepts, experts and projection.
    energy : ndarray of shape (m,)
        Fading mean of the squared norms of the anchors' gradients.
    """

    params: LocalFMParams
    value: float
    optimality: float
    epoch: int
    moments: tuple[RowMoments, ...]
    energy: NDArray


@final
class LocalFMDescent(AbstractSolver):
    """Adam on the experts, normalised steps on the anchors; a step of the solver is one pass over the rows.

    Every epoch has its own shuffle, drawn from the seed and its number, so that a run is the same however it was
    interrupted. Rates fall linearly to zero at the last epoch, where the run is done.

    Parameters
    ----------
    n_epochs : int
    learning_rate : float
        Of the first batch.
    batch_size : int
    seed : int
    """

    def __init__(self, n_epochs: int, learning_rate: float, batch_size: int, seed: int) -> None:
        super().__init__(tol=0.0)
        self.n_epochs = n_epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.seed = seed

    def init(self, problem: LocalFMProblem, params: LocalFMParams) -> DescentState:
        tables = _tables(params)
        moments = tuple(RowMoments.of(table) for table in tables)
        value = problem.loss.value(problem.scores(params))
        return DescentState(params, value, 1.0, 0, moments, np.zeros(problem.machine.n_anchors))

    def step(self, problem: LocalFMProblem, state: DescentState) -> DescentState:
        params = LocalFMParams(*(array.copy() for array in state.params))
        moments, energy = tuple(one.copy() for one in state.moments), state.energy.copy()
        epoch = _Epoch(self, problem, params, moments, energy, state.epoch)
        try:
            value = epoch.run()
        except LossOverflowError:
            raise ValueError(f"overflow at epoch {state.epoch + 1}; lower learning_rate") from None
        done = state.epoch + 1
        left = 1.0 - done / self.n_epochs
        return DescentState(epoch.params, value, left, done, moments, energy)


def _tables(params: LocalFMParams) -> tuple[NDArray, NDArray, NDArray]:
    """Intercepts, experts and projection as tables, a row for what is touched together; views."""
    experts = params.experts.reshape(-1, params.experts.shape[2])
    return params.intercepts[:, None], experts, params.projection


@final
class _Epoch:
    """One pass; works in place on the arrays that it is given."""

    def __init__(self, solver, problem, params, moments, energy, epoch):
        self.params, self._problem, self._moments, self._energy = params, problem, moments, energy
        self._rate = solver.learning_rate
        order = np.random.default_rng([solver.seed, epoch]).permutation(problem.n_rows)
        self._loss = problem.loss.take(order)
        self._X = problem.X[order]
        self._shuffled = problem.machine.coordinates(self._X)  # where rows are not projected
        n_batches = max(1, round(problem.n_rows / solver.batch_size))
        self._edges = np.linspace(0, problem.n_rows, n_batches + 1).astype(np.int64)
        self._begun, self._total = epoch * n_batches, solver.n_epochs * n_batches
        self._anchors = Anchors.of(params.anchors)
        self._gradients = tuple(np.zeros_like(table) for table in _tables(params))
        self._seen = np.zeros(len(self._gradients[1]), dtype=np.int64)
        largest = int(np.diff(self._X.indptr[self._edges]).max()) if self._X.shape[0] else 0
        self._touched = np.empty(
            largest * min(problem.machine.coding.n_neighbors, len(energy)), dtype=np.int64
        )

    def run(self) -> float:
        """Mean loss of the batches."""
        total = 0.0
        for batch, (start, stop) in enumerate(zip(self._edges[:-1], self._edges[1:], strict=True)):
            total += self._step(self._begun + batch + 1, start, stop)
        if self._problem.learns_anchors:
            self.params = self.params._replace(anchors=self._anchors.rows)
        return total / self._loss.total_weight

    def _step(self, time: int, start: int, stop: int) -> float:
        machine, params = self._problem.machine, self.params
        X = self._X[start:stop]
        projected = params.projection.shape[1] > 0
        rows = Rows.of(X)
        coordinates = Rows.of(X @ params.projection) if projected else Rows.of(self._shuffled[start:stop])
        blend = machine.blend(params, rows, coordinates, self._anchors)
        loss = self._loss.take(np.arange(start, stop))
        scores = blend.scores + self._problem.offset
        # mean over the batch as if every row weighed what rows weigh on average: right in expectation
        share = loss.total_weight * self._loss.n_rows / (self._loss.total_weight * loss.n_rows)
        v = loss.gradient(scores) * share
        nearest, distances, weights, counts = blend.codes
        intercepts, experts, projection = self._gradients
        kernels.pull_back_experts(
            *rows, nearest, weights, counts, v, params.experts, blend.sums,
            intercepts[:, 0], experts.reshape(params.experts.shape),
        )  # fmt: skip
        n_touched = kernels.touched_parameters(
            rows.indptr, rows.indices, nearest, counts, machine.n_features, time, self._seen, self._touched
        )
        rate = self._rate * (1.0 - (time - 1) / self._total)
        everything = np.arange(machine.n_anchors)
        tables, alpha = _tables(params), self._problem.alpha
        slopes = machine.slopes(params, blend, v)
        if projected and self._problem.learns_projection:
            at = params._replace(anchors=self._anchors.rows)
            projection[:] = X.T @ machine.coordinate_slopes(at, blend, slopes)
            step_rows(
                tables[2], projection, self._moments[2], np.unique(X.indices), time, rate, alpha,
                self._problem.start.projection,
            )  # fmt: skip
        step_rows(tables[0], intercepts, self._moments[0], everything, time, rate, alpha)
        step_rows(tables[1], experts, self._moments[1], self._touched[:n_touched], time, rate, alpha)
        if self._problem.learns_anchors:
            correction = 1.0 - SQUARE_FADING**time
            kernels.move_anchors(
                *coordinates, nearest, counts, slopes, distances,
                rate, self._energy, SQUARE_FADING, correction, *self._anchors,
            )  # fmt: skip
            if self._problem.alpha_anchors:
                self._pull_anchors(rate, correction)
        return loss.value(scores) * loss.total_weight

    def _pull_anchors(self, rate: float, correction: float) -> None:
        """A step toward where the anchors began, in the units of the others; it costs all their coordinates."""
        size = np.sqrt(self._energy / correction)
        share = rate * self._problem.alpha_anchors / np.where(size > 0, size, np.inf)
        rows = self._anchors.rows
        rows -= np.minimum(share, 1.0)[:, None] * (rows - self._problem.start.anchors)
        self._anchors = Anchors.of(rows)
