"""The noise of columns at the end of a fit, where latents are as likely as they can be.

While networks learn, the noise of a column takes in what the encoder misses: it answers for all visits with the same
weights, axis by axis, and is not shown every entry. What is left for the noise once this is mended is found by EM: the
posterior of latents by Laplace at the most likely ones (see `refinement`), and the mean squared misfit under it.

Source: Kim et al., Semi-amortized variational autoencoders (2018).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.factor_rows import row_blocks
from intertwine.fitting.longitudinal.points import gaussian_points
from intertwine.fitting.longitudinal.problem import LongitudinalProblem
from intertwine.fitting.longitudinal.sites import (
    column_moments,
    decoded_outputs,
    precisions_at,
    refined_latents,
)
from intertwine.fitting.longitudinal.steps import Networks
from intertwine.mixed_effects.subjects import Marginals, Sites
from intertwine.networks import Autoencoder

__all__ = ["columns_at_rest"]

Array = NDArray[np.float64]

_VISITS = 1024  # at most: a noise is one number of a column
_ROUNDS, _STEPS = 4, 40  # of EM, and to the most likely latents in each


def columns_at_rest(
    problem: LongitudinalProblem, networks: Networks, known: Marginals, sites: Sites
) -> tuple[Any, ...]:
    """Parameters of the columns given latents that were seen.

    Parameters
    ----------
    problem : LongitudinalProblem
    networks : Networks
    known : Marginals
        Of the latents of its visits.
    sites : Sites
        Of the same.
    """
    likelihood = problem.likelihood
    rows = np.flatnonzero(~np.isnan(problem.visits.X).all(axis=1))
    rows = rows[:: -(-len(rows) // _VISITS)]
    X = problem.visits.X[rows].astype(np.float64)
    known, sites = Marginals(*(part[rows] for part in known)), Sites(*(part[rows] for part in sites))
    decoder, columns, axes = networks.autoencoder.decoder, networks.likelihood, np.eye(problem.n_components)
    for _ in range(_ROUNDS):
        network = problem.architecture, likelihood, decoder, columns, axes
        latents = refined_latents(*network, X, known, sites, _STEPS)
        precision = precisions_at(*network, X, latents, known, sites)
        square, count = np.zeros(X.shape[1]), np.sum(~np.isnan(X), axis=0)
        for part in row_blocks(len(X), 64 * max(X.shape[1], problem.n_components)):
            points = gaussian_points(latents[part], precision[part])
            n, n_points, n_axes = points.shape
            outputs = decoded_outputs(
                problem.architecture, Autoencoder((), decoder), points.reshape(-1, n_axes)
            )
            values = column_moments(likelihood, columns, outputs, "mean").reshape(n, n_points, -1)
            square += np.nansum(np.square(values - X[part][:, None]).mean(axis=1), axis=0)
        columns = likelihood.with_misfit(columns, square, count)
    return columns
