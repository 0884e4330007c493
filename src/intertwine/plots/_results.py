"""What the displays read from a fitted estimator, in one place."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

__all__ = ["columns_of", "leading_features", "score_path", "top_pairs"]


def columns_of(frame: Any) -> dict[str, NDArray[Any]]:
    """Columns of a pandas or polars frame, or of a dict, as numpy arrays."""
    if isinstance(frame, dict):
        return {str(name): np.asarray(values) for name, values in frame.items()}
    native = nw.from_native(frame, eager_only=True)
    return {name: native[name].to_numpy() for name in native.columns}


def top_pairs(estimator: Any, k: int) -> dict[str, NDArray[Any]]:
    """The `k` largest interactions as columns, of the first class where the estimator has one set per class."""
    columns = columns_of(estimator.top_interactions(k))
    if "class" not in columns:
        return columns
    keep = columns["class"] == columns["class"][0]
    return {name: values[keep] for name, values in columns.items()}


def leading_features(estimator: Any, n_features: int) -> list[str]:
    """Names of the features with the largest interactions, the strongest first."""
    pairs = top_pairs(estimator, 4 * n_features)
    weight: dict[str, float] = {}
    for side in ("feature_1", "feature_2"):
        for name, estimate in zip(pairs[side], pairs["estimate"], strict=True):
            weight[str(name)] = weight.get(str(name), 0.0) + abs(float(estimate))
    return sorted(weight, key=lambda name: -weight[name])[:n_features]


def score_path(estimator: Any, name: str) -> dict[str, Any]:
    """Best cross-validated score at each value of hyperparameter `name`, as arguments for a ``PathDisplay``."""
    results = columns_of(estimator.cv_results_)
    values = results[f"param_{name}"].astype(float)
    mean, error = results["mean_test_score"].astype(float), results["std_error"].astype(float)
    distinct = np.unique(values)
    best = [int(np.flatnonzero(values == value)[np.nanargmax(mean[values == value])]) for value in distinct]
    return {
        "values": distinct,
        "mean": mean[best],
        "std_error": error[best],
        "chosen": float(estimator.best_params_[name]),
    }
