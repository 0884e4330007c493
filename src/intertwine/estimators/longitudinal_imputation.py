"""Values of visits at their latents: reconstructions, and entries that were not observed with their spread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from intertwine.estimators.longitudinal_density import posterior_deviation, predictive_deviation
from intertwine.estimators.longitudinal_visits import SeenVisits
from intertwine.mixed_effects.subjects import Marginals, Sites

if TYPE_CHECKING:
    from intertwine.fitting.longitudinal.model import AbstractLongitudinalModel

__all__ = ["decoded", "imputed", "imputed_with_deviation"]

Array = NDArray[np.float64]


def decoded(model: AbstractLongitudinalModel, X: Array, latents: Array) -> Array:
    """Expected values (n, p) at the latents of rows X.

    A row without any observed entry is a prediction from other visits, and has the decoder that is for these.
    """
    ahead, out = np.isnan(X).all(axis=1), np.empty(X.shape)
    for rows, decode in ((~ahead, model.decode), (ahead, model.decode_predicted)):
        if rows.any():
            out[rows] = decode(latents[rows])
    return out


def imputed(
    model: AbstractLongitudinalModel, X: Array, seen: SeenVisits, known: Marginals, n_steps: int
) -> Array:
    """Rows X (n, p) with what was not observed of them.

    Parameters
    ----------
    model : AbstractLongitudinalModel
    X : ndarray of shape (n, p)
    seen : SeenVisits
        The same visits.
    known : Marginals
        Of their latents.
    n_steps : int
        From there to the most likely latents; with 0, entries are those of the mean of what is known.
    """
    return np.where(np.isnan(X), decoded(model, X, _likely(model, X, seen, known, n_steps)), X)


def imputed_with_deviation(
    model: AbstractLongitudinalModel, X: Array, seen: SeenVisits, known: Marginals, n_steps: int
) -> tuple[Array, Array]:
    """The result of `imputed`, and the standard deviation of each entry about it: zero where it was observed.

    Latents that were refined have the curvature at the most likely ones; others what is known of each axis. A visit of
    which nothing was observed is one that the others predict, with the distribution of forecasts.
    """
    missing, latents = np.isnan(X), _likely(model, X, seen, known, n_steps)
    mean, deviation = decoded(model, X, latents), np.zeros(X.shape)
    ahead = missing.all(axis=1)
    if ahead.any():
        found = Marginals(*(part[ahead] for part in known))
        deviation[ahead] = predictive_deviation(model, found, mean[ahead])
    if (rows := np.flatnonzero(missing.any(axis=1) & ~ahead)).size:
        here = Marginals(*(part[rows] for part in known))
        if n_steps:
            sites = Sites(*(part[rows] for part in seen.sites))
            precision = model.precision(X[rows], latents[rows], here, sites)
        else:
            precision = (1.0 / here.variance)[:, :, None] * np.eye(model.n_components)
        deviation[rows] = posterior_deviation(model, latents[rows], precision, mean[rows])
    return np.where(missing, mean, X), np.where(missing, deviation, 0.0)


def _likely(
    model: AbstractLongitudinalModel, X: Array, seen: SeenVisits, known: Marginals, n_steps: int
) -> Array:
    """The most likely latents (n, K), in some steps from what is known."""
    return model.refine(X, known, seen.sites, n_steps) if n_steps else known.mean
