"""Local factorization machines: scikit-learn's contract, and what the family promises beside it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from intertwine import LocalFMClassifier, LocalFMRegressor, load

QUICK = {"n_anchors": 4, "n_components": 2, "random_state": 0, "max_iter": 30}
SHORT = {"solver": "adam", "n_epochs": 20, "batch_size": 16, "learning_rate": 0.05}
DRAWN = {
    "check_sample_weight_equivalence_on_dense_data": "k-means draws its starts among rows: three equal rows are drawn "
    "otherwise than one of weight 3",
    "check_sample_weight_equivalence_on_sparse_data": "as for dense data",
}
ESTIMATORS = [
    LocalFMRegressor(**QUICK),
    LocalFMClassifier(**QUICK),
    LocalFMRegressor(**QUICK | SHORT, coding="adaptive"),
    LocalFMClassifier(**QUICK, space="latent", n_estimators=2),
]


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=lambda _: DRAWN, xfail_strict=False)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def table(n=80, p=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    return X, np.where(X[:, 0] > 0, X[:, 1], X[:, 1] * X[:, 2])


def target_of(estimator, f):
    return np.where(f > 0, "yes", "no") if isinstance(estimator, LocalFMClassifier) else f


def output_of(model, X):
    return model.predict_proba(X) if isinstance(model, LocalFMClassifier) else model.predict(X)


every_estimator = pytest.mark.parametrize(
    "estimator", ESTIMATORS, ids=["regressor", "classifier", "adaptive regressor", "latent classifier"]
)
quiet = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@quiet
@every_estimator
def test_fits_repeat_themselves_and_do_not_depend_on_threads(estimator):
    X, f = table()
    y = target_of(estimator, f)
    model = clone(estimator).set_params(n_estimators=2)
    one, again, two = (clone(model).set_params(n_jobs=n).fit(X, y) for n in (None, 1, 2))
    np.testing.assert_array_equal(output_of(one, X), output_of(again, X))
    np.testing.assert_array_equal(output_of(one, X), output_of(two, X))


@quiet
@every_estimator
def test_a_saved_model_predicts_the_same_to_the_bit(estimator, tmp_path):
    X, f = table()
    frame = pd.DataFrame(X, columns=["age", "dose", "bmi"])
    model = clone(estimator).fit(frame, target_of(estimator, f))
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(output_of(again, frame), output_of(model, frame))
    assert again.get_params() == model.get_params()
    pd.testing.assert_frame_equal(again.history_, model.history_)
    pd.testing.assert_frame_equal(again.top_interactions(2), model.top_interactions(2))


@quiet
def test_a_saved_model_of_several_classes_keeps_them(tmp_path):
    X, f = table()
    y = np.digitize(f, [-0.5, 0.5])
    model = LocalFMClassifier(**QUICK, space=[0, 2]).fit(X, y)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)
    assert set(model.top_interactions(1)["class"]) == {0, 1, 2}
    assert model.codes(X, label=2).shape == (80, 4)
    with pytest.raises(ValueError, match="give label"):
        model.codes(X)


@quiet
@every_estimator
@pytest.mark.parametrize("make", [sparse.csr_array, sparse.csc_matrix, sparse.coo_array])
def test_sparse_is_dense_where_nothing_is_rescaled(estimator, make):
    X, f = table()
    X = X * (np.abs(X) > 0.5)
    y = target_of(estimator, f)
    model = clone(estimator).set_params(scaling=None)
    dense, thin = clone(model).fit(X, y), clone(model).fit(make(X), y)
    np.testing.assert_allclose(output_of(thin, make(X)), output_of(dense, X), atol=1e-9)


@quiet
@every_estimator
@pytest.mark.parametrize("dense", [True, False])
def test_features_of_size_a_million_do_not_diverge(estimator, dense):
    X, f = table()
    y = target_of(estimator, f)
    scale = np.array([1e6, 1.0, 1e-6])
    shift = 1e7 if dense else 0.0
    convert = np.asarray if dense else sparse.csr_array
    plain = clone(estimator).fit(convert(X), y)
    large = clone(estimator).fit(convert(X * scale + shift * (scale > 1)), y)
    scores = output_of(large, convert(X * scale + shift * (scale > 1)))
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores, output_of(plain, convert(X)), atol=2e-3)


@quiet
def test_a_regression_does_not_depend_on_the_units_of_the_outcome():
    X, f = table()
    plain = LocalFMRegressor(**QUICK).fit(X, f)
    moved = LocalFMRegressor(**QUICK).fit(X, 1e6 * f + 3e7)
    np.testing.assert_allclose((moved.predict(X) - 3e7) / 1e6, plain.predict(X), atol=1e-4)


@quiet
@every_estimator
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_in_frames_out(estimator, library):
    X, f = table()
    make = {"pandas": pd.DataFrame, "polars": pl.DataFrame}[library]
    frame = make(dict(zip(["age", "dose", "bmi"], X.T, strict=True)))
    model = clone(estimator).fit(frame, target_of(estimator, f))
    for found in (model.top_interactions(2), model.history_):
        assert isinstance(found, make)
    assert set(model.top_interactions(3)["term"]) == {"age × dose", "age × bmi", "dose × bmi"}
    assert len(model.top_interactions(1, expert=0)["expert"]) == 1


@quiet
def test_distances_may_be_measured_in_named_columns():
    X, f = table(200)
    frame = pd.DataFrame(X, columns=["age", "dose", "bmi"])
    model = LocalFMRegressor(**QUICK, space=["age"]).fit(frame, f)
    assert model.anchors_.shape == (4, 1)
    moved = frame.assign(dose=0.0, bmi=9.0)
    np.testing.assert_array_equal(model.codes(moved).toarray(), model.codes(frame).toarray())
    with pytest.raises(ValueError, match="space"):
        LocalFMRegressor(space=["weight"]).fit(frame, f)
    with pytest.raises(ValueError, match="space is empty"):
        LocalFMRegressor(space=[]).fit(frame, f)


@quiet
@every_estimator
def test_readings_say_who_answers(estimator):
    X, f = table()
    model = clone(estimator).fit(X, target_of(estimator, f))
    codes = model.codes(X)
    np.testing.assert_allclose(codes.sum(axis=1), 1.0)
    assert codes.shape == (80, len(model.anchors_))
    np.testing.assert_array_equal(model.responsible_expert(X), codes.toarray().argmax(axis=1))
    effective = model.effective_neighbors(X)
    np.testing.assert_allclose(effective, 1.0 / (codes.toarray() ** 2).sum(axis=1))
    assert (effective <= np.diff(codes.indptr) + 1e-9).all()
    assert model.gamma_ > 0
    assert model.n_iter_ == max(model.history_["iteration"])


@quiet
def test_a_local_machine_learns_what_a_plain_one_cannot():
    X, f = table(400)
    local = LocalFMRegressor(n_anchors=8, n_components=2, random_state=0).fit(X[:300], f[:300])
    plain = LocalFMRegressor(n_anchors=1, n_components=2, random_state=0).fit(X[:300], f[:300])
    assert local.score(X[300:], f[300:]) > 0.8 > plain.score(X[300:], f[300:])


@quiet
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_weights_tell_which_rows_count(solver):
    X, f = table(200)
    y, weight = f.copy(), np.ones(200)
    y[:60], weight[:60] = 50.0, 0.0
    model = LocalFMRegressor(**QUICK, solver=solver).fit(X, y, weight)
    np.testing.assert_array_equal(model.predict(X), model.fit(X[60:], y[60:]).predict(X))
    scaled = LocalFMRegressor(**QUICK, solver=solver).fit(X[60:], y[60:], np.full(140, 3.0))
    np.testing.assert_allclose(scaled.predict(X), model.predict(X), atol=1e-6)


@quiet
def test_grid_search_over_a_pipeline():
    X, f = table(200)
    pipeline = make_pipeline(StandardScaler(), LocalFMRegressor(**QUICK))
    search = GridSearchCV(pipeline, {"localfmregressor__alpha": [1e-5, 10.0]}, cv=2, error_score="raise").fit(
        X, f
    )
    assert search.best_params_ == {"localfmregressor__alpha": 1e-5}


def test_a_short_descent_says_so():
    X, f = table()
    with pytest.warns(
        ConvergenceWarning, match="stopped after 2 iterations with optimality .*; raise max_iter"
    ):
        LocalFMRegressor(max_iter=2, random_state=0).fit(X, f)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_descent_that_diverges_says_when_and_what_to_do():
    X, f = table()
    with pytest.raises(ValueError, match="overflow at epoch 1; lower learning_rate"):
        LocalFMRegressor(solver="adam", learning_rate=1e200, batch_size=8, random_state=0).fit(X, f)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_ctrl_c_leaves_the_fitted_model_as_it_was(monkeypatch, n_jobs):
    X, f = table()
    model = LocalFMRegressor(**QUICK, solver="adam", n_epochs=5, n_estimators=3, n_jobs=n_jobs).fit(X, f)
    before = model.predict(X)
    calls = []

    def interrupted(self, problem, state):
        calls.append(1)
        if len(calls) > 2:
            raise KeyboardInterrupt
        return state._replace(epoch=state.epoch + 1, optimality=0.5)

    monkeypatch.setattr("intertwine.fitting.local_fm.descent.LocalFMDescent.step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, 2 * f)
    np.testing.assert_array_equal(model.predict(X), before)


@quiet
def test_progress_is_told_on_request(capsys):
    X, f = table()
    LocalFMRegressor(**QUICK, verbose=3).fit(X, f)
    assert "iteration 3" in capsys.readouterr().err
    LocalFMRegressor(**QUICK).fit(X, f)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("scaling", ["features", None])
def test_rows_predict_the_same_dense_and_sparse_whatever_the_fit_was_given(scaling):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 5)) + 3.0
    model = LocalFMRegressor(n_anchors=8, max_iter=5, scaling=scaling, random_state=0).fit(
        X, X[:, 0] * X[:, 1]
    )
    np.testing.assert_allclose(model.predict(sparse.csr_array(X)), model.predict(X), rtol=1e-10)
    np.testing.assert_allclose(
        model.codes(sparse.csr_array(X)).toarray(), model.codes(X).toarray(), rtol=1e-10
    )
