"""Factorization machines where users go wrong, or further than usual: what is said, and what must hold."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import threadpoolctl
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from intertwine import FMClassifier, FMRegressor, LocalFMClassifier, LocalFMRegressor, load
from intertwine.estimators.local_fm import base as local_fm_base
from intertwine.fitting.fm.model import FMModel, FMShape
from intertwine.fitting.fm.pairs import (
    aligned_factors,
    categories_of,
    largest_products,
    pair_moments,
    strongest_pairs,
)
from intertwine.structures.fm_short import MOST_ENTRIES


def table(seed=0, n=60, p=3):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    return X, X[:, 0] + rng.standard_normal(n)


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_experts_do_not_pair_levels_of_one_category(make, tmp_path):
    rng = np.random.default_rng(0)
    levels = rng.integers([4, 3], size=(200, 2))
    X = make(np.hstack([np.eye(4)[levels[:, 0]], np.eye(3)[levels[:, 1]]]))
    model = LocalFMRegressor(n_anchors=2, max_iter=20, random_state=0).fit(X, rng.standard_normal(200))
    model.save(tmp_path / "model")
    for one in (model, load(tmp_path / "model")):
        found = one.top_interactions(100)
        side = [name in {"x0", "x1", "x2", "x3"} for name in found["feature_1"]]
        other = [name in {"x0", "x1", "x2", "x3"} for name in found["feature_2"]]
        assert len(found) == 2 * 12
        assert all(a != b for a, b in zip(side, other, strict=True))


@pytest.mark.parametrize(
    ("settings", "scale", "remedy"),
    [
        ({"scaling": None, "solver": "adam"}, 1e3, "scaling='features'"),
        ({"learning_rate": 30.0, "solver": "adam"}, 1.0, "lower learning_rate$"),
    ],
)
def test_a_local_machine_worse_than_a_constant_says_so(settings, scale, remedy):
    X, y = table()
    with pytest.warns(ConvergenceWarning, match=rf"above the 0\.5 of a constant.*{remedy}"):
        LocalFMRegressor(**settings, random_state=0).fit(scale * X, y)


def test_threads_of_an_ensemble_run_k_means_alone(monkeypatch):
    # with threads of its own it sums in another order, and machines differ in the ninth digit
    pools, fitted = [], local_fm_base.fit_local_fm

    def spy(*arguments):
        pools.append(
            (
                threading.get_ident(),
                [p["num_threads"] for p in threadpoolctl.threadpool_info() if p["user_api"] == "openmp"],
            )
        )
        return fitted(*arguments)

    monkeypatch.setattr(local_fm_base, "fit_local_fm", spy)
    X, y = table(n=100)
    predictions = [
        LocalFMRegressor(n_estimators=3, n_anchors=5, max_iter=20, random_state=0, n_jobs=n_jobs)
        .fit(X, y)
        .predict(X)
        for n_jobs in (1, 2)
    ]
    assert all(set(sizes) <= {1} for _, sizes in pools)
    assert len({thread for thread, _ in pools}) > 1
    np.testing.assert_array_equal(*predictions)


def test_thelargest_products_are_those_of_all_pairs():
    rng = np.random.default_rng(1)
    for n, wanted in ((300, 40), (5, 100), (4, 5), (1, 3)):
        rows = rng.standard_normal((n, 4)) * rng.exponential(size=(n, 1))
        label = rng.permutation(n) if n == 4 else rng.integers(n, size=n)  # of four, all pairs but one
        first, second = largest_products(rows, label, wanted)
        a, b = np.triu_indices(n, 1)
        a, b = a[label[a] != label[b]], b[label[a] != label[b]]
        expected = np.sort(-np.abs(np.einsum("ic,ic->i", rows[a], rows[b])))[:wanted]
        assert (first < second).all()
        np.testing.assert_allclose(-np.abs(np.einsum("ic,ic->i", rows[first], rows[second])), expected)


def test_pairs_of_draws_are_those_of_all_pairs():
    """Levels of a category that every row has are told about their mean; its levels do not pair."""
    rng = np.random.default_rng(0)
    rows = np.hstack([np.eye(3)[rng.integers(3, size=40)], rng.standard_normal((40, 4))])
    categories = categories_of(rows, np.ones(40))
    np.testing.assert_allclose(categories.share, [*rows[:, :3].mean(axis=0), 0.0, 0.0, 0.0, 0.0])
    rotations = [np.linalg.qr(rng.standard_normal((2, 2)))[0] for _ in range(3)]
    factors, scale = rng.standard_normal((7, 2)), rng.uniform(0.5, 2.0, 7)
    draws = [factors @ turn + 0.1 * rng.standard_normal((7, 2)) for turn in rotations]
    tables = np.stack([np.hstack([rng.standard_normal((7, 1)), draw]) for draw in draws])
    model = FMModel(FMShape(2, 0, True, True), np.zeros(3), tables, 0.0, 2.5, np.ones(3), np.zeros((3, 0)),
                    np.zeros((1, 3)), 1.0)  # fmt: skip
    centred = [np.vstack([V[:3] - rows[:, :3].mean(axis=0) @ V[:3], V[3:]]) for V in draws]
    products = 2.5 * np.stack([V @ V.T for V in centred])
    a, b = np.triu_indices(7, 1)
    a, b = a[b > 2], b[b > 2]
    mean, spread = pair_moments(model, categories, a, b)
    np.testing.assert_allclose(mean, products.mean(axis=0)[a, b])
    np.testing.assert_allclose(spread, products.std(axis=0)[a, b])
    order = np.argsort(-np.abs(mean) * scale[a] * scale[b])[:6]
    first, second = strongest_pairs(model, np.arange(7), categories, scale, 6)
    np.testing.assert_array_equal(np.stack([first, second]), np.stack([a, b])[:, order])

    for factors in rng.standard_normal((4, 7, 2)):  # of four, some have principal axes that point down
        model.tables = np.stack([np.hstack([np.zeros((7, 1)), factors @ turn]) for turn in rotations])
        aligned = aligned_factors(model, categories)
        V = np.vstack([factors[:3] - rows[:, :3].mean(axis=0) @ factors[:3], factors[3:]])
        np.testing.assert_allclose(aligned @ aligned.T, 2.5 * V @ V.T, atol=1e-12)
        assert (aligned.sum(axis=0) > 0.0).all()


def test_alternating_least_squares_of_long_rows_are_least_squares():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, MOST_ENTRIES + 2)) + 1.0
    y = X @ rng.standard_normal(MOST_ENTRIES + 2) + 7.0 + rng.standard_normal(60)
    settings = {"n_components": 0, "solver": "als", "alpha": 1e-12, "tol": 1e-14, "max_iter": 2000}
    model = FMRegressor(**settings, random_state=0).fit(X, y)
    exact = np.linalg.lstsq(np.column_stack([X, np.ones(60)]), y)[0]
    np.testing.assert_allclose(model.main_effects()["estimate"], exact[:-1], rtol=1e-4)


def test_main_effects_are_the_linear_weights():
    X, y = table(n=200)
    optimum = FMRegressor(solver="als", n_components=1, random_state=0).fit(X, 3 * y).main_effects()
    assert list(optimum.columns) == ["term", "estimate", "std_error", "z"]
    assert optimum["term"].tolist() == ["x0", "x1", "x2"]
    assert optimum["estimate"][0] == pytest.approx(3, abs=0.5)
    assert optimum["std_error"].isna().all()
    sampled = FMRegressor(n_components=0, max_iter=60, random_state=0).fit(X, 3 * y).main_effects()
    np.testing.assert_allclose(sampled["z"], sampled["estimate"] / sampled["std_error"])
    assert sampled["z"][0] > 5
    classes = (
        FMClassifier(n_components=1, max_iter=20, random_state=0).fit(X, np.arange(200) % 3).main_effects()
    )
    assert classes["class"].tolist() == [0] * 3 + [1] * 3 + [2] * 3
    without = FMRegressor(solver="als", linear=False, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="linear=False: the model has no main effects"):
        without.main_effects()


def test_the_first_part_may_be_one_row():
    X, y = table()
    model = FMRegressor(solver="adagrad", n_components=1, random_state=0).partial_fit(X[:1], y[:1])
    assert np.isfinite(model.partial_fit(X[1:], y[1:]).predict(X)).all()
    classes = FMClassifier(solver="adagrad", n_components=1, random_state=0)
    classes.partial_fit(X[:1], ["no"], classes=["no", "yes"])
    assert set(classes.partial_fit(X[1:], np.where(y[1:] > 0, "yes", "no")).predict(X)) == {"no", "yes"}


def test_a_validation_part_that_leaves_nothing():
    X, y = table()
    with pytest.raises(ValueError, match=r"validation_fraction=0\.9999 leaves no rows to fit.*lower it"):
        FMRegressor(solver="adagrad", validation_fraction=0.9999, random_state=0).fit(X, y)


@pytest.mark.parametrize(
    "make",
    [lambda: FMClassifier(max_iter=10, n_components=1), lambda: LocalFMClassifier(n_anchors=2, max_iter=5)],
)
@pytest.mark.parametrize("unit", ["datetime64[D]", "datetime64[ns]", "timedelta64[s]"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_days_as_classes_are_saved(make, unit, tmp_path):
    X, y = table()
    days = np.array([400, 800]).astype(unit)[(y > 0).astype(int)]
    model = make().fit(X, days)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.classes_.dtype == np.dtype(unit)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("unit", "kept"), [(1.0, np.float32), (1e-20, np.float32), (1e-60, np.float64), (1e40, np.float64)]
)
def test_draws_are_kept_in_single_precision_where_that_holds_them(unit, kept):
    X, y = table()
    model = FMRegressor(max_iter=3, n_components=1, solver="gibbs", random_state=0).fit(unit * X, y)
    assert model._models[0][1].tables.dtype == kept
    assert np.isfinite(model.predict(unit * X)).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_draws_of_huge_features_keep_their_digits():
    X, y = table()
    settings = {"max_iter": 30, "n_components": 2, "random_state": 0}
    expected = FMRegressor(**settings).fit(X, y).predict(X)
    np.testing.assert_allclose(
        FMRegressor(**settings).fit(1e40 * X, y).predict(1e40 * X), expected, atol=1e-5
    )


def test_later_rows_of_an_automatic_solver_say_what_to_choose():
    with pytest.raises(AttributeError) as told:
        FMRegressor().partial_fit(*table())
    assert "partial_fit needs solver='adagrad', not 'auto'" in str(told.value.__cause__)


def test_one_feature_makes_lines():
    X, y = table(p=1)
    with pytest.warns(
        UserWarning, match="X has one feature, so there are no pairs; every expert is a line in it"
    ):
        LocalFMRegressor(n_anchors=3, max_iter=5, tol=1.0).fit(X, y)
