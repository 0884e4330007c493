"""What every latent-factor model offers on ratings: a grid tuned inside the training part, the last fit's time."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from baselines._peer import Peer

N_COMPONENTS = 20


class FactorPeer(Peer):
    """Chooses among the settings of ``grid`` on the rows of fold 0 and refits on all; X holds codes of user and item.

    With a single setting nothing is held out. The time of the last fit is told apart from that of the tuning.
    """

    grid: Sequence[dict[str, float]]

    @abstractmethod
    def run(self, X: np.ndarray, y: np.ndarray, **setting: float) -> None:
        """Fit; ``score`` then speaks of this fit."""

    def fit(self, X: np.ndarray, y: np.ndarray, folds: np.ndarray) -> FactorPeer:
        out, errors = folds == 0, []
        self.seed = int(np.flatnonzero(out).sum() % 2**16)  # one for every drawing of the rows held out
        for setting in self.grid if len(self.grid) > 1 else ():
            self.run(X[~out], y[~out], **setting)
            errors.append(float(np.mean((np.clip(self.score(X[out]), y.min(), y.max()) - y[out]) ** 2)))
        self._best = self.grid[int(np.argmin(errors))] if errors else self.grid[0]
        began, busy = time.perf_counter(), time.process_time()
        self.run(X, y, **self._best)
        self._spent = {
            "fit_seconds": time.perf_counter() - began,
            "fit_cpu_seconds": time.process_time() - busy,
            "n_tried": len(self.grid),
        }
        return self

    def passes(self) -> float:
        """Passes over the ratings of the last fit, as the method counts them: epochs, sweeps."""
        return float(self._best.get("n_epochs", np.nan))

    def chosen(self) -> dict:
        return {**self._best, **self._spent, "passes": self.passes()}


def scores(X, users, items, user_bias=0.0, item_bias=0.0, mean=0.0) -> np.ndarray:
    """μ + b_u + c_i + ⟨p_u, q_i⟩ from tables by code."""
    found = np.einsum("nd,nd->n", users[X[:, 0]], items[X[:, 1]]).astype(float) + mean
    for bias, code in ((user_bias, X[:, 0]), (item_bias, X[:, 1])):
        found += bias[code] if np.ndim(bias) else bias
    return found


def tiny_table() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Some ratings to warm up with, no pair twice."""
    rng = np.random.default_rng(0)
    X = np.column_stack(np.divmod(rng.permutation(400)[:300], 20))
    return X, rng.integers(1, 6, 300).astype(float), np.arange(300) % 2
