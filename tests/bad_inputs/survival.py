"""Survival targets and strata."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from bad_inputs.cases import N_ROWS, Case, with_fit_param, with_y

_TIME = np.arange(1.0, N_ROWS + 1)
_EVENT = np.arange(N_ROWS) % 2


def _frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"time": _TIME, "event": _EVENT}).assign(**columns)


def _times(row: int, value: float) -> np.ndarray:
    times = _TIME.copy()
    times[row] = value
    return times


def _records(*fields: tuple[str, Any]) -> np.ndarray:
    target = np.zeros(N_ROWS, dtype=[(name, np.asarray(column).dtype) for name, column in fields])
    for name, column in fields:
        target[name] = column
    return target


def _bad(case_id: str, make_y: Any, expected: type[Exception], match: str) -> Case:
    return with_y(case_id, "survival", make_y, expected, match)


SURVIVAL = [
    _bad("time-and-event-apart", lambda: (_TIME, _EVENT), ValueError, r"survival_target\(time, event\)"),
    _bad("time-negative", lambda: _frame(time=_times(3, -1)), ValueError, r"time is negative in rows \[3\]"),
    _bad("time-nan", lambda: _frame(time=_times(3, np.nan)), ValueError, r"time contains NaN in rows \[3\]"),
    _bad(
        "time-inf",
        lambda: _frame(time=_times(3, np.inf)),
        ValueError,
        r"time contains infinity in rows \[3\]",
    ),
    _bad("time-overflow", lambda: _frame(time=_times(3, 1e300)), ValueError, r"rows \[3\]: rescale time"),
    _bad("time-text", lambda: _frame(time=_TIME.astype(str)), ValueError, "time holds text"),
    _bad("time-dates", lambda: _frame(time=pd.to_datetime(_TIME)), TypeError, "float plus unit"),
    _bad("time-zoned", lambda: _frame(time=pd.to_datetime(_TIME, utc=True)), TypeError, "float plus unit"),
    _bad("time-duration", lambda: _frame(time=pd.to_timedelta(_TIME)), TypeError, "float plus unit"),
    _bad(
        "time-duration-polars",
        lambda: pl.DataFrame({"time": pl.Series(range(30), dtype=pl.Duration), "event": [True] * 30}),
        TypeError,
        "float plus unit",
    ),
    _bad("time-dates-1-d", lambda: _TIME.astype("datetime64[D]"), TypeError, "float plus unit"),
    _bad("time-negative-1-d", lambda: _times(3, -1), ValueError, r"time is negative in rows \[3\]"),
    _bad("times-alone", lambda: _TIME, UserWarning, "every row counts as an event"),
    _bad("times-equal", lambda: _frame(time=2.0), UserWarning, "all times are equal"),
    _bad("events-alone", lambda: _EVENT == 1, ValueError, "events but no times: name time and event"),
    _bad("no-events", lambda: _frame(event=0), ValueError, "no events"),
    _bad("no-events-bool", lambda: _frame(event=False), ValueError, "no events"),
    _bad(
        "competing-risks",
        lambda: _frame(event=[0, 1, 2] * 10),
        ValueError,
        "competing risks are not supported",
    ),
    _bad("status-1-2", lambda: _frame(event=[1, 2] * 15), ValueError, "pass status == 2"),
    _bad("status-1-2-float", lambda: _frame(event=[1.0, 2.0] * 15), ValueError, "pass status == 2"),
    _bad(
        "event-other", lambda: _frame(event=[-1, 1] * 15), ValueError, r"event holds \[-1, 1\], expected bool"
    ),
    _bad("event-text", lambda: _frame(event=["dead", "alive"] * 15), ValueError, "event holds text; compare"),
    _bad(
        "event-nan",
        lambda: _frame(event=[np.nan, 1.0] * 15),
        ValueError,
        r"event contains NaN in rows \[0, 2",
    ),
    _bad(
        "event-na",
        lambda: _frame(event=pd.array([None, True] * 15)),
        ValueError,
        "event contains NaN in rows",
    ),
    _bad("swapped", lambda: _frame(time=_EVENT, event=_TIME), ValueError, "are time and event swapped"),
    _bad(
        "unnamed-columns",
        lambda: np.c_[_TIME, _EVENT],
        ValueError,
        "2 columns without names: name time and event",
    ),
    _bad(
        "unnamed-pairs",
        lambda: list(zip(_EVENT == 1, _TIME, strict=True)),
        ValueError,
        "2 columns without names: name time and event",
    ),
    _bad(
        "other-names",
        lambda: _frame().rename(columns={"time": "days", "event": "status"}),
        ValueError,
        r"y has columns \['days', 'status'\]: name time and event",
    ),
    _bad(
        "time-only", lambda: _frame()[["time"]], ValueError, r"y has columns \['time'\]: name time and event"
    ),
    _bad(
        "two-numeric-fields", lambda: _records(("a", _TIME), ("b", _EVENT)), ValueError, "name time and event"
    ),
    _bad(
        "surplus-column", lambda: _frame(age=1.0), ValueError, r"y has columns \['age'\] besides time, event"
    ),
    _bad(
        "lazy-target", lambda: pl.LazyFrame({"time": _TIME, "event": _EVENT}), TypeError, r"y is a lazy frame"
    ),
    _bad(
        "entry-late",
        lambda: _frame(entry=_times(4, 99)),
        ValueError,
        r"entry is not before time in rows \[0, 1",
    ),
    _bad(
        "entry-equal", lambda: _frame(entry=np.where(_TIME == 5, 5.0, 0.0)), ValueError, r"time in rows \[4\]"
    ),
    _bad("entry-nan", lambda: _frame(entry=np.nan), ValueError, r"entry contains NaN in rows"),
    with_fit_param(
        "events-without-weight",
        "survival",
        "sample_weight",
        (np.arange(N_ROWS) % 3 == 0).astype(float),
        ValueError,
        "no events among the rows of positive sample_weight",
    ),
    with_fit_param(
        "strata-length", "survival", "strata", ["a"] * 20, ValueError, "30 rows, but strata has 20"
    ),
    with_fit_param(
        "strata-missing", "survival", "strata", ["a", None, "b"] * 10, ValueError, "10 missing labels"
    ),
    with_fit_param(
        "strata-nan", "survival", "strata", [1.0, np.nan, 2.0] * 10, ValueError, "10 missing labels"
    ),
    with_fit_param(
        "strata-mixed", "survival", "strata", [1, "1", 2] * 10, TypeError, r"types \['int', 'str'\]"
    ),
    with_fit_param("strata-2-d", "survival", "strata", np.ones((30, 2)), ValueError, "strata has shape"),
]
