"""Coefficients of a subject that vary together: levels and slopes with a full covariance."""

import jax
import numpy as np
import pytest
from dense_latent_model import DenseLatentModel, own_covariance, random_correlation, random_problem

from intertwine import LongitudinalVAE, load
from intertwine.effects import BySubject, Categorical, Correlated, Linear, Smooth
from intertwine.effects.covariate import Covariates
from intertwine.fitting.longitudinal.latents import LatentState, prior_values
from intertwine.latent_prior import LatentBatch, smoothed, trend_steps
from intertwine.mixed_effects.coefficient_priors import GaussianPrior, HorseshoePrior, LearntColumns
from intertwine.mixed_effects.latent_axes import AxisConvention, identified_axes
from intertwine.mixed_effects.latent_effects import LatentEffects
from intertwine.mixed_effects.latent_variance_search import (
    _correlations,
    _packed,
    _Search,
    fit_latent_variances,
)
from intertwine.mixed_effects.own_factor import correlated, innovations, unit_factor
from intertwine.mixed_effects.subject_prediction import predict_subjects
from intertwine.mixed_effects.subject_system import SubjectSystem
from intertwine.mixed_effects.subjects import LatentVariances, OwnCorrelation, SharedPosterior, Sites, Trend
from intertwine.report.longitudinal_findings import LongitudinalFindings, covariance_table
from intertwine.report.study import Study

LEVEL_AND_SLOPE = Correlated([BySubject(), BySubject(Linear("time"))])


def as_correlation(values):
    return OwnCorrelation(np.arange(len(values[0])), np.array([values]))


def test_a_factor_makes_the_covariance_also_of_a_singular_one():
    root = np.array([[1.0, 0.0], [0.5, 0.0], [-2.0, 3.0]])
    covariance = np.stack([root @ root.T, np.diag([4.0, 0.0, 1.0])])
    variances, one = correlated(np.array([0, 1, 2]), covariance)
    new, ((_, mixing),) = innovations(variances, [one])
    np.testing.assert_allclose(np.einsum("kij,jk,klj->kil", mixing, new, mixing), covariance, atol=1e-12)
    assert np.all(new[1] == 0.0)
    np.testing.assert_array_equal(mixing[1], np.eye(3))
    factor, squares = unit_factor(np.ones((3, 3)))
    np.testing.assert_array_equal(factor @ np.diag(squares) @ factor.T, np.ones((3, 3)))


def test_correlations_of_one_or_none_are_as_dense_matrices_say():
    rows, sites, variances = random_problem(np.random.default_rng(2), q=3, flat=1)
    variances.own[2, 0] = 0.0
    same = np.ones((2, 2, 2))
    same[1] = np.eye(2)
    variances = variances._replace(
        correlations=(OwnCorrelation(np.array([2, 1]), np.stack([np.eye(2), same[0]])),)
    )
    found, dense = SubjectSystem(rows).posterior(sites, variances), DenseLatentModel(rows, sites, variances)
    np.testing.assert_allclose(found.log_evidence, dense.log_evidence, rtol=1e-10)
    np.testing.assert_allclose(found.own()[1], dense.own()[1], rtol=1e-8, atol=1e-10)
    independent = variances._replace(
        correlations=(OwnCorrelation(np.array([0, 1]), np.stack([np.eye(2)] * 2)),)
    )
    without = SubjectSystem(rows).posterior(sites, variances._replace(correlations=()))
    again = SubjectSystem(rows).posterior(sites, independent)
    np.testing.assert_array_equal(again.log_evidence, without.log_evidence)


