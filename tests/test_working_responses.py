"""Gaussian stand-ins for outcomes: bounds that touch, and latent variables of the right distribution."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest, norm, truncnorm

from intertwine.losses.working import (
    GaussianResponse,
    LogisticResponse,
    OrdinalProbitResponse,
    ProbitResponse,
)


@given(st.floats(-30, 30), st.floats(-30, 30), st.sampled_from([-1.0, 1.0]), st.floats(0.1, 9))
def test_the_logistic_bound_touches_and_never_crosses(at, f, sign, weight):
    z, omega = LogisticResponse(np.array([sign]), np.array([weight])).majorized(np.array([at]))

    def bound(score):
        return -0.5 * omega[0] * (z[0] - score) ** 2

    def likelihood(score):
        return -weight * np.logaddexp(0.0, -sign * score)

    assert likelihood(f) - likelihood(at) >= bound(f) - bound(at) - 1e-9 * weight


def test_the_logistic_bound_has_its_digits_near_zero():
    half = np.array([1e-6, 0.5e-4, 0.99e-4, 1.01e-4])
    weight = LogisticResponse(np.ones(4), np.ones(4)).majorized(2.0 * half).weight
    np.testing.assert_allclose(weight, 0.25 * np.tanh(half) / half, rtol=1e-14)


def test_a_last_class_without_weight_has_a_cutpoint_all_the_same():
    response = OrdinalProbitResponse(np.array([0, 1, 1, 2]), 3, np.array([1.0, 1.0, 1.0, 0.0]))
    assert np.isfinite(response.thresholds).all()
    assert response.thresholds[1] > 3.0


def test_distances_of_cutpoints_have_a_wide_prior():
    """Where data say nothing, its standard deviation on the scale of logarithms: √10."""
    response, rng = OrdinalProbitResponse(np.array([0, 1, 2]), 3, np.full(3, 1e-9)), np.random.default_rng(0)
    logs = np.empty(3000)
    for t in range(3000):
        response._move_cutpoints(np.zeros(3), rng)
        logs[t] = np.log(np.diff(response.thresholds)[0])
    assert logs[300:].std() == pytest.approx(np.sqrt(10.0), rel=0.2)


def test_a_numeric_outcome_is_its_own_response():
    y, weight = np.array([1.0, 2.0]), np.array([1.0, 3.0])
    response = GaussianResponse(y, weight)
    assert response.majorized(np.zeros(2)) == (y, weight)
    assert response.misfit(np.zeros(2)) == pytest.approx(np.sqrt(13 / 4))
    assert response.misfit(np.array([0.5, 4.0])) == pytest.approx(np.sqrt((0.5**2 + 3 * 2.0**2) / 4))


def test_misfits_of_classes_are_their_negative_log_likelihoods():
    scores, weight = np.array([0.5, -1.0, 2.0]), np.array([1.0, 2.0, 0.5])
    probit = ProbitResponse(np.array([1.0, -1.0, -1.0]), weight)
    likely = norm.cdf([0.5, 1.0, -2.0])
    assert probit.misfit(scores) == pytest.approx(-weight @ np.log(likely) / 3.5)
    ordinal = OrdinalProbitResponse(np.array([0, 2, 1]), 3, weight)
    cut = ordinal.thresholds[1]
    likely = norm.cdf([-0.5, -1.0 - cut, cut - 2.0]) - [0.0, 0.0, norm.cdf(-2.0)]
    assert ordinal.misfit(scores) == pytest.approx(-weight @ np.log(likely) / 3.5)


def test_classes_begin_at_their_shares():
    response = OrdinalProbitResponse(np.array([0, 1, 1, 2]), 3, np.array([1.0, 2.0, 1.0, 4.0]))
    start = response.start_score
    below = norm.cdf(response.thresholds - start)
    np.testing.assert_allclose(below, [1 / 8, 1 / 2])


@pytest.mark.parametrize("score", [-12.0, -3.0, 0.0, 2.0, 9.0])
def test_probit_latents_are_truncated_normal(score):
    n = 4000
    response = ProbitResponse(np.ones(n), np.ones(n))
    z, weight = response.drawn(np.full(n, score), np.random.default_rng(0))
    assert (z >= 0).all()
    assert (weight == 1).all()
    assert kstest(z, truncnorm(-score, np.inf, loc=score).cdf).pvalue > 1e-3
    other = ProbitResponse(-np.ones(n), np.ones(n)).drawn(np.full(n, -score), np.random.default_rng(0))
    np.testing.assert_allclose(other.response, -z)


@pytest.mark.parametrize("score", [-9.0, -1.0, 0.3, 14.0])
def test_ordinal_latents_lie_between_their_cutpoints(score):
    n = 3000
    codes = np.repeat([0, 1, 2], n // 3)
    response = OrdinalProbitResponse(codes, 3, np.ones(n))
    z, _ = response.drawn(np.full(n, score), np.random.default_rng(1))
    cuts = response.cutpoints
    assert cuts[1] == 0
    for c in range(3):
        part, low, high = z[codes == c], cuts[c], cuts[c + 1]
        assert ((part >= low) & (part <= high)).all()
        assert kstest(part, truncnorm(low - score, high - score, loc=score).cdf).pvalue > 1e-3


def test_the_weight_of_a_row_is_that_many_latents():
    """Mean of w draws: its expectation is that of one draw, its variance a w-th."""
    n = 20_000
    scores = np.full(n, 0.5)
    one = ProbitResponse(np.ones(n), np.ones(n)).drawn(scores, np.random.default_rng(0)).response
    four = ProbitResponse(np.ones(n), np.full(n, 4.0)).drawn(scores, np.random.default_rng(1)).response
    assert four.mean() == pytest.approx(one.mean(), abs=0.02)
    assert four.var() == pytest.approx(one.var() / 4, rel=0.05)
    many = ProbitResponse(np.ones(3), np.full(3, 1e6)).drawn(scores[:3], np.random.default_rng(2)).response
    np.testing.assert_allclose(many, one.mean(), atol=0.02)


@pytest.mark.parametrize("weight", [1.5, 100.0])
def test_a_weight_may_be_a_fraction_or_more_than_is_drawn(weight):
    n, scores = 20_000, np.full(20_000, 0.5)
    probit = ProbitResponse(np.ones(n), np.full(n, weight)).drawn(scores, np.random.default_rng(0)).response
    assert probit.mean() == pytest.approx(truncnorm(-0.5, np.inf, loc=0.5).mean(), abs=0.02)


@pytest.mark.parametrize("score", [-0.8, 0.3])
def test_rows_of_much_weight_have_the_mean_of_their_class(score):
    response = OrdinalProbitResponse(np.array([0, 1, 2]), 3, np.full(3, 1e6))
    z, _ = response.drawn(np.full(3, score), np.random.default_rng(0))
    cuts = response.cutpoints - score
    expected = [truncnorm(low, high, loc=score).mean() for low, high in pairwise(cuts)]
    np.testing.assert_allclose(z, expected, atol=1e-4)


def test_latents_far_from_a_narrow_class_fill_it():
    n = 3000
    response = OrdinalProbitResponse(np.arange(n) % 3, 3, np.ones(n))
    response.remember({"inner": np.array([0.0, 0.05]), "step": 1e-9, "tried": 10})
    z, _ = response.drawn(np.full(n, -9.0), np.random.default_rng(2))
    cut = response.thresholds[1]
    assert kstest(z[1::3], truncnorm(9.0, cut + 9.0, loc=-9.0).cdf).pvalue > 1e-2


def test_where_all_rows_are_of_the_first_class_the_start_is_finite():
    assert 4.0 < -OrdinalProbitResponse(np.zeros(3, int), 3, np.ones(3)).start_score < 5.0


def test_cutpoints_are_found_from_many_rows():
    rng = np.random.default_rng(0)
    f = rng.standard_normal(4000)
    codes = np.digitize(f + rng.standard_normal(4000), [0.0, 0.7, 2.0])
    response = OrdinalProbitResponse(codes, 4, np.ones(4000))
    draws = []
    for _ in range(600):
        response.drawn(f, rng)
        draws.append(response.thresholds)
    np.testing.assert_allclose(np.mean(draws[200:], axis=0), [0.0, 0.7, 2.0], atol=0.1)
    again = OrdinalProbitResponse(codes, 4, np.ones(4000))
    again.remember(response.memory())
    np.testing.assert_array_equal(again.cutpoints, response.cutpoints)
