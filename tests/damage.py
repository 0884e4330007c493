"""Ways to damage the state of a model file that leave its checksum right: what a hostile writer can do."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Path = tuple[Any, ...]
Draw = Callable[[int], int]  # a number below another

NUMBERS = (
    0,
    -1,
    1,
    2,
    7,
    2**31,
    2**40,
    2**62,
    -(2**62),
    0.0,
    -1.0,
    0.5,
    1e-300,
    1e300,
    float("inf"),
    float("nan"),
)
OTHERS = (
    None,
    True,
    False,
    "",
    "x",
    "../../outside",
    "__class__",
    [],
    {},
    (),
    [[]],
    np.zeros(0),
    np.array("x"),
)
DTYPES = (np.float32, np.float64, np.int8, np.int64, np.uint64, np.bool_, np.float16)


def places(value: Any, at: Path = ()) -> Iterator[Path]:
    """Everything in a state, the state itself left out."""
    if at:
        yield at
    if isinstance(value, dict):
        for key, part in value.items():
            yield from places(part, (*at, key))
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from places(part, (*at, index))


def value_at(state: Any, path: Path) -> Any:
    for key in path:
        state = state[key]
    return state


def with_value(state: Any, path: Path, value: Any) -> Any:
    """A copy in which another value stands at a place."""
    if not path:
        return value
    key, *rest = path
    changed = list(state) if isinstance(state, list | tuple) else dict(state)
    changed[key] = with_value(state[key], tuple(rest), value)
    return tuple(changed) if isinstance(state, tuple) else changed


def without(state: Any, path: Path) -> Any:
    *outer, key = path
    holder = copy.copy(value_at(state, tuple(outer)))
    holder = list(holder) if isinstance(holder, tuple) else holder
    del holder[key]
    return with_value(state, tuple(outer), holder)


def damaged(state: dict[str, Any], draw: Draw) -> dict[str, Any]:
    """One to three places of a state are something else."""
    for _ in range(1 + (draw(3) == 0) + (draw(6) == 0)):
        known = list(places(state))
        if not known:
            break
        path = known[draw(len(known))]
        kind = draw(10)
        if kind == 0:
            state = without(state, path)
        elif kind == 1:
            state = with_value(state, path, value_at(state, known[draw(len(known))]))
        elif kind == 2:
            state = with_value(state, path, OTHERS[draw(len(OTHERS))])
        elif kind == 3:
            state = with_value(state, path, NUMBERS[draw(len(NUMBERS))])
        else:
            state = with_value(state, path, otherwise(value_at(state, path), draw))
    return state


def otherwise(value: Any, draw: Draw) -> Any:
    """A value of the same kind, mostly, that is not the same."""
    if isinstance(value, np.ndarray):
        return _other_array(value, draw)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return NUMBERS[draw(len(NUMBERS))]
    if isinstance(value, str):
        return ("", value + "x", value[:-1], "0", "\ud800", "x" * 5000)[draw(6)]
    if isinstance(value, list | tuple):
        longer = (list(value)[1:], [*value, *value], list(value)[::-1], _deep(value, 40))[draw(4)]
        return type(value)(longer) if isinstance(value, tuple) else longer
    if isinstance(value, dict):
        return (value | {"more": 1}, dict(list(value.items())[1:]), {"0": value}, list(value.values()))[
            draw(4)
        ]
    return NUMBERS[draw(len(NUMBERS))]


def _deep(value: Any, depth: int) -> list[Any]:
    nested = list(value)
    for _ in range(depth):
        nested = [nested]
    return nested


def _other_array(array: np.ndarray, draw: Draw) -> Any:
    flat = array.reshape(-1)
    match draw(9):
        case 0:
            return array[:-1] if array.ndim else array[None]
        case 1:
            return np.concatenate([array, array]) if array.ndim else array[None]
        case 2:
            return array[..., None]
        case 3:
            return array.T.copy()
        case 4:
            return flat.copy()
        case 5:
            return array[:0] if array.ndim else np.zeros(0)
        case 6 if array.dtype.kind in "biuf":
            with np.errstate(all="ignore"):
                return array.astype(DTYPES[draw(len(DTYPES))])
        case 7 if array.dtype.kind in "iuf" and array.size:
            changed = array.copy()
            extremes = (0, -1, 1, 100, 10**6, np.iinfo(np.int64).max, np.iinfo(np.int64).min)
            with np.errstate(all="ignore"):
                number = np.array(extremes[draw(len(extremes))]).astype(array.dtype)
            changed.reshape(-1)[draw(array.size)] = number
            return changed
        case 8 if array.dtype.kind in "iuf":
            extremes = (0, -1, 2**31 - 1, 1e300 if array.dtype == np.float64 else 9e4)
            with np.errstate(all="ignore"):
                return np.full(array.shape, extremes[draw(4)]).astype(array.dtype)
        case _:
            return flat[::-1].reshape(array.shape).copy()
