"""Data frames in the user's own library, and the names of a table's columns."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["feature_names", "frame_library", "make_frame"]

#: What narwhals can build an eager frame in.
_EAGER_LIBRARIES = ("pandas", "polars", "pyarrow", "modin", "cudf")

#: Tried in this order when the user brought no frame.
_DEFAULT_LIBRARIES = ("pandas", "polars")


def frame_library(X: Any) -> str | None:
    """Name the data frame library that `X` belongs to.

    An estimator keeps this name instead of the table it was fitted on, and hands it to :func:`make_frame`.

    Parameters
    ----------
    X : object
        A frame, an array, anything.

    Returns
    -------
    str or None
        ``"pandas"``, ``"polars"``, ``"pyarrow"``, ``"modin"`` or ``"cudf"``; None when `X` is no
        frame of these.

    Examples
    --------
    >>> import numpy as np
    >>> import polars as pl
    >>> frame_library(pl.DataFrame({"age": [61, 48]}))
    'polars'
    >>> frame_library(np.eye(2)) is None
    True
    """
    if isinstance(X, np.ndarray):
        return None
    frame = nw.from_native(X, pass_through=True, allow_series=True)
    if not isinstance(frame, nw.DataFrame | nw.LazyFrame | nw.Series):
        return None
    library = frame.implementation.value
    return library if library in _EAGER_LIBRARIES else None


def make_frame(columns: Mapping[str, ArrayLike], like: Any = None) -> Any:
    """Build a data frame from named columns.

    Parameters
    ----------
    columns : mapping of str to array-like of shape (n,)
        In the order they should stand.
    like : frame, str or None, default=None
        A frame (or the name :func:`frame_library` gave) whose library the result should come from.
        Anything else, an array for instance, means no preference: pandas where it is installed, else
        polars.

    Returns
    -------
    frame
        With ``len(columns)`` columns and n rows.

    Raises
    ------
    ValueError
        When a column is not one-dimensional, or the columns differ in length.
    ImportError
        When no data frame library is installed.

    Examples
    --------
    >>> make_frame({"term": ["age × dose"], "estimate": [0.7]}, like="pandas")
             term  estimate
    0  age × dose       0.7
    """
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    shapes = {name: array.shape for name, array in arrays.items()}
    if any(len(shape) != 1 for shape in shapes.values()) or len(set(shapes.values())) > 1:
        raise ValueError(f"columns must be one-dimensional and equally long, got shapes {shapes}")
    library = like if isinstance(like, str) else frame_library(like)
    # Lists are looked into, so that numbers with gaps become a numeric column and not opaque objects.
    data = {name: array.tolist() if array.dtype.kind == "O" else array for name, array in arrays.items()}
    backend: Any = library or _default_library()
    return nw.from_dict(data, backend=backend).to_native()


def feature_names(X: Any) -> NDArray[np.object_]:
    """Name the columns of a table.

    Parameters
    ----------
    X : frame, array or sparse matrix of shape (n, p)

    Returns
    -------
    ndarray of str, shape (p,), dtype object
        The column names of a frame; ``x0``, ``x1``, … for arrays and for frames whose names are not all
        strings (scikit-learn, too, treats those as unnamed).

    Raises
    ------
    ValueError
        When `X` has not two dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> feature_names(np.zeros((5, 3)))
    array(['x0', 'x1', 'x2'], dtype=object)
    >>> import polars as pl
    >>> feature_names(pl.DataFrame({"age": [61], "dose": [2.5]}))
    array(['age', 'dose'], dtype=object)
    """
    frame = nw.from_native(X, pass_through=True)
    if isinstance(frame, nw.LazyFrame):
        names: list[Any] = frame.collect_schema().names()
    elif isinstance(frame, nw.DataFrame):
        names = frame.columns
    else:
        shape = X.shape if hasattr(X, "shape") else np.shape(X)
        if len(shape) != 2:
            raise ValueError(f"X has shape {tuple(shape)}, expected 2-D: (rows, features)")
        names = list(range(shape[1]))
    if not all(isinstance(name, str) for name in names):
        names = [f"x{index}" for index in range(len(names))]
    return np.array(names, dtype=object)


def _default_library() -> str:
    for library in _DEFAULT_LIBRARIES:
        if find_spec(library) is not None:
            return library
    raise ImportError(
        "results are data frames: install pandas or polars, e.g. pip install 'intertwine[report]'"
    )
