"""Gaussian effects: functions of the rows with a known prior covariance, integrated out exactly."""

from __future__ import annotations

import abc

import numpy as np

__all__ = ["AbstractEffect"]


class AbstractEffect(abc.ABC):
    """A Gaussian function g of a row with unit prior variance of its coefficients.

    An effect is known through two things only: the covariance of its values at two sets of rows, and the
    posterior mean of its values at new rows given dual coefficients α at the fitted ones. Nothing here sees
    outcomes, losses or noise.
    """

    @abc.abstractmethod
    def covariance(self, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Prior covariance Cov(g(rows), g(others)), shape (n, m)."""
