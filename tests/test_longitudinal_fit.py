"""The fit of a longitudinal variational autoencoder: its closed forms against the engine, its phases, its parts."""

import jax
import numpy as np
import pytest

from intertwine.architectures.choose import architecture_of
from intertwine.effects import BySubject, Smooth
from intertwine.effects.covariate import Covariates
from intertwine.fitting.longitudinal.batches import VisitBatches
from intertwine.fitting.longitudinal.contexts import drawn_context
from intertwine.fitting.longitudinal.fit import fit_longitudinal_vae, settled
from intertwine.fitting.longitudinal.latents import LatentState, first_latents, followed, improved, solved
from intertwine.fitting.longitudinal.model import LongitudinalModel
from intertwine.fitting.longitudinal.problem import (
    LongitudinalProblem,
    LongitudinalSettings,
    LongitudinalVisits,
    visit_order,
)
from intertwine.fitting.watch import UNWATCHED
from intertwine.latent_prior import LatentBatch, PriorValues, site_divergence, smoothed, trend_steps
from intertwine.latent_prior.elimination import inverse_and_log_determinant
from intertwine.likelihoods.columns import ColumnLikelihood
from intertwine.mixed_effects.coefficient_priors import GaussianPrior
from intertwine.mixed_effects.latent_effects import LatentEffects
from intertwine.mixed_effects.subject_system import SubjectSystem
from intertwine.mixed_effects.subjects import LatentVariances, SharedPosterior, Sites, SubjectRows, Trend

N, P, K = 24, 5, 3


@pytest.fixture
def design():
    rng = np.random.default_rng(0)
    subject = np.sort(rng.integers(0, P, N))
    shared, own = rng.standard_normal((N, 2)), rng.standard_normal((N, 4))
    variances = LatentVariances(
        rng.uniform(0.2, 1, K), np.ones((2, K)), rng.uniform(0, 2, (4, K)), np.empty((0, K))
    )
    sites = Sites(rng.standard_normal((N, K)), rng.uniform(0.1, 1, (N, K)))
    return SubjectRows(subject, P, shared, own), variances, sites, rng.standard_normal((2, K))


def conditioned(design, context):
    rows, variances, sites, mean = design
    prior = PriorValues(
        *(np.float32(part) for part in (mean, variances.own, variances.noise, variances.trends))
    )
    batch = LatentBatch(rows.subject, np.float32(rows.shared), np.float32(rows.own))
    given = np.float32(sites.mean), np.float32(sites.variance)
    return smoothed(prior, batch, *given, np.float32(context), P), given


def known(design, context):
    """The same by the engine in double precision, the shared coefficients being known."""
    rows, variances, sites, mean = design
    exact = Sites(sites.mean, np.where(context[:, None] > 0, sites.variance, np.inf))
    return rows, variances, exact, SharedPosterior(mean, np.zeros((K, 2, 2)))


def test_latents_of_a_batch_are_those_of_the_engine(design):
    context = np.arange(N) % 3 != 1
    found, _ = conditioned(design, context)
    from intertwine.mixed_effects.subject_prediction import predict_subjects

    rows, variances, sites, shared = known(design, context)
    expected = predict_subjects(shared, variances, rows, sites)
    np.testing.assert_allclose(found.mean, expected.mean, rtol=2e-4, atol=2e-5)
    np.testing.assert_allclose(found.variance, expected.variance, rtol=2e-4, atol=2e-5)


def test_evidence_and_its_gradient_are_those_of_dense_gaussians(design):
    rows, variances, sites, mean = design
    context = np.ones(N)
    found, given = conditioned(design, context)
    evidence, divergence, pull = 0.0, 0.0, np.zeros((2, K))
    for k in range(K):
        same = rows.subject[:, None] == rows.subject
        covariance = same * ((rows.own * variances.own[:, k]) @ rows.own.T)
        covariance += np.diag(variances.noise[k] + sites.variance[:, k])
        residual = sites.mean[:, k] - rows.shared @ mean[:, k]
        solved = np.linalg.solve(covariance, residual)
        evidence -= 0.5 * (residual @ solved + np.linalg.slogdet(2 * np.pi * covariance)[1])
        pull[:, k] = rows.shared.T @ solved
        # of the Gaussian posterior from its prior
        gain = (covariance - np.diag(sites.variance[:, k])) @ np.linalg.inv(covariance)
        share = np.eye(N) - gain
        divergence += 0.5 * (gain @ residual @ solved + np.trace(share) - N - np.linalg.slogdet(share)[1])
    np.testing.assert_allclose(found.log_evidence, evidence, rtol=1e-5)
    np.testing.assert_allclose(found.pull, pull, rtol=1e-4, atol=1e-4)
    found_divergence = float(site_divergence(found, *given, np.float32(context)))
    assert found_divergence == pytest.approx(divergence, rel=1e-4)


