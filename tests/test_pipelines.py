"""The usual preprocessing: names that read well, libraries kept, nothing dropped in silence."""

from __future__ import annotations

import datetime as dt
import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.estimator_checks import parametrize_with_checks

from intertwine import frames, tables
from intertwine.pipelines import TablePreprocessor, make_interaction_pipeline
from intertwine.validation import check_features, check_survival_target, survival_target

N_ROWS = 24
AGE = np.linspace(20, 66, N_ROWS)
SEX = ["female", "male"] * (N_ROWS // 2)
SITE = ["north", "south", "west"] * (N_ROWS // 3)
COLUMNS = {"age": AGE, "sex": SEX, "site": SITE, "smoker": [True, False, False, True] * (N_ROWS // 4)}
NAMES_IN = list(COLUMNS)
NAMES_OUT = ["age", "sex=male", "site=north", "site=south", "site=west", "smoker=True"]
LIBRARIES = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}
Y = np.random.default_rng(0).normal(size=N_ROWS)


class Recorder(BaseEstimator):
    """Keeps what a real estimator would see."""

    def fit(self, X, y, strata=None):
        self.matrix_ = check_features(self, X, reset=True)
        self.frame_, self.y_, self.strata_ = X, y, strata
        return self

    def predict(self, X):
        return check_features(self, X, reset=False).sum(axis=1)


def _scaled(values):
    return (values - np.mean(values)) / np.std(values)


@parametrize_with_checks([TablePreprocessor(), TablePreprocessor(spline=True, n_knots=3)])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_estimator_sees_numbers_under_readable_names(library):
    seen = make_interaction_pipeline(Recorder()).fit(LIBRARIES[library](COLUMNS), Y)["model"]
    assert seen.feature_names_in_.tolist() == NAMES_OUT
    expected = np.c_[
        _scaled(AGE),
        np.array(SEX) == "male",
        *(np.array(SITE) == site for site in ("north", "south", "west")),
        COLUMNS["smoker"],
    ]
    np.testing.assert_allclose(seen.matrix_, expected)


@pytest.mark.parametrize("library", LIBRARIES)
def test_frames_come_out_in_the_library_they_came_in(library):
    seen = make_interaction_pipeline(Recorder()).fit(LIBRARIES[library](COLUMNS), Y)["model"]
    assert type(seen.frame_) is type(LIBRARIES[library](COLUMNS))


def test_the_pandas_index_is_kept_so_that_it_still_matches_the_target():
    index = [f"patient {row}" for row in range(N_ROWS)]
    seen = make_interaction_pipeline(Recorder()).fit(pd.DataFrame(COLUMNS, index=index), Y)["model"]
    assert seen.frame_.index.tolist() == index


@pytest.mark.parametrize(
    "sex",
    [
        pd.Series(SEX, dtype=object),
        pd.Series(SEX, dtype="string"),
        pd.Series(SEX, dtype="category"),
        pd.Series(SEX, dtype=pd.ArrowDtype(pa.string())),
        pl.Series(SEX, dtype=pl.Categorical),
        pl.Series(SEX, dtype=pl.Enum(["male", "female", "unused"])),
    ],
    ids=["object", "string", "category", "arrow", "polars-categorical", "polars-enum"],
)
def test_types_of_labels_are_encoded_alike(sex):
    table = (pd.DataFrame if isinstance(sex, pd.Series) else pl.DataFrame)({"age": AGE, "sex": sex})
    out = TablePreprocessor().fit_transform(table)
    assert list(out.columns) == ["age", "sex=male"]
    np.testing.assert_array_equal(out["sex=male"], np.array(SEX) == "male")


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"age": [1.0, np.nan, 3.0, 8.0], "sex": ["f", None, "m", "f"]}),
        pd.DataFrame({"age": pd.array([1, None, 3, 8]), "sex": pd.array(["f", None, "m", "f"], "string")}),
        pl.DataFrame({"age": [1, None, 3, 8], "sex": ["f", None, "m", "f"]}),
        pl.DataFrame({"age": [1.0, np.nan, 3.0, 8.0], "sex": ["f", None, "m", "f"]}),
    ],
    ids=["pandas", "pandas-nullable", "polars-null", "polars-nan"],
)
def test_gaps_get_the_median_or_a_level_of_their_own(table):
    out = TablePreprocessor().fit_transform(table)
    assert list(out.columns) == ["age", "sex=f", "sex=m", "sex=missing"]
    np.testing.assert_allclose(out["age"], _scaled(np.array([1.0, 3.0, 3.0, 8.0])))
    np.testing.assert_array_equal(out["sex=missing"], [0, 1, 0, 0])


