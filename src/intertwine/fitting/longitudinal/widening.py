"""By how much forecasts miss more than latents and noise account for.

Networks are taken as known, and predict subjects that they were fitted to better than others. So that bands of
forecasts hold what they say, the later visits of subjects are predicted from their first ones, and compared with how
far off they should be: subjects that were held out, which networks have never seen, or else those of the fit, which
tell a part of it. The ratio of what is missed to what is expected, the median of the columns with noise, is what the
variances of forecasts are short of; never less than one, since bands are not to be narrower than the model says.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.longitudinal.points import normal_points
from intertwine.fitting.longitudinal.problem import LongitudinalProblem
from intertwine.fitting.longitudinal.sites import all_sites, column_moments, decoded_outputs
from intertwine.fitting.longitudinal.steps import Networks
from intertwine.mixed_effects.subject_prediction import predict_subjects
from intertwine.mixed_effects.subjects import LatentVariances, SharedPosterior, Sites
from intertwine.networks import Autoencoder

__all__ = ["forecast_widening"]

Array = NDArray[np.float64]

_VISITS = 1024  # at most: one ratio is asked for
_FEWEST = 20  # values that say anything of a ratio


def forecast_widening(
    problem: LongitudinalProblem,
    given: NDArray[np.bool_],
    networks: Networks,
    predictor: Any,
    latents: tuple[SharedPosterior, LatentVariances],
    shape: Array,
) -> Array:
    """Variances (p,) that come to the noise of columns at visits that are predicted; zero for columns without noise.

    Parameters
    ----------
    problem : LongitudinalProblem
        Of the visits that are looked at.
    given : ndarray of bool, shape (n,)
        First visits, from which the later ones are predicted.
    networks : Networks
    predictor : tuple
        Layers of the decoder of predicted latents.
    latents : tuple
        The shared coefficients, and variances.
    shape : ndarray of shape (s,)
    """
    likelihood, columns, X = problem.likelihood, networks.likelihood, problem.visits.X
    nothing = np.zeros(X.shape[1])
    noise = _noise(problem, columns)
    twice = likelihood.with_misfit(columns, 2.0 * noise, np.ones(len(noise), dtype=np.int64))
    noisy = _noise(problem, twice) > 1.5 * noise  # of other columns the mean says the variance
    later = np.flatnonzero(~given & (~np.isnan(X[:, noisy])).any(axis=1))
    later = later[:: -(-max(len(later), 1) // _VISITS)]
    if not len(later):
        return nothing
    mean, variance = all_sites(problem.architecture, likelihood, networks.autoencoder, X)
    sites = Sites(mean.astype(np.float64), np.where(given[:, None], variance, np.inf).astype(np.float64))
    found = predict_subjects(*latents, problem.rows(shape), sites)
    center, deviation = found.mean[later], np.sqrt(found.variance[later])

    def expected(decoder: Any, at: Array) -> Array:
        outputs = decoded_outputs(problem.architecture, Autoencoder((), decoder), at)
        return column_moments(likelihood, columns, outputs, "mean")

    total, square = np.zeros((2, len(later), X.shape[1]))
    unit = normal_points(problem.n_components)
    for point in unit:
        values = expected(networks.autoencoder.decoder, center + deviation * point)
        total += values / len(unit)
        square += values**2 / len(unit)
    told = np.maximum(square - total**2, 0.0) + noise
    missed = (X[later] - expected(predictor, center)) ** 2
    there = ~np.isnan(missed) & noisy
    if there.sum() < _FEWEST:
        return nothing
    told = np.where(there, told, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    missed = np.where(there, missed, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    seen = there.any(axis=0)
    ratio = np.median(missed[seen] / told[seen])
    return max(ratio - 1.0, 0.0) * told


def _noise(problem: LongitudinalProblem, columns: Any) -> Array:
    outputs = np.zeros((1, problem.visits.X.shape[1]), np.float32)
    return column_moments(problem.likelihood, columns, outputs, "variance")[0]
