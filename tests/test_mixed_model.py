"""The exact engine by itself: any field, any fixed effects, any loss, against dense algebra."""

from __future__ import annotations

import numpy as np
import pytest
from explicit_model import ExplicitModel
from explicit_pairs import make_loss
from poisson_loss import PoissonLoss

from intertwine import mixed_model
from intertwine.covariance import DenseCovariance, FactoredCovariance, WeighedColumns
from intertwine.losses import EfronLoss, LogisticLoss, SquaredLoss
from intertwine.mixed_model import GaussianField
from intertwine.newton_system import DampedCurvature, factorize

N = 30
LOSSES = ("squared", "logistic", "cox", "efron")
FORMS = {
    "matrix": lambda A: DenseCovariance(A @ A.T),
    "columns": lambda A: FactoredCovariance(A / np.arange(1, A.shape[1] + 1), np.arange(1.0, A.shape[1] + 1)),
}
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def setup(kind, rank=N + 4, n_fixed=2, seed=0):
    """Loss, a random effect A b with b ~ N(0, 1), fixed effects C."""
    rng = np.random.default_rng(seed)
    A, C = rng.standard_normal((N, rank)), rng.standard_normal((N, n_fixed))
    f, weights = C.sum(axis=1) + 0.3 * A[:, 0], rng.uniform(0.3, 2.0, N)
    if kind == "efron":
        time = np.ceil(4 * rng.exponential(np.exp(-f)))
        loss = EfronLoss(time, rng.uniform(size=N) < 0.8, None, rng.integers(0, 2, N), weights)
    else:
        loss = make_loss(kind, f, rng, weights)
    return loss, A, C


def explicit(loss, A, C):
    return ExplicitModel(loss, np.hstack([C, A]), np.r_[np.zeros(C.shape[1]), np.ones(A.shape[1])])


@every_form
@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("rank", [3, N + 4], ids=["singular", "full"])
@pytest.mark.parametrize("n_fixed", [0, 2])
def test_mode(kind, rank, n_fixed, form):
    loss, A, C = setup(kind, rank, n_fixed)
    mode = GaussianField(loss, form(A), C).mode(np.zeros(N))
    dense = explicit(loss, A, C)
    np.testing.assert_allclose(mode.scores, dense.scores, atol=1e-7)
    np.testing.assert_allclose(mode.gamma, dense.coefficients[:n_fixed], atol=1e-7)
    np.testing.assert_allclose(A.T @ mode.alpha, dense.coefficients[n_fixed:], atol=1e-7)
    assert mode.value == pytest.approx(dense.value, rel=1e-10)
    # the identities that everything else rests on
    np.testing.assert_allclose(mode.alpha, -loss.gradient(mode.scores), atol=1e-8)
    np.testing.assert_allclose(C.T @ mode.alpha, 0, atol=1e-8)
    np.testing.assert_allclose(mode.field, A @ A.T @ mode.alpha, atol=1e-7)


@every_form
@pytest.mark.parametrize("kind", LOSSES)
def test_an_offset_is_a_shift_of_the_scores(kind, form):
    loss, A, C = setup(kind)
    offset = np.random.default_rng(1).standard_normal(N)
    mode = GaussianField(loss, form(A), C).mode(offset)

    def shifted(u):
        f = offset + C @ u[:2] + A @ u[2:]
        return loss.value(f) + 0.5 * u[2:] @ u[2:]

    best = np.r_[mode.gamma, A.T @ mode.alpha]
    assert shifted(best) == pytest.approx(mode.value, rel=1e-12)
    rng = np.random.default_rng(2)
    assert all(shifted(best + 1e-3 * rng.standard_normal(len(best))) > mode.value for _ in range(20))
    np.testing.assert_allclose(mode.alpha, -loss.gradient(mode.scores), atol=1e-8)


@every_form
@pytest.mark.parametrize("kind", LOSSES)
def test_a_sequence_of_offsets_ends_where_fresh_models_do(kind, form):
    """Systems are kept between solves: stale ones may cost steps, never accuracy."""
    loss, A, C = setup(kind)
    kept, rng = GaussianField(loss, form(A), C), np.random.default_rng(3)
    mode = None
    for size in (0.01, 0.1, 3.0, 0.1):
        offset = size * rng.standard_normal(N)
        mode = kept.mode(offset, mode)
        fresh = GaussianField(loss, form(A), C).mode(offset)
        np.testing.assert_allclose(mode.scores, fresh.scores, atol=1e-6)
    if kind == "squared":
        assert kept.n_factorizations == 1


