"""How sure a longitudinal autoencoder is of what it says: coverage on drawn visits, and one distribution for all."""

import numpy as np
import pytest

from intertwine import LongitudinalVAE
from intertwine.datasets import simulate_longitudinal
from intertwine.effects import BySubject, Categorical, Linear

EFFECTS = [Categorical("sex"), Linear("age"), Linear("dose"), BySubject(), BySubject(Linear("age"))]
NOISE = 0.1
pytestmark = pytest.mark.filterwarnings("ignore:the bound was still rising")


def visits(study, rows):
    told = {name: values[rows] for name, values in study.covariates.items() if name != "disease_time"}
    return {"covariates": told, "subject": study.subject[rows]}


def model(**params):
    return LongitudinalVAE(2, effects=EFFECTS, learning_rate=0.01, random_state=0, **params)


@pytest.fixture(scope="module")
def linear():
    study = simulate_longitudinal(100, 12, n_components=2, n_new=60, decoder="linear", random_state=1)
    return study, model(architecture="linear", max_iter=25).fit(
        study.X[study.train], **visits(study, study.train)
    )


@pytest.fixture(scope="module")
def counts():
    kinds = ["gaussian", "bernoulli", "poisson", "ordinal"] * 2
    study = simulate_longitudinal(40, 8, n_components=2, likelihood=kinds, random_state=2)
    fitted = model(likelihood=kinds, hidden_layer_sizes=(16,), max_iter=8, warm_up=4)
    return study, fitted.fit(study.X[study.train], **visits(study, study.train))


def covered(truth, mean, std):
    """Part of the values within 90% bands, and their mean squared error over the mean variance."""
    return np.mean(np.abs(truth - mean) < 1.645 * std), np.mean((truth - mean) ** 2) / np.mean(std**2)


def test_the_noise_of_columns_is_found(linear):
    _, fitted = linear
    found = fitted._model.noise_variance(np.zeros((1, 12)))[0]
    np.testing.assert_allclose(found.mean(), NOISE, rtol=0.1)


@pytest.mark.parametrize("part", ["train", "test"])
def test_missing_entries_lie_in_their_bands(linear, part):
    study, fitted = linear
    X, missing = study.X[study[part]], np.isnan(study.X[study[part]])
    mean, std = fitted.impute(X, **visits(study, study[part]), return_std=True)
    share, ratio = covered(study.X_complete[study[part]][missing], mean[missing], std[missing])
    assert 0.87 < share < 0.94
    assert 0.8 < ratio < 1.2


def test_visits_to_come_lie_in_their_bands(linear):
    study, fitted = linear
    patients = fitted.condition(study.X[study.given], **visits(study, study.given))
    mean, std = patients.forecast(**visits(study, study.future), return_std=True)
    share, ratio = covered(study.X_complete[study.future], mean, std)
    assert 0.88 < share < 0.92
    assert 0.9 < ratio < 1.15


def test_forecasts_and_draws_are_of_one_distribution(counts):
    study, fitted = counts
    patients = fitted.condition(study.X[study.given], **visits(study, study.given))
    asked = study.future[:6]
    mean, std = patients.forecast(**visits(study, asked), return_std=True)
    n_draws = 3000
    drawn = patients.sample_trajectories(**visits(study, asked), n_draws=n_draws, random_state=0)
    away = np.abs(drawn.mean(axis=0) - mean) / (std / np.sqrt(n_draws))
    assert np.mean(away < 3) > 0.8
    np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=0.08 * std.max())
    np.testing.assert_allclose(np.median(drawn.std(axis=0) / std), 1.0, atol=0.05)
    latent = patients.predict_latents(**visits(study, asked))
    np.testing.assert_allclose(mean, fitted._model.decode_predicted(latent))


def test_steps_to_the_most_likely_latents_are_counted_or_not(counts):
    study, fitted = counts
    X, rows = study.X[study.test], visits(study, study.test)
    refined, word = (fitted.set_params(refine_iter=n).impute(X, **rows, return_std=True) for n in (40, 0))
    missing = np.isnan(X)
    for _, std in (refined, word):
        assert np.all(np.isfinite(std))
        assert np.all(std[missing] > 0)
    assert not np.allclose(refined[1], word[1])
