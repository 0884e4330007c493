"""Problems of few coordinates: all are taken at once, and a path goes on from the state that a point left."""

import numpy as np
import pytest
from explicit_pairs import LOSSES, flat, make_problem

from intertwine.sparse_path import all_coordinates, geometric_factors, iterate_blocks, iterate_path
from intertwine.structures.columns import Coordinates


def chosen_among(monkeypatch, problem, *arguments, **options):
    """The solution by a working set."""
    monkeypatch.setattr(all_coordinates, "_FEW", 0)
    solution = problem.solve(*arguments, **options)
    monkeypatch.undo()
    return solution


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("n", [60, 20])
def test_all_at_once_is_chosen_among(kind, n, monkeypatch):
    problem = make_problem(kind, 0.1, 0.9, n=n, p=8)
    solution = problem.solve(tol=1e-10)
    assert solution.method == "all coordinates"
    assert solution.converged
    assert solution.optimality <= 1e-10
    expected = chosen_among(monkeypatch, make_problem(kind, 0.1, 0.9, n=n, p=8), tol=1e-10)
    assert expected.method == "working set"
    np.testing.assert_allclose(flat(solution, 8), flat(expected, 8), atol=1e-7)
    assert solution.value == pytest.approx(expected.value, rel=1e-12)


def test_rewards_and_candidates_are_kept_when_a_path_goes_on(monkeypatch):
    problem = make_problem("squared", 0.05, 0.8, p=7)
    noise = 0.05 * np.random.default_rng(0).standard_normal((7, 7))
    shift = noise + noise.T
    first = problem.solve(shift, tol=1e-11)
    allowed = np.ones((7, 7), dtype=bool)
    allowed[first.rows[0], first.cols[0]] = allowed[first.cols[0], first.rows[0]] = False
    fewer = problem.with_allowed(allowed)
    solution = fewer.solve(shift, first, tol=1e-11)
    assert (first.rows[0], first.cols[0]) not in set(zip(solution.rows, solution.cols, strict=True))
    expected = chosen_among(monkeypatch, make_problem("squared", 0.05, 0.8, p=7).with_allowed(allowed), shift)
    np.testing.assert_allclose(flat(solution, 7), flat(expected, 7), atol=1e-7)


@pytest.mark.parametrize("kind", LOSSES)
def test_the_state_of_a_point_is_worth_no_more_than_its_solution(kind):
    """To the bit: work that is resumed has the solutions but not the states."""
    problem = make_problem(kind, 1.0, 0.7, n=80, p=8)
    factors = geometric_factors(problem.critical_factor(), 5, 0.05)
    solution = memory = None
    for factor, kept in zip(factors, list(iterate_path(problem, factors, tol=1e-8)), strict=True):
        fresh = make_problem(kind, 1.0, 0.7, n=80, p=8)
        fresh.remember(memory)
        solution = fresh.scaled(float(factor)).solve(start=solution)
        memory = fresh.memory()
        np.testing.assert_array_equal(flat(solution, 8), flat(kept, 8))
        np.testing.assert_array_equal(solution.scores, kept.scores)


def test_a_squared_loss_has_one_gram_matrix_for_all_penalties():
    problem = make_problem("squared", 1.0, 1.0, p=8)
    factors = geometric_factors(problem.critical_factor(), 4, 0.05)
    list(iterate_path(problem, factors))
    hessian = problem._memory[0].hessian
    penalty = problem.penalty
    other = problem.with_penalties(
        0.5 * penalty.linear_l1, 0.5 * penalty.linear_l1, 0.5 * penalty.pairs_l1, 0.5 * penalty.pairs_l1
    )
    cold = other.solve(tol=1e-10)
    assert problem._memory[0].hessian is hessian
    start_anew = make_problem("squared", 1.0, 0.5, p=8).solve(tol=1e-10)
    np.testing.assert_allclose(flat(cold, 8), flat(start_anew, 8), atol=1e-10)


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize(("n", "l1_ratio"), [(60, 1.0), (20, 0.6)])
def test_blocks_hold_the_points_of_the_path(kind, n, l1_ratio):
    """Where signs change, where strengths repeat and where they rise, an extrapolated start is a start like another."""
    problem = make_problem(kind, 1.0, l1_ratio, n=n, p=8)
    factors = geometric_factors(problem.critical_factor(), 12, 0.02)
    factors = np.r_[factors, factors[-1], factors[5], factors[6]]
    blocks = list(iterate_blocks(problem, factors, tol=1e-10))
    assert [len(block.losses) for block in blocks] == ([8, 7] if kind == "squared" else [1] * 15)
    fresh = make_problem(kind, 1.0, l1_ratio, n=n, p=8)
    points = iterate_path(fresh, factors, tol=np.full(15, 1e-10))
    for block in blocks:
        for coefficients, loss in zip(block.coefficients, block.losses, strict=True):
            expected = next(points)
            assert loss == pytest.approx(fresh.loss.value(expected.scores), rel=1e-7)
            np.testing.assert_allclose(
                fresh.design.columns(block.coordinates).score(coefficients), expected.scores, atol=1e-6
            )
    if kind == "squared":
        width = problem.design.n_linear + 28
        whole = Coordinates.of(problem.design.n_linear, *np.triu_indices(8, 1))
        assert problem._memory[0].hessian.shape == (width, width)
        np.testing.assert_array_equal(blocks[0].coordinates, whole)
