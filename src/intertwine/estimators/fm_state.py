"""Factorization machines as the contents of a model file, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from intertwine.estimators.model_head import head_of, take_features
from intertwine.fitting.fm import FMModel, FMShape
from intertwine.fitting.fm_pairs import Categories
from intertwine.fitting.fm_stream import AdaGradFit
from intertwine.fitting.fm_units import Seen
from intertwine.minimize import Iteration
from intertwine.solvers.adagrad import Point
from intertwine.structures._fm_sgd_kernels import Squares
from intertwine.structures.fm import FMParams
from intertwine.structures.fm_patterns import segments_of

__all__ = ["fm_from_state", "fm_to_state"]

_ARRAYS = ("intercepts", "tables", "noise", "thresholds", "history")


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
    estimator = cls(**state["params"])
    take_features(estimator, state)
    estimator.solver_ = state["solver_"]
    estimator._categories, estimator._scale = Categories(**state["categories"]), state["scale"]
    estimator._seen, estimator._varies = state["seen"], state["varies"]
    estimator._set_extra_state(state["extra"])
    estimator._segment = segments_of(estimator._groups(estimator.n_features_in_))
    models = [_model_from_state(model) for model in state["models"]]
    estimator._models = list(zip(estimator._labels(), models, strict=True))
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
    model = FMModel(**state | {"shape": FMShape(**state["shape"])})
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
