"""Samples of the posterior: calibrated, resumable, sound on hard input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning

from intertwine import FMClassifier, FMRegressor, load
from intertwine.fitting.fm.gibbs import scale_reduction


def ratings(seed=0, n_users=40, n_items=30, n=900, noise=0.5):
    rng = np.random.default_rng(seed)
    users, items = rng.integers(n_users, size=n), rng.integers(n_items, size=n)
    P, Q = rng.standard_normal((n_users, 2)), rng.standard_normal((n_items, 2))
    f = 3.0 + 0.5 * P[users, 0] + 0.7 * (P[users] * Q[items]).sum(axis=1)
    columns = np.column_stack([users, n_users + items]).ravel()
    X = sparse.csr_array((np.ones(2 * n), columns, np.arange(0, 2 * n + 1, 2)), shape=(n, n_users + n_items))
    return X, f + noise * rng.standard_normal(n), f


def test_predictions_and_their_uncertainty_are_calibrated():
    X, y, f = ratings(n=1500)
    model = FMRegressor(n_components=2, max_iter=300, random_state=0).fit(X[:1000], y[:1000])
    mean, std = model.predict(X[1000:], return_std=True)
    z = (y[1000:] - mean) / std
    assert np.mean(np.abs(z) < norm.ppf(0.975)) == pytest.approx(0.95, abs=0.03)
    assert z.std() == pytest.approx(1.0, abs=0.12)
    assert np.sqrt(np.mean((mean - f[1000:]) ** 2)) < 0.45
    np.testing.assert_allclose(model.predict(X[1000:]), mean)


def test_linear_model_is_bayesian_ridge_at_the_learnt_precisions():
    """Without factors the posterior is Gaussian given the precisions, which many rows pin down."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1000, 30))
    X /= np.sqrt(np.mean(X**2, axis=0))
    beta = 0.3 * rng.standard_normal(30)
    y = X @ beta + rng.standard_normal(1000)
    model = FMRegressor(n_components=0, max_iter=1200, n_samples=900, random_state=0).fit(X, y)
    fitted = model._models[0][1]
    slopes = fitted.spread * fitted.tables[:, :, 0]
    noise = fitted.spread**2 * np.mean(fitted.noise**2)
    ridge = noise / np.mean(slopes.std(axis=1) ** 2)
    covariance = np.linalg.inv(X.T @ X + ridge * np.eye(30))
    np.testing.assert_allclose(slopes.mean(axis=0), covariance @ X.T @ (y - y.mean()), atol=0.01)
    np.testing.assert_allclose(slopes.std(axis=0), np.sqrt(noise * np.diag(covariance)), rtol=0.1)


def test_a_weight_is_a_repetition():
    X, y, _ = ratings(n=300)
    weight = np.random.default_rng(1).integers(0, 3, 300)
    repeated = np.repeat(np.arange(300), weight)
    settings = {"n_components": 1, "max_iter": 40, "random_state": 0}
    weighted = FMRegressor(**settings).fit(X, y, weight).predict(X)
    by_hand = FMRegressor(**settings).fit(X[repeated], y[repeated]).predict(X)
    np.testing.assert_allclose(weighted, by_hand, atol=1e-4)  # the same sums, so the same draws


def test_a_weight_is_a_repetition_in_distribution_for_classes():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((150, 2))
    y, weight = X[:, 0] + rng.standard_normal(150) > 0, rng.integers(0, 3, 150)
    repeated = np.repeat(np.arange(150), weight)
    settings = {"n_components": 0, "max_iter": 1500, "n_samples": 1200, "random_state": 0}
    a = FMClassifier(**settings).fit(X, y, weight)._models[0][1].tables[:, :, 0]
    b = FMClassifier(**settings).fit(X[repeated], y[repeated])._models[0][1].tables[:, :, 0]
    np.testing.assert_allclose(a.mean(axis=0), b.mean(axis=0), atol=0.04)
    np.testing.assert_allclose(a.std(axis=0), b.std(axis=0), rtol=0.15)


def test_probabilities_are_calibrated():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3000, 4))
    share = norm.cdf(0.5 + X[:, 0] + X[:, 1] * X[:, 2])
    y = rng.random(3000) < share
    model = FMClassifier(n_components=2, max_iter=200, random_state=0).fit(X[:2000], y[:2000])
    found = model.predict_proba(X[2000:])[:, 1]
    assert np.sqrt(np.mean((found - share[2000:]) ** 2)) < 0.06
    np.testing.assert_array_equal(model.predict(X), model.decision_function(X) > 0)


