"""The prior covariance K of a Gaussian field at n rows, in the smaller of two forms.

`DenseCovariance` holds the n × n matrix: right for more coefficients than rows, of which it never sees one.
`FactoredCovariance` holds the columns of the coefficients, K = A Aᵀ with A of shape (n, m): right for fewer
coefficients than rows, whose number then costs no more than a product. Everything else is the same in both.
"""

from __future__ import annotations

import abc
from typing import final

import numpy as np

from intertwine.losses.base import AbstractCurvature, DiagonalCurvature

__all__ = ["AbstractCovariance", "DenseCovariance", "FactoredCovariance", "WeighedColumns"]


@final
class WeighedColumns:
    """The last W · columns and columnsᵀ W columns: with the squared loss, W is the same at all strengths."""

    def __init__(self) -> None:
        self._last: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def at(self, curvature: AbstractCurvature, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Both at a curvature; those of the last call where it has not changed."""
        if not isinstance(curvature, DiagonalCurvature):
            weighed = curvature.matmul(columns)
            return weighed, columns.T @ weighed
        diagonal = curvature.diagonal()
        if self._last is None or not np.array_equal(self._last[0], diagonal):
            # a product of a matrix with itself takes half as many operations
            halves = columns * np.sqrt(diagonal)[:, None]
            self._last = diagonal, curvature.matmul(columns), halves.T @ halves
        return self._last[1:]


class AbstractCovariance(abc.ABC):
    """A symmetric positive semi-definite n × n operator K."""

    @abc.abstractmethod
    def matmul(self, vector: np.ndarray) -> np.ndarray:
        """K v for v of shape (n,)."""

    @abc.abstractmethod
    def whitened(self, alpha: np.ndarray) -> np.ndarray:
        """Coefficients b with K α = A b and unit prior variance; none where A is not known."""

    @abc.abstractmethod
    def inner(self, left: tuple, right: tuple) -> float:
        """Inner product of two fields, each given as (α, K α, b): αᵀ K α′, from what has most digits."""

    @abc.abstractmethod
    def mean_variance(self) -> float:
        """Mean of the diagonal."""


@final
class DenseCovariance(AbstractCovariance):
    """K as a matrix of shape (n, n)."""

    def __init__(self, matrix: np.ndarray) -> None:
        self.matrix = matrix

    def matmul(self, vector):
        return self.matrix @ vector

    def whitened(self, alpha):
        return np.zeros(0)

    def inner(self, left, right):
        return float(left[0] @ right[1])

    def mean_variance(self):
        return float(np.mean(np.diag(self.matrix)))


@final
class FactoredCovariance(AbstractCovariance):
    """K = A Aᵀ with A = columns · diag(deviations).

    Parameters
    ----------
    columns : ndarray (n, m)
        Not copied, whatever the deviations: one set of columns serves every set of strengths.
    deviations : ndarray (m,)
        Prior standard deviations of the coefficients.
    weighed : WeighedColumns, optional
        Shared by covariances of the same columns.
    """

    def __init__(
        self, columns: np.ndarray, deviations: np.ndarray, weighed: WeighedColumns | None = None
    ) -> None:
        self.columns = columns
        self.deviations = deviations
        self._weighed = weighed or WeighedColumns()

    def weighed(self, curvature: AbstractCurvature) -> tuple[np.ndarray, np.ndarray]:
        """W · columns and columnsᵀ W columns, not to be changed."""
        return self._weighed.at(curvature, self.columns)

    def matmul(self, vector):
        return self.spread(self.gather(vector))

    def whitened(self, alpha):
        return self.gather(alpha)

    def inner(self, left, right):
        return float(left[2] @ right[2])

    def gather(self, vector: np.ndarray) -> np.ndarray:
        """Aᵀ v."""
        return (self.deviations * (vector.T @ self.columns)).T

    def spread(self, coefficients: np.ndarray) -> np.ndarray:
        """A b."""
        return self.columns @ (self.deviations * coefficients.T).T

    def mean_variance(self):
        squares = np.einsum("im,im->m", self.columns, self.columns)
        return float(squares @ self.deviations**2) / len(self.columns)
