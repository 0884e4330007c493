"""The exact path, which never forms its coefficients, against the model that has them all written out."""

from __future__ import annotations

import numpy as np
import pytest
from explicit_model import ExplicitModel, products
from explicit_pairs import make_loss

from intertwine import InteractionClassifier, InteractionCoxPH, InteractionRegressor, survival_target
from intertwine.fitting.interactions.exact import ExactProblem
from intertwine.fitting.interactions.fields import DenseFields, ExactStrengths, FactoredFields
from intertwine.fitting.interactions.fit_exact import publish
from intertwine.losses import EfronLoss
from intertwine.objective import Strengths
from intertwine.preparation import prepare

N, P = 32, 4
MAIN, PAIRS = 0.3, 0.7
LOSSES = ("squared", "logistic", "cox", "efron")
FORMS = {"matrices": DenseFields, "columns": FactoredFields}
TOLERANCE = {"squared": 1e-9, "logistic": 1e-8, "cox": 1e-8, "efron": 1e-8}


def loss_of(kind, X, weights, seed=0):
    rng = np.random.default_rng(seed)
    f = X[:, 0] - 0.5 * X[:, 2] + X[:, 0] * X[:, 1]
    if kind != "efron":
        return make_loss(kind, f, rng, weights)
    time = np.ceil(4 * rng.exponential(np.exp(-f)))
    event, strata = rng.uniform(size=len(f)) < 0.8, rng.integers(0, 2, len(f))
    entry = np.maximum(time - rng.integers(1, 9, len(f)), 0.0)
    return EfronLoss(time, event, entry, strata, weights)


CASES = {
    "plain": {},
    "weights": {"weighted": True},
    "unpenalized": {"free": (0, 2)},
    "squares": {"squares": True},
    "triples": {"order": 3},
    "everything": {"weighted": True, "free": (1,), "squares": True, "order": 3},
}


