"""Displays of random effects: what they draw is what the model says, and their frames draw the same again."""

import numpy as np
import pandas as pd
import pytest
from small_tables import pupils

from intertwine import LatentFactorModel, MixedModel, RandomEffectsPCA
from intertwine.effects import Grouped, Longitudinal
from intertwine.plots import LatentsDisplay, ShrinkageDisplay, TrajectoriesDisplay
from intertwine.plots._groups import group_labels

pytest.importorskip("matplotlib").use("Agg")


@pytest.fixture(scope="module")
def rows():
    table = pupils()
    given = {"groups": table[["school"]], "time": table["week"].to_numpy(float)}
    model = MixedModel([Longitudinal("school")]).fit(table[["age", "week"]], table["mark"], **given)
    return table, model, given


def test_shrinkage_is_of_what_fixed_effects_leave(rows):
    table, model, given = rows
    X = table[["age", "week"]]
    display = ShrinkageDisplay.from_estimator(model, X, table["mark"], **given)
    alone = model.predict(X, random_effects=False)
    left = (table["mark"] - alone).groupby(table["school"]).mean()
    kept = pd.Series(model.predict(X, **given) - alone).groupby(table["school"]).mean()
    np.testing.assert_allclose(display.mean, left, rtol=0, atol=1e-12)
    np.testing.assert_allclose(display.estimate, kept, rtol=0, atol=1e-12)
    assert display.n.tolist() == [10] * 24
    assert 0.0 < display.shrinkage < 0.2
    offsets = display.ax_.collections[-1].get_offsets()
    np.testing.assert_allclose(offsets, np.column_stack([left, kept]), rtol=0, atol=1e-12)
    again = ShrinkageDisplay.from_frame(display.frame)
    assert again.shrinkage == display.shrinkage


def test_few_rows_are_drawn_in_more(rows):
    table, _, _ = rows
    few = table.groupby("school").head(2)
    shrunk = []
    for part in (table, few):
        model = MixedModel([Grouped()]).fit(part[["age"]], part["mark"], groups=part["school"])
        display = ShrinkageDisplay.from_estimator(model, part[["age"]], part["mark"], groups=part["school"])
        shrunk.append(display.shrinkage)
    assert shrunk[1] > shrunk[0] + 0.02


def test_trajectories_have_the_rows_and_bands_of_their_subjects(rows):
    table, model, given = rows
    X, wanted = table[["age", "week"]], ["school 7", "school 2"]
    display = TrajectoriesDisplay.from_estimator(
        model, X, table["mark"], **given, levels=wanted, time_name="week", outcome_name="mark"
    )
    assert display.levels == wanted
    mean, std = model.predict(X, return_std=True, include_noise=False, **given)
    for one in wanted:
        here, there = (table["school"] == one).to_numpy(), display.level == one
        np.testing.assert_array_equal(display.time[there], table["week"][here])
        np.testing.assert_allclose(display.mean[there], mean[here])
        np.testing.assert_allclose(display.std[there], std[here])
        np.testing.assert_allclose(display.observed[there], table["mark"][here])
    assert [panel.get_title(loc="left") for panel in display.ax_.child_axes] == wanted
    again = TrajectoriesDisplay.from_frame(display.frame)
    np.testing.assert_array_equal(again.mean, display.mean)
    assert len(TrajectoriesDisplay.from_estimator(model, X, **given, n_levels=4).levels) == 4
    with pytest.raises(ValueError, match=r"levels \['nowhere'\] have no rows"):
        TrajectoriesDisplay.from_estimator(model, X, **given, levels=["nowhere"])


@pytest.mark.filterwarnings("ignore:boundary fit")  # of the second outcome, which has no courses
def test_one_of_several_outcomes_is_drawn(rows):
    table, _, given = rows
    Y = table[["mark", "second"]]
    model = MixedModel([Longitudinal("school")]).fit(table[["age", "week"]], Y, **given)
    shown = [
        ShrinkageDisplay.from_estimator(model, table[["age", "week"]], Y, output=output, **given)
        for output in (None, "mark", "second")
    ]
    np.testing.assert_array_equal(shown[0].mean, shown[1].mean)
    assert np.abs(shown[1].mean - shown[2].mean).max() > 0.1
    with pytest.raises(ValueError, match="no outcome 'third'"):
        ShrinkageDisplay.from_estimator(model, table[["age", "week"]], Y, output="third", **given)


def test_latents_are_those_of_the_rows():
    rng = np.random.default_rng(0)
    groups = np.repeat(list("abcdefghijkl"), 10)
    X = rng.standard_normal((120, 2)) @ rng.standard_normal((2, 6)) + 0.1 * rng.standard_normal((120, 6))
    model = RandomEffectsPCA(2).fit(X, groups=groups)
    display = LatentsDisplay.from_estimator(model, X, groups=groups)
    latents = model.transform(X, groups=groups)
    np.testing.assert_array_equal(np.column_stack([display.x, display.y]), latents)
    assert len(display.groups) == 8
    assert display.ax_.get_legend().get_texts()[0].get_text() == "4 others"
    numbers = LatentsDisplay.from_estimator(model, X, groups=groups, by=X[:, 0], by_name="first column")
    assert numbers.is_number
    assert len(numbers.figure_.axes) == 2
    one = LatentsDisplay(x=display.x, by=groups)
    assert not one.has_two
    one.plot()
    assert len(one.ax_.get_yticks()) == 9
    again = LatentsDisplay.from_frame(display.frame)
    np.testing.assert_array_equal(again.x, display.x)


def test_models_without_what_is_drawn_are_refused():
    for display, given in (
        (ShrinkageDisplay, {"y": [0.0], "groups": ["a"]}),
        (TrajectoriesDisplay, {"groups": ["a"], "time": [0.0]}),
    ):
        with pytest.raises(TypeError, match="this picture is for MixedModel"):
            display.from_estimator(LatentFactorModel(), [[1.0]], **given)
    with pytest.raises(TypeError, match="this picture is for RandomEffectsVAE"):
        LatentsDisplay.from_estimator(LatentFactorModel(), [[1.0]])
    with pytest.raises(TypeError, match="not the class"):
        ShrinkageDisplay.from_estimator(MixedModel, [[1.0]], [0.0], groups=["a"])


def test_labels_are_found_in_any_container():
    frame = pd.DataFrame({"school": ["a", "b"], "town": ["x", "y"]})
    for groups in (frame, {name: frame[name] for name in frame}):
        assert group_labels(groups).tolist() == ["a", "b"]
        assert group_labels(groups, "town").tolist() == ["x", "y"]
    assert group_labels(frame["town"]).tolist() == ["x", "y"]
    assert group_labels(frame.to_numpy(), 1).tolist() == ["x", "y"]
    with pytest.raises(ValueError, match="no column 'street'"):
        group_labels(frame, "street")
