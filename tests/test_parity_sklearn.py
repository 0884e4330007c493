"""Without a tie the estimators are scikit-learn's elastic nets on products that are written out."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet, LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from intertwine import InteractionClassifier, InteractionRegressor

N, P = 80, 5
PAIRS = np.triu_indices(P, 1)
STRICT = {"tol": 1e-8, "latent": None}


def table(seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, P)) * [1.0, 2.0, 0.5, 1.0, 1.0] + [0.0, 0.5, 0.0, -0.5, 0.0]
    f = 0.8 * X[:, 0] - X[:, 1] * X[:, 2] + 0.5 * X[:, 3] * X[:, 4]
    return X, f, rng


def with_pairs(X):
    return PolynomialFeatures(degree=2, interaction_only=True, include_bias=False).fit_transform(X)


def coefficients(model):
    return np.r_[model.coef_, model.interaction_matrix()[PAIRS]]


def elastic_net(design, y, alpha, l1_ratio, weights=None):
    net = ElasticNet(alpha=alpha, l1_ratio=l1_ratio, tol=1e-13, max_iter=200_000)
    return net.fit(design, y, sample_weight=weights)


def logistic(design, y, alpha, l1_ratio, total_weight, weights=None):
    net = LogisticRegression(
        C=1 / (alpha * total_weight), l1_ratio=l1_ratio, solver="saga", tol=1e-9, max_iter=100_000
    )
    return net.fit(design, y, sample_weight=weights)


@pytest.mark.parametrize("l1_ratio", [0.3, 0.8, 1.0])
@pytest.mark.parametrize("alpha", [0.02, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
def test_regression(alpha, l1_ratio, weighted):
    X, f, rng = table()
    y, weights = f + 0.5 * rng.standard_normal(N), rng.uniform(0.3, 2.0, N) if weighted else None
    net = elastic_net(with_pairs(X), y, alpha, l1_ratio, weights)
    model = InteractionRegressor(alpha=alpha, l1_ratio=l1_ratio, scaling=None, **STRICT).fit(X, y, weights)
    np.testing.assert_allclose(coefficients(model), net.coef_, atol=1e-6)
    assert model.intercept_ == pytest.approx(net.intercept_, abs=1e-6)
    assert np.count_nonzero(net.coef_) > 3
    np.testing.assert_array_equal(coefficients(model) != 0, net.coef_ != 0)


def test_regression_with_a_strength_of_its_own_for_pairs():
    """For an L1, a column that is k times as large carries 1/k of the penalty."""
    X, f, rng = table()
    y = f + 0.5 * rng.standard_normal(N)
    size = np.r_[np.ones(P), np.full(len(PAIRS[0]), 0.05 / 0.2)]
    net = elastic_net(with_pairs(X) * size, y, 0.05, 1.0)
    model = InteractionRegressor(alpha=0.05, alpha_pairs=0.2, l1_ratio=1.0, scaling=None, **STRICT).fit(X, y)
    np.testing.assert_allclose(coefficients(model), net.coef_ * size, atol=1e-6)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.6])
def test_unpenalized_columns_are_projected_out_of_all_others(l1_ratio):
    """Frisch and Waugh: minimising over a free coefficient leaves the same net on residuals."""
    X, f, rng = table()
    y, free = f + 0.5 * rng.standard_normal(N), [1, 3]
    fixed, design = np.column_stack([np.ones(N), X[:, free]]), with_pairs(X)
    remove = np.eye(N) - fixed @ np.linalg.pinv(fixed)
    kept = np.setdiff1d(np.arange(design.shape[1]), free)
    net = ElasticNet(alpha=0.1, l1_ratio=l1_ratio, tol=1e-13, max_iter=200_000, fit_intercept=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn advises against l1_ratio=0
        net.fit(remove @ design[:, kept], remove @ y)
    settings = {"alpha": 0.1, "l1_ratio": l1_ratio, "scaling": None, "unpenalized": free, **STRICT}
    model = InteractionRegressor(solver="sparse", **settings).fit(X, y)
    np.testing.assert_allclose(coefficients(model)[kept], net.coef_, atol=1e-5)
    residual = y - design[:, kept] @ net.coef_
    expected = np.linalg.lstsq(fixed, residual, rcond=None)[0]
    np.testing.assert_allclose(np.r_[model.intercept_, model.coef_[free]], expected, atol=1e-5)


@pytest.mark.parametrize("scaling", ["features", "products"])
def test_regression_on_standardised_features_and_products(scaling):
    X, f, rng = table()
    y = f + 0.5 * rng.standard_normal(N)
    design = with_pairs(StandardScaler().fit_transform(X))
    if scaling == "products":
        design = StandardScaler().fit_transform(design)
    net = elastic_net(design, y, 0.05, 0.7)
    model = InteractionRegressor(alpha=0.05, l1_ratio=0.7, scaling=scaling, **STRICT).fit(X, y)
    np.testing.assert_allclose(coefficients(model), net.coef_, atol=1e-6)
    np.testing.assert_allclose(model.predict(X), net.predict(design), atol=1e-6)


@pytest.mark.parametrize("l1_ratio", [0.4, 1.0])
@pytest.mark.parametrize("alpha", [0.01, 0.05])
@pytest.mark.parametrize("weighted", [False, True])
def test_classification(alpha, l1_ratio, weighted):
    X, f, rng = table()
    y, weights = f + rng.logistic(size=N) > 0, rng.uniform(0.3, 2.0, N) if weighted else np.ones(N)
    net = logistic(with_pairs(X), y, alpha, l1_ratio, weights.sum(), weights)
    model = InteractionClassifier(alpha=alpha, l1_ratio=l1_ratio, scaling=None, **STRICT).fit(X, y, weights)
    np.testing.assert_allclose(coefficients(model), net.coef_[0], atol=1e-5)
    assert model.intercept_ == pytest.approx(net.intercept_[0], abs=1e-5)
    np.testing.assert_allclose(model.predict_proba(X), net.predict_proba(with_pairs(X)), atol=1e-5)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
def test_several_classes_are_one_against_the_rest(l1_ratio):
    X, f, rng = table()
    y = np.digitize(f + 0.5 * rng.standard_normal(N), [-0.7, 0.7])
    net = LogisticRegression(C=1 / (0.03 * N), l1_ratio=l1_ratio, solver="saga", tol=1e-9, max_iter=100_000)
    rest = OneVsRestClassifier(net).fit(with_pairs(X), y)
    model = InteractionClassifier(alpha=0.03, l1_ratio=l1_ratio, scaling=None, **STRICT).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), rest.predict_proba(with_pairs(X)), atol=1e-5)
    np.testing.assert_allclose(model.coef_, [one.coef_[0, :P] for one in rest.estimators_], atol=1e-5)
