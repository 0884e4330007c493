"""Missing entries of an effect in space: patterns of weights side by side are the dense model."""

import numpy as np
import pytest
from dense_mixed_model import DenseSystem, assert_same_posterior
from test_spectral_system import N, P, Q, design

from intertwine.effects.random import Located
from intertwine.mixed_effects.base import posteriors
from intertwine.mixed_effects.choose import system_for
from intertwine.mixed_effects.patterned import PatternedSystem, weight_patterns
from intertwine.mixed_effects.sparse import SparseSystem
from intertwine.mixed_effects.spectral import SpectralSystem


def both(kind, c, restricted, two_patterns=False):
    effect, fixed, _, y, variances = design(kind, c, False)
    rng = np.random.default_rng(8)
    w = rng.uniform(0.5, 2.0, (N, P)) * (rng.uniform(size=(N, P)) > 0.25)
    w = w[:, [0, 1, 0]] if two_patterns else w
    y = np.where(w > 0, y, np.nan)
    system = PatternedSystem(effect, np.empty(0), fixed, w, restricted)
    oracle = DenseSystem([effect], None, fixed, w, P, restricted)
    return system, system.posterior(y, variances), oracle.posterior(y, variances), y, w


@pytest.mark.parametrize("two_patterns", [True, False])
@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize("kind", ["covariance", "basis"])
@pytest.mark.parametrize("c", [0, 2])
def test_it_is_the_dense_model(kind, c, restricted, two_patterns):
    system, got, expected, _, w = both(kind, c, restricted, two_patterns)
    assert_same_posterior(got, expected, 1)
    np.testing.assert_array_equal(system.n_entries, (w > 0).sum(axis=0))
    assert len(system.systems) == (2 if two_patterns else 3)


@pytest.mark.parametrize("kind", ["covariance", "basis"])
def test_it_predicts_and_scores_as_other_systems_do(kind):
    _, got, expected, y, w = both(kind, 2, True)
    rng = np.random.default_rng(5)
    where = Located(
        rng.integers(0, 5, 15), None, rng.normal(size=(5, Q if kind == "covariance" else 4)), np.ones(5)
    )
    columns = rng.normal(size=(15, 2))
    for one, other in zip(got.predict([where], columns), expected.predict([where], columns), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8)
    effect, fixed, _, _, variances = design(kind, 2, False)
    sparse = posteriors(SparseSystem([effect], [np.empty(0)], fixed, w, P, True), y)(variances)
    np.testing.assert_allclose(got.log_likelihood, sparse.log_likelihood)
    np.testing.assert_allclose(got.second_moments()[0], sparse.second_moments()[0])


def test_patterns_are_found_once_each():
    w = np.array([[1.0, 0.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    np.testing.assert_array_equal(weight_patterns(w), [[0, 2], [1, 3]])


def test_the_dispatcher_takes_the_cheapest_that_serves(monkeypatch):
    effect, fixed, _, _, _ = design("covariance", 2, False)
    effect.start_shape = lambda: np.empty(0)
    rows = np.random.default_rng(0).uniform(0.5, 1.0, N)
    entries = np.random.default_rng(0).uniform(0.5, 1.0, (N, P))
    assert isinstance(system_for([effect], None, fixed, rows, P), SpectralSystem)
    assert isinstance(system_for([effect], None, fixed, np.tile(rows[:, None], P), P), SpectralSystem)
    assert isinstance(system_for([effect], None, fixed, entries, P), PatternedSystem)
    monkeypatch.setattr("intertwine.mixed_effects.choose.available_memory", lambda: 1000)
    assert isinstance(system_for([effect], None, fixed, entries, P), SparseSystem)
