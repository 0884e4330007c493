"""What effects, the rows they were bound to, and networks must look like in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from intertwine.effects.random import AbstractRandomEffect
from intertwine.io.layout import (
    anything,
    choice,
    count,
    either,
    flag,
    floats,
    items,
    labels,
    optional,
    table_of,
    text,
    whole,
)

__all__ = ["COLUMN", "DATA", "EFFECTS", "KEY", "NETWORKS", "ROWS", "require_known_levels", "require_layers"]

_MOST = 100_000  # functions, knots, …: an effect names each of them

KEY = either(choice(None), text, count())


def _fields(value: Any, at: str, sizes: Any) -> None:
    """Those of an effect: no number in them counts more than could have been fitted."""
    table_of(anything)(value, at, sizes)
    for name, part in value.items():
        parts = part if isinstance(part, list | tuple) else [part]
        for one in parts:
            if isinstance(one, Mapping) and "effect" in one:
                _EFFECT["fields"](one.get("fields"), f"{at}/{name}", sizes)
            elif isinstance(one, int) and one > _MOST and name in ("degree", "n_functions", "n_knots"):
                raise ValueError(f"{at}/{name} is {one}, which is more than {_MOST}")


_EFFECT = {"effect": text, "fields": _fields}
EFFECTS = items(_EFFECT)

COLUMN = {
    "name": KEY,
    "position": count(),
    "named": flag,
    "called": text,
    "labels": labels("*"),
}
#: What `EffectData.to_state` writes.
DATA = {
    "needs": items(text),
    "columns": items(COLUMN),
    "n_group_columns": count(),
    "column_of": items([KEY, count()]),
    "coordinate_names": optional(items(text, "coordinates")),
    "n_coordinates": count("coordinates"),
    "covariates": items([KEY, count()]),
}
#: What `EffectRows.state` writes.
ROWS = {
    "n_rows": count("n"),
    "groups": items([KEY, whole("n"), count()]),
    "time": optional(floats("n")),
    "coords": optional(floats("n", "coordinates")),
    "covariates": items([KEY, floats("n")]),
}


def require_known_levels(
    data: Mapping[str, Any],
    effects: Sequence[AbstractRandomEffect],
    groups: Sequence[Any],
    n_features: int,
) -> None:
    """Refuse codes of rows that no label belongs to, and effects of what is not there.

    Parameters
    ----------
    data : mapping
        As `DATA`.
    effects : sequence of AbstractRandomEffect
    groups : sequence of (key, codes, n_levels)
    n_features : int

    Raises
    ------
    ValueError
    """
    columns, places = data["columns"], dict(data["column_of"])
    if any(column["position"] >= max(data["n_group_columns"], 1) for column in columns):
        raise ValueError(f"data/columns names a column beyond {data['n_group_columns']}")
    if wrong := [place for place in places.values() if place >= len(columns)]:
        raise ValueError(f"data/column_of names the column {wrong[0]} of {len(columns)}")
    sizes = {key: len(columns[place]["labels"]) for key, place in places.items()}
    for key, codes, n_levels in groups:
        if sizes.get(key) != n_levels:
            raise ValueError(f"grouping {key!r} has {n_levels} levels, but {sizes.get(key, 'no')} labels")
        if codes.size and codes.max() >= n_levels:
            raise ValueError(f"grouping {key!r} holds the code {codes.max()}, but has {n_levels} levels")
    positions = dict(data["covariates"])
    if wrong := [position for position in positions.values() if position >= n_features]:
        raise ValueError(f"data/covariates names the column {wrong[0]} of {n_features}")
    for effect in effects:
        read = {"groups": effect.group_keys, "covariates": effect.covariate_keys}
        known = {"groups": sizes if "groups" in data["needs"] else {}, "covariates": positions}
        for what, keys in read.items():
            needed = what == "covariates" or "groups" in effect.needs
            if needed and (absent := [key for key in keys if key not in known[what]]):
                raise ValueError(f"an effect reads {what} {absent[0]!r}, which data does not know")
        if absent := [need for need in effect.needs if need not in data["needs"]]:
            raise ValueError(f"an effect reads {absent[0]!r}, which data does not know")


_LAYER = {"weight": either(floats("i", "o"), floats("h", "w", "i", "o")), "bias": floats("o")}
#: What `Autoencoder.to_state` writes.
NETWORKS = {"encoder": items(_LAYER), "decoder": items(_LAYER)}


def require_layers(layers: Sequence[Mapping[str, Any]], shapes: Sequence[tuple[int, ...]]) -> None:
    """Refuse a network whose weights have other shapes.

    Raises
    ------
    ValueError
    """
    if (found := [layer["weight"].shape for layer in layers]) != list(shapes):
        raise ValueError(f"the weights of a network have the shapes {found}, expected {list(shapes)}")
