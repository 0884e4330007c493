"""Half the squared errors of ratings: the chain rule of `intertwine.risk.RowRisk` with next to no memory.

Value, gradient and Gauss-Newton products are made rating by rating: nothing beside the ratings is as long as they are.
Whoever asks for their errors (exact Hessians, line searches) has them made, in one array of float64.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from intertwine.losses import LossOverflowError
from intertwine.risk import AbstractExpansion, AbstractRisk, Line
from intertwine.structures.latent_factors import FactorScores

__all__ = ["SquaredRatingRisk", "weighted_squares"]

Vector = NDArray[np.float64]

_BLOCK = 4096  # ratings that are added up before their sum is: sums of many lose no digits


@final
class SquaredRatingRisk(AbstractRisk):
    """½ Σ w (y + level − f)².

    Parameters
    ----------
    scores : FactorScores
    y : ndarray of shape (n_ratings,), float32 or float64
    weight : ndarray of shape (n_ratings,), float or bool
    level : float

    Examples
    --------
    >>> from intertwine.structures.latent_factors import LatentFactors
    >>> from intertwine.structures.ratings import RatingTable
    >>> X, _ = RatingTable.build(np.array([0, 0]), np.array([0, 1]), 1, 2)
    >>> risk = SquaredRatingRisk(FactorScores(LatentFactors(0), X), np.array([1.0, 2.0]), np.ones(2, bool), 0.0)
    >>> here = risk.expand(np.array([1.0, 0.0, 0.0]))
    >>> here.value, here.gradient
    (0.5, array([-1.,  0., -1.]))
    """

    def __init__(self, scores: FactorScores, y: Vector, weight: NDArray[Any], level: float) -> None:
        self.scores, self.y, self.weight, self.level = scores, y, weight, level
        self.size = scores.size

    def expand(self, theta):
        return _SquaredExpansion(self, theta)

    def slopes(self, theta: Vector) -> tuple[Vector, float]:
        """Derivative of every rating's part with respect to its score; and the sum of the parts."""
        slopes = self.scores.score(theta)
        value = 0.5 * _turn_into_slopes(slopes, self.y, self.weight, self.level)
        _require_finite(value)
        return slopes, value


@final
class _SquaredExpansion(AbstractExpansion):
    def __init__(self, of: SquaredRatingRisk, theta: Vector) -> None:
        self._of, self.theta = of, theta
        self._near = of.scores.around(theta)
        self.value, self.gradient = self._near.squares(of.y, of.weight, of.level)
        _require_finite(self.value)
        self._slopes: Vector | None = None

    def product(self, v):
        return self._near.gram_product(self._of.weight, v)

    def hessian_product(self, v):
        if self._slopes is None:  # asked for once, asked for often
            self._slopes = self._of.slopes(self.theta)[0]
        return self.product(v) + self._near.bend_product(self._slopes, v)

    def blocks(self):
        return self._near.gram_blocks(self._of.weight)

    def line(self, direction):
        of, theta = self._of, self.theta
        if of.scores.degree is None:

            def evaluated(t: float) -> float:
                value = 0.5 * of.scores.squares(theta + t * direction, of.y, of.weight, of.level)
                _require_finite(value)
                return value

            return Line([0.0], [evaluated], self.value, passes=1.0)
        slopes = of.slopes(theta)[0] if self._slopes is None else self._slopes
        first, second = self._near.along(direction)
        return Line([self.value, *_quartic(slopes, of.weight, first, second)])


def _require_finite(value: float) -> None:
    if not np.isfinite(value):
        raise LossOverflowError("overflow: the loss is not finite; take smaller steps or a stronger penalty")


@njit(cache=True, nogil=True)
def weighted_squares(y, weight):
    """Σ w y²."""
    total = 0.0
    for start in range(0, y.size, _BLOCK):
        part = 0.0
        for t in range(start, min(start + _BLOCK, y.size)):
            part += weight[t] * np.float64(y[t]) * y[t]
        total += part
    return total


@njit(cache=True, nogil=True)
def _turn_into_slopes(scores, y, weight, level):
    total = 0.0
    for start in range(0, y.size, _BLOCK):
        part = 0.0
        for t in range(start, min(start + _BLOCK, y.size)):
            error = scores[t] - (y[t] + level)
            slope = weight[t] * error
            part += slope * error
            scores[t] = slope
        total += part
    return total


@njit(cache=True, nogil=True)
def _quartic(slopes, weight, first, second):
    """Coefficients of t to t⁴ of ½ Σ w (e + t f₁ + t² f₂)²."""
    sums = np.zeros(4)
    for start in range(0, slopes.size, _BLOCK):
        a, b, c, d = 0.0, 0.0, 0.0, 0.0
        for t in range(start, min(start + _BLOCK, slopes.size)):
            bent = weight[t] * second[t]
            a += slopes[t] * first[t]
            b += 0.5 * weight[t] * first[t] * first[t] + slopes[t] * second[t]
            c += bent * first[t]
            d += 0.5 * bent * second[t]
        sums += np.array([a, b, c, d])
    return sums
