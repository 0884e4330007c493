"""Latent-factor models as the contents of a model file, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from intertwine.estimators.latent_factors.rating_data import Side
from intertwine.estimators.model_head import HEAD, head_of, take_features, with_params
from intertwine.fitting.latent_factors.model import FactorModel, FactorSettings, NewIdPrior
from intertwine.fitting.latent_factors.rating_ids import IdIndex
from intertwine.fitting.latent_factors.side_features import SideColumn, SideFeatures
from intertwine.io.layout import (
    choice,
    count,
    either,
    flag,
    floats,
    fraction,
    items,
    labels,
    number,
    optional,
    positive,
    require_layout,
    text,
    whole,
)
from intertwine.structures.mapping import MAPPINGS

__all__ = ["factors_from_state", "factors_to_state"]

_SEQUENCES = ("user_features", "item_features", "rating_scale")


def _side(ids: str) -> dict[str, Any]:
    return {
        "name": text,
        "labels": either(labels(ids), items(text, ids)),
        "column": count(),
        "feature_columns": items(count(), f"{ids} told"),
        "features": items(
            {"name": text, "levels": optional(items(text)), "center": number, "scale": number},
            f"{ids} told",
        ),
    }


_PRIOR = {"mean": floats("draws", "d"), "precision": floats("d", "d"), "power": number}
_LAYOUT = HEAD | {
    "solver_": choice("variational", "gibbs", "als", "gauss_newton", "sgd"),
    "settings": {
        "n_components": count("k"),
        "biases": flag,
        "mapping": choice(*MAPPINGS),
        "sharpness": text,
        **dict.fromkeys(("alpha", "alpha_features", "frequency_power", "rho", "damping", "tol"), number),
        **dict.fromkeys(("init_scale", "learning_rate"), number),
        **dict.fromkeys(("cg_iter", "max_iter", "n_burn_in", "n_samples"), count()),
        "validation_fraction": fraction,
    },
    "center": number,
    "spread": positive,
    "n_fitted": [count(), count()],
    "sides": [_side("users"), _side("items")],
    "seen": optional([whole("users+1"), whole("seen", below="items")]),
    "counts": [floats("users", least=0.0), floats("items", least=0.0)],
    "model": {
        "users": floats("draws", "users", "d"),
        "items": floats("draws", "items", "d"),
        "intercepts": floats("draws"),
        "user_weights": floats("draws", "*", "d"),
        "item_weights": floats("draws", "*", "d"),
        "user_prior": _PRIOR,
        "item_prior": _PRIOR,
        "user_covariance": optional(floats("users", "d", "d")),
        "item_covariance": optional(floats("items", "d", "d")),
        "noise": number,
        "history": either(floats("*", 5), floats("*", 4)),  # before, seconds were not kept
        "converged": flag,
    },
}


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
    _require_consistent(state)
    params = state["params"]
    for name in _SEQUENCES:
        params[name] = None if params[name] is None else tuple(params[name])
    estimator = with_params(cls, params)
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
    history = np.where(model["history"] == -1.0, np.nan, model["history"])
    unknown = np.full((len(history), 5 - history.shape[1]), np.nan)
    model["history"] = np.hstack([history, unknown])
    for side in ("user_prior", "item_prior"):
        model[side] = NewIdPrior(**model[side])
    estimator._model = FactorModel(**model)
    return estimator


def _require_consistent(state: dict) -> None:
    require_layout(state, _LAYOUT)
    settings, model, n_columns = state["settings"], state["model"], max(state["n_features_in_"], 2)
    if model["users"].shape[2] != settings["biases"] + settings["n_components"]:
        raise ValueError("factors are of another number than n_components")
    if state["seen"] is not None:
        starts, items_of = state["seen"]
        if starts[0] != 0 or starts[-1] != len(items_of) or (np.diff(starts) < 0).any():
            raise ValueError("seen does not say which items are whose")
    for side, rows, fitted in zip(state["sides"], ("users", "items"), state["n_fitted"], strict=True):
        if max([side["column"], *side["feature_columns"]]) >= n_columns:
            raise ValueError(f"a column of {rows} is not one of {n_columns}")
        if fitted > model[rows].shape[1]:
            raise ValueError(f"fewer {rows} than were fitted")


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
