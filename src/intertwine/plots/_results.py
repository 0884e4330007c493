"""What the displays read from a fitted estimator, in one place."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from intertwine.validation.wording import listed

__all__ = [
    "asked_of",
    "class_column",
    "columns_of",
    "gives_sizes",
    "leading_features",
    "require_factors",
    "require_method",
    "score_path",
    "top_pairs",
    "variance_shares",
]

_PREPARATION = ("scaling", "basis", "n_knots", "relevance", "squares", "order", "l1_ratio")


def columns_of(frame: Any) -> dict[str, NDArray[Any]]:
    """Columns of a pandas or polars frame, or of a dict, as numpy arrays."""
    if isinstance(frame, dict):
        return {str(name): np.asarray(values) for name, values in frame.items()}
    native = nw.from_native(frame, eager_only=True)
    return {name: native[name].to_numpy() for name in native.columns}


def asked_of(estimator: Any, name: str) -> Any:
    """Return an attribute that only this package's fitted estimators have.

    Raises
    ------
    TypeError
        If the estimator is of another kind, or a class.
    """
    _refuse_class(estimator)
    if not hasattr(estimator, name):
        raise TypeError(
            f"{type(estimator).__name__} has no {name}; pass a fitted interaction estimator of intertwine "
            "(of a pipeline its last step, pipeline[-1])"
        )
    return getattr(estimator, name)


def require_method(estimator: Any, name: str, whom: str) -> None:
    """Refuse a class, and an estimator of any package without method `name`: the picture is for `whom`.

    Raises
    ------
    TypeError
    """
    _refuse_class(estimator)
    if not hasattr(estimator, name):
        raise TypeError(f"{type(estimator).__name__} has no {name}; this picture is for {whom}")


def require_factors(estimator: Any) -> None:
    """Refuse what is no latent-factor model, or not fitted.

    Raises
    ------
    TypeError, NotFittedError
    """
    _refuse_class(estimator)
    if not hasattr(type(estimator), "item_factors_"):
        raise TypeError(
            f"{type(estimator).__name__} has no factors of users and items; this picture is for LatentFactorModel "
            "(of a pipeline its last step, pipeline[-1])"
        )
    check_is_fitted(estimator)


def class_column(estimator: Any, label: Any) -> int:
    """Column of the probabilities of class `label`, the last one where it is None.

    Raises
    ------
    ValueError
        If the classifier knows no such class.
    """
    classes = list(estimator.classes_)
    if label is None:
        return len(classes) - 1
    if label not in classes:
        raise ValueError(f"label {label!r} is no class of the model; it knows {listed(classes)}")
    return classes.index(label)


def gives_sizes(estimator: Any) -> bool:
    """Whether interactions are sizes of spline surfaces, which have no sign."""
    return getattr(getattr(estimator, "best_estimator_", estimator), "basis", None) == "spline"


def _refuse_class(estimator: Any) -> None:
    if isinstance(estimator, type):
        raise TypeError(f"pass a fitted instance of {estimator.__name__}, not the class")


def top_pairs(estimator: Any, k: int) -> dict[str, NDArray[Any]]:
    """The `k` largest interactions as columns, of the first class where the estimator has one set per class."""
    columns = columns_of(asked_of(estimator, "top_interactions")(k))
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
    """Loss along hyperparameter `name`, as arguments for a ``PathDisplay``.

    Only candidates with the preparation of the chosen one count, so that the path shows `name` and nothing else; of
    candidates with nearly the same value, the best stands for all.  The loss is the held-out one, or that of the
    screening where it has more values: it has no standard error.

    Raises
    ------
    ValueError
        If the search held fewer than two values.
    """
    results = columns_of(asked_of(estimator, "cv_results_"))
    chosen = int(np.flatnonzero(results["chosen"])[0])
    alike = np.all([results[column] == results[column][chosen] for column in _PREPARATION], axis=0)
    values = results[name].astype(float)
    screening = results["screening_loss"].astype(float)
    screening[results["stage"] != "screening of ties"] = np.nan  # elsewhere it may be another criterion
    held_out = _best_by_value(values, results["mean_test_loss"].astype(float), alike, chosen)
    screened = _best_by_value(values, screening, alike, chosen)
    by_screening = len(screened) > len(held_out)
    rows = screened if by_screening else held_out
    if len(rows) < 2:
        raise ValueError(f"the search tried one value of {name}: there is no path to show")
    error = results["std_error"].astype(float)[rows]
    return {
        "values": values[rows],
        "mean": (screening if by_screening else results["mean_test_loss"].astype(float))[rows],
        "std_error": np.full(len(rows), np.nan) if by_screening else error,
        "chosen": float(values[chosen]),
        "score_name": "screening loss" if by_screening else "held-out loss",
    }


def _best_by_value(
    values: NDArray[np.float64], loss: NDArray[np.float64], alike: NDArray[np.bool_], chosen: int
) -> list[int]:
    """Rows of the best candidate at every value, to a tenth of a decade; the chosen one stands for its own."""
    best: dict[tuple[bool, float], int] = {}
    for row in np.flatnonzero(alike & np.isfinite(loss)):
        apart = bool(values[row] == 0 or np.isinf(values[row]))  # from the logarithmic axis
        group = (apart, float(values[row]) if apart else round(float(np.log10(values[row])), 1))
        if group not in best or row == chosen or (best[group] != chosen and loss[row] < loss[best[group]]):
            best[group] = int(row)
    return list(best.values())


def variance_shares(columns: dict[str, NDArray[Any]]) -> tuple[list[str], list[str], NDArray[np.float64]]:
    """Features, components, and the share of each component in each feature (features, components).

    Of effects with several basis functions the variances are added up, as if these were of about unit size.
    """
    features = list(dict.fromkeys(map(str, columns["feature"])))
    components = list(dict.fromkeys(map(str, columns["component"])))
    parts = np.zeros((len(features), len(components)))
    place, kind = {name: i for i, name in enumerate(features)}, {name: i for i, name in enumerate(components)}
    alone = columns["term"].astype(str) == columns["other_term"].astype(str)
    for i in np.flatnonzero(alone):
        where = place[str(columns["feature"][i])], kind[str(columns["component"][i])]
        parts[where] += float(columns["variance"][i])
    return features, components, parts / np.maximum(parts.sum(axis=1, keepdims=True), 1e-300)
