"""Factors of ids that were not there: folded in, expected and drawn; and draws put into one table."""

import numpy as np
import pytest
from scipy.optimize import minimize

from intertwine.fitting.latent_factors.fold_in import Batch, OtherSide, fold_in
from intertwine.fitting.latent_factors.model import FactorSettings, NewIdPrior
from intertwine.fitting.latent_factors.more_ratings import _deviations
from intertwine.fitting.latent_factors.principal_factors import principal_factors
from intertwine.structures.mapping import MAPPINGS


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("mapping", ["identity", "softplus"])
def test_folding_in_ends_at_the_optimum_that_its_objective_says(rng, mapping):
    """Far from the mean of the prior, and with the precision of Gauss and Newton there."""
    partners, y, weight = rng.normal(size=(1, 6, 3)), 6.0 + 3.0 * rng.normal(size=6), rng.uniform(0.5, 2.0, 6)
    root, mean = rng.normal(size=(3, 3)), np.array([3.0, -2.0, 1.5])
    precision, phi = root @ root.T + np.eye(3), MAPPINGS[mapping]
    shown = np.concatenate([np.ones((6, 1)), phi.value(partners[0, :, 1:])], axis=1)

    def scores(row):
        return partners[0, :, 0] + shown @ np.append(row[0], phi.value(row[1:]))

    def objective(row):
        return 0.5 * (weight @ (scores(row) - y) ** 2 + (row - mean) @ precision @ (row - mean))

    batch = Batch(np.array([0, 6]), np.arange(6), y, weight)
    other = OtherSide(partners, None, np.zeros(1))
    rows, found = fold_in(
        batch, other, mean[None, None], precision[None], FactorSettings(n_components=2, mapping=mapping)
    )
    best = minimize(objective, rows[0, 0], tol=1e-10)
    assert objective(rows[0, 0]) == pytest.approx(best.fun, rel=1e-7)
    np.testing.assert_allclose(rows[0, 0], best.x, atol=1e-3)
    slopes = shown * np.append(1.0, phi.slope(rows[0, 0, 1:]))
    np.testing.assert_allclose(found[0], precision + slopes.T @ (weight[:, None] * slopes))


def test_what_a_population_says_of_one_more(rng):
    rows = rng.normal([2.0, -5.0], [0.5, 3.0], (50, 2))
    prior = NewIdPrior.of_population(rows, noise=2.0)
    np.testing.assert_allclose(prior.mean, rows.mean(axis=0)[None])
    np.testing.assert_allclose(4.0 * np.linalg.inv(prior.precision), np.cov(rows.T, bias=True), rtol=0.05)
    assert np.linalg.eigvalsh(NewIdPrior.of_population(rows[:1], noise=2.0).precision).min() > 0.0


def test_draws_of_new_ids_have_mean_zero_and_their_covariance():
    covariance = np.array([[2.0, -0.6], [-0.6, 0.5]])
    drawn = _deviations(np.tile(covariance, (4000, 1, 1)), n_draws=2)
    np.testing.assert_allclose(drawn.sum(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(np.einsum("sni,snj->ij", drawn, drawn) / 8000, covariance, atol=0.1)


def test_principal_factors_are_as_many_as_before_and_point_up(rng):
    users, items = rng.normal(size=(3, 1, 2)), rng.normal(size=(3, 5, 2))
    for sign in (1.0, -1.0):
        left, right = principal_factors(sign * users, items)
        assert (left.shape, right.shape) == ((1, 2), (5, 2))
        products = np.einsum("snk,smk->nm", sign * users, items) / 3
        np.testing.assert_allclose(left @ right.T, products, atol=1e-12)
        assert (left.sum(axis=0) >= 0.0).all()
