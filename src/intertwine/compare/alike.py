"""Rows that are alike: they are held out together, where models are compared and where each chooses its settings."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from intertwine.compare.base import AbstractTask, Split

__all__ = ["AbstractAlike", "Copies", "InnerFolds", "Units", "with_inner_folds"]


@dataclass(frozen=True)
class AbstractAlike(abc.ABC):
    """Rows, and which of them are alike.

    Parameters
    ----------
    codes : (n,) int array
        Rows of one code are alike.
    """

    codes: NDArray[np.intp]

    @abc.abstractmethod
    def folds(self, task: AbstractTask, y: NDArray[Any], n_splits: int, random_state: int) -> list[Split]:
        """Folds that hold out rows with all that are alike.

        Raises
        ------
        ValueError
            Where there are too few that differ, or of some class.
        """

    def taken(self, rows: NDArray[np.intp]) -> Self:
        """Some of the rows."""
        return type(self)(self.codes[rows])


@final
@dataclass(frozen=True)
class Copies(AbstractAlike):
    """Rows that repeat one another: folds are drawn among those that differ, and copies join them.

    Examples
    --------
    >>> from intertwine.compare import RegressionTask
    >>> copies = Copies.of(pd.DataFrame({"a": [0.5, 1.5, 0.5, 2.5], "b": [1, 2, 1, 3]}))
    >>> int(copies.again.sum())
    1
    >>> [np.unique(copies.codes[test]).tolist() for _, test in copies.folds(RegressionTask(), np.zeros(4), 3, 0)]
    [[2], [1], [0]]
    """

    @classmethod
    def of(cls, table: pd.DataFrame) -> Copies:
        """Of a table, where rows are copies that are the same in every column."""
        return cls(pd.factorize(pd.util.hash_pandas_object(table, index=False))[0])

    @property
    def again(self) -> NDArray[np.bool_]:
        """Rows that repeat one before them."""
        return np.asarray(pd.Series(self.codes).duplicated())

    def folds(self, task: AbstractTask, y: NDArray[Any], n_splits: int, random_state: int) -> list[Split]:
        """Draw folds among rows that differ."""
        first = ~self.again
        distinct = task.splits(y[first], n_splits, random_state)
        held_out = [np.isin(self.codes, self.codes[first][test]) for _, test in distinct]
        return [(np.flatnonzero(~test), np.flatnonzero(test)) for test in held_out]


@final
@dataclass(frozen=True)
class Units(AbstractAlike):
    """Rows of one group, subject or region.

    Examples
    --------
    >>> from intertwine.compare import RegressionTask
    >>> units = Units(np.array([0, 0, 1, 1, 2, 2]))
    >>> [np.unique(units.codes[test]).tolist() for _, test in units.folds(RegressionTask(), np.zeros(6), 3, 0)]
    [[2], [1], [0]]
    """

    def folds(self, task: AbstractTask, y: NDArray[Any], n_splits: int, random_state: int) -> list[Split]:
        """Folds of whole units, with the same share of classes or events where that can be."""
        n_units = len(np.unique(self.codes))
        if n_units < n_splits:
            raise ValueError(f"{n_units} cannot be held out in {n_splits} folds")
        choice = {"n_splits": n_splits, "shuffle": True, "random_state": random_state}
        strata = task.strata(y)
        if strata is None:
            return list(GroupKFold(**choice).split(self.codes, groups=self.codes))
        splits = list(StratifiedGroupKFold(**choice).split(self.codes, strata, groups=self.codes))
        kinds = len(np.unique(strata))
        if any(len(np.unique(strata[part])) < kinds for split in splits for part in split):
            raise ValueError("some folds would lack a class")
        return splits


@final
@dataclass(frozen=True)
class InnerFolds:
    """Folds in which a model chooses its settings, until the rows are known that it is fitted on.

    It stands where an estimator has its ``cv``; :func:`with_inner_folds` puts folds of the rows in its place.

    Parameters
    ----------
    alike : AbstractAlike
        Of all rows of the table.
    task : AbstractTask
    n_splits : int
        At most: where too few rows differ, there are fewer.
    random_state : int
    """

    alike: AbstractAlike
    task: AbstractTask
    n_splits: int
    random_state: int

    def within(self, rows: NDArray[np.intp], y: NDArray[Any]) -> list[Split]:
        """Folds of these rows of the table, whose targets are `y`, as places among them."""
        inside = self.alike.taken(rows)
        for n_splits in range(self.n_splits, 1, -1):
            try:
                return inside.folds(self.task, y, n_splits, self.random_state)
            except ValueError:  # too few that differ
                continue
        return self.task.splits(y, self.n_splits, self.random_state)


def with_inner_folds(model: Any, rows: NDArray[np.intp], y: NDArray[Any]) -> Any:
    """The model, which chooses its settings in folds of the rows it will be fitted on.

    Parameters
    ----------
    model : estimator
        Not fitted; wherever its parameters hold an :class:`InnerFolds`, folds come in its place.
    rows : (n,) int array
        Of the table, in the order in which they will be passed to ``fit``.
    y : (n,) array
        Their targets.
    """
    waiting = {
        name: value for name, value in model.get_params(deep=True).items() if isinstance(value, InnerFolds)
    }
    return model.set_params(**{name: value.within(rows, y) for name, value in waiting.items()})
