"""Rows of new groups in a fitted mixed model: against dense matrices over all rows, at the variances of the fit."""

import numpy as np
import pandas as pd
import pytest
from dense_mixed_model import DenseSystem

from intertwine import MixedModel, load
from intertwine.effects import AR1, Grouped, Longitudinal
from intertwine.effects.random import EffectRows, GroupCodes

pytestmark = pytest.mark.filterwarnings("ignore:boundary fit")


@pytest.fixture(scope="module")
def schools():
    """Rows of 12 schools and 5 years; the last three schools come after the fit."""
    rng = np.random.default_rng(0)
    n = 150
    school, year, time = np.sort(rng.integers(0, 12, n)), rng.integers(0, 5, n), rng.uniform(0, 2, n)
    X = rng.standard_normal((n, 2))
    y = np.column_stack([X[:, 0], -X[:, 1]]) + 1.5 * rng.standard_normal((12, 2))[school]
    y += rng.standard_normal((12, 2))[school] * time[:, None] + rng.standard_normal((5, 2))[year]
    y += 0.5 * rng.standard_normal((n, 2))
    y[rng.uniform(size=y.shape) < 0.1] = np.nan
    return X, y, np.array([f"s{11 - j:02d}" for j in school]), year, time, school < 9


@pytest.mark.parametrize(
    "effects",
    [[Grouped("school")], [Longitudinal("school")], [Grouped("school"), Grouped("year")]],
    ids=["groups", "courses", "crossed"],
)
def test_a_conditioned_model_is_the_dense_one_of_all_rows(schools, effects):
    X, y, school, year, time, old = schools
    groups = pd.DataFrame({"school": school, "year": year})
    timed = {"time": time} if isinstance(effects[0], Longitudinal) else {}
    later = np.flatnonzero(~old)
    shown, asked = later[::2], later[1::2]

    def of(rows):
        return {"groups": groups.iloc[rows]} | {name: values[rows] for name, values in timed.items()}

    fitted = MixedModel(effects=effects, unseen="ignore").fit(X[old], y[old], **of(np.flatnonzero(old)))
    before = fitted.predict(X[asked], **of(asked), return_std=True)
    model = fitted.condition(X[shown], y[shown], **of(shown))

    all_rows = np.concatenate([np.flatnonzero(old), shown])
    there = ~np.isnan(y[all_rows]).all(axis=1)
    all_rows = all_rows[there]
    codes = {key: np.unique(groups[key], return_inverse=True)[1] for key in ("school", "year")}

    def located(rows):
        found = {key: GroupCodes(code[rows], code.max() + 1) for key, code in codes.items()}
        return EffectRows(len(rows), found, time[rows])

    bound = [effect.bind(located(all_rows)) for effect in effects]
    weights = (~np.isnan(y[all_rows])).astype(float)
    fixed = np.column_stack([np.ones(len(X)), X])
    dense = DenseSystem(bound, None, fixed[all_rows], weights, 2, restricted=True)
    posterior = dense.posterior(np.nan_to_num(y[all_rows]), fitted._fit.variances)
    where = [effect.locate(located(asked), effect.start_shape()) for effect in bound]
    mean, variance = posterior.predict(where, fixed[asked])
    got, std = model.predict(X[asked], **of(asked), return_std=True, include_noise=False)
    np.testing.assert_allclose(got, mean, atol=1e-7)
    np.testing.assert_allclose(std, np.sqrt(variance), atol=1e-7)
    again = fitted.predict(X[asked], **of(asked), return_std=True)
    np.testing.assert_array_equal(np.stack(again), np.stack(before))  # the fitted one stays as it was


def test_it_is_told_in_tables_and_kept_in_files(schools, tmp_path):
    X, y, school, *_, old = schools
    fitted = MixedModel(unseen="raise").fit(X[old], np.nan_to_num(y[old, 0]), groups=school[old])
    with pytest.raises(ValueError, match="not in fit"):
        fitted.predict(X[~old], groups=school[~old])
    model = fitted.condition(X[~old], np.nan_to_num(y[~old, 0]), groups=school[~old])
    assert set(model.random_effects_["level"]) == set(school)
    assert set(fitted.random_effects_["level"]) == set(school[old])
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(
        load(tmp_path / "model").predict(X, groups=school), model.predict(X, groups=school)
    )


def test_rows_of_known_groups_weigh_as_in_a_fit(schools):
    """Twice the same row is one row of weight two."""
    X, y, school, *_, old = schools
    X, y, school = X[old], np.nan_to_num(y[old, 0]), school[old]
    fitted = MixedModel().fit(X, y, groups=school)
    twice = fitted.condition(X[:3], y[:3], groups=school[:3]).condition(X[:3], y[:3], groups=school[:3])
    heavy = fitted.condition(X[:3], y[:3], np.full(3, 2.0), groups=school[:3])
    np.testing.assert_allclose(twice.predict(X, groups=school), heavy.predict(X, groups=school), atol=1e-9)
    assert np.abs(heavy.predict(X, groups=school) - fitted.predict(X, groups=school)).max() > 1e-4


