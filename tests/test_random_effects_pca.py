"""Principal components with random effects: laws of the fit."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.exceptions import ConvergenceWarning

from intertwine import RandomEffectsPCA, load
from intertwine.effects import Grouped, Longitudinal, Spatial
from intertwine.fitting.random_effects import pca
from intertwine.fitting.random_effects.pca_exact import exact_moments
from intertwine.fitting.random_effects.rotated_rows import RotatedRows

N, P, D, Q = 240, 8, 2, 24


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    school = np.concatenate([np.arange(Q), rng.integers(0, Q, N - Q)])
    pupil = np.concatenate([np.arange(12), rng.integers(0, 12, N - 12)])
    X = rng.normal(size=(N, D)) @ rng.normal(size=(D, P)) + rng.normal(size=(Q, P))[school]
    X += rng.normal(size=(N, P)) * rng.uniform(0.4, 1.2, P) + 3.0
    return {
        "X": X,
        "groups": {"school": school},
        "crossed": {"school": school, "pupil": pupil},
        "time": rng.random(N),
        "coords": rng.random((30, 2))[rng.integers(0, 30, N)],
        "holes": np.where(rng.random((N, P)) < 0.15, np.nan, X),
    }


DESIGNS = {
    "plain": (None, ()),
    "grouped": (None, ("groups",)),
    "longitudinal": (Longitudinal("school"), ("groups", "time")),
    "spatial": (Spatial(length_scale=0.3), ("coords",)),
    "crossed": ([Grouped("school"), Grouped("pupil")], ("groups",)),
    "sum": ([Grouped("school"), Spatial(length_scale=0.3)], ("groups", "coords")),
}
every_design = pytest.mark.parametrize("design", DESIGNS)


def metadata(table, design):
    given = {name: table[name] for name in DESIGNS[design][1]}
    return given | ({"groups": table["crossed"]} if design == "crossed" else {})


def fitted(table, design, X=None, **settings):
    settings = {"n_components": D, "effects": DESIGNS[design][0]} | settings
    return RandomEffectsPCA(**settings).fit(table["X"] if X is None else X, **metadata(table, design))


@every_design
@pytest.mark.parametrize("rows", ["X", "holes"])
def test_the_objective_never_falls_and_settles(table, design, rows):
    model = fitted(table, design, table[rows], tol=1e-5)
    values = np.asarray(model.history_["log_likelihood"])
    assert np.all(np.diff(values) >= 0)
    assert values[-1] > values[0]
    assert model.n_iter_ < 150
    exact = design in ("plain", "grouped", "longitudinal") or (rows == "X" and design == "spatial")
    assert model.objective_ == ("exact" if exact else "bound")


def test_without_effects_it_is_factor_analysis(table):
    model = fitted(table, "plain", tol=1e-12)
    factors = FactorAnalysis(D, tol=1e-12, max_iter=20000, svd_method="lapack").fit(table["X"])
    np.testing.assert_allclose(model.score(table["X"]), factors.score(table["X"]), rtol=1e-9)
    np.testing.assert_allclose(model.noise_variance_, factors.noise_variance_, rtol=1e-4)
    np.testing.assert_allclose(
        model.components_.T @ model.components_, factors.components_.T @ factors.components_, atol=1e-3
    )
    np.testing.assert_allclose(model.log_likelihood_ / N, model.score(table["X"]), rtol=1e-9)


def test_with_the_same_noise_it_is_probabilistic_pca(table):
    model = fitted(table, "plain", noise="isotropic", scale=False)
    peer = PCA(D).fit(table["X"] * np.sqrt((N - 1) / N))  # by maximum likelihood
    np.testing.assert_allclose(model.noise_variance_, peer.noise_variance_)
    axes = model.components_ / np.linalg.norm(model.components_, axis=1, keepdims=True)
    np.testing.assert_allclose(np.abs(axes), np.abs(peer.components_), atol=1e-8)
    np.testing.assert_allclose(
        np.sum(model.components_**2, axis=1), peer.explained_variance_ - peer.noise_variance_
    )
    shrunk = model.transform(table["X"]) * np.sqrt(
        peer.explained_variance_ / (1 - peer.noise_variance_ / peer.explained_variance_)
    )
    np.testing.assert_allclose(np.abs(shrunk), np.abs(PCA(D).fit_transform(table["X"])), atol=1e-8)


@pytest.mark.parametrize("design", ["grouped", "longitudinal"])
def test_the_derivatives_vanish_at_the_fit(table, design):
    level, rng = table["groups"]["school"], np.random.default_rng(2)
    X = table["X"] + 3.0 * table["time"][:, None] * rng.normal(size=(Q, P))[level]
    model = fitted(table, design, X, tol=1e-9)
    inside = model._units.inside(X)
    bound = model._model.bound[0]
    basis = None if design == "grouped" else np.stack([np.ones(N), bound_time(bound, table["time"])], axis=1)
    rows = RotatedRows.of_levels(inside, level, Q, basis)
    found = exact_moments(rows, model._model.params)
    np.testing.assert_allclose(found.log_likelihood, model._model.history["log_likelihood"][-1], rtol=1e-9)
    assert np.abs(found.gradient_S @ model._model.params.loadings).max() < 0.05
    assert np.abs(np.diag(found.gradient_S) * model._model.noise).max() < 0.05


def bound_time(bound, time):
    """The second basis function of a bound effect at times."""
    from intertwine.effects.random import EffectRows, GroupCodes

    rows = EffectRows(len(time), {"school": GroupCodes(np.zeros(len(time), dtype=np.int64), Q)}, time=time)
    return bound.locate(rows, bound.start_shape()).basis[:, 1]


@every_design
def test_order_of_rows_and_names_of_levels_do_not_matter(table, design):
    model = fitted(table, design, tol=1e-3)
    order = np.random.default_rng(1).permutation(N)
    given = {}
    for name, values in metadata(table, design).items():
        if name == "groups":
            given[name] = {
                key: np.array([f"of {97 * v % 101}" for v in codes])[order] for key, codes in values.items()
            }
        else:
            given[name] = values[order]
    again = RandomEffectsPCA(D, effects=DESIGNS[design][0], tol=1e-3).fit(table["X"][order], **given)
    np.testing.assert_allclose(again.log_likelihood_, model.log_likelihood_, rtol=1e-7)
    np.testing.assert_allclose(
        again.transform(table["X"][order], **given),
        model.transform(table["X"], **metadata(table, design))[order],
        atol=1e-3,
    )


@pytest.mark.parametrize("design", ["plain", "grouped", "crossed"])
def test_rows_with_nothing_observed_are_as_if_they_were_absent(table, design):
    X = table["X"].copy()
    absent = np.arange(N) % 9 == 5
    X[absent] = np.nan
    kept = {
        name: {key: codes[~absent] for key, codes in values.items()} if name == "groups" else values[~absent]
        for name, values in metadata(table, design).items()
    }
    model = fitted(table, design, X, tol=1e-3)
    fewer = RandomEffectsPCA(D, effects=DESIGNS[design][0], tol=1e-3).fit(X[~absent], **kept)
    np.testing.assert_allclose(model.log_likelihood_, fewer.log_likelihood_, rtol=1e-12)
    assert np.all(model.transform(X, **metadata(table, design))[absent] == 0.0)


def test_a_bound_is_below_the_likelihood_and_its_means_are_those_of_the_posterior(table, monkeypatch):
    exact = fitted(table, "grouped", tol=1e-9)
    for name in ("is_exact", "is_exact_with_holes"):
        monkeypatch.setattr(pca, name, lambda *given: False)
    bound = fitted(table, "grouped", tol=1e-9)
    assert bound.objective_ == "bound"
    rows = RotatedRows.of_levels(bound._units.inside(table["X"]), table["groups"]["school"], Q, None)
    at_bound = exact_moments(rows, bound._model.params)
    assert bound._model.history["log_likelihood"][-1] < at_bound.log_likelihood
    assert at_bound.log_likelihood <= exact._model.history["log_likelihood"][-1] + 1e-6
    known = pca.LevelEffects.of(rows, bound._model.params).terms()[0]
    found = bound._model.effect_terms()[0]
    np.testing.assert_allclose(found.mean, known.mean, atol=2e-3)
    np.testing.assert_allclose(found.variance, known.variance, rtol=1e-6)


@every_design
def test_units_and_scaling_do_not_change_the_fit(table, design):
    units = np.array([1e-3, 1.0, 50.0, 1.0, 7.0, 1e4, 1.0, 2.0])
    model = fitted(table, design, tol=1e-4)
    again = fitted(table, design, table["X"] * units + 9.0, tol=1e-4)
    np.testing.assert_allclose(
        again.log_likelihood_, model.log_likelihood_ - N * np.log(units).sum(), rtol=1e-7
    )
    given = metadata(table, design)
    np.testing.assert_allclose(
        again.reconstruct(table["X"] * units + 9.0, **given),
        model.reconstruct(table["X"], **given) * units + 9.0,
        rtol=1e-4,
    )
    if design in ("plain", "grouped"):
        np.testing.assert_allclose(
            fitted(table, design, tol=1e-8, scale=False).log_likelihood_,
            fitted(table, design, tol=1e-8).log_likelihood_,
            atol=1e-2,
        )


@every_design
@pytest.mark.parametrize("rows", ["X", "holes"])
def test_files_give_the_same_answers_to_the_bit(table, design, rows, tmp_path):
    model = fitted(table, design, table[rows], tol=1e-2)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    given = metadata(table, design)
    for method in ("transform", "impute", "score_samples"):
        np.testing.assert_array_equal(
            getattr(again, method)(table[rows], **given), getattr(model, method)(table[rows], **given)
        )
    assert again.variance_components_.equals(model.variance_components_)
    assert again.random_effects_.equals(model.random_effects_)
    assert again.get_params()["effects"] == model.get_params()["effects"]


def test_variances_are_found():
    rng = np.random.default_rng(3)
    n, p, q = 6000, 8, 300
    level, tau, noise = rng.integers(0, q, n), rng.uniform(0.2, 3, p), rng.uniform(0.3, 2, p)
    u, W = rng.normal(size=n), rng.normal(size=p)
    X = (
        np.outer(u, W)
        + (rng.normal(size=(q, p)) * np.sqrt(tau))[level]
        + rng.normal(size=(n, p)) * np.sqrt(noise)
    )
    model = RandomEffectsPCA(1).fit(X[:5000], groups=level[:5000])
    table = model.variance_components_
    np.testing.assert_allclose(table.query("component == 'group'")["variance"], tau, rtol=0.25)
    np.testing.assert_allclose(model.noise_variance_, noise, rtol=0.15)
    np.testing.assert_allclose(table.query("component == 'latent'")["variance"], W**2, atol=0.2)
    latents = model.transform(X[5000:], groups=level[5000:])[:, 0]
    assert abs(np.corrcoef(latents, u[5000:])[0, 1]) > 0.9
    assert model.score(X[5000:], groups=level[5000:]) > RandomEffectsPCA(1).fit(X[:5000]).score(X[5000:]) + 1


def test_axes_are_ordered_and_orthogonal(table):
    model = fitted(table, "grouped", n_components=3)
    loadings = model._model.params.loadings
    gram = loadings.T @ loadings
    np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-10)
    assert np.all(np.diff(model.explained_variance_) < 0)
    assert np.all(loadings[np.abs(loadings).argmax(axis=0), np.arange(3)] > 0)


def test_too_few_iterations_are_told(table):
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        fitted(table, "grouped", max_iter=2)


def test_constant_features_are_told_and_harmless(table):
    X = table["X"].copy()
    X[:, 3] = 7.0
    with pytest.warns(UserWarning, match=r"constant in columns \[3\]"):
        model = fitted(table, "grouped", X)
    np.testing.assert_allclose(model.reconstruct(X, **metadata(table, "grouped"))[:, 3], 7.0, atol=1e-3)


@pytest.mark.parametrize(
    ("settings", "given", "words"),
    [
        ({"n_components": 9}, {}, "n_components=9 is more than n_features=8"),
        ({"effects": Grouped(slopes=(0,))}, {"groups": np.arange(N) % 5}, "see MixedModel"),
        ({"effects": Grouped()}, {}, "needs groups"),
        ({}, {"groups": np.zeros(N)}, "one level"),
        ({}, {"groups": np.arange(N)}, "one row for each"),
        ({}, {"groups": np.arange(N - 1)}, "rows"),
    ],
)
def test_input_that_cannot_be_used_is_refused(table, settings, given, words):
    model = RandomEffectsPCA(**settings)
    with pytest.raises(ValueError, match=words):
        model.fit(table["X"], **given)


def test_length_scales_are_learnt():
    rng = np.random.default_rng(0)
    sites = rng.uniform(-1, 1, (150, 2))
    distance = np.linalg.norm(sites[:, None] - sites, axis=2)
    root = np.linalg.cholesky(np.exp(-0.5 * (distance / 0.4) ** 2) + 1e-8 * np.eye(150))
    site = rng.integers(0, 150, 600)
    X = (root @ rng.normal(size=(150, 6)))[site] + rng.normal(size=(600, 1)) @ rng.normal(size=(1, 6))
    X += 0.5 * rng.normal(size=(600, 6))
    model = RandomEffectsPCA(1, effects=Spatial()).fit(X, coords=sites[site])
    assert model.shapes_["spatial"]["length_scale"] == pytest.approx(0.4, rel=0.15)
    holes = np.where(rng.random(X.shape) < 0.1, np.nan, X)
    some = RandomEffectsPCA(1, effects=Spatial(), tol=1e-3).fit(holes, coords=sites[site])
    assert some.shapes_["spatial"]["length_scale"] == pytest.approx(0.4, rel=0.2)
    new = model.reconstruct(X[:3], coords=sites[site][:3] + 0.01)  # kriged
    np.testing.assert_allclose(new, model.reconstruct(X[:3], coords=sites[site][:3]), atol=0.5)


@pytest.mark.parametrize("holes", [False, True])
def test_years_of_the_calendar_are_as_good_as_years_from_the_middle(holes):
    rng = np.random.default_rng(0)
    state, year = np.repeat(np.arange(30), 12), np.tile(np.arange(1975.0, 1987.0), 30)
    slope = 0.2 * rng.standard_normal((30, 4))
    X = np.outer(rng.standard_normal(360), [1.0, -0.5, 0.5, 0.2]) + 0.3 * rng.standard_normal((360, 4))
    X += rng.standard_normal((30, 4))[state] + slope[state] * (year - 1980.5)[:, None]
    if holes:
        X[rng.uniform(size=X.shape) < 0.05] = np.nan
    fits = [
        RandomEffectsPCA(1, effects=Longitudinal("state")).fit(X, groups={"state": state}, time=year - origin)
        for origin in (0.0, 1980.5)
    ]
    assert fits[0].log_likelihood_ == pytest.approx(fits[1].log_likelihood_, abs=0.05)
