"""Grids that the baselines choose from; about the same number of settings for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

__all__ = ["BOOSTING_GRID", "kernel_grid", "spells_out_pairs", "tuned", "with_all_pairs"]

# scikit-learn's elastic nets hold every product as a column; above this many features they would take hours.
_MOST_FEATURES_SPELLED_OUT = 120

BOOSTING_GRID = [
    {"learning_rate": [0.03, 0.1], "max_leaf_nodes": [4, 16]},
    {"learning_rate": [0.1], "max_leaf_nodes": [31], "min_samples_leaf": [10, 40]},
]


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


def kernel_grid(step: str, quick: bool) -> dict[str, list[Any]]:
    """Strengths and widths of an RBF kernel on standardised features; ``"scale"``: one over their number."""
    return {
        f"{step}__C": [1.0, 10.0] if quick else [0.1, 1.0, 10.0, 100.0],
        f"{step}__gamma": ["scale"] if quick else ["scale", 0.003, 0.03, 0.3],
    }


def tuned(model: BaseEstimator, grid: Any, quick: bool, scoring: str | Callable[..., float]) -> GridSearchCV:
    """Choose from `grid` by cross-validation inside the rows given to ``fit``; a failed setting loses."""
    return GridSearchCV(model, grid, scoring=scoring, cv=3 if quick else 5, error_score=np.nan)
