"""The sparse path's entry point, against scikit-learn, R glmnet, long L-BFGS runs, and its own laws."""

import json
from pathlib import Path

import numpy as np
import pytest
from explicit_pairs import LOSSES, Explicit, assemble, flat, make_loss, make_problem, make_table
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import ElasticNet, LogisticRegression

from intertwine.losses import BreslowLoss, LogisticLoss, SquaredLoss
from intertwine.solvers import working_set
from intertwine.sparse_path import SparsePairProblem, all_coordinates
from intertwine.structures.pairwise import fit_product_scaling

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(autouse=True)
def few_are_chosen_among(monkeypatch):
    """Tables here are small: without this all coordinates would be taken at once."""
    monkeypatch.setattr(all_coordinates, "_FEW", 0)


def symmetric_noise(p, size, seed):
    noise = size * np.random.default_rng(seed).standard_normal((p, p))
    noise = noise + noise.T
    np.fill_diagonal(noise, 0.0)
    return noise


def test_equal_to_scikit_learns_elastic_net():
    problem = make_problem("squared")
    explicit = Explicit(problem)
    peer = ElasticNet(alpha=0.1, l1_ratio=0.7, tol=1e-14, max_iter=10**6)
    peer.fit(explicit.columns[:, 1:], problem.loss.y)
    found = flat(problem.solve(), 7)
    np.testing.assert_allclose(found, np.r_[peer.intercept_, peer.coef_], atol=1e-8)
    assert 3 < np.count_nonzero(found) < 25


def test_equal_to_scikit_learns_logistic_regression():
    problem = make_problem("logistic", alpha=0.05)
    explicit = Explicit(problem)
    n = problem.loss.n_rows
    peer = LogisticRegression(C=1 / (n * 0.05), l1_ratio=0.7, solver="saga", tol=1e-9, max_iter=20000)
    peer.fit(explicit.columns[:, 1:], problem.loss.y)
    found = flat(problem.solve(), 7)
    np.testing.assert_allclose(found, np.r_[peer.intercept_, peer.coef_[0]], atol=1e-5)
    assert 3 < np.count_nonzero(found) < 25


def glmnet_cases():
    cases = []
    for name in ("gaussian", "binomial", "cox"):
        table = json.loads((FIXTURES / f"glmnet_{name}.json").read_text(encoding="utf-8"))
        for kind in ("solutions", "solutions_weighted", "solutions_entry_strata"):
            for k, solution in enumerate(table.get(kind, [])):
                cases.append(pytest.param(name, table, kind, solution, id=f"{name}-{kind}-{k}"))
    return cases


@pytest.mark.parametrize(("name", "table", "kind", "solution"), glmnet_cases())
def test_equal_to_glmnet(name, table, kind, solution):
    X = np.array(table["X"])
    weight = table["weight"] if kind == "solutions_weighted" else None
    if name == "cox":
        late = kind == "solutions_entry_strata"
        entry, strata = (np.array(table["entry"]), np.array(table["strata"])) if late else (None, None)
        loss = BreslowLoss(np.array(table["time"]), np.array(table["event"]), entry, strata, weight)
    else:
        loss = (SquaredLoss if name == "gaussian" else LogisticLoss)(table["y"], weight)
    l1, l2 = solution["l1"], solution["l2"]
    found = flat(assemble(loss, X, l1 + l2, l1 / (l1 + l2)).solve(), 5)
    expected = np.array(solution["coefficients"])
    if loss.has_intercept:
        expected = np.r_[solution["intercept"], expected]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("seed", [1, 2])
def test_no_long_run_gets_lower(kind, l1_ratio, seed):
    problem = make_problem(kind, 0.06, l1_ratio, seed=seed)
    shift = symmetric_noise(7, 0.05, seed)
    explicit, solution = Explicit(problem, shift), problem.solve(shift)
    found, slow = flat(solution, 7), explicit.long_run()
    assert solution.value == pytest.approx(explicit.value(found), abs=1e-12)
    assert solution.value <= explicit.value(slow) + 1e-12
    np.testing.assert_allclose(found, slow, atol=1e-5)


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("method", ["working set", "proximal"])
def test_the_certificate_says_what_the_explicit_design_says(monkeypatch, kind, method):
    if method == "proximal":
        monkeypatch.setattr(working_set, "_ALWAYS_GRAM", 3)
        monkeypatch.setattr(working_set, "_WIDEST_GRAM", 3)
    problem = make_problem(kind, 0.05)
    shift = symmetric_noise(7, 0.02, 0)
    for max_iter in (1, 200):
        solution = problem.solve(shift, max_iter=max_iter)
        truth = Explicit(problem, shift).violation(flat(solution, 7))
        assert solution.method == method
        assert solution.violation == pytest.approx(truth, rel=1e-6, abs=1e-12)
        assert solution.optimality == pytest.approx(solution.violation / problem.gradient_scale)
    assert solution.converged
    assert solution.optimality <= 1e-8


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("l1_ratio", [0.9, 0.0])
def test_working_set_and_proximal_solver_agree(monkeypatch, kind, l1_ratio):
    problem = make_problem(kind, 0.03, l1_ratio, n=80, p=9)
    shift = symmetric_noise(9, 0.01, 4)
    one = problem.solve(shift, tol=1e-10)
    monkeypatch.setattr(working_set, "_ALWAYS_GRAM", 3)
    monkeypatch.setattr(working_set, "_WIDEST_GRAM", 3)
    other = problem.solve(shift, tol=1e-10)
    assert (one.method, other.method) == ("working set", "proximal")
    np.testing.assert_allclose(flat(one, 9), flat(other, 9), atol=1e-7)


