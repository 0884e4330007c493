"""Variational Bayes for latent factors, from ratings to a model with the covariances of its rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.latent_factors import FactorModel, FactorSettings, NewIdPrior
from intertwine.fitting.watch import Watch
from intertwine.minimize import minimize
from intertwine.solvers.rated_sides import RatedSides
from intertwine.solvers.variational import FactorPosterior, FactorPrior, VariationalFactors, feature_strength
from intertwine.structures.factor_moments import Moments
from intertwine.structures.ratings import RatingTable

__all__ = ["fit_variational"]


def fit_variational(
    X: RatingTable,
    y: NDArray[np.float64],
    weight: NDArray[np.float64] | None,
    settings: FactorSettings,
    rng: np.random.Generator,
    watch: Watch,
    n_threads: int = 1,
    previous: FactorModel | None = None,
) -> FactorModel:
    """Find the factorized posterior of the rows, and the priors and the noise that the ratings speak for.

    No strength is to be chosen: of the settings only ``n_components``, ``biases``, ``max_iter``, ``tol`` and
    ``init_scale`` are read. A weight counts as that many ratings.

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
    previous : FactorModel, optional
        Whose posterior to start from; ids it does not know start at its prior.

    Returns
    -------
    FactorModel

    Raises
    ------
    FloatingPointError
        When numbers overflow.
    """
    # factors and priors of order one whatever the unit of the ratings: a bias has their unit, a factor its root
    unit = float(np.sqrt(np.average(y**2, weights=weight))) or 1.0
    units = np.full(settings.width, np.sqrt(unit))
    units[: int(settings.biases)] = unit
    sides = RatedSides.build(X, y / unit, weight, settings.biases, n_threads=n_threads)
    start = VariationalFactors.start(sides, settings.n_components, settings.init_scale, rng)
    if previous is not None:
        start = _continued(sides, start, previous, unit, units)
    result = minimize(
        sides,
        VariationalFactors(settings.tol),
        start,
        max_iter=settings.max_iter,
        callbacks=[watch.progress.iteration],
    )
    found: FactorPosterior = result.params
    history = [(row.iteration, row.value, np.nan, float(row.iteration)) for row in result.history[1:]]
    return FactorModel(
        users=(found.users.means * units)[None],
        items=(found.items.means * units)[None],
        intercepts=np.zeros(1),
        user_weights=found.user_prior.regression.weights * units,
        item_weights=found.item_prior.regression.weights * units,
        user_prior=_published(found.user_prior, found.noise_precision, unit, units),
        item_prior=_published(found.item_prior, found.noise_precision, unit, units),
        user_covariance=_scaled_covariances(found.users, units),
        item_covariance=_scaled_covariances(found.items, units),
        noise=unit * found.noise_precision**-0.5,
        history=np.array(history, dtype=float).reshape(-1, 4),
        converged=result.converged,
    )


def _published(prior: FactorPrior, noise_precision: float, unit: float, units: NDArray) -> NewIdPrior:
    precision = prior.precision / np.outer(units, units) * (unit**2 / noise_precision)
    return NewIdPrior(prior.regression.mean * units, precision, 0.0)


def _scaled_covariances(moments: Moments, units: NDArray) -> NDArray[np.float32]:
    return (moments.covariances() * np.outer(units, units)).astype(np.float32)


def _continued(
    sides: RatedSides, start: FactorPosterior, previous: FactorModel, unit: float, units: NDArray
) -> FactorPosterior:
    """Return the posterior of an earlier fit in the units of this one, with rows for the ids that are new."""
    noise = (previous.noise / unit) ** 2

    def side_of(side, fresh: FactorPrior, table, covariance, told: NewIdPrior, weights):
        d = units.size
        precision = told.precision * np.outer(units, units) / (noise * unit**2)
        old = fresh.regression.weights
        kept = side.features.at(told.mean / units, weights / units if weights.shape == old.shape else old)
        means = np.array(np.broadcast_to(kept.expected, (side.rows.n_rows, d)))
        spread = np.array(np.broadcast_to(np.linalg.inv(precision), (side.rows.n_rows, d, d)))
        known = min(len(table), len(means))
        means[:known] = table[:known] / units
        if covariance is not None:
            spread[:known] = covariance[:known] / np.outer(units, units)
        strength = fresh.strength
        if side.features.n_features:
            strength = feature_strength(side, kept.weights, precision, strength)
        return Moments.of(means, spread), FactorPrior(kept, precision, strength)

    users, user_prior = side_of(
        sides.users,
        start.user_prior,
        previous.users[-1],
        previous.user_covariance,
        previous.user_prior,
        previous.user_weights,
    )
    items, item_prior = side_of(
        sides.items,
        start.item_prior,
        previous.items[-1],
        previous.item_covariance,
        previous.item_prior,
        previous.item_weights,
    )
    return FactorPosterior(users, items, user_prior, item_prior, 1.0 / noise)
