"""What the state in a file must look like, so that no array that is read there is of a size that another contradicts.

A checksum tells damage, not intent: whoever writes a file can compute it. A layout is what a state is held to before
anything is made of it. It is written as the state is: a dict of layouts is a dict with these keys, a list of layouts a
sequence of as many parts; the rest is spelled by the functions here. Sizes have names, which stand for the same number
wherever they occur:

>>> layout = {"table": floats("p", "k"), "names": items(text, "q"), "groups": whole("p", below="q")}
>>> good = {"table": np.ones((2, 3)), "names": ["a", "b"], "groups": np.array([0, 1])}
>>> require_layout(good, layout)
>>> require_layout(good | {"groups": np.array([0, 7])}, layout)
Traceback (most recent call last):
...
ValueError: groups holds 7, and may not reach q = 2
>>> require_layout(good | {"table": np.ones((5, 3))}, layout)
Traceback (most recent call last):
...
ValueError: groups has shape (2,), expected (p,) with p = 5
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

__all__ = [
    "anything",
    "choice",
    "count",
    "either",
    "flag",
    "flags",
    "floats",
    "fraction",
    "items",
    "labels",
    "number",
    "optional",
    "positive",
    "require_layout",
    "table_of",
    "text",
    "whole",
]

Sizes = ChainMap[str, int]
Check = Callable[[Any, str, Sizes], None]
Layout = Mapping[str, Any] | Sequence[Any] | Check
Size = int | str  # a number; a name; "*" for any; "p+1" and "2*p"

_LARGEST = 2**53


def require_layout(state: Any, layout: Layout, **sizes: int) -> None:
    """Refuse a state that is not laid out so.

    Parameters
    ----------
    state : object
        Nested dicts, lists, arrays, numbers and text.
    layout : layout
    **sizes
        Those that are known beforehand.

    Raises
    ------
    ValueError
        Says what is wrong, and where.
    """
    _check(state, layout, "", ChainMap(dict(sizes)))


def _check(value: Any, layout: Layout, at: str, sizes: Sizes) -> None:
    if callable(layout):
        layout(value, at, sizes)
    elif isinstance(layout, Mapping):
        _check_fields(value, layout, at, sizes)
    else:
        if not isinstance(value, list | tuple) or len(value) != len(layout):
            _refuse(at, f"is no list of {len(layout)}")
        for place, (part, its_layout) in enumerate(zip(value, layout, strict=True)):
            _check(part, its_layout, f"{at}/{place}", sizes)


def _check_fields(value: Any, layout: Mapping[str, Any], at: str, sizes: Sizes) -> None:
    """Keys that end in ? may be absent."""
    if not isinstance(value, dict):
        _refuse(at, f"is a {type(value).__name__}, expected fields")
    known = {key.removesuffix("?") for key in layout}
    if unknown := [key for key in value if key not in known]:
        _refuse(at, f"has the unknown field {unknown[0]!r}")
    for key, inner in layout.items():
        name = key.removesuffix("?")
        if name in value:
            _check(value[name], inner, f"{at}/{name}" if at else name, sizes)
        elif name == key:
            _refuse(at, f"lacks the field {name!r}")


def anything(value: Any, at: str, sizes: Sizes) -> None:
    """What somebody else judges."""


def text(value: Any, at: str, sizes: Sizes) -> None:
    """A string."""
    if not isinstance(value, str):
        _refuse(at, f"is {_shown(value)}, expected text")


def flag(value: Any, at: str, sizes: Sizes) -> None:
    """True or False."""
    if not isinstance(value, bool):
        _refuse(at, f"is {_shown(value)}, expected true or false")


def number(value: Any, at: str, sizes: Sizes) -> None:
    """A number, infinity and NaN included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse(at, f"is {_shown(value)}, expected a number")
    if isinstance(value, int) and abs(value) > _LARGEST:
        _refuse(at, "is a number beyond all bounds")


def positive(value: Any, at: str, sizes: Sizes) -> None:
    """A finite number above zero."""
    number(value, at, sizes)
    if not 0.0 < value < np.inf:
        _refuse(at, f"is {value}, expected a positive number")


def fraction(value: Any, at: str, sizes: Sizes) -> None:
    """A number from 0 to 1."""
    number(value, at, sizes)
    if not 0.0 <= value <= 1.0:
        _refuse(at, f"is {value}, expected a number from 0 to 1")


def count(size: Size | None = None, *, least: int = 0) -> Check:
    """A whole number, which is a size."""

    def check(value: Any, at: str, sizes: Sizes) -> None:
        if type(value) is not int or not least <= value <= _LARGEST:
            _refuse(at, f"is {_shown(value)}, expected a whole number from {least} on")
        if size is not None and not _fits(value, size, sizes):
            _refuse(at, f"is {value}, expected {_named(size, sizes)}")

    return check


