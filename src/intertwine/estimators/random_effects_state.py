"""Latent models with random effects as the contents of a model file, and back."""

from __future__ import annotations

from typing import Any

from intertwine.estimators.effect_choice import effects_from_state, effects_to_state
from intertwine.estimators.effect_data import EffectData
from intertwine.estimators.model_head import head_of, take_features
from intertwine.estimators.random_effects_units import FeatureUnits

__all__ = ["random_effects_from_state", "random_effects_to_state"]


def random_effects_to_state(estimator: Any) -> dict[str, Any]:
    """State of a fitted estimator."""
    return head_of(estimator, effects=effects_to_state(estimator.effects)) | {
        "units": estimator._units._asdict(),
        "log_units": estimator._log_units,
        "chosen": effects_to_state(list(estimator._effects)),
        "data": estimator._data.to_state(),
        "model": estimator._model.to_state(),
    }


def random_effects_from_state(cls: type, state: dict[str, Any]) -> Any:
    """The estimator that `random_effects_to_state` wrote; it answers the same to the bit."""
    params = state["params"]
    estimator = cls(**params | {"effects": effects_from_state(params["effects"])})
    take_features(estimator, state)
    estimator._units, estimator._log_units = FeatureUnits(**state["units"]), state["log_units"]
    estimator._effects = tuple(effects_from_state(state["chosen"]))
    estimator._data = EffectData.from_state(state["data"])
    estimator._model = estimator._model_from_state(state["model"])
    return estimator
