"""The search over the latent target: derivatives of J(z), and optima that no direct minimisation beats."""

from __future__ import annotations

import numpy as np
import pytest
from direct_objective import TARGETS, D, DirectObjective, latent_size
from explicit_pairs import make_loss

from intertwine import InteractionClassifier, InteractionCoxPH, InteractionRegressor, survival_target
from intertwine.fitting.interactions.exact import ExactProblem
from intertwine.fitting.interactions.fields import ExactStrengths
from intertwine.fitting.interactions.fit_sparse import ProfiledObjective
from intertwine.fitting.interactions.latent_search import LatentSettings
from intertwine.fitting.interactions.written_search import WrittenObjective
from intertwine.losses import SquaredLoss
from intertwine.objective import IntegratedObjective, Strengths, SumOfTargets
from intertwine.sparse_path import SparsePairProblem
from intertwine.structures.latent import Distance, LowRank, TwoFactor
from intertwine.structures.third_order import SymmetricCP

LOSSES = ("squared", "logistic", "cox")
N, P = 30, 5
STRUCTURES = {
    "low_rank": LowRank(P, D),
    "signed": LowRank(P, D, [1.0, -1.0]),
    "two_factor": TwoFactor(P, D),
    "distance": Distance(P, D),
    "third_order": SumOfTargets([LowRank(P, D), SymmetricCP(P, D)]),
}


def problem(kind, seed, weighted=False):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, P))
    z = rng.standard_normal((P, 2)) * 0.7
    f = 0.5 * X[:, 0] + 0.5 * np.einsum("ij,ij->i", X @ np.triu(z @ z.T, 1), X)
    return X, make_loss(kind, f, rng, rng.uniform(0.3, 2.0, N) if weighted else None), rng


def differences(function, params, step=1e-5):
    shifts = np.eye(len(params)) * step
    return np.array([(function(params + s) - function(params - s)) / (2 * step) for s in shifts])


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("tie", [0.3, np.inf])
def test_gradient_with_everything_gaussian_integrated_out(kind, name, tie):
    X, loss, rng = problem(kind, 0, weighted=True)
    target, strengths = STRUCTURES[name], Strengths(0.2, tie)
    order = 3 if name == "third_order" else 2
    exact = ExactProblem(loss, X, np.zeros((N, 0)), np.arange(P) > 0, order)
    rows = np.sort(rng.permutation(N)[: N - 5])  # as in a fold
    part = exact.take(rows)
    model = part.model(ExactStrengths(0.1, strengths))
    params = 0.25 * rng.standard_normal(target.size)

    def value(z):
        return IntegratedObjective(model, target, X, strengths, rows).value_and_gradient(z)[0]

    _, gradient = IntegratedObjective(model, target, X, strengths, rows).value_and_gradient(params)
    np.testing.assert_allclose(gradient, differences(value, params), atol=2e-7)
    assert np.abs(gradient).max() > 1e-3


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize(("ridge", "tie"), [(0.2, 0.3), (1e-10, 1e-9), (1e4, 1e4), (0.1, np.inf)])
def test_pairs_that_are_written_out_have_the_same_objective(name, ridge, tie):
    """In a fold of a tall table, with squares, weights and a column without penalty; far from a centre and near one."""
    rng = np.random.default_rng(4)
    X, f = rng.standard_normal((60, P)), rng.standard_normal(60)
    loss = make_loss("squared", f, rng, rng.uniform(0.3, 2.0, 60))
    target, strengths = STRUCTURES[name], ExactStrengths(0.1, Strengths(ridge, tie))
    rows = np.sort(rng.permutation(60)[:50])
    exact = ExactProblem(loss, X, X[:, 2:] ** 2, np.arange(P) > 0, 2).take(rows)
    model = exact.model(strengths)
    curvature = exact._pair_curvature(model, model.mode(np.zeros(50)))
    written = WrittenObjective(model, target, X[rows], strengths.pairs, curvature)
    direct = IntegratedObjective(model, target, X, strengths.pairs, rows)
    first, second = 0.5 * rng.standard_normal((2, target.size))
    for params in (first, 30.0 * first):
        value, gradient = direct.value_and_gradient(params)
        found = written.value_and_gradient(params)
        assert found[0] == pytest.approx(value, rel=1e-9)
        np.testing.assert_allclose(found[1], gradient, rtol=1e-6, atol=1e-7 * np.abs(gradient).max())
    written.remember({"center": second})
    assert written.value_and_gradient(first)[0] == pytest.approx(
        direct.value_and_gradient(first)[0], rel=1e-9
    )
    np.testing.assert_allclose(written.mode(first).scores, direct.mode(first).scores, atol=1e-7)


