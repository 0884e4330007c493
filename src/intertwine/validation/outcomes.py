"""Several outcomes at once, each of which may be missing in some rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from intertwine.validation.columns import check_numeric_columns, eager_frame
from intertwine.validation.rows import check_same_rows
from intertwine.validation.targets import require_target
from intertwine.validation.values import SMALLEST_SPREAD, largest_safe_value
from intertwine.validation.vectors import finite_numbers, numbers_with_gaps
from intertwine.validation.wording import counted, listed, rows_where

__all__ = ["Outcomes", "check_outcomes", "check_same_outcomes"]


class Outcomes(NamedTuple):
    """Outcomes of rows.

    Attributes
    ----------
    values : ndarray of shape (n, p)
        NaN where one is missing.
    names : list of str
    is_vector : bool
        Whether they came as a vector.
    """

    values: NDArray[np.float64]
    names: list[str]
    is_vector: bool


def check_outcomes(y: Any, X: Any = None, *, reset: bool = True) -> Outcomes:
    """Read outcomes: a vector without gaps, or a table of columns with gaps.

    Parameters
    ----------
    y : array-like or Series (n,), or array-like or frame (n, p)
    X : array-like or frame of shape (n, p), optional
        As the user passed it.
    reset : bool, default=True
        At fit an outcome must vary, and have more than nothing observed.

    Returns
    -------
    Outcomes

    Raises
    ------
    ValueError
        None, another length, text, infinity, squares that overflow; a vector with NaN; outcomes of one value only.
    TypeError
        Dates and durations.

    Examples
    --------
    >>> check_outcomes([[1.0, 5.0], [2.0, None]]).values
    array([[ 1.,  5.],
           [ 2., nan]])
    >>> check_outcomes([1.0, float("nan")])
    Traceback (most recent call last):
    ...
    ValueError: y contains NaN in rows [1]
    """
    require_target(y)
    check_same_rows(X=X, y=y)
    frame, is_vector = eager_frame(y, name="y"), False
    if frame is not None:
        check_numeric_columns(frame, name="y")
        names = [str(name) for name in frame.columns]
        columns = [_floats(frame[name]) for name in frame.columns]
    else:
        array = y if hasattr(y, "ndim") else np.asarray(y)
        if array.ndim == 1:
            is_vector = True
            series = (
                None if isinstance(y, np.ndarray) else nw.from_native(y, series_only=True, pass_through=True)
            )
            name = series.name if isinstance(series, nw.Series) else None
            names = [str(name) if name not in (None, "") else "y"]
            columns = [finite_numbers(y, "y")]
        elif array.ndim == 2:
            names = ["y"] if array.shape[1] == 1 else [f"y{m}" for m in range(array.shape[1])]
            columns = list(np.asarray(array).T)
        else:
            raise ValueError(f"y has shape {array.shape}, expected (rows,) or (rows, outcomes)")
    if not columns:
        raise ValueError("y has no columns; pass at least one outcome for each row")
    called = ["y"] if len(names) == 1 else [f"y {name!r}" for name in names]
    checked = [_checked(column, name, reset) for column, name in zip(columns, called, strict=True)]
    return Outcomes(np.column_stack(checked), names, is_vector)


def check_same_outcomes(y: Any, fitted: list[str], X: Any = None) -> NDArray[np.float64]:
    """Read outcomes of further rows, which are those of a fit.

    Parameters
    ----------
    y, X
        As in `check_outcomes`.
    fitted : list of str
        Names of the outcomes of the fit.

    Returns
    -------
    ndarray of shape (n, p)
        NaN where one is missing.

    Raises
    ------
    ValueError
        As in `check_outcomes`; none at all, another number of outcomes, or the same names in another order.

    Examples
    --------
    >>> check_same_outcomes([[1.0, 5.0]], ["weight", "height"])
    array([[1., 5.]])
    """
    if y is None:
        raise ValueError(f"y is None: pass the outcomes of these rows, {listed(fitted)} as in fit")
    values, names, _ = check_outcomes(y, X, reset=False)
    if len(names) != len(fitted):
        raise ValueError(
            f"y has {counted(len(names), 'outcome', 'outcomes')}, but the model was fitted with {len(fitted)}"
        )
    for name, there in zip(names, fitted, strict=True):
        if name != there and name in fitted:
            raise ValueError(f"y has {name!r} in the place of {there!r}: pass outcomes as in fit, {fitted}")
    return values


def _floats(column: Any) -> Any:
    values = column.to_numpy()
    if values.dtype.kind == "O":  # numbers and a library's own missing values
        values = column.cast(nw.Float64()).to_numpy()
        if values.dtype.kind == "O":
            values = np.array([np.nan if v is None or v != v else float(v) for v in column.to_list()])
    return values


def _checked(column: Any, name: str, reset: bool) -> NDArray[np.float64]:
    values = numbers_with_gaps(column, name)
    observed = values[~np.isnan(values)]
    oversized = np.abs(values) > largest_safe_value(values.size)
    if oversized.any():
        raise ValueError(
            f"{name} holds values whose squares overflow float64 in {rows_where(oversized)}: rescale it"
        )
    if reset and not observed.size:
        raise ValueError(f"nothing is observed of {name}; leave it out")
    if reset and observed.size > 1 and observed.min() == observed.max():
        raise ValueError(f"{name} is {observed[0]:g} in every row, so there is nothing to explain")
    if reset and observed.size > 1 and np.ptp(observed) < SMALLEST_SPREAD:
        raise ValueError(f"{name} varies by {np.ptp(observed):.2g}, too little to compute with: rescale it")
    return values
