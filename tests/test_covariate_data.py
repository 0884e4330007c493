"""Covariates, subjects and time: what is read of them, and what bad ones get."""

import datetime
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

from intertwine.effects import BySubject, Categorical, Linear, Smooth
from intertwine.effects.covariate import Covariates
from intertwine.effects.random import GroupCodes
from intertwine.estimators.effect_rows.choice import effects_from_state, effects_to_state
from intertwine.estimators.longitudinal.covariate_data import CovariateData, CovariateInputs
from intertwine.estimators.longitudinal.covariate_effects import chosen_covariate_effects
from intertwine.estimators.longitudinal.covariate_grid import covariate_grid
from intertwine.io import load_state, save_state
from intertwine.mixed_effects.latent_effects import LatentEffects

X = np.zeros((6, 2))
AGE = [61.0, 62.5, np.nan, 48.0, 49.0, 50.0]
SEX = ["f", "f", "m", "m", None, "f"]
WHO = ["ann", "ann", "bob", "bob", "bob", "cy"]
TIME = [0.0, 1.5, 0, 1, 2, 0]
EFFECTS = [Smooth("age"), Categorical("sex"), BySubject(Linear("time"))]
COVARIATES = {"age": AGE, "sex": SEX}


def inputs(covariates=COVARIATES, subject=WHO, time=TIME, X=X):
    return CovariateInputs(X, len(X), covariates, subject, time)


def assert_read(visits):
    np.testing.assert_array_equal(visits.columns.numbers["age"], AGE)
    np.testing.assert_array_equal(visits.columns.numbers["time"], TIME)
    np.testing.assert_array_equal(visits.columns.categories["sex"].codes, [0, 0, 1, 1, -1, 0])
    assert visits.columns.categories["sex"].n_levels == 2
    np.testing.assert_array_equal(visits.subject, [0, 0, 1, 1, 1, 2])
    assert (visits.n_known, visits.n_subjects, visits.new_labels) == (3, 3, ())


@pytest.mark.parametrize(
    "covariates",
    [
        COVARIATES,
        pd.DataFrame(COVARIATES),
        pd.DataFrame(COVARIATES).astype({"age": "Float64", "sex": "category"}),
        pd.DataFrame(COVARIATES)[["sex", "age"]].assign(unread=1),
        pl.DataFrame({"age": pl.Series(AGE).fill_nan(None), "sex": SEX}),
        {"age": pd.Series(AGE), "sex": pl.Series(SEX)},
    ],
    ids=["dict", "pandas", "nullable and category", "other order", "polars", "dict of series"],
)
@pytest.mark.parametrize("subject", [WHO, np.array(WHO), pd.Series(WHO, dtype="category"), pl.Series(WHO)])
def test_every_container_is_read_alike(covariates, subject):
    data, visits = CovariateData.read(EFFECTS, inputs(covariates, subject))
    assert_read(visits)
    assert data.subject_labels.tolist() == ["ann", "bob", "cy"]
    assert data.category_labels("sex").tolist() == ["f", "m"]


def test_columns_may_stand_in_another_order_after_the_fit():
    data, _ = CovariateData.read(EFFECTS, inputs())
    assert_read(data.visits(inputs({"unread": TIME, "sex": SEX, "age": AGE})))


def test_columns_of_arrays_are_read_by_position():
    array = np.column_stack([np.arange(6.0), AGE])
    data, visits = CovariateData.read([Smooth(1), BySubject()], inputs(array, time=None))
    np.testing.assert_array_equal(visits.columns.numbers[1], AGE)
    again = data.visits(inputs(array[:2], WHO[:2], None, X[:2]))
    np.testing.assert_array_equal(again.columns.numbers[1], AGE[:2])
    mixed = [[1.0, "f"], [2.0, "m"], [3.0, None], [4.0, "f"], [5.0, "f"], [6.0, "m"]]
    _, visits = CovariateData.read([Linear(0), Categorical(1)], inputs(mixed, None, None))
    np.testing.assert_array_equal(visits.columns.categories[1].codes, [0, 1, -1, 0, 0, 1])


def test_time_may_be_a_column_of_covariates():
    data, visits = CovariateData.read(EFFECTS, inputs(COVARIATES | {"time": TIME}, time=None))
    assert_read(visits)
    assert_read(data.visits(inputs(COVARIATES | {"time": TIME}, time=None)))
    given_apart, _ = CovariateData.read(EFFECTS, inputs())
    assert_read(given_apart.visits(inputs(COVARIATES | {"time": TIME}, time=None)))


