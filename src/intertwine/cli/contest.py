"""One question put to all models that there is time for, on the same folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from joblib import effective_n_jobs
from numpy.typing import NDArray
from sklearn.dummy import DummyRegressor

from intertwine.cli.applicable import Entrant
from intertwine.cli.held_out_rows import HeldOut, cautions_of, row_splits, unit_splits
from intertwine.cli.mistakes import Mistake
from intertwine.cli.plan import Plan
from intertwine.cli.scoring import ranked
from intertwine.cli.show import Screen
from intertwine.cli.show_comparison import show_contested
from intertwine.cli.table_options import TableOptions
from intertwine.compare.base import OURS
from intertwine.compare.candidates import Contested
from intertwine.compare.contender import Contender, in_words, told_seconds
from intertwine.compare.pilot import estimate_seconds
from intertwine.report.words import count, listed

__all__ = ["run_contest"]

_ENTRIES_WITHOUT_PILOT = 60_000  # of a table, each level a column
_PILOT_SHARE = 5  # of the time that is allowed, the longest fits on parts take one in so many
_OVERALL_MEAN = "overall mean"
# Whose baselines see most of the table come first: two of one name are the same kind of model.
_SEEING = ("mixed-model", "fm", "local-fm", "latent-factors", "interactions")


def run_contest(
    question: str,
    rows: pd.DataFrame,
    found: Sequence[Entrant],
    notes: list[str],
    roles: TableOptions,
    screen: Screen,
    plan: Plan,
    n_questions: int,
) -> Contested:
    """Run the models that there is time for on rows held out, and on units."""
    first = found[0].problem
    y, task = first.y, first.task
    held, units = (make(question, rows, roles, found, plan) for make in (row_splits, unit_splits))
    contenders, left_out, failed = _contenders(found, held, plan)
    fits = len(held.splits) + len(units.splits)
    allowed = plan.seconds / n_questions
    skipped: dict[str, str] = {}
    if max(one.problem.shape.n_rows * one.problem.shape.n_columns for one in found) > _ENTRIES_WITHOUT_PILOT:
        n_train = len(held.splits[0][0])
        contenders, skipped = _affordable(contenders, y, task, fits, n_train, allowed, screen, plan)
    for name, why in skipped.items():
        screen.note(f"{name} is left out: {why}")
    left_out = [name for name in left_out if name not in {*skipped, *(one.name for one in contenders)}]
    notes = [*notes, *(note for entrant in found for note in entrant.notes)]
    notes += list(dict.fromkeys(n for entrant in found for n in entrant.problem.notes))
    if left_out:
        notes.append(f"The table is too large for {listed(left_out)}.")
    notes += [note for note in (held.told, units.told) if note]
    for note in notes:
        screen.note(note)

    on_rows = ranked(contenders, y, task, held, screen, plan, allowed * len(held.splits) / fits)
    on_units = None
    if units.splits:
        quick = {one.name for one in contenders} - set(on_rows.given_up)
        again = [one for one in _contenders(found, units, plan)[0] if one.name in quick]
        seconds = allowed * len(units.splits) / fits
        on_units = ranked(again, y, task, units, screen, plan, seconds) if again else None
    on_rows = replace(on_rows, failed={**failed, **on_rows.failed})
    asks = _asks(question, found[0], roles)
    cautions = cautions_of(rows, y, roles, on_units, units.units, question)
    contested = Contested(asks, on_rows, on_units, units.units, skipped, notes, cautions)
    show_contested(contested, screen)
    return contested


def _contenders(
    found: Sequence[Entrant], held: HeldOut, plan: Plan
) -> tuple[list[Contender], list[str], dict[str, str]]:
    """Models of the families, and each baseline once, from the family whose baselines see most of the table.

    Also the names of those that could not hold the table, and families that could not be built, with their errors.
    """
    inner = held.inner(found[0].problem.task, plan.inner, plan.seed)
    own: dict[str, Contender] = {}
    others: dict[str, Contender] = {}
    left_out: list[str] = []
    failed: dict[str, str] = {}
    rank = {name: i for i, name in enumerate(_SEEING)}
    for entrant in sorted(found, key=lambda one: rank.get(one.candidate.family, 0)):
        problem, family = entrant.problem, entrant.candidate.family
        try:
            contest = problem.family.contest(
                problem.task, problem.shape, cv=inner, quick=plan.quick, random_state=plan.seed
            )
        except Exception as error:  # such as an extra that is not installed
            failed[entrant.candidate.title] = in_words(error)
            continue
        left_out += contest.left_out
        for i, (name, model) in enumerate(contest.models.items()):
            contender = Contender(
                entrant.candidate.title if i == 0 else name,
                model,
                problem.X,
                contest.preprocessor,
                family if i == 0 else "",
            )
            (own if i == 0 else others).setdefault(contender.name, contender)
    first = found[0].problem
    if first.task.name == "regression" and np.ndim(first.y) == 1:
        others.setdefault(
            _OVERALL_MEAN, Contender(_OVERALL_MEAN, DummyRegressor(), first.X[[first.X.columns[0]]])
        )
    if not own:
        raise Mistake(" ".join(f"{name} failed: {why}" for name, why in failed.items()))
    order = [one.candidate.title for one in found if one.candidate.title in own]
    rivals = {name: one for name, one in others.items() if name not in own and name != OURS}
    return [own[name] for name in order] + list(rivals.values()), list(dict.fromkeys(left_out)), failed


def _affordable(
    contenders: list[Contender],
    y: NDArray[Any],
    task: Any,
    fits: int,
    n_train: int,
    allowed: float,
    screen: Screen,
    plan: Plan,
) -> tuple[list[Contender], dict[str, str]]:
    """Models that there is time for, the quick ones first, as fits on parts of a large table foretell."""
    with screen.counting("estimating how long it will take", len(contenders)) as step:
        seconds = estimate_seconds(
            contenders,
            y,
            task,
            n_train,
            patience=allowed / (_PILOT_SHARE * len(contenders)),
            random_state=plan.seed,
            n_jobs=plan.jobs,
            on_step=step,
        )
    jobs = max(int(effective_n_jobs(plan.jobs)), 1)
    spent, skipped = 0.0, {}
    for name in sorted(seconds, key=seconds.__getitem__):
        cost = seconds[name] * fits / jobs
        spent += cost
        if spent > allowed:
            skipped[name] = _too_slow(seconds[name], fits, n_train, plan, spent / allowed)
    if len(skipped) == len(contenders):
        raise Mistake(f"no model can be compared in {plan.told_minutes}: {next(iter(skipped.values()))}")
    return [one for one in contenders if one.name not in skipped], skipped


def _too_slow(seconds: float, fits: int, n_train: int, plan: Plan, times: float) -> str:
    """Why a model is left out, where all together would take `times` the time that they may."""
    all_may = f"{plan.told_minutes} that all may take"
    if np.isinf(seconds):
        return f"a fit on a few hundred rows had not ended in its part of the {all_may}"
    wanted = int(np.ceil(plan.minutes * times / 10) * 10)
    return (
        f"about {told_seconds(seconds)} for each of {fits} fits, on {n_train:,} rows: more than the {all_may}; "
        f"--minutes {wanted} would include it"
    )


def _asks(question: str, entrant: Entrant, roles: TableOptions) -> str:
    problem = entrant.problem
    if question == "outcome":
        kind = {"regression": "a number", "classification": "classes", "survival": "time to an event"}
        return f"{problem.target}, {kind[problem.task.name]}"
    if question == "visits":
        return f"later visits of each {roles.subject}"
    return f"{count(problem.y.shape[1], 'column')} from a few latents"
