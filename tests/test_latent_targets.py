"""Every latent target against the literal double sum over pairs, and its derivatives against finite differences."""

from itertools import combinations

import numpy as np
import pytest

from intertwine.structures.latent import Distance, LowRank, TwoFactor, leading_directions
from intertwine.structures.registry import LATENT_NAMES, candidates, rebuild
from intertwine.structures.third_order import SymmetricCP
from intertwine.validation import INTERACTION_CONSTRAINTS

P, D, N = 7, 2, 9


def _dot(z, w):
    return float(np.dot(z, w))


def _pair_formula(target, params):
    """g_jk as each definition states it, one pair at a time."""
    if isinstance(target, LowRank):
        Z = params.reshape(P, D)
        return lambda j, k: float(np.sum(target.signs * Z[j] * Z[k]))
    if isinstance(target, TwoFactor):
        Z, W = np.split(params.reshape(P, 2 * D), 2, axis=1)
        return lambda j, k: 0.5 * (_dot(Z[j], W[k]) + _dot(W[j], Z[k]))
    Z, level = params[:-1].reshape(P, D), params[-1]
    return lambda j, k: level - float(np.sum((Z[j] - Z[k]) ** 2))


PAIR_TARGETS = {
    "low_rank": LowRank(P, D),
    "signed": LowRank(P, D, signs=[1.0, -1.0]),
    "two_factor": TwoFactor(P, D),
    "distance": Distance(P, D),
}
ALL_TARGETS = {**PAIR_TARGETS, "cp": SymmetricCP(P, D)}


def _draw(target, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((N, P)), rng.standard_normal(target.size), rng


def _gradient_by_differences(function, params, step=1e-5):
    out = np.empty_like(params)
    for i in range(params.size):
        shift = np.zeros_like(params)
        shift[i] = step
        out[i] = (function(params + shift) - function(params - shift)) / (2 * step)
    return out


@pytest.mark.parametrize("name", PAIR_TARGETS)
def test_score_norm_and_entries_are_the_literal_sums(name):
    target = PAIR_TARGETS[name]
    X, params, _ = _draw(target)
    g = _pair_formula(target, params)
    pairs = list(combinations(range(P), 2))
    score = sum(g(j, k) * X[:, j] * X[:, k] for j, k in pairs)
    np.testing.assert_allclose(target.score(params, X), score, atol=1e-11)
    half_norm = 0.5 * sum(g(j, k) ** 2 for j, k in pairs)
    np.testing.assert_allclose(target.half_norm(params)[0], half_norm, rtol=1e-12)
    j, k = np.array(pairs).T
    np.testing.assert_allclose(target.entries(params, j, k), [g(*pair) for pair in pairs], atol=1e-12)
    block = target.block(params, np.arange(3), np.arange(P))
    assert np.all(block[np.arange(3), np.arange(3)] == 0)
    np.testing.assert_allclose(block[1, 4], g(1, 4), atol=1e-12)


def test_cp_score_and_norm_are_the_literal_sums_over_triples():
    target = ALL_TARGETS["cp"]
    X, params, _ = _draw(target)
    A = params.reshape(P, D)
    triples = list(combinations(range(P), 3))
    g = {t: float(np.sum(A[t[0]] * A[t[1]] * A[t[2]])) for t in triples}
    score = sum(g[j, k, m] * X[:, j] * X[:, k] * X[:, m] for j, k, m in triples)
    np.testing.assert_allclose(target.score(params, X), score, atol=1e-10)
    np.testing.assert_allclose(target.half_norm(params)[0], 0.5 * sum(v**2 for v in g.values()), rtol=1e-11)


@pytest.mark.parametrize("name", ALL_TARGETS)
def test_derivatives(name):
    target = ALL_TARGETS[name]
    X, params, rng = _draw(target, 1)
    v, direction = rng.standard_normal(N), rng.standard_normal(target.size)
    pullback = target.pullback(params, X, v)
    np.testing.assert_allclose(
        pullback, _gradient_by_differences(lambda q: v @ target.score(q, X), params), rtol=1e-6, atol=1e-6
    )
    np.testing.assert_allclose(v @ target.pushforward(params, X, direction), pullback @ direction, rtol=1e-9)
    by_row = [target.pullback(params, X[i : i + 1], np.ones(1)) for i in range(N)]
    np.testing.assert_allclose(target.jacobian(params, X), by_row, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(
        target.half_norm(params)[1],
        _gradient_by_differences(lambda q: target.half_norm(q)[0], params),
        rtol=1e-6,
        atol=1e-6,
    )


@pytest.mark.parametrize("name", PAIR_TARGETS)
def test_scaling_scales_the_target(name):
    target = PAIR_TARGETS[name]
    _, params, _ = _draw(target, 2)
    everyone = np.arange(P)
    np.testing.assert_allclose(
        target.block(target.scaled(params, 3.0), everyone, everyone),
        3.0 * target.block(params, everyone, everyone),
        atol=1e-12,
    )


@pytest.mark.parametrize("p", [30, 400])
def test_leading_directions_are_eigenvectors(p):
    rng = np.random.default_rng(3)
    X, v = rng.standard_normal((25, p)), rng.standard_normal(25)
    matrix = (X.T * v) @ X
    np.fill_diagonal(matrix, 0.0)
    values, vectors = leading_directions(X, v, 3, rng)
    exact = np.linalg.eigvalsh(matrix)
    np.testing.assert_allclose(np.abs(values), np.sort(np.abs(exact))[::-1][:3], rtol=1e-3)
    assert np.linalg.norm(matrix @ vectors - vectors * values) < 1e-2 * np.abs(values).max()


def test_spectral_start_takes_the_signs_of_the_data():
    rng = np.random.default_rng(4)
    z = rng.standard_normal(P)
    vectors, values = (z / np.linalg.norm(z))[:, None], np.array([-2.0])
    negative = LowRank(P, 1, signs=[-1.0])
    start = negative.spectral_start(values, vectors, rng)
    assert abs(np.dot(start, vectors[:, 0])) > 0.9


def test_every_structure_has_a_public_name_that_may_be_asked_for():
    allowed = next(option.options for option in INTERACTION_CONSTRAINTS["latent"] if option is not None)
    assert set(LATENT_NAMES) == set(allowed)
    for name in LATENT_NAMES:
        for target in candidates(name, P, D, np.array([2.0, -1.0])):
            again = rebuild(target.signature(), P)
            params = np.random.default_rng(0).standard_normal(target.size)
            np.testing.assert_array_equal(again.lift(params)[0], target.lift(params)[0])
            np.testing.assert_array_equal(again.lift(params)[1], target.lift(params)[1])


def test_signed_targets_to_search_are_the_signs_of_the_leading_directions_and_their_neighbours():
    def patterns(n_components, *eigenvalues):
        found = candidates("signed", P, n_components, np.array(eigenvalues))
        return [tuple(target.signs) for target in found]

    assert patterns(3, 5.0, -2.0, 1.0) == [(1, 1, 1), (1, 1, -1), (1, -1, -1)]
    assert patterns(2, -3.0, -1.0) == [(1, -1), (-1, -1)]
    assert patterns(1, 0.0) == [(1,), (-1,)]


def test_a_distance_target_begins_without_an_overall_shift():
    rng = np.random.default_rng(0)
    target = PAIR_TARGETS["distance"]
    params = target.spectral_start(np.array([3.0, 1.0]), np.linalg.qr(rng.standard_normal((P, D)))[0], rng)
    formula = _pair_formula(target, params)
    assert np.mean([formula(j, k) for j, k in combinations(range(P), 2)]) == pytest.approx(0.0, abs=1e-12)
