"""Pieces of the sparse path's solvers that only cost time, not accuracy, when they are wrong."""

import numpy as np
import pytest
from explicit_pairs import LOSSES, Explicit, flat, make_problem

from intertwine import restricted_problem
from intertwine.dense_pair_problem import DensePairProblem
from intertwine.minimize import minimize
from intertwine.pair_problem import PairProblem
from intertwine.solvers import working_set
from intertwine.solvers.proximal import ProximalGradient
from intertwine.solvers.support_newton import newton_target
from intertwine.sparse_path import all_coordinates
from intertwine.structures.columns import Coordinates


@pytest.fixture(autouse=True)
def few_are_chosen_among(monkeypatch):
    """Tables here are small: without this all coordinates would be taken at once."""
    monkeypatch.setattr(all_coordinates, "_FEW", 0)


def pair_problem(problem):
    return PairProblem(problem.loss, problem.design, problem.penalty)


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("first", [0, 3])
def test_gram_is_the_hessian_whatever_is_built_at_a_time(monkeypatch, kind, first):
    problem = make_problem(kind, n=40)
    m = problem.design.n_linear
    chosen = Coordinates.of(m, *np.triu_indices(7, 1))
    restricted, explicit = pair_problem(problem).restrict(chosen), Explicit(problem)
    scores = explicit.columns @ np.full(len(explicit.l1), 0.05)
    hessian = explicit.columns.T @ problem.loss.curvature(scores).matmul(explicit.columns)
    np.testing.assert_allclose(restricted.gram(scores, first), hessian[first:], atol=1e-12)
    monkeypatch.setattr(restricted_problem, "_COLUMN_BYTES", 1)
    np.testing.assert_allclose(restricted.gram(scores, first), hessian[first:], atol=1e-12)


@pytest.mark.parametrize("kind", LOSSES)
def test_the_remembered_hessian_grew_into_the_whole_one(monkeypatch, kind):
    monkeypatch.setattr(working_set, "_LEAST_GROWTH", 3)
    problem = make_problem(kind, 0.03)
    assert problem.solve().n_iter > 2
    memory = problem._memory[0]
    whole = pair_problem(problem).restrict(memory.coordinates).gram(memory.reference)
    np.testing.assert_allclose(memory.hessian, whole, atol=1e-12)


def test_pairs_that_are_not_allowed_are_not_looked_at():
    problem = make_problem("squared", 0.02, 1.0)
    nothing = problem.with_allowed(np.zeros((7, 7), dtype=bool))
    explicit = Explicit(problem)
    nothing.solve()
    assert not nothing._memory[0].coordinates.is_pair.any()
    gradient = explicit.columns.T @ problem.loss.gradient(np.full(150, problem.loss.y.mean()))
    assert nothing.critical_factor() * 0.02 == pytest.approx(np.abs(gradient[1:8]).max(), rel=1e-8)


def test_flat_vectors_keep_adjoint_and_derivative():
    problem = make_problem("logistic", 0.02, 0.0)
    dense, explicit = DensePairProblem(pair_problem(problem)), Explicit(problem)
    rng = np.random.default_rng(0)
    u, v = rng.standard_normal(dense.size), rng.standard_normal(150)
    np.testing.assert_allclose(dense.score(u), explicit.columns @ u, atol=1e-10)
    np.testing.assert_allclose(dense.pullback(v), explicit.columns.T @ v, atol=1e-10)
    for found, expected in zip(dense.value_and_gradient(u), explicit.smooth(u), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-10)
    theta = rng.standard_normal((7, 7))
    theta = theta + theta.T
    packed = np.r_[u[:8], theta[np.triu_indices(7, 1)]]
    np.testing.assert_array_equal(dense.flatten(u[:8], theta), packed)


def test_a_newton_step_counts_what_the_coordinates_that_leave_do_to_the_others():
    """For the squared loss it is exact, from any point that has the right support and signs in sight."""
    problem = make_problem("squared", 0.2, 1.0)
    dense = DensePairProblem(pair_problem(problem))
    optimum = flat(problem.solve(tol=1e-12), 7)
    start = optimum.copy()
    start[np.flatnonzero(optimum == 0.0)[:2]] = 0.01  # these two have to leave
    scores = dense.score(start)
    gradient = dense.pullback(problem.loss.gradient(scores))
    target = newton_target(dense, start, scores, gradient, 1e-14, dense.curvature_diagonal(scores))
    np.testing.assert_allclose(target, optimum, atol=1e-8)


@pytest.mark.parametrize("kind", LOSSES)
def test_the_proximal_solver_never_rises(kind):
    problem = make_problem(kind, 0.01, 0.9, n=60, p=12, seed=3)
    dense = DensePairProblem(pair_problem(problem))
    start = np.random.default_rng(0).standard_normal(dense.size)
    accelerated = []

    result = minimize(
        dense,
        ProximalGradient(1e-9),
        start,
        callbacks=[lambda row, state: accelerated.append(state.burst)],
    )
    values = np.array([row.value for row in result.history])
    assert result.converged
    assert (np.diff(values) <= 1e-12 * values[0]).all()
    assert accelerated[0] > 0
