"""One clock and one way of folds: beside the model that a report is on, and where a model chooses its settings."""

import time

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import ElasticNetCV, LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small_tables import only, patients

from intertwine import survival_target
from intertwine.cli import table_model
from intertwine.cli.plan import Plan
from intertwine.cli.preparations import pose_table
from intertwine.cli.scoring import score_problem
from intertwine.cli.show import Screen
from intertwine.cli.table_model import TableModel
from intertwine.cli.table_options import TableOptions
from intertwine.cli.work import fit_problem
from intertwine.compare import (
    FAMILIES,
    ClassificationTask,
    Comparison,
    RegressionTask,
    Shape,
    SurvivalTask,
    compare_models,
    race,
)
from intertwine.compare.alike import Copies, InnerFolds, Units, with_inner_folds
from intertwine.compare.contender import Contender, Outcome
from intertwine.compare.family import Contest
from intertwine.estimators.interactions.models_cv import InteractionRegressorCV
from intertwine.report.tables import error_or_score_table, score_table


@pytest.fixture(scope="module")
def line():
    X = np.random.default_rng(0).normal(size=(60, 2))
    return X, X[:, 0] + 0.1 * X[:, 1]


class Slow(RegressorMixin, BaseEstimator):
    """Takes its time, and can be ended in it."""

    def __init__(self, seconds=60.0):
        self.seconds = seconds

    def fit(self, X, y):
        for _ in range(round(self.seconds * 100)):
            time.sleep(0.01)
        self.mean_ = float(np.mean(y))
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


