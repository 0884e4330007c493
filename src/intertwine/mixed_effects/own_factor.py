"""A subject's own coefficients as what is new in each of them.

    b = M (δ ∘ w),    w ~ N(0, I),    B = M diag(δ²) Mᵀ,    M with ones on its diagonal and zeros above

so that with U M in place of U coefficients are independent again, whatever singular covariance they have. Without
correlations M = I, and nothing is multiplied.

Source: Pourahmadi, Joint mean-covariance models with applications to longitudinal data (1999): δ² are the innovation
variances.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.mixed_effects.subjects import LatentVariances, OwnCorrelation

__all__ = ["Mixing", "OwnFactor", "correlated", "covariance_of", "innovations", "unit_factor"]

Array = NDArray[np.float64]

_NOTHING = 1e-13  # of a variance: below it a coefficient has nothing that those before it have not


class Mixing(NamedTuple):
    """The block of M of some coefficients: columns (m,), and of every axis a matrix (K, m, m)."""

    columns: NDArray[np.int64]
    matrix: Array


def unit_factor(correlation: Array) -> tuple[Array, Array]:
    """N (…, m, m) and e² (…, m) with N diag(e²) Nᵀ = correlation (…, m, m), which may be singular.

    Examples
    --------
    >>> unit_factor(np.array([[1.0, 0.6], [0.6, 1.0]]))
    (array([[1. , 0. ],
           [0.6, 1. ]]), array([1.  , 0.64]))
    """
    m = correlation.shape[-1]
    factor, new = np.zeros(correlation.shape), np.zeros(correlation.shape[:-1])
    for j in range(m):
        before = factor[..., :j] * new[..., None, :j]
        left = correlation[..., :, j] - np.einsum("...ik,...k->...i", before, factor[..., j, :j])
        new[..., j] = np.where(left[..., j] > _NOTHING, left[..., j], 0.0)
        there = new[..., j, None] > 0.0
        factor[..., :, j] = np.where(there, left / np.where(there, new[..., j, None], 1.0), 0.0)
        factor[..., :j, j], factor[..., j, j] = 0.0, 1.0
    return factor, new


def innovations(variances: Array, correlations: Sequence[OwnCorrelation]) -> tuple[Array, tuple[Mixing, ...]]:
    """δ² (q, K) of own coefficients with these variances, and the blocks of M that are not the identity."""
    own, blocks = variances, []
    if correlations:
        own = own.copy()
    for columns, matrix in correlations:
        factor, new = unit_factor(matrix)
        deviations = np.sqrt(variances[columns].T)
        divisor = np.where(deviations > 0.0, deviations, 1.0)[:, None, :]
        mixing = np.where(deviations[:, None, :] > 0.0, factor * deviations[:, :, None] / divisor, 0.0)
        mixing[:, range(len(columns)), range(len(columns))] = 1.0
        own[columns] = (new * deviations**2).T
        blocks.append(Mixing(columns, mixing))
    return own, tuple(blocks)


def covariance_of(variances: Array, correlation: OwnCorrelation) -> Array:
    """Covariances (K, m, m) of correlated coefficients, given the variances (q, K) of all own ones."""
    deviations = np.sqrt(variances[correlation.columns].T)
    return deviations[:, :, None] * correlation.matrix * deviations[:, None, :]


def correlated(columns: NDArray[np.int64], covariance: Array) -> tuple[Array, OwnCorrelation]:
    """Variances (m, K) and correlations of covariances (K, m, m); one without variance is correlated with none."""
    variances = np.einsum("kii->ki", covariance).copy()
    divisor = np.sqrt(np.where(variances > 0.0, variances, 1.0))
    matrix = np.clip(covariance / (divisor[:, :, None] * divisor[:, None, :]), -1.0, 1.0)
    matrix = np.where((variances[:, :, None] > 0.0) & (variances[:, None, :] > 0.0), matrix, 0.0)
    matrix[:, range(len(columns)), range(len(columns))] = 1.0
    return variances.T, OwnCorrelation(columns, matrix)


@final
class OwnFactor:
    """M and δ of one axis.

    Parameters
    ----------
    variances : LatentVariances
    axis : int

    Examples
    --------
    A level of variance 4, and a slope of variance 1 that goes along with it:

    >>> none = np.empty((0, 1))
    >>> correlation = OwnCorrelation(np.array([0, 1]), np.array([[[1.0, 0.6], [0.6, 1.0]]]))
    >>> own = np.array([[4.0], [1.0]])
    >>> factor = OwnFactor(LatentVariances(np.ones(1), none, own, none, (correlation,)), 0)
    >>> factor.deviations, factor.coefficients(np.array([2.0, 0.0]))
    (array([2. , 0.8]), array([2. , 0.6]))
    """

    def __init__(self, variances: LatentVariances, axis: int) -> None:
        correlations = [OwnCorrelation(at, matrix[axis, None]) for at, matrix in variances.correlations]
        own, mixings = innovations(variances.own[:, axis, None], correlations)
        self.deviations = np.sqrt(own[:, 0])
        self._blocks = [(columns, matrix[0]) for columns, matrix in mixings]
        self._transposed = [(columns, matrix.T) for columns, matrix in self._blocks]

    def features(self, own: Array) -> Array:
        """U M of features (n, q)."""
        return _times(own, self._blocks)

    def coefficients(self, new: Array) -> Array:
        """M x of what is new in coefficients, (…, q)."""
        return _times(new, self._transposed)

    def covariances(self, of_new: Array) -> Array:
        """M C Mᵀ of covariances (…, q, q)."""
        if not self._blocks:
            return of_new
        return self.coefficients(np.swapaxes(self.coefficients(of_new), -1, -2))


def _times(rows: Array, blocks: list[tuple[NDArray[np.int64], Array]]) -> Array:
    if blocks:
        rows = rows.copy()
    for columns, matrix in blocks:
        rows[..., columns] = rows[..., columns] @ matrix
    return rows
