"""Grids that models choose from, and how many settings each of them tries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

__all__ = [
    "BOOSTING_GRID",
    "FACTORIZATION_SETTINGS",
    "QUICK_SEARCH",
    "elastic_net_strengths",
    "factorization_grid",
    "kernel_grid",
    "l1_ratios",
    "settings_tried",
    "spells_out_pairs",
    "tuned",
    "with_all_pairs",
]

# scikit-learn's elastic nets hold every product as a column; above this many features they would take hours.
_MOST_FEATURES_SPELLED_OUT = 120

BOOSTING_GRID = [
    {"learning_rate": [0.03, 0.1], "max_leaf_nodes": [4, 16]},
    {"learning_rate": [0.1], "max_leaf_nodes": [31], "min_samples_leaf": [10, 40]},
]

#: What our estimators try when time is short: no splines, so that every pair is one number; one latent structure.
QUICK_SEARCH: dict[str, Any] = {
    "scalings": ("features",),
    "n_knots": (0,),
    "relevances": (0.0, 0.5),
    "latents": ("low_rank",),
    "max_iter": 100,
    "tol": 1e-5,
}

#: Infinite tie: every interaction equals its latent target.  One start and a loose end, as a baseline deserves.
FACTORIZATION_SETTINGS: dict[str, Any] = {
    "latent": "low_rank",
    "tie": float("inf"),
    "n_init": 1,
    "max_iter": 30,
    "tol": 1e-4,
}


def spells_out_pairs(n_features: int) -> bool:
    """Whether a model that needs all products as columns is reasonable.

    Examples
    --------
    >>> spells_out_pairs(30), spells_out_pairs(1000)
    (True, False)
    """
    return n_features <= _MOST_FEATURES_SPELLED_OUT


def with_all_pairs(model: BaseEstimator) -> Pipeline:
    """Standardise the features, then their products, in front of `model`."""
    products = PolynomialFeatures(2, interaction_only=True, include_bias=False)
    return make_pipeline(StandardScaler(), products, StandardScaler(), model)


def elastic_net_strengths(low: float, high: float, quick: bool) -> list[float]:
    """Strengths of an elastic net, evenly on a logarithmic scale."""
    return np.geomspace(low, high, 4 if quick else 8).tolist()


def l1_ratios(quick: bool) -> list[float]:
    """Shares of L1 in the penalty of an elastic net."""
    return [0.1, 0.9] if quick else [0.1, 0.5, 0.9]


def kernel_grid(step: str, quick: bool) -> dict[str, list[Any]]:
    """Strengths and widths of an RBF kernel on standardised features; ``"scale"``: one over their number."""
    return {
        f"{step}__C": [0.3, 1.0, 10.0, 100.0] if quick else [0.1, 1.0, 10.0, 100.0, 1000.0],
        f"{step}__gamma": ["scale", 0.01] if quick else ["scale", 0.001, 0.01, 0.1],
    }


def factorization_grid(quick: bool, prefix: str = "") -> dict[str, list[float]]:
    """Strengths of main effects and of the latent vectors of a factorization machine, for a mean loss."""
    return {
        f"{prefix}alpha": [0.003, 0.1] if quick else [0.001, 0.01, 0.1, 1.0],
        f"{prefix}alpha_pairs": [0.01, 0.3] if quick else [0.003, 0.01, 0.03, 0.1, 0.3],
    }


def tuned(
    model: BaseEstimator,
    grid: Any,
    *,
    cv: Any,
    random_state: int,
    scoring: str | Callable[..., float] | None = None,
    stratified: bool = False,
) -> GridSearchCV:
    """Choose from `grid` by cross-validation inside the rows given to ``fit``; a failed setting loses.

    `cv` is how many shuffled folds there are, or what knows them.
    """
    kind = StratifiedKFold if stratified else KFold
    folds = kind(cv, shuffle=True, random_state=random_state) if isinstance(cv, int) else cv
    return GridSearchCV(model, grid, scoring=scoring, cv=folds, error_score=np.nan)


def settings_tried(model: Any) -> int:
    """How many settings a fitted model chose from; 1 if it did not choose.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> search = tuned(Ridge(), {"alpha": [0.1, 1.0]}, cv=2, random_state=0)
    >>> settings_tried(search.fit(np.arange(8.0)[:, None], np.arange(8.0)))
    2
    """
    if isinstance(model, Pipeline):
        return settings_tried(model[-1])
    if hasattr(model, "cv_results_"):
        return len(next(iter(model.cv_results_.values())))
    if hasattr(model, "mse_path_"):  # ElasticNetCV: (ratios, strengths, folds)
        return int(np.prod(model.mse_path_.shape[:-1]))
    return 1
