"""One value per row: numbers or labels, whatever container they come in."""

import datetime
import numbers
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import check_array

from intertwine.validation.wording import rows_where

_TIME_TYPES = (datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64)


def finite_numbers(values: Any, name: str) -> NDArray[np.float64]:
    """Read a vector of finite numbers as float64.

    Parameters
    ----------
    values : array-like or Series of shape (n,)
    name : str
        What messages call it.

    Returns
    -------
    ndarray of shape (n,), float64

    Raises
    ------
    ValueError
        Not 1-D, text, complex, NaN, infinity; the last two with their rows.
    TypeError
        Dates and durations: only the user knows the unit.

    Examples
    --------
    >>> finite_numbers([1, 2, float("nan")], "y")
    Traceback (most recent call last):
    ...
    ValueError: y contains NaN in rows [2]
    """
    vector = numbers_with_gaps(values, name)
    if (missing := np.isnan(vector)).any():
        raise ValueError(f"{name} contains NaN in {rows_where(missing)}")
    return vector


def numbers_with_gaps(values: Any, name: str) -> NDArray[np.float64]:
    """Read a vector of numbers, some of which may be missing, as float64.

    Parameters
    ----------
    values : array-like or Series of shape (n,)
    name : str
        What messages call it.

    Returns
    -------
    ndarray of shape (n,), float64
        NaN where a number is missing.

    Raises
    ------
    ValueError
        Not 1-D, text, complex, infinity with its rows.
    TypeError
        Dates and durations.

    Examples
    --------
    >>> numbers_with_gaps([1, None], "y")
    array([ 1., nan])
    """
    if type(values) is np.ndarray and values.dtype == np.float64:
        vector = values  # as it came: there is nothing to convert
    else:
        _refuse_text_and_dates(np.asarray(values), name)
        vector = check_array(
            values,
            dtype=np.float64,
            ensure_2d=False,
            ensure_all_finite=False,
            ensure_min_samples=0,
            input_name=name,
        )
    _require_one_dimension(vector, name)
    if (infinite := np.isinf(vector)).any():
        raise ValueError(f"{name} contains infinity in {rows_where(infinite)}")
    return vector


def labels(values: Any, name: str) -> NDArray[Any]:
    """Read a vector of labels: all text, all numbers or all booleans, none missing.

    Parameters
    ----------
    values : array-like or Series of shape (n,)
    name : str
        What messages call it.

    Returns
    -------
    ndarray of shape (n,)
        Text as dtype object.

    Raises
    ------
    ValueError
        Not 1-D; missing labels (None, NaN, NA, NaT), with how many there are and their rows.
    TypeError
        Text mixed with other types: 1 and '1' would become one label in silence.

    Examples
    --------
    >>> labels(["north", "south"], "strata")
    array(['north', 'south'], dtype=object)
    >>> labels([1, "1"], "strata")
    Traceback (most recent call last):
    ...
    TypeError: strata mixes labels of types ['int', 'str']; make them one type
    """
    # A list goes through object: numpy would turn [1, '1'] into ['1', '1'].
    vector = np.asarray(values, dtype=object) if isinstance(values, list | tuple) else np.asarray(values)
    _require_one_dimension(vector, name)
    if vector.dtype.kind == "O":
        missing = np.fromiter(map(is_missing, vector), dtype=bool, count=vector.size)
    else:
        missing = vector != vector
    if missing.any():
        raise ValueError(f"{name} has {missing.sum()} missing labels, in {rows_where(missing)}")
    if vector.dtype.kind != "O":
        return vector.astype(object) if vector.dtype.kind == "U" else vector
    kinds = {str if isinstance(value, str) else type(value) for value in vector}
    if str in kinds and len(kinds) > 1:
        spelled = sorted(kind.__name__ for kind in kinds)
        raise TypeError(f"{name} mixes labels of types {spelled}; make them one type")
    all_numbers = all(issubclass(kind, numbers.Number | np.bool_) for kind in kinds)
    return np.array(vector.tolist()) if kinds and all_numbers else vector


def is_missing(value: Any) -> bool:
    """Whether a label is None, NaN, or the NA or NaT of a frame library.

    Examples
    --------
    >>> is_missing(None), is_missing(float("nan")), is_missing("")
    (True, True, False)
    """
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def raveled(values: Any, name: str) -> Any:
    """Take the single column of an (n, 1) input, with scikit-learn's warning; else give it back.

    Examples
    --------
    >>> raveled([1.0, 2.0], "y")
    [1.0, 2.0]
    """
    array = np.asarray(values)
    if array.ndim != 2 or array.shape[1] != 1:
        return values
    warnings.warn(
        f"A column-vector {name} was passed when a 1d array was expected. Please change the shape of "
        f"{name} to (n_samples, ), for example using ravel().",
        DataConversionWarning,
        stacklevel=4,
    )
    return array.ravel()


def _require_one_dimension(vector: NDArray[Any], name: str) -> None:
    if vector.ndim != 1:
        raise ValueError(f"{name} has shape {vector.shape}, expected 1-D: one value per row")


def _refuse_text_and_dates(array: NDArray[Any], name: str) -> None:
    kind = array.dtype.kind
    is_object = kind == "O"
    if kind in "Mm" or (is_object and any(isinstance(value, _TIME_TYPES) for value in array.flat)):
        raise TypeError(
            f"{name} holds dates or durations; pass a float plus unit of your choice, "
            "e.g. (end - start) / np.timedelta64(1, 'D') for days"
        )
    if kind in "US" or (is_object and any(isinstance(value, str | bytes) for value in array.flat)):
        raise ValueError(f"{name} holds text; convert it to float")