@pytest.mark.parametrize("kind", LOSSES)
def test_explicit_columns_and_a_gram_matrix_lead_to_the_same(monkeypatch, kind):
    problem = make_problem(kind, 0.02, 0.3, n=25, p=12)
    monkeypatch.setattr(working_set, "uses_gram", lambda loss, n_coordinates: True)
    gram = problem.solve(tol=1e-10)
    assert len(gram.values) > 25
    monkeypatch.setattr(working_set, "uses_gram", lambda loss, n_coordinates: False)
    columns = problem.solve(tol=1e-10)
    assert columns.method == "working set"
    np.testing.assert_allclose(flat(columns, 12), flat(gram, 12), atol=1e-7)


@pytest.mark.parametrize("kind", LOSSES)
def test_standardised_products_are_the_explicitly_standardised_ones(kind):
    X, f, rng = make_table()
    X = X + 1.0
    weights = rng.uniform(0.5, 2.0, len(f))
    loss = make_loss(kind, f, rng, weights)
    problem = assemble(loss, X, 0.05, 0.8, fit_product_scaling(X, weights))
    explicit = Explicit(problem)
    products = explicit.columns[:, problem.design.n_linear :]
    np.testing.assert_allclose(weights @ products, 0, atol=1e-9)
    np.testing.assert_allclose(weights @ products**2, weights.sum(), rtol=1e-9)
    found = flat(problem.solve(), 7)
    assert explicit.violation(found) < 1e-8
    assert 3 < np.count_nonzero(found) < 28


@pytest.mark.parametrize("kind", LOSSES)
def test_weights_are_repetitions(kind):
    X, f, rng = make_table(n=60)
    repeats = rng.integers(1, 4, 60)
    state = rng.bit_generator.state
    weighted = make_loss(kind, f, rng, repeats.astype(float))
    rng.bit_generator.state = state
    repeated = make_loss(kind, f, rng).take(np.repeat(np.arange(60), repeats))
    one = assemble(weighted, X, 0.08, 0.7).solve(tol=1e-10)
    two = assemble(repeated, np.repeat(X, repeats, axis=0), 0.08, 0.7).solve(tol=1e-10)
    np.testing.assert_allclose(flat(one, 7), flat(two, 7), atol=1e-7)


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(6)), st.integers(0, 1000), st.sampled_from(LOSSES))
def test_the_order_of_the_features_does_not_matter(order, seed, kind):
    X, f, rng = make_table(n=60, p=6, seed=seed)
    loss = make_loss(kind, f, rng)
    theta = assemble(loss, X, 0.05, 0.6).solve(tol=1e-10)
    permuted = assemble(loss, X[:, order], 0.05, 0.6).solve(tol=1e-10)
    first = int(loss.has_intercept)
    np.testing.assert_allclose(permuted.linear[first:], theta.linear[first:][list(order)], atol=1e-7)
    expected = theta.interactions(6)[np.ix_(order, order)]
    np.testing.assert_allclose(permuted.interactions(6), expected, atol=1e-7)