class Setup:
    """One problem, as the exact path sees it and written out."""

    def __init__(self, kind, form, weighted=False, free=(), squares=False, order=2):
        rng = np.random.default_rng(5)
        X = rng.standard_normal((N, P))
        weights = rng.uniform(0.3, 2.0, N) if weighted else np.ones(N)
        self.loss = loss_of(kind, X, weights)
        self.preparation = prepare(X, weights, standardize=False, squares=squares)
        self.columns = self.preparation.columns(X)
        self.squares = self.preparation.squares(self.columns) if squares else np.zeros((N, 0))
        self.penalized = ~np.isin(np.arange(P), free)
        self.order = order
        self.strengths = ExactStrengths(MAIN, Strengths(PAIRS, 0.0))
        self.problem = ExactProblem(self.loss, self.columns, self.squares, self.penalized, order, form)
        self.fit = self.problem.fit(self.strengths)
        self.model = publish(self.problem, self.fit, self.preparation)
        self.n_intercept = int(self.loss.has_intercept)

    def design(self):
        ones = np.ones((N, self.n_intercept))
        triples = products(self.columns, 3) if self.order == 3 else np.zeros((N, 0))
        return np.hstack([ones, self.columns, self.squares, products(self.columns, 2), triples])

    def penalties(self):
        n_others = self.design().shape[1] - self.n_intercept - P
        return np.r_[np.zeros(self.n_intercept), MAIN * self.penalized, np.full(n_others, PAIRS)]

    def explicit(self):
        return ExplicitModel(self.loss, self.design(), self.penalties())

    def parts(self, values):
        """Values by coefficient, cut into intercept, main effects, squares, pairs, triples."""
        sizes = [self.n_intercept, P, self.squares.shape[1], P * (P - 1) // 2]
        return np.split(values, np.cumsum(sizes))


every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
every_problem = pytest.mark.parametrize(
    ("kind", "case", "form"),
    [pytest.param(k, c, f, id=f"{k}-{c}-{name}") for k in LOSSES for c in CASES for name, f in FORMS.items()],
)
PAIR_INDEX = np.triu_indices(P, 1)


@every_problem
def test_coefficients_and_scores(kind, case, form):
    setup = Setup(kind, form, **CASES[case])
    explicit, tolerance = setup.explicit(), TOLERANCE[kind]
    intercept, main, squares, pairs, _ = setup.parts(explicit.coefficients)
    model = setup.model
    np.testing.assert_allclose(setup.fit.mode.scores, explicit.scores, atol=tolerance)
    np.testing.assert_allclose(np.full(setup.n_intercept, model.intercept), intercept, atol=tolerance)
    np.testing.assert_allclose(model.main, main, atol=tolerance)
    np.testing.assert_allclose(model.squares, squares, atol=tolerance)
    np.testing.assert_allclose(model.pairs.entries(*PAIR_INDEX), pairs, atol=tolerance)
    np.testing.assert_allclose(
        model.pairs.block(np.arange(P), np.arange(P))[PAIR_INDEX], pairs, atol=tolerance
    )
    assert model.diagnostics.value == pytest.approx(explicit.value, rel=1e-10)
    assert model.diagnostics.optimality < 1e-7


@every_problem
def test_scores_of_new_rows(kind, case, form):
    """Triples have no table of their own: their coefficients show in predictions."""
    setup = Setup(kind, form, **CASES[case])
    new = np.random.default_rng(9).standard_normal((7, P))
    explicit = setup.explicit()
    columns = setup.preparation.columns(new)
    squares = setup.preparation.squares(columns) if setup.squares.shape[1] else np.zeros((7, 0))
    triples = products(columns, 3) if setup.order == 3 else np.zeros((7, 0))
    design = np.hstack([np.ones((7, setup.n_intercept)), columns, squares, products(columns, 2), triples])
    expected = design @ explicit.coefficients
    np.testing.assert_allclose(setup.model.scores(new), expected, atol=1e-7)
    np.testing.assert_allclose(setup.problem.scores(setup.fit, columns, squares), expected, atol=1e-7)


@every_problem
def test_standard_errors_are_those_of_the_posterior(kind, case, form):
    setup = Setup(kind, form, **CASES[case])
    dispersion = setup.model.diagnostics.dispersion
    variances = np.diag(setup.explicit().covariance(dispersion))
    _, main, _, pairs, _ = setup.parts(variances)
    np.testing.assert_allclose(setup.model.main_variance, main, rtol=1e-7)
    np.testing.assert_allclose(setup.model.pairs.variances(*PAIR_INDEX), pairs, rtol=1e-7)


@every_problem
def test_evidence(kind, case, form):
    setup = Setup(kind, form, **CASES[case])
    explicit, diagnostics = setup.explicit(), setup.model.diagnostics
    if kind == "squared":
        variance, log_density = explicit.gaussian_marginal(setup.loss.y)
        assert diagnostics.dispersion == pytest.approx(variance, rel=1e-10)
        assert diagnostics.log_evidence == pytest.approx(log_density, rel=1e-10)
    else:
        assert diagnostics.dispersion == 1.0
        assert diagnostics.log_evidence == pytest.approx(explicit.laplace_evidence(), rel=1e-9)


@every_form
@pytest.mark.parametrize("case", CASES)
def test_leaving_out_is_exact_for_squared_loss(case, form):
    """The closed forms against refits without the rows (priors as they were, so the divisor stays)."""
    setup = Setup("squared", form, **CASES[case])
    posterior = setup.problem.posterior(setup.fit)
    design, penalties, loss = setup.design(), setup.penalties(), setup.loss

    def really(rows):
        kept = np.setdiff1d(np.arange(N), rows)
        D, w = design[kept], loss.sample_weight[kept] / loss.total_weight
        b = np.linalg.solve(D.T * w @ D + np.diag(penalties), D.T @ (w * loss.y[kept]))
        return design[rows] @ b

    one_by_one = np.concatenate([really([i]) for i in range(N)])
    np.testing.assert_allclose(posterior.leave_one_out_scores(), one_by_one, atol=1e-9)
    folds = np.array_split(np.random.default_rng(0).permutation(N), 5)
    by_fold = np.empty(N)
    for rows in folds:
        by_fold[rows] = really(rows)
    np.testing.assert_allclose(posterior.held_out_scores(folds), by_fold, atol=1e-9)
    assert np.abs(by_fold - setup.fit.mode.scores).max() > 0.1


@every_problem
def test_folds_are_parts_and_predict_their_held_out_rows(kind, case, form):
    """`take` and `held_out_scores` against a problem of those rows made from scratch."""
    setup = Setup(kind, form, **CASES[case])
    rows = np.random.default_rng(1).permutation(N)
    train, test = np.sort(rows[:24]), np.sort(rows[24:])
    fit = setup.problem.take(train).fit(setup.strengths)
    found = setup.problem.held_out_scores(fit, test, train)
    explicit = ExplicitModel(setup.loss.take(train), setup.design()[train], setup.penalties())
    np.testing.assert_allclose(found, setup.design()[test] @ explicit.coefficients, atol=1e-7)


@every_form
def test_logistic_leaving_out_is_one_newton_step(form):
    """For other losses the closed form is the working response's: exact for the quadratic model at the mode."""
    setup = Setup("logistic", form, weighted=True)
    posterior, loss = setup.problem.posterior(setup.fit), setup.loss
    W, gradient = loss.curvature(setup.fit.mode.scores).diagonal(), loss.gradient(setup.fit.mode.scores)
    response = setup.fit.mode.scores - gradient / W
    design, penalties = setup.design(), setup.penalties()
    for i in range(0, N, 7):
        kept = np.arange(N) != i
        D, w = design[kept], W[kept]
        b = np.linalg.solve(D.T * w @ D + np.diag(penalties), D.T @ (w * response[kept]))
        assert posterior.leave_one_out_scores()[i] == pytest.approx(design[i] @ b, abs=1e-8)


@pytest.mark.parametrize("scaling", [None, "features"])
@pytest.mark.parametrize("kind", ["squared", "logistic", "cox"])
def test_estimators_publish_the_dense_solution(kind, scaling):
    """From the public parameters to the public tables, in the units they are documented in."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((N, P)) * [1.0, 5.0, 0.2, 1.0] + [0.0, 3.0, -1.0, 0.5]
    weights = rng.uniform(0.5, 2.0, N)
    common = {"alpha": MAIN, "alpha_pairs": PAIRS, "latent": None, "scaling": scaling, "unpenalized": [3]}
    columns = X
    if scaling:
        center = np.average(X, axis=0, weights=weights)
        columns = (X - center) / np.sqrt(np.average((X - center) ** 2, axis=0, weights=weights))
    loss = loss_of(kind, columns, weights)
    if kind == "squared":
        model = InteractionRegressor(**common).fit(X, loss.y, weights)
    elif kind == "logistic":
        model = InteractionClassifier(**common).fit(X, np.where(loss.y > 0, "b", "a"), weights)
    else:
        target = survival_target(loss.time, loss.event)
        model = InteractionCoxPH(**common, ties="breslow").fit(X, target, weights)
    n_intercept = int(loss.has_intercept)
    design = np.hstack([np.ones((N, n_intercept)), columns, products(columns, 2)])
    penalties = np.r_[np.zeros(n_intercept), MAIN, MAIN, MAIN, 0.0, np.full(6, PAIRS)]
    explicit = ExplicitModel(loss, design, penalties)
    b = explicit.coefficients[n_intercept:]
    error = np.sqrt(np.diag(explicit.covariance(model.noise_variance_)))[n_intercept:]
    np.testing.assert_allclose(model.coef_, b[:P], atol=1e-8)
    np.testing.assert_allclose(model.interaction_matrix()[PAIR_INDEX], b[P:], atol=1e-8)
    np.testing.assert_allclose(model.main_effects()["estimate"], b[:P], atol=1e-8)
    np.testing.assert_allclose(model.main_effects()["std_error"], error[:P], rtol=1e-6)
    pair = model.interaction(2, 1)
    assert pair.term == "x1 × x2"
    expected = (b[P + 3], error[P + 3], b[P + 3] / error[P + 3], 0.0, error[P + 3])
    assert pair[1:] == pytest.approx(expected, rel=1e-6)
    if n_intercept:
        assert model.intercept_ == pytest.approx(explicit.coefficients[0], abs=1e-8)
    assert model.objective_ == pytest.approx(explicit.value, rel=1e-10)


def test_coefficients_keep_their_digits_whatever_the_size_of_columns():
    """Unscaled columns of size 10⁴ and a weak penalty: v Aᵀα would cancel to nothing."""
    rng = np.random.default_rng(0)
    X = rng.normal([50.0, 50_000.0, 1.7], [10.0, 15_000.0, 0.1], (300, 3))
    y = 0.1 * X[:, 0] + 1e-4 * X[:, 1] + rng.standard_normal(300)
    model = InteractionRegressor(alpha=1e-3, latent=None, scaling=None).fit(X, y)
    design = np.hstack([np.ones((300, 1)), X, products(X, 2)])
    size = np.linalg.norm(design, axis=0)
    gram = (design / size).T @ (design / size) / 300 + np.diag(np.r_[0, np.full(6, 1e-3)] / size**2)
    b = np.linalg.solve(gram, (design / size).T @ y / 300) / size
    np.testing.assert_allclose(model.predict(X), design @ b, atol=1e-5)
    covariance = model.noise_variance_ / 300 * np.linalg.inv(gram) / np.outer(size, size)
    np.testing.assert_allclose(
        model.main_effects()["std_error"], np.sqrt(np.diag(covariance))[1:4], rtol=1e-4
    )


@pytest.mark.parametrize("alpha", [0.0, 1e-10, 1e-6])
def test_without_a_penalty_standard_errors_are_those_of_least_squares(alpha):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 3))
    y = 1 + X[:, 0] + X[:, 1] * X[:, 2] + rng.standard_normal(300)
    model = InteractionRegressor(alpha=alpha, latent=None, scaling=None).fit(X, y)
    design = np.hstack([np.ones((300, 1)), X, products(X, 2)])
    spread = np.sqrt(model.noise_variance_ * np.diag(np.linalg.inv(design.T @ design)))
    np.testing.assert_allclose(model.main_effects()["std_error"], spread[1:4], rtol=1e-3)
    errors = [model.interaction(j, k).std_error for j, k in zip(*np.triu_indices(3, 1), strict=True)]
    np.testing.assert_allclose(errors, spread[4:], rtol=1e-3)
    np.testing.assert_allclose(model.predict(X), design @ np.linalg.lstsq(design, y)[0], atol=1e-4)


def test_a_wide_table_of_huge_columns_says_so():
    rng = np.random.default_rng(0)
    X = rng.normal(50_000.0, 15_000.0, (12, 6))
    with pytest.warns(UserWarning, match="few digits"):
        InteractionRegressor(alpha=1e-2, latent=None, scaling=None).fit(X, rng.standard_normal(12))
    rng = np.random.default_rng(0)
    X = rng.normal([50.0, 50_000.0, 1.7], [10.0, 15_000.0, 0.1], (9, 3))
    with pytest.raises(np.linalg.LinAlgError, match="scale the features"):
        InteractionRegressor(alpha=1e-7, latent=None, scaling=None).fit(X, X[:, 0])


def test_undetermined_pairs_are_mentioned():
    rng = np.random.default_rng(0)
    with pytest.warns(UserWarning, match="cannot determine 45 pairs"):
        InteractionRegressor(alpha=0.1, alpha_pairs=0, latent=None).fit(
            rng.standard_normal((30, 10)), rng.standard_normal(30)
        )
