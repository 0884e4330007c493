"""Estimators of interactions: what a fit that fails leaves behind, and questions of their own that have no answer.

What all estimators are asked is in `test_bad_inputs_table.py`.
"""

from __future__ import annotations

import signal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from bad_inputs.columns import COLUMNS, N_ROWS, features
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import InvalidParameterError

from intertwine import (
    InteractionCoxPH,
    InteractionRegressor,
    InteractionRegressorCV,
    survival_target,
)
from intertwine.mixed_model import GaussianField
from intertwine.solvers.lbfgs import LBFGS
from intertwine.sparse_path import SparsePairProblem
from intertwine.validation import check_choices

KINDS = ("regression", "classification", "survival")
PLAIN = {
    kind: column.estimator
    for kind in KINDS
    for column in COLUMNS
    if column.has(f"{kind} dense pairs -search")
}
SEARCHING = {kind: column.estimator for kind in KINDS for column in COLUMNS if column.has(f"{kind} search")}
GOOD_TARGETS = {
    kind: lambda n, column=column: column.good(n).y
    for kind in KINDS
    for column in COLUMNS
    if column.has(f"{kind} search")
}
every_estimator = pytest.mark.parametrize(
    "estimator", [*PLAIN.values(), *SEARCHING.values()], ids=lambda estimator: type(estimator).__name__
)


def family_of(estimator):
    return next(f for f in PLAIN if type(estimator) in (type(PLAIN[f]), type(SEARCHING[f])))


def fitted(estimator, **params):
    return clone(estimator).set_params(**params).fit(features(), GOOD_TARGETS[family_of(estimator)](N_ROWS))


def state_of(model):
    """What a user can see of a fitted model."""
    seen = [model.predict(features()), model.coef_, model.interaction_matrix(), model.n_features_in_]
    seen.append(getattr(model, "feature_names_in_", None))
    seen += list(getattr(model, "classes_", []))
    return seen


def assert_as_before(model, before):
    for left, right in zip(state_of(model), before, strict=True):
        np.testing.assert_array_equal(left, right)


def failures(family):
    """Refits that fail at different depths: X, the target, the weights, the settings, the algebra."""
    y = GOOD_TARGETS[family](N_ROWS)
    frame = pd.DataFrame(features(), columns=["age", "dose", "bmi"])
    yield frame.assign(age=np.nan), y, {}
    yield frame.assign(more=1.0, text="a"), y, {}
    yield frame[["age", "dose"]], None, {}
    yield features(), y[:20], {}
    yield features(), y, {"sample_weight": -np.ones(N_ROWS)}


@every_estimator
def test_a_failed_refit_leaves_the_fitted_model_as_it_was(estimator):
    model = fitted(estimator)
    before = state_of(model)
    for X, y, fit_params in failures(family_of(estimator)):
        with pytest.raises(ValueError, match=r"X|y|weight"):
            model.fit(X, y, **fit_params)
        assert_as_before(model, before)
    with pytest.raises(InvalidParameterError):
        model.set_params(n_init=0).fit(
            features(2 * N_ROWS, 2), GOOD_TARGETS[family_of(estimator)](2 * N_ROWS)
        )
    assert_as_before(model, before)


INTERRUPTED = [
    pytest.param(estimator, params, place, id=f"{type(estimator).__name__}-{place[1]}")
    for estimator in [*PLAIN.values(), *SEARCHING.values()]
    for params, place in (
        [({}, (GaussianField, "mode")), ({}, (GaussianField, "posterior"))]
        + ([({"l1_ratio": 0.5}, (SparsePairProblem, "solve"))] if estimator in PLAIN.values() else [])
        + ([({"latent": "low_rank"}, (LBFGS, "step"))] if estimator in PLAIN.values() else [])
    )
]


