"""Epochs of a variational autoencoder with random effects, kept on record while they run."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.compiled_steps import own_compilation_cache
from intertwine.fitting.kept_epochs import kept_epochs
from intertwine.fitting.mini_batches import Chosen, row_batches
from intertwine.fitting.random_effects.vae_effects import OtherRows, Solved
from intertwine.fitting.random_effects.vae_local_rows import LocalRows
from intertwine.fitting.random_effects.vae_problem import VAEProblem
from intertwine.fitting.random_effects.vae_steps import (
    Batch,
    GroupBatch,
    Training,
    decoded_moments,
    quadrature,
    train_step,
)
from intertwine.fitting.watch import Watch
from intertwine.minimize import Iteration
from intertwine.mixed_effects.base import VarianceComponents
from intertwine.networks import Autoencoder, n_latents

__all__ = ["EpochState", "Evaluated", "evaluated", "history_row", "run_epochs"]

Array = NDArray[np.float64]
Single = NDArray[np.float32]

_PULLED_EPOCHS = 2
_PULL = 10.0
_LARGEST_BOUND = 1e12  # per entry; beyond, the networks have left all scale


class EpochState(NamedTuple):
    """All that an epoch depends on, besides the generator of random numbers.

    Attributes
    ----------
    training : Training
    residual : ndarray of float32, shape (n, p)
        x − f(u) at draws of u.
    variances : VarianceComponents
    divergence : float64
        Of all latents from their prior, in the last pass.
    sites : Sites or None
        Measurements that entries of columns stand for which are not Gaussian.
    """

    training: Training
    residual: Single
    variances: VarianceComponents
    divergence: np.float64
    sites: Any = None


def run_epochs(
    problem: VAEProblem,
    state: EpochState,
    epochs: range,
    scores: Single,
    rng: np.random.Generator,
    watch: Watch,
    name: str,
) -> tuple[EpochState, list[dict[str, Any]]]:
    """Run some of a fit's epochs; the rows of the history besides the state.

    ``scores`` (n, d) is where u is pulled to in the first epochs. ``name`` is that of the step in the journal.
    """
    began: float | None = None

    def advance(before: EpochState, epoch: int, history: list[dict[str, Any]]) -> EpochState:
        nonlocal began
        if began is None:
            began = time.perf_counter() - (history[-1]["seconds"] if history else 0.0)
        now, bound = _epoch(problem, before, epoch, scores, rng)
        if epoch:
            history.append(history_row(problem, before, epoch, bound, time.perf_counter() - began))
            _show(watch, history, now)
        return now

    return kept_epochs(name, state, epochs, advance, rng, watch.journal)


def _show(watch: Watch, history: list[dict[str, Any]], state: EpochState) -> None:
    row = history[-1]
    gain = row["bound"] - history[-2]["bound"] if len(history) > 1 else float("inf")
    watch.progress.iteration(Iteration(row["iteration"], -row["bound"], abs(gain), row["seconds"]), state)


def _epoch(
    problem: VAEProblem, state: EpochState, epoch: int, scores: Single, rng: np.random.Generator
) -> tuple[EpochState, float]:
    """The state after one more epoch, and the bound of the state before."""
    solved = problem.solve(state.residual, state.variances, state.sites, improve=epoch > 0)
    bound = _bound(problem, solved, float(state.divergence))
    if epoch and not abs(bound) < _LARGEST_BOUND * state.residual.size:
        raise FloatingPointError(f"overflow at epoch {epoch}; lower learning_rate")
    covariance = None
    if problem.packs is not None:
        assert solved.posterior is not None
        covariance = solved.posterior.level_covariance(0).astype(np.float32)
    training, residual, divergence = _pass(problem, state, solved, covariance, epoch, scores, rng)
    sites = None if solved.local is None else solved.local.sites
    return EpochState(training, residual, solved.variances, np.float64(divergence), sites), bound


def _bound(problem: VAEProblem, solved: Solved, divergence: float) -> float:
    return solved.log_likelihood - problem.settings.beta_latents * divergence + problem.log_units


def history_row(
    problem: VAEProblem, state: EpochState, epoch: int, bound: float, seconds: float
) -> dict[str, Any]:
    """What is told of the state after an epoch."""
    own = (state.variances.noise * problem.spread**2)[problem.effects.gaussian].ravel()
    noise = float(np.sqrt(np.mean(own))) if own.size else 0.0
    return {
        "iteration": epoch,
        "bound": bound,
        "divergence": float(state.divergence) / len(problem.x),
        "noise": noise,
        "seconds": seconds,
    }


def _pass(
    problem: VAEProblem,
    state: EpochState,
    solved: Solved,
    covariance: Single | None,
    epoch: int,
    scores: Single,
    rng: np.random.Generator,
) -> tuple[Training, Single, float]:
    """One pass over the rows: networks, residuals at the draws, sum of the latents' divergences."""
    settings, n_rows = problem.settings, len(problem.x)
    if problem.packs is None:
        chosen = list(row_batches(rng, n_rows, settings.batch_size))
    else:
        chosen = list(problem.packs.batches(rng))
    pull = np.float32(_PULL if epoch < _PULLED_EPOCHS else 0.0)
    beta = np.float32(settings.beta_latents)
    training, told = state.training, []
    for number, batch in enumerate(chosen):
        progress = (epoch + number / len(chosen)) / problem.n_epochs
        rate = np.float32(0.5 * settings.learning_rate * (1.0 + np.cos(np.pi * progress)))
        arguments = (
            training,
            _batch(problem, solved.others, scores, batch, rng),
            _besides(problem, solved, state.variances, covariance, batch),
            rate,
            beta,
            pull,
        )
        if number == 0:
            with own_compilation_cache():
                training, *outcome = train_step(*arguments)
        else:
            training, *outcome = train_step(*arguments)
        told.append(outcome)
    residual = problem.x.copy()
    divergence = 0.0
    for batch, (decoded, of_batch) in zip(chosen, told, strict=True):
        residual[batch.rows[: batch.n_rows]] -= np.asarray(decoded)[: batch.n_rows]
        divergence += float(of_batch)
    return training, residual, divergence


