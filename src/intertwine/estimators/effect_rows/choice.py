"""The effects that a user's ``effects`` stands for, and what a file says of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import sparse

import intertwine.effects as known
from intertwine.effects.covariate import AbstractCovariateEffect
from intertwine.effects.random import AbstractRandomEffect
from intertwine.estimators.effect_rows.group_labels import GroupTable

__all__ = ["chosen_effects", "effects_from_state", "effects_to_state"]


def chosen_effects(effects: Any, groups: Any) -> list[AbstractRandomEffect]:
    """The effects that a user named; by default a level of its own for every group of every grouping.

    Parameters
    ----------
    effects : AbstractRandomEffect, sequence of them, or None
    groups : object
        As the user passed it.

    Raises
    ------
    TypeError
        Something that is no effect.

    Examples
    --------
    >>> chosen_effects(None, ["a", "b"])
    [Grouped(group=None, slopes=(), intercept=True, correlated=True)]
    >>> chosen_effects(None, None)
    []
    """
    if effects is None:
        return [] if groups is None else _one_of_each(groups)
    if isinstance(effects, AbstractRandomEffect):
        return [effects]
    if isinstance(effects, str) or not isinstance(effects, Sequence):
        raise TypeError(f"effects={effects!r} is no list of effects such as [Grouped('school')]")
    for effect in effects:
        if not isinstance(effect, AbstractRandomEffect):
            raise TypeError(f"effects holds {effect!r}, which is no effect such as Grouped('school')")
    return list(effects)


def effects_to_state(effects: Any) -> Any:
    """The parameter ``effects`` in a form that a file can hold."""
    if effects is None:
        return None
    if isinstance(effects, AbstractRandomEffect | AbstractCovariateEffect):
        return _to_state(effects)
    return [_to_state(effect) for effect in effects]


def effects_from_state(state: Any) -> Any:
    """The effects that `effects_to_state` wrote.

    Raises
    ------
    ValueError
        For an effect that this version does not know.
    """
    if state is None:
        return None
    if isinstance(state, Mapping):
        return _from_state(state)
    return [_from_state(one) for one in state]


def _one_of_each(groups: Any) -> list[AbstractRandomEffect]:
    table = GroupTable(groups, None if isinstance(groups, Mapping) else groups, "groups")
    if len(table) == 1:
        return [known.Grouped()]
    return [known.Grouped(key) for key in (table.names or range(len(table)))]


def _to_state(effect: Any) -> dict[str, Any]:
    fields = {field.name: _plain(getattr(effect, field.name)) for field in dataclasses.fields(effect)}
    return {"effect": type(effect).__name__, "fields": fields}


def _from_state(state: Mapping[str, Any]) -> Any:
    name = state["effect"]
    if name not in known.__all__:
        raise ValueError(f"this version of intertwine does not know the effect {name!r}")
    return getattr(known, name)(**{field: _rich(value) for field, value in state["fields"].items()})


def _plain(value: Any) -> Any:
    if isinstance(value, AbstractCovariateEffect):  # an effect of effects
        return _to_state(value)
    if isinstance(value, tuple) and any(isinstance(part, AbstractCovariateEffect) for part in value):
        return [_to_state(part) for part in value]
    if sparse.issparse(value):
        matrix = sparse.csr_array(value)
        return {
            "csr": {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr},
            "shape": list(matrix.shape),
        }
    return value


def _rich(value: Any) -> Any:
    if isinstance(value, list):
        return [_rich(part) for part in value]
    if isinstance(value, Mapping) and "effect" in value:
        return _from_state(value)
    if isinstance(value, Mapping):
        parts = value["csr"]
        arrays = parts["data"], parts["indices"], parts["indptr"]
        return sparse.csr_array(arrays, shape=tuple(value["shape"]))
    return np.asarray(value) if isinstance(value, np.ndarray) else value
