"""Factors of ids that were not there: folded in, expected and drawn; and draws put into one table."""

import numpy as np
import pytest
from scipy.optimize import minimize

from intertwine.fitting.latent_factors import fold_in as fold_in_module
from intertwine.fitting.latent_factors import rating_ids
from intertwine.fitting.latent_factors.fold_in import Batch, OtherSide, _OneId, fold_in
from intertwine.fitting.latent_factors.model import FactorModel, FactorSettings, NewIdPrior
from intertwine.fitting.latent_factors.more_ratings import _deviations, variance_of_new, with_new_ids
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


@pytest.mark.parametrize("near", [0.0, 1e-3])
def test_folding_in_ends_where_nothing_is_left_to_gain(rng, near, monkeypatch):
    """Ratings that the prior's mean explains take one step, and one from nearby two more."""
    calls, real = [], _OneId._linearised
    monkeypatch.setattr(_OneId, "_linearised", lambda *given: calls.append(1) or real(*given))
    partners, mean, phi = rng.normal(size=(1, 6, 3)), np.array([0.5, -1.0, 1.5]), MAPPINGS["softplus"]
    y = partners[0, :, 0] + mean[0] + phi.value(partners[0, :, 1:]) @ phi.value(mean[1:])
    fold_in(
        Batch(np.array([0, 6]), np.arange(6), y + near * rng.normal(size=6), np.ones(6)),
        OtherSide(partners, None, np.zeros(1)),
        mean[None, None],
        np.eye(3)[None],
        FactorSettings(n_components=2, mapping="softplus"),
    )
    assert len(calls) <= (2 if near == 0.0 else 5)


def test_a_worse_step_is_shortened_also_after_a_good_one(rng, monkeypatch):
    """The second step is made ten times too long: what it is compared with is the value after the first."""
    steps, values, real, of_value = [], [], fold_in_module._solved, _OneId._value

    def solved(precision, gradient):
        steps.append(1)
        return real(precision, gradient) * (10.0 if len(steps) == 2 else 0.3)

    monkeypatch.setattr(fold_in_module, "_solved", solved)
    partners, y = rng.normal(size=(1, 8, 3)), 5.0 + rng.normal(size=8)
    batch, other = (
        Batch(np.array([0, 8]), np.arange(8), y, np.ones(8)),
        OtherSide(partners, None, np.zeros(1)),
    )
    monkeypatch.setattr(
        _OneId, "_linearised",
        lambda self, rows, mean, prior, real=_OneId._linearised: (
            values.append(float(of_value(self, rows, mean, prior)[0])), real(self, rows, mean, prior)
        )[1],
    )  # fmt: skip
    settings = FactorSettings(n_components=2, mapping="softplus")
    fold_in(batch, other, np.zeros((1, 1, 3)), np.eye(3)[None], settings)
    assert len(values) > 3
    assert np.all(np.diff(values) <= 1e-9)


def test_a_pair_of_new_ids_has_the_variance_of_a_product_of_gaussians():
    """Of a + b + u·v, by draws of both ids; and of one new id beside one that is known."""
    rng, noise = np.random.default_rng(1), 0.7
    spreads, priors = [], []
    for _ in range(2):
        root = 0.6 * rng.normal(size=(3, 3))
        spreads.append(root @ root.T + 0.2 * np.eye(3))
        priors.append(NewIdPrior(rng.normal(size=(1, 3)), noise**2 * np.linalg.inv(spreads[-1]), 0.0))
    known = rng.normal(size=(2, 1, 2, 3))
    none = np.zeros((1, 0, 3))
    model = FactorModel(
        known[0], known[1], np.zeros(1), none, none, *priors, None, None, noise, np.zeros((0, 5)), True
    )  # fmt: skip
    model = with_new_ids(model, (1, 1), (None, None))
    settings, codes = FactorSettings(n_components=2), (np.array([2, 2, 1]), np.array([2, 0, 2]))
    found = variance_of_new(model, codes, (2, 2), settings)
    drawn = [
        rng.multivariate_normal(prior.mean[0], S, 400_000) for prior, S in zip(priors, spreads, strict=True)
    ]

    def score(one, other):
        return one[..., 0] + other[..., 0] + np.sum(one[..., 1:] * other[..., 1:], axis=-1)

    of_user, of_item = known[0][0, 1], known[1][0, 0]
    expected = [score(*drawn).var(), score(drawn[0], of_item).var(), score(of_user, drawn[1]).var()]
    np.testing.assert_allclose(found, expected, rtol=0.02)


@pytest.mark.parametrize("low", [0, 7, -20])
def test_ids_that_leave_few_gaps_are_numbered_in_their_order(low, monkeypatch):
    monkeypatch.setattr(rating_ids, "_CHUNK", 8)
    values = low + np.random.default_rng(0).integers(0, 30, 40)
    index, codes = rating_ids.IdIndex.of(values, "user")
    np.testing.assert_array_equal(index.labels, np.unique(values))
    np.testing.assert_array_equal(index.labels[codes], values)
    np.testing.assert_array_equal(index.codes(values), codes)
