"""Rows themselves as target: how much of held-out features a few latents, and what rows share, give again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold

from intertwine.compare.base import AbstractTask, Split

__all__ = ["ReconstructionTask", "mean_r2"]


class ReconstructionTask(AbstractTask):
    """Features of rows that were not in the fit; the score is R², on average over features.

    Every model sees a row through its latents, and what it learnt of the row's group before; entries that are missing
    do not count.

    Examples
    --------
    >>> task = ReconstructionTask()
    >>> y = np.array([[1.0, np.nan], [3.0, 0.0], [2.0, 1.0]])
    >>> task.score(y, {"mean": np.nan_to_num(y)})
    1.0
    """

    name = "reconstruction"
    metric = "R²"

    def splits(self, y: NDArray[Any], n_splits: int, random_state: int) -> list[Split]:
        """Return shuffled folds."""
        return list(KFold(n_splits, shuffle=True, random_state=random_state).split(y))

    def strata(self, y: NDArray[Any]) -> NDArray[Any] | None:
        """None: there are no classes."""
        return None

    def predict(self, model: Any, X: Any, y: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return the rows again, ``mean`` (n, p)."""
        return {"mean": np.asarray(model.predict(X), dtype=float)}

    def score(self, y: NDArray[Any], prediction: dict[str, NDArray[Any]]) -> float:
        """Return R², on average over features that vary."""
        return mean_r2(y, prediction["mean"])

    def errors(self, y: NDArray[Any], prediction: dict[str, NDArray[Any]]) -> dict[str, float]:
        """None: features have no unit in common."""
        return {}


def mean_r2(y: NDArray[Any], mean: NDArray[Any]) -> float:
    """R² of every feature that varies, on average over them; entries that are missing in `y` do not count."""
    there = ~np.isnan(y)
    center = np.sum(np.where(there, y, 0.0), axis=0) / np.maximum(there.sum(axis=0), 1)
    missed = np.sum(np.where(there, y - mean, 0.0) ** 2, axis=0)
    spread = np.sum(np.where(there, y - center, 0.0) ** 2, axis=0)
    varies = spread > 0
    return float(np.mean(1.0 - missed[varies] / spread[varies])) if varies.any() else 1.0
