"""Variances of a latent mixed model: as R's lme4 finds them, and where the evidence has its maximum."""

import json
from pathlib import Path

import numpy as np
import pytest
from dense_latent_model import DenseLatentModel, own_covariance, random_problem, trend_correlation
from scipy import sparse
from scipy.linalg import block_diag
from scipy.optimize import minimize

from intertwine.datasets import fetch_insteval, fetch_pbcseq, fetch_sleepstudy
from intertwine.effects import BySubject, Categorical
from intertwine.estimators.longitudinal.covariate_data import CovariateData, CovariateInputs
from intertwine.estimators.longitudinal.fit import chosen_prior
from intertwine.mixed_effects.accelerated_steps import fixed_point
from intertwine.mixed_effects.coefficient_priors import (
    CauchyPrior,
    GaussianPrior,
    HorseshoePrior,
    LaplacePrior,
    LearntColumns,
    horseshoe_precision,
)
from intertwine.mixed_effects.latent_effects import LatentEffects
from intertwine.mixed_effects.latent_variance_search import fit_latent_variances
from intertwine.mixed_effects.subject_system import SubjectSystem
from intertwine.mixed_effects.subjects import LatentVariances, OwnCorrelation, Sites, SubjectRows, Trend

FIXTURE = Path(__file__).parent / "fixtures" / "lme4.json"
CASES = {case["name"]: case for case in json.loads(FIXTURE.read_text(encoding="utf-8"))["cases"][::2]}


def table(fetch, **given):
    """A real table, where it is at hand."""
    try:
        return fetch(download_if_missing=False, **given)
    except OSError as absent:
        pytest.skip(str(absent))


def fitted_to_data(subject, shared, own, y, correlated=()):
    """With data in place of sites, flat shared coefficients and a variance for every column of the own ones."""
    rows = SubjectRows(subject, subject.max() + 1, shared, own)
    columns = LearntColumns(own=tuple(slice(j, j + 1) for j in range(own.shape[1])))
    there = np.isfinite(y)
    sites = Sites(np.where(there, y, 0.0), np.where(there, 0.0, np.inf))
    noise = 0.5 * np.nanvar(y, axis=0)
    own_start = np.outer(1.0 / np.mean(own**2, axis=0), noise)
    flat = np.full((shared.shape[1], y.shape[1]), np.inf)
    system = SubjectSystem(rows)
    blocks = tuple(
        OwnCorrelation(np.array(block), np.tile(np.eye(len(block)), (y.shape[1], 1, 1)))
        for block in correlated
    )
    start = LatentVariances(noise, flat, own_start, np.empty((0, y.shape[1])), blocks)
    found = fit_latent_variances(system, sites, columns, start, tolerance=1e-9)
    assert found.converged.all()
    return found, system.posterior(sites, found.variances)


def assert_covariance(found, expected):
    """Variances to 1e-4, and covariances to as much of what they can be at most."""
    size = np.sqrt(np.diag(expected))
    np.testing.assert_allclose(
        found / np.outer(size, size), expected / np.outer(size, size), rtol=0.0, atol=1e-4
    )


@pytest.mark.parametrize(
    ("terms", "n_own", "correlated"), [("(1 | g)", 1, ()), ("(t || g)", 2, ()), ("(t | g)", 2, ((0, 1),))]
)
def test_sleepstudy_is_as_in_lme4(terms, n_own, correlated):
    study = table(fetch_sleepstudy)
    case = CASES[f"sleepstudy {terms}"]
    subject = np.unique(study.groups["subject"], return_inverse=True)[1]
    columns = np.column_stack([np.ones(len(subject)), study.data[:, 0]])
    given = subject, columns, columns[:, :n_own], study.target[:, None]
    found, posterior = fitted_to_data(*given, correlated)
    assert found.log_evidence[0] == pytest.approx(case["log_likelihood"], abs=1e-5)
    assert found.variances.noise[0] == pytest.approx(case["noise"], rel=1e-4)
    expected = block_diag(*(part["covariance"] for part in case["covariances"]))
    assert_covariance(own_covariance(found.variances, 0), expected)
    np.testing.assert_allclose(posterior.shared.mean[:, 0], case["fixed"], rtol=1e-4)
    modes = np.array(case["groups"][0]["modes"])
    np.testing.assert_allclose(posterior.own()[0][:, :, 0], modes, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("terms", "correlated"), [("(1 | g)", ()), ("(t | g)", ((0, 1),))])
