"""What must be accepted and read alike, and what the checks cost."""

from __future__ import annotations

import tracemalloc
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import BaseEstimator

from intertwine.validation import (
    check_classification_target,
    check_column_selection,
    check_features,
    check_strata,
    check_survival_target,
    check_unpenalized_rank,
    check_weights,
    survival_target,
)

X = np.random.default_rng(0).normal(size=(12, 3))


def _fitted(X):
    estimator = BaseEstimator()
    check_features(estimator, X, reset=True)
    return estimator


def _read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def _memmap(array, folder):
    path = folder / "X.dat"
    np.memmap(path, dtype=array.dtype, mode="w+", shape=array.shape)[:] = array
    return np.memmap(path, dtype=array.dtype, mode="r", shape=array.shape)


ALIKE = {
    "list": np.ndarray.tolist,
    "fortran": np.asfortranarray,
    "read-only": _read_only,
    "strided": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "object": lambda X: X.astype(object),
    "big-endian": lambda X: X.astype(">f8"),
    "pandas": lambda X: pd.DataFrame(X, columns=list("abc")),
    "pandas-mixed-types": lambda X: pd.DataFrame(X, columns=list("abc")).astype(
        {"a": "Float64", "b": "float64[pyarrow]"}
    ),
    "pandas-int-names": pd.DataFrame,
    "polars": lambda X: pl.DataFrame(X, schema=list("abc")),
    "pyarrow": lambda X: pa.table(dict(zip("abc", X.T, strict=True))),
}


@pytest.mark.parametrize("form", ALIKE)
def test_containers_are_read_alike(form):
    matrix = check_features(BaseEstimator(), ALIKE[form](X), reset=True)
    np.testing.assert_array_equal(matrix, X)
    assert matrix.dtype == np.float64


def test_a_memmap_is_read_as_it_is(tmp_path):
    np.testing.assert_array_equal(check_features(BaseEstimator(), _memmap(X, tmp_path), reset=True), X)


@pytest.mark.parametrize(
    ("dtype", "kept"), [("f4", "f4"), ("f8", "f8"), ("f2", "f8"), ("i4", "f8"), ("?", "f8")]
)
def test_precision_is_kept_where_it_can_be(dtype, kept):
    assert check_features(BaseEstimator(), (10 * X).astype(dtype), reset=True).dtype == np.dtype(kept)


def test_a_cast_that_overflows_is_refused():
    with pytest.raises(ValueError, match=r"rescale columns \[2\]"):
        check_features(BaseEstimator(), X * [1, 1, 1e60], reset=True, dtype=np.float32)


SPARSE = np.where(np.abs(X) > 0.5, X, 0.0)


def _csr(order, repeats=1, index_type=np.int32):
    """SPARSE with the entries of every row in some order, each split into equal parts."""
    rows = [np.repeat(np.flatnonzero(row)[::order], repeats) for row in SPARSE]
    data = np.concatenate([row[columns] / repeats for row, columns in zip(SPARSE, rows, strict=True)])
    indptr = np.cumsum([0, *map(len, rows)]).astype(index_type)
    return sparse.csr_array((data, np.concatenate(rows).astype(index_type), indptr), shape=SPARSE.shape)


SPARSE_FORMS = {
    "csr-array": sparse.csr_array(SPARSE),
    "csr-matrix": sparse.csr_matrix(SPARSE),
    "csc": sparse.csc_array(SPARSE),
    "coo": sparse.coo_array(SPARSE),
    "int64-indices": _csr(1, index_type=np.int64),
    "unsorted": _csr(-1),
    "duplicates": _csr(1, repeats=2),
    "unsorted-duplicates-int64": _csr(-1, repeats=4, index_type=np.int64),
}


@pytest.mark.parametrize("form", SPARSE_FORMS)
def test_sparse_forms_are_read_alike_and_left_alone(form):
    given_matrix = SPARSE_FORMS[form].copy()
    before = given_matrix.data.copy()
    matrix = check_features(BaseEstimator(), given_matrix, reset=True, allow_sparse=True)
    assert isinstance(matrix, sparse.csr_array)
    assert matrix.has_canonical_format
    assert matrix.indices.dtype == np.int32
    assert matrix.nnz == np.count_nonzero(SPARSE)
    np.testing.assert_allclose(matrix.toarray(), SPARSE)
    np.testing.assert_array_equal(given_matrix.data, before)


