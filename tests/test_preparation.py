"""From features to columns: moments, transforms out of range, relevance by really leaving rows out."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.stats import norm

from intertwine.basis import SplineBasis
from intertwine.fitting.interactions import relevance as relevance_module
from intertwine.fitting.interactions.prepare_rows import fit_relevance
from intertwine.fitting.interactions.relevance import evidence_relevance
from intertwine.fitting.interactions.settings import PreparationSettings
from intertwine.losses import SquaredLoss
from intertwine.preparation import marginal_relevance, prepare, reweight


def table(n=30, p=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, p)) * [1.0, 3.0, 0.1, 1.0] + 2.0, rng.uniform(0.3, 2.0, n), rng


def test_columns_have_weighted_mean_0_and_variance_1():
    X, weights, _ = table()
    prepared = prepare(X, weights, squares=True)
    columns = prepared.columns(X)
    squares = prepared.squares(columns)
    for block in (columns, squares):
        np.testing.assert_allclose(np.average(block, axis=0, weights=weights), 0, atol=1e-12)
        np.testing.assert_allclose(np.average(block**2, axis=0, weights=weights), 1, rtol=1e-12)
    plain = prepare(X, weights, standardize=False)
    np.testing.assert_array_equal(plain.columns(X), X)


def test_squares_of_two_valued_columns_say_nothing_new():
    X, weights, rng = table()
    X[:, 2] = np.where(rng.uniform(size=30) > 0.5, 3.0, -1.0)
    assert prepare(X, weights, squares=True).square_kept.tolist() == [0, 1, 3]


def test_splines_go_on_linearly_beyond_the_fitted_range():
    X, weights, _ = table()
    prepared = prepare(X, weights, spline_knots=4)
    high = X.max(axis=0)
    steps = np.array([prepared.columns((high + t)[None])[0] for t in (0.0, 1.0, 2.0, 50.0)])
    np.testing.assert_allclose(steps[2] - steps[1], steps[1] - steps[0], atol=1e-9)
    np.testing.assert_allclose(steps[3] - steps[0], 50 * (steps[1] - steps[0]), rtol=1e-9, atol=1e-9)
    assert (np.bincount(prepared.feature_of, np.abs(steps[1] - steps[0])) > 0.1).all()  # and not constantly
    spread = np.bincount(prepared.feature_of, np.average(prepared.columns(X) ** 2, axis=0, weights=weights))
    np.testing.assert_allclose(spread, 1.0, rtol=1e-10)


def test_splines_are_rebuilt_from_their_knots():
    X, _, rng = table()
    X[:, 1] = rng.integers(0, 3, 30)
    basis = SplineBasis.fit(X, 4)
    again = SplineBasis.from_state(basis.to_state())
    np.testing.assert_array_equal(again.transform(2.0 * X), basis.transform(2.0 * X))


def test_features_with_few_values_stay_one_column():
    X, weights, rng = table()
    X[:, 1] = rng.integers(0, 3, 30)
    prepared = prepare(X, weights, spline_knots=4)
    assert np.bincount(prepared.feature_of).tolist() == [5, 1, 5, 5]


def test_normal_scores_are_those_of_the_ranks_and_bounded():
    X, weights, _ = table()
    prepared = prepare(X, weights, quantile=True, standardize=False)
    scores = prepared.columns(X) * prepared.scale + prepared.center
    ranks = np.argsort(np.argsort(X[:, 0]))
    inner = (ranks > 0) & (ranks < 29)
    np.testing.assert_allclose(scores[inner, 0], norm.ppf(ranks[inner] / 29), atol=1e-9)
    far = prepared.columns(np.array([[1e9] * 4, [-1e9] * 4])) * prepared.scale + prepared.center
    np.testing.assert_allclose(far, [[3.0] * 4, [-3.0] * 4])
    monotone = prepare(np.exp(X), weights, quantile=True)
    np.testing.assert_allclose(
        monotone.columns(np.exp(X)), prepare(X, weights, quantile=True).columns(X), atol=1e-8
    )


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_normal_scores_know_no_unit(unit):
    X, weights, _ = table()
    scores = prepare(X, weights, quantile=True).columns(X)
    np.testing.assert_allclose(prepare(unit * X, weights, quantile=True).columns(unit * X), scores, atol=1e-8)


def test_a_small_spread_far_from_zero_is_not_constant():
    X, weights, _ = table()
    columns = prepare(X, weights).columns(X)
    far = prepare(X + 1e8, weights)
    np.testing.assert_allclose(far.columns(X + 1e8), columns, atol=1e-6)
    assert (prepare(np.full((30, 2), [0.1, 1e8 / 3]), weights).scale == 0).all()


@pytest.mark.parametrize("knots", [0, 3])
def test_marginal_relevance_by_really_leaving_out(knots):
    """One weighted regression for every feature and every row that is left out."""
    X, weights, rng = table()
    response = X[:, 0] - 0.02 * X[:, 1] ** 2 + 0.3 * rng.standard_normal(30)
    prepared = prepare(X, weights, spline_knots=knots)
    columns, root = prepared.columns(X), np.sqrt(weights)

    def left_out(design):
        errors = np.empty(30)
        for i in range(30):
            kept = np.arange(30) != i
            b = np.linalg.lstsq(design[kept] * root[kept, None], response[kept] * root[kept], rcond=None)[0]
            errors[i] = root[i] * (response[i] - design[i] @ b)
        return np.sum(errors**2)

    ones = np.ones((30, 1))
    null = left_out(ones)
    features = [columns[:, prepared.feature_of == j] for j in range(4)]
    expected = [1 - left_out(np.hstack([ones, block])) / null for block in features]
    found = marginal_relevance(columns, prepared.feature_of, response, weights)
    np.testing.assert_allclose(found, np.maximum(expected, 1 / 30), rtol=1e-8)
    moved = marginal_relevance(columns + 2.0, prepared.feature_of, response, weights)
    np.testing.assert_allclose(moved, found, rtol=1e-8)
    assert found[0] > 0.3
    assert found[3] < 0.2


def test_weights_of_relevance_have_mean_square_1_and_scale_the_columns():
    X, weights, _ = table()
    plain = prepare(X, weights)
    weighted = reweight(plain, X, weights, [1.0, 2.0, 0.5, 0.0])
    assert np.mean(weighted.weights**2) == pytest.approx(1.0)
    np.testing.assert_allclose(weighted.columns(X), plain.columns(X) * weighted.weights)


def test_evidence_finds_the_features_that_act():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 5))
    y = X[:, 0] + 1.5 * X[:, 1] * X[:, 2] + 0.2 * rng.standard_normal(120)
    relevance = evidence_relevance(X, np.arange(5), y, np.ones(120))
    assert relevance[:3].min() > 10 * relevance[3:].max()


def test_evidence_is_the_restricted_likelihood_of_all_pairs_written_out(monkeypatch):
    X, weights, rng = table(n=20)
    feature_of, y = np.array([0, 1, 1, 2]), rng.standard_normal(20)
    X = X - 2.0
    asked = []

    def minimum(function, start, **_):
        asked.append(function)
        return SimpleNamespace(x=start)

    monkeypatch.setattr(relevance_module, "scipy_minimize", minimum)
    evidence_relevance(X, feature_of, y, weights)
    point = 0.5 * rng.standard_normal(6)
    value, gradient = asked[0](point)
    relevance, (main, pairs, noise) = np.exp(point[:3])[feature_of], np.exp(point[3:])
    j, k = np.triu_indices(4, 1)
    products = X[:, j] * X[:, k] * np.sqrt(relevance[j] * relevance[k])
    H = main * (X * relevance) @ X.T + pairs * products @ products.T
    H += np.diag(noise * weights.mean() / weights)
    inverse, ones = np.linalg.inv(H), np.ones(20)
    response = (y - np.average(y, weights=weights)) / np.std(y)
    left = response - ones @ inverse @ response / (ones @ inverse @ ones)
    expected = left @ inverse @ left + np.linalg.slogdet(H)[1] + np.log(ones @ inverse @ ones)
    assert value == pytest.approx(0.5 * expected, rel=1e-10)
    numerical = approx_fprime(point, lambda at: asked[0](at)[0], 1e-6)
    np.testing.assert_allclose(gradient, numerical, rtol=1e-4, atol=1e-4)


def test_relevance_is_that_of_residuals_whatever_the_weights():
    X, weights, rng = table()
    y = X[:, 0] + rng.standard_normal(len(X))
    feature_of, free = np.arange(4), np.zeros(0, int)
    found = fit_relevance(X, feature_of, SquaredLoss(y, weights), PreparationSettings(relevance=1.0), free)
    residual = y - np.average(y, weights=weights)
    np.testing.assert_allclose(found, marginal_relevance(X, feature_of, residual, weights))
