"""Columns of ids: numbers or text, the same at every reading, and what is said of gaps in them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from intertwine.cli.columns import refuse_dates, rows_of
from intertwine.cli.mistakes import Mistake
from intertwine.tables import as_level

__all__ = ["NUMBERS", "TEXT", "as_kind", "kind_of", "refuse_gaps"]

#: Kinds of columns.
NUMBERS, TEXT = "numbers", "text"


def kind_of(values: pd.Series, name: str, notes: list[str]) -> str:
    """Whether ids are numbers or text; that text stands among numbers is noted.

    Raises
    ------
    Mistake
        For dates.
    """
    refuse_dates(values, name)
    if told := _text_among_numbers(values):
        notes.append(f"{name!r} holds text in {told} among numbers: all of it was taken as text.")
    return NUMBERS if pd.api.types.is_numeric_dtype(values) else TEXT


def as_kind(values: pd.Series, name: str, kind: str) -> pd.Series:
    """Ids as they were in the fit; gaps stay gaps.

    Raises
    ------
    Mistake
        For text where the model was fitted on numbers.
    """
    return _as_text(values) if kind == TEXT else _as_numbers(values, name)


def refuse_gaps(values: pd.Series, name: str, advice: str) -> None:
    """Refuse a column with missing entries.

    Raises
    ------
    Mistake
        With the rows.
    """
    missing = values.isna()
    if missing.any():
        raise Mistake(f"{name!r} is missing in {rows_of(values.index[missing])}: {advice}")


def _text_among_numbers(values: pd.Series) -> str:
    """Where a column of text does not hold numbers, if nearly everywhere it does."""
    if pd.api.types.is_numeric_dtype(values):
        return ""
    known = values[values.notna()]
    wrong = pd.to_numeric(known.astype(object), errors="coerce").isna()
    return rows_of(known.index[wrong]) if 0 < wrong.sum() <= 0.1 * len(known) else ""


def _as_text(values: pd.Series) -> pd.Series:
    return values.astype(object).map(as_level, na_action="ignore").astype(object)


def _as_numbers(values: pd.Series, name: str) -> pd.Series:
    if not pd.api.types.is_numeric_dtype(values):
        numbers = pd.to_numeric(values.astype(object), errors="coerce")
        if (wrong := numbers.isna() & values.notna()).any():
            first = values[wrong].iloc[0]
            raise Mistake(
                f"{name!r} holds text in {rows_of(values.index[wrong])} ({first!r}), where the model was fitted on "
                "numbers"
            )
        values = numbers
    whole = pd.api.types.is_float_dtype(values) and bool((values == np.floor(values)).all())
    return values.astype("int64") if whole else values
