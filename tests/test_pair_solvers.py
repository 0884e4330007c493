"""Pieces of the sparse path's solvers that only cost time, not accuracy, when they are wrong."""

from types import SimpleNamespace

import numpy as np
import pytest
from explicit_pairs import LOSSES, Explicit, flat, make_problem

from intertwine import restricted_problem
from intertwine.dense_pair_problem import DensePairProblem
from intertwine.minimize import minimize
from intertwine.pair_problem import PairProblem
from intertwine.penalties import ElasticNet
from intertwine.solvers import working_set
from intertwine.solvers.proximal import ProximalGradient, _accelerated, _newton
from intertwine.solvers.proximal_newton import ColumnNewton, _line_search
from intertwine.solvers.support_newton import _conjugate_gradients, newton_target
from intertwine.sparse_path import all_coordinates
from intertwine.sparse_path.warm_start import first_coordinates, n_free_coordinates
from intertwine.structures import pairwise
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


def test_flat_vectors_keep_adjoint_and_derivative(monkeypatch):
    problem = make_problem("logistic", 0.02, 0.0)
    dense, explicit = DensePairProblem(pair_problem(problem)), Explicit(problem)
    rng = np.random.default_rng(0)
    u, v = rng.standard_normal(dense.size), rng.standard_normal(150)
    np.testing.assert_allclose(dense.score(u), explicit.columns @ u, atol=1e-10)
    np.testing.assert_allclose(dense.pullback(v), explicit.columns.T @ v, atol=1e-10)
    monkeypatch.setattr(pairwise, "_feature_blocks", lambda p: [(0, 3), (3, 5), (5, p)])
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


def test_a_scan_finds_the_violations_of_the_explicit_design():
    problem = make_problem("squared", 0.4, 1.0)
    scores, explicit = np.full(150, problem.loss.y.mean()), Explicit(problem)
    excess = np.abs(explicit.columns.T @ problem.loss.gradient(scores)) - explicit.l1
    intercept = Coordinates(np.array([-1]), np.array([0]))
    found = pair_problem(problem).scan(scores, intercept, 100)
    assert found.violation == pytest.approx(excess[1:].max())
    expected = excess[1:][excess[1:] > 0.0]
    np.testing.assert_allclose(np.sort(found.excess[found.excess > 0.0]), np.sort(expected))
    main = np.isin(np.arange(1, 8), found.coordinates.cols[~found.coordinates.is_pair])
    assert (main >= (excess[1:8] > 0.0)).all()
    assert 0 < main.sum() < 7


@pytest.mark.parametrize(("l1_ratio", "n_free"), [(0.0, 8 + 21), (0.5, 1)])
def test_coordinates_without_l1_are_counted(l1_ratio, n_free):
    problem = pair_problem(make_problem("squared", 0.1, l1_ratio))
    assert n_free_coordinates(problem) == len(first_coordinates(problem).rows) == n_free


@pytest.mark.parametrize("few", [0, 500])
@pytest.mark.parametrize("widest", [12, 2000])
def test_steps_are_those_that_a_callback_is_told_of(monkeypatch, few, widest):
    """Also where one solver gives way to another, which begins to count anew."""
    monkeypatch.setattr(all_coordinates, "_FEW", few)
    monkeypatch.setattr(working_set, "_LEAST_GROWTH", 3)
    monkeypatch.setattr(working_set, "_ALWAYS_GRAM", widest)
    monkeypatch.setattr(working_set, "_WIDEST_GRAM", widest)
    told = []
    problem = make_problem("logistic", 0.01, 0.9, n=60, p=10)
    solution = problem.solve(callbacks=[lambda row, state: told.append(row.iteration)])
    assert solution.n_iter == np.count_nonzero(told) > 1
    assert told.count(0) == (2 if solution.method == "proximal" else 1)
    assert solution.method == ("all coordinates" if few else "proximal" if widest == 12 else "working set")


def at_point(dense, params, **known):
    """State of the proximal solver there."""
    state = ProximalGradient(1e-9).init(dense, params)
    return state._replace(**known)


