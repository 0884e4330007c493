"""The paper's objective: its terms, where it is greatest, and the fit that climbs it."""

import jax
import numpy as np
import pytest

from intertwine.architectures import Linear
from intertwine.fitting.longitudinal.mean_field_steps import (
    FieldBatch,
    FieldCoefficients,
    FieldNetworks,
    FieldVariances,
    _coefficient_divergence,
    _seen,
    field_begun,
    field_step,
)
from intertwine.likelihoods import ColumnLikelihood
from intertwine.mixed_effects.mean_field import MeanField, latent_entropy
from intertwine.mixed_effects.subjects import LatentVariances, SubjectRows

K, P, T, WIDTH = 2, 12, 6, 5


def small(flat=True, seed=0):
    rng = np.random.default_rng(seed)
    n = P * T
    subject = np.repeat(np.arange(P), T)
    rows = SubjectRows(subject, P, rng.standard_normal((n, 3)), np.ones((n, 1)))
    shared = np.ones((3, K))
    if flat:
        shared[0] = np.inf
    variances = LatentVariances(np.full(K, 0.5), shared, np.full((1, K), 0.7), np.empty((0, K)))
    X = rng.standard_normal((n, WIDTH)).astype(np.float32)
    X[rng.random(X.shape) < 0.2] = np.nan
    likelihood = ColumnLikelihood.of(X, ("gaussian",) * WIDTH)
    architecture = Linear(WIDTH, K)
    of_subjects = rng.standard_normal((P, 1, K)), rng.uniform(0.1, 1, (P, 1, K))
    q = FieldCoefficients.of(
        MeanField(rng.standard_normal((3, K)), rng.uniform(0.1, 1, (3, K)), *of_subjects)
    )
    params = FieldNetworks(architecture.draw(rng), likelihood.start(X), q)
    shown = (~np.isnan(X)).astype(np.float32)
    draws = rng.standard_normal((2, n, K)).astype(np.float32)
    features = rows.shared.astype(np.float32), rows.own.astype(np.float32)
    batch = FieldBatch(X, shown, np.ones(n, np.float32), subject, *features, *draws)
    return rows, variances, likelihood, architecture, params, batch


@pytest.mark.parametrize("flat", [False, True])
def test_divergences_are_those_of_the_bound_in_double_precision(flat):
    rows, variances, likelihood, architecture, params, batch = small(flat)
    single = FieldVariances.of(variances)
    found = jax.jit(_seen, static_argnums=4)(params, batch, single, likelihood, architecture)
    field = params.coefficients.field()
    mean, variance = (np.asarray(part, np.float64) for part in (found.mean, found.variance))
    expected = field.bound(rows, mean, variance, variances).sum()
    divergence = jax.jit(_coefficient_divergence)(params.coefficients, single)
    np.testing.assert_allclose(divergence, field.divergence(variances).sum(), rtol=1e-5)
    np.testing.assert_allclose(-(found.divergence + divergence), expected, rtol=1e-5)
    assert np.isfinite(latent_entropy(variance)).all()


def test_reconstructions_and_predictions_are_averages_over_their_draws():
    rows, variances, likelihood, architecture, params, batch = small()
    rng, n = np.random.default_rng(3), len(batch.x)
    seen = jax.jit(_seen, static_argnums=4)
    terms = []
    for _ in range(60):
        draws = rng.standard_normal((2, n, K)).astype(np.float32)
        again = batch._replace(noise=draws[0], prior_noise=draws[1])
        found = seen(params, again, FieldVariances.of(variances), likelihood, architecture)
        terms.append((float(found.reconstruction), float(found.prediction)))
    # a linear decoder: E (x − f(z))² is that at the mean, and the variance that the decoder makes of z's
    ((weight, bias),) = params.autoencoder.decoder
    noise = 0.5 + 1e-4
    center, scale = likelihood.outputs
    linear, spread = params.coefficients.field().linear(rows)
    for place, (mean, variance) in enumerate(
        ((found.mean, found.variance), (linear, spread + variances.noise))
    ):
        left = (batch.x - center) / scale - (mean @ weight + bias)
        squares = np.nansum(left**2 + np.where(np.isnan(left), np.nan, variance @ weight**2), axis=0)
        counts = batch.shown.sum(axis=0)
        expected = np.sum(0.5 * squares / noise + counts * (0.5 * np.log(2 * np.pi * noise) + np.log(scale)))
        values = np.array(terms)[:, place]
        assert abs(values.mean() - expected) < 4 * values.std() / np.sqrt(len(values)) + 1e-3 * abs(expected)


def test_padding_is_not_counted():
    _, variances, likelihood, architecture, params, batch = small()
    half = np.arange(len(batch.x)) < 30
    padded = batch._replace(present=half.astype(np.float32))
    seen = jax.jit(_seen, static_argnums=4)
    found = seen(params, padded, FieldVariances.of(variances), likelihood, architecture)
    part = FieldBatch(*(np.asarray(values)[half] for values in batch))
    alone = seen(params, part, FieldVariances.of(variances), likelihood, architecture)
    np.testing.assert_allclose(found[:3], alone[:3], rtol=1e-5)


def test_steps_on_the_coefficients_alone_find_the_best_ones():
    rows, variances, likelihood, architecture, params, batch = small()
    single, encoder = FieldVariances.of(variances), params.autoencoder
    training = field_begun(params)
    alone, n_visits = np.float32(1.0), np.float32(len(batch.x))
    for step in range(200):
        rate = np.float32(0.03 * (1 - step / 200))
        training, stepped = field_step(
            training, batch, single, likelihood, alone, rate, n_visits, architecture=architecture
        )
        training = training._replace(params=training.params._replace(autoencoder=encoder))
    best = MeanField.best(rows, np.asarray(stepped.mean, np.float64), variances)
    for one, other in zip(training.params.coefficients.field(), best, strict=True):
        np.testing.assert_allclose(one, other, rtol=0.02, atol=0.005)
