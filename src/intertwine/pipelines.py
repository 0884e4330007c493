"""From a table as people keep it to the numbers an estimator takes, with names that still read well."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer, StandardScaler
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from intertwine.tables import AbstractTable, ArrayTable, read_table
from intertwine.validation.values import UNSEEN_LEVEL, oversized_values, sums_of_squares_overflow
from intertwine.validation.wording import listed

__all__ = ["TablePreprocessor", "make_interaction_pipeline"]


def make_interaction_pipeline(
    estimator: BaseEstimator,
    *,
    numeric: Sequence[str] | Sequence[int] | None = None,
    categorical: Sequence[str] | Sequence[int] | None = None,
    spline: bool = False,
    n_knots: int = 5,
    sparse_output: bool = False,
    unseen: str = "zeros",
) -> Pipeline:
    """Put the usual preprocessing in front of an estimator.

    Numbers are imputed by their median and scaled; text, categories and booleans become 0/1
    columns. The names that come out (``age``, ``sex=male``) are what the estimator sees, so its
    pairs read ``age × sex=male``. The target passes through untouched, survival targets included.

    Parameters
    ----------
    estimator : estimator
        An instance; it becomes the step ``"model"``.
    numeric, categorical : sequence of column names or positions, optional
        By default found at fit from the types of the columns.
    spline : bool, default=False
        Expand numeric columns in cubic B-splines. An estimator with ``basis="spline"`` does this
        itself and knows which columns belong together: use one of the two.
    n_knots : int, default=5
        Knots of each spline.
    sparse_output : bool, default=False
    unseen : {"zeros", "column"}, default="zeros"
        As in :class:`TablePreprocessor`. For factorization machines of labels with many levels (users, products)
        take True and ``"column"``.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Steps ``"table"`` (a :class:`TablePreprocessor`) and ``"model"``.

    Raises
    ------
    TypeError
        When `estimator` is a class.

    Examples
    --------
    >>> import polars as pl
    >>> from sklearn.linear_model import Ridge
    >>> from intertwine.pipelines import make_interaction_pipeline
    >>> table = pl.DataFrame({"age": [31.0, None, 58.0, 44.0], "sex": ["female", "male", "male", "female"]})
    >>> pipeline = make_interaction_pipeline(Ridge()).fit(table, [1.0, 2.0, 4.0, 2.0])
    >>> pipeline["model"].feature_names_in_
    array(['age', 'sex=male'], dtype=object)
    """
    if isinstance(estimator, type):
        raise TypeError(f"pass an instance, {estimator.__name__}(), not the class")
    table = TablePreprocessor(
        numeric=numeric,
        categorical=categorical,
        spline=spline,
        n_knots=n_knots,
        sparse_output=sparse_output,
        unseen=unseen,
    )
    return Pipeline([("table", table), ("model", estimator)])


@final
class TablePreprocessor(TransformerMixin, BaseEstimator):
    """Impute, encode, optionally expand, and scale the columns of a table.

    Frames come out in the library they came in, pandas with its index; arrays as arrays, unless
    columns were encoded or expanded and so need names. Columns of a frame are
    found by name: their order does not matter after fit, and further columns are ignored.

    Parameters
    ----------
    numeric : sequence of column names or positions, optional
        Missing entries get the median of the training rows, then columns are scaled to mean 0 and
        variance 1. By default every column that is not categorical; all of them must hold numbers.
    categorical : sequence of column names or positions, optional
        One 0/1 column per level, named ``column=level``; one alone for two levels. Missing entries
        are a level of their own, ``column=missing``. A level unseen at fit becomes all zeros, with
        a warning. By default every column of text, categories or booleans that is not in `numeric`.
        Columns in neither list are left out.
    spline : bool, default=False
        Expand numeric columns in cubic B-splines with knots at quantiles, linear beyond the data.
        Columns whose quantiles coincide (counts, indicators) stay as they are.
    n_knots : int, default=5
        Knots of each spline, at least 2.
    sparse_output : bool, default=False
        Where there are labels, give sparse columns: as a frame for pandas, so that names are kept, as a CSR matrix
        otherwise.
    unseen : {"zeros", "column"}, default="zeros"
        What a level unseen at fit becomes. "column": a column of its own, ``column=unseen``, that is 0 in every row of
        fit, and every level keeps its column, of two levels as well; a factorization machine that meets it counts it
        as an average level.

    Attributes
    ----------
    columns_ : sklearn.compose.ColumnTransformer
        The fitted steps.
    numeric_, categorical_ : list
        Columns taken as numbers and as labels.
    levels_ : dict
        Levels of each column of labels, as text, in the order of their columns.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        For frames.

    Examples
    --------
    >>> import pandas as pd
    >>> from intertwine.pipelines import TablePreprocessor
    >>> table = pd.DataFrame({"dose": [1.0, 3.0], "smoker": [True, False]}, index=["p1", "p2"])
    >>> TablePreprocessor().fit_transform(table)
        dose  smoker=True
    p1  -1.0          1.0
    p2   1.0          0.0
    """

    # Names follow scikit-learn's protocol; checked by `_validate_params`.
    _parameter_constraints = {  # noqa: RUF012
        "numeric": ["array-like", None],
        "categorical": ["array-like", None],
        "spline": ["boolean"],
        "n_knots": [Interval(Integral, 2, None, closed="left")],
        "sparse_output": ["boolean"],
        "unseen": [StrOptions({"zeros", "column"})],
    }

    def __init__(
        self,
        *,
        numeric: Sequence[str] | Sequence[int] | None = None,
        categorical: Sequence[str] | Sequence[int] | None = None,
        spline: bool = False,
        n_knots: int = 5,
        sparse_output: bool = False,
        unseen: str = "zeros",
    ):
        self.numeric = numeric
        self.categorical = categorical
        self.spline = spline
        self.n_knots = n_knots
        self.sparse_output = sparse_output
        self.unseen = unseen

    def fit(self, X: Any, y: Any = None) -> TablePreprocessor:
        """Learn medians, levels, knots and scales.

        Parameters
        ----------
        X : frame or array-like of shape (n, p)
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            A column both numeric and categorical; unknown columns; numeric columns that hold
            something else (text, dates).
        TypeError
            A lazy frame.
        """
        self._validate_params()
        table = read_table(X)
        numeric, categorical = _split(table, self.numeric, self.categorical)
        curved = [
            key for key in numeric if self.spline and _has_distinct_knots(table.observed(key), self.n_knots)
        ]
        straight = [key for key in numeric if key not in curved]
        levels = table.levels(categorical)
        columns = _column_transformer(
            straight, curved, self.n_knots, self._encoder(levels), categorical, self.sparse_output
        )
        columns.fit(table.with_levels(categorical))
        columns.get_feature_names_out()  # raises when two columns would come out under one name
        validate_data(self, X, reset=True, skip_check_array=True)
        self.columns_, self.numeric_, self.categorical_ = columns, numeric, categorical
        self.levels_ = levels
        return self

    def _encoder(self, levels: dict[Any, list[str]]) -> OneHotEncoder:
        own = self.unseen == "column"
        return OneHotEncoder(
            categories=[[*known, _unseen_name(known)] if own else known for known in levels.values()],
            drop=None if own else "if_binary",
            handle_unknown="error" if own else "warn",
            sparse_output=bool(self.sparse_output),
            feature_name_combiner=_level_name,
        )

    def transform(self, X: Any) -> Any:
        """Apply what was learnt.

        Parameters
        ----------
        X : frame or array-like of shape (n, p)

        Returns
        -------
        frame or ndarray of shape (n, q)

        Raises
        ------
        ValueError
            Missing columns, by name; columns of numbers that no longer are; an array of other width.
        TypeError
            An array after a frame, or a frame after an array.
        """
        check_is_fitted(self)
        table = read_table(X)
        if not hasattr(self, "feature_names_in_"):
            validate_data(self, X, reset=False, skip_check_array=True)
        elif isinstance(table, ArrayTable):
            raise TypeError("columns were chosen by name at fit; pass a frame with the same names")
        table.require([*self.numeric_, *self.categorical_], "the columns fitted include")
        _require_scalable(table, self.numeric_)
        others = {}
        if self.unseen == "column":
            others = {key: _unseen_name(known) for key, known in self.levels_.items()}
        values = self.columns_.transform(table.with_levels(self.categorical_, self.levels_, others))
        return table.output(values, self.get_feature_names_out().tolist())

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Name the columns that come out.

        Parameters
        ----------
        input_features : ignored
            For scikit-learn.

        Returns
        -------
        ndarray of str of shape (q,)
        """
        check_is_fitted(self)
        return self.columns_.get_feature_names_out()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _split(table: AbstractTable, numeric: Any, categorical: Any) -> tuple[list[Any], list[Any]]:
    """Settle which columns are numbers and which are labels; what the user says goes first."""
    said_numeric = [] if numeric is None else list(numeric)
    said_categorical = [] if categorical is None else list(categorical)
    table.require(said_numeric, "numeric asks for")
    table.require(said_categorical, "categorical asks for")
    if both := [key for key in said_numeric if key in said_categorical]:
        raise ValueError(f"{listed(both)} cannot be both numeric and categorical")
    if categorical is None:
        said_categorical = [key for key in table.categorical() if key not in said_numeric]
    if numeric is None:
        # Everything else, so that a date or an unlisted text column is refused, not dropped in silence.
        said_numeric = [key for key in table.keys if key not in said_categorical]
    _require_scalable(table, said_numeric)
    return said_numeric, said_categorical


