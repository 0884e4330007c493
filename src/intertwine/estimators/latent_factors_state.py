"""Latent-factor models as the contents of a model file, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from intertwine.estimators.model_head import head_of, take_features
from intertwine.estimators.rating_data import Side
from intertwine.fitting.latent_factors import FactorModel, FactorSettings, NewIdPrior
from intertwine.fitting.rating_ids import IdIndex
from intertwine.fitting.side_features import SideColumn, SideFeatures

__all__ = ["factors_from_state", "factors_to_state"]

_SEQUENCES = ("user_features", "item_features", "rating_scale")


def factors_to_state(estimator: Any) -> dict:
    """State of a fitted latent-factor model."""
    params = {name: getattr(estimator, name) for name in _SEQUENCES}
    plain = {name: None if value is None else np.asarray(value).tolist() for name, value in params.items()}
    model = estimator._model
    history = np.where(np.isnan(model.history), -1.0, model.history)  # files hold finite numbers only
    return head_of(estimator, **plain) | {
        "solver_": estimator.solver_,
        "settings": estimator._settings._asdict(),
        "center": estimator._center,
        "spread": estimator._spread,
        "n_fitted": list(estimator._n_fitted),
        "sides": [_side_to_state(side) for side in estimator._sides],
        "seen": None if estimator._seen is None else list(estimator._seen),
        "counts": list(estimator._counts),
        "model": model._asdict()
        | {
            "history": history,
            "user_prior": model.user_prior._asdict(),
            "item_prior": model.item_prior._asdict(),
        },
    }


def factors_from_state(cls: type, state: dict) -> Any:
    """The estimator that ``factors_to_state`` wrote; it predicts the same to the bit."""
    params = state["params"]
    for name in _SEQUENCES:
        params[name] = None if params[name] is None else tuple(params[name])
    estimator = cls(**params)
    take_features(estimator, state)
    estimator.solver_ = state["solver_"]
    estimator._settings = FactorSettings(**state["settings"])
    estimator._center, estimator._spread = state["center"], state["spread"]
    estimator._n_fitted = tuple(state["n_fitted"])
    users, items = (_side_from_state(side) for side in state["sides"])
    estimator._sides = users, items
    estimator._seen = None if state["seen"] is None else tuple(state["seen"])
    estimator._counts = tuple(state["counts"])
    model = dict(state["model"])
    model["history"] = np.where(model["history"] == -1.0, np.nan, model["history"])
    for side in ("user_prior", "item_prior"):
        model[side] = NewIdPrior(**model[side])
    estimator._model = FactorModel(**model)
    return estimator


def _side_to_state(side: Side) -> dict:
    labels = side.ids.labels
    return {
        "name": side.ids.name,
        "labels": labels.tolist() if labels.dtype.kind == "O" else labels,
        "column": side.column,
        "feature_columns": list(side.feature_columns),
        "features": [column._asdict() for column in side.features.columns],
    }


def _side_from_state(state: dict) -> Side:
    labels = state["labels"]
    if not isinstance(labels, np.ndarray):
        labels = np.array(labels, dtype=object)
    return Side(
        IdIndex(labels, state["name"]),
        state["column"],
        tuple(state["feature_columns"]),
        SideFeatures(tuple(SideColumn(**column) for column in state["features"])),
    )
