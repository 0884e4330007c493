"""Variational Bayes for latent factors, from ratings to a model with the covariances of its rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.latent_factors.model import FactorModel, FactorSettings, NewIdPrior
from intertwine.fitting.latent_factors.squared_ratings import weighted_squares
from intertwine.fitting.latent_factors.sweeps import learnt_from, sweep
from intertwine.fitting.watch import Watch
from intertwine.solvers.rated_sides import RatedSides
from intertwine.solvers.variational import FactorPosterior, FactorPrior, VariationalFactors
from intertwine.structures.factor_moments import Moments
from intertwine.structures.ratings import RatingTable

__all__ = ["fit_variational"]

_SAME = 1e-9  # relative: ratings whose unit is this near to one are not copied into it


def fit_variational(
    X: RatingTable,
    y: NDArray[np.float64],
    weight: NDArray[np.float64] | None,
    settings: FactorSettings,
    rng: np.random.Generator,
    watch: Watch,
    n_threads: int = 1,
) -> FactorModel:
    """Find the factorized posterior of the rows, and the priors and the noise that the ratings speak for.

    No strength is to be chosen: of the settings only ``n_components``, ``biases``, ``max_iter``, ``tol``,
    ``init_scale`` and ``validation_fraction`` are read. A weight counts as that many ratings.

    Parameters
    ----------
    X : RatingTable
    y : ndarray of shape (n_ratings,)
        About their mean, in the order of the table.
    weight : ndarray of shape (n_ratings,) or None
    settings : FactorSettings
    rng : numpy.random.Generator
    watch : Watch
    n_threads : int, default=1

    Returns
    -------
    FactorModel
        Its covariances are those of the rows; side features' coefficients count as known.

    Raises
    ------
    FloatingPointError
        When numbers overflow.
    """
    data = learnt_from(X, y, weight, settings, rng)
    # factors and priors of order one whatever the unit of the ratings: a bias has their unit, a factor its root
    weights = np.ones(len(data.outcome), dtype=bool) if weight is None else weight
    unit = float(np.sqrt(weighted_squares(data.outcome, weights) / weights.sum())) or 1.0
    if abs(unit - 1.0) < _SAME:
        unit = 1.0
    else:
        data = data._replace(outcome=data.outcome / unit)
    units = np.full(settings.width, np.sqrt(unit))
    units[: int(settings.biases)] = unit
    sides = RatedSides.build(data.table, data.outcome, data.weight, settings.biases, n_threads=n_threads)
    solver = VariationalFactors(settings.tol)
    start = solver.start(sides, settings.n_components, settings.init_scale, rng)

    def tables_of(params: FactorPosterior):
        return params.users.means * units, params.items.means * units

    swept = sweep(sides, solver, start, tables_of, data, settings, watch)
    found: FactorPosterior = swept.params
    users, items = tables_of(found)
    return FactorModel(
        users=users[None],
        items=items[None],
        intercepts=np.zeros(1),
        user_weights=(found.user_prior.regression.weights * units)[None],
        item_weights=(found.item_prior.regression.weights * units)[None],
        user_prior=_published(found.user_prior, found.noise_precision, unit, units),
        item_prior=_published(found.item_prior, found.noise_precision, unit, units),
        user_covariance=_scaled_covariances(found.users, units),
        item_covariance=_scaled_covariances(found.items, units),
        noise=unit * found.noise_precision**-0.5,
        history=swept.history,
        converged=swept.converged,
    )


def _published(prior: FactorPrior, noise_precision: float, unit: float, units: NDArray) -> NewIdPrior:
    precision = prior.precision / np.outer(units, units) * (unit**2 / noise_precision)
    return NewIdPrior((prior.regression.mean * units)[None], precision, 0.0)


def _scaled_covariances(moments: Moments, units: NDArray) -> NDArray[np.float32]:
    i, j = np.tril_indices(units.size)
    packed = (moments.packed * (units[i] * units[j])).astype(np.float32)
    return moments._replace(packed=packed).covariances()
