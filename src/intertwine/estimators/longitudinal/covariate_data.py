"""From covariates, subjects and time as users pass them to the visits that a latent mixed model reads.

Labels stay here: effects and the engine see codes. A subject that was not in the fit is numbered behind those that
were, for it can be met without fitting again.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.by_subject import AbstractSubjectEffect
from intertwine.effects.covariate import AbstractCovariateEffect, Covariates
from intertwine.effects.random import GroupCodes
from intertwine.estimators.effect_rows.group_labels import GroupColumn, GroupTable, missing_labels
from intertwine.estimators.longitudinal.covariate_columns import (
    CovariateColumns,
    categories_of,
    codes_of,
    covariate_table,
    numbers_of,
)
from intertwine.fitting.latent_factors.rating_ids import IdIndex
from intertwine.validation.caller import depth_of_caller
from intertwine.validation.ratings import id_values
from intertwine.validation.rows import check_same_rows
from intertwine.validation.values import require_workable
from intertwine.validation.vectors import finite_numbers
from intertwine.validation.wording import counted, listed, rows_where

__all__ = ["TIME", "CovariateData", "CovariateInputs", "Visits", "time_of"]

TIME = "time"  # what effects call the argument of that name


class CovariateInputs(NamedTuple):
    """What a user passes beside X, with what it must be as long as.

    Attributes
    ----------
    rows : object
        X as the user passed it.
    n_rows : int
    covariates, subject, time : object
    rows_name : str
        What messages call ``rows``.
    """

    rows: Any
    n_rows: int
    covariates: Any = None
    subject: Any = None
    time: Any = None
    rows_name: str = "X"


class Visits(NamedTuple):
    """Rows as effects read them.

    Attributes
    ----------
    columns : Covariates
    subject : ndarray of int, shape (n,)
        Those of the fit by their code there, others behind them in their order.
    n_known : int
        Subjects of the fit.
    new_labels : tuple
        Of the others; None of a row without a label, which is of a subject of its own.
    """

    columns: Covariates
    subject: NDArray[np.int64]
    n_known: int
    new_labels: tuple[Any, ...]

    @property
    def n_subjects(self) -> int:
        return self.n_known + len(self.new_labels)

    @property
    def is_new(self) -> NDArray[np.bool_]:
        """Rows of subjects that were not in the fit, (n,)."""
        return self.subject >= self.n_known

    def compact(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The subjects that have rows here, by their codes, and each row's number among them."""
        present, number = np.unique(self.subject, return_inverse=True)
        return present, number.astype(np.int64)