def test_gradients_of_the_conditioning_are_those_of_differences(design):
    def total(mean):
        found, _ = conditioned((design[0], design[1], design[2]._replace(mean=mean), design[3]), np.ones(N))
        return float(found.log_evidence)

    rows, variances, sites, shared = design

    def traced(mean):
        prior = PriorValues(*map(np.float32, (shared, variances.own, variances.noise, variances.trends)))
        batch = LatentBatch(rows.subject, np.float32(rows.shared), np.float32(rows.own))
        return smoothed(
            prior, batch, mean, np.float32(sites.variance), np.ones(N, np.float32), P
        ).log_evidence

    gradient = jax.grad(traced)(np.float32(sites.mean))
    step = np.zeros((N, K))
    step[7, 1] = 0.05
    difference = (total(sites.mean + step) - total(sites.mean - step)) / 0.1
    np.testing.assert_allclose(gradient[7, 1], difference, rtol=2e-3)


@pytest.mark.parametrize("kernel", ["matern12", "matern32", "matern52"])
def test_trends_of_a_batch_are_those_of_the_engine(design, kernel):
    from intertwine.mixed_effects.subject_prediction import predict_subjects

    rows, variances, sites, mean = design
    rng = np.random.default_rng(4)
    time = np.where(np.arange(N) % 7 == 3, np.nan, np.arange(N) * 0.7 + rng.uniform(0, 0.5, N))
    first = np.append(True, np.diff(rows.subject) > 0)
    context = np.arange(N) % 4 != 2
    trend = trend_steps(kernel, 2.5, time, first)
    values = (mean, variances.own, variances.noise, rng.uniform(0.5, 2, (1, K)))
    batch = LatentBatch(rows.subject, np.float32(rows.shared), np.float32(rows.own), (trend,))
    given = np.float32(sites.mean), np.float32(sites.variance)
    found = smoothed(PriorValues(*map(np.float32, values)), batch, *given, np.float32(context), P)
    exact = Sites(sites.mean, np.where(context[:, None], sites.variance, np.inf))
    of_trend = rows._replace(trends=(Trend(time, kernel, 2.5),))
    variances = variances._replace(trends=values[3])
    known_mean = SharedPosterior(mean, np.zeros((K, 2, 2)))
    expected = predict_subjects(known_mean, variances, of_trend, exact)
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found.variance, expected.variance, rtol=1e-3, atol=1e-4)
    fixed = variances._replace(shared=np.zeros((2, K)))
    shifted = exact._replace(mean=sites.mean - rows.shared @ mean)
    evidence = SubjectSystem(of_trend).posterior(shifted, fixed).log_evidence.sum()
    np.testing.assert_allclose(found.log_evidence, evidence, rtol=1e-4)


def test_elimination_without_pivots_inverts():
    A = np.random.default_rng(0).standard_normal((4, 6, 6))
    A = np.eye(6) + A @ A.transpose(0, 2, 1)
    inverse, log_determinant = inverse_and_log_determinant(np.float32(A))
    np.testing.assert_allclose(inverse, np.linalg.inv(A), atol=2e-5)
    np.testing.assert_allclose(log_determinant, np.linalg.slogdet(A)[1], rtol=1e-5)
    direction = np.float32(A[::-1])
    _, (moved, slope) = jax.jvp(inverse_and_log_determinant, (np.float32(A),), (direction,))
    np.testing.assert_allclose(moved, -inverse @ direction @ inverse, rtol=1e-3, atol=1e-4)
    expected = np.trace(np.linalg.solve(A, direction), axis1=1, axis2=2)
    np.testing.assert_allclose(slope, expected, rtol=1e-4)


