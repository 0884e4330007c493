"""Which rows all families read, and which are held out: by row, or whole units together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from intertwine.cli.applicable import Entrant, groups_of, outcome_columns
from intertwine.cli.columns import is_number, left_out
from intertwine.cli.mixed_table import named_in
from intertwine.cli.plan import Plan
from intertwine.cli.problem import Problem
from intertwine.cli.table_options import TableOptions, spread
from intertwine.compare import AbstractUnitsFamily
from intertwine.compare.alike import AbstractAlike, Copies, InnerFolds, Units
from intertwine.compare.base import AbstractTask, Split
from intertwine.report.words import count, listed

__all__ = ["HeldOut", "by_row", "by_unit", "cautions_of", "common_rows", "row_splits", "unit_splits"]

_QUICK_ROWS = 20_000
_FEW_ROWS = 100
_MOSTLY = 0.95
_MANY_VALUES = 50


def common_rows(
    table: pd.DataFrame, roles: TableOptions, found: Sequence[Entrant], plan: Plan
) -> tuple[pd.DataFrame, list[str]]:
    """Rows that every family reads, so that the folds are the same for all; with `quick` some of very many."""
    notes = []
    names = outcome_columns(roles, table) if len(outcome_columns(roles, table)) == 1 or roles.event else []
    for entrant in found:
        names += spread(entrant.options.groups) + spread(entrant.options.coords)
        names += [n for n in (entrant.options.time, entrant.options.subject) if n is not None]
        if entrant.options.formula is not None:
            names += named_in(entrant.options.formula, table.columns)
    names = list(dict.fromkeys(name for name in names if name in table.columns))
    known = table[names].notna().all(axis=1)
    rows = table[known].reset_index(drop=True)
    if len(rows) < len(table):
        notes.append(left_out(len(table) - len(rows), len(table), f"one of {listed(names)}"))
    if plan.quick and len(rows) > _QUICK_ROWS:
        unit = next((name for name in groups_of(roles)), None)
        rows = _drawn(rows, unit, plan.seed)
        whole = f", all rows of {rows[unit].nunique():,} levels of {unit}" if unit else ""
        notes.append(f"Quick: {len(rows):,} of {int(known.sum()):,} rows, drawn at random{whole}.")
    return rows, notes


def _drawn(table: pd.DataFrame, unit: str | None, seed: int) -> pd.DataFrame:
    """Whole units drawn until there are enough rows; without units, rows."""
    rng = np.random.default_rng(seed)
    if unit is None:
        return table.iloc[np.sort(rng.permutation(len(table))[:_QUICK_ROWS])].reset_index(drop=True)
    codes, levels = pd.factorize(table[unit])
    order = rng.permutation(len(levels))
    enough = np.cumsum(np.bincount(codes)[order]) <= _QUICK_ROWS
    drawn = order[: max(int(enough.sum()), 2)]
    return table[np.isin(codes, drawn)].reset_index(drop=True)


@dataclass(frozen=True)
class HeldOut:
    """What is held out.

    Attributes
    ----------
    splits : list of (train, test)
        Rows of each fold; none where nothing can be held out.
    alike : AbstractAlike or None
        Which rows are held out together.
    units : str
        What these are called, where they are units: "levels of Subject".
    told : str
        What is to be said of it.
    """

    splits: list[Split]
    alike: AbstractAlike | None = None
    units: str = ""
    told: str = ""

    def inner(self, task: AbstractTask, n_splits: int, random_state: int) -> int | InnerFolds:
        """Folds in which models choose their settings: what is held out together there is so here, too."""
        return n_splits if self.alike is None else InnerFolds(self.alike, task, n_splits, random_state)


def row_splits(
    question: str, rows: pd.DataFrame, roles: TableOptions, found: Sequence[Entrant], plan: Plan
) -> HeldOut:
    """Folds of rows of a table for one question."""
    y, task = found[0].problem.y, found[0].problem.task
    read = rows.drop(columns=[name for name in spread(roles.drop) if name in rows.columns])
    return by_row(read if question != "visits" else None, y, task, plan.cv, plan.seed)


def by_row(
    read: pd.DataFrame | None, y: NDArray[Any], task: AbstractTask, n_splits: int, random_state: int
) -> HeldOut:
    """Folds of rows, with rows that repeat another one in the same fold as that.

    Where a table has labels of few levels alone, rows are alike by chance, and each is one of its own.

    Parameters
    ----------
    read : DataFrame or None
        What rows are told apart by, the target among it; None where rows are no copies, as visits are not.
    y : array
    task : AbstractTask
    n_splits, random_state : int
    """
    splits = task.splits(y, n_splits, random_state)
    if read is None:
        return HeldOut(splits)
    copies = Copies.of(read)
    n = int(copies.again.sum())
    if n == 0:
        return HeldOut(splits)
    told = f"{count(n, 'row')} {'repeats another one' if n == 1 else 'repeat other ones'} in every column"
    if not any(_is_fine(read[name]) for name in read.columns):
        told += ", as may be where columns have few values: each was taken as one of its own."
        return HeldOut(splits, told=told)
    try:
        splits = copies.folds(task, y, n_splits, random_state)
    except ValueError as error:
        told += f", and may stand in another fold than what they repeat: without them, {error}."
        return HeldOut(splits, told=told)
    told += (
        ": they were held out together, there and where models choose their settings, or models would have been "
        "fitted on rows of the test."
    )
    return HeldOut(splits, copies, told=told)


def _is_fine(values: pd.Series) -> bool:
    """Whether a column has so many values that rows are hardly ever alike in it by chance."""
    return _is_broken(values) or int(values.nunique()) > _MANY_VALUES


def _is_broken(values: pd.Series) -> bool:
    if not is_number(values):
        return False
    known = values.dropna().to_numpy(float)
    return not np.array_equal(known, np.round(known))


def unit_splits(
    question: str, rows: pd.DataFrame, roles: TableOptions, found: Sequence[Entrant], plan: Plan
) -> HeldOut:
    """Folds that hold out whole units; none where there are no units, or too few."""
    if question == "outcome" and roles.subject is None and not roles.groups:
        placed = [one for one in found if one.candidate.family == "mixed-model" and roles.coords]
        if not placed or roles.user is not None:
            return HeldOut([])
        found = placed
    elif question == "outcome":
        name = spread(roles.groups)[0] if roles.groups else str(roles.subject)
        return _of_levels(rows[name], found[0].problem.y, found[0].problem.task, name, plan)
    if question == "latents" and not roles.groups and not roles.coords:
        return HeldOut([])
    return by_unit(found[0].problem, plan)


def by_unit(problem: Problem, plan: Plan) -> HeldOut:
    """Folds that hold out whole units of a problem's family; none where it knows of none, or of too few."""
    family = problem.family
    if not isinstance(family, AbstractUnitsFamily):
        return HeldOut([])
    try:
        units = family.units_in(problem.X, plan.cv, plan.seed)
        splits = units.folds(problem.task, problem.y, plan.cv, plan.seed)
    except ValueError as error:
        return HeldOut([], told=str(error))
    return HeldOut(splits, units, family.units)