def test_digits_are_kept_where_a_target_explains_almost_everything():
    """Far below the centre's value differences from it would be rounding: the centre moves."""
    rng = np.random.default_rng(5)
    X, z = rng.standard_normal((60, P)), rng.standard_normal(2 * P)
    target, strengths = STRUCTURES["low_rank"], ExactStrengths(1e3, Strengths(1e-14, 1e6))
    loss = SquaredLoss(target.score(z, X) + 1e-6 * rng.standard_normal(60))
    exact = ExactProblem(loss, X, np.zeros((60, 0)), np.full(P, True), 2)
    model = exact.model(strengths)
    curvature = exact._pair_curvature(model, model.mode(np.zeros(60)))
    written = WrittenObjective(model, target, X, strengths.pairs, curvature)
    direct = IntegratedObjective(model, target, X, strengths.pairs, exact.rows)
    value, gradient = written.value_and_gradient(z)
    expected, slope = direct.value_and_gradient(z)
    assert expected < 1e-10
    assert value == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(gradient, slope, atol=1e-4 * np.abs(slope).max())
    assert written.memory()["center"] is not None


def test_a_search_begins_where_the_objective_is_least():
    X, loss, _ = problem("squared", 0)
    drawn = np.random.default_rng(0)
    drawn.standard_normal((N, P))
    z = 0.7 * drawn.standard_normal((P, 2))  # as the outcome was made
    target, strengths = STRUCTURES["low_rank"], Strengths(0.4, np.inf)
    model = ExactProblem(loss, X, np.zeros((N, 0)), np.arange(P) > 0, 2).model(ExactStrengths(0.1, strengths))
    objective = IntegratedObjective(model, target, X, strengths, np.arange(N))
    trials = [size * z.ravel() for size in (0.4, 0.6, 0.8)]
    objectives = [objective.value_and_gradient(trial)[0] for trial in trials]
    without_ridge = [objective.mode(trial).value for trial in trials]
    assert (np.argmin(objectives), np.argmin(without_ridge)) == (1, 2)
    assert objective.choose(trials, None).params is trials[1]


def sparse_problem(loss, X, main_l1, main_l2, pairs_l1, pairs_l2):
    linear = np.column_stack([np.ones((N, int(loss.has_intercept))), X])
    penalised = np.r_[np.zeros(int(loss.has_intercept)), np.ones(P)]
    return SparsePairProblem(
        loss, linear, main_l1 * penalised, main_l2 * penalised, X, pairs_l1, pairs_l2, None
    )


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("name", TARGETS)
def test_gradient_with_sparse_coefficients_solved_out(kind, name):
    X, loss, rng = problem(kind, 0)
    target, tie, l1, l2 = STRUCTURES[name], 0.3, 0.05, 0.1
    sparse = sparse_problem(loss, X, l1, l2, l1, l2 + tie)
    objective = ProfiledObjective(sparse, target, tie, 1e-11, sparse.solve(tol=1e-11))
    params = 0.4 * rng.standard_normal(target.size)
    _, gradient = objective.value_and_gradient(params)
    numeric = differences(lambda z: objective.value_and_gradient(z)[0], params)
    np.testing.assert_allclose(gradient, numeric, atol=1e-6)


def fitted(kind, loss, X, **params):
    common = {"scaling": None, "random_state": 0, "n_components": D, "max_iter": 2000, "tol": 1e-11, **params}
    if kind == "squared":
        return InteractionRegressor(**common).fit(X, loss.y)
    if kind == "logistic":
        return InteractionClassifier(**common).fit(X, loss.y)
    return InteractionCoxPH(**common, ties="breslow").fit(X, survival_target(loss.time, loss.event))


