"""Rows that latent models take in without a fit: as if they had been there, at the parameters of the fit."""

import numpy as np
import pytest

from intertwine import RandomEffectsPCA, load
from intertwine.effects import Grouped, Longitudinal, Spatial
from intertwine.effects.random import EffectRows, GroupCodes
from intertwine.fitting.random_effects.joint_levels import JointLevels
from intertwine.mixed_effects.base import VarianceComponents

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N, Q = 96, 12


@pytest.fixture(scope="module")
def table():
    """Rows of 12 schools, of which the last three (not in the order of labels) come after the fit."""
    rng = np.random.default_rng(0)
    school, half, time = rng.integers(0, Q, N), rng.integers(0, 2, N), rng.uniform(size=N)
    X = rng.standard_normal((N, 1)) @ [[1.0, -1.0, 0.5]] + rng.standard_normal((Q, 3))[school]
    X += time[:, None] * rng.standard_normal((Q, 3))[school] + 0.3 * rng.standard_normal((N, 3))
    X[rng.uniform(size=X.shape) < 0.1] = np.nan
    X[np.isnan(X).all(axis=1)] = 0.0
    labels = np.array([f"s{(7 * j) % Q:02d}" for j in range(Q)])
    return X, labels[school], half, time, school < 9


def known_at(params, x, bound, level):
    d = params.loadings.shape[1]

    def slopes_at(rows):
        return np.broadcast_to(params.loadings, (*rows.shape, *params.loadings.shape))

    weight = np.isfinite(x) / params.noise
    return JointLevels(
        x, np.zeros((len(x), d)), slopes_at, weight, level, level.max() + 1, bound, params.effects[0]
    )


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize(
    "effect",
    [Grouped("school"), Longitudinal("school"), Grouped(("school", "half"))],
    ids=lambda e: str(e)[:22],
)
def test_components_know_what_all_rows_say(table, effect, holes, tmp_path):
    X, school, half, time, old = table
    X = X if holes else np.where(np.isnan(X), 0.0, X)
    timed = isinstance(effect, Longitudinal)

    def of(rows):
        given = {"groups": {"school": school[rows], "half": half[rows]}}
        return given | ({"time": time[rows]} if timed else {})

    model = RandomEffectsPCA(1, effects=effect, max_iter=20, unseen="raise").fit(X[old], **of(old))
    later = np.flatnonzero(~old | (np.arange(N) % 7 == 0))  # also rows of schools that are known
    later = np.setdiff1d(later, np.flatnonzero(old)[::2])
    before = model.random_effects_
    more = model.condition(X[later], **of(later))
    assert model.random_effects_.equals(before)

    both = np.concatenate([np.flatnonzero(old), later])
    params = model._model.params
    key = (
        np.array([f"{a}:{b}" for a, b in zip(school, half, strict=True)])
        if effect.group != "school"
        else school
    )
    names, level = np.unique(key[both], return_inverse=True)
    basis = np.column_stack([np.ones(len(both)), time[both]]) if timed else None
    dense = known_at(params, model._units.inside(X[both]) - params.mean, basis, level)
    at = more._model.row_effects(more._data.rows(more_inputs(X[both], of(both)), "raise"))
    z = np.ones((len(both), 1)) if basis is None else basis
    np.testing.assert_allclose(
        at.mean, np.einsum("ia,iam->im", z, dense.means()[level]), rtol=1e-7, atol=1e-9
    )
    (terms,) = more._model.effect_terms()
    known = (more._model.known.covariance, more._model.known.shared)
    variance = np.einsum("kmaa->kma", known[0]) + np.sum(known[1] ** 2, axis=3)
    found = variance[more._model.known.kind[:-1]].transpose(0, 2, 1)
    assert len(terms.mean) == len(names)
    np.testing.assert_allclose(np.sort(found.ravel()), np.sort(dense.variances().ravel()), rtol=1e-7)

    more.save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(
        again.reconstruct(X[later], **of(later)), more.reconstruct(X[later], **of(later))
    )
    assert again.random_effects_.equals(more.random_effects_)


def more_inputs(X, given):
    from intertwine.estimators.effect_rows.inputs import EffectInputs

    return EffectInputs(X, len(X), given["groups"], given.get("time"), None)