@pytest.mark.parametrize(("estimator", "params", "place"), INTERRUPTED)
def test_ctrl_c_in_the_middle_of_a_fit(estimator, params, place, monkeypatch):
    """The interrupt reaches the user; an unfitted model stays unfitted, a fitted one as it was."""
    model, fresh = fitted(estimator, **params), clone(estimator).set_params(**params)
    before, calls = state_of(model), []
    owner, name = place
    original = getattr(owner, name)

    def interrupted(*arguments, **keywords):
        calls.append(1)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return original(*arguments, **keywords)

    X, y = features(2 * N_ROWS, 4), GOOD_TARGETS[family_of(estimator)](2 * N_ROWS)
    frame = pd.DataFrame(X, columns=list("abcd"))
    for one in (model, fresh):
        calls.clear()
        if place[1] in ("posterior", "solve", "mode") and estimator in PLAIN.values():
            calls.append(1)  # called once in a plain fit
        monkeypatch.setattr(owner, name, interrupted)
        with pytest.raises(KeyboardInterrupt):
            one.fit(frame, y)
        monkeypatch.undo()
    assert_as_before(model, before)
    with pytest.raises(NotFittedError):
        fresh.predict(X)
    assert not [name for name in vars(fresh) if name.endswith("_") or name.startswith("_")]


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_boolean_columns_are_0_and_1(make):
    X, smoker = features(), np.arange(N_ROWS) % 3 == 0
    y = X[:, 0] + smoker
    frame = make({"age": X[:, 0], "smoker": smoker})
    model = InteractionRegressor(latent=None).fit(frame, y)
    numbers = InteractionRegressor(latent=None).fit(np.column_stack([X[:, 0], smoker.astype(float)]), y)
    np.testing.assert_allclose(
        model.predict(frame), numbers.predict(frame.to_numpy().astype(float)), atol=1e-12
    )
    assert model.top_interactions(1)["term"][0] == "age × smoker"


@pytest.mark.parametrize("family", PLAIN)
@pytest.mark.parametrize("params", [{"alpha": 0.0, "alpha_pairs": 1.0}, {"unpenalized": [0, 3]}])
def test_free_columns_that_repeat_one_another(family, params):
    X = np.column_stack([features(), 2.0 * features()[:, 0]])
    model = clone(PLAIN[family]).set_params(**params)
    with pytest.raises(np.linalg.LinAlgError, match="'x0' = 0.5·'x3'; set alpha > 0"):
        model.fit(X, GOOD_TARGETS[family](N_ROWS))
    kept = clone(PLAIN[family]).set_params(**params, scaling=None)
    kept.set_params(unpenalized=[0]).fit(features(), GOOD_TARGETS[family](N_ROWS))
    assert np.isfinite(kept.coef_).all()


@pytest.mark.filterwarnings("ignore:X is constant")
def test_constants_do_not_repeat_one_another():
    X = np.column_stack([features(), np.full((N_ROWS, 2), [0.1, 1e6 / 3])])
    model = InteractionRegressor(alpha=0.0, alpha_pairs=1.0, latent=None)
    assert not model.fit(X, GOOD_TARGETS["regression"](N_ROWS)).coef_[3:].any()


def test_folds_that_do_not_test_every_row():
    search = InteractionRegressorCV(cv=[(np.arange(20), np.arange(20, 30))])
    with pytest.raises(ValueError, match="cv must test every row exactly once"):
        search.fit(features(), GOOD_TARGETS["regression"](N_ROWS))


NO_LISTS = {
    "scalings": ["features", 3],
    "n_knots": [5, "many"],
    "relevances": [0.5, None],
    "latents": ["low_rank", None],
    "squares": [True],
    "orders": [2],
    "n_components": [2.5, 0],
    "l1_ratios": [0.5],
    "cv": ["five", 0.5],
    "max_tune_rows": [5, 1e3],
}
NO_CHOICES = {
    "scalings": ["max"],
    "n_knots": [1, 2.5],
    "relevances": [-1.0, "auto"],
    "latents": ["pca", None],
    "squares": ["yes"],
    "orders": [4, 2.5],
    "n_components": [0],
    "l1_ratios": [1.5],
}


