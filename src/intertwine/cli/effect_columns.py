"""Columns that say the group, the time and the place of a row: found, checked, and read the same way again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import pandas as pd

from intertwine.cli.columns import is_number, refuse_dates, require_column
from intertwine.cli.id_columns import as_kind, kind_of, refuse_gaps
from intertwine.cli.mistakes import Mistake
from intertwine.cli.preparation import require_columns
from intertwine.cli.typos import holds_written_dates, refuse_typos
from intertwine.compare.from_table import Beside

__all__ = ["EffectColumns", "require_columns_of", "role_mistakes"]


def require_columns_of(table: pd.DataFrame, beside: Beside, others: Sequence[str]) -> None:
    """Refuse columns that are not there, and such as have two roles.

    Raises
    ------
    Mistake
    """
    for name in [*beside.columns, *others]:
        require_column(table, name)
    named = [*beside.groups, *beside.coords, *([beside.time] if beside.time else []), *others]
    if twice := [name for name in named if named.count(name) > 1]:
        raise Mistake(f"{twice[0]!r} is named twice, as target, dropped, group, time or coordinate")
    if len(beside.coords) == 1:
        raise Mistake(f"--coords {beside.coords[0]}: a place has two coordinates at least, --coords LAT,LON")


def role_mistakes(model: str, roles: dict[str, Any]) -> None:
    """Refuse roles that only survival has.

    Raises
    ------
    Mistake
    """
    given = [f"--{name}" for name in ("event", "entry") if roles[name] is not None]
    if given:
        raise Mistake(f"{', '.join(given)}: not for --model {model}")


@final
class EffectColumns:
    """How the columns beside the features are read.

    Parameters
    ----------
    beside : Beside
    kinds : dict of str to str
        Of the groups, "numbers" or "text".
    """

    def __init__(self, beside: Beside, kinds: dict[str, str]) -> None:
        self.beside = beside
        self.kinds = kinds

    @classmethod
    def of(cls, table: pd.DataFrame, beside: Beside, notes: list[str]) -> EffectColumns:
        """Those of a table to be fitted on; complete rows only.

        Raises
        ------
        Mistake
            Times and coordinates that are no numbers; one group only.
        """
        for name in (*beside.coords, *([beside.time] if beside.time else [])):
            _refuse_no_numbers(table[name], name)
        kinds = {name: kind_of(table[name], name, notes) for name in beside.groups}
        for name in beside.groups:
            if table[name].nunique() < 2:
                raise Mistake(
                    f"{name!r} is {str(table[name].iloc[0])!r} in every row: it tells no groups apart"
                )
        return cls(beside, kinds)

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> EffectColumns:
        """Those of a model file."""
        return cls(Beside(tuple(state["kinds"]), state["time"], tuple(state["coords"])), dict(state["kinds"]))

    def to_state(self) -> dict[str, Any]:
        """Plain data that it can be made from again."""
        return {"kinds": self.kinds, "time": self.beside.time, "coords": list(self.beside.coords)}

    def read(self, table: pd.DataFrame) -> pd.DataFrame:
        """The columns of a table, as they were in the fit; a missing group is one that nobody knows.

        Raises
        ------
        Mistake
            Columns that are absent or hold something else, times and coordinates with gaps.
        """
        require_columns(table, self.beside.columns)
        columns = {name: as_kind(table[name], name, kind) for name, kind in self.kinds.items()}
        for name in (*self.beside.coords, *([self.beside.time] if self.beside.time else [])):
            _refuse_no_numbers(table[name], name)
            refuse_gaps(table[name], name, "drop those rows, or fill it in")
            columns[name] = table[name].astype(float)
        return pd.DataFrame(columns, index=table.index)


def _refuse_no_numbers(values: pd.Series, name: str) -> None:
    refuse_dates(values, name)
    if not is_number(values):
        refuse_typos(values, name)
        if holds_written_dates(values):
            raise Mistake(f"{name!r} holds dates; count days, or years, since the first of them instead")
        raise Mistake(f"{name!r} holds text; times and coordinates must be numbers")
