"""Latent-factor models where data are few, ids come later, or numbers are odd: what holds for every solver."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from intertwine import LatentFactorModel
from intertwine.fitting.latent_factors.side_features import SideColumn


def ratings(n_users=40, n_items=30, n=700, seed=0, noise=0.3):
    """Pairs, each once, and ratings of two factors."""
    rng = np.random.default_rng(seed)
    taste, kind = rng.standard_normal((n_users, 2)), rng.standard_normal((n_items, 2))
    users, items = np.divmod(rng.permutation(n_users * n_items)[:n], n_items)
    level = 3 + 0.5 * rng.standard_normal(n_users)[users]
    y = level + (taste[users] * kind[items]).sum(axis=1) + noise * rng.standard_normal(n)
    return np.column_stack([users, items]), y


def error(model, X, y):
    """Root mean squared error."""
    return float(np.sqrt(np.mean((model.predict(X) - y) ** 2)))


@pytest.mark.parametrize("seed", range(4))
def test_factors_are_found_where_ids_have_few_ratings(seed):
    # a prior that is too strong for a dozen ratings an id gave all factors up: an error of 1.5, that of levels alone
    X, y = ratings(seed=seed)
    model = LatentFactorModel(n_components=2, random_state=seed).fit(X[:550], y[:550])
    assert error(model, X[550:], y[550:]) < 0.5


@pytest.mark.parametrize("solver", ["variational", "gibbs", "als", "gauss_newton", "sgd"])
def test_levels_alone_take_new_ratings_in(solver):
    rng = np.random.default_rng(0)
    X, _ = ratings(n=600)
    level = rng.standard_normal(40)[X[:, 0]]
    y = level + 0.1 * rng.standard_normal(len(X))
    known = X[:, 0] < 35
    model = LatentFactorModel(n_components=0, solver=solver, max_iter=80, random_state=0)
    model.fit(X[known], y[known])
    folded = model.fold_in(X[~known], y[~known])
    np.testing.assert_array_equal(folded.predict(X[known]), model.predict(X[known]))
    assert error(folded, X[~known], y[~known]) < 0.6 * np.std(y[~known])
    assert error(model.partial_fit(X[~known], y[~known]), X[~known], y[~known]) < 0.6 * np.std(y[~known])


@pytest.mark.parametrize("solver", ["variational", "als"])
def test_what_is_measured_twice_weighs_twice(solver):
    # also where it counts that somebody rated it: they did so once
    X, y = ratings()
    weight = np.random.default_rng(1).integers(1, 4, len(X))
    twice = np.repeat(X, weight, axis=0), np.repeat(y, weight)
    settings = {
        "n_components": 2,
        "solver": solver,
        "implicit": True,
        "random_state": 0,
        "duplicates": "keep",
    }
    known = X[:, 0] < 35
    weighted = LatentFactorModel(**settings).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(
        LatentFactorModel(**settings).fit(*twice).predict(X), weighted.predict(X), rtol=1e-9
    )
    base = LatentFactorModel(**settings).fit(X[known], y[known])
    later = ~known[np.repeat(np.arange(len(X)), weight)]
    folded = base.fold_in(twice[0][later], twice[1][later])
    weighted = base.fold_in(X[~known], y[~known], sample_weight=weight[~known])
    np.testing.assert_allclose(folded.predict(X), weighted.predict(X), rtol=1e-9)


@pytest.mark.parametrize("solver", ["variational", "gibbs"])
def test_standard_deviations_cover_where_users_are_new(solver):
    # of users without ratings, and of users whose first ratings were folded in
    X, y = ratings(300, 60, 6000, seed=3, noise=0.7)
    new = X[:, 0] >= 250
    first, later = np.flatnonzero(new)[::2], np.flatnonzero(new)[1::2]
    settings = {"max_iter": 60, "n_samples": 40} if solver == "gibbs" else {}
    model = LatentFactorModel(n_components=2, solver=solver, random_state=0, **settings)
    model.fit(X[~new], y[~new])
    with pytest.warns(UserWarning, match="not in the fit"):
        mean, std = model.predict(X[later], return_std=True)
    assert 0.75 < np.mean(np.abs(y[later] - mean) < 1.2816 * std) < 0.85
    folded = model.fold_in(X[first], y[first])
    mean, folded_std = folded.predict(X[later], return_std=True)
    assert 0.75 < np.mean(np.abs(y[later] - mean) < 1.2816 * folded_std) < 0.85
    assert np.median(folded_std) < 0.7 * np.median(std)


def test_categories_of_numbers_are_these_numbers():
    X, y = ratings(n=300)
    frame = pd.DataFrame(X, columns=["user", "item"])
    model = LatentFactorModel(n_components=1, random_state=0).fit(frame.astype("category"), y)
    assert model.users_.dtype == np.int64
    np.testing.assert_array_equal(model.predict(frame), model.predict(frame.astype("category")))


def test_a_sparse_matrix_of_new_users_is_folded_in():
    X, y = ratings()
    known = X[:, 0] < 35
    model = LatentFactorModel(n_components=1, random_state=0).fit(X[known], y[known])
    table = sparse.coo_array((y[~known], tuple(X[~known].T)), shape=(40, 30)).tocsr()
    pairs = model.fold_in(X[~known], y[~known])
    np.testing.assert_allclose(model.fold_in(table).predict(X), pairs.predict(X), rtol=1e-12)


def test_without_factors_nothing_is_alike():
    X, y = ratings(n=300)
    with pytest.raises(ValueError, match="no factors to compare"):
        LatentFactorModel(n_components=0).fit(X, y).similar_items([0])


def test_a_scale_is_two_numbers():
    X, y = ratings(n=300)
    with pytest.raises(ValueError, match=r"rating_scale=\('1', '5'\) is no \(low, high\)"):
        LatentFactorModel(rating_scale=("1", "5")).fit(X, y)


@pytest.mark.parametrize("solver", ["variational", "gibbs", "als", "gauss_newton"])
def test_what_would_not_fit_into_memory_is_refused_before(solver):
    X, y = ratings(n=300)
    model = LatentFactorModel(n_components=10**6, n_samples=10**6, solver=solver)
    with pytest.raises(MemoryError, match="the fit of 40 users and 30 items needs .* a smaller n_components"):
        model.fit(X, y)


def test_the_only_user_says_little_of_another():
    X = np.column_stack([np.zeros(20, int), np.arange(20)])
    y = np.random.default_rng(0).normal(size=20)
    model = LatentFactorModel(n_components=1, solver="gibbs", max_iter=40, random_state=0).fit(X, y)
    folded = model.fold_in([[1, 0], [1, 1]], [2.0, 3.0])
    assert np.isfinite(folded.predict([[1, 2], [0, 1]], return_std=True)).all()


def test_warnings_name_the_line_of_the_caller():
    X, y = ratings(n=300)
    with pytest.warns(ConvergenceWarning) as caught:
        LatentFactorModel(n_components=2, max_iter=2, random_state=0).fit(X, y)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(("level", "most"), [(0.1, 0), (1.0, 1)])
def test_last_steps_are_few_where_the_best_came_early(level, most):
    # few ratings, mostly levels: two more steps after the fifth learn noise
    rng = np.random.default_rng(0)
    X, _ = ratings(200, 150, 1500)
    y = level * rng.standard_normal(200)[X[:, 0]] + rng.standard_normal(len(X))
    model = LatentFactorModel(solver="gauss_newton", validation_fraction=0.2, random_state=0).fit(X, y)
    held_out = model.history_["validation_rmse"]
    assert held_out.argmin() < 8
    assert held_out.isna().sum() <= most  # steps with all ratings have no error of ratings held out


@pytest.mark.parametrize("solver", ["gauss_newton", "sgd"])
def test_three_ratings_of_a_stranger_do_no_harm(solver):
    # stopped early, rows are held by few steps, hardly by the ridge: alone it took three ratings at their word
    rng = np.random.default_rng(0)
    X, _ = ratings(300, 60, 9000)
    y = 0.5 * rng.standard_normal(300)[X[:, 0]] + 0.5 * rng.standard_normal(60)[X[:, 1]]
    y += rng.standard_normal(len(X))
    new = X[:, 0] >= 200
    nth = pd.Series(X[:, 0]).groupby(X[:, 0]).cumcount().to_numpy()
    first, later = new & (nth < 3), new & (nth >= 3)
    model = LatentFactorModel(n_components=5, solver=solver, random_state=0).fit(X[~new], y[~new])
    with pytest.warns(UserWarning, match="not in the fit"):
        cold = error(model, X[later], y[later])
    assert error(model.fold_in(X[first], y[first]), X[later], y[later]) < 0.99 * cold


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA])
def test_missing_labels_are_said_to_be_missing(missing):
    X, y = ratings(n=300)
    genre = np.array(["comedy", "drama", missing], dtype=object)[X[:, 1] % 3]
    frame = pd.DataFrame({"user": X[:, 0], "item": X[:, 1], "genre": genre})
    with pytest.raises(ValueError, match="'genre' has 10 missing labels; give them a label of their own"):
        LatentFactorModel(n_components=1, item_features=["genre"]).fit(frame, y)


def test_numbers_known_of_ids_are_counted_from_their_mean_in_their_deviation():
    ages = np.array([20.0, 30.0, 70.0])
    features = SideColumn.of(ages, "age").features(np.append(ages, 100.0)).toarray().ravel()
    np.testing.assert_allclose(features, (np.append(ages, 100.0) - ages.mean()) / ages.std())
