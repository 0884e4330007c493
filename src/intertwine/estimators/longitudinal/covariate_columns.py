"""Columns of covariates as a user passes them: found by name or position, read as numbers or as categories."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from intertwine.estimators.effect_rows.group_labels import GroupColumn, GroupTable, missing_labels
from intertwine.fitting.latent_factors.rating_ids import IdIndex
from intertwine.validation.caller import depth_of_caller
from intertwine.validation.ratings import id_values
from intertwine.validation.values import require_workable
from intertwine.validation.vectors import numbers_with_gaps
from intertwine.validation.wording import counted, listed

__all__ = ["CovariateColumns", "categories_of", "codes_of", "covariate_table", "holds_labels", "numbers_of"]


def covariate_table(covariates: Any, rows: Any, rows_name: str) -> GroupTable:
    """Columns as they were passed: a frame, a dict, an array (n,) or (n, k), or a Series."""
    return GroupTable(covariates, rows, rows_name, "covariates")


@final
class CovariateColumns:
    """Where the covariates that effects read stood in fit.

    Parameters
    ----------
    names : list or None
        Of all columns that there were; None of an array.
    n_columns : int
    positions : tuple of (key, position)

    Examples
    --------
    >>> table = covariate_table({"age": [61, 48], "sex": ["f", "m"]}, [[0.0]] * 2, "X")
    >>> columns = CovariateColumns.of(["sex"], table)
    >>> columns.values("sex", table).tolist()
    ['f', 'm']
    """

    def __init__(
        self, names: list[Any] | None, n_columns: int, positions: tuple[tuple[Any, int], ...]
    ) -> None:
        self.names, self.n_columns, self.positions = names, n_columns, positions

    @classmethod
    def of(cls, keys: Sequence[Any], table: GroupTable | None) -> CovariateColumns:
        """Find the columns that keys name.

        Raises
        ------
        ValueError
            Names the keys that are no column, and the columns that there are.
        """
        if table is None:
            if keys:
                raise ValueError(
                    f"effects read {listed(list(keys))}, but covariates were not passed: pass covariates=, a frame "
                    "or a dict with these columns"
                )
            return cls(None, 0, ())
        places = [(key, _position(key, table)) for key in keys]
        if absent := [key for key, place in places if place is None]:
            has = (
                counted(len(table), "column", "columns")
                if table.names is None
                else f"columns {listed(table.names)}"
            )
            raise ValueError(f"effects read {listed(absent)}, but covariates has {has}")
        return cls(table.names, len(table), tuple((key, place) for key, place in places if place is not None))

    def values(self, key: Any, table: GroupTable) -> NDArray[Any]:
        """The column of a key, among those of the fit or of other rows."""
        place = dict(self.positions)[key]
        if self.names is not None and table.names is not None:
            return table.values(table.names.index(self.names[place]))
        return table.values(place)

    def check(self, table: GroupTable | None) -> None:
        """Refuse columns of other rows that are not those of the fit.

        Raises
        ------
        ValueError
            Names what is missing.

        Warns
        -----
        UserWarning
            For an array where there were names: columns are taken by position.
        """
        if not self.positions:
            return
        if table is None:
            raise ValueError(
                "covariates were given in fit and are needed here: pass covariates=, with columns "
                f"{listed([key for key, _ in self.positions])}"
            )
        if self.names is not None and table.names is not None:
            wanted = [self.names[place] for _, place in self.positions]
            if absent := [name for name in wanted if name not in table.names]:
                raise ValueError(
                    f"covariates has columns {listed(table.names)}, but {listed(absent)} of the fit are missing"
                )
            return
        if len(table) != self.n_columns:
            raise ValueError(
                f"covariates has {counted(len(table), 'column', 'columns')}, expecting {self.n_columns} as in fit"
            )
        if self.names is not None:
            warnings.warn(
                f"covariates has no column names, but was fitted with {listed(self.names)}; columns are taken by "
                "position",
                UserWarning,
                stacklevel=depth_of_caller(),
            )

    def to_state(self) -> dict[str, Any]:
        """What a file holds of them."""
        return {
            "names": self.names,
            "n_columns": self.n_columns,
            "positions": [list(pair) for pair in self.positions],
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> CovariateColumns:
        """The columns that `to_state` wrote."""
        positions = tuple((key, place) for key, place in state["positions"])
        return cls(state["names"], state["n_columns"], positions)


def numbers_of(values: NDArray[Any], key: Any) -> NDArray[np.float64]:
    """Read a column as numbers; NaN where the covariate does not apply.

    Raises
    ------
    ValueError
        Text, infinity, values too large.
    TypeError
        Dates.

    Examples
    --------
    >>> numbers_of(np.array(["f", "m"]), "sex")
    Traceback (most recent call last):
    ...
    ValueError: covariate 'sex' holds text: make it Categorical('sex'), or convert it to float
    """
    if holds_labels(values):
        raise ValueError(
            f"covariate {key!r} holds text: make it Categorical({key!r}), or convert it to float"
        )
    if values.dtype.kind == "O":  # None, NaN and NA are one; then numpy sees what the rest are
        values = np.array(np.where(missing_labels(values), np.nan, values).tolist())
    numbers = numbers_with_gaps(values, f"covariate {key!r}")
    require_workable(numbers, f"covariate {key!r}")
    return numbers


def holds_labels(values: NDArray[Any]) -> bool:
    """Whether a column has text in it."""
    if values.dtype.kind == "O":
        return any(isinstance(value, str | bytes) for value in values)
    return values.dtype.kind in "US"


def categories_of(values: NDArray[Any], key: Any, named: bool) -> GroupColumn:
    """Number the categories of a column; a missing one is none.

    Raises
    ------
    ValueError
        Dates.
    TypeError
        Text mixed with numbers: 1 is not '1'.
    """
    called = f"covariate {key!r}"
    given = values[~missing_labels(values)]
    none = IdIndex(np.empty(0, dtype=object), called)
    index = IdIndex.of(id_values(given, called), called)[0] if len(given) else none
    return GroupColumn(key, 0, named, index)


def codes_of(column: GroupColumn, values: NDArray[Any], unseen: str) -> NDArray[np.int64]:
    """Codes of categories: −1 where there is none, or where it was not in fit.

    Parameters
    ----------
    column : GroupColumn
    values : ndarray (n,)
    unseen : {"warn", "raise", "ignore"}

    Raises
    ------
    ValueError
        With the categories that were not in fit, where these are refused.

    Warns
    -----
    UserWarning
        With them.
    """
    codes = column.codes(values)
    new = values[(codes < 0) & ~missing_labels(values)]
    if len(new) and unseen != "ignore":
        rows = counted(len(new), "row has", "rows have")
        labels = list(dict.fromkeys(new.tolist()))
        what = f"{rows} categories of covariate {column.name!r} that were not in fit: {listed(labels)}"
        if unseen == "raise":
            raise ValueError(f"{what}; unseen='warn' takes their effect for zero")
        warnings.warn(f"{what}; their effect is taken for zero", UserWarning, stacklevel=depth_of_caller())
    return codes


def _position(key: Any, table: GroupTable) -> int | None:
    if table.names is not None and key in table.names:
        return table.names.index(key)
    if isinstance(key, int | np.integer) and not isinstance(key, bool) and 0 <= key < len(table):
        return int(key)
    return None
