"""Squared error, for a numeric outcome."""

from typing import Self, final

import numpy as np
from numpy.typing import ArrayLike

from .base import AbstractLoss, DiagonalCurvature, FloatArray, valid_column


@final
class SquaredLoss(AbstractLoss):
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

    has_intercept = True
    is_quadratic = True
    rows_interact = False

    def __init__(self, y: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        self.y = valid_column(y, "y")
        if np.isinf(self.y).any():
            raise ValueError("y contains infinity")
        super().__init__(self.y.size, sample_weight)

    def unit_losses(self, f: ArrayLike) -> FloatArray:
        """Half the squared error of every row, shape (n,)."""
        return 0.5 * (self._valid_scores(f) - self.y) ** 2

    def gradient(self, f: ArrayLike) -> FloatArray:
        """Weighted error of every row over the total weight, shape (n,)."""
        return self.sample_weight * (self._valid_scores(f) - self.y) / self.total_weight

    def curvature(self, f: ArrayLike) -> DiagonalCurvature:
        """Weights over the total weight, whatever the scores."""
        return DiagonalCurvature(self.sample_weight / self.total_weight)

    def start_score(self) -> float:
        """Weighted mean of the outcome."""
        return float(self.sample_weight @ self.y) / self.total_weight

    def inverse_link(self, f: ArrayLike) -> FloatArray:
        """Mean of the outcome: the scores themselves."""
        return np.array(f, dtype=np.float64)

    def dispersion(self, misfit: float, degrees_of_freedom: float) -> float:
        """Residual variance σ²."""
        return misfit / max(degrees_of_freedom, 1.0)

    def log_normalizer(self, dispersion: float) -> float:
        """Log of the Gaussian density at its mode, Σ ½ log(wᵢ / 2πσ²), over rows with weight."""
        weights = self.sample_weight[self.sample_weight > 0]
        return 0.5 * float(np.log(weights / (2.0 * np.pi * dispersion)).sum())

    def take(self, rows: ArrayLike) -> Self:
        """Restrict the loss to rows (integer positions or a boolean mask), weights included."""
        index = np.asarray(rows)
        return type(self)(self.y[index], self.sample_weight[index])
