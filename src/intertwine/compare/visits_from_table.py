"""Models of subjects' visits, fed from the columns of one table: what they learn from, and what they are asked."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone

from intertwine.compare.from_table import Beside, FromTable
from intertwine.compare.treatment import TreatmentColumns

__all__ = [
    "AbstractVisitsFromTable",
    "ComponentsOfVisits",
    "LastValue",
    "MeanOfSubject",
    "ModelOfVisits",
    "VisitColumns",
    "later_visits",
]

_ROUNDS = 20  # of filling gaps from components


@final
@dataclass(frozen=True)
class VisitColumns:
    """What the columns of a table of visits are.

    Parameters
    ----------
    subject : str
    time : str, optional
    numbers, labels : tuple of str
        Covariates.
    measurements : tuple of str

    Examples
    --------
    >>> table = pd.DataFrame({"who": ["a", "a"], "week": [0, 4], "sex": ["f", "f"], "pulse": [60.0, None]})
    >>> columns = VisitColumns("who", "week", labels=("sex",), measurements=("pulse",))
    >>> sorted(columns.beside(table)), columns.values(table).ravel().tolist()
    (['covariates', 'subject', 'time'], [60.0, nan])
    """

    subject: str
    time: str | None = None
    numbers: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    measurements: tuple[str, ...] = ()

    @property
    def covariates(self) -> list[str]:
        """Numbers and labels."""
        return [*self.numbers, *self.labels]

    def beside(self, table: pd.DataFrame) -> dict[str, Any]:
        """Arguments of ``fit`` and ``predict`` that say what visits are."""
        given: dict[str, Any] = {"subject": table[self.subject].to_numpy()}
        if self.time is not None:
            given["time"] = table[self.time].to_numpy(dtype=float)
        if self.covariates:
            given["covariates"] = table[self.covariates]
        return given

    def values(self, table: pd.DataFrame) -> NDArray[np.float64]:
        """Measurements (n, p), NaN where there are none."""
        return table[list(self.measurements)].to_numpy(dtype=float, na_value=np.nan)

    def in_time(self, table: pd.DataFrame) -> pd.DataFrame:
        """Visits in their order; without times that of the table."""
        return table if self.time is None else table.sort_values(self.time, kind="stable")


def later_visits(columns: VisitColumns, table: pd.DataFrame) -> NDArray[np.bool_]:
    """Which visits are in the later half of their subject's; of an odd number the one between is not.

    Examples
    --------
    >>> table = pd.DataFrame({"who": ["a", "a", "b", "a"], "week": [3, 1, 0, 2]})
    >>> later_visits(VisitColumns("who", "week"), table).tolist()
    [True, False, False, False]
    """
    by_subject = columns.in_time(table.reset_index(drop=True)).groupby(columns.subject, sort=False)
    place, number = by_subject.cumcount(), by_subject[columns.subject].transform("size")
    return np.asarray((place >= (number + 1) // 2).sort_index())


class AbstractVisitsFromTable(BaseEstimator):
    """A model that foretells visits; of subjects that were not in the fit it is given the first ones.

    Parameters
    ----------
    columns : VisitColumns
    """

    columns: VisitColumns

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Learn from visits; `y` is their measurements again."""
        self.seen_ = X
        self.n_features_in_ = X.shape[1]
        self._learn(X)
        return self

    def predict(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Measurements at the visits that are asked about, NaN at those that are given."""
        is_known = X[self.columns.subject].isin(self.seen_[self.columns.subject]).to_numpy()
        given = np.zeros(len(X), dtype=bool)
        given[~is_known] = ~later_visits(self.columns, X[~is_known])
        hidden = X[~given].assign(**dict.fromkeys(self.columns.measurements, np.nan))
        out = np.full((len(X), len(self.columns.measurements)), np.nan)
        if len(hidden):
            out[~given] = self._foretold(X[given], hidden)
        return out

    @abc.abstractmethod
    def _learn(self, table: pd.DataFrame) -> None:
        """Learn from visits."""

    @abc.abstractmethod
    def _foretold(self, given: pd.DataFrame, asked: pd.DataFrame) -> NDArray[np.float64]:
        """Foretell visits of subjects of the fit, and of others whose first visits are given."""


@final
class ModelOfVisits(AbstractVisitsFromTable):
    """A LongitudinalVAE: subjects of the fit by what it remembers, others conditioned on what is given.

    Parameters
    ----------
    estimator : LongitudinalVAE
    columns : VisitColumns

    Attributes
    ----------
    estimator_ : LongitudinalVAE
    """

    def __init__(self, estimator: Any = None, columns: VisitColumns | None = None) -> None:
        self.estimator = estimator
        self.columns = columns  # type: ignore[assignment]  # None is for scikit-learn's clone

    def _learn(self, table: pd.DataFrame) -> None:
        measured = table[list(self.columns.measurements)].astype(float)
        self.estimator_ = clone(self.estimator).fit(measured, **self.columns.beside(table))

    def _foretold(self, given: pd.DataFrame, asked: pd.DataFrame) -> NDArray[np.float64]:
        is_new = asked[self.columns.subject].isin(given[self.columns.subject]).to_numpy()
        out = np.empty((len(asked), len(self.columns.measurements)))
        if (~is_new).any():
            out[~is_new] = self.estimator_.forecast(**self.columns.beside(asked[~is_new]))
        if is_new.any():
            measured = given[list(self.columns.measurements)].astype(float)
            subjects = self.estimator_.condition(measured, **self.columns.beside(given))
            out[is_new] = subjects.forecast(**self.columns.beside(asked[is_new]))
        return out


@final
class LastValue(AbstractVisitsFromTable):
    """The last value before the visit; without one the next, or the mean of the feature.

    Examples
    --------
    >>> table = pd.DataFrame({"who": ["a", "a", "b"], "week": [0, 1, 0], "pulse": [60.0, 70.0, 80.0]})
    >>> model = LastValue(VisitColumns("who", "week", measurements=("pulse",))).fit(table)
    >>> model.predict(pd.DataFrame({"who": ["a", "b"], "week": [0.5, 9.0], "pulse": [0.0, 0.0]})).ravel().tolist()
    [60.0, 80.0]
    """

    def __init__(self, columns: VisitColumns | None = None) -> None:
        self.columns = columns  # type: ignore[assignment]

    def _learn(self, table: pd.DataFrame) -> None:
        self.means_ = _means(self.columns.values(table))

    def _foretold(self, given: pd.DataFrame, asked: pd.DataFrame) -> NDArray[np.float64]:
        parts = [self.seen_, given, asked]
        whole = pd.concat(
            [part.assign(_row=-1) for part in parts[:2]] + [asked.assign(_row=range(len(asked)))]
        )
        whole = self.columns.in_time(whole.reset_index(drop=True))
        by_subject = whole.groupby(self.columns.subject, sort=False)[list(self.columns.measurements)]
        carried = by_subject.ffill()
        carried = carried.fillna(by_subject.bfill())
        of_asked = carried[whole["_row"] >= 0].to_numpy(dtype=float)
        out = np.empty_like(of_asked)
        out[whole["_row"][whole["_row"] >= 0].to_numpy()] = of_asked
        return np.where(np.isnan(out), self.means_, out)


@final
class MeanOfSubject(AbstractVisitsFromTable):
    """The mean of the subject's visits; of a feature that was never measured, the mean of all.

    Parameters
    ----------
    columns : VisitColumns
    of_all : bool, default=False
        The mean of all in any case.
    """

    def __init__(self, columns: VisitColumns | None = None, of_all: bool = False) -> None:
        self.columns = columns  # type: ignore[assignment]
        self.of_all = of_all

    def _learn(self, table: pd.DataFrame) -> None:
        self.means_ = _means(self.columns.values(table))

    def _foretold(self, given: pd.DataFrame, asked: pd.DataFrame) -> NDArray[np.float64]:
        names = list(self.columns.measurements)
        if self.of_all:
            return np.tile(self.means_, (len(asked), 1))
        known = pd.concat([self.seen_, given])
        means = known[names].astype(float).groupby(known[self.columns.subject].to_numpy()).mean()
        found = means.reindex(asked[self.columns.subject]).to_numpy()
        return np.where(np.isnan(found), self.means_, found)


@final
class ComponentsOfVisits(AbstractVisitsFromTable):
    """Principal components, gaps filled from them in turn, and a mixed model of each one's scores.

    Lines in time and covariates for all, and a level and a slope in time of each subject. What is given of new subjects
    joins the visits that the mixed model is fitted on.

    Parameters
    ----------
    n_components : int
    columns : VisitColumns
    """

    def __init__(self, n_components: int = 2, columns: VisitColumns | None = None) -> None:
        self.n_components = n_components
        self.columns = columns  # type: ignore[assignment]

    def _learn(self, table: pd.DataFrame) -> None:
        values = self.columns.values(table)
        self.means_ = _means(values)
        spread = np.sqrt(_means((values - self.means_) ** 2))
        self.spread_ = np.where(spread > 0, spread, 1.0)
        gaps, filled = self._scaled(table)
        rank = min(self.n_components, *filled.shape)
        for _ in range(_ROUNDS):
            self.axes_ = np.linalg.svd(filled - filled.mean(axis=0), full_matrices=False)[2][:rank]
            filled[gaps] = (filled @ self.axes_.T @ self.axes_)[gaps]
            if not gaps.any():
                break
        self.model_ = self._mixed_model(table)

    def _foretold(self, given: pd.DataFrame, asked: pd.DataFrame) -> NDArray[np.float64]:
        model = self.model_ if given.empty else self._mixed_model(pd.concat([self.seen_, given]))
        scores = np.asarray(model.predict(asked)).reshape(len(asked), -1)
        return self.means_ + scores @ self.axes_ * self.spread_

    def _scaled(self, table: pd.DataFrame) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Where gaps are, and standardised measurements, the mean in gaps."""
        scaled = (self.columns.values(table) - self.means_) / self.spread_
        return np.isnan(scaled), np.nan_to_num(scaled)

    def _mixed_model(self, table: pd.DataFrame) -> FromTable:
        from intertwine.effects import Grouped, Longitudinal
        from intertwine.estimators.mixed_model.model import MixedModel

        columns = self.columns
        gaps, filled = self._scaled(table)
        for _ in range(_ROUNDS if gaps.any() else 0):
            filled[gaps] = (filled @ self.axes_.T @ self.axes_)[gaps]
        scores = filled @ self.axes_.T
        effect = Grouped(columns.subject) if columns.time is None else Longitudinal(columns.subject)
        numbers = [name for name in (columns.time, *columns.numbers) if name is not None]
        model = FromTable(
            MixedModel([effect]),
            Beside((columns.subject,), columns.time),
            TreatmentColumns(numbers, columns.labels),
        )
        return model.fit(table, scores if scores.shape[1] > 1 else scores[:, 0])


def _means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of columns; zero where nothing is known."""
    there = ~np.isnan(values)
    return np.where(there, values, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
