"""Laws that every Gaussian effect obeys. A new effect adds one line to EFFECTS."""

from itertools import combinations

import numpy as np
import pytest

from intertwine.effects.features import Linear, Pairs, Triples, power_sum

P, N, M = 5, 9, 6


def products(X, order):
    """All products of so many different columns, written out."""
    columns = [np.prod(X[:, list(chosen)], axis=1) for chosen in combinations(range(X.shape[1]), order)]
    return np.column_stack(columns)


# An effect, and the design whose coefficients are independent N(0, 1).
EFFECTS = {
    "linear": (Linear(), lambda X: X),
    "pairs": (Pairs(), lambda X: products(X, 2)),
    "triples": (Triples(), lambda X: products(X, 3)),
}
every_effect = pytest.mark.parametrize("name", EFFECTS)


@every_effect
def test_covariance_is_that_of_the_explicit_design(name):
    effect, design = EFFECTS[name]
    rng = np.random.default_rng(0)
    rows, others = rng.standard_normal((N, P)), rng.standard_normal((M, P))
    np.testing.assert_allclose(
        effect.covariance(rows, others), design(rows) @ design(others).T, rtol=1e-10, atol=1e-10
    )
    np.testing.assert_allclose(effect.design(rows), design(rows), rtol=1e-12)
    assert effect.n_coefficients(P) == design(rows).shape[1]


@every_effect
def test_covariance_is_symmetric_positive_semi_definite_and_taken_apart_by_rows(name):
    effect, _ = EFFECTS[name]
    rows = np.random.default_rng(1).standard_normal((N, P))
    covariance = effect.covariance(rows, rows)
    np.testing.assert_allclose(covariance, covariance.T, rtol=1e-12, atol=1e-12)
    assert np.linalg.eigvalsh(covariance).min() > -1e-9 * np.trace(covariance)
    some = [4, 0, 7]
    np.testing.assert_allclose(effect.covariance(rows[some], rows), covariance[some], rtol=1e-12, atol=1e-12)


@every_effect
def test_the_order_of_features_does_not_matter(name):
    effect, _ = EFFECTS[name]
    rows = np.random.default_rng(2).standard_normal((N, P))
    order = np.random.default_rng(3).permutation(P)
    shuffled = effect.covariance(rows[:, order], rows[:, order])
    np.testing.assert_allclose(shuffled, effect.covariance(rows, rows), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("power", [1, 2, 3])
def test_power_sums_in_blocks_are_those_in_one_piece(power, monkeypatch):
    rng = np.random.default_rng(4)
    rows, others = rng.standard_normal((N, P)), rng.standard_normal((M, P))
    expected = (rows**power) @ (others**power).T
    monkeypatch.setattr("intertwine.effects.features._BLOCK_BYTES", 8 * (N + M) * 2)
    np.testing.assert_allclose(power_sum(rows, others, power), expected, rtol=1e-12, atol=1e-12)
