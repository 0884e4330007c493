"""Survival targets: how long each row was followed, and whether the event came."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from intertwine.validation.columns import Frame, eager_frame
from intertwine.validation.events import check_event
from intertwine.validation.rows import check_same_rows
from intertwine.validation.targets import require_target
from intertwine.validation.values import largest_safe_value
from intertwine.validation.vectors import finite_numbers, labels, raveled
from intertwine.validation.wording import counted, listed, rows_where

_REQUIRED = ("time", "event")
_NAME_THEM = "name time and event, e.g. with survival_target(time, event)"


def survival_target(time: ArrayLike, event: ArrayLike, entry: ArrayLike | None = None) -> NDArray[np.void]:
    """Bind follow-up times and event indicators into one target `y`.

    Because the parts are named, they cannot be swapped; and rows of the result can be taken,
    split and shuffled like those of any other target.

    Parameters
    ----------
    time : array-like of shape (n,)
        Time of the event or of the end of follow-up: finite, at least 0, in any one unit.
    event : array-like of shape (n,)
        Whether the event came at `time` (True, 1) or the row was censored (False, 0).
    entry : array-like of shape (n,), optional
        Time from which the row was under observation (delayed entry), below `time`.
        By default every row was observed from the start.

    Returns
    -------
    ndarray of shape (n,)
        Structured, with fields ``time`` (float64), ``event`` (bool) and, if given,
        ``entry`` (float64).

    Raises
    ------
    ValueError
        Lengths that differ; negative, NaN or infinite times; no event; events that are not
        0/1 or boolean; entry at or after the end. Rows are named.
    TypeError
        Dates and durations: convert them to a float in a unit of your choice.

    Warns
    -----
    UserWarning
        All times are equal.

    Examples
    --------
    >>> from intertwine.validation import survival_target
    >>> y = survival_target(time=[5.0, 8.0, 2.5], event=[1, 0, 1])
    >>> y["time"], y["event"]
    (array([5. , 8. , 2.5]), array([ True, False,  True]))
    >>> survival_target(time=[5.0, 8.0], event=[1, 2])
    Traceback (most recent call last):
    ...
    ValueError: event holds [1, 2], the coding of censored and dead rows as 1 and 2: pass status == 2
    """
    parts = {"time": time, "event": event} | ({} if entry is None else {"entry": entry})
    check_same_rows(**parts)
    return _assemble(parts)


def check_survival_target(
    y: Any, X: Any, sample_weight: NDArray[np.float64] | None = None
) -> NDArray[np.void]:
    """Read y as a survival target, one row per row of X.

    Parameters
    ----------
    y : structured array, frame or array-like of shape (n,)
        From :func:`survival_target`; or a frame with columns ``time``, ``event`` and perhaps
        ``entry``; or a structured array with one boolean and one numeric field under any names
        (as scikit-survival makes them); or times alone, every one of them an event.
    X : array-like or frame of shape (n, p)
        As the user passed it.
    sample_weight : ndarray of shape (n,), optional
        Checked weights: at least one event must weigh something.

    Returns
    -------
    ndarray of shape (n,)
        As from :func:`survival_target`.

    Raises
    ------
    ValueError
        As :func:`survival_target`; parts without names; columns besides these three.
    TypeError
        Dates and durations; lazy frames.

    Warns
    -----
    UserWarning
        Times alone were passed; all times are equal.

    Examples
    --------
    >>> import polars as pl
    >>> y = check_survival_target(pl.DataFrame({"event": [True, False], "time": [3, 4]}), X=[[0.0], [1.0]])
    >>> y["time"]
    array([3., 4.])
    """
    require_target(y)
    frame = eager_frame(y, name="y")
    if isinstance(y, tuple | list) and len(y) in (2, 3) and all(np.ndim(part) == 1 for part in y):
        raise ValueError("y is a pair of columns; make a target of it: survival_target(time, event)")
    check_same_rows(X=X, y=y)
    if frame is not None:
        target = _assemble(_parts_of_frame(frame))
    elif getattr(getattr(y, "dtype", None), "names", None):
        target = _assemble(_parts_of_structured(y))
    else:
        target = _every_row_an_event(y)
    if sample_weight is not None and not (target["event"] & (sample_weight > 0)).any():
        raise ValueError("y has no events among the rows of positive sample_weight")
    return target


def check_strata(strata: Any, n_rows: int) -> NDArray[Any] | None:
    """Read the stratum of every row; baselines differ between strata.

    Parameters
    ----------
    strata : array-like or Series of shape (n,), or None
        Labels of one type: text, numbers or booleans.
    n_rows : int

    Returns
    -------
    ndarray of shape (n,), or None

    Raises
    ------
    ValueError
        Another length; missing labels, with how many there are.
    TypeError
        Text mixed with numbers.

    Examples
    --------
    >>> check_strata(["a", "b", "a"], 3)
    array(['a', 'b', 'a'], dtype=object)
    """
    if strata is None:
        return None
    stratum = labels(strata, "strata")
    if stratum.size != n_rows:
        raise ValueError(f"X has {counted(n_rows, 'row', 'rows')}, but strata has {stratum.size}")
    return stratum


def _every_row_an_event(times: Any) -> NDArray[np.void]:
    array = np.asarray(times)
    if array.ndim == 2 and array.shape[1] > 1:
        raise ValueError(f"y has {array.shape[1]} columns without names: {_NAME_THEM}")
    if array.dtype == bool:
        raise ValueError(f"y holds events but no times: {_NAME_THEM}")
    target = _assemble({"time": raveled(times, "y"), "event": np.ones(len(array), dtype=bool)})
    warnings.warn(
        "y is 1-D, so every row counts as an event at that time; "
        "pass survival_target(time, event) when some rows are censored",
        UserWarning,
        stacklevel=4,
    )
    return target


def _parts_of_frame(frame: Frame) -> Mapping[str, Any]:
    _check_names(frame.columns)
    return {name: frame[name].to_native() for name in frame.columns}


def _parts_of_structured(array: NDArray[np.void]) -> Mapping[str, Any]:
    names = array.dtype.names or ()
    kinds = {name: array.dtype[name].kind for name in names}
    flags = [name for name in names if kinds[name] == "b"]
    if len(names) == 2 and set(names) != set(_REQUIRED) and len(flags) == 1:
        (event,) = flags
        (time,) = set(names) - {event}
        return {"time": array[time], "event": array[event]}
    _check_names(list(names))
    return {name: array[name] for name in names}


def _check_names(names: list[str]) -> None:
    if not set(_REQUIRED) <= set(names):
        raise ValueError(f"y has columns {listed(names)}: {_NAME_THEM}")
    if surplus := [name for name in names if name not in (*_REQUIRED, "entry")]:
        raise ValueError(f"y has columns {listed(surplus)} besides time, event and entry; drop them")


def _assemble(parts: Mapping[str, Any]) -> NDArray[np.void]:
    time = _check_time(parts["time"])
    event = check_event(parts["event"], time)
    fields = [("time", np.float64), ("event", np.bool_)]
    values = {"time": time, "event": event}
    if "entry" in parts:
        values["entry"] = _check_entry(parts["entry"], time)
        fields.append(("entry", np.float64))
    target = np.empty(time.size, dtype=fields)
    for name, column in values.items():
        target[name] = column
    return target


def _check_time(values: Any) -> NDArray[np.float64]:
    time = finite_numbers(values, "time")
    if (negative := time < 0).any():
        raise ValueError(f"time is negative in {rows_where(negative)}")
    if (oversized := time > largest_safe_value(time.size)).any():
        raise ValueError(f"time overflows float64 when squared, in {rows_where(oversized)}: rescale time")
    if time.size > 1 and time.min() == time.max():
        warnings.warn(
            "all times are equal, so nothing tells which event came first", UserWarning, stacklevel=5
        )
    return time


def _check_entry(values: Any, time: NDArray[np.float64]) -> NDArray[np.float64]:
    entry = finite_numbers(values, "entry")
    if (late := entry >= time).any():
        raise ValueError(f"entry is not before time in {rows_where(late)}")
    return entry
