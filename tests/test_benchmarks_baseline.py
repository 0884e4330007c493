"""The baselines of the benchmarks, held to their own definitions: a wrong opponent makes a right comparison wrong."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from baselines import _losses, adam_litlvm, fm

N_ROWS, N_FEATURES, N_COMPONENTS = 30, 5, 2


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def X(rng):
    return rng.standard_normal((N_ROWS, N_FEATURES))


def make_loss(name, rng):
    if name == "squared":
        return _losses.SquaredLoss(rng.standard_normal(N_ROWS))
    if name == "logistic":
        return _losses.LogisticLoss(rng.choice([-1.0, 1.0], N_ROWS))
    return _losses.CoxLoss(rng.permutation(N_ROWS) + 1.0, rng.random(N_ROWS) < 0.6)


def make_problem(name, target, X, rng, **strengths):
    return adam_litlvm.Problem(
        X=X,
        pair_columns=adam_litlvm.pair_columns(X),
        loss=make_loss(name, rng),
        target=target(N_FEATURES),
        **strengths,
    )


def pack(parameters):
    return np.concatenate([part.ravel() for part in parameters])


def unpack(packed, like):
    ends = np.cumsum([part.size for part in like])[:-1]
    pieces = np.split(packed, ends)
    return adam_litlvm.Parameters(
        *(piece.reshape(part.shape) for piece, part in zip(pieces, like, strict=True))
    )


def generic_point(rng):
    start = adam_litlvm.initial_parameters(N_FEATURES, N_COMPONENTS, seed=1)
    return adam_litlvm.Parameters(*(0.5 * rng.standard_normal(part.shape) for part in start))


@pytest.mark.parametrize("name", ["squared", "logistic", "cox"])
@pytest.mark.parametrize("target", [adam_litlvm.LowRankTarget, adam_litlvm.DistanceTarget])
def test_adam_gradient_agrees_with_finite_differences(name, target, X, rng):
    problem = make_problem(name, target, X, rng, alpha=0.3, alpha_pairs=0.2, l1_ratio=0.4, tie=0.7)
    point = generic_point(rng)
    gradient = pack(problem.smooth_value_and_gradient(point)[1])
    numeric = approx_fprime(
        pack(point), lambda v: problem.smooth_value_and_gradient(unpack(v, point))[0], 1e-6
    )
    np.testing.assert_allclose(gradient, numeric, atol=2e-5)


def test_cox_loss_agrees_with_the_sum_over_risk_sets(rng):
    time, event, score = rng.permutation(N_ROWS) + 1.0, rng.random(N_ROWS) < 0.6, rng.standard_normal(N_ROWS)
    direct = -sum(score[i] - np.log(np.exp(score[time >= time[i]]).sum()) for i in np.flatnonzero(event))
    assert _losses.CoxLoss(time, event).value_and_gradient(score)[0] == pytest.approx(
        direct / N_ROWS, rel=1e-12
    )


def test_descent_scales_are_the_papers(rng):
    event = np.arange(N_ROWS) < 12
    assert _losses.SquaredLoss(np.zeros(N_ROWS)).descent_scale == N_ROWS
    assert _losses.LogisticLoss(np.ones(N_ROWS)).descent_scale == 1
    assert _losses.CoxLoss(np.arange(N_ROWS) + 1.0, event).descent_scale == pytest.approx(N_ROWS / 12)


def test_adam_without_l1_comes_near_the_optimum_of_the_objective(X, rng):
    problem = make_problem("squared", adam_litlvm.LowRankTarget, X, rng, alpha=0.1, alpha_pairs=0.1, tie=0.1)
    start = adam_litlvm.initial_parameters(N_FEATURES, N_COMPONENTS, seed=0)
    _, path = adam_litlvm.minimize_adam(problem, start, max_epochs=3000)

    def packed(v):
        value, gradient = problem.smooth_value_and_gradient(unpack(v, start))
        return value, pack(gradient)

    best = min(
        minimize(packed, 0.5 * rng.standard_normal(pack(start).size), jac=True, method="L-BFGS-B").fun
        for _ in range(5)
    )
    assert path.objective[-1] == pytest.approx(best, rel=0.05)
    assert path.objective[-1] >= best - 1e-8
    assert path.seconds == sorted(path.seconds)


@pytest.mark.parametrize("name", ["squared", "logistic"])
def test_adam_with_l1_stops_short_of_the_optimum(name, X, rng):
    """As the reference says of the paper's optimiser: its threshold is not preconditioned, so it settles elsewhere."""
    strengths = {"alpha": 0.1, "alpha_pairs": 0.1, "l1_ratio": 1.0, "tie": 0.0}
    problem = make_problem(name, adam_litlvm.LowRankTarget, X, rng, **strengths)
    start = adam_litlvm.initial_parameters(N_FEATURES, N_COMPONENTS, seed=0)
    _, path = adam_litlvm.minimize_adam(problem, start, max_epochs=3000)
    columns = np.hstack([X, problem.pair_columns])
    n_columns = columns.shape[1]

    def split_signs(v):  # the lasso as a bound-constrained smooth problem, intercept free
        value, slope = problem.loss.value_and_gradient(
            v[0] + columns @ (v[1 : n_columns + 1] - v[n_columns + 1 :])
        )
        part = columns.T @ slope
        return value + 0.1 * v[1:].sum(), np.concatenate([[slope.sum()], part + 0.1, -part + 0.1])

    bounds = [(None, None)] + [(0, None)] * (2 * n_columns)
    optimum = minimize(
        split_signs, np.zeros(1 + 2 * n_columns), jac=True, method="L-BFGS-B", bounds=bounds
    ).fun
    assert path.objective[-1] > optimum * 1.003


