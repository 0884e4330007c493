"""Latent factors of users and items: formula and products, against literal sums and dense algebra."""

import numpy as np
import pytest
from packed_blocks import full_blocks
from scipy import sparse

from intertwine.structures import latent_factors
from intertwine.structures.fm import FactorizationMachine, FMParams
from intertwine.structures.latent_factors import FactorParams, FactorScores, LatentFactors
from intertwine.structures.linearization import StackedLayout, StructureScores, SymmetricLayout
from intertwine.structures.mapping import MAPPINGS
from intertwine.structures.pairwise import Pairwise, fit_product_scaling
from intertwine.structures.ratings import RatingTable

N_USERS, N_ITEMS, K = 7, 5, 3

CASES = [
    pytest.param(mapping, biases, features, id=f"{mapping}-{'biases' if biases else 'plain'}-{features}")
    for mapping in MAPPINGS
    for biases in (False, True)
    for features in ("features", "alone")
]


def drawn(mapping="identity", biases=True, features="features", seed=0):
    rng = np.random.default_rng(seed)
    pairs = np.flatnonzero(rng.random(N_USERS * N_ITEMS) < 0.6)
    of_users = of_items = None
    if features == "features":
        of_users = sparse.csr_array(rng.standard_normal((N_USERS, 4)) * (rng.random((N_USERS, 4)) < 0.5))
        of_items = sparse.csr_array(rng.standard_normal((N_ITEMS, 2)))
    X, _ = RatingTable.build(pairs // N_ITEMS, pairs % N_ITEMS, N_USERS, N_ITEMS, of_users, of_items)
    structure = LatentFactors(K, biases, MAPPINGS[mapping])
    scores = FactorScores(structure, X)
    return structure, X, scores, rng.standard_normal(scores.size), rng


def literal(structure, X, params):
    """The definition, rating by rating."""
    users, items = params.users.copy(), params.items.copy()
    if X.user_features is not None:
        users += X.user_features.toarray() @ params.user_weights
        items += X.item_features.toarray() @ params.item_weights
    first, phi = int(structure.biases), structure.mapping.value
    scores = []
    for u, i in zip(X.users, X.item_of, strict=True):
        bias = users[u, 0] + items[i, 0] if first else 0.0
        scores.append(bias + phi(users[u, first:]) @ phi(items[i, first:]))
    return np.array(scores)


def jacobian(scores, theta, h=1e-6):
    moves = np.eye(scores.size)
    return np.column_stack(
        [(scores.score(theta + h * move) - scores.score(theta - h * move)) / (2 * h) for move in moves]
    )


@pytest.mark.parametrize("name", MAPPINGS)
def test_slope_and_curvature_of_a_mapping_are_its_derivatives(name):
    mapping, raw, h = MAPPINGS[name], np.linspace(-4, 4, 41), 1e-5
    slope = (mapping.value(raw + h) - mapping.value(raw - h)) / (2 * h)
    curvature = (mapping.slope(raw + h) - mapping.slope(raw - h)) / (2 * h)
    np.testing.assert_allclose(mapping.slope(raw), slope, atol=1e-9)
    np.testing.assert_allclose(mapping.curvature(raw), curvature, atol=1e-9)


@pytest.mark.parametrize(("mapping", "biases", "features"), CASES)
def test_scores_are_biases_and_inner_products(mapping, biases, features):
    structure, X, scores, theta, _ = drawn(mapping, biases, features)
    params = scores.layout.unravel(theta)
    np.testing.assert_allclose(structure.score(params, X), literal(structure, X, params), rtol=1e-12)
    np.testing.assert_array_equal(scores.at(theta).scores, scores.score(theta))


@pytest.mark.parametrize(("mapping", "biases", "features"), CASES)
def test_derivatives_are_those_of_the_scores(mapping, biases, features):
    structure, X, scores, theta, rng = drawn(mapping, biases, features)
    J = jacobian(scores, theta)
    v, r = rng.standard_normal(scores.size), rng.standard_normal(X.n_ratings)
    params, direction = scores.layout.unravel(theta), scores.layout.unravel(v)
    np.testing.assert_allclose(structure.pushforward(params, X, direction), J @ v, atol=1e-7)
    np.testing.assert_allclose(
        scores.layout.ravel(structure.pullback(params, X, r)), J.T @ r, rtol=1e-6, atol=1e-7
    )


@pytest.mark.parametrize(("mapping", "biases", "features"), CASES)
def test_pullback_is_the_adjoint_of_pushforward(mapping, biases, features):
    _, X, scores, theta, rng = drawn(mapping, biases, features, seed=1)
    v, r = rng.standard_normal(scores.size), rng.standard_normal(X.n_ratings)
    near = scores.at(theta)
    assert near.pullback(r) @ v == pytest.approx(r @ near.pushforward(v), rel=1e-12)


@pytest.mark.parametrize(("mapping", "biases", "features"), CASES)
def test_the_fused_product_is_a_pullback_of_a_pushforward(mapping, biases, features):
    _, X, scores, theta, rng = drawn(mapping, biases, features, seed=2)
    v, w = rng.standard_normal(scores.size), rng.random(X.n_ratings)
    near = scores.at(theta)
    np.testing.assert_allclose(near.gram_product(w, v), near.pullback(w * near.pushforward(v)), rtol=1e-11)


@pytest.mark.parametrize(("mapping", "biases", "features"), CASES)
def test_what_bends_is_the_derivative_of_the_pullback(mapping, biases, features):
    _, X, scores, theta, rng = drawn(mapping, biases, features, seed=3)
    v, r, h = rng.standard_normal(scores.size), rng.standard_normal(X.n_ratings), 1e-5
    numeric = (scores.at(theta + h * v).pullback(r) - scores.at(theta - h * v).pullback(r)) / (2 * h)
    np.testing.assert_allclose(scores.at(theta).bend_product(r, v), numeric, rtol=1e-6, atol=1e-8)


def assert_diagonal_blocks(blocks, dense):
    place = 0
    for run in blocks:
        for block in full_blocks(run):
            end = place + len(block)
            np.testing.assert_allclose(block, dense[place:end, place:end], rtol=1e-6, atol=1e-6)
            place = end
    assert place == len(dense)


@pytest.mark.parametrize(("mapping", "biases", "features"), CASES)
def test_blocks_are_those_of_the_dense_matrix(mapping, biases, features):
    _, X, scores, theta, rng = drawn(mapping, biases, features, seed=4)
    w, J = rng.random(X.n_ratings), jacobian(scores, theta)
    assert_diagonal_blocks(scores.at(theta).gram_blocks(w), J.T @ (w[:, None] * J))


def test_blocks_of_ids_with_more_ratings_than_are_gathered_at_once():
    users, items = np.repeat(np.arange(2), 300), np.tile(np.arange(300), 2)
    X, _ = RatingTable.build(users, items, 2, 300)
    scores, rng = FactorScores(LatentFactors(2), X), np.random.default_rng(0)
    w, near = rng.random(600), scores.at(rng.standard_normal(scores.size))
    J = np.column_stack([near.pushforward(move) for move in np.eye(scores.size)[:6]])
    np.testing.assert_allclose(
        full_blocks(near.gram_blocks(w)[0])[1],
        J[:, 3:].T @ (w[:, None] * J[:, 3:]),
        rtol=1e-10,
        atol=1e-10,
    )


def test_along_a_line_scores_are_a_parabola():
    _, _, scores, theta, rng = drawn()
    v = rng.standard_normal(scores.size)
    near = scores.at(theta)
    first, second = near.along(v)
    np.testing.assert_allclose(
        scores.score(theta + 0.7 * v), near.scores + 0.7 * first + 0.49 * second, atol=1e-12
    )


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_threads_change_nothing(mapping, monkeypatch):
    monkeypatch.setattr(latent_factors, "_WORTH_THREADS", 1)
    monkeypatch.setattr(latent_factors, "_RATINGS_OF_A_SUM", 1)  # parts with sums of their own
    structure, X, one, theta, rng = drawn(mapping)
    two = FactorScores(structure, X, n_threads=2)
    v, r, w = rng.standard_normal(one.size), rng.standard_normal(X.n_ratings), rng.random(X.n_ratings)
    a, b = one.at(theta), two.at(theta)
    for mine, other in (
        (a.scores, b.scores),
        (a.pushforward(v), b.pushforward(v)),
        (a.pullback(r), b.pullback(r)),
        (a.gram_product(w, v), b.gram_product(w, v)),
        (a.bend_product(r, v), b.bend_product(r, v)),
        *zip(a.gram_blocks(w), b.gram_blocks(w), strict=True),
    ):
        np.testing.assert_array_equal(mine, other)


def test_a_start_is_near_zero_but_not_there():
    structure, X, _, _, rng = drawn()
    params = structure.init(X, rng)
    assert not params.users[:, 0].any()
    assert params.users[:, 1:].all()
    assert params.user_weights.shape == (4, 1 + K)


# any structure on flat vectors


def fm_scores(rng):
    X = rng.standard_normal((20, 5)) * (rng.random((20, 5)) < 0.7)
    structure = FactorizationMachine(2, 2)
    return StructureScores(structure, sparse.csr_array(X), StackedLayout(structure.init(X, rng)))


def pair_scores(rng):
    X = rng.standard_normal((20, 5))
    return StructureScores(Pairwise(fit_product_scaling(X)), X, SymmetricLayout(5))


@pytest.mark.parametrize("make", [fm_scores, pair_scores], ids=["fm", "pairwise"])
def test_derivatives_of_any_structure(make):
    rng = np.random.default_rng(0)
    scores = make(rng)
    theta, v = rng.standard_normal((2, scores.size))
    r, w = rng.standard_normal(20), rng.random(20)
    near, J = scores.at(theta), jacobian(scores, theta)
    np.testing.assert_allclose(near.pushforward(v), J @ v, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(near.pullback(r), J.T @ r, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(near.gram_product(w, v), J.T @ (w * (J @ v)), rtol=1e-5, atol=1e-5)
    blocks = near.gram_blocks(w)
    np.testing.assert_allclose(blocks[0][:, 0], (w[:, None] * J**2).sum(axis=0), rtol=1e-5, atol=1e-6)


def test_hessians_of_pairs_of_features_and_not_of_triples():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 4))
    structure = FactorizationMachine(2)
    scores = StructureScores(structure, X, StackedLayout(structure.init(X, rng)))
    theta, v = rng.standard_normal((2, scores.size))
    r, h = rng.standard_normal(20), 1e-5
    numeric = (scores.at(theta + h * v).pullback(r) - scores.at(theta - h * v).pullback(r)) / (2 * h)
    np.testing.assert_allclose(scores.at(theta).bend_product(r, v), numeric, rtol=1e-6, atol=1e-7)
    with pytest.raises(ValueError, match="FactorizationMachine offers Gauss-Newton products only"):
        fm_scores(rng).at(np.zeros(1 + 5 + 20)).bend_product(r, np.zeros(26))


def test_layouts_lose_nothing():
    rng = np.random.default_rng(0)
    stacked = StackedLayout(FMParams(0.0, np.zeros(3), np.zeros((3, 2)), np.zeros((3, 0))))
    vector = rng.standard_normal(stacked.size)
    np.testing.assert_array_equal(stacked.ravel(stacked.unravel(vector)), vector)
    square = SymmetricLayout(4)
    vector = rng.standard_normal(6)
    matrix = square.unravel(vector)
    assert np.array_equal(matrix, matrix.T)
    assert not np.diag(matrix).any()
    np.testing.assert_array_equal(square.ravel(matrix), vector)


def test_params_are_told_by_name():
    _, _, scores, theta, _ = drawn()
    params = scores.layout.unravel(theta)
    assert isinstance(params, FactorParams)
    assert [part.shape for part in params] == [(N_USERS, 1 + K), (N_ITEMS, 1 + K), (4, 1 + K), (2, 1 + K)]
