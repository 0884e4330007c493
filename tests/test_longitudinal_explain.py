"""What moves what, where a linear decoder makes the answers exact."""

import numpy as np
import pandas as pd
import pytest
from linear_longitudinal_model import LinearModel

from intertwine import LongitudinalVAE
from intertwine.effects import BySubject, Categorical, Linear, Smooth
from intertwine.estimators.longitudinal import vae as longitudinal_vae
from intertwine.estimators.longitudinal.contributions import drawn_contributions, latent_shares

W = np.array([[2.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, -1.5]])


@pytest.fixture(autouse=True)
def linear(monkeypatch):
    monkeypatch.setattr(
        longitudinal_vae,
        "fitted_model",
        lambda estimator, X, visits, effects, watch: LinearModel(X, visits, effects, W),
    )


def study(n_subjects=30, n_visits=6):
    """Latent 0 follows dose, latent 1 the sex and the subject; both have a course in age."""
    rng = np.random.default_rng(0)
    subject = np.repeat(np.arange(n_subjects), n_visits)
    dose = rng.standard_normal(len(subject))
    sex = np.where(subject % 2, "m", "f")
    age = rng.uniform(40, 60, len(subject))
    lag = np.where(subject % 3 == 0, np.nan, rng.uniform(-1, 1, len(subject)))
    z = np.column_stack(
        [
            2.0 * dose + 0.02 * (age - 50),
            np.where(subject % 2, 1.0, -1.0) + rng.standard_normal(n_subjects)[subject] + 0.05 * (age - 50),
        ]
    )
    X = 5.0 + z @ W.T + 0.3 * rng.standard_normal((len(subject), 4))
    rows = {"covariates": {"dose": dose, "sex": sex, "age": age, "lag": lag}, "subject": subject}
    return pd.DataFrame(X, columns=["a", "b", "c", "d"]), rows


@pytest.fixture
def fitted():
    X, rows = study()
    effects = [
        Linear("dose"),
        Categorical("sex"),
        Smooth("age", length_scale=10.0),
        Linear("lag"),
        BySubject(),
    ]
    return LongitudinalVAE(2, effects=effects).fit(X, **rows), X, rows


def test_shares_of_a_linear_decoder_are_covariances_with_the_whole(fitted):
    model, *_ = fitted
    table = model.explain("feature", n_draws=12, max_visits=10_000)
    assert list(table.columns) == ["feature", "effect", "variance", "share", "std_error"]
    mean, parts = drawn_contributions(model._model, model._visits, np.random.default_rng(0), 200)
    centred = parts - parts.mean(axis=2, keepdims=True)
    total = centred.sum(axis=1)
    common = np.einsum("scnk,snk->ck", centred, total) / total.shape[0] / total.shape[1]
    expected = common @ (W**2).T  # one latent for each feature
    whole = expected.sum(axis=0) + 0.5
    found = table.pivot(index="effect", columns="feature", values="share").loc[
        ["dose", "sex", "age", "lag", "subject", "visit"]
    ]
    np.testing.assert_allclose(found, expected / whole, atol=0.02)
    np.testing.assert_allclose(table.groupby("feature")["share"].sum(), 1.0)
    assert found.loc["dose", "a"] > 0.7 > 0.05 > found.loc["dose", "d"]
    assert mean.shape == (200, 2)


def test_shares_over_all_features_and_axes(fitted):
    model, *_ = fitted
    table = model.explain(max_visits=10_000)
    assert list(table.columns) == ["effect", "latent", "observed", "observed_std_error"]
    assert table["effect"].tolist() == ["dose", "sex", "age", "lag", "subject", "visit", "noise"]
    assert table["observed"].sum() == pytest.approx(1.0)
    assert table["latent"].sum() == pytest.approx(1.0)
    by_feature = model.explain("feature", max_visits=10_000)
    mean = by_feature.groupby("effect")["share"].mean()
    np.testing.assert_allclose(mean[table["effect"]], table["observed"], rtol=1e-8)
    axes = model.explain("axis", max_visits=10_000)
    assert list(axes.columns) == ["axis", "effect", "variance", "share"]
    np.testing.assert_allclose(axes.groupby("axis")["share"].sum(), 1.0)
    first = axes[axes["axis"] == 0].set_index("effect")["share"]
    assert first["dose"] > 0.9
    pd.testing.assert_frame_equal(table, model.explain(max_visits=10_000))  # the same draws
    few = model.explain(max_visits=60, random_state=3)
    np.testing.assert_allclose(few["observed"], table["observed"], atol=0.12)


def test_an_effect_that_is_not_there_has_no_share(fitted):
    model, *_ = fitted
    shares = model.explain().set_index("effect")["observed"]
    assert abs(shares["lag"]) < 0.02 < shares["sex"]


def test_latent_shares_of_effects_that_cancel():
    first = np.random.default_rng(0).standard_normal(500)
    parts = np.stack([first, -first, 0.1 * np.roll(first, 1)])[None, :, :, None]
    variances, shares = latent_shares(parts)
    np.testing.assert_allclose(variances.ravel(), np.array([1.0, 1.0, 0.01]) * first.var())
    assert abs(shares[0, 0] + shares[1, 0]) < 1e-8
    assert shares[2, 0] == pytest.approx(1.0)


