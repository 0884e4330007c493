"""A nested state as JSON text beside a flat table of arrays.

JSON has no infinity, no tuple and no array; each becomes an object with one key that starts with ``$``:
``{"$float": "inf"}``, ``{"$tuple": [...]}``, ``{"$array": name}``,
``{"$strings": [...], "shape": [...], "dtype": ...}``.
An array's name is its place in the state as a JSON pointer (RFC 6901).
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]

_NUMBERS = "biuf"
_STRINGS = "OUT"
_STRING_DTYPES = {"str": np.dtype(np.str_), "object": np.dtype(np.object_)}


def encode_state(state: Mapping[str, Any]) -> tuple[str, Arrays]:
    """Split a state into JSON text and arrays (little-endian, C order).

    Parameters
    ----------
    state : mapping

    Returns
    -------
    text : str
    arrays : dict of str to ndarray

    Raises
    ------
    TypeError
        Names what cannot be stored, and where it stands.

    Examples
    --------
    >>> encode_state({"tie": float("inf"), "coef_": np.array([1.0])})
    ('{"tie":{"$float":"inf"},"coef_":{"$array":"/coef_"}}', {'/coef_': array([1.])})
    """
    if not isinstance(state, Mapping):
        raise TypeError(f"a state is a dict, got {type(state).__name__}")
    arrays: Arrays = {}
    text = json.dumps(_encode(state, "", arrays), allow_nan=False, separators=(",", ":"))
    return text, arrays


def decode_state(text: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Put a state together again.

    Parameters
    ----------
    text : str
    arrays : mapping of str to ndarray
        Every one of them must be referred to exactly once.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        When `text` is not what :func:`encode_state` makes.

    Examples
    --------
    >>> decode_state('{"tie":{"$float":"inf"},"names":["a"]}', {})
    {'tie': inf, 'names': ['a']}
    """
    unused = dict(arrays)
    state = _decode(json.loads(text, parse_constant=_not_json), unused)
    if unused:
        raise ValueError(f"arrays that the state does not mention: {sorted(unused)[:5]}")
    if not isinstance(state, dict):
        raise ValueError("the state is not an object")
    return state


def _encode(value: Any, place: str, arrays: Arrays) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": repr(value)}
    if isinstance(value, np.ndarray):
        return _encode_array(value, place, arrays)
    if isinstance(value, list | tuple):
        items = [_encode(item, f"{place}/{index}", arrays) for index, item in enumerate(value)]
        return items if isinstance(value, list) else {"$tuple": items}
    if isinstance(value, Mapping):
        return {
            _key(key, place): _encode(item, f"{place}/{_escaped(key)}", arrays) for key, item in value.items()
        }
    raise TypeError(f"cannot save a {type(value).__name__} (at {place or '/'})")


def _encode_array(array: NDArray[Any], place: str, arrays: Arrays) -> dict[str, Any]:
    if array.dtype.kind in _STRINGS:
        values = array.ravel().tolist()
        if not all(isinstance(item, str) for item in values):
            raise TypeError(f"cannot save an array of Python objects other than str (at {place})")
        return {
            "$strings": values,
            "shape": list(array.shape),
            "dtype": "object" if array.dtype == object else "str",
        }
    if array.dtype.kind not in _NUMBERS or array.dtype.itemsize > 8:
        raise TypeError(f"cannot save an array of {array.dtype} (at {place})")
    little = array.dtype.newbyteorder("<")
    arrays[place] = np.array(array, dtype=little, order="C", copy=None, subok=False)
    return {"$array": place}


def _key(key: Any, place: str) -> str:
    if not isinstance(key, str):
        raise TypeError(f"the keys of a state are strings, got {key!r} (at {place or '/'})")
    if key.startswith("$"):
        raise TypeError(f"the key {key!r} is reserved (at {place or '/'})")
    return key


def _escaped(key: Any) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")


def _decode(value: Any, unused: Arrays) -> Any:
    if isinstance(value, list):
        return [_decode(item, unused) for item in value]
    if not isinstance(value, dict):
        return value
    tag = next((key for key in value if key.startswith("$")), None)
    if tag is None:
        return {key: _decode(item, unused) for key, item in value.items()}
    content = value[tag]
    match tag, len(value):
        case "$float", 1 if content in ("inf", "-inf", "nan"):
            return float(content)
        case "$tuple", 1 if isinstance(content, list):
            return tuple(_decode(item, unused) for item in content)
        case "$array", 1 if isinstance(content, str) and content in unused:
            return unused.pop(content)
        case "$strings", 3:
            return _decode_strings(content, value.get("shape"), value.get("dtype"))
        case _:
            raise ValueError(f"what stands under {tag!r} makes no sense")


def _decode_strings(values: Any, shape: Any, dtype: Any) -> NDArray[Any]:
    if not (isinstance(values, list) and all(isinstance(item, str) for item in values)):
        raise ValueError("an array of strings holds something else")
    if not (
        isinstance(shape, list) and all(type(length) is int and 0 <= length < sys.maxsize for length in shape)
    ):
        raise ValueError("an array of strings has no shape")
    if dtype not in _STRING_DTYPES:
        raise ValueError(f"an array of strings has the type {dtype!r}")
    return np.array(values, dtype=_STRING_DTYPES[dtype]).reshape(shape)


def _not_json(token: str) -> NoReturn:
    raise ValueError(f"{token} is not JSON")