@pytest.mark.parametrize(
    ("value", "match"),
    [(np.nan, "NaN in columns"), (-np.inf, "infinity in columns"), (1e300, "rescale columns")],
)
def test_sparse_values_are_checked(value, match):
    bad = SPARSE.copy()
    bad[3, 1] = value
    with pytest.raises(ValueError, match=rf"{match} \[1\]"):
        check_features(BaseEstimator(), sparse.csr_array(bad), reset=True, allow_sparse=True)


def test_a_constant_sparse_column_is_seen():
    with pytest.warns(UserWarning, match=r"constant in columns \[0\]"):
        check_features(BaseEstimator(), sparse.csr_array(SPARSE * [0, 1, 1]), reset=True, allow_sparse=True)


# ---- targets, weights ----------------------------------------------------------------------------

TIME, EVENT, ENTRY = np.array([2.0, 0.0, 5.0]), np.array([True, False, True]), np.array([1.0, -1.0, 0.0])


def _structured(*fields):
    target = np.zeros(3, dtype=[(name, column.dtype) for name, column in fields])
    for name, column in fields:
        target[name] = column
    return target


SURVIVAL_FORMS = {
    "helper": survival_target(TIME, EVENT),
    "helper-lists": survival_target(TIME.tolist(), EVENT.tolist()),
    "helper-series": survival_target(pd.Series(TIME), pl.Series(EVENT)),
    "any-order": _structured(("event", EVENT), ("time", TIME)),
    "event-int": _structured(("time", TIME.astype(int)), ("event", EVENT.astype(int))),
    "event-float": _structured(("event", EVENT.astype(float)), ("time", TIME)),
    "other-library": _structured(("status", EVENT), ("days", TIME)),
    "record-array": np.rec.fromarrays([TIME, EVENT], names=["time", "event"]),
    "pandas": pd.DataFrame({"event": EVENT, "time": TIME}),
    "pandas-nullable": pd.DataFrame({"event": pd.array(EVENT, "boolean"), "time": pd.array(TIME, "Float64")}),
    "polars": pl.DataFrame({"time": TIME, "event": EVENT.astype(int)}),
    "pyarrow": pa.table({"time": TIME, "event": EVENT}),
}


@pytest.mark.parametrize("form", SURVIVAL_FORMS)
def test_survival_targets_are_read_alike(form):
    target = check_survival_target(SURVIVAL_FORMS[form], X[:3])
    assert target.dtype == np.dtype([("time", float), ("event", bool)])
    np.testing.assert_array_equal(target["time"], TIME)
    np.testing.assert_array_equal(target["event"], EVENT)


@pytest.mark.parametrize(
    "wrap", [lambda y: y, pd.DataFrame, lambda y: pl.DataFrame({n: y[n] for n in y.dtype.names})]
)
def test_entry_times_are_kept(wrap):
    time = TIME + 0.5
    target = check_survival_target(wrap(survival_target(time, EVENT, ENTRY)), X[:3])
    np.testing.assert_array_equal(target["entry"], ENTRY)
    np.testing.assert_array_equal(target["time"], time)


def test_parts_of_a_survival_target_must_be_equally_long():
    with pytest.raises(ValueError, match="time has 3 rows, but event has 2"):
        survival_target(TIME, EVENT[:2])
    with pytest.raises(ValueError, match="time has 3 rows, but entry has 1"):
        survival_target(TIME, EVENT, ENTRY[:1])


@given(st.lists(st.sampled_from([0, 1, 2, 3, -1, 0.5]), min_size=2, max_size=8))
def test_only_zero_and_one_are_events(codes):
    time = np.arange(2.0, 2 + len(codes))
    if set(codes) <= {0, 1} and 1 in codes:
        np.testing.assert_array_equal(survival_target(time, codes)["event"], np.array(codes) == 1)
    else:
        with pytest.raises(ValueError, match="event"):
            survival_target(time, codes)


@pytest.mark.parametrize(
    "labels",
    [
        ["a", "b", "a"],
        pd.Series(["a", "b", "a"]),
        pd.Categorical(["a", "b", "a"]),
        pl.Series(["a", "b", "a"]),
    ],
    ids=["list", "pandas", "category", "polars"],
)
def test_labels_are_read_alike(labels):
    codes, classes = check_classification_target(labels, X[:3])
    np.testing.assert_array_equal(codes, [0, 1, 0])
    np.testing.assert_array_equal(classes, ["a", "b"])
    np.testing.assert_array_equal(check_strata(labels, 3), ["a", "b", "a"])