def test_subjects_that_are_new_stand_behind_those_of_the_fit():
    data, _ = CovariateData.read(EFFECTS, inputs())
    visits = data.visits(inputs(subject=["dan", "bob", None, "dan", "eve", np.nan]))
    assert visits.subject.tolist() == [3, 1, 5, 3, 4, 6]
    assert visits.new_labels == ("dan", "eve", None, None)
    assert visits.is_new.tolist() == [True, False, True, True, True, True]
    present, number = visits.compact()
    np.testing.assert_array_equal(present, [1, 3, 4, 5, 6])
    np.testing.assert_array_equal(present[number], visits.subject)


def test_a_model_without_subjects_needs_none():
    data, visits = CovariateData.read([Linear("age")], inputs(subject=None, time=None))
    assert visits.subject.tolist() == [0, 1, 2, 3, 4, 5]
    assert visits.is_new.all()
    assert data.visits(inputs(subject=None, time=None)).n_subjects == 6
    assert len(data.subject_labels) == 0


def test_a_file_keeps_what_was_learnt(tmp_path):
    data, _ = CovariateData.read(EFFECTS, inputs())
    save_state(tmp_path / "state", data.to_state())
    again = CovariateData.from_state(load_state(tmp_path / "state"))
    assert_read(again.visits(inputs()))
    visits = again.visits(inputs(subject=["dan", "bob"] * 3))
    assert visits.subject.tolist() == [3, 1] * 3


def test_a_file_keeps_effects_of_effects(tmp_path):
    effects = [
        *EFFECTS,
        BySubject(Categorical("sex") * Smooth("age", "matern32", length_scale=2.0)),
        BySubject(),
    ]
    save_state(
        tmp_path / "state", {"effects": effects_to_state(effects), "one": effects_to_state(effects[3])}
    )
    state = load_state(tmp_path / "state")
    assert effects_from_state(state["effects"]) == effects
    assert effects_from_state(state["one"]) == effects[3]


def test_categories_that_were_not_in_fit_have_no_effect_and_are_told():
    data, _ = CovariateData.read(EFFECTS, inputs())
    other = inputs(COVARIATES | {"sex": ["x", "f", "m", "y", "x", None]})
    with pytest.warns(
        UserWarning, match=r"3 rows have categories of covariate 'sex' .* \['x', 'y'\]; their effect"
    ):
        codes = data.visits(other).columns.categories["sex"].codes
    assert codes.tolist() == [-1, 0, 1, -1, -1, -1]
    with pytest.raises(ValueError, match="'sex' that were not in fit"):
        data.visits(other, unseen="raise")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data.visits(other, unseen="ignore")


def test_subjects_without_an_observation_are_refused_by_name():
    data, visits = CovariateData.read(EFFECTS, inputs())
    data.check_observed(visits, np.array([1, 0, 1, 0, 0, 1], dtype=bool))
    with pytest.raises(ValueError, match=r"nothing is observed of 1 subject: \['ann'\]; drop their rows"):
        data.check_observed(visits, np.array([0, 0, 1, 0, 0, 1], dtype=bool))


