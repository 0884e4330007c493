"""What the displays read from a fitted estimator, in one place."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

__all__ = ["columns_of", "leading_features", "score_path", "top_pairs"]

_PREPARATION = ("scaling", "basis", "n_knots", "relevance", "squares", "order", "l1_ratio")


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
    """Held-out loss along hyperparameter `name`, as arguments for a ``PathDisplay``.

    Only candidates with the preparation of the chosen one count, so that the path shows `name` and nothing else; of
    candidates with nearly the same value, the best stands for all.

    Raises
    ------
    ValueError
        If the search held fewer than two values.
    """
    results = columns_of(estimator.cv_results_)
    chosen = int(np.flatnonzero(results["chosen"])[0])
    alike = np.all([results[column] == results[column][chosen] for column in _PREPARATION], axis=0)
    values = results[name].astype(float)
    mean, error = results["mean_test_loss"].astype(float), results["std_error"].astype(float)
    best: dict[float, int] = {}
    for row in np.flatnonzero(alike & np.isfinite(mean)):
        group = values[row] if values[row] == 0 or np.isinf(values[row]) else round(np.log10(values[row]), 1)
        if group not in best or mean[row] < mean[best[group]] or row == chosen:
            best[group] = int(row) if best.get(group) != chosen else chosen
    if len(best) < 2:
        raise ValueError(f"the search tried one value of {name}: there is no path to show")
    rows = list(best.values())
    return {
        "values": values[rows],
        "mean": mean[rows],
        "std_error": error[rows],
        "chosen": float(values[chosen]),
    }
