"""Arrays, and the weights of their rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse

from bad_inputs.cases import (
    N_ROWS,
    Case,
    Inputs,
    features,
    later,
    pandas_frame,
    spoiled,
    with_fit_param,
    with_X,
)

ARRAYS = [
    with_X("nan", lambda: spoiled(2, 1, np.nan), ValueError, r"X contains NaN in columns \[1\]; impute"),
    with_X("nan-float32", lambda: spoiled(2, 1, np.nan, np.float32), ValueError, r"NaN in columns \[1\]"),
    with_X("inf", lambda: spoiled(2, 1, np.inf), ValueError, r"X contains infinity in columns \[1\]"),
    with_X("minus-inf", lambda: spoiled(2, 1, -np.inf), ValueError, r"X contains infinity in columns \[1\]"),
    with_X("none", lambda: spoiled(2, 1, None, object), ValueError, r"X contains NaN in columns \[1\]"),
    with_X(
        "masked", lambda: np.ma.masked_array(features(), features() > 2), ValueError, r"NaN in columns \[\d"
    ),
    with_X("overflow", lambda: spoiled(2, 1, 1e300), ValueError, r"overflow float64: rescale columns \[1\]"),
    with_X("overflow-negative", lambda: spoiled(2, 1, -1e300), ValueError, r"rescale columns \[1\]"),
    with_X("overflow-on-cast", lambda: spoiled(2, 1, 10**400, object), ValueError, r"rescale columns \[1\]"),
    with_X(
        "1-d", lambda: features()[:, 0], ValueError, r"X has shape \(30,\), expected 2-D.*Reshape your data"
    ),
    with_X("3-d", lambda: features()[:, :, None], ValueError, r"X has shape \(30, 3, 1\), expected 2-D"),
    with_X("series", lambda: pd.Series(features()[:, 0]), ValueError, r"X has shape \(30,\), expected 2-D"),
    with_X("zero-columns", lambda: np.empty((N_ROWS, 0)), ValueError, r"0 feature\(s\) \(shape=\(30, 0\)\)"),
    Case(
        "zero-rows",
        "any",
        lambda t: Inputs(np.empty((0, 3)), t(0)),
        ValueError,
        r"0 sample\(s\) \(shape=\(0, 3\)\)",
    ),
    Case(
        "one-row", "any", lambda t: Inputs(features(1), t(1)), ValueError, r"1 sample\(s\) \(shape=\(1, 3\)\)"
    ),
    with_X("one-feature", lambda: features()[:, :1], UserWarning, "no pairs"),
    with_X(
        "constant-column", lambda: spoiled(slice(None), 1, 7.0), UserWarning, r"constant in columns \[1\]"
    ),
    Case("lengths", "any", lambda t: Inputs(features(), t(20)), ValueError, "X has 30 rows, but y has 20"),
    Case("no-target", "any", lambda _: Inputs(features(), None), ValueError, "requires y to be passed"),
    with_X("complex", lambda: features() + 1j, ValueError, "Complex data not supported"),
    with_X("numeric-text", lambda: features().astype(str), ValueError, "X holds text or dates.*convert"),
    with_X("numeric-text-list", lambda: features().astype(str).tolist(), ValueError, "X holds text or dates"),
    with_X("numeric-text-object", lambda: spoiled(2, 1, "1.5", object), ValueError, "X holds text or dates"),
    with_X("dates", lambda: features().astype("datetime64[s]"), ValueError, "X holds text or dates.*convert"),
    with_X("ragged", lambda: [[1.0, 2.0]] * (N_ROWS - 1) + [[1.0]], ValueError, "inhomogeneous"),
    with_X("sparse", lambda: sparse.csr_array(features()), TypeError, "[Ss]parse", family="dense"),
    later("width", features, lambda: features(4, 5), ValueError, r"X has 5 features, but \w+ is expecting 3"),
    later(
        "nan-later", features, lambda: spoiled(2, 1, np.nan), ValueError, r"X contains NaN in columns \[1\]"
    ),
    later("overflow-later", features, lambda: spoiled(2, 1, 1e300), ValueError, r"rescale columns \[1\]"),
    later("1-d-later", features, lambda: features()[0], ValueError, "Reshape your data"),
    later("zero-rows-later", features, lambda: np.empty((0, 3)), ValueError, r"0 sample\(s\)"),
    with_fit_param(
        "weights-negative", "any", "sample_weight", [1.0] * 29 + [-1.0], ValueError, r"rows \[29\]"
    ),
    with_fit_param(
        "weights-nan", "any", "sample_weight", [1.0] * 29 + [np.nan], ValueError, r"NaN in rows \[29\]"
    ),
    with_fit_param("weights-zero", "any", "sample_weight", np.zeros(30), ValueError, "zero in every row"),
    with_fit_param("weights-sum", "any", "sample_weight", [1e308] * 30, ValueError, "sums to infinity"),
    with_fit_param("weights-length", "any", "sample_weight", [1.0] * 20, ValueError, "30 rows.*has 20"),
    with_fit_param("weights-2-d", "any", "sample_weight", np.ones((30, 2)), ValueError, "expected 1-D"),
    with_fit_param("weights-text", "any", "sample_weight", ["1"] * 30, ValueError, "holds text"),
    Case(
        "repeated-column",
        "any",
        lambda t: Inputs(pandas_frame(k=lambda frame: frame["age"]), t(N_ROWS), params={"alpha": 0.0}),
        np.linalg.LinAlgError,
        "'age' = 'k'; set alpha > 0",
    ),
]
