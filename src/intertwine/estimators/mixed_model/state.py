"""A fitted mixed model as the contents of a model file, and back.

A file holds the rows of the fit: the variance of a prediction depends on all of them, and solving for them once more
gives the same numbers to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from intertwine.effects.random import EffectRows, GroupCodes
from intertwine.estimators.effect_rows.choice import effects_from_state, effects_to_state
from intertwine.estimators.effect_rows.data import EffectData
from intertwine.estimators.effects_layout import DATA, EFFECTS, ROWS, require_known_levels
from intertwine.estimators.mixed_model.formula_design import FormulaDesign
from intertwine.estimators.mixed_model.rows import FixedColumns
from intertwine.estimators.model_head import HEAD, head_of, take_features, with_params
from intertwine.fitting.mixed_model import MixedModelData, MixedModelFit, solve_mixed_model
from intertwine.io.layout import (
    anything,
    count,
    either,
    flag,
    flags,
    floats,
    items,
    labels,
    optional,
    require_layout,
    table_of,
    text,
    whole,
)
from intertwine.minimize import Iteration
from intertwine.mixed_effects.base import VarianceComponents

__all__ = ["mixed_model_from_state", "mixed_model_to_state"]

_FORMULA = {
    "formula": text,
    "columns": table_of(either(labels("n"), {"categories": labels("*"), "codes": whole("n")})),
    "n_rows": count("n"),
}
_LAYOUT = HEAD | {
    "outcomes": items(anything, "outcomes"),
    "is_vector": flag,
    "columns": either(
        {"intercept": flag, "kept": whole("*", below="p"), "names": items(text, "c")}, _FORMULA
    ),
    "effects": EFFECTS,
    "data": DATA,
    "effect_rows": ROWS,
    "fixed": floats("n", "c"),
    "y": floats("n", "outcomes"),
    "weights": optional(either(floats("n", least=0.0), floats("n", "outcomes", least=0.0))),
    "seed": count(),
    "fit": {
        "shapes": items(floats("*")),
        "noise": floats("outcomes", least=0.0),
        "variances": items(floats("outcomes", "*", "*")),
        "log_likelihood": floats("outcomes"),
        "converged": flags("outcomes"),
        "n_iter": whole("outcomes"),
        "boundary": flags("*", "outcomes"),
        "expected_gain": floats("outcomes"),
        "history": floats("*", len(Iteration._fields)),
    },
}


def mixed_model_to_state(estimator: Any) -> dict[str, Any]:
    """State of a fitted mixed model."""
    fit, rows = estimator._fit, estimator._rows
    columns = estimator._columns
    return head_of(estimator, effects=effects_to_state(estimator.effects)) | {
        "outcomes": list(estimator._outcomes),
        "is_vector": estimator._is_vector,
        "columns": columns.to_state() if isinstance(columns, FormulaDesign) else columns._asdict(),
        "effects": effects_to_state(list(estimator._effects)),
        "data": estimator._data.to_state(),
        "effect_rows": _rows_to_state(estimator._effect_rows),
        "fixed": rows.fixed,
        "y": rows.y,
        "weights": rows.weights,
        "seed": rows.seed,
        "fit": {
            "shapes": [np.asarray(shape, dtype=float) for shape in fit.shapes],
            "noise": fit.variances.noise,
            "variances": list(fit.variances.effects),
            "log_likelihood": fit.log_likelihood,
            "converged": fit.converged,
            "n_iter": fit.n_iter,
            "boundary": fit.boundary,
            "expected_gain": fit.expected_gain,
            "history": np.array(fit.history, dtype=float).reshape(-1, len(Iteration._fields)),
        },
    }


def mixed_model_from_state(cls: type, state: Mapping[str, Any]) -> Any:
    """The estimator that `mixed_model_to_state` wrote; it predicts the same to the bit."""
    require_layout(state, _LAYOUT)
    params = dict(state["params"])
    estimator = with_params(cls, params | {"effects": effects_from_state(params["effects"])})
    take_features(estimator, dict(state))
    estimator._outcomes, estimator._is_vector = list(state["outcomes"]), state["is_vector"]
    columns = state["columns"]
    estimator._columns = (
        FormulaDesign.from_state(columns) if "formula" in columns else FixedColumns(**columns)
    )
    estimator._effects = effects_from_state(state["effects"])
    require_known_levels(
        state["data"], estimator._effects, state["effect_rows"]["groups"], state["n_features_in_"]
    )
    estimator._data = EffectData.from_state(state["data"])
    estimator._effect_rows = _rows_from_state(state["effect_rows"])
    estimator._rows = MixedModelData(
        tuple(effect.bind(estimator._effect_rows) for effect in estimator._effects),
        state["fixed"],
        state["y"],
        state["weights"],
        state["seed"],
    )
    estimator._fit = _fit_from_state(state["fit"], estimator._rows)
    return estimator


def _fit_from_state(state: Mapping[str, Any], rows: MixedModelData) -> MixedModelFit:
    shapes = tuple(state["shapes"])
    variances = VarianceComponents(state["noise"], tuple(state["variances"]))
    variances.require_effects(rows.effects, shapes)
    history = tuple(Iteration(int(number), *map(float, rest)) for number, *rest in state["history"])
    return MixedModelFit(
        shapes,
        variances,
        solve_mixed_model(rows, shapes, variances),
        state["log_likelihood"],
        state["converged"],
        state["n_iter"],
        state["boundary"],
        state["expected_gain"],
        history,
    )


def _rows_to_state(rows: EffectRows) -> dict[str, Any]:
    """Keys of mappings may be names, numbers or None, so that they stand in lists."""
    return {
        "n_rows": rows.n_rows,
        "groups": [[key, codes, n_levels] for key, (codes, n_levels) in rows.groups.items()],
        "time": rows.time,
        "coords": rows.coords,
        "covariates": [[key, column] for key, column in rows.covariates.items()],
    }


def _rows_from_state(state: Mapping[str, Any]) -> EffectRows:
    return EffectRows(
        state["n_rows"],
        {key: GroupCodes(codes, n_levels) for key, codes, n_levels in state["groups"]},
        state["time"],
        state["coords"],
        dict(state["covariates"]),
    )
