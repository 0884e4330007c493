"""Bands of forecasts are as wide as what is missed of visits that networks were not shown."""

import numpy as np
from test_longitudinal_fit import small_problem

from intertwine.fitting.longitudinal.fit import fit_longitudinal_vae
from intertwine.fitting.longitudinal.model import LongitudinalModel
from intertwine.fitting.longitudinal.sites import all_sites, column_moments, decoded_outputs
from intertwine.fitting.longitudinal.steps import Networks
from intertwine.fitting.longitudinal.validation import first_visits
from intertwine.fitting.longitudinal.widening import forecast_widening
from intertwine.fitting.watch import UNWATCHED
from intertwine.mixed_effects.subject_prediction import predict_subjects
from intertwine.mixed_effects.subjects import SharedPosterior, Sites
from intertwine.networks import Autoencoder


def test_forecasts_are_noisier_by_what_they_miss_and_older_files_know_nothing_of_it():
    model = fit_longitudinal_vae(small_problem(), np.random.default_rng(0), UNWATCHED)
    state, outputs = model.to_state(), np.zeros((2000, 4))
    wider = LongitudinalModel.from_state(state | {"widening": np.full(4, 0.3)}, model.latents.effects.effects)
    older = {name: value for name, value in state.items() if name != "widening"}
    narrow = LongitudinalModel.from_state(older, model.latents.effects.effects)
    seen = model.noise_variance(outputs)
    np.testing.assert_array_equal(narrow.noise_ahead(outputs), seen)
    np.testing.assert_array_equal(wider.noise_variance(outputs), seen)
    np.testing.assert_allclose(wider.noise_ahead(outputs), seen + 0.3, rtol=1e-4)
    drawn = wider.sample(outputs, np.random.default_rng(0))
    np.testing.assert_allclose(drawn.var(axis=0), seen[0] + 0.3, rtol=0.15)


def test_what_forecasts_miss_beyond_what_is_told_comes_to_their_noise():
    problem, rng = small_problem(), np.random.default_rng(4)
    given, shape = first_visits(problem), problem.effects.start_shape()
    assert np.bincount(problem.visits.subject, given).tolist() == [1] * 30
    X = np.array(problem.visits.X)
    columns = problem.likelihood.start(X)
    networks = Networks(problem.architecture.draw(rng), columns, columns)
    decoder, rows = networks.autoencoder.decoder, problem.rows(shape)
    p = rows.shared.shape[1]
    variances = problem.effects.variances(np.full(2, 0.2), np.full((2, 2), 0.5))
    shared = SharedPosterior(rng.standard_normal((p, 2)), np.zeros((2, p, p)))
    mean, variance = all_sites(problem.architecture, problem.likelihood, networks.autoencoder, X)
    known = Sites(mean.astype(float), np.where(given[:, None], variance, np.inf).astype(float))
    latents = predict_subjects(shared, variances, rows, known).mean
    outputs = decoded_outputs(problem.architecture, Autoencoder((), decoder), latents)
    expected = column_moments(problem.likelihood, columns, outputs, "mean")

    def widening(miss):
        X[~given] = (expected + miss)[~given]
        moved = problem._replace(visits=problem.visits._replace(X=X))
        return forecast_widening(moved, given, networks, decoder, (shared, variances), shape)

    np.testing.assert_array_equal(widening(0.0), 0.0)
    one, two = widening(10.0), widening(20.0)
    told = (two - 4.0 * one) / 3.0  # missed² median(1/told) told = told + widening
    np.testing.assert_allclose((told + one) / told, np.median(100.0 / told), rtol=1e-3)
    noise = column_moments(problem.likelihood, columns, outputs, "variance")[0]
    assert np.all(told > noise)
