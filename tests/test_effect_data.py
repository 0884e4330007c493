"""Groups, time and coordinates: what is read of them, and what bad ones get."""

from __future__ import annotations

import dataclasses
import tempfile
import warnings
from typing import Any, final

import numpy as np
import pandas as pd
import polars as pl
import pytest

from intertwine.effects.random import AbstractRandomEffect
from intertwine.estimators.effect_rows.data import EffectData, EffectInputs
from intertwine.io import load_state, save_state

X = np.zeros((6, 2))
SCHOOL = ["n", "n", "s", "s", "e", "e"]
CLASS = [1, 2, 1, 1, 2, 1]


@final
@dataclasses.dataclass(frozen=True)
class Reader(AbstractRandomEffect):
    """Reads, and does nothing with it."""

    group: Any = None
    needs: tuple = ("groups",)
    slopes: tuple = ()

    @property
    def group_keys(self):
        return self.group if isinstance(self.group, tuple) else (self.group,)

    @property
    def covariate_keys(self):
        return self.slopes

    def bind(self, rows):
        raise AssertionError

    def restore(self, state):
        raise AssertionError


IN_TIME = Reader("school", ("groups", "time"))
ONE_SERIES = Reader(None, ("time",))
IN_SPACE = Reader((), ("coords",))
NESTED = [Reader("school"), Reader(("school", "class"))]
FRAME = pd.DataFrame({"school": SCHOOL, "class": CLASS})


def inputs(X=X, features=None, **given):
    names = [] if features is None else ["age", "dose"]
    return EffectInputs(X, len(X), features=features, feature_names=names, **given)


@pytest.mark.parametrize(
    "groups",
    [
        FRAME,
        pl.DataFrame({"class": CLASS, "school": SCHOOL}),
        {"school": SCHOOL, "class": np.array(CLASS)},
        {"school": pl.Series(SCHOOL, dtype=pl.Categorical), "class": pd.Series(CLASS)},
        FRAME.astype({"school": "category", "class": "Int64"}),
    ],
)
def test_containers_are_alike(groups):
    data, rows = EffectData.read(NESTED, inputs(groups=groups))
    assert rows.groups["school"].codes.tolist() == [1, 1, 2, 2, 0, 0]
    assert data.labels("school").tolist() == ["e", "n", "s"]
    assert rows.groups["class"].codes.tolist() == [0, 1, 0, 0, 1, 0]
    assert data.labels("class").tolist() == [1, 2]
    assert data.column("class").title == "class"


@pytest.mark.parametrize(
    ("effect", "groups"),
    [
        (Reader(), SCHOOL),
        (Reader(), np.array(SCHOOL)),
        (Reader(), np.array(SCHOOL)[:, None]),
        (Reader(), pd.Series(SCHOOL, name="school")),
        (Reader("school"), pl.Series("school", SCHOOL)),
        (Reader("school"), SCHOOL),  # one nameless column, one key
        (Reader(1), list(zip(CLASS, SCHOOL, strict=True))),
        (Reader(0), FRAME),
    ],
)
def test_the_column_an_effect_asks_for(effect, groups):
    data, rows = EffectData.read([effect], inputs(groups=groups))
    assert rows.groups[effect.group].codes.tolist() == [1, 1, 2, 2, 0, 0]
    again = data.rows(inputs(groups=groups), unseen="raise")
    assert again.groups[effect.group].codes.tolist() == [1, 1, 2, 2, 0, 0]


