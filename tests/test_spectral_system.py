"""The spectral form of one effect in space is the dense model."""

import numpy as np
import pytest
from dense_mixed_model import DenseSystem, GivenEffect, assert_same_posterior, random_variances

from intertwine.effects.random import BasisPrior, CovariancePrior, IndependentPrior, Located
from intertwine.mixed_effects.base import VarianceComponents, posteriors
from intertwine.mixed_effects.spectral import SpectralSystem

N, Q, P = 40, 7, 3


def design(kind, c, weighted, seed=0):
    """Effect, fixed columns, weights and y (NaN where the weight is zero); level Q − 1 has no rows."""
    rng = np.random.default_rng(seed)
    level = rng.integers(0, Q - 1, N)
    if kind == "covariance":
        half = rng.normal(size=(Q, Q))
        prior = CovariancePrior(half @ half.T / Q + 0.1 * np.eye(Q))
    else:
        prior = BasisPrior(rng.normal(size=(Q, 4)), rng.uniform(0.2, 2.0, 4))
    fixed = None if c == 0 else np.column_stack([np.ones(N), *rng.normal(2.0, 1.0, size=(c - 1, N))])
    y = rng.normal(size=(N, P)) + rng.normal(size=(Q, P))[level]
    w = rng.uniform(0.5, 2.0, N) * (rng.uniform(size=N) > 0.25) if weighted else None
    if weighted:
        y[w == 0] = np.nan
    return GivenEffect(level, prior, Q), fixed, w, y, random_variances(rng, (1,), P)


def both(kind, c, weighted, restricted):
    effect, fixed, w, y, variances = design(kind, c, weighted)
    system = SpectralSystem(effect, np.empty(0), fixed, w, P, restricted)
    oracle = DenseSystem([effect], None, fixed, w, P, restricted)
    return system.posterior(y, variances), oracle.posterior(y, variances), effect, fixed


@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("kind", ["covariance", "basis"])
@pytest.mark.parametrize("c", [0, 1, 3])
def test_it_is_the_dense_model(kind, c, weighted, restricted):
    got, expected, _, _ = both(kind, c, weighted, restricted)
    assert_same_posterior(got, expected, 1)


@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize("with_fixed", [True, False])
@pytest.mark.parametrize("kind", ["covariance", "basis"])
def test_prediction_at_known_and_other_places(kind, with_fixed, restricted):
    got, expected, effect, fixed = both(kind, 2, True, restricted)
    rng = np.random.default_rng(5)
    projection = rng.normal(size=(5, Q if kind == "covariance" else 4))
    level = rng.integers(0, 5, 15)
    columns = rng.normal(size=(15, 2)) if with_fixed else None
    for where, at in (
        (Located(level, None, projection, rng.uniform(size=5)), columns),
        (Located(level, rng.normal(size=(15, 1)), projection, None), columns),
        (Located(effect.level, None, None, None), fixed),
    ):
        for one, other in zip(got.predict([where], at), expected.predict([where], at), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-8)


def test_system_knows_its_sizes():
    for kind, size in (("covariance", Q), ("basis", 4)):
        effect, fixed, w, _, _ = design(kind, 2, True)
        system = SpectralSystem(effect, np.empty(0), fixed, w, P)
        assert (system.n_levels, system.n_basis, system.n_fixed) == ((size,), (1,), 2)
        np.testing.assert_array_equal(system.n_entries, np.full(P, (w > 0).sum()))


@pytest.mark.parametrize("kind", ["covariance", "basis"])
def test_a_variance_of_zero_leaves_the_regression(kind):
    effect, fixed, _, y, variances = design(kind, 2, False)
    at = posteriors(SpectralSystem(effect, np.empty(0), fixed, None, P), y)
    posterior = at(VarianceComponents(variances.noise, (np.zeros((P, 1, 1)),)))
    np.testing.assert_allclose(posterior.fixed, np.linalg.lstsq(fixed, y, rcond=None)[0])
    assert not posterior.effects[0].any()
    assert not posterior.row_variance().any()
    assert not posterior.second_moments()[0].any()


@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize("tau", [0.0, 0.7])
def test_its_score_is_the_derivative_by_the_variance(tau, restricted):
    effect, fixed, w, y, variances = design("covariance", 2, True)
    at = posteriors(SpectralSystem(effect, np.empty(0), fixed, w, P, restricted), y)

    def posterior(t):
        return at(VarianceComponents(variances.noise, (np.full((P, 1, 1), t),)))

    eps = 1e-6
    slope = (posterior(tau + eps).log_likelihood - posterior(tau - eps * (tau > 0)).log_likelihood) / (
        eps * (1 + (tau > 0))
    )
    np.testing.assert_allclose(posterior(tau).score()[0][:, 0, 0], slope, rtol=1e-4)


def test_row_weights_are_repetitions():
    effect, fixed, _, y, variances = design("covariance", 2, False)
    times = np.random.default_rng(3).integers(1, 4, N)
    weighted = SpectralSystem(effect, np.empty(0), fixed, times.astype(float), P).posterior(y, variances)
    again = GivenEffect(np.repeat(effect.level, times), effect.prior(None), Q)
    long = SpectralSystem(again, np.empty(0), np.repeat(fixed, times, axis=0), None, P)
    repeated = long.posterior(np.repeat(y, times, axis=0), variances)
    np.testing.assert_allclose(weighted.effects[0], repeated.effects[0])
    np.testing.assert_allclose(weighted.fixed_covariance, repeated.fixed_covariance)
    np.testing.assert_allclose(weighted.second_moments()[0], repeated.second_moments()[0])


def test_outputs_do_not_know_each_other_nor_the_order_of_rows():
    effect, fixed, w, y, variances = design("basis", 2, True)
    whole = SpectralSystem(effect, np.empty(0), fixed, w, P).posterior(y, variances)
    order = np.random.default_rng(1).permutation(N)
    moved = GivenEffect(effect.level[order], effect.prior(None), Q)
    for m in range(P):
        alone = SpectralSystem(moved, np.empty(0), fixed[order], w[order], 1).posterior(
            y[order, m : m + 1], VarianceComponents(variances.noise[[m]], (variances.effects[0][[m]],))
        )
        np.testing.assert_allclose(alone.log_likelihood, whole.log_likelihood[[m]])
        np.testing.assert_allclose(alone.row_variance()[:, 0], whole.row_variance()[order, m])


def test_what_it_cannot_serve():
    effect, fixed, w, _, _ = design("covariance", 2, True)
    with pytest.raises(TypeError, match="differ between outputs"):
        SpectralSystem(effect, np.empty(0), fixed, np.ones((N, P)), P)
    with pytest.raises(TypeError, match="slopes"):
        SpectralSystem(GivenEffect(effect.level, effect.prior(None), Q, np.ones((N, 1))), np.empty(0))
    with pytest.raises(TypeError, match="dense covariance"):
        SpectralSystem(GivenEffect(effect.level, IndependentPrior(Q), Q), np.empty(0))
    with pytest.raises(ValueError, match="linearly dependent"):
        SpectralSystem(effect, np.empty(0), fixed[:, [0, 1, 1]], w, P)
