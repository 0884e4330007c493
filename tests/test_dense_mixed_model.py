"""The oracle itself: its moments are derivatives of its log-likelihood, which is a Gaussian density."""

import numpy as np
import pytest
from dense_mixed_model import DenseSystem, GivenEffect, random_variances
from scipy.sparse import csr_array
from scipy.stats import multivariate_normal

from intertwine.effects.random import BasisPrior, CovariancePrior, IndependentPrior, Located, PrecisionPrior
from intertwine.mixed_effects.base import VarianceComponents

N, P = 14, 2


def problem(restricted, seed=0):
    """Four effects of the four kinds of prior, weights with holes, two fixed columns."""
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(3, 3))
    K = A @ A.T + np.eye(3)
    effects = [
        GivenEffect(
            rng.integers(0, 4, N), IndependentPrior(4), 4, np.column_stack([np.ones(N), rng.normal(size=N)])
        ),
        GivenEffect(rng.integers(0, 3, N), CovariancePrior(K), 3),
        GivenEffect(rng.integers(0, 3, N), PrecisionPrior(csr_array(K), np.linalg.slogdet(K)[1]), 3),
        GivenEffect(rng.integers(0, 5, N), BasisPrior(rng.normal(size=(5, 2)), np.array([0.5, 2.0])), 5),
    ]
    weights = rng.uniform(0.5, 2, (N, P)) * (rng.uniform(size=(N, P)) > 0.2)
    fixed = np.column_stack([np.ones(N), rng.normal(size=N)])
    system = DenseSystem(effects, None, fixed, weights, P, restricted)
    return system, rng.normal(size=(N, P)), random_variances(rng, system.n_basis, P)


@pytest.mark.parametrize("restricted", [True, False])
def test_moments_are_derivatives_of_the_log_likelihood(restricted):
    system, y, variances = problem(restricted)
    posterior, eps = system.posterior(y, variances), 1e-5

    def slope(change):
        up, down = (system.posterior(y, change(sign * eps)).log_likelihood for sign in (1, -1))
        return (up - down) / (2 * eps)

    def noisier(d):
        return variances._replace(noise=variances.noise + d)

    expected = 0.5 * (posterior.noise_moment() / variances.noise - system.n_entries) / variances.noise
    np.testing.assert_allclose(slope(noisier), expected, rtol=1e-6)
    for t, (moment, Sigma) in enumerate(zip(posterior.second_moments(), variances.effects, strict=True)):
        inverse = np.linalg.inv(Sigma)
        gradient = 0.5 * inverse @ (moment - system.n_levels[t] * Sigma) @ inverse
        direction = np.random.default_rng(t).normal(size=Sigma.shape)
        direction += direction.transpose(0, 2, 1)

        def moved(d, t=t, direction=direction):
            changed = list(variances.effects)
            changed[t] = changed[t] + d * direction
            return VarianceComponents(variances.noise, tuple(changed))

        np.testing.assert_allclose(
            slope(moved), (gradient * direction).sum(axis=(1, 2)), rtol=1e-5, atol=1e-7
        )


def test_log_likelihood_is_the_density_at_the_best_fixed_effects():
    system, y, variances = problem(restricted=False)
    posterior = system.posterior(y, variances)
    for m, one in enumerate(posterior.outputs):
        there = system.W[:, m] > 0
        V = system.Z @ one["prior"] @ system.Z.T + np.diag(
            variances.noise[m] / np.where(there, system.W[:, m], 1)
        )
        density = multivariate_normal(system.C[there] @ posterior.fixed[:, m], V[np.ix_(there, there)])
        assert np.isclose(density.logpdf(y[there, m]), posterior.log_likelihood[m])


@pytest.mark.parametrize("restricted", [True, False])
def test_prediction_at_the_rows_and_at_an_unseen_level(restricted):
    """Far from all levels only the fixed part is known, and the prior variance is added."""
    system, y, variances = problem(restricted)
    system = DenseSystem(
        [GivenEffect(np.arange(N) % 3, IndependentPrior(3), 3)], None, system.C, None, P, restricted
    )
    variances = VarianceComponents(variances.noise, variances.effects[1:2])
    posterior = system.posterior(y, variances)
    seen = [Located(np.arange(N) % 3, None, None, None)]
    np.testing.assert_allclose(posterior.predict(seen, None)[0], posterior.fitted())
    np.testing.assert_allclose(posterior.predict(seen, None)[1], posterior.row_variance())
    unseen = [Located(np.zeros(N, int), None, np.zeros((1, 3)), np.ones(1))]
    mean, variance = posterior.predict(unseen, system.C)
    np.testing.assert_allclose(mean, system.C @ posterior.fixed)
    unknown = (
        np.einsum("ic,mcd,id->im", system.C, posterior.fixed_covariance, system.C) if restricted else 0.0
    )
    np.testing.assert_allclose(
        variance - variances.effects[0][:, 0, 0], np.broadcast_to(unknown, variance.shape)
    )
