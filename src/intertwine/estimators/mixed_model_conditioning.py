"""Rows that a fitted mixed model takes in without a search: its variances stay, everything else is solved for again."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import AbstractBoundEffect, AbstractNamedLevelsEffect, EffectRows, GroupCodes
from intertwine.estimators.effect_data import EffectData, EffectInputs
from intertwine.estimators.formula_design import FormulaDesign
from intertwine.estimators.group_labels import GroupTable
from intertwine.estimators.mixed_model_rows import read_rows, take_rows
from intertwine.fitting.mixed_model import MixedModelData, solve_mixed_model
from intertwine.validation import check_weights
from intertwine.validation.outcomes import check_same_outcomes
from intertwine.validation.wording import listed

__all__ = ["conditioned"]

Array = NDArray[np.float64]


def conditioned(
    estimator: Any, X: Any, y: Any, sample_weight: Any, groups: Any, time: Any, coords: Any
) -> Any:
    """A copy of a fitted mixed model that has seen more rows; see `MixedModel.condition`."""
    if isinstance(estimator._columns, FormulaDesign):
        raise ValueError("condition is for models without a formula: pass columns of X, and effects, to fit")
    rows = read_rows(estimator, estimator._columns, X, groups, time, coords, estimator._effects)
    outcomes = check_same_outcomes(y, estimator._outcomes, rows.inputs.rows)
    fitted: MixedModelData = estimator._rows
    weights = check_weights(sample_weight, rows.inputs.n_rows, rows.inputs.rows)
    observed = ~np.isnan(outcomes) & (weights > 0)[:, None]
    kept = observed.any(axis=1)
    if not kept.any():
        raise ValueError("nothing is observed in y: condition needs outcomes of some rows")
    data, added = _with_new_labels(estimator, rows.inputs)
    levels = _joined(estimator._effect_rows, take_rows(added, kept))
    effects = tuple(effect.bind(levels) for effect in estimator._effects)
    _require_same_functions(fitted.effects, effects)
    before = _entry_weights(fitted)
    entries = np.concatenate([before, weights[kept, None] * observed[kept]])
    joined = MixedModelData(
        effects,
        np.concatenate([fitted.fixed, rows.fixed[kept]]),
        np.concatenate([fitted.y, np.where(observed, outcomes, 0.0)[kept]]),
        None if np.all(entries == 1.0) else entries,
        fitted.seed,
    )
    model, fit = copy(estimator), estimator._fit
    model._data, model._effect_rows, model._rows = data, levels, joined
    model._fit = fit._replace(posterior=solve_mixed_model(joined, fit.shapes, fit.variances))
    return model


def _with_new_labels(estimator: Any, inputs: EffectInputs) -> tuple[EffectData, EffectRows]:
    """Labels of the fit and of these rows, and the rows."""
    data: EffectData = estimator._data
    if not data.columns:
        return data, data.rows(inputs)
    if inputs.groups is None:
        return data, data.rows(inputs)  # which says that they are missing
    table = GroupTable(inputs.groups, inputs.rows, inputs.rows_name)
    columns = tuple(
        column.extended(table.same_column(column, data.n_group_columns, len(data.columns)))
        for column in data.columns
    )
    places: Mapping[Any, int] = dict(data.column_of)
    for effect in estimator._effects:
        if isinstance(effect, AbstractNamedLevelsEffect) and effect.named_levels():
            old, new = (part[places[effect.group_keys[0]]].ids.labels for part in (data.columns, columns))
            if len(new) > len(old):
                raise ValueError(f"{listed(new[len(old) :])} are no nodes of the graph of {effect!r}")
    extended = EffectData(
        data.needs,
        columns,
        data.n_group_columns,
        data.column_of,
        data.coordinate_names,
        data.n_coordinates,
        data.covariates,
    )
    return extended, extended.rows(inputs)


def _joined(first: EffectRows, second: EffectRows) -> EffectRows:
    """Rows of the fit, and then others; the second know all labels."""

    def both(one: Array | None, other: Array | None) -> Array | None:
        return None if one is None or other is None else np.concatenate([one, other])

    return EffectRows(
        first.n_rows + second.n_rows,
        {
            key: GroupCodes(np.concatenate([first.groups[key].codes, codes]), n_levels)
            for key, (codes, n_levels) in second.groups.items()
        },
        both(first.time, second.time),
        both(first.coords, second.coords),
        {key: np.concatenate([first.covariates[key], values]) for key, values in second.covariates.items()},
    )


def _require_same_functions(
    before: tuple[AbstractBoundEffect, ...], after: tuple[AbstractBoundEffect, ...]
) -> None:
    """Refuse effects whose functions lie where the rows of a fit are: their variances would be of other functions."""
    for old, new in zip(before, after, strict=True):
        if old.basis is None or new.basis is None:
            continue
        if not np.array_equal(new.basis[: len(old.basis)], old.basis):
            raise ValueError(
                "the functions of an effect lie where the rows of the fit are, and more rows move them: fit all rows, "
                "or take a polynomial of time"
            )


def _entry_weights(rows: MixedModelData) -> Array:
    if rows.weights is None:
        return np.ones(rows.y.shape)
    return np.broadcast_to(rows.weights[:, None] if rows.weights.ndim == 1 else rows.weights, rows.y.shape)
