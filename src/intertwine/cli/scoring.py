"""Models scored on rows held out, by one clock: those of one family around its model, or those of all families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from intertwine.cli.held_out_rows import HeldOut, by_row, by_unit
from intertwine.cli.plan import Plan
from intertwine.cli.problem import Problem
from intertwine.cli.show import Screen
from intertwine.compare import AbstractTask, Comparison
from intertwine.compare.contender import Contender
from intertwine.compare.race import rank_models
from intertwine.compare.ranking import Ranking
from intertwine.report.words import count, listed

__all__ = ["Scores", "held_out_of", "ranked", "score_problem"]


@dataclass(frozen=True)
class Scores:
    """How the model of a problem stands beside what one would use instead.

    Attributes
    ----------
    on_rows, on_units : Comparison or None
        The model first; None where it has no scores, or there are no units.
    notes : list of str
        What is to be said of it.
    """

    on_rows: Comparison | None
    on_units: Comparison | None
    notes: list[str]


def ranked(
    models: Sequence[Contender],
    y: NDArray[Any],
    task: AbstractTask,
    held: HeldOut,
    screen: Screen,
    plan: Plan,
    seconds: float,
    about: str = "",
) -> Ranking:
    """Score models on what is held out, and show how far that is; `about` is the one that the others are there for."""
    on = f" on new {held.units}" if held.units else ""
    with screen.counting(
        f"comparing {count(len(models), 'model')}{on}", len(models) * len(held.splits)
    ) as step:
        return rank_models(
            models,
            y,
            task,
            held.splits,
            n_jobs=plan.jobs,
            seconds=seconds,
            about=about,
            on_step=lambda name, fold: step(f"{name}, fold {fold}"),
        )


def held_out_of(problem: Problem, plan: Plan) -> HeldOut:
    """Folds of the rows of a problem, copies together."""
    y = problem.y
    if problem.task.name == "forecast":
        return by_row(None, y, problem.task, plan.cv, plan.seed)
    parts = [y[name] for name in y.dtype.names] if y.dtype.names else list(y.reshape(len(y), -1).T)
    targets = pd.DataFrame({f"{problem.target}, target {i}": part for i, part in enumerate(parts)})
    read = pd.concat([problem.X.reset_index(drop=True), targets], axis=1)
    return by_row(read, y, problem.task, plan.cv, plan.seed)


def score_problem(problem: Problem, screen: Screen, plan: Plan) -> Scores:
    """Score the model of a problem and its baselines on the same folds of rows, and of whole units where it has such.

    A baseline that fails, or that the time is too short for, is named in the comparison; where it is the model itself,
    there are no scores, and a note says so.
    """
    rows, units = held_out_of(problem, plan), by_unit(problem, plan)
    n_folds = len(rows.splits) + len(units.splits)
    notes = [held.told for held in (rows, units) if held.told]
    left_out = _contest(problem, rows, plan).left_out
    if left_out:
        notes.append(
            f"{listed(left_out)} {'is' if len(left_out) == 1 else 'are'} left out of the comparison: "
            f"{problem.shape.n_rows:,} rows of {problem.shape.n_columns:,} columns, each level one, are too many."
        )
    for note in notes:
        screen.note(note)
    found: list[Comparison | None] = []
    given_up: set[str] = set()
    for held in (rows, units):
        if not held.splits:
            found.append(None)
            continue
        contest = _contest(problem, held, plan)
        first = next(iter(contest.models))
        models = [
            Contender(name, model, problem.X, contest.preprocessor, family=name if name == first else "")
            for name, model in contest.models.items()
            if name not in given_up
        ]
        if first in given_up:
            found.append(None)
            continue
        share = len(held.splits) / n_folds
        ranking = ranked(models, problem.y, problem.task, held, screen, plan, plan.seconds * share, first)
        given_up |= set(ranking.given_up)
        found.append(_about(ranking, first, held, notes, screen))
    return Scores(found[0], found[1], notes)


def _contest(problem: Problem, held: HeldOut, plan: Plan) -> Any:
    inner = held.inner(problem.task, plan.inner, plan.seed)
    return problem.family.contest(
        problem.task, problem.shape, cv=inner, quick=plan.quick, random_state=plan.seed
    )


def _about(
    ranking: Ranking, first: str, held: HeldOut, notes: list[str], screen: Screen
) -> Comparison | None:
    """The scores with the model first, and said what is not among them."""
    if first not in ranking.names:
        on = f" on new {held.units}" if held.units else ""
        notes.append(
            f"{first} has no scores{on}, and nothing was compared with it: {ranking.why_out(first)}."
        )
        screen.note(notes[-1])
        return None
    for text in ranking.said.get(first, ()) if not held.units else ():
        screen.note(f"{first}: {text}")
    comparison = ranking.about(first)
    for name, why in comparison.out.items():
        screen.note(f"{name} has no scores: {why}")
    return comparison
