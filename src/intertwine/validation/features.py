"""From what a user passes as X to a matrix of numbers, or an error that says what to do."""

from collections.abc import Sequence
from numbers import Number
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from intertwine.validation.columns import Frame, check_column_order, check_numeric_columns, eager_frame
from intertwine.validation.values import (
    Extremes,
    check_observed,
    check_spread,
    check_values,
    oversized_values,
    warn_of_idle_columns,
)
from intertwine.validation.vectors import is_missing
from intertwine.validation.wording import columns_where

_INDEX_MAX = np.iinfo(np.int32).max


def check_features(
    estimator: BaseEstimator,
    X: ArrayLike | Any,
    *,
    reset: bool,
    allow_sparse: bool = False,
    dtype: DTypeLike | Sequence[DTypeLike] = (np.float64, np.float32),
    idle: str | None = "their coefficients are 0",
    alone: str | None = "only its linear part is fitted",
    min_rows: int | None = None,
    allow_missing: bool = False,
) -> NDArray[np.floating[Any]] | sparse.csr_array:
    """Turn X into a matrix of finite numbers.

    Nothing is written on `estimator` before X has passed every check. X is copied at most
    once, and only when its type or layout asks for it.

    Parameters
    ----------
    estimator : estimator
        ``n_features_in_`` (and ``feature_names_in_`` for frames) are set on it when `reset`,
        compared with X otherwise.
    X : array-like, frame or sparse matrix of shape (n, p)
        pandas, polars and other eager frames; everything numpy can read; scipy sparse.
    reset : bool
        True in ``fit``, False in every other method.
    allow_sparse : bool, default=False
        Accept sparse input and return it as canonical CSR (sorted, no duplicates).
    dtype : dtype or sequence of dtype, default=(float64, float32)
        Types that are kept; X of another type is converted to the first.
    idle : str or None
        What the warning says becomes of constant columns; None where nothing is warned of.
    alone : str or None
        What the warning says becomes of a single feature; None where it is like any other.
    min_rows : int, optional
        By default two in ``fit`` and one in every other method.
    allow_missing : bool, default=False
        Accept NaN in dense X as an entry that was not observed; a column of nothing else is refused at fit.

    Returns
    -------
    ndarray or scipy.sparse.csr_array of shape (n, p)

    Raises
    ------
    ValueError
        Wrong shape, NaN, infinity, overflow, text, dates, categories, duplicate, missing,
        unexpected or reordered columns.
    TypeError
        Lazy frames, mixed column names, sparse input where it is not supported.
    NotFittedError
        `reset` is False and the estimator is not fitted.

    Warns
    -----
    UserWarning
        At fit: one feature; constant columns. Later: an array after a frame.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> import polars as pl
    >>> model = Ridge()
    >>> check_features(model, pl.DataFrame({"age": [31, 42], "dose": [0.5, 2.0]}), reset=True)
    array([[31. ,  0.5],
           [42. ,  2. ]])
    >>> model.feature_names_in_
    array(['age', 'dose'], dtype=object)
    """
    if not reset:
        check_is_fitted(estimator)
    frame = eager_frame(X)
    readable = X if frame is not None else _readable(X)
    if not reset:
        if frame is not None:
            check_column_order(estimator, frame)
        validate_data(estimator, X, reset=False, skip_check_array=True)
    if frame is not None:
        check_numeric_columns(frame)
        readable = _values_of(frame)
    names = _names(frame)
    fewest = (2 if reset else 1) if min_rows is None else min_rows
    matrix = _matrix(readable, estimator, names, allow_sparse, dtype, fewest)
    extremes = Extremes.of(matrix, observed_only=allow_missing)
    if reset and allow_missing:
        check_observed(extremes, names)
    check_values(extremes, matrix.shape[0], names, allow_missing)
    if reset:
        check_spread(extremes, names)
        validate_data(estimator, X, reset=True, skip_check_array=True)
        if idle is not None:
            warn_of_idle_columns(extremes, names, idle, alone)
    return matrix


def _names(frame: Frame | None) -> NDArray[Any] | None:
    return None if frame is None else np.asarray(frame.columns, dtype=object)


