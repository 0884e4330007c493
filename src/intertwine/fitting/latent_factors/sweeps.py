"""Sweeps of an alternating solver over users and items, until they settle or ratings held out say to stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.latent_factors.early_stopping import EarlyStopping
from intertwine.fitting.latent_factors.held_out_ratings import held_out
from intertwine.fitting.latent_factors.model import FactorSettings, scores_of_pairs
from intertwine.fitting.resumable import descended
from intertwine.fitting.watch import Watch
from intertwine.structures.ratings import RatingTable

__all__ = ["LearntFrom", "Swept", "learnt_from", "sweep"]

_PATIENCE = 4  # sweeps without a gain on the ratings held out


class LearntFrom(NamedTuple):
    """Ratings that a fit learns from, and those by which it stops.

    Attributes
    ----------
    table : RatingTable
        All ratings: those held out weigh nothing, which takes less than a second table.
    outcome : ndarray of shape (n_ratings,)
    weight : ndarray of shape (n_ratings,), float or bool, or None
        One each where None.
    held : RatingTable or None
    held_outcome : ndarray
    held_weight : ndarray or None
    """

    table: RatingTable
    outcome: NDArray[np.float64]
    weight: NDArray[Any] | None
    held: RatingTable | None
    held_outcome: NDArray[np.float64]
    held_weight: NDArray[np.float64] | None


def learnt_from(
    X: RatingTable,
    y: NDArray[np.float64],
    weight: NDArray[np.float64] | None,
    settings: FactorSettings,
    rng: np.random.Generator,
) -> LearntFrom:
    """Hold out ``validation_fraction`` of the ratings."""
    y = np.asarray(y)
    y = y if y.dtype == np.float32 else y.astype(np.float64, copy=False)
    if not settings.validation_fraction:
        return LearntFrom(X, y, weight, None, np.zeros(0), None)
    held, table = held_out(X, settings.validation_fraction, rng)
    if not held.any():  # no id can spare a rating
        return LearntFrom(X, y, weight, None, np.zeros(0), None)
    kept = ~held
    weights = (kept, None) if weight is None else (weight * kept, weight[held])
    return LearntFrom(X, y, weights[0], table, y[held], weights[1])


class Swept(NamedTuple):
    """Where sweeps ended.

    Attributes
    ----------
    params : NamedTuple
        At the end, or where ratings held out were predicted best.
    history : ndarray of shape (n_iter, 5)
        Iteration, objective, root mean squared error of the ratings held out (NaN without), passes over the data,
        seconds.
    converged : bool
    """

    params: Any
    history: NDArray[np.float64]
    converged: bool


def sweep(
    problem: Any,
    solver: Any,
    start: Any,
    tables_of: Callable[[Any], tuple[NDArray, NDArray]],
    data: LearntFrom,
    settings: FactorSettings,
    watch: Watch,
) -> Swept:
    """Run a solver.

    Parameters
    ----------
    problem, solver, start : object
        See `intertwine.minimize.minimize`.
    tables_of : callable
        Parameters to the tables of users and items, in the unit of the ratings.
    data : LearntFrom
    settings : FactorSettings
    watch : Watch
    """
    stopping = None
    if data.held is not None:
        held = data.held
        users = held.users

        def error(params):
            scores = scores_of_pairs(*tables_of(params), users, held.item_of, settings)
            return np.sqrt(np.average((scores - data.held_outcome) ** 2, weights=data.held_weight))

        stopping = EarlyStopping(error, _PATIENCE)
    found = descended("sweeps", problem, solver, start, settings.max_iter, watch, stopping=stopping)
    errors = found.errors or [np.nan] * len(found.history)
    history = [
        (row.iteration, row.value, error, row.iteration, row.seconds)  # a sweep is a pass
        for row, error in zip(found.history, errors, strict=True)
    ]
    return Swept(found.params, np.array(history, dtype=float).reshape(-1, 5), found.settled)
