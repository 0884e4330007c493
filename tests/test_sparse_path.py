"""Paths over strengths: warm as cold, where they begin, folds in threads."""

import numpy as np
import pytest
from explicit_pairs import LOSSES, assemble, flat, make_loss, make_problem, make_table

from intertwine.solvers import working_set
from intertwine.sparse_path import all_coordinates, geometric_factors, iterate_path
from intertwine.structures.pairwise import fit_product_scaling


@pytest.fixture(autouse=True)
def few_are_chosen_among(monkeypatch):
    """Tables here are small: without this all coordinates would be taken at once."""
    monkeypatch.setattr(all_coordinates, "_FEW", 0)


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_warm_is_cold(kind, l1_ratio):
    problem = make_problem(kind, 1.0, l1_ratio)
    factors = geometric_factors(problem.critical_factor(), 8, 0.05)
    for factor, warm in zip(factors, list(iterate_path(problem, factors, tol=1e-10)), strict=True):
        cold = make_problem(kind, factor, l1_ratio).solve(tol=1e-10)
        assert warm.converged
        np.testing.assert_allclose(flat(warm, 7), flat(cold, 7), atol=1e-7)
        assert warm.value == pytest.approx(cold.value, abs=1e-12)


def test_the_order_of_the_strengths_does_not_matter():
    problem = make_problem("logistic", 1.0, 0.9)
    factors = geometric_factors(problem.critical_factor(), 5, 0.05)
    down, up = list(iterate_path(problem, factors)), list(iterate_path(problem, factors[::-1]))
    for one, other in zip(down, up[::-1], strict=True):
        np.testing.assert_allclose(flat(one, 7), flat(other, 7), atol=1e-6)


@pytest.mark.parametrize("kind", LOSSES)
def test_the_critical_factor_is_where_the_first_coefficient_appears(kind):
    problem = make_problem(kind, 1.0, 1.0)
    first = int(problem.loss.has_intercept)
    critical = problem.critical_factor()
    assert not flat(problem.scaled(1.0001 * critical).solve(), 7)[first:].any()
    assert np.count_nonzero(flat(problem.scaled(0.999 * critical).solve(), 7)[first:]) == 1


def test_a_path_may_pass_from_one_solver_to_the_other(monkeypatch):
    problem = make_problem("logistic", 1.0, 0.9, n=60, p=10)
    factors = geometric_factors(problem.critical_factor(), 6, 0.03)
    whole = list(iterate_path(problem, factors, tol=1e-10))
    monkeypatch.setattr(working_set, "_LEAST_GROWTH", 3)
    monkeypatch.setattr(working_set, "_ALWAYS_GRAM", 12)
    monkeypatch.setattr(working_set, "_WIDEST_GRAM", 12)
    mixed = list(iterate_path(problem, factors, tol=1e-10))
    assert {solution.method for solution in mixed} == {"working set", "proximal"}
    for one, other in zip(whole, mixed, strict=True):
        np.testing.assert_allclose(flat(one, 10), flat(other, 10), atol=1e-7)


def test_few_coordinates_are_all_taken_at_once(monkeypatch):
    problem = make_problem("cox", 0.1, 0.9, n=60, p=10)
    grown = problem.solve(tol=1e-10)
    monkeypatch.setattr(all_coordinates, "_FEW", problem.design.n_linear + 45)
    whole = problem.solve(tol=1e-10)
    assert len(problem._memory[0].coordinates.rows) == problem.design.n_linear + 45
    assert whole.method == "all coordinates"
    np.testing.assert_allclose(flat(grown, 10), flat(whole, 10), atol=1e-8)


def test_small_working_sets_grow_in_several_rounds_to_the_same_end(monkeypatch):
    problem = make_problem("squared", 0.01, 1.0, n=80, p=15)
    whole = problem.solve(tol=1e-10)
    monkeypatch.setattr(working_set, "_LEAST_GROWTH", 2)
    rounds = problem.solve(tol=1e-10)
    assert rounds.n_iter > whole.n_iter
    np.testing.assert_allclose(flat(rounds, 15), flat(whole, 15), atol=1e-8)


@pytest.mark.parametrize("kind", LOSSES)
def test_a_fold_is_rows_of_weight_zero(kind):
    X, f, rng = make_table()
    inside = np.arange(len(f)) % 3 != 0
    state = rng.bit_generator.state
    all_rows = make_loss(kind, f, rng)
    rng.bit_generator.state = state
    weighted = make_loss(kind, f, rng, inside.astype(float))
    scaling = fit_product_scaling(X[inside])
    fold = assemble(all_rows, X, 0.05, 0.9).take(np.flatnonzero(inside), scaling)
    zeros = assemble(weighted, X, 0.05, 0.9, fit_product_scaling(X, weighted.sample_weight))
    np.testing.assert_allclose(flat(fold.solve(), 7), flat(zeros.solve(), 7), atol=1e-6)
