"""The longer steps behind the commands: fit and report, each with its progress."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import GridSearchCV

from intertwine.cli.mistakes import Mistake
from intertwine.cli.plan import Plan
from intertwine.cli.problem import Problem
from intertwine.cli.scoring import held_out_of
from intertwine.cli.show import Screen
from intertwine.cli.table_model import TableModel
from intertwine.compare import AbstractUnitsFamily
from intertwine.compare.alike import with_inner_folds
from intertwine.compare.kept_search import KeptSearch
from intertwine.report import Study, write_report
from intertwine.report.words import count

__all__ = [
    "describe",
    "fit_problem",
    "heading",
    "study_of",
    "write_studies",
]


def describe(problem: Problem, screen: Screen) -> None:
    """Say in a line what was read, and in notes what was done to it."""
    n, p = problem.X.shape
    if problem.summary:
        screen.say(problem.summary)
        for note in problem.notes:
            screen.note(note)
        return
    if problem.task.name == "survival":
        target = count(int(problem.y["event"].sum()), "event")
    elif problem.task.name == "classification":
        labels, sizes = np.unique(problem.y, return_counts=True)
        target = ", ".join(f"{size:,} {label}" for label, size in list(zip(labels, sizes, strict=True))[:6])
    else:
        target = f"from {problem.y.min():,.4g} to {problem.y.max():,.4g}"
    screen.say(
        f"{count(n, 'row')}, {count(p, 'column')} to predict from; {problem.target} ({problem.task.name}: {target})"
    )
    for note in problem.notes:
        screen.note(note)


def fit_problem(
    problem: Problem,
    screen: Screen,
    *,
    roles: dict[str, Any],
    cv: int,
    plan: Plan,
    checkpoint: Path | None = None,
) -> TableModel:
    """Fit our estimator, which picks its hyperparameters in `cv` folds and shows how far it is."""
    family = problem.family
    inner = held_out_of(problem, plan).inner(problem.task, cv, plan.seed)
    estimator = with_inner_folds(
        family.estimator(problem.task, problem.shape, cv=inner, quick=plan.quick, random_state=plan.seed),
        np.arange(len(problem.y)),
        problem.y,
    )
    if checkpoint is not None and isinstance(estimator, GridSearchCV):
        estimator = KeptSearch(estimator)
    known = estimator.get_params()
    if checkpoint is not None and "checkpoint" not in known:
        raise Mistake(f"--checkpoint is not for --model {family.name}, which keeps no unfinished work")
    watched = {"verbose": screen.remarks.is_terminal, "checkpoint": checkpoint}
    estimator.set_params(**{name: value for name, value in watched.items() if name in known})
    try:
        with screen.collecting_warnings():
            model = TableModel.fit(problem, estimator, roles)
    except KeyboardInterrupt:
        if checkpoint is not None and checkpoint.exists():
            screen.note(f"what is done is kept in {checkpoint}; the same command goes on from there")
        raise
    for remark in family.remarks(model.estimator):
        screen.note(remark)
    of_this_run = {"verbose": False, "checkpoint": None, "cv": cv}
    known = model.estimator.get_params()
    model.estimator.set_params(**{name: value for name, value in of_this_run.items() if name in known})
    return model


def heading(model: TableModel, path: Path) -> str:
    """Title of a report on one model."""
    return f"{model.family.asks} {path.name}"


def study_of(
    model: TableModel,
    problem: Problem | None,
    *,
    title: str,
    about: str = "",
    time_unit: str | None = None,
    plan: Plan,
) -> Study:
    """A section of a report on `model`, with the rows of `problem` where there are any."""
    beside = {} if problem is None else model.preparation.beside(problem.X)
    return Study(
        model.estimator,
        None if problem is None else model.features(problem.X),
        None if problem is None else problem.y,
        title=title,
        target=model.target,
        about=about,
        time_unit=time_unit,
        comparison=model.comparison,
        notes=tuple(model.notes),
        n_bootstrap=plan.refits,
        seconds=plan.study_seconds,
        units=model.preparation.units,
        by_unit=model.by_unit,
        unit=model.family.units if isinstance(model.family, AbstractUnitsFamily) else "",
        **beside,
    )


def write_studies(studies: Sequence[Study], path: Path, screen: Screen, *, title: str) -> None:
    """Write the report and say where it is."""
    if not path.resolve().parent.is_dir():
        raise Mistake(f"there is no folder {path.parent}")
    with screen.collecting_warnings(), screen.working("writing the report") as tell:
        write_report(studies, path, title=title, on_step=lambda text: tell(f"report: {text}"))
    screen.say(f"report: {path}")
