"""Columns of a table as fixed effects: numbers in their own units, labels against their first level."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Self, final

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from intertwine.tables import as_level

__all__ = ["TreatmentColumns"]

_MISSING = "missing"


@final
class TreatmentColumns(TransformerMixin, BaseEstimator):
    """Numbers as they are, gaps filled with the median; a 0/1 column for every level of a label but the first.

    Parameters
    ----------
    numeric, categorical : sequence of str
        Columns taken as numbers and as labels; others are ignored.

    Attributes
    ----------
    medians_ : dict of str to float
    levels_ : dict of str to list of str
        Levels in order; the first has no column. Gaps are a level of their own.

    Examples
    --------
    >>> table = pd.DataFrame({"dose": [1.0, None, 3.0], "sex": ["f", "m", "f"]})
    >>> TreatmentColumns(["dose"], ["sex"]).fit_transform(table)
       dose  sex=m
    0   1.0    0.0
    1   2.0    1.0
    2   3.0    0.0
    """

    def __init__(self, numeric: Sequence[str] = (), categorical: Sequence[str] = ()) -> None:
        self.numeric = numeric
        self.categorical = categorical

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Learn medians and levels."""
        self.n_features_in_ = X.shape[1]
        self.medians_ = {name: float(X[name].median()) for name in self.numeric}
        self.levels_ = {name: sorted(set(_spelled(X[name]))) for name in self.categorical}
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Columns of fixed effects.

        Warns
        -----
        UserWarning
            Levels that were not in fit: they count as the first one.
        """
        columns = {name: X[name].to_numpy(dtype=float, na_value=np.nan) for name in self.numeric}
        columns = {
            name: np.where(np.isnan(values), self.medians_[name], values) for name, values in columns.items()
        }
        for name, levels in self.levels_.items():
            spelled = _spelled(X[name])
            if unknown := sorted(set(spelled) - set(levels)):
                warnings.warn(
                    f"{name!r} holds {', '.join(map(repr, unknown[:5]))}, which the model was not fitted on: those "
                    f"rows count as {levels[0]!r}",
                    UserWarning,
                    stacklevel=2,
                )
            columns |= {f"{name}={level}": (spelled == level).astype(float) for level in levels[1:]}
        return pd.DataFrame(columns, index=X.index)

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Names of the columns that come out."""
        coded = [f"{name}={level}" for name, levels in self.levels_.items() for level in levels[1:]]
        return np.array([*self.medians_, *coded], dtype=object)

    def to_state(self) -> dict[str, Any]:
        """Plain data that :meth:`from_state` makes it from."""
        return {"medians": self.medians_, "levels": self.levels_, "n_columns": self.n_features_in_}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """The fitted columns that `to_state` wrote."""
        made = cls(list(state["medians"]), list(state["levels"]))
        made.medians_, made.levels_ = dict(state["medians"]), dict(state["levels"])
        made.n_features_in_ = state["n_columns"]
        return made


def _spelled(values: pd.Series) -> Any:
    spelled = [_MISSING if gap else as_level(value) for value, gap in zip(values, values.isna(), strict=True)]
    return np.array(spelled, dtype=object)
