"""What a case is, how it is run, and how most cases are built."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import InvalidParameterError

N_ROWS = 30
NAMES = ["age", "dose", "bmi"]
Target = Callable[[int], Any]


class Inputs(NamedTuple):
    """What a case hands over: at fit, and perhaps later at predict."""

    X: Any
    y: Any
    fit_params: dict[str, Any] = {}  # noqa: RUF012 - never written to
    params: dict[str, Any] = {}  # noqa: RUF012
    later: Any = None


class Case(NamedTuple):
    """One row of the table; `family` is "any", "dense" (no sparse input), or the kind of target."""

    id: str
    family: str
    make_inputs: Callable[[Target], Inputs]
    expected: type[Exception]
    match: str


def features(n_rows: int = N_ROWS, n_features: int = 3) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n_rows, n_features))


def spoiled(row: Any, column: int, value: Any, dtype: Any = float) -> np.ndarray:
    X = features().astype(dtype)
    X[row, column] = value
    return X


def pandas_frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(features(), columns=NAMES).assign(**columns)


def polars_frame(**columns: Any) -> pl.DataFrame:
    return pl.DataFrame(features(), schema=NAMES).with_columns(**columns)


def _regression(n: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=n)


def _classification(n: int) -> np.ndarray:
    return np.array(["no", "yes"])[np.arange(n) % 2]


def _survival(n: int) -> np.ndarray:
    target = np.empty(n, dtype=[("time", float), ("event", bool)])
    target["time"] = np.random.default_rng(1).exponential(size=n)
    target["event"] = np.arange(n) % 3 > 0
    return target


GOOD_TARGETS: dict[str, Target] = {
    "regression": _regression,
    "classification": _classification,
    "survival": _survival,
}


def check_case(estimator: Any, case: Case, target: Target) -> None:
    """Fit (and predict, where the case says so) and require the error or warning of the case.

    After an error at fit the estimator must be as unfitted as before.
    """
    estimator = clone(estimator)
    inputs = case.make_inputs(target)

    def fit() -> None:
        estimator.set_params(**inputs.params).fit(inputs.X, inputs.y, **inputs.fit_params)

    if inputs.later is not None:
        fit()
        with _expectation(case):
            estimator.predict(inputs.later)
        return
    with _expectation(case):
        fit()
    if not issubclass(case.expected, Warning):
        with pytest.raises(NotFittedError):
            estimator.predict(features())


def _expectation(case: Case) -> Any:
    if issubclass(case.expected, Warning):
        return pytest.warns(case.expected, match=case.match)
    return pytest.raises(case.expected, match=case.match)


def with_X(
    case_id: str, make_X: Callable[[], Any], expected: type[Exception], match: str, family: str = "any"
):
    return Case(case_id, family, lambda target: Inputs(make_X(), target(N_ROWS)), expected, match)


def with_y(case_id: str, family: str, make_y: Callable[[], Any], expected: type[Exception], match: str):
    return Case(case_id, family, lambda _: Inputs(features(), make_y()), expected, match)


def later(
    case_id: str,
    make_X: Callable[[], Any],
    make_later: Callable[[], Any],
    expected: type[Exception],
    match: str,
):
    return Case(
        case_id, "any", lambda target: Inputs(make_X(), target(N_ROWS), later=make_later()), expected, match
    )


def with_fit_param(case_id: str, family: str, name: str, value: Any, expected: type[Exception], match: str):
    return Case(
        case_id, family, lambda target: Inputs(features(), target(N_ROWS), {name: value}), expected, match
    )


def with_params(
    case_id: str,
    params: dict[str, Any],
    match: str,
    family: str = "any",
    expected: Any = InvalidParameterError,
):
    return Case(
        case_id, family, lambda target: Inputs(features(), target(N_ROWS), params=params), expected, match
    )
