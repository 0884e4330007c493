"""The closed form of one exchangeable effect is the dense model, and obeys its laws."""

import numpy as np
import pytest
from dense_mixed_model import DenseSystem, GivenEffect, assert_same_posterior, random_variances
from scipy import sparse

from intertwine.effects.random import IndependentPrior, Located
from intertwine.mixed_effects.base import VarianceComponents, posteriors
from intertwine.mixed_effects.block import BlockSystem
from intertwine.mixed_effects.factors import semidefinite_factor

N, Q, P = 40, 6, 3
WEIGHTS = ("none", "rows", "entries", "two patterns")


def design(r, c, weights, seed=0):
    """Effect, fixed columns, weights and y (NaN where the weight is zero); level Q − 1 has no rows."""
    rng = np.random.default_rng(seed)
    level = rng.integers(0, Q - 1, N)
    basis = None if r == 1 else np.column_stack([np.ones(N), *rng.normal(size=(r - 1, N))])
    effect = GivenEffect(level, IndependentPrior(Q), Q, basis)
    fixed = None if c == 0 else np.column_stack([np.ones(N), *rng.normal(2.0, 1.0, size=(c - 1, N))])
    y = rng.normal(size=(N, P)) + rng.normal(size=(Q, P))[level]
    w = None
    if weights != "none":
        holes = rng.uniform(size=(N, P)) > 0.25
        w = rng.uniform(0.5, 2.0, (N, P)) * holes
        w = w[:, 0] if weights == "rows" else w[:, [0, 1, 0]] if weights == "two patterns" else w
        y = np.where((w if w.ndim == 2 else w[:, None]) > 0, y, np.nan)
    return effect, fixed, w, y, random_variances(rng, (r,), P)


def both(r, c, weights, restricted, seed=0):
    effect, fixed, w, y, variances = design(r, c, weights, seed)
    system = BlockSystem(effect, np.empty(0), fixed, w, P, restricted)
    oracle = DenseSystem([effect], None, fixed, w, P, restricted)
    return system.posterior(y, variances), oracle.posterior(y, variances), effect, fixed


@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("r", [1, 2, 3])
@pytest.mark.parametrize("c", [0, 1, 3])
def test_it_is_the_dense_model(r, c, weights, restricted):
    got, expected, _, _ = both(r, c, weights, restricted)
    assert_same_posterior(got, expected, 1)


@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize("with_fixed", [True, False])
@pytest.mark.parametrize("r", [1, 2])
def test_prediction_at_seen_unseen_and_mixed_levels(r, with_fixed, restricted):
    got, expected, effect, fixed = both(r, 2, "entries", restricted)
    rng = np.random.default_rng(5)
    projection = sparse.csr_array(np.vstack([np.eye(Q), np.zeros(Q), rng.normal(size=Q)]))
    n = 15
    level = rng.integers(0, Q + 2, n)
    level[:2] = [Q, Q + 1]
    basis = None if r == 1 else rng.normal(size=(n, r))
    located = [Located(level, basis, projection, np.repeat([0.0, 1.0, 0.3], [Q, 1, 1]))]
    columns = rng.normal(size=(n, 2)) if with_fixed else None
    for one, other in zip(got.predict(located, columns), expected.predict(located, columns), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)
    same = [Located(effect.level, effect.basis, None, None)]
    for one, other in zip(got.predict(same, fixed), expected.predict(same, fixed), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)


@pytest.mark.parametrize("restricted", [True, False])
def test_a_variance_of_zero_is_the_limit_of_small_ones(restricted):
    effect, fixed, w, y, variances = design(2, 2, "entries")
    at = posteriors(BlockSystem(effect, np.empty(0), fixed, w, P, restricted), y)
    zero, small = (np.diag([1.0, size]) + np.zeros((P, 2, 2)) for size in (0.0, 1e-12))
    got, expected = (at(VarianceComponents(variances.noise, (Sigma,))) for Sigma in (zero, small))
    assert_same_posterior(got, expected, 1, rtol=1e-6, atol=1e-9)


def test_semidefinite_factors():
    rng = np.random.default_rng(0)
    half = rng.normal(size=(5, 3, 2))
    covariance = np.concatenate([half @ half.swapaxes(1, 2), np.zeros((1, 3, 3)), np.eye(3)[None] * 1e-30])
    factor = semidefinite_factor(covariance)
    np.testing.assert_allclose(factor @ factor.swapaxes(1, 2), covariance, atol=1e-14, rtol=1e-12)
    assert np.all(np.triu(factor, 1) == 0.0)


def test_dependent_fixed_columns_are_refused():
    effect = design(1, 0, "none")[0]
    with pytest.raises(ValueError, match="linearly dependent: leave out the columns that others give"):
        BlockSystem(effect, np.empty(0), np.ones((N, 2)))


def test_outputs_that_cannot_tell_fixed_columns_apart_are_named():
    effect, here = design(1, 0, "none")[0], np.arange(N) < 5
    weights = np.ones((N, P))
    weights[here, 1] = 0.0
    with pytest.raises(ValueError, match="observed entries of outputs 1, or weights are too uneven"):
        BlockSystem(effect, np.empty(0), np.column_stack([np.ones(N), here]), weights, P)


@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize("r", [1, 3])
def test_the_score_is_the_derivative_also_where_sigma_is_singular(r, restricted):
    """By Richardson's one-sided differences along directions in which Σ stays semidefinite."""
    effect, fixed, w, y, variances = design(r, 2, "entries")
    Sigma = variances.effects[0] * np.eye(r)
    Sigma[1:, -1, -1] = 0.0
    at = posteriors(BlockSystem(effect, np.empty(0), fixed, w, P, restricted), y)
    score = at(VarianceComponents(variances.noise, (Sigma,))).score()[0]
    rng = np.random.default_rng(0)
    v = rng.normal(size=(P, r))
    direction = v[:, :, None] * v[:, None, :]

    def rise(eps):
        ends = (at(VarianceComponents(variances.noise, (Sigma + h * direction,))) for h in (eps, 0.0))
        up, here = (end.log_likelihood for end in ends)
        return (up - here) / eps

    derivative = 2 * rise(5e-5) - rise(1e-4)
    np.testing.assert_allclose(np.sum(score * direction, axis=(1, 2)), derivative, rtol=1e-4, atol=1e-5)


def test_sums_do_not_depend_on_threads(monkeypatch):
    import numba

    from intertwine.mixed_effects import level_rows
    from intertwine.resources import thread_limit

    monkeypatch.setattr(level_rows, "_SMALL", 1)
    effect, fixed, w, y, variances = design(2, 2, "entries")
    found = []
    for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
        with thread_limit(threads):
            posterior = BlockSystem(effect, np.empty(0), fixed, w, P).posterior(y, variances)
            found.append([posterior.log_likelihood, posterior.score()[0], posterior.row_variance()])
    assert posterior._system.rows.n_parts == Q
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_mean_far_from_zero_costs_few_digits():
    effect, fixed, w, y, variances = design(1, 2, "none")
    system = BlockSystem(effect, np.empty(0), fixed, w, P)
    near, far = (system.posterior(y + shift, variances) for shift in (0.0, 1e8))
    np.testing.assert_allclose(far.log_likelihood, near.log_likelihood, rtol=1e-7)
