"""What a column holds: numbers, labels, dates, gaps; and how its rows and labels are told."""

from __future__ import annotations

from typing import NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from intertwine.cli.mistakes import Mistake, did_you_mean, quoted
from intertwine.cli.typos import refuse_typos

__all__ = [
    "CODE",
    "complete_rows",
    "is_number",
    "left_out",
    "numbers_of",
    "refuse_as_dates",
    "refuse_dates",
    "require_column",
    "rows_of",
    "spelled",
]

#: 007 is a name; 07 may be a month.
CODE = r"0[0-9]{2,}"

_MOST_SHOWN = 5


def is_number(values: pd.Series) -> bool:
    """Whether a column holds numbers, and not truth values."""
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def spelled(values: pd.Series) -> pd.Series:
    """Labels as text; 2.0 reads 2, because a column of whole numbers with gaps is read as floats."""
    return values.map(lambda v: str(int(v)) if isinstance(v, float) and v.is_integer() else str(v))


def require_column(table: pd.DataFrame, name: str) -> None:
    """Refuse the name of a column that is not there.

    Raises
    ------
    Mistake
    """
    if name not in table.columns:
        raise Mistake(f"no column {name!r}; {did_you_mean(name, table.columns)}")


def complete_rows(table: pd.DataFrame, columns: list[str], notes: list[str]) -> pd.DataFrame:
    """Rows that have all of `columns`; how many have not is noted.

    A column of numbers but for words in the rows left out, such as the sums below a table, is one of numbers then.

    Raises
    ------
    Mistake
        When none has.
    """
    known = table[columns].notna().all(axis=1)
    missing = int((~known).sum())
    if missing == len(table):
        raise Mistake(f"{' and '.join(columns)}: every row is missing")
    if not missing:
        return table
    notes.append(left_out(missing, len(table), " or ".join(columns)))
    return _without_words(table, known)


def _without_words(table: pd.DataFrame, kept: pd.Series) -> pd.DataFrame:
    numbers = {}
    for name in (name for name in table.columns if table[name].dtype in (object, str)):
        text = table.loc[table[name].notna(), name]
        is_word = pd.to_numeric(text, errors="coerce").isna()
        rest = text[kept]
        if is_word.any() and not is_word[kept].any() and not rest.astype(str).str.fullmatch(CODE).any():
            numbers[name] = pd.to_numeric(table.loc[kept, name])
    return table[kept].assign(**numbers)


def left_out(n: int, total: int, what: str) -> str:
    """Say how many rows lack something.

    Examples
    --------
    >>> left_out(1, 240, "age"), left_out(20, 2400, "age")
    ('1 of 240 rows lacks age and was left out.', '20 of 2,400 rows lack age and were left out.')
    """
    verbs = ("lacks", "was") if n == 1 else ("lack", "were")
    return f"{n:,} of {total:,} rows {verbs[0]} {what} and {verbs[1]} left out."


def refuse_dates(values: pd.Series, name: str) -> None:
    """Refuse a column of dates.

    Raises
    ------
    Mistake
    """
    if pd.api.types.is_datetime64_any_dtype(values) or pd.api.types.is_timedelta64_dtype(values):
        refuse_as_dates(name)


def refuse_as_dates(name: str, otherwise: str = "") -> NoReturn:
    """Refuse a column of dates, whatever they are kept as.

    Raises
    ------
    Mistake
    """
    raise Mistake(
        f"{name!r} holds dates; turn them into a number, or leave the column out with --drop {quoted(name)}"
        + otherwise
    )


def numbers_of(values: pd.Series, name: str, otherwise: str = "") -> NDArray[np.float64]:
    """A column of numbers that differ.

    Raises
    ------
    Mistake
        Otherwise, with what else to do.
    """
    if not is_number(values):
        refuse_typos(values, name)
        raise Mistake(f"{name!r} holds text, not numbers: choose another target{otherwise}")
    if values.nunique() == 1:
        raise Mistake(f"{name!r} is {values.iloc[0]} in every row: there is nothing to predict")
    return values.to_numpy(float)


def rows_of(index: pd.Index) -> str:
    """Rows of a file, counted from 1 below the header.

    Examples
    --------
    >>> rows_of(pd.Index([0])), rows_of(pd.Index(range(7)))
    ('row 1', 'rows 1, 2, 3, 4, 5 and 2 more')
    """
    shown = ", ".join(str(row + 1) for row in index[:_MOST_SHOWN])
    more = f" and {len(index) - _MOST_SHOWN:,} more" if len(index) > _MOST_SHOWN else ""
    return f"row{'s' if len(index) > 1 else ''} {shown}{more}"
