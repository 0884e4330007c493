"""A fitted table preprocessor as plain data and back, for the model files of the command line.

Every learnt number is stored and put back as it was; the scikit-learn objects around them are made anew by
fitting on a small table with the same columns and levels, so that no private attribute of theirs is written
to or relied on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from intertwine.pipelines import TablePreprocessor

__all__ = ["preprocessor_from_state", "preprocessor_to_state", "standard_units"]


def preprocessor_to_state(preprocessor: TablePreprocessor) -> dict[str, Any]:
    """Medians, means and scales of the numeric columns, levels of the categorical ones.

    Examples
    --------
    >>> table = pd.DataFrame({"age": [31.0, 58.0, 44.0], "sex": ["f", "m", "f"]})
    >>> state = preprocessor_to_state(TablePreprocessor().fit(table))
    >>> state["numeric"], state["levels"]
    (['age'], {'sex': ['f', 'm']})
    """
    numeric, labels = list(preprocessor.numeric_), list(preprocessor.categorical_)
    state: dict[str, Any] = {
        "columns": [str(name) for name in preprocessor.feature_names_in_],
        "numeric": numeric,
        "categorical": labels,
        "levels": dict(preprocessor.levels_),
        "settings": {"sparse_output": bool(preprocessor.sparse_output), "unseen": preprocessor.unseen},
    }
    if numeric:
        imputer, scaler = _numeric_steps(preprocessor)
        state |= {
            "median": imputer.statistics_,
            "mean": scaler.mean_,
            "variance": scaler.var_,
            "scale": scaler.scale_,
        }
    return state


def preprocessor_from_state(state: dict[str, Any]) -> TablePreprocessor:
    """Rebuild the preprocessor that `state` was taken from; it transforms to the same bits."""
    numeric, labels, levels = state["numeric"], state["categorical"], state["levels"]
    rows = max([2, *(len(levels[name]) for name in labels)])
    exemplar = {name: np.arange(rows, dtype=float) for name in state["columns"]}
    exemplar |= {name: [levels[name][i % len(levels[name])] for i in range(rows)] for name in labels}
    settings = state.get("settings", {})  # files of before it could be sparse have none
    preprocessor = TablePreprocessor(numeric=numeric, categorical=labels, **settings)
    preprocessor.fit(pd.DataFrame(exemplar))
    if numeric:
        imputer, scaler = _numeric_steps(preprocessor)
        imputer.statistics_ = state["median"]
        scaler.mean_, scaler.var_, scaler.scale_ = state["mean"], state["variance"], state["scale"]
    return preprocessor


def standard_units(preprocessor: TablePreprocessor) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of each numeric column, to turn standardised values into the units of the file."""
    if not preprocessor.numeric_:
        return {}
    _, scaler = _numeric_steps(preprocessor)
    return {
        str(name): (float(mean), float(scale))
        for name, mean, scale in zip(preprocessor.numeric_, scaler.mean_, scaler.scale_, strict=True)
    }


def _numeric_steps(preprocessor: TablePreprocessor) -> tuple[Any, Any]:
    steps = preprocessor.columns_.named_transformers_["numeric"]
    return steps[0], steps[-1]
