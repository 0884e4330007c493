"""Latent factors by alternating least squares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.latent_factors.model import FactorModel, FactorSettings, NewIdPrior
from intertwine.fitting.latent_factors.sweeps import learnt_from, sweep
from intertwine.fitting.watch import Watch
from intertwine.solvers.alternating_factors import AlternatingFactors, FactorPoint
from intertwine.solvers.rated_sides import RatedSides
from intertwine.structures.latent_factors import FactorScores, LatentFactors
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
) -> FactorModel:
    """Minimise squared error plus ridge penalties, one side after the other.

    Parameters
    ----------
    X : RatingTable
    y : ndarray of shape (n_ratings,)
        About their mean, in the order of the table.
    weight : ndarray of shape (n_ratings,) or None
    settings : FactorSettings
        ``alpha`` is to be positive.
    rng : numpy.random.Generator
    watch : Watch
    n_threads : int, default=1

    Returns
    -------
    FactorModel

    Raises
    ------
    FloatingPointError
        When numbers overflow.
    """
    data = learnt_from(X, y, weight, settings, rng)
    sides = RatedSides.build(
        data.table, data.outcome, data.weight, settings.biases, settings.frequency_power, True, n_threads
    )
    solver = AlternatingFactors(settings.tol, settings.alpha, settings.alpha_features)
    start = solver.start(sides, settings.n_components, settings.init_scale, rng)

    def tables_of(params: FactorPoint):
        return params.users.table, params.items.table

    swept = sweep(sides, solver, start, tables_of, data, settings, watch)
    found: FactorPoint = swept.params
    users, items = tables_of(found)
    d = settings.width
    prior = NewIdPrior(np.zeros((1, d)), settings.alpha * np.eye(d), settings.frequency_power)
    weight = np.ones(len(data.outcome), dtype=bool) if data.weight is None else data.weight
    plain = data.table._replace(user_features=None, item_features=None)  # what they say is in the tables
    scores = FactorScores(LatentFactors(settings.n_components, settings.biases), plain, n_threads)
    squares = scores.squares(np.concatenate([users.ravel(), items.ravel()]), data.outcome, weight, 0.0)
    return FactorModel(
        users=users[None],
        items=items[None],
        intercepts=np.zeros(1),
        user_weights=found.users.regression.weights[None],
        item_weights=found.items.regression.weights[None],
        user_prior=prior,
        item_prior=prior,
        user_covariance=None,
        item_covariance=None,
        noise=float(np.sqrt(squares / weight.sum())),
        history=swept.history,
        converged=swept.converged,
    )
