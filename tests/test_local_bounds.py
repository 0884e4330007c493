"""Local bounds of 0 and 1 and of counts: against quadrature, finite differences, and sums over effects on a grid."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit, gammaln, logsumexp

from intertwine.effects import Grouped
from intertwine.effects.random import EffectRows, GroupCodes
from intertwine.fitting.random_effects.vae_latents import GaussianRows
from intertwine.fitting.random_effects.vae_local_effects import LocalEffects, Sites
from intertwine.fitting.random_effects.vae_local_rows import LocalRows
from intertwine.likelihoods.local_bounds import LOCAL_BOUNDS, Moments
from intertwine.likelihoods.local_columns import LocalColumns
from intertwine.mixed_effects.base import VarianceComponents
from intertwine.mixed_effects.choose import system_for

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(80)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
KINDS = ("bernoulli", "poisson")


def log_probability(kind, x, eta):
    return x * eta - np.logaddexp(0.0, eta) if kind == "bernoulli" else x * eta - np.exp(eta) - gammaln(x + 1)


def given(kind, n=60, seed=0):
    """Entries, and Gaussians of their η that are no worse than a few units away."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 2, n) if kind == "bernoulli" else rng.poisson(np.exp(rng.normal(1.0, 1.5, n)))
    return x.astype(float), rng.normal(0.0, 1.5, n), np.exp(rng.normal(-1.0, 1.0, n))