def test_what_cannot_be_taken_in_is_refused(schools):
    X, y, school, _, time, old = schools
    y = np.nan_to_num(y)
    fitted = MixedModel().fit(X[old], y[old], groups=school[old])
    for change, says in (
        ({"groups": np.where(~old, None, school)[~old]}, "missing label"),
        ({"y": y[~old, :1]}, "1 outcome, but the model was fitted with 2"),
        ({"y": np.full((3, 2), np.nan), "X": X[:3], "groups": school[:3]}, "nothing is observed|missing"),
        ({"X": X[~old][:, :1]}, "1 feature"),
    ):
        given = {"X": X[~old], "y": y[~old], "groups": school[~old]} | change
        with pytest.raises(ValueError, match=says):
            fitted.condition(**given)
    spline = MixedModel(effects=[Longitudinal("s", basis="spline")]).fit(
        X[old], y[old, 0], groups={"s": school[old]}, time=time[old]
    )
    with pytest.raises(ValueError, match="take a polynomial of time"):
        spline.condition(X[~old], y[~old, 0], groups={"s": school[~old]}, time=time[~old] + 5)
    table = pd.DataFrame({"y": y[:, 0], "x": X[:, 0], "s": school})
    with pytest.raises(ValueError, match="without a formula"):
        MixedModel(formula="y ~ x + (1 | s)").fit(table[old]).condition(table[~old], None)


def test_a_series_of_a_new_group_is_known_where_it_was_seen(schools):
    rng = np.random.default_rng(1)
    group, time = np.repeat(np.arange(8), 20), np.tile(np.arange(20.0), 8)
    y = np.concatenate([np.cumsum(rng.standard_normal(20)) * 0.5 for _ in range(8)])
    y += 0.3 * rng.standard_normal(160)
    old, shown = group < 7, (group == 7) & (time < 15)
    effects = [AR1("g", rho=0.9)]
    fitted = MixedModel(effects=effects, unseen="ignore").fit(
        None, y[old], groups={"g": group[old]}, time=time[old]
    )
    model = fitted.condition(None, y[shown], groups={"g": group[shown]}, time=time[shown])
    asked = {"groups": {"g": [7, 7]}, "time": [14.0, 40.0]}
    near, far = model.predict(None, **asked, return_std=True)[1]
    assert near < 0.9 * far
    np.testing.assert_allclose(far, fitted.predict(None, **asked, return_std=True)[1][1], rtol=0.05)


def test_outcomes_in_another_order_are_refused(schools):
    """They would be taken for each other: nothing but their names tells."""
    X, y, school, *_, old = schools
    table = pd.DataFrame(np.nan_to_num(y), columns=["height", "weight"])
    fitted = MixedModel().fit(X[old], table[old], groups=school[old])
    turned = table.loc[~old, ["weight", "height"]]
    for method in (fitted.condition, fitted.score):
        with pytest.raises(ValueError, match="'weight' in the place of 'height': pass outcomes as in fit"):
            method(X[~old], turned, groups=school[~old])
    model = fitted.condition(X[~old], table[~old].to_numpy(), groups=school[~old])
    assert model.score(X[~old], table[~old], groups=school[~old]) > 0.3  # arrays have no names to be wrong


@pytest.mark.parametrize("method", ["reml", "ml"])
def test_likelihood_and_criteria_are_of_all_rows_at_the_variances_of_the_fit(method):
    rng = np.random.default_rng(3)
    school, X = np.repeat(np.arange(10), 6), rng.standard_normal((60, 1))
    y = X[:, 0] + rng.standard_normal(10)[school] + 0.5 * rng.standard_normal(60)
    model = MixedModel([Grouped()], method=method).fit(X[:42], y[:42], groups=school[:42])
    more = model.condition(X[42:], y[42:], groups=school[42:])
    noise, tau = model._fit.variances.noise[0], model._fit.variances.effects[0][0, 0, 0]
    V = noise * np.eye(60) + tau * (school[:, None] == school)
    C = np.column_stack([np.ones(60), X])
    information = C.T @ np.linalg.solve(V, C)
    left = y - C @ np.linalg.solve(information, C.T @ np.linalg.solve(V, y))
    expected = -0.5 * (60 * np.log(2 * np.pi) + np.linalg.slogdet(V)[1] + left @ np.linalg.solve(V, left))
    if method == "reml":
        expected += np.log(2 * np.pi) - 0.5 * np.linalg.slogdet(information)[1]
    np.testing.assert_allclose(more.log_likelihood_, expected)
    np.testing.assert_allclose(more.bic_, 4 * np.log(60) - 2 * expected)
    assert model.log_likelihood_ != more.log_likelihood_


def test_condition_asks_for_outcomes():
    school = np.repeat(np.arange(5), 4)
    model = MixedModel([Grouped()]).fit(None, np.arange(20.0) % 7, groups=school)
    with pytest.raises(ValueError, match=r"y is None: pass the outcomes of these rows, \['y'\]"):
        model.condition(None, None, groups=school)
