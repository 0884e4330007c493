"""The public estimators: fit, predict, tables, files, heredity."""

import numpy as np
import pytest

import intertwine
from intertwine import (
    InteractionClassifier,
    InteractionClassifierCV,
    InteractionCoxPH,
    InteractionRegressor,
    InteractionRegressorCV,
    survival_target,
)


def _data(seed=0, n=120, p=5):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    return X, X[:, 0] + 2 * X[:, 1] * X[:, 2] + 0.1 * rng.standard_normal(n)


REGRESSORS = {
    "ridge": {"latent": None},
    "low_rank": {"n_init": 1},
    "distance": {"latent": "distance", "n_init": 1},
    "machine": {"tie": np.inf, "n_init": 1},
    "third_order": {"order": 3, "latent": None},
    "squares": {"squares": True, "latent": None},
    "spline": {"basis": "spline", "latent": None},
    "sparse": {"l1_ratio": 0.5, "latent": None},
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", REGRESSORS)
def test_the_true_interaction_is_found_and_files_predict_to_the_bit(name, tmp_path):
    X, y = _data()
    model = InteractionRegressor(alpha=0.02, random_state=0, **REGRESSORS[name]).fit(X, y)
    assert model.top_interactions(1)["term"][0] == "x1 × x2"
    model.save(tmp_path / "model")
    again = intertwine.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_ridge_equals_the_explicit_design():
    X, y = _data()
    j, k = np.triu_indices(5, 1)
    design = np.hstack([X, X[:, j] * X[:, k]])
    centred, target = design - design.mean(axis=0), y - y.mean()
    penalty = np.repeat([0.3, 0.7], [5, 10])
    exact = np.linalg.solve(centred.T @ centred / len(y) + np.diag(penalty), centred.T @ target / len(y))
    model = InteractionRegressor(alpha=0.3, alpha_pairs=0.7, latent=None, scaling=None).fit(X, y)
    np.testing.assert_allclose(model.coef_, exact[:5], atol=1e-8)
    np.testing.assert_allclose(model.interaction_matrix()[j, k], exact[5:], atol=1e-8)


def test_heredity_without_l1_is_refused():
    with pytest.raises(ValueError, match="set l1_ratio > 0"):
        InteractionRegressor(heredity="weak", latent=None).fit(np.eye(8), np.arange(8.0))


def test_a_class_with_one_row_cannot_be_cross_validated():
    with pytest.raises(ValueError, match=r"two rows of every class at least; a single one: \['c'\]"):
        InteractionClassifierCV().fit(np.arange(14.0).reshape(7, 2), list("aaabbbc"))


def test_strong_heredity_holds():
    X, y = _data()
    model = InteractionRegressor(alpha=0.05, l1_ratio=1.0, latent=None, heredity="strong").fit(X, y)
    first, second = np.nonzero(model.interaction_matrix())
    assert np.all(model.coef_[first] != 0)
    assert np.all(model.coef_[second] != 0)


def test_classes_and_survival():
    X, y = _data()
    labels = np.digitize(y, [-1, 1])
    classifier = InteractionClassifier(alpha=0.02, latent=None).fit(X, labels)
    np.testing.assert_allclose(classifier.predict_proba(X).sum(axis=1), 1.0)
    assert classifier.score(X, labels) > 0.7
    time = np.random.default_rng(1).exponential(np.exp(-y))
    cox = InteractionCoxPH(alpha=0.02, latent=None).fit(X, survival_target(time, np.ones(len(y))))
    assert cox.score(X, survival_target(time, np.ones(len(y)))) > 0.7
    curves = np.asarray(cox.predict_survival_function(X[:2])["survival"])
    assert np.all((curves >= 0) & (curves <= 1))


def test_cross_validation_is_saved_with_its_record(tmp_path):
    X, y = _data()
    model = InteractionRegressorCV(n_knots=(0,), latents=("low_rank",), random_state=0, max_iter=30).fit(X, y)
    model.save(tmp_path / "model")
    again = intertwine.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.best_params_ == model.best_params_


def test_a_ranking_may_be_empty():
    X, y = _data()
    sparse = InteractionRegressor(alpha=0.05, l1_ratio=1.0, latent=None).fit(X, y)
    assert len(sparse.top_interactions(3)) > 0
    empty = InteractionRegressor(alpha=50.0, l1_ratio=1.0, latent=None).fit(X, y)
    assert len(empty.top_interactions(3)) == 0


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"l1_ratio": 0.5, "latent": None}, "the sparse path gives no standard errors"),
    ],
)
def test_a_ranking_by_z_needs_standard_errors(params, reason):
    X, y = _data()
    model = InteractionRegressor(alpha=0.02, random_state=0, **params).fit(X, y)
    with pytest.raises(ValueError, match=f"{reason}.*; use by='estimate'"):
        model.top_interactions(3, by="z")


@pytest.mark.parametrize(("n", "params"), [(8, {}), (200, {"basis": "spline", "n_knots": 3})])
def test_a_ranking_by_z_needs_a_file_with_standard_errors(n, params, monkeypatch, tmp_path):
    X, y = _data(n=n)
    monkeypatch.setattr("intertwine.estimators.interactions.state._LARGEST_POSTERIOR", 5)
    model = InteractionRegressor(latent=None, **params).fit(X, y)
    assert len(model.top_interactions(3, by="z")) == 3
    model.save(tmp_path / "model")
    with pytest.raises(
        ValueError, match="the file of this large model holds no standard errors; use by='estimate'"
    ):
        intertwine.load(tmp_path / "model").top_interactions(3, by="z")
