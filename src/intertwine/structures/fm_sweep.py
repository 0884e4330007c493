"""Every feature's coefficients redrawn from their Gaussian conditional, once round: the step of ALS and of Gibbs.

A conditional needs the slopes of the rows that hold the feature. Two ways to have them, with the same result up to
rounding: rows of few entries compute them from the coefficients of their other features (`fm_short`), longer rows keep
the sums that they are made of, and bring them up to date after every feature (`fm_running`).
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from intertwine.structures import _fm_kernels as kernels

__all__ = ["THREADS", "WORTH_THREADS", "AbstractFMSweep", "GaussianPriors", "exclusive_runs"]

WORTH_THREADS = 20_000  # stored entries of a block: below, starting threads costs more than it saves
THREADS = threading.Lock()  # numba's simplest threading layer may not be entered twice


class GaussianPriors(NamedTuple):
    """Independent Gaussian priors, one per group of features and column of the table.

    Attributes
    ----------
    group : ndarray of int, shape (p,)
        Group of each feature.
    mean, precision : ndarray of shape (n_groups, d)
    """

    group: NDArray[np.intp]
    mean: NDArray[np.float64]
    precision: NDArray[np.float64]


class AbstractFMSweep(ABC):
    """Sweeps over the features of one table of rows.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n, p)
    n_components, n_triple_components : int
        Factors of pairs and of triples.
    linear : bool
        Whether the table begins with a column of linear weights.
    n_threads : int
        More than one lets features that share no row be drawn by all threads that numba has been given.
    """

    def __init__(self, X, n_components: int, n_triple_components: int, linear: bool, n_threads: int) -> None:
        self.rows = X if sparse.issparse(X) else sparse.csr_array(X)
        self.n_components = n_components
        self.n_triple_components = n_triple_components
        self.n_linear = int(linear)
        self.parallel = n_threads > 1

    @property
    def width(self) -> int:
        """Columns d of the table."""
        return self.n_linear + self.n_components + self.n_triple_components

    @abstractmethod
    def scores(self, table: NDArray) -> NDArray:
        """Scores of the rows, without an intercept (n,)."""

    @abstractmethod
    def begin(self, table: NDArray) -> Any:
        """Return what sweeps keep of the rows, from scratch: rounding errors do not add up over many of them."""

    @abstractmethod
    def replace(self, running: Any, target: NDArray, fitted: NDArray, weight: NDArray) -> None:
        """Set what the scores are to reach, with which weights, where they are ``fitted`` now; all (n,)."""

    @abstractmethod
    def run(self, running: Any, table: NDArray, priors: GaussianPriors, noise: NDArray) -> NDArray:
        """Redraw all features in place, and return the new scores (n,).

        A feature becomes the mean of its conditional plus the conditional's root covariance times its row of ``noise``
        (p, d).

        Raises
        ------
        FloatingPointError
            Where a conditional is not a proper distribution: numbers have overflowed.
        """


def exclusive_runs(columns: sparse.csc_array) -> NDArray[np.intp]:
    """Number the longest runs of neighbouring columns of which no two share a row, from left to right.

    Examples
    --------
    >>> import numpy as np
    >>> two_categories = np.array([[1, 0, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1]])
    >>> exclusive_runs(sparse.csc_array(two_categories))
    array([0, 0, 1, 1])
    """
    return kernels.number_runs(columns.shape[0], columns.indptr, columns.indices)