def test_labels_that_were_not_seen():
    data, _ = EffectData.read(NESTED, inputs(groups=FRAME))
    new = FRAME.assign(school=["n", "n", None, "w", "e", "e"], **{"class": [1, 2, 1, 1, 2, 3]})
    with pytest.warns(UserWarning, match="were not in fit") as caught:
        rows = data.rows(inputs(groups=new))
    said = [str(w.message) for w in caught]
    assert "2 rows have levels of 'school' that were not in fit: ['w'] (1 of them has no label)" in said[0]
    assert "1 row has levels of 'class' that were not in fit: [3]" in said[1]
    assert rows.groups["school"].codes.tolist() == [1, 1, -1, -1, 0, 0]
    assert rows.groups["class"].codes.tolist() == [0, 1, 0, 0, 1, -1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data.rows(inputs(groups=new), unseen="ignore")


def test_time_coordinates_and_slopes():
    xy = pl.DataFrame({"lon": np.arange(6.0), "lat": np.arange(6) / 2})
    features = np.arange(12.0).reshape(6, 2)
    effects = [IN_TIME, IN_SPACE, Reader("school", slopes=("dose", 0))]
    given = inputs(features=features, groups=FRAME, time=np.arange(6)[:, None], coords=xy)
    data, rows = EffectData.read(effects, given)
    assert rows.time.tolist() == [0, 1, 2, 3, 4, 5]
    assert np.array_equal(rows.coords, xy.to_numpy())
    assert np.array_equal(rows.covariates["dose"], features[:, 1])
    assert np.array_equal(rows.covariates[0], features[:, 0])
    turned = data.rows(given._replace(coords=xy.select("lat", "lon")))  # by name
    assert np.array_equal(turned.coords, rows.coords)


def test_a_series_may_do_without_groups():
    _, rows = EffectData.read([ONE_SERIES], inputs(time=np.arange(6)))
    assert rows.groups == {}
    _, rows = EffectData.read([ONE_SERIES], inputs(time=np.arange(6), groups=SCHOOL))
    assert rows.groups[None].codes.tolist() == [1, 1, 2, 2, 0, 0]


def test_a_file_holds_it_all():
    xy = pd.DataFrame({"a": np.arange(6.0), "b": np.arange(6)})
    given = inputs(groups=FRAME, time=np.arange(6), coords=xy)
    data, rows = EffectData.read([*NESTED, IN_TIME, IN_SPACE], given)
    with tempfile.TemporaryDirectory() as folder:
        save_state(f"{folder}/x", {"data": data.to_state()})
        again = EffectData.from_state(load_state(f"{folder}/x")["data"])
    read = again.rows(given, unseen="raise")
    for key in ("school", "class"):
        assert np.array_equal(read.groups[key].codes, rows.groups[key].codes)
        assert np.array_equal(again.labels(key), data.labels(key))
    assert np.array_equal(read.coords, rows.coords)


def nan_at(row, column=0, n_columns=2):
    table = np.arange(6.0 * n_columns).reshape(6, n_columns)
    table[row, column] = np.nan
    return table


BAD = {
    "groups omitted": ([Reader()], {}, ValueError, "Reader needs groups: pass groups= to fit, .* 6 rows"),
    "time omitted": ([ONE_SERIES], {}, ValueError, "needs time: pass time= .* each of the 6 rows"),
    "coords omitted": ([IN_SPACE], {}, ValueError, "needs coords: pass coords= .* each of the 6 rows"),
    "groups of other length": (
        [Reader()],
        {"groups": SCHOOL[:4]},
        ValueError,
        "X has 6 rows, but groups has 4",
    ),
    "column of other length": (
        [Reader("a")],
        {"groups": {"a": SCHOOL[:5]}},
        ValueError,
        r"X has 6 rows, but groups\['a'\] has 5",
    ),
    "time of other length": ([ONE_SERIES], {"time": [1, 2]}, ValueError, "X has 6 rows, but time has 2"),
    "coords of other length": ([IN_SPACE], {"coords": [[1, 2]]}, ValueError, "6 rows, but coords has 1"),
    "label missing": (
        [Reader()],
        {"groups": ["a", None, "b", np.nan, "b", "a"]},
        ValueError,
        r"group has 2 missing labels \(NaN\), in rows \[1, 3\]",
    ),
    "NaN among numbers": (
        [Reader("g")],
        {"groups": {"g": [1, 2, np.nan, 1, 2, 2]}},
        ValueError,
        r"group 'g' has 1 missing label \(NaN\), in rows \[2\]",
    ),
    "1 and True": (
        [Reader()],
        {"groups": [1, True, 1, 2, 2, 1]},
        TypeError,
        r"True or False in some rows and numbers in others, e\.g\. rows \[1\]",
    ),
    "1 and '1'": ([Reader()], {"groups": [1, "1", 1, 2, 2, 1]}, TypeError, "text in some rows and numbers"),
    "dates as labels": (
        [Reader()],
        {"groups": np.arange(6).astype("datetime64[D]")},
        ValueError,
        "dates or durations; turn them into text",
    ),
    "time NaN": (
        [ONE_SERIES],
        {"time": [0, 1, np.nan, 3, 4, 5]},
        ValueError,
        r"time contains NaN in rows \[2\]",
    ),
    "time inf": (
        [ONE_SERIES],
        {"time": [0, 1, np.inf, 3, 4, 5]},
        ValueError,
        r"time contains infinity in rows \[2\]",
    ),
    "dates as time": (
        [ONE_SERIES],
        {"time": np.arange(6).astype("datetime64[D]")},
        TypeError,
        "float plus unit",
    ),
    "coords NaN": ([IN_SPACE], {"coords": nan_at(3, 1)}, ValueError, r"coords contains NaN in rows \[3\]"),
    "latitude": (
        [IN_SPACE],
        {"coords": pd.DataFrame({"Latitude": [0, 0, 91, 0, 0, 0], "lon": 0})},
        ValueError,
        r"'Latitude' is beyond 90 degrees in rows \[2\]",
    ),
    "text as coords": (
        [IN_SPACE],
        {"coords": pd.DataFrame({"a": list("abcdef"), "b": 0})},
        ValueError,
        r"coords has columns that are not numbers: encode \['a'\]",
    ),
    "which column": (
        [Reader()],
        {"groups": FRAME},
        ValueError,
        r"groups has 2 columns: \['school', 'class'\]; say which one an effect is for, e.g. Grouped\('school'\)",
    ),
    "no such column": (
        [Reader("town")],
        {"groups": FRAME},
        ValueError,
        r"no column 'town'; it has 2: \['school'",
    ),
    "names of an array": (
        NESTED,
        {"groups": FRAME.to_numpy()},
        ValueError,
        "asks for group 'school', but groups has no column names",
    ),
    "3-D": (
        [Reader()],
        {"groups": np.zeros((6, 1, 1))},
        ValueError,
        r"shape \(6, 1, 1\), expected \(rows,\)",
    ),
    "lazy": (
        [Reader("school")],
        {"groups": pl.DataFrame({"school": SCHOOL}).lazy()},
        TypeError,
        "call .collect",
    ),
    "slopes without X": (
        [Reader(slopes=("dose",))],
        {"groups": SCHOOL},
        ValueError,
        r"random slopes of \['dose'\], but there are no columns of X",
    ),
    "slopes of no column": (
        [Reader(slopes=("bmi",))],
        {"groups": SCHOOL, "features": X},
        ValueError,
        r"'bmi', which is not a column of X: \['age', 'dose'\]",
    ),
    "given in vain": ([], {"groups": SCHOOL}, UserWarning, "groups is given, but no effect reads it"),
    "time in vain": (
        [Reader()],
        {"groups": SCHOOL, "time": np.arange(6)},
        UserWarning,
        "time is given, but no",
    ),
    "repeated time in a group": (
        [IN_TIME],
        {"groups": FRAME, "time": [0, 0, 1, 2, 3, 3]},
        UserWarning,
        r"2 rows repeat a time within a level of 'school', e.g. rows \[1, 5\]: they count as replicates",
    ),
    "repeated time": (
        [ONE_SERIES],
        {"time": [0, 0, 1, 2, 3, 4]},
        UserWarning,
        r"1 row repeats a time, e.g. rows \[1\]: they",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_at_fit(case):
    effects, given, error, words = BAD[case]
    if issubclass(error, UserWarning):
        with pytest.warns(error, match=words):
            EffectData.read(effects, inputs(**given))
    else:
        with pytest.raises(error, match=words):
            EffectData.read(effects, inputs(**given))


BAD_LATER = {
    "groups omitted": ({"groups": None}, ValueError, "groups was given in fit .* pass groups="),
    "time omitted": ({"time": None}, ValueError, "time was given in fit"),
    "coords omitted": ({"coords": None}, ValueError, "coords was given in fit"),
    "other names": (
        {"groups": FRAME.rename(columns={"school": "town"})},
        ValueError,
        "expecting 'school' as in fit",
    ),
    "another number of columns": ({"groups": np.array([SCHOOL] * 3).T}, ValueError, "3 columns, expecting 2"),
    "text was numbers": (
        {"groups": FRAME.astype({"class": str})},
        TypeError,
        "group 'class' ids were fitted as int, but these are text, such as '1' for 1: pass them as numbers",
    ),
    "unseen": (
        {"groups": FRAME.assign(school=["w"] * 6)},
        ValueError,
        r"6 rows have levels of 'school' that were not in fit: \['w'\]; unseen='warn'",
    ),
    "one dimension less": (
        {"coords": np.zeros(6)},
        ValueError,
        "coords has 1 column, expecting 2 as in fit",
    ),
}


@pytest.mark.parametrize("case", BAD_LATER)
def test_bad_input_at_predict(case):
    changed, error, words = BAD_LATER[case]
    given = inputs(groups=FRAME, time=np.arange(6), coords=np.arange(12.0).reshape(6, 2))
    data, _ = EffectData.read([*NESTED, IN_TIME, IN_SPACE], given)
    with pytest.raises(error, match=words):
        data.rows(given._replace(**changed), unseen="raise")


def test_groups_with_nothing_observed():
    data, rows = EffectData.read(NESTED, inputs(groups=FRAME))
    data.check_observed(rows, np.ones(6, dtype=bool))
    with pytest.raises(
        ValueError, match=r"nothing is observed of 1 level of 'school': \['s'\]; drop their rows"
    ):
        data.check_observed(rows, np.array([True, True, False, False, True, True]))
