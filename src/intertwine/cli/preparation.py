"""From a table as it stands in a file to what an estimator reads, and what is said of it on the way."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import Any, Self, final

import pandas as pd

from intertwine.cli.columns import is_number, rows_of
from intertwine.cli.mistakes import Mistake
from intertwine.cli.preprocessing_state import preprocessor_from_state, preprocessor_to_state, standard_units
from intertwine.cli.problem import Problem
from intertwine.cli.typos import refuse_typos
from intertwine.compare import AbstractFamily
from intertwine.pipelines import TablePreprocessor
from intertwine.tables import as_level

__all__ = ["AbstractPreparation", "TablePreparation", "require_columns"]


class AbstractPreparation(ABC):
    """How tables are read for one fitted model."""

    @classmethod
    @abstractmethod
    def fitted(cls, problem: Problem, estimator: Any) -> tuple[Self, Any]:
        """Fit `estimator`, which its family may have wrapped in a search, on the problem; how to read other tables."""

    @classmethod
    @abstractmethod
    def from_state(cls, state: dict[str, Any], family: AbstractFamily) -> Self:
        """That of a model file."""

    @abstractmethod
    def features(self, table: pd.DataFrame) -> Any:
        """What the estimator saw, of a table as it stands in a file.

        Raises
        ------
        Mistake
            For columns that are absent, or hold other things than those of the fit.
        """

    @abstractmethod
    def beside(self, table: pd.DataFrame) -> dict[str, Any]:
        """Groups, times and coordinates that ``predict`` takes beside the features, by name."""

    @abstractmethod
    def warn_of_gaps(self, table: pd.DataFrame) -> None:
        """Say which missing values are replaced, and by what."""

    @property
    @abstractmethod
    def units(self) -> dict[str, tuple[float, float]]:
        """Mean and standard deviation of the columns that are standardised."""

    @abstractmethod
    def to_state(self) -> dict[str, Any]:
        """Plain data that it can be made from again."""


@final
class TablePreparation(AbstractPreparation):
    """A fitted preprocessor of numbers and labels.

    Parameters
    ----------
    preprocessor : TablePreprocessor
    unseen : str
        What a level unseen at fit counts as.
    """

    def __init__(self, preprocessor: TablePreprocessor, unseen: str) -> None:
        self.preprocessor = preprocessor
        self.unseen = unseen

    @classmethod
    def fitted(cls, problem: Problem, estimator: Any) -> tuple[TablePreparation, Any]:
        """Fit the preprocessor of the family, and the estimator on what comes out."""
        family = problem.family
        preprocessor = family.preprocessor(problem.shape)
        X = preprocessor.fit_transform(problem.X)
        return cls(preprocessor, family.unseen), family.chosen(estimator.fit(X, problem.y))

    @classmethod
    def from_state(cls, state: dict[str, Any], family: AbstractFamily) -> TablePreparation:
        """That of a model file."""
        return cls(preprocessor_from_state(state), family.unseen)

    def beside(self, table: pd.DataFrame) -> dict[str, Any]:
        """Nothing."""
        return {}

    def to_state(self) -> dict[str, Any]:
        """Medians, means and scales of numbers, levels of labels."""
        return preprocessor_to_state(self.preprocessor)

    @property
    def units(self) -> dict[str, tuple[float, float]]:
        """Of the numbers."""
        return standard_units(self.preprocessor)

    def features(self, table: pd.DataFrame) -> Any:
        """Columns of the preprocessor; levels that are new are told by name."""
        wanted = [*self.preprocessor.numeric_, *self.preprocessor.categorical_]
        require_columns(table, wanted)
        for name in self.preprocessor.numeric_:
            refuse_typos(table[name], name)
            if not is_number(table[name]):
                text = table[name].dropna()
                if len(text) and not pd.api.types.is_bool_dtype(text):
                    raise Mistake(
                        f"{name!r} holds {str(text.iloc[0])!r} in {rows_of(text.index[:1])}, where the model was "
                        "fitted on numbers"
                    )
        for name, levels in self.preprocessor.levels_.items():
            unknown = sorted({as_level(level) for level in table[name].dropna()} - set(levels))
            if unknown:
                counts = f"those rows count as {self.unseen}"
                warnings.warn(f"{_unseen(name, unknown)}: {counts}", stacklevel=2)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Found unknown categories")  # said above, by name
            return self.preprocessor.transform(table[wanted])

    def warn_of_gaps(self, table: pd.DataFrame) -> None:
        """Of numbers and labels."""
        levels = self.preprocessor.levels_
        missing = {name: int(table[name].isna().sum()) for name in [*self.preprocessor.numeric_, *levels]}
        for by, names in {
            "the median of the rows that the model was fitted on": self.preprocessor.numeric_,
            "a level of its own": [name for name in levels if "missing" in levels[name]],
            self.unseen: [name for name in levels if "missing" not in levels[name]],
        }.items():
            gaps = [f"{name} ({missing[name]})" for name in names if missing[name]]
            if gaps:
                warnings.warn(f"missing values count as {by}: {', '.join(gaps[:12])}", stacklevel=3)


def require_columns(table: pd.DataFrame, wanted: list[str]) -> None:
    """Refuse a table without columns that a model needs.

    Raises
    ------
    Mistake
    """
    absent = [name for name in wanted if name not in table.columns]
    if absent:
        raise Mistake(f"the table lacks {', '.join(map(repr, absent[:12]))}, which the model was fitted on")


def _unseen(name: str, levels: list[str]) -> str:
    shown = ", ".join(map(repr, levels[:5])) + (" and others" if len(levels) > 5 else "")
    return f"{name!r} holds {shown}, which the model was not fitted on"
