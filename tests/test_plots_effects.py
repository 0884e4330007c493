"""Pictures of random effects: levels in order, and fields on a map."""

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.linear_model import Ridge

from intertwine import MixedModel, plots
from intertwine.effects import Grouped, Spatial

matplotlib.use("Agg")


def blank():
    return Figure().subplots()


def clusters(n_groups=8, n_outputs=1):
    rng = np.random.default_rng(0)
    groups = np.repeat([f"g{g}" for g in range(n_groups)], 10)
    X = rng.standard_normal((len(groups), 1))
    level = np.repeat(2.0 * rng.standard_normal((n_groups, n_outputs)), 10, axis=0)
    slope = np.repeat(rng.standard_normal((n_groups, n_outputs)), 10, axis=0)
    return X, level + slope * X + rng.standard_normal((len(groups), n_outputs)), groups


@pytest.fixture(scope="module")
def model():
    X, y, groups = clusters(n_outputs=2)
    return MixedModel(Grouped(slopes=(0,))).fit(X, y, groups=groups)


def test_levels_stand_in_order_with_their_errors(model):
    shown = plots.RandomEffectsDisplay.from_estimator(model, term="x0", output="y1", ax=blank())
    table = model.random_effects_
    own = table[(table["term"] == "x0") & (table["output"] == "y1")].sort_values("estimate")
    assert shown.frame["level"].tolist() == own["level"].tolist()
    np.testing.assert_array_equal(shown.frame["std_error"], own["std_error"])
    assert [text.get_text() for text in shown.ax_.get_yticklabels()] == own["level"].tolist()
    assert shown.ax_.get_xlabel() == "x0 by group, y1 ± 1.96 standard errors"
    sure = np.abs(own["estimate"]) > 1.96 * own["std_error"]
    filled = sum(
        len(dots.get_offsets()) for dots in shown.ax_.collections[3::2]
    )  # after bars and dots of the rest
    assert filled == sure.sum()
    first = plots.RandomEffectsDisplay.from_estimator(model, ax=blank())
    assert first.ax_.get_xlabel() == "intercept by group, y0 ± 1.96 standard errors"


def test_many_levels_have_no_names():
    shown = plots.RandomEffectsDisplay(
        level=np.arange(300), estimate=np.linspace(-1, 1, 300), std_error=np.full(300, 0.1)
    ).plot(blank())
    assert shown.ax_.get_ylabel() == "300 levels, in order"
    assert not shown.ax_.get_yticklabels()


def test_what_cannot_be_drawn_is_refused(model):
    with pytest.raises(ValueError, match=r"no term 'age'; there are \['intercept', 'x0'\]"):
        plots.RandomEffectsDisplay.from_estimator(model, term="age")
    X, y, _ = clusters()
    with pytest.raises(ValueError, match="no random effects"):
        plots.RandomEffectsDisplay.from_estimator(MixedModel().fit(X, y[:, 0]))
    for display in (plots.RandomEffectsDisplay, plots.EffectMapDisplay):
        with pytest.raises(TypeError, match="Ridge has no fixed_effects_; this picture is for MixedModel"):
            display.from_estimator(Ridge())
    with pytest.raises(ValueError, match="no spatial effect of the model, which has none"):
        plots.EffectMapDisplay.from_estimator(model)
    line = MixedModel(Spatial(length_scale=1.0)).fit(None, y[:, 0], coords=np.arange(80.0))
    with pytest.raises(ValueError, match="a map is of two coordinates, but the rows have 1"):
        plots.EffectMapDisplay.from_estimator(line)


@pytest.fixture(scope="module")
def field():
    rng = np.random.default_rng(0)
    coords = rng.uniform(0, 10, (60, 2))
    groups = rng.integers(0, 6, 60)
    y = np.sin(coords[:, 0]) + rng.standard_normal(6)[groups] + 0.1 * rng.standard_normal(60)
    effects = [Grouped(), Spatial(length_scale=2.0)]
    return MixedModel(effects).fit(None, y, groups=groups, coords=coords), coords, groups


def test_one_effect_alone(field):
    model, coords, groups = field
    parts = [model.predict_effect("group", groups=groups), model.predict_effect("spatial", coords=coords)]
    whole = model.predict(None, groups=groups, coords=coords)
    np.testing.assert_allclose(sum(parts) + model.intercept_, whole, atol=1e-8)
    mean, std = model.predict_effect(0, groups=[2], return_std=True)
    table = model.random_effects_
    row = table[(table["effect"] == "group") & (table["level"].astype(str) == "2")].iloc[0]
    np.testing.assert_allclose([mean[0], std[0]], [row["estimate"], row["std_error"]])
    with pytest.raises(
        ValueError, match=r"effect='town' is none of the random effects \['group', 'spatial'\]"
    ):
        model.predict_effect("town", groups=groups)
    with pytest.raises(ValueError, match="nothing says how many rows"):
        model.predict_effect("group")


def test_the_map_is_the_field_less_its_mean_over_the_sites(field):
    model, coords, _ = field
    shown = plots.EffectMapDisplay.from_estimator(model, grid_resolution=12, ax=blank())
    assert list(shown.frame.columns) == ["coordinate 1", "coordinate 2", "estimate", "std"]
    places = shown.frame[["coordinate 1", "coordinate 2"]].to_numpy()
    expected, std = model.predict_effect("spatial", coords=places, return_std=True)
    expected -= model.predict_effect("spatial", coords=coords).mean()
    np.testing.assert_allclose(shown.frame["estimate"], expected, atol=1e-9)
    np.testing.assert_allclose(shown.frame["std"], std)
    assert len(shown.sites) == 60
    again = plots.EffectMapDisplay.from_frame(
        shown.frame, first="coordinate 1", second="coordinate 2", sites=coords, ax=blank()
    )
    np.testing.assert_allclose(again.estimate, shown.estimate)
    with pytest.raises(ValueError, match="std has shape"):
        plots.EffectMapDisplay(x_grid=[0, 1], y_grid=[0, 1], estimate=np.zeros((2, 2)), std=np.zeros((3, 3)))


def test_latitude_goes_up():
    rng = np.random.default_rng(0)
    degrees = np.column_stack([rng.uniform(50, 60, 50), rng.uniform(0, 5, 50)])
    model = MixedModel(Spatial(length_scale=300.0, geographic=True)).fit(
        None, np.sin(degrees[:, 0]) + 0.1 * rng.standard_normal(50), coords=degrees
    )
    shown = plots.EffectMapDisplay.from_estimator(model, grid_resolution=10, ax=blank())
    assert (shown.ax_.get_xlabel(), shown.ax_.get_ylabel()) == ("longitude", "latitude")
    assert shown.y_grid.min() > 45
    assert shown.ax_.get_aspect() == pytest.approx(1 / np.cos(np.radians(55)), rel=0.05)
