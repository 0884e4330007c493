"""Time to an event as target."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from intertwine.compare.base import AbstractTask, Split
from intertwine.losses import concordance_index
from intertwine.plots.survival import curve_times, survival_at

__all__ = ["SurvivalTask"]


class SurvivalTask(AbstractTask):
    """Time to an event that some rows did not reach; the score is the concordance index.

    Examples
    --------
    >>> y = np.array([(1.0, True), (2.0, True)], dtype=[("time", float), ("event", bool)])
    >>> SurvivalTask().score(y, {"risk": np.array([2.0, 1.0])})
    1.0
    """

    name = "survival"
    metric = "concordance"

    def splits(self, y: NDArray[Any], n_splits: int, random_state: int) -> list[Split]:
        """Return shuffled folds with the same share of events."""
        folds = StratifiedKFold(n_splits, shuffle=True, random_state=random_state)
        return list(folds.split(np.zeros(len(y)), y["event"]))

    def predict(self, model: Any, X: Any, y: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return ``risk`` (n,), ``survival`` (n, times), and the same ``times`` for every row (n, times)."""
        times = curve_times(y["time"], y["event"])
        survival = survival_at(model, X, times)
        return {
            "risk": np.asarray(model.predict(X), dtype=float),
            "survival": survival,
            "times": np.broadcast_to(times, survival.shape),
        }

    def score(self, y: NDArray[Any], prediction: dict[str, NDArray[Any]]) -> float:
        """Return the share of comparable pairs of rows that are in the right order."""
        entry = y["entry"] if "entry" in (y.dtype.names or ()) else None
        return float(concordance_index(y["time"], y["event"], prediction["risk"], entry=entry))

    def interaction_model(self, *, cv: int, quick: bool, random_state: int) -> Any:
        """Build an :class:`InteractionCoxPHCV`."""
        from intertwine.estimators.interactions_cv import InteractionCoxPHCV

        return InteractionCoxPHCV(cv=cv, random_state=random_state)

    def baselines(self, n_features: int, *, quick: bool, random_state: int) -> dict[str, Any]:
        """Collect Cox elastic nets on main effects and on all pairs, and a factorization machine."""
        return {}