@pytest.mark.parametrize(("name", "value"), [(name, v) for name, values in NO_LISTS.items() for v in values])
@pytest.mark.parametrize("family", SEARCHING)
def test_choices_must_be_lists(family, name, value):
    search = clone(SEARCHING[family]).set_params(**{name: value})
    with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter of .* must be"):
        search.fit(features(), GOOD_TARGETS[family](N_ROWS))


@pytest.mark.parametrize(("name", "item"), [(name, v) for name, items in NO_CHOICES.items() for v in items])
def test_lists_must_hold_what_can_be_chosen(name, item):
    search = clone(SEARCHING["regression"])
    good = search.get_params()[name]
    check_choices(search)
    with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter of .* must be.*Got {item!r}"):
        check_choices(search.set_params(**{name: (*good, item)}))


@pytest.mark.parametrize("name", ["scalings", "n_knots", "relevances", "squares", "orders", "n_components"])
def test_lists_must_hold_something(name):
    search = clone(SEARCHING["regression"]).set_params(**{name: ()})
    with pytest.raises(ValueError, match=f"{name} is empty; list at least one value to try"):
        search.fit(features(), GOOD_TARGETS["regression"](N_ROWS))


def test_a_search_of_nothing_but_splines_of_normal_scores():
    search = clone(SEARCHING["regression"]).set_params(scalings=("quantile",), n_knots=(3,))
    with pytest.raises(ValueError, match="add 'features' to scalings, or 0 to n_knots"):
        search.fit(features(), GOOD_TARGETS["regression"](N_ROWS))


def test_survival_questions_that_have_no_answer():
    y = GOOD_TARGETS["survival"](N_ROWS)
    model = InteractionCoxPH(latent=None).fit(features(), y, strata=np.arange(N_ROWS) % 2)
    with pytest.raises(ValueError, match="2 strata; pass strata="):
        model.predict_survival_function(features())
    with pytest.raises(ValueError, match="strata 7 were not seen at fit"):
        model.predict_survival_function(features(), strata=np.full(N_ROWS, 7))
    with pytest.raises(ValueError, match="30 rows, but strata has 3"):
        model.predict_survival_function(features(), strata=[0, 1, 0])
    with pytest.raises(ValueError, match="no events"):
        model.fit(features(), survival_target(np.arange(1.0, 31), np.zeros(30, bool)))


@every_estimator
def test_questions_about_pairs_that_have_no_answer(estimator):
    model = fitted(estimator)
    with pytest.raises(ValueError, match="by='p': choose 'estimate' or 'z'"):
        model.top_interactions(by="p")
    for k, expected in {
        0: ValueError,
        -1: ValueError,
        2.5: TypeError,
        "a": TypeError,
        True: TypeError,
    }.items():
        with pytest.raises(expected, match=f"k must be a positive integer, got {k!r}"):
            model.top_interactions(k)
    with pytest.raises(ValueError, match="feature 9 is out of range for 3 features"):
        model.interaction(0, 9)
    with pytest.raises(ValueError, match="'age' is not a feature"):
        model.interaction(0, "age")
    with pytest.raises(ValueError, match="two different features"):
        model.interaction(1, -2)
    with pytest.raises(ValueError, match="no latent target"):
        model.latent_frame()


def test_times_of_curves_are_read():
    model = clone(PLAIN["survival"]).fit(features(), GOOD_TARGETS["survival"](N_ROWS))
    one = model.predict_survival_function(features(), times=3)
    pd.testing.assert_frame_equal(one, model.predict_survival_function(features(), times=[3.0]))
    with pytest.raises(ValueError, match="times contains NaN"):
        model.predict_survival_function(features(), times=[1.0, np.nan])
    with pytest.raises(ValueError, match=r"times has shape \(1, 2\), expected 1-D"):
        model.predict_survival_function(features(), times=[[1.0, 2.0]])
