"""The joint descent: derivatives, and the same optimum as the nested search that it leads to."""

from __future__ import annotations

import numpy as np
import pytest
from explicit_pairs import make_loss
from scipy.optimize import approx_fprime

from intertwine.covariance import FactoredCovariance
from intertwine.fitting.interactions import exact
from intertwine.fitting.interactions.exact import ExactProblem
from intertwine.fitting.interactions.fields import DenseFields, EffectColumns, ExactStrengths, FactoredFields
from intertwine.fitting.interactions.joint_search import JointObjective, descend_jointly, pays
from intertwine.fitting.interactions.latent_search import LatentSettings
from intertwine.objective import IntegratedObjective, Strengths, best_size
from intertwine.structures.latent import LowRank
from intertwine.structures.registry import candidates

N, P = 60, 5
STRENGTHS = ExactStrengths(0.05, Strengths(0.05, 0.3))


def problem(kind, form, squares=True):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, P))
    f = X[:, 0] + X[:, 1] * X[:, 2] - X[:, 0] * X[:, 3]
    loss = make_loss(kind, f, rng, rng.uniform(0.5, 2.0, N))
    own = X**2 - 1.0 if squares else np.zeros((N, 0))
    return ExactProblem(loss, X, own, np.arange(P) != 2, 2, form)


@pytest.mark.parametrize("kind", ["squared", "logistic", "cox"])
@pytest.mark.parametrize("name", ["low_rank", "signed", "two_factor", "distance"])
@pytest.mark.parametrize("tie", [0.3, np.inf])
def test_gradient(kind, name, tie):
    part = problem(kind, FactoredFields)
    strengths = ExactStrengths(0.05, Strengths(0.02, tie))
    columns = EffectColumns(part.columns[:, part.penalized], part.squares, part.columns, 2)
    target = candidates(name, P, 2, np.array([1.0, -1.0]))[0]
    joint = JointObjective(part.loss, columns, part.fixed, strengths, target)
    rng = np.random.default_rng(1)
    v = joint.join(np.zeros(part.fixed.shape[1]), target.init(part.columns, rng))
    v += 0.3 * rng.standard_normal(len(v))
    gradient = joint.value_and_gradient(v)[1]
    numerical = approx_fprime(v, lambda u: joint.value_and_gradient(u)[0], 1e-7)
    np.testing.assert_allclose(gradient, numerical, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("squares", [False, True])
def test_units_are_those_of_the_curvature(squares):
    part = problem("logistic", FactoredFields, squares)
    columns = EffectColumns(part.columns[:, part.penalized], part.squares, part.columns, 2)
    joint = JointObjective(part.loss, columns, part.fixed, STRENGTHS, LowRank(P, 2))
    rng = np.random.default_rng(3)
    v = joint.join(0.3 * rng.standard_normal(part.fixed.shape[1]), rng.standard_normal(2 * P))
    units, step = joint.units(v), 1e-4
    curvature = np.array(
        [
            (joint.value_and_gradient(v + step * e)[1] - joint.value_and_gradient(v - step * e)[1]) @ e
            for e in np.eye(len(v))
        ]
    ) / (2.0 * step)
    coefficients = slice(None, -2 * P)
    np.testing.assert_allclose(curvature[coefficients] * units[coefficients] ** 2, 1.0, rtol=1e-5)
    assert 0.2 < np.mean(curvature[-2 * P :]) * units[-1] ** 2 < 5.0


@pytest.mark.parametrize("kind", ["logistic", "cox"])
@pytest.mark.parametrize("form", [DenseFields, FactoredFields])
def test_a_point_stands_for_the_mode_of_the_nested_problem(kind, form):
    part = problem(kind, form)
    columns = EffectColumns(part.columns[:, part.penalized], part.squares, part.columns, 2)
    target = LowRank(P, 2, np.ones(2))
    joint = JointObjective(part.loss, columns, part.fixed, STRENGTHS, target)
    starts = [target.init(part.columns, np.random.default_rng(2))]
    found = descend_jointly(joint, np.zeros(part.fixed.shape[1]), starts, 1e-13)
    model = part.model(STRENGTHS)
    offset = STRENGTHS.pairs.shrinkage * target.score(found.params, part.columns)
    mode = model.mode(offset)
    np.testing.assert_allclose(found.scores, mode.scores, atol=1e-2)
    near = model.near(found.gamma, found.whitened, found.field, found.scores)
    np.testing.assert_allclose(near.alpha, mode.alpha, atol=1e-3)
    np.testing.assert_allclose(near.field, mode.field, atol=3e-2)
    if isinstance(model.K, FactoredCovariance):
        np.testing.assert_allclose(near.whitened, mode.whitened, atol=3e-2)


@pytest.mark.parametrize("kind", ["logistic", "cox"])
@pytest.mark.parametrize("form", [DenseFields, FactoredFields])
def test_both_ways_end_in_the_same_optimum(kind, form, monkeypatch):
    part, settings = problem(kind, form), LatentSettings("low_rank", 2, 3, 500, 1e-10)
    values = []
    for jointly in (False, True):
        monkeypatch.setattr(exact, "pays", lambda *sizes, jointly=jointly: jointly)
        values.append(part.fit(STRENGTHS, settings, np.random.default_rng(0)).latent.value)
    assert values[1] == pytest.approx(values[0], rel=1e-6)


@pytest.mark.parametrize("kind", ["logistic", "cox"])
@pytest.mark.parametrize("form", [DenseFields, FactoredFields])
def test_after_a_descent_nothing_is_left_to_search(kind, form, monkeypatch):
    monkeypatch.setattr(exact, "pays", lambda *sizes: True)
    rng = np.random.default_rng(4)
    X = rng.standard_normal((150, P))
    f = 0.5 * (X.sum(axis=1) ** 2 - (X**2).sum(axis=1))  # an optimum that is not at infinity
    loss = make_loss(kind, f, rng, np.ones(150))
    part = ExactProblem(loss, X, np.zeros((150, 0)), np.ones(P, bool), 2, form)
    settings = LatentSettings("low_rank", 1, 1, 500, 1e-9)
    fit = part.fit(STRENGTHS, settings, np.random.default_rng(0))
    assert fit.latent.converged
    assert fit.model.n_factorizations == 1
    nested = IntegratedObjective(
        part.model(STRENGTHS), fit.latent.target, part.columns, STRENGTHS.pairs, part.rows
    )
    value, gradient = nested.value_and_gradient(fit.latent.params)
    assert fit.latent.value == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-5)
    values = [row.value for row in fit.latent.history]
    assert [row.iteration for row in fit.latent.history] == list(range(len(values)))
    assert np.all(np.diff(values) <= 1e-12)


