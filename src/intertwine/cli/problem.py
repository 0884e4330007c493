"""From a table and the columns named on the command line to features, target and task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from intertwine.cli.columns import (
    complete_rows,
    is_number,
    numbers_of,
    refuse_as_dates,
    refuse_dates,
    require_column,
    spelled,
)
from intertwine.cli.events import notes_on_censoring, split_event, times_and_events
from intertwine.cli.mistakes import Mistake, did_you_mean, quoted
from intertwine.cli.typos import holds_written_dates, refuse_typos
from intertwine.compare import (
    FAMILIES,
    AbstractFamily,
    AbstractTask,
    ClassificationTask,
    ForecastTask,
    ReconstructionTask,
    RegressionTask,
    Shape,
    SurvivalTask,
)
from intertwine.report.words import count
from intertwine.validation import sums_of_squares_overflow

__all__ = ["NO_ROLES", "TASKS", "Problem", "features_of", "pose", "task_for"]

_ALL = (RegressionTask(), ClassificationTask(), SurvivalTask(), ReconstructionTask(), ForecastTask())
TASKS: dict[str, AbstractTask] = {task.name: task for task in _ALL}

#: What `pose` takes of columns of which nothing is said.
NO_ROLES: dict[str, Any] = {
    "target": None,
    "time": None,
    "event": None,
    "entry": None,
    "task": "auto",
    "drop": [],
    "categorical": [],
}

_MOST_LEVELS = 50
_LEAST_ROWS_A_LEVEL = 2


@dataclass
class Problem:
    """Features, target and task.

    Attributes
    ----------
    X : DataFrame
        Features as they stand in the file.
    y : array
    task : AbstractTask
    target : str
        What the target is called.
    numeric, categorical : list of str
        Columns taken as numbers and as labels.
    notes : list of str
        What was left out or replaced on the way.
    family : AbstractFamily
        What is to be fitted.
    summary : str
        The table in a line, where it takes other words than rows and columns.
    """

    X: pd.DataFrame
    y: NDArray[Any]
    task: AbstractTask
    target: str
    numeric: list[str]
    categorical: list[str]
    family: AbstractFamily
    notes: list[str] = field(default_factory=list)
    summary: str = ""

    @property
    def shape(self) -> Shape:
        """Size of the table, in what decides how it can be fitted."""
        return Shape.of(self.X, self.numeric, self.categorical)


def pose(table: pd.DataFrame, *, roles: dict[str, Any], family: AbstractFamily) -> Problem:
    """Pick the target and the features out of `table`, as `family` can hold them.

    Parameters
    ----------
    table : DataFrame
    roles : dict
        What columns are: ``target``, ``time``, ``event``, ``entry``, ``task``, ``drop``, ``categorical``.
    family : AbstractFamily

    Raises
    ------
    Mistake
        For columns that do not exist, targets that do not suit the task, and columns that cannot be features.
    """
    table = table.rename(columns=str).reset_index(drop=True)
    target, time, event, entry = (roles[name] for name in ("target", "time", "event", "entry"))
    drop, categorical = roles["drop"], roles["categorical"]
    event_column, event_value = split_event(event)
    for name in (*drop, *categorical, *(n for n in (target, time, event_column, entry) if n is not None)):
        require_column(table, name)
    named = [name for name in (target, time, event_column, entry) if name is not None]
    if both := [name for name in drop if name in named]:
        raise Mistake(
            f"{both[0]!r} is dropped, but --target, --time, --event or --entry names it; choose one"
        )
    notes: list[str] = []
    ordered = bool(family.settings().get("ordinal"))
    chosen = task_for(
        "classification" if ordered else roles["task"], target, time, event_column, table, family
    )
    if chosen.name not in family.tasks:
        raise Mistake(f"--model {family.name} is for {' and '.join(family.tasks)}, not for {chosen.name}")
    if chosen.name == "survival":
        table = complete_rows(table, [n for n in (time, event_column, entry) if n is not None], notes)
        y = times_and_events(table, str(time), str(event_column), event_value, entry)
        notes += notes_on_censoring(table[str(event_column)], str(event_column), event_value)
    else:
        table = complete_rows(table, [str(target)], notes)
        y = _target(table[str(target)], chosen, str(target), ordered)
    X = features_of(table.drop(columns=[*named, *drop]), categorical, notes, family)
    labels = [name for name in X.columns if name in categorical or not is_number(X[name])]
    called = str(target) if chosen.name != "survival" else str(event)
    numbers = [name for name in X.columns if name not in labels]
    return Problem(X, y, chosen, called, numbers, labels, family, notes)


def task_for(
    task: str,
    target: str | None,
    time: str | None,
    event: str | None,
    table: pd.DataFrame,
    family: AbstractFamily,
) -> AbstractTask:
    """The task that roles and target make.

    Raises
    ------
    Mistake
        For roles that make none, and targets that leave open which it is.
    """
    if task not in ("auto", *TASKS):
        raise Mistake(f"no task {task!r}; {did_you_mean(task, ['auto', *TASKS])}")
    if time is not None or event is not None or task == "survival":
        if time is None or event is None:
            raise Mistake("survival needs both --time and --event")
        if target is not None:
            raise Mistake(
                "say --target for regression and classification, or --time and --event for survival, not both"
            )
        if task not in ("auto", "survival"):
            raise Mistake(f"--time and --event make this a survival task, not {task}")
        return TASKS["survival"]
    if target is None:
        raise Mistake("say which column to predict: --target NAME, or --time NAME --event NAME for survival")
    if task != "auto":
        return TASKS[task]
    values = table[target].dropna()
    if values.empty:
        raise Mistake(f"{target!r} is missing in every row: there is nothing to predict")
    levels = values.nunique()
    if levels == 1:
        raise Mistake(f"{target!r} is {values.iloc[0]} in every row: there is nothing to predict")
    refuse_typos(values, target, _if_few(values, "say --task classification"))
    if not is_number(values) or levels == 2:
        return TASKS["classification"]
    if levels <= 10 and bool((values == values.round()).all()):
        ordinal = ", or --ordinal" if "ordinal" in family.settings() else ""
        raise Mistake(
            f"{target!r} holds {levels} different whole numbers: say --task classification or --task regression"
            + ordinal
        )
    return TASKS["regression"]


def _target(values: pd.Series, task: AbstractTask, name: str, ordered: bool) -> NDArray[Any]:
    if task.name == "regression":
        return numbers_of(values, name, ", or --task classification")
    counts = spelled(values).value_counts()
    if counts.size < 2:
        raise Mistake(f"{name!r} is {counts.index[0]!r} in every row: there is nothing to tell apart")
    if counts.size > _MOST_LEVELS:
        raise Mistake(f"{name!r} has {counts.size} different values: is it a number for --task regression?")
    if counts.min() < 3:
        raise Mistake(
            f"{name!r}: class {counts.index[-1]!r} has {count(int(counts.min()), 'row')}; "
            "cross-validation needs at least 3 of each"
        )
    if ordered and not is_number(values):
        raise Mistake(f"{name!r} holds text, whose order is not known; --ordinal needs numbers")
    return values.to_numpy() if ordered else spelled(values).to_numpy(dtype=object).astype(str)


def features_of(
    X: pd.DataFrame, categorical: Sequence[str], notes: list[str], family: AbstractFamily
) -> pd.DataFrame:
    """Columns that `family` can predict from, and notes on those that it cannot, and on gaps.

    Raises
    ------
    Mistake
        For dates, infinite values, typing errors, and labels of too many levels.
    """
    if X.shape[1] == 0:
        raise Mistake("no columns are left to predict from")
    empty = [name for name in X.columns if X[name].isna().all()]
    if empty:
        notes.append(f"Columns without any value were left out: {', '.join(empty)}.")
        X = X.drop(columns=empty)
    for name in X.columns:
        values = X[name]
        refuse_dates(values, name)
        if name not in categorical:
            as_labels = f"treat it as labels with --categorical {quoted(name)}"
            refuse_typos(values, name, _if_few(values, as_labels))
            if holds_written_dates(values):
                refuse_as_dates(name, _if_few(values, f", or {as_labels}"))
        if name in categorical or not is_number(values):
            _refuse_levels(values, name, family)
    numbers = {name: X[name].to_numpy(float, na_value=np.nan) for name in X.columns if is_number(X[name])}
    infinite = [name for name, values in numbers.items() if np.isinf(values).any()]
    if infinite:
        raise Mistake(f"infinite values in {', '.join(infinite)}")
    huge = [name for name, values in numbers.items() if sums_of_squares_overflow(values)]
    if huge:
        raise Mistake(f"values too large to compute with in {', '.join(huge)}: give them in a larger unit")
    gaps = [f"{name} ({int(n)})" for name, n in X.isna().sum().items() if n]
    if gaps:
        notes.append(
            "Missing values were replaced, by the median of a number and by a level of its own of a "
            f"label: {', '.join(gaps[:12])}" + (f" and {len(gaps) - 12} more." if len(gaps) > 12 else ".")
        )
    return X


def _refuse_levels(values: pd.Series, name: str, family: AbstractFamily) -> None:
    """Refuse more labels than the family can hold, or than leave rows to learn from."""
    levels, rows = values.nunique(), len(values)
    told = f"{name!r} has {levels} different labels in {rows} rows"
    if family.most_levels is None:
        if levels > _MOST_LEVELS and _LEAST_ROWS_A_LEVEL * levels > rows:
            raise Mistake(f"{told}, too few for each; leave it out with --drop {quoted(name)}")
    elif levels > family.most_levels:
        kinds = [other.name for other in FAMILIES.values() if other.most_levels is None]
        other = f", or take --model {kinds[0]}" if _LEAST_ROWS_A_LEVEL * levels <= rows else ""
        raise Mistake(f"{told}; leave it out with --drop {quoted(name)}{other}")


def _if_few(values: pd.Series, advice: str) -> str:
    """Give `advice` to treat a column as labels only where that many labels would do."""
    return advice if values.nunique() <= _MOST_LEVELS else ""
