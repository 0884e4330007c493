"""Gaussian effects: functions of the rows with a known prior covariance, integrated out exactly."""

from __future__ import annotations

import abc

import numpy as np

__all__ = ["AbstractEffect"]


class AbstractEffect(abc.ABC):
    """A Gaussian function g of a row with unit prior variance of its coefficients.

    An effect is known through the covariance of its values at two sets of rows, or through the columns of its
    coefficients, whichever is smaller. Nothing here sees outcomes, losses or noise.
    """

    @abc.abstractmethod
    def covariance(self, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Prior covariance Cov(g(rows), g(others)), shape (n, m)."""

    @abc.abstractmethod
    def design(self, rows: np.ndarray) -> np.ndarray:
        """Columns of the coefficients: the covariance is design(rows) @ design(others).T."""

    @abc.abstractmethod
    def n_coefficients(self, n_columns: int) -> int:
        """How many columns `design` would give for rows of so many."""
