"""A table's columns by what they hold, numbers or labels, whether it is a frame or an array."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, final

import narwhals as nw
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import check_array

from intertwine.frames import make_frame
from intertwine.validation.columns import Frame, check_numeric_columns, eager_frame, is_categorical
from intertwine.validation.vectors import is_missing
from intertwine.validation.wording import listed

__all__ = ["AbstractTable", "ArrayTable", "FrameTable", "as_level", "read_table"]

#: What scikit-learn's ColumnTransformer selects from without surprises.
_SELECTABLE_LIBRARIES = ("pandas", "polars")


class AbstractTable(ABC):
    """Columns under keys: names in a frame, positions in an array.

    Attributes
    ----------
    keys : list
        Of all columns.
    native : frame or ndarray
        What scikit-learn's ColumnTransformer can select from.
    """

    keys: list[Any]
    native: Any

    @abstractmethod
    def categorical(self) -> list[Any]:
        """Keys of the columns of labels: text, categories, booleans."""

    @abstractmethod
    def observed(self, key: Any) -> NDArray[np.float64]:
        """Give the entries of a column of numbers that are not missing."""

    @abstractmethod
    def require_numbers(self, keys: Sequence[Any]) -> None:
        """Raise ValueError when one of these columns does not hold numbers."""

    @abstractmethod
    def _values(self, key: Any) -> Iterable[Any]:
        """Entries of a column."""

    @abstractmethod
    def with_levels(
        self,
        keys: Sequence[Any],
        known: Mapping[Any, Sequence[str]] = MappingProxyType({}),
        others: Mapping[Any, str] = MappingProxyType({}),
    ) -> Any:
        """Give ``native`` with these columns spelled as text, so that every library encodes them alike.

        Where a key is in `others`, levels that are not `known` are spelled as it says.
        """

    @abstractmethod
    def output(self, values: Any, names: Sequence[str]) -> Any:
        """Put new columns, dense or sparse, for the same rows into the container that the table came in."""

    def levels(self, keys: Sequence[Any]) -> dict[Any, list[str]]:
        """Levels of these columns as text, sorted."""
        return {key: sorted({as_level(value) for value in self._values(key)}) for key in keys}

    def _spelled(self, key: Any, known: Mapping[Any, Sequence[str]], others: Mapping[Any, str]) -> list[str]:
        texts = [as_level(value) for value in self._values(key)]
        if key not in others:
            return texts
        seen = frozenset(known[key])
        return [text if text in seen else others[key] for text in texts]

    def require(self, keys: Sequence[Any], purpose: str) -> None:
        """Raise ValueError naming the keys that are no column."""
        if absent := [key for key in keys if key not in self.keys]:
            raise ValueError(f"{purpose} {listed(absent)}, but X has {listed(self.keys)}")


@final
class FrameTable(AbstractTable):
    """A frame whose columns have names.

    Parameters
    ----------
    frame : narwhals.DataFrame
    """

    def __init__(self, frame: Frame):
        self._library = frame.implementation.value
        if self._library not in _SELECTABLE_LIBRARIES:
            # polars keeps booleans with gaps, which pandas turns into objects.
            frame = nw.from_native(frame.to_polars() if find_spec("polars") else frame.to_pandas())
        self._frame = frame
        self.keys = frame.columns
        self.native = frame.to_native()

    def categorical(self) -> list[Any]:
        """Keys of the columns of labels."""
        schema = self._frame.schema
        return [key for key, dtype in schema.items() if is_categorical(dtype) or dtype == nw.Boolean]

    def observed(self, key: Any) -> NDArray[np.float64]:
        """Give the entries of a column of numbers that are not missing."""
        values = self._frame[key].drop_nulls().cast(nw.Float64()).to_numpy()
        return values[~np.isnan(values)]

    def require_numbers(self, keys: Sequence[Any]) -> None:
        """Raise ValueError when one of these columns does not hold numbers."""
        check_numeric_columns(self._frame.select(keys))

    def _values(self, key: Any) -> Iterable[Any]:
        return self._frame[key].to_list()

    def with_levels(self, keys, known=MappingProxyType({}), others=MappingProxyType({})) -> Any:
        """Give ``native`` with these columns spelled as text."""
        levels = {key: self._spelled(key, known, others) for key in keys}
        library = self._frame.implementation
        columns = [nw.new_series(key, text, nw.String(), backend=library) for key, text in levels.items()]
        return self._frame.with_columns(*columns).to_native() if columns else self.native

    def output(self, values: Any, names: Sequence[str]) -> Any:
        """Put new columns into a frame of the same library, with the same index where it has one."""
        if sparse.issparse(values):
            return self._sparse_output(values, names)
        frame = make_frame(dict(zip(names, values.T, strict=True)), like=self._library)
        if self._library == "pandas":
            frame.index = self.native.index
        return frame

    def _sparse_output(self, values: Any, names: Sequence[str]) -> Any:
        # no other library has sparse columns
        if self._library != "pandas":
            return sparse.csr_array(values)
        pandas = nw.dependencies.get_pandas()
        return pandas.DataFrame.sparse.from_spmatrix(values, index=self.native.index, columns=list(names))


@final
class ArrayTable(AbstractTable):
    """A two-dimensional array; the columns with any text in them are labels.

    Parameters
    ----------
    array : ndarray of shape (n, p)
    """

    def __init__(self, array: NDArray[Any]):
        self.keys = list(range(array.shape[1]))
        self.native = array
        self._is_text = np.full(array.shape[1], array.dtype.kind in "US")
        if array.dtype.kind == "O":
            self._is_text = np.array(
                [any(isinstance(v, str) for v in column) for column in array.T], dtype=bool
            )

    def categorical(self) -> list[Any]:
        """Keys of the columns of labels."""
        return np.flatnonzero(self._is_text).tolist()

    def observed(self, key: Any) -> NDArray[np.float64]:
        """Give the entries of a column of numbers that are not missing."""
        values = self.native[:, key].astype(np.float64)
        return values[~np.isnan(values)]

    def require_numbers(self, keys: Sequence[Any]) -> None:
        """Raise ValueError when one of these columns does not hold numbers."""
        if text := [key for key in keys if self._is_text[key]]:
            raise ValueError(f"X has columns that are not numbers: encode {listed(text)}")

    def _values(self, key: Any) -> Iterable[Any]:
        return self.native[:, key]

    def with_levels(self, keys, known=MappingProxyType({}), others=MappingProxyType({})) -> Any:
        """Give ``native`` with these columns spelled as text."""
        if not keys:
            return self.native
        table = self.native.astype(object)
        for key in keys:
            table[:, key] = self._spelled(key, known, others)
        return table

    def output(self, values: Any, names: Sequence[str]) -> Any:
        """Give an array where the names say nothing new, else a frame if a library can make one."""
        if sparse.issparse(values):
            return sparse.csr_array(values)
        # A frame brings an index of its own, which y's need not match.
        if set(names) <= {f"x{key}" for key in self.keys}:
            return values
        try:
            return make_frame(dict(zip(names, values.T, strict=True)))
        except ImportError:
            return values


def read_table(X: Any) -> AbstractTable:
    """Wrap X: a frame with named columns, or else whatever numpy makes of it.

    Parameters
    ----------
    X : frame or array-like of shape (n, p)

    Returns
    -------
    FrameTable or ArrayTable

    Raises
    ------
    TypeError
        A lazy frame; column names of several types; sparse input.
    ValueError
        Duplicate column names; not two-dimensional; no rows or no columns.

    Examples
    --------
    >>> import polars as pl
    >>> table = read_table(pl.DataFrame({"dose": [1, 2], "sex": ["f", "m"]}))
    >>> table.keys, table.categorical()
    (['dose', 'sex'], ['sex'])
    """
    frame = eager_frame(X)
    if frame is not None and all(isinstance(column, str) for column in frame.columns):
        if 0 in frame.shape:
            raise ValueError(f"X has shape {frame.shape}, expected at least one row and one column")
        return FrameTable(frame)
    return ArrayTable(check_array(X, dtype=None, ensure_all_finite=False, input_name="X"))


def as_level(value: Any) -> str:
    """Spell an entry of a column of labels: text stays, gaps are "missing", whole numbers have no point.

    Examples
    --------
    >>> as_level(2.0), as_level(None), as_level("a")
    ('2', 'missing', 'a')
    """
    if is_missing(value):
        return "missing"
    # Whole numbers turn into floats where a column has gaps; their name should not.
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