def test_a_natural_step_on_all_visits_is_the_exact_solve(design):
    rows, variances, sites, _ = design
    posterior = SubjectSystem(rows).posterior(sites, variances)
    begin = np.full((2, K), 0.3)
    found, _ = conditioned((rows, variances, sites, begin), np.ones(N))
    state = LatentState(
        begin, posterior.shared.covariance, variances, np.float32(sites.mean), np.float32(sites.variance), 0.0
    )
    np.testing.assert_allclose(followed(state, found.pull, 1.0), posterior.shared.mean, atol=1e-4)


def test_a_solve_within_an_epoch_leaves_the_next_posterior_to_the_next_solve():
    problem, rng = small_problem(), np.random.default_rng(3)
    rows = problem.rows(problem.effects.start_shape())
    given = rng.standard_normal((180, 2)), rng.uniform(0.1, 1, (180, 2))
    system, start = SubjectSystem(rows), first_latents(problem.effects, problem.effects.scales(rows), given)
    first = improved(problem, system, start, {})
    whole, second = solved(problem, system, start, 1), improved(problem, system, first, {})
    for one, other in zip(first.variances, whole.variances, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.allclose(first.variances.own, start.variances.own, rtol=1e-3)
    np.testing.assert_array_equal(second.mean, whole.mean)
    np.testing.assert_array_equal(first.mean, system.posterior(start.sites, start.variances).shared.mean)


def test_contexts_are_first_visits_or_any():
    rng, subject = np.random.default_rng(0), np.repeat(np.arange(400), 10)
    number = np.tile(np.arange(10), 400)
    shown = drawn_context(rng, subject, number, 3).reshape(400, 10)
    first = shown[:, :3].all(axis=1) & ~shown[:, 3:].any(axis=1)
    assert 0.5 < first.mean() < 0.7
    assert set(shown.sum(axis=1)) <= {1, 2, 3, 4}
    assert drawn_context(rng, subject, number, None).reshape(400, 10).sum(axis=1).max() == 5


def test_visits_are_numbered_by_time():
    subject, time = np.array([3, 0, 3, 0]), np.array([2.0, 7.0, 1.0, 8.0])
    np.testing.assert_array_equal(visit_order(subject, time), [1, 0, 0, 1])


def small_problem(subjects_effect=None, **settings):
    rng = np.random.default_rng(1)
    subject, time = np.repeat(np.arange(30), 6), np.tile(np.arange(6.0), 30)
    level = rng.standard_normal(30)[subject] + np.sin(time)
    X = np.column_stack([np.cos(level), level, level**2 / 4, -level]) + 0.05 * rng.standard_normal((180, 4))
    X[rng.random(X.shape) < 0.1] = np.nan
    X = X.astype(np.float32)
    columns = Covariates(180, {"time": time}, {})
    own = [BySubject()] if subjects_effect is None else [BySubject(), subjects_effect]
    effects = LatentEffects.of([Smooth("time", length_scale=2.0), *own], columns, subject)
    chosen = LongitudinalSettings(
        **{"warm_up": 2, "epochs": 3, "decoder_epochs": 1, "batch_size": 60, **settings}
    )
    visits = LongitudinalVisits(X, columns, subject, 30, time)
    return LongitudinalProblem(
        visits,
        effects,
        architecture_of("mlp", 4, 2, (16,)),
        ColumnLikelihood.of(X.astype(float), ["gaussian"] * 4),
        GaussianPrior(),
        chosen,
    )


@pytest.fixture(scope="module")
def fitted():
    problem = small_problem(warm_up=20, epochs=40, learning_rate=0.01)
    return problem, fit_longitudinal_vae(problem, np.random.default_rng(0), UNWATCHED)


def test_a_fit_learns_and_predicts(fitted):
    problem, model = fitted
    X = problem.visits.X.astype(float)
    rows = problem.rows(model.latents.shape)
    there = ~np.isnan(X)
    seen = model.decode(model.marginals(rows, model.sites(X)).mean)
    assert np.mean((seen - X)[there] ** 2) < 0.2 * np.nanvar(X)
    shown = X.copy()
    shown[problem.visits.time >= 3] = np.nan
    ahead = model.decode_predicted(model.marginals(rows, model.sites(shown)).mean)
    late = there & (problem.visits.time >= 3)[:, None]
    assert np.mean((ahead - X)[late] ** 2) < 0.5 * np.nanvar(X)


def test_a_file_holds_the_model(fitted):
    problem, model = fitted
    again = LongitudinalModel.from_state(model.to_state(), model.latents.effects.effects)
    X = problem.visits.X[:9].astype(float)
    np.testing.assert_array_equal(model.sites(X).mean, again.sites(X).mean)
    np.testing.assert_array_equal(model.decode(np.ones((2, 2))), again.decode(np.ones((2, 2))))
    np.testing.assert_array_equal(
        model.decode_predicted(np.ones((2, 2))), again.decode_predicted(np.ones((2, 2)))
    )


def test_reported_axes_say_the_same_of_visits(fitted):
    problem, model = fitted
    X = problem.visits.X.astype(float)
    sites = model.sites(X)
    np.testing.assert_allclose(sites.mean, model.latents.sites.mean, rtol=1e-4, atol=1e-5)
    rows = problem.rows(model.latents.shape)
    posterior = SubjectSystem(rows).posterior(model.latents.sites, model.latents.variances)
    np.testing.assert_allclose(posterior.shared.mean, model.latents.shared.mean, rtol=1e-6, atol=1e-8)


def test_the_same_seed_gives_the_same_fit():
    first, second = (
        fit_longitudinal_vae(small_problem(), np.random.default_rng(3), UNWATCHED) for _ in range(2)
    )
    assert first.bound == second.bound
    np.testing.assert_array_equal(first.latents.shared.mean, second.latents.shared.mean)


def test_a_fit_with_trends_of_subjects():
    course = BySubject(Smooth("time", kernel="matern32"), method="state-space")
    model = fit_longitudinal_vae(small_problem(course), np.random.default_rng(3), UNWATCHED)
    assert model.latents.variances.trends.shape == (1, 2)
    assert np.all(model.latents.variances.trends > 0)
    assert np.isfinite(model.bound)


def test_subjects_without_effects_of_their_own():
    problem = small_problem()
    effects = LatentEffects.of(
        [Smooth("time", length_scale=2.0)], problem.visits.columns, problem.visits.subject
    )
    model = fit_longitudinal_vae(problem._replace(effects=effects), np.random.default_rng(3), UNWATCHED)
    assert np.isfinite(model.bound)


def test_visits_that_were_not_observed_take_no_part():
    problem = small_problem()
    X = problem.visits.X.copy()
    X[::5] = np.nan
    problem = problem._replace(visits=problem.visits._replace(X=X))
    model = fit_longitudinal_vae(problem, np.random.default_rng(3), UNWATCHED)
    assert np.isinf(model.latents.sites.variance[::5]).all()
    assert np.isfinite(model.bound)


def test_held_out_subjects_choose_the_epoch():
    problem = small_problem(validation=0.2, epochs=4)
    model = fit_longitudinal_vae(problem, np.random.default_rng(3), UNWATCHED)
    told = np.array(model.history["held_out"])
    phase = np.array(model.history["phase"])
    assert np.isnan(told[phase == "warm-up"]).all()
    assert np.isfinite(told[phase != "warm-up"]).all()
    assert len(model.latents.sites.mean) == len(problem.visits.X)  # all subjects have latents in the end


def test_a_part_without_subjects_is_refused():
    with pytest.raises(ValueError, match="validation_fraction=0.01 of 30 subjects"):
        fit_longitudinal_vae(small_problem(validation=0.01), np.random.default_rng(3), UNWATCHED)


def test_mixtures_are_of_subjects_alike():
    rng = np.random.default_rng(0)
    problem = small_problem(mixup=1.0)
    problem = problem._replace(visits=problem.visits._replace(X=np.nan_to_num(problem.visits.X)))
    rows = problem.rows(problem.effects.start_shape())
    batches = VisitBatches(problem, rows)
    ((pack, context), *_) = batches.chosen(rng)
    batch, plain = batches.batch(pack, context, 0.0, rng)
    own = problem.visits.X[pack.rows[: pack.n_rows]]
    away = ~plain
    assert away.mean() > 0.5
    np.testing.assert_array_equal(batch.x[: pack.n_rows][plain], own[plain])
    # between two rows of the table, at the same visit: what remains of it is a multiple of one direction
    time = problem.visits.time
    for row in np.flatnonzero(away)[:10]:
        others = problem.visits.X[time == time[pack.rows[row]]]
        distance = np.linalg.norm(own[row] - batch.x[row]) + np.linalg.norm(others - batch.x[row], axis=1)
        straight = np.linalg.norm(others - own[row], axis=1)
        assert np.min(distance - straight) < 1e-5
    np.testing.assert_allclose(
        batch.latent.shared[: pack.n_rows], rows.shared[pack.rows[: pack.n_rows]], atol=1e-6
    )


def test_a_fit_with_mixtures_is_as_good():
    model = fit_longitudinal_vae(small_problem(mixup=0.5), np.random.default_rng(3), UNWATCHED)
    assert np.isfinite(model.bound)
    assert np.isfinite(model.latents.sites.variance).all()


def test_a_fit_begins_with_half_of_what_sites_vary_by_as_noise_and_the_rest_in_equal_shares():
    rng = np.random.default_rng(0)
    subject, time = np.repeat(np.arange(10), 3), rng.uniform(0, 10, 30)
    columns = Covariates(30, {"time": time}, {})
    effects = LatentEffects.of([BySubject(), Smooth("time", length_scale=3.0)], columns, subject)
    scales = effects.scales(effects.rows(columns, subject, 10, effects.start_shape()))
    mean, variance = rng.standard_normal((30, 2)) * [1.0, 3.0], np.ones((30, 2))
    variance[4] = np.inf  # a visit that was not seen
    start = first_latents(effects, scales, (mean, variance))
    spread = np.delete(mean, 4, axis=0).var(axis=0)
    np.testing.assert_allclose(start.variances.noise, spread / 2)
    own = start.variances.own[0] * scales[0]
    curve = start.variances.shared[-1] * scales[1]
    np.testing.assert_allclose(own, spread / 4)
    np.testing.assert_allclose(curve, spread / 4)


def told(losses, held_out=None):
    held = [np.nan] * len(losses) if held_out is None else held_out
    return [
        {"reconstruction": a, "divergence": 0.0, "held_out": b} for a, b in zip(losses, held, strict=True)
    ]


def test_a_fit_has_settled_where_more_epochs_would_bring_no_more_than_epochs_scatter():
    rng, epochs = np.random.default_rng(0), np.arange(100)
    scatter = 0.06 * rng.standard_normal(100)
    scatter[-1], scatter[-11] = -0.1, 0.1  # of two single epochs the later one looks better
    assert settled(told(8.0 + np.exp(-epochs / 10.0) + scatter))
    assert not settled(told(8.0 - 0.01 * epochs + scatter))
    assert not settled(told(8.0 - 0.01 * epochs))


def test_held_out_subjects_say_that_a_fit_has_settled_where_their_best_epoch_was_before_the_last():
    rising = 8.0 - 0.01 * np.arange(40)
    early, late = np.abs(np.arange(40) - 20.0), 40.0 - np.arange(40)
    assert settled(told(rising, early))
    assert not settled(told(rising, late))


def test_sites_that_are_almost_sure_have_a_variance_and_a_gradient():
    one = np.ones((1, 1), np.float32)
    none = np.empty((1, 0), np.float32)
    prior = PriorValues(np.empty((0, 1), np.float32), np.empty((0, 1), np.float32), one[0], np.empty((0, 1)))
    batch = LatentBatch(np.zeros(1, np.int64), none, none)

    def spread(log_scale):
        return jax.numpy.sqrt(
            smoothed(prior, batch, one, jax.numpy.exp(2 * log_scale) * one, one[0], 1).variance
        )[0, 0]

    value, slope = jax.value_and_grad(spread)(np.float32(-9.0))  # the least that an encoder can say
    np.testing.assert_allclose([value, slope], np.exp(-9.0), rtol=1e-4)