DAY = datetime.date(2026, 1, 1)
BAD = {
    "no covariates": (
        inputs(None),
        ValueError,
        r"effects read \['age', 'sex'\], but covariates were not passed",
    ),
    "no such column": (
        inputs({"age": AGE}),
        ValueError,
        r"read \['sex'\], but covariates has columns \['age'\]",
    ),
    "names of an array": (inputs(X), ValueError, "but covariates has 2 columns"),
    "no subject": (
        inputs(subject=None),
        ValueError,
        "BySubject needs subject: pass subject=.* each of the 6 rows",
    ),
    "no time": (
        inputs(time=None),
        ValueError,
        "an effect reads time: pass time=, a number for each of the 6 rows",
    ),
    "time twice": (inputs(COVARIATES | {"time": TIME}), ValueError, "time is given twice"),
    "text for numbers": (
        inputs(COVARIATES | {"age": SEX}),
        ValueError,
        r"'age' holds text: make it Categorical",
    ),
    "dates for numbers": (
        inputs(COVARIATES | {"age": [DAY] * 6}),
        TypeError,
        "'age' holds dates.*a float plus unit",
    ),
    "datetimes": (
        inputs(pd.DataFrame(COVARIATES | {"age": pd.Timestamp(DAY)})),
        TypeError,
        "'age' holds dates or durations",
    ),
    "infinity": (
        inputs(COVARIATES | {"age": [np.inf, *AGE[1:]]}),
        ValueError,
        r"'age' contains infinity in rows \[0\]",
    ),
    "huge": (
        inputs(COVARIATES | {"age": [1e300, *AGE[1:]]}),
        ValueError,
        r"'age' holds values .* rows \[0\]: rescale",
    ),
    "complex": (inputs(COVARIATES | {"age": [1j] * 6}), ValueError, "[Cc]omplex"),
    "mixed categories": (
        inputs(COVARIATES | {"sex": [1, "1"] * 3}),
        TypeError,
        "covariate 'sex' ids are text in some",
    ),
    "other length": (
        inputs(COVARIATES | {"age": AGE[:5]}),
        ValueError,
        r"X has 6 rows, but covariates\['age'\] has 5",
    ),
    "subject of other length": (inputs(subject=WHO[:5]), ValueError, "X has 6 rows, but subject has 5"),
    "time of other length": (inputs(time=TIME[:5]), ValueError, "X has 6 rows, but time has 5"),
    "missing subject": (
        inputs(subject=[None, *WHO[1:]]),
        ValueError,
        r"subject has 1 missing label .*rows \[0\]",
    ),
    "mixed subjects": (inputs(subject=[1, "1"] * 3), TypeError, "subject ids are text in some rows"),
    "two subjects": (inputs(subject=X), ValueError, "subject has 2 columns, expected one"),
    "time unknown": (inputs(time=[np.nan, *TIME[1:]]), ValueError, r"time contains NaN in rows \[0\]"),
    "dates of time": (inputs(time=[DAY] * 6), TypeError, "time holds dates or durations"),
    "lazy": (inputs(pl.LazyFrame({"age": AGE})), TypeError, "covariates is a lazy frame.*collect"),
    "twice": (
        inputs(pd.DataFrame(X, columns=["age", "age"])),
        ValueError,
        r"duplicate column names \['age'\]",
    ),
    "mixed names": (inputs(pd.DataFrame(X, columns=["age", 1])), TypeError, "column names of types"),
    "cube": (inputs(np.zeros((6, 2, 2))), ValueError, r"covariates has shape \(6, 2, 2\)"),
}


@pytest.mark.parametrize(("given", "error", "message"), BAD.values(), ids=BAD)
def test_bad_input_at_fit_names_what_is_wrong(given, error, message):
    with pytest.raises(error, match=message):
        CovariateData.read(EFFECTS, given)


LATER = {
    "no covariates": (
        inputs(None),
        ValueError,
        r"needed here: pass covariates=, with columns \['age', 'sex'\]",
    ),
    "column gone": (
        inputs({"age": AGE}),
        ValueError,
        r"covariates has columns \['age'\], but \['sex'\] of the fit",
    ),
    "array too wide": (
        inputs(np.zeros((6, 3))),
        ValueError,
        "covariates has 3 columns, expecting 2 as in fit",
    ),
    "no subject": (inputs(subject=None), ValueError, "subject was given in fit and is needed here"),
    "no time": (inputs(time=None), ValueError, "time was given in fit and is needed here"),
    "numbers for text": (inputs(subject=range(6)), TypeError, "subject ids were fitted as text"),
    "numbers for categories": (
        inputs(COVARIATES | {"sex": range(6)}),
        TypeError,
        "'sex' ids were fitted as text",
    ),
}


@pytest.mark.parametrize(("given", "error", "message"), LATER.values(), ids=LATER)
def test_bad_input_after_the_fit_names_what_is_wrong(given, error, message):
    data, _ = CovariateData.read(EFFECTS, inputs())
    with pytest.raises(error, match=message):
        data.visits(given)


@pytest.mark.parametrize(
    ("effects", "given", "message"),
    [
        ([Linear("age")], inputs(time=None), "subject is given, but no effect reads it"),
        ([Linear("age")], inputs(subject=None), "time is given, but no effect reads it"),
        ([BySubject()], inputs(time=None), "covariates is given, but no effect reads it"),
        (
            EFFECTS,
            inputs(time=[0, 0, 1, 2, 3, 4]),
            r"1 row repeats a time of the same subject, e.g. rows \[1\]",
        ),
        (
            EFFECTS,
            inputs(pd.DataFrame(COVARIATES, index=range(6, 12)), X=pd.DataFrame(X)),
            "different indexes",
        ),
    ],
)
def test_what_is_doubtful_is_told(effects, given, message):
    with pytest.warns(UserWarning, match=message):
        CovariateData.read(effects, given)


def test_an_array_after_a_frame_is_taken_by_position():
    data, _ = CovariateData.read(
        [Linear("age"), Linear("dose")], inputs({"age": AGE, "dose": TIME}, None, None)
    )
    with pytest.warns(UserWarning, match=r"fitted with \['age', 'dose'\]; columns are taken by position"):
        visits = data.visits(inputs(np.column_stack([TIME, AGE]), None, None))
    np.testing.assert_array_equal(visits.columns.numbers["dose"], AGE)


