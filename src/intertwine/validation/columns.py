"""What a frame's columns must be before they can become a matrix: unique, named alike, numbers."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
from sklearn.base import BaseEstimator

from intertwine.validation.wording import counted, listed

Frame = nw.DataFrame[Any]


def eager_frame(X: Any, name: str = "X") -> Frame | None:
    """Wrap `X` when it is a table held in memory; None when it is no frame at all.

    Parameters
    ----------
    X : object
        pandas, polars, pyarrow, ... frame, or anything else.
    name : str, default="X"
        What messages call it.

    Returns
    -------
    narwhals.DataFrame or None

    Raises
    ------
    TypeError
        When the frame is lazy, or its column names mix strings with other types.
    ValueError
        When two columns share a name.

    Examples
    --------
    >>> import polars as pl
    >>> eager_frame(pl.DataFrame({"age": [1.0, 2.0]})).columns
    ['age']
    >>> eager_frame([[1.0, 2.0]]) is None
    True
    """
    if isinstance(X, np.ndarray):  # looking through all frame libraries takes as long as reading a small one
        return None
    try:
        frame = nw.from_native(X, pass_through=True)
    except ValueError:
        if repeated := _repeated(X):
            raise ValueError(
                f"{name} has duplicate column names {listed(repeated)}; rename or drop them"
            ) from None
        raise
    if isinstance(frame, nw.LazyFrame):
        raise TypeError(f"{name} is a lazy frame ({type(X).__name__}); call .collect() first")
    if not isinstance(frame, nw.DataFrame):
        return None
    kinds = sorted({type(column).__name__ for column in frame.columns})
    if len(kinds) > 1 and "str" in kinds:
        raise TypeError(
            f"{name} has column names of types {kinds}; make all of them str, "
            f"e.g. {name}.columns = [str(c) for c in {name}.columns]"
        )
    return frame


def check_numeric_columns(frame: Frame, name: str = "X") -> None:
    """Refuse columns that are not numbers, and say which to encode and which to convert.

    Booleans are numbers, 0 and 1. Dates would silently become nanoseconds, and text that looks like
    numbers would be parsed.

    Parameters
    ----------
    frame : narwhals.DataFrame
    name : str, default="X"

    Raises
    ------
    ValueError
        "encode ['g']" for text and categories, "convert ['when']" for everything else
        (dates, durations, objects, nested columns).

    Examples
    --------
    >>> import polars as pl
    >>> check_numeric_columns(eager_frame(pl.DataFrame({"dose": [1, 2], "g": ["a", "b"]})))
    Traceback (most recent call last):
    ...
    ValueError: X has columns that are not numbers: encode ['g'] (String), e.g. with ...
    """
    suspects = _columns_to_inspect(frame)
    if not suspects:
        return
    schema = (frame if len(suspects) == len(frame.columns) else frame.select(suspects)).schema
    encode = [column for column, dtype in schema.items() if is_categorical(dtype)]
    convert = [
        column
        for column, dtype in schema.items()
        if not (dtype.is_numeric() or is_categorical(dtype) or isinstance(dtype, nw.Boolean))
    ]
    advice = []
    if encode:
        types = _native_types(frame, encode)
        advice.append(
            f"encode {listed(encode)} ({types}), e.g. with OneHotEncoder or make_interaction_pipeline"
        )
    if convert:
        types = _native_types(frame, convert)
        advice.append(f"convert {listed(convert)} ({types}) to float, in a unit you choose")
    if advice:
        raise ValueError(f"{name} has columns that are not numbers: {'; '.join(advice)}")


def is_categorical(dtype: nw.dtypes.DType) -> bool:
    """Whether a column of this type holds labels (text or categories).

    Examples
    --------
    >>> is_categorical(nw.String()), is_categorical(nw.Float64())
    (True, False)
    """
    return isinstance(dtype, nw.String | nw.Categorical | nw.Enum)


def check_column_order(estimator: BaseEstimator, frame: Frame) -> None:
    """Refuse the fitted columns in another order, and say where the order first differs.

    Missing and unexpected columns are left to :func:`sklearn.utils.validation.validate_data`,
    whose message names them.

    Parameters
    ----------
    estimator : fitted estimator
    frame : narwhals.DataFrame

    Raises
    ------
    ValueError
        Opens with scikit-learn's own words, which its estimator checks look for.
    """
    fitted = getattr(estimator, "feature_names_in_", None)
    if fitted is None:
        return
    columns = np.asarray(frame.columns, dtype=object)
    if np.array_equal(columns, fitted) or set(columns) != set(fitted):
        return
    first = int(np.flatnonzero(columns != fitted)[0])
    raise ValueError(
        "The feature names should match those that were passed during fit.\n"
        "Feature names must be in the same order as they were in fit.\n"
        f"Column {first} is {columns[first]!r}, expected {fitted[first]!r}; "
        "select them as X[list(model.feature_names_in_)]"
    )


def check_column_selection(
    selection: Sequence[Any] | np.ndarray | None, estimator: BaseEstimator, parameter: str
) -> np.ndarray:
    """Resolve a parameter that picks columns by name or position.

    Parameters
    ----------
    selection : sequence of str, sequence of int, or None
    estimator : estimator with ``n_features_in_`` set
    parameter : str
        Name of the parameter, for messages.

    Returns
    -------
    ndarray of int, sorted, without repeats
        Empty for None.

    Raises
    ------
    ValueError
        Names that are no columns, positions out of range, or names without a frame at fit.
    TypeError
        Anything that is neither a name nor a position (booleans and floats included).

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> fitted = SimpleNamespace(n_features_in_=3, feature_names_in_=np.array(["a", "b", "c"], object))
    >>> check_column_selection(["c", 0], fitted, "unpenalized")
    array([0, 2])
    """
    names = getattr(estimator, "feature_names_in_", None)
    n_features = int(estimator.n_features_in_)
    position = {} if names is None else {name: index for index, name in enumerate(names)}
    chosen: set[int] = set()
    unknown: list[Any] = []
    for item in () if selection is None else selection:
        if isinstance(item, str):
            if names is None:
                raise ValueError(
                    f"{parameter} names column {item!r}, but X has no column names; use positions"
                )
            unknown += [] if item in position else [item]
            chosen.add(position.get(item, 0))
        elif isinstance(item, int | np.integer) and not isinstance(item, bool):
            unknown += [] if -n_features <= item < n_features else [item]
            chosen.add(int(item) % n_features)
        else:
            raise TypeError(f"{parameter} must hold column names or positions, got {item!r}")
    if unknown:
        known = counted(n_features, "column", "columns") if names is None else f"columns {listed(names)}"
        raise ValueError(f"{parameter} asks for {listed(unknown)}, but X has {known}")
    return np.array(sorted(chosen), dtype=np.intp)


def _columns_to_inspect(frame: Frame) -> list[Any]:
    # The schema of a very wide frame costs more than a fit's first product, so columns that are
    # plainly numbers are left out of it.
    native = frame.to_native()
    if not hasattr(native, "dtypes"):
        return frame.columns
    dtypes = list(native.dtypes)
    plain = {dtype: _is_plainly_numeric(dtype) for dtype in set(dtypes)}
    if all(plain.values()):
        return []
    return [column for column, dtype in zip(frame.columns, dtypes, strict=True) if not plain[dtype]]


def _is_plainly_numeric(dtype: Any) -> bool:
    if isinstance(dtype, np.dtype):
        return dtype.kind in "iufb"
    if type(dtype).__name__ == "SparseDtype":  # pandas
        return dtype.subtype.kind in "iufb"
    return hasattr(dtype, "is_numeric") and bool(dtype.is_numeric())  # polars


def _native_types(frame: Frame, columns: list[Any]) -> str:
    natives = (frame[column].to_native() for column in columns[:10])
    # pyarrow calls it `type`
    return ", ".join(dict.fromkeys(str(getattr(native, "dtype", None) or native.type) for native in natives))


def _repeated(native: Any) -> list[Any]:
    # pyarrow keeps data, not names, in `columns`
    names = list(native.column_names if hasattr(native, "column_names") else native.columns)
    return [] if len(set(names)) == len(names) else [name for name, n in Counter(names).items() if n > 1]