def test_ordered_classes():
    X, y, _ = ratings(n=1500)
    grades = np.clip(np.round(y), 1, 5).astype(int)
    model = FMClassifier(ordinal=True, n_components=2, max_iter=200, random_state=0).fit(
        X[:1000], grades[:1000]
    )
    probability = model.predict_proba(X[1000:])
    np.testing.assert_allclose(probability.sum(axis=1), 1.0)
    error = np.sqrt(np.mean((model.expected_value(X[1000:]) - grades[1000:]) ** 2))
    nominal = FMClassifier(n_components=2, max_iter=100, random_state=0).fit(X[:1000], grades[:1000])
    assert error < np.sqrt(np.mean((nominal.expected_value(X[1000:]) - grades[1000:]) ** 2))
    assert error < 0.85 * grades.std()
    assert not hasattr(model, "decision_function")


@pytest.mark.parametrize("make", [lambda **k: FMRegressor(**k), lambda **k: FMClassifier(ordinal=True, **k)])
def test_an_interrupted_chain_goes_on_to_the_same_draws(make, tmp_path, monkeypatch):
    X, y, _ = ratings(n=200)
    y = np.clip(np.round(y), 1, 4)
    settings = {"n_components": 1, "max_iter": 100, "n_samples": 10, "random_state": 3}
    whole = make(**settings).fit(X, y)

    from intertwine.solvers import gibbs

    original, count = gibbs.GibbsSampler._draw_priors, [0]

    def stops(self, *arguments):
        count[0] += 1
        if count[0] == 55:
            raise KeyboardInterrupt
        return original(self, *arguments)

    monkeypatch.setattr(gibbs.GibbsSampler, "_draw_priors", stops)
    model = make(checkpoint=tmp_path / "chain", **settings)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert not hasattr(model, "n_features_in_")
    assert (tmp_path / "chain").exists()
    model.fit(X, y)
    assert count[0] < 55 + 62  # rounds of twenty: forty sweeps were on record
    np.testing.assert_array_equal(model._models[0][1].tables, whole._models[0][1].tables)
    assert not (tmp_path / "chain").exists()


@pytest.mark.parametrize("solver", ["gibbs", "als"])
def test_huge_and_tiny_columns_are_as_good_as_others(solver):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 4))
    y = X[:, 0] + X[:, 1] * X[:, 2] + 0.1 * rng.standard_normal(300)
    sizes = np.array([1e6, 1e-6, 1e6, 1.0])
    settings = {"n_components": 2, "solver": solver, "random_state": 0, "max_iter": 60}
    plain = FMRegressor(**settings).fit(X, y).predict(X)
    scaled = FMRegressor(**settings).fit(X * sizes, 1e6 * y).predict(X * sizes)
    np.testing.assert_allclose(scaled, 1e6 * plain, rtol=1e-4, atol=1e3)


def test_levels_that_were_never_seen_are_average_ones():
    X, y, _ = ratings(n=600)
    kept = X[:, [5]].toarray().ravel() == 0
    with pytest.warns(
        UserWarning, match=r"constant in columns \[5\]; they cannot be told from the intercept"
    ):
        model = FMRegressor(n_components=2, max_iter=100, random_state=0).fit(X[kept], y[kept])
    with pytest.warns(UserWarning, match=r"rows have features that were zero in every row of fit \(x5\)"):
        mean, std = model.predict(X[~kept], return_std=True)
    assert std.mean() > model.predict(X[kept], return_std=True)[1].mean()
    assert np.abs(mean - y.mean()).mean() < y.std()
    assert "x5" not in set(model.top_interactions(3000)[["feature_1", "feature_2"]].to_numpy().ravel())
    assert "x5" in model.top_interactions(3, features=[5, 50])["term"][0]


def test_a_chain_that_has_not_settled_says_so():
    X, y, _ = ratings()
    with pytest.warns(ConvergenceWarning, match="raise max_iter"):
        FMRegressor(n_components=4, max_iter=12, random_state=0, init_scale=3.0).fit(X, y)
    assert scale_reduction(np.zeros(3)) == np.inf
    assert scale_reduction(np.zeros(40)) == 1.0


def test_a_warm_start_goes_on_where_the_last_fit_was():
    X, y, _ = ratings()
    model = FMRegressor(n_components=2, solver="als", random_state=0, tol=1e-10, max_iter=2000).fit(X, y)
    first = model.n_iter_
    again = model.set_params(warm_start=True).fit(X, y)
    assert again.n_iter_ < first / 4


def test_feature_groups_have_priors_of_their_own():
    X, y, _ = ratings()
    grouped = FMRegressor(n_components=1, max_iter=20, random_state=0)
    explicit = FMRegressor(
        n_components=1, max_iter=20, random_state=0, feature_groups=np.repeat(["a", "b"], [40, 30])
    )
    single = FMRegressor(n_components=1, max_iter=20, random_state=0, feature_groups=None)
    a, b, c = (model.fit(X, y).predict(X) for model in (grouped, explicit, single))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    with pytest.raises(ValueError, match="one group for each of 70 features"):
        FMRegressor(feature_groups=[0, 1]).fit(X, y)


