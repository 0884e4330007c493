"""Columns of times and events: which value of a column is the event, and what of the others."""

from __future__ import annotations

from typing import Any

import pandas as pd
from numpy.typing import NDArray

from intertwine.cli.columns import is_number, rows_of, spelled
from intertwine.cli.mistakes import Mistake, did_you_mean
from intertwine.cli.typos import refuse_typos
from intertwine.validation import survival_target

__all__ = ["notes_on_censoring", "split_event", "times_and_events"]

_MOST_SHOWN = 5


def split_event(event: str | None) -> tuple[str | None, str | None]:
    """``status=2`` names the column and the value that is the event."""
    if event is None or "=" not in event:
        return event, None
    column, _, value = event.rpartition("=")
    return column, value


def times_and_events(
    table: pd.DataFrame, time: str, event: str, value: str | None, entry: str | None
) -> NDArray[Any]:
    """The survival target in complete rows of a table.

    Parameters
    ----------
    table : DataFrame
        Its index counts the rows of the file from 0.
    time, event : str
    value : str or None
        What `event` holds where it was seen; None: 1, or true.
    entry : str or None

    Raises
    ------
    Mistake
        For events that are not told apart so, and times that are none.
    """
    happened = table[event]
    if value is not None:
        happened = spelled(happened) == value
        if not happened.any():
            raise Mistake(
                f"{event!r} is never {value!r}; {did_you_mean(value, sorted(set(spelled(table[event]))))}"
            )
    elif not is_number(happened) and not pd.api.types.is_bool_dtype(happened):
        levels = sorted(set(spelled(happened)))
        raise Mistake(
            f"{event!r} holds text; say which value is the event, e.g. --event {event}={levels[-1]}"
        )
    elif is_number(happened) and not set(happened.unique()) <= {0, 1}:
        levels = sorted(set(spelled(happened)))
        raise Mistake(
            f"{event!r} holds {', '.join(levels[:6])}; say which value is the event, e.g. --event {event}={levels[-1]}"
        )
    for name in (time, entry):
        if name is None:
            continue
        if not is_number(table[name]):
            refuse_typos(table[name], name)
            raise Mistake(f"{name!r} holds text or dates; times must be numbers in one unit")
        if (negative := table[name] < 0).any():
            raise Mistake(f"{name!r} is negative in {rows_of(table.index[negative])}: times count from 0")
    return survival_target(
        table[time].to_numpy(float),
        happened.to_numpy().astype(bool),
        None if entry is None else table[entry].to_numpy(float),
    )


def notes_on_censoring(values: pd.Series, name: str, event: str | None) -> list[str]:
    """What else than the event stands in its column, where that is not one thing: all of it counts as censored."""
    if event is None:
        return []
    others = spelled(values).value_counts().drop(event, errors="ignore")
    if len(others) < 2:
        return []
    told = ", ".join(f"{level!r} ({n:,})" for level, n in list(others.items())[:_MOST_SHOWN])
    more = f" and {len(others) - _MOST_SHOWN} more" if len(others) > _MOST_SHOWN else ""
    return [f"Of {name!r} only {event!r} is the event; {told}{more} count as censored."]
