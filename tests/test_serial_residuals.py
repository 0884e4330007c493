"""Levels and fading courses of single columns, held to dense Gaussian algebra."""

from __future__ import annotations

import numpy as np
import pytest

from intertwine.mixed_effects.serial_residuals import (
    HiddenResiduals,
    SerialResiduals,
    likely_serial_residuals,
)

LAW = SerialResiduals(
    np.array([0.5, 0.0, 0.0]), np.array([1.0, 2.0, 0.0]), np.array([3.0, 0.7, 1.0]), np.array([0.1, 0.4, 0.3])
)


def visits(n_subjects=5, most=7, p=3, seed=0):
    rng = np.random.default_rng(seed)
    subject = rng.permutation(np.repeat(np.arange(n_subjects), rng.integers(1, most, n_subjects)))
    time = rng.uniform(0, 12, len(subject))
    values = rng.standard_normal((len(subject), p))
    values[rng.random(values.shape) < 0.4] = np.nan
    return values, subject, time


def dense(law, j, subject, time):
    """Covariance of a + u."""
    same = subject[:, None] == subject
    gap = np.abs(time[:, None] - time)
    return same * (law.level[j] + law.serial[j] * np.exp(-gap / law.length_scale[j]))


def conditioned(law, j, values, subject, time):
    K, seen = dense(law, j, subject, time), np.isfinite(values)
    gain = np.linalg.solve(K[np.ix_(seen, seen)] + law.noise[j] * np.eye(seen.sum()), K[seen]).T
    return gain @ values[seen], K - gain @ K[seen]


def test_predictions_are_those_of_dense_algebra():
    values, subject, time = visits()
    mean, variance = LAW.predicted(values, subject, time)
    for j in range(3):
        expected, covariance = conditioned(LAW, j, values[:, j], subject, time)
        np.testing.assert_allclose(mean[:, j], expected, atol=1e-10)
        np.testing.assert_allclose(variance[:, j], np.diag(covariance), atol=1e-10)
    assert not mean[:, 2].any()


def test_draws_have_the_moments_of_dense_algebra():
    values, subject, time = visits(3, 4)
    draws = LAW.drawn(values, subject, time, 20_000, np.random.default_rng(1))
    for j in range(2):
        expected, covariance = conditioned(LAW, j, values[:, j], subject, time)
        np.testing.assert_allclose(draws[:, :, j].mean(axis=0), expected, atol=0.05)
        np.testing.assert_allclose(np.cov(draws[:, :, j].T), covariance, atol=0.06)
    assert not draws[:, :, 2].any()


def drawn_residuals(n_subjects, per_subject, law, seed):
    """Residuals of a law, three in ten of them hidden; an error that is known of beside it in hidden ones."""
    rng = np.random.default_rng(seed)
    subject = np.repeat(np.arange(n_subjects), per_subject)
    time = rng.uniform(0, 20, len(subject))
    nothing = np.full((len(subject), len(law.noise)), np.nan)
    course = law.drawn(nothing, subject, time, 1, rng)[0]
    values = course + np.sqrt(law.noise) * rng.standard_normal(course.shape)
    hidden = rng.random(values.shape) < 0.3
    known = np.where(hidden, 0.3, 0.0)
    return HiddenResiduals(
        values + np.sqrt(known) * rng.standard_normal(values.shape), hidden, known, subject, time
    )


def test_the_law_is_found_again():
    true = SerialResiduals(*(np.array(x) for x in ([0.4, 0.0], [0.8, 0.0], [4.0, 1.0], [0.2, 0.5])))
    found = likely_serial_residuals(drawn_residuals(400, 20, true, 0), np.random.default_rng(0))
    np.testing.assert_allclose(found.level + found.serial, true.level + true.serial, rtol=0.2)
    assert found.length_scale[0] == pytest.approx(4.0, rel=0.5)
    np.testing.assert_allclose(found.noise, true.noise, rtol=0.3)
    assert found.level[1] == found.serial[1] == 0.0  # nothing but noise: three numbers do not pay


def test_units_of_values_and_of_time_change_nothing_else():
    given = drawn_residuals(60, 12, SerialResiduals(*(np.array([x]) for x in (0.3, 1.0, 5.0, 0.1))), 3)
    one = likely_serial_residuals(given, np.random.default_rng(0))
    other = likely_serial_residuals(
        given._replace(
            values=10 * given.values, known_variance=100 * given.known_variance, time=7 + 24 * given.time
        ),
        np.random.default_rng(0),
    )
    assert one.serial[0] > 0.0
    scales = (100.0, 100.0, 24.0, 100.0)
    for first, second, scale in zip(one, other, scales, strict=True):
        np.testing.assert_allclose(second, scale * first, rtol=1e-6)


def test_many_rows_are_sampled_and_rows_may_come_in_any_order():
    true = SerialResiduals(*(np.array([x]) for x in (0.2, 0.6, 3.0, 0.2)))
    given = drawn_residuals(1_200, 10, true, 4)
    found = likely_serial_residuals(given, np.random.default_rng(0))
    assert found.level[0] + found.serial[0] == pytest.approx(0.8, rel=0.2)
    few = drawn_residuals(50, 10, true, 5)
    order = np.random.default_rng(6).permutation(len(few.subject))
    shuffled = HiddenResiduals(*(part[order] for part in few))
    for one, other in zip(
        likely_serial_residuals(few, np.random.default_rng(0)),
        likely_serial_residuals(shuffled, np.random.default_rng(0)),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-10)


def test_nothing_hidden_or_one_visit_each_gives_noise_alone():
    given = drawn_residuals(30, 1, LAW, 7)
    found = likely_serial_residuals(given, np.random.default_rng(0))
    assert not found.level.any()
    assert not found.serial.any()
    empty = likely_serial_residuals(
        given._replace(hidden=np.zeros_like(given.hidden)), np.random.default_rng(0)
    )
    assert not empty.level.any()
    assert np.isfinite(empty.noise).all()