def test_pbcseq_is_as_in_lme4_all_outcomes_at_once(terms, correlated):
    visits = table(fetch_pbcseq, standardize=False)
    blood = ["log_bili", "log_chol", "albumin", "log_ast", "log_platelet"]
    Y = visits.data[:, [list(visits.feature_names).index(name) for name in blood]]
    subject = np.unique(next(iter(visits.groups.values())), return_inverse=True)[1]
    columns = np.column_stack([np.ones(len(subject)), visits.time])
    found, _ = fitted_to_data(subject, columns, columns[:, : 1 + len(correlated)], Y, correlated)
    for k, name in enumerate(blood):
        case = CASES[f"pbcseq {terms} {name.removeprefix('log_')}"]
        assert found.log_evidence[k] == pytest.approx(case["log_likelihood"], abs=1e-5)
        assert found.variances.noise[k] == pytest.approx(case["noise"], rel=1e-4)
        expected = np.array(case["covariances"][0]["covariance"])
        assert_covariance(own_covariance(found.variances, k), expected)


def test_insteval_is_at_rest_where_lme4_came_to_rest():
    """2,972 students are subjects, 1,128 lecturers shared columns: the evidence, and that it has its maximum there."""
    marks = table(fetch_insteval)
    case = CASES["InstEval (1 | s) + (1 | d)"]
    student, lecturer = (
        np.unique(marks.groups[name], return_inverse=True)[1] for name in ("student", "lecturer")
    )
    n, service = len(student), marks.data[:, list(marks.feature_names).index("service")]
    of_lecturer = sparse.csr_array((np.ones(n), (np.arange(n), lecturer)))
    shared = sparse.hstack([of_lecturer, np.column_stack([np.ones(n), service])]).tocsr()
    found = {part["term"]: part["covariance"][0][0] for part in case["covariances"]}
    variance = np.full((1130, 1), found["d"])
    variance[-2:] = np.inf
    variances = LatentVariances(
        np.array([case["noise"]]), variance, np.array([[found["s"]]]), np.empty((0, 1))
    )
    rows = SubjectRows(student, student.max() + 1, shared, np.ones((n, 1)))
    sites = Sites(marks.target[:, None].astype(float), np.zeros((n, 1)))
    posterior = SubjectSystem(rows).posterior(sites, variances)
    assert posterior.log_evidence[0] == pytest.approx(case["log_likelihood"], abs=1e-5)
    np.testing.assert_allclose(posterior.shared.mean[-2:, 0], case["fixed"], rtol=1e-5)
    moments = posterior.moments()
    assert moments.noise[0] == pytest.approx(case["noise"], rel=1e-5)
    assert moments.own[0, 0] == pytest.approx(found["s"], rel=1e-4)
    assert moments.shared[:-2].mean() == pytest.approx(found["d"], rel=1e-4)


def test_students_and_lecturers_of_one_department_are_as_in_lme4():
    """Effects as a LongitudinalVAE binds them; lecturers' coefficients sum to zero, which a flat mean makes up for."""
    marks = table(fetch_insteval)
    here = marks.groups["department"].astype(str) == "15"
    student = np.unique(marks.groups["student"][here], return_inverse=True)[1]
    effects, y = [BySubject(), Categorical("lecturer")], marks.target[here, None].astype(float)
    given = CovariateInputs(y, len(y), {"lecturer": marks.groups["lecturer"][here].astype(str)}, student)
    _, visits = CovariateData.read(effects, given)
    bound = LatentEffects.of(effects, visits.columns, visits.subject)
    rows = bound.rows(visits.columns, visits.subject, student.max() + 1, bound.start_shape())
    case = CASES["InstEval, department 15, (1 | s) + (1 | d)"]
    expected = np.array([part["covariance"][0] for part in case["covariances"]])  # students, lecturers
    variances = bound.variances(np.array([case["noise"]]), expected)
    posterior = SubjectSystem(rows).posterior(Sites(y, np.zeros(y.shape)), variances)
    assert posterior.log_evidence[0] == pytest.approx(case["log_likelihood"], abs=1e-5)
    columns, n_students = bound.learnt, student.max() + 1
    again = GaussianPrior().next_variances(posterior.moments(), variances, columns, n_students)
    np.testing.assert_allclose(bound.by_effect(again), expected, rtol=1e-4)
    assert again.noise[0] == pytest.approx(case["noise"], rel=1e-5)


