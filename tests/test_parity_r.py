"""Losses and estimators against R's survival and glmnet, from the files that fixtures/make_fixtures.R wrote."""

import json
from pathlib import Path

import numpy as np
import pytest

from intertwine import InteractionClassifier, InteractionCoxPH, InteractionRegressor, survival_target
from intertwine.losses import BreslowLoss, EfronLoss, LogisticLoss, SquaredLoss, concordance_index

FIXTURES = Path(__file__).parent / "fixtures"
TIES = {"efron": EfronLoss, "breslow": BreslowLoss}


def read(name):
    """A fixture with its lists of numbers as arrays."""
    content = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    return {key: np.array(value) if isinstance(value, list) else value for key, value in content.items()}


COXPH = read("coxph")


def case_name(case):
    columns = [column for column in ("entry", "strata", "weight") if case[f"uses_{column}"]]
    return ", ".join([case["ties"], *columns])


def columns_of(case):
    """Entry, strata and weights where the case uses them."""
    return [COXPH[name] if case[f"uses_{name}"] else None for name in ("entry", "strata", "weight")]


def coxph_loss(case):
    return TIES[case["ties"]](COXPH["time"], COXPH["event"], *columns_of(case))


every_case = pytest.mark.parametrize("case", COXPH["cases"], ids=case_name)


def test_the_table_is_hard_enough():
    dead = COXPH["time"][COXPH["event"] == 1]
    assert len(np.unique(dead)) < 0.6 * len(dead)
    assert (COXPH["event"] == 0).sum() >= 15
    assert len(COXPH["cases"]) == 16
    assert len(np.unique(COXPH["cases"][0]["risk"])) < 60


@every_case
def test_log_partial_likelihood(case):
    loss = coxph_loss(case)
    for beta, loglik in ((case["beta"], case["loglik"]), (case["coefficients"], case["loglik_best"])):
        assert -loss.value(COXPH["X"] @ beta) * loss.total_weight == pytest.approx(loglik, rel=1e-12)


@every_case
def test_information_matrix(case):
    loss = coxph_loss(case)
    X = COXPH["X"]
    information = X.T @ loss.curvature(X @ case["beta"]).matmul(X) * loss.total_weight
    np.testing.assert_allclose(information, case["information"], rtol=1e-9)


@every_case
def test_score_is_zero_at_the_coefficients(case):
    loss = coxph_loss(case)
    X = COXPH["X"]
    score = X.T @ loss.gradient(X @ case["coefficients"]) * loss.total_weight
    np.testing.assert_allclose(score, 0, atol=1e-9)
    assert np.abs(X.T @ loss.gradient(X @ case["beta"])).max() > 1e-3


@every_case
def test_baseline_hazard(case):
    hazard = coxph_loss(case).baseline_cumulative_hazard(COXPH["X"] @ case["beta"])
    labels = hazard["strata"] if case["uses_strata"] else np.full(len(hazard["time"]), "all")
    assert labels.tolist() == case["hazard_strata"]
    assert hazard["time"].tolist() == case["hazard_time"]
    np.testing.assert_allclose(hazard["cumulative_hazard"], case["cumulative_hazard"], rtol=1e-12)


@every_case
def test_concordance(case):
    entry, strata, weight = columns_of(case)
    risk = np.array(case["risk"])
    ours = concordance_index(COXPH["time"], COXPH["event"], risk, entry, strata, weight)
    assert ours == pytest.approx(case["concordance"], rel=1e-12)


def glmnet_loss(fixture, kind):
    table = read(fixture)
    weight = table["weight"] if kind == "solutions_weighted" else None
    if fixture == "glmnet_gaussian":
        return SquaredLoss(table["y"], weight)
    if fixture == "glmnet_binomial":
        return LogisticLoss(table["y"], weight)
    if kind == "solutions_entry_strata":
        return BreslowLoss(table["time"], table["event"], table["entry"], table["strata"])
    return BreslowLoss(table["time"], table["event"], sample_weight=weight)


def with_pairs(X):
    """Main effects, then the products of all pairs (1, 2), (1, 3), …: the order of the coefficients."""
    first, second = np.triu_indices(X.shape[1], k=1)
    return np.hstack([X, X[:, first] * X[:, second]])


SOLUTIONS = [
    (fixture, kind, k)
    for fixture in ("glmnet_gaussian", "glmnet_binomial", "glmnet_cox")
    for kind, solutions in read(fixture).items()
    if kind.startswith("solutions")
    for k in range(len(solutions))
]


@pytest.mark.parametrize(("fixture", "kind", "k"), SOLUTIONS)
def test_glmnet_solves_the_same_problem(fixture, kind, k):
    """Its coefficients satisfy the optimality conditions of L + l1 Σ|β| + ½ l2 Σβ² for our L."""
    table = read(fixture)
    solution, loss, design = table[kind][k], glmnet_loss(fixture, kind), with_pairs(table["X"])
    beta, l1, l2 = np.array(solution["coefficients"]), solution["l1"], solution["l2"]
    by_row = loss.gradient(design @ beta + solution["intercept"])
    smooth = design.T @ by_row + l2 * beta
    active = beta != 0
    assert active.sum() >= 3
    np.testing.assert_allclose(smooth[active], -l1 * np.sign(beta[active]), atol=2e-9)
    assert (np.abs(smooth[~active]) <= l1).all()
    assert abs(by_row.sum()) < 1e-12


def fitted_estimator(table, fixture, kind, alpha, l1_ratio):
    settings = {"alpha": alpha, "l1_ratio": l1_ratio, "latent": None, "scaling": None, "tol": 1e-8}
    weight = table["weight"] if kind == "solutions_weighted" else None
    if fixture == "glmnet_gaussian":
        return InteractionRegressor(**settings).fit(table["X"], table["y"], weight)
    if fixture == "glmnet_binomial":
        return InteractionClassifier(**settings).fit(table["X"], table["y"], weight)
    within = kind == "solutions_entry_strata"
    target = survival_target(table["time"], table["event"], table["entry"] if within else None)
    cox = InteractionCoxPH(ties="breslow", **settings)
    return cox.fit(table["X"], target, weight, table["strata"] if within else None)


@pytest.mark.parametrize(("fixture", "kind", "k"), SOLUTIONS)
def test_estimators_equal_glmnet_over_all_pairs(fixture, kind, k):
    table = read(fixture)
    solution = table[kind][k]
    alpha = solution["l1"] + solution["l2"]
    model = fitted_estimator(table, fixture, kind, alpha, solution["l1"] / alpha)
    p = table["X"].shape[1]
    ours = np.r_[model.coef_, model.interaction_matrix()[np.triu_indices(p, 1)]]
    np.testing.assert_allclose(ours, solution["coefficients"], atol=1e-6)
    np.testing.assert_array_equal(ours != 0, np.array(solution["coefficients"]) != 0)
    assert model.intercept_ == pytest.approx(solution["intercept"], abs=1e-6)


@every_case
def test_estimators_equal_coxph_where_pairs_are_shut_out(case):
    entry, strata, weight = columns_of(case)
    target = survival_target(COXPH["time"], COXPH["event"], entry)
    model = InteractionCoxPH(
        ties=case["ties"], alpha_pairs=1e9, unpenalized=[0, 1, 2], latent=None, scaling=None
    ).fit(COXPH["X"], target, weight, strata)
    np.testing.assert_allclose(model.coef_, case["coefficients"], atol=1e-6)
    total_weight = np.sum(np.ones(60) if weight is None else weight)
    assert -model.objective_ * total_weight == pytest.approx(case["loglik_best"], rel=1e-7)
