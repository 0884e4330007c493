"""Frames of pandas, polars and pyarrow: names, kinds of columns, indexes."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from bad_inputs.cases import (
    Change,
    X,
    alike,
    refused,
    refused_after_frame,
    rows,
    warned,
    warned_later,
)
from bad_inputs.columns import N_ROWS, NAMES, Given

_DAYS = [dt.datetime(2020, 1, 1) + dt.timedelta(days=i) for i in range(N_ROWS)]
_TEXT = ["a", "b", "c"] * (N_ROWS // 3)
_OTHER_INDEX = range(1, N_ROWS + 1)


def _pandas(**columns: Any) -> Change:
    """X as a frame, with further or other columns."""
    return X(lambda v: pd.DataFrame(v, columns=NAMES).assign(**columns))


def _polars(**columns: Any) -> Change:
    return X(lambda v: pl.DataFrame(v, schema=NAMES).with_columns(**columns))


def _arrow(names: list[str]) -> Change:
    return X(lambda v: pa.table([pa.array(column) for column in v.T], names=names))


def _named(names: list[Any]) -> Change:
    return X(lambda v: pd.DataFrame(v, columns=names))


def _gap(column: str, value: Any) -> Change:
    """A frame with one entry of a column spoilt."""

    def change(values: NDArray[Any]) -> pd.DataFrame:
        frame = pd.DataFrame(values, columns=NAMES)
        frame.loc[2, column] = value
        return frame

    return X(change)


def _frame_where(name: str, make: Any) -> Change:
    """A frame X, and something beside it with another index."""

    def change(given: Given) -> Given:
        columns = NAMES[: given.X.shape[1]]
        return given._replace(X=pd.DataFrame(given.X, columns=columns)).with_(**{name: make(given)})

    return change


def _y_elsewhere(given: Given) -> Given:
    other = (
        pd.DataFrame(given.y, index=_OTHER_INDEX) if given.y.dtype.names else pd.Series(given.y, _OTHER_INDEX)
    )
    return given._replace(X=pd.DataFrame(given.X, columns=NAMES[: given.X.shape[1]]), y=other)


_ORDER = r"'bmi', expected 'age'"
_INDEX = "X and {} have different indexes.*aligned by position"
_RATINGS = ["user", "item"]

FRAMES = {
    "pandas, polars; reordered, missing, extra columns": [
        alike("a polars frame", X(lambda v: pl.DataFrame(v, schema=NAMES)), "numbers"),
        alike("an arrow table", _arrow(NAMES), "numbers"),
        alike("a polars frame of ids", X(lambda v: pl.DataFrame(v, schema=_RATINGS)), "ratings"),
        alike("nullable numbers", X(lambda v: pd.DataFrame(v, columns=NAMES).astype("Float64")), "numbers"),
        refused("NaN by name", _gap("age", np.nan), ValueError, r"X contains NaN in \['age'\]", "complete"),
        refused("NA by name", _pandas(age=pd.array([1, None] * 15)), ValueError, r"NaN in \['age'\]", "complete"),
        refused("null by name", _polars(age=pl.Series([1, None] * 15)), ValueError, r"NaN in \['age'\]", "complete"),
        refused("infinity by name", _gap("age", np.inf), ValueError, r"infinity in \['age'\]"),
        refused("overflow by name", _gap("age", 1e300), ValueError, r"rescale \['age'\]"),
        refused("nothing observed, by name", _pandas(age=np.nan), ValueError, r"no observed value in \['age'\]", "gaps"),
        refused("no rows", lambda g: _pandas()(rows(0)(g)), ValueError, r"0 sample\(s\)"),
        warned("constant by name", _pandas(age=1.0), r"constant in \['age'\]"),
        refused_after_frame("reordered", X(lambda f: f[f.columns[::-1]]), ValueError, _ORDER, "numbers"),
        refused_after_frame("reordered ids", X(lambda f: f[f.columns[::-1]]), ValueError, "in the same order", "ratings"),
        refused_after_frame("reordered in polars", X(lambda f: pl.DataFrame(f)[:, ::-1]), ValueError, "same order"),
        refused_after_frame("missing", X(lambda f: f.iloc[:, 1:]), ValueError, "now missing:\n- (age|user)"),
        refused_after_frame("missing in polars", X(lambda f: pl.DataFrame(f)[:, 1:]), ValueError, "now missing:\n- "),
        refused_after_frame("extra", X(lambda f: f.assign(k=1.0)), ValueError, "unseen at fit time:\n- k"),
    ],
    "duplicate names; int and str names mixed": [
        refused("twice", _named(["age", "age", "bmi"]), ValueError, r"duplicate column names \['age'\]"),
        refused("twice in arrow", _arrow(["age", "age", "bmi"]), ValueError, r"duplicate column names \['age'\]"),
        refused("twice for ids", _named(["user", "user"]), ValueError, r"duplicate column names \['user'\]", "ratings"),
        refused("mixed", _named(["age", 1, "bmi"]), TypeError, r"names of types \['int', 'str'\]"),
        refused("mixed for ids", _named(["user", 1]), TypeError, r"names of types \['int', 'str'\]", "ratings"),
    ],
    "array after a frame": [
        warned_later("array after a frame", lambda g: g, "does not have valid feature names", after_frame=True),
        warned_later("frame after an array", _polars(), "fitted without feature names", "numbers"),
    ],
    "lazy frame": [
        refused("lazy", X(lambda v: pl.LazyFrame(v)), TypeError, r"X is a lazy frame.*call \.collect\(\)", ""),
        refused("lazy groups", lambda g: g.with_(groups=pl.LazyFrame({"g": g.beside["groups"]})), TypeError, "collect", "groups"),
        refused("lazy subjects", lambda g: g.with_(subject=pl.LazyFrame({"s": g.beside["subject"]})), TypeError, "collect", "subjects"),
    ],
    "category, string, datetime columns": [
        refused("text", _pandas(g=_TEXT), ValueError, r"encode \['g'\]"),
        refused("text as objects", _pandas(g=np.array(_TEXT, object)), ValueError, r"encode \['g'\]"),
        refused("numbers as text", _pandas(g=["1"] * N_ROWS), ValueError, r"encode \['g'\]"),
        refused("category", _pandas(g=pd.Categorical([1, 2] * 15)), ValueError, r"encode \['g'\]"),
        refused("dates", _pandas(day=_DAYS), ValueError, r"convert \['day'\] \(datetime64"),
        refused("zoned dates", _pandas(day=pd.to_datetime(_DAYS, utc=True)), ValueError, r"convert \['day'\]"),
        refused("durations", _pandas(gap=pd.to_timedelta(range(N_ROWS))), ValueError, r"convert \['gap'\]"),
        refused("objects", _pandas(o=np.array([1, "a"] * 15, object)), ValueError, r"convert \['o'\]"),
        refused("complex", _pandas(z=1j), ValueError, r"convert \['z'\]"),
        refused("two kinds", _pandas(g=_TEXT, day=_DAYS), ValueError, r"encode \['g'\].*; convert \['day'\]"),
        refused("text in polars", _polars(g=pl.Series(_TEXT)), ValueError, r"encode \['g'\] \(String\)"),
        refused("category in polars", _polars(g=pl.Series(_TEXT, dtype=pl.Categorical)), ValueError, r"encode \['g'\]"),
        refused("enum in polars", _polars(g=pl.Series(_TEXT, dtype=pl.Enum("abc"))), ValueError, r"encode \['g'\]"),
        refused("dates in polars", _polars(day=pl.Series(_DAYS)), ValueError, r"convert \['day'\] \(Datetime"),
        refused("lists in polars", _polars(v=pl.Series([[1.0]] * N_ROWS)), ValueError, r"convert \['v'\]"),
        refused_after_frame("text later", X(lambda f: f.assign(bmi=_TEXT)), ValueError, r"encode \['bmi'\]", "numbers"),
        refused_after_frame("dates for ids later", X(lambda f: f.assign(item=_DAYS)), ValueError, "ids are dates", "ratings"),
        refused("dates for ids", lambda g: g._replace(X=pd.DataFrame({"u": _TEXT, "i": _DAYS})), ValueError, "ids are dates", "ratings"),
    ],
    "X and y with different index": [
        warned("y", _y_elsewhere, _INDEX.format("y"), "target"),
        warned(
            "sample_weight",
            _frame_where("sample_weight", lambda g: pd.Series(np.ones(N_ROWS), _OTHER_INDEX)),
            _INDEX.format("sample_weight"),
            "weights -search",  # a search silences what its refit says again
        ),
        warned("groups", _frame_where("groups", lambda g: pd.Series(g.beside["groups"], _OTHER_INDEX)), _INDEX.format("groups"), "groups"),
        warned("subject", _frame_where("subject", lambda g: pd.Series(g.beside["subject"], _OTHER_INDEX)), _INDEX.format("subject"), "subjects"),
    ],
}  # fmt: skip