@every_form
@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("rank", [3, N + 4], ids=["singular", "full"])
def test_posterior_and_evidence(kind, rank, form):
    loss, A, C = setup(kind, rank)
    model = GaussianField(loss, form(A), C)
    posterior = model.posterior(model.mode(np.zeros(N)))
    dense = explicit(loss, A, C)
    covariance = dense.covariance(posterior.dispersion)
    np.testing.assert_allclose(posterior.fixed_covariance, covariance[:2, :2], rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(posterior.variance(A, 1.0), np.diag(covariance)[2:], rtol=1e-6)
    assert posterior.freedom == (N - 2 if loss.is_quadratic else np.inf)
    if kind == "squared":
        variance, log_density = dense.gaussian_marginal(loss.y)
        assert posterior.dispersion == pytest.approx(variance, rel=1e-9)
        assert posterior.log_evidence == pytest.approx(log_density, rel=1e-9)
    else:
        assert posterior.log_evidence == pytest.approx(dense.laplace_evidence(), rel=1e-8)


@every_form
def test_evidence_grows_with_the_truth(form):
    """The maximum of the evidence over the prior variance lies where the data were drawn."""
    rng = np.random.default_rng(0)
    n = 400
    A = rng.standard_normal((n, n))
    loss = SquaredLoss(A @ rng.standard_normal(n) * 0.5 / np.sqrt(n) + 0.3 * rng.standard_normal(n))
    ratio = 0.5**2 / n / 0.3**2 * n  # prior over noise variance, in units of the mean loss
    evidence = {}
    for factor in (0.1, 0.5, 1.0, 2.0, 10.0):
        model = GaussianField(loss, form(A * np.sqrt(ratio * factor)), np.ones((n, 1)))
        evidence[factor] = model.posterior(model.mode(np.zeros(n))).log_evidence
    assert max(evidence, key=evidence.get) in (0.5, 1.0, 2.0)
    assert evidence[1.0] > evidence[0.1] + 2
    assert evidence[1.0] > evidence[10.0] + 2


@every_form
def test_leave_one_out_is_the_criterion_of_row_losses_and_evidence_that_of_cox(form):
    for kind in ("squared", "logistic"):
        loss, A, C = setup(kind)
        model = GaussianField(loss, form(A), C)
        mode = model.mode(np.zeros(N))
        scores = model.posterior(mode).leave_one_out_scores()
        assert model.criterion(mode) == pytest.approx(loss.value(scores), rel=1e-12)
        assert model.criterion(mode) > loss.value(mode.scores)
    loss, A, C = setup("cox")
    model = GaussianField(loss, form(A), C)
    mode = model.mode(np.zeros(N))
    assert model.criterion(mode) == pytest.approx(-model.posterior(mode).log_evidence / loss.total_weight)


@every_form
def test_leaving_out_single_rows_is_leaving_out_folds_of_one(form):
    loss, A, C = setup("logistic")
    model = GaussianField(loss, form(A), C)
    posterior = model.posterior(model.mode(np.zeros(N)))
    singles = posterior.held_out_scores([np.array([i]) for i in range(N)])
    np.testing.assert_allclose(posterior.leave_one_out_scores(), singles, atol=1e-10)


@every_form
def test_saturated_rows_do_not_stop_newton(form):
    """Nearly separable classes under a weak prior: scores of ±30 and rows without curvature."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((N, 60))
    loss = LogisticLoss(np.where(A[:, 0] > 0, 1, -1))
    model = GaussianField(loss, form(1e3 * A), np.ones((N, 1)))
    mode = model.mode(np.zeros(N))
    assert np.abs(mode.scores).max() > 8
    gradient = loss.gradient(mode.scores)
    np.testing.assert_allclose(mode.alpha, -gradient, atol=1e-5 * np.abs(gradient).max())


@every_form
def test_a_step_that_is_no_number_is_taken_with_more_care(form, monkeypatch):
    """Where all rows are saturated the inverse of a curvature may overflow."""
    loss, A, C = setup("logistic")
    expected = GaussianField(loss, form(A), C).mode(np.zeros(N))
    made, factorize = [], mixed_model.factorize

    def fails_once(*system_of):
        system = factorize(*system_of)
        made.append(system)
        if len(made) == 1:
            monkeypatch.setattr(system, "target", lambda *at: [np.nan * part for part in at])
        return system

    monkeypatch.setattr(mixed_model, "factorize", fails_once)
    mode = GaussianField(loss, form(A), C).mode(np.zeros(N))
    assert len(made) > 1
    np.testing.assert_allclose(mode.scores, expected.scores, atol=1e-7)


def test_steps_to_where_a_loss_overflows_are_shortened():
    """Newton's first step for large counts is as long as the counts, and e^f of it is no number."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 2))
    kernel = 100.0 * X @ X.T
    counts = rng.poisson(2000 * np.exp(0.3 * X[:, 0]))
    model = GaussianField(PoissonLoss(counts), DenseCovariance(kernel), np.ones((60, 1)))
    mode = model.mode(np.zeros(60))
    gradient = model.loss.gradient(mode.scores)
    np.testing.assert_allclose(mode.field, -kernel @ gradient, atol=1e-5)
    assert abs(gradient.sum()) < 1e-9 * model.loss.y.mean()
    np.testing.assert_allclose(mode.scores - mode.scores.mean(), 0.3 * (X[:, 0] - X[:, 0].mean()), atol=0.1)


@every_form
def test_dependent_fixed_effects_share_their_effect(form):
    loss, A, C = setup("squared")
    doubled = GaussianField(loss, form(A), np.hstack([C, C[:, :1]])).mode(np.zeros(N))
    single = GaussianField(loss, form(A), C).mode(np.zeros(N))
    np.testing.assert_allclose(doubled.scores, single.scores, atol=1e-8)


def test_the_diagonal_of_the_projection_is_that_of_the_whole():
    loss, A, C = setup("logistic")
    model = GaussianField(loss, DenseCovariance(A @ A.T), C)
    P = model.posterior(model.mode(np.zeros(loss.n_rows))).P
    np.testing.assert_allclose(P.diagonal(), np.diag(P.dense()), rtol=1e-9)


@every_form
@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("width", [3, N + 5], ids=["few", "more than rows"])
def test_a_projection_is_widened_to_that_of_a_field_with_all_effects(kind, width, form):
    loss, A, C = setup(kind, 4)
    rng = np.random.default_rng(5)
    further, curvature = rng.standard_normal((N, width)), loss.curvature(rng.standard_normal(N))
    some, whole = (factorize(form(columns), curvature, C) for columns in (A, np.hstack([A, further])))
    P, log_determinant = some.projection.widened(further)
    np.testing.assert_allclose(P.dense(), whole.projection.dense(), atol=1e-10)
    np.testing.assert_allclose(P.matmul(A), whole.projection.dense() @ A, atol=1e-10)
    freedom = [
        system.log_determinant - np.linalg.slogdet(system.fixed_covariance)[1] for system in (some, whole)
    ]
    assert log_determinant == pytest.approx(freedom[1] - freedom[0], rel=1e-9)
    np.testing.assert_allclose(
        some.quadratic(further), np.diag(further.T @ some.projection.dense() @ further), atol=1e-10
    )


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("deviation", [0.0, 0.05, 20.0])
def test_products_of_own_columns_with_the_projection(kind, deviation):
    loss, A, C = setup(kind, 5)
    scores = np.random.default_rng(5).standard_normal(N)
    system = factorize(FactoredCovariance(A, np.full(5, deviation)), loss.curvature(scores), C)
    expected = A[:, 1:4].T @ system.projection.dense() @ A[:, 1:4]
    np.testing.assert_allclose(system.own_quadratic(slice(1, 4)), expected, atol=1e-9)


@every_form
def test_the_freedom_of_what_was_searched_is_in_the_evidence_and_the_criterion(form):
    loss, A, C = setup("cox", 4)
    further = np.random.default_rng(5).standard_normal((N, 3))
    model = GaussianField(loss, form(A), C)
    mode = model.mode(np.zeros(N))
    posterior = model.posterior(mode)
    inner = np.eye(3) + further.T @ posterior.P.dense() @ further
    evidence = posterior.log_evidence - 0.5 * np.linalg.slogdet(inner)[1]
    assert posterior.widened(further).log_evidence == pytest.approx(evidence, rel=1e-10)
    assert model.criterion(mode, further, 0.25) == pytest.approx(
        0.25 - evidence / loss.total_weight, rel=1e-10
    )


def test_steps_with_a_saturated_row_are_the_same_in_both_forms():
    """A weight that rounds to nothing cannot be divided by."""
    loss, A, C = setup("logistic", 4)
    rng = np.random.default_rng(6)
    scores, offset = rng.standard_normal((2, N))
    scores[3] = 60.0
    systems = [factorize(form(A), loss.curvature(scores), C) for form in FORMS.values()]
    steps = [system.target(scores, offset, loss.gradient(scores)) for system in systems]
    for mine, other in zip(steps[0][:3], steps[1][:3], strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-10)


@pytest.mark.parametrize("kind", LOSSES)
def test_a_damped_curvature_is_that_of_a_quadratic_more(kind):
    loss, _, _ = setup(kind)
    curvature = loss.curvature(np.random.default_rng(7).standard_normal(N))
    damped = DampedCurvature(curvature, 0.3)
    matrix = curvature.matmul(np.eye(N)) + 0.3 * np.eye(N)
    np.testing.assert_allclose(damped.matmul(np.eye(N)), matrix)
    np.testing.assert_allclose(damped.diagonal(), np.diag(matrix), atol=1e-12)
    slack = np.linalg.eigvalsh(np.diag(damped.majorizer()) - matrix)[0]
    assert slack > -1e-10
    np.testing.assert_allclose(damped.majorizer() - curvature.majorizer(), 0.3)


def test_the_gram_matrix_of_columns_is_kept_for_as_long_as_the_curvature_lasts():
    rng = np.random.default_rng(0)
    columns, shared = rng.standard_normal((12, 3)), WeighedColumns()
    squared, logistic = SquaredLoss(rng.standard_normal(12)), LogisticLoss(rng.choice([-1.0, 1.0], 12))
    nothing = np.zeros(12)
    first = shared.at(squared.curvature(nothing), columns)
    assert shared.at(squared.curvature(nothing), columns)[1] is first[1]
    other = logistic.curvature(rng.standard_normal(12))
    np.testing.assert_allclose(shared.at(other, columns)[1], columns.T @ other.matmul(columns))