@final
class CovariateData:
    """What was learnt of covariates and subjects in fit: names, categories, labels.

    Parameters
    ----------
    columns : CovariateColumns
    numbers : tuple
        Keys that are read as numbers.
    categories : tuple of (key, GroupColumn)
    subjects : IdIndex or None
        None where no effect is of each subject.
    reads_time : bool
        Whether ``time=`` was given, and read.

    Examples
    --------
    >>> from intertwine.effects import BySubject, Categorical, Smooth
    >>> effects = [Smooth("age"), Categorical("sex"), BySubject()]
    >>> inputs = CovariateInputs([[0.0]] * 3, 3, {"age": [61, 48, 49], "sex": ["f", "m", None]}, ["ann", "bob", "bob"])
    >>> data, visits = CovariateData.read(effects, inputs)
    >>> visits.columns.categories["sex"].codes, visits.subject
    (array([ 0,  1, -1]), array([0, 1, 1]))
    >>> new = data.visits(inputs._replace(subject=["bob", "cleo", "bob"]))
    >>> new.subject, new.new_labels
    (array([1, 2, 1]), ('cleo',))
    """

    def __init__(
        self,
        columns: CovariateColumns,
        numbers: tuple[Any, ...],
        categories: tuple[tuple[Any, GroupColumn], ...],
        subjects: IdIndex | None,
        reads_time: bool,
    ) -> None:
        self.columns, self.numbers, self.categories = columns, numbers, categories
        self.subjects, self.reads_time = subjects, reads_time

    @classmethod
    def read(
        cls, effects: Sequence[AbstractCovariateEffect], inputs: CovariateInputs
    ) -> tuple[CovariateData, Visits]:
        """Learn the categories and the subjects of a fit's rows.

        Parameters
        ----------
        effects : sequence of AbstractCovariateEffect
        inputs : CovariateInputs

        Raises
        ------
        ValueError
            Something that an effect reads was not passed, has another length, or holds what it must not.
        TypeError
            1 and '1' mixed; dates for numbers.

        Warns
        -----
        UserWarning
            Something was passed that no effect reads; a time that repeats within a subject.
        """
        numbers = tuple(dict.fromkeys(key for effect in effects for key in effect.number_keys))
        labels = tuple(dict.fromkeys(key for effect in effects for key in effect.category_keys))
        by_subject = any(isinstance(effect, AbstractSubjectEffect) for effect in effects)
        table = _table(inputs)
        reads_time = inputs.time is not None and TIME in numbers
        if reads_time and table is not None and TIME in (table.names or ()):
            raise ValueError("time is given twice: as time= and as a column of covariates; leave one out")
        keys = [key for key in dict.fromkeys([*numbers, *labels]) if not (reads_time and key == TIME)]
        if TIME in keys and inputs.time is None and (table is None or TIME not in (table.names or ())):
            raise ValueError(
                f"an effect reads time: pass time=, a number for each of the {inputs.n_rows} rows"
            )
        columns = CovariateColumns.of(keys, table)
        if by_subject and inputs.subject is None:
            raise ValueError(
                f"BySubject needs subject: pass subject=, the label of a subject for each of the {inputs.n_rows} rows"
            )
        _warn_of_unread(inputs, bool(columns.positions), by_subject, reads_time)
        categories = tuple(
            (key, categories_of(columns.values(key, table), key, columns.names is not None))
            for key in labels
            if table is not None
        )
        subjects = _learn_subjects(inputs) if by_subject else None
        data = cls(columns, numbers, categories, subjects, reads_time)
        visits = data.visits(inputs)
        if reads_time and by_subject:
            _warn_of_replicates(visits)
        return data, visits

    def visits(self, inputs: CovariateInputs, unseen: str = "warn") -> Visits:
        """Read other rows.

        Parameters
        ----------
        inputs : CovariateInputs
        unseen : {"warn", "raise", "ignore"}
            What becomes of categories that were not in fit; their effect is zero.

        Raises
        ------
        ValueError, TypeError

        Warns
        -----
        UserWarning
            With the categories that were not seen.
        """
        table = _table(inputs)
        self.columns.check(table)
        numbers, known = {}, dict(self.columns.positions)
        for key in self.numbers:
            if key in known and table is not None:
                numbers[key] = numbers_of(self.columns.values(key, table), key)
            else:
                numbers[key] = self._time(inputs, table)
        categories = {
            key: GroupCodes(codes_of(column, self.columns.values(key, table), unseen), len(column.ids))
            for key, column in self.categories
            if table is not None
        }
        subject, n_known, new = self._subjects(inputs)
        return Visits(Covariates(inputs.n_rows, numbers, categories), subject, n_known, new)

    def _time(self, inputs: CovariateInputs, table: GroupTable | None) -> NDArray[np.float64]:
        if inputs.time is not None:
            return time_of(inputs)
        if table is not None and table.names is not None and TIME in table.names:
            return numbers_of(table.values(table.names.index(TIME)), TIME)
        raise ValueError(
            f"time was given in fit and is needed here: pass time=, a number for each of the {inputs.n_rows} rows"
        )

    def _subjects(self, inputs: CovariateInputs) -> tuple[NDArray[np.int64], int, tuple[Any, ...]]:
        if self.subjects is None:  # visits are independent of each other, given what all share
            return np.arange(inputs.n_rows, dtype=np.int64), 0, (None,) * inputs.n_rows
        if inputs.subject is None:
            raise ValueError(
                "subject was given in fit and is needed here: pass subject=, the label of a subject for each of the "
                f"{inputs.n_rows} rows; labels that were not in fit are new subjects"
            )
        values = _subject_values(inputs)
        without = missing_labels(values)
        n_known = len(self.subjects)
        subject = np.empty(len(values), dtype=np.int64)
        new: tuple[Any, ...] = ()
        if not without.all():
            grown, codes = self.subjects.extended(id_values(values[~without], "subject"))
            subject[~without] = codes
            new = tuple(grown.labels[n_known:].tolist())
        n_without = int(without.sum())
        subject[without] = n_known + len(new) + np.arange(n_without)
        return subject, n_known, (*new, *[None] * n_without)

    @property
    def subject_labels(self) -> NDArray[Any]:
        """Of the subjects of the fit, by code; none where no effect is of subjects."""
        return np.empty(0, dtype=object) if self.subjects is None else self.subjects.labels

    def category_labels(self, key: Any) -> NDArray[Any]:
        """Of the categories of a covariate, by code."""
        return dict(self.categories)[key].ids.labels

    def check_observed(self, visits: Visits, observed: NDArray[np.bool_]) -> None:
        """Refuse subjects of a fit all of whose visits have nothing observed.

        Parameters
        ----------
        visits : Visits
            Of the fit.
        observed : ndarray of bool, shape (n,)
            Whether a row has any observed entry.

        Raises
        ------
        ValueError
            With the labels.
        """
        if self.subjects is None:
            return
        seen = np.bincount(visits.subject[observed], minlength=visits.n_known)
        if (idle := seen == 0).any():
            raise ValueError(
                f"nothing is observed of {counted(int(idle.sum()), 'subject', 'subjects')}: "
                f"{listed(self.subject_labels[idle])}; drop their rows"
            )

    def to_state(self) -> dict[str, Any]:
        """What a file holds of it: arrays, numbers and text."""
        return {
            "columns": self.columns.to_state(),
            "numbers": list(self.numbers),
            "categories": [[key, column.to_state()] for key, column in self.categories],
            "subjects": None if self.subjects is None else self.subjects.labels,
            "reads_time": self.reads_time,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> CovariateData:
        """The data that `to_state` wrote."""
        labels = state["subjects"]
        return cls(
            CovariateColumns.from_state(state["columns"]),
            tuple(state["numbers"]),
            tuple((key, GroupColumn.from_state(column)) for key, column in state["categories"]),
            None if labels is None else IdIndex(labels, "subject"),
            state["reads_time"],
        )


def time_of(inputs: CovariateInputs) -> NDArray[np.float64]:
    """The argument ``time``: a finite number for each row.

    Raises
    ------
    ValueError
        Another length, text, NaN, infinity, values too large.
    TypeError
        Dates.
    """
    check_same_rows(**{inputs.rows_name: inputs.rows, "time": inputs.time})
    array = np.asarray(inputs.time)
    column = array.ndim == 2 and array.shape[1] == 1
    time = finite_numbers(array[:, 0] if column else inputs.time, "time")
    require_workable(time, "time")
    return time


def _table(inputs: CovariateInputs) -> GroupTable | None:
    if inputs.covariates is None:
        return None
    return covariate_table(inputs.covariates, inputs.rows, inputs.rows_name)


def _subject_values(inputs: CovariateInputs) -> NDArray[Any]:
    table = GroupTable(inputs.subject, inputs.rows, inputs.rows_name, "subject")
    if len(table) != 1:
        raise ValueError(f"subject has {len(table)} columns, expected one: a label for each row")
    return table.values(0)


def _learn_subjects(inputs: CovariateInputs) -> IdIndex:
    values = _subject_values(inputs)
    if (missing := missing_labels(values)).any():
        labels = counted(int(missing.sum()), "missing label", "missing labels")
        raise ValueError(
            f"subject has {labels} (NaN), in {rows_where(missing)}: drop those rows, or give them a label of their own"
        )
    return IdIndex.of(id_values(values, "subject"), "subject")[0]


def _warn_of_unread(inputs: CovariateInputs, columns: bool, by_subject: bool, reads_time: bool) -> None:
    read = {"covariates": columns, "subject": by_subject, "time": reads_time}
    for name, is_read in read.items():
        if getattr(inputs, name) is not None and not is_read:
            warnings.warn(
                f"{name} is given, but no effect reads it; see effects=",
                UserWarning,
                stacklevel=depth_of_caller(),
            )


def _warn_of_replicates(visits: Visits) -> None:
    """Tell of times that repeat within a subject: such visits are replicates, and their difference is noise."""
    time = visits.columns.numbers[TIME]
    order = np.lexsort([time, visits.subject])
    again = (np.diff(visits.subject[order]) == 0) & (np.diff(time[order]) == 0.0)
    if again.any():
        repeated = np.zeros(len(time), dtype=bool)
        repeated[order[1:][again]] = True
        rows_repeat = counted(int(again.sum()), "row repeats", "rows repeat")
        warnings.warn(
            f"{rows_repeat} a time of the same subject, e.g. {rows_where(repeated)}: they count as replicates",
            UserWarning,
            stacklevel=depth_of_caller(),
        )