def test_one_row_after_the_other_is_all_at_once(table):
    X, school, _, _, old = table
    model = RandomEffectsPCA(1, max_iter=20).fit(X[old], groups=school[old])
    at_once = model.condition(X[~old], groups=school[~old])
    one_by_one = model
    for row in np.flatnonzero(~old):
        one_by_one = one_by_one.condition(X[[row]], groups=school[[row]])
    given = {"groups": school[~old]}
    np.testing.assert_allclose(one_by_one.score(X[~old], **given), at_once.score(X[~old], **given), rtol=1e-9)


def test_a_network_with_a_linear_decoder_takes_in_rows_as_components_do(table):
    from intertwine.fitting.random_effects.vae_fit import FittedVAE
    from intertwine.fitting.random_effects.vae_model import VAEModel
    from intertwine.networks import Autoencoder, Layer

    X, school, _, _, old = table
    level = np.unique(school, return_inverse=True)[1]
    order = np.argsort(~old, kind="stable")
    X, level, n = X[order], level[order], int(old.sum())
    level = np.unique(level, return_index=True)[1].argsort().argsort()[level]  # in the order of first rows
    noise, tau, W = (
        np.array([0.1, 0.2, 0.1]),
        np.array([1.0, 0.5, 2.0]),
        np.array([[1.0, -1.0, 0.5]], np.float32),
    )
    q = level[:n].max() + 1
    networks = Autoencoder(
        (Layer(np.zeros((3, 2), np.float32), np.zeros(2, np.float32)),), (Layer(W, np.zeros(3, np.float32)),)
    )
    there = np.isfinite(X)
    left = np.where(there, X, 0.0).astype(np.float32)[:n]
    found = FittedVAE(
        networks, np.ones(3), VarianceComponents(noise, (tau[:, None, None],)), left, 0.0, "principal", (),
        {"iteration": []}, True, None, np.zeros((n, 1), np.float32),
    )  # fmt: skip
    model = VAEModel(
        found,
        [Grouped()],
        EffectRows(n, {None: GroupCodes(level[:n], q)}),
        [np.empty(0)],
        there[:n],
        1.0,
        True,
    )
    rows = EffectRows(len(X) - n, {None: GroupCodes(level[n:], level.max() + 1)})
    more = model.conditioned(X[n:], rows, [Grouped()])

    def slopes_at(chosen):
        return np.broadcast_to(W.T, (*chosen.shape, 3, 1)).astype(float)

    dense = JointLevels(
        X, np.zeros((len(X), 1)), slopes_at, there / noise, level, level.max() + 1, None, tau[:, None, None]
    )
    (terms,) = more.effect_terms()
    np.testing.assert_allclose(terms.mean, dense.means(), atol=1e-4)
    np.testing.assert_allclose(terms.variance, dense.variances_beside_means(), rtol=1e-4)


def test_what_cannot_be_taken_in_is_said(table):
    X, school, half, _, old = table
    given = {"groups": school[old]}
    model = RandomEffectsPCA(1, max_iter=3).fit(X[old], **given)
    with pytest.raises(ValueError, match="groups was given in fit"):
        model.condition(X[~old])
    with pytest.raises(ValueError, match="nothing is observed of 1 level of 'group'"):
        model.condition(np.full((1, 3), np.nan), groups=["new"])
    with pytest.raises(ValueError, match="no random effects"):
        RandomEffectsPCA(1, max_iter=3).fit(X[old]).condition(X[~old])
    crossed = RandomEffectsPCA(1, max_iter=3).fit(X[old], groups=np.column_stack([school[old], half[old]]))
    with pytest.raises(ValueError, match="one effect with independent levels"):
        crossed.condition(X[~old], groups=np.column_stack([school[~old], half[~old]]))
    places = RandomEffectsPCA(1, effects=Spatial(length_scale=1.0), max_iter=3)
    places.fit(X[old], coords=np.arange(old.sum())[:, None] // 3)
    with pytest.raises(ValueError, match="fit all rows together"):
        places.condition(X[~old], coords=np.arange((~old).sum())[:, None])
