"""Factors and one effect where entries are missing, against the dense covariance of what was observed."""

from __future__ import annotations

import numpy as np
import pytest

from intertwine import RandomEffectsPCA
from intertwine.effects import Longitudinal
from intertwine.effects.random import Located
from intertwine.fitting.random_effects import pca_missing
from intertwine.fitting.random_effects.pca_exact import PCAParameters, exact_moments
from intertwine.fitting.random_effects.pca_known import LevelEffects
from intertwine.fitting.random_effects.pca_missing import MissingProblem
from intertwine.fitting.random_effects.rotated_rows import RotatedRows

N, P, D, Q = 26, 4, 2, 6


def case(r, seed=0, holes=0.25):
    rng = np.random.default_rng(seed)
    level = np.concatenate([np.arange(Q), rng.integers(0, Q - 1, N - Q)])
    time = rng.random(N)
    basis = np.stack([np.ones(N), time, time**2], axis=1)[:, :r]
    root = rng.normal(size=(P, r, r))
    Sigma = root @ np.swapaxes(root, 1, 2) + 0.1 * np.eye(r)
    params = PCAParameters(rng.normal(size=P), rng.normal(size=(P, D)), rng.uniform(0.5, 2, P), (Sigma,))
    X = rng.normal(size=(N, P)) + 1.0
    X[rng.random(X.shape) < holes] = np.nan
    X[np.isnan(X).all(axis=1), 0] = 0.0
    return X, level, basis, params


def covariance(level, basis, params):
    n = len(level)
    V = np.kron(np.eye(n), params.loadings @ params.loadings.T + np.diag(params.noise)).reshape(n, P, n, P)
    for m in range(P):
        V[:, m, :, m] += (level[:, None] == level) * (basis @ params.effects[0][m] @ basis.T)
    return V.reshape(n * P, n * P)


def dense(X, level, basis, params):
    there = np.isfinite(X).ravel()
    V = covariance(level, basis, params)[np.ix_(there, there)]
    ones = np.kron(np.ones((len(X), 1)), np.eye(P))[there]
    left = np.linalg.solve(V, ones)
    mean = np.linalg.solve(ones.T @ left, left.T @ X.ravel()[there])
    rest = X.ravel()[there] - ones @ mean
    value = rest @ np.linalg.solve(V, rest) + np.linalg.slogdet(2 * np.pi * V)[1]
    return mean, -0.5 * value


def problem_of(X, level, basis):
    return MissingProblem(X, level, Q, None if basis.shape[1] == 1 else basis, False, True)


@pytest.mark.parametrize("r", [1, 2, 3])
def test_likelihood_and_mean_are_those_of_the_dense_covariance(r):
    X, level, basis, params = case(r)
    mean, value = problem_of(X, level, basis).mean_and_value(params)
    expected = dense(X, level, basis, params)
    np.testing.assert_allclose(mean, expected[0], rtol=1e-8)
    np.testing.assert_allclose(value, expected[1], rtol=1e-10)


@pytest.mark.parametrize("r", [1, 2])
def test_new_rows_are_told_what_the_dense_posterior_says(r):
    X, level, basis, params = case(r)
    problem = problem_of(X, level, basis)
    params = params._replace(mean=problem.mean_and_value(params)[0])
    rows, z = np.array([2, Q]), np.array([[1.0, 0.3], [1.0, 0.8]])[:, :r]
    V = covariance(np.append(level, rows), np.concatenate([basis, z]), params)
    there = np.append(np.isfinite(X).ravel(), np.zeros(2 * P, dtype=bool))
    new = slice(N * P, None)
    gain = V[new][:, there] @ np.linalg.inv(V[np.ix_(there, there)])
    mean = (gain @ (X - params.mean).ravel()[there[: N * P]]).reshape(2, P)
    spread = (V[new, new] - gain @ V[there][:, new]).reshape(2, P, 2, P)
    S = params.loadings @ params.loadings.T + np.diag(params.noise)
    known = LevelEffects.of_levels(params, *problem.known(params), np.zeros((Q, P, r)))
    at = known.at([Located(rows, None if r == 1 else z, None, None)], 2, P)
    shared = at.loadings[at.kind]
    found = shared @ np.swapaxes(shared, 1, 2) + at.variance[:, :, None] * np.eye(P)
    np.testing.assert_allclose(at.mean, mean, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(found, np.stack([spread[i, :, i] - S for i in range(2)]), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("r", [1, 2])
def test_steps_climb_to_where_derivatives_vanish(r):
    X, level, basis, params = case(r)
    problem, values = problem_of(X, level, basis), []
    for _ in range(60):
        params, value = problem.step(params)
        values.append(value)
    assert np.all(np.diff(values) > -1e-9)
    # without missing entries the step is at rest where the closed form is
    X = np.where(np.isnan(X), 0.5, X)
    rows = RotatedRows.of_levels(X, level, Q, None if r == 1 else basis)
    np.testing.assert_allclose(
        problem_of(X, level, basis).mean_and_value(params)[1],
        exact_moments(rows, params).log_likelihood,
        rtol=1e-9,
    )


def test_levels_are_dealt_into_parts(monkeypatch):
    X, level, basis, params = case(2)
    whole = problem_of(X, level, basis)
    expected, (after, value) = whole.known(params), whole.step(params)
    monkeypatch.setattr(pca_missing, "_BLOCK", 5 * (2 * P) ** 2)
    few = problem_of(X, level, basis)
    for found, wanted in zip((*few.known(params), few.step(params)[1]), (*expected, value), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-10)
    np.testing.assert_allclose(few.step(params)[0].loadings, after.loadings, atol=1e-10)


@pytest.mark.parametrize("effect", [None, Longitudinal("school")])
def test_few_missing_entries_change_little(effect):
    rng = np.random.default_rng(0)
    school, time = rng.integers(0, 40, 300), rng.random(300)
    X = rng.normal(size=(300, 2)) @ rng.normal(size=(2, 6)) + rng.normal(size=(40, 6))[school]
    X += 0.7 * rng.normal(size=X.shape) + 2.0 * rng.normal(size=(40, 6))[school] * time[:, None]
    given = {"groups": {"school": school}} | ({} if effect is None else {"time": time})
    whole = RandomEffectsPCA(2, effects=effect, tol=1e-5).fit(X, **given)
    holes = X.copy()
    holes[rng.integers(0, 300, 5), rng.integers(0, 6, 5)] = np.nan
    some = RandomEffectsPCA(2, effects=effect, tol=1e-5).fit(holes, **given)
    assert some.objective_ == whole.objective_ == "exact"
    np.testing.assert_allclose(some.noise_variance_, whole.noise_variance_, rtol=0.15)
    assert (
        np.corrcoef(some.reconstruct(X, **given).ravel(), whole.reconstruct(X, **given).ravel())[0, 1] > 0.99
    )