def test_the_order_of_rows_does_not_matter():
    order = np.array([5, 2, 0, 4, 1, 3])
    data, visits = CovariateData.read(EFFECTS, inputs())
    shuffled = {key: np.array(values, dtype=object)[order].tolist() for key, values in COVARIATES.items()}
    again, moved = CovariateData.read(EFFECTS, inputs(shuffled, np.array(WHO)[order], np.array(TIME)[order]))
    np.testing.assert_array_equal(moved.subject, visits.subject[order])
    np.testing.assert_array_equal(moved.columns.numbers["age"], visits.columns.numbers["age"][order])
    assert again.subject_labels.tolist() == data.subject_labels.tolist()


def titles(effects):
    return [(type(effect).__name__, effect.title) for effect in effects]


def test_by_default_there_is_an_effect_of_everything_that_can_be_read():
    frame = pd.DataFrame(COVARIATES | {"code": pd.Categorical([1, 2, 1, 2, 1, 2]), "ill": [True, False] * 3})
    assert titles(chosen_covariate_effects(None, inputs(frame))) == [
        ("BySubject", "subject"),
        ("Smooth", "time"),
        ("BySubject", "subject × time"),
        ("Linear", "age"),
        ("Categorical", "sex"),
        ("Categorical", "code"),
        ("Categorical", "ill"),
    ]
    assert titles(chosen_covariate_effects(None, inputs(subject=None, time=[0, 1] * 3)))[0] == (
        "Linear",
        "time",
    )
    apart = chosen_covariate_effects(None, inputs())
    assert chosen_covariate_effects(None, inputs(COVARIATES | {"time": TIME}, time=None)) == apart
    assert chosen_covariate_effects(None, CovariateInputs(X, 6)) == []
    assert titles(chosen_covariate_effects(None, inputs(np.column_stack([AGE, TIME]), None, None))) == [
        ("Linear", "0"),
        ("Linear", "1"),
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (inputs(subject=["a"] * 6), "there is one subject: nothing can be said of how subjects vary"),
        (inputs(subject=range(6)), "every subject has one visit"),
        (inputs(COVARIATES | {"site": ["x"] * 6}), r"covariates \['site'\] are constant"),
        (
            inputs(COVARIATES | {"k": [np.nan] * 6, "l": [3] * 6}),
            r"covariates \['k', 'l'\] are constant or missing",
        ),
        (
            inputs(COVARIATES | {"name": list("abcdef")}),
            r"covariates \['name'\] are another label in every row",
        ),
    ],
)
def test_what_explains_nothing_is_left_out_of_the_default_with_a_word(given, message):
    with pytest.warns(UserWarning, match=message):
        effects = chosen_covariate_effects(None, given)
    CovariateData.read(effects, given._replace(subject=given.subject if BySubject() in effects else None))


@pytest.mark.parametrize("effects", ["age", ["age"], [Smooth("age"), Linear], 3, {"age": Smooth("age")}])
def test_what_is_no_effect_is_refused(effects):
    with pytest.raises(TypeError, match="no list of effects|which is no effect of covariates"):
        chosen_covariate_effects(effects, inputs())
    assert chosen_covariate_effects(BySubject(), inputs()) == [BySubject()]


def test_curves_of_one_covariate_have_its_effects_alone():
    rng = np.random.default_rng(0)
    site = GroupCodes(rng.integers(0, 3, 60), 3)
    columns = Covariates(60, {"age": rng.uniform(20, 80, 60), "dose": rng.normal(size=60)}, {"site": site})
    effects = [
        Smooth("age"),
        Linear("dose"),
        Categorical("site"),
        Categorical("site") * Linear("age"),
        BySubject(),
    ]
    latent = LatentEffects.of(effects, columns, np.repeat(np.arange(20), 3))

    def there(grid):
        features = latent.shared_features(grid, latent.start_shape())
        parts = [part for part in latent.places[1:] if part.place == "shared"]
        return [bool(features[:, part.columns].any()) for part in parts]

    assert there(covariate_grid(columns, "age")) == [True, False, False, False]
    assert there(covariate_grid(columns, "site")) == [False, False, True, False]
    assert there(covariate_grid(columns, "age", at={"site": 1, "dose": 0.3})) == [True, True, True, True]
    line = covariate_grid(columns, "age", n_points=7).numbers["age"]
    assert (line[0], line[-1], len(line)) == (columns.numbers["age"].min(), columns.numbers["age"].max(), 7)
    with pytest.raises(
        ValueError, match=r"no effect reads \['hight'\]; effects read \['age', 'dose', 'site'\]"
    ):
        covariate_grid(columns, "hight")
    with pytest.raises(ValueError, match="cannot both run and stand at 3"):
        covariate_grid(columns, "age", at={"age": 3})
