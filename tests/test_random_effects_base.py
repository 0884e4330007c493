"""What latent models with random effects share, through the plainest family there is: a line, and levels as given."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from intertwine.effects import Grouped
from intertwine.estimators.random_effects.base import AbstractRandomEffectsEstimator
from intertwine.estimators.random_effects.units import FeatureUnits
from intertwine.fitting.random_effects.latent import AbstractLatentModel, EffectTerms, RowEffects
from intertwine.mixed_effects.base import VarianceComponents


class LineModel(AbstractLatentModel):
    """f(u) = u W, levels at the means of their rows."""

    def __init__(self, rows):
        self.rows = rows
        p = rows.X.shape[1]
        self.W, self.noise = np.ones((1, p)), np.full(p, 0.5)
        self.variances = VarianceComponents(self.noise, (np.full((p, 1, 1), 2.0),))
        self.basis_names, self.shapes = (("intercept",),), ({},)
        self.history, self.converged = {"iteration": [1], "bound": [0.0]}, True
        codes, q = rows.effects.groups[None]
        self.level = np.stack([np.nanmean(rows.X[codes == j], axis=0) for j in range(q)])

    def row_effects(self, rows):
        codes = rows.groups[None].codes
        known = (codes >= 0)[:, None]
        mean = np.where(known, self.level[codes], 0.0)
        return RowEffects(mean, np.where(known, 0.1, np.full_like(mean, 2.0)))

    def latent(self, X, at):
        weight = np.where(np.isnan(X), 0.0, 1 / (self.noise + at.variance))
        shown = np.nan_to_num(X - at.mean) * weight
        return shown.sum(axis=1, keepdims=True) / (1 + weight.sum(axis=1, keepdims=True))

    def decode(self, U):
        return U @ self.W

    def expected(self, X, at):
        return self.decode(self.latent(X, at))

    def log_density(self, X, at):
        variance = self.noise + at.variance
        terms = -0.5 * ((X - at.mean) ** 2 / variance + np.log(2 * np.pi * variance))
        return np.nansum(terms, axis=1)

    def decoded_variance(self):
        return (self.W**2).sum(axis=0)

    def effect_terms(self):
        return (EffectTerms(self.level[:, None], np.full_like(self.level[:, None], 0.1)),)

    def conditioned(self, X, rows, effects):
        return self

    def to_state(self):
        return {"rows": self.rows}


class Lines(AbstractRandomEffectsEstimator):
    def __init__(self, n_components=1, effects=None, scale=True, unseen="warn", verbose=False):
        self.n_components, self.effects, self.scale = n_components, effects, scale
        self.unseen, self.verbose = unseen, verbose

    _parameter_constraints: ClassVar = {}
    random_state = n_jobs = checkpoint = None

    def _units_of(self, values):
        return FeatureUnits.of(values, self.scale)

    def _fit_latent(self, rows, effects, watch):
        return LineModel(rows)

    def _model_from_state(self, state):
        return LineModel(state["rows"])

    def _to_state(self):
        return {"class": "Lines"}


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    groups = np.repeat(["a", "b", "c"], 8)
    X = rng.normal([5.0, -2.0], [3.0, 0.1], (24, 2)) + np.repeat(rng.normal(size=(3, 2)), 8, axis=0)
    return X, groups


def fitted(X, groups, **settings):
    return Lines(effects=[Grouped()], **settings).fit(X, groups=groups)


def test_answers_do_not_depend_on_what_else_is_asked(table):
    X, groups = table
    model = fitted(X, groups)
    for method in (model.transform, model.reconstruct, model.score_samples):
        np.testing.assert_array_equal(method(X, groups=groups)[:3], method(X[:3], groups=groups[:3]))


def test_reconstructions_pass_through_the_latents(table):
    X, groups = table
    model = fitted(X, groups)
    again = model.inverse_transform(model.transform(X, groups=groups), groups=groups)
    np.testing.assert_allclose(model.reconstruct(X, groups=groups), again)
    alone = model.reconstruct(X, groups=groups, include_effects=False)
    np.testing.assert_allclose(
        again - alone, (X.std(axis=0) * model._model.level)[np.searchsorted(list("abc"), groups)]
    )


def test_units_are_the_users(table):
    X, groups = table
    model, unscaled = fitted(X, groups), fitted(X * [1.0, 10.0] + 4, groups)
    np.testing.assert_allclose(
        unscaled.transform(X * [1.0, 10.0] + 4, groups=groups), model.transform(X, groups=groups)
    )
    np.testing.assert_allclose(
        unscaled.reconstruct(X * [1.0, 10.0] + 4, groups=groups),
        model.reconstruct(X, groups=groups) * [1, 10] + 4,
    )
    lost = model.score_samples(X, groups=groups) - unscaled.score_samples(X * [1.0, 10.0] + 4, groups=groups)
    np.testing.assert_allclose(lost, np.log(10.0))
    noise = model.variance_components_.query("component == 'noise'")["variance"]
    np.testing.assert_allclose(noise, 0.5 * X.var(axis=0))
    effects = model.random_effects_
    assert effects["level"].unique().tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(effects["std_error"][:2], np.sqrt(0.1) * X.std(axis=0))


def test_missing_entries_are_filled_and_observed_ones_stay(table):
    X, groups = table
    X[2, 1] = X[5, 0] = np.nan
    model = fitted(X, groups)
    full = model.impute(X, groups=groups)
    np.testing.assert_array_equal(full[~np.isnan(X)], X[~np.isnan(X)])
    np.testing.assert_array_equal(full[np.isnan(X)], model.reconstruct(X, groups=groups)[np.isnan(X)])


def test_levels_that_were_not_in_the_fit(table):
    X, groups = table
    model = fitted(X, groups)
    with pytest.warns(UserWarning, match="'z'"):
        found = model.transform(X[:2], groups=["z", "z"])
    assert np.abs(found).max() < 3
    with pytest.raises(ValueError, match="'z'"):
        model.set_params(unseen="raise").transform(X[:2], groups=["z", "z"])
    with pytest.raises(ValueError, match="pass groups="):
        model.transform(X)


def test_samples_follow_the_density_that_is_scored(table):
    X, groups = table
    model = fitted(X, groups)
    drawn = model.sample(groups=["a"] * 4000, random_state=0)
    spread = X.std(axis=0)
    np.testing.assert_allclose(
        drawn.mean(axis=0), X.mean(axis=0) + spread * model._model.level[0], atol=0.1 * spread.max()
    )
    np.testing.assert_allclose(drawn.var(axis=0) / spread**2, 1.6, rtol=0.08)
    np.testing.assert_allclose(model.sample(4000, random_state=0).var(axis=0) / spread**2, 3.5, rtol=0.08)


def test_a_failed_fit_leaves_nothing(table):
    X, groups = table
    model = Lines(effects=[Grouped()])
    with pytest.raises(ValueError, match="groups"):
        model.fit(X)
    assert not hasattr(model, "n_features_in_")
    with pytest.raises(ValueError, match="nothing is observed"):
        model.fit(np.where((groups == "a")[:, None], np.nan, X), groups=groups)
    with pytest.raises(TypeError, match="no effect"):
        Lines(effects=["school"]).fit(X, groups=groups)