@pytest.mark.parametrize("kind", KINDS)
def test_the_bound_is_below_the_expectation_and_its_slopes_are_those_of_differences(kind):
    bound, (x, mean, variance) = LOCAL_BOUNDS[kind], given(kind)
    eta = mean[:, None] + np.sqrt(variance)[:, None] * NODES
    truth = log_probability(kind, x[:, None], eta) @ WEIGHTS
    found = bound.expected(x, mean, variance)
    assert np.all(found <= truth + 1e-6 * np.maximum(1.0, np.abs(truth)))
    assert np.all(truth - found < (0.25 if kind == "bernoulli" else 1e-5 * (1 + np.abs(truth))))
    step = 1e-5
    ends = [bound.expected(x, mean + s, variance) for s in (step, -step)]
    np.testing.assert_allclose(bound.slope(x, mean, variance), (ends[0] - ends[1]) / (2 * step), atol=1e-5)
    ends = [bound.expected(x, mean, variance + s) for s in (step, -step)]
    np.testing.assert_allclose(bound.precision(mean, variance), (ends[1] - ends[0]) / step, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_tight_moments_are_those_of_the_prior_and_their_own_measurement(kind):
    bound, (x, mean, variance) = LOCAL_BOUNDS[kind], given(kind)
    found = bound.tightened(x, mean, variance)
    np.testing.assert_allclose(1 / found.variance, 1 / variance + bound.precision(*found), rtol=1e-3)
    np.testing.assert_allclose(found.mean, mean + variance * bound.slope(x, *found), atol=5e-3)
    single = jax.jit(bound.tightened)(*(jnp.asarray(part, jnp.float32) for part in (x, mean, variance)))
    np.testing.assert_allclose(single[0], found.mean, atol=1e-4)
    point = bound.tightened(x, mean, np.zeros_like(mean))
    np.testing.assert_allclose(point.mean, mean, atol=1e-6)


def test_counts_that_are_large_and_far_from_expected_are_found_without_overflow():
    x, mean = np.array([0.0, 5000.0, 3.0, 1e6]), np.array([25.0, -8.0, 60.0, 0.0])
    found = LOCAL_BOUNDS["poisson"].tightened(x, mean, np.full(4, 4.0))
    np.testing.assert_allclose(found.mean[[1, 3]], np.log(x[[1, 3]]), atol=0.01)
    assert found.mean[0] < 3.0
    assert np.isfinite(np.concatenate(found)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_marginals_and_averages_are_those_of_a_fine_grid(kind):
    x, mean, variance = (part[:, None] for part in given(kind))
    columns = LocalColumns((kind,), np.zeros(1))
    grid = np.linspace(-30, 30, 6001)
    eta, log_normal = mean + np.sqrt(variance) * grid, -0.5 * grid**2
    truth = logsumexp(log_probability(kind, x, eta) + log_normal, axis=1) - logsumexp(log_normal)
    single = [jnp.asarray(part, jnp.float32) for part in (x, mean, variance)]
    np.testing.assert_allclose(jax.jit(columns.log_marginal)(*single)[:, 0], truth, atol=3e-3)
    average = (expit(eta) if kind == "bernoulli" else np.exp(eta)) @ np.exp(
        log_normal - logsumexp(log_normal)
    )
    np.testing.assert_allclose(columns.average(mean, variance)[:, 0], average, rtol=1e-4)


def levels(sizes, tau, seed=0):
    """Rows of levels, one column of each kind, and the solver of their effects."""
    rng = np.random.default_rng(seed)
    level = np.repeat(np.arange(len(sizes)), sizes)
    f = rng.normal([0.3, 0.7], 1.0, (len(level), 2))
    eta = f + (np.sqrt(tau) * rng.standard_normal((len(sizes), 2)))[level]
    X = np.column_stack([rng.uniform(size=len(level)) < expit(eta[:, 0]), rng.poisson(np.exp(eta[:, 1]))])
    bound = [Grouped().bind(EffectRows(len(level), {None: GroupCodes(level, len(sizes))}))]

    def system_at(weights):
        return system_for(bound, None, None, weights, 2, restricted=False)

    there = np.ones(X.shape, bool)
    effects = LocalEffects(system_at, LocalColumns(KINDS, np.zeros(2)), X.astype(float), there)
    return effects, X.astype(float), f, level, VarianceComponents(np.ones(2), (np.full((2, 1, 1), tau),))


@pytest.mark.parametrize(("sizes", "tau"), [([1, 2, 3], 1.0), ([4, 4], 0.2), ([12, 9, 1], 3.0)])
def test_the_bound_of_levels_is_below_their_likelihood_and_near_it(sizes, tau):
    effects, X, f, level, variances = levels(sizes, tau)
    solved = effects.solve(-f, variances)
    grid = np.linspace(-9, 9, 4001) * np.sqrt(tau)
    truth = 0.0
    for j in range(len(sizes)):
        for m, kind in enumerate(KINDS):
            rows = level == j
            terms = log_probability(kind, X[rows, m, None], f[rows, m, None] + grid).sum(axis=0)
            truth += logsumexp(terms - 0.5 * grid**2 / tau) - logsumexp(-0.5 * grid**2 / tau)
    assert solved.log_likelihood < truth
    assert truth - solved.log_likelihood < 0.03 * len(level)
    rng = np.random.default_rng(1)
    sites = solved.local.sites
    for _ in range(3):  # any other measurements give less
        moved = Sites(
            sites.measured + 0.1 * rng.standard_normal(X.shape),
            sites.precision * rng.uniform(0.8, 1.2, X.shape),
        )
        left, weights = effects._left(-f, moved), effects._weights(moved)
        posterior = effects._system_at(weights).posterior(left, variances)
        value = posterior.log_likelihood.sum() + effects._slack(moved, effects._moments(-f, posterior))
        assert value < solved.log_likelihood + 1e-3


def test_what_is_left_without_an_entry_does_not_know_it():
    """The others' offset of a row of a level of two, whose own leverage is below a half, is that of the other row."""
    effects, _, f, _, variances = levels([2, 2], 0.3)
    solved = effects.solve(-f, variances)
    sites, tau = solved.local.sites, 0.3
    for i, other in enumerate([1, 0, 3, 2]):
        w = sites.precision[other]
        kept = 1 / (1 / tau + w)
        own = kept * sites.precision[i] / (1 + kept * sites.precision[i])
        free = own < 0.5
        expected = kept * w * (sites.measured[other] - f[other])
        np.testing.assert_allclose(solved.local.offset[i][free], expected[free], atol=1e-5)
        np.testing.assert_allclose(solved.local.variance[i][free], kept[free], atol=1e-5)


def test_gradients_in_f_are_those_of_the_bound_and_missing_entries_have_none():
    effects, X, f, _, variances = levels([6, 5, 4], 1.0)
    local = effects.solve(-f, variances).local
    weight = np.ones(X.shape, np.float32)
    weight[3] = weight[5, 1] = 0.0
    parts = (jnp.asarray(part, jnp.float32) for part in (X, local.offset, weight, local.variance))
    rows = LocalRows(LocalColumns(KINDS, np.zeros(2)), *parts)
    found, misfit = jax.jit(jax.grad(rows.surrogate))(f.astype(np.float32)), jax.jit(rows.misfit)
    step = 0.02
    for i, m in ((0, 0), (0, 1), (7, 0), (14, 1), (3, 0), (5, 1)):
        ends = [
            misfit((f + s * np.eye(2)[m] * (np.arange(15) == i)[:, None]).astype(np.float32)).sum()
            for s in (step, -step)
        ]
        np.testing.assert_allclose(found[i, m], (ends[0] - ends[1]) / (2 * step), atol=5e-3)
    assert not np.any(np.asarray(found)[weight == 0])
    slope, curvature = jax.jit(rows.slopes)(jnp.asarray(f, jnp.float32))
    np.testing.assert_allclose(-slope, found, atol=1e-6)
    assert np.all(np.asarray(curvature)[weight > 0] > 0)


def test_gaussian_columns_beside_others_are_answered_as_alone():
    rng = np.random.default_rng(0)
    x, offset, f = (jnp.asarray(rng.standard_normal((6, 3)), jnp.float32) for _ in range(3))
    weight = jnp.asarray(rng.uniform(0.5, 2, (6, 3)) * [1, 1, 0], jnp.float32)  # no count is observed
    rows = LocalRows(
        LocalColumns(("gaussian", "gaussian", "poisson"), np.zeros(3)), abs(x).round(), offset, weight, 0 * x
    )
    alone = GaussianRows(jnp.where(weight > 0, abs(x).round() - offset, 0), weight)

    @jax.jit
    def answers(given):
        at_points = given.misfits(f[:4, :2], f[:4])
        draws = given.log_densities(jnp.stack([f, 2 * f], axis=1))
        return given.misfit(f), given.log_scale(), at_points - at_points[:, :1], draws, *given.slopes(f)

    for found, expected in zip(answers(rows), answers(alone), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_variances_of_latents_take_from_the_bound_what_they_cost():
    effects, X, f, _, variances = levels([5, 5], 0.5)
    solved = effects.solve(-f, variances)
    S = np.full(X.shape, 0.4, np.float32)
    mean, variance = solved.local.at
    columns = LocalColumns(KINDS, np.zeros(2))
    lost = columns.expected(X, Moments(mean, variance)) - columns.expected(X, Moments(mean, variance + 0.4))
    np.testing.assert_allclose(effects.uncertainty(solved, variances, S), lost.sum(), rtol=1e-5)
    assert lost.min() > 0
