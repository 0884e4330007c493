"""Latent factors by alternating least squares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.latent_factors import FactorModel, FactorSettings, NewIdPrior
from intertwine.fitting.watch import Watch
from intertwine.minimize import minimize
from intertwine.solvers.alternating_factors import AlternatingFactors, FactorPoint, FactorRows
from intertwine.solvers.rated_sides import RatedSide, RatedSides
from intertwine.structures.ratings import RatingTable

__all__ = ["fit_als_factors"]


def fit_als_factors(
    X: RatingTable,
    y: NDArray[np.float64],
    weight: NDArray[np.float64] | None,
    settings: FactorSettings,
    rng: np.random.Generator,
    watch: Watch,
    n_threads: int = 1,
    previous: FactorModel | None = None,
) -> FactorModel:
    """Minimise squared error plus ridge penalties, one side after the other.

    Parameters
    ----------
    X : RatingTable
    y : ndarray of shape (n_ratings,)
        About their mean, in the order of the table.
    weight : ndarray of shape (n_ratings,) or None
    settings : FactorSettings
        ``alpha`` and ``alpha_features`` are to be positive.
    rng : numpy.random.Generator
    watch : Watch
    n_threads : int, default=1
    previous : FactorModel, optional
        Whose items to start from; ids it does not know start at random.

    Returns
    -------
    FactorModel

    Raises
    ------
    FloatingPointError
        When numbers overflow.
    """
    sides = RatedSides.build(X, y, weight, settings.biases, settings.frequency_power, True, n_threads)
    solver = AlternatingFactors(settings.tol, settings.alpha, settings.alpha_features)
    start = solver.start(sides, settings.n_components, settings.init_scale, rng)
    if previous is not None:
        start = FactorPoint(
            _continued(sides.users, start.users, previous.users[-1], previous.user_weights),
            _continued(sides.items, start.items, previous.items[-1], previous.item_weights),
        )
    result = minimize(sides, solver, start, max_iter=settings.max_iter, callbacks=[watch.progress.iteration])
    found: FactorPoint = result.params
    history = [(row.iteration, row.value, np.nan, float(row.iteration)) for row in result.history[1:]]
    d = settings.width
    prior = NewIdPrior(np.zeros(d), settings.alpha * np.eye(d), settings.frequency_power)
    total = float(sides.users.rows.total_weights().sum())
    return FactorModel(
        users=found.users.table[None],
        items=found.items.table[None],
        intercepts=np.zeros(1),
        user_weights=found.users.regression.weights,
        item_weights=found.items.regression.weights,
        user_prior=prior,
        item_prior=prior,
        user_covariance=None,
        item_covariance=None,
        noise=float(np.sqrt(max(result.state.squares, 0.0) / total)),
        history=np.array(history, dtype=float).reshape(-1, 4),
        converged=result.converged,
    )


def _continued(side: RatedSide, fresh: FactorRows, table: NDArray, weights: NDArray) -> FactorRows:
    rows = fresh.table.copy()
    known = min(len(rows), len(table))
    rows[:known] = table[:known]
    if weights.shape != fresh.regression.weights.shape:
        return fresh._replace(table=rows)
    return FactorRows(rows, side.features.at(fresh.regression.mean, weights))
