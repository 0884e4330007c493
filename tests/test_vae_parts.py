"""Parts of the variational autoencoder's fit: networks, batches, starts, latents, the compilation cache."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, spearmanr

from intertwine.fitting.compiled_steps import cache_folder, own_compilation_cache
from intertwine.fitting.mini_batches import GroupPacks, row_batches
from intertwine.fitting.random_effects.vae_fit import _settled
from intertwine.fitting.random_effects.vae_latents import (
    GaussianRows,
    expected,
    log_densities,
    most_probable,
    prior_points,
)
from intertwine.fitting.random_effects.vae_problem import VAESettings, n_epochs_of
from intertwine.fitting.random_effects.vae_start import manifold_scores, principal_scores
from intertwine.fitting.random_effects.vae_steps import quadrature
from intertwine.networks import Autoencoder, Layer, drawn_autoencoder, encode


def test_networks_have_their_shapes_and_do_not_read_what_is_missing():
    params = drawn_autoencoder(np.random.default_rng(0), 5, (8, 4), 2, masked=True)
    assert [layer.weight.shape for layer in params.encoder] == [(10, 8), (8, 4), (4, 4)]
    assert [layer.weight.shape for layer in params.decoder] == [(2, 4), (4, 8), (8, 5)]
    x = np.random.default_rng(1).standard_normal((3, 5)).astype(np.float32)
    observed = np.ones((3, 5), bool)
    observed[0, 2] = False
    other = x.copy()
    other[0, 2] = np.nan
    np.testing.assert_array_equal(encode(params, x, observed)[0], encode(params, other, observed)[0])
    assert not np.allclose(encode(params, x, observed)[0][0], encode(params, x, np.ones_like(observed))[0][0])


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.integers(1, 9))
def test_batches_hold_every_row_once(level, size):
    level = np.unique(level, return_inverse=True)[1]
    rng = np.random.default_rng(0)
    packs = GroupPacks(level, size)
    for batches in (list(row_batches(rng, len(level), size)), list(packs.batches(rng))):
        rows = np.concatenate([batch.rows[: batch.n_rows] for batch in batches])
        np.testing.assert_array_equal(np.sort(rows), np.arange(len(level)))
        assert len({batch.rows.shape for batch in batches}) == 1
    for batch in packs.batches(rng):
        np.testing.assert_array_equal(
            batch.groups[batch.level[: batch.n_rows]], level[batch.rows[: batch.n_rows]]
        )
        inside = np.isin(level, level[batch.rows[: batch.n_rows]])
        assert inside.sum() == batch.n_rows  # groups are whole


def test_packs_have_room_for_twice_the_groups_that_fit_on_average():
    assert GroupPacks(np.repeat(np.arange(50), 4), 8).n_groups == 2 * 2 + 1
    assert GroupPacks(np.repeat(np.arange(3), 4), 8).n_groups == 3  # all there are


@pytest.mark.parametrize(("n_rows", "n_epochs"), [(100, 300), (20_000, 150), (19_999, 150), (10**6, 30)])
def test_large_tables_take_fewer_epochs(n_rows, n_epochs):
    assert n_epochs_of(VAESettings(1, batch_size=500), n_rows) == n_epochs
    assert n_epochs_of(VAESettings(1, max_iter=7), n_rows) == 7


def test_a_fit_has_settled_when_its_last_tenth_brought_less_than_a_hundredth():
    climb = np.linspace(-100.0, 0.0, 18)
    assert _settled([*climb, 0.9, 0.9])
    assert not _settled([*climb, 1.2, 1.2])
    assert not _settled([0.0] * 20)  # nothing was learnt
    assert not _settled([-100.0, 0.0])


def test_a_bent_curve_is_ordered_along_itself():
    rng = np.random.default_rng(0)
    u = rng.standard_normal(2000)
    w = rng.standard_normal(40)
    X = np.outer(u, w) * np.cos(np.outer(u, w)) + 0.5 * rng.standard_normal((2000, 40))
    along = abs(spearmanr(manifold_scores(X, 1, rng)[:, 0], u)[0])
    straight = abs(spearmanr(principal_scores(X, 1, rng)[:, 0], u)[0])
    assert along > 0.93 > straight + 0.1


@pytest.mark.parametrize("start", [manifold_scores, principal_scores])
def test_starts_give_normal_scores_also_of_few_rows_and_features(start):
    scores = start(np.random.default_rng(0).standard_normal((9, 2)), 3, np.random.default_rng(0))
    assert scores.shape == (9, 3)
    np.testing.assert_allclose(scores.mean(axis=0), 0.0, atol=1e-12)


def test_cluster_centres_at_one_place_stay_linked():
    X = np.random.default_rng(0).integers(0, 2, (400, 1)).astype(float)
    with np.errstate(all="raise"):  # paths of infinite length have no coordinates
        scores = manifold_scores(X, 1, np.random.default_rng(0))[:, 0]
    low, high = scores[X[:, 0] == 0.0], scores[X[:, 0] == 1.0]
    assert max(low) < min(high) or max(high) < min(low)


def linear(rng, p=5, d=2):
    """A decoder that is linear, whose posterior is known."""
    weight, bias = rng.standard_normal((d, p)), rng.standard_normal(p)
    encoder = Layer(np.zeros((p, 2 * d), np.float32), np.zeros(2 * d, np.float32))
    return Autoencoder((encoder,), (Layer(weight.astype(np.float32), bias.astype(np.float32)),)), weight, bias


@pytest.mark.parametrize("missing", [False, True])
def test_latents_and_density_of_a_linear_decoder_are_those_of_factor_analysis(missing):
    rng = np.random.default_rng(0)
    params, W, bias = linear(rng)
    X, noise = rng.standard_normal((7, 5)), rng.uniform(0.5, 1.5, (7, 5))
    weight = 1 / noise
    if missing:
        weight[2, :3] = weight[4] = 0.0
    rows = GaussianRows(X.astype(np.float32), weight.astype(np.float32))
    found, density = most_probable(params, rows), log_densities(params, rows)
    for i in range(7):
        there = weight[i] > 0
        w = weight[i, there]
        mean = np.linalg.solve(
            np.eye(2) + W[:, there] * w @ W[:, there].T, W[:, there] @ (w * (X[i] - bias)[there])
        )
        np.testing.assert_allclose(found[i], mean, atol=1e-4)
        if there.any():
            covariance = W[:, there].T @ W[:, there] + np.diag(1 / w)
            whole = multivariate_normal(bias[there], covariance).logpdf(X[i, there])
            np.testing.assert_allclose(density[i], whole, atol=0.02)
        else:
            np.testing.assert_allclose(density[i], 0.0, atol=0.02)


@pytest.mark.parametrize("noise", [0.05, 1.0])
def test_expected_rows_are_integrals_over_latents(noise):
    """Beside a grid over u, of a decoder that bends, with entries missing."""
    from intertwine.networks import decode

    params = drawn_autoencoder(np.random.default_rng(3), 6, (16,), 1, masked=False)
    bent = params._replace(decoder=tuple(Layer(2.0 * layer.weight, layer.bias) for layer in params.decoder))
    rng = np.random.default_rng(0)
    X = np.asarray(decode(bent, rng.standard_normal((20, 1)).astype(np.float32)), dtype=float)
    X += np.sqrt(noise) * rng.standard_normal(X.shape)
    weight = np.where(rng.random(X.shape) < 0.5, 1.0 / noise, 0.0)
    weight[0] = 0.0
    grid = np.linspace(-6.0, 6.0, 4001)
    at = np.asarray(decode(bent, grid[:, None].astype(np.float32)), dtype=float)
    log_joint = -0.5 * np.einsum("np,nkp->nk", weight, (X[:, None] - at) ** 2) - 0.5 * grid**2
    share = np.exp(log_joint - log_joint.max(axis=1, keepdims=True))
    whole = share / share.sum(axis=1, keepdims=True) @ at
    found = expected(bent, GaussianRows(X.astype(np.float32), weight.astype(np.float32)))
    np.testing.assert_allclose(found, whole, atol=0.03 * at.std())
    mode = most_probable(bent, GaussianRows(X.astype(np.float32), weight.astype(np.float32)))
    at_mode = np.asarray(decode(bent, mode.astype(np.float32)))
    assert np.abs(found - whole).max() < 0.3 * np.abs(at_mode - whole).max()


def test_expected_rows_know_of_all_modes():
    """f(u) = (u², u): of the first alone, u may be either root."""
    from intertwine.networks import decode

    params = drawn_autoencoder(np.random.default_rng(1), 2, (2,), 1, masked=False)
    first = Layer(np.array([[3.0, -3.0]], np.float32), np.array([-2.0, -2.0], np.float32))
    second = Layer(np.array([[1.0, 1.0], [1.0, -1.0]], np.float32), np.zeros(2, np.float32))
    even = params._replace(decoder=(first, second))
    u = np.array([[0.9], [-0.9], [1.2]], np.float32)
    X = np.asarray(decode(even, u))
    rows = GaussianRows(X, np.tile(np.array([25.0, 0.0], np.float32), (3, 1)))
    at_mode = np.asarray(decode(even, most_probable(even, rows).astype(np.float32)))
    assert np.all(np.abs(expected(even, rows)[:, 1]) < 0.25 * np.abs(at_mode[:, 1]))


def test_the_better_of_two_guesses_is_searched_from():
    """A decoder with two valleys: the encoder points at the wrong one."""
    params = drawn_autoencoder(np.random.default_rng(3), 6, (16,), 1, masked=False)
    grown = params._replace(decoder=tuple(Layer(4 * layer.weight, layer.bias) for layer in params.decoder))
    rng = np.random.default_rng(0)
    u = rng.standard_normal((50, 1)).astype(np.float32)
    from intertwine.networks import decode

    X = np.asarray(decode(grown, u), dtype=float)
    found = most_probable(grown, GaussianRows(X.astype(np.float32), np.full(X.shape, 1e4, np.float32)))
    again = np.asarray(decode(grown, found.astype(np.float32)))
    assert np.abs(again - X).max() < 0.05


def test_quadrature_gives_moments():
    for d in (1, 3):
        nodes, weights = quadrature(d)
        np.testing.assert_allclose(weights @ nodes, 0.0, atol=1e-6)
        np.testing.assert_allclose(nodes.T * weights @ nodes, np.eye(d), atol=1e-6)
        np.testing.assert_allclose(np.cov(prior_points(512, d).T), np.eye(d), atol=0.1)


def test_compiled_code_is_kept_and_the_users_configuration_is_as_before(tmp_path, monkeypatch):
    monkeypatch.setenv("INTERTWINE_CACHE", str(tmp_path))
    before = dict(jax.config.values)
    with own_compilation_cache():
        jax.jit(lambda x: x * 3.25 + 1.0)(np.ones(7)).block_until_ready()
    assert dict(jax.config.values) == before
    assert any(cache_folder().iterdir())


def test_a_cache_folder_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("INTERTWINE_CACHE", str(tmp_path / "file"))
    with own_compilation_cache():
        assert jax.config.jax_compilation_cache_dir is None
