"""Least squares is the mixed model whose effects have no variance."""

import numpy as np
import pytest
from dense_mixed_model import DenseSystem, GivenEffect

from intertwine.effects.random import IndependentPrior
from intertwine.mixed_effects.base import VarianceComponents
from intertwine.mixed_effects.least_squares import LeastSquaresSystem

N, P = 30, 3


def problem(weighted):
    rng = np.random.default_rng(0)
    fixed = np.column_stack([np.ones(N), rng.standard_normal((N, 2))])
    weights = {
        "none": None,
        "rows": rng.uniform(0.5, 2.0, N),
        "entries": rng.uniform(0.5, 2.0, (N, P)) * (rng.random((N, P)) < 0.8),
    }[weighted]
    return fixed, weights, rng.standard_normal((N, P)), rng.uniform(0.5, 2.0, P)


every_weighting = pytest.mark.parametrize("weighted", ["none", "rows", "entries"])


@every_weighting
@pytest.mark.parametrize("restricted", [True, False])
def test_it_is_the_dense_model_without_variance(weighted, restricted):
    fixed, weights, y, noise = problem(weighted)
    nothing = GivenEffect(np.arange(N) % 4, IndependentPrior(4), 4)
    dense = DenseSystem([nothing], None, fixed, weights, P, restricted)
    expected = dense.posterior(y, VarianceComponents(noise, (np.zeros((P, 1, 1)),)))
    system = LeastSquaresSystem(fixed, weights, P, restricted)
    found = system.posterior(y, VarianceComponents(noise, ()))
    np.testing.assert_allclose(system.n_entries, dense.n_entries)
    for name in ("log_likelihood", "fixed", "fixed_covariance"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.noise_moment(), expected.noise_moment())
    new = np.random.default_rng(1).standard_normal((5, 3))
    where = nothing.locate(None, None)._replace(level=np.zeros(5, dtype=int))
    for one, other in zip(found.predict([], new), expected.predict([where], new), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


@every_weighting
@pytest.mark.parametrize("restricted", [True, False])
def test_its_noise_is_the_likeliest(weighted, restricted):
    fixed, weights, y, _ = problem(weighted)
    system = LeastSquaresSystem(fixed, weights, P, restricted)
    best = system.noise(y)

    def log_likelihood(noise):
        return system.posterior(y, VarianceComponents(noise, ())).log_likelihood

    assert np.all(log_likelihood(best) > log_likelihood(1.01 * best))
    assert np.all(log_likelihood(best) > log_likelihood(0.99 * best))


def test_outcomes_of_nothing_but_zeros_have_noise():
    system = LeastSquaresSystem(problem("none")[0], None, P, False)
    assert (system.noise(np.zeros((N, P))) > 0.0).all()