def test_booleans_with_gaps():
    flags = [True, None, False, True]
    for table in (
        pd.DataFrame({"b": pd.array(flags, "boolean")}),
        pl.DataFrame({"b": flags}),
        pa.table({"b": flags}),
    ):
        assert TablePreprocessor().fit(table).get_feature_names_out().tolist() == [
            "b=False",
            "b=True",
            "b=missing",
        ]


def test_codes_listed_as_categorical_keep_their_names_when_there_are_gaps():
    table = pl.DataFrame({"age": AGE[:4], "ward": [1.0, 2.0, None, 1.0]})
    out = TablePreprocessor(categorical=["ward"]).fit_transform(table)
    assert out.columns == ["age", "ward=1", "ward=2", "ward=missing"]


def test_listed_columns_are_used_and_no_others():
    out = TablePreprocessor(numeric=["age"], categorical=["site"]).fit_transform(pd.DataFrame(COLUMNS))
    assert list(out.columns) == ["age", "site=north", "site=south", "site=west"]


def test_only_categorical_columns():
    out = TablePreprocessor(numeric=[]).fit_transform(pl.DataFrame(COLUMNS))
    assert out.columns == NAMES_OUT[1:]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_splines_expand_numbers_but_not_counts_of_two_values(library):
    table = LIBRARIES[library](COLUMNS | {"children": [0, 1] * (N_ROWS // 2)})
    out = TablePreprocessor(spline=True, n_knots=4).fit_transform(table)
    splines = [f"age_sp_{index}" for index in range(5)]
    assert set(out.columns) == {*splines, "children", *NAMES_OUT[1:]}
    values = np.asarray(out[splines])
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(values.std(axis=0), 1)


def test_splines_of_numbers_with_gaps():
    age = np.where(np.arange(N_ROWS) % 5 == 0, np.nan, AGE)
    out = TablePreprocessor(spline=True).fit_transform(pl.DataFrame({"age": age}))
    assert out.width == 6
    assert np.isfinite(out.to_numpy()).all()


def test_survival_targets_and_strata_pass_through():
    y = survival_target(AGE, np.arange(N_ROWS) % 2)
    seen = make_interaction_pipeline(Recorder()).fit(pl.DataFrame(COLUMNS), y, model__strata=SITE)["model"]
    assert seen.y_ is y
    assert seen.strata_ == SITE
    check_survival_target(seen.y_, seen.frame_)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_columns_are_found_by_name(library):
    table = LIBRARIES[library](COLUMNS)
    pipeline = make_interaction_pipeline(Recorder()).fit(table, Y)
    other = LIBRARIES[library]({"extra": AGE} | dict(reversed(COLUMNS.items())))
    np.testing.assert_array_equal(pipeline.predict(other), pipeline.predict(table))


def test_a_level_unseen_at_fit_is_all_zeros_and_said():
    preprocessor = TablePreprocessor().fit(pl.DataFrame(COLUMNS))
    new = pl.DataFrame(COLUMNS | {"site": ["east"] * N_ROWS})
    with pytest.warns(UserWarning, match="unknown categories"):
        out = preprocessor.transform(new)
    assert not out.select("site=north", "site=south", "site=west").to_numpy().any()


@pytest.mark.parametrize("library", LIBRARIES)
def test_sparse_columns_keep_their_names_where_the_library_has_them(library):
    table = LIBRARIES[library](COLUMNS)
    plain = TablePreprocessor().fit_transform(table)
    pipeline = make_interaction_pipeline(Ridge(), sparse_output=True)
    found = pipeline["table"].fit_transform(table)
    assert pipeline["table"].get_feature_names_out().tolist() == NAMES_OUT
    if library == "pandas":
        assert found.columns.tolist() == NAMES_OUT
        assert found.index.equals(table.index)
        found = check_features(Recorder(), found, reset=True, allow_sparse=True)
    assert sparse.issparse(found)
    np.testing.assert_array_equal(found.toarray(), np.asarray(plain))
    numbers = TablePreprocessor(sparse_output=True, numeric=["age"], categorical=[]).fit_transform(table)
    assert not sparse.issparse(numbers)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_level_unseen_at_fit_has_a_column_to_come(library):
    table = LIBRARIES[library](COLUMNS)
    preprocessor = TablePreprocessor(unseen="column", categorical=["sex", "site"], numeric=["age"])
    fitted = preprocessor.fit_transform(table)
    sites = [f"site={level}" for level in ("north", "south", "west", "unseen")]
    assert list(preprocessor.get_feature_names_out()) == [
        "age",
        "sex=female",
        "sex=male",
        "sex=unseen",
        *sites,
    ]
    assert not np.asarray(fitted)[:, [3, 7]].any()
    later = LIBRARIES[library]({**COLUMNS, "site": ["east"] * N_ROWS, "sex": [None, "male"] * (N_ROWS // 2)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shown = np.asarray(preprocessor.transform(later))
        check_features(Recorder(), fitted, reset=True)  # that it is empty is meant
    assert shown[:, 7].all()
    assert not shown[:, 4:7].any()
    np.testing.assert_array_equal(shown[:2, 1:4], [[0, 0, 1], [0, 1, 0]])


def test_a_level_called_unseen_is_no_other():
    table = pd.DataFrame({"site": ["unseen", "north"] * 3})
    preprocessor = TablePreprocessor(unseen="column").fit(table)
    assert preprocessor.get_feature_names_out().tolist() == ["site=north", "site=unseen", "site=(unseen)"]
    shown = preprocessor.transform(pd.DataFrame({"site": ["unseen", "west"]})).to_numpy()
    np.testing.assert_array_equal(shown, [[0, 1, 0], [0, 0, 1]])


def test_arrays():
    numbers = np.c_[AGE, AGE**2]
    seen = make_interaction_pipeline(Recorder()).fit(numbers, pd.Series(Y, index=range(5, 5 + N_ROWS)))[
        "model"
    ]
    assert isinstance(seen.frame_, np.ndarray)  # a frame would bring an index of its own
    np.testing.assert_allclose(seen.matrix_, np.apply_along_axis(_scaled, 0, numbers))
    mixed = np.array([SEX, AGE, AGE**2], dtype=object).T
    seen = make_interaction_pipeline(Recorder()).fit(mixed, Y)["model"]
    assert seen.feature_names_in_.tolist() == ["x1", "x2", "x0=male"]
    coded = np.c_[AGE, np.arange(N_ROWS) % 3]
    seen = make_interaction_pipeline(Recorder(), categorical=[1]).fit(coded, Y)["model"]
    assert seen.feature_names_in_.tolist() == ["x0", "x1=0", "x1=1", "x1=2"]


def test_without_a_frame_library_arrays_come_out(monkeypatch):
    monkeypatch.setattr(frames, "find_spec", lambda name: None)
    out = TablePreprocessor().fit_transform(np.array([AGE, SEX], dtype=object).T)
    assert isinstance(out, np.ndarray)
    np.testing.assert_allclose(out.astype(float), np.c_[_scaled(AGE), np.array(SEX) == "male"])


def test_pyarrow_tables_without_polars(monkeypatch):
    monkeypatch.setattr(tables, "find_spec", lambda name: None if name == "polars" else True)
    out = TablePreprocessor().fit_transform(pa.table(COLUMNS))
    assert out.column_names == NAMES_OUT


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output_goes_first(library):
    for table in (pd.DataFrame(COLUMNS), pl.DataFrame(COLUMNS)):
        out = TablePreprocessor().set_output(transform=library).fit_transform(table)
        assert type(out) is LIBRARIES[library]
        assert list(out.columns) == NAMES_OUT


def test_a_global_output_setting_changes_nothing_but_the_library():
    with config_context(transform_output="polars"):
        out = TablePreprocessor(spline=True).fit_transform(pd.DataFrame(COLUMNS))
    assert isinstance(out, pl.DataFrame)
    assert out["sex=male"].to_list() == [float(sex == "male") for sex in SEX]


def test_cloned_pickled_and_searched():
    pipeline = make_interaction_pipeline(Ridge(), spline=True)
    table = pd.DataFrame(COLUMNS)
    search = GridSearchCV(clone(pipeline), {"table__n_knots": [3, 4], "table__spline": [True, False]}, cv=2)
    search.fit(table, Y)
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(again.predict(table), search.predict(table))


def test_good_input_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipeline = make_interaction_pipeline(Recorder(), spline=True).fit(pl.DataFrame(COLUMNS), Y)
        pipeline.predict(pl.DataFrame(COLUMNS))


# ---- bad input -------------------------------------------------------------------------------------

DAY = [dt.date(2020, 1, 1 + row) for row in range(N_ROWS)]

DATED = COLUMNS | {"day": DAY}

BAD_FITS = {
    "date": ({}, DATED, ValueError, r"convert \['day'\]"),
    "date-not-listed": ({"categorical": NAMES_IN[1:]}, DATED, ValueError, r"convert \['day'\]"),
    "text-not-listed": ({"categorical": ["sex", "smoker"]}, COLUMNS, ValueError, r"encode \['site'\]"),
    "text-as-numeric": ({"numeric": ["age", "sex"]}, COLUMNS, ValueError, r"encode \['sex'\]"),
    "unknown-numeric": ({"numeric": ["agee"]}, COLUMNS, ValueError, r"asks for \['agee'\], but X has"),
    "unknown-categorical": ({"categorical": ["x"]}, COLUMNS, ValueError, r"categorical asks for \['x'\]"),
    "both": ({"numeric": ["age"], "categorical": ["age"]}, COLUMNS, ValueError, r"\['age'\] cannot be both"),
    "name-for-names": ({"numeric": "age"}, COLUMNS, InvalidParameterError, "'numeric' parameter"),
    "one-knot": ({"spline": True, "n_knots": 1}, COLUMNS, InvalidParameterError, "'n_knots' parameter"),
    "same-name-out": ({}, {"sex=male": AGE, "sex": SEX}, ValueError, "not unique"),
    "no-rows": ({}, {"age": []}, ValueError, r"shape \(0, 1\), expected at least one row"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_FITS)
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_bad_fits_are_answered(library, case):
    params, columns, expected, match = BAD_FITS[case]
    preprocessor = TablePreprocessor(**params)
    with pytest.raises(expected, match=match):
        preprocessor.fit(LIBRARIES[library](columns))
    with pytest.raises(NotFittedError):
        preprocessor.transform(LIBRARIES[library](COLUMNS))


def test_lazy_duplicated_sparse_and_flat_tables():
    preprocessor = TablePreprocessor()
    with pytest.raises(TypeError, match=r"call \.collect\(\)"):
        preprocessor.fit(pl.LazyFrame(COLUMNS))
    with pytest.raises(ValueError, match="duplicate column names"):
        preprocessor.fit(pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]))
    with pytest.raises(TypeError, match="[Ss]parse"):
        preprocessor.fit(sparse.csr_array(np.eye(3)))
    with pytest.raises(ValueError, match="Reshape your data"):
        preprocessor.fit(AGE)


def test_bad_tables_after_the_fit():
    preprocessor = TablePreprocessor().fit(pl.DataFrame(COLUMNS))
    table = pl.DataFrame(COLUMNS)
    with pytest.raises(
        ValueError, match=r"columns fitted include \['age', 'site'\], but X has \['sex', 'smoker'\]"
    ):
        preprocessor.transform(table.drop("age", "site"))
    with pytest.raises(ValueError, match=r"encode \['age'\]"):
        preprocessor.transform(table.with_columns(age=pl.Series(SEX)))
    with pytest.raises(TypeError, match="by name"):
        preprocessor.transform(np.zeros((2, 4)))
    with pytest.raises(ValueError, match="X has 3 features, but TablePreprocessor is expecting 2"):
        TablePreprocessor().fit(np.c_[AGE, AGE]).transform(np.zeros((2, 3)))


def test_a_class_is_no_estimator():
    with pytest.raises(TypeError, match=r"pass an instance, Ridge\(\)"):
        make_interaction_pipeline(Ridge)
