"""Frames of pandas, polars and pyarrow."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from bad_inputs.cases import N_ROWS, NAMES, Inputs, features, later, pandas_frame, polars_frame, with_X

_DAYS = [dt.datetime(2020, 1, 1) + dt.timedelta(days=i) for i in range(N_ROWS)]
_TEXT = ["a", "b", "c"] * (N_ROWS // 3)


def _duplicated_names() -> pd.DataFrame:
    return pd.DataFrame(features(), columns=["age", "age", "bmi"])


def _mixed_names() -> pd.DataFrame:
    return pd.DataFrame(features(), columns=["age", 1, "bmi"])


FRAMES = [
    with_X("pandas-nan", lambda: pandas_frame(age=[np.nan] * 30), ValueError, r"X contains NaN in \['age'\]"),
    with_X("pandas-na", lambda: pandas_frame(age=pd.array([1, None] * 15)), ValueError, r"NaN in \['age'\]"),
    with_X("pandas-inf", lambda: pandas_frame(age=[np.inf] * 30), ValueError, r"infinity in \['age'\]"),
    with_X("pandas-overflow", lambda: pandas_frame(age=[1e300] * 30), ValueError, r"rescale \['age'\]"),
    with_X(
        "polars-null", lambda: polars_frame(age=pl.Series([1, None] * 15)), ValueError, r"NaN in \['age'\]"
    ),
    with_X(
        "polars-nan", lambda: polars_frame(age=pl.lit(np.nan)), ValueError, r"X contains NaN in \['age'\]"
    ),
    with_X("pandas-constant", lambda: pandas_frame(age=1.0), UserWarning, r"constant in \['age'\]"),
    with_X("duplicate-names", _duplicated_names, ValueError, r"duplicate column names \['age'\]"),
    with_X(
        "duplicate-names-arrow",
        lambda: pa.table([pa.array(features()[:, 0])] * 2, names=["age", "age"]),
        ValueError,
        r"duplicate column names \['age'\]",
    ),
    with_X("mixed-names", _mixed_names, TypeError, r"names of types \['int', 'str'\]"),
    with_X("lazy", lambda: polars_frame().lazy(), TypeError, r"call \.collect\(\)"),
    with_X("pandas-text", lambda: pandas_frame(g=_TEXT), ValueError, r"encode \['g'\]"),
    with_X(
        "pandas-text-object", lambda: pandas_frame(g=np.array(_TEXT, object)), ValueError, r"encode \['g'\]"
    ),
    with_X("pandas-numeric-text", lambda: pandas_frame(g=["1"] * 30), ValueError, r"encode \['g'\]"),
    with_X(
        "pandas-category", lambda: pandas_frame(g=pd.Categorical([1, 2] * 15)), ValueError, r"encode \['g'\]"
    ),
    with_X("pandas-date", lambda: pandas_frame(day=_DAYS), ValueError, r"convert \['day'\] \(datetime64"),
    with_X(
        "pandas-zoned-date",
        lambda: pandas_frame(day=pd.to_datetime(_DAYS, utc=True)),
        ValueError,
        r"convert \['day'\]",
    ),
    with_X(
        "pandas-duration",
        lambda: pandas_frame(gap=pd.to_timedelta(range(30))),
        ValueError,
        r"convert \['gap'\]",
    ),
    with_X(
        "pandas-object",
        lambda: pandas_frame(o=np.array([1, "a"] * 15, object)),
        ValueError,
        r"convert \['o'\]",
    ),
    with_X("pandas-complex", lambda: pandas_frame(z=1j), ValueError, r"convert \['z'\]"),
    with_X(
        "pandas-two-kinds",
        lambda: pandas_frame(g=_TEXT, day=_DAYS),
        ValueError,
        r"encode \['g'\].*; convert \['day'\]",
    ),
    with_X("polars-text", lambda: polars_frame(g=pl.Series(_TEXT)), ValueError, r"encode \['g'\] \(String\)"),
    with_X(
        "polars-category",
        lambda: polars_frame(g=pl.Series(_TEXT, dtype=pl.Categorical)),
        ValueError,
        r"encode \['g'\]",
    ),
    with_X(
        "polars-enum",
        lambda: polars_frame(g=pl.Series(_TEXT, dtype=pl.Enum(["a", "b", "c"]))),
        ValueError,
        r"encode \['g'\]",
    ),
    with_X(
        "polars-date", lambda: polars_frame(day=pl.Series(_DAYS)), ValueError, r"convert \['day'\] \(Datetime"
    ),
    with_X("polars-list", lambda: polars_frame(v=pl.Series([[1.0]] * 30)), ValueError, r"convert \['v'\]"),
    with_X(
        "arrow-text",
        lambda: pa.table({"age": features()[:, 0], "g": pa.array(_TEXT)}),
        ValueError,
        r"encode \['g'\]",
    ),
    with_X("frame-without-rows", lambda: pandas_frame().head(0), ValueError, r"0 sample\(s\)")._replace(
        make_inputs=lambda t: Inputs(pandas_frame().head(0), t(0))
    ),
    later(
        "pandas-reordered",
        pandas_frame,
        lambda: pandas_frame()[NAMES[::-1]],
        ValueError,
        "'bmi', expected 'age'",
    ),
    later(
        "polars-reordered",
        polars_frame,
        lambda: polars_frame()[NAMES[::-1]],
        ValueError,
        "be in the same order",
    ),
    later(
        "pandas-missing", pandas_frame, lambda: pandas_frame()[NAMES[:2]], ValueError, "now missing:\n- bmi"
    ),
    later(
        "polars-missing", polars_frame, lambda: polars_frame()[NAMES[:2]], ValueError, "now missing:\n- bmi"
    ),
    later("pandas-extra", pandas_frame, lambda: pandas_frame(k=1.0), ValueError, "unseen at fit time:\n- k"),
    later("polars-extra", polars_frame, lambda: polars_frame(k=1.0), ValueError, "unseen at fit time:\n- k"),
    later("text-later", pandas_frame, lambda: pandas_frame(bmi=_TEXT), ValueError, r"encode \['bmi'\]"),
    later("array-after-frame", pandas_frame, features, UserWarning, "does not have valid feature names"),
    later("frame-after-array", features, polars_frame, UserWarning, "fitted without feature names"),
]