@pytest.mark.parametrize("kind", LOSSES)
def test_a_tie_is_a_ridge_and_a_shift(kind):
    """With a strong tie to T the pairs are T; with any tie, the derivative of the optimum by T is known."""
    problem = make_problem(kind, 0.05, 0.5)
    T, tie = symmetric_noise(7, 0.3, 1), 0.4
    strengths = problem.penalty.linear_l1, problem.penalty.linear_l2
    tied = problem.with_penalties(*strengths, problem.penalty.pairs_l1, problem.penalty.pairs_l2 + tie)

    def optimum(target):
        solution = tied.solve(tie * target, tol=1e-12)
        return solution.value + 0.25 * tie * np.sum(target**2), solution

    _, solution = optimum(T)
    direction, h = symmetric_noise(7, 1.0, 2), 1e-5
    slope = (optimum(T + h * direction)[0] - optimum(T - h * direction)[0]) / (2 * h)
    envelope = 0.5 * tie * np.vdot(T - solution.interactions(7), direction)
    assert slope == pytest.approx(envelope, rel=1e-5)
    firm = problem.with_penalties(*strengths, 0.0, 1e7).solve(1e7 * T)
    np.testing.assert_allclose(firm.interactions(7), T, atol=1e-5)


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("l1_ratio", [0.8, 0.0])
def test_pairs_that_are_not_allowed_are_zero(monkeypatch, kind, l1_ratio):
    problem = make_problem(kind, 0.02, l1_ratio)
    allowed = symmetric_noise(7, 1.0, 3) > 0
    free, start = problem.solve(), problem.solve()
    held = problem.with_allowed(allowed).solve(start=start)
    assert allowed[held.rows, held.cols].all()
    assert not allowed[free.rows, free.cols].all()
    monkeypatch.setattr(working_set, "_ALWAYS_GRAM", 3)
    monkeypatch.setattr(working_set, "_WIDEST_GRAM", 3)
    dense = problem.with_allowed(allowed).solve()
    assert dense.method == "proximal"
    np.testing.assert_allclose(flat(held, 7), flat(dense, 7), atol=1e-6)


@pytest.mark.parametrize("l1_ratio", [0.8, 0.0])
def test_a_slowly_moving_shift_is_followed_cheaply(l1_ratio):
    problem = make_problem("logistic", 0.02, l1_ratio)
    shift = symmetric_noise(7, 0.02, 5)
    solution = problem.solve(shift)
    for step in range(1, 5):
        moved = shift + 1e-4 * step * symmetric_noise(7, 1.0, 6)
        solution = problem.solve(moved, start=solution)
        assert solution.n_iter == 1
        np.testing.assert_allclose(flat(solution, 7), flat(problem.solve(moved), 7), atol=1e-6)


@pytest.mark.parametrize("method", ["working set", "proximal"])
def test_an_interruption_leaves_the_problem_as_it_was(monkeypatch, method):
    problem, fresh = make_problem("logistic", 0.01), make_problem("logistic", 0.01)
    start = problem.scaled(3.0).solve()

    def interrupt(row, state):
        if row.iteration == 1:
            raise KeyboardInterrupt

    if method == "proximal":
        monkeypatch.setattr(working_set, "_ALWAYS_GRAM", 3)
        monkeypatch.setattr(working_set, "_WIDEST_GRAM", 3)
    with pytest.raises(KeyboardInterrupt):
        problem.solve(callbacks=[interrupt])
    np.testing.assert_allclose(flat(problem.solve(start=start), 7), flat(fresh.solve(), 7), atol=1e-6)


def test_solving_twice_gives_the_same_bits():
    one, two = (make_problem("cox", 0.02).solve() for _ in range(2))
    np.testing.assert_array_equal(flat(one, 7), flat(two, 7))


def test_many_features_and_few_rows():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 400))
    loss = SquaredLoss(2 * X[:, 3] * X[:, 390] - X[:, 7] + 0.1 * rng.standard_normal(60))
    problem = assemble(loss, X, 0.3, 1.0)
    solution = problem.solve()
    assert (3, 390) in set(zip(solution.rows.tolist(), solution.cols.tolist(), strict=True))
    residual = loss.gradient(solution.scores)
    gradient = X.T @ (residual[:, None] * X)
    np.fill_diagonal(gradient, 0.0)
    excess = np.abs(gradient) - 0.3
    assert excess.max() <= 1e-8 * problem.gradient_scale
    np.testing.assert_allclose(
        gradient[solution.rows, solution.cols], -0.3 * np.sign(solution.values), atol=1e-8
    )


def test_one_feature_has_no_pairs():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 1))
    solution = assemble(SquaredLoss(3 * X[:, 0] + 1), X, 0.1, 1.0).solve()
    assert len(solution.values) == 0
    assert solution.linear[1] > 2


def test_no_intercept_and_everything_penalised_away():
    problem = make_problem("cox", 10.0)
    solution = problem.solve()
    assert solution.converged
    assert not flat(solution, 7).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"linear": np.ones((9, 1))}, "linear has 9 rows and features 10, expecting 10"),
        ({"features": np.ones((9, 2))}, "linear has 10 rows and features 9, expecting 10"),
        ({"linear_l1": [0.0, 1.0]}, r"shape \(1,\)"),
        ({"pairs_l1": -1.0}, "not negative"),
        ({"linear_l2": [np.nan]}, "not negative"),
        ({"allowed": np.ones((3, 3), bool)}, r"expecting \(2, 2\)"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    given = {
        "loss": SquaredLoss(np.arange(10.0)),
        "linear": np.ones((10, 1)),
        "linear_l1": [0.0],
        "linear_l2": [0.0],
        "features": np.ones((10, 2)),
        "pairs_l1": 1.0,
        "pairs_l2": 0.0,
    }
    with pytest.raises(ValueError, match=message):
        SparsePairProblem(**given | change)
