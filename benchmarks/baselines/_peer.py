"""What every opponent offers, so that all are tuned on the same inner folds and judged on the same rows."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

#: The path that all elastic nets of a speed comparison search: the number of strengths, smallest relative to largest.
PATH_LENGTH, MIN_RATIO = 24, 0.003


class Peer(ABC):
    """A method with its own tuning inside: ``fit`` chooses everything by cross-validation over ``folds``.

    ``folds`` (n,) holds the number of the inner fold of each training row (0, 1, …): the same for every peer.
    """

    #: What is searched, in words, for the tables.
    tuning: str

    @abstractmethod
    def fit(self, X: np.ndarray, y: np.ndarray, folds: np.ndarray) -> Peer:
        """Tune and refit on all training rows."""

    @abstractmethod
    def score(self, X: np.ndarray) -> np.ndarray:
        """Predicted mean (regression) or a score that grows with the second class (classification), (n,)."""

    def chosen(self) -> dict:
        """The hyperparameters that the inner folds chose."""
        return {}
