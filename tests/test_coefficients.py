"""Coefficients of pairs on demand: ranking in blocks against sorting all of them."""

from __future__ import annotations

from copy import copy
from itertools import combinations

import numpy as np
import pytest

from intertwine import InteractionRegressor, coefficients
from intertwine.coefficients import ExplicitCoefficients, strongest


def fitted_pairs(p=13, **params):
    rng = np.random.default_rng(2)
    X = rng.standard_normal((40, p))
    y = X[:, 0] * X[:, min(5, p - 2)] - 2 * X[:, 3] * X[:, min(12, p - 1)] + 0.3 * rng.standard_normal(40)
    model = InteractionRegressor(alpha=0.05, n_init=1, max_iter=10, random_state=0, tol=1e-3, **params)
    return model.fit(X, y)._models[0][1].pairs


def brute_force(pairs, n_pairs, weights, by):
    j, k = np.triu_indices(pairs.n_columns, 1)
    size = np.abs(pairs.entries(j, k))
    size = size / np.sqrt(pairs.variances(j, k)) if by == "z" else size * weights[j] * weights[k]
    order = np.argsort(-size, kind="stable")[:n_pairs]
    return j[order], k[order]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "params", [{"latent": None}, {"latent": "signed"}, {"latent": "distance", "order": 3}]
)
@pytest.mark.parametrize("by", ["estimate", "z"])
@pytest.mark.parametrize("block", [3, 5, 2048])
@pytest.mark.parametrize("n_pairs", [1, 7, 78, 500])
def test_the_strongest_pairs(params, by, block, n_pairs, monkeypatch):
    monkeypatch.setattr(coefficients, "_BLOCK", block)
    pairs = fitted_pairs(**params)
    weights = np.random.default_rng(3).uniform(0.2, 2.0, pairs.n_columns)
    ranking = strongest(pairs, n_pairs, weights, by)
    j, k = brute_force(pairs, n_pairs, weights, by)
    assert len(j) == min(n_pairs, 78)
    np.testing.assert_array_equal(ranking.j, j)
    np.testing.assert_array_equal(ranking.k, k)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("latent", [None, "signed"])
@pytest.mark.parametrize("p", [4, 13], ids=["fewer pairs than rows", "more"])
def test_scores_are_those_of_the_entries(p, latent, order):
    pairs = fitted_pairs(p=p, order=order, latent=latent)
    columns = np.random.default_rng(4).standard_normal((6, p))
    j, k = np.triu_indices(p, 1)
    expected = (columns[:, j] * columns[:, k]) @ pairs.entries(j, k)
    if order == 3:
        a, b, c = np.array(list(combinations(range(p), 3))).T
        deviations = pairs.alpha @ (pairs.columns[:, a] * pairs.columns[:, b] * pairs.columns[:, c])
        expected += (columns[:, a] * columns[:, b] * columns[:, c]) @ deviations / pairs.strengths.deviation
        if latent is not None:
            third, own = pairs.target.parts[1], pairs.target.split(pairs.params)[1]
            expected += pairs.strengths.shrinkage * third.score(own, columns)
    np.testing.assert_allclose(pairs.scores(columns), expected, atol=1e-10)
    np.testing.assert_allclose(
        pairs.block([3, 1], np.arange(p))[1, 2:], pairs.entries(np.full(p - 2, 1), np.arange(2, p))
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("latent", [None, "signed"])
def test_pairs_that_are_written_are_those_of_the_rows(latent):
    written = fitted_pairs(p=4, latent=latent)
    assert written.written is not None
    of_rows = copy(written)
    of_rows.written = None
    j, k = np.array([3, 0, 2, 1, 3]), np.array([1, 2, 3, 0, 0])
    np.testing.assert_allclose(written.entries(j, k), of_rows.entries(j, k), atol=1e-9)
    np.testing.assert_allclose(written.variances(j, k), of_rows.variances(j, k), rtol=1e-6)
    np.testing.assert_allclose(written.covariance(j, k), of_rows.covariance(j, k), atol=1e-9)
    np.testing.assert_allclose(np.diag(of_rows.covariance(j, k)), of_rows.variances(j, k), rtol=1e-9)


@pytest.mark.parametrize("block", [2, 2048])
def test_equal_pairs_are_ranked_by_position(block, monkeypatch):
    monkeypatch.setattr(coefficients, "_BLOCK", block)
    j, k = np.array([0, 0, 1, 3]), np.array([1, 4, 2, 4])
    values = np.array([1.0, -1.0, 1.0, 2.0])
    pairs = ExplicitCoefficients(5, j, k, values, np.zeros(4), np.zeros(4), np.ones(4))
    ranking = strongest(pairs, 10, np.ones(5), "estimate")
    assert list(zip(ranking.j.tolist(), ranking.k.tolist(), strict=True)) == [(3, 4), (0, 1), (0, 4), (1, 2)]


def test_a_model_without_pairs_has_an_empty_table():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 4))
    model = InteractionRegressor(alpha=0.01, alpha_pairs=50.0, l1_ratio=1.0, latent=None).fit(X, X[:, 0])
    assert len(model.top_interactions()) == 0
    assert not model.interaction_matrix().any()


@pytest.mark.parametrize("n_nonzero", [4, 60])
def test_explicit_scores_entries_and_blocks(n_nonzero):
    """Few and many entries are kept differently; products may be centred and scaled."""
    rng, q = np.random.default_rng(1), 13
    every = np.column_stack(np.triu_indices(q, 1))
    j, k = every[np.sort(rng.permutation(len(every))[:n_nonzero])].T
    values, targets, center = rng.standard_normal((3, n_nonzero))
    scale = rng.uniform(0.5, 2.0, n_nonzero)
    pairs = ExplicitCoefficients(q, j, k, values, targets, center, scale)
    columns = rng.standard_normal((6, q))
    expected = ((columns[:, j] * columns[:, k] - center) / scale) @ values
    np.testing.assert_allclose(pairs.scores(columns), expected, atol=1e-12)
    np.testing.assert_array_equal(pairs.entries(k, j), values)
    np.testing.assert_array_equal(pairs.target_entries(j, k), targets)
    theta = np.zeros((q, q))
    theta[j, k] = theta[k, j] = values
    np.testing.assert_array_equal(pairs.block([2, 5], np.arange(q)), theta[[2, 5]])