def choice(*allowed: Any) -> Check:
    """One of some strings, numbers, None."""

    def check(value: Any, at: str, sizes: Sizes) -> None:
        if not any(type(value) is type(one) and value == one for one in allowed):
            _refuse(at, f"is {_shown(value)}, expected one of {list(allowed)}")

    return check


def optional(layout: Layout) -> Check:
    """The layout, or None."""
    return lambda value, at, sizes: None if value is None else _check(value, layout, at, sizes)


def either(*layouts: Layout) -> Check:
    """The first that fits."""

    def check(value: Any, at: str, sizes: Sizes) -> None:
        reasons = []
        for layout in layouts:
            found = sizes.new_child()
            try:
                _check(value, layout, at, found)
            except ValueError as error:
                reasons.append(str(error))
            else:
                sizes.update(found.maps[0])
                return
        raise ValueError(" or ".join(reasons))

    return check


def items(layout: Layout, length: Size = "*") -> Check:
    """A sequence; sizes that a part names first are its own."""

    def check(value: Any, at: str, sizes: Sizes) -> None:
        if not isinstance(value, list | tuple):
            _refuse(at, f"is {_shown(value)}, expected a list")
        if not _fits(len(value), length, sizes):
            _refuse(at, f"has {len(value)} parts, expected {_named(length, sizes)}")
        for place, part in enumerate(value):
            _check(part, layout, f"{at}/{place}", sizes.new_child())

    return check


def table_of(layout: Layout) -> Check:
    """A dict with any keys."""

    def check(value: Any, at: str, sizes: Sizes) -> None:
        if not isinstance(value, dict):
            _refuse(at, f"is {_shown(value)}, expected fields")
        for key, part in value.items():
            _check(part, layout, f"{at}/{key}", sizes)

    return check


def floats(*shape: Size, least: float = -np.inf, above: float = -np.inf) -> Check:
    """An array of floats, of single precision or double: kernels know no others."""

    def check(value: Any, at: str, sizes: Sizes) -> None:
        _check_array(value, "f", shape, at, sizes)
        if value.dtype not in (np.float32, np.float64):
            _refuse(at, f"is {value.dtype}, expected an array of float32 or float64")
        if value.size and not (value.min() >= least and (value > above).all()):
            _refuse(at, f"holds {value.min()}, expected more")

    return check


def whole(*shape: Size, below: Size | None = None, least: int = 0) -> Check:
    """An array of whole numbers, of which those that count something have a bound."""

    def check(value: Any, at: str, sizes: Sizes) -> None:
        _check_array(value, "iu", shape, at, sizes)
        if value.size and value.min() < least:
            _refuse(at, f"holds {value.min()}, expected {least} or more")
        if value.size and below is not None and value.max() >= _value(below, sizes):
            _refuse(at, f"holds {value.max()}, and may not reach {_named(below, sizes)}")

    return check


def flags(*shape: Size) -> Check:
    """An array of true and false."""
    return lambda value, at, sizes: _check_array(value, "b", shape, at, sizes)


def labels(size: Size) -> Check:
    """An array of labels: text, numbers, or both kinds of truth."""
    return lambda value, at, sizes: _check_array(value, "OUiufb", (size,), at, sizes)


def _check_array(value: Any, kinds: str, shape: Sequence[Size], at: str, sizes: Sizes) -> None:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in kinds:
        what = f"{value.dtype}" if isinstance(value, np.ndarray) else _shown(value)
        _refuse(at, f"is {what}, expected an array of another type")
    if value.ndim != len(shape) or not all(
        _fits(length, size, sizes) for length, size in zip(value.shape, shape, strict=True)
    ):
        names = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
        found = ", ".join(_named(size, sizes) for size in shape if _terms(size)[0])
        _refuse(at, f"has shape {value.shape}, expected ({names})" + (f" with {found}" if found else ""))


def _terms(size: Size) -> tuple[str, int, int]:
    """A size as name, factor and summand."""
    if isinstance(size, int):
        return "", 0, size
    product, _, plus = size.partition("+")
    factor, star, name = product.rpartition("*") if product != "*" else ("", "", "")
    return name, int(factor) if star else 1, int(plus or 0)


def _fits(length: int, size: Size, sizes: Sizes) -> bool:
    if size == "*":
        return True
    name, factor, summand = _terms(size)
    if name and name not in sizes:
        sizes[name], rest = divmod(length - summand, factor)
        return rest == 0 and sizes[name] >= 0
    return length == _value(size, sizes)


def _value(size: Size, sizes: Sizes) -> int:
    name, factor, summand = _terms(size)
    return factor * sizes[name] + summand if name else summand


def _named(size: Size, sizes: Sizes) -> str:
    name = _terms(size)[0]
    return f"{name} = {sizes[name]}" if name in sizes else str(size)


def _shown(value: Any) -> str:
    return (
        f"a {type(value).__name__}"
        if isinstance(value, dict | list | tuple | np.ndarray)
        else repr(value)[:60]
    )


def _refuse(at: str, reason: str) -> NoReturn:
    raise ValueError(f"{at or 'the state'} {reason}")
