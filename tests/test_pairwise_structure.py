"""All products of two features as an implicit operator, against the design written out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intertwine.structures import columns as columns_module
from intertwine.structures import pairwise as pairwise_module
from intertwine.structures.columns import ChosenColumns, Coordinates
from intertwine.structures.pairwise import Pairwise, ProductScaling, fit_product_scaling


def explicit_products(X, scaling=None):
    j, k = np.triu_indices(X.shape[1], 1)
    products = X[:, j] * X[:, k]
    return products if scaling is None else (products - scaling.center[j, k]) / scaling.scale[j, k]


def symmetric(upper, p):
    theta = np.zeros((p, p))
    theta[np.triu_indices(p, 1)] = upper
    return theta + theta.T


def random_scaling(rng, p):
    center, scale = rng.standard_normal((p, p)), rng.uniform(0.5, 2.0, (p, p))
    return ProductScaling(center + center.T, scale + scale.T)


shapes = st.tuples(st.integers(1, 40), st.integers(1, 9), st.integers(0, 10**6), st.booleans())


@settings(max_examples=30, deadline=None)
@given(shapes)
def test_score_and_pullback_are_those_of_the_explicit_design(shape):
    n, p, seed, scaled = shape
    rng = np.random.default_rng(seed)
    X, v, upper = rng.standard_normal((n, p)), rng.standard_normal(n), rng.standard_normal(p * (p - 1) // 2)
    scaling = random_scaling(rng, p) if scaled else None
    structure, design, theta = Pairwise(scaling), explicit_products(X, scaling), symmetric(upper, p)
    np.testing.assert_allclose(structure.score(theta, X), design @ upper, atol=1e-11)
    np.testing.assert_allclose(structure.pullback(theta, X, v), symmetric(design.T @ v, p), atol=1e-11)


@settings(max_examples=30, deadline=None)
@given(shapes)
def test_pullback_is_the_adjoint_of_pushforward(shape):
    n, p, seed, scaled = shape
    rng = np.random.default_rng(seed)
    X, v = rng.standard_normal((n, p)), rng.standard_normal(n)
    structure = Pairwise(random_scaling(rng, p) if scaled else None)
    start = structure.init(X, rng)
    direction = symmetric(rng.standard_normal(p * (p - 1) // 2), p)
    there = v @ structure.pushforward(start, X, direction)
    # sums over pairs are half the sums over the square
    assert there == pytest.approx(0.5 * np.vdot(structure.pullback(start, X, v), direction), abs=1e-10)


@pytest.mark.parametrize("order", ["C", "F"])
def test_chunks_of_rows_and_blocks_of_features_change_nothing(monkeypatch, order):
    rng = np.random.default_rng(3)
    X, v = np.asarray(rng.standard_normal((101, 70)), order=order), rng.standard_normal(101)
    theta, weight = symmetric(rng.standard_normal(70 * 69 // 2), 70), rng.uniform(size=101)
    structure = Pairwise(random_scaling(rng, 70))
    whole = (
        structure.score(theta, X),
        structure.pullback(theta, X, v),
        structure.squared_norms(None, X, weight),
    )
    assert len(list(structure.pullback_blocks(X, v))) == 2
    monkeypatch.setattr(pairwise_module, "_ROWS", 17)
    monkeypatch.setattr(pairwise_module, "_ENTRIES", 70 * 16)
    parts = (
        structure.score(theta, X),
        structure.pullback(theta, X, v),
        structure.squared_norms(None, X, weight),
    )
    assert len(list(structure.pullback_blocks(X, v))) == 5
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-10)


def test_a_block_is_no_larger_than_it_may_be_for_five_thousand_features():
    X, v = np.ones((2, 5000)), np.ones(2)
    start, block = next(Pairwise().pullback_blocks(X, v))
    assert start == 0
    assert block.nbytes <= 8 * pairwise_module._ENTRIES


def test_scaling_is_the_weighted_mean_and_deviation_of_the_products():
    rng = np.random.default_rng(0)
    X, repeats = rng.standard_normal((50, 6)) + 1.0, rng.integers(1, 4, 50)
    weighted = fit_product_scaling(X, repeats)
    products = explicit_products(np.repeat(X, repeats, axis=0))
    upper = np.triu_indices(6, 1)
    np.testing.assert_allclose(weighted.center[upper], products.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(weighted.scale[upper], products.std(axis=0), atol=1e-12)


def test_a_product_that_does_not_vary_becomes_a_zero_column():
    never_both = np.array([[1.0, 0.0, 2.0], [0.0, 1.0, 3.0], [1.0, 0.0, 4.0], [0.0, 1.0, 6.0]])
    scaling = fit_product_scaling(never_both)
    structure, theta = Pairwise(scaling), symmetric(np.ones(3), 3)
    design = explicit_products(never_both, scaling)
    assert np.isinf(scaling.scale[0, 1])
    assert not design[:, 0].any()
    np.testing.assert_allclose(structure.score(theta, never_both), design.sum(axis=1), atol=1e-12)
    assert structure.pullback(theta, never_both, np.arange(4.0))[0, 1] == 0.0


@pytest.mark.parametrize("scaled", [False, True])
def test_squared_norms(scaled):
    rng = np.random.default_rng(1)
    X, weight = rng.standard_normal((30, 5)), rng.uniform(size=30)
    scaling = random_scaling(rng, 5) if scaled else None
    expected = weight @ explicit_products(X, scaling) ** 2
    found = Pairwise(scaling).squared_norms(None, X, weight)[np.triu_indices(5, 1)]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("scaled", [False, True])
def test_chosen_columns_are_columns_of_the_design(monkeypatch, scaled):
    monkeypatch.setattr(columns_module, "_ROWS", 16)
    rng = np.random.default_rng(2)
    X, M = rng.standard_normal((50, 6)), rng.standard_normal((50, 3))
    scaling = random_scaling(rng, 6) if scaled else None
    full = np.hstack([M, explicit_products(X, scaling)])
    j, k = np.triu_indices(6, 1)
    every = Coordinates.of(3, j, k)
    chosen = np.array([2, 17, 0, 5, 9])
    columns = ChosenColumns(M.T.copy(), X.T.copy(), every.take(chosen), scaling)
    design, coefficients, v = full[:, chosen], rng.standard_normal(5), rng.standard_normal(50)
    np.testing.assert_allclose(columns.dense(), design.T, atol=1e-12)
    np.testing.assert_allclose(columns.score(coefficients), design @ coefficients, atol=1e-12)
    several = rng.standard_normal((3, 5))
    np.testing.assert_allclose(columns.scores(several), several @ design.T, atol=1e-12)
    np.testing.assert_array_equal(columns.scores(several[:1])[0], columns.score(several[0]))
    np.testing.assert_allclose(columns.pullback(v), design.T @ v, atol=1e-12)
    np.testing.assert_allclose(columns.products(full), design.T @ full, atol=1e-11)
    np.testing.assert_allclose(columns.take(np.array([1, 3])).dense(), design[:, [1, 3]].T, atol=1e-12)
    assert (np.diff(every.keys(3, 6)) > 0).all()
