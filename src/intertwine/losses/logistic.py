"""Logistic loss, for a binary outcome coded −1 and +1."""

from typing import final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from .base import AbstractLikelihoodLoss, FloatArray
from .diagonal import AbstractDiagonalLoss


@final
class LogisticLoss(AbstractDiagonalLoss, AbstractLikelihoodLoss):
    """Negative log-likelihood of a binary outcome, ℓ(y, f) = log(1 + exp(−y f)).

    Parameters
    ----------
    y : array-like of shape (n,)
        Outcome, −1 or +1. One class alone is accepted: a validation fold may have no more.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows; one each when None.

    Raises
    ------
    ValueError
        When the outcome is not −1 or +1, or weights are negative, not finite or all zero.

    Examples
    --------
    >>> loss = LogisticLoss([-1, 1, 1])
    >>> round(loss.value([0.0, 0.0, 0.0]), 4)
    0.6931
    >>> float(loss.inverse_link(loss.start_score()).round(4))
    0.6667
    """

    def __init__(self, y: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        super().__init__(y, sample_weight)
        if not (np.abs(self.y) == 1.0).all():
            raise ValueError("y must be −1 or +1 in every row")

    def _losses(self, f: FloatArray) -> FloatArray:
        return np.logaddexp(0.0, -self.y * f)

    def _slopes(self, f: FloatArray) -> FloatArray:
        return -self.y * expit(-self.y * f)

    def _curvatures(self, f: FloatArray) -> FloatArray:
        # p (1 − p) as expit(f) · expit(−f), which keeps its relative accuracy where the difference would cancel to zero
        return np.asarray(expit(f) * expit(-f))

    def start_score(self) -> float:
        """Log odds of +1.

        Raises
        ------
        ValueError
            When all weight is on one class: its log odds are infinite.
        """
        positive = float(self.sample_weight[self.y > 0].sum())
        negative = float(self.sample_weight[self.y < 0].sum())
        if positive == 0.0 or negative == 0.0:
            raise ValueError("y has one class only; its log odds are infinite")
        return float(np.log(positive / negative))

    def inverse_link(self, f: ArrayLike) -> FloatArray:
        """Probability of +1."""
        return np.asarray(expit(np.asarray(f, dtype=np.float64)))