def _require_scalable(table: AbstractTable, keys: Sequence[Any]) -> None:
    """Refuse columns without a mean and a standard deviation."""
    table.require_numbers(keys)
    numbers = {key: table.observed(key) for key in keys}
    if infinite := [key for key, values in numbers.items() if np.isinf(values).any()]:
        raise ValueError(f"X contains infinity in {listed(infinite)}; cap or drop those rows")
    if huge := [key for key, values in numbers.items() if sums_of_squares_overflow(values)]:
        raise oversized_values(listed(huge))


def _has_distinct_knots(values: NDArray[np.float64], n_knots: int) -> bool:
    return values.size > 0 and np.unique(np.quantile(values, np.linspace(0, 1, n_knots))).size == n_knots


def _column_transformer(
    straight: list[Any],
    curved: list[Any],
    n_knots: int,
    encoder: OneHotEncoder,
    categorical: list[Any],
    sparse_output: bool,
) -> ColumnTransformer:
    splines = SplineTransformer(n_knots, knots="quantile", include_bias=False, extrapolation="linear")
    columns = ColumnTransformer(
        [
            ("numeric", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), straight),
            ("spline", make_pipeline(SimpleImputer(strategy="median"), splines, StandardScaler()), curved),
            ("categorical", encoder, categorical),
        ],
        sparse_threshold=1.0 if sparse_output else 0.0,
        verbose_feature_names_out=False,
    )
    # The table puts the columns into its own container, whatever scikit-learn is set to elsewhere.
    return columns.set_output(transform="default")


def _level_name(feature: str, level: str) -> str:
    return f"{feature}={level}"


def _unseen_name(levels: Sequence[str]) -> str:
    name = UNSEEN_LEVEL
    while name in levels:
        name = f"({name})"
    return name
