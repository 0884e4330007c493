"""Displays of longitudinal models: what they draw is what the model says."""

import matplotlib.figure
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from intertwine import LongitudinalVAE, RandomEffectsPCA
from intertwine.effects import BySubject, Categorical, Smooth
from intertwine.plots import (
    BasisDisplay,
    CovariateEffectsDisplay,
    LatentsDisplay,
    VarianceSharesDisplay,
    VisitsDisplay,
)
from intertwine.plots.basis import missing_variance

matplotlib.use("Agg")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def blank():
    return matplotlib.figure.Figure().subplots()


@pytest.fixture(scope="module")
def study():
    """Visits that a sex and an age move, and a town does not; a fit of these."""
    rng = np.random.default_rng(0)
    subject = np.repeat([f"p{i}" for i in range(30)], 6)
    age = rng.uniform(40, 60, 30).repeat(6) + np.tile(np.arange(6.0), 30)
    sex, town = np.repeat(np.array(["f", "m"] * 15), 6), np.repeat(rng.choice(["far", "near"], 30), 6)
    z = 2.0 * (sex == "m") + np.sin(age / 4) + rng.standard_normal(30).repeat(6)
    X = np.outer(z, [1.0, -1.0, 0.5, 1.5]) + 0.3 * rng.standard_normal((180, 4))
    X[rng.random(X.shape) < 0.1] = np.nan
    X = pd.DataFrame(X, columns=["pulse", "weight", "iron", "zinc"])
    told = pd.DataFrame({"age": age, "sex": sex, "town": town, "late": np.where(age > 55, age, np.nan)})
    effects = [Categorical("sex"), Smooth("age", length_scale=8.0), Categorical("town"), BySubject()]
    model = LongitudinalVAE(
        1,
        effects=effects,
        architecture="linear",
        warm_up=8,
        max_iter=25,
        decoder_iter=1,
        learning_rate=0.02,
        batch_size=32,
        random_state=0,
    )
    return model.fit(X, covariates=told, subject=subject), X, {"covariates": told, "subject": subject}


def test_visits_ahead_are_foretold_from_those_that_were_given(study):
    model, X, given = study
    subjects = ["p3", "p1"]
    display = VisitsDisplay.from_estimator(
        model, X, **given, n_given=2, subjects=subjects, features=["zinc", 0], n_between=3, ax=blank()
    )
    assert (display.subjects, display.features, display.time_name) == (subjects, ["zinc", "pulse"], "age")
    rows = np.flatnonzero(given["subject"] == "p3")
    told, first, later = given["covariates"], rows[:2], rows[2:]
    known = model.condition(
        X.iloc[first], covariates=told.iloc[first], subject=given["subject"][first], known="replace"
    )
    mean, std = known.forecast(told.iloc[later], subject=given["subject"][later], return_std=True)
    frame = display.frame
    here = frame[(frame["subject"] == "p3") & (frame["feature"] == "zinc")]
    assert len(here) == 5 * 3 + 1
    assert here["given"].sum() == 3 + 1
    ahead = here[np.isin(here["time"], told["age"].iloc[later])]
    np.testing.assert_allclose(ahead["mean"], mean[:, 3], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(ahead["std"], std[:, 3], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(ahead["observed"], X["zinc"].iloc[later])
    assert here["observed"].notna().sum() == X["zinc"].iloc[rows].notna().sum()
    assert 0.8 < display.covered <= 1.0
    assert len(display.ax_.child_axes) == 4
    again = VisitsDisplay.from_frame(frame, ax=blank())
    pd.testing.assert_frame_equal(again.frame, frame)


def test_all_visits_are_given_and_shown_along_any_values(study):
    model, X, given = study
    along = np.tile(np.arange(6.0), 30)
    display = VisitsDisplay.from_estimator(
        model, X, **given, along=along, n_subjects=2, n_features=1, ax=blank()
    )
    assert display.given.all()
    assert np.isnan(display.covered)
    assert display.time.min() == 0.0
    assert display.time.max() == 5.0


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"features": ["gold"]}, "no feature 'gold'; there are 4"),
        ({"subjects": ["p99"]}, "have no rows"),
        ({"along": "late"}, "not a number at every visit"),
        ({"along": "height"}, "no covariate; there are"),
        ({"n_given": 0}, "at least 1"),
    ],
)
def test_what_is_not_there_is_not_drawn(study, asked, message):
    model, X, given = study
    with pytest.raises(ValueError, match=message):
        VisitsDisplay.from_estimator(model, X, **given, **asked, ax=blank())


def test_shares_are_those_of_explain_and_nothing_is_seen_of_what_does_nothing(study):
    model, _, _ = study
    display = VarianceSharesDisplay.from_estimator(model, ax=blank())
    told = model.explain()
    shown = display.frame[display.frame["of"] == "observed"].set_index("effect")["share"]
    np.testing.assert_allclose(shown, told["observed"])
    assert "town" in display.negligible
    assert "sex" not in display.negligible
    grey = {text.get_text(): text.get_color() for text in display.ax_.get_yticklabels()}
    assert grey["town"] != grey["sex"]
    bars = [bar.get_width() for bar in display.ax_.patches]
    np.testing.assert_allclose(bars, [*told["latent"].dropna(), *told["observed"]])