def test_seconds_to_a_level_that_was_never_reached_is_infinite():
    path = adam_litlvm.Trajectory(seconds=[1.0, 2.0, 3.0], objective=[5.0, 4.0, 4.5])
    assert path.seconds_to(4.2) == 2.0
    assert path.seconds_to(1.0) == float("inf")


def test_standardised_products_are_products_of_raw_features(rng):
    X = 3 + rng.standard_normal((N_ROWS, N_FEATURES))
    main, products = adam_litlvm.standardized_columns(X)
    np.testing.assert_allclose(main.std(axis=0), 1)
    raw = X[:, 0] * X[:, 2]
    np.testing.assert_allclose(products[:, 1], (raw - raw.mean()) / raw.std())


@pytest.mark.parametrize("name", ["squared", "logistic"])
def test_fm_gradient_agrees_with_finite_differences(name, X, rng):
    loss = make_loss(name, rng)
    point = rng.standard_normal(1 + N_FEATURES * (1 + N_COMPONENTS))
    arguments = (X, X**2, loss, 0.3, 0.2)
    numeric = approx_fprime(point, lambda v: fm.fm_objective(v, *arguments)[0], 1e-6)
    np.testing.assert_allclose(fm.fm_objective(point, *arguments)[1], numeric, atol=2e-5)


def test_fm_score_counts_each_pair_once_and_no_square(X, rng):
    main, latent = rng.standard_normal(N_FEATURES), rng.standard_normal((N_FEATURES, N_COMPONENTS))
    expected = 0.7 + X @ main
    for j in range(N_FEATURES):
        for k in range(j + 1, N_FEATURES):
            expected = expected + latent[j] @ latent[k] * X[:, j] * X[:, k]
    np.testing.assert_allclose(fm.fm_score(0.7, main, latent, X), expected)


def test_fm_recovers_a_factorised_truth(rng):
    X, Z, beta = rng.standard_normal((400, 8)), rng.standard_normal((8, 2)), rng.standard_normal(8)
    y = fm.fm_score(1.0, beta, Z, X)
    model = fm.FMRegressor(alpha=1e-8, alpha_latent=1e-8, n_components=2).fit(X[:300], y[:300])
    assert np.sqrt(np.mean((model.predict(X[300:]) - y[300:]) ** 2)) < 1e-2 * y.std()
