"""Coordinate descent on a quadratic with an elastic net, in both of its forms."""

import numpy as np
import pytest

from intertwine.penalties import ElasticNet
from intertwine.solvers.coordinate import ColumnQuadratic, minimize_quadratic
from intertwine.solvers.gram_descent import _settle, _solve_on_support, _sweep, descend, descend_path


def problem(n=60, w=25, seed=0, correlation=0.0, l2=0.02):
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((w, n)) + correlation * rng.standard_normal(n)
    weight, residual = rng.uniform(0.2, 1.0, n) / n, rng.standard_normal(n) / n
    l1 = np.full(w, 0.05)
    l1[:2] = 0.0
    # without a ridge, a shift along directions that the columns do not see would have no minimum
    shift = 0.01 * rng.standard_normal(w) * (l2 > 0.0)
    return Z, weight, residual, ElasticNet(l1, np.full(w, l2), shift)


def violation(Z, weight, residual, penalty, start, point):
    gradient = Z @ (residual + weight * ((point - start) @ Z))
    return penalty.violation(point, gradient).max()


def by_columns(Z, weight, residual, penalty, start, tol):
    return minimize_quadratic(ColumnQuadratic(Z, weight, residual), start, penalty, tol)


def by_gram(Z, weight, residual, penalty, start, tol):
    hessian, gradient, point = (Z * weight) @ Z.T, Z @ residual, start.copy()
    largest = descend(hessian, gradient, point, penalty, tol)
    # what it says of itself is so
    np.testing.assert_allclose(gradient, Z @ (residual + weight * ((point - start) @ Z)), atol=1e-12)
    assert largest == pytest.approx(penalty.violation(point, gradient).max())
    return point


@pytest.mark.parametrize("correlation", [0.0, 5.0])
@pytest.mark.parametrize("l2", [0.0, 0.02])
@pytest.mark.parametrize("n", [60, 15])
def test_both_forms_end_at_the_optimum(correlation, l2, n):
    Z, weight, residual, penalty = problem(n=n, correlation=correlation, l2=l2)
    start = np.random.default_rng(1).standard_normal(len(Z))
    for form in (by_gram, by_columns):
        point = form(Z, weight, residual, penalty, start, 1e-13)
        assert violation(Z, weight, residual, penalty, start, point) < 1e-11
        assert 0 < np.count_nonzero(point) < len(point)


def test_the_data_are_left_as_they_are():
    Z, weight, residual, penalty = problem()
    hessian, start = (Z * weight) @ Z.T, np.ones(len(Z))
    copies = hessian.copy(), residual.copy()
    descend(hessian, Z @ residual, start.copy(), penalty, 1e-10)
    by_columns(Z, weight, residual, penalty, start, 1e-10)
    for now, before in zip((hessian, residual), copies, strict=True):
        np.testing.assert_array_equal(now, before)
    np.testing.assert_array_equal(start, np.ones(len(Z)))


def test_collinear_columns_and_columns_of_zeros_are_survived():
    Z, weight, residual, penalty = problem(l2=0.0)
    Z[3], Z[4] = Z[2], 0.0
    start = np.zeros(len(Z))
    point = by_gram(Z, weight, residual, penalty, start, 1e-13)
    assert np.isfinite(point).all()
    assert point[4] == 0.0
    assert violation(Z, weight, residual, penalty, start, point) < 1e-10


def test_an_infinite_strength_empties_its_coordinate():
    Z, weight, residual, penalty = problem()
    l1 = penalty.l1.copy()
    l1[5] = np.inf
    held = ElasticNet(l1, penalty.l2, penalty.shift)
    point = by_gram(Z, weight, residual, held, np.ones(len(Z)), 1e-12)
    assert point[5] == 0.0


def test_a_solve_through_the_rows_is_the_solve_through_the_coordinates():
    rng = np.random.default_rng(0)
    columns, weight = rng.standard_normal((40, 12)), rng.uniform(0.1, 1.0, 12)
    ridge, slope = rng.uniform(0.01, 1.0, 40), rng.standard_normal(40)
    ridge[[3, 17]] = 0.0  # as an intercept
    quadratic = ColumnQuadratic(columns, weight, rng.standard_normal(12))
    everything = np.arange(40)
    expected = -np.linalg.solve((columns * weight) @ columns.T + np.diag(ridge), slope)
    np.testing.assert_allclose(quadratic.newton_direction(everything, slope, ridge), expected, rtol=1e-7)


def test_a_sweep_tells_its_largest_change_in_units_of_the_gradient():
    """Under a ridge as large as the curvature as well: else descent would end after one sweep."""
    Z, weight, residual, _ = problem()
    hessian, gradient, start = (Z * weight) @ Z.T, Z @ residual, np.ones(25)
    held = ElasticNet(np.full(25, 0.05), np.diag(hessian).copy(), np.zeros(25))
    curvature, everything = 2.0 * np.diag(hessian), np.arange(25)
    by_columns, by_gram = start.copy(), start.copy()
    largest = ColumnQuadratic(Z, weight, residual).sweep(by_columns, held, everything)
    assert largest == pytest.approx(np.max(np.abs(by_columns - 1.0) * curvature))
    found = _sweep(hessian, gradient, by_gram, held.l1, held.l2, held.shift, everything)
    assert found == pytest.approx(largest)
    np.testing.assert_allclose(by_gram, by_columns)


def test_a_solve_ends_at_the_minimum_with_the_present_signs():
    Z, weight, residual, _ = problem(n=200)
    hessian, gradient, point = (Z * weight) @ Z.T, Z @ residual, np.ones(25)
    l1, l2 = np.full(25, 1e-3), np.full(25, 5.0)
    shift = hessian.sum(axis=1) + 6.0 + gradient  # the minimum is near one
    expected = np.linalg.solve(hessian + np.diag(l2), hessian @ point - gradient + shift - l1)
    assert (expected > 0.0).all()
    _solve_on_support(hessian, gradient, point, l1, l2, shift, np.arange(25))
    np.testing.assert_allclose(point, expected, rtol=1e-8)
    before = point.copy()
    _settle(hessian, gradient, point, l1, l2, shift, np.arange(25), 1e-7)
    np.testing.assert_allclose(point, before, rtol=1e-6)


def test_a_path_goes_on_along_its_line_and_tells_how_far_the_quadratic_fell():
    """The third point is asked for without any accuracy: it has what the line through the first two has there."""
    Z, weight, residual, penalty = problem(l2=0.0)
    hessian, gradient = (Z * weight) @ Z.T, Z @ residual
    net = ElasticNet(penalty.l1, np.zeros(25), np.zeros(25))
    factors, nothing = np.array([0.0, 0.0, 1.001, 1.0005, 1.0]), np.zeros((2, 25))
    tol = np.array([1e-13, 1e-13, 10.0])
    found, changes = descend_path(hessian, gradient, net, factors, tol, nothing)
    for point, change, factor in zip(found, changes, factors[2:], strict=True):
        expected = np.zeros(25)
        own = ElasticNet(factor * net.l1, net.l2, net.shift)
        descend(hessian, gradient.copy(), expected, own, 1e-13)
        np.testing.assert_allclose(point, expected, atol=1e-10)
        assert change == pytest.approx(gradient @ point + 0.5 * point @ hessian @ point, abs=1e-12)
    assert 2 < np.count_nonzero(found[0]) < 25
    np.testing.assert_array_equal(np.sign(found), np.sign(found[:1]).repeat(3, axis=0))