def test_shares_of_features_and_axes_are_cells(study):
    model, _, _ = study
    cells = VarianceSharesDisplay.from_estimator(model, "feature", features=["zinc", "iron"], ax=blank())
    told = model.explain("feature").set_index(["feature", "effect"])["share"]
    image = cells.ax_.images[0].get_array()
    assert image.shape == (2, 6)
    np.testing.assert_allclose(image[0], [told["zinc", effect] for effect in cells.effects])
    few = VarianceSharesDisplay.from_estimator(model, "feature", n_features=1, ax=blank())
    quietest = told.xs("noise", level="effect").idxmin()
    assert few.kinds == [quietest]
    axes = VarianceSharesDisplay.from_estimator(model, "axis", ax=blank())
    assert axes.kinds == ["latent 1"]
    assert axes.is_map
    with pytest.raises(ValueError, match="no feature 'gold'"):
        VarianceSharesDisplay.from_estimator(model, "feature", features=["gold"], ax=blank())


def test_curves_are_those_of_the_model(study):
    model, _, _ = study
    display = CovariateEffectsDisplay.from_estimator(
        model, "age", by="sex", features=["iron"], ax=blank(), n_values=5
    )
    told = model.covariate_effect("iron", "age", by="sex", n_values=5)
    np.testing.assert_allclose(display.mean, told["mean"])
    assert (display.levels, display.is_number) == (["f", "m"], True)
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["f", "m"]
    first, second = display.ax_.child_axes[0].lines
    np.testing.assert_allclose(first.get_ydata(), told["mean"][:5])
    assert first.get_linestyle() != second.get_linestyle()


def test_of_many_features_those_that_move_most_beside_their_bands_are_drawn():
    value = np.tile([0.0, 1.0], 3)
    feature = np.repeat(["still", "far", "unsure"], 2)
    mean = np.array([0.0, 0.1, 0.0, 2.0, 0.0, 9.0])
    half = np.repeat([0.5, 0.5, 9.0], 2)
    frame = {"feature": feature, "value": value, "mean": mean, "lower": mean - half, "upper": mean + half}

    class Model(BaseEstimator):
        def fit(self):
            return self

        def __sklearn_is_fitted__(self):
            return True

        def covariate_effect(self, features, covariate, by=None):
            return {**frame, "covariate": np.full(6, covariate)}

    display = CovariateEffectsDisplay.from_estimator(Model(), "dose", n_features=2, ax=blank())
    assert display.features == ["far", "unsure"]
    assert display.covariate == "dose"


def test_categories_are_points_with_bars(study):
    model, _, _ = study
    display = CovariateEffectsDisplay.from_estimator(model, "sex", n_features=2, ax=blank())
    assert not display.is_number
    panel = display.ax_.child_axes[0]
    assert [text.get_text() for text in panel.get_xticklabels()] == ["f", "m"]
    assert len(panel.collections) == 1


def test_latents_by_a_covariate_that_not_all_have(study):
    model, X, given = study
    late = given["covariates"]["late"].to_numpy()
    display = LatentsDisplay.from_estimator(model, X, by=late, by_name="late", **given, ax=blank())
    counts = [len(points.get_offsets()) for points in display.ax_.collections]
    assert counts == [np.isfinite(late).sum(), np.isnan(late).sum()]
    assert display.ax_.get_legend().get_texts()[0].get_text() == "does not apply"


def test_any_two_latents():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3)) @ rng.standard_normal((3, 6))
    groups = np.arange(60) // 6
    model = RandomEffectsPCA(3).fit(X, groups=groups)
    display = LatentsDisplay.from_estimator(model, X, groups=groups, axes=(2, 1), ax=blank())
    np.testing.assert_array_equal(display.x, model.transform(X, groups=groups)[:, 2])
    assert display.ax_.get_xlabel() == "latent 3"
    with pytest.raises(ValueError, match="must be two of the latents 0 to 2"):
        LatentsDisplay.from_estimator(model, X, groups=groups, axes=(0, 3), ax=blank())


def test_missing_variance_is_that_of_the_fit(study):
    model, _, _ = study
    display = BasisDisplay.from_estimator(model, ax=blank())
    np.testing.assert_allclose(display.frame["missing_variance"], model.basis_["missing_variance"], rtol=0.02)
    assert np.all(np.diff(display.curves[0]) <= 1e-12)
    again = BasisDisplay.from_frame(display.frame, ax=blank())
    np.testing.assert_array_equal(again.curves[0], display.curves[0])


def test_the_constants_of_the_rule_leave_the_error_that_it_names():
    for kernel, half_ranges, count, error in (("rbf", 1.0, 5, 0.01), ("matern32", 0.5, 16, 0.01)):
        a = {"rbf": 1.517, "matern32": 1.916}[kernel]
        curve = missing_variance(kernel, half_ranges, 1.0 + a * half_ranges, count)
        assert 0.5 * error < curve[-1] <= 2.05 * error
    with pytest.raises(ValueError, match="nothing that could be missing"):
        BasisDisplay.from_frame({"effect": ["time"], "boundary": [np.nan]}, ax=blank())


@pytest.mark.parametrize(
    ("display", "arguments"),
    [
        (VarianceSharesDisplay, ()),
        (CovariateEffectsDisplay, ("age",)),
        (BasisDisplay, ()),
    ],
)
def test_models_without_covariates_are_refused(display, arguments):
    with pytest.raises(TypeError, match="this picture is for LongitudinalVAE"):
        display.from_estimator(RandomEffectsPCA(), *arguments)
    with pytest.raises(TypeError, match="this picture is for LongitudinalVAE"):
        VisitsDisplay.from_estimator(RandomEffectsPCA(), [[1.0]], subject=["a"])
