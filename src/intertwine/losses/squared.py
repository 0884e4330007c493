"""Squared error, for a numeric outcome."""

from typing import final

import numpy as np

from .base import FloatArray
from .diagonal import AbstractErrorLoss


@final
class SquaredLoss(AbstractErrorLoss):
    """Half the squared error, ℓ(y, f) = ½ (f − y)².

    Parameters
    ----------
    y : array-like of shape (n,)
        Outcome, in its own units.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows; one each when None.

    Raises
    ------
    ValueError
        When the outcome is not finite, or weights are negative, not finite or all zero.

    Examples
    --------
    >>> loss = SquaredLoss([1.0, 3.0])
    >>> loss.value([0.0, 0.0])
    2.5
    >>> loss.start_score()
    2.0
    """

    is_quadratic = True

    def _losses(self, f: FloatArray) -> FloatArray:
        return 0.5 * (f - self.y) ** 2

    def _slopes(self, f: FloatArray) -> FloatArray:
        return f - self.y

    def _curvatures(self, f: FloatArray) -> FloatArray:
        return np.ones(self.n_rows)

    def start_score(self) -> float:
        """Weighted mean of the outcome."""
        return float(self.sample_weight @ self.y) / self.total_weight
