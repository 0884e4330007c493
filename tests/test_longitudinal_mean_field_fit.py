"""The fit of the paper's objective: a model like the exact one, and what it lacks beside it."""

import contextlib
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from intertwine import LongitudinalVAE, load
from intertwine.architectures import Linear
from intertwine.datasets import simulate_longitudinal
from intertwine.effects import BySubject, Smooth
from intertwine.effects.covariate import Covariates
from intertwine.fitting.longitudinal.mean_field import fit_mean_field_vae
from intertwine.fitting.longitudinal.mean_field_epochs import FieldRunner
from intertwine.fitting.longitudinal.mean_field_model import MeanFieldModel
from intertwine.fitting.longitudinal.problem import (
    LongitudinalProblem,
    LongitudinalSettings,
    LongitudinalVisits,
)
from intertwine.fitting.watch import UNWATCHED, Silence, Watch
from intertwine.io import Journal, NoJournal
from intertwine.likelihoods import ColumnLikelihood
from intertwine.mixed_effects.coefficient_priors import GaussianPrior
from intertwine.mixed_effects.latent_effects import LatentEffects
from intertwine.mixed_effects.subject_system import SubjectSystem
from intertwine.mixed_effects.subjects import Sites

P, T, WIDTH = 30, 6, 8


def problem_of(n_epochs=25, method="basis"):
    rng = np.random.default_rng(0)
    subject = np.repeat(np.arange(P), T)
    time = np.tile(np.arange(float(T)), P) + rng.random(P * T)
    z = np.column_stack([np.sin(time / 2), 0.3 * time - 1]) + rng.standard_normal((P, 2))[subject]
    X = z @ rng.standard_normal((2, WIDTH)) + 0.3 * rng.standard_normal((P * T, WIDTH))
    X[rng.random(X.shape) < 0.2] = np.nan
    X[5] = np.nan
    X = X.astype(np.float32)
    columns = Covariates(P * T, {"time": time}, {})
    chosen = [Smooth("time", length_scale=2.0), BySubject()]
    if method == "state-space":
        chosen[1] = BySubject(Smooth("time", kernel="matern32", length_scale=2.0), method=method)
    settings = LongitudinalSettings(
        warm_up=0, epochs=n_epochs, batch_size=60, learning_rate=0.02, prediction=0.3, dropout=0.0
    )
    return LongitudinalProblem(
        LongitudinalVisits(X, columns, subject, P, time),
        LatentEffects.of(chosen, columns, subject),
        Linear(WIDTH, 2),
        ColumnLikelihood.of(X, ("gaussian",) * WIDTH),
        GaussianPrior(),
        settings,
    )


@pytest.fixture(scope="module")
def problem():
    return problem_of()


@pytest.fixture(scope="module")
def model(problem):
    return fit_mean_field_vae(problem, np.random.default_rng(1), UNWATCHED)


def halves(problem, model):
    """Rows, all sites, and those of early visits alone."""
    rows, sites = problem.rows(model.latents.shape), model.sites(problem.visits.X)
    early = (problem.visits.time < 3)[:, None]
    return rows, sites, Sites(sites.mean, np.where(early, sites.variance, np.inf))


def test_it_begins_with_half_of_the_variance_as_noise_and_the_rest_in_equal_shares(problem):
    shape = problem.effects.start_shape()
    rows = problem.rows(shape)
    start = FieldRunner(problem, rows, problem.visits.X).begun(np.random.default_rng(0)).variances
    scales = problem.effects.scales(rows)
    np.testing.assert_allclose(start.noise, 0.5)
    np.testing.assert_allclose(start.shared[-1] * scales[0], 0.25)
    np.testing.assert_allclose(start.own[0] * scales[1], 0.25)


def test_it_learns_to_reconstruct_and_to_predict(problem, model):
    losses = np.array(model.history["reconstruction"]) + model.history["divergence"]
    assert losses[-1] < losses[0] - 5
    assert len(losses) == 25
    X = problem.visits.X
    rows, sites, early = halves(problem, model)
    later = problem.visits.time >= 3
    for known, part, share in ((sites, slice(None), 0.15), (early, later, 0.25)):
        error = (model.decode(model.marginals(rows, known).mean) - X)[part]
        assert np.nanmean(error**2) < share * np.nanmean((X - np.nanmean(X, axis=0))[part] ** 2)


def test_visits_that_were_seen_are_what_the_encoder_says(problem, model):
    rows, sites, _ = halves(problem, model)
    found = model.marginals(rows, sites)
    seen = np.isfinite(sites.variance).all(axis=1)
    assert (~seen).sum() == 1
    np.testing.assert_array_equal(found.mean[seen], sites.mean[seen])
    np.testing.assert_array_equal(found.variance[seen], sites.variance[seen])
    np.testing.assert_array_equal(found.mean[~seen], found.linear_mean[~seen])


