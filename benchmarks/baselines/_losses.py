"""Losses of the baselines, in the units of their objectives: value and gradient, nothing more.

They are written apart from the library on purpose, so that a mistake in one of the two shows as a difference.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from scipy.special import expit


class BaselineLoss(ABC):
    """A mean loss of a score; ``descent_scale`` is what the paper's code multiplies it with."""

    descent_scale: float

    @abstractmethod
    def value_and_gradient(self, score: np.ndarray) -> tuple[float, np.ndarray]:
        """Mean loss and its gradient with respect to the score (n,)."""


class SquaredLoss(BaselineLoss):
    """½(f − y)² averaged; the paper's code descends on the *sum*."""

    def __init__(self, y: np.ndarray) -> None:
        self._y = y
        self.descent_scale = float(len(y))

    def value_and_gradient(self, score: np.ndarray) -> tuple[float, np.ndarray]:
        residual = score - self._y
        return float(residual @ residual) / (2 * len(residual)), residual / len(residual)


class LogisticLoss(BaselineLoss):
    """log(1 + exp(−y f)) averaged, y in {−1, 1}."""

    descent_scale = 1.0

    def __init__(self, y: np.ndarray) -> None:
        self._y = np.where(y > 0, 1.0, -1.0).astype(y.dtype if y.dtype.kind == "f" else float)

    def value_and_gradient(self, score: np.ndarray) -> tuple[float, np.ndarray]:
        margin = self._y * score
        return float(np.logaddexp(0.0, -margin).mean()), -self._y * expit(-margin) / len(margin)


class CoxLoss(BaselineLoss):
    """−log partial likelihood / n without any handling of ties; the paper's code divides by the events."""

    def __init__(self, time: np.ndarray, event: np.ndarray) -> None:
        self._order = np.argsort(-time, kind="stable")  # latest first: risk sets are prefixes
        self._event = np.asarray(event, dtype=bool)[self._order]
        self.descent_scale = len(time) / max(int(self._event.sum()), 1)

    def value_and_gradient(self, score: np.ndarray) -> tuple[float, np.ndarray]:
        ordered = score[self._order]
        top = ordered.max()
        relative = np.exp(ordered - top)
        at_risk = np.cumsum(relative)
        value = np.sum((np.log(at_risk) + top - ordered)[self._event]) / len(ordered)
        hazard = np.cumsum((self._event / at_risk)[::-1])[::-1]  # over the events at or before each time
        gradient = np.empty_like(ordered)
        gradient[self._order] = (relative * hazard - self._event) / len(ordered)
        return float(value), gradient
