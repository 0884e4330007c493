"""Longitudinal autoencoders as the contents of a model file, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from intertwine.estimators.covariate_data import CovariateData
from intertwine.estimators.effect_choice import effects_from_state, effects_to_state
from intertwine.estimators.longitudinal_visits import SeenVisits
from intertwine.estimators.model_head import head_of, take_features

__all__ = ["longitudinal_from_state", "longitudinal_to_state"]


def longitudinal_to_state(estimator: Any) -> dict[str, Any]:
    """State of a fitted estimator."""
    from intertwine.fitting.longitudinal_model import LongitudinalModel

    likelihood = estimator.likelihood
    replaced = {
        "effects": effects_to_state(estimator.effects),
        "likelihood": {"columns": [[column, kind] for column, kind in likelihood.items()]}
        if isinstance(likelihood, Mapping)
        else _listed(likelihood),
        "hidden_layer_sizes": _listed(estimator.hidden_layer_sizes),
        "image_shape": _listed(estimator.image_shape),
    }
    return head_of(estimator, **replaced) | {
        "chosen": effects_to_state(list(estimator._model.latents.effects.effects)),
        "data": estimator._data.to_state(),
        "visits": estimator._visits.to_state(),
        "spread": estimator._feature_spread,
        "of_one_unit": estimator._of_one_unit,
        "objective": "exact" if isinstance(estimator._model, LongitudinalModel) else "mean-field",
        "model": estimator._model.to_state(),
    }


def longitudinal_from_state(cls: type, state: dict[str, Any]) -> Any:
    """The estimator that `longitudinal_to_state` wrote; it answers the same to the bit."""
    from intertwine.fitting.longitudinal_mean_field_model import MeanFieldModel
    from intertwine.fitting.longitudinal_model import LongitudinalModel

    params = dict(state["params"])
    params["effects"] = effects_from_state(params["effects"])
    if isinstance(params["likelihood"], Mapping):
        params["likelihood"] = dict(params["likelihood"]["columns"])
    for name in ("hidden_layer_sizes", "image_shape"):
        params[name] = None if params[name] is None else tuple(params[name])
    estimator = cls(**params)
    take_features(estimator, state)
    estimator._data = CovariateData.from_state(state["data"])
    estimator._feature_spread = state["spread"]
    estimator._of_one_unit = state["of_one_unit"]
    kind = LongitudinalModel if state["objective"] == "exact" else MeanFieldModel
    estimator._model = kind.from_state(state["model"], effects_from_state(state["chosen"]))
    estimator._visits = SeenVisits.from_state(state["visits"], estimator._model.latents.sites)
    return estimator


def _listed(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else list(value)
