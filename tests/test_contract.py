"""scikit-learn's contract, held by all six public estimators."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from intertwine import (
    InteractionClassifier,
    InteractionClassifierCV,
    InteractionCoxPH,
    InteractionCoxPHCV,
    InteractionRegressor,
    InteractionRegressorCV,
    survival_target,
)

QUICK = {"n_init": 1, "max_iter": 30}
SMALL_SEARCH = {
    "scalings": ("features",),
    "n_knots": (0,),
    "relevances": (0.0,),
    "squares": (False,),
    "latents": (),
    "cv": 2,
}

WEIGHTS = "check_sample_weight_equivalence_on_dense_data"
LEAVES_ROWS_OUT = {
    WEIGHTS: "strengths are chosen by leaving every row out in turn: three equal rows are three, one of weight 3 is one"
}
# Everything else must pass. These may: two searches often choose the same strengths from their grid.
EFRON = {WEIGHTS: "Efron's correction treats repeated rows as tied deaths; Breslow's, tested below, does not"}
LIMITS = {
    InteractionClassifier: {
        WEIGHTS: "30 features in 15 rows: the best low-rank target of one class is only reached in the limit of "
        "infinite coordinates, so two runs agree to 1e-5 and not to 1e-7"
    },
    InteractionCoxPH: EFRON,
    InteractionRegressorCV: LEAVES_ROWS_OUT,
    InteractionClassifierCV: LEAVES_ROWS_OUT,
    InteractionCoxPHCV: EFRON,
}
ESTIMATORS = [
    InteractionRegressor(**QUICK),
    InteractionClassifier(**QUICK),
    InteractionCoxPH(**QUICK),
    InteractionRegressorCV(**SMALL_SEARCH),
    InteractionClassifierCV(**SMALL_SEARCH),
    InteractionCoxPHCV(**SMALL_SEARCH),
]
WITHOUT_LIMITS = [
    InteractionRegressor(l1_ratio=0.5, latent=None),
    InteractionClassifier(latent=None),
    InteractionCoxPH(latent=None, ties="breslow"),
]


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    ESTIMATORS, expected_failed_checks=lambda estimator: LIMITS.get(type(estimator), {}), xfail_strict=False
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(WITHOUT_LIMITS)
def test_scikit_learn_checks_have_no_exception_where_the_problem_is_convex(estimator, check):
    check(estimator)


def table(seed=0, n=60):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3))
    return X, X[:, 0] + X[:, 1] * X[:, 2] + 0.3 * rng.standard_normal(n)


def target_of(estimator, f):
    """An outcome of the estimator's kind that follows f."""
    if "CoxPH" in type(estimator).__name__:
        time = np.random.default_rng(1).exponential(np.exp(-f))
        return survival_target(time, np.arange(len(f)) % 4 > 0)
    return np.where(f > 0, "yes", "no") if "Classifier" in type(estimator).__name__ else f


def name_of(estimator):
    return type(estimator).__name__


every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS, ids=name_of)
searching = [e for e in ESTIMATORS if name_of(e).endswith("CV")]


@every_estimator
def test_a_clone_of_a_fitted_estimator_is_unfitted_and_fits_alike(estimator):
    X, f = table()
    fitted = clone(estimator).set_params(random_state=0).fit(X, target_of(estimator, f))
    again = clone(fitted)
    assert not hasattr(again, "n_features_in_")
    np.testing.assert_array_equal(again.fit(X, target_of(estimator, f)).predict(X), fitted.predict(X))


