"""What a table of ratings must be: two columns of ids, one rating for each pair, all on the scale."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from intertwine.validation.columns import check_column_order, eager_frame, is_categorical
from intertwine.validation.rows import check_same_rows
from intertwine.validation.targets import require_target
from intertwine.validation.values import largest_safe_value
from intertwine.validation.vectors import finite_numbers, is_missing, raveled
from intertwine.validation.wording import counted, listed, rows_where

__all__ = ["Columns", "check_rating_scale", "check_ratings", "id_values", "read_columns"]


class Columns:
    """Columns of a table that holds ids and more, by name or position.

    Parameters
    ----------
    frame : narwhals.DataFrame or None
    array : ndarray of shape (n, p) or None
        One of the two.
    """

    def __init__(self, frame: Any, array: NDArray[Any] | None) -> None:
        self._frame, self._array = frame, array
        self.names = list(frame.columns) if frame is not None else list(range(array.shape[1]))  # type: ignore[union-attr]
        self.n_rows = len(frame) if frame is not None else len(array)  # type: ignore[arg-type]

    def position(self, column: Any, parameter: str) -> int:
        """Where a column stands.

        Raises
        ------
        ValueError
            When there is no such column; the message names the parameter that asked for it.
        """
        if isinstance(column, str):
            if column in self.names:
                return self.names.index(column)
            raise ValueError(f"{parameter}={column!r} is not a column of X, which has {listed(self.names)}")
        if not 0 <= column < len(self.names):
            raise ValueError(
                f"{parameter}={column!r}, but X has {counted(len(self.names), 'column', 'columns')}: user, item, ..."
            )
        return int(column)

    def ids(self, position: int) -> NDArray[Any]:
        """One column (n,); categories are what they stand for, 1 is not '1'."""
        return self._array[:, position] if self._frame is None else self._frame[:, position].to_numpy()  # type: ignore[index]

    def values(self, position: int) -> NDArray[Any]:
        """One column (n,); categories are labels, also those that are numbers."""
        if self._frame is not None:
            column = self._frame[:, position]
            return (column.cast(nw.String) if is_categorical(column.dtype) else column).to_numpy()
        assert self._array is not None
        return self._array[:, position]

    def take(self, kept: NDArray[np.bool_]) -> Columns:
        """Some of the rows."""
        frame = None if self._frame is None else self._frame.filter(kept.tolist())
        return Columns(frame, None if self._array is None else self._array[kept])


def read_columns(estimator: BaseEstimator, X: Any, *, reset: bool) -> Columns:
    """Read a table of ids, and of features where there are any, without turning it into numbers.

    Parameters
    ----------
    estimator : estimator
        ``n_features_in_`` (and ``feature_names_in_`` for frames) are set on it when `reset`, compared otherwise.
    X : array-like or frame of shape (n, p)
    reset : bool

    Returns
    -------
    Columns

    Raises
    ------
    ValueError
        Not two-dimensional, no rows, other columns than in fit.
    TypeError
        Lazy frames, sparse matrices, complex numbers.
    NotFittedError
        `reset` is False and the estimator is not fitted.
    """
    if not reset:
        check_is_fitted(estimator)
    frame = eager_frame(X)
    array = None
    if frame is None:
        array = X if isinstance(X, np.ndarray) else _array_of(X)
        if array.ndim != 2:
            raise ValueError(
                f"X has shape {array.shape}, expected 2-D: a row per rating, with the columns user and item. "
                "Reshape your data: X.reshape(1, -1) for a single rating"
            )
        if array.dtype.kind == "c":
            raise ValueError("Complex data not supported: ids are labels")
    n_rows, n_columns = (len(frame), len(frame.columns)) if frame is not None else array.shape  # type: ignore[union-attr]
    if n_columns == 0 or n_rows == 0:
        count, what = (n_columns, "feature") if n_columns == 0 else (n_rows, "sample")
        raise ValueError(
            f"Found array with {count} {what}(s) (shape={n_rows, n_columns}) while a minimum of 1 is required."
        )
    if not reset and frame is not None:
        check_column_order(estimator, frame)
    validate_data(estimator, X if frame is not None else array, reset=reset, skip_check_array=True)
    return Columns(frame, array)


def _array_of(X: Any) -> NDArray[Any]:
    """Nested lists as they are: numpy would turn the numbers among texts into texts."""
    array = np.asarray(X)
    return np.array(X, dtype=object) if array.dtype.kind in "US" else array


def id_values(values: NDArray[Any], name: str) -> NDArray[Any]:
    """Ids as integers, fractions or text.

    Parameters
    ----------
    values : ndarray of shape (n,)
    name : str
        What messages call the column.

    Returns
    -------
    ndarray of shape (n,)
        Signed integers as they are, others as int64; float64 where there are fractions; object where they are text.

    Raises
    ------
    ValueError
        Missing or infinite ids, dates.
    TypeError
        Text, or True and False, mixed with numbers.

    Examples
    --------
    >>> id_values(np.array([1.0, 7.0]), "user")
    array([1, 7])
    >>> id_values(np.array(["a", None], dtype=object), "user")
    Traceback (most recent call last):
    ...
    ValueError: user ids are missing (NaN) in rows [1]; drop those rows
    """
    array = np.asarray(values)
    if array.dtype.kind in "mM":
        raise ValueError(f"{name} ids are dates or durations; turn them into text or integers")
    if array.dtype.kind in "US":
        return array.astype(object)
    if array.dtype.kind == "O":
        array = _objects(array, name)
        if array.dtype.kind == "O":
            return array
    if array.dtype.kind == "b" or array.dtype.kind in "iu":
        if array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
            raise ValueError(f"{name} ids are beyond 64-bit integers; turn them into text")
        return array if array.dtype.kind == "i" else array.astype(np.int64)
    array = array.astype(np.float64)
    _refuse_missing(np.isnan(array), name)
    if (infinite := np.isinf(array)).any():
        raise ValueError(f"{name} ids are infinite (inf) in {rows_where(infinite)}")
    whole = np.abs(array) < 2.0**53
    return array.astype(np.int64) if bool(whole.all()) and bool((array == np.floor(array)).all()) else array


def _objects(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Objects that are all text, or all numbers as an array of numbers."""
    _refuse_missing(np.fromiter((is_missing(value) for value in array), bool, len(array)), name)
    text = np.fromiter((isinstance(value, str) for value in array), bool, len(array))
    if text.all():
        return array
    if text.any():
        raise TypeError(f"{name} ids are text in some rows and numbers in others, e.g. {rows_where(text)}")
    truth = np.fromiter((isinstance(value, bool | np.bool_) for value in array), bool, len(array))
    if truth.any() and not truth.all():
        raise TypeError(
            f"{name} ids are True or False in some rows and numbers in others, e.g. {rows_where(truth)}: 1 is not True"
        )
    try:
        numbers = np.array(array.tolist())
    except (ValueError, TypeError):
        numbers = array
    if numbers.dtype.kind not in "biuf" or numbers.ndim != 1:
        raise TypeError(f"{name} ids: argument must be a string or a number, not {type(array[0]).__name__!r}")
    return numbers


