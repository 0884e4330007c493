"""Displays: made from an estimator, their data as a frame, drawn the same again, labels that do not collide."""

import inspect
import warnings

import matplotlib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import Ridge
from small_tables import ratings

from intertwine import (
    FMClassifier,
    FMRegressor,
    InteractionClassifier,
    InteractionCoxPH,
    InteractionRegressor,
    InteractionRegressorCV,
    LatentFactorModel,
    LocalFMClassifier,
    LocalFMRegressor,
    LongitudinalVAE,
    MixedModel,
    RandomEffectsPCA,
    make_interaction_pipeline,
    plots,
    survival_target,
)
from intertwine.effects import BySubject, Longitudinal, Smooth, Spatial
from intertwine.plots._labels import place_labels
from intertwine.plots._results import score_path

matplotlib.use("Agg")

DISPLAYS = [name for name in plots.__all__ if name.endswith("Display")]


@pytest.fixture(scope="module")
def fitted():
    """What each display is drawn from: the arguments of its ``from_estimator``."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.standard_normal((90, 5)), columns=["age", "dose", "weight", "flow", "colour"])
    y = X["age"] + 1.5 * X["dose"] * X["flow"] - X["age"] * X["weight"] + 0.3 * rng.standard_normal(90)
    number = InteractionRegressor(alpha=0.05, tie=0.1, n_init=1, random_state=0).fit(X, y)
    chosen = InteractionRegressorCV(
        n_knots=(0,), relevances=(0.0,), squares=(False,), latents=("low_rank",), cv=3, random_state=0
    ).fit(X, y)
    ill = np.where(y > 0, "ill", "well")
    classes = InteractionClassifier(alpha=0.05, latent=None).fit(X, ill)
    times = survival_target(rng.exponential(np.exp(-y)), rng.random(90) < 0.8)
    cox = InteractionCoxPH(alpha=0.05, latent=None).fit(X, times)
    machine = FMRegressor(n_components=3, max_iter=40, random_state=0).fit(X, y)
    local = LocalFMRegressor(n_anchors=5, n_components=2, max_iter=20, tol=0.1, random_state=0).fit(X, y)
    seen = ratings(400, n_users=25, n_films=12)
    pairs, stars = seen[["user", "film"]], seen["rating"]
    tastes = LatentFactorModel(n_components=2, duplicates="keep", random_state=0)
    tastes.fit(pairs[:300], stars[:300])
    site, place = np.arange(90) // 6, rng.uniform(size=(90, 2))
    given = {"groups": site, "time": np.arange(90.0) % 6}
    courses = MixedModel(Longitudinal()).fit(X, y + site % 4, **given)
    field = MixedModel(Spatial(length_scale=0.3)).fit(X, y + 3 * place[:, 0], coords=place)
    hidden = RandomEffectsPCA(n_components=2).fit(X, groups=site)
    visits = {"covariates": {"age": np.arange(90.0)}, "subject": site}
    ageing = LongitudinalVAE(
        1, effects=[Smooth("age", length_scale=30.0), BySubject()], hidden_layer_sizes=(4,), warm_up=1, max_iter=2,
        decoder_iter=1, random_state=0,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        ageing.fit(X, **visits)
    return {
        "BasisDisplay": (ageing,),
        "CalibrationDisplay": (classes, X, ill),
        "CoefficientPathDisplay": (number, X, y),
        "ConvergenceDisplay": (tastes,),
        "CovariateEffectsDisplay": (ageing, "age"),
        "CoverageDisplay": (machine, X, y),
        "EffectMapDisplay": (field, {"grid_resolution": 9}),
        "ErrorByActivityDisplay": (tastes, pairs[300:], stars[300:]),
        "ExpertMapDisplay": (local, X),
        "InteractionForestDisplay": (number,),
        "InteractionHeatmapDisplay": (number,),
        "InteractionSurfaceDisplay": (number, X, ("dose", "flow")),
        "ItemMapDisplay": (tastes,),
        "LatentMapDisplay": (number,),
        "LatentsDisplay": (hidden, X, {"groups": site}),
        "ObservedPredictedDisplay": (number, X, y),
        "PathDisplay": (chosen,),
        "RandomEffectsDisplay": (courses,),
        "ShrinkageDisplay": (courses, X, y, given),
        "SurvivalCurvesDisplay": (cox, X, times),
        "TraceDisplay": (machine,),
        "TrajectoriesDisplay": (courses, X, y, {**given, "levels": [1, 2]}),
        "VarianceSharesDisplay": (ageing, {"n_draws": 4}),
        "VisitsDisplay": (ageing, X, {**visits, "n_between": 1}),
    }


def made(name, fitted, **given):
    """The display from its estimator; a dict at the end of its arguments is passed by keyword."""
    *arguments, last = fitted[name]
    by_keyword = last if isinstance(last, dict) else {}
    arguments += [] if isinstance(last, dict) else [last]
    return getattr(plots, name).from_estimator(*arguments, **by_keyword, **given)


@pytest.mark.parametrize("name", DISPLAYS)
def test_every_display_is_made_from_an_estimator_and_shows_its_data(name, fitted):
    display = made(name, fitted)
    assert isinstance(display.frame, pd.DataFrame)
    assert len(display.frame) > (name != "BasisDisplay")
    numbers = display.frame.select_dtypes("number").drop(
        columns=["std_error", "lower", "upper"], errors="ignore"
    )
    assert np.all(~np.isnan(numbers.to_numpy(float)))
    drawn = display.ax_
    display.plot(palette=plots.DARK)
    assert display.ax_ is not drawn
    matplotlib.pyplot.close("all")


@pytest.mark.parametrize("name", DISPLAYS)
def test_a_display_draws_on_the_axes_it_is_given(name, fitted):
    figure = matplotlib.figure.Figure()
    ax = figure.subplots()
    display = made(name, fitted, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert not matplotlib.pyplot.get_fignums()


@pytest.mark.parametrize("name", DISPLAYS)
def test_the_frame_draws_the_same_again(name, fitted):
    kind = getattr(plots, name)
    if not hasattr(kind, "from_frame"):
        assert hasattr(kind, "from_predictions")
        return
    display = made(name, fitted, ax=matplotlib.figure.Figure().subplots())
    wanted = [
        key
        for key in ("first", "second", "name", "quantity")
        if key in inspect.signature(kind.from_frame).parameters
    ]
    again = kind.from_frame(
        display.frame,
        **{key: getattr(display, key) for key in wanted},
        ax=matplotlib.figure.Figure().subplots(),
    )
    pd.testing.assert_frame_equal(again.frame, display.frame)


def test_the_figures_are_those_of_the_model(fitted):
    (model,) = fitted["InteractionForestDisplay"]
    axes = [matplotlib.figure.Figure().subplots() for _ in range(3)]
    top = model.top_interactions(3)
    forest = plots.InteractionForestDisplay.from_estimator(model, k=3, ax=axes[0]).frame
    assert list(forest["term"]) == list(top["term"])
    np.testing.assert_array_equal(forest["estimate"], top["estimate"])
    heat = plots.InteractionHeatmapDisplay.from_estimator(model, ax=axes[1])
    place = [heat.features.index(name) for name in ("dose", "flow")]
    np.testing.assert_allclose(heat.matrix[place[0], place[1]], model.interaction("dose", "flow").estimate)
    surface = plots.InteractionSurfaceDisplay.from_estimator(*fitted["InteractionSurfaceDisplay"], ax=axes[2])
    row = surface.frame.iloc[[0]]
    at = pd.DataFrame(fitted["InteractionSurfaceDisplay"][1].mean()).T
    at[["dose", "flow"]] = row[["dose", "flow"]].to_numpy()
    np.testing.assert_allclose(row["prediction"], model.predict(at), rtol=1e-6)


def test_the_path_of_the_tie_starts_from_pairs_on_their_own(fitted):
    (model,) = fitted["PathDisplay"]
    path = score_path(model, "tie")
    assert 0.0 in path["values"]
    assert len(path["values"]) > 2
    assert path["chosen"] in path["values"]


def test_a_map_needs_latent_vectors(fitted):
    model = fitted["CalibrationDisplay"][0]
    with pytest.raises(ValueError, match="no latent vectors.*'two_factor'"):
        plots.LatentMapDisplay.from_estimator(model)
    with pytest.raises(NotFittedError):
        plots.LatentMapDisplay.from_estimator(InteractionRegressor())


BOXES = st.lists(
    st.tuples(*[st.floats(0, 400, allow_nan=False)] * 2, st.floats(5, 90), st.floats(5, 20)),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(BOXES)
def test_labels_never_collide_and_never_leave_the_frame(boxes):
    points, sizes = np.array([b[:2] for b in boxes]), np.array([b[2:] for b in boxes])
    bounds = (0.0, 0.0, 400.0, 400.0)
    placed = [
        (np.array(centre) - size / 2, np.array(centre) + size / 2)
        for centre, size in zip(place_labels(points, sizes, bounds), sizes, strict=True)
        if centre is not None
    ]
    for i, (low, high) in enumerate(placed):
        assert np.all(low >= -1e-9)
        assert np.all(high <= 400 + 1e-9)
        for other_low, other_high in placed[:i]:
            assert np.any(high <= other_low + 1e-9) or np.any(other_high <= low + 1e-9)


OF_INTERACTIONS = {
    "CoefficientPathDisplay": 2,
    "ConvergenceDisplay": 0,
    "ExpertMapDisplay": 1,
    "InteractionForestDisplay": 0,
    "InteractionHeatmapDisplay": 0,
    "LatentMapDisplay": 0,
    "PathDisplay": 0,
    "TraceDisplay": 0,
}


@pytest.mark.parametrize("name", OF_INTERACTIONS)
def test_an_estimator_of_another_kind_is_refused(name, fitted):
    data = [None] * OF_INTERACTIONS[name]
    for other in (Ridge(), make_interaction_pipeline(fitted["LatentMapDisplay"][0]), None):
        told = rf"{type(other).__name__} has no .*fitted interaction estimator.*pipeline\[-1\]"
        with pytest.raises(TypeError, match=told):
            getattr(plots, name).from_estimator(other, *data)


@pytest.mark.parametrize(
    ("name", "others", "whom"),
    [
        ("CalibrationDisplay", ["ObservedPredictedDisplay", "SurvivalCurvesDisplay", None], "classifiers"),
        ("ObservedPredictedDisplay", ["CalibrationDisplay", "SurvivalCurvesDisplay", None], "regressors"),
        ("ErrorByActivityDisplay", ["CoverageDisplay", None], "LatentFactorModel"),
        ("SurvivalCurvesDisplay", ["CalibrationDisplay", "ObservedPredictedDisplay", None], "Cox estimators"),
    ],
)
def test_a_picture_of_another_task_is_refused(name, others, whom, fitted):
    for other in others:
        estimator, X, y = fitted[other] if other else (None, None, None)
        with pytest.raises(TypeError, match=f"{type(estimator).__name__} .*; this picture is for {whom}"):
            getattr(plots, name).from_estimator(estimator, X, y)


@pytest.mark.parametrize("name", DISPLAYS)
def test_a_class_is_no_estimator(name, fitted):
    estimator, *data = fitted[name]
    with pytest.raises(
        TypeError, match=f"pass a fitted instance of {type(estimator).__name__}, not the class"
    ):
        made(name, {name: (type(estimator), *data)})


def test_labels_that_the_model_never_saw_are_named(fitted):
    X, ill = fitted["CalibrationDisplay"][1:]
    model = InteractionClassifier(latent=None).fit(X, ill == "ill")
    with pytest.raises(ValueError, match=r"y holds \['ill', 'well'\].*it knows \[False, True\]"):
        plots.CalibrationDisplay.from_estimator(model, X, np.sort(ill))
    with pytest.raises(ValueError, match=r"label 'ill' is no class of the model"):
        plots.CalibrationDisplay.from_estimator(model, X, ill == "ill", label="ill")


def test_curves_need_a_survival_target(fitted):
    model, X, y = fitted["SurvivalCurvesDisplay"]
    with pytest.raises(ValueError, match=r"survival_target\(time, event\)"):
        plots.SurvivalCurvesDisplay.from_estimator(model, X, (y["time"], y["event"]))


def test_sizes_of_surfaces_have_a_scale_without_signs(fitted):
    X, y = fitted["CoefficientPathDisplay"][1:]
    model = InteractionRegressor(alpha=0.05, latent=None, basis="spline", n_knots=3).fit(X, y)
    heat = plots.InteractionHeatmapDisplay.from_estimator(model, ax=matplotlib.figure.Figure().subplots())
    assert heat.sizes
    assert heat.image_.get_clim() == (0.0, heat.frame["estimate"].max())
    assert not heat.ax_.texts
    (signed,) = fitted["InteractionHeatmapDisplay"]
    heat = plots.InteractionHeatmapDisplay.from_estimator(signed, ax=matplotlib.figure.Figure().subplots())
    assert sum(heat.image_.get_clim()) == 0
    assert {text.get_text() for text in heat.ax_.texts} == {"+", "−"}


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("dose", "dose"), "two different"),
        (("dose", 1), "two different"),
        (None, "two different columns of X, got None"),
        (5, "two different columns of X, got 5"),
        ("ab", "two different columns of X, got 'ab'"),
        (("dose",), "two different"),
        (("dose", "doze"), "no column of X"),
    ],
)
def test_a_surface_needs_two_features_of_the_table(pair, message, fitted):
    estimator, X, _ = fitted["InteractionSurfaceDisplay"]
    with pytest.raises(ValueError, match=message):
        plots.InteractionSurfaceDisplay.from_estimator(estimator, X, pair)


def test_a_heatmap_needs_two_features(fitted):
    with pytest.raises(ValueError, match="shows pairs"):
        plots.InteractionHeatmapDisplay.from_estimator(fitted["LatentMapDisplay"][0], features=["dose"])


def blank():
    return matplotlib.figure.Figure().subplots()


def test_the_factor_map_is_that_of_the_factors(fitted):
    (machine,) = fitted["TraceDisplay"]
    shown = plots.LatentMapDisplay.from_estimator(machine, n_labels=2, ax=blank())
    V = machine.components_
    np.testing.assert_allclose(np.abs(shown.xy), np.abs(V[:, :2]), atol=1e-8)  # they are in principal axes
    assert shown.features == list(machine.feature_names_in_)
    assert {text.get_text() for text in shown.ax_.texts} <= {"age", "dose", "flow", "weight"}
    X, y = fitted["CoverageDisplay"][1:]
    with pytest.raises(ValueError, match="n_components > 0"):
        plots.LatentMapDisplay.from_estimator(FMRegressor(n_components=0, max_iter=20).fit(X, y))
    with pytest.raises(NotFittedError):
        plots.LatentMapDisplay.from_estimator(FMRegressor())


def test_a_trace_shows_the_chain_and_whether_it_settled(fitted):
    (machine,) = fitted["TraceDisplay"]
    shown = plots.TraceDisplay.from_estimator(machine, ax=blank())
    np.testing.assert_array_equal(shown.value, machine.history_["misfit"])
    assert shown.burn_in == machine.n_burn_in_ == 8
    assert f"scale reduction {machine.scale_reduction_:.2f}" in {text.get_text() for text in shown.ax_.texts}
    other = plots.TraceDisplay.from_estimator(machine, quantity="noise", ax=blank())
    np.testing.assert_array_equal(other.value, machine.history_["noise"])
    with pytest.raises(ValueError, match="'nose' was not followed; there are misfit, noise"):
        plots.TraceDisplay.from_estimator(machine, quantity="nose")
    with pytest.raises(NotFittedError):
        plots.TraceDisplay.from_estimator(FMRegressor())


def test_traces_of_other_estimators(fitted):
    X, y = fitted["CoverageDisplay"][1:]
    found = FMRegressor(solver="als", n_components=2, max_iter=5, tol=1.0).fit(X, y)
    assert plots.TraceDisplay.from_estimator(found, ax=blank()).scale_reduction is None
    assert not hasattr(found, "n_burn_in_")
    stage = np.array(["a", "b", "c"])[np.digitize(y, [-1, 1])]
    many = FMClassifier(n_components=2, max_iter=10, random_state=0).fit(X, stage)
    shown = plots.TraceDisplay.from_estimator(many, ax=blank())
    assert len(shown.ax_.lines) == 3
    assert [text.get_text() for text in shown.ax_.get_legend().get_texts()] == [
        "class a",
        "class b",
        "class c",
    ]
    (number,) = fitted["InteractionForestDisplay"]
    assert plots.TraceDisplay.from_estimator(number, ax=blank()).quantity == "value"
    with pytest.raises(ValueError, match="solved directly"):
        plots.TraceDisplay.from_estimator(fitted["CalibrationDisplay"][0])


def test_coverage_of_right_and_of_timid_standard_deviations():
    rng = np.random.default_rng(0)
    z = rng.standard_normal(4000)
    right = plots.CoverageDisplay.from_predictions(z, 0 * z, 1 + 0 * z, ax=blank())
    np.testing.assert_allclose(right.covered, right.level, atol=0.03)
    timid = plots.CoverageDisplay.from_predictions(z, 0 * z, 2 + 0 * z, ax=blank())
    assert np.all(timid.lower > timid.level)


def test_an_expert_map_knows_who_answers(fitted):
    local, X = fitted["ExpertMapDisplay"]
    shown = plots.ExpertMapDisplay.from_estimator(local, X, pair=("dose", 0), ax=blank())
    assert (shown.first, shown.second) == ("dose", "age")
    np.testing.assert_allclose(shown.xy, X[["dose", "age"]])
    np.testing.assert_array_equal(shown.expert, local.responsible_expert(X))
    np.testing.assert_allclose(shown.neighbors, local.effective_neighbors(X))
    assert shown.share.sum() == pytest.approx(1.0)
    whole = plots.ExpertMapDisplay.from_estimator(local, X, ax=blank())
    assert whole.first == "principal axis 1"
    with pytest.raises(ValueError, match="two different coordinates of age, dose"):
        plots.ExpertMapDisplay.from_estimator(local, X, pair=("dose", "dozes"))
    stage = np.arange(90) % 3
    many = LocalFMClassifier(
        n_anchors=3, n_components=2, space="latent", n_latent=2, max_iter=3, tol=1.0, random_state=0
    )
    latent = plots.ExpertMapDisplay.from_estimator(many.fit(X, stage), X, ax=blank())
    assert (latent.first, latent.second) == ("latent 1", "latent 2")
    one = LocalFMRegressor(n_anchors=2, space=["age"], max_iter=3, tol=1.0).fit(X, X["age"])
    assert not plots.ExpertMapDisplay.from_estimator(one, X, ax=blank()).xy[:, 1].any()
