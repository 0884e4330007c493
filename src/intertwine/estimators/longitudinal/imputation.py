"""Values of visits at their latents: reconstructions, and entries that were not observed with their spread."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.estimators.longitudinal.density import posterior_deviation, predictive_deviation
from intertwine.estimators.longitudinal.visits import SeenVisits
from intertwine.mixed_effects.subjects import Marginals, Sites

if TYPE_CHECKING:
    from intertwine.fitting.longitudinal.model import AbstractLongitudinalModel

__all__ = ["Filled", "decoded"]

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


class Filled(NamedTuple):
    """Rows at their most likely latents.

    Attributes
    ----------
    model : AbstractLongitudinalModel
    X : ndarray of shape (n, p)
    seen : SeenVisits
        The same visits.
    known : Marginals
        Of their latents.
    latents : ndarray of shape (n, K)
    mean : ndarray of shape (n, p)
        Expected values of all entries.
    refined : bool
        Whether latents are the most likely ones, or the mean of what is known.
    """

    model: AbstractLongitudinalModel
    X: Array
    seen: SeenVisits
    known: Marginals
    latents: Array
    mean: Array
    refined: bool

    @classmethod
    def of(
        cls, model: AbstractLongitudinalModel, X: Array, seen: SeenVisits, known: Marginals, n_steps: int
    ) -> Filled:
        """Go to the most likely latents in some steps; with 0, entries are those of the mean of what is known."""
        latents = model.refine(X, known, seen.sites, n_steps) if n_steps else known.mean
        return cls(model, X, seen, known, latents, decoded(model, X, latents), n_steps > 0)

    def deviation(self) -> Array:
        """Standard deviations (n, p) of what would be observed about the mean: zero where it was.

        Latents that were refined have the curvature at the most likely ones; others what is known of each axis. A visit
        of which nothing was observed is one that the others predict, with the distribution of forecasts.
        """
        model, missing, deviation = self.model, np.isnan(self.X), np.zeros(self.X.shape)
        ahead = missing.all(axis=1)
        if ahead.any():
            found = Marginals(*(part[ahead] for part in self.known))
            deviation[ahead] = predictive_deviation(model, found, self.mean[ahead])
        if (rows := np.flatnonzero(missing.any(axis=1) & ~ahead)).size:
            here = Marginals(*(part[rows] for part in self.known))
            if self.refined:
                sites = Sites(*(part[rows] for part in self.seen.sites))
                precision = model.precision(self.X[rows], self.latents[rows], here, sites)
            else:
                precision = (1.0 / here.variance)[:, :, None] * np.eye(model.n_components)
            deviation[rows] = posterior_deviation(model, self.latents[rows], precision, self.mean[rows])
        return np.where(missing, deviation, 0.0)
