"""Nested cross-validation: the same folds for all, errors that are honest, baselines that are what they say."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from intertwine import FMRegressor, survival_target
from intertwine.compare import (
    MAIN_EFFECTS,
    OURS,
    ClassificationTask,
    Comparison,
    RegressionTask,
    Shape,
    SurvivalTask,
    compare_models,
)
from intertwine.compare._tuning import settings_tried
from intertwine.compare.base import ALL_PAIRS, BOOSTING, FACTORIZATION, KERNEL, LOCAL
from intertwine.compare.families import FactorizationFamily, LocalFactorizationFamily

TASKS = {"regression": RegressionTask(), "classification": ClassificationTask(), "survival": SurvivalTask()}


def data(n=80, p=3):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p))
    return X, X[:, 0] + 2 * X[:, 1] * X[:, 2] + 0.2 * rng.standard_normal(n)


def target(name, y):
    if name == "classification":
        return np.where(y > 0, "b", "a")
    if name == "survival":
        return survival_target(np.exp(-y), np.arange(len(y)) % 4 > 0)
    return y


class Warner(RegressorMixin, BaseEstimator):
    """Predicts the mean, and says something at every fit, or only where the first target is large."""

    def __init__(self, always=True):
        self.always = always

    def fit(self, X, y):
        if self.always or y[0] > 0:
            warnings.warn("look at the data", UserWarning, stacklevel=1)
        self.mean_ = np.mean(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


def test_scores_are_those_of_scikit_learn_on_the_same_folds():
    X, y = data()
    models = {"line": LinearRegression(), "ridge": Ridge(30.0)}
    found = compare_models(models, X, y, RegressionTask(), preprocessor=StandardScaler(), n_splits=4)
    for row, model in enumerate(models.values()):
        folds = KFold(4, shuffle=True, random_state=0)
        expected = cross_val_score(model, StandardScaler().fit(X).transform(X), y, cv=folds, scoring="r2")
        # scaling inside the folds moves ridge a little, and a line not at all
        np.testing.assert_allclose(found.scores[row], expected, rtol=0 if row == 0 else 0.1, atol=1e-9)
    assert np.all(found.seconds > 0)


def test_each_row_is_predicted_by_the_fold_that_held_it_out():
    X, y = data()
    found = compare_models({"line": LinearRegression()}, X, y, RegressionTask(), n_splits=4)
    train, test = RegressionTask().splits(y, 4, 0)[1]
    expected = LinearRegression().fit(X[train], y[train]).predict(X[test])
    np.testing.assert_allclose(found.out_of_fold["mean"][test], expected)


def test_processes_change_nothing():
    X, y = data()
    models = {"line": LinearRegression(), "ridge": Ridge()}
    alone, shared = (compare_models(models, X, y, RegressionTask(), n_jobs=jobs) for jobs in (1, 2))
    np.testing.assert_array_equal(alone.scores, shared.scores)
    np.testing.assert_array_equal(alone.out_of_fold["mean"], shared.out_of_fold["mean"])


def test_standard_errors_by_hand():
    scores = np.array([[0.8, 0.7, 0.9], [0.7, 0.7, 0.6]])
    found = Comparison(RegressionTask(), ["a", "b"], scores, np.ones((2, 3)), test_share=0.5)
    np.testing.assert_allclose(found.std_error[0], 0.1 / np.sqrt(3))
    np.testing.assert_allclose(found.difference[1], np.mean([-0.1, 0.0, -0.3]))
    # Nadeau and Bengio: 1/k + test/train instead of 1/k
    spread = np.std([-0.1, 0.0, -0.3], ddof=1)
    np.testing.assert_allclose(found.difference_std_error[1], spread * np.sqrt(1 / 3 + 0.5))
    assert found.difference[0] == found.difference_std_error[0] == 0
    assert list(found.frame["model"]) == ["a", "b"]
    assert len(found.fold_frame) == 6


def test_what_every_fold_says_is_passed_on_once():
    X, y = data()
    with pytest.warns(UserWarning, match="look at the data") as heard:
        compare_models({"warner": Warner()}, X, y, RegressionTask())
    assert len(heard) == 1


def test_what_a_fold_or_a_baseline_says_is_not():
    X, y = data()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare_models({"first": Warner(always=False), "baseline": Warner()}, X, y, RegressionTask())


@pytest.mark.parametrize("name", TASKS)
def test_every_model_of_a_task_tunes_itself_in_the_same_folds(name):
    task, (X, y) = TASKS[name], data(60)
    models = task.models(3, cv=2, quick=True)
    assert list(models)[:4] == [OURS, MAIN_EFFECTS, ALL_PAIRS, FACTORIZATION]
    assert {BOOSTING, KERNEL} <= set(models) or name == "survival"
    y = target(name, y)
    for model in models.values():
        fitted = model.fit(X, y)
        assert settings_tried(fitted) >= 4
        assert getattr(fitted, "cv", None) is None or _folds(fitted) == 2
        assert task.score(y, task.predict(fitted, X, y)) > 0.4


def _folds(model):
    return model.cv if isinstance(model.cv, int) else model.cv.get_n_splits()


def test_a_full_search_is_wider_than_a_quick_one():
    for task in TASKS.values():
        for name in (MAIN_EFFECTS, FACTORIZATION):
            wide, quick = (task.models(3, quick=quick)[name] for quick in (False, True))
            if hasattr(wide, "param_grid"):
                assert all(len(wide.param_grid[key]) > len(quick.param_grid[key]) for key in quick.param_grid)


def test_wide_tables_are_not_spelled_out():
    assert ALL_PAIRS not in RegressionTask().models(1000)
    assert ALL_PAIRS not in ClassificationTask().models(1000)


@pytest.mark.parametrize("name", ["regression", "classification"])
def test_a_family_is_compared_with_what_can_hold_the_table(name):
    choice = {"cv": 2, "quick": True, "random_state": 0}
    for family in (FactorizationFamily(), LocalFactorizationFamily()):
        ours = [FACTORIZATION] if family.name == "fm" else [LOCAL, FACTORIZATION]
        for shape, rivals, out in (
            (Shape(80, ["a"], ["b"], 10), [MAIN_EFFECTS, ALL_PAIRS, BOOSTING, KERNEL], []),
            (Shape(9_000, ["a"], ["b"], 100), [MAIN_EFFECTS, BOOSTING], [KERNEL, ALL_PAIRS]),
            (Shape(9_000, ["a"], ["b"], 1000), [MAIN_EFFECTS], [KERNEL, ALL_PAIRS, BOOSTING]),
        ):
            models, preprocessor, left_out = family.contest(TASKS[name], shape, **choice)
            assert list(models) == [*ours, *rivals]
            assert left_out == out
            assert preprocessor is None


def test_wide_tables_keep_their_main_effects_sparse():
    rng = np.random.default_rng(0)
    users = rng.integers(150, size=1500)
    X = pd.DataFrame({"user": [f"u{i}" for i in users], "age": rng.normal(size=1500)})
    y = rng.normal(size=150)[users] + X["age"].to_numpy() + 0.3 * rng.normal(size=1500)
    shape = Shape.of(X, ["age"], ["user"])
    assert shape.n_columns == 151
    assert shape.wide
    for task, target in ((RegressionTask(), y), (ClassificationTask(), np.where(y > 0, "b", "a"))):
        models, _, _ = FactorizationFamily().contest(task, shape, cv=2, quick=True, random_state=0)
        fitted = models[MAIN_EFFECTS].fit(X, target)
        assert isinstance(fitted[0].transform(X).sparse.density, float)
        assert task.score(target, task.predict(fitted, X, target)) > 0.8


def test_a_sampler_gives_its_uncertainty_through_a_pipeline_too():
    X, y = data()
    model = FMRegressor(n_components=2, max_iter=20, random_state=0)
    for fitted in (model, make_pipeline(StandardScaler(), model)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = RegressionTask().predict(fitted.fit(X, y), X, y)
        assert np.all(found["std"] > 0)


def test_the_baselines_of_survival_are_what_they_say():
    X, y = data(60)
    y = target("survival", y)
    models = SurvivalTask().baselines(3, cv=2, quick=True, random_state=0)
    main = models[MAIN_EFFECTS].fit(X, y).best_estimator_
    assert np.all(main.interaction_matrix() == 0)
    assert np.any(main.coef_ != 0)
    machine = models[FACTORIZATION].fit(X, y).best_estimator_
    Z = machine.latent_
    implied = Z @ Z.T - np.diag(np.sum(Z**2, axis=1))
    np.testing.assert_allclose(machine.interaction_matrix(), implied, atol=1e-8)


def test_scores_of_perfect_and_of_no_predictions():
    y = np.array(["a", "b", "c"] * 5)
    right = (y[:, None] == np.array(["a", "b", "c"])).astype(float)
    assert ClassificationTask().score(y, {"score": right}) == 1.0
    assert ClassificationTask().score(y, {"score": 0 * right}) == 0.5
    times = survival_target(np.arange(1.0, 6.0), np.ones(5))
    assert SurvivalTask().score(times, {"risk": -times["time"]}) == 1.0
    assert RegressionTask().score(np.arange(4.0), {"mean": np.full(4, 1.5)}) == 0.0


def test_errors_are_in_the_unit_of_the_target_and_paired_by_fold():
    found = RegressionTask().errors(np.array([1.0, 2.0, 5.0]), {"mean": np.array([1.0, 4.0, 4.0])})
    assert found == {"RMSE": pytest.approx(np.sqrt(5 / 3)), "MAE": pytest.approx(1.0)}
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 2))
    y = X[:, 0] + 0.1 * rng.standard_normal(60)
    models = {"a": Ridge(), "b": Ridge(alpha=100.0)}
    comparison = compare_models(models, X, y, RegressionTask(), n_splits=3)
    assert list(comparison.fold_frame) == ["model", "fold", "score", "RMSE", "MAE", "seconds"]
    difference, error = comparison.paired(comparison.errors["RMSE"])
    apart = comparison.errors["RMSE"][1] - comparison.errors["RMSE"][0]
    assert difference.tolist() == [0.0, pytest.approx(apart.mean())]
    assert error[1] == pytest.approx(apart.std(ddof=1) * np.sqrt(1 / 3 + 0.5))
