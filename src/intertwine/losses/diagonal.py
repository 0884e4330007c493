"""Losses whose rows do not interact: a sum over rows of one function ℓ of the score, bound to its outcome.

A subclass says what ℓ and its first two derivatives are; weights, curvature and parts of the rows follow.
"""

from abc import abstractmethod
from typing import Self, final

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from .base import AbstractLoss, DiagonalCurvature, FloatArray, valid_column


class AbstractDiagonalLoss(AbstractLoss):
    """Loss of rows that do not interact, L(f) = Σᵢ wᵢ ℓ(yᵢ, fᵢ) / Σᵢ wᵢ.

    Parameters
    ----------
    y : array-like of shape (n,)
        Outcome, finite.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows; one each when None.

    Raises
    ------
    ValueError
        When the outcome is not finite, or weights are negative, not finite or all zero.
    """

    has_intercept = True
    rows_interact = False

    def __init__(self, y: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        self.y = valid_column(y, "y")
        if np.isinf(self.y).any():
            raise ValueError("y contains infinity")
        super().__init__(self.y.size, sample_weight)

    @abstractmethod
    def _losses(self, f: FloatArray) -> FloatArray:
        """ℓ(yᵢ, fᵢ) of every row."""

    @abstractmethod
    def _slopes(self, f: FloatArray) -> FloatArray:
        """∂ℓ/∂f of every row."""

    @abstractmethod
    def _curvatures(self, f: FloatArray) -> FloatArray:
        """∂²ℓ/∂f² of every row, not negative."""

    @final
    def unit_losses(self, f: ArrayLike) -> FloatArray:
        """Loss of every row, unweighted, shape (n,)."""
        with np.errstate(over="ignore"):
            return self._losses(self._valid_scores(f))

    @final
    def gradient(self, f: ArrayLike) -> FloatArray:
        """Differentiate `value` with respect to the scores, shape (n,)."""
        with np.errstate(over="ignore"):
            slopes = self._slopes(self._valid_scores(f))
        return self._weighted(slopes) / self.total_weight

    @final
    def curvature(self, f: ArrayLike) -> DiagonalCurvature:
        """Differentiate `value` twice with respect to the scores."""
        with np.errstate(over="ignore"):
            curvatures = self._curvatures(self._valid_scores(f))
        return DiagonalCurvature(self._weighted(curvatures) / self.total_weight)

    @final
    def take(self, rows: ArrayLike) -> Self:
        """Restrict the loss to rows (integer positions or a boolean mask), weights included."""
        index = np.asarray(rows)
        return type(self)(self.y[index], self.sample_weight[index])


class AbstractErrorLoss(AbstractDiagonalLoss):
    """Loss of the error f − y, in the unit of the outcome: squared, robust, asymmetric."""

    @final
    def inverse_link(self, f: ArrayLike) -> FloatArray:
        """Response in the unit of the outcome: the scores themselves."""
        return np.array(f, dtype=np.float64)

    @final
    def dispersion(self, misfit: float, degrees_of_freedom: float) -> float:
        """Residual variance σ², or what stands for it where errors are not squared."""
        return misfit / max(degrees_of_freedom, 1.0)

    @final
    def log_normalizer(self, dispersion: float) -> float:
        """Log of the Gaussian density at its mode, Σ ½ log(wᵢ / 2πσ²), over rows with weight."""
        weights = self.sample_weight[self.sample_weight > 0]
        return 0.5 * float(np.log(weights / (2.0 * np.pi * dispersion)).sum())


def best_constant(loss: AbstractDiagonalLoss) -> float:
    """Constant score with the smallest loss, where no formula gives it.

    Examples
    --------
    >>> from intertwine.losses import SquaredLoss
    >>> best_constant(SquaredLoss([1.0, 2.0, 6.0]))
    3.0
    """

    def slope(score: float) -> float:
        return float(loss.gradient(np.full(loss.n_rows, score)).sum())

    low, high = float(loss.y.min()), float(loss.y.max())
    reach = (high - low) or 1.0
    while slope(low) > 0.0:
        low, reach = low - reach, 2.0 * reach
    while slope(high) < 0.0:
        high, reach = high + reach, 2.0 * reach
    precision = 4.0 * np.finfo(float).eps
    return float(brentq(slope, low, high, xtol=precision * max(abs(low), abs(high), 1e-290), rtol=precision))