def test_a_curve_is_the_line_that_coefficients_say_with_their_bands(fitted):
    model, _, rows = fitted
    curve = model.covariate_effect("a", "dose", n_values=3, n_draws=4000)
    assert list(curve.columns) == ["feature", "covariate", "value", "mean", "lower", "upper"]
    dose = rows["covariates"]["dose"]
    np.testing.assert_allclose(curve["value"], np.linspace(dose.min(), dose.max(), 3))
    place = next(p for p in model._model.latents.effects.places if p.title == "dose")
    slope = model._model.latents.shared.mean[place.columns, 0] * 2.0 / dose.std()
    rise = curve["mean"].iloc[2] - curve["mean"].iloc[0]
    assert rise == pytest.approx(slope.item() * np.ptp(dose), rel=0.05)
    assert np.all(curve["lower"] < curve["mean"])
    narrow = model.covariate_effect("a", "dose", n_values=3, n_draws=4000, level=0.5)
    assert np.all(narrow["upper"] - narrow["lower"] < 0.5 * (curve["upper"] - curve["lower"]))


def test_curves_of_categories_and_by_them(fitted):
    model, *_ = fitted
    levels = model.covariate_effect(["c", 3], "sex")
    assert levels["value"].tolist() == ["f", "m", "f", "m"]
    assert levels["feature"].tolist() == ["c", "c", "d", "d"]
    means = levels["mean"].to_numpy()
    assert means[1] > means[0] + 1.0
    assert means[3] < means[2] - 1.0
    both = model.covariate_effect("c", "age", by="sex", values=[45.0, 55.0])
    assert list(both.columns)[:5] == ["feature", "covariate", "value", "by", "level"]
    assert both["level"].tolist() == ["f", "f", "m", "m"]
    held = model.covariate_effect("c", "age", at={"sex": "m", "dose": 0.0}, values=[45.0, 55.0], n_draws=400)
    np.testing.assert_allclose(held["mean"], both["mean"][2:], atol=0.2)
    assert len(model.covariate_effect(None, "lag", n_values=2)) == 8


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.explain("subject"), "by must be"),
        (lambda m: m.explain(n_draws=0), "n_draws must be"),
        (lambda m: m.covariate_effect("z", "age"), "'z' is no feature"),
        (lambda m: m.covariate_effect(4, "age"), "4 is no feature"),
        (lambda m: m.covariate_effect("a", "weight"), r"no effect reads 'weight'; effects read \['age'"),
        (lambda m: m.covariate_effect("a", "age", by="dose"), "is no category"),
        (lambda m: m.covariate_effect("a", "age", at={"weight": 1}), r"\['weight'\], which no effect reads"),
        (lambda m: m.covariate_effect("a", "age", at={"sex": "x"}), "'x' is no category of 'sex'"),
        (lambda m: m.covariate_effect("a", "age", values=[np.nan]), "finite"),
        (lambda m: m.covariate_effect("a", "age", level=1.0), "level must be"),
    ],
)
def test_bad_questions_are_refused(fitted, call, message):
    with pytest.raises(ValueError, match=message):
        call(fitted[0])


def test_covariates_of_single_subjects_have_no_common_curve():
    X, rows = study()
    model = LongitudinalVAE(2, effects=[BySubject(), BySubject(Linear("dose"))]).fit(X, **rows)
    with pytest.raises(ValueError, match="only effects of single subjects read 'dose'"):
        model.covariate_effect("a", "dose")


def test_a_number_that_is_a_category_as_well_has_no_curve():
    X, rows = study()
    rows["covariates"]["age"] = np.round(rows["covariates"]["age"], -1)
    model = LongitudinalVAE(2, effects=[Linear("age"), Categorical("age"), BySubject()]).fit(X, **rows)
    with pytest.raises(ValueError, match=r"\['age'\] as numbers and as categories"):
        model.covariate_effect("a", "age")


def test_tables(fitted):
    model, *_ = fitted
    table = model.variance_components_
    assert list(table.columns) == ["effect", "axis", "variance", "share"]
    np.testing.assert_allclose(table.groupby("axis")["share"].sum(), 1.0)
    visit = table[table["effect"] == "visit"]
    np.testing.assert_allclose(visit["variance"], model._model.latents.variances.noise)
    basis = model.basis_
    assert basis["effect"].tolist() == ["age"]
    assert basis["missing_variance"][0] <= 0.011
    assert model.length_scales_ == {"length_scale of age": 10.0}
    axes = model.axes_
    columns = ["axis", "effects_share", "observed_share", "gain", "identified", "alike"]
    assert list(axes.columns) == columns
    assert axes["identified"].all()
    assert model.rank_ == 2
    assert axes["observed_share"].sum() == pytest.approx(1.0)
    assert model.history_["iteration"].tolist() == [1, 2]
    assert model.n_iter_ == 2
    assert model.bound_ == -1.0
