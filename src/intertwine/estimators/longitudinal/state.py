"""Longitudinal autoencoders as the contents of a model file, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from intertwine.effects import BySubject, Categorical, Correlated, Interaction, Linear, Smooth
from intertwine.effects.covariate import AbstractCovariateEffect
from intertwine.estimators.effect_rows.choice import effects_from_state, effects_to_state
from intertwine.estimators.effects_layout import COLUMN, EFFECTS, KEY, NETWORKS, require_layers
from intertwine.estimators.longitudinal.courses import ColumnCourses
from intertwine.estimators.longitudinal.covariate_data import TIME, CovariateData
from intertwine.estimators.longitudinal.visits import SeenVisits
from intertwine.estimators.model_head import HEAD, head_of, take_features, with_params
from intertwine.io.layout import (
    anything,
    choice,
    count,
    either,
    flag,
    floats,
    items,
    labels,
    number,
    optional,
    positive,
    require_layout,
    table_of,
    text,
    whole,
)

__all__ = ["longitudinal_from_state", "longitudinal_to_state"]


def _gaps(*shape: int | str) -> dict[str, Any]:
    """What `without_gaps` writes."""
    return {"values": either(floats(*shape), whole(*shape, least=-(2**62))), "gaps": whole(*shape, below=4)}


_UNITS = {"center": floats("p"), "scale": floats("p", above=0.0)}
_LIKELIHOOD = {
    "blocks": items(
        {
            "kind": text,
            "columns": whole("columns", below="p"),
            "options": table_of(anything),
            "params": table_of(either(floats("columns"), floats(1), floats("columns", "*"))),
        }
    ),
    "bounds?": {"low": _gaps("p"), "high": _gaps("p")},  # older files have none
    "shown": _UNITS,
    "outputs": _UNITS,
}
_MODEL = {
    "architecture": {"name": text, "sizes": table_of(either(count(), items(count())))},
    "likelihood": _LIKELIHOOD,
    "predicted": _LIKELIHOOD,
    "networks": NETWORKS,
    "predictor": NETWORKS,
    "widening?": floats("p", least=0.0),  # older files have none
    "convention": {
        "order": whole("k", below="k"),
        "sign": floats("k"),
        "scale": floats("k", above=0.0),
    },
    "shared": {"mean": floats("f", "k"), "covariance": floats("k", "f", "f")},
    "variances": {
        "noise": _gaps("k"),
        "shared": _gaps("f", "k"),
        "own": _gaps("o", "k"),
        "trends": _gaps("t", "k"),
        "correlations?": items(floats("k", "*", "*")),  # there are none but those of Correlated
    },
    "effects": items(table_of(anything)),
    "has_mean": flag,
    "shape": floats("*"),
    "sites": {"mean": _gaps("n", "k"), "variance": _gaps("n", "k")},
    "bound": number,
    "converged": flag,
    "history": table_of(either(_gaps("iterations"), items(text, "iterations"))),
}
_LAYOUT = HEAD | {
    "chosen": EFFECTS,
    "data": {
        "columns": {
            "names": optional(items(anything, "covariates")),
            "n_columns": count(),
            "positions": items([KEY, count()]),
        },
        "numbers": items(KEY),
        "categories": items([KEY, COLUMN]),
        "subjects": optional(labels("*")),
        "reads_time": flag,
    },
    "visits": {
        "n_rows": count("n"),
        "numbers": items([KEY, _gaps("n")]),
        "categories": items([KEY, whole("n", least=-1), count()]),
        "subject": whole("n"),
    },
    "courses?": {  # older files have none
        "columns": whole("q", below="p"),
        "law": {
            "level": floats("q", least=0.0),
            "serial": floats("q", least=0.0),
            "length_scale": floats("q", above=0.0),
            "noise": floats("q", above=0.0),
        },
        "key": optional(KEY),
        "residuals": _gaps("n", "q"),
    },
    "spread": floats("p"),
    "of_one_unit": flag,
    "objective": choice("exact", "mean-field"),
    "model": _MODEL,
}


def longitudinal_to_state(estimator: Any) -> dict[str, Any]:
    """State of a fitted estimator."""
    from intertwine.fitting.longitudinal.model import LongitudinalModel

    likelihood, bounds = estimator.likelihood, estimator.bounds
    replaced = {
        "effects": effects_to_state(estimator.effects),
        "likelihood": {"columns": [[column, kind] for column, kind in likelihood.items()]}
        if isinstance(likelihood, Mapping)
        else _listed(likelihood),
        "bounds": {"columns": [[column, list(pair)] for column, pair in bounds.items()]}
        if isinstance(bounds, Mapping)
        else _listed(bounds),
        "hidden_layer_sizes": _listed(estimator.hidden_layer_sizes),
        "image_shape": _listed(estimator.image_shape),
    }
    return head_of(estimator, **replaced) | {
        "chosen": effects_to_state(list(estimator._model.latents.effects.effects)),
        "data": estimator._data.to_state(),
        "visits": estimator._visits.to_state(),
        "courses": estimator._courses.to_state(),
        "spread": estimator._feature_spread,
        "of_one_unit": estimator._of_one_unit,
        "objective": "exact" if isinstance(estimator._model, LongitudinalModel) else "mean-field",
        "model": estimator._model.to_state(),
    }


def longitudinal_from_state(cls: type, state: dict[str, Any]) -> Any:
    """The estimator that `longitudinal_to_state` wrote; it answers the same to the bit."""
    from intertwine.fitting.longitudinal.mean_field_model import MeanFieldModel
    from intertwine.fitting.longitudinal.model import LongitudinalModel

    require_layout(state, _LAYOUT)
    params = dict(state["params"])
    params["effects"] = effects_from_state(params["effects"])
    for name in ("likelihood", "bounds"):
        if isinstance(params.get(name), Mapping):
            params[name] = dict(params[name]["columns"])
    for name in ("hidden_layer_sizes", "image_shape"):
        params[name] = None if params[name] is None else tuple(params[name])
    estimator = with_params(cls, params)
    chosen = effects_from_state(state["chosen"])
    _require_consistent(state, chosen)
    take_features(estimator, state)
    estimator._data = CovariateData.from_state(state["data"])
    estimator._feature_spread = state["spread"]
    estimator._of_one_unit = state["of_one_unit"]
    kind = LongitudinalModel if state["objective"] == "exact" else MeanFieldModel
    estimator._model = kind.from_state(state["model"], chosen)
    estimator._visits = SeenVisits.from_state(state["visits"], estimator._model.latents.sites)
    estimator._courses = (
        ColumnCourses.from_state(state["courses"])
        if "courses" in state
        else ColumnCourses.none(state["visits"]["n_rows"])
    )
    return estimator


def _require_consistent(state: Mapping[str, Any], effects: Sequence[AbstractCovariateEffect]) -> None:
    """What one part of a state says of another."""
    from intertwine.architectures import architecture_from_state

    data, visits, model = state["data"], state["visits"], state["model"]
    places, categories = dict(data["columns"]["positions"]), dict(data["categories"])
    names = data["columns"]["names"]
    n_columns = data["columns"]["n_columns"] if names is None else len(names)
    if wrong := [place for place in places.values() if place >= n_columns]:
        raise ValueError(f"data/columns names the column {wrong[0]} of {n_columns}")
    numbers = {key for key, _ in visits["numbers"]}
    if (courses := state.get("courses")) and courses["columns"].size and courses["key"] not in numbers:
        raise ValueError(f"courses follow {courses['key']!r}, which visits lack")
    for effect in effects:
        read = [*effect.number_keys, *effect.category_keys]
        known = {*data["numbers"], *categories} & {*places, *([TIME] if data["reads_time"] else [])}
        if absent := [key for key in read if key not in known]:
            raise ValueError(f"an effect reads {absent[0]!r}, which data does not know")
        if any(key not in numbers for key in effect.number_keys):
            raise ValueError(f"visits lack one of {effect.number_keys}")
    levels = {key: len(column["labels"]) for key, column in categories.items()}
    if {key: n_levels for key, _, n_levels in visits["categories"]} != levels:
        raise ValueError("visits have other categories than data")
    if any(codes.size and codes.max() >= levels[key] for key, codes, _ in visits["categories"]):
        raise ValueError("visits have a category without a label")
    if data["subjects"] is not None and max(visits["subject"], default=0) >= len(data["subjects"]):
        raise ValueError("visits are of a subject without a label")
    if len(model["effects"]) != len(effects):
        raise ValueError(f"{len(effects)} effects have {len(model['effects'])} states")
    for effect, bound in zip(effects, model["effects"], strict=True):
        require_layout(bound, _bound(effect, levels))
    architecture = architecture_from_state(model["architecture"])
    if (architecture.n_features, architecture.n_components) != (
        state["n_features_in_"],
        model["convention"]["order"].size,
    ):
        raise ValueError("the architecture is of other sizes than the model")
    encoder, decoder = architecture.weight_shapes()
    require_layers(model["networks"]["encoder"], encoder)
    require_layers(model["networks"]["decoder"], decoder)
    require_layers(model["predictor"]["decoder"], decoder)


def _bound(effect: AbstractCovariateEffect, levels: Mapping[Any, int]) -> Any:
    """What the state of an effect that is bound to visits looks like."""
    match effect:
        case Categorical():
            return {"n_levels": choice(levels[effect.key])}
        case Linear():
            return {"mean": number, "spread": positive}
        case Smooth():
            return {"range": floats(2), "points": floats("points"), "weights": floats("points")}
        case Interaction():
            return {"factors": [_bound(factor, levels) for factor in effect.factors]}
        case Correlated():
            return {"effects": [_bound(part, levels) for part in effect.effects]}
        case BySubject(method="state-space"):
            return {"extent": positive, "n_distinct": count(least=2)}
        case BySubject(effect=inner):
            return {} if inner is None else {"effect": _bound(inner, levels)}
        case _:
            return table_of(anything)


def _listed(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else list(value)
