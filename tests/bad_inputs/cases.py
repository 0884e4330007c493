"""The cells of the table: what is done to good input, and what must answer."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning, NotFittedError

import intertwine.resources as resources
from bad_inputs.columns import N_ROWS, Column, Given, Stopped, fitted, fitted_to_frame, in_frame

Change = Callable[[Given], Given]


class Case(NamedTuple):
    """Something wrong with the input, for the estimators that have some traits; ``run`` requires the answer."""

    id: str
    to: str
    run: Callable[[Column], None]


def refused(id: str, change: Change, error: type[Exception], words: str, to: str = "numbers") -> Case:
    """A fit that must fail, and leave an estimator behind that is as unfitted as before."""

    def run(column: Column) -> None:
        given = change(column.good(N_ROWS))
        model = column.model(given)
        before = dict(vars(model))
        with stopped_networks(column), quiet(), pytest.raises(error, match=words):
            column.fit(given, model)
        assert dict(vars(model)) == before
        with pytest.raises(NotFittedError):
            column.answer(model, column.good(N_ROWS))

    return Case(id, to, run)


def refused_where_memory_is_short(
    id: str, n_rows: int, change: Change, words: str, to: str = "numbers"
) -> Case:
    """A fit that would need more than there is: refused before anything is allocated, at once."""

    def run(column: Column) -> None:
        given = change(column.good(n_rows))
        with (
            stopped_networks(column),
            quiet(),
            patch.object(resources, "available_memory", lambda: 2**30),
            pytest.raises(MemoryError, match=words),
        ):
            column.fit(given)

    return Case(id, to, run)


def trained(id: str, change: Change, words: str, to: str = "") -> Case:
    """A fit that must fail, networks included, while it works: the input is good."""

    def run(column: Column) -> None:
        model = column.model(change(column.good(N_ROWS)))
        with quiet(), np.errstate(all="ignore"), pytest.raises(ValueError, match=words):
            column.fit(change(column.good(N_ROWS)), model)
        with pytest.raises(NotFittedError):
            column.answer(model, column.good(N_ROWS))

    return Case(id, to, run)


def warned(id: str, change: Change, words: str, to: str = "numbers", category: Any = UserWarning) -> Case:
    """A fit that must tell of something, and then go on."""

    def run(column: Column) -> None:
        given = change(column.good(N_ROWS))
        with stopped_networks(column), pytest.warns(category, match=words), contextlib.suppress(Stopped):
            assert_finite(column.answer(column.fit(given), given))

    return Case(id, to, run)


def accepted(id: str, change: Change, to: str = "numbers") -> Case:
    """A fit that must come to finite answers."""

    def run(column: Column) -> None:
        given = change(column.good(N_ROWS))
        with stopped_networks(column), quiet(), contextlib.suppress(Stopped):
            assert_finite(column.answer(column.fit(given), given))

    return Case(id, to, run)


def alike(id: str, change: Change, to: str = "numbers", rtol: float = 1e-7) -> Case:
    """Another form of the same input: a fit to it must come to the same, and so must what is asked of it later."""

    def run(column: Column) -> None:
        good = column.good(N_ROWS)
        with quiet():
            same(column.result(change(good)), column.result(good), rtol)
            model = fitted(column)
            same([column.answer(model, change(good))], [column.answer(model, good)], rtol)

    return Case(id, to, run)


def refused_later(id: str, change: Change, error: type[Exception], words: str, to: str = "numbers") -> Case:
    """Something asked of a fitted model that must be refused."""

    def run(column: Column) -> None:
        with quiet():
            model = fitted(column)
        with quiet(), pytest.raises(error, match=words):
            column.answer(model, change(column.good(N_ROWS)))

    return Case(id, to, run)


def refused_after_frame(id: str, change: Change, error: type[Exception], words: str, to: str = "") -> Case:
    """The same of a model that knows the names of its columns; ``change`` gets a frame."""

    def run(column: Column) -> None:
        with quiet():
            model = fitted_to_frame(column)
        with quiet(), pytest.raises(error, match=words):
            column.answer(model, change(in_frame(column, column.good(N_ROWS))))

    return Case(id, to, run)


def warned_later(id: str, change: Change, words: str, to: str = "", after_frame: bool = False) -> Case:
    """Something asked of a fitted model that is told of, and answered."""

    def run(column: Column) -> None:
        with quiet():
            model = fitted_to_frame(column) if after_frame else fitted(column)
        with pytest.warns(UserWarning, match=words):
            answer = column.answer(model, change(column.good(N_ROWS)))
        assert_finite(answer)

    return Case(id, to, run)


def free(id: str, run: Callable[[Column], None], to: str = "") -> Case:
    """Anything else."""
    return Case(id, to, run)


def X(change: Callable[[Any], Any]) -> Change:
    """Another X."""
    return lambda given: given._replace(X=change(given.X))


def y(value: Any) -> Change:
    """Another y."""
    return lambda given: given._replace(y=value() if callable(value) else value)


def beside(**values: Any) -> Change:
    """Something else beside X."""
    return lambda given: given.with_(**values)


def settings(**values: Any) -> Change:
    """Other settings."""
    return lambda given: given.set(**values)


def both(*changes: Change) -> Change:
    """One change after the other."""

    def change(given: Given) -> Given:
        for one in changes:
            given = one(given)
        return given

    return change


def spoil(value: Any, row: Any = 2, column: int = 1, dtype: Any = None) -> Change:
    """One entry of X."""

    def change(values: Any) -> np.ndarray:
        values = values.astype(float if dtype is None else dtype)
        values[row, column] = value
        return values

    return X(change)


def rows(n: int) -> Change:
    """The first rows of everything."""

    def change(given: Given) -> Given:
        taken = {name: part[:n] for name, part in given.beside.items()}
        return given._replace(X=given.X[:n], y=None if given.y is None else given.y[:n], beside=taken)

    return change


def same(left: Any, right: Any, rtol: float = 1e-7) -> None:
    """The same numbers, or labels."""
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        if one.dtype.kind == "f":
            np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol)
        else:
            np.testing.assert_array_equal(one, other)


def assert_finite(answer: Any) -> None:
    """Numbers, not NaN; labels are what they are."""
    assert answer.dtype.kind != "f" or np.isfinite(answer).all()


@contextlib.contextmanager
def quiet() -> Any:
    """Without what short fits of noise say of themselves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def stopped_networks(column: Column) -> Any:
    """Networks are not trained to see what is said of their input."""
    return column.stopped() if column.has("networks") else contextlib.nullcontext()
