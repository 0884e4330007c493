"""What every factorization machine offers on ratings: a grid tuned on one held-out part, and the time of an epoch."""

from __future__ import annotations

import itertools
import time
from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from baselines._peer import Peer

N_COMPONENTS = 10
N_USERS, N_ITEMS = 943, 1682
FEWER, MORE = 2, 12  # epochs; the difference leaves out what happens once, as reading files


class RatingPeer(Peer):
    """Chooses among the settings of ``grid`` on the rows of fold 0 and refits on all; X holds users and items."""

    grid: Sequence[dict[str, float]]
    tuning = "grid on ten held-out ratings of every user"

    @abstractmethod
    def run(self, X: np.ndarray, y: np.ndarray, n_epochs: int, **setting: float) -> None:
        """Fit so many epochs; ``score`` then speaks of this fit."""

    def fit(self, X: np.ndarray, y: np.ndarray, folds: np.ndarray) -> RatingPeer:
        out, errors = folds == 0, []
        self.seed = int(np.flatnonzero(out).sum() % 2**16)  # one for every drawing of the rows held out
        for setting in self.grid if len(self.grid) > 1 else ():
            self.run(X[~out], y[~out], **setting)
            errors.append(float(np.mean((self.score(X[out]) - y[out]) ** 2)))
        self._best = self.grid[int(np.argmin(errors))] if errors else self.grid[0]
        fewer, more = (self._processor_seconds(X, y, {**self._best, "n_epochs": n}) for n in (FEWER, MORE))
        self._epoch_seconds = (more - fewer) / (MORE - FEWER)
        self.run(X, y, **self._best)
        return self

    def _processor_seconds(self, X: np.ndarray, y: np.ndarray, setting: dict) -> float:
        began = time.process_time()
        self.run(X, y, **setting)
        return time.process_time() - began

    def chosen(self) -> dict:
        return {**self._best, "epoch_seconds": self._epoch_seconds}


def product(**values: Sequence[float]) -> list[dict[str, float]]:
    """All settings of a grid."""
    return [dict(zip(values, setting, strict=True)) for setting in itertools.product(*values.values())]


def rmse(score: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Root mean squared error of ratings, predictions kept within one to five stars."""
    return {"rmse": float(np.sqrt(np.mean((np.clip(score, 1.0, 5.0) - y) ** 2)))}


def tiny_ratings() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Some ratings to warm up with."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 20, 300), rng.integers(0, 20, 300)])
    return X, rng.integers(1, 6, 300).astype(float), np.arange(300) % 2
