"""RandomEffectsPCA in scikit-learn's contract: its checks, frames, pipelines, searches, routing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from intertwine import RandomEffectsPCA


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([RandomEffectsPCA(max_iter=100), RandomEffectsPCA(noise="isotropic", max_iter=100)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def study(seed=0, n_groups=15, n_each=8, n_features=4):
    """Rows of groups, and what kind each is of."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), n_each)
    kind = rng.integers(0, 2, len(groups))
    X = np.outer(2.0 * kind + 0.3 * rng.standard_normal(len(groups)), rng.uniform(0.5, 1.5, n_features))
    X += 3.0 * rng.standard_normal((n_groups, n_features))[groups]
    return X + 0.3 * rng.standard_normal(X.shape), kind, groups


def test_a_clone_fits_alike():
    X, _, groups = study()
    fitted = RandomEffectsPCA(1).fit(X, groups=groups)
    again = clone(fitted)
    assert not hasattr(again, "n_features_in_")
    np.testing.assert_array_equal(again.fit(X, groups=groups).components_, fitted.components_)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_in_frames_out(library):
    X, _, groups = study()
    make = {"pandas": pd.DataFrame, "polars": pl.DataFrame}[library]
    frame = make({f"f{j}": X[:, j] for j in range(X.shape[1])})
    model = RandomEffectsPCA(1).set_output(transform=library).fit(frame, groups=make({"school": groups}))
    assert isinstance(model.transform(frame, groups=make({"school": groups})), make)
    assert model.get_feature_names_out().tolist() == ["randomeffectspca0"]
    tables = model.variance_components_, model.random_effects_, model.history_
    assert all(isinstance(table, make) for table in tables)
    assert set(model.variance_components_["component"]) == {"latent", "school", "noise"}
    assert set(model.random_effects_["feature"]) == {"f0", "f1", "f2", "f3"}
    plain = RandomEffectsPCA(1).fit(X, groups=groups)
    np.testing.assert_allclose(model.components_, plain.components_, rtol=1e-6)


def test_float32_is_fitted_as_well():
    X, _, groups = study()
    model = RandomEffectsPCA(1).fit(X.astype(np.float32), groups=groups)
    np.testing.assert_allclose(
        model.components_, RandomEffectsPCA(1).fit(X, groups=groups).components_, rtol=1e-3
    )


def test_latents_of_a_pipeline_know_the_groups():
    """The kind of a row is hidden by levels of groups, which are removed without a look at the test rows' labels."""
    X, kind, groups = study()
    with sklearn.config_context(enable_metadata_routing=True):
        latents = RandomEffectsPCA(1).set_fit_request(groups=True).set_transform_request(groups=True)
        pipeline = make_pipeline(StandardScaler(), latents, LogisticRegression())
        train = np.arange(len(X)) % 4 > 0
        pipeline.fit(X[train], kind[train], groups=groups[train])
        assert pipeline.score(X[~train], kind[~train], groups=groups[~train]) > 0.9
    alone = make_pipeline(StandardScaler(), RandomEffectsPCA(1), LogisticRegression())
    assert alone.fit(X[train], kind[train]).score(X[~train], kind[~train]) < 0.8


@pytest.mark.filterwarnings("ignore:.*not in fit")
def test_the_number_of_latents_is_searched_by_the_density_of_new_groups():
    X, _, groups = study(n_features=6)
    X += np.outer(np.random.default_rng(1).standard_normal(len(X)), [2.0, -2.0, 2.0, -2.0, 2.0, -2.0])
    with sklearn.config_context(enable_metadata_routing=True):
        model = RandomEffectsPCA().set_fit_request(groups=True).set_score_request(groups=True)
        search = GridSearchCV(model, {"n_components": [1, 2]}, cv=GroupKFold(3))
        search.fit(X, groups=groups)
        scores = cross_val_score(model, X, cv=GroupKFold(3), params={"groups": groups})
    assert search.best_params_ == {"n_components": 2}
    assert np.isfinite(scores).all()