@every_estimator
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_in_frames_out(estimator, library):
    X, f = table()
    names = ["age", "dose", "bmi"]
    make = {"pandas": pd.DataFrame, "polars": pl.DataFrame}[library]
    frame = make(dict(zip(names, X.T, strict=True)))
    model = clone(estimator).set_params(random_state=0).fit(frame, target_of(estimator, f))
    plain = clone(estimator).set_params(random_state=0).fit(X, target_of(estimator, f))
    if "Classifier" in name_of(estimator):
        np.testing.assert_array_equal(model.predict(frame), plain.predict(X))
    else:  # a frame lies in memory by columns, so sums are taken in another order
        np.testing.assert_allclose(model.predict(frame), plain.predict(X), rtol=1e-6)
    assert model.feature_names_in_.tolist() == names
    tables = [model.top_interactions(3), model.main_effects(), model.history_]
    if "Cox" in name_of(estimator):
        tables += [model.baseline_hazard_, model.predict_survival_function(frame, times=[0.5, 1.0])]
    if estimator in searching:
        tables.append(model.cv_table())
    assert all(isinstance(found, make) for found in tables)
    assert set(model.top_interactions(3)["term"]) <= {"age × dose", "age × bmi", "dose × bmi"}


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_names_travel_through_a_pipeline_that_sets_its_output(library):
    X, f = table()
    frame = pd.DataFrame(X, columns=["age", "dose", "bmi"])
    pipeline = make_pipeline(StandardScaler(), InteractionRegressor(latent=None)).set_output(
        transform=library
    )
    pipeline.fit(frame, f)
    top = pipeline[-1].top_interactions(1)
    assert isinstance(top, {"pandas": pd.DataFrame, "polars": pl.DataFrame}[library])
    assert top["term"][0] == "dose × bmi"
    assert pipeline.score(frame, f) > 0.5


@pytest.mark.parametrize("estimator", ESTIMATORS[:3], ids=name_of)
def test_grid_search_over_a_pipeline(estimator):
    X, f = table()
    y = target_of(estimator, f)
    name = type(estimator).__name__.lower()
    pipeline = make_pipeline(StandardScaler(), clone(estimator).set_params(latent=None))
    search = GridSearchCV(pipeline, {f"{name}__alpha": [0.05, 5.0]}, cv=3, error_score="raise").fit(X, y)
    assert search.best_params_ == {f"{name}__alpha": 0.05}
    assert search.best_score_ > 0.5


@every_estimator
def test_sample_weight_without_routing(estimator):
    X, f = table()
    y, weight = target_of(estimator, f), np.random.default_rng(2).integers(1, 4, len(f)).astype(float)
    name = type(estimator).__name__.lower()
    pipeline = make_pipeline(StandardScaler(), clone(estimator).set_params(random_state=0))
    inside = pipeline.fit(X, y, **{f"{name}__sample_weight": weight}).predict(X)
    own = clone(estimator).set_params(random_state=0).fit(StandardScaler().fit_transform(X), y, weight)
    np.testing.assert_array_equal(inside, own.predict(StandardScaler().fit_transform(X)))


@every_estimator
def test_metadata_is_routed_to_fit_and_score(estimator):
    """Through a pipeline and cross-validation: the fits see their rows' weights, and the scores theirs."""
    X, f = table()
    y, weight = target_of(estimator, f), np.random.default_rng(2).integers(1, 4, len(f)).astype(float)
    folds = [(np.arange(40), np.arange(40, 60)), (np.arange(20, 60), np.arange(20))]
    with sklearn.config_context(enable_metadata_routing=True):
        own = clone(estimator).set_params(random_state=0)
        own.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), own)
        routed = cross_validate(
            pipeline, X, y, cv=folds, params={"sample_weight": weight}, return_estimator=True
        )
    for (train, test), fitted, score in zip(folds, routed["estimator"], routed["test_score"], strict=True):
        scaler = StandardScaler().fit(X[train])
        by_hand = clone(estimator).set_params(random_state=0)
        by_hand.fit(scaler.transform(X[train]), y[train], sample_weight=weight[train])
        np.testing.assert_array_equal(fitted.predict(X), by_hand.predict(scaler.transform(X)))
        assert score == by_hand.score(scaler.transform(X[test]), y[test], sample_weight=weight[test])


def test_strata_are_routed_to_survival_models():
    X, f = table()
    y, strata = target_of(InteractionCoxPH(), f), np.arange(60) % 3
    with sklearn.config_context(enable_metadata_routing=True):
        own = InteractionCoxPH(latent=None).set_fit_request(strata=True).set_score_request(strata=True)
        pipeline = make_pipeline(StandardScaler(), own)
        routed = cross_validate(pipeline, X, y, cv=3, params={"strata": strata}, return_estimator=True)
    assert all(set(model[-1].baseline_hazard_["strata"]) == {0, 1, 2} for model in routed["estimator"])
