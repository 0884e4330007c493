"""The estimators of the experiments, with everything tuned inside the rows they are given."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, ShuffleSplit, StratifiedShuffleSplit

from intertwine import (
    InteractionClassifier,
    InteractionClassifierCV,
    InteractionRegressor,
    InteractionRegressorCV,
)

__all__ = ["FACTS", "factorization_machine", "held_out_auc", "held_out_rmse", "pair_model", "tied_at"]

#: Hyperparameters that are kept beside a number.
FACTS = ("alpha", "alpha_pairs", "latent", "tie", "order", "squares", "relevance", "basis", "scaling")

# Standardised features and all pairs; strengths are what remains to choose.
_PLAIN: dict[str, Any] = {
    "scalings": ("features",),
    "n_knots": (0,),
    "relevances": (0.0,),
    "squares": (False,),
}
_SEARCH = {"n_init": 1, "max_iter": 100, "random_state": 0}


def pair_model(task: str, *, tie: bool, max_tune_rows: int = 2000) -> Any:
    """The paper's model: strengths by cross-validation, and a low-rank tie where cross-validation prefers it.

    All rows of the simulations are tuned on: strengths chosen on half as many rows as there are parameters do not carry
    over to more.
    """
    make = InteractionRegressorCV if task == "regression" else InteractionClassifierCV
    latents = ("low_rank",) if tie else ()
    return make(**_PLAIN, latents=latents, max_tune_rows=max_tune_rows, random_state=0)


def factorization_machine(task: str) -> GridSearchCV:
    """An FM as it is defined: each pair once, no squares; one strength, chosen on a third of the rows."""
    grid = [
        {"alpha": [strength], "alpha_pairs": [strength]} for strength in (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
    ]
    return _grid_search(task, grid, np.inf)


def tied_at(task: str, tie: float) -> GridSearchCV:
    """All pairs with a tie of one strength; the other strengths chosen on a third of the rows."""
    return _grid_search(task, {"alpha": [1e-3, 1e-2], "alpha_pairs": [1e-4, 1e-2]}, tie)


def _grid_search(task: str, grid: Any, tie: float) -> GridSearchCV:
    if task == "regression":
        model: Any = InteractionRegressor(tie=tie, **_SEARCH)
        return GridSearchCV(model, grid, scoring="neg_mean_squared_error", cv=ShuffleSplit(1, random_state=0,
                            test_size=1 / 3))  # fmt: skip
    model = InteractionClassifier(tie=tie, **_SEARCH)
    split = StratifiedShuffleSplit(1, test_size=1 / 3, random_state=0)
    return GridSearchCV(model, grid, scoring="roc_auc", cv=split)


def held_out_rmse(model: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Root mean squared error."""
    return float(np.sqrt(np.mean((model.predict(X) - y) ** 2)))


def held_out_auc(model: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Area under the ROC curve."""
    return float(roc_auc_score(y, model.decision_function(X)))
