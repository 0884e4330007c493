"""Factorization machines by AdaGrad: from a table, on from an earlier fit, or from chunks that no memory holds.

    J = 1/Σw Σ_i w_i ℓ(y_i, f(x_i)) + ½ c² Σ_b strength_b Σ_j ‖θ_bj / unit_bj‖²,

the blocks b being linear weights, factors of pairs and factors of triples, in the units of `units.py` (c is that of the
scores). Everything is a stream of chunks here; a table is a stream of one chunk that lies in memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from intertwine.fitting.fm.chunks import Chunk, TrainingRows, held_out_rows, split
from intertwine.fitting.fm.passes import AdaGradSettings, Passes
from intertwine.fitting.fm.units import AbstractRowLoss, Seen
from intertwine.fitting.resumable import descended
from intertwine.fitting.watch import UNWATCHED, Watch
from intertwine.minimize import Iteration
from intertwine.solvers.adagrad import AdaGrad, Point
from intertwine.structures.fm import FactorizationMachine, FMParams

__all__ = ["AdaGradFit", "AdaGradSettings", "fit_chunks", "fit_table", "update"]

_WINDOW = 1024  # rows that the caches hold while they are visited at random


class AdaGradFit(NamedTuple):
    """A fit, and all that is needed to go on with it.

    Attributes
    ----------
    params : FMParams
        In the units of the features: the best on the rows held out, or those after the last pass.
    point : Point
        Where the next pass goes on.
    seen : Seen
        Sums over the rows of the fit.
    history : list of Iteration
    converged : bool
    """

    params: FMParams
    point: Point
    seen: Seen
    history: list[Iteration]
    converged: bool


def fit_table(
    loss: AbstractRowLoss,
    table: Chunk,
    structure: FactorizationMachine,
    settings: AdaGradSettings,
    seed: int,
    before: AdaGradFit | None = None,
    watch: Watch = UNWATCHED,
) -> AdaGradFit:
    """Fit rows that lie in memory; see `fit_chunks`."""
    fraction = settings.validation_fraction
    training, held_out = split(table, 0, fraction, seed) if fraction else (table, None)
    if not settings.shuffle:
        return _fit(loss, [training], held_out, structure, settings, seed, before, watch, None)
    # Shuffled in memory once, visited window by window: a cache miss for every row would take twice its arithmetic.
    training = training.take(np.random.default_rng([seed, 0]).permutation(training.y.size))
    return _fit(loss, [training], held_out, structure, settings, seed, before, watch, _WINDOW)


def fit_chunks(
    loss: AbstractRowLoss,
    chunks: Iterable[Chunk],
    structure: FactorizationMachine,
    settings: AdaGradSettings,
    seed: int,
    before: AdaGradFit | None = None,
    watch: Watch = UNWATCHED,
) -> AdaGradFit:
    """Fit a stream of chunks, of which one at a time is in memory.

    The stream is read once for the units, once for every pass, and once for the rows held out, which are kept. Visited
    in the order they come (``shuffle=False``), rows give the same result to the bit however they are cut.

    Parameters
    ----------
    loss : AbstractRowLoss
    chunks : iterable of Chunk
        Can be iterated again and again.
    structure : FactorizationMachine
    settings : AdaGradSettings
    seed : int
    before : AdaGradFit, optional
        Goes on from there; features that it does not know are added.
    watch : Watch, optional

    Returns
    -------
    AdaGradFit

    Raises
    ------
    ValueError
        Overflow; fewer than two rows held out; no rows.
    """
    fraction = settings.validation_fraction
    held_out = held_out_rows(chunks, fraction, seed) if fraction else None
    training = TrainingRows(chunks, fraction, seed)
    return _fit(loss, training, held_out, structure, settings, seed, before, watch, None)


def update(
    loss: AbstractRowLoss,
    chunk: Chunk,
    structure: FactorizationMachine,
    settings: AdaGradSettings,
    seed: int,
    before: AdaGradFit | None = None,
) -> AdaGradFit:
    """Make one pass over new rows; units and penalties are those of all rows met so far."""
    seen = (Seen.nothing(0) if before is None else before.seen).and_then([chunk])
    problem = Passes(loss, [chunk], None, structure, settings, seed, seen, None)
    point, value = problem.visit(_start(problem, before), settings.learning_rate)
    history = [] if before is None else before.history
    gain = (history[-1].value - value) / max(abs(value), 1e-300) if history else 0.0
    row = Iteration(point.n_passes, value, max(gain, 0.0), float("nan"))
    return AdaGradFit(point.params, point, seen, [*history, row], converged=True)


def _fit(loss, training, held_out, structure, settings, seed, before, watch, window) -> AdaGradFit:
    if held_out is not None and held_out.y.size < 2:
        raise ValueError(
            f"the validation part has {held_out.y.size} rows; raise validation_fraction, or hold no rows out"
        )
    seen = Seen.nothing(0 if before is None else before.seen.counts.size).and_then(training)
    if not seen.n_rows:
        if held_out is not None:
            raise ValueError(
                f"validation_fraction={settings.validation_fraction:g} leaves no rows to fit beside the "
                f"{held_out.y.size} that judge; lower it"
            )
        raise ValueError("the stream has no rows to fit")
    problem = Passes(loss, training, held_out, structure, settings, seed, seen, window)
    solver = AdaGrad(settings.learning_rate, settings.tol, settings.patience)
    start = _start(problem, before)
    found = descended(
        "epochs",
        problem,
        solver,
        start,
        settings.max_iter,
        watch,
        outcome=lambda state: (state.params, state.point),
        like=(start.params, start),
    )
    params, point = found.params
    return AdaGradFit(params, point, seen, [found.start, *found.history], found.settled)


def _start(problem: Passes, before: AdaGradFit | None) -> Point:
    if before is None:
        return problem.start(None, np.zeros(0, dtype=bool))
    return problem.start(before.point, before.seen.counts > 0)