@pytest.mark.parametrize(
    "labels", [[5, 3, 5], np.array([5, 3, 5], object), pd.array([5, 3, 5]), pl.Series([5, 3, 5])]
)
def test_numeric_labels_stay_numbers(labels):
    codes, classes = check_classification_target(labels, X[:3])
    assert classes.dtype.kind == "i"
    np.testing.assert_array_equal(classes[codes], [5, 3, 5])


@pytest.mark.parametrize("labels", [[True, False], pd.array([True, False]), pl.Series([True, False])])
def test_boolean_labels_stay_booleans(labels):
    assert check_classification_target(labels, X[:2])[1].dtype == bool


def test_lengths_are_checked_without_a_table_beside():
    with pytest.raises(ValueError, match="X has 3 rows, but sample_weight has 2"):
        check_weights([1.0, 1.0], 3)
    with pytest.raises(ValueError, match="X has 3 rows, but strata has 2"):
        check_strata(["a", "b"], 3)


@pytest.mark.parametrize("gap", [None, np.nan, pd.NA, pd.NaT], ids=str)
def test_every_kind_of_missing_label_is_seen(gap):
    with pytest.raises(ValueError, match=r"strata has 1 missing labels, in rows \[1\]"):
        check_strata(np.array(["a", gap], dtype=object), 2)


def test_no_strata():
    assert check_strata(None, 3) is None


@pytest.mark.parametrize("weights", [None, 2.0, [2, 2, 2], pd.Series([2.0] * 3), pl.Series([2.0] * 3)])
def test_weights_are_read_alike(weights):
    np.testing.assert_array_equal(check_weights(weights, 3), np.full(3, 1.0 if weights is None else 2.0))


# ---- the rest ------------------------------------------------------------------------------------


def test_many_bad_columns_are_cut_short():
    with pytest.raises(ValueError, match="'x0', .*'x9', and 490 more"):
        check_features(BaseEstimator(), pd.DataFrame(np.full((2, 500), np.nan)).add_prefix("x"), reset=True)


def test_columns_are_selected_by_name_and_position():
    named = _fitted(pd.DataFrame(X, columns=list("abc")))
    select = partial(check_column_selection, parameter="unpenalized")
    np.testing.assert_array_equal(select(["c", "a", "c"], named), [0, 2])
    np.testing.assert_array_equal(select([-1, np.int64(0)], named), [0, 2])
    np.testing.assert_array_equal(select(None, named), [])
    with pytest.raises(
        ValueError, match=r"unpenalized asks for \['zz', 7\], but X has columns \['a', 'b', 'c'\]"
    ):
        select(["a", "zz", 7], named)
    with pytest.raises(ValueError, match="no column names"):
        select(["a"], _fitted(X))
    for wrong in (True, 0.5, None):
        with pytest.raises(TypeError, match="names or positions"):
            select([wrong], named)


RANK = np.random.default_rng(3).normal(size=(20, 4))


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        (np.c_[RANK, RANK[:, 0]], "'a' = 'k';"),
        (np.c_[RANK, RANK[:, 0] + 1e-10 * RANK[::-1, 1]], "'a' = 'k';"),
        (np.c_[RANK, 2 * RANK[:, 1]], "'b' = 0.5·'k';"),
        (np.c_[RANK, RANK[:, 0] - 2 * RANK[:, 2]], "'[ack]' = .*'[ack]' [+] .*'[ack]';"),
        (np.c_[RANK, RANK.sum(axis=1) * 1e6], "repeat one another"),
        (RANK[:3], "3 rows cannot determine 4 unpenalised coefficients; set alpha > 0"),
    ],
)
def test_dependent_unpenalised_columns_are_named(columns, match):
    with pytest.raises(np.linalg.LinAlgError, match=match):
        check_unpenalized_rank(columns, "abcdk")


@pytest.mark.parametrize(
    "columns",
    [
        RANK,
        RANK * [1e-9, 1, 1e9, 1],
        np.c_[RANK, 0 * RANK[:, 0]],
        np.c_[RANK, RANK[:, 0] + 1e-4 * RANK[:, 1] ** 2],
        RANK[:, :0],
    ],
)
def test_independent_columns_pass(columns):
    check_unpenalized_rank(columns, "abcdk")


def test_the_checks_copy_nothing_and_make_no_masks():
    wide = np.random.default_rng(0).normal(size=(50, 20_000))
    check_features(BaseEstimator(), wide, reset=True)
    tracemalloc.start()
    matrix = check_features(BaseEstimator(), wide, reset=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert matrix is wide
    assert peak < wide.size  # one byte an entry: what a single mask would take
