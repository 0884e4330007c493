"""Two or more classes as target."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from intertwine.compare._tuning import (
    BOOSTING_GRID,
    FACTORIZATION_SETTINGS,
    QUICK_SEARCH,
    elastic_net_strengths,
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

__all__ = ["ClassificationTask"]


class ClassificationTask(AbstractOutcomeTask):
    """Two or more classes as target; the score is the area under the ROC curve.

    With more than two classes it is the mean over classes of one against the rest.

    Examples
    --------
    >>> score = np.array([[0.9, 0.1], [0.2, 0.8]])
    >>> ClassificationTask().score(np.array(["no", "yes"]), {"score": score})
    1.0
    """

    name = "classification"
    metric = "AUC"

    def splits(self, y: NDArray[Any], n_splits: int, random_state: int) -> list[Split]:
        """Return shuffled folds with the same share of each class."""
        folds = StratifiedKFold(n_splits, shuffle=True, random_state=random_state)
        return list(folds.split(np.zeros(len(y)), y))

    def strata(self, y: NDArray[Any]) -> NDArray[Any] | None:
        """Return the classes."""
        return y

    def predict(self, model: Any, X: Any, y: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return ``score`` (n, classes) and, where the model has them, ``probability`` (n, classes)."""
        if hasattr(model, "predict_proba"):
            probability = np.asarray(model.predict_proba(X), dtype=float)
            return {"score": probability, "probability": probability}
        score = np.asarray(model.decision_function(X), dtype=float)
        return {"score": np.column_stack([-score, score]) if score.ndim == 1 else score}

    def score(self, y: NDArray[Any], prediction: dict[str, NDArray[Any]]) -> float:
        """Return the AUC; with more than two classes, the mean over classes."""
        classes = np.unique(y)
        columns = range(1, 2) if classes.size == 2 else range(classes.size)
        return float(np.mean([roc_auc_score(y == classes[c], prediction["score"][:, c]) for c in columns]))

    def errors(self, y: NDArray[Any], prediction: dict[str, NDArray[Any]]) -> dict[str, float]:
        """None: there is no unit."""
        return {}

    def interaction_model(self, *, cv: Inner, quick: bool, random_state: int) -> Any:
        """Build an :class:`InteractionClassifierCV`."""
        from intertwine.estimators.interactions.models_cv import InteractionClassifierCV

        return InteractionClassifierCV(cv=cv, random_state=random_state, **(QUICK_SEARCH if quick else {}))

    def baselines(self, n_features: int, *, cv: Inner, quick: bool, random_state: int) -> dict[str, Any]:
        """Collect logistic elastic nets, a factorization machine, gradient boosting and an RBF kernel."""
        from intertwine.estimators.interactions.models import InteractionClassifier

        choice: dict[str, Any] = {
            "cv": cv,
            "random_state": random_state,
            "scoring": self._auc,
            "stratified": True,
        }
        grid = {
            "logisticregression__C": elastic_net_strengths(1e-3, 10.0, quick),
            "logisticregression__l1_ratio": l1_ratios(quick),
        }
        machine = InteractionClassifier(**FACTORIZATION_SETTINGS, random_state=random_state)
        boosting = HistGradientBoostingClassifier(random_state=random_state)
        kernel = make_pipeline(StandardScaler(), SVC())
        models = {
            MAIN_EFFECTS: tuned(make_pipeline(StandardScaler(), _logistic()), grid, **choice),
            ALL_PAIRS: tuned(with_all_pairs(_logistic()), grid, **choice),
            FACTORIZATION: tuned(machine, factorization_grid(quick), **choice),
            BOOSTING: tuned(boosting, BOOSTING_GRID, **choice),
            KERNEL: tuned(kernel, kernel_grid("svc", quick), **choice),
        }
        if not spells_out_pairs(n_features):
            del models[ALL_PAIRS]
        return models

    def wide_baselines(self, *, cv: Inner, quick: bool, random_state: int) -> dict[str, Any]:
        """Collect a logistic elastic net on the columns as they are: rare levels are not to weigh like others."""
        grid = {"C": elastic_net_strengths(1e-3, 10.0, quick), "l1_ratio": l1_ratios(quick)}
        model = tuned(_logistic(), grid, cv=cv, random_state=random_state, scoring=self._auc, stratified=True)
        return {MAIN_EFFECTS: model}

    def _auc(self, model: Any, X: Any, y: NDArray[Any]) -> float:
        return self.score(y, self.predict(model, X, y))


def _logistic() -> LogisticRegression:
    # scikit-learn 1.8 infers the elastic net from l1_ratio; earlier ones want it said.
    said = inspect.signature(LogisticRegression).parameters["penalty"].default != "deprecated"
    return LogisticRegression(
        solver="saga", tol=0.01, max_iter=200, **({"penalty": "elasticnet"} if said else {})
    )
