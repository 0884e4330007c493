"""Levels that come after a fit: their labels beside those of the fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from intertwine.effects.random import AbstractNamedLevelsEffect, AbstractRandomEffect, EffectRows
from intertwine.estimators.effect_rows.data import EffectData, EffectInputs
from intertwine.estimators.effect_rows.group_labels import GroupTable
from intertwine.validation.wording import listed

__all__ = ["with_new_labels"]


def with_new_labels(
    data: EffectData, effects: Sequence[AbstractRandomEffect], inputs: EffectInputs
) -> tuple[EffectData, EffectRows]:
    """Labels of a fit and of further rows, and these rows.

    Parameters
    ----------
    data : EffectData
        Of the fit.
    effects : sequence of AbstractRandomEffect
    inputs : EffectInputs
        Of the further rows.

    Raises
    ------
    ValueError, TypeError
        As in fit; nodes that a graph does not have.
    """
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
    for effect in effects:
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
