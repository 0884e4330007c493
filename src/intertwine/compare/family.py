"""What a family of models is: how it wants a table prepared, which estimator it is, and what it is compared with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import pandas as pd
from sklearn.model_selection import GridSearchCV

from intertwine.compare._tuning import spells_out_pairs
from intertwine.compare.base import AbstractTask, Inner
from intertwine.compare.kept_search import KeptSearch

__all__ = ["AbstractFamily", "Contest", "Shape"]


class Shape(NamedTuple):
    """What of a table decides how it can be fitted.

    Attributes
    ----------
    n_rows : int
    numeric, categorical : list of str
        Columns taken as numbers and as labels.
    n_columns : int
        Of numbers and of levels, each level a column.
    """

    n_rows: int
    numeric: Sequence[str]
    categorical: Sequence[str]
    n_columns: int

    @classmethod
    def of(cls, X: pd.DataFrame, numeric: Sequence[str], categorical: Sequence[str]) -> Shape:
        """That of a table as it stands in a file."""
        levels = sum(int(X[name].nunique(dropna=False)) for name in categorical)
        return cls(len(X), list(numeric), list(categorical), len(numeric) + levels)

    @property
    def wide(self) -> bool:
        """Whether products of columns cannot be columns of their own."""
        return not spells_out_pairs(self.n_columns)


class Contest(NamedTuple):
    """Models to compare, the one under study first.

    Attributes
    ----------
    models : dict of str to estimator
    preprocessor : transformer or None
        In front of every model; None where each brings its own.
    left_out : list of str
        Names of the models that could not hold the table.
    """

    models: dict[str, Any]
    preprocessor: Any
    left_out: list[str]


class AbstractFamily(ABC):
    """One kind of model.

    Attributes
    ----------
    name : str
        What ``--model`` calls it.
    title : str
        What tables call it.
    asks : str
        What a report on it asks, in front of the name of the table.
    tasks : tuple of str
        Names of the tasks it can do.
    most_levels : int or None
        Levels that a column of labels may have; None: as many as leave several rows for each.
    unseen : str
        What a level unseen at fit counts as.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    asks: ClassVar[str]
    tasks: ClassVar[tuple[str, ...]]
    most_levels: ClassVar[int | None]
    unseen: ClassVar[str]

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Arguments that make it again."""

    @abstractmethod
    def preprocessor(self, shape: Shape) -> Any:
        """Build what turns the table into features."""

    @abstractmethod
    def estimator(
        self, task: AbstractTask, shape: Shape, *, cv: Inner, quick: bool, random_state: int
    ) -> Any:
        """Build the estimator, which picks its hyperparameters in `cv` folds where it picks any."""

    @abstractmethod
    def contest(
        self, task: AbstractTask, shape: Shape, *, cv: Inner, quick: bool, random_state: int
    ) -> Contest:
        """Collect the estimator and what one would use instead."""

    @abstractmethod
    def remarks(self, fitted: Any) -> list[str]:
        """What a user who sees no report should hear of a fitted estimator."""

    def chosen(self, fitted: Any) -> Any:
        """The model that a fitted estimator is about: the one that its search picked, or itself."""
        return fitted.best_estimator_ if isinstance(fitted, GridSearchCV | KeptSearch) else fitted