def test_draws_have_the_marginals(problem, model):
    rows, _, early = halves(problem, model)
    found, rng = model.marginals(rows, early), np.random.default_rng(0)
    for noise, mean, variance in ((True, found.mean, found.variance), (False, *found[:2])):
        draws = model.draw(rows, early, 2000, rng, noise)
        assert np.abs((draws.mean(axis=0) - mean) / np.sqrt(variance / 2000)).max() < 5
        np.testing.assert_allclose(draws.var(axis=0), variance, rtol=0.25)


def test_its_coefficients_are_surer_than_the_exact_ones(problem, model):
    rows, sites, _ = halves(problem, model)
    known = Sites(sites.mean, np.where(np.isfinite(sites.variance), 0.0, np.inf))
    exact = SubjectSystem(rows).posterior(known, model.latents.variances).shared
    np.testing.assert_allclose(model.latents.shared.mean, exact.mean, rtol=1e-5, atol=1e-6)
    diagonals = [np.einsum("kpp->kp", shared.covariance) for shared in (model.latents.shared, exact)]
    assert (diagonals[0] <= diagonals[1] * (1 + 1e-9)).all()
    assert np.median(diagonals[0] / diagonals[1]) < 0.9


def test_a_state_holds_the_model(problem, model):
    again = MeanFieldModel.from_state(model.to_state(), problem.effects.effects)
    rows, sites, early = halves(problem, model)
    for known in (sites, early):
        one, other = (some.marginals(rows, known) for some in (model, again))
        np.testing.assert_array_equal(one.mean, other.mean)
        np.testing.assert_array_equal(model.decode(one.mean), again.decode(other.mean))
    np.testing.assert_array_equal(again.sites(problem.visits.X).mean, sites.mean)


def test_an_interrupted_fit_goes_on_to_the_same_result(tmp_path):
    problem = problem_of(n_epochs=4)

    def stop(row, state):
        if row.iteration == 3:
            raise KeyboardInterrupt

    def fitted(progress, journal):
        return fit_mean_field_vae(problem, np.random.default_rng(1), Watch(progress, journal))

    with contextlib.suppress(KeyboardInterrupt), Journal(tmp_path / "j", {}) as journal:
        fitted(SimpleNamespace(iteration=stop), journal)
    with Journal(tmp_path / "j", {}) as journal:
        resumed = fitted(Silence(), journal)
    whole = fitted(Silence(), NoJournal())
    assert resumed.bound == whole.bound
    np.testing.assert_array_equal(resumed.latents.shared.mean, whole.latents.shared.mean)


def test_what_it_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="method='basis'"):
        fit_mean_field_vae(problem_of(1, "state-space"), np.random.default_rng(0), UNWATCHED)


def test_the_estimator_answers_with_it(tmp_path):
    study = simulate_longitudinal(20, 5, n_new=3, random_state=0)
    told = [
        {"X": study.X[at], "subject": study.subject[at], "time": study.time[at]}
        for at in (study.train, study.given, study.future)
    ]
    ahead = {name: told[2][name] for name in ("subject", "time")}
    model = LongitudinalVAE(
        2, hidden_layer_sizes=(8,), max_iter=4, warm_up=0, objective="mean-field", random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(**told[0])
    assert list(model.history_["phase"].unique()) == ["mean-field"]
    latents, sites = model.transform(**told[0]), model._model.sites(study.X[study.train])
    np.testing.assert_allclose(latents, sites.mean, rtol=1e-6)  # as the encoder says them
    patients = model.condition(**told[1])
    mean, deviation = patients.forecast(**ahead, return_std=True)
    draws = patients.sample_trajectories(**ahead, n_draws=3, random_state=0)
    assert np.isfinite(mean).all()
    assert np.isfinite(draws).all()
    assert (deviation > 0).all()
    assert len(model.explain())
    model.save(tmp_path / "model.itw")
    again = load(tmp_path / "model.itw")
    np.testing.assert_array_equal(again.condition(**told[1]).forecast(**ahead), mean)


def test_the_parts_of_a_draw_add_up_to_it(problem, model):
    rows, _, early = halves(problem, model)
    whole = model.draw(rows, early, 5, np.random.default_rng(3))
    parts = model.draw_parts(rows, early, 5, np.random.default_rng(3))
    linear = rows.shared @ parts.shared + np.einsum("nq,dnqk->dnk", rows.own, parts.own)
    np.testing.assert_allclose(linear + parts.trends.sum(axis=1) + parts.noise, whole, atol=1e-6)
