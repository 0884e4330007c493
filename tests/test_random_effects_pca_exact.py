"""The exact likelihood of factors and one effect, against the dense covariance of vec(X)."""

from __future__ import annotations

import numpy as np
import pytest

from intertwine.effects.random import EffectRows, GroupCodes, Located
from intertwine.fitting.factor_rows import factor_posterior
from intertwine.fitting.random_effects.pca_exact import PCAParameters, exact_moments
from intertwine.fitting.random_effects.pca_known import LevelEffects, ModeEffects
from intertwine.fitting.random_effects.rotated_rows import RotatedRows

N, P, D, Q = 24, 4, 2, 6


class Case:
    """Rows, an effect, and parameters, with everything dense."""

    def __init__(self, kind, seed=0):
        rng = np.random.default_rng(seed)
        self.level = np.concatenate(
            [np.arange(Q), rng.integers(0, Q - 1, N - Q)]
        )  # the last level has one row
        time = rng.random(N)
        columns = {"intercept": 1, "slope": 2, "bend": 3, "no intercept": 3, "field": 1, "few functions": 1}
        r = columns.get(kind, 1)
        basis = np.stack([np.ones(N), time, time**2], axis=1)[:, :r]
        self.basis = basis[:, 1:] if kind == "no intercept" else basis
        r = self.basis.shape[1]
        self.K = np.eye(Q)
        self.loadings = None
        if kind in ("field", "few functions"):
            self.loadings = rng.normal(size=(Q, Q if kind == "field" else 3))
            self.K = self.loadings @ self.loadings.T
        root = rng.normal(size=(P, r, r))
        Sigma = root @ np.swapaxes(root, 1, 2)
        self.none = kind == "none"
        self.params = PCAParameters(
            rng.normal(size=P), rng.normal(size=(P, D)), rng.uniform(0.5, 2, P), () if self.none else (Sigma,)
        )
        self.X = rng.normal(size=(N, P)) + 1.0
        self.directions = [
            rng.normal(size=part.shape) for part in (self.params.loadings, self.params.noise, Sigma)
        ]
        self.directions[2] = self.directions[2] + np.swapaxes(self.directions[2], 1, 2)

    def rows(self):
        if self.none:
            return RotatedRows.plain(self.X)
        if self.loadings is not None:
            return RotatedRows.of_modes(self.X, self.level, self.loadings)[0]
        return RotatedRows.of_levels(self.X, self.level, Q, None if self.basis.shape[1] == 1 else self.basis)

    def covariance(self, params, level=None, basis=None):
        """Cov(vec X), row by row, of these rows and perhaps more."""
        level = self.level if level is None else level
        basis = self.basis if basis is None else basis
        n = len(level)
        V = np.kron(np.eye(n), params.loadings @ params.loadings.T + np.diag(params.noise)).reshape(
            n, P, n, P
        )
        for Sigma in params.effects:
            K = np.eye(level.max() + 1)
            K[:Q, :Q] = self.K
            for m in range(P):
                V[:, m, :, m] += K[np.ix_(level, level)] * (basis @ Sigma[m] @ basis.T)
        return V.reshape(n * P, n * P)

    def likelihood(self, params):
        """With the mean at its best value."""
        V = self.covariance(params)
        ones = np.kron(np.ones((N, 1)), np.eye(P))
        left = np.linalg.solve(V, ones)
        mean = np.linalg.solve(ones.T @ left, left.T @ self.X.ravel())
        rest = self.X.ravel() - ones @ mean
        value = rest @ np.linalg.solve(V, rest) + np.linalg.slogdet(V)[1] + N * P * np.log(2 * np.pi)
        return -0.5 * value, mean


KINDS = ["none", "intercept", "slope", "bend", "no intercept", "field", "few functions"]
every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
def test_likelihood_and_mean_are_those_of_the_dense_covariance(kind):
    case = Case(kind)
    found = exact_moments(case.rows(), case.params)
    value, mean = case.likelihood(case.params)
    np.testing.assert_allclose(found.log_likelihood, value, rtol=1e-12)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-10)


@every_kind
def test_derivatives_are_finite_differences(kind):
    case = Case(kind)
    found, (dW, dD, dS) = exact_moments(case.rows(), case.params), case.directions
    expected = 2 * np.vdot(found.gradient_S @ case.params.loadings, dW) + np.diag(found.gradient_S) @ dD
    expected += 0 if case.none else np.vdot(found.gradient_effect, dS)

    def moved(t):
        loadings, noise, effects = case.params[1:]
        params = case.params._replace(
            loadings=loadings + t * dW,
            noise=noise + t * dD,
            effects=tuple(Sigma + t * dS for Sigma in effects),
        )
        return case.likelihood(params)[0]

    np.testing.assert_allclose((moved(1e-5) - moved(-1e-5)) / 2e-5, expected, rtol=1e-6)


