"""Sums of effects by sparse factors against the model by dense matrices."""

import numpy as np
import pytest
from dense_mixed_model import DenseSystem, GivenEffect, assert_same_posterior, random_variances
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from intertwine.effects.random import BasisPrior, CovariancePrior, IndependentPrior, Located, PrecisionPrior
from intertwine.mixed_effects import located_rows
from intertwine.mixed_effects.base import VarianceComponents
from intertwine.mixed_effects.sparse import SparseSystem

N = 40
P = 3


def prior_of(rng, kind, q):
    if kind == "independent":
        return IndependentPrior(q)
    if kind == "covariance":
        A = rng.normal(size=(q, q))
        return CovariancePrior(A @ A.T + np.eye(q))
    if kind == "basis":
        return BasisPrior(rng.normal(size=(q, 3)), np.array([0.5, 2.0, 1.0]))
    chain = np.diag(np.full(q, 2.1)) - np.diag(np.ones(q - 1), 1) - np.diag(np.ones(q - 1), -1)
    return PrecisionPrior(sparse.csr_array(chain), np.linalg.slogdet(chain)[1])


def effect_of(rng, kind, q, r, n=N):
    basis = None if r == 1 else np.column_stack([np.ones(n), rng.normal(size=(n, r - 1))])
    return GivenEffect(rng.integers(0, q, n), prior_of(rng, kind, q), q, basis)


DESIGNS = {
    "crossed": [("independent", 15, 1), ("independent", 7, 1), ("independent", 3, 1)],
    "slopes": [("independent", 9, 2), ("independent", 5, 3)],
    "one of each kind": [("independent", 8, 2), ("covariance", 5, 1), ("precision", 12, 1), ("basis", 6, 2)],
    "chain with slopes": [("precision", 14, 2)],
    "functions only": [("basis", 9, 2), ("basis", 5, 1)],
    "two dense matrices": [("covariance", 4, 2), ("independent", 11, 1), ("covariance", 5, 1)],
}
WEIGHTS = {
    "none": lambda rng: None,
    "rows": lambda rng: rng.uniform(0.5, 2.0, N) * (rng.uniform(size=N) > 0.1),
    "entries": lambda rng: rng.uniform(0.5, 2.0, (N, P)) * (rng.uniform(size=(N, P)) > 0.2),
}


def systems(effects, *arguments):
    shapes = [effect.start_shape() for effect in effects]
    return SparseSystem(effects, shapes, *arguments), DenseSystem(effects, shapes, *arguments)


@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("design", DESIGNS)
def test_posterior_is_that_of_dense_matrices(design, weights, restricted):
    rng = np.random.default_rng(0)
    effects = [effect_of(rng, *line) for line in DESIGNS[design]]
    fixed = np.column_stack([np.ones(N), rng.normal(size=N)])
    w, y = WEIGHTS[weights](rng), rng.normal(size=(N, P))
    fast, dense = systems(effects, fixed, w, P, restricted)
    assert (fast.n_levels, fast.n_basis, fast.n_fixed) == (dense.n_levels, dense.n_basis, 2)
    variances = random_variances(rng, fast.n_basis, P)
    got = fast.posterior(np.where(w > 0, y, np.nan) if weights == "entries" else y, variances)
    assert_same_posterior(got, dense.posterior(y, variances), len(effects), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize("design", DESIGNS)
def test_prediction_at_other_rows(design, restricted):
    """Known levels in combinations that were not seen, mixtures of levels, unseen levels."""
    rng = np.random.default_rng(1)
    effects = [effect_of(rng, *line) for line in DESIGNS[design]]
    fixed, y = np.column_stack([np.ones(N), rng.normal(size=N)]), rng.normal(size=(N, P))
    fast, dense = systems(effects, fixed, None, P, restricted)
    variances = random_variances(rng, fast.n_basis, P)
    located, n = [], 11
    for t, effect in enumerate(effects):
        basis = None if effect.basis is None else rng.normal(size=(n, effect.n_basis))
        mixture = rng.normal(size=(4, fast.n_levels[t])) * (rng.uniform(size=(4, fast.n_levels[t])) > 0.4)
        level, extra = rng.integers(0, 4, n), rng.uniform(size=4)
        known = Located(rng.integers(0, effect.n_levels, n), basis, None, None)
        mixed = Located(level, basis, mixture, extra)
        located.append([known, mixed, mixed._replace(projection=sparse.csr_array(mixture))][t % 3])
    one, other = fast.posterior(y, variances), dense.posterior(y, variances)
    for columns in (None, rng.normal(size=(n, 2))):
        for got, expected in zip(one.predict(located, columns), other.predict(located, columns), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-7, atol=1e-9)


def test_outputs_of_the_same_ratios_share_a_factor():
    rng = np.random.default_rng(2)
    effects = [effect_of(rng, "independent", q, 1) for q in (12, 6)]
    fast, dense = systems(effects, np.ones((N, 1)), None, P, True)
    noise = np.array([1.0, 2.0, 4.0])
    variances = VarianceComponents(noise, tuple(noise[:, None, None] * ratio for ratio in (0.5, 3.0)))
    y = rng.normal(size=(N, P))
    got = fast.posterior(y, variances)
    assert_same_posterior(got, dense.posterior(y, variances), 2)
    assert len(got._value_of) == 1


def test_factors_that_do_not_fit_together_are_made_again(monkeypatch):
    rng = np.random.default_rng(3)
    effects = [effect_of(rng, *line) for line in DESIGNS["one of each kind"]]
    fast, dense = systems(effects, np.ones((N, 1)), None, P, True)
    variances, y = random_variances(rng, fast.n_basis, P), rng.normal(size=(N, P))
    monkeypatch.setattr("intertwine.mixed_effects.sparse._BYTES_OF_FACTORS", 1)
    got, expected = fast.posterior(y, variances), dense.posterior(y, variances)
    assert got._kept is None
    assert_same_posterior(got, expected, len(effects), rtol=1e-7, atol=1e-8)
    located = [Located(effect.level[:5], _first(effect.basis), None, None) for effect in effects]
    for one, other in zip(got.predict(located, None), expected.predict(located, None), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-8)


def _first(basis):
    return None if basis is None else basis[:5]


def test_a_variance_of_zero_is_a_model_without_the_effect():
    rng = np.random.default_rng(4)
    effects = [effect_of(rng, "independent", 9, 2), effect_of(rng, "independent", 6, 1)]
    fixed, y = np.ones((N, 1)), rng.normal(size=(N, P))
    variances = random_variances(rng, (2, 1), P)
    both, _ = systems(effects, fixed, None, P, True)
    alone, _ = systems(effects[1:], fixed, None, P, True)
    got = both.posterior(y, variances._replace(effects=(np.zeros((P, 2, 2)), variances.effects[1])))
    expected = alone.posterior(y, variances._replace(effects=variances.effects[1:]))
    np.testing.assert_allclose(got.log_likelihood, expected.log_likelihood)
    np.testing.assert_allclose(got.row_variance(), expected.row_variance())
    np.testing.assert_array_equal(got.effects[0], 0.0)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), restricted=st.booleans())