def test_only_linear_only_interactions_and_three_at_once():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((600, 3))
    y = 2.0 * X[:, 0] + X[:, 1] * X[:, 2]
    triple = X[:, 0] * X[:, 1] * X[:, 2]
    settings = {"max_iter": 150, "random_state": 0}
    assert FMRegressor(n_components=0, **settings).fit(X, y).score(X, y) == pytest.approx(0.8, abs=0.05)
    assert FMRegressor(n_components=3, linear=False, **settings).fit(X, y).score(X, y) < 0.4
    assert FMRegressor(n_components=2, **settings).fit(X, triple).score(X, triple) < 0.3
    assert FMRegressor(n_components=2, order=3, **settings).fit(X, triple).score(X, triple) > 0.95


def test_draws_that_would_not_fit_are_refused():
    X = sparse.csr_array((np.ones(2), ([0, 1], [0, 1_000_000])), shape=(2, 1_000_001))
    with pytest.raises(MemoryError, match="draws of 1000001 features"):
        FMRegressor(solver="gibbs", n_components=200, n_samples=10_000, max_iter=20_000).fit(X, [0.0, 1.0])


def test_wrong_settings():
    X, y, _ = ratings(n=50)
    with pytest.raises(ValueError, match="n_burn_in=9 leaves no draws"):
        FMRegressor(max_iter=9, n_burn_in=9).fit(X, y)
    with pytest.raises(ValueError, match="ordinal=True needs solver='gibbs'"):
        FMClassifier(ordinal=True, solver="als").fit(X, y > 3)
    with pytest.raises(ValueError, match="return_std needs draws"):
        FMRegressor(solver="als").fit(X, y).predict(X, return_std=True)
    with pytest.raises(ValueError, match="no interactions"):
        FMRegressor(solver="als", n_components=0).fit(X, y).top_interactions()


def test_pairs_come_with_the_spread_of_the_draws(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 6))
    y = X[:, 0] + 1.5 * X[:, 1] * X[:, 2] + 0.3 * rng.standard_normal(500)
    model = FMRegressor(n_components=4, max_iter=400, random_state=0).fit(X, y)
    top = model.top_interactions(5)
    assert top["term"][0] == "x1 × x2"
    assert top["estimate"][0] == pytest.approx(1.5, abs=4 * top["std_error"][0] + 0.02)
    assert (np.abs(top["z"][1:]) < 4).all()
    assert set(model.top_interactions(3, features=["x0", 1, 2])["term"]) == {"x0 × x1", "x0 × x2", "x1 × x2"}
    assert model.components_.shape == (6, 4)
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(load(tmp_path / "m").components_, model.components_)


def test_two_levels_of_one_category_do_not_interact():
    X, y, _ = ratings()
    top = FMRegressor(n_components=2, solver="als", random_state=0).fit(X, y).top_interactions(40)
    first = np.array([int(name[1:]) for name in top["feature_1"]])
    second = np.array([int(name[1:]) for name in top["feature_2"]])
    assert ((first < 40) & (second >= 40)).all()


def test_auto_samples_unless_that_takes_hours(monkeypatch):
    from intertwine.estimators.fm import base as fm_base

    X, y, _ = ratings(n=200)
    assert FMRegressor(max_iter=40, random_state=0).fit(X, y).solver_ == "gibbs"
    monkeypatch.setattr(fm_base, "_CHAIN", 1e4)
    assert FMRegressor(max_iter=40, random_state=0).fit(X, y).solver_ == "adagrad"
    assert FMClassifier(ordinal=True, max_iter=40, n_components=1).fit(X, np.round(y)).solver_ == "gibbs"


def test_a_penalty_may_grow_with_how_often_a_feature_occurs():
    from intertwine.fitting.fm.als import _frequency

    X = sparse.csr_array(np.array([[1.0, 0.0, 2.0], [3.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 0.0, 0.0]]))
    np.testing.assert_allclose(_frequency(X, np.ones(4)), np.array([4.0, 1.0, 1.0]) / 2.0)
    X, y, _ = ratings(n=400)
    flat, steep = (
        FMRegressor(solver="als", alpha_factors=0.01, frequency_power=power, random_state=0).fit(X, y)
        for power in (0.0, 1.0)
    )
    often = np.asarray(X.sum(axis=0)).ravel()
    top, rare = often >= np.quantile(often, 0.8), often <= np.quantile(often, 0.2)
    gain = np.linalg.norm(steep.components_, axis=1) - np.linalg.norm(flat.components_, axis=1)
    assert gain[rare].mean() > gain[top].mean()


