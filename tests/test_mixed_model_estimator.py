"""MixedModel: what is predicted at which levels, tables, files, bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import InvalidParameterError

from intertwine import MixedModel, load
from intertwine.effects import Grouped, Longitudinal, Spatial


def clusters(seed=0, n_groups=20, n_each=6, n_outputs=None):
    """X, y and text labels; intercepts and slopes vary."""
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.repeat(np.arange(n_groups), n_each))
    X = rng.standard_normal((len(codes), 2))
    shape = (n_groups,) if n_outputs is None else (n_groups, n_outputs)
    noise = rng.standard_normal((len(codes), *shape[1:]))
    x = X[:, 0] if n_outputs is None else X[:, :1]
    y = 1.0 + x + (2.0 * rng.standard_normal(shape))[codes] + rng.standard_normal(shape)[codes] * x + noise
    return X, y, np.array([f"g{code:02d}" for code in codes], dtype=object)


SLOPES = Grouped(slopes=(0,))


def test_outcomes_without_noise_are_told_from_a_search_that_needs_more_iterations():
    level = np.repeat(np.arange(12), 3)
    y = np.random.default_rng(0).standard_normal(12)[level]
    with pytest.warns(
        ConvergenceWarning, match="noise comes to nothing: effects give the outcomes of all rows"
    ):
        MixedModel().fit(None, y, groups=level)
    noisy = y + 0.5 * np.random.default_rng(1).standard_normal(36)
    with pytest.warns(ConvergenceWarning, match="raise max_iter, or tol"):
        MixedModel(max_iter=1).fit(None, noisy, groups=level)


def test_a_known_level_is_predicted_by_its_own_line_and_an_unknown_one_by_the_mean():
    X, y, groups = clusters()
    model = MixedModel(SLOPES).fit(X, y, groups=groups)
    effects = model.random_effects_
    row = np.array([[0.5, -1.0]])
    here = effects[effects["level"] == "g03"].set_index("term")["estimate"]
    fixed = model.intercept_ + row @ model.coef_
    expected = fixed + here["intercept"] + 0.5 * here["x0"]
    np.testing.assert_allclose(model.predict(row, groups=["g03"]), expected)
    with pytest.warns(UserWarning, match=r"1 row has levels of 'group' that were not in fit: \['new'\]"):
        mean, std = model.predict(row, groups=["new"], return_std=True)
    np.testing.assert_allclose(mean, fixed)
    np.testing.assert_allclose(model.predict(row, random_effects=False), fixed)
    (Sigma,), noise = model._fit.variances.effects[0], model._fit.variances.noise
    basis, c = np.array([1.0, 0.5]), np.array([1.0, 0.5, -1.0])
    variance = basis @ Sigma @ basis + c @ model._fit.posterior.fixed_covariance[0] @ c
    np.testing.assert_allclose(std**2, variance + noise)
    known = model.predict(row, groups=["g03"], return_std=True)[1]
    assert known[0] < std[0]
    _, free = model.set_params(unseen="ignore").predict(
        row, groups=[None], return_std=True, include_noise=False
    )
    np.testing.assert_allclose(free**2, variance)
    with pytest.raises(ValueError, match="were not in fit"):
        model.set_params(unseen="raise").predict(row, groups=["new"])


def test_a_new_class_of_a_known_school_keeps_its_school():
    rng = np.random.default_rng(0)
    school = np.repeat(np.arange(12), 12)
    room = np.tile(np.repeat([0, 1, 2], 4), 12)
    u, v = rng.standard_normal(12), rng.standard_normal((12, 3))
    y = 2.0 * u[school] + v[school, room] + 0.5 * rng.standard_normal(144)
    given = {"school": school, "room": room}
    effects = [Grouped("school"), Grouped(("school", "room"))]
    model = MixedModel(effects).fit(None, y, groups=given)
    assert model.n_features_in_ == 0
    new = {"school": [3], "room": [7]}
    with pytest.warns(UserWarning, match=r"levels of 'room' .*\[7\]"):
        mean = model.predict(None, groups=new)
    table = model.random_effects_
    of_school = table[(table["effect"] == "school") & (table["level"].astype(str) == "3")]["estimate"].iloc[0]
    np.testing.assert_allclose(mean, model.intercept_ + of_school)
    assert "3:2" in set(table[table["effect"] == "school:room"]["level"])
    gap = {"school": school[room != 2], "room": room[room != 2]}
    some = MixedModel(effects).fit(None, y[room != 2], groups={**gap, "school": np.r_[gap["school"]]})
    with pytest.warns(UserWarning, match="room"):
        some.predict(None, groups={"school": [3], "room": [2]})


def test_fixed_effects_alone_have_their_own_standard_deviation():
    X, y, groups = clusters()
    model = MixedModel(SLOPES).fit(X, y, groups=groups)
    std = model.predict(X, random_effects=False, return_std=True)[1]
    rows = np.column_stack([np.ones(len(X)), X])
    covariance = model._fit.posterior.fixed_covariance[0]
    np.testing.assert_allclose(std, np.sqrt(np.einsum("ia,ab,ib->i", rows, covariance, rows)), rtol=1e-10)


def test_gaps_in_an_outcome_are_rows_less_of_it():
    X, Y, groups = clusters(n_outputs=2)
    Y[::5, 1] = np.nan
    both = MixedModel(SLOPES).fit(X, Y, groups=groups)
    there = ~np.isnan(Y[:, 1])
    alone = MixedModel(SLOPES).fit(X[there], Y[there, 1], groups=groups[there])
    np.testing.assert_allclose(both.coef_[1], alone.coef_, rtol=1e-5)
    assert both.log_likelihood_[1] == pytest.approx(alone.log_likelihood_, abs=1e-6)
    np.testing.assert_allclose(
        both.predict(X, groups=groups)[:, 1], alone.predict(X, groups=groups), rtol=1e-4, atol=1e-5
    )


def test_the_order_of_rows_and_time_does_not_matter():
    rng = np.random.default_rng(0)
    groups, time = np.repeat(np.arange(15), 6), np.tile(np.arange(6.0), 15)
    y = rng.standard_normal(15)[groups] + 0.5 * rng.standard_normal(15)[groups] * time
    y += rng.standard_normal(90)
    order = rng.permutation(90)
    sorted_ = MixedModel(Longitudinal()).fit(time[:, None], y, groups=groups, time=time)
    turned = MixedModel(Longitudinal()).fit(
        time[order, None], y[order], groups=groups[order], time=time[order]
    )
    assert turned.log_likelihood_ == pytest.approx(sorted_.log_likelihood_, abs=1e-8)
    np.testing.assert_allclose(
        turned.predict(time[:, None], groups=groups, time=time),
        sorted_.predict(time[:, None], groups=groups, time=time),
        rtol=1e-4,
    )


def test_tables_of_several_outcomes():
    X, Y, groups = clusters(n_outputs=2)
    frame = pd.DataFrame(Y, columns=["left", "right"])
    model = MixedModel(SLOPES).fit(pd.DataFrame(X, columns=["age", "dose"]), frame, groups=groups)
    fixed = model.fixed_effects_
    assert list(fixed.columns) == ["term", "output", "estimate", "std_error", "z", "lower", "upper"]
    assert list(fixed["output"]) == ["left"] * 3 + ["right"] * 3
    wide = model.confidence_intervals(0.99)
    assert (wide["upper"] > fixed["upper"]).all()
    assert len(model.random_effects_) == 20 * 2 * 2
    variances = model.variance_components_
    assert variances.groupby("output")["share"].sum().to_numpy() == pytest.approx(1.0)
    of_left = variances[variances["output"] == "left"].set_index(["term", "other_term"])
    assert of_left.loc[("intercept", "age"), "correlation"] == pytest.approx(
        of_left.loc[("intercept", "age"), "variance"]
        / (of_left.loc[("intercept", "intercept"), "sd"] * of_left.loc[("age", "age"), "sd"])
    )
    assert (model.bic_ > model.aic_).all()
    assert model.history_["log_likelihood"].iloc[-1] == pytest.approx(model.log_likelihood_.sum())
    history = model.history_
    assert len(history) > 2
    assert history["gain"].iloc[0] == 0.0
    rise = np.maximum(np.diff(history["log_likelihood"]), 0.0)
    np.testing.assert_allclose(history["gain"].iloc[1:], rise, atol=1e-12)
    assert history["seconds"].between(0.0, 600.0).all()
    assert history["seconds"].is_monotonic_increasing


@pytest.mark.parametrize("effects", [None, SLOPES, [Grouped("a"), Grouped("b")], ()])
def test_a_file_gives_the_same_predictions_to_the_bit(tmp_path, effects):
    X, Y, groups = clusters(n_outputs=2)
    Y[3, 0] = np.nan
    named = {"a": groups, "b": np.arange(len(groups)) % 7} if isinstance(effects, list) else groups
    given = {} if effects == () else {"groups": named}
    model = MixedModel(effects).fit(X, Y, **given)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    for one, other in zip(
        model.predict(X, **given, return_std=True), again.predict(X, **given, return_std=True), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    pd.testing.assert_frame_equal(model.random_effects_, again.random_effects_)
    pd.testing.assert_frame_equal(model.variance_components_, again.variance_components_)
    pd.testing.assert_frame_equal(model.history_, again.history_)
    np.testing.assert_array_equal(model.aic_, again.aic_)


def test_spatial_effects_are_kriged(tmp_path):
    rng = np.random.default_rng(0)
    coords = rng.uniform(size=(80, 2))
    y = np.sin(5 * coords[:, 0]) + 0.1 * rng.standard_normal(80)
    model = MixedModel(Spatial(length_scale=0.3)).fit(None, y, coords=coords)
    mean, std = model.predict(None, coords=[[0.5, 0.5], [9.0, 9.0]], return_std=True)
    assert abs(mean[0] - np.sin(2.5)) < 0.2
    assert std[1] > 2.0 * std[0]
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(
        load(tmp_path / "model").predict(None, coords=coords), model.predict(None, coords=coords)
    )


def test_a_length_scale_is_learnt():
    rng = np.random.default_rng(0)
    coords = rng.uniform(0, 10, (150, 2))
    y = np.column_stack([np.sin(coords[:, 0]), np.cos(coords[:, 1])]) + 0.1 * rng.standard_normal((150, 2))
    model = MixedModel(Spatial()).fit(None, y, coords=coords)
    assert 1.0 < model.shapes_["spatial"]["length_scale"] < 4.0
    assert len(model.history_) > 2
    fixed = MixedModel(Spatial(length_scale=model.shapes_["spatial"]["length_scale"])).fit(
        None, y, coords=coords
    )
    np.testing.assert_allclose(model.log_likelihood_, fixed.log_likelihood_, atol=1e-6)
    assert (model.aic_ - fixed.aic_) == pytest.approx([2.0, 2.0], abs=1e-5)


def test_the_default_is_an_intercept_for_each_grouping():
    X, y, groups = clusters()
    one = MixedModel().fit(X, y, groups=groups)
    assert one.variance_components_["component"].tolist() == ["group", "noise"]
    two = MixedModel().fit(X, y, groups=pd.DataFrame({"site": groups, "day": np.arange(len(y)) % 5}))
    assert two.variance_components_["component"].tolist() == ["site", "day", "noise"]
    none = MixedModel().fit(X, y)
    expected = np.linalg.lstsq(np.column_stack([np.ones(len(y)), X]), y, rcond=None)[0]
    np.testing.assert_allclose([none.intercept_, *none.coef_], expected)


def test_a_variance_of_zero_is_told():
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(20), 10)
    y = rng.standard_normal((20, 10))
    y -= y.mean(axis=1, keepdims=True)
    with pytest.warns(ConvergenceWarning, match="boundary fit: a variance of 'group' is zero"):
        model = MixedModel().fit(None, y.ravel(), groups=groups)
    assert model.variance_components_["variance"][0] == pytest.approx(0.0, abs=1e-8)


def test_a_search_that_is_cut_short_is_told():
    X, y, groups = clusters()
    with pytest.warns(ConvergenceWarning, match=r"stopped after 1 iteration, with .* raise max_iter"):
        assert not MixedModel(SLOPES, max_iter=1).fit(X, y, groups=groups).converged_


GOOD = clusters()


def fit(effects=None, X=GOOD[0], y=GOOD[1], groups=GOOD[2], params=None, **given):
    return MixedModel(effects, **(params or {})).fit(X, y, groups=groups, **given)


def changed(array, at, value):
    array = np.array(
        array, dtype=np.result_type(np.asarray(array), type(value)) if value is not None else object
    )
    array[at] = value
    return array


BAD = {
    "nothing but y": (lambda: MixedModel().fit(None, None), ValueError, "nothing says how many rows"),
    "more columns than rows": (
        lambda: fit(X=np.random.default_rng(0).normal(size=(120, 130))),
        ValueError,
        "131 fixed effects and 120 rows with an outcome: nothing is left",
    ),
    "a constant column": (
        lambda: fit(X=np.column_stack([GOOD[0], np.ones(120)])),
        UserWarning,
        r"X is constant in \['x2'\].*coefficients are 0",
    ),
    "no effect": (
        lambda: fit(["school"]),
        TypeError,
        "effects holds 'school', which is no effect such as Grouped",
    ),
    "the same groups twice": (
        lambda: fit([Grouped(), Longitudinal()], time=np.arange(120.0)),
        ValueError,
        r"have the same levels and both vary in \['intercept'\]",
    ),
    "half a degree": (
        lambda: fit(Longitudinal(degree=2.5), time=np.arange(120.0)),
        ValueError,
        "degree=2.5 of groups: give a whole number",
    ),
    "slopes that are no names": (lambda: fit(Grouped(slopes=3)), TypeError, "give a tuple of columns of X"),
    "neither True nor False": (lambda: fit(Grouped(correlated="x")), ValueError, "must be True or False"),
    "slopes of no column": (
        lambda: fit(Grouped(slopes=("bmi",))),
        ValueError,
        "'bmi', which is not a column of X",
    ),
    "unseen": (lambda: fit(params={"unseen": "drop"}), InvalidParameterError, "'unseen' parameter"),
    "groups in vain": (lambda: fit(()), UserWarning, "groups is given, but no effect reads it"),
    "other width": (
        lambda: fit().predict(GOOD[0][:, :1], groups=GOOD[2]),
        ValueError,
        "1 features, but MixedModel is expecting 2",
    ),
    "X left out": (lambda: fit().predict(None, groups=GOOD[2]), ValueError, "fitted with 2 features"),
    "level": (lambda: fit().confidence_intervals(95), ValueError, "between 0 and 1"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    call, error, words = BAD[case]
    with (
        pytest.warns(error, match=words) if issubclass(error, Warning) else pytest.raises(error, match=words)
    ):
        call()


def test_random_probes_are_told_and_come_from_the_random_state(tmp_path, monkeypatch):
    from intertwine.mixed_effects import choose

    monkeypatch.setattr(choose, "_MOST_OPERATIONS", 0)  # as if the factors were too large
    rng = np.random.default_rng(0)
    given = {"a": np.arange(60) % 10, "b": np.arange(60) // 6}
    y = (
        2 * rng.standard_normal(10)[given["a"]]
        + 2 * rng.standard_normal(10)[given["b"]]
        + rng.standard_normal(60)
    )
    found = []
    for seed in (None, None, 7):
        with pytest.warns(UserWarning, match="estimated with random probes"):
            found.append(MixedModel(random_state=seed, max_iter=4).fit(None, y, groups=given))
    assert found[0].log_likelihood_ == found[1].log_likelihood_ != found[2].log_likelihood_
    found[2].save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(None, groups=given), found[2].predict(None, groups=given))
    monkeypatch.undo()
    exact = MixedModel().fit(None, y, groups=given)
    assert found[0].log_likelihood_ == pytest.approx(exact.log_likelihood_, abs=3.0)