def test_momentum_follows_nesterov_and_steps_are_as_short_as_the_curvature_asks():
    dense = DensePairProblem(pair_problem(make_problem("squared", 0.01, 0.9)))
    start = np.random.default_rng(0).standard_normal(dense.size)
    scale = dense.curvature_diagonal(dense.score(start))
    state = at_point(dense, start, step=50.0)
    for _ in range(3):
        after = _accelerated(dense, state, scale)
        assert after.params is not state.params
        assert after.momentum**2 - after.momentum == pytest.approx(state.momentum**2)
        state = after
    # near the optimum a move is short beside the point it is made from
    optimum = minimize(dense, ProximalGradient(1e-9), start).state.params
    start = optimum + 0.01 * np.random.default_rng(1).standard_normal(dense.size)
    first = _accelerated(dense, at_point(dense, start, step=50.0), scale)
    assert first.params is not start
    moved = first.scores - dense.score(start)
    curvature = moved @ dense.loss.curvature(moved).matmul(moved)
    assert first.step * curvature <= 1.0001 * scale @ (first.params - start) ** 2
    assert first.step > 0.05


def test_a_newton_step_ends_at_the_optimum_of_its_signs_whatever_the_ridge():
    problem = make_problem("squared", 0.2, 0.9)
    linear, pairs = problem.penalty.linear_l1, problem.penalty.pairs_l1
    problem = problem.with_penalties(linear, 5.0 * linear, pairs, 5.0 * pairs)  # above the curvature
    dense = DensePairProblem(pair_problem(problem))
    optimum = flat(problem.solve(tol=1e-13), 7)
    scores = dense.score(1.001 * optimum)
    state = at_point(dense, 1.001 * optimum)._replace(optimality=1e-14)
    found = _newton(dense, state, dense.curvature_diagonal(scores))
    np.testing.assert_allclose(found.params, optimum, atol=1e-9)
    assert 1 < np.count_nonzero(optimum) < dense.size


def test_conjugate_gradients_need_no_more_products_than_unknowns():
    rng = np.random.default_rng(0)
    root, right = rng.standard_normal((6, 6)), rng.standard_normal(6)
    matrix, products = root @ root.T + 0.1 * np.eye(6), []

    def hessian(direction):
        products.append(direction)
        return matrix @ direction

    found = _conjugate_gradients(hessian, right, 1.0 / np.diag(matrix), 1e-7)
    assert len(products) <= 7
    np.testing.assert_allclose(found, np.linalg.solve(matrix, right), rtol=1e-4)


class Root:
    """√(1 + f²), of which Newton's step from f leads to −f³: down from inside of ±1, up from outside."""

    @staticmethod
    def value(f):
        return float(np.sqrt(1.0 + f @ f))

    @staticmethod
    def gradient(f):
        return f / np.sqrt(1.0 + f**2)

    @staticmethod
    def curvature(f):
        return SimpleNamespace(matmul=lambda v: v / (1.0 + f**2) ** 1.5)


@pytest.mark.parametrize("start", [1.2, 1.0002, 0.8])
def test_a_step_that_rises_is_halved_however_little_it_rises(start):
    here, whole = np.array([start]), np.array([-(start**3)])
    penalty = ElasticNet(np.zeros(1), np.zeros(1), np.zeros(1))
    root = SimpleNamespace(
        loss=Root, penalty=penalty, gradient_scale=1.0, columns=SimpleNamespace(score=np.copy),
        score=np.copy, pullback=np.copy, value=lambda params, scores: Root.value(scores),
        gradient=Root.gradient, optimality=lambda params, gradient: 1.0,
    )  # fmt: skip
    expected = whole if start < 1.0 else 0.5 * (here + whole)
    state = at_point(root, here)._replace(optimality=1e-12)
    scale = (1.0 + here**2) ** -1.5
    np.testing.assert_allclose(_newton(root, state, scale).params, expected, rtol=1e-6)
    params, value, scores = _line_search(root, ColumnNewton(1e-9).init(root, here), whole)
    np.testing.assert_allclose(params, expected)
    np.testing.assert_allclose(scores, params)
    assert value == Root.value(scores) < Root.value(here)
