"""Work that is broken off: nothing half-fitted, nothing half-written, and a fit that goes on only with what it was begun."""

from __future__ import annotations

import copy
import os
import resource
import signal
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from sklearn.exceptions import NotFittedError

from bad_inputs.cases import Change, free, quiet, same, settings
from bad_inputs.columns import N_ROWS, Column, Given, fitted
from bad_inputs.files import saved
from intertwine import load
from intertwine.io import Journal


def _ctrl_c(column: Column) -> None:
    good = column.good(N_ROWS)
    fresh, model = column.model(good), copy.copy(fitted(column))
    with quiet():
        before = column.answer(model, good)
        for one in (fresh, model):
            with column.stopped(KeyboardInterrupt()), pytest.raises(KeyboardInterrupt):
                column.fit(good._replace(X=2 * good.X), one)
        same([column.answer(model, good)], [before], 0)
    assert vars(fresh).keys() == column.model(good).get_params().keys()
    with pytest.raises(NotFittedError):
        column.answer(fresh, good)


class _Killed(BaseException):
    """What runs after SIGKILL: nothing of ours."""


def _killed_while_saving(column: Column) -> None:
    def kill(*_: object) -> None:
        raise _Killed

    with saved(column) as path:
        before = path.read_bytes()
        with patch.object(os, "replace", kill), pytest.raises(_Killed):
            fitted(column).save(path)
        assert path.read_bytes() == before
        with quiet():
            same(
                [column.answer(load(path), column.good(N_ROWS))],
                [column.answer(fitted(column), column.good(N_ROWS))],
            )


@contextmanager
def _interrupted_once_it_has_begun():
    """Ctrl-C when the first piece of the work is done, or has come so far that it is kept."""

    def then_interrupt(name: str):
        original = getattr(Journal, name)

        def wrapped(*arguments: Any, **keywords: Any) -> None:
            original(*arguments, **keywords)
            raise KeyboardInterrupt

        return patch.object(Journal, name, wrapped)

    with then_interrupt("step"), then_interrupt("keep"):
        yield


def _begun_with_other(change: Change, what: str):
    """A fit that was interrupted, and is called again with something else."""

    def run(column: Column) -> None:
        with tempfile.TemporaryDirectory() as folder, quiet():
            path = Path(folder) / "progress"
            good = column.good(N_ROWS).set(checkpoint=path)
            with _interrupted_once_it_has_begun(), pytest.raises(KeyboardInterrupt):
                column.fit(good)
            begun = path.read_bytes()
            with pytest.raises(ValueError, match=f"was begun with other {what}; pass another path"):
                column.fit(change(good))
            assert path.read_bytes() == begun

    return run


@contextmanager
def _files_no_larger_than(n_bytes: int):
    """The disk is full after so many bytes of a file."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


def _disk_full(column: Column) -> None:
    with saved(column) as path:
        before = path.read_bytes()
        with _files_no_larger_than(64), pytest.raises(OSError, match="File too large"):
            fitted(column).save(path)
        assert path.read_bytes() == before
        assert list(path.parent.iterdir()) == [path]


def _with_other_data(given: Given) -> Given:
    """Other features; ids are only names, so other ratings."""
    return given._replace(X=2.0 * given.X) if given.X.dtype.kind == "f" else given._replace(y=6.0 - given.y)


INTERRUPTED = {
    "Ctrl-C": [free("in the work", _ctrl_c)],
    "SIGKILL while saving": [free("before the file has its name", _killed_while_saving)],
    "resume with other data or parameters": [
        free("data", _begun_with_other(_with_other_data, "data"), "checkpoint"),
        free("parameters", _begun_with_other(settings(random_state=7), "parameters"), "checkpoint"),
    ],
    "disk full": [free("while saving", _disk_full)],
}
