"""scikit-learn's contract, held by the factorization machines."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from intertwine import FMClassifier, FMRegressor, load

WEIGHTS = "check_sample_weight_equivalence_on_{}_data"
DRAWS = (
    "a row of weight two and two rows are the same posterior, but not the same draws from it: tested in "
    "distribution in test_fm_gibbs.py"
)
SAMPLES = {WEIGHTS.format("dense"): DRAWS, WEIGHTS.format("sparse"): DRAWS}
QUICK = {"n_components": 2, "max_iter": 60, "n_samples": 20}
SAMPLERS = [FMRegressor(**QUICK), FMClassifier(**QUICK), FMClassifier(ordinal=True, **QUICK)]
OPTIMA = [
    FMRegressor(n_components=2, solver="als", random_state=0),
    FMClassifier(n_components=2, solver="als", random_state=0),
]
ADAGRAD = {"n_components": 2, "solver": "adagrad", "random_state": 0}
STREAMED = [FMRegressor(**ADAGRAD), FMClassifier(**ADAGRAD)]
STEPS = "a row of weight two takes one longer step, two rows take two: the same objective, but not the same passes"
STEPPED = {WEIGHTS.format("dense"): STEPS, WEIGHTS.format("sparse"): STEPS}
ESTIMATORS = [*SAMPLERS, *OPTIMA, *STREAMED]


def failing(sampler):
    """What samplers need not pass, and why."""
    if not isinstance(sampler, FMClassifier):
        return {}
    return SAMPLES | ({"check_classifiers_classes": "text has no order"} if sampler.ordinal else {})


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(SAMPLERS, expected_failed_checks=failing)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(OPTIMA)
def test_scikit_learn_checks_of_optima(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(STREAMED, expected_failed_checks=lambda e: STEPPED)
def test_scikit_learn_checks_of_stochastic_fits(estimator, check):
    check(estimator)


def table(seed=0, n=80):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3))
    return X, X[:, 0] + X[:, 1] * X[:, 2] + 0.3 * rng.standard_normal(n)


def target_of(estimator, f):
    """An outcome of the estimator's kind that follows f."""
    if "Classifier" not in type(estimator).__name__:
        return f
    return np.digitize(f, [-1.0, 1.0]) if estimator.ordinal else np.where(f > 0, "yes", "no")


def name_of(estimator):
    return type(estimator).__name__ + ("" if estimator.solver == "auto" else f", {estimator.solver}")


def predicted(estimator, X):
    return estimator.predict_proba(X) if hasattr(estimator, "predict_proba") else estimator.predict(X)


every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS, ids=name_of)


@every_estimator
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_in_frames_out(estimator, library):
    X, f = table()
    names = ["age", "dose", "bmi"]
    make = {"pandas": pd.DataFrame, "polars": pl.DataFrame}[library]
    frame = make(dict(zip(names, X.T, strict=True)))
    model = clone(estimator).set_params(random_state=0).fit(frame, target_of(estimator, f))
    plain = clone(estimator).set_params(random_state=0).fit(X, target_of(estimator, f))
    np.testing.assert_allclose(predicted(model, frame), predicted(plain, X), rtol=1e-9)
    assert all(isinstance(found, make) for found in (model.top_interactions(2), model.history_))
    assert set(model.top_interactions(3)["term"]) == {"age × dose", "age × bmi", "dose × bmi"}


@every_estimator
def test_a_saved_model_predicts_the_same_to_the_bit(estimator, tmp_path):
    X, f = table()
    model = clone(estimator).set_params(random_state=0).fit(X, target_of(estimator, f))
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert (tmp_path / "model").stat().st_size < 50_000
    np.testing.assert_array_equal(predicted(again, X), predicted(model, X))
    assert str(again) == str(model)
    pd.testing.assert_frame_equal(again.top_interactions(3), model.top_interactions(3))
    pd.testing.assert_frame_equal(again.history_, model.history_)


@every_estimator
def test_sparse_equals_dense_and_threads_change_nothing(estimator):
    X, f = table()
    X[np.abs(X) < 0.5] = 0.0
    y = target_of(estimator, f)
    dense = clone(estimator).set_params(random_state=0).fit(X, y)
    rows = sparse.csr_array(X)
    stored = clone(estimator).set_params(random_state=0, n_jobs=2).fit(rows, y)
    np.testing.assert_allclose(predicted(stored, rows), predicted(dense, X), rtol=1e-9)


@pytest.mark.parametrize("estimator", OPTIMA, ids=name_of)
def test_grid_search_over_a_pipeline(estimator):
    X, f = table(n=200)
    name = type(estimator).__name__.lower()
    pipeline = make_pipeline(StandardScaler(), clone(estimator))
    search = GridSearchCV(pipeline, {f"{name}__alpha": [0.01, 10.0]}, cv=3, error_score="raise")
    search.fit(X, target_of(estimator, f))
    assert search.best_params_ == {f"{name}__alpha": 0.01}
    assert search.best_score_ > 0.7


@every_estimator
def test_metadata_is_routed_to_fit_and_score(estimator):
    X, f = table()
    y, weight = target_of(estimator, f), np.random.default_rng(2).integers(1, 4, len(f)).astype(float)
    folds = [(np.arange(40), np.arange(40, 80)), (np.arange(20, 80), np.arange(20))]
    with sklearn.config_context(enable_metadata_routing=True):
        own = clone(estimator).set_params(random_state=0)
        own.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        routed = cross_validate(own, X, y, cv=folds, params={"sample_weight": weight}, return_estimator=True)
    for (train, test), fitted, score in zip(folds, routed["estimator"], routed["test_score"], strict=True):
        by_hand = clone(estimator).set_params(random_state=0).fit(X[train], y[train], weight[train])
        np.testing.assert_array_equal(fitted.predict(X), by_hand.predict(X))
        assert score == by_hand.score(X[test], y[test], sample_weight=weight[test])


@pytest.mark.parametrize("estimator", OPTIMA, ids=name_of)
def test_a_weight_is_a_repetition(estimator):
    X, f = table()
    y, weight = target_of(estimator, f), np.random.default_rng(2).integers(0, 4, len(f))
    weighted = clone(estimator).set_params(tol=1e-12, max_iter=2000).fit(X, y, weight)
    repeated = clone(estimator).set_params(tol=1e-12, max_iter=2000)
    repeated.fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    np.testing.assert_allclose(predicted(weighted, X), predicted(repeated, X), rtol=1e-6, atol=1e-8)
