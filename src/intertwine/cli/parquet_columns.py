"""Columns of Parquet files that no CSV file has: names of rows, decimals, bytes, and values inside of values."""

from __future__ import annotations

import decimal
from pathlib import Path
from typing import Any

import pandas as pd

from intertwine.report.words import listed

__all__ = ["plain_columns"]


def plain_columns(table: pd.DataFrame, path: Path, notes: list[str]) -> pd.DataFrame:
    """A table whose columns hold numbers, text, truth values or dates.

    An index with a name is a column, as it is in a CSV file; decimals are numbers, bytes of UTF-8 are text; what is
    neither number nor text, such as a list in each row, is left out.

    Parameters
    ----------
    table : DataFrame
        As pandas reads it.
    path : Path
    notes : list of str
        Is told what was left out.

    Examples
    --------
    >>> notes = []
    >>> table = pd.DataFrame({"dose": [decimal.Decimal("0.5")], "scan": [[1, 2]]}, index=pd.Index(["a"], name="id"))
    >>> plain_columns(table, Path("t.parquet"), notes)
      id  dose
    0  a   0.5
    >>> notes
    ['t.parquet: scan holds neither numbers nor text and was left out.']
    """
    names = [name for name in table.index.names if name is not None]
    if names and not set(names) & set(table.columns):
        table = table.reset_index(names)
    table = table.reset_index(drop=True)
    objects = [name for name in table.columns if table[name].dtype == object]
    plain = {name: _plain(table[name]) for name in objects}
    others = [name for name, values in plain.items() if values is None]
    if others:
        holds, was = ("holds", "was") if len(others) == 1 else ("hold", "were")
        told = listed(list(map(str, others)))
        notes.append(f"{path.name}: {told} {holds} neither numbers nor text and {was} left out.")
    kept = {name: values for name, values in plain.items() if values is not None}
    return table.drop(columns=others).assign(**kept)


def _plain(values: pd.Series) -> pd.Series | None:
    """A column of objects as one of numbers or text, where it is one."""
    kinds = set(map(type, values.dropna()))
    if kinds and kinds <= {decimal.Decimal, int, float}:
        return pd.to_numeric(values.map(float, na_action="ignore"))
    if bytes in kinds:
        try:
            return values.map(_decoded, na_action="ignore")
        except UnicodeDecodeError:
            return None
    return values if all(kind.__hash__ is not None for kind in kinds) else None


def _decoded(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value
