"""What is integrated over latents: densities of visits, and the spread of what would be observed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from intertwine.fitting.factor_rows import row_blocks
from intertwine.mixed_effects.subjects import Marginals

if TYPE_CHECKING:
    from intertwine.fitting.longitudinal.model import AbstractLongitudinalModel

__all__ = ["log_densities", "normal_points", "predictive_deviation"]

Array = NDArray[np.float64]

_DRAWS = 64  # at least; two for each axis
_WIDER = 1.2  # the proposal's standard deviation, relative to that of the site with the prior


def normal_points(n_axes: int) -> Array:
    """Points of N(0, I), always the same, (n, K), with just this mean and this covariance.

    Examples
    --------
    >>> points = normal_points(2)
    >>> points.shape, (points.T @ points / 64).round(6).tolist()
    ((64, 2), [[1.0, 0.0], [0.0, 1.0]])
    """
    half = np.random.default_rng(0).standard_normal((max(_DRAWS // 2, n_axes), n_axes))
    half = half @ np.linalg.inv(np.linalg.cholesky(half.T @ half / len(half))).T
    return np.concatenate([half, -half])


def predictive_deviation(model: AbstractLongitudinalModel, found: Marginals) -> Array:
    """Standard deviations (n, p) of values whose latents are known as ``found`` says."""
    unit, deviation = normal_points(model.n_components), np.sqrt(found.variance)
    parts = []
    for rows in row_blocks(len(deviation), len(unit) * max(model.n_components, _width(model))):
        latents = found.mean[rows] + deviation[rows] * unit[:, None]
        shape = (len(unit), latents.shape[1], -1)
        flat = latents.reshape(-1, latents.shape[2])
        values, noise = model.decode(flat).reshape(shape), model.noise_variance(flat).reshape(shape)
        parts.append(np.sqrt(values.var(axis=0) + noise.mean(axis=0)))
    return np.concatenate(parts)


def log_densities(model: AbstractLongitudinalModel, X: Array, prior: Marginals) -> Array:
    """Log density (n,) of rows whose latents are, before these rows are seen, as ``prior`` says.

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
    for rows in row_blocks(len(X), len(unit) * max(model.n_components, _width(model))):
        latents = mean[rows] + deviation[rows] * unit[:, None]
        scaled = np.square(latents - prior.mean[rows]) / prior.variance[rows]
        before = -0.5 * (scaled + np.log(prior.variance[rows])).sum(axis=2)
        repeated = np.broadcast_to(X[rows], (len(unit), *X[rows].shape)).reshape(-1, X.shape[1])
        given = model.log_density(repeated, latents.reshape(-1, latents.shape[2])).reshape(len(unit), -1)
        parts.append(logsumexp(given + before - proposed[:, rows], axis=0) - np.log(len(unit)))
    return np.where(np.isnan(X).all(axis=1), 0.0, np.concatenate(parts))  # nothing observed: certain


def _width(model: AbstractLongitudinalModel) -> int:
    return model.decode(np.zeros((1, model.n_components))).shape[1]
