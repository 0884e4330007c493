"""MixedModel in scikit-learn's contract: its checks, clones, pipelines, searches, routing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone, is_regressor
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from intertwine import MixedModel
from intertwine.effects import Grouped

LIMITS = {
    "check_sample_weight_equivalence_on_dense_data": "30 features in 15 rows: nothing is left to tell the noise, "
    "which is refused; the law itself is tested below"
}


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([MixedModel()], expected_failed_checks=lambda _: LIMITS)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def study(seed=0, n_groups=12, n_each=8, n_features=2):
    """X, y and groups, whose intercepts vary."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), n_each)
    X = rng.standard_normal((len(groups), n_features))
    y = X @ np.arange(1.0, n_features + 1) + rng.standard_normal(n_groups)[groups]
    return X, y + 0.5 * rng.standard_normal(len(groups)), groups


def test_it_is_a_regressor_of_several_outputs():
    assert is_regressor(MixedModel())
    X, y, groups = study()
    two = MixedModel().fit(X, np.column_stack([y, 2.0 * y + 1.0]), groups=groups)
    assert two.predict(X, groups=groups).shape == (len(X), 2)
    one = MixedModel().fit(X, y, groups=groups)
    np.testing.assert_allclose(two.predict(X, groups=groups)[:, 0], one.predict(X, groups=groups), rtol=1e-6)
    assert two.coef_.shape == (2, 2)
    assert one.coef_.shape == (2,)


def test_a_clone_fits_alike():
    X, y, groups = study()
    fitted = MixedModel([Grouped(slopes=(0,))]).fit(X, y, groups=groups)
    again = clone(fitted)
    assert not hasattr(again, "n_features_in_")
    np.testing.assert_array_equal(
        again.fit(X, y, groups=groups).predict(X, groups=groups), fitted.predict(X, groups=groups)
    )


@pytest.mark.parametrize("library", [pd, pl])
def test_frames_in_frames_out(library):
    X, y, groups = study()
    frame = library.DataFrame({"age": X[:, 0], "dose": X[:, 1]})
    labels = library.DataFrame({"site": [f"s{g}" for g in groups]})
    model = MixedModel([Grouped("site", slopes=("dose",))]).fit(
        frame, library.Series("y", y) if library is pl else y, groups=labels
    )
    plain = MixedModel([Grouped(slopes=(1,))]).fit(X, y, groups=groups)
    np.testing.assert_allclose(
        model.predict(frame, groups=labels), plain.predict(X, groups=groups), rtol=1e-6
    )
    tables = [model.fixed_effects_, model.random_effects_, model.variance_components_, model.history_]
    assert all(isinstance(table, library.DataFrame) for table in tables)
    assert list(model.fixed_effects_["term"]) == ["intercept", "age", "dose"]
    assert list(model.random_effects_["term"])[:2] == ["intercept", "dose"]


def test_weights_are_precisions():
    """Least squares: a row of weight two is two rows; a row of weight zero is none."""
    X, y, _ = study()
    weight = np.random.default_rng(1).integers(0, 3, len(y))
    weighted = MixedModel().fit(X, y, weight)
    repeated = MixedModel().fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X))


def test_a_pipeline_and_a_grid_search_with_routing():
    X, y, groups = study()
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(StandardScaler(), MixedModel(unseen="ignore"))
        search = GridSearchCV(
            pipeline,
            {
                "mixedmodel__effects": [(), [Grouped()], [Grouped(slopes=(0,))]],
                "mixedmodel__method": ["ml", "reml"],
            },
            cv=KFold(3, shuffle=True, random_state=0),
            error_score="raise",
        ).fit(X, y, groups=groups)
    assert search.best_params_["mixedmodel__effects"] != ()
    assert search.best_score_ > 0.9


def test_groups_reach_fit_score_and_splitter():
    X, y, groups = study()
    given = {"groups": groups}
    with sklearn.config_context(enable_metadata_routing=True):
        within = cross_validate(MixedModel(), X, y, cv=KFold(4, shuffle=True, random_state=0), params=given)
        between = cross_validate(MixedModel(unseen="ignore"), X, y, cv=GroupKFold(4), params=given)
        weighted = MixedModel().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        routed = cross_validate(weighted, X, y, cv=3, params={**given, "sample_weight": np.ones(len(y))})
    assert within["test_score"].mean() > between["test_score"].mean()
    assert np.isfinite(routed["test_score"]).all()


def test_without_routing_metadata_go_by_hand():
    X, y, groups = study()
    pipeline = make_pipeline(StandardScaler(), MixedModel()).fit(X, y, mixedmodel__groups=groups)
    assert pipeline[-1].random_effects_.shape[0] == 12


def test_a_failed_fit_leaves_nothing_behind(monkeypatch):
    X, y, groups = study()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("intertwine.estimators.mixed_model.model.fit_mixed_model", interrupted)
    model = MixedModel()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y, groups=groups)
    assert vars(model) == model.get_params()


@pytest.mark.parametrize("unit", [1e-12, 1e-6, 3.0, 1e12])
def test_the_unit_of_weights_is_that_of_the_noise_alone(unit):
    rng = np.random.default_rng(0)
    group, x = np.arange(200) % 40, rng.standard_normal((200, 1))
    Y = x + rng.standard_normal((40, 2))[group] + rng.standard_normal((200, 2))
    weights = rng.uniform(0.5, 2.0, 200)
    one, other = (MixedModel().fit(x, Y, sample_weight=w, groups=group) for w in (weights, unit * weights))
    np.testing.assert_allclose(other.coef_, one.coef_, rtol=1e-6)
    np.testing.assert_allclose(other.log_likelihood_, one.log_likelihood_, rtol=1e-9)
    np.testing.assert_allclose(
        other.predict(x, groups=group), one.predict(x, groups=group), rtol=1e-5, atol=1e-5
    )
    noise = [model.variance_components_.query("component == 'noise'")["variance"] for model in (one, other)]
    np.testing.assert_allclose(noise[1], unit * noise[0], rtol=1e-5)