def test_a_descent_that_does_not_converge_leads_on_to_the_search(monkeypatch):
    monkeypatch.setattr(exact, "pays", lambda *sizes: True)
    part, settings = problem("logistic", DenseFields), LatentSettings("low_rank", 2, 1, 4, 1e-9)
    latent = part.fit(STRENGTHS, settings, np.random.default_rng(0)).latent
    assert not latent.converged
    # four steps of either, and where each begins
    assert [row.iteration for row in latent.history] == list(range(10))


@pytest.mark.parametrize("kind", ["logistic", "cox"])
def test_what_the_pairs_want_is_known_without_a_factorization(kind):
    """α = −∂L/∂f without a target: its signs decide which way the components of a signed target bend."""
    part = problem(kind, DenseFields)
    model, settings = part.model(STRENGTHS), LatentSettings("signed", 2, 1, 4, 1e-9)
    alpha, _ = part._joint_approach(model, STRENGTHS, settings, None)
    expected = model.mode(np.zeros(N)).alpha
    np.testing.assert_allclose(alpha, expected, atol=0.05 * np.abs(expected).max())


def test_it_pays_on_long_tables_only():
    assert pays(2000, 50, 2000**3 / 3)
    assert not pays(200, 200, 200**3 / 3)


def test_sizes_are_tried_until_the_objective_rises():
    tried = []

    def value(size):
        tried.append(float(size[0]))
        return (np.log10(size[0]) - 0.2) ** 2 + 1.0 if size[0] < 50 else np.inf

    assert best_size([np.array([s]) for s in (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)], value) == 1.0
    assert tried == [0.01, 0.1, 1.0, 10.0]
    assert best_size([np.array([s]) for s in (60.0, 70.0)], value) == 60.0
    # rough values may rise by their error before they fall
    rough = {1.0: -1.0, 2.0: -0.9999, 3.0: -2.0, 4.0: -1.9, 5.0: -3.0}
    assert best_size([np.array([s]) for s in rough], lambda size: rough[size[0]]) == 3.0
