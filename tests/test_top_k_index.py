"""Recommendations by an index: nearly all of the best, under the same contract as the exact search."""

import numpy as np
import pytest

from intertwine import LatentFactorModel
from intertwine.fitting.latent_factors.top_k import top_k
from intertwine.fitting.latent_factors.top_k_index import ProductIndex

pytest.importorskip("faiss")


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(0)
    return rng.standard_normal((200, 8)), rng.standard_normal((9000, 8)) * rng.exponential(size=(9000, 1))


def test_nearly_all_of_the_best_are_found_in_order(vectors):
    queries, candidates = vectors
    exact, _ = top_k(queries, candidates, 10)
    found, near = ProductIndex(candidates).top_k(queries, 10)
    same = (found[:, :, None] == exact[:, None, :]).any(axis=2)
    assert same.mean() > 0.97
    assert (np.diff(near, axis=1) <= 0).all()
    np.testing.assert_allclose(near, np.einsum("md,mkd->mk", queries, candidates[found]))


def test_tiles_do_not_show(vectors):
    queries, candidates = vectors
    rng = np.random.default_rng(1)
    hidden = rng.random((len(queries), len(candidates))) < 0.5
    found, products = top_k(queries[:, :3], candidates[:, :3], 7, lambda a, b: np.nonzero(hidden[a:b]))
    scores = np.where(hidden, -np.inf, queries[:, :3] @ candidates[:, :3].T)
    expected = np.sort(scores, axis=1)[:, ::-1][:, :7]
    np.testing.assert_allclose(products, expected, rtol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(scores, found, axis=1), products)


@pytest.mark.parametrize("n_hidden", [1, 60, 8995])
def test_what_is_hidden_is_never_found(vectors, n_hidden):
    queries, candidates = vectors[0][:20], vectors[1]
    # the best of each query, so that asking for ten would not do
    best = np.argsort(-queries @ candidates.T, axis=1)[:, :n_hidden]

    def hidden(begin, end):
        return np.repeat(np.arange(end - begin), n_hidden), best[begin:end].ravel()

    exact, _ = top_k(queries, candidates, 10, hidden)
    found, products = ProductIndex(candidates).top_k(queries, 10, hidden)
    assert not (found[:, :, None] == best[:, None, :]).any()
    assert (found == exact).mean() > 0.9
    np.testing.assert_array_equal(found < 0, exact < 0)
    np.testing.assert_array_equal(np.isinf(products), found < 0)


def test_recommendations_by_index_keep_the_contract(small_model):
    model, X = small_model
    exact = model.recommend(k=5, exclude=[3])
    found = model.recommend(k=5, exclude=[3], search="index")
    merged = exact.merge(found, on=["user", "rank"], suffixes=("", "_index"))
    assert len(merged) == len(exact) == len(found)
    assert (merged["item"] == merged["item_index"]).mean() > 0.95
    pairs = set(map(tuple, X.tolist()))
    assert not pairs & set(map(tuple, found[["user", "item"]].to_numpy().tolist()))
    assert 3 not in set(found["item"])
    few = model.recommend([1], k=9, items=range(6), exclude_seen=False, search="index")
    assert set(few["item"]) == set(range(6))
    every = model.recommend([1], k=10**6, search="index")
    assert set(every["item"]) == set(model.items_.tolist()) - set(X[X[:, 0] == 1, 1])
    with pytest.raises(ValueError, match="must be 'exact' or 'index'"):
        model.recommend(search="fast")


@pytest.fixture(scope="module")
def small_model():
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(30 * 400)[:3000], 400)
    X = np.column_stack([users, items])
    y = rng.standard_normal(30)[users] * rng.standard_normal(400)[items]
    return LatentFactorModel(solver="gibbs", n_components=2, max_iter=10, n_samples=2, random_state=0).fit(
        X, y
    ), X
