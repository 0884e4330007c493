"""Weights of rows."""

from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intertwine.validation.rows import check_same_rows
from intertwine.validation.vectors import finite_numbers
from intertwine.validation.wording import counted, rows_where

_LARGEST_SUM = 1e100  # of weights, whose squares are summed


def rows_that_count(X: NDArray[Any], kept: NDArray[np.bool_]) -> NDArray[Any]:
    """Rows of positive weight; the table itself, not a copy, where that is all of them.

    Examples
    --------
    >>> X = np.ones((3, 2))
    >>> rows_that_count(X, np.array([True, True, True])) is X
    True
    """
    return X if kept.all() else X[kept]


def check_weights(sample_weight: Any, n_rows: int, X: Any = None) -> NDArray[np.float64]:
    """Read the weights of rows.

    scikit-learn's own check does not say which rows are at fault.

    Parameters
    ----------
    sample_weight : array-like or Series of shape (n,), float or None
        None and a single number give every row the same weight.
    n_rows : int
    X : array-like or frame of shape (n, p), optional
        As the user passed it: its index is compared with that of the weights.

    Returns
    -------
    ndarray of shape (n,), float64
        May share memory with the input.

    Raises
    ------
    ValueError
        Another length, not 1-D, negative, NaN, infinity, all zero, a sum whose square is no number.

    Warns
    -----
    UserWarning
        The indexes differ; rows are matched by position.

    Examples
    --------
    >>> check_weights(None, 3)
    array([1., 1., 1.])
    >>> check_weights([1.0, -2.0], 2)
    Traceback (most recent call last):
    ...
    ValueError: sample_weight is negative in rows [1]
    """
    if sample_weight is None:
        return np.ones(n_rows)
    values = np.full(n_rows, sample_weight) if isinstance(sample_weight, Number) else sample_weight
    weights = finite_numbers(values, "sample_weight")
    if weights.size != n_rows:
        raise ValueError(f"X has {counted(n_rows, 'row', 'rows')}, but sample_weight has {weights.size}")
    if X is not None and not isinstance(sample_weight, Number):
        check_same_rows(X=X, sample_weight=sample_weight)
    if (negative := weights < 0).any():
        raise ValueError(f"sample_weight is negative in {rows_where(negative)}")
    with np.errstate(over="ignore"):
        total = weights.sum()
    if total == 0:
        raise ValueError("sample_weight is zero in every row; at least one must be positive")
    if not 1.0 / _LARGEST_SUM < total < _LARGEST_SUM:
        spelled = f"{total:.2g}" if np.isfinite(total) else "infinity"
        raise ValueError(f"sample_weight sums to {spelled}; rescale it, e.g. to a mean of one")
    return weights