def test_a_weight_is_a_repetition_and_the_order_of_rows_is_nothing(seed, restricted):
    rng = np.random.default_rng(seed)
    effects = [effect_of(rng, "independent", 8, 2), effect_of(rng, "precision", 5, 1)]
    fixed, y = np.column_stack([np.ones(N), rng.normal(size=N)]), rng.normal(size=(N, P))
    times = rng.integers(0, 3, N)
    rows = rng.permutation(np.repeat(np.arange(N), times))
    repeated = [
        GivenEffect(e.level[rows], e.prior(None), e.n_levels, None if e.basis is None else e.basis[rows])
        for e in effects
    ]
    shapes = [effect.start_shape() for effect in effects]
    variances = random_variances(rng, (2, 1), P)
    weighted = SparseSystem(effects, shapes, fixed, times.astype(float), P, restricted)
    plain = SparseSystem(repeated, shapes, fixed[rows], None, P, restricted)
    one, other = weighted.posterior(y, variances), plain.posterior(y[rows], variances)
    np.testing.assert_allclose(one.fixed, other.fixed, rtol=1e-7, atol=1e-9)
    for t in range(2):
        np.testing.assert_allclose(one.effects[t], other.effects[t], rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(one.second_moments()[t], other.second_moments()[t], rtol=1e-7)
    np.testing.assert_allclose(one.row_variance()[rows], other.row_variance(), rtol=1e-7)


def test_a_design_that_would_not_fit_is_refused_before_it_is_tried(monkeypatch):
    monkeypatch.setattr("intertwine.mixed_effects.sparse.available_memory", lambda: 1000)
    rng = np.random.default_rng(0)
    effects = [effect_of(rng, "independent", 20, 1) for _ in range(3)]
    with pytest.raises(MemoryError, match="IterativeSystem"):
        systems(effects, None, None, 1, True)


@pytest.mark.parametrize("restricted", [True, False])
def test_many_rows_are_predicted_in_parts(restricted, monkeypatch):
    rng = np.random.default_rng(2)
    effects = [effect_of(rng, *line) for line in DESIGNS["one of each kind"]]
    fixed, n = np.column_stack([np.ones(N), rng.normal(size=N)]), 300
    fast, _ = systems(effects, fixed, None, P, restricted)
    posterior = fast.posterior(rng.normal(size=(N, P)), random_variances(rng, fast.n_basis, P))
    located = [
        Located(rng.integers(0, effect.n_levels, n), None if effect.basis is None else rng.normal(size=(n, 2)),
                None, None)
        for effect in effects
    ]  # fmt: skip
    columns = rng.normal(size=(n, 2))
    whole = posterior.predict(located, columns)
    monkeypatch.setattr(located_rows, "_ENTRIES_AT_ONCE", 1)
    for one, other in zip(posterior.predict(located, columns), whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