def _refuse_missing(missing: NDArray[np.bool_], name: str) -> None:
    if missing.any():
        raise ValueError(f"{name} ids are missing (NaN) in {rows_where(missing)}; drop those rows")


def check_rating_scale(y: NDArray[np.float64], scale: Sequence[float] | None) -> tuple[float, float] | None:
    """Refuse ratings off the scale.

    Parameters
    ----------
    y : ndarray of shape (n,)
    scale : (low, high) or None

    Returns
    -------
    (low, high) or None

    Raises
    ------
    ValueError

    Examples
    --------
    >>> check_rating_scale(np.array([5.0, 500.0]), (1, 5))
    Traceback (most recent call last):
    ...
    ValueError: y is outside rating_scale=(1, 5) in rows [1]
    """
    if scale is None:
        return None
    shown = tuple(int(v) if isinstance(v, Integral) else v for v in scale)
    numbers = all(isinstance(v, Real) for v in shown)
    if len(shown) != 2 or not numbers or not all(np.isfinite(shown)) or not shown[0] < shown[1]:
        raise ValueError(f"rating_scale={scale!r} is no (low, high) with low < high")
    outside = (y < shown[0]) | (y > shown[1])
    if outside.any():
        raise ValueError(f"y is outside rating_scale={shown} in {rows_where(outside)}")
    return float(shown[0]), float(shown[1])


def check_ratings(y: Any, X: Any) -> NDArray[Any]:
    """Read ratings as finite numbers, one per row of X; they may all be alike.

    Returns
    -------
    ndarray of shape (n,)
        An array of float32 as it is, which spares a copy of twice their size; otherwise float64.

    Raises
    ------
    ValueError
        None, another length, not 1-D, text, NaN, infinity, squares that overflow.
    TypeError
        Dates and durations.
    """
    require_target(y)
    check_same_rows(X=X, y=y)
    target = finite_numbers(raveled(y, "y"), "y")
    largest = largest_safe_value(target.size)
    if target.size and max(target.max(), -target.min()) > largest:
        oversized = np.abs(target) > largest
        raise ValueError(
            f"y holds values whose squares overflow float64 in {rows_where(oversized)}: rescale y"
        )
    return y.reshape(-1) if isinstance(y, np.ndarray) and y.dtype == np.float32 else target
