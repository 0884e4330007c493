"""Fitting a local factorization machine: a start, then stochastic or batch descent."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.local_fm.descent import LocalFMDescent
from intertwine.fitting.local_fm.problem import LocalFMProblem
from intertwine.fitting.local_fm.start import start_of, unit_projection
from intertwine.fitting.resumable import descended
from intertwine.fitting.watch import UNWATCHED, Watch
from intertwine.losses import AbstractLoss
from intertwine.minimize import Iteration
from intertwine.solvers.lbfgs import LBFGS
from intertwine.structures.coding import AbstractCoding, GaussianCoding
from intertwine.structures.local_fm import LocalFM, LocalFMParams

__all__ = ["Batch", "Descent", "LocalFMFit", "LocalFMSettings", "Stochastic", "fit_local_fm"]


_SMALLEST_BATCH = 8
_STEPS = 50  # of an epoch, at least, as far as rows allow


class Stochastic(NamedTuple):
    """Mini-batch descent for so many epochs; batches are smaller where an epoch would have only a few."""

    n_epochs: int
    learning_rate: float
    batch_size: int


class Batch(NamedTuple):
    """L-BFGS on all rows, until the decrease in sight, relative, falls below ``tol``."""

    max_iter: int
    tol: float


class Descent(NamedTuple):
    """How the objective is minimised: by mini-batches, on all rows, or both.

    With both, mini-batches come first where the objective jumps as anchors move, and L-BFGS then finishes the experts
    between fixed anchors; where nothing jumps, L-BFGS does it all.
    """

    stochastic: Stochastic | None
    batch: Batch | None


class LocalFMSettings(NamedTuple):
    """What is fitted and how.

    Attributes
    ----------
    n_anchors, n_components : int
    coding : AbstractCoding
    gamma : float or None
        None: by the distances at the start.
    columns : ndarray of int or None
        Columns that distances are measured in; None: all.
    n_latent : int
        Dimension of the learnt space that distances are measured in; 0: none.
    learns_anchors : bool
        Also moves the learnt space.
    alpha, alpha_anchors : float
    descent : Descent
    """

    n_anchors: int
    n_components: int
    coding: AbstractCoding
    gamma: float | None
    columns: NDArray | None
    n_latent: int
    learns_anchors: bool
    alpha: float
    alpha_anchors: float
    descent: Descent


class LocalFMFit(NamedTuple):
    """A fitted machine.

    Attributes
    ----------
    machine : LocalFM
    params : LocalFMParams
    offset : float
        Added to the scores of the machine.
    history : list of Iteration
    converged : bool
        Whether the descent ended by itself (where no step leads down, a kink included), not at its last iteration. A
        stochastic one always comes to the end of its schedule.
    """

    machine: LocalFM
    params: LocalFMParams
    offset: float
    history: list[Iteration]
    converged: bool

    def scores(self, X: Any) -> NDArray:
        """Scores of rows (n,)."""
        return self.offset + self.machine.score(self.params, X)


def fit_local_fm(
    loss: AbstractLoss,
    X: Any,
    settings: LocalFMSettings,
    rng: np.random.Generator,
    watch: Watch = UNWATCHED,
) -> LocalFMFit:
    """Fit one machine.

    Parameters
    ----------
    loss : AbstractLoss
        With rows that do not interact.
    X : scipy.sparse.csr_array of shape (n, p)
        Features on comparable scales.
    settings : LocalFMSettings
    rng : numpy.random.Generator
    watch : Watch, optional
        Told of every iteration or epoch, those of the latent space included.

    Raises
    ------
    ValueError
        "overflow at epoch …; lower learning_rate".
    """
    n, p = X.shape
    projection = _latent_space(loss, X, settings, rng, watch)
    n_anchors = min(settings.n_anchors, n)
    machine = LocalFM(p, settings.n_components, n_anchors, settings.coding, settings.columns)
    start = start_of(machine, X, loss.sample_weight, projection, settings.gamma, rng)
    learns = settings.learns_anchors
    moves_space = learns and projection.shape[1] > 0
    problem = LocalFMProblem(
        loss, X, machine, start, settings.alpha, settings.alpha_anchors, learns, moves_space
    )
    params, history, converged = _descend(problem, start, settings.descent, rng, watch)
    return LocalFMFit(machine, params, problem.offset, history, converged)


def _latent_space(loss, X, settings, rng, watch) -> NDArray:
    """Where the learnt space begins: at the features if it has room for them, else at a plain machine's factors."""
    p, r = X.shape[1], settings.n_latent
    if r == 0 or r >= p:
        return np.eye(p, min(r, p))
    plain = settings._replace(
        n_anchors=1, n_components=r, coding=GaussianCoding(1), columns=None, n_latent=0, learns_anchors=False
    )
    factors = fit_local_fm(loss, X, plain, rng, watch).params.factors[0]
    return unit_projection(factors, X)


def _descend(problem, start, descent, rng, watch) -> tuple[LocalFMParams, list[Iteration], bool]:
    params, history, converged = start, [], True
    stochastic, batch = descent
    if stochastic is not None and (batch is None or problem.jumps):
        size = min(stochastic.batch_size, max(_SMALLEST_BATCH, problem.n_rows // _STEPS))
        solver = LocalFMDescent(
            stochastic.n_epochs, stochastic.learning_rate, size, seed=int(rng.integers(2**31))
        )
        found = descended("epochs", problem, solver, start, stochastic.n_epochs, watch)
        params, history = found.params, [found.start, *found.history]
        problem = problem.with_fixed_anchors(params)
    if batch is not None:
        found = descended("descent", problem, LBFGS(batch.tol), problem.pack(params), batch.max_iter, watch)
        params, converged = problem.unpack(found.params), found.settled or found.ended
        history = _counted_on(history, [found.start, *found.history])
    return params, history, converged


def _counted_on(before: list[Iteration], rows: list[Iteration]) -> list[Iteration]:
    """Histories of two descents as one."""
    if not before:
        return rows
    count, seconds = before[-1].iteration + 1, before[-1].seconds
    on = [row._replace(iteration=count + row.iteration, seconds=seconds + row.seconds) for row in rows]
    return before + on
