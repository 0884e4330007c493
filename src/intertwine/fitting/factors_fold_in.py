"""Rows of users or items that were not in the fit, from a few ratings of theirs, the other side held."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.latent_factors import NewIdPrior
from intertwine.structures.factor_moments import Moments, RatedRows

__all__ = ["NewRows", "fold_in_rows"]


class NewRows(NamedTuple):
    """Posterior of new rows; hand it back as ``known`` when more ratings come.

    Attributes
    ----------
    means : ndarray of shape (n_rows, d)
        Bias and factors, what side features say included.
    covariances : ndarray of shape (n_rows, d, d)
    """

    means: NDArray[np.float64]
    covariances: NDArray[np.float64]


def fold_in_rows(
    rated: RatedRows,
    others: NDArray,
    other_covariances: NDArray | None,
    prior: NewIdPrior,
    noise: float,
    expected: NDArray[np.float64] | None = None,
    known: NewRows | None = None,
) -> NewRows:
    """Posterior of the rows of new ids, for models without a mapping.

    Batches of ratings may come one after the other: with the answer to the first as ``known``, the answer to the second
    is that to both at once (where ``prior.power`` is zero; else the prior counts as the first batch had it).

    Parameters
    ----------
    rated : RatedRows
        Ratings of the new ids, less the mean outcome of the fit.
    others : ndarray of shape (n_others, d)
        Means of the other side.
    other_covariances : ndarray of shape (n_others, d, d) or None
        None where the other side is a point.
    prior : NewIdPrior
    noise : float
        Residual standard deviation, positive.
    expected : ndarray of shape (n_rows, d), optional
        What side features say of the new ids, to add to the prior's mean.
    known : NewRows, optional
        Posterior after earlier ratings, in place of the prior.

    Returns
    -------
    NewRows

    Examples
    --------
    One rating, 2 above the mean, of an item without a factor to speak of: half is the new user's bias.

    >>> rated = RatedRows(np.array([0, 1]), np.array([0], dtype=np.int32), np.array([2.0]), np.zeros(0), biases=True)
    >>> prior = NewIdPrior(np.zeros(2), np.eye(2), 0.0)
    >>> fold_in_rows(rated, np.zeros((1, 2)), None, prior, noise=1.0).means.round(6)
    array([[1., 0.]])
    """
    noise_precision = noise**-2
    spread = 0.0 if other_covariances is None else other_covariances.astype(np.float64)
    partners = Moments.of(np.ascontiguousarray(others, dtype=np.float64), spread)
    if known is None:
        means = prior.mean if expected is None else prior.mean + expected
        counts = np.maximum(rated.total_weights(), 1.0) ** prior.power
        found = rated.conditional(partners, means, prior.precision * noise_precision, noise_precision, counts)
    else:
        precision = np.linalg.inv(known.covariances).astype(np.float64, copy=False)
        found = rated.conditional(partners, known.means, precision, noise_precision)
    return NewRows(found.moments.means, found.moments.covariances())
