"""What tables call effects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from intertwine.effects.random import AbstractRandomEffect
from intertwine.estimators.effect_data import EffectData

__all__ = ["effect_names"]


def effect_names(effects: Sequence[AbstractRandomEffect], data: EffectData) -> list[str]:
    """A name for every effect: of what it groups by, else of its kind; the kind, or a number, where two are alike.

    Examples
    --------
    >>> from intertwine.effects import Grouped
    >>> from intertwine.estimators.effect_inputs import EffectInputs
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
