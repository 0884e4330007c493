"""A number as target."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import ElasticNetCV
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from intertwine.compare._tuning import (
    BOOSTING_GRID,
    FACTORIZATION_SETTINGS,
    QUICK_SEARCH,
    factorization_grid,
    kernel_grid,
    l1_ratios,
    spells_out_pairs,
    tuned,
    with_all_pairs,
)
from intertwine.compare.base import (
    ALL_PAIRS,
    BOOSTING,
    FACTORIZATION,
    KERNEL,
    MAIN_EFFECTS,
    AbstractOutcomeTask,
    Inner,
    Split,
)

__all__ = ["RegressionTask"]

_POSTERIOR = ("gibbs", "variational")  # solvers whose predictions have a standard deviation


class RegressionTask(AbstractOutcomeTask):
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

    def strata(self, y: NDArray[Any]) -> NDArray[Any] | None:
        """None: a number has no classes."""
        return None

    def predict(self, model: Any, X: Any, y: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return ``mean`` (n,) and, where a posterior gives it, the predictive ``std`` (n,)."""
        last = model[-1] if isinstance(model, Pipeline) else model
        if getattr(last, "solver_", None) in _POSTERIOR or getattr(last, "gives_std", False):
            mean, std = model.predict(X, return_std=True)
            return {"mean": np.asarray(mean, dtype=float), "std": np.asarray(std, dtype=float)}
        mean = np.asarray(model.predict(X), dtype=float)
        return {"mean": mean.ravel() if mean.ndim == 2 and mean.shape[1] == 1 else mean}

    def score(self, y: NDArray[Any], prediction: dict[str, NDArray[Any]]) -> float:
        """Return R², on average over the columns of several outcomes."""
        return float(r2_score(y, prediction["mean"]))

    def errors(self, y: NDArray[Any], prediction: dict[str, NDArray[Any]]) -> dict[str, float]:
        """Return the root mean squared and the mean absolute error; several outcomes have no unit in common."""
        if np.ndim(y) > 1:
            return {}
        off = np.asarray(y, dtype=float) - prediction["mean"]
        return {"RMSE": float(np.sqrt(np.mean(off**2))), "MAE": float(np.mean(np.abs(off)))}

    def interaction_model(self, *, cv: Inner, quick: bool, random_state: int) -> Any:
        """Build an :class:`InteractionRegressorCV`."""
        from intertwine.estimators.interactions.models_cv import InteractionRegressorCV

        return InteractionRegressorCV(cv=cv, random_state=random_state, **(QUICK_SEARCH if quick else {}))

    def baselines(self, n_features: int, *, cv: Inner, quick: bool, random_state: int) -> dict[str, Any]:
        """Collect elastic nets, a factorization machine, gradient boosting and an RBF kernel."""
        from intertwine.estimators.interactions.models import InteractionRegressor

        choice: dict[str, Any] = {"cv": cv, "random_state": random_state, "scoring": "r2"}
        machine = InteractionRegressor(**FACTORIZATION_SETTINGS, random_state=random_state)
        boosting = HistGradientBoostingRegressor(random_state=random_state)
        kernel = make_pipeline(StandardScaler(), SVR())
        models = {
            MAIN_EFFECTS: make_pipeline(StandardScaler(), _elastic_net(cv, quick)),
            ALL_PAIRS: with_all_pairs(_elastic_net(cv, quick)),
            FACTORIZATION: tuned(_standard(machine), factorization_grid(quick, "regressor__"), **choice),
            BOOSTING: tuned(boosting, BOOSTING_GRID, **choice),
            KERNEL: tuned(_standard(kernel), kernel_grid("regressor__svr", quick), **choice),
        }
        if not spells_out_pairs(n_features):
            del models[ALL_PAIRS]
        return models

    def wide_baselines(self, *, cv: Inner, quick: bool, random_state: int) -> dict[str, Any]:
        """Collect an elastic net on the columns as they are: a rare level is not to weigh as much as a frequent one."""
        return {MAIN_EFFECTS: _elastic_net(cv, quick)}


def _standard(model: BaseEstimator) -> TransformedTargetRegressor:
    """Standardise the target too, so that one grid of strengths suits every unit."""
    return TransformedTargetRegressor(model, transformer=StandardScaler())


def _elastic_net(cv: Inner, quick: bool) -> ElasticNetCV:
    return ElasticNetCV(l1_ratio=l1_ratios(quick), alphas=20 if quick else 50, cv=cv, max_iter=5000, tol=1e-3)
