"""Frames come back in the library they came in, and columns have names."""

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from intertwine import frames

COLUMNS = {
    "term": np.array(["age × dose", "age × sex"], dtype=object),
    "estimate": np.array([0.5, -1.25]),
    "rank": np.array([1, 2]),
    "chosen": np.array([True, False]),
}
LIBRARIES = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("as_name", [True, False])
def test_the_frame_comes_in_the_users_library(library, as_name):
    like = library if as_name else LIBRARIES[library]({"a": [1]})
    frame = frames.make_frame(COLUMNS, like=like)
    assert type(frame) is type(LIBRARIES[library]({"a": [1]}))
    assert frames.frame_library(frame) == library
    back = nw.from_native(frame)
    assert back.columns == list(COLUMNS)
    for name, values in COLUMNS.items():
        assert back[name].to_list() == values.tolist()
    assert back.schema["term"] == nw.String
    assert back.schema["estimate"] == nw.Float64
    assert back.schema["chosen"] == nw.Boolean


@pytest.mark.parametrize("library", LIBRARIES)
def test_numbers_with_gaps_stay_numbers(library):
    frame = frames.make_frame({"std_error": np.array([0.5, None], dtype=object)}, like=library)
    assert nw.from_native(frame).schema["std_error"] == nw.Float64


@pytest.mark.parametrize("like", [None, np.eye(2), [[1.0]], object()])
def test_without_a_frame_pandas_comes_first_then_polars(like, monkeypatch):
    assert isinstance(frames.make_frame(COLUMNS, like=like), pd.DataFrame)
    monkeypatch.setattr(frames, "find_spec", lambda name: None if name == "pandas" else object())
    assert isinstance(frames.make_frame(COLUMNS, like=like), pl.DataFrame)


def test_no_library_at_all_is_an_error_that_names_one(monkeypatch):
    monkeypatch.setattr(frames, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="install pandas or polars"):
        frames.make_frame(COLUMNS)


def test_a_lazy_frame_gives_eager_results():
    lazy = pl.DataFrame({"a": [1]}).lazy()
    assert isinstance(frames.make_frame(COLUMNS, like=lazy), pl.DataFrame)
    assert frames.feature_names(lazy).tolist() == ["a"]


def test_a_series_tells_its_library_too():
    assert frames.frame_library(pl.Series([1.0])) == "polars"


def test_a_frame_may_have_no_rows():
    assert frames.make_frame({"term": [], "estimate": []}, like="polars").shape == (0, 2)


@pytest.mark.parametrize("bad", [{"a": [1, 2], "b": [1]}, {"a": [[1], [2]]}, {"a": 1.0}])
def test_columns_that_do_not_fit_together_are_refused(bad):
    with pytest.raises(ValueError, match="one-dimensional and equally long"):
        frames.make_frame(bad)


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        (pd.DataFrame({"age": [1.0], "dose": [2.0]}), ["age", "dose"]),
        (pl.DataFrame({"age": [1.0], "dose": [2.0]}), ["age", "dose"]),
        (pd.DataFrame([[1.0, 2.0]]), ["x0", "x1"]),
        (np.zeros((3, 2)), ["x0", "x1"]),
        ([[1.0, 2.0]], ["x0", "x1"]),
        (sparse.csr_array((4, 2)), ["x0", "x1"]),
    ],
)
def test_every_table_has_feature_names(X, expected):
    names = frames.feature_names(X)
    assert names.dtype == object
    assert names.tolist() == expected


def test_a_vector_has_no_features():
    with pytest.raises(ValueError, match=r"shape \(3,\), expected 2-D"):
        frames.feature_names(np.zeros(3))
