"""Logistic loss, for a binary outcome coded −1 and +1."""

from typing import Self, final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from .base import AbstractLoss, DiagonalCurvature, FloatArray, valid_column


@final
class LogisticLoss(AbstractLoss):
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

    has_intercept = True
    rows_interact = False

    def __init__(self, y: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        self.y = valid_column(y, "y")
        if not (np.abs(self.y) == 1.0).all():
            raise ValueError("y must be −1 or +1 in every row")
        super().__init__(self.y.size, sample_weight)

    def unit_losses(self, f: ArrayLike) -> FloatArray:
        """Negative log-likelihood of every row, shape (n,)."""
        return np.logaddexp(0.0, -self.y * self._valid_scores(f))

    def gradient(self, f: ArrayLike) -> FloatArray:
        """Differentiate `value` with respect to the scores, shape (n,)."""
        return -self.y * self.sample_weight * expit(-self.y * self._valid_scores(f)) / self.total_weight

    def curvature(self, f: ArrayLike) -> DiagonalCurvature:
        """Weighted variance p (1 − p) of every row over the total weight."""
        scores = self._valid_scores(f)
        # expit(f) · expit(−f) keeps its relative accuracy where p (1 − p) would cancel to zero
        return DiagonalCurvature(self.sample_weight * expit(scores) * expit(-scores) / self.total_weight)

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

    def dispersion(self, misfit: float, degrees_of_freedom: float) -> float:
        """One: the loss is a negative log-likelihood on its own scale."""
        return 1.0

    def log_normalizer(self, dispersion: float) -> float:
        """Zero: the loss is the whole negative log-likelihood."""
        return 0.0

    def take(self, rows: ArrayLike) -> Self:
        """Restrict the loss to rows (integer positions or a boolean mask), weights included."""
        index = np.asarray(rows)
        return type(self)(self.y[index], self.sample_weight[index])
