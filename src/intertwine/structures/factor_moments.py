"""Means and second moments of the rows of users and of items, and what one side says of the other.

The conditional optimum (alternating least squares) and the conditional posterior (variational Bayes) of all rows of a
side are one computation: a weighted sum of the other side's second moments per row, and a Cholesky factorization.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self, final

import numpy as np
from numpy.typing import NDArray

from intertwine.structures import _factor_moments as kernels
from intertwine.structures.fm_sweep import THREADS, WORTH_THREADS
from intertwine.structures.ratings import RatingTable

__all__ = ["Conditional", "Moments", "RatedRows"]

_CHUNK = 1 << 16  # ratings whose squares are added up at once
_LINE = 8  # numbers of a cache line: the sums over partners are faster where rows begin with one


class Moments(NamedTuple):
    """Means and covariances of independent rows.

    Attributes
    ----------
    means : ndarray of shape (n_rows, d)
    packed : ndarray of shape (n_rows, d (d + 1) / 2)
        Covariances as packed lower triangles: (0, 0), (1, 0), (1, 1), (2, 0), …
    """

    means: NDArray[np.float64]
    packed: NDArray[np.float64]

    @classmethod
    def of(cls, means: NDArray[np.float64], covariance: NDArray[np.float64] | float = 0.0) -> Self:
        """Rows with these means and covariances (n_rows, d, d), or this one (d, d) for all.

        Examples
        --------
        >>> Moments.of(np.array([[1.0, 2.0]]), np.eye(2)).packed
        array([[1., 0., 1.]])
        """
        d = means.shape[1]
        i, j = np.tril_indices(d)
        return cls(means, np.ascontiguousarray(np.broadcast_to(covariance, (len(means), d, d))[:, i, j]))

    def covariances(self) -> NDArray[Any]:
        """Covariance of every row (n_rows, d, d), in the precision of the packed ones."""
        d = self.means.shape[1]
        i, j = np.tril_indices(d)
        found = np.empty((len(self.means), d, d), dtype=self.packed.dtype)
        found[:, i, j] = found[:, j, i] = self.packed
        return found

    def total_covariance(self, weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Weighted sum of the covariances (d, d)."""
        d = self.means.shape[1]
        i, j = np.tril_indices(d)
        total = np.empty((d, d))
        total[i, j] = total[j, i] = self.packed.sum(axis=0) if weights is None else weights @ self.packed
        return total

    def times(self, table: NDArray[np.float64]) -> NDArray[np.float64]:
        """Every row's covariance times the row of a table (n_rows, d)."""
        products = np.empty_like(self.means)
        kernels.multiply_packed(self.packed, np.ascontiguousarray(table), products)
        return products

    def seconds(self, spread: float = 1.0) -> NDArray[np.float64]:
        """E[a aᵀ] of every row, packed, with this share of the covariance; zeros make rows whole cache lines."""
        moments = np.zeros((len(self.packed), -(-self.packed.shape[1] // _LINE) * _LINE))
        kernels.second_moments(self.means, self.packed, float(spread), moments)
        return moments


class Conditional(NamedTuple):
    """Posterior of the rows of a side given the other side.

    Attributes
    ----------
    moments : Moments
    errors : ndarray of shape (n_rows,)
        Expected weighted sum of the squared errors of each row's ratings.
    log_determinants : ndarray of shape (n_rows,)
        Of the posterior precisions.
    """

    moments: Moments
    errors: NDArray[np.float64]
    log_determinants: NDArray[np.float64]


@final
class RatedRows:
    """The ratings of one side, in the order of its rows.

    Parameters
    ----------
    starts : ndarray of int64, shape (n_rows + 1,)
    partner : ndarray of int32, shape (n_ratings,)
        Row of the other side.
    outcome : ndarray of shape (n_ratings,), float32 or float64
    weight : ndarray of shape (n_ratings,) or (0,), float64 or bool
        Empty where all are one.
    biases : bool
        Whether column 0 is a bias.
    n_threads : int, default=1
    """

    def __init__(self, starts, partner, outcome, weight, biases, n_threads=1):
        self.starts, self.partner = starts, partner
        self.outcome, self.weight = outcome, weight
        self.biases = bool(biases)
        self.parallel = n_threads > 1 and len(partner) >= WORTH_THREADS

    @classmethod
    def both(
        cls, table: RatingTable, outcome: NDArray, weight: NDArray | None, biases: bool, n_threads: int = 1
    ) -> tuple[RatedRows, RatedRows]:
        """Those of the users and those of the items; values are in the order of the users, None for weights of one."""
        outcome = np.ascontiguousarray(outcome)
        if weight is None or np.all(weight == 1.0):
            weight = np.zeros(0)
        elif weight.dtype != bool:  # one byte each where ratings count or do not
            weight = np.asarray(weight, dtype=np.float64)
        item_weight = table.by_item(weight) if weight.size else weight
        return (
            cls(table.user_starts, table.item_of, outcome, weight, biases, n_threads),
            cls(table.item_starts, table.user_of, table.by_item(outcome), item_weight, biases, n_threads),
        )

    @property
    def n_rows(self) -> int:
        """Rows of this side, rated or not."""
        return len(self.starts) - 1

    def total_weights(self) -> NDArray[np.float64]:
        """Summed weights of the ratings of each row (n_rows,)."""
        if not self.weight.size:
            return np.diff(self.starts).astype(np.float64)
        sums = np.empty(self.n_rows)
        kernels.sum_rows(self.starts, self.weight, sums)
        return sums

    def total_square(self) -> float:
        """Σ w y² over all ratings."""
        total = 0.0
        for first in range(0, len(self.outcome), _CHUNK):
            part = slice(first, first + _CHUNK)
            y = self.outcome[part]
            total += float((self.weight[part] * y if self.weight.size else y) @ y)
        return total

    def conditional(
        self,
        partners: Moments,
        prior_means: NDArray[np.float64],
        precision: NDArray[np.float64],
        noise_precision: float = 1.0,
        scale: NDArray[np.float64] | None = None,
        spread: float = 1.0,
    ) -> Conditional:
        """Posterior of all rows given the moments of the other side.

        Parameters
        ----------
        partners : Moments
        prior_means : ndarray of shape (d,) or (n_rows, d)
        precision : ndarray of shape (d, d) or (n_rows, d, d)
            Of the prior.
        noise_precision : float, default=1.0
        scale : ndarray of shape (n_rows,), optional
            Multiplies the prior's precision.
        spread : float, default=1.0
            Share of the covariances that counts in moments and errors: 0 for a point solution.

        Raises
        ------
        FloatingPointError
            Where a precision is not positive definite: numbers have overflowed, or nothing holds a coefficient.
        """
        d = partners.means.shape[1]
        means, packed = np.empty((self.n_rows, d)), np.empty((self.n_rows, d * (d + 1) // 2))
        errors, log_determinants = np.empty(self.n_rows), np.empty(self.n_rows)
        arguments = (
            self.starts,
            self.partner,
            self.outcome,
            self.weight,
            self.biases,
            partners.means,
            partners.seconds(spread),
            np.ascontiguousarray(np.atleast_2d(prior_means)),
            np.ascontiguousarray(precision.reshape(-1, d, d)),
            np.ones(self.n_rows) if scale is None else scale,
            float(noise_precision),
            float(spread),
            means,
            packed,
            errors,
            log_determinants,
        )
        if self.parallel:
            with THREADS:
                proper = kernels.posterior_rows_in_parallel(*arguments)
        else:
            proper = kernels.posterior_rows(0, 1, *arguments)
        if not proper:
            raise FloatingPointError("a conditional precision is not positive definite")
        return Conditional(Moments(means, packed), errors, log_determinants)
