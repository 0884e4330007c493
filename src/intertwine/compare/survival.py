"""Time to an event as target."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from intertwine.compare._tuning import (
    FACTORIZATION_SETTINGS,
    QUICK_SEARCH,
    elastic_net_strengths,
    factorization_grid,
    l1_ratios,
    tuned,
)
from intertwine.compare.base import ALL_PAIRS, FACTORIZATION, MAIN_EFFECTS, AbstractOutcomeTask, Inner, Split
from intertwine.losses import concordance_index
from intertwine.plots.survival import curve_times, survival_at

__all__ = ["SurvivalTask"]

_NO_PAIRS = 1e9  # a penalty that leaves every interaction at zero


class SurvivalTask(AbstractOutcomeTask):
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

    def strata(self, y: NDArray[Any]) -> NDArray[Any] | None:
        """Return which rows have events."""
        return np.asarray(y["event"])

    def predict(self, model: Any, X: Any, y: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return ``risk`` (n,), ``survival`` (n, times), and the same ``times`` for every row (n, times)."""
        model = getattr(model, "best_estimator_", model)  # a grid search forwards no survival functions
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

    def errors(self, y: NDArray[Any], prediction: dict[str, NDArray[Any]]) -> dict[str, float]:
        """None: there is no unit."""
        return {}

    def interaction_model(self, *, cv: Inner, quick: bool, random_state: int) -> Any:
        """Build an :class:`InteractionCoxPHCV`."""
        from intertwine.estimators.interactions.models_cv import InteractionCoxPHCV

        return InteractionCoxPHCV(cv=cv, random_state=random_state, **(QUICK_SEARCH if quick else {}))

    def baselines(self, n_features: int, *, cv: Inner, quick: bool, random_state: int) -> dict[str, Any]:
        """Collect Cox elastic nets on main effects and on all pairs, and a factorization machine.

        scikit-learn has no Cox models, so the three are special cases of :class:`InteractionCoxPH`; that its elastic
        nets equal those of R's glmnet is tested.
        """
        from intertwine.estimators.interactions.models import InteractionCoxPH

        choice: dict[str, Any] = {"cv": cv, "random_state": random_state}
        grid = {"alpha": elastic_net_strengths(0.01, 1.0, quick), "l1_ratio": l1_ratios(quick)}
        machine = InteractionCoxPH(**FACTORIZATION_SETTINGS, random_state=random_state)
        main = InteractionCoxPH(latent=None, alpha_pairs=_NO_PAIRS, tol=1e-5)
        return {
            MAIN_EFFECTS: tuned(main, grid, **choice),
            ALL_PAIRS: tuned(InteractionCoxPH(latent=None, tol=1e-5), grid, **choice),
            FACTORIZATION: tuned(machine, factorization_grid(quick), **choice),
        }

    def wide_baselines(self, *, cv: Inner, quick: bool, random_state: int) -> dict[str, Any]:
        """None: all of ours for survival need dense columns."""
        return {}
