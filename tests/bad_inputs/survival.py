"""Survival targets and strata."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from sklearn.exceptions import ConvergenceWarning

from bad_inputs.cases import Case, accepted, beside, refused, warned, y
from bad_inputs.columns import N_ROWS, Given, features

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


def _bad(id: str, target: Any, words: str, error: type[Exception] = ValueError, to: str = "survival") -> Case:
    return refused(id, y(lambda: target), error, words, to)


def _separated(given: Given) -> Given:
    """Rows with more of the first feature die first, without exception; hardly a penalty."""
    order = np.argsort(-features()[:, 0])
    time = np.empty(N_ROWS)
    time[order] = _TIME
    return given._replace(y=_frame(time=time, event=1)).set(alpha=1e-6, alpha_pairs=1.0)


_UNIT = "float plus unit"
_NAME = "name time and event"
_LEFT = "survival -search"

SURVIVAL = {
    "negative, NaN, inf time": [
        _bad("negative", _frame(time=_times(3, -1)), r"time is negative in rows \[3\]"),
        _bad("negative, 1-D", _times(3, -1), r"time is negative in rows \[3\]"),
        _bad("NaN", _frame(time=_times(3, np.nan)), r"time contains NaN in rows \[3\]"),
        _bad("infinity", _frame(time=_times(3, np.inf)), r"time contains infinity in rows \[3\]"),
        _bad("overflow", _frame(time=_times(3, 1e300)), r"rows \[3\]: rescale time"),
        _bad("text", _frame(time=_TIME.astype(str)), "time holds text"),
    ],
    "time = 0": [accepted("time = 0", y(_frame(time=_times(3, 0.0))), "survival")],
    "no event; event ∈ {0,1,2} or {1,2}": [
        _bad("no events", _frame(event=0), "no events"),
        _bad("none is True", _frame(event=False), "no events"),
        _bad("competing risks", _frame(event=[0, 1, 2] * 10), "competing risks are not supported"),
        _bad("1 and 2", _frame(event=[1, 2] * 15), "pass status == 2"),
        _bad("1.0 and 2.0", _frame(event=[1.0, 2.0] * 15), "pass status == 2"),
        _bad("-1 and 1", _frame(event=[-1, 1] * 15), r"event holds \[-1, 1\], expected bool"),
        _bad("text", _frame(event=["dead", "alive"] * 15), "event holds text; compare"),
        _bad("NaN", _frame(event=[np.nan, 1.0] * 15), r"event contains NaN in rows \[0, 2"),
        _bad("NA", _frame(event=pd.array([None, True] * 15)), "event contains NaN in rows"),
        refused(
            "events without weight",
            beside(sample_weight=(np.arange(N_ROWS) % 3 == 0).astype(float)),
            ValueError,
            "no events among the rows of positive sample_weight",
            "survival",
        ),
        _bad("the last alone", _frame(event=_TIME == N_ROWS), "no event has another row at risk"),
    ],
    "two unnamed columns": [
        _bad("an array", np.c_[_TIME, _EVENT], f"2 columns without names: {_NAME}"),
        _bad("pairs", list(zip(_EVENT == 1, _TIME, strict=True)), f"2 columns without names: {_NAME}"),
        _bad("a pair of vectors", (_TIME, _EVENT), r"survival_target\(time, event\)"),
        _bad("swapped", _frame(time=_EVENT, event=_TIME), "are time and event swapped"),
        _bad("other names", _frame().set_axis(["days", "status"], axis=1), rf"y has columns \['days', 'status'\]: {_NAME}"),
        _bad("time alone", _frame()[["time"]], rf"y has columns \['time'\]: {_NAME}"),
        _bad("two fields of numbers", _records(("a", _TIME), ("b", _EVENT)), _NAME),
        _bad("one column more", _frame(age=1.0), r"y has columns \['age'\] besides time, event"),
        _bad("events alone", _EVENT == 1, f"events but no times: {_NAME}"),
        warned("times alone", y(_TIME), "every row counts as an event", "survival"),
        _bad("lazy", pl.LazyFrame({"time": _TIME, "event": _EVENT}), "y is a lazy frame", TypeError),
    ],
    "datetime or timedelta": [
        _bad("dates", _frame(time=pd.to_datetime(_TIME)), _UNIT, TypeError),
        _bad("zoned dates", _frame(time=pd.to_datetime(_TIME, utc=True)), _UNIT, TypeError),
        _bad("durations", _frame(time=pd.to_timedelta(_TIME)), _UNIT, TypeError),
        _bad("durations in polars", pl.DataFrame({"time": pl.Series(range(30), dtype=pl.Duration), "event": [True] * 30}), _UNIT, TypeError),
        _bad("dates, 1-D", _TIME.astype("datetime64[D]"), _UNIT, TypeError),
    ],
    "all tied; perfect separation": [
        warned("all tied", y(_frame(time=2.0)), "all times are equal", "survival"),
        warned("separated", _separated, r"\['x0'\] diverges: .*; raise alpha", _LEFT, ConvergenceWarning),
    ],
    "entry ≥ exit; a fold without events": [
        _bad("late", _frame(entry=_times(4, 99)), r"entry is not before time in rows \[0, 1"),
        _bad("equal", _frame(entry=np.where(_TIME == 5, 5.0, 0.0)), r"time in rows \[4\]"),
        _bad("NaN", _frame(entry=np.nan), r"entry contains NaN in rows"),
        _bad("a fold without events", _frame(event=np.arange(N_ROWS) == 5), "fold 0 of cv has too little to (fit|test): no events.*; take fewer folds", to="survival search"),
        refused("strata of other length", beside(strata=["a"] * 20), ValueError, "30 rows, but strata has 20", "survival"),
        refused("strata missing", beside(strata=["a", None, "b"] * 10), ValueError, "10 missing labels", "survival"),
        refused("strata NaN", beside(strata=[1.0, np.nan, 2.0] * 10), ValueError, "10 missing labels", "survival"),
        refused("strata mixed", beside(strata=[1, "1", 2] * 10), TypeError, r"types \['int', 'str'\]", "survival"),
        refused("strata 2-D", beside(strata=np.ones((30, 2))), ValueError, "strata has shape", "survival"),
    ],
}  # fmt: skip