def learnt(columns, variances):
    """All effects of a small problem: log σ², and one variance for each."""
    variances = variances.each(lambda part: np.maximum(part, 1e-12))
    return np.log([variances.noise[0], *[variances.shared[part].mean() for part in columns.shared],
                   *[variances.own[part].mean() for part in columns.own]])  # fmt: skip


def test_the_evidence_has_its_maximum_there():
    rng = np.random.default_rng(8)
    rows, sites, start = random_problem(rng, lengths=(6,) * 8, p=5, q=1, n_axes=2, flat=1)
    sites = Sites(
        sites.mean
        + 2.0 * rng.normal(size=(8, 2))[rows.subject]
        + rows.shared[:, 1:3] @ rng.normal(size=(2, 2)),
        sites.variance,
    )
    columns = LearntColumns((slice(1, 3), slice(3, 5)), (slice(0, 1),))
    found = fit_latent_variances(SubjectSystem(rows), sites, columns, start)
    assert found.converged.all()

    def minus_evidence(logs):
        noise, first, second, own = np.exp(logs)
        shared = np.array([np.inf, first, first, second, second])[:, None]
        given = LatentVariances(np.array([noise]), shared, np.array([[own]]), np.empty((0, 1)))
        return -DenseLatentModel(rows, Sites(*(part[:, :1] for part in sites)), given).log_evidence[0]

    best = minimize(minus_evidence, learnt(columns, start), method="BFGS")
    assert found.log_evidence[0] >= -best.fun - 1e-6
    here = found.variances.of_axes(np.arange(1))
    assert minus_evidence(learnt(columns, here)) == pytest.approx(-found.log_evidence[0], abs=1e-7)


def test_the_evidence_has_its_maximum_there_with_a_trend():
    rng = np.random.default_rng(3)
    rows, sites, start = random_problem(
        rng, lengths=(9,) * 6, p=0, q=1, n_axes=1, trends=(Trend(None, "matern32", 1.0),)
    )
    trend = trend_correlation(rows.trends[0], rows.subject)
    g = rng.multivariate_normal(np.zeros(54), trend)
    sites = Sites(sites.mean + 2.0 * g[:, None], sites.variance)
    found = fit_latent_variances(SubjectSystem(rows), sites, LearntColumns((), (slice(0, 1),)), start)

    def minus_evidence(logs):
        noise, own, trend = np.exp(logs)
        given = LatentVariances(np.array([noise]), np.empty((0, 1)), np.array([[own]]), np.array([[trend]]))
        return -DenseLatentModel(rows, sites, given).log_evidence[0]

    best = minimize(minus_evidence, np.zeros(3), method="BFGS")
    assert found.converged.all()
    assert found.log_evidence[0] >= -best.fun - 1e-6


def test_an_effect_that_does_nothing_has_the_variance_zero():
    rng = np.random.default_rng(0)
    rows, sites, start = random_problem(rng, lengths=(5,) * 12, p=4, q=1, n_axes=3, missing=0.0)
    sites = Sites(
        rows.shared[:, :2] @ rng.normal(size=(2, 3)) + 0.3 * rng.normal(size=(60, 3)), 0 * sites.mean
    )
    found = fit_latent_variances(
        SubjectSystem(rows), sites, LearntColumns((slice(0, 2), slice(2, 4)), (slice(0, 1),)), start
    )
    assert found.converged.all()
    assert np.all(found.variances.shared[0] > 0.01)
    gone = np.concatenate([found.variances.shared[2:3], found.variances.own])
    assert np.any(gone == 0.0)
    moments = (
        SubjectSystem(rows).posterior(sites, found.variances).moments()
    )  # those that are left are at rest
    np.testing.assert_allclose(moments.shared[:2].mean(axis=0), found.variances.shared[0], rtol=2e-3)


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_units_do_not_matter_nor_a_start_that_is_wrong_by_orders_of_magnitude(unit):
    rows, sites, start = random_problem(np.random.default_rng(1), lengths=(6,) * 8, n_axes=1, missing=0.0)
    columns, system = LearntColumns((slice(0, 3),), (slice(0, 2),)), SubjectSystem(rows)
    exact = Sites(sites.mean, 0.0 * sites.mean)
    found = fit_latent_variances(system, exact, columns, start)
    other = fit_latent_variances(system, Sites(unit * exact.mean, exact.variance), columns, start)
    assert other.converged.all()
    np.testing.assert_allclose(other.log_evidence + 48 * np.log(unit), found.log_evidence, atol=1e-6)
    np.testing.assert_allclose(other.variances.noise / unit**2, found.variances.noise, rtol=1e-3)