def _of_levels(labels: pd.Series, y: NDArray[Any], task: AbstractTask, name: str, plan: Plan) -> HeldOut:
    """Folds of whole levels, with the same share of classes or events where that can be."""
    called, units = f"levels of {name}", Units(pd.factorize(labels)[0])
    n_units = len(np.unique(units.codes))
    if n_units < plan.cv:
        return HeldOut([], told=f"{n_units} {called} cannot be held out in {plan.cv} folds")
    try:
        return HeldOut(units.folds(task, y, plan.cv, plan.seed), units, called)
    except ValueError:
        return HeldOut([], told=f"some folds of new {called} would lack a class, so none were held out")


def cautions_of(
    rows: pd.DataFrame, y: NDArray[Any], roles: TableOptions, on_units: Any, units: str, question: str
) -> list[str]:
    """What to be careful about when scores are read."""
    told = []
    if on_units is not None and question == "outcome":
        told.append(
            f"Two questions: folds by row ask about further rows of known {units}, the others about new ones. "
            "A model may be the best at one and not at the other."
        )
        name = spread(roles.groups)[0] if roles.groups else roles.subject
        if name is not None and np.ndim(y) == 1:
            outcome = pd.Series(y["time"] if y.dtype.names else y)
            constant = (outcome.groupby(rows[name].to_numpy()).nunique() <= 1).mean()
            if constant > _MOSTLY:
                told.append(
                    f"The target hardly ever changes within a level of {name}: by row, a model need only recognise "
                    "whose row it is. Go by the folds that hold out whole levels."
                )
    if len(rows) < _FEW_ROWS:
        told.append(
            f"{count(len(rows), 'row')} are few: scores of folds vary much, and differences are rarely clear."
        )
    return told
