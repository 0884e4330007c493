"""Conjugate gradients and probes against dense matrices: exact means, and moments that many probes approach."""

import numpy as np
import pytest
from dense_mixed_model import DenseSystem, random_variances
from sklearn.exceptions import ConvergenceWarning
from test_sparse_system import DESIGNS, WEIGHTS, N, P, effect_of

from intertwine.effects.random import Located
from intertwine.mixed_effects.choose import system_for
from intertwine.mixed_effects.conjugate_gradients import conjugate_gradients, log_quadratic_forms
from intertwine.mixed_effects.iterative import IterativeSystem
from intertwine.mixed_effects.sparse import SparseSystem

PROBES = 1000


def both(design, weights, restricted, **settings):
    rng = np.random.default_rng(0)
    effects = [effect_of(rng, *line) for line in DESIGNS[design]]
    fixed = np.column_stack([np.ones(N), rng.normal(size=N)])
    w, y = WEIGHTS[weights](rng), rng.normal(size=(N, P))
    shapes = [effect.start_shape() for effect in effects]
    fast = IterativeSystem(effects, shapes, fixed, w, P, restricted, **{"n_probes": PROBES, **settings})
    dense = DenseSystem(effects, shapes, fixed, w, P, restricted)
    variances = random_variances(rng, dense.n_basis, P)
    return effects, fast.posterior(y, variances), dense.posterior(y, variances)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("design", DESIGNS)
def test_means_are_exact_and_moments_approached(design, weights):
    restricted = weights == "entries"
    effects, got, expected = both(design, weights, restricted)
    for name in ("fixed", "fixed_covariance"):
        np.testing.assert_allclose(getattr(got, name), getattr(expected, name), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(got.fitted(), expected.fitted(), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(got.log_likelihood, expected.log_likelihood, atol=0.4)
    np.testing.assert_allclose(got.noise_moment(), expected.noise_moment(), rtol=0.03, atol=0.2)
    np.testing.assert_allclose(got.row_variance(), expected.row_variance(), rtol=0.2, atol=0.05)
    for t in range(len(effects)):
        np.testing.assert_allclose(got.effects[t], expected.effects[t], rtol=1e-6, atol=1e-7)
        scale = abs(expected.second_moments()[t]).max()
        np.testing.assert_allclose(
            got.second_moments()[t], expected.second_moments()[t], atol=0.05 * scale, rtol=0.05
        )
        exact = expected.level_covariance(t)
        np.testing.assert_allclose(
            got.level_covariance(t), exact, atol=0.25 * abs(exact).max(), err_msg=f"effect {t}"
        )


@pytest.mark.parametrize("restricted", [True, False])
def test_prediction_at_other_rows(restricted):
    rng = np.random.default_rng(1)
    effects, got, expected = both("one of each kind", "rows", restricted)
    located, n = [], 6
    for t, effect in enumerate(effects):
        basis = None if effect.basis is None else rng.normal(size=(n, effect.n_basis))
        mixture = rng.normal(size=(4, expected.system.n_levels[t]))
        located.append(Located(rng.integers(0, 4, n), basis, mixture, rng.uniform(size=4)))
    for columns in (None, rng.normal(size=(n, 2))):
        one, other = got.predict(located, columns), expected.predict(located, columns)
        np.testing.assert_allclose(one[0], other[0], rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(one[1], other[1], rtol=0.2, atol=0.1)


def test_probes_that_are_not_kept_are_solved_for_again(monkeypatch):
    _, kept, _ = both("slopes", "entries", True, n_probes=8)
    monkeypatch.setattr("intertwine.mixed_effects.iterative._BYTES_OF_PROBES", 1)
    _, again, _ = both("slopes", "entries", True, n_probes=8)
    assert again._kept is None
    np.testing.assert_allclose(again.row_variance(), kept.row_variance())
    np.testing.assert_allclose(again.second_moments()[1], kept.second_moments()[1])


def test_few_probes_bound_variances_from_below():
    """With one probe a variance may come out negative; it never does, and keeps to what one level alone leaves."""
    for seed in range(10):
        _, got, _ = both("crossed", "none", False, n_probes=1, seed=seed)
        assert (got.row_variance() > 0).all()
        assert (got.level_covariance(0)[..., 0, 0] > 0).all()


def test_no_convergence_is_told():
    with pytest.warns(ConvergenceWarning, match="did not converge in 2 steps"):
        both("crossed", "none", True, n_probes=2, max_iter=2)


def test_moments_are_unbiased_on_a_crossed_design():
    """Thirty-two probes of a design of two thousand rows: the sums over levels are known to a few percent."""
    rng = np.random.default_rng(0)
    n = 2000
    effects = [effect_of(rng, "independent", q, 1, n) for q in (300, 60)]
    y = rng.normal(size=(n, 1)) + sum(rng.normal(size=(e.n_levels, 1))[e.level] for e in effects)
    variances = random_variances(rng, (1, 1), 1)
    arguments = effects, [np.empty(0)] * 2, np.ones((n, 1)), None, 1, True
    got, exact = (kind(*arguments).posterior(y, variances) for kind in (IterativeSystem, SparseSystem))
    np.testing.assert_allclose(got.fixed, exact.fixed, rtol=1e-7)
    np.testing.assert_allclose(got.log_likelihood, exact.log_likelihood, rtol=1e-3)
    for t in range(2):
        np.testing.assert_allclose(got.second_moments()[t], exact.second_moments()[t], rtol=0.02)


def test_what_is_too_large_for_a_factor_is_solved_without(monkeypatch):
    rng = np.random.default_rng(0)
    effects = [effect_of(rng, "independent", q, 1) for q in (20, 15)]
    assert isinstance(system_for(effects), SparseSystem)
    with monkeypatch.context() as patch:
        patch.setattr("intertwine.mixed_effects.choose._MOST_OPERATIONS", 1.0)
        assert isinstance(system_for(effects), IterativeSystem)
    monkeypatch.setattr("intertwine.mixed_effects.sparse.available_memory", lambda: 1000)
    assert isinstance(system_for(effects), IterativeSystem)


@pytest.mark.parametrize("size", [1, 30])
def test_logarithms_from_the_steps_of_the_solver(size):
    rng = np.random.default_rng(size)
    A = rng.normal(size=(size, size + 5))
    M = A @ A.T / size + 0.1 * np.eye(size)
    b = rng.normal(size=(size, 4))
    b[:, 1] = 0.0
    found = conjugate_gradients(lambda x: M @ x, b, 1e-10, 200)
    np.testing.assert_allclose(found.x, np.linalg.solve(M, b), rtol=1e-6, atol=1e-8)
    values, vectors = np.linalg.eigh(M)
    expected = (np.log(values)[:, None] * (vectors.T @ b) ** 2).sum(axis=0)
    np.testing.assert_allclose(log_quadratic_forms(found, b), expected, rtol=1e-6, atol=1e-9)