def _readable(X: Any) -> Any:
    """Give X in a form scikit-learn converts well, after refusing what it would convert silently."""
    if sparse.issparse(X):
        return X
    array = X if isinstance(X, np.ma.MaskedArray) else np.asarray(X)
    if array.ndim != 2:
        raise ValueError(
            f"X has shape {array.shape}, expected 2-D: (rows, features). Reshape your data: "
            "X.reshape(-1, 1) for a single feature, X.reshape(1, -1) for a single row"
        )
    if isinstance(array, np.ma.MaskedArray):
        # A mask means missing; scikit-learn would drop it and use the values beneath.
        return np.ma.filled(array.astype(np.float64), np.nan)
    if array.dtype.kind in "USMm" or (array.dtype.kind == "O" and _holds_text(array)):
        raise ValueError(f"X holds text or dates (dtype {array.dtype}); convert it to float")
    if array.dtype.kind == "O":
        _refuse_objects(array)
    return array


def _holds_text(array: NDArray[Any]) -> bool:
    return any(isinstance(value, str | bytes) for value in array.flat)


def _refuse_objects(array: NDArray[Any]) -> None:
    """Name the columns with entries that are neither numbers nor missing."""
    strange = np.array([not (isinstance(v, Number | np.bool_) or is_missing(v)) for v in array.flat], bool)
    if strange.any():
        columns = np.asarray(strange.reshape(array.shape).any(axis=0))
        kind = type(array.flat[np.flatnonzero(strange)[0]]).__name__
        raise TypeError(  # in the words that scikit-learn's checks look for
            f"X holds objects of type {kind!r} in {columns_where(columns, None)}; convert them to float: each "
            "argument must be a string or a number"
        )


def _values_of(frame: Frame) -> Any:
    native = frame.to_native()
    if nw.dependencies.is_pandas_dataframe(native) and all(
        isinstance(d, np.dtype) for d in set(native.dtypes)
    ):
        # A view where there is one type; scikit-learn would look at every column in turn.
        return native.to_numpy()
    return native


def _matrix(
    X: Any,
    estimator: BaseEstimator,
    names: NDArray[Any] | None,
    allow_sparse: bool,
    dtype: DTypeLike | Sequence[DTypeLike],
    min_rows: int,
) -> Any:
    dtypes = list(dtype) if isinstance(dtype, Sequence) and not isinstance(dtype, str) else [dtype]
    if type(X) is np.ndarray and X.dtype in dtypes and len(X) >= min_rows and X.shape[1]:
        return X  # as it came: there is nothing to convert
    try:
        with np.errstate(over="raise"):
            matrix = check_array(
                X,
                accept_sparse="csr" if allow_sparse else False,
                dtype=dtypes,
                ensure_all_finite=False,
                ensure_min_samples=min_rows,
                estimator=estimator,
                input_name="X",
            )
    except (FloatingPointError, OverflowError):
        raise oversized_values(columns_where(_overflowing(X, dtypes[0]), names)) from None
    return _canonical(matrix) if sparse.issparse(matrix) else matrix


def _overflowing(X: Any, dtype: Any) -> NDArray[np.bool_]:
    """Which columns hold values beyond `dtype`; slow, for the message only."""

    def overflows(column: NDArray[Any]) -> bool:
        try:
            with np.errstate(over="raise"):
                column.astype(dtype)
        except (FloatingPointError, OverflowError):
            return True
        return False

    if sparse.issparse(X):
        X = X.tocsc()
        return np.array([overflows(X.data[a:b]) for a, b in zip(X.indptr[:-1], X.indptr[1:], strict=True)])
    return np.array([overflows(column) for column in np.asarray(X).T])


def _canonical(X: Any) -> sparse.csr_array:
    matrix = sparse.csr_array(X)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()  # the arrays are still the user's
        matrix.sum_duplicates()
    if matrix.indices.dtype != np.int32 and max(matrix.nnz, *matrix.shape) <= _INDEX_MAX:
        arrays = matrix.data, matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
        matrix = sparse.csr_array(arrays, shape=matrix.shape)
    return matrix
