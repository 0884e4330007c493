"""Gauss-Newton: derivatives of a risk, line searches, sharpness and the solver, against dense algebra and scipy."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from packed_blocks import full_blocks
from scipy import optimize, sparse

from intertwine.fitting.latent_factors.early_stopping import EarlyStopping
from intertwine.fitting.latent_factors.held_out_ratings import hold_out
from intertwine.losses import LogisticLoss, LossOverflowError, SquaredLoss
from intertwine.minimize import minimize
from intertwine.penalties import ElasticNet
from intertwine.risk import Line, PenalisedRisk, RowRisk, SummedRisk
from intertwine.solvers.gauss_newton import GaussNewton, conjugate_gradients
from intertwine.solvers.lbfgs import LBFGS
from intertwine.solvers.preconditioners import BlockDiagonal, Diagonal, NoPreconditioner
from intertwine.solvers.sharpness import Injected, Perturbed, PerturbedGradient
from intertwine.structures.fm import FactorizationMachine
from intertwine.structures.latent_factors import FactorScores, LatentFactors
from intertwine.structures.linearization import StackedLayout, StructureScores, SymmetricLayout
from intertwine.structures.mapping import MAPPINGS
from intertwine.structures.pairwise import Pairwise
from intertwine.structures.ratings import RatingTable


class Example(NamedTuple):
    risk: PenalisedRisk
    theta: np.ndarray
    v: np.ndarray


def ratings(rng, n_users=6, n_items=5, share=0.7):
    pairs = np.flatnonzero(rng.random(n_users * n_items) < share)
    features = sparse.csr_array(rng.standard_normal((n_users, 2)))
    return RatingTable.build(pairs // n_items, pairs % n_items, n_users, n_items, features)[0]


def factor_example(mapping="identity", loss=SquaredLoss, ridge=0.3):
    rng = np.random.default_rng(0)
    X = ratings(rng)
    scores = FactorScores(LatentFactors(2, mapping=MAPPINGS[mapping]), X)
    y = 2.0 * rng.standard_normal(X.n_ratings)
    outcome = y if loss is SquaredLoss else np.where(y > 0, 1.0, -1.0)
    rows = RowRisk(loss(outcome, rng.uniform(0.5, 2.0, len(y))), scores)
    strengths = ridge * rng.uniform(0.5, 2.0, scores.size)
    return Example(PenalisedRisk(rows, ElasticNet(l2=strengths)), *rng.standard_normal((2, scores.size)))


def fm_example(loss=SquaredLoss, triples=0):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((60, 4))
    structure = FactorizationMachine(2, triples)
    scores = StructureScores(structure, X, StackedLayout(structure.init(X, rng)))
    y = X[:, 0] * X[:, 1] + X[:, 2] + 0.3 * rng.standard_normal(60)
    rows = RowRisk(loss(y if loss is SquaredLoss else np.where(y > 0, 1.0, -1.0)), scores)
    return Example(PenalisedRisk(rows, ElasticNet(l2=1.0)), *(0.3 * rng.standard_normal((2, scores.size))))


def pair_example(loss=SquaredLoss):
    rng = np.random.default_rng(2)
    X = rng.standard_normal((60, 4))
    y = X[:, 0] * X[:, 1] + 0.5 * rng.standard_normal(60)
    scores = StructureScores(Pairwise(), X, SymmetricLayout(4))
    rows = RowRisk(loss(y if loss is SquaredLoss else np.where(y > 0, 1.0, -1.0)), scores)
    return Example(PenalisedRisk(rows, ElasticNet(l2=0.5)), *rng.standard_normal((2, scores.size)))


EXAMPLES = {
    "factors": factor_example,
    "factors-logistic": lambda: factor_example(loss=LogisticLoss),
    "factors-softplus": lambda: factor_example("softplus"),
    "factors-sigmoid": lambda: factor_example("sigmoid"),
    "fm": fm_example,
    "fm-logistic": lambda: fm_example(LogisticLoss),
    "pairwise": pair_example,
    "pairwise-logistic": lambda: pair_example(LogisticLoss),
}
over_examples = pytest.mark.parametrize("name", EXAMPLES)


def gradient_of(risk, theta):
    return risk.expand(theta.copy()).gradient


def dense(product, size):
    return np.column_stack([product(move) for move in np.eye(size)])


@over_examples
def test_gradient_and_hessian_against_differences(name):
    risk, theta, v = EXAMPLES[name]()
    here, h = risk.expand(theta), 1e-5
    slope = (risk.expand(theta + h * v).value - risk.expand(theta - h * v).value) / (2 * h)
    assert here.gradient @ v == pytest.approx(slope, rel=1e-6)
    bend = (gradient_of(risk, theta + h * v) - gradient_of(risk, theta - h * v)) / (2 * h)
    np.testing.assert_allclose(here.hessian_product(v), bend, rtol=1e-5, atol=1e-6)


@over_examples
def test_gauss_newton_matrix_is_definite_and_has_the_blocks(name):
    risk, theta, _ = EXAMPLES[name]()
    here = risk.expand(theta)
    G = dense(here.product, risk.size)
    np.testing.assert_allclose(G, G.T, atol=1e-10)
    assert np.linalg.eigvalsh(G)[0] > 0.0
    place = 0
    for run in here.blocks():
        for block in full_blocks(run):
            end = place + len(block)
            np.testing.assert_allclose(block, G[place:end, place:end], rtol=1e-9, atol=1e-10)
            place = end
    assert place == risk.size


@over_examples
def test_a_sum_over_parts_of_the_rows_is_the_whole(name):
    risk, theta, v = EXAMPLES[name]()
    loss, scores = risk.rows.loss, risk.rows.scores
    first = np.arange(loss.n_rows) < loss.n_rows // 3
    parts = []
    for rows in (first, ~first):
        if isinstance(scores, FactorScores):
            part = FactorScores(scores.structure, scores.X.take(rows))
        else:
            part = StructureScores(scores.structure, scores.X[rows], scores.layout)
        parts.append(RowRisk(loss.take(rows), part))
    whole, summed = risk.expand(theta), PenalisedRisk(SummedRisk(parts), risk.penalty).expand(theta)
    assert summed.value == pytest.approx(whole.value, rel=1e-12)
    np.testing.assert_allclose(summed.gradient, whole.gradient, atol=1e-11)
    np.testing.assert_allclose(summed.product(v), whole.product(v), atol=1e-10)
    np.testing.assert_allclose(summed.hessian_product(v), whole.hessian_product(v), atol=1e-10)
    for mine, other in zip(summed.blocks(), whole.blocks(), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-10)
    for t in (0.0, 0.3):
        assert summed.line(v)(t) == pytest.approx(whole.line(v)(t), rel=1e-12)


@over_examples
def test_a_line_is_the_value_along_it(name):
    risk, theta, v = EXAMPLES[name]()
    line = risk.expand(theta).line(v)
    for t in (0.0, 0.4, 1.0, 2.5):
        assert line(t) == pytest.approx(risk.expand(theta + t * v).value, rel=1e-11)


@pytest.mark.parametrize("name", ["factors", "fm", "pairwise"])
def test_the_exact_search_finds_what_brute_force_finds(name):
    risk, theta, _ = EXAMPLES[name]()
    here = risk.expand(theta)
    direction = -here.gradient / np.linalg.norm(here.gradient)
    t, value = here.line(direction).search(float(here.gradient @ direction))
    grid = np.linspace(0.0, 3.0 * t, 1501)
    brute = np.array([risk.expand(theta + step * direction).value for step in grid])
    assert value <= brute.min() + 1e-12
    assert t == pytest.approx(grid[brute.argmin()], abs=2e-3 * t + 1e-12)


def test_the_exact_search_takes_the_lower_of_two_valleys():
    quartic = np.polynomial.polynomial.polyfromroots([0.5, 1.0, 2.0, 4.0])
    line = Line(quartic)
    t, value = line.search(-1.0)
    grid = np.linspace(0, 5, 50_001)
    assert value <= min(line(s) for s in grid)
    assert t == pytest.approx(grid[np.argmin([line(s) for s in grid])], abs=1e-3)


def test_a_search_by_trials_goes_down_and_counts_its_passes():
    line = Line([0.0], [lambda t: np.cosh(40.0 * t - 4.0)], np.cosh(4.0), passes=1.0)
    t, value = line.search(-40.0 * np.sinh(4.0))
    assert value == line(t) < line(0.0)
    assert line.spent >= 2.0


@pytest.mark.parametrize(("top", "step", "passes"), [(2.0, 2.0, 2.0), (1.1, 1.0, 1.0), (0.4, 0.4, 2.0)])
def test_a_search_by_trials_goes_to_the_vertex_where_it_is_not_near(top, step, passes):
    line = Line([0.0], [lambda t: (t - top) ** 2], top**2, passes=1.0)
    assert line.search(-2.0 * top) == pytest.approx((step, (step - top) ** 2), abs=1e-12)
    assert line.spent == passes


def test_a_search_by_trials_does_not_stay_where_nothing_is_gained():
    line = Line([0.0], [lambda t: t * (t - 1.0) * (1.0 - 8.0 * t)])  # back at its start after a hill
    t, value = line.search(-1.0)
    assert 0.0 < t < 0.125
    assert value < 0.0


def test_where_losses_overflow_steps_are_shortened():
    def explodes(t):
        if t > 0.05:
            raise LossOverflowError("overflow")
        return 1.0 - t

    t, value = Line([0.0], [explodes], 1.0).search(-1.0)
    assert 0.0 < t <= 0.05
    assert value < 1.0


# solver


def by_scipy(risk, theta):
    return optimize.minimize(
        lambda x: (risk.expand(x.copy()).value, gradient_of(risk, x)),
        theta,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 20_000, "maxfun": 20_000, "ftol": 1e-15, "gtol": 1e-9},
    )


@over_examples
@pytest.mark.parametrize("exact", [False, True], ids=["gauss-newton", "hessian"])
def test_the_solver_ends_where_no_derivative_is_left(name, exact):
    risk, theta, _ = EXAMPLES[name]()
    solver = GaussNewton(1e-14, cg_tol=1e-3, cg_iter=100, exact_hessian=exact)
    result = minimize(risk, solver, 0.3 * theta, max_iter=500)
    assert result.converged
    scale = np.linalg.norm(gradient_of(risk, 0.3 * theta))
    assert np.linalg.norm(gradient_of(risk, result.params)) < 1e-4 * scale
    values = [row.value for row in result.history]
    assert all(later <= earlier * (1 + 1e-12) for earlier, later in pairwise(values))


@over_examples
def test_the_optimum_is_that_of_scipy(name):
    risk, theta, _ = EXAMPLES[name]()
    result = minimize(risk, GaussNewton(1e-14, cg_tol=1e-3, cg_iter=100), 0.1 * theta, max_iter=500)
    assert by_scipy(risk, result.params).fun >= result.state.value * (1 - 1e-8)
    if name not in (
        "factors-softplus",
        "factors-sigmoid",
    ):  # which have several: two methods need not end in the same
        assert by_scipy(risk, 0.1 * theta).fun == pytest.approx(result.state.value, rel=1e-6)


@pytest.mark.parametrize(
    "preconditioner", [NoPreconditioner(), Diagonal(), BlockDiagonal(), BlockDiagonal(2)]
)
def test_every_preconditioner_leads_to_the_same_direction(preconditioner):
    risk, theta, _ = factor_example()
    here, damping = risk.expand(theta), 0.7
    A = dense(here.product, risk.size) + damping * np.eye(risk.size)
    found = conjugate_gradients(
        lambda v: here.product(v) + damping * v,
        here.gradient,
        preconditioner.at(here, damping),
        1e-10,
        500,
    )
    np.testing.assert_allclose(found.vector, -np.linalg.solve(A, here.gradient), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.residual, 0.0, atol=1e-7)


def test_blocks_come_nearer_with_as_many_products():
    rng = np.random.default_rng(3)
    X = ratings(rng, 40, 30, 0.5)
    scores = FactorScores(LatentFactors(4), X)
    theta = rng.standard_normal(scores.size) * rng.choice([0.1, 3.0], scores.size)
    here = PenalisedRisk(
        RowRisk(SquaredLoss(rng.standard_normal(X.n_ratings)), scores), ElasticNet(l2=0.1)
    ).expand(theta)
    promised = []
    for kind in (NoPreconditioner(), BlockDiagonal()):
        d = conjugate_gradients(here.product, here.gradient, kind.at(here, 0.0), 0.0, 4).vector
        promised.append(-here.gradient @ d - 0.5 * d @ here.product(d))
    assert promised[1] > promised[0]


def test_negative_curvature_ends_the_conjugate_gradients():
    A, gradient = np.diag([2.0, -1.0, 3.0]), np.array([1.0, 1.0, -1.0])
    found = conjugate_gradients(A.__matmul__, gradient, np.copy, 1e-8, 50)
    assert found.vector @ gradient < 0.0
    steep = conjugate_gradients((-np.eye(3)).__matmul__, gradient, np.copy, 1e-8, 50)
    np.testing.assert_array_equal(steep.vector, -gradient)


@pytest.mark.parametrize("exact", [False, True], ids=["gauss-newton", "hessian"])
@pytest.mark.parametrize("kind", [Perturbed, PerturbedGradient, Injected])
def test_sharpness_against_dense_algebra(kind, exact):
    risk, theta, v = factor_example()
    rho, here = 0.4, risk.expand(theta)
    unit = here.gradient / np.linalg.norm(here.gradient)
    there = risk.expand(theta + rho * unit)
    H, H_there = (dense(at.hessian_product if exact else at.product, risk.size) for at in (here, there))
    strength = rho / np.linalg.norm(here.gradient)
    injected = H + strength * H @ (np.eye(risk.size) - np.outer(unit, unit)) @ H
    gradient, curvature = {
        Perturbed: (there.gradient, H_there),
        PerturbedGradient: (there.gradient, H),
        Injected: (here.gradient + rho * H @ unit, injected),
    }[kind]
    model = kind(rho).model(risk, here, exact)
    np.testing.assert_allclose(model.gradient, gradient, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(model.product(v), curvature @ v, rtol=1e-9, atol=1e-9)


def test_the_injected_gradient_is_that_of_the_penalised_objective():
    risk, theta, v = factor_example()
    rho, h = 0.4, 1e-6

    def penalised(at):
        there = risk.expand(at)
        return there.value + rho * np.linalg.norm(there.gradient)

    model = Injected(rho).model(risk, risk.expand(theta), True)
    numeric = (penalised(theta + h * v) - penalised(theta - h * v)) / (2 * h)
    assert model.gradient @ v == pytest.approx(numeric, rel=1e-6)
    line = model.line(v)
    assert line(0.0) == pytest.approx(penalised(theta), rel=1e-12)
    assert line(0.2) == pytest.approx(penalised(theta + 0.2 * v), rel=1e-12)


@pytest.mark.parametrize("kind", [Perturbed, PerturbedGradient, Injected])
def test_without_radius_sharpness_changes_nothing(kind):
    risk, theta, _ = factor_example()
    plain = minimize(risk, GaussNewton(0.0), theta, max_iter=4)
    # the search of "injected" tries steps, where the others know the best
    sharp = minimize(
        risk, GaussNewton(0.0, sharpness=kind(0.0), line_search=kind is not Injected), theta, max_iter=4
    )
    if kind is Injected:
        plain = minimize(risk, GaussNewton(0.0, line_search=False), theta, max_iter=4)
    np.testing.assert_allclose(sharp.params, plain.params, rtol=1e-9)


@pytest.mark.parametrize("kind", [Perturbed, PerturbedGradient, Injected])
def test_steps_with_sharpness_go_down(kind):
    risk, theta, _ = factor_example()
    sharp = minimize(risk, GaussNewton(0.0, sharpness=kind(0.2)), theta, max_iter=15)
    assert risk.expand(sharp.params).value < 0.4 * risk.expand(theta).value


def test_passes_are_counted():
    risk, theta, _ = factor_example()
    state = GaussNewton(0.0).init(risk, theta)
    assert (state.passes, state.n_products) == (1.0, 0)
    after = GaussNewton(0.0).step(risk, state)
    # blocks, line and new gradient, and the products
    assert after.passes == 1.0 + 3.0 + after.n_products
    sharp = GaussNewton(0.0, sharpness=Injected(0.1), line_search=False, preconditioner=NoPreconditioner())
    after = sharp.step(risk, sharp.init(risk, theta))
    # the curvature of the gradient, two products each, and the new gradient
    assert after.passes == 1.0 + 1.0 + 2.0 * after.n_products + 1.0


def test_a_run_can_be_resumed():
    risk, theta, _ = factor_example()
    whole = minimize(risk, GaussNewton(0.0), theta, max_iter=6)
    half = minimize(risk, GaussNewton(0.0), theta, max_iter=3)
    rest = minimize(factor_example().risk, GaussNewton(0.0), start=half.state, max_iter=3)
    np.testing.assert_array_equal(rest.params, whole.params)


@pytest.mark.parametrize("make", [fm_example, pair_example], ids=["fm", "pairwise"])
def test_other_structures_reach_the_optimum_of_another_solver(make):
    risk, theta, _ = make()

    class Smooth:
        def value_and_gradient(self, params):
            at = risk.expand(params)
            return at.value, at.gradient

    second = minimize(risk, GaussNewton(1e-14, cg_tol=1e-3), theta, max_iter=300)
    first = minimize(Smooth(), LBFGS(1e-14), theta, max_iter=3000)
    assert second.state.value == pytest.approx(first.state.value, rel=1e-7)
    assert len(second.history) < len(first.history)


def test_a_lasso_is_refused():
    risk, _, _ = factor_example()
    with pytest.raises(ValueError, match="l1 must be zero"):
        PenalisedRisk(risk.rows, ElasticNet(l1=1.0))


# early stopping


def test_no_id_loses_its_last_rating():
    rng = np.random.default_rng(0)
    X = RatingTable.build(np.array([0, 0, 0, 1, 2, 2]), np.array([0, 1, 2, 0, 1, 2]), 3, 3)[0]
    for _ in range(20):
        parts = hold_out(X, 0.9, rng)
        assert parts.train.user_counts.all()
        assert parts.train.item_counts.all()
        assert parts.train.n_ratings + parts.held.n_ratings == 6
        np.testing.assert_array_equal(np.sort(X.item_of[parts.kept]), np.sort(parts.train.item_of))


def test_the_best_is_kept_and_small_gains_do_not_count():
    errors = iter([1.0, 0.9, 0.9 - 1e-9, 0.95, 0.96])
    stopping = EarlyStopping(lambda params: next(errors), patience=2)
    assert [stopping.see(step, step) for step in range(4)] == [False, False, False, True]
    assert (stopping.best, stopping.iteration) == (2, 2)
