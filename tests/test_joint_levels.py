"""Effects of levels beside latents that are open, against dense algebra."""

import numpy as np
import pytest

from intertwine import RandomEffectsPCA
from intertwine.effects import Grouped, Longitudinal, Spatial
from intertwine.effects.random import EffectRows, GroupCodes
from intertwine.fitting.random_effects import joint_levels
from intertwine.fitting.random_effects.joint_levels import JointLevels
from intertwine.mixed_effects.base import VarianceComponents

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def dense(y, J, w, level, z, Sigma):
    """Means, variances at a mean of zero, and variances beside a mean that is estimated, all (q, r, p)."""
    (n, p, _), r, q = J.shape, Sigma.shape[1], level.max() + 1
    Z, B, V = np.zeros((n, p, q, r, p)), np.zeros((q, r, p, q, r, p)), np.zeros((n, p, n, p))
    for i in range(n):
        Z[i, range(p), level[i], :, range(p)] = z[i]
        V[i, :, i] = J[i] @ J[i].T
    for j in range(q):
        for m in range(p):
            B[j, :, m, j, :, m] = Sigma[m]
    there = (w > 0).ravel()
    Z, B = Z.reshape(n * p, -1)[there], B.reshape(q * r * p, -1)
    V = V.reshape(n * p, -1)[np.ix_(there, there)] + np.diag(1.0 / w.ravel()[there]) + Z @ B @ Z.T
    gain = np.linalg.solve(V, Z @ B).T
    ones = np.tile(np.eye(p), (n, 1))[there]
    moved = gain @ ones
    of_mean = np.linalg.inv(ones.T @ np.linalg.solve(V, ones))
    known = np.diag(B - gain @ Z @ B)
    beside = known + np.diag(moved @ of_mean @ moved.T)
    return [part.reshape(q, r, p) for part in (gain @ y.ravel()[there], known, beside)]


@pytest.mark.parametrize(("n", "p", "d", "q", "r"), [(20, 4, 2, 5, 1), (14, 5, 1, 5, 1), (24, 3, 2, 4, 2)])
def test_levels_are_those_of_dense_algebra(monkeypatch, n, p, d, q, r):
    monkeypatch.setattr(joint_levels, "_BLOCK", 60)  # several parts
    rng = np.random.default_rng(0)
    level = np.append(np.arange(q), rng.integers(q, size=n - q))
    z = np.column_stack([np.ones(n), rng.uniform(size=(n, r - 1))])
    root = rng.standard_normal((p, r, r))
    Sigma = root @ np.swapaxes(root, 1, 2)
    Sigma[0] = 0.0  # a feature whose levels are alike
    J, u, y = rng.standard_normal((n, p, d)), rng.standard_normal((n, d)), rng.standard_normal((n, p))
    w = np.where(rng.uniform(size=(n, p)) < 0.2, 0.0, rng.uniform(0.5, 9.0, (n, p)))
    residual = np.where(w > 0, y - np.einsum("imd,id->im", J, u), np.nan)
    found = JointLevels(residual, u, lambda rows: J[rows], w, level, q, z if r > 1 else None, Sigma)
    expected = dense(y, J, w, level, z, Sigma)
    for mine, other in zip(
        (found.means(), found.variances(), found.variances_beside_means()), expected, strict=True
    ):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("effect", [Grouped(), Longitudinal()])
@pytest.mark.parametrize("holes", [0.0, 0.2])
def test_standard_errors_of_components_count_latents_and_means(effect, holes):
    rng = np.random.default_rng(1)
    level, time = np.arange(48) % 8, rng.uniform(size=48)
    X = rng.standard_normal((48, 1)) @ [[1.0, -1.0, 0.5]] + rng.standard_normal((8, 3))[level]
    X += 0.3 * rng.standard_normal(X.shape)
    X[rng.uniform(size=X.shape) < holes] = np.nan
    X = X[np.isfinite(X).any(axis=1)]
    level, time = level[: len(X)], time[: len(X)]
    model = RandomEffectsPCA(1, effects=effect, scale=False, max_iter=60)
    model.fit(X, groups=level, **({"time": time} if "time" in effect.needs else {}))
    params, (bound,) = model._model.params, model._model.bound
    x = model._units.inside(X) - params.mean
    z = np.ones((len(X), 1)) if bound.basis is None else bound.basis
    J = np.broadcast_to(params.loadings, (len(X), *params.loadings.shape))
    found = dense(np.nan_to_num(x), J, np.isfinite(x) / params.noise, level, z, params.effects[0])
    table = model.random_effects_
    spread = model._units.spread
    np.testing.assert_allclose(table["estimate"], (found[0] * spread).ravel(), atol=1e-8)
    np.testing.assert_allclose(table["std_error"], (np.sqrt(found[2]) * spread).ravel(), rtol=1e-7)


