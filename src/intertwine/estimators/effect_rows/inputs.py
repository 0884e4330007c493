"""What a user passes beside X for random effects, and how its numbers are read."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import AbstractRandomEffect
from intertwine.validation.caller import depth_of_caller
from intertwine.validation.columns import check_numeric_columns, eager_frame
from intertwine.validation.rows import check_same_rows
from intertwine.validation.values import require_workable
from intertwine.validation.vectors import finite_numbers
from intertwine.validation.wording import listed, rows_where

__all__ = [
    "WHAT_IT_IS",
    "EffectInputs",
    "feature_position",
    "read_coordinates",
    "read_time",
    "require",
    "require_latitude_first",
    "warn_of_unread",
]

_LATITUDES = ("lat", "latitude")
_LONGITUDES = ("lon", "lng", "long", "longitude")

WHAT_IT_IS = {
    "groups": "the label of a group for each of the {n} rows",
    "time": "a number for each of the {n} rows",
    "coords": "the coordinates of each of the {n} rows",
}


class EffectInputs(NamedTuple):
    """What a user passes beside X, with what it must be as long as.

    Attributes
    ----------
    rows : object
        X, or y where there is no X, as the user passed it.
    n_rows : int
    groups, time, coords : object
    features : ndarray of shape (n, p) or None
        X as numbers, where effects may have slopes of its columns.
    feature_names : sequence of str
    rows_name : str
        What messages call ``rows``.
    """

    rows: Any
    n_rows: int
    groups: Any = None
    time: Any = None
    coords: Any = None
    features: NDArray[np.float64] | None = None
    feature_names: Sequence[str] = ()
    rows_name: str = "X"


def require(effects: Sequence[AbstractRandomEffect], inputs: EffectInputs) -> None:
    """Refuse a fit without what its effects read.

    Raises
    ------
    ValueError
        Names the effect, the argument, and how long it must be.
    """
    for effect in effects:
        for need, what in WHAT_IT_IS.items():
            if need in effect.needs and getattr(inputs, need) is None:
                raise ValueError(
                    f"{type(effect).__name__} needs {need}: pass {need}= to fit, {what.format(n=inputs.n_rows)}"
                )
        if effect.covariate_keys and inputs.features is None:
            raise ValueError(
                f"{type(effect).__name__} asks for random slopes of {listed(effect.covariate_keys)}, "
                "but there are no columns of X to take them from"
            )


def warn_of_unread(needs: Sequence[str], inputs: EffectInputs) -> None:
    """Warn of what is passed in vain."""
    for name in WHAT_IT_IS:
        if getattr(inputs, name) is not None and name not in needs:
            warnings.warn(
                f"{name} is given, but no effect reads it; see effects=",
                UserWarning,
                stacklevel=depth_of_caller(),
            )


def feature_position(key: Any, inputs: EffectInputs) -> int:
    """Which column of X a random slope is of.

    Raises
    ------
    ValueError
    """
    names = list(inputs.feature_names)
    if key in names:
        return names.index(key)
    assert inputs.features is not None
    n_features = inputs.features.shape[1]
    if isinstance(key, int | np.integer) and not isinstance(key, bool) and 0 <= key < n_features:
        return int(key)
    raise ValueError(f"slopes ask for {key!r}, which is not a column of X: {listed(names)}")


def read_time(inputs: EffectInputs) -> NDArray[np.float64]:
    """Time as finite numbers (n,); dates are refused, for only the user knows the unit."""
    check_same_rows(**{inputs.rows_name: inputs.rows, "time": inputs.time})
    array = np.asarray(inputs.time)
    column = array.ndim == 2 and array.shape[1] == 1
    time = finite_numbers(array[:, 0] if column else inputs.time, "time")
    require_workable(time, "time")
    return time


def read_coordinates(
    inputs: EffectInputs, fitted: tuple[str, ...] | None = None
) -> tuple[NDArray[np.float64], tuple[str, ...] | None]:
    """Coordinates (n, d), in the order of fit, and their names."""
    check_same_rows(**{inputs.rows_name: inputs.rows, "coords": inputs.coords})
    frame = eager_frame(inputs.coords, name="coords")
    if frame is None:
        array = np.asarray(inputs.coords)
        if array.ndim not in (1, 2):
            raise ValueError(f"coords has shape {array.shape}, expected (rows, dimensions)")
        columns, names = list(array.reshape(len(array), -1).T), None
    else:
        names = tuple(map(str, frame.columns))
        if fitted is not None and set(fitted) - set(names):
            raise ValueError(f"coords has columns {listed(names)}, expecting {listed(fitted)} as in fit")
        frame = frame if fitted is None else frame.select(list(fitted))
        names = names if fitted is None else fitted
        check_numeric_columns(frame, name="coords")
        columns = [frame[name].to_numpy() for name in names]
    if not columns:
        raise ValueError("coords has no columns; pass at least one coordinate for each row")
    called = ["coords"] * len(columns) if names is None else [f"coords {name!r}" for name in names]
    numbers = [finite_numbers(column, name) for column, name in zip(columns, called, strict=True)]
    for name, column in zip(called, numbers, strict=True):
        require_workable(column, name)
    for name, column in zip(names or (), numbers, strict=False):
        limit = 90.0 if name.lower() in _LATITUDES else 360.0 if name.lower() in _LONGITUDES else np.inf
        if (beyond := np.abs(column) > limit).any():
            raise ValueError(f"coords {name!r} is beyond {limit:g} degrees in {rows_where(beyond)}")
    return np.column_stack(numbers), names


def require_latitude_first(names: Sequence[str]) -> None:
    """Refuse geographic coordinates whose names say that they stand the other way round."""
    lower = [name.lower() for name in names]
    if lower[0] in _LONGITUDES or lower[-1] in _LATITUDES:
        raise ValueError(
            f"coords has columns {listed(names)}, but geographic effects read latitude and then longitude: pass "
            "the columns in that order"
        )
