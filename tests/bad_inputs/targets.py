"""Targets of regression and classification, and rows that do not match."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl

from bad_inputs.cases import GOOD_TARGETS, N_ROWS, Case, Inputs, pandas_frame, with_fit_param, with_y

ROWS = [
    Case(
        "index-of-y",
        "regression",
        lambda t: Inputs(pandas_frame(), pd.Series(t(N_ROWS), index=range(1, 31))),
        UserWarning,
        "X and y have different indexes.*aligned by position",
    ),
    Case(
        "index-of-survival-frame",
        "survival",
        lambda t: Inputs(pandas_frame(), pd.DataFrame(t(N_ROWS), index=range(1, 31))),
        UserWarning,
        "X and y have different indexes.*aligned by position",
    ),
    Case(
        "index-of-weights",
        "any",
        lambda t: Inputs(
            pandas_frame(), t(N_ROWS), {"sample_weight": pd.Series(np.ones(N_ROWS), index=range(1, 31))}
        ),
        UserWarning,
        "X and sample_weight have different indexes",
    ),
]

REGRESSION = [
    with_y("y-nan", "regression", lambda: [np.nan] + [1.0] * 29, ValueError, r"y contains NaN in rows \[0\]"),
    with_y(
        "y-null", "regression", lambda: pl.Series([None] + [1.0] * 29), ValueError, r"y contains NaN in rows"
    ),
    with_y(
        "y-na", "regression", lambda: pd.array([None] + [1] * 29), ValueError, r"y contains NaN in rows \[0\]"
    ),
    with_y(
        "y-inf", "regression", lambda: [np.inf] + [1.0] * 29, ValueError, r"y contains infinity in rows \[0\]"
    ),
    with_y("y-one-value", "regression", lambda: [3.0] * 30, ValueError, "y is 3 in every row"),
    with_y("y-overflow", "regression", lambda: [1e300] + [1.0] * 29, ValueError, r"rows \[0\]: rescale y"),
    with_y("y-text", "regression", lambda: ["1.0"] * 30, ValueError, "y holds text"),
    with_y(
        "y-dates", "regression", lambda: np.arange(30).astype("datetime64[D]"), TypeError, "float plus unit"
    ),
    with_y("y-complex", "regression", lambda: np.ones(30) * 1j, ValueError, "Complex data not supported"),
    with_y(
        "y-two-columns", "regression", lambda: np.ones((30, 2)), ValueError, r"shape \(30, 2\), expected 1-D"
    ),
]

CLASSIFICATION = [
    with_y("one-class", "classification", lambda: ["no"] * 30, ValueError, r"y has one class, \['no'\]"),
    with_y(
        "label-none",
        "classification",
        lambda: [None, "a", "b"] * 10,
        ValueError,
        r"10 missing labels, in rows \[0, 3",
    ),
    with_y("label-nan", "classification", lambda: [np.nan, 0, 1] * 10, ValueError, "10 missing labels"),
    with_y(
        "label-na", "classification", lambda: pd.array([None, 0, 1] * 10), ValueError, "10 missing labels"
    ),
    with_y("labels-mixed", "classification", lambda: [1, "1", 2] * 10, TypeError, r"types \['int', 'str'\]"),
    with_y(
        "continuous",
        "classification",
        lambda: GOOD_TARGETS["regression"](30),
        ValueError,
        "Unknown label type",
    ),
    with_y("multilabel", "classification", lambda: np.eye(30)[:, :2], ValueError, "expected 1-D"),
    with_fit_param(
        "class-without-weight",
        "classification",
        "sample_weight",
        np.arange(30) % 2,
        ValueError,
        r"zero for the whole of classes \['no'\]",
    ),
]
