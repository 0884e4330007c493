"""How tables of subjects' visits are read for a fitted model; their gaps filled, and further visits foretold."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from intertwine.cli.columns import is_number, refuse_dates
from intertwine.cli.id_columns import TEXT, as_kind, kind_of, refuse_gaps
from intertwine.cli.mistakes import Mistake
from intertwine.cli.preparation import AbstractPreparation, require_columns
from intertwine.cli.problem import Problem
from intertwine.cli.typos import refuse_typos
from intertwine.compare import LongitudinalFamily
from intertwine.compare.visits_from_table import VisitColumns

__all__ = ["LongitudinalPreparation", "filled_visits", "refuse_no_numbers"]


@final
class LongitudinalPreparation(AbstractPreparation):
    """The columns of a table of visits.

    Parameters
    ----------
    columns : VisitColumns
    kind : str
        Of the subjects' labels, "numbers" or "text".
    """

    def __init__(self, columns: VisitColumns, kind: str) -> None:
        self.columns = columns
        self.kind = kind

    @classmethod
    def fitted(cls, problem: Problem, estimator: Any) -> tuple[LongitudinalPreparation, Any]:
        """Fit the estimator on the problem."""
        family = problem.family
        assert isinstance(family, LongitudinalFamily)
        model = estimator.fit(problem.X)
        return cls(family.columns, kind_of(problem.X[family.columns.subject], "", [])), model.estimator_

    @classmethod
    def from_state(cls, state: dict[str, Any], family: Any) -> LongitudinalPreparation:
        """That of a model file."""
        return cls(family.columns, state["kind"])

    def to_state(self) -> dict[str, Any]:
        """What the labels of subjects are; the columns are those of the family."""
        return {"kind": self.kind}

    @property
    def units(self) -> dict[str, tuple[float, float]]:
        """None are standardised here."""
        return {}

    def features(self, table: pd.DataFrame) -> pd.DataFrame:
        """The measurements; gaps stay gaps, and columns that are not there are gaps throughout."""
        found = {}
        for name in self.columns.measurements:
            if name not in table.columns:
                found[name] = pd.Series(np.nan, index=table.index)
                continue
            refuse_typos(table[name], name)
            if not is_number(table[name]) and table[name].notna().any():
                raise Mistake(f"{name!r} holds text, where the model was fitted on numbers")
            found[name] = table[name].astype(float)
        return pd.DataFrame(found, index=table.index)

    def visits(self, table: pd.DataFrame) -> pd.DataFrame:
        """Subject, time and covariates as they were in the fit.

        Raises
        ------
        Mistake
            Columns that are absent or hold something else, times and subjects with gaps.
        """
        columns = self.columns
        require_columns(
            table, [columns.subject, *([] if columns.time is None else [columns.time]), *columns.covariates]
        )
        refuse_gaps(table[columns.subject], columns.subject, "drop those rows, or fill it in")
        found = {columns.subject: as_kind(table[columns.subject], columns.subject, self.kind)}
        for name in (*([] if columns.time is None else [columns.time]), *columns.numbers):
            if table[name].notna().any():
                refuse_no_numbers(table[name], name)
            if name == columns.time:
                refuse_gaps(table[name], name, "drop those rows, or fill it in")
            found[name] = table[name].astype(float)
        found |= {name: as_kind(table[name], name, TEXT) for name in columns.labels}
        return pd.DataFrame(found, index=table.index)

    def beside(self, table: pd.DataFrame) -> dict[str, Any]:
        """Subject, time and covariates."""
        return self.columns.beside(self.visits(table))

    def warn_of_gaps(self, table: pd.DataFrame) -> None:
        """Gaps are part of the model."""


def refuse_no_numbers(values: pd.Series, name: str) -> None:
    """Refuse a column that holds dates or text.

    Raises
    ------
    Mistake
    """
    refuse_dates(values, name)
    if not is_number(values):
        refuse_typos(values, name)
        raise Mistake(f"{name!r} holds text, where numbers are needed")


def filled_visits(
    estimator: Any, columns: VisitColumns, X: pd.DataFrame, visits: pd.DataFrame
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fill in what is missing of visits, and foretell those of which nothing was measured.

    What is known of a subject is its visits in this table that have a measurement; of a subject of the fit without any
    here, its visits in the fit.

    Parameters
    ----------
    estimator : LongitudinalVAE
    columns : VisitColumns
    X : DataFrame
        Measurements.
    visits : DataFrame
        Subject, time and covariates of the same rows.

    Returns
    -------
    mean : ndarray of shape (n, p)
        What was measured stays as it is.
    std : ndarray of shape (n, p)
        Of visits that are foretold; NaN elsewhere.
    """
    seen = X.notna().any(axis=1).to_numpy()
    is_here = visits[columns.subject].isin(visits.loc[seen, columns.subject]).to_numpy()
    mean, std = np.empty(X.shape), np.full(X.shape, np.nan)
    ahead, remembered = ~seen & is_here, ~seen & ~is_here
    if seen.any():
        subjects = estimator.condition(X[seen], known="replace", **columns.beside(visits[seen]))
        mean[seen] = subjects.impute()
        if ahead.any():
            mean[ahead], std[ahead] = subjects.forecast(return_std=True, **columns.beside(visits[ahead]))
    if remembered.any():
        given = columns.beside(visits[remembered])
        mean[remembered], std[remembered] = estimator.forecast(return_std=True, **given)
    return mean, std