@pytest.mark.parametrize("with_trend", [False, True])
def test_a_batch_is_conditioned_as_the_engine_does(with_trend):
    rng, K = np.random.default_rng(3), 2
    rows, sites, variances = random_problem(rng, (5, 3, 6), p=2, q=4, n_axes=K, missing=0.0)
    order = np.argsort(rows.subject, kind="stable")
    rows = rows._replace(subject=rows.subject[order])
    variances = variances._replace(correlations=(random_correlation(rng, (3, 0, 2), K),))
    trends = ()
    if with_trend:
        time, first = np.arange(14.0), np.append(True, np.diff(rows.subject) > 0)
        trends = (trend_steps("matern32", 3.0, time, first),)
        rows = rows._replace(trends=(Trend(time, "matern32", 3.0),))
        variances = variances._replace(trends=np.ones((1, K)))
    mean, nothing = rng.normal(size=(2, K)), np.zeros((K, 2, 2))
    single = [part.astype(np.float32) for part in sites]
    prior = prior_values(LatentState(mean, nothing, variances, *single, np.float64(0.0)))
    batch = LatentBatch(rows.subject, np.float32(rows.shared), np.float32(rows.own), trends)
    context = np.arange(14) % 4 != 1
    found = jax.jit(smoothed, static_argnums=5)(prior, batch, *single, np.float32(context), 3)
    exact = Sites(sites.mean, np.where(context[:, None], sites.variance, np.inf))
    expected = predict_subjects(SharedPosterior(mean, nothing), variances, rows, exact)
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found.variance, expected.variance, rtol=1e-3, atol=1e-4)
    shifted = exact._replace(mean=sites.mean - rows.shared @ mean)
    known = variances._replace(shared=np.zeros((2, K)))
    evidence = SubjectSystem(rows).posterior(shifted, known).log_evidence.sum()
    np.testing.assert_allclose(found.log_evidence, evidence, rtol=1e-4)


def drawn_axis(rng, n_subjects=150, correlation=-0.6):
    """Levels, slopes and bends of subjects, of which the first two are correlated; values have an error of .3."""
    rows, _, _ = random_problem(rng, (4,) * n_subjects, p=1, q=3, n_axes=1)
    own = np.column_stack([np.ones(4 * n_subjects), rng.normal(size=(4 * n_subjects, 2))])
    covariance = np.array([[1.0, correlation, 0.0], [correlation, 1.0, 0.0], [0.0, 0.0, 0.25]])
    b = rng.multivariate_normal(np.zeros(3), covariance, n_subjects)
    y = np.sum(own * b[rows.subject], axis=1) + 0.3 * rng.normal(size=len(own))
    rows = rows._replace(own=own, shared=np.ones((len(y), 1)))
    start = LatentVariances(
        np.ones(1), np.full((1, 1), np.inf), np.ones((3, 1)), np.empty((0, 1)), (as_correlation(np.eye(2)),)
    )
    return SubjectSystem(rows), Sites(y[:, None], np.zeros((len(y), 1))), start


def test_steps_of_em_come_to_rest_where_the_search_does():
    system, sites, start = drawn_axis(np.random.default_rng(0))
    columns = LearntColumns(own=(slice(0, 1), slice(1, 2), slice(2, 3)))
    likeliest = fit_latent_variances(system, sites, columns, start, tolerance=1e-9)
    assert likeliest.converged.all()
    assert likeliest.variances.correlations[0].matrix[0, 0, 1] == pytest.approx(-0.6, abs=0.1)
    variances = likeliest.variances
    moments = system.posterior(sites, variances).moments()
    again = GaussianPrior().next_variances(moments, variances, columns, 150)
    np.testing.assert_allclose(own_covariance(again, 0), own_covariance(variances, 0), atol=1e-5)
    # a horseshoe leaves correlated coefficients as they are, and the third, alone, nearly so
    shrunk = HorseshoePrior().next_variances(moments, variances, columns, 150).own[:, 0]
    assert shrunk[:2].tolist() == moments.own[:2, 0].tolist()
    assert shrunk[2] != moments.own[2, 0]
    found = fit_latent_variances(system, sites, columns, start, HorseshoePrior(), tolerance=1e-6)
    assert found.converged.all()
    np.testing.assert_allclose(own_covariance(found.variances, 0), own_covariance(variances, 0), atol=0.01)


