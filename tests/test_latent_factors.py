"""The latent-factor model as users meet it: ids of any kind, new ids, recommendations, files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.model_selection import cross_val_score

from intertwine import LatentFactorModel, load
from intertwine.io import load_state, save_state

QUICK = {"solver": "gibbs", "n_components": 2, "max_iter": 60, "n_samples": 30, "random_state": 0}


def ratings(n_users=40, n_items=30, n=700, seed=0, noise=0.1):
    """Pairs, each once, and what they are rated."""
    rng = np.random.default_rng(seed)
    taste, kind = rng.standard_normal((n_users, 2)), rng.standard_normal((n_items, 2))
    users, items = np.divmod(rng.permutation(n_users * n_items)[:n], n_items)
    y = 3 + 0.5 * rng.standard_normal(n_users)[users] + (taste[users] * kind[items]).sum(axis=1)
    return np.column_stack([users, items]), y + noise * rng.standard_normal(n)


def frame_of(X, library=pd.DataFrame):
    return library({"reader": [f"r{u}" for u in X[:, 0]], "book": [f"b{i}" for i in X[:, 1]]})


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
def test_text_ids_in_frames_are_the_same_model(library):
    X, y = ratings()
    plain = LatentFactorModel(**QUICK).fit(X, y)
    # ids sort as text in another order, so draws differ: compare what is learnt
    named = LatentFactorModel(**QUICK).fit(frame_of(X, library), y)
    assert np.corrcoef(plain.predict(X), named.predict(frame_of(X, library)))[0, 1] > 0.99
    assert isinstance(named.history_, library)
    table = named.recommend(["r3"], k=2)
    assert isinstance(table, library)
    assert list(table.columns) == ["reader", "rank", "book", "prediction"]


def test_columns_are_found_by_name():
    X, y = ratings()
    frame = frame_of(X)
    model = LatentFactorModel(**QUICK, user_column="reader", item_column="book").fit(
        frame[["book", "reader"]], y
    )
    swapped = LatentFactorModel(**QUICK).fit(frame, y)
    np.testing.assert_array_equal(model.predict(frame[["book", "reader"]]), swapped.predict(frame))


def test_a_sparse_matrix_holds_pairs_and_ratings():
    X, y = ratings()
    table = sparse.coo_array((y, (X[:, 0], X[:, 1])))
    order = np.lexsort((X[:, 1], X[:, 0]))
    model = LatentFactorModel(**QUICK).fit(sparse.csr_array(table))
    pairs = LatentFactorModel(**QUICK).fit(X[order], y[order])
    np.testing.assert_allclose(model.predict(X), pairs.predict(X), rtol=1e-12)
    np.testing.assert_array_equal(model.predict(sparse.csr_array(table)), model.predict(X[order]))


def test_it_predicts_held_out_ratings():
    X, y = ratings()
    assert cross_val_score(LatentFactorModel(**QUICK), X, y, cv=3).min() > 0.9


def test_predictive_standard_deviations_cover():
    X, y = ratings(n=900, noise=0.5)
    model = LatentFactorModel(**QUICK | {"max_iter": 200}).fit(X[:600], y[:600])
    mean, std = model.predict(X[600:], return_std=True)
    assert 0.9 < np.mean(np.abs(mean - y[600:]) < 1.96 * std) < 0.99


def test_huge_ids_cost_nothing():
    X, y = ratings()
    model = LatentFactorModel(**QUICK).fit(X * 10**15 + 7, y)
    np.testing.assert_array_equal(
        model.predict(X * 10**15 + 7), LatentFactorModel(**QUICK).fit(X, y).predict(X)
    )


def test_unknown_ids_are_average_ones_and_said_to_be():
    X, y = ratings()
    model = LatentFactorModel(**QUICK).fit(X, y)
    with pytest.warns(UserWarning, match=r"not in the fit: 2 user ids in 3 rows, \[98, 99\]"):
        found = model.predict([[99, 0], [98, 0], [99, 1], [1, 1]])
    assert found[0] == found[1]
    np.testing.assert_allclose(found[3], model.predict([[1, 1]]))


def test_recommendations_leave_out_what_was_seen_and_what_is_filtered():
    X, y = ratings()
    model = LatentFactorModel(**QUICK).fit(X, y)
    seen = set(X[X[:, 0] == 5, 1])
    table = model.recommend([5], k=30)
    assert set(table["item"]) == set(range(30)) - seen
    assert table["prediction"].is_monotonic_decreasing
    with_seen = model.recommend([5, 6], k=30, exclude_seen=False)
    assert len(with_seen) == 60
    pairs = with_seen[["user", "item"]].to_numpy()
    np.testing.assert_allclose(with_seen["prediction"], model.predict(pairs), rtol=1e-6)
    few = model.recommend([5], k=3, items=[1, 2, 3, 4], exclude=[2], exclude_seen=False)
    assert set(few["item"]) == {1, 3, 4}
    assert len(model.recommend(k=1)) == 40
    with pytest.raises(ValueError, match="not in the fit"):
        model.recommend([5, 1000])


def test_similar_items_are_the_nearest_by_angle():
    X, y = ratings()
    model = LatentFactorModel(**QUICK).fit(X, y)
    table = model.similar_items([4], k=3)
    factors = model.item_factors_
    unit = factors / np.linalg.norm(factors, axis=1, keepdims=True)
    cosine = unit @ unit[4]
    cosine[4] = -2
    assert table["similar"].tolist() == np.argsort(-cosine)[:3].tolist()
    np.testing.assert_allclose(table["similarity"], np.sort(cosine)[::-1][:3])
    assert len(model.similar_users([0, 1], k=2)) == 4


def test_principal_factors_make_the_predictions():
    X, y = ratings()
    model = LatentFactorModel(**QUICK | {"n_samples": 1}).fit(X, y)
    levels = model.intercept_ + model.user_biases_[X[:, 0]] + model.item_biases_[X[:, 1]]
    products = (model.user_factors_[X[:, 0]] * model.item_factors_[X[:, 1]]).sum(axis=1)
    np.testing.assert_allclose(levels + products, model.predict(X), rtol=1e-5)


def test_new_users_are_folded_in_from_their_first_ratings():
    X, y = ratings(n=1100)
    newcomers = X[:, 0] >= 36
    first = np.flatnonzero(newcomers)[::2]
    later = np.flatnonzero(newcomers)[1::2]
    model = LatentFactorModel(**QUICK).fit(X[~newcomers], y[~newcomers])
    before = model.predict(X[~newcomers])
    grown = model.fold_in(X[first], y[first])
    with pytest.warns(UserWarning, match="not in the fit"):
        cold = np.mean((model.predict(X[later]) - y[later]) ** 2)
    assert np.mean((grown.predict(X[later]) - y[later]) ** 2) < 0.3 * cold
    np.testing.assert_allclose(grown.predict(X[~newcomers]), before, rtol=1e-12)
    assert len(grown.users_) == 40
    assert len(model.users_) == 36
    assert not set(grown.recommend([38])["item"]) & set(X[first][X[first, 0] == 38, 1])
    with pytest.raises(ValueError, match="both known"):
        model.fold_in([[0, 0]], [3.0])
    with pytest.raises(ValueError, match="both new"):
        model.fold_in([[1000, 1000]], [3.0])


def test_partial_fit_grows_ids_and_learns():
    X, y = ratings(n=1100)
    model = LatentFactorModel(**QUICK).partial_fit(X[:500], y[:500])
    with pytest.warns(UserWarning, match="not in the fit"):
        model.predict([[50, 0]])
    before = np.mean((model.predict(X[1000:]) - y[1000:]) ** 2)
    model.partial_fit(X[500:1000], y[500:1000])
    assert np.mean((model.predict(X[1000:]) - y[1000:]) ** 2) < before
    model.partial_fit([[50, 60]], [4.0])
    assert 50 in model.users_
    assert 60 in model.items_


def test_features_speak_for_ids_without_ratings():
    rng = np.random.default_rng(0)
    X, _ = ratings(n=1100)
    group = np.where(rng.random(40) < 0.5, "early", "late")
    y = np.where(group[X[:, 0]] == "early", 2.0, -2.0) * (X[:, 1] % 2 - 0.5) + 0.2 * rng.standard_normal(
        len(X)
    )
    frame = pd.DataFrame({"user": X[:, 0], "item": X[:, 1], "group": group[X[:, 0]]})
    known = X[:, 0] < 30
    model = LatentFactorModel(**QUICK | {"max_iter": 300}, user_features=["group"]).fit(
        frame[known], y[known]
    )
    with pytest.warns(UserWarning, match="not in the fit"):
        assert model.score(frame[~known], y[~known]) > 0.8
    frame.loc[0, "group"] = "neither"
    with pytest.raises(ValueError, match="'group' differs between rows of the same id"):
        LatentFactorModel(**QUICK, user_features=["group"]).fit(frame, y)


def test_a_saved_model_predicts_the_same_to_the_bit(tmp_path):
    X, y = ratings()
    frame = frame_of(X).assign(age=X[:, 0] % 7)
    model = LatentFactorModel(**QUICK, user_features=("age",), rating_scale=(-9, 9), implicit=True).fit(
        frame, y
    )
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(frame), model.predict(frame))
    np.testing.assert_array_equal(
        again.predict(frame, return_std=True)[1], model.predict(frame, return_std=True)[1]
    )
    pd.testing.assert_frame_equal(again.recommend(["r1"]), model.recommend(["r1"]))
    pd.testing.assert_frame_equal(again.history_, model.history_)
    before = load_state(tmp_path / "model")  # as files were while seconds were not kept
    before["model"]["history"] = before["model"]["history"][:, :4]
    save_state(tmp_path / "before", before)
    known = load(tmp_path / "before").history_
    assert known["seconds"].isna().all()
    pd.testing.assert_frame_equal(known.drop(columns="seconds"), model.history_.drop(columns="seconds"))
    assert str(again) == str(model)
    new = pd.DataFrame({"reader": ["zoe"] * 3, "book": ["b1", "b2", "b3"], "age": 3})
    np.testing.assert_array_equal(
        again.fold_in(new, [1.0, 2.0, 3.0]).predict(new), model.fold_in(new, [1.0, 2.0, 3.0]).predict(new)
    )


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"rating_scale": (1, 2.5)}, ValueError, r"outside rating_scale=\(1, 2.5\) in rows \[2\]"),
        ({"X": [[1, 2], [1, 2], [2, 2], [2, 3]]}, ValueError, "choose duplicates='mean', 'last' or 'keep'"),
        ({"X": [["a", 1], [2, 1], ["b", 2], ["b", 3]]}, TypeError, "user ids are text in some rows"),
        ({"mapping": "sigmoid"}, ValueError, "needs solver='gauss_newton'"),
        ({"solver": "als", "alpha": 0}, ValueError, "needs alpha > 0"),
        ({"n_components": 0, "biases": False}, ValueError, "leaves nothing to fit"),
    ],
)
def test_bad_input_is_refused_with_a_reason(change, error, message):
    data = {"X": [[1, 1], [1, 2], [2, 1], [2, 2]], "y": [1.0, 2.0, 3.0, 2.0], "sample_weight": None} | change
    settings = {name: data.pop(name) for name in list(data) if name not in ("X", "y", "sample_weight")}
    model = LatentFactorModel(**QUICK | settings)
    with pytest.raises(error, match=message):
        model.fit(**data)
    assert not hasattr(model, "n_features_in_")


def test_text_is_no_number():
    X, y = ratings()
    model = LatentFactorModel(**QUICK).fit(X, y)
    with pytest.raises(TypeError, match="user ids were fitted as int"):
        model.predict([["1", 2]])


def test_duplicates_are_resolved_as_asked():
    X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [0, 0]]), np.array([1.0, 2.0, 3.0, 5.0, 2.0])
    settings = QUICK | {"n_components": 1, "max_iter": 10, "n_samples": 2}
    mean = LatentFactorModel(**settings, duplicates="mean").fit(X, y)
    by_hand = LatentFactorModel(**settings).fit(X[:4], [1.5, 2.0, 3.0, 5.0], sample_weight=[2, 1, 1, 1])
    np.testing.assert_array_equal(mean.predict(X), by_hand.predict(X))
    last = LatentFactorModel(**settings, duplicates="last").fit(X, y)
    by_hand = LatentFactorModel(**settings).fit(X[:4], [2.0, 2.0, 3.0, 5.0])
    np.testing.assert_array_equal(np.sort(last.predict(X[:4])), np.sort(by_hand.predict(X[:4])))


def test_predictions_are_on_the_scale():
    X, y = ratings()
    y = np.clip(np.round(y), 1, 5)
    model = LatentFactorModel(**QUICK, rating_scale=(1, 5)).fit(X, y)
    prediction = model.predict(X)
    assert prediction.min() >= 1
    assert prediction.max() <= 5
