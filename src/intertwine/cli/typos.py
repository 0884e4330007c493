"""Columns of numbers and dates that are text in a file: by typing errors, by commas in decimals, or as dates are."""

from __future__ import annotations

import pandas as pd

from intertwine.cli.mistakes import Mistake

__all__ = ["holds_written_dates", "refuse_typos"]

_NEARLY_ALL = 0.9
_MOST_SHOWN = 3
_LIMIT = r"\s*[<>≤≥]=?\s*[-+]?\d[\d.,]*(?:[eE][-+]?\d+)?\s*"
_WITH_SIGN = r"\s*(?:[€$£¥]\s*[-+]?\d[\d.,]*|[-+]?\d[\d.,]*\s*[%‰€$£¥])\s*"
_WITH_COMMA = r"[-+]?[\d.]*,[\d.,]*\d"
_DATE = r"(?:\d{4}-\d{1,2}-\d{1,2}|\d{4}/\d{1,2}/\d{1,2}|\d{1,2}([./-])\d{1,2}\1\d{2,4})(?:[T ][\d:.]+.*)?"


def refuse_typos(values: pd.Series, name: str, otherwise: str = "") -> None:
    """Refuse a column of text that holds numbers nearly everywhere, with the rows where it does not.

    Parameters
    ----------
    values : Series
        Its index counts the rows of the file from 0.
    name : str
    otherwise : str, optional
        What to do where the text is meant.

    Raises
    ------
    Mistake

    Examples
    --------
    >>> refuse_typos(pd.Series(["21.5", "30"] * 10 + ["n/a?"]), "bmi")
    Traceback (most recent call last):
    ...
    intertwine.cli.mistakes.Mistake: column 'bmi' holds text in row 21 ('n/a?') among numbers; correct the file
    """
    if pd.api.types.is_numeric_dtype(values):
        return
    known = values[values.notna()].astype(object)
    numbers = pd.to_numeric(known, errors="coerce")
    wrong = known[numbers.isna()]
    if len(wrong) and _nearly_all(wrong, _WITH_COMMA) and _nearly_all(known, rf"{_WITH_COMMA}|[-+]?\d[\d.]*"):
        advice = f", or {otherwise}" if otherwise else ""
        raise Mistake(
            f"column {name!r} holds numbers with commas in them ({wrong.iloc[0]!r}); write points in decimals, and "
            f"nothing between thousands{advice}"
        )
    if len(wrong) and _nearly_all(wrong, _WITH_SIGN):
        advice = f", or {otherwise}" if otherwise else ""
        raise Mistake(
            f"column {name!r} holds numbers with signs beside them ({wrong.iloc[0]!r}); write the numbers alone{advice}"
        )
    limits = wrong[wrong.astype(str).str.fullmatch(_LIMIT)]
    if len(limits) and len(known) > len(wrong) and len(wrong) - len(limits) <= (1 - _NEARLY_ALL) * len(known):
        _refuse_limits(limits, name, otherwise)
    if wrong.empty or len(wrong) > (1 - _NEARLY_ALL) * len(known):
        return
    rows = ", ".join(f"{row + 1} ({text!r})" for row, text in wrong.iloc[:_MOST_SHOWN].items())
    more = f" and {len(wrong) - _MOST_SHOWN} more" if len(wrong) > _MOST_SHOWN else ""
    advice = f", or {otherwise}" if otherwise else ""
    raise Mistake(
        f"column {name!r} holds text in row{'s' if len(wrong) > 1 else ''} {rows}{more} among numbers; "
        f"correct the file{advice}"
    )


def _refuse_limits(limits: pd.Series, name: str, otherwise: str) -> None:
    counts = limits.value_counts()
    shown = ", ".join(f"{text!r} ({n:,})" for text, n in counts.iloc[:_MOST_SHOWN].items())
    more = f" and {len(counts) - _MOST_SHOWN} more" if len(counts) > _MOST_SHOWN else ""
    advice = f", or {otherwise}" if otherwise else ""
    raise Mistake(
        f"column {name!r} holds limits among numbers, {shown}{more}: write numbers in their place, such as half a "
        f"limit of detection, or leave those fields empty{advice}"
    )


def holds_written_dates(values: pd.Series) -> bool:
    """Whether text is dates nearly everywhere; a CSV file has no other ones.

    Examples
    --------
    >>> holds_written_dates(pd.Series(["2024-05-03", "2024-05-04 10:00", "03.05.2024"]))
    True
    >>> holds_written_dates(pd.Series(["10-12-14", "a"]))
    False
    """
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_datetime64_any_dtype(values):
        return False
    known = values[values.notna()]
    return len(known) > 0 and _nearly_all(known, _DATE)


def _nearly_all(texts: pd.Series, pattern: str) -> bool:
    found = texts.astype(str).drop_duplicates().str.strip().str.fullmatch(pattern)
    return bool(found.mean() >= _NEARLY_ALL)