@pytest.mark.parametrize("where", ["noise", "effect"])
def test_what_is_not_to_be_learnt_keeps_its_variance(where):
    rows, sites, start = random_problem(np.random.default_rng(1), lengths=(5,) * 6)
    columns = LearntColumns((slice(0, 2),), (slice(0, 2),))
    found = fit_latent_variances(SubjectSystem(rows), sites, columns, start, learn_noise=where != "noise")
    np.testing.assert_array_equal(found.variances.shared[2], start.shared[2])
    assert np.array_equal(found.variances.noise, start.noise) == (where == "noise")


SPARSE = pytest.mark.parametrize(
    ("prior", "log_density"),
    [
        (LaplacePrior(3.0), lambda a: -3.0 * np.abs(a)),
        (CauchyPrior(0.5), lambda a: -np.log1p(a**2 / 0.25)),
    ],
)


@SPARSE
def test_the_precision_of_a_sparse_prior_is_that_of_its_gaussian_at_a_value(prior, log_density):
    """E[precision | a] of a mixture of Gaussians is −(log p)′ / a."""
    a, step = np.array([[0.1], [0.7], [3.0]]), 1e-6
    none = np.empty((0, 1))
    moments = LatentVariances(np.ones(1), a**2, none, none)
    found = prior.next_variances(moments, moments, LearntColumns((slice(0, 3),)), 1)
    slope = (log_density(a + step) - log_density(a - step)) / (2 * step)
    np.testing.assert_allclose(1.0 / found.shared, -slope / a, rtol=1e-6)


@pytest.mark.parametrize(
    ("prior", "log_density"),
    [
        (LaplacePrior, lambda a, s: -np.log(s) - np.abs(a) / s),
        (CauchyPrior, lambda a, s: -np.log(s) - np.log1p((a / s) ** 2)),
    ],
)
def test_scales_of_sparse_priors_are_the_most_likely_ones(prior, log_density):
    a = np.random.default_rng(0).standard_cauchy((30, 2)) * [0.1, 20.0]
    none = np.empty((0, 2))
    moments = LatentVariances(np.ones(2), a**2, none, none)
    learnt = prior().next_variances(moments, moments, LearntColumns((slice(0, 10), slice(10, 30))), 1).shared
    for part in (slice(0, 10), slice(10, 30)):
        for k in range(2):
            values = a[part, k]

            def surprise(log_scale, values=values):
                return -log_density(values, np.exp(log_scale)).sum()

            best = float(np.exp(minimize(surprise, [np.log(np.median(np.abs(values)))], tol=1e-10).x[0]))
            known = prior(1.0 / best if prior is LaplacePrior else best)
            expected = known.next_variances(moments, moments, LearntColumns((part,)), 1).shared
            np.testing.assert_allclose(learnt[part, k], expected[part, k], rtol=1e-4)


def test_scales_are_those_that_a_user_gives():
    assert chosen_prior("laplace", 0.5) == LaplacePrior(2.0)
    assert chosen_prior("cauchy", 0.5) == CauchyPrior(0.5)
    assert chosen_prior("laplace", None) == LaplacePrior(None)
    with pytest.raises(ValueError, match="coefficient_scale=0.5 is for .*not for 'horseshoe'"):
        chosen_prior("horseshoe", 0.5)


@SPARSE
def test_sparse_priors_find_the_mode_where_the_posterior_is_sharp(prior, log_density):
    """With next to no posterior variance u = a², and EM finds the mode of the density with that prior."""
    rng = np.random.default_rng(5)
    rows, _, start = random_problem(rng, lengths=(4000,), p=2, q=0, n_axes=1)
    y = rows.shared @ [[0.8], [0.002]] + rng.normal(size=(4000, 1))
    sites = Sites(y, np.zeros_like(y))
    start = start._replace(noise=np.array([1e-3]))  # of the y / √1000 that is there: sharp
    found = fit_latent_variances(
        SubjectSystem(rows),
        sites,
        LearntColumns((slice(0, 2),)),
        start,
        prior,
        learn_noise=False,
        max_iter=50,
    )
    mean = SubjectSystem(rows).posterior(sites, found.variances).shared.mean[:, 0]
    best = minimize(
        lambda a: 0.5 * np.sum((y[:, 0] - rows.shared @ a) ** 2) / 1e-3 - log_density(a).sum(), [0.8, 0.01]
    )
    np.testing.assert_allclose(mean, best.x, atol=2e-4)


