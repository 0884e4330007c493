"""Columns that are not what they seem: counters of rows, and labels that differ in nothing but their spelling."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from intertwine.cli.columns import is_number
from intertwine.cli.mistakes import quoted
from intertwine.cli.names import is_id, is_time
from intertwine.report.words import listed

__all__ = ["counts_rows", "named_of", "notes_on_numbers", "notes_on_spelling", "without_counters"]

_ROW_NAMES = ("rownames", "row.names", "index", "level_0", "__index_level_0__")
_UNNAMED = "Unnamed: "
_LEAST_ROWS = 4  # of which numbers in order say something
_MOST_SHOWN = 4


def counts_rows(values: pd.Series) -> bool:
    """Whether a column holds 0 … n − 1, as Python counts, or 1 … n, as R does.

    Examples
    --------
    >>> counts_rows(pd.Series([1, 2, 3])), counts_rows(pd.Series([5, 6, 7])), counts_rows(pd.Series(["1", "2"]))
    (True, False, False)
    """
    if not is_number(values):
        return False
    found = values.to_numpy(float, na_value=np.nan)
    return any(np.array_equal(found, np.arange(len(found)) + first) for first in (0, 1))


def counters_of(table: pd.DataFrame, kept: Iterable[str] = ()) -> list[str]:
    """Columns that are surely the index of whoever wrote the file: they count, and have no name or that of an index.

    Parameters
    ----------
    table : DataFrame
    kept : iterable of str, optional
        Columns that somebody named, for whatever role.

    Examples
    --------
    >>> counters_of(pd.DataFrame({"Unnamed: 0": [0, 1, 2], "dose": [1, 2, 3]}))
    ['Unnamed: 0']
    """
    named = set(kept)
    return [
        name
        for name in map(str, table.columns)
        if name not in named
        and (_is_unnamed(name) or name.lower() in _ROW_NAMES)
        and counts_rows(table[name])
    ]


def without_counters(table: pd.DataFrame, kept: Iterable[str], notes: list[str]) -> pd.DataFrame:
    """The table without columns that are surely counters of its rows, which is noted."""
    found = counters_of(table, kept)
    for name in found:
        called = "A column without a name" if _is_unnamed(name) else f"{name!r}"
        notes.append(f"{called} counts the rows and was left out; --keep {quoted(name)} keeps it.")
    return table.drop(columns=found)


def notes_on_numbers(table: pd.DataFrame, features: Iterable[str], kept: Sequence[str]) -> list[str]:
    """Say which features may be counters of rows: whole numbers in order, none of which recurs, and ids.

    Parameters
    ----------
    table : DataFrame
    features : iterable of str
        Columns that are read as numbers.
    kept : sequence of str
        Columns that are wanted, whatever they look like.
    """
    suspects = [
        name
        for name in features
        if name in table.columns and name not in kept and not is_time(name) and _may_count(table[name], name)
    ]
    if not suspects:
        return []
    told = quoted(",".join(suspects))
    return [
        f"{listed(suspects)}: another whole number in every row, as counters and ids are, and read as a number. "
        f"--drop {told} leaves it out; --keep {told} says that it is meant."
    ]


def _may_count(values: pd.Series, name: str) -> bool:
    if not is_number(values) or len(values) < _LEAST_ROWS or values.isna().any() or not values.is_unique:
        return False
    found = values.to_numpy(float)
    if not np.array_equal(found, np.round(found)):
        return False
    return (
        is_id(name) or _is_unnamed(name) or bool((np.diff(found) > 0).all() or (np.diff(found) == -1).all())
    )


def notes_on_spelling(table: pd.DataFrame, columns: Iterable[str]) -> list[str]:
    """Name labels that differ only in capitals and blanks, in one line.

    Examples
    --------
    >>> notes_on_spelling(pd.DataFrame({"sex": ["Male", "male ", "female"]}), ["sex"])
    ["Labels that differ only in capitals or blanks count as different: sex ('Male' and 'male ')...]
    """
    told = []
    for name in dict.fromkeys(columns):
        if name in table.columns and not is_number(table[name]):
            told += [f"{name} ({_these(alike)})" for alike in _spelled_alike(table[name])]
    if not told:
        return []
    return [
        f"Labels that differ only in capitals or blanks count as different: {listed(told, _MOST_SHOWN)}. Write them "
        "alike if they are the same."
    ]


def _spelled_alike(values: pd.Series) -> list[list[str]]:
    """Spellings of the same label, the most frequent first."""
    texts = [text for text in values.dropna().astype(object).value_counts().index if isinstance(text, str)]
    alike: dict[str, list[str]] = {}
    for text in texts:
        alike.setdefault(" ".join(text.split()).casefold(), []).append(text)
    return [several for several in alike.values() if len(several) > 1]


def _these(spellings: Sequence[str]) -> str:
    return listed([repr(one) for one in spellings], _MOST_SHOWN)


def named_of(*given: Any) -> set[str]:
    """All texts that roles and settings consist of, among them the names of columns."""
    found: set[str] = set()
    for one in given:
        if isinstance(one, str):
            found |= {one, *(part.strip() for part in one.split(",")), one.rpartition("=")[0]}
        elif isinstance(one, dict):
            found |= named_of(*one.values())
        elif isinstance(one, (list, tuple)):
            found |= named_of(*one)
    return found


def _is_unnamed(name: str) -> bool:
    return name.startswith(_UNNAMED) or not name.strip()