def test_axes_are_turned_and_judged_with_their_correlations():
    rng = np.random.default_rng(5)
    rows, sites, variances = random_problem(rng, (6,) * 12, n_axes=2, missing=0.0, correlated=((0, 1),))
    convention = AxisConvention(np.array([1, 0]), np.array([1.0, -1.0]), np.array([0.1, 5.0]))
    system, turned = SubjectSystem(rows), convention.variances(variances)
    for new, old in enumerate(convention.order):
        expected = own_covariance(variances, old) / convention.scale[new] ** 2
        np.testing.assert_allclose(own_covariance(turned, new), expected)
    one = identified_axes(system, sites, variances, 3)
    other = identified_axes(system, convention.sites(sites), turned, 3)
    np.testing.assert_allclose(other.gain, one.gain[convention.order], rtol=1e-6)
    assert one.rank == other.rank


def test_what_effects_say_of_variances():
    columns = Covariates(60, {"time": np.tile(np.arange(6.0), 10), "dose": np.arange(60.0)}, {})
    subject = np.repeat(np.arange(10), 6)
    effects = LatentEffects.of([Linear("dose"), LEVEL_AND_SLOPE, BySubject(Linear("dose"))], columns, subject)
    rows = effects.rows(columns, subject, 10, effects.start_shape())
    assert [(part.start, part.stop) for part in effects.learnt.own] == [(0, 1), (1, 2), (2, 3)]
    assert effects.n_variances == 1 + 3 + 1
    start = effects.variances(np.ones(2), np.array([[0.0, 0.0], [2.0, 2.0], [1.0, 1.0]]))
    matrix = np.array([[[1.0, 0.5], [0.5, 1.0]], [[1.0, -0.5], [-0.5, 1.0]]])
    variances = effects.with_correlations(start, [matrix])
    np.testing.assert_array_equal(variances.own, [[2.0, 2.0], [2.0, 2.0], [1.0, 1.0]])
    of_visits = effects.visit_variances(variances, rows)[1]
    own = rows.own[:, :2]
    covariances = [own_covariance(variances, k)[:2, :2] for k in (0, 1)]
    expected = [np.einsum("ni,ij,nj->n", own, covariance, own).mean() for covariance in covariances]
    np.testing.assert_allclose(of_visits, expected)
    parts = effects.proportions(variances, rows)
    assert not np.allclose(parts[:, 0], parts[:, 1])  # the same variances, but axes cannot be rotated
    np.testing.assert_allclose(parts[-3:, 0], [2.0, 2.0, 6.0])
    for wrong in ([], [np.ones((2, 3, 3))], [2.0 * matrix], [matrix + np.array([[0.0, 1.0], [1.0, 0.0]])]):
        with pytest.raises(ValueError, match="correlations"):
            effects.with_correlations(start, wrong)


def study(n_subjects, rng, n_visits=5, correlation=-0.8):
    """A level at time two and a slope for each subject, of one latent that six columns show."""
    subject, time = np.repeat(np.arange(n_subjects), n_visits), np.tile(np.arange(n_visits) * 1.0, n_subjects)
    covariance = np.array([[1.0, 0.5 * correlation], [0.5 * correlation, 0.25]])
    b = rng.multivariate_normal(np.zeros(2), covariance, n_subjects)[subject]
    z = b[:, 0] + b[:, 1] * (time - 2.0) + 0.2 * rng.normal(size=len(time))
    return np.outer(z, [1.0, -1.0, 1.0, 2.0, -0.5, 1.0]) + 0.3 * rng.normal(size=(len(z), 6)), subject, time


@pytest.fixture(scope="module")
def fitted():
    X, subject, time = study(150, np.random.default_rng(0))
    model = LongitudinalVAE(
        1, effects=[LEVEL_AND_SLOPE], architecture="linear", learning_rate=0.02, max_iter=15, random_state=0
    )
    return model.fit(X, subject=subject, time=time)


def test_a_drawn_correlation_is_found(fitted):
    table = fitted.own_covariances_
    assert list(table["first"]) == ["subject", "subject", "subject × time"]
    assert list(table["second"]) == ["subject", "subject × time", "subject × time"]
    variances = table["covariance"].to_numpy()
    assert table["correlation"].tolist()[::2] == [1.0, 1.0]
    assert table["correlation"][1] == pytest.approx(-0.8, abs=0.08)
    assert variances[1] == pytest.approx(table["correlation"][1] * np.sqrt(variances[0] * variances[2]))
    assert variances[2] / variances[0] == pytest.approx(0.25 * 2.0, rel=0.25)  # time has a variance of two
    assert fitted.variance_components_["effect"].tolist() == ["subject + subject × time", "visit"]


