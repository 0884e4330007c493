"""Fits by the sparse path: what is published follows from the solution, with a target and without."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from intertwine.coefficients import ExplicitCoefficients
from intertwine.fitting.interactions import fit_sparse as module
from intertwine.fitting.interactions.feature_pairs import ranked_pairs, target_shares
from intertwine.fitting.interactions.fit_exact import exact_bytes
from intertwine.fitting.interactions.fit_sparse import ProfiledObjective, fit_sparse, sparse_strengths
from intertwine.fitting.interactions.latent_search import LatentSettings, TargetPoint, search_target
from intertwine.fitting.interactions.model import Diagnostics
from intertwine.fitting.interactions.settings import ModelSettings, PreparationSettings
from intertwine.losses import SquaredLoss
from intertwine.sparse_path.heredity import StrongHeredity
from intertwine.structures.latent import LowRank

N, P = 60, 4


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, P))
    return X, SquaredLoss(X[:, 0] + X[:, 1] * X[:, 2] + 0.3 * rng.standard_normal(N))


def settings(**changes):
    plain = ModelSettings(PreparationSettings(), 0.05, 0.08, 0.7, 0.0, None)
    return plain._replace(**changes)


def fitted(table, chosen, max_iter=200):
    X, loss = table
    return fit_sparse(loss, X, chosen, np.random.default_rng(1), 1e-9, max_iter)


def scores(model, X):
    columns = model.preparation.columns(X)
    return model.intercept + columns @ model.main + model.pairs.scores(columns)


def test_shares_of_a_strength_make_up_the_whole(table):
    X, loss = table
    chosen = settings(unpenalized=np.array([2]), l1_ratio=0.3)
    preparation = module.fit_preparation(X, loss, chosen.preparation, chosen.unpenalized)
    l1, l2, pairs_l1, pairs_l2 = sparse_strengths(loss, preparation, chosen, 1 + P)
    np.testing.assert_allclose(l1 + l2, [0.0, 0.05, 0.05, 0.0, 0.05])
    np.testing.assert_allclose(l1, 0.3 * (l1 + l2))
    assert (pairs_l1, pairs_l2) == (pytest.approx(0.024), pytest.approx(0.056))


def test_without_a_target_the_residual_says_the_dispersion(table):
    X, loss = table
    began = time.perf_counter()
    model = fitted(table, settings())
    passed = time.perf_counter() - began
    n_used = 1 + np.count_nonzero(model.main) + len(model.pairs.values)
    squares = np.sum((loss.y - scores(model, X)) ** 2)
    assert model.diagnostics.dispersion == pytest.approx(squares / (N - n_used))
    history = model.diagnostics.history
    assert [row.iteration for row in history] == list(range(1, len(history) + 1))
    assert all(0.0 <= row.seconds <= passed for row in history)
    assert model.diagnostics.best_start == 0


def test_pairs_have_their_own_main_effects(table):
    X, loss = table
    model = fitted(table, settings(heredity=StrongHeredity(), alpha=0.2))
    assert len(model.pairs.values) > 0
    assert model.main[model.pairs.j].all()
    assert model.main[model.pairs.k].all()
    assert scores(model, X) @ loss.y > 0.0


def test_a_target_is_profiled_and_its_search_is_told_start_by_start(table, monkeypatch):
    X, loss = table
    latent, duals, made = LatentSettings("low_rank", 1, 2, 60, 1e-9), [], []
    real = module.search_target

    def searched(make, columns, dual, *others):
        duals.append(dual)
        made.append(make(LowRank(P, 1)))
        return real(make, columns, dual, *others)

    monkeypatch.setattr(module, "search_target", searched)
    chosen = settings(tie=0.4, latent=latent)
    model, free = fitted(table, chosen), fitted(table, settings())
    residual = loss.y - scores(free, X)
    np.testing.assert_allclose(duals[0], residual / N, atol=1e-7)

    objective = made[0]
    point = np.random.default_rng(2).standard_normal(P)
    value, gradient = objective.value_and_gradient(point)
    assert objective._rough_value(point) == pytest.approx(value, rel=1e-5)
    numerical = approx_fprime(point, lambda at: objective.value_and_gradient(at)[0], 1e-6)
    np.testing.assert_allclose(gradient, numerical, rtol=1e-3, atol=1e-5)

    told = model.diagnostics
    assert [row.iteration for row in told.history if row.start == 0] == [
        row.iteration for row in free.diagnostics.history
    ]
    assert sorted({row.start for row in told.history}) == [0, 1, 2]
    assert told.best_start == 1 + told.spread.index(min(told.spread))
    for start in (1, 2):
        own = [row.seconds for row in told.history if row.start == start]
        assert np.all(np.diff(own) >= 0.0)
        assert own[0] >= 0.0


def test_another_start_goes_on_from_an_earlier_fit(table):
    X, loss = table
    problem = module.sparse_problem(
        loss, module.fit_preparation(X, loss, settings().preparation, np.zeros(0, int)), X, settings()
    )
    latent, rng = LatentSettings("low_rank", 1, 2, 3, 1e-9), np.random.default_rng(1)
    make = lambda target: ProfiledObjective(problem, target, 0.4, 1e-9, None)  # noqa: E731
    first = search_target(make, X, loss.y, latent, rng)
    again = search_target(make, X, loss.y, latent, rng, start=first)
    assert again.history[: len(first.history)] == first.history
    assert {row.start for row in again.history[len(first.history) :]} == {3}
    assert again.spread == [*first.spread, again.value]
    assert again.value <= min(first.spread)
    alone = search_target(make, X, loss.y, latent, rng, start=TargetPoint(first.target, first.params))
    assert {row.start for row in alone.history} == {1}


def test_the_best_start_is_counted_from_one():
    told = Diagnostics("sparse", 0.0, 0.0, True, [], [3.0, 1.0, 2.0], 1.0, 0.0)
    assert told.best_start == 2


@pytest.mark.parametrize("spline", [None, "spline"])
@pytest.mark.parametrize(("share", "expected"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0), (2.0, 2.0 / 3.0)])
def test_the_share_of_a_target_is_between_nothing_and_all(spline, share, expected):
    """Columns of three features: two, one and two."""
    j, k = np.array([0, 1, 0, 2]), np.array([2, 2, 3, 4])
    values = np.array([0.5, -1.0, 2.0, 0.7])
    pairs = ExplicitCoefficients(5, j, k, values, share * values, np.zeros(4), np.ones(4))
    preparation = SimpleNamespace(spline=spline, weights=np.ones(5), feature_of=np.array([0, 0, 1, 2, 2]))
    if spline is None:
        preparation.feature_of = np.arange(5)
    model = SimpleNamespace(preparation=preparation, pairs=pairs)
    first, second = (j, k) if spline is None else (np.array([0, 0, 1]), np.array([1, 2, 2]))
    np.testing.assert_allclose(target_shares(model, first, second), expected)
    ranked = set(zip(*ranked_pairs(model, 10, "estimate"), strict=True))
    assert ranked == set(zip(first, second, strict=True))


@pytest.mark.parametrize(("n_columns", "order"), [(3, 2), (40, 2), (40, 3)])
def test_memory_of_the_exact_path_is_that_of_its_arrays(n_columns, order):
    """Eight bytes an entry: wide tables have seven n × n arrays, eight with triples; long ones n × m and m × m."""
    if n_columns == 3:
        m = 3 + 3 + 3
        assert exact_bytes(100, 3, 2) == 8 * (5 * 100 * m + 3 * m**2)
    else:
        assert exact_bytes(100, n_columns, order) == 8 * 100**2 * (7 if order == 2 else 8)
