"""What tables call effects and their levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import AbstractBoundEffect, AbstractRandomEffect, EffectRows
from intertwine.estimators.effect_rows.data import EffectData

__all__ = ["effect_names", "level_labels"]


def effect_names(effects: Sequence[AbstractRandomEffect], data: EffectData) -> list[str]:
    """A name for every effect: of what it groups by, else of its kind; the kind, or a number, where two are alike.

    Examples
    --------
    >>> from intertwine.effects import Grouped
    >>> from intertwine.estimators.effect_rows.inputs import EffectInputs
    >>> effects = [Grouped("school"), Grouped(("school", "class"))]
    >>> groups = {"school": [1, 1, 2, 2], "class": [1, 2, 1, 2]}
    >>> data, _ = EffectData.read(effects, EffectInputs([0] * 4, 4, groups))
    >>> effect_names(effects, data)
    ['school', 'school:class']
    """
    names = [_plain_name(effect, data) for effect in effects]
    kinds = [type(effect).__name__.lower() for effect in effects]
    names = [
        name if names.count(name) == 1 or name == kind else f"{name} {kind}"
        for name, kind in zip(names, kinds, strict=True)
    ]
    return [
        name if names.count(name) == 1 else f"{name} {names[: t + 1].count(name)}"
        for t, name in enumerate(names)
    ]


def _plain_name(effect: Any, data: EffectData) -> str:
    known = dict(data.column_of)
    grouping = [data.column(key).title for key in effect.group_keys if key in known]
    return ":".join(grouping) if grouping else type(effect).__name__.lower()


def level_labels(
    effect: AbstractRandomEffect, bound: AbstractBoundEffect, data: EffectData, rows: EffectRows
) -> NDArray[Any]:
    """What tables call the levels of an effect: labels of groups, coordinates, times; numbers where no row says.

    Parameters
    ----------
    effect : AbstractRandomEffect
    bound : AbstractBoundEffect
    data : EffectData
    rows : EffectRows
        Those that the effect was bound to.

    Returns
    -------
    ndarray of shape (q,)
        Of the type of the labels where levels are the groups of one column, else text.
    """
    keys = [key for key in effect.group_keys if key in rows.groups]
    if len(keys) == 1 and bound.n_levels == rows.groups[keys[0]].n_levels:
        return data.labels(keys[0])
    seen, first = np.unique(bound.level, return_index=True)
    kept = seen >= 0
    seen, first = seen[kept], first[kept]
    parts = [data.labels(key)[rows.groups[key].codes[first]].tolist() for key in keys]
    whole = ":".join
    if "coords" in effect.needs and rows.coords is not None:
        whole = ", ".join
        parts += [[f"{value:.6g}" for value in column] for column in rows.coords[first].T]
    if "time" in effect.needs and rows.time is not None and _is_of_levels(rows.time, bound.level):
        parts.append([f"{value:.6g}" for value in rows.time[first]])
    labels = np.array([f"level {code}" for code in range(bound.n_levels)], dtype=object)
    if parts:
        labels[seen] = [whole(map(str, part)) for part in zip(*parts, strict=True)]
    return labels


def _is_of_levels(values: NDArray[np.float64], level: NDArray[np.int64]) -> bool:
    """Whether all rows of a level have the same value."""
    known = level >= 0
    value_of = np.zeros(int(level.max()) + 1)
    value_of[level[known]] = values[known]
    return bool(np.all(value_of[level[known]] == values[known]))