@pytest.mark.parametrize("prior", [LaplacePrior(1.0), CauchyPrior(0.3), HorseshoePrior()])
def test_accelerated_steps_come_to_rest_where_plain_ones_would(prior):
    """Subjects do nothing here, and plain steps would take that variance to zero like 1 / their number."""
    rng = np.random.default_rng(6)
    rows, _, start = random_problem(rng, lengths=(40,) * 10, p=6, q=1, n_axes=2)
    z = rows.shared[:, :3] @ rng.normal(size=(3, 2)) + 0.5 * rng.normal(size=(400, 2))
    columns, sites = LearntColumns((slice(0, 3), slice(3, 6)), (slice(0, 1),)), Sites(z, 0.0 * z)
    system = SubjectSystem(rows)
    found = fit_latent_variances(system, sites, columns, start, prior, tolerance=1e-6, max_iter=60)
    assert found.converged.all()
    moments = system.posterior(sites, found.variances).moments()
    again = prior.next_variances(moments, found.variances, columns, 10)
    np.testing.assert_allclose(again.shared, found.variances.shared, rtol=1e-5)
    np.testing.assert_allclose(again.noise, found.variances.noise, rtol=1e-6)
    np.testing.assert_allclose(again.own, found.variances.own, rtol=1e-5, atol=1e-8)


def test_a_leap_that_misleads_is_taken_back():
    """Steps that shrink at one rate, and then at another."""

    def step(x):
        return np.where(x > 0.1, x * 0.9, 0.1 * (x / 0.1) ** 0.99)

    x, converged, _ = fixed_point(step, np.array([[5.0, 0.02]]), np.zeros(2), 1e-9, 400)
    assert converged.all()
    np.testing.assert_allclose(x, 0.1, rtol=1e-6)


def test_the_horseshoe_is_at_the_fixed_point_of_its_rules():
    sums, sizes = np.array([[40.0, 0.2], [0.01, 0.1], [3.0, 7.0]]), np.array([4.0, 2.0, 9.0])
    local, mixing, overall, overall_mixing = np.ones((3, 2)), np.ones((3, 2)), np.ones(2), np.ones(2)
    for _ in range(3000):
        local = 0.5 * (sizes[:, None] + 1) / (mixing + 0.5 * overall * sums)
        mixing = 1 / (1 + local)
        overall = 0.5 * (sizes.sum() + 1) / (overall_mixing + 0.5 * np.sum(local * sums, axis=0))
        overall_mixing = 1 / (1 + overall)
    np.testing.assert_allclose(horseshoe_precision(sums, sizes), local * overall, rtol=1e-6)


def test_the_horseshoe_silences_effects_that_do_nothing_and_spares_the_others():
    rng = np.random.default_rng(6)
    rows, _, start = random_problem(rng, lengths=(40,) * 10, p=6, q=1, n_axes=2)
    z = rows.shared[:, :3] @ rng.normal(size=(3, 2)) + 0.5 * rng.normal(size=(400, 2))
    columns = LearntColumns((slice(0, 3), slice(3, 6)), (slice(0, 1),))
    found = fit_latent_variances(
        SubjectSystem(rows), Sites(z, np.zeros_like(z)), columns, start, HorseshoePrior(), max_iter=25
    )
    assert np.all(found.variances.shared[3:] < 0.02 * found.variances.shared[:1])
    assert np.all(found.variances.own < 0.02 * found.variances.shared[:1])


def test_a_gaussian_step_of_em_climbs():
    rows, sites, variances = random_problem(np.random.default_rng(9), lengths=(5,) * 6)
    columns = LearntColumns((slice(0, 1), slice(1, 3)), (slice(0, 2),))
    system, before = SubjectSystem(rows), -np.inf
    for _ in range(5):
        posterior = system.posterior(sites, variances)
        assert np.all(posterior.log_evidence > before)
        before = posterior.log_evidence
        variances = GaussianPrior().next_variances(posterior.moments(), variances, columns, 6)
