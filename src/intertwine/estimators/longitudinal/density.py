"""What is integrated over latents: densities of visits, and the spread of what would be observed.

A visit that is predicted has one distribution, which forecasts, their standard deviations, draws and densities share:

    z ~ N(m, S) as other visits say,    x | z ~ p(x | f(z) + δ),    δ such that E x = the expected value by g at m,

with f the decoder of visits that have been seen, g that which was trained on predicted latents, and a noise that is
wider by what forecasts were seen to miss. Decoders that bend are
wrong in the mean where latents are not known well, and g is there to mend that; how values vary about it with what is
not known of the latents is told by f.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from intertwine.fitting.factor_rows import row_blocks
from intertwine.fitting.longitudinal.points import gaussian_points, normal_points
from intertwine.mixed_effects.subjects import Marginals

if TYPE_CHECKING:
    from intertwine.fitting.longitudinal.model import AbstractLongitudinalModel

__all__ = [
    "log_densities",
    "posterior_deviation",
    "prediction_shift",
    "predictive_deviation",
]

Array = NDArray[np.float64]

_WIDER = 1.2  # the proposal's standard deviation, relative to that of the site with the prior


def prediction_shift(model: AbstractLongitudinalModel, found: Marginals) -> Array:
    """δ (n, p), what outputs are off by for predicted latents that are known as ``found`` says."""
    unit, deviation = normal_points(model.n_components), np.sqrt(found.variance)
    parts = []
    for rows in _blocks(model, len(deviation), len(unit)):
        outputs = _outputs(model, found.mean[rows, None] + deviation[rows, None] * unit)
        parts.append(model.shift_to(outputs, model.decode_predicted(found.mean[rows])))
    return np.concatenate(parts)


def predictive_deviation(model: AbstractLongitudinalModel, found: Marginals, mean: Array) -> Array:
    """Standard deviations (n, p) of predicted visits about their ``mean``; what is known of latents is ``found``."""
    unit, deviation = normal_points(model.n_components), np.sqrt(found.variance)
    parts = []
    for rows in _blocks(model, len(deviation), len(unit)):
        outputs = _outputs(model, found.mean[rows, None] + deviation[rows, None] * unit)
        outputs = outputs + model.shift_to(outputs, mean[rows])[:, None]
        parts.append(_deviation(model, model.noise_ahead, outputs, mean[rows]))
    return np.concatenate(parts)


def posterior_deviation(
    model: AbstractLongitudinalModel, latents: Array, precision: Array, mean: Array
) -> Array:
    """Standard deviations (n, p) about ``mean`` of visits that have been seen.

    Parameters
    ----------
    model : AbstractLongitudinalModel
    latents, precision : ndarray of shape (n, K) and (n, K, K)
        Latents are Gaussian.
    mean : ndarray of shape (n, p)
    """
    parts = []
    for rows in _blocks(model, len(latents), len(normal_points(model.n_components))):
        points = gaussian_points(latents[rows], precision[rows])
        parts.append(_deviation(model, model.noise_variance, _outputs(model, points), mean[rows]))
    return np.concatenate(parts)


def _deviation(
    model: AbstractLongitudinalModel, noise_of: Callable[[Array], Array], outputs: Array, mean: Array
) -> Array:
    """Of values about ``mean`` (n, p), were the outputs (n, s, p) equally likely."""
    flat = outputs.reshape(-1, outputs.shape[2])
    values, noise = (part.reshape(outputs.shape) for part in (model.expected(flat), noise_of(flat)))
    return np.sqrt(np.square(values - mean[:, None]).mean(axis=1) + noise.mean(axis=1))


def _outputs(model: AbstractLongitudinalModel, latents: Array) -> Array:
    """Of latents (n, s, K), (n, s, p)."""
    return model.outputs(latents.reshape(-1, latents.shape[2])).reshape(*latents.shape[:2], -1)


def _blocks(model: AbstractLongitudinalModel, n: int, n_points: int) -> Iterator[slice]:
    return row_blocks(n, n_points * max(model.n_components, _width(model)))


def log_densities(model: AbstractLongitudinalModel, X: Array, prior: Marginals) -> Array:
    """Log density (n,) of predicted visits whose latents are, before these rows are seen, as ``prior`` says.

    An importance-weighted estimate with 64 draws or more from the prior and the row's site together: on average a lower
    bound.
    """
    unit, sites = normal_points(model.n_components), model.sites(X)
    precision = 1.0 / sites.variance  # zero where nothing was observed
    variance = 1.0 / (1.0 / prior.variance + precision)
    mean = variance * (prior.mean / prior.variance + np.where(precision > 0.0, sites.mean, 0.0) * precision)
    deviation = _WIDER * np.sqrt(variance)
    proposed = -0.5 * np.square(unit).sum(axis=1)[:, None] - np.log(deviation).sum(axis=1)
    parts = []
    shift = prediction_shift(model, prior)
    for rows in _blocks(model, len(X), len(unit)):
        latents = mean[rows] + deviation[rows] * unit[:, None]
        scaled = np.square(latents - prior.mean[rows]) / prior.variance[rows]
        before = -0.5 * (scaled + np.log(prior.variance[rows])).sum(axis=2)
        repeated = np.broadcast_to(X[rows], (len(unit), *X[rows].shape)).reshape(-1, X.shape[1])
        outputs = (_outputs(model, latents) + shift[rows]).reshape(repeated.shape)
        given = model.log_density(repeated, outputs).reshape(len(unit), -1)
        parts.append(logsumexp(given + before - proposed[:, rows], axis=0) - np.log(len(unit)))
    return np.where(np.isnan(X).all(axis=1), 0.0, np.concatenate(parts))  # nothing observed: certain


def _width(model: AbstractLongitudinalModel) -> int:
    return model.outputs(np.zeros((1, model.n_components))).shape[1]
