"""Visits as target: how much of visits that have not been seen is foretold from others of the same subject."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold

from intertwine.compare.base import AbstractTask, Split
from intertwine.compare.reconstruction import mean_r2

__all__ = ["ForecastTask"]


class ForecastTask(AbstractTask):
    """Measurements at visits of which a model sees subject, time and covariates only; the score is R², on average.

    Of subjects that a model knows, all held-out visits are foretold. Of new subjects their first visits are given to
    it, and those do not count, nor do entries that are missing.

    Examples
    --------
    >>> task = ForecastTask()
    >>> y = np.array([[1.0, 9.0], [3.0, np.nan], [2.0, 1.0]])
    >>> given = np.array([[1.0, np.nan], [3.0, 0.0], [2.0, 1.0]])
    >>> task.score(y, {"mean": given})
    1.0
    """

    name = "forecast"
    metric = "R²"

    def splits(self, y: NDArray[Any], n_splits: int, random_state: int) -> list[Split]:
        """Return shuffled folds of visits."""
        return list(KFold(n_splits, shuffle=True, random_state=random_state).split(y))

    def strata(self, y: NDArray[Any]) -> NDArray[Any] | None:
        """None: there are no classes."""
        return None

    def predict(self, model: Any, X: Any, y: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return ``mean`` (n, p), NaN at visits that were given to the model."""
        return {"mean": np.asarray(model.predict(X), dtype=float)}

    def score(self, y: NDArray[Any], prediction: dict[str, NDArray[Any]]) -> float:
        """Return R², on average over features that vary at visits that were foretold."""
        return mean_r2(np.where(np.isnan(prediction["mean"]), np.nan, y), prediction["mean"])

    def errors(self, y: NDArray[Any], prediction: dict[str, NDArray[Any]]) -> dict[str, float]:
        """None: features have no unit in common."""
        return {}