def test_the_report_lists_the_correlation(fitted):
    table = fitted.own_covariances_
    (row,) = covariance_table(LongitudinalFindings.of(Study(fitted, None, title="t"))).rows
    assert row["correlation"] == f"{table['correlation'][1]:+.2f}".replace("-", "−")
    assert row["second"].startswith("subject × time (")


def test_a_level_foretells_the_slope(fitted, tmp_path):
    X, subject, time = study(80, np.random.default_rng(1))
    subject, given = subject + 1000, time == 2
    later = {"subject": subject[~given], "time": time[~given]}
    mean, std = fitted.condition(X[given], subject=subject[given], time=time[given]).forecast(
        **later, return_std=True
    )
    assert 0.9 < np.mean(np.abs(X[~given] - mean) < 1.96 * std) < 0.99
    fitted.save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(
        again.condition(X[given], subject=subject[given], time=time[given]).forecast(**later), mean
    )
    latents = again._model.latents
    apart = latents.variances._replace(correlations=(as_correlation(np.eye(2)),))
    again._model.latents = latents._replace(variances=apart)
    blind = again.condition(X[given], subject=subject[given], time=time[given]).forecast(**later)
    assert np.mean((X[~given] - mean) ** 2) < 0.8 * np.mean((X[~given] - blind) ** 2)


@pytest.mark.parametrize(
    ("effects", "error", "message"),
    [
        (BySubject(), TypeError, "give a list such as"),
        ("subject", TypeError, "give a list such as"),
        (
            [BySubject(), Linear("time")],
            TypeError,
            r"holds Linear\(key='time'\), which is not of each subject",
        ),
        ([BySubject()], ValueError, "two effects or more"),
        ([BySubject(), BySubject()], ValueError, "holds 'subject' twice"),
        (
            [BySubject(), BySubject(Smooth("time"))],
            ValueError,
            "a Smooth, whose covariance is that of its kernel",
        ),
        (
            [BySubject(), BySubject(Categorical("sex") * Smooth("time"))],
            ValueError,
            "'subject × sex × time', a Smooth",
        ),
    ],
)
def test_what_cannot_be_correlated_is_refused(effects, error, message):
    with pytest.raises(error, match=message):
        Correlated(effects)
    with pytest.raises(ValueError, match="BySubject of Correlated"):
        BySubject(LEVEL_AND_SLOPE)


def test_two_blocks_of_correlations_have_gradients_and_numbers_of_their_own():
    rng = np.random.default_rng(0)
    rows, sites, start = random_problem(rng, q=5, n_axes=2, correlated=((0, 1, 2), (3, 4)))
    learnt = LearntColumns((), tuple(slice(j, j + 1) for j in range(5)))
    for one, other in zip(
        _correlations(_packed(start)[-4:], start.correlations), start.correlations, strict=True
    ):
        np.testing.assert_allclose(one.matrix, other.matrix, atol=1e-12)
    search = _Search(SubjectSystem(rows), sites, learnt, start, True)
    which, x = np.arange(2), search.start + 0.05 * rng.normal(size=search.start.shape)
    value, gradient = search.evaluate(x, which)
    for entry in range(x.shape[1]):
        step = np.zeros_like(x)
        step[:, entry] = 1e-5
        slope = (search.evaluate(x + step, which)[0] - search.evaluate(x - step, which)[0]) / 2e-5
        np.testing.assert_allclose(gradient[:, entry], slope, rtol=1e-4, atol=1e-5)
    far, flat = search.evaluate(x + np.array([[40.0] + [0.0] * (x.shape[1] - 1), [0.0] * x.shape[1]]), which)
    assert far[0] == -np.inf
    assert far[1] == value[1]
    assert not flat[0].any()
