"""What the numbers in X must be: finite, not so large that products overflow, not constant."""

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from intertwine.validation.caller import depth_of_caller
from intertwine.validation.wording import columns_where, rows_where

#: Level that a table's preprocessing keeps a column for, which is empty as long as no row is of another than the known.
UNSEEN_LEVEL = "unseen"

SMALLEST_SPREAD = 1e-100  # its square is still a number with all its digits

_IMPUTERS = "impute it first, e.g. with SimpleImputer or make_interaction_pipeline"


class Extremes(NamedTuple):
    """Smallest and largest value of every column: all that the checks need, in O(p) memory.

    NaN and infinity propagate into them, so no n × p mask of bad entries is ever made; of observed values only, a
    NaN is left of a column that has none.
    """

    low: NDArray[Any]
    high: NDArray[Any]

    @classmethod
    def of(cls, X: Any, observed_only: bool = False) -> "Extremes":
        """Take them from a dense or sparse matrix of shape (n, p)."""
        with np.errstate(invalid="ignore"):
            if sparse.issparse(X):
                return cls(*_sparse_extremes(X))
            if observed_only:
                return cls(np.fmin.reduce(X, axis=0), np.fmax.reduce(X, axis=0))
            return cls(X.min(axis=0), X.max(axis=0))


def _sparse_extremes(X: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Extremes of the columns of a CSR matrix in one pass: scikit-learn's turn it to columns, twice."""
    n, p = X.shape
    columns = X.indices.astype(np.intp)
    low, high = np.full(p, np.inf, X.dtype), np.full(p, -np.inf, X.dtype)
    np.minimum.at(low, columns, X.data)
    np.maximum.at(high, columns, X.data)
    some_zero = np.bincount(columns, minlength=p) < n
    low[some_zero] = np.minimum(low[some_zero], 0)
    high[some_zero] = np.maximum(high[some_zero], 0)
    return low, high


def check_observed(extremes: Extremes, names: NDArray[Any] | None) -> None:
    """Refuse columns in which nothing was observed.

    Raises
    ------
    ValueError
        Naming the columns.

    Examples
    --------
    >>> X = np.array([[1.0, np.nan], [2.0, np.nan]])
    >>> check_observed(Extremes.of(X, observed_only=True), np.array(["dose", "age"], dtype=object))
    Traceback (most recent call last):
    ...
    ValueError: X has no observed value in ['age']; drop it
    """
    if (empty := np.isnan(extremes.low)).any():
        raise ValueError(f"X has no observed value in {columns_where(empty, names)}; drop it")


def check_values(
    extremes: Extremes, n_rows: int, names: NDArray[Any] | None, allow_missing: bool = False
) -> None:
    """Refuse NaN, infinity and values whose products would overflow.

    Parameters
    ----------
    extremes : Extremes
    n_rows : int
    names : ndarray of str or None
        Column names; None when X came without.
    allow_missing : bool, default=False
        Leave NaN alone.

    Raises
    ------
    ValueError
        Naming the columns (their positions when X has no names).

    Examples
    --------
    >>> X = np.array([[1.0, np.nan], [2.0, 3.0]])
    >>> check_values(Extremes.of(X), 2, np.array(["dose", "age"], dtype=object))
    Traceback (most recent call last):
    ...
    ValueError: X contains NaN in ['age']; impute it first, e.g. with SimpleImputer or ...
    """
    low, high = extremes
    missing = np.isnan(low) | np.isnan(high)
    if missing.any() and not allow_missing:
        raise ValueError(f"X contains NaN in {columns_where(missing, names)}; {_IMPUTERS}")
    infinite = np.isinf(low) | np.isinf(high)
    if infinite.any():
        raise ValueError(f"X contains infinity in {columns_where(infinite, names)}; cap or drop those rows")
    limit = largest_safe_value(n_rows * low.size)
    oversized = np.maximum(-low.astype(np.float64), high) > limit
    if oversized.any():
        raise oversized_values(columns_where(oversized, names))


def warn_of_idle_columns(
    extremes: Extremes, names: NDArray[Any] | None, idle: str, alone: str | None
) -> None:
    """Warn of columns that cannot enter the model: constants, and a single column without a partner.

    Parameters
    ----------
    extremes : Extremes
    names : ndarray of str or None
    idle : str
        What becomes of constants.
    alone : str or None
        What becomes of a single column; None where it needs no partner.

    Warns
    -----
    UserWarning
    """
    low, high = extremes
    if low.size == 1 and alone is not None:
        warnings.warn(
            f"X has one feature, so there are no pairs; {alone}",
            UserWarning,
            stacklevel=depth_of_caller(),
        )
    constant = low == high
    if names is not None:
        constant = constant & ~np.fromiter(map(is_reserved, names), bool, low.size)
    if constant.any():
        warnings.warn(
            f"X is constant in {columns_where(constant, names)}; {idle}",
            UserWarning,
            stacklevel=depth_of_caller(),
        )


def is_reserved(name: Any) -> bool:
    """Whether a column is kept for levels to come.

    Examples
    --------
    >>> is_reserved("site=unseen"), is_reserved("site=north")
    (True, False)
    """
    return str(name).rstrip(")").endswith(("=" + UNSEEN_LEVEL, "=(" + UNSEEN_LEVEL))


def largest_safe_value(n_values: int) -> float:
    """Largest magnitude whose squared product of two features still sums over `n_values` squared.

    The pair kernel squares inner products of rows: fourth powers, summed over pairs of columns.

    Examples
    --------
    >>> 1e70 < largest_safe_value(1_000_000) < 1e77
    True
    """
    return float((np.finfo(np.float64).max / max(n_values, 1) ** 2) ** 0.25)


def require_workable(values: NDArray[np.float64], name: str) -> None:
    """Refuse numbers of rows that are too large to multiply, or too alike to tell apart once they are squared.

    Parameters
    ----------
    values : ndarray of shape (n,)
        NaN where one is missing.
    name : str
        What messages call it.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> require_workable(np.array([1.0, 1e300]), "time")
    Traceback (most recent call last):
    ...
    ValueError: time holds values whose products overflow, in rows [1]: rescale it
    """
    if (huge := np.abs(values) > largest_safe_value(len(values))).any():
        raise ValueError(f"{name} holds values whose products overflow, in {rows_where(huge)}: rescale it")
    there = values[~np.isnan(values)]
    if len(there) and 0.0 < (spread := np.ptp(there)) < SMALLEST_SPREAD:
        raise ValueError(f"{name} varies by {spread:.2g}, too little to compute with: rescale it")


def sums_of_squares_overflow(values: NDArray[np.float64]) -> bool:
    """Whether numbers are too large for a variance; those that are missing do not count.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Finite, or NaN.

    Examples
    --------
    >>> sums_of_squares_overflow(np.array([1e150, np.nan])), sums_of_squares_overflow(np.array([1e160, 1.0]))
    (False, True)
    """
    with np.errstate(over="ignore"):
        return bool(np.isinf(np.nansum(np.square(values))))


def check_spread(extremes: Extremes, names: NDArray[Any] | None) -> None:
    """Refuse columns that vary, but so little that squares of the differences vanish.

    Raises
    ------
    ValueError
        Naming the columns.

    Examples
    --------
    >>> check_spread(Extremes.of(np.array([[1.0, 0.0], [2.0, 1e-200]])), None)
    Traceback (most recent call last):
    ...
    ValueError: X varies too little to compute with in columns [1]: rescale them
    """
    spread = extremes.high.astype(np.float64) - extremes.low.astype(np.float64)
    if (narrow := (spread > 0.0) & (spread < SMALLEST_SPREAD)).any():
        raise ValueError(
            f"X varies too little to compute with in {columns_where(narrow, names)}: rescale them"
        )


def oversized_values(where: str) -> ValueError:
    """Make the error for values whose products overflow.

    Examples
    --------
    >>> print(oversized_values("['a']"))
    X holds values whose products overflow float64: rescale ['a']
    """
    return ValueError(f"X holds values whose products overflow float64: rescale {where}")
