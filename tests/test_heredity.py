"""Heredity: laws that hold exactly, at every strength."""

import numpy as np
import pytest
from explicit_pairs import LOSSES, assemble, flat, make_problem
from hypothesis import given, settings
from hypothesis import strategies as st

from intertwine.losses import SquaredLoss
from intertwine.sparse_path import StrongHeredity, WeakHeredity, solve_with_heredity

RULES = {"strong": StrongHeredity(), "weak": WeakHeredity()}


def orphans(solution, columns, rule):
    """Pairs without the main effects that the rule asks for."""
    there = solution.linear[columns] != 0.0
    both = np.array([there[solution.rows], there[solution.cols]])
    return int(np.sum(~(both.all(axis=0) if rule == "strong" else both.any(axis=0))))


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(LOSSES), st.sampled_from(sorted(RULES)), st.floats(0.01, 0.3), st.integers(0, 10**4))
def test_every_pair_has_its_main_effects(kind, rule, alpha, seed):
    problem = make_problem(kind, alpha, 0.95, n=80, p=8, seed=seed)
    columns = np.arange(8) + int(problem.loss.has_intercept)
    solution = solve_with_heredity(problem, RULES[rule], columns)
    assert solution.converged
    assert orphans(solution, columns, rule) == 0


def pure_interaction(n=300, p=8):
    """One pair with both main effects, one with one of them, one with neither."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p))
    f = X[:, 0] + X[:, 1] + X[:, 0] * X[:, 1] + X[:, 0] * X[:, 5] + X[:, 6] * X[:, 7]
    return assemble(SquaredLoss(f + 0.1 * rng.standard_normal(n)), X, 0.25, 1.0)


def test_what_each_rule_lets_in():
    problem, columns = pure_interaction(), np.arange(1, 9)
    found = {
        name: set(zip(solution.rows.tolist(), solution.cols.tolist(), strict=True))
        for name, solution in [
            ("none", problem.solve()),
            ("weak", solve_with_heredity(problem, WeakHeredity(), columns)),
            ("strong", solve_with_heredity(problem, StrongHeredity(), columns)),
        ]
    }
    assert orphans(problem.solve(), columns, "weak") > 0
    assert {(0, 1), (0, 5), (6, 7)} <= found["none"]
    assert {(0, 1), (0, 5)} <= found["weak"]
    assert (6, 7) not in found["weak"]
    assert (0, 1) in found["strong"]
    assert not {(0, 5), (6, 7)} & found["strong"]


def test_parents_are_free_of_l1():
    problem, columns = pure_interaction(), np.arange(1, 9)
    solution = solve_with_heredity(problem, StrongHeredity(), columns)
    gradient = problem.design.linear_t @ problem.loss.gradient(solution.scores)
    assert set(solution.rows) == {0}
    assert set(solution.cols) == {1}
    np.testing.assert_allclose(gradient[[1, 2]], 0.0, atol=1e-9)


@pytest.mark.parametrize("rule", sorted(RULES))
def test_where_it_starts_from_does_not_matter(rule):
    problem, columns = pure_interaction(), np.arange(1, 9)
    cold = solve_with_heredity(problem, RULES[rule], columns)
    weaker = solve_with_heredity(problem.scaled(0.1), RULES[rule], columns)
    warm = solve_with_heredity(problem, RULES[rule], columns, start=weaker)
    np.testing.assert_allclose(flat(warm, 8), flat(cold, 8), atol=1e-7)


def test_without_l1_on_main_effects_there_is_nothing_to_ask_for():
    problem = pure_interaction()
    ridge = problem.with_penalties(np.zeros(9), np.full(9, 0.1), 0.2, 0.0)
    one = solve_with_heredity(ridge, StrongHeredity(), np.arange(1, 9))
    np.testing.assert_allclose(flat(one, 8), flat(ridge.solve(), 8), atol=1e-7)


def test_a_main_effect_that_is_constant_admits_nothing():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 3))
    main_effects = X.copy()
    main_effects[:, 2] = 0.0
    loss = SquaredLoss(3 * X[:, 0] + 3 * X[:, 0] * X[:, 2] + 3 * X[:, 0] * X[:, 1])
    problem = assemble(loss, main_effects, 0.1, 1.0)
    problem.design = problem.design._replace(features_t=X.T.copy())
    strong = solve_with_heredity(problem, StrongHeredity(), np.arange(1, 4))
    weak = solve_with_heredity(problem, WeakHeredity(), np.arange(1, 4))
    assert 2 not in strong.cols
    assert (0, 2) in set(zip(weak.rows.tolist(), weak.cols.tolist(), strict=True))


def test_pairs_that_were_never_allowed_stay_out():
    problem, columns = pure_interaction(), np.arange(1, 9)
    allowed = np.ones((8, 8), dtype=bool)
    allowed[0, 1] = allowed[1, 0] = False
    solution = solve_with_heredity(problem.with_allowed(allowed), WeakHeredity(), columns)
    assert (0, 1) not in set(zip(solution.rows.tolist(), solution.cols.tolist(), strict=True))
    assert allowed.sum() == 62
