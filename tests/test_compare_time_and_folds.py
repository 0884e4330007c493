"""A comparison keeps to its time, in the middle of a fit too, and holds rows out together with their copies."""

import contextlib
import io
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from joblib import Parallel, delayed
from numba.core.compiler_lock import global_compiler_lock
from rich.console import Console
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression
from small_tables import only, patients

from intertwine.cli.applicable import entrants
from intertwine.cli.held_out_rows import row_splits
from intertwine.cli.plan import Plan
from intertwine.cli.show import Screen
from intertwine.cli.show_comparison import show_contested
from intertwine.cli.table_options import TableOptions
from intertwine.compare import RegressionTask, race, time_limit
from intertwine.compare.candidates import Contested
from intertwine.compare.contender import Contender
from intertwine.compare.pilot import estimate_seconds
from intertwine.compare.race import rank_models
from intertwine.compare.time_limit import OutOfTime, at_most, processes_until


@pytest.fixture(scope="module")
def line():
    X = np.random.default_rng(0).normal(size=(60, 2))
    return X, X[:, 0] + 0.1 * X[:, 1]


class Endless(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        while True:
            with contextlib.suppress(Exception):  # a fit may take all errors for its own
                time.sleep(0.01)


def test_a_fit_is_ended_when_its_part_of_the_time_is_over_and_the_others_go_on(line):
    X, y = line
    models = [Contender("endless", Endless(), X), Contender("line", LinearRegression(), X)]
    splits = RegressionTask().splits(y, 3, 0)
    ranking = rank_models(models, y, RegressionTask(), splits, n_jobs=1, seconds=5.0)
    assert ranking.names == ["line"]
    assert (
        "not finished in time: a fit was ended after 2 seconds, of the 5 seconds"
        in ranking.given_up["endless"]
    )
    shown = Contested("y, a number", ranking)
    screen = Screen(Console(quiet=True), Console(record=True, file=io.StringIO()))
    show_contested(shown, screen)
    assert "endless was given up: not finished in time" in " ".join(screen.remarks.export_text().split())


def test_nothing_is_begun_when_the_time_is_over_and_all_that_lack_folds_are_named(line, monkeypatch):
    X, y = line
    clock = iter(np.arange(100) * 10.0)
    monkeypatch.setattr(race.time, "time", lambda: float(next(clock)))
    models = [Contender("line", LinearRegression(), X), Contender("again", LinearRegression(), X)]
    ranking = rank_models(models, y, RegressionTask(), RegressionTask().splits(y, 4, 0), n_jobs=1, seconds=60)
    assert ranking.comparison is None
    assert set(ranking.given_up) == {"line", "again"}
    assert "of 4 folds were done when the 60 seconds that were allowed were over" in ranking.given_up["again"]


def test_time_that_is_over_too_late_ends_nothing():
    with at_most(0.05):
        pass
    time.sleep(0.1)
    with pytest.raises(OutOfTime), at_most(0.05):
        Endless().fit(None, None)


class Compiled(Endless):
    """As if numba compiled for a tenth of a second before the first epoch."""

    def fit(self, X, y):
        with global_compiler_lock:
            for self.steps in range(20):
                time.sleep(0.005)
        super().fit(X, y)


def test_what_numba_compiles_is_compiled_to_its_end():
    model = Compiled()
    with pytest.raises(OutOfTime), at_most(0.01):
        model.fit(None, None)
    assert model.steps == 19


def test_processes_that_cannot_be_told_are_killed(monkeypatch):
    monkeypatch.setattr(time_limit, "_GRACE", 0.0)
    began = time.monotonic()
    with processes_until(0.2) as killed:
        with pytest.raises(RuntimeError):
            list(Parallel(2, return_as="generator")(delayed(time.sleep)(600) for _ in range(2)))
        assert killed.is_set()
    assert time.monotonic() - began < 300


def test_a_fit_on_a_part_is_ended_too():
    X = np.random.default_rng(0).normal(size=(700, 2))
    models = [Contender("endless", Endless(), X)]
    found = estimate_seconds(models, X[:, 0], RegressionTask(), 600, patience=0.02, n_jobs=1)
    assert found == {"endless": np.inf}


def copied(table, n=8):
    """With its first rows once more at the end."""
    return pd.concat([table, table[:n]], ignore_index=True)


def test_rows_that_repeat_others_are_held_out_with_them():
    table = copied(only(patients(), "ill").assign(Id=lambda t: np.arange(len(t)) + 7))
    table["Id"] = np.arange(len(table)) + 7
    roles = TableOptions(target="ill", drop=["Id"])
    found, _ = entrants(table, roles, "outcome", ["interactions"], "t.csv")
    held = row_splits("outcome", table, roles, found, Plan(cv=3))
    splits, told = held.splits, held.told
    assert told.startswith("8 rows repeat other ones in every column: they were held out together")
    n = len(table)
    assert sorted(np.concatenate([test for _, test in splits])) == list(range(n))
    for train, test in splits:
        assert len(train) + len(test) == n
        assert np.isin(np.arange(8), test).tolist() == np.isin(np.arange(n - 8, n), test).tolist()
        assert 0.3 < (table.loc[test, "ill"] == "yes").mean() < 0.7


def test_rows_of_few_labels_are_alike_by_chance_and_stay_where_they_were_drawn():
    table = only(patients(), "ill")[["sex", "site", "ill"]]
    roles = TableOptions(target="ill")
    found, _ = entrants(table, roles, "outcome", ["interactions"], "t.csv")
    held = row_splits("outcome", table, roles, found, Plan(cv=3))
    splits, told = held.splits, held.told
    assert held.alike is None
    assert "as may be where columns have few values" in told
    y = found[0].problem.y
    for (_, test), (_, drawn) in zip(splits, found[0].problem.task.splits(y, 3, 0), strict=True):
        np.testing.assert_array_equal(test, drawn)
    whole = only(patients(), "ill")
    assert (
        row_splits(
            "outcome", whole, roles, entrants(whole, roles, "outcome", ["fm"], "t.csv")[0], Plan()
        ).told
        == ""
    )


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_a_profiler_goes_on_after_a_limit(seconds):
    program = (
        "import contextlib, sys, time\n"
        "from intertwine.compare.time_limit import OutOfTime, at_most\n"
        f"with contextlib.suppress(OutOfTime), at_most({seconds}):\n"
        "    time.sleep(0.1)\n"
        "def called(): return 'went on'\n"
        "sys.setprofile(lambda *_: None)\n"
        "print(called())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.stdout.strip() == "went on", done.stderr
