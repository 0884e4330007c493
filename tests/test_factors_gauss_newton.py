"""The Gauss-Newton fit of latent factors: what it finds, when it stops, how it goes on."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse

from intertwine.fitting.latent_factors import gauss_newton as module
from intertwine.fitting.latent_factors.gauss_newton import (
    EarlyStop,
    fit_gauss_newton,
    rated_subspace,
    solver_for,
)
from intertwine.fitting.latent_factors.model import FactorSettings, scores_of_pairs
from intertwine.fitting.latent_factors.rating_rows import LocalRatings
from intertwine.fitting.resumable import Descended
from intertwine.fitting.watch import UNWATCHED
from intertwine.minimize import Iteration
from intertwine.solvers.gauss_newton import GaussNewton
from intertwine.solvers.preconditioners import NoPreconditioner
from intertwine.structures.latent_factors import FactorParams
from intertwine.structures.ratings import RatingTable

SETTINGS = FactorSettings(n_components=3, alpha=0.05, damping=1.0, cg_iter=5, validation_fraction=0.1)


def simulated(n_users=60, n_items=40, noise=0.3, seed=0):
    rng = np.random.default_rng(seed)
    P, Q = rng.standard_normal((n_users, 2)), rng.standard_normal((n_items, 2))
    cells = rng.permutation(n_users * n_items)
    users, items = cells // n_items, cells % n_items
    y = (P[users] * Q[items]).sum(axis=1) + noise * rng.standard_normal(len(cells))
    y = (y - y.mean()) / y.std()
    half = len(cells) // 2
    X, order = RatingTable.build(users[:half], items[:half], n_users, n_items)
    return X, y[:half][order], users[half:], items[half:], y[half:]


def fitted(X, y, settings=SETTINGS, seed=0, **more):
    return fit_gauss_newton(X, y, None, settings, np.random.default_rng(seed), UNWATCHED, **more)


def error_of(model, users, items, y, settings=SETTINGS):
    scores = model.intercepts[0] + scores_of_pairs(model.users[0], model.items[0], users, items, settings)
    return np.sqrt(np.mean((y - scores) ** 2))


def test_patterns_are_found():
    X, y, users, items, left = simulated()
    model = fitted(X, y)
    assert error_of(model, users, items, left) < 0.4
    assert model.noise < 0.4
    assert model.converged


@pytest.mark.parametrize(("mapping", "most"), [("sigmoid", 0.97), ("softplus", 0.5)])
def test_mapped_factors_are_fitted(mapping, most):
    X, y, users, items, left = simulated()
    settings = SETTINGS._replace(mapping=mapping, alpha=0.01, damping=1.0, cg_iter=10)
    assert error_of(fitted(X, y, settings), users, items, left, settings) < most


@pytest.mark.parametrize("sharpness", ["perturbed", "perturbed_gradient", "injected"])
def test_sharpness_is_fitted(sharpness):
    X, y, users, items, left = simulated()
    settings = SETTINGS._replace(rho=0.1, sharpness=sharpness, max_iter=30)
    assert error_of(fitted(X, y, settings), users, items, left) < 0.5


def test_history_counts_iterations_and_passes():
    X, y, *_ = simulated()
    history = fitted(X, y).history
    np.testing.assert_array_equal(history[:, 0], np.arange(1, len(history) + 1))
    assert (np.diff(history[:, 3]) > 0).all()
    n_final = EarlyStop().n_final
    assert np.isfinite(history[:-n_final, 2]).all()
    assert np.isnan(history[-n_final:, 2]).all()


def test_stopping_keeps_the_best():
    X, y, *_ = simulated(noise=2.0)
    model = fitted(X, y, stop=EarlyStop(patience=3, n_final=0))
    errors = model.history[:, 2]
    assert len(errors) < SETTINGS.max_iter
    assert np.argmin(errors) < len(errors) - 1


def test_without_ratings_held_out_the_descent_goes_on_to_the_optimum():
    X, y, *_ = simulated()
    settings = SETTINGS._replace(validation_fraction=0.0, max_iter=300, tol=1e-10)
    plain = fitted(X, y, settings, solver=GaussNewton(1e-10, cg_iter=50, cg_tol=1e-3))
    again = fitted(X, y, settings, seed=1, solver=GaussNewton(1e-10, cg_iter=50, cg_tol=1e-3))
    assert plain.converged
    assert plain.history[-1, 1] == pytest.approx(again.history[-1, 1], rel=1e-3)


def test_side_features_enter_the_totals():
    X, y, *_ = simulated()
    features = np.random.default_rng(0).standard_normal((60, 3))
    plain = fitted(X, y)
    model = fitted(X._replace(user_features=sparse.csr_array(features)), y)
    assert model.user_weights.shape == (1, 3, SETTINGS.width)
    assert np.abs(model.users[0] - plain.users[0]).max() > 1e-3  # what the features say is part of the rows
    assert model.user_weights.any()


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_strengths_grow_with_the_squares_of_what_ratings_say(power):
    X, y, *_ = simulated()
    S = np.random.default_rng(0).standard_normal((60, 2)) * [1.0, 3.0]
    settings = FactorSettings(
        n_components=0,
        alpha=0.3,
        alpha_features=0.7,
        frequency_power=power,
        damping=1e-9,
        cg_iter=200,
        tol=0.0,
    )
    model = fitted(X._replace(user_features=sparse.csr_array(S)), y, settings)
    # without factors it is a ridge regression on levels and features
    users, items = np.eye(60)[X.users], np.eye(40)[X.item_of]
    design = np.hstack([users, items, S[X.users]])
    strengths = (design**2).sum(axis=0) ** power * np.repeat([0.3, 0.7], [100, 2])
    expected = np.linalg.solve(design.T @ design + np.diag(strengths), design.T @ y)
    np.testing.assert_allclose(model.user_weights[0, :, 0], expected[100:], atol=1e-6)
    np.testing.assert_allclose(model.users[0, :, 0], expected[:60] + S @ expected[100:], atol=1e-6)


def test_ids_without_ratings_are_like_the_average():
    X, y, *_ = simulated()
    X = X._replace(n_users=61, user_starts=np.append(X.user_starts, X.user_starts[-1]))
    model = fitted(X, y)
    np.testing.assert_array_equal(model.users[0, -1], model.user_prior.mean[0])
    scores = model.intercepts[0] + scores_of_pairs(
        model.users[0], model.items[0], np.full(40, 60), np.arange(40), SETTINGS
    )
    assert abs(scores.mean()) < 0.3  # in standard deviations about the mean


def test_weights_count_as_repetitions():
    X, y, *_ = simulated(30, 20)
    settings = SETTINGS._replace(validation_fraction=0.0, max_iter=5, frequency_power=0.0)
    doubled = fit_gauss_newton(
        X, y, np.full(len(y), 2.0), settings._replace(alpha=0.1, damping=20.0), np.random.default_rng(0), UNWATCHED,
        solver=GaussNewton(0.0, damping=20.0),
    )  # fmt: skip
    plain = fitted(X, y, settings._replace(damping=20.0), solver=GaussNewton(0.0, damping=10.0))
    np.testing.assert_allclose(doubled.users, plain.users, atol=1e-8)


def test_any_solver_may_be_given():
    X, y, users, items, left = simulated()
    authors = GaussNewton(
        1e-5, damping=1.0, adaptive=False, line_search=False, preconditioner=NoPreconditioner(), cg_iter=20
    )
    model = fitted(X, y, solver=authors)
    assert error_of(model, users, items, left) < 0.4
    assert not solver_for(SETTINGS).line_search


def test_the_start_and_the_level_may_be_given():
    X, y, *_ = simulated()
    rng = np.random.default_rng(0)
    start = FactorParams(*(rng.uniform(0, 0.1, (rows, 3)) for rows in (60, 40)), *np.zeros((2, 0, 3)))
    settings = SETTINGS._replace(biases=False, max_iter=1, damping=1e9)
    model = fitted(X, y, settings, start=start, level=2.0, stop=EarlyStop(n_final=0))
    assert model.intercepts == [-2.0]
    np.testing.assert_allclose(model.users[0], start.users, atol=1e-4)  # damped so much that nothing moves


def test_the_same_seed_gives_the_same_model():
    X, y, *_ = simulated()
    np.testing.assert_array_equal(fitted(X, y).users, fitted(X, y).users)


def test_the_pattern_of_who_rated_what():
    users, items = map(np.concatenate, zip(*[np.nonzero(np.kron(np.eye(2), np.ones((6, 5))))], strict=True))
    X, _ = RatingTable.build(users, items, 12, 10)
    of_users, of_items = rated_subspace(
        LocalRatings(X, *np.ones((2, X.n_ratings))), 2, 0.0, np.random.default_rng(0)
    )
    # two groups that share nothing: one place for each
    for rows, size in ((of_users, 6), (of_items, 5)):
        np.testing.assert_allclose(rows[:size], np.tile(rows[0], (size, 1)), atol=1e-6)
        assert np.linalg.norm(rows[0] - rows[-1]) > 0.5
        np.testing.assert_allclose((rows**2).mean(axis=0), 1.0)


def test_places_in_the_pattern_are_its_leading_directions():
    """Of 1[u rated i] / √((n_u + damping)(n_i + damping)), by the singular vectors of the whole matrix."""
    rng, damping = np.random.default_rng(2), 3.0
    pattern = np.kron(np.eye(2), np.ones((8, 6))) * (rng.uniform(size=(16, 12)) < 0.7)
    pattern[0, 11] = 1.0
    X, _ = RatingTable.build(*np.nonzero(pattern), 16, 12)
    found = rated_subspace(LocalRatings(X, *np.ones((2, X.n_ratings))), 2, damping, np.random.default_rng(0))
    of_users, of_items = ((pattern.sum(axis=k) + damping) ** -0.5 for k in (1, 0))
    left, _, right = np.linalg.svd(of_users[:, None] * pattern * of_items)
    for rows, vectors in zip(found, (left[:, :2], right[:2].T), strict=True):
        outside = rows - vectors @ (vectors.T @ rows)
        assert np.linalg.norm(outside) < 0.02 * np.linalg.norm(rows)


def test_what_a_start_costs_is_counted(monkeypatch):
    """Four passes there and back and half a one for the places of a start, which one that is given does not need."""
    X, y, *_ = simulated(20, 15)
    rng = np.random.default_rng(0)
    start = FactorParams(*(rng.uniform(0, 0.1, (rows, 4)) for rows in (20, 15)), *np.zeros((2, 0, 4)))
    settings = SETTINGS._replace(max_iter=3, validation_fraction=0.0)
    given = fitted(X, y, settings, start=start, level=2.0).history
    monkeypatch.setattr(module, "_start", lambda *_: time.sleep(0.05) or start)
    began = time.perf_counter()
    found = fitted(X, y, settings, level=2.0).history
    passed = time.perf_counter() - began
    np.testing.assert_allclose(found[:, 3] - given[:, 3], 4.5)
    assert np.all((found[:, 4] >= 0.05) & (found[:, 4] <= passed))
    assert np.all(np.diff(found[:, 4]) >= 0.0)


@pytest.mark.parametrize(
    ("errors", "n_final"), [([5.0, 4.0, 3.0], 0), ([9.0] * 5 + [1.0], 1), ([9.0] * 17 + [1.0], 2)]
)
def test_last_steps_are_as_many_as_the_best_iteration_bears(errors, n_final, monkeypatch):
    """A fifth of the ratings is held out: a pass reads the others, and each iteration reads those once."""
    asked = []

    def descended(name, risk, solver, start, n_steps, watch, **_):
        rows = [
            Iteration(i + 1, 1.0, 1.0, 0.5 * (i + 1))
            for i in range(len(errors) if name == "descent" else n_steps)
        ]
        asked.append((name, n_steps))
        told = [10.0 * row.iteration for row in rows]
        return Descended(start, rows[0], rows, errors if name == "descent" else [], told, True, True)

    monkeypatch.setattr(module, "descended", descended)
    fit = SimpleNamespace(
        error=lambda held: None, risk=lambda part: part, settings=SimpleNamespace(tol=1e-5, max_iter=40)
    )
    parts, ratings = (
        (SimpleNamespace(n_ratings=80), SimpleNamespace(n_ratings=20)),
        SimpleNamespace(n_ratings=100),
    )
    _, history, _ = module._stopped_early(fit, ratings, parts, np.zeros(1), None, EarlyStop(), UNWATCHED)
    n = len(errors)
    passes = 0.8 * 10.0 * np.arange(1, n + 1) + 0.2 * np.arange(2, n + 2)
    np.testing.assert_allclose(history[:n, 3], passes)
    assert asked[1:] == ([("last steps", n_final)] if n_final else [])
    last = 10.0 * np.arange(1, n_final + 1)
    np.testing.assert_allclose(history[n:, 3], passes[-1] + last)
    np.testing.assert_array_equal(history[:, 0], np.arange(1, n + n_final + 1))
    np.testing.assert_allclose(history[n:, 4], 0.5 * n + 0.5 * np.arange(1, n_final + 1))
