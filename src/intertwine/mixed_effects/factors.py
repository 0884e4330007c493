"""Factors of small covariance matrices, which may be singular."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["semidefinite_factor"]


def semidefinite_factor(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lower Cholesky factors of positive semidefinite matrices (p, r, r): a pivot of zero gives a column of zeros.

    Examples
    --------
    >>> semidefinite_factor(np.array([[[4.0, 2.0], [2.0, 1.0]], [[0.0, 0.0], [0.0, 9.0]]])).tolist()
    [[[2.0, 0.0], [1.0, 0.0]], [[0.0, 0.0], [0.0, 3.0]]]
    """
    factor = np.zeros_like(covariance)
    for k in range(covariance.shape[1]):
        column = covariance[:, k:, k] - np.einsum("maz,mz->ma", factor[:, k:, :k], factor[:, k, :k])
        there = column[:, 0] > 1e-14 * covariance[:, k, k]
        root = np.sqrt(np.where(there, column[:, 0], 1.0))
        factor[:, k:, k] = np.where(there[:, None], column / root[:, None], 0.0)
    return factor