def test_pairs_of_levels_are_deviations_from_what_all_levels_share():
    """A common part of all factors of a category is a main effect of the others; predictions do not tell it."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(4, size=400), rng.integers(3, size=400)
    X = np.hstack([np.eye(4)[a], np.eye(3)[b]])
    cells = rng.standard_normal((4, 3))
    y = cells[a, b] + 1e-3 * rng.standard_normal(400)
    model = FMRegressor(n_components=4, solver="als", alpha=1e-9, random_state=0, max_iter=3000, tol=0.0)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, y)
    weight_a, weight_b = np.bincount(a) / 400, np.bincount(b) / 400
    # double centring with the shares of the levels
    expected = cells - weight_a @ cells - (cells @ weight_b)[:, None] + weight_a @ cells @ weight_b
    top = model.top_interactions(12)
    found = np.zeros((4, 3))
    for first, second, value in zip(top["feature_1"], top["feature_2"], top["estimate"], strict=True):
        found[int(first[1:]), int(second[1:]) - 4] = value
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_weights_that_are_shares_are_told_to_be_few_rows():
    X, y, _ = ratings(n=200)
    with pytest.warns(
        UserWarning, match="sums to 1 over 200 rows: a posterior reads a weight as a number of rows"
    ):
        FMRegressor(n_components=1, max_iter=20).fit(X, y, np.full(200, 1 / 200))


def test_ordered_categories_keep_their_order():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 2))
    grades = np.array(["low", "mid", "high"])[
        np.digitize(2 * X[:, 0] + rng.standard_normal(300), [-1.0, 1.0])
    ]
    settings = {"ordinal": True, "n_components": 1, "max_iter": 60, "random_state": 0}
    ordered = pd.Series(pd.Categorical(grades, ["low", "mid", "high"], ordered=True))
    model = FMClassifier(**settings).fit(X, ordered)
    assert model.classes_.tolist() == ["low", "mid", "high"]
    assert model.score(X, grades) > 0.7
    enum = FMClassifier(**settings).fit(X, pl.Series(grades, dtype=pl.Enum(["low", "mid", "high"])))
    np.testing.assert_array_equal(enum.predict_proba(X), model.predict_proba(X))
    with pytest.raises(
        ValueError, match=r"needs the order of the classes \['high', 'low', 'mid'\]: pass an ordered"
    ):
        FMClassifier(**settings).fit(X, grades)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_classes_are_started_from_their_last_fit(n_classes):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3))
    y = np.digitize(X[:, 0], np.linspace(-0.5, 0.5, n_classes - 1))
    model = FMClassifier(solver="als", warm_start=True, max_iter=5, random_state=0, n_components=1, tol=0.0)
    with pytest.warns(ConvergenceWarning):
        first = model.fit(X, y).history_["objective"].to_numpy()
    with pytest.warns(ConvergenceWarning):
        second = model.fit(X, y).history_["objective"].to_numpy()
    assert second[0] < first[4]


def test_constant_columns_are_in_no_pair():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.standard_normal((200, 3)), np.ones(200)])
    with pytest.warns(UserWarning, match="constant in columns"):
        model = FMRegressor(solver="als", n_components=2, random_state=0).fit(X, X[:, 0] + X[:, 1] * X[:, 2])
    assert len(model.top_interactions(9)) == 3


def test_what_cannot_be_asked_of_pairs():
    X, y, _ = ratings(n=100)
    model = FMRegressor(n_components=1, solver="als").fit(X, y)
    with pytest.raises(TypeError, match="k must be a positive integer"):
        model.top_interactions(1.5)
    with pytest.raises(ValueError, match="k must be a positive integer, got -1"):
        model.top_interactions(-1)
    with pytest.raises(TypeError, match="True, which is neither a name nor a position"):
        model.top_interactions(features=[True, False])
    with pytest.raises(ValueError, match="fewer than two features"):
        model.top_interactions(features=[])
    with pytest.raises(ValueError, match="rescale it"):
        FMRegressor().fit(X, 1e-200 * y)
    with pytest.raises(TypeError, match="neither all integers nor all text"):
        FMRegressor(feature_groups=np.full(70, np.nan)).fit(X, y)


def test_many_rows_are_predicted_in_parts(monkeypatch):
    from intertwine.fitting.fm import model as fm

    X, y, _ = ratings(n=100)
    model = FMRegressor(n_components=2, max_iter=20, random_state=0).fit(X, y)
    classifier = FMClassifier(n_components=2, max_iter=20, random_state=0).fit(X, y > 3)
    whole = model.predict(X, return_std=True), classifier.predict_proba(X)
    monkeypatch.setattr(fm, "_ROWS", 7)
    np.testing.assert_array_equal(model.predict(X, return_std=True), whole[0])
    np.testing.assert_array_equal(classifier.predict_proba(X), whole[1])
