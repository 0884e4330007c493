"""Columns that follow their own last values: a longitudinal autoencoder with serial residuals."""

from __future__ import annotations

import numpy as np
import pytest
from test_serial_residuals import conditioned

import intertwine
from intertwine import LongitudinalVAE
from intertwine.datasets import simulate_longitudinal
from intertwine.effects import BySubject, Linear
from intertwine.estimators.longitudinal.fit import columns_for_courses

N_COURSES = 4  # columns that have one
pytestmark = pytest.mark.filterwarnings("ignore:stopped after")


@pytest.fixture(scope="module")
def study():
    """Visits whose first columns keep a course of their own."""
    drawn = simulate_longitudinal(120, 7, n_components=2, n_new=40, decoder="linear", random_state=3)
    rng = np.random.default_rng(0)
    for subject in np.unique(drawn.subject):
        rows = np.flatnonzero(drawn.subject == subject)
        gap = np.abs(drawn.time[rows][:, None] - drawn.time[rows])
        course = np.exp(-gap / 4.0) + 0.3
        drawn.X[np.ix_(rows, range(N_COURSES))] += rng.multivariate_normal(
            np.zeros(len(rows)), course, N_COURSES
        ).T
    return drawn


def model(**params):
    effects = [Linear("time"), BySubject(), BySubject(Linear("time"))]
    return LongitudinalVAE(
        2, effects=effects, architecture="linear", learning_rate=0.01, max_iter=15, random_state=0, **params
    )


def beside(study, rows):
    return {"subject": study.subject[rows], "time": study.time[rows]}


@pytest.fixture(scope="module")
def fitted(study):
    return model(serial_residuals=True).fit(study.X[study.train], **beside(study, study.train))


@pytest.fixture(scope="module")
def plain(study):
    return model().fit(study.X[study.train], **beside(study, study.train))


def forecast(estimator, study, **asked):
    known = estimator.condition(study.X[study.given], **beside(study, study.given))
    return known.forecast(**beside(study, study.future), **asked)


def test_columns_with_a_course_are_found(fitted, plain):
    table = fitted.serial_residuals_
    assert set(table["feature"]) >= {f"x{j}" for j in range(N_COURSES)}
    first = table.iloc[:N_COURSES]
    np.testing.assert_allclose(first["level"] + first["serial"], 1.3, rtol=0.45)
    assert len(plain.serial_residuals_) == 0


def test_forecasts_are_those_of_dense_algebra_on_what_latents_leave(fitted, plain, study):
    given, future = study.given, study.future
    filled = plain.condition(study.X[given], **beside(study, given))._filled
    subject, time = (np.concatenate([part[given], part[future]]) for part in (study.subject, study.time))
    mean, std = forecast(fitted, study, return_std=True)
    base, before = forecast(plain, study, return_std=True)
    expected, wider = base.copy(), before**2
    courses, noise = fitted._courses, plain._model.noise_variance(np.zeros((1, 7)))[0]
    for place, j in enumerate(courses.columns):
        left = np.concatenate([study.X[given, j] - filled.mean[:, j], np.full(len(future), np.nan)])
        course, covariance = conditioned(courses.law, place, left, subject, time)
        expected[:, j] += course[len(given) :]
        wider[:, j] += np.diag(covariance)[len(given) :] + courses.law.noise[place] - noise[j]
    np.testing.assert_allclose(mean, expected, atol=1e-8)
    np.testing.assert_allclose(std, np.sqrt(wider), atol=1e-8)


def test_it_pays_and_says_how_sure_it_is(fitted, plain, study):
    X, own = study.X[study.future], np.arange(7) < N_COURSES
    mean, std = forecast(fitted, study, return_std=True)
    error, before = (np.nanmean((X - found) ** 2, axis=0) for found in (mean, forecast(plain, study)))
    assert np.mean(error[own]) < 0.85 * np.mean(before[own])
    np.testing.assert_allclose(error[~own], before[~own], rtol=0.25)
    seen = np.isfinite(X)
    assert 0.85 < np.mean(np.abs(X - mean)[seen] < 1.645 * std[seen]) < 0.95


def test_gaps_are_filled_from_the_columns_own_values(fitted, plain, study):
    rng = np.random.default_rng(1)
    X = study.X[study.train].copy()
    hidden = (rng.random(X.shape) < 0.1) & np.isfinite(X)
    truth, X[hidden] = X[hidden], np.nan
    mean, std = fitted.impute(X, **beside(study, study.train), return_std=True)
    before = plain.impute(X, **beside(study, study.train))
    assert np.mean((mean[hidden] - truth) ** 2) < 0.75 * np.mean((before[hidden] - truth) ** 2)
    assert 0.86 < np.mean(np.abs(mean[hidden] - truth) < 1.645 * std[hidden]) < 0.94
    np.testing.assert_array_equal(mean[np.isfinite(X)], X[np.isfinite(X)])
    assert not std[np.isfinite(X)].any()
    known = fitted.condition(X, **beside(study, study.train), known="replace")
    np.testing.assert_allclose(known.impute(), mean, atol=1e-10)


def test_draws_share_the_moments_of_forecasts(fitted, study):
    known = fitted.condition(study.X[study.given], **beside(study, study.given))
    asked = beside(study, study.future[:6])
    mean, std = known.forecast(**asked, return_std=True)
    draws = known.sample_trajectories(**asked, n_draws=4000, random_state=0)
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=0.1)
    np.testing.assert_allclose(draws.std(axis=0), std, rtol=0.06)
    smooth = known.sample_trajectories(**asked, n_draws=4000, noise=False, random_state=0)
    assert np.all(smooth.std(axis=0) < draws.std(axis=0))


def test_the_subjects_of_the_fit_are_remembered(fitted, study, tmp_path):
    rows = study.train
    later = {"subject": study.subject[rows][:20], "time": study.time[rows][:20] + 0.5}
    mean = fitted.forecast(**later)
    whole = fitted.condition(study.X[rows], **beside(study, rows), known="replace")
    np.testing.assert_allclose(mean, whole.forecast(**later), atol=1e-6)
    fitted.save(tmp_path / "model")
    loaded = intertwine.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.forecast(**later), mean)
    assert loaded.serial_residuals_.equals(fitted.serial_residuals_)


def test_files_from_before_there_were_courses_still_load(plain, study):
    state = plain._to_state()
    del state["courses"]
    older = LongitudinalVAE._from_state(state)
    np.testing.assert_array_equal(forecast(older, study), forecast(plain, study))


def test_without_subjects_or_time_there_is_nothing_to_follow(study):
    rows = study.train[:60]
    for effects, given in (
        ([BySubject()], {"subject": study.subject[rows]}),
        ([Linear("time")], {"time": study.time[rows]}),
    ):
        wrong = LongitudinalVAE(2, effects=effects, serial_residuals=True)
        with pytest.raises(ValueError, match="serial_residuals .* pass subject= and time="):
            wrong.fit(study.X[rows], **given)


def test_columns_of_other_kinds_with_bounds_or_constant_have_no_course():
    X = np.arange(15.0).reshape(3, 5)
    X[:, 2], X[1, 3] = 3.0, np.nan
    some = LongitudinalVAE(likelihood={0: "bernoulli"}, bounds={1: (-50, 50)}, serial_residuals=True)
    assert columns_for_courses(some, X).tolist() == [3, 4]
