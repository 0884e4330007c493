"""A number as target."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import ElasticNetCV
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from intertwine.compare._tuning import BOOSTING_GRID, kernel_grid, spells_out_pairs, tuned, with_all_pairs
from intertwine.compare.base import ALL_PAIRS, BOOSTING, KERNEL, MAIN_EFFECTS, AbstractTask, Split

__all__ = ["RegressionTask"]


class RegressionTask(AbstractTask):
    """A number as target; the score is R².

    Examples
    --------
    >>> task = RegressionTask()
    >>> task.score(np.array([1.0, 2.0]), {"mean": np.array([1.0, 2.0])})
    1.0
    """

    name = "regression"
    metric = "R²"

    def splits(self, y: NDArray[Any], n_splits: int, random_state: int) -> list[Split]:
        """Return shuffled folds."""
        return list(KFold(n_splits, shuffle=True, random_state=random_state).split(y))

    def predict(self, model: Any, X: Any, y: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return ``mean`` (n,)."""
        return {"mean": np.asarray(model.predict(X), dtype=float).ravel()}

    def score(self, y: NDArray[Any], prediction: dict[str, NDArray[Any]]) -> float:
        """Return R²."""
        return float(r2_score(y, prediction["mean"]))

    def interaction_model(self, *, cv: int, quick: bool, random_state: int) -> Any:
        """Build an :class:`InteractionRegressorCV`."""
        from intertwine.estimators.interactions_cv import InteractionRegressorCV

        return InteractionRegressorCV(cv=cv, random_state=random_state)

    def baselines(self, n_features: int, *, quick: bool, random_state: int) -> dict[str, Any]:
        """Collect elastic nets, a factorization machine, gradient boosting and an RBF kernel."""
        kernel = TransformedTargetRegressor(
            make_pipeline(StandardScaler(), SVR()), transformer=StandardScaler()
        )
        boosting = HistGradientBoostingRegressor(random_state=random_state)
        models = {
            MAIN_EFFECTS: make_pipeline(StandardScaler(), _elastic_net(quick)),
            ALL_PAIRS: with_all_pairs(_elastic_net(quick)),
            BOOSTING: tuned(boosting, BOOSTING_GRID, quick, "r2"),
            KERNEL: tuned(kernel, kernel_grid("regressor__svr", quick), quick, "r2"),
        }
        if not spells_out_pairs(n_features):
            del models[ALL_PAIRS]
        return models


def _elastic_net(quick: bool) -> ElasticNetCV:
    ratios = [0.1, 0.9] if quick else [0.1, 0.5, 0.9, 1.0]
    return ElasticNetCV(
        l1_ratio=ratios, alphas=20 if quick else 50, cv=3 if quick else 5, max_iter=5000, tol=1e-3
    )
