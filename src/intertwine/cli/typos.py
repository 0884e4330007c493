"""A column of numbers that a typing error has turned into text."""

from __future__ import annotations

import pandas as pd

from intertwine.cli.mistakes import Mistake

__all__ = ["refuse_typos"]

_NEARLY_ALL = 0.9
_MOST_SHOWN = 3


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
    if wrong.empty or len(wrong) > (1 - _NEARLY_ALL) * len(known):
        return
    rows = ", ".join(f"{row + 1} ({text!r})" for row, text in wrong.iloc[:_MOST_SHOWN].items())
    more = f" and {len(wrong) - _MOST_SHOWN} more" if len(wrong) > _MOST_SHOWN else ""
    advice = f", or {otherwise}" if otherwise else ""
    raise Mistake(
        f"column {name!r} holds text in row{'s' if len(wrong) > 1 else ''} {rows}{more} among numbers; "
        f"correct the file{advice}"
    )
