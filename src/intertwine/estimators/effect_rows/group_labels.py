"""Labels of groups: from columns of text and numbers to codes, and back to the user's labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, final

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.latent_factors.rating_ids import IdIndex
from intertwine.validation.columns import eager_frame
from intertwine.validation.ratings import id_values
from intertwine.validation.rows import check_same_rows
from intertwine.validation.vectors import is_missing
from intertwine.validation.wording import counted, listed, rows_where

__all__ = ["GroupColumn", "GroupTable", "missing_labels"]

_NAMELESS = "group"


@final
class GroupTable:
    """Columns of labels as a user passed them.

    Parameters
    ----------
    groups : array-like (n,) or (n, k), Series, frame or dict of columns
    rows : object
        What ``groups`` must be as long as, X or y, as the user passed it.
    rows_name : str
        What messages call it.
    name : str, default="groups"
        What they call the columns.
    """

    def __init__(self, groups: Any, rows: Any, rows_name: str, name: str = "groups") -> None:
        self.names: list[Any] | None = None
        self.name = name
        is_frame_like = not isinstance(groups, Mapping | np.ndarray)
        frame = eager_frame(groups, name=name) if is_frame_like else None
        series = nw.from_native(groups, series_only=True, pass_through=True) if is_frame_like else None
        if isinstance(groups, Mapping):
            self.names, self._columns = list(groups), [_vector(v, name) for v in groups.values()]
            for key, column in zip(self.names, self._columns, strict=True):
                check_same_rows(**{rows_name: rows, f"{name}[{key!r}]": column})
        else:
            check_same_rows(**{rows_name: rows, name: groups})
        if frame is not None:
            self.names = list(frame.columns)
            self._columns = [frame[key].to_numpy() for key in self.names]
        elif isinstance(series, nw.Series):
            self.names = None if series.name in (None, "") else [series.name]
            self._columns = [series.to_numpy()]
        elif not isinstance(groups, Mapping):
            array = _array(groups, name)
            self._columns = [array] if array.ndim == 1 else list(array.T)
        if not self._columns:
            raise ValueError(f"{name} has no columns; pass a label for each row")

    def __len__(self) -> int:
        return len(self._columns)

    def position(self, key: Any, asked: Sequence[Any]) -> int:
        """Where the column of a key stands; ``asked`` are all keys that effects ask for.

        Raises
        ------
        ValueError
            Names the columns that there are.
        """
        if self.names is not None and key in self.names:
            return self.names.index(key)
        if isinstance(key, int | np.integer) and not isinstance(key, bool) and 0 <= key < len(self):
            return int(key)
        if len(self) == 1 and (key is None or (self.names is None and len(asked) == 1)):
            return 0
        if key is None:
            raise ValueError(
                f"groups has {len(self)} columns{self._spelled()}; say which one an effect is for, "
                f"e.g. Grouped({(self.names or [0])[0]!r})"
            )
        if self.names is None and isinstance(key, str):
            raise ValueError(
                f"an effect asks for group {key!r}, but groups has no column names; "
                "pass a frame or a dict, or ask for columns by number"
            )
        raise ValueError(f"groups has no column {key!r}; it has {len(self)}{self._spelled()}")

    def same_column(self, column: GroupColumn, n_fitted: int, n_used: int) -> NDArray[Any]:
        """The values of a column that was there at fit.

        Raises
        ------
        ValueError
            Where it is missing, or cannot be told from others.
        """
        if self.names is not None and column.named:
            if column.name not in self.names:
                raise ValueError(
                    f"groups has columns {listed(self.names)}, expecting {column.name!r} as in fit"
                )
            return self._columns[self.names.index(column.name)]
        if len(self) == n_fitted:
            return self._columns[column.position]
        if len(self) == n_used == 1:
            return self._columns[0]
        raise ValueError(
            f"groups has {counted(len(self), 'column', 'columns')}, expecting {n_fitted} as in fit"
        )

    def values(self, position: int) -> NDArray[Any]:
        """One column as it was passed."""
        return self._columns[position]

    def _spelled(self) -> str:
        return "" if self.names is None else f": {listed(self.names)}"


class GroupColumn(NamedTuple):
    """A column of labels that effects read, with the labels seen in fit.

    Attributes
    ----------
    name : str or int
    position : int
    named : bool
        Whether ``groups`` had column names in fit.
    ids : IdIndex
    """

    name: Any
    position: int
    named: bool
    ids: IdIndex

    @property
    def title(self) -> str:
        """What tables call it: its name, "group" where it has none."""
        return str(self.name) if self.named else self.ids.name

    @classmethod
    def of(
        cls, table: GroupTable, position: int, also: Sequence[Any] = ()
    ) -> tuple[GroupColumn, NDArray[np.int64]]:
        """Number the labels of a column, and those that ``also`` are known.

        Raises
        ------
        ValueError
            Missing labels, with how many there are; dates.
        TypeError
            Text mixed with numbers: 1 is not '1'.
        """
        named = table.names is not None
        name = table.names[position] if table.names is not None else position
        called = _called(name, named, len(table))
        values = table.values(position)
        if (missing := missing_labels(values)).any():
            labels = counted(int(missing.sum()), "missing label", "missing labels")
            raise ValueError(
                f"{called} has {labels} (NaN), in {rows_where(missing)}: drop those rows, "
                "or give them a label of their own"
            )
        ids = id_values(values, called)
        if len(also):
            more = id_values(_array(list(also), called), called)
            if (more.dtype.kind == "O") != (ids.dtype.kind == "O"):
                raise TypeError(
                    f"{called} has text where the nodes of its graph have numbers, or the reverse: 1 is not '1'"
                )
            index, codes = IdIndex.of(np.concatenate([ids, more]), called)
            return cls(name, position, named, index), codes[: len(ids)].astype(np.int64)
        index, codes = IdIndex.of(ids, called)
        return cls(name, position, named, index), codes.astype(np.int64)

    def codes(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Codes of labels; −1 for those that are missing, or were not seen in fit."""
        codes = np.full(len(values), -1, dtype=np.int64)
        if (given := ~missing_labels(values)).any():
            codes[given] = self.ids.codes(id_values(values[given], self.ids.name))
        return codes

    def extended(self, values: NDArray[Any]) -> GroupColumn:
        """With the labels among these that were not seen, after those that were.

        Raises
        ------
        ValueError
            Missing labels.
        """
        if (missing := missing_labels(values)).any():
            raise ValueError(
                f"{self.ids.name} has {counted(int(missing.sum()), 'missing label', 'missing labels')} (NaN), in "
                f"{rows_where(missing)}: drop those rows, or give them a label of their own"
            )
        if not (new := self.codes(values) < 0).any():
            return self
        found, _ = IdIndex.of(id_values(values[new], self.ids.name), self.ids.name)
        return self._replace(ids=IdIndex(np.concatenate([self.ids.labels, found.labels]), self.ids.name))

    def to_state(self) -> dict[str, Any]:
        """What a file holds of it."""
        return {
            "name": self.name,
            "position": self.position,
            "named": self.named,
            "called": self.ids.name,
            "labels": self.ids.labels,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> GroupColumn:
        """The column that `to_state` wrote."""
        index = IdIndex(state["labels"], state["called"])
        return cls(state["name"], state["position"], state["named"], index)


def _vector(values: Any, name: str) -> NDArray[Any]:
    if isinstance(values, np.ndarray):
        array = _array(values, name)
    else:
        series = nw.from_native(values, series_only=True, pass_through=True)
        array = series.to_numpy() if isinstance(series, nw.Series) else _array(values, name)
    if array.ndim != 1:
        raise ValueError(f"a column of {name} has shape {array.shape}, expected 1-D: a label for each row")
    return array


def _array(values: Any, name: str) -> NDArray[Any]:
    # a list goes through object: numpy would turn [1, '1'] into ['1', '1']
    array = np.asarray(values, dtype=object) if isinstance(values, list | tuple) else np.asarray(values)
    if array.ndim not in (1, 2):
        raise ValueError(f"{name} has shape {array.shape}, expected (rows,) or (rows, columns)")
    return array


def missing_labels(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which labels are None, NaN, or the NA or NaT of a frame library."""
    if values.dtype.kind == "O":
        return np.fromiter(map(is_missing, values), bool, len(values))
    if values.dtype.kind in "fmM":
        return values != values
    return np.zeros(len(values), dtype=bool)


def _called(name: Any, named: bool, n_columns: int) -> str:
    return _NAMELESS if not named and n_columns == 1 else f"{_NAMELESS} {name!r}"
