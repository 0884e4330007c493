"""Latent factors by stochastic gradient descent, stopped by ratings that were held out."""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.latent_factors.early_stopping import EarlyStopping
from intertwine.fitting.latent_factors.held_out_ratings import hold_out
from intertwine.fitting.latent_factors.model import FactorModel, FactorSettings, NewIdPrior
from intertwine.fitting.resumable import descended
from intertwine.fitting.watch import Watch
from intertwine.solvers.sgd import FactorTables, StochasticDescent
from intertwine.structures import _factor_sgd as kernels
from intertwine.structures.ratings import RatingTable, place_type

__all__ = ["fit_sgd_factors"]

_PATIENCE = 10  # epochs: small factors take some before they show


@final
class _Ratings:
    """Ratings in the order of their users, and what a step over them does."""

    def __init__(self, X: RatingTable, y, weight, settings: FactorSettings, rng: np.random.Generator) -> None:
        self._rows = X.users, X.item_of, y, np.broadcast_to(1.0, len(y)) if weight is None else weight
        self._biases = int(settings.biases)
        counts = (np.maximum(n, 1).astype(float) for n in (X.user_counts, X.item_counts))
        self._totals = [settings.alpha * n**settings.frequency_power for n in counts]
        self._each = [
            total / np.maximum(n, 1)
            for total, n in zip(self._totals, (X.user_counts, X.item_counts), strict=True)
        ]
        self._rng = rng
        self._order = np.arange(X.n_ratings, dtype=place_type(X.n_ratings))

    def epoch(self, tables: FactorTables, rate: float) -> float:
        order = self._rng.permutation(self._order)
        users, items = tables
        user_strength, item_strength = self._each
        return kernels.epoch(
            order, *self._rows, users, items, self._biases, user_strength, item_strength, rate
        )

    def penalty(self, tables: FactorTables) -> float:
        return 0.5 * sum(
            float(total @ (table**2).sum(axis=1)) for total, table in zip(self._totals, tables, strict=True)
        )

    def error(self, tables: FactorTables) -> float:
        """Root mean squared error."""
        squares = kernels.squared_error(*self._rows, *tables, self._biases)
        return float(np.sqrt(squares / self._rows[3].sum()))


def fit_sgd_factors(
    X: RatingTable,
    y: NDArray[np.float64],
    weight: NDArray[np.float64] | None,
    settings: FactorSettings,
    rng: np.random.Generator,
    watch: Watch,
    n_threads: int = 1,
) -> FactorModel:
    """Descend.

    Parameters
    ----------
    X : RatingTable
    y : ndarray of shape (n_ratings,)
        In the table's order, about its mean.
    weight : ndarray of shape (n_ratings,) or None
        One each where None.
    settings : FactorSettings
    rng : numpy.random.Generator
    watch : Watch
    n_threads : int, default=1
        Not used: steps follow one another.

    Returns
    -------
    FactorModel

    Raises
    ------
    FloatingPointError
        When steps are too long.
    """
    y = np.asarray(y, dtype=np.float64)
    train, train_y, train_weight = X, y, weight
    stopping = None
    if settings.validation_fraction > 0 and X.n_ratings > 1:
        parts = hold_out(X, settings.validation_fraction, rng)
        train, train_y, train_weight = parts.train, y[parts.kept], _some(weight, parts.kept)
        if parts.held.n_ratings:
            held = _Ratings(parts.held, y[~parts.kept], _some(weight, ~parts.kept), settings, rng)
            stopping = EarlyStopping(held.error, _PATIENCE, settings.tol)
    problem = _Ratings(train, train_y, train_weight, settings, rng)
    d, first = settings.width, int(settings.biases)
    start = FactorTables(*(settings.init_scale * rng.standard_normal((n, d)) for n in (X.n_users, X.n_items)))
    for table in start:
        table[:, :first] = 0.0
    solver = StochasticDescent(settings.tol if stopping is None else 0.0, settings.learning_rate)
    found = descended("epochs", problem, solver, start, settings.max_iter, watch, stopping=stopping, rng=rng)
    tables = found.params
    number = np.arange(1.0, len(found.history) + 1.0)
    objective = [row.value for row in found.history]
    errors = found.errors or [np.nan] * len(number)
    seconds = [row.seconds for row in found.history]
    noise = problem.error(tables)
    ridge = NewIdPrior(np.zeros((1, d)), settings.alpha * np.eye(d), settings.frequency_power)
    priors = [ridge if stopping is None else NewIdPrior.of_population(table, noise) for table in tables]
    return FactorModel(
        users=tables.users[None],
        items=tables.items[None],
        intercepts=np.zeros(1),
        user_weights=np.zeros((1, 0, d)),
        item_weights=np.zeros((1, 0, d)),
        user_prior=priors[0],
        item_prior=priors[1],
        user_covariance=None,
        item_covariance=None,
        noise=noise,
        history=np.column_stack([number, objective, errors, number, seconds]),
        converged=found.settled,
    )


def _some(weight: NDArray[np.float64] | None, kept: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    return None if weight is None else weight[kept]
