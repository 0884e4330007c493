"""Formula and derivatives of the factorization machine, against literal sums and finite differences."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from intertwine.structures import fm_patterns, fm_running, fm_short, fm_sweep
from intertwine.structures.fm import FactorizationMachine, FMParams, stacked, unstacked
from intertwine.structures.fm_patterns import PatternedRows, find_patterns, segments_of


def drawn(seed, p=6, k=3, k3=2, n=9):
    rng = np.random.default_rng(seed)
    params = FMParams(
        rng.normal(), rng.standard_normal(p), rng.standard_normal((p, k)), rng.standard_normal((p, k3))
    )
    X = rng.standard_normal((n, p)) * (rng.random((n, p)) < 0.7)
    return params, X, rng


def literal(params, x):
    """The definition, term by term."""
    total = params.intercept + x @ params.linear
    for a, b in combinations(range(len(x)), 2):
        total += params.factors[a] @ params.factors[b] * x[a] * x[b]
    for a, b, c in combinations(range(len(x)), 3):
        total += (params.triples[a] * params.triples[b] * params.triples[c]).sum() * x[a] * x[b] * x[c]
    return total


def shifted(params, direction, step):
    return FMParams(*(value + step * move for value, move in zip(params, direction, strict=True)))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 3), st.integers(0, 3))
def test_scores_are_the_sums_of_all_products(seed, k, k3):
    params, X, _ = drawn(seed, k=k, k3=k3)
    structure = FactorizationMachine(k, k3)
    expected = [literal(params, x) for x in X]
    np.testing.assert_allclose(structure.score(params, X), expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(structure.score(params, sparse.csr_array(X)), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_pushforward_is_the_directional_derivative(make):
    params, X, _ = drawn(1)
    direction, structure, X, h = drawn(2)[0], FactorizationMachine(3, 2), make(X), 1e-6
    numeric = (
        structure.score(shifted(params, direction, h), X) - structure.score(shifted(params, direction, -h), X)
    ) / (2 * h)
    np.testing.assert_allclose(structure.pushforward(params, X, direction), numeric, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_pullback_is_the_adjoint_of_pushforward(make):
    params, X, rng = drawn(3)
    direction, structure, X = drawn(4)[0], FactorizationMachine(3, 2), make(X)
    v = rng.standard_normal(X.shape[0])
    pulled = structure.pullback(params, X, v)
    inner = sum(np.sum(a * b) for a, b in zip(pulled, direction, strict=True))
    assert inner == pytest.approx(v @ structure.pushforward(params, X, direction), rel=1e-10)


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_squared_norms_are_those_of_the_columns_of_the_jacobian(make):
    """One column after another, by pushing the unit vectors forward."""
    params, X, rng = drawn(6)
    structure, X, weight = FactorizationMachine(3, 2), make(X), rng.exponential(size=9)
    found = structure.squared_norms(params, X, weight)
    for field, (got, value) in enumerate(zip(found, params, strict=True)):
        expected = np.empty(np.shape(value))
        for place in np.ndindex(expected.shape):
            unit = [np.zeros(np.shape(other)) for other in params]
            unit[field][place] = 1.0
            expected[place] = weight @ structure.pushforward(params, X, FMParams(*unit)) ** 2
        np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_a_table_is_the_parameters_side_by_side():
    params = drawn(5)[0]
    again = unstacked(params.intercept, stacked(params), 3)
    assert all(np.array_equal(a, b) for a, b in zip(again, params, strict=True))


# sweeps


def mixed_table(rng, n=200):
    """A block that repeats itself in ten patterns, a category of seven levels, three plain columns."""
    patterns = rng.standard_normal((10, 5)) * (rng.random((10, 5)) < 0.8)
    levels = np.eye(7)[rng.integers(7, size=n)]
    X = np.hstack([patterns[rng.integers(10, size=n)], levels, rng.standard_normal((n, 3))])
    return sparse.csr_array(X), np.repeat([0, 1, 2], [5, 7, 3])


def by_dense_algebra(X, table, y, weight, priors, noise, structure, linear):
    """Each feature's conditional from its slopes, which are differences of literal scores."""

    def scores(of):
        full = of if linear else np.hstack([np.zeros((len(of), 1)), of])
        return structure.score(unstacked(0.0, full, structure.n_components), X.toarray())

    table = table.copy()
    for j, g in enumerate(priors.group):
        table_without = table.copy()
        table_without[j] = 0.0
        rest = scores(table_without)
        slopes = np.empty((len(y), table.shape[1]))
        for a in range(table.shape[1]):
            with_one = table_without.copy()
            with_one[j, a] = 1.0
            slopes[:, a] = scores(with_one) - rest
        precision = slopes.T @ (weight[:, None] * slopes) + np.diag(priors.precision[g])
        rhs = slopes.T @ (weight * (y - rest)) + priors.precision[g] * priors.mean[g]
        root = np.linalg.cholesky(precision)
        table[j] = np.linalg.solve(precision, rhs) + np.linalg.solve(root.T, noise[j])
    return table


