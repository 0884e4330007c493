"""The collapsed bound against dense algebra."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from dense_mixed_model import DenseSystem, GivenEffect
from scipy.stats import multivariate_normal

from intertwine.effects.random import CovariancePrior, IndependentPrior
from intertwine.elbo import collapsed_loss, conditional_loss, latent_divergence
from intertwine.fitting.random_effects.vae_effects import CollapsedEffects
from intertwine.mixed_effects.base import VarianceComponents
from intertwine.mixed_effects.block import BlockSystem
from intertwine.mixed_effects.choose import system_for
from intertwine.mixed_effects.spectral import SpectralSystem

N, P = 24, 3


def grouped(rng, q=4):
    return GivenEffect(rng.permutation(np.arange(N) % q), IndependentPrior(q), q)


def in_space(rng, q=6):
    where = rng.standard_normal((q, 2))
    covariance = np.exp(-0.5 * np.sum((where[:, None] - where) ** 2, axis=2)) + 1e-6 * np.eye(q)
    return GivenEffect(np.arange(N) % q, CovariancePrior(covariance), q)


def with_slopes(rng, q=4):
    basis = np.column_stack([np.ones(N), rng.uniform(size=N)])
    return GivenEffect(np.arange(N) % q, IndependentPrior(q), q, basis)


CASES = {"one": [grouped], "space": [in_space], "slopes": [with_slopes], "two": [grouped, in_space]}


def problem(kinds, missing=0.0, size=0.3):
    """Residuals of little leverage, dense V of every output, and what the rows are told."""
    rng = np.random.default_rng(0)
    effects = [kind(rng) for kind in kinds]
    observed = rng.uniform(size=(N, P)) >= missing
    residual = rng.standard_normal((N, P)) * observed
    Sigma = tuple(size * np.stack([np.eye(e.n_basis) + 0.3 * (m + 1) / P for m in range(P)]) for e in effects)
    variances = VarianceComponents(np.array([1.0, 1.5, 0.7]), Sigma)
    system = DenseSystem(effects, weights=observed.astype(float), n_outputs=P, restricted=False)
    return system, observed, residual, variances


def dense_V(system, variances, m, rows):
    parts, start = np.zeros((len(rows), len(rows))), 0
    for (_, K), Sigma in zip(system.priors, variances.effects, strict=True):
        width = len(K) * Sigma.shape[1]
        Z = system.Z[rows, start : start + width]
        parts += Z @ np.kron(K, Sigma[m]) @ Z.T
        start += width
    return parts + variances.noise[m] * np.eye(len(rows))


@pytest.mark.parametrize("kinds", CASES.values(), ids=CASES)
@pytest.mark.parametrize("missing", [0.0, 0.25])
def test_every_row_is_told_its_distribution_given_the_others(kinds, missing):
    system, observed, residual, variances = problem(kinds, missing)
    others = CollapsedEffects(system, observed).solve(residual, variances).others
    for m in range(P):
        rows = np.flatnonzero(observed[:, m])
        V = dense_V(system, variances, m, rows)
        for k, i in enumerate(rows):
            rest = np.delete(np.arange(len(rows)), k)
            pull = np.linalg.solve(V[np.ix_(rest, rest)], V[rest, k])
            np.testing.assert_allclose(
                others.offset[i, m], pull @ residual[rows[rest], m], rtol=1e-4, atol=1e-5
            )
            np.testing.assert_allclose(1 / others.weight[i, m], V[k, k] - pull @ V[rest, k], rtol=1e-5)
    assert np.all(others.weight[~observed] == 0.0)


@pytest.mark.parametrize("is_field", [False, True])
def test_tables_of_levels_tell_rows_what_rows_do(is_field):
    rng = np.random.default_rng(5)
    level, K = np.arange(60) % 6, np.exp(-np.square(np.subtract.outer(np.arange(6), np.arange(6))) / 8.0)
    if is_field:
        effect, observed = GivenEffect(level, CovariancePrior(K), 6), None
        system = SpectralSystem(effect, np.empty(0), None, None, P, False)
    else:
        effect = GivenEffect(level, IndependentPrior(6), 6, rng.standard_normal((60, 2)))
        observed = rng.uniform(size=(60, P)) > 0.2
        system = BlockSystem(effect, np.empty(0), None, observed.astype(float), P, False)
    residual = rng.standard_normal((60, P)).astype(np.float32) * (1.0 if observed is None else observed)
    root = rng.standard_normal((P, effect.n_basis, effect.n_basis))
    variances = VarianceComponents(rng.uniform(0.5, 2.0, P), (root @ root.swapaxes(1, 2),))
    by_levels = CollapsedEffects(system, observed, 0.7, (), effect).solve(residual, variances, 2)
    by_rows = CollapsedEffects(system, observed, 0.7).solve(residual.astype(float), variances, 2)
    np.testing.assert_allclose(by_levels.others.offset, by_rows.others.offset, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(by_levels.others.weight, by_rows.others.weight, rtol=1e-6)
    np.testing.assert_allclose(by_levels.log_likelihood, by_rows.log_likelihood, rtol=1e-13)
    np.testing.assert_allclose(by_levels.variances.effects[0], by_rows.variances.effects[0], rtol=1e-10)


def test_its_gradient_is_that_of_the_likelihood_of_all_rows():
    system, observed, residual, variances = problem(CASES["two"])
    others = CollapsedEffects(system, observed).solve(residual, variances).others
    found = jax.grad(lambda r: jnp.sum(conditional_loss(r, others.offset, others.weight)))(
        jnp.asarray(residual)
    )
    for m in range(P):
        V = dense_V(system, variances, m, np.arange(N))
        np.testing.assert_allclose(found[:, m], np.linalg.solve(V, residual[:, m]), rtol=1e-4, atol=1e-5)


def test_rows_of_much_leverage_keep_the_gradient():
    _, _, residual, variances = problem(CASES["one"], size=30.0)
    variances = variances._replace(noise=np.full(P, 0.01))
    effect = GivenEffect(np.arange(N) // 2, IndependentPrior(12), 12)
    small = DenseSystem([effect], n_outputs=P, restricted=False)
    others = CollapsedEffects(small, None).solve(residual, variances).others
    gradient = others.weight * (residual - others.offset)
    for m in range(P):
        V = dense_V(small, variances, m, np.arange(N))
        np.testing.assert_allclose(gradient[:, m], np.linalg.solve(V, residual[:, m]), rtol=1e-3)
        lowest = np.linalg.eigvalsh(2 * np.diag(others.weight[:, m]) - np.linalg.inv(V))[0]
        assert lowest > -1e-3 / variances.noise[m]  # steps of all rows at once settle


@pytest.mark.parametrize("kinds", CASES.values(), ids=CASES)
def test_what_open_latents_cost_is_the_trace(kinds):
    system, observed, residual, variances = problem(kinds, missing=0.2)
    spread_out = np.random.default_rng(1).uniform(0.1, 0.5, (N, P))
    effects = CollapsedEffects(system, observed)
    solved = effects.solve(residual, variances)
    expected = 0.0
    for m in range(P):
        rows = np.flatnonzero(observed[:, m])
        expected += 0.5 * np.diag(np.linalg.inv(dense_V(system, variances, m, rows))) @ spread_out[rows, m]
    np.testing.assert_allclose(effects.uncertainty(solved, variances, spread_out), expected)


def test_a_weight_on_the_divergence_of_effects_is_that():
    """max over q of E log p(r | b) − β KL(q ‖ p), by the mean and covariance that are best."""
    beta = 2.5
    system, observed, residual, variances = problem(CASES["one"])
    found = CollapsedEffects(system, observed, beta).solve(residual, variances).log_likelihood
    expected = 0.0
    for m in range(P):
        noise, prior = variances.noise[m], np.kron(system.priors[0][1], variances.effects[0][m])
        Z, r = system.Z, residual[:, m]
        C = np.linalg.inv(Z.T @ Z / (beta * noise) + np.linalg.inv(prior))
        b = C @ Z.T @ r / (beta * noise)
        fit = (
            -0.5 * N * np.log(2 * np.pi * noise)
            - 0.5 * (np.sum((r - Z @ b) ** 2) + np.trace(Z @ C @ Z.T)) / noise
        )
        inverse = np.linalg.inv(prior)
        divergence = 0.5 * (
            np.trace(inverse @ C)
            + b @ inverse @ b
            - len(b)
            + np.linalg.slogdet(prior)[1]
            - np.linalg.slogdet(C)[1]
        )
        expected += fit - beta * divergence
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("kind", ["one", "slopes"])
def test_whole_groups_are_collapsed_exactly(kind):
    system, observed, residual, variances = problem(CASES[kind], missing=0.2, size=3.0)
    rng = np.random.default_rng(0)
    effect = CASES[kind][0](rng)
    covariance = system.posterior(residual, variances).level_covariance(0)
    basis = np.ones((N, 1)) if effect.basis is None else effect.basis
    found = collapsed_loss(residual, observed / variances.noise, basis, effect.level, covariance)
    expected = 0.0
    for m in range(P):
        rows = np.flatnonzero(observed[:, m])
        expected += (
            0.5 * residual[rows, m] @ np.linalg.solve(dense_V(system, variances, m, rows), residual[rows, m])
        )
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_divergence_of_latents_is_that_of_gaussians():
    mean, log_scale = np.array([[0.3, -1.0]]), np.array([[0.2, -0.7]])
    draws = np.random.default_rng(0).standard_normal((200_000, 2)) * np.exp(log_scale) + mean
    log_ratio = multivariate_normal(mean[0], np.diag(np.exp(2 * log_scale[0]))).logpdf(draws)
    log_ratio -= multivariate_normal(np.zeros(2)).logpdf(draws)
    np.testing.assert_allclose(latent_divergence(mean, log_scale)[0], log_ratio.mean(), rtol=2e-2)


def test_em_never_lowers_the_likelihood():
    system, observed, residual, variances = problem(CASES["two"])
    effects = CollapsedEffects(system, observed)
    values = []
    for _ in range(4):
        solved = effects.solve(residual, variances, n_steps=1)
        values.append(solved.log_likelihood)
        variances = solved.variances
    assert np.all(np.diff(values) > 0)


@pytest.mark.parametrize("missing", [0.0, 0.25])
def test_a_search_takes_variances_to_where_em_would_come_in_the_end(missing):
    rng = np.random.default_rng(1)
    time = rng.uniform(size=(400, 1))
    effect, system, observed, residual, variances = drawn_slopes(rng, time, missing)
    near = CollapsedEffects(system, observed)
    em, best = variances, CollapsedEffects(system, observed, searched=[effect])
    for _ in range(3):  # 150 steps, and still on the way
        em = near.solve(residual, em, n_steps=50).variances
    found = best.settled(residual, variances)
    assert near.settled(residual, variances) is variances
    assert CollapsedEffects(system, observed, 0.5, [effect]).settled(residual, variances) is variances
    values = [near.solve(residual, at).log_likelihood for at in (variances, em, found)]
    assert values[0] < values[1] < values[2] + 1e-6
    stays = near.solve(residual, found, n_steps=1).variances
    np.testing.assert_allclose(stays.effects[0], found.effects[0], rtol=0.02, atol=1e-3)
    np.testing.assert_allclose(stays.noise, found.noise, rtol=1e-2)


def drawn_slopes(rng, time, missing, q=20):
    """Rows of levels with slopes, and variances far from theirs."""
    n, level = len(time), np.arange(len(time)) % q
    effect = GivenEffect(level, IndependentPrior(q), q, np.hstack([np.ones((n, 1)), time]))
    own = np.linalg.cholesky([[0.5, 0.1], [0.1, 0.5]]) @ rng.standard_normal((q, 2, P))
    observed = rng.uniform(size=(n, P)) >= missing
    residual = np.einsum("nr,nrp->np", effect.basis, own[level]) + rng.standard_normal((n, P))
    system = system_for([effect], None, None, observed.astype(float), P, restricted=False)
    variances = VarianceComponents(np.ones(P), (np.tile(np.eye(2), (P, 1, 1)),))
    return effect, system, observed, residual * observed, variances
