"""Arrays: values, shapes, layouts, weights of rows."""

from __future__ import annotations

import tempfile
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from numpy.linalg import LinAlgError
from scipy import sparse
from sklearn.exceptions import NotFittedError

from bad_inputs.cases import (
    X,
    accepted,
    alike,
    beside,
    both,
    free,
    quiet,
    refused,
    refused_later,
    rows,
    same,
    settings,
    spoil,
    warned,
    y,
)
from bad_inputs.columns import N_ROWS, Column, features

_ENTRY = [1.0] * (N_ROWS - 1)


def _weights(last: float) -> list[float]:
    return [*_ENTRY, last]


def _half_precision_of(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)


def _memmap(values: np.ndarray) -> np.memmap:
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/X.npy", values)
        return np.load(f"{folder}/X.npy", mmap_mode="r")


def _csr(values: np.ndarray, index: type = np.int32, make: type = sparse.csr_array, shuffled: bool = False):
    """A sparse copy: with its entries the other way round in every row, the largest in two parts."""
    matrix = sparse.csr_array(values * (np.abs(values) > 0.5))
    data, indices, indptr = matrix.data, matrix.indices, matrix.indptr
    if shuffled:
        pieces = [slice(a, b) for a, b in pairwise(indptr)]
        data = np.concatenate([np.r_[data[at][::-1] / 2, data[at][::-1] / 2] for at in pieces])
        indices = np.concatenate([np.tile(indices[at][::-1], 2) for at in pieces])
        indptr = 2 * indptr
    return make((data, indices.astype(index), indptr.astype(index)), shape=matrix.shape)


def _sparse_equals_dense(**how: object):
    def run(column: Column) -> None:
        good = column.good(N_ROWS)
        with quiet():
            given = good.set(scaling=None) if "scaling" in column.estimator.get_params() else good
            thin = given._replace(X=_csr(good.X, **how))
            before = thin.X.indices.copy()
            dense = given._replace(X=_csr(good.X).toarray())
            model = column.fit(thin)
            same([column.answer(model, thin)], [column.answer(column.fit(dense), dense)], 1e-6)
        np.testing.assert_array_equal(thin.X.indices, before)  # the user's arrays are left alone

    return run


def _constant_column_has_no_effect(column: Column) -> None:
    good = column.good(N_ROWS)
    wide = good._replace(X=np.column_stack([good.X, np.full(N_ROWS, 1e6 / 3)]))
    with quiet():
        model = column.fit(wide)
        same([column.answer(model, wide)], [column.answer(column.fit(good), good)], 1e-6)


def _constant_column_is_not_read(column: Column) -> None:
    """Its coefficients are zero: another value of it, later, changes nothing."""
    good = column.good(N_ROWS)
    wide = good._replace(X=np.column_stack([good.X, np.full(N_ROWS, 7.0)]))
    with quiet():
        model = column.fit(wide)
        later = wide._replace(X=wide.X + np.array([0.0, 0.0, 0.0, 2.0]))
        same([column.answer(model, later)], [column.answer(model, wide)], 1e-12)


def _constant_coefficient_is_zero(column: Column) -> None:
    good = column.good(N_ROWS)
    with quiet():
        model = column.fit(good._replace(X=np.column_stack([good.X, np.full(N_ROWS, 7.0)])))
    assert not np.atleast_2d(model.coef_)[:, 3].any()
    assert not hasattr(model, "interaction_matrix") or not model.interaction_matrix()[..., 3, :].any()


def _not_fitted(column: Column) -> None:
    model, good = column.model(column.good(N_ROWS)), column.good(N_ROWS)
    with pytest.raises(NotFittedError):
        column.answer(model, good)
    for name in (
        "top_interactions",
        "main_effects",
        "interaction_matrix",
        "predict_proba",
        "transform",
        "score",
    ):
        if name in ("top_interactions", "main_effects", "interaction_matrix") and hasattr(model, name):
            with pytest.raises(NotFittedError):
                getattr(model, name)()
        elif hasattr(model, name):
            with pytest.raises(NotFittedError):
                getattr(model, name)(good.X, *([good.y] if name == "score" else []))
    with tempfile.TemporaryDirectory() as folder, pytest.raises(NotFittedError):
        model.save(f"{folder}/model")