def _batch(
    problem: VAEProblem, others: OtherRows, scores: Single, chosen: Chosen, rng: np.random.Generator
) -> Batch:
    rows, size = chosen.rows, len(chosen.rows)
    weight = others.weight[rows]
    weight[chosen.n_rows :] = 0.0
    present = (np.arange(size) < chosen.n_rows).astype(np.float32)
    noise = rng.standard_normal((size, scores.shape[1]), dtype=np.float32)
    return Batch(problem.x[rows], others.offset[rows], weight, present, noise, scores[rows])


def _besides(
    problem: VAEProblem,
    solved: Solved,
    variances: VarianceComponents,
    covariance: Single | None,
    chosen: Chosen,
) -> GroupBatch | LocalRows | None:
    if problem.entries is not None:
        columns, rows = problem.entries.columns, chosen.rows
        weight = solved.others.weight[rows]
        weight[chosen.n_rows :] = 0.0
        x = problem.x[rows] + problem.entries.x[rows]
        return LocalRows(columns, x, solved.local.offset[rows], weight, solved.local.variance[rows])
    if covariance is None:
        return None
    assert problem.basis is not None
    precision = np.zeros((len(chosen.rows), problem.x.shape[1]), np.float32)
    precision[: chosen.n_rows] = 1.0 / variances.noise
    if problem.observed is not None:
        precision *= problem.observed[chosen.rows]
    return GroupBatch(precision, problem.basis[chosen.rows], chosen.level, covariance[chosen.groups])


class Evaluated(NamedTuple):
    """A state, over all of q.

    Attributes
    ----------
    residual : ndarray of float32, shape (n, p)
        x − E f(u), zero where nothing was observed.
    solved : Solved
        What they say.
    bound : float
    latents : ndarray of float32, shape (n, d)
        Means of q(u).
    """

    residual: Single
    solved: Solved
    bound: float
    latents: Single


def evaluated(problem: VAEProblem, state: EpochState) -> Evaluated:
    """What rows say of their effects where a state has come to."""
    others = problem.solve(state.residual, state.variances, state.sites).others
    mean, variance, divergence, latents = moments_of(state.training.params, problem.x, others)
    residual = problem.x - mean
    if problem.observed is not None:
        residual *= problem.observed
    solved = problem.solve(residual, state.variances, state.sites)
    open_ended = problem.effects.uncertainty(solved, state.variances, variance)
    return Evaluated(residual, solved, _bound(problem, solved, divergence) - open_ended, latents)


def moments_of(params: Autoencoder, x: Single, others: OtherRows) -> tuple[Single, Single, float, Single]:
    """Mean and variance of f(u) at all rows, the sum of the divergences, means of q(u); in pieces of one shape."""
    size = min(4096, len(x))
    mean, variance, divergence = np.empty_like(x), np.empty_like(x), 0.0
    latents = np.empty((len(x), n_latents(params)), np.float32)
    rule = quadrature(n_latents(params))
    for first in range(0, len(x), size):
        rows = np.minimum(np.arange(first, first + size), len(x) - 1)
        count = min(size, len(x) - first)
        with own_compilation_cache():
            found = decoded_moments(params, x[rows], others.offset[rows], others.weight[rows], *rule)
        mean[first : first + count], variance[first : first + count] = (
            np.asarray(part)[:count] for part in found[:2]
        )
        divergence += float(np.asarray(found[2])[:count].sum(dtype=np.float64))
        latents[first : first + count] = np.asarray(found[3])[:count]
    return mean, variance, divergence, latents
