"""The elastic net with a moved centre: definitions, proximal map and optimality conditions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from intertwine.penalties import ElasticNet, soft_threshold

strengths = st.floats(0.0, 3.0)
numbers = st.floats(-5.0, 5.0)


@settings(max_examples=60, deadline=None)
@given(strengths, strengths, numbers, numbers, st.floats(0.1, 3.0))
def test_prox_minimises_what_it_says(l1, l2, shift, v, step):
    penalty = ElasticNet(l1, l2, shift)

    def objective(u):
        return (u - v) ** 2 / (2 * step) + penalty.value(np.array([u]))

    best = minimize_scalar(objective, bounds=(-100, 100), method="bounded", options={"xatol": 1e-10})
    found = penalty.prox(np.array([v]), step)
    assert objective(found[0]) <= best.fun + 1e-9
    # the proximal map solves the optimality conditions of its own problem
    assert penalty.violation(found, (found - v) / step)[0] == pytest.approx(0.0, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(strengths, strengths, numbers, st.floats(0.2, 4.0))
def test_smooth_gradient_is_the_derivative_away_from_zero(l1, l2, shift, at):
    penalty, h = ElasticNet(l1, l2, shift), 1e-5
    slope = (penalty.value(np.array([at + h])) - penalty.value(np.array([at - h]))) / (2 * h)
    assert penalty.smooth_gradient(np.array([at]))[0] + l1 == pytest.approx(slope, abs=1e-7)


def test_toward_is_the_tie_up_to_its_constant():
    rng = np.random.default_rng(0)
    target, theta = rng.standard_normal((2, 7))
    tied = ElasticNet.toward(target, tie=3.0, l1=0.2, l2=0.5)
    written_out = 0.2 * np.abs(theta).sum() + 0.25 * theta @ theta + 1.5 * np.sum((theta - target) ** 2)
    assert tied.value(theta) + 1.5 * target @ target == pytest.approx(written_out)


def test_violation_grows_with_the_distance_from_the_subdifferential():
    penalty = ElasticNet(l1=1.0)
    gradient = np.array([0.5, -1.5, 1.0, -0.4])
    params = np.array([0.0, 0.0, -2.0, 3.0])
    np.testing.assert_allclose(penalty.violation(params, gradient), [0.0, 0.5, 0.0, 0.6])


def test_an_infinite_strength_holds_a_coefficient_at_zero():
    penalty = ElasticNet(np.array([np.inf, 1.0]), np.zeros(2), np.zeros(2))
    assert penalty.prox(np.array([1e6, 3.0]), 1.0).tolist() == [0.0, 2.0]
    assert penalty.value(np.array([0.0, 2.0])) == 2.0
    assert penalty.violation(np.zeros(2), np.array([1e6, 0.0])).tolist() == [0.0, 0.0]


def test_thresholding_leaves_no_negative_zero():
    assert not np.signbit(soft_threshold(np.array([-0.5, 0.5]), 1.0)).any()


@pytest.mark.parametrize(("l1", "l2"), [(-1.0, 0.0), (0.0, [1.0, -1e-9]), (np.nan, 0.0)])
def test_strengths_that_are_none_are_refused(l1, l2):
    with pytest.raises(ValueError, match="not negative"):
        ElasticNet(l1, l2)
