r"""Penalties of coefficients: value, smooth part, proximal map, and how far a point is from optimal.

All are separable, so one class covers them: for every coefficient

    l1·|θ| + ½·l2·θ² − shift·θ.

A tie to a target t, ½·tie·(θ − t)², is l2 = tie and shift = tie·t up to the constant ½·tie·t²: the elastic net whose
centre was moved.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["AbstractPenalty", "ElasticNet", "soft_threshold"]


def soft_threshold(v: NDArray, threshold: ArrayLike) -> NDArray:
    """Move every entry towards zero by ``threshold``, and to zero when it is nearer than that.

    Examples
    --------
    >>> import numpy as np
    >>> soft_threshold(np.array([-3.0, 0.5, 2.0]), 1.0)
    array([-2.,  0.,  1.])
    """
    # the sum of the two clipped sides is exactly zero inside the threshold, without a −0
    return np.maximum(v - threshold, 0.0) + np.minimum(v + threshold, 0.0)


class AbstractPenalty(ABC):
    """A convex penalty: a smooth part, whose gradient is known, plus a part whose proximal map is known."""

    @abstractmethod
    def value(self, params: NDArray) -> float:
        """Return the penalty, both parts."""

    @abstractmethod
    def smooth_gradient(self, params: NDArray) -> NDArray:
        """Return the gradient of the smooth part, shaped as ``params``."""

    @abstractmethod
    def prox(self, v: NDArray, step: ArrayLike) -> NDArray:
        """Return argmin_u ‖u − v‖²/(2·step) + penalty(u), both parts; ``step`` may differ between entries."""

    @abstractmethod
    def violation(self, params: NDArray, gradient: NDArray) -> NDArray:
        """Return the distance from zero to the subdifferential of loss + penalty, entry by entry.

        Parameters
        ----------
        params : ndarray
            Coefficients.
        gradient : ndarray
            Gradient of the loss alone at ``params``.
        """


@final
class ElasticNet(AbstractPenalty):
    """Σ l1·|θ| + ½·l2·θ² − shift·θ, each strength a number or an array shaped as the coefficients.

    Parameters
    ----------
    l1 : array-like, default=0
        Strengths of the absolute values; ∞ fixes a coefficient at zero.
    l2 : array-like, default=0
        Strengths of the half squares.
    shift : array-like, default=0
        Linear rewards, ``tie * target`` for a tie to a target.

    Raises
    ------
    ValueError
        If a strength is negative or NaN.

    Examples
    --------
    >>> import numpy as np
    >>> penalty = ElasticNet(l1=1.0, l2=0.5)
    >>> penalty.value(np.array([2.0, -1.0]))
    4.25
    >>> penalty.prox(np.array([3.0, -0.5]), 2.0)
    array([0.5, 0. ])
    """

    def __init__(self, l1: ArrayLike = 0.0, l2: ArrayLike = 0.0, shift: ArrayLike = 0.0) -> None:
        self.l1 = np.asarray(l1, dtype=float)
        self.l2 = np.asarray(l2, dtype=float)
        self.shift = np.asarray(shift, dtype=float)
        if not (np.all(self.l1 >= 0.0) and np.all(self.l2 >= 0.0)):
            raise ValueError("penalty strengths must be numbers that are not negative")

    @classmethod
    def toward(cls, target: ArrayLike, tie: float, l1: ArrayLike = 0.0, l2: ArrayLike = 0.0) -> Self:
        """Elastic net plus ½·tie·(θ − target)², less the constant ½·tie·target².

        Examples
        --------
        >>> import numpy as np
        >>> ElasticNet.toward(np.array([1.0, -2.0]), tie=3.0).prox(np.zeros(2), 1e9).round(6)
        array([ 1., -2.])
        """
        return cls(l1, np.asarray(l2) + tie, tie * np.asarray(target))

    def value(self, params: NDArray) -> float:
        smooth = (0.5 * self.l2 * params - self.shift) * params
        if not self.l1.any():
            return float(np.sum(smooth))
        # 0 · ∞ would be NaN for a coefficient that is fixed at zero, where the penalty is zero
        size = np.abs(params)
        return float(np.sum(np.where(size > 0.0, self.l1, 0.0) * size + smooth))

    def smooth_gradient(self, params: NDArray) -> NDArray:
        return self.l2 * params - self.shift

    def prox(self, v: NDArray, step: ArrayLike) -> NDArray:
        length = np.asarray(step, dtype=float)
        return soft_threshold(v + length * self.shift, length * self.l1) / (1.0 + length * self.l2)

    def violation(self, params: NDArray, gradient: NDArray) -> NDArray:
        smooth = gradient + self.smooth_gradient(params)
        at_zero = np.maximum(np.abs(smooth) - self.l1, 0.0)
        with np.errstate(invalid="ignore"):  # sign(0)·∞, in the branch that is not taken
            away = np.abs(smooth + self.l1 * np.sign(params))
        return np.where(params == 0.0, at_zero, away)
