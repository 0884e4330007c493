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
from intertwine.compare import Comparison, LatentFactorsFamily, compare_models
from intertwine.report import Study, write_report
from intertwine.report.words import listed

__all__ = [
    "FOLDS",
    "QUICK_FOLDS",
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
    if isinstance(problem.family, LatentFactorsFamily):
        users, items = (int(problem.X[name].nunique()) for name in problem.family.columns[:2])
        screen.say(
            f"{n:,} ratings of {items:,} items by {users:,} users, {n / users / items:.2%} of all pairs; "
            f"{problem.target} from {problem.y.min():,.4g} to {problem.y.max():,.4g}"
        )
        for note in problem.notes:
            screen.note(note)
        return
    if problem.task.name == "survival":
        target = f"{int(problem.y['event'].sum()):,} events"
    elif problem.task.name == "classification":
        labels, sizes = np.unique(problem.y, return_counts=True)
        target = ", ".join(f"{size:,} {label}" for label, size in list(zip(labels, sizes, strict=True))[:6])
    else:
        target = f"from {problem.y.min():,.4g} to {problem.y.max():,.4g}"
    screen.say(f"{n:,} rows, {p:,} columns to predict from; {problem.target} ({problem.task.name}: {target})")
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
    inner = QUICK_FOLDS if quick else FOLDS
    models, preprocessor, left_out = problem.family.contest(
        problem.task, problem.shape, cv=inner, quick=quick, random_state=seed
    )
    if left_out:
        screen.note(
            f"{listed(left_out)} {'is' if len(left_out) == 1 else 'are'} left out of the comparison: "
            f"{problem.shape.n_rows:,} rows of {problem.shape.n_columns:,} columns, each level one, are too many"
        )
    with (
        screen.collecting_warnings(),
        screen.counting(f"comparing {len(models)} models", len(models) * cv) as step,
    ):
        return compare_models(
            models,
            problem.X,
            problem.y,
            problem.task,
            preprocessor=preprocessor,
            n_splits=cv,
            random_state=seed,
            n_jobs=jobs,
            on_step=lambda name, fold: step(f"{name}, fold {fold}"),
        )


def heading(model: TableModel, path: Path) -> str:
    """Title of a report on one model."""
    asked = "Who rates what how in" if isinstance(model.family, LatentFactorsFamily) else "What interacts in"
    return f"{asked} {path.name}"


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
    )


def write_studies(studies: Sequence[Study], path: Path, screen: Screen, *, title: str) -> None:
    """Write the report and say where it is."""
    if not path.resolve().parent.is_dir():
        raise Mistake(f"there is no folder {path.parent}")
    with screen.collecting_warnings(), screen.working("writing the report") as tell:
        write_report(studies, path, title=title, on_step=lambda text: tell(f"report: {text}"))
    screen.say(f"report: {path}")