class Broken(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        raise RuntimeError("no such luck")


def test_rivals_that_take_too_long_or_fail_are_named_beside_the_model(line):
    models = {"line": LinearRegression(), "slow": Slow(), "broken": Broken(), "ridge": Ridge()}
    found = compare_models(models, *line, RegressionTask(), n_splits=3, n_jobs=1, seconds=0.8)
    assert found.names == ["line", "ridge"]
    assert found.out["slow"].startswith("not finished in time: a fit was ended after")
    assert found.out["broken"] == "failed: RuntimeError: no such luck"
    assert found.out_of_fold["mean"].shape == (60,)
    for table in (score_table(found), error_or_score_table(found)):
        assert (
            "Without scores: broken (failed: RuntimeError: no such luck); slow (not finished" in table.caption
        )
    whole = Comparison(RegressionTask(), ["a"], np.ones((1, 2)), np.ones((1, 2)), test_share=0.5)
    assert "Without scores" not in score_table(whole).caption


@pytest.mark.parametrize(
    ("about", "limit", "gone"),
    [("mine", 8.0, ["other"]), ("", 8.0, ["mine"]), ("mine", 5.0, ["mine"]), ("mine", 9.0, [])],
)
def test_the_model_that_all_are_there_for_is_given_up_last(about, limit, gone, monkeypatch):
    monkeypatch.setattr(race.time, "time", lambda: 0.0)
    models = [Contender("mine", None, None, family="mine"), Contender("other", None, None)]
    running = race._Race(models, 4, limit, 1, about)
    assert next(running.places()) == ((0 if about else 1), 0)
    for row, seconds in enumerate((2.0, 1.0)):  # of a fit: the first half of four folds takes six
        running.take(row, 0, Outcome(0.5, {}, seconds, 1, {}, set()))
    assert list(running.given_up) == gone
    assert len(list(running.places())) == (0 if "mine" in gone and about else 8 - 4 * len(gone))


def test_without_the_model_itself_nothing_else_is_fitted(line):
    told = []
    with pytest.raises(ValueError, match="mine has no scores: a fit takes .* all folds together would"):
        compare_models(
            {"mine": Slow(0.2), "other": LinearRegression()},
            *line,
            RegressionTask(),
            n_jobs=1,
            seconds=0.3,
            on_step=lambda name, fold: told.append(name),
        )
    assert told.count("other") <= 1
    with pytest.raises(ValueError, match="mine has no scores: failed: RuntimeError: no such luck"):
        compare_models({"mine": Broken()}, *line, RegressionTask(), n_jobs=1)


def posed(table, model="mixed-model", **roles):
    given = TableOptions(**roles)
    return pose_table(table, given.roles, given.family(model)), given


def test_a_report_says_which_models_were_not_finished(monkeypatch, capsys):
    problem, _ = posed(only(patients(), "y"), target="y", groups=["site"])
    models = {"mine": DummyRegressor(), "slow": Slow(), "other": DummyRegressor(strategy="median")}
    monkeypatch.setattr(type(problem.family), "contest", lambda *_, **__: Contest(models, None, []))
    scores = score_problem(problem, Screen(), Plan(cv=2, quick=True, jobs=1, minutes=1.2 / 60))
    for comparison in (scores.on_rows, scores.on_units):
        assert comparison.names == ["mine", "other"]
    assert "not finished in time" in scores.on_rows.out["slow"]
    assert scores.on_units.out == {}  # what was given up on rows is not begun again
    assert "slow has no scores: not finished" in " ".join(capsys.readouterr().err.split())
    state = table_model._comparison_to_state(scores.on_rows)
    assert table_model._comparison_from_state(state, RegressionTask()).out == scores.on_rows.out
    del state["out"]  # as files had it before
    assert table_model._comparison_from_state(state, RegressionTask()).out == {}


def test_a_model_without_scores_is_told_and_kept(monkeypatch):
    problem, _ = posed(only(patients(), "y"), target="y", groups=["site"])
    monkeypatch.setattr(
        type(problem.family), "contest", lambda *_, **__: Contest({"mine": Broken()}, None, [])
    )
    scores = score_problem(problem, Screen(), Plan(cv=2, jobs=1))
    assert scores.on_rows is scores.on_units is None
    why = "and nothing was compared with it: failed: RuntimeError: no such luck."
    assert scores.notes == [f"mine has no scores, {why}", f"mine has no scores on new levels of site, {why}"]


# --- folds in which a model chooses its settings


def copied(n=40, times=3, seed=0):
    """Rows, each `times` times, in no order; y can only be told by heart."""
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(rng.normal(size=(n, 3)), columns=list("abc"))
    table = pd.concat([rows.assign(y=rng.normal(size=n))] * times, ignore_index=True)
    return table.sample(frac=1.0, random_state=0).reset_index(drop=True)


def splitters(model):
    return [value for name, value in model.get_params(deep=True).items() if name.split("__")[-1] == "cv"]


TASKS = {"regression": RegressionTask(), "classification": ClassificationTask(), "survival": SurvivalTask()}


@pytest.mark.parametrize("name", FAMILIES)
def test_no_fold_of_a_family_tells_copies_apart(name):
    """Whatever of a family, or of what it is compared with, chooses settings does so in these folds."""
    table = copied()
    copies = Copies.of(table)
    family = FAMILIES[name](**({"groups": ["g"]} if name == "mixed-model" else {}))
    if name == "longitudinal-vae":
        family = FAMILIES[name](2, "g")
    n_choosing = 0
    for task in (TASKS[known] for known in family.tasks if known in TASKS):
        y = {
            "regression": table["y"].to_numpy(),
            "classification": (table["y"] > 0).to_numpy(),
            "survival": survival_target(np.exp(table["y"]), table["a"] > -1),
        }[task.name]
        shape = Shape(len(table), list("abc"), [], 3)
        inner = InnerFolds(copies, task, 3, 0)
        rows = np.arange(len(table))[::2]
        contest = family.contest(task, shape, cv=inner, quick=True, random_state=0)
        models = [
            *contest.models.values(),
            family.estimator(task, shape, cv=inner, quick=True, random_state=0),
        ]
        for model in models:
            ready = with_inner_folds(clone(model), rows, y[rows])
            for folds in splitters(ready):
                if isinstance(folds, int) or folds is None:  # of target encoders
                    continue
                n_choosing += 1
                assert len(folds) == 3
                for train, test in folds:
                    assert not set(copies.codes[rows][train]) & set(copies.codes[rows][test])
                    assert len(train) + len(test) == len(rows)
    choosing = {"interactions": 15, "fm": 7, "local-fm": 11, "mixed-model": 2}
    assert n_choosing >= choosing.get(name, 0)


def test_what_is_learnt_by_heart_is_not_chosen():
    """A kernel so narrow that it knows rows again wins by copies, and loses without."""
    from sklearn.svm import SVR

    table = copied()
    X, y = table[["a", "b", "c"]], table["y"].to_numpy()
    search = make_pipeline(StandardScaler(), GridSearchCV(SVR(C=100.0), {"gamma": [1e-6, 50.0]}, cv=KFold(3)))
    by_heart = search.fit(X, y)[-1].best_params_["gamma"]
    search.set_params(gridsearchcv__cv=InnerFolds(Copies.of(table), RegressionTask(), 3, 0))
    apart = with_inner_folds(search, np.arange(len(y)), y).fit(X, y)[-1].best_params_["gamma"]
    assert (by_heart, apart) == (50.0, 1e-6)
    search.set_params(gridsearchcv__cv=InnerFolds(Copies.of(table), RegressionTask(), 3, 0))
    splits = Copies.of(table).folds(RegressionTask(), y, 3, 0)
    held_out = compare_models({"search": search}, X, y, RegressionTask(), splits=splits)
    assert held_out.mean[0] < 0.2


def test_folds_of_rows_that_a_search_draws_hold():
    """The estimator of pairs tunes on some of very many rows; an elastic net takes folds as they are."""
    table = copied(60, 4)
    X, y = table[["a", "b", "c"]].to_numpy(), table["y"].to_numpy()
    inner = InnerFolds(Copies.of(table), RegressionTask(), 3, 0)
    pairs = InteractionRegressorCV(n_knots=(0,), latents=(), cv=inner, max_tune_rows=100, random_state=0)
    for model in (pairs, ElasticNetCV(cv=inner)):
        fitted = with_inner_folds(model, np.arange(len(y)), y).fit(X, y)
        assert np.isfinite(fitted.predict(X)).all()


@pytest.mark.parametrize("name", TASKS)
def test_units_are_held_out_whole_in_as_many_folds_as_there_can_be(name):
    rng = np.random.default_rng(0)
    codes, task = np.repeat(np.arange(4), 10), TASKS[name]
    wait = rng.exponential(size=40)
    y = {"regression": wait, "classification": wait > 0.5, "survival": survival_target(wait, wait < 2)}[name]
    folds = InnerFolds(Units(codes), task, 5, 0).within(np.arange(40), y)
    assert 2 <= len(folds) <= 4
    for train, test in folds:
        assert not set(codes[train]) & set(codes[test])
    alone = InnerFolds(Units(np.zeros(40, int)), task, 5, 0).within(np.arange(40), y)
    assert len(alone) == 5  # one unit: rows are held out, since no settings can be chosen otherwise


def test_a_fitted_model_keeps_copies_together_and_says_so(tmp_path):
    problem, given = posed(copied(), "interactions", target="y")
    seen = []
    original = type(problem.family).estimator

    def watched(self, *arguments, **settings):
        seen.append(settings["cv"])
        return original(self, *arguments, **settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(problem.family), "estimator", watched)
        plan = Plan(quick=True)
        model = fit_problem(
            problem, Screen(), roles=given.roles, cv=3, plan=plan, checkpoint=tmp_path / "kept"
        )
    assert isinstance(seen[0], InnerFolds)
    assert model.estimator.cv == 3
    model.save(tmp_path / "m.intertwine")
    assert TableModel.load(tmp_path / "m.intertwine").estimator.cv == 3
