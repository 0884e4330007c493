"""Factorization machines as the contents of a model file, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from intertwine.estimators.model_head import CLASSES, HEAD, head_of, take_features, with_params
from intertwine.fitting.fm.model import FMModel, FMShape
from intertwine.fitting.fm.pairs import Categories
from intertwine.fitting.fm.stream import AdaGradFit
from intertwine.fitting.fm.units import Seen
from intertwine.io.layout import (
    choice,
    count,
    either,
    flag,
    flags,
    floats,
    items,
    number,
    optional,
    positive,
    require_layout,
    whole,
)
from intertwine.minimize import Iteration
from intertwine.solvers.adagrad import Point
from intertwine.structures._fm_sgd_kernels import Squares
from intertwine.structures.fm import FMParams
from intertwine.structures.fm_patterns import segments_of

__all__ = ["fm_from_state", "fm_to_state"]

_ARRAYS = ("intercepts", "tables", "noise", "thresholds", "history")

_POINT = {
    "intercept": number,
    "linear": floats("p"),
    "factors": floats("p", "k"),
    "triples": floats("p", "k3"),
}
_PROGRESS = {
    "latest": optional(_POINT),
    "squares": {"intercept": floats(1), "blocks": floats("p", 3)},
    "n_passes": count(),
    "seen": {
        "n_rows": count(),
        "center": number,
        "moments": floats(3),
        "counts": whole("p"),
        "squares": floats("p"),
    },
    "converged": flag,
}
_MODEL = {
    "shape": {
        "n_components": count("k"),
        "n_triple_components": count("k3"),
        "linear": flag,
        "intercept": flag,
    },
    "intercepts": floats("draws"),
    "tables": floats("draws", "p", "*"),
    "noise": either(floats("draws"), floats(0)),
    "thresholds": floats("draws", "*"),
    "history": floats("*", "*"),
    "center": number,
    "spread": positive,
    "mixing": number,
    "progress": optional(_PROGRESS),
}
_LAYOUT = HEAD | {
    "solver_": choice("als", "gibbs", "adagrad"),
    "categories": {"run": whole("p", below="p"), "share": floats("p")},
    "scale": floats("p"),
    "seen": flags("p"),
    "varies": flags("p"),
    "models": items(_MODEL),
    "extra": either({}, {"classes": CLASSES, "ordered": flag}),
}


def fm_to_state(estimator: Any) -> dict:
    """State of a fitted factorization machine."""
    groups = estimator.feature_groups
    if groups is not None and not isinstance(groups, str):
        groups = np.asarray(groups)
    return head_of(estimator, feature_groups=groups) | {
        "solver_": estimator.solver_,
        "categories": estimator._categories._asdict(),
        "scale": estimator._scale,
        "seen": estimator._seen,
        "varies": estimator._varies,
        "models": [_model_to_state(model) for _, model in estimator._models],
        "extra": estimator._extra_state(),
    }


def fm_from_state(cls: type, state: dict) -> Any:
    """The estimator that ``fm_to_state`` wrote; it predicts the same to the bit."""
    require_layout(state, _LAYOUT)
    estimator = with_params(cls, state["params"])
    take_features(estimator, state)
    estimator.solver_ = state["solver_"]
    estimator._categories, estimator._scale = Categories(**state["categories"]), state["scale"]
    estimator._seen, estimator._varies = state["seen"], state["varies"]
    estimator._set_extra_state(state["extra"])
    estimator._segment = segments_of(estimator._groups(estimator.n_features_in_))
    models = [_model_from_state(model) for model in state["models"]]
    estimator._models = list(zip(estimator._labels(), models, strict=True))
    n_between = len(estimator.classes_) - 1 if getattr(estimator, "_ordered", False) else 0
    if any(model.thresholds.shape[1] != n_between for model in models):
        raise ValueError(f"expected {n_between} thresholds between classes")
    return estimator


def _model_to_state(model: FMModel) -> dict:
    state: dict[str, Any] = {name: getattr(model, name) for name in _ARRAYS}
    state["history"] = np.nan_to_num(model.history, posinf=-1.0)  # files hold finite numbers only
    return state | {
        "shape": model.shape._asdict(),
        "center": float(model.center),
        "spread": float(model.spread),
        "mixing": float(model.mixing),
        "progress": None if model.progress is None else _progress_to_state(model.progress),
    }


def _model_from_state(state: dict) -> FMModel:
    shape = FMShape(**state["shape"])
    if (width := state["tables"].shape[2]) != shape.width:
        raise ValueError(f"tables have {width} columns, expected {shape.width}")
    model = FMModel(**state | {"shape": shape})
    if model.progress is not None:
        model.progress = _progress_from_state(model.progress, model)
    return model


def _progress_to_state(fit: AdaGradFit) -> dict:
    """What the coefficients of the model do not hold; its history is on record already."""
    return {
        "latest": None if fit.point.params is fit.params else fit.point.params._asdict(),
        "squares": fit.point.squares._asdict(),
        "n_passes": fit.point.n_passes,
        "seen": fit.seen._asdict(),
        "converged": fit.converged,
    }


def _progress_from_state(state: dict, model: FMModel) -> AdaGradFit:
    params = next(model.params())
    latest = params if state["latest"] is None else FMParams(**state["latest"])
    point = Point(latest, Squares(**state["squares"]), state["n_passes"])
    history = [
        Iteration(int(number), value, gain, float("nan")) for number, value, gain in model.history.tolist()
    ]
    return AdaGradFit(params, point, Seen(**state["seen"]), history, state["converged"])
