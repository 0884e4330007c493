"""Factors of many matrices side by side against the same matrices one by one."""

import numpy as np
import pytest
from dense_mixed_model import GivenEffect

from intertwine.effects.random import IndependentPrior
from intertwine.mixed_effects import henderson
from intertwine.mixed_effects.base import VarianceComponents
from intertwine.mixed_effects.batched_cholesky import BatchedFactors
from intertwine.mixed_effects.henderson import HendersonEquations
from intertwine.mixed_effects.row_design import RowDesign
from intertwine.mixed_effects.sparse import SparseSystem
from intertwine.mixed_effects.sparse_cholesky import SparseFactors

N, P = 90, 11


def equations_of(rng, weighted=False, n_fixed=2):
    """A chain of levels, which leaves a head, with slopes beside it; fixed columns."""
    level = np.sort(rng.integers(0, 30, N))
    x = np.column_stack([np.ones(N), rng.standard_normal(N)])
    effects = [
        GivenEffect(level, IndependentPrior(30), 30),
        GivenEffect((level + rng.integers(0, 2, N)) % 30 // 2, IndependentPrior(15), 15, x),
    ]
    weights = rng.uniform(0.5, 2.0, (N, P)) if weighted else None
    fixed = rng.standard_normal((N, n_fixed))
    return effects, weights, fixed


def roots_of(rng):
    return [0.3 * np.tril(rng.standard_normal((P, r, r))) + 0.7 * np.eye(r) for r in (1, 2)] + [
        np.ones((P, 1, 1))
    ]


@pytest.mark.parametrize("weighted", [False, True])
def test_factors_side_by_side_are_those_one_by_one(weighted):
    rng = np.random.default_rng(0)
    effects, weights, fixed = equations_of(rng, weighted)
    priors = [effect.prior(np.empty(0)) for effect in effects]
    equations, roots = HendersonEquations(RowDesign(effects, priors, fixed, weights)), roots_of(rng)
    pattern = equations.pattern
    assert pattern.n_head > 20
    assert pattern.n_tail > 2
    one = SparseFactors(pattern, equations.matrices(roots, np.arange(P)))
    many = BatchedFactors(pattern, equations.matrices_side_by_side(roots, np.arange(P)))
    factor_of = rng.permutation(np.concatenate([np.arange(P - 2), [0, 0, 3]]))  # some share one
    right = rng.standard_normal((len(factor_of), pattern.n_unknowns))
    np.testing.assert_allclose(many.solve(right, factor_of)[0], one.solve(right, factor_of)[0], rtol=1e-9)
    for leading in (pattern.n_unknowns - 2, pattern.n_unknowns):
        np.testing.assert_allclose(many.log_determinants(leading), one.log_determinants(leading), rtol=1e-12)
    np.testing.assert_allclose(many.trailing_inverse(2), one.trailing_inverse(2), rtol=1e-9)
    slots = np.unique(np.concatenate([part.ravel() for part in equations.slots.values()]))
    for forgotten in (0, 2):
        found, wanted = (factors.inverses(forgotten)[0][:, slots] for factors in (many, one))
        np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-12)


def test_levels_inside_levels_leave_no_tail():
    rng = np.random.default_rng(3)
    level = np.sort(rng.integers(0, 30, N))
    effects = [
        GivenEffect(level, IndependentPrior(30), 30),
        GivenEffect(np.arange(N), IndependentPrior(N), N),
    ]
    design = RowDesign(effects, [effect.prior(np.empty(0)) for effect in effects], np.empty((N, 0)), None)
    equations, roots = HendersonEquations(design), [np.full((P, 1, 1), 0.8), np.full((P, 1, 1), 0.5)]
    pattern = equations.pattern
    assert pattern.n_tail == 0
    one = SparseFactors(pattern, equations.matrices(roots, np.arange(P)))
    many = BatchedFactors(pattern, equations.matrices_side_by_side(roots, np.arange(P)))
    right = rng.standard_normal((P, pattern.n_unknowns))
    np.testing.assert_allclose(
        many.solve(right, np.arange(P))[0], one.solve(right, np.arange(P))[0], rtol=1e-9
    )
    whole = pattern.n_unknowns
    np.testing.assert_allclose(many.log_determinants(whole), one.log_determinants(whole), rtol=1e-12)
    np.testing.assert_allclose(many.inverses()[0], one.inverses()[0], rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(many.trailing_inverse(0), one.trailing_inverse(0))


def test_a_matrix_that_is_not_positive_is_refused():
    rng = np.random.default_rng(1)
    effects, weights, fixed = equations_of(rng)
    fixed[:, 1] = fixed[:, 0]
    priors = [effect.prior(np.empty(0)) for effect in effects]
    equations = HendersonEquations(RowDesign(effects, priors, fixed, weights))
    values = equations.matrices_side_by_side(roots_of(rng), np.arange(P))
    values[equations.pattern.column_start[3], 4] = -1.0
    with pytest.raises(np.linalg.LinAlgError, match="of 11 matrices are not positive definite"):
        BatchedFactors(equations.pattern, values)


@pytest.mark.parametrize("restricted", [False, True])
def test_a_posterior_does_not_depend_on_how_factors_stand(restricted, monkeypatch):
    rng = np.random.default_rng(2)
    effects, weights, fixed = equations_of(rng, weighted=True)
    y, shapes = rng.standard_normal((N, P)), [np.empty(0)] * 2
    variances = VarianceComponents(
        rng.uniform(0.5, 2.0, P), tuple(root @ root.swapaxes(1, 2) for root in roots_of(rng)[:2])
    )
    found = []
    for many in (2, P + 1):
        monkeypatch.setattr(henderson, "_MANY", many)
        system = SparseSystem(effects, shapes, fixed, weights, P, restricted)
        posterior = system.posterior(y, variances)
        located = [effect.locate(None, np.empty(0)) for effect in effects]
        predicted = posterior.predict(located, fixed)
        found.append(
            [
                posterior.log_likelihood,
                posterior.fixed,
                posterior.fixed_covariance,
                posterior.fitted(),
                posterior.row_variance(),
                posterior.level_covariance(1),
                posterior.noise_moment(),
                *posterior.second_moments(),
                *predicted,
            ]
        )
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-10)