def test_a_network_with_a_linear_decoder_knows_what_components_know():
    from intertwine.fitting.random_effects.vae_fit import FittedVAE
    from intertwine.fitting.random_effects.vae_model import VAEModel
    from intertwine.networks import Autoencoder, Layer

    rng = np.random.default_rng(2)
    level, loadings = np.arange(60) % 12, np.array([[1.0, -1.0, 0.5]], np.float32)
    effects, U = rng.standard_normal((12, 3)), rng.standard_normal((60, 1))
    X = U @ loadings + effects[level] + 0.3 * rng.standard_normal((60, 3))
    spread, variances = np.array([1.0, 2.0, 0.5]), VarianceComponents(np.full(3, 0.09), (np.ones((3, 1, 1)),))
    decoder = (Layer((loadings / spread).astype(np.float32), np.zeros(3, np.float32)),)
    guess = U + 0.5  # wherever latents are taken to be, a linear decoder is the same
    found = FittedVAE(
        Autoencoder((), decoder), spread, variances, (X - guess @ loadings).astype(np.float32),
        0.0, "principal", (), {"iteration": []}, True, None, guess.astype(np.float32),
    )  # fmt: skip
    rows = EffectRows(60, {None: GroupCodes(level, 12)})
    model = VAEModel(found, [Grouped()], rows, [np.empty(0)], None, 1.0, True)
    J = np.broadcast_to(loadings.T, (60, 3, 1))
    expected = dense(X, J, np.full(X.shape, 1 / 0.09), level, np.ones((60, 1)), np.ones((3, 1, 1)))
    (terms,) = model.effect_terms()
    np.testing.assert_allclose(terms.mean, expected[0], atol=1e-5)
    np.testing.assert_allclose(terms.variance, expected[2], rtol=1e-4)
    some = EffectRows(2, {None: GroupCodes(np.array([3, -1]), 12)})
    np.testing.assert_allclose(model.row_effects(some).mean, [expected[0][3, 0], np.zeros(3)], atol=1e-5)
    assert np.mean(np.abs(terms.mean[:, 0] - effects) < 1.96 * np.sqrt(terms.variance[:, 0])) > 0.9
    understated = np.sqrt(model.posterior.level_covariance(0)[:, :, 0, 0])  # as if the latents were known
    assert np.mean(np.abs(terms.mean[:, 0] - effects) < 1.96 * understated) < 0.7


def test_standard_errors_of_crossed_effects_are_nearly_those_of_dense_algebra():
    rng = np.random.default_rng(3)
    one, two = np.arange(72) % 8, np.arange(72) // 9 % 9 % 6
    loadings = np.array([[1.0, -1.0, 0.5]])
    X = rng.standard_normal((72, 1)) @ loadings + rng.standard_normal((8, 3))[one]
    X += rng.standard_normal((6, 3))[two] + 0.2 * rng.standard_normal(X.shape)
    model = RandomEffectsPCA(1, scale=False, max_iter=80).fit(X, groups=np.column_stack([one, two]))
    params = model._model.params
    Z = np.column_stack([np.eye(8)[one], np.eye(6)[two]])
    tau = np.concatenate(
        [np.repeat(effect[:, 0], q, axis=1) for effect, q in zip(params.effects, (8, 6), strict=True)], 1
    )
    prior = np.diag(tau.T.ravel())  # levels, then features
    design = np.kron(Z, np.eye(3))
    noise = np.kron(np.eye(72), params.loadings @ params.loadings.T + np.diag(params.noise))
    V = design @ prior @ design.T + noise
    gain = np.linalg.solve(V, design @ prior).T
    ones = np.tile(np.eye(3), (72, 1))
    moved = gain @ ones
    beside = moved @ np.linalg.inv(ones.T @ np.linalg.solve(V, ones)) @ moved.T
    exact = np.sqrt(np.diag(prior - gain @ design @ prior + beside)) * model._units.spread[0]
    mine = model.random_effects_["std_error"].to_numpy()
    np.testing.assert_allclose(mine, exact, rtol=0.05)


def test_standard_errors_at_places_count_latents_and_means():
    rng = np.random.default_rng(4)
    places = np.sort(rng.uniform(size=9))[:, None]
    site = np.arange(54) % 9
    X = (
        rng.standard_normal((54, 1)) @ [[1.0, -1.0, 0.5]]
        + np.sin(3 * places[site])
        + 0.3 * rng.standard_normal((54, 3))
    )
    model = RandomEffectsPCA(1, effects=Spatial(length_scale=0.5), scale=False, max_iter=30)
    model.fit(X, coords=places[site])
    params, tau = model._model.params, model._model.params.effects[0][:, 0, 0]
    (K,) = (model._model.bound[0].prior(model._model.shape_values[0]).covariance,)
    prior, design = np.kron(K, np.diag(tau)), np.kron(np.eye(9)[site], np.eye(3))
    V = design @ prior @ design.T
    V += np.kron(np.eye(54), params.loadings @ params.loadings.T + np.diag(params.noise))
    gain, ones = np.linalg.solve(V, design @ prior).T, np.tile(np.eye(3), (54, 1))
    beside = gain @ ones @ np.linalg.inv(ones.T @ np.linalg.solve(V, ones)) @ ones.T @ gain.T
    exact = np.sqrt(np.diag(prior - gain @ design @ prior + beside)) * model._units.spread[0]
    np.testing.assert_allclose(model.random_effects_["std_error"], exact, rtol=1e-5)