@every_kind
def test_the_expected_scatter_is_that_of_the_dense_posterior(kind):
    case = Case(kind)
    found = exact_moments(case.rows(), case.params)
    S = case.params.loadings @ case.params.loadings.T + np.diag(case.params.noise)
    own, V = np.kron(np.eye(N), S), case.covariance(case.params)
    gain = own @ np.linalg.inv(V)
    mean = (gain @ (case.X - found.mean).ravel()).reshape(N, P)
    spread = (own - gain @ own).reshape(N, P, N, P)
    expected = mean.T @ mean + np.einsum("iaib->ab", spread)
    np.testing.assert_allclose(found.scatter, expected, rtol=1e-10)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_new_rows_are_told_what_the_dense_posterior_says(kind):
    """A row of a level of the fit, and one of a level that was not in it."""
    case = Case(kind)
    params = case.params._replace(mean=exact_moments(case.rows(), case.params).mean)
    fields = case.loadings is not None
    level = np.array([2, Q - 1] if fields else [2, Q])
    basis = np.ones((2, 1)) if case.basis.shape[1] == 1 else np.array([[1.0, 0.3, 0.09], [1.0, 0.9, 0.81]])
    basis = basis[:, -case.basis.shape[1] :] if kind == "no intercept" else basis[:, : case.basis.shape[1]]
    V = case.covariance(params, np.append(case.level, level), np.concatenate([case.basis, basis]))
    old, new = slice(0, N * P), slice(N * P, None)
    gain = V[new, old] @ np.linalg.inv(V[old, old])
    mean = (gain @ (case.X - params.mean).ravel()).reshape(2, P)
    covariance = (V[new, new] - gain @ V[old, new]).reshape(2, P, 2, P)
    covariance = np.stack([covariance[i, :, i] for i in range(2)])
    covariance -= params.loadings @ params.loadings.T + np.diag(params.noise)
    located = Located(level, None if basis.shape[1] == 1 else basis, None, None)
    if fields:
        rows, vectors = RotatedRows.of_modes(case.X, case.level, case.loadings)
        known = ModeEffects.of(rows, params, vectors, case.loadings @ vectors)
        at = known.at([located], 2, P)
        np.testing.assert_allclose(at.variance, np.stack([np.diag(part) for part in covariance]), rtol=1e-8)
    else:
        at = LevelEffects.of(case.rows(), params).at([located], 2, P)
        shared = at.loadings[at.kind]
        found = shared @ np.swapaxes(shared, 1, 2) + at.variance[:, :, None] * np.eye(P)
        np.testing.assert_allclose(found, covariance, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(at.mean, mean, rtol=1e-8, atol=1e-12)


def test_coefficients_have_the_variance_of_the_dense_posterior():
    case = Case("slope")
    params = case.params._replace(mean=exact_moments(case.rows(), case.params).mean)
    (terms,) = LevelEffects.of(case.rows(), params).terms()
    Sigma, V = params.effects[0], case.covariance(params)
    at = case.level == 2
    touch = np.zeros((2 * P, N, P))  # Cov(b of level 2, X)
    for m in range(P):
        for a in range(2):
            touch[2 * m + a, :, m] = at * (case.basis @ Sigma[m][:, a])
    gain = touch.reshape(2 * P, -1) @ np.linalg.inv(V)
    mean = (gain @ (case.X - params.mean).ravel()).reshape(P, 2)
    variance = (
        np.einsum("maa->ma", Sigma).ravel() - np.sum(gain * touch.reshape(2 * P, -1), axis=1)
    ).reshape(P, 2)
    ones = np.tile(np.eye(P), (N, 1))
    moved = (gain @ ones) @ np.linalg.inv(ones.T @ np.linalg.solve(V, ones)) @ (gain @ ones).T
    variance += np.diag(moved).reshape(P, 2)  # the mean is estimated, too
    np.testing.assert_allclose(terms.mean[2].T, mean, rtol=1e-9)
    np.testing.assert_allclose(terms.variance[2].T, variance, rtol=1e-9)


@pytest.mark.parametrize("shape", ["shared", "own"])
def test_rows_one_by_one_have_the_dense_density(shape):
    rng = np.random.default_rng(0)
    X, noise = rng.normal(size=(5, P)), rng.uniform(0.5, 2, (5, P))
    A = rng.normal(size=(P, 3) if shape == "shared" else (5, P, 3))
    X[0, 1] = X[3, :2] = np.nan
    X[4] = np.nan
    found = factor_posterior(X, noise, A)
    for i in range(5):
        there = np.isfinite(X[i])
        own = (A if shape == "shared" else A[i])[there]
        V = own @ own.T + np.diag(noise[i, there])
        gain = np.linalg.solve(V, own)
        np.testing.assert_allclose(found.mean[i], X[i, there] @ gain, atol=1e-12)
        np.testing.assert_allclose(found.covariance[i], np.eye(3) - own.T @ gain, atol=1e-12)
        value = X[i, there] @ np.linalg.solve(V, X[i, there]) + np.linalg.slogdet(2 * np.pi * V)[1]
        np.testing.assert_allclose(found.log_density[i], -0.5 * value, atol=1e-12)


def test_rows_of_effects_can_be_taken_and_kept():
    rows = EffectRows(3, {None: GroupCodes(np.array([0, 1, 0]), 2)}, time=np.arange(3.0))
    assert rows.take(slice(1, 3)).groups[None].codes.tolist() == [1, 0]
    assert rows.take(np.array([2])).time.tolist() == [2.0]
    again = EffectRows.restore(rows.state())
    assert again.groups[None].n_levels == 2
    np.testing.assert_array_equal(again.time, rows.time)