_TEXT = r"X holds text or dates.*convert"
_WIDTH = r"X has 5 features, but \w+ is expecting 3"
_ONE_COLUMN = both(X(lambda v: v[:, :1]))
_REPEATED = X(lambda v: pd.DataFrame(v, columns=["age", "dose", "bmi"]).assign(k=v[:, 0]))

ARRAYS = {
    "NaN / inf": [
        refused("NaN", spoil(np.nan), ValueError, r"X contains NaN in columns \[1\]; impute", "complete"),
        refused("NaN of float32", spoil(np.nan, dtype="f4"), ValueError, r"NaN in columns \[1\]", "complete"),
        refused(
            "None", spoil(None, dtype=object), ValueError, r"X contains NaN in columns \[1\]", "complete"
        ),
        refused(
            "masked", X(lambda v: np.ma.masked_greater(v, 2)), ValueError, r"NaN in columns \[\d", "complete"
        ),
        refused_later("NaN later", spoil(np.nan), ValueError, r"X contains NaN in columns \[1\]", "complete"),
        accepted("NaN where gaps are modelled", spoil(np.nan), "gaps"),
        refused(
            "nothing but NaN",
            spoil(np.nan, slice(None)),
            ValueError,
            r"observed value in columns \[1\]",
            "gaps",
        ),
        refused("infinity", spoil(np.inf), ValueError, r"X contains infinity in columns \[1\]; cap or drop"),
        refused("minus infinity", spoil(-np.inf), ValueError, r"X contains infinity in columns \[1\]"),
        refused_later("infinity later", spoil(np.inf), ValueError, r"X contains infinity in columns \[1\]"),
        refused("no id", spoil(np.nan), ValueError, r"item ids are missing \(NaN\) in rows \[2\]", "ratings"),
        refused(
            "infinite id",
            spoil(np.inf),
            ValueError,
            r"item ids are infinite \(inf\) in rows \[2\]",
            "ratings",
        ),
        refused("NaN in y", y([np.nan, *_ENTRY]), ValueError, r"y contains NaN in rows \[0\]", "regression"),
        refused(
            "infinity in y",
            y([np.inf, *_ENTRY]),
            ValueError,
            r"y contains infinity in rows \[0\]",
            "regression",
        ),
        refused(
            "missing class",
            y([None, "a", "b"] * 10),
            ValueError,
            r"10 missing labels, in rows \[0, 3",
            "classification",
        ),
        refused("class NaN", y([np.nan, 0, 1] * 10), ValueError, "10 missing labels", "classification"),
    ],
    "1e300, overflow on cast": [
        refused("1e300", spoil(1e300), ValueError, r"overflow.*: rescale columns \[1\]"),
        refused("-1e300", spoil(-1e300), ValueError, r"rescale columns \[1\]"),
        refused("beyond float64", spoil(10**400, dtype=object), ValueError, r"rescale columns \[1\]"),
        refused_later("1e300 later", spoil(1e300), ValueError, r"rescale columns \[1\]"),
        refused(
            "1e-200",
            X(lambda v: v * 1e-200),
            ValueError,
            r"varies too little .* columns \[0, 1, 2\]: rescale",
        ),
        refused(
            "1e-310",
            X(lambda v: v * 1e-310),
            ValueError,
            r"varies too little .* columns \[0, 1, 2\]: rescale",
        ),
        refused(
            "1e-200 in y",
            lambda g: g._replace(y=g.y * 1e-200),
            ValueError,
            "too little to compute with: rescale",
            "regression",
        ),
        refused(
            "1e-200 in ratings",
            lambda g: g._replace(y=g.y * 1e-200),
            ValueError,
            "too little to compute with: rescale",
            "ratings",
        ),
        refused("1e300 in y", y([1e300, *_ENTRY]), ValueError, r"rows \[0\]: rescale (y|it)", "regression"),
        refused("1e300 in ratings", y([1e300, *_ENTRY]), ValueError, r"rows \[0\]: rescale y", "ratings"),
        refused(
            "an id beyond int64", spoil(2**63, dtype="u8"), ValueError, "beyond 64-bit integers", "ratings"
        ),
    ],
    "1-D, 3-D, zero rows, zero columns, one row": [
        refused(
            "1-D",
            X(lambda v: v[:, 0]),
            ValueError,
            r"X has shape \(30,\), expected 2-D.*Reshape your data",
            "",
        ),
        refused(
            "3-D", X(lambda v: v[:, :, None]), ValueError, r"X has shape \(30, \d, 1\), expected 2-D", ""
        ),
        refused(
            "a Series", X(lambda v: pd.Series(v[:, 0])), ValueError, r"X has shape \(30,\), expected 2-D", ""
        ),
        refused("zero rows", rows(0), ValueError, r"0 sample\(s\) \(shape=\(0, \d\)\)", ""),
        refused("zero columns", X(lambda v: v[:, :0]), ValueError, r"0 feature\(s\) \(shape=\(30, 0\)\)", ""),
        refused("one row", rows(1), ValueError, r"1 sample\(s\)", ""),
        refused_later("1-D later", X(lambda v: v[0]), ValueError, "Reshape your data", ""),
        refused_later("zero rows later", rows(0), ValueError, r"0 sample\(s\)", ""),
        refused("ragged", X(lambda v: [[1.0, 2.0, 3.0]] * 29 + [[1.0]]), ValueError, "inhomogeneous", ""),
    ],
    "one feature": [
        warned("one feature", _ONE_COLUMN, "no pairs", "complete -groups"),
        accepted("one feature has a slope", _ONE_COLUMN, "numbers groups -networks"),
        accepted("one feature of networks", _ONE_COLUMN, "networks"),
        refused(
            "one column of ids", _ONE_COLUMN, ValueError, "expected two columns, user and item", "ratings"
        ),
    ],
    "X, y lengths differ": [
        refused(
            "y is shorter",
            lambda g: g._replace(y=g.y[:20]),
            ValueError,
            "X has 30 rows, but y has 20",
            "target",
        ),
        refused("no y", y(None), ValueError, "requires y to be passed", "target"),
        refused(
            "groups are shorter",
            beside(groups=["a"] * 20),
            ValueError,
            "30 rows, but groups has 20",
            "groups",
        ),
        refused(
            "subjects are fewer",
            beside(subject=["a"] * 20),
            ValueError,
            "30 rows, but subject has 20",
            "subjects",
        ),
    ],
    "complex, object, numeric strings": [
        refused("complex", X(lambda v: v + 1j), ValueError, "Complex data not supported", ""),
        refused("text", X(lambda v: v.astype(str)), ValueError, _TEXT),
        refused("list of text", X(lambda v: v.astype(str).tolist()), ValueError, _TEXT),
        refused("one text among objects", spoil("1.5", dtype=object), ValueError, _TEXT),
        refused("dates", X(lambda v: v.astype("datetime64[s]")), ValueError, _TEXT),
        refused("objects", spoil(object(), dtype=object), TypeError, r"columns \[1\].*a string or a number"),
        refused("text in y", y(["1.0"] * 30), ValueError, "y holds text", "regression"),
        refused("dates in y", y(np.arange(30).astype("M8[D]")), TypeError, "float plus unit", "regression"),
        refused("complex y", y(np.ones(30) * 1j), ValueError, "Complex data not supported", "regression"),
        refused("mixed classes", y([1, "1", 2] * 10), TypeError, r"types \['int', 'str'\]", "classification"),
        refused(
            "measured classes",
            y(lambda: features()[:, 0]),
            ValueError,
            "Unknown label type",
            "classification",
        ),
        refused("dates for ids", X(lambda v: v.astype("M8[D]")), ValueError, "ids are dates", "ratings"),
    ],
    "constant column": [
        warned("constant column", spoil(7.0, slice(None)), r"X is constant in (columns )?\[('x)?1'?\]"),
        free("its coefficient is zero", _constant_coefficient_is_zero, "penalty"),
        free("another value later", _constant_column_is_not_read, "complete -FM"),
        free("it has no effect", _constant_column_has_no_effect, "complete -search -sparse"),
        refused("constant y", y([3.0] * 30), ValueError, "y is 3 in every row|y does not vary", "regression"),
        refused("constant ratings", y([3.0] * 30), ValueError, "y does not vary", "ratings"),
    ],
    "duplicate columns without penalty": [
        refused(
            "'k' is 'age'",
            both(_REPEATED, settings(alpha=0.0)),
            LinAlgError,
            "'age' = 'k'; set alpha > 0",
            "penalty -groups",
        ),
        refused(
            "'k' is 'age', never penalised",
            _REPEATED,
            LinAlgError,
            "'age' = 'k'; combine them or drop",
            "penalty groups",
        ),
    ],
    "sparse: int64 indices, unsorted, duplicates, csr_array and csr_matrix": [
        refused("sparse is dense here", X(sparse.csr_array), TypeError, "[Ss]parse", "dense"),
        free("csr_array equals dense", _sparse_equals_dense(), "sparse"),
        free("csr_matrix", _sparse_equals_dense(make=sparse.csr_matrix), "sparse"),
        free("int64 indices", _sparse_equals_dense(index=np.int64), "sparse"),
        free("unsorted, with duplicates", _sparse_equals_dense(shuffled=True), "sparse"),
        refused("a matrix of ratings with y", X(sparse.csr_array), TypeError, "leave y out", "ratings"),
    ],
    "read-only memmap, Fortran order, float32": [
        alike("read-only memmap", X(_memmap), ""),
        alike("Fortran order", X(np.asfortranarray), ""),
        alike("every other row of a larger table", X(lambda v: np.repeat(v, 2, axis=0)[::2]), ""),
        alike("float32", X(_half_precision_of), "", 1e-3),
        alike("lists", X(lambda v: v.tolist()), ""),
    ],
    "one class; negative, all-zero or NaN weights": [
        refused("one class", y(["no"] * 30), ValueError, r"y has one class, \['no'\]", "classification"),
        refused(
            "negative",
            beside(sample_weight=_weights(-1.0)),
            ValueError,
            r"negative in rows \[29\]",
            "weights",
        ),
        refused("NaN", beside(sample_weight=_weights(np.nan)), ValueError, r"NaN in rows \[29\]", "weights"),
        refused("zero", beside(sample_weight=np.zeros(30)), ValueError, "zero in every row", "weights"),
        refused(
            "sum to infinity", beside(sample_weight=[1e308] * 30), ValueError, "sums to infinity", "weights"
        ),
        refused(
            "next to nothing",
            beside(sample_weight=[1e-300] * 30),
            ValueError,
            r"sums to 3e-299; rescale it",
            "weights",
        ),
        refused(
            "one of 1e300",
            beside(sample_weight=_weights(1e300)),
            ValueError,
            r"sums to 1e\+300; rescale it",
            "weights",
        ),
        refused("too few", beside(sample_weight=[1.0] * 20), ValueError, "30 rows.*has 20", "weights"),
        refused("2-D", beside(sample_weight=np.ones((30, 2))), ValueError, "expected 1-D", "weights"),
        refused("text", beside(sample_weight=["1"] * 30), ValueError, "sample_weight holds text", "weights"),
        refused(
            "a class without weight",
            beside(sample_weight=np.arange(30) % 2),
            ValueError,
            r"zero for the whole of classes \['no'\]",
            "classification",
        ),
    ],
    "predict before fit; other width": [
        free("not fitted", _not_fitted),
        refused_later("wider", X(lambda v: np.hstack([v, v[:, :2]])), ValueError, _WIDTH),
        refused_later(
            "narrower", X(lambda v: v[:, :1]), ValueError, r"X has 1 features, but \w+ is expecting", ""
        ),
    ],
}
