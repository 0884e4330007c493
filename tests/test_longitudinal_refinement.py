"""The most likely latents of visits: against closed forms; and expected values that stay within bounds."""

import numpy as np
import pytest

from intertwine import LongitudinalVAE, load
from intertwine.architectures.choose import architecture_of
from intertwine.datasets import simulate_longitudinal
from intertwine.fitting.longitudinal.sites import (
    decoded_outputs,
    log_densities,
    precisions_at,
    refined_latents,
)
from intertwine.likelihoods import ColumnLikelihood
from intertwine.likelihoods.bounds import column_bounds
from intertwine.mixed_effects.subjects import Marginals, Sites
from intertwine.networks import Autoencoder

N, P, K = 7, 5, 2


def decoding(kind="linear", scale=1.0, seed=0):
    """A table, and all that refinement takes of a fitted model; latents are ``scale`` times what the decoder reads."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, P)) * [1.0, 2.0, 0.5, 3.0, 1.0] + 4.0
    X[rng.random((N, P)) < 0.3] = np.nan
    X[0] = np.nan
    likelihood = ColumnLikelihood.of(X, ("gaussian",) * P)
    architecture = architecture_of(kind, P, K, None if kind == "linear" else (6,), None)
    columns = likelihood.start(X)
    decoder = architecture.draw(rng).decoder
    prior = Sites(rng.standard_normal((N, K)), rng.uniform(0.3, 2.0, (N, K)))
    site = Sites(prior.mean + rng.standard_normal((N, K)), rng.uniform(0.3, 2.0, (N, K)))
    site.variance[0] = np.inf
    spread = 1.0 / (1.0 / prior.variance + 1.0 / site.variance)
    mean = spread * (prior.mean / prior.variance + site.mean / site.variance)
    site, prior = (Sites(scale * part.mean, scale**2 * part.variance) for part in (site, prior))
    known = Marginals(mean, spread, scale * mean, scale**2 * spread)
    network = architecture, likelihood, decoder, columns, np.eye(K) / scale
    return network, X, known, site, prior


def unlikelihood(network, X, Z, prior):
    architecture, likelihood, decoder, columns, axes = network
    outputs = decoded_outputs(architecture, Autoencoder((), decoder), Z @ axes)
    density = log_densities(likelihood, columns, X, outputs)
    return 0.5 * ((Z - prior.mean) ** 2 / prior.variance).sum(axis=1) - density


def test_a_linear_decoder_has_its_latents_in_closed_form():
    network, X, known, site, prior = decoding()
    found = refined_latents(*network, X, known, site, 300)
    _, likelihood, ((W, b),), (own,), _ = network
    noise = likelihood.blocks[0].likelihood.floor + np.exp(np.float64(own.log_variance))
    residual = (X - likelihood.outputs.center) / likelihood.outputs.scale - b
    for z, r, m, v in zip(found, residual, *prior, strict=True):
        there = np.isfinite(r)
        A = np.asarray(W if W.shape == (P, K) else W.T, np.float64)[there] / np.sqrt(noise[there])[:, None]
        best = np.linalg.solve(A.T @ A + np.diag(1 / v), A.T @ (r / np.sqrt(noise))[there] + m / v)
        np.testing.assert_allclose(z, best, atol=2e-3)


def test_a_linear_decoder_has_the_precision_of_its_latents_in_closed_form():
    network, X, known, site, prior = decoding(scale=3.0)
    found = precisions_at(*network, X, known.mean, known, site)
    _, likelihood, ((W, _),), (own,), axes = network
    noise = likelihood.blocks[0].likelihood.floor + np.exp(np.float64(own.log_variance))
    slopes = np.asarray(W if W.shape == (P, K) else W.T, np.float64) @ axes
    for precision, x, v in zip(found, X, prior.variance, strict=True):
        there = np.isfinite(x)
        told = slopes[there].T / noise[there] @ slopes[there]
        np.testing.assert_allclose(precision, told + np.diag(1 / v), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("n_steps", [1, 5, 40])
def test_no_visit_becomes_less_likely(n_steps):
    network, X, known, site, prior = decoding("mlp")
    before = unlikelihood(network, X, known.mean, prior)
    after = unlikelihood(network, X, refined_latents(*network, X, known, site, n_steps), prior)
    assert np.all(after <= before + 1e-4)
    if n_steps == 40:
        assert after.sum() < before.sum() - 1.0


def test_the_scale_of_axes_does_not_matter():
    found = {}
    for scale in (1.0, 50.0):
        network, X, known, site, _ = decoding("mlp", scale)
        found[scale] = refined_latents(*network, X, known, site, 40)
    np.testing.assert_allclose(found[50.0] / 50.0, found[1.0], atol=1e-3)


@pytest.fixture(scope="module")
def study():
    return simulate_longitudinal(30, 6, n_components=2, random_state=0)


SMALL = {
    "hidden_layer_sizes": (16,),
    "batch_size": 64,
    "learning_rate": 0.01,
    "random_state": 0,
    "max_iter": 12,
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_expected_values_stay_within_bounds(study, tmp_path):
    X, rows = study.X, {"subject": study.subject, "time": study.time}
    low, high = np.nanmin(X), np.nanmax(X)
    model = LongitudinalVAE(2, bounds=(low, high), **SMALL).fit(X, **rows)
    free = LongitudinalVAE(2, **SMALL).fit(X, **rows)
    far = 8.0 * np.eye(2)
    assert np.ptp(free.inverse_transform(far)) > high - low
    found = model.inverse_transform(far)
    assert low <= found.min() < found.max() <= high
    np.testing.assert_allclose(found, free.inverse_transform(far).clip(low, high), rtol=1e-6)
    np.testing.assert_allclose(model.forecast(**rows), free.forecast(**rows).clip(low, high), rtol=1e-6)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.bounds == (low, high) or again.bounds == [low, high]
    np.testing.assert_array_equal(again.inverse_transform(far), model.inverse_transform(far))
    X_new = X[:3].copy()
    X_new[0, 1] = high + 1.0
    with pytest.raises(ValueError, match=r"outside bounds in columns \[1\]"):
        model.transform(X_new, subject=study.subject[:3], time=study.time[:3])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_imputed_entries_come_nearer(study):
    X, rows = study.X, {"subject": study.subject, "time": study.time}
    missing, full = np.isnan(X), study.X_complete
    model = LongitudinalVAE(2, **SMALL).fit(X, **rows)
    refined = model.impute(X, **rows)
    amortised = model.set_params(refine_iter=0).impute(X, **rows)
    np.testing.assert_array_equal(refined[~missing], X[~missing])
    error = [np.mean((filled - full)[missing] ** 2) for filled in (refined, amortised)]
    assert error[0] < error[1]
    patients = model.set_params(refine_iter=40).condition(X, known="replace", **rows)
    np.testing.assert_allclose(patients.impute(), refined, rtol=1e-5)


@pytest.mark.parametrize(
    ("bounds", "error", "words"),
    [
        ((1, 0), ValueError, "low < high"),
        ((0, np.nan), ValueError, "low < high"),
        ("01", TypeError, "low, high"),
        ((0, 1, 2), TypeError, "low, high"),
        ({"b": (0, 1)}, ValueError, "'poisson' has its own"),
        ({"d": (0, 1)}, ValueError, "bounds names 'd'"),
        ({7: (0, 1)}, ValueError, "columns 0 to 1"),
    ],
)
def test_bounds_that_are_none(bounds, error, words):
    with pytest.raises(error, match=words):
        column_bounds(bounds, ("gaussian", "poisson"), np.array(["a", "b"], dtype=object))
