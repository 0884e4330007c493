"""Estimators that read groups, time and coordinates beside their features, fed from the columns of one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone

from intertwine.compare.treatment import TreatmentColumns

__all__ = ["Beside", "FromTable"]


@final
@dataclass(frozen=True)
class Beside:
    """Which columns of a table go beside the features.

    Parameters
    ----------
    groups, coords : tuple of str
    time : str, optional

    Examples
    --------
    >>> table = pd.DataFrame({"day": [1.0, 2.0], "who": ["a", "b"]})
    >>> sorted(Beside(("who",), time="day").of(table))
    ['groups', 'time']
    """

    groups: tuple[str, ...] = ()
    time: str | None = None
    coords: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """All of them, each once."""
        return list(dict.fromkeys([*self.groups, *([self.time] if self.time else []), *self.coords]))

    def of(self, table: pd.DataFrame) -> dict[str, Any]:
        """Arguments of ``fit`` and ``predict``."""
        given: dict[str, Any] = {}
        if self.groups:
            given["groups"] = table[list(self.groups)]
        if self.time:
            given["time"] = table[self.time].to_numpy(dtype=float)
        if self.coords:
            given["coords"] = table[list(self.coords)].astype(float)
        return given


@final
class FromTable(RegressorMixin, BaseEstimator):
    """A mixed model that finds fixed effects, groups, time and coordinates in the columns of one table.

    Parameters
    ----------
    estimator : estimator
        Whose ``fit`` and ``predict`` take ``groups``, ``time`` and ``coords``.
    beside : Beside
    columns : TreatmentColumns or None
        Of fixed effects; None gives the table as it is, for an estimator with a formula.

    Attributes
    ----------
    estimator_ : estimator
    columns_ : TreatmentColumns or None
    """

    gives_std = True

    def __init__(
        self, estimator: Any = None, beside: Beside | None = None, columns: TreatmentColumns | None = None
    ) -> None:
        self.estimator = estimator
        self.beside = beside
        self.columns = columns

    def fit(self, X: pd.DataFrame, y: Any) -> Self:
        """Fit the estimator."""
        self.columns_ = None if self.columns is None else clone(self.columns).fit(X)
        self.estimator_ = clone(self.estimator).fit(self._features(X), y, **self._beside(X))
        self.n_features_in_ = X.shape[1]
        return self

    def predict(
        self, X: pd.DataFrame, return_std: bool = False
    ) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What the estimator predicts of the rows, with what is known of their groups."""
        return self.estimator_.predict(self._features(X), return_std=return_std, **self._beside(X))

    def _features(self, X: pd.DataFrame) -> pd.DataFrame | None:
        if self.columns_ is None:
            return X
        found = self.columns_.transform(X)
        return found if found.shape[1] else None

    def _beside(self, X: pd.DataFrame) -> dict[str, Any]:
        return (self.beside or Beside()).of(X)