def sweeps_in_some_way(sweep, X, groups, y, weight, rng, structure, linear):
    """One sweep against dense algebra, and what is kept of the rows against a new beginning."""
    table = 0.3 * rng.standard_normal((X.shape[1], sweep.width))
    noise = rng.standard_normal(table.shape)
    n_groups = groups.max() + 1
    priors = fm_sweep.GaussianPriors(
        groups, rng.standard_normal((n_groups, sweep.width)), 1 + rng.random((n_groups, sweep.width))
    )
    expected = by_dense_algebra(X, table, y, weight, priors, noise, structure, linear)
    running = sweep.begin(table)
    sweep.replace(running, y, sweep.scores(table), weight)
    scores = sweep.run(running, table, priors, noise)
    np.testing.assert_allclose(table, expected, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(scores, sweep.scores(table), rtol=1e-9, atol=1e-10)
    fresh, second = sweep.begin(table), table.copy()
    for state in (running, fresh):
        sweep.replace(state, 2 * y, scores, 3 * weight)
    sweep.run(running, table, priors, noise)
    sweep.run(fresh, second, priors, noise)
    np.testing.assert_allclose(table, second, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("k3", [0, 2])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_sweep_with_running_sums_is_the_conditionals_one_after_the_other(
    linear, k3, n_threads, monkeypatch
):
    monkeypatch.setattr(fm_running, "WORTH_THREADS", 10)
    rng = np.random.default_rng(0)
    X, groups = mixed_table(rng)
    sweep = fm_running.RunningSums(X, 3, k3, linear, groups, n_threads)
    ways = {"repeated": any(b.repeated is not None for b in sweep._blocks)}
    ways["exclusive"] = any(b.exclusive for b in sweep._blocks)
    assert ways == {"repeated": k3 == 0, "exclusive": True}
    y, weight = rng.standard_normal(200), rng.random(200)
    sweeps_in_some_way(sweep, X, groups, y, weight, rng, FactorizationMachine(3, k3), linear)


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("width", [1, 2, 4])
def test_a_sweep_over_short_rows_is_the_conditionals_one_after_the_other(
    linear, n_threads, width, monkeypatch
):
    monkeypatch.setattr(fm_short, "WORTH_THREADS", 10)
    rng = np.random.default_rng(1)
    X = np.zeros((300, 12))
    for q in range(width):  # categories of which some rows have no level
        X[np.arange(300), 3 * q + rng.integers(3, size=300)] = rng.standard_normal(300) * (
            rng.random(300) < 0.8
        )
    groups = np.repeat([0, 1], 6)
    sweep = fm_short.ShortRows(sparse.csr_array(X), 2, linear, groups, n_threads)
    y, weight = rng.standard_normal(300), rng.random(300)
    sweeps_in_some_way(sweep, sparse.csr_array(X), groups, y, weight, rng, FactorizationMachine(2), linear)


@pytest.mark.parametrize("make", [fm_running.RunningSums, fm_short.ShortRows])
def test_a_conditional_that_overflows_is_an_error(make):
    X, groups = sparse.csr_array(np.ones((3, 2))), np.zeros(2, dtype=int)
    sizes = (1, 0, True) if make is fm_running.RunningSums else (1, True)
    sweep, table = make(X, *sizes, groups), np.ones((2, 2))
    running = sweep.begin(table)
    sweep.replace(running, np.ones(3), np.zeros(3), np.ones(3))
    improper = fm_sweep.GaussianPriors(groups, np.zeros((1, 2)), np.full((1, 2), -1e3))
    with pytest.raises(FloatingPointError, match="overflowed"):
        sweep.run(running, table, improper, np.zeros((2, 2)))


@pytest.mark.parametrize("k3", [0, 2])
def test_scores_from_patterns_are_those_row_by_row(k3):
    rng = np.random.default_rng(3)
    X, groups = mixed_table(rng)
    patterns = find_patterns(X, segments_of(groups), 60)
    assert [one.features.tolist() for one in patterns] == [[0, 1, 2, 3, 4]]
    params = FMParams(0.3, *(rng.standard_normal((15, width)) for width in (1, 3, k3)))
    params = params._replace(linear=params.linear[:, 0])
    expected = FactorizationMachine(3, k3).score(params, X)
    np.testing.assert_allclose(PatternedRows(X, patterns).score(params), expected, rtol=1e-12, atol=1e-12)


def test_columns_that_say_the_same_of_a_row_are_one_pattern():
    rng = np.random.default_rng(4)
    users, films = rng.integers(6, size=300), rng.integers(8, size=300)
    of_user, of_film = rng.standard_normal((6, 3)), rng.standard_normal((8, 3))
    X = np.hstack([np.eye(6)[users], np.eye(8)[films], of_user[users], of_film[films]])
    segment = np.repeat([0, 1, 2, 3], [6, 8, 3, 3])
    found = find_patterns(sparse.csr_array(X), segment, 60)
    assert [one.rows.shape for one in found] == [(6, 9), (8, 11)]
    for one in found:
        np.testing.assert_array_equal(one.rows.toarray()[one.of_row], X[:, one.features])


def test_rows_whose_hashes_agree_by_chance_are_no_pattern(monkeypatch):
    X = sparse.csr_array(np.arange(1.0, 16.0).reshape(5, 3))
    monkeypatch.setattr(fm_patterns.kernels, "hash_segments", lambda *arrays: None)
    assert find_patterns(X, np.zeros(3, dtype=int), 5) == []


@pytest.mark.parametrize("k", [0, 5])  # without factors, and with more than one register holds
def test_rows_that_repeat_themselves_with_any_number_of_factors(k):
    rng = np.random.default_rng(5)
    X, groups = mixed_table(rng)
    sweep = fm_running.RunningSums(X, k, 0, True, groups)
    assert any(block.repeated is not None for block in sweep._blocks)
    y, weight = rng.standard_normal(200), rng.random(200)
    sweeps_in_some_way(sweep, X, groups, y, weight, rng, FactorizationMachine(k), True)