PROBLEMS = [
    (kind, name, tie, seed)
    for seed, (kind, name, tie) in enumerate(
        [(kind, name, 0.3) for kind in LOSSES for name in TARGETS]
        + [("squared", name, np.inf) for name in TARGETS]
        + [("logistic", "low_rank", np.inf), ("cox", "two_factor", np.inf)]
        + [("squared", "signed", 3.0), ("cox", "distance", 3.0)]
    )
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("kind", "name", "tie", "seed"), PROBLEMS)
def test_no_direct_minimisation_finds_a_better_optimum(kind, name, tie, seed):
    """20 problems, each against the best of several long runs over explicit b, β, Θ and z.

    The infimum of some of them lies at infinite coordinates, which both approach slowly: hence the tolerance.
    """
    X, loss, rng = problem(kind, seed)
    main, ridge = 0.1, 0.1
    best = np.inf
    for target in TARGETS[name]:
        direct = DirectObjective(loss, X, main, ridge, tie, target, latent_size(name, P))
        best = min(best, *(direct.long_run(rng, scale) for scale in (0.3, 1.0)))
    starts = 2 if name == "signed" else 4  # of every pattern of signs
    model = fitted(
        kind, loss, X, alpha=main, alpha_pairs=ridge, tie=tie, latent=name, solver="exact", n_init=starts
    )
    assert model.objective_ <= best * (1 + 1e-6)


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("name", TARGETS)
def test_both_paths_have_the_same_objective_of_the_target(kind, name):
    """Without L1 what the exact path integrates out is what the sparse path solves out, at any z."""
    X, loss, rng = problem(kind, 2, weighted=True)
    target, strengths = STRUCTURES[name], Strengths(0.2, 0.3)
    exact = ExactProblem(loss, X, np.zeros((N, 0)), np.full(P, True), 2)
    model = exact.model(ExactStrengths(0.1, strengths))
    sparse = sparse_problem(loss, X, 0.0, 0.1, 0.0, strengths.deviation)
    params = 0.5 * rng.standard_normal(target.size)
    value, gradient = IntegratedObjective(model, target, X, strengths, exact.rows).value_and_gradient(params)
    profiled = ProfiledObjective(sparse, target, strengths.tie, 1e-12, sparse.solve(tol=1e-12))
    other_value, other_gradient = profiled.value_and_gradient(params)
    assert value == pytest.approx(other_value, rel=1e-10)
    np.testing.assert_allclose(gradient, other_gradient, atol=1e-8)


def test_the_direct_objective_has_the_right_gradient():
    for kind in LOSSES:
        X, loss, rng = problem(kind, 1)
        for name in TARGETS:
            for tie in (0.3, np.inf):
                direct = DirectObjective(loss, X, 0.1, 0.2, tie, TARGETS[name][-1], latent_size(name, P))
                u = rng.standard_normal(sum(direct.sizes)) * 0.3
                value = lambda v, direct=direct: direct.value_and_gradient(v)[0]  # noqa: E731
                np.testing.assert_allclose(direct.value_and_gradient(u)[1], differences(value, u), atol=1e-6)


@pytest.mark.parametrize("tie", [0.3, np.inf])
def test_scores_of_the_rows_of_a_fit_are_those_of_its_mode(tie):
    X, loss, rng = problem("logistic", 1)
    squares, rows = np.zeros((N, 0)), np.arange(N)
    exact = ExactProblem(loss, X, squares, np.arange(P) > 0)
    strengths = ExactStrengths(0.1, Strengths(0.2, tie))
    fit = exact.fit(strengths, LatentSettings("low_rank", 1, 1, 50, 1e-6), rng)
    assert np.ptp(fit.offset) > 0.1
    np.testing.assert_allclose(exact.held_out_scores(fit, rows, rows), fit.mode.scores, atol=1e-7)
    np.testing.assert_allclose(exact.scores(fit, X, squares), fit.mode.scores, atol=1e-7)
