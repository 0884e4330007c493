"""The longer steps behind the commands: fit, compare, report, each with its progress."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from intertwine.cli.mistakes import Mistake
from intertwine.cli.problem import Problem
from intertwine.cli.show import Screen
from intertwine.cli.table_model import TableModel
from intertwine.compare import AbstractUnitsFamily, Comparison, compare_models
from intertwine.compare.family import Contest
from intertwine.report import Study, write_report
from intertwine.report.words import count, listed

__all__ = [
    "FOLDS",
    "QUICK_FOLDS",
    "compare_by_unit",
    "compare_problem",
    "describe",
    "fit_problem",
    "heading",
    "study_of",
    "write_studies",
]

# Folds in which a model chooses its settings.
FOLDS, QUICK_FOLDS = 5, 3


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
    quick: bool,
    seed: int,
    checkpoint: Path | None = None,
) -> TableModel:
    """Fit our estimator, which picks its hyperparameters by cross-validation and shows how far it is."""
    family = problem.family
    estimator = family.estimator(problem.task, problem.shape, cv=cv, quick=quick, random_state=seed)
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
    # of this run, not of the model
    model.estimator.set_params(
        **{name: value for name, value in {"verbose": False, "checkpoint": None}.items() if name in known}
    )
    return model


def compare_problem(
    problem: Problem, screen: Screen, *, cv: int, quick: bool, seed: int, jobs: int | None = None
) -> Comparison:
    """Nested cross-validation against the baselines, with the preprocessing fitted inside each training part."""
    contest = _contest(problem, quick, seed)
    if contest.left_out:
        verb = "is" if len(contest.left_out) == 1 else "are"
        screen.note(
            f"{listed(contest.left_out)} {verb} left out of the comparison: "
            f"{problem.shape.n_rows:,} rows of {problem.shape.n_columns:,} columns, each level one, are too many"
        )
    return _compared(problem, contest, screen, "", n_splits=cv, random_state=seed, n_jobs=jobs)


def compare_by_unit(
    problem: Problem, screen: Screen, *, cv: int, quick: bool, seed: int, jobs: int | None = None
) -> Comparison | None:
    """The same with whole groups, or regions, held out; None for families that know of none, or where they are few."""
    family = problem.family
    if not isinstance(family, AbstractUnitsFamily):
        return None
    try:
        splits = family.splits_by_unit(problem.X, cv, seed)
    except ValueError as error:
        screen.note(str(error))
        return None
    on = f" on new {family.units}"
    contest = _contest(problem, quick, seed)
    try:
        return _compared(problem, contest, screen, on, splits=splits, random_state=seed, n_jobs=jobs)
    except ValueError as error:  # what is left may not do for a fit, where one unit has most of the rows
        screen.note(f"no scores{on}: without some of them a model could not be fitted ({error})")
        return None


def _contest(problem: Problem, quick: bool, seed: int) -> Contest:
    inner = QUICK_FOLDS if quick else FOLDS
    return problem.family.contest(problem.task, problem.shape, cv=inner, quick=quick, random_state=seed)


def _compared(problem: Problem, contest: Contest, screen: Screen, on: str, **how: Any) -> Comparison:
    n_folds = len(how["splits"]) if "splits" in how else how["n_splits"]
    models = contest.models
    with (
        screen.collecting_warnings(),
        screen.counting(f"comparing {count(len(models), 'model')}{on}", len(models) * n_folds) as step,
    ):
        return compare_models(
            models,
            problem.X,
            problem.y,
            problem.task,
            preprocessor=contest.preprocessor,
            on_step=lambda name, fold: step(f"{name}, fold {fold}"),
            **how,
        )


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
    n_bootstrap: int = 30,
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
        n_bootstrap=n_bootstrap,
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
