"""Families compared on one table: which apply, and what came out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from rich.console import Console

import intertwine
from intertwine.cli.applicable import Entrant, as_command, asks_for_visits, entrants, outcome_columns
from intertwine.cli.columns import is_number, require_column
from intertwine.cli.contest import run_contest
from intertwine.cli.held_out_rows import common_rows
from intertwine.cli.mistakes import Mistake
from intertwine.cli.plan import Plan, minutes_of, plan_words
from intertwine.cli.problem import task_for
from intertwine.cli.proposals import proposed_roles
from intertwine.cli.show import Screen
from intertwine.cli.show_comparison import show_candidates
from intertwine.cli.suspects import named_of, without_counters
from intertwine.cli.table_options import TableOptions, lists, require_models, spread
from intertwine.compare import FAMILIES, InteractionsFamily
from intertwine.compare.candidates import OTHER, Candidate, TableComparison
from intertwine.compare.contender import told_seconds
from intertwine.report.words import listed

__all__ = ["compare_families", "compare_table"]

# Options of single families that say what columns are: others read labels from them, and folds whole units.
_OF_THE_TABLE = ("groups", "coords", "subject", "user", "item")


def compare_table(
    table: pd.DataFrame,
    *,
    models: Sequence[str] = (),
    title: str = "table.csv",
    cv: int = 5,
    quick: bool = False,
    random_state: int = 0,
    n_jobs: int | None = None,
    minutes: float | None = None,
    propose: bool = True,
    **roles: Any,
) -> TableComparison:
    """Compare the families that apply to a table, and what one would use instead, on the same held-out folds.

    Parameters
    ----------
    table : DataFrame
    models : sequence of str, optional
        Names of families, as ``--model`` has them; all by default.
    title : str, default="table.csv"
        What the commands that are told call the table.
    cv : int, default=5
        Folds that are held out.
    quick : bool, default=False
        Smaller grids, and at most 20,000 rows.
    random_state : int, default=0
    n_jobs : int, optional
        Processes.
    minutes : float, optional
        What all of it may take, roughly; 60, or 10 with `quick`. Models that would take longer are left out, and named.
    propose : bool, default=True
        Look for roles that columns have unmistakably.
    **roles
        As on the command line: ``target``, ``time``, ``event``, ``groups``, ``coords``, ``user``, ``item``,
        ``subject``, ``measurements``, ``drop``, ``categorical`` and the settings of models.

    Returns
    -------
    TableComparison
        ``frame`` has a row for each model, ``fold_frame`` one for each fold, ``candidates`` the families and why they
        apply or do not; :func:`intertwine.report.write_comparison_report` makes a page of it.

    Raises
    ------
    ValueError
        For columns that do not exist, and where nothing says what is to be predicted.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> table = pd.DataFrame({"school": np.arange(60) % 12, "hours": rng.normal(size=60)})
    >>> table["mark"] = table["hours"] + table["school"] % 3 + 0.1 * rng.normal(size=60)
    >>> found = compare_table(table, target="mark", groups="school", models=["mixed-model"], cv=3, n_jobs=1)
    >>> found.frame.loc[0, ["held_out", "model"]].tolist()
    ['rows', 'mixed model']
    """
    given: dict[str, Any] = {
        name: [value] if name in lists() and isinstance(value, str) else value
        for name, value in roles.items()
    }
    plan = Plan(cv, quick, random_state, n_jobs, minutes_of(minutes, quick))
    silent = Screen(Console(quiet=True), Console(quiet=True))
    try:
        found, _ = compare_families(
            table, TableOptions(**given), silent, models=models, data=title, plan=plan, propose=propose
        )
    except Mistake as mistake:
        raise ValueError(str(mistake)) from mistake
    return found


def compare_families(
    table: pd.DataFrame,
    given: TableOptions,
    screen: Screen,
    *,
    models: Sequence[str] = (),
    data: str,
    plan: Plan,
    propose: bool = True,
    notes: Sequence[str] = (),
) -> tuple[TableComparison, list[Entrant]]:
    """Find the families that apply, show which and why, run them, and say what each of them read.

    `notes` are what was assumed when the table was read; they are told, and stand with the others in what comes out.

    Raises
    ------
    Mistake
        For names that are none, and where no family applies.
    """
    started = time.monotonic()
    table = table.rename(columns=str).reset_index(drop=True)
    require_models(models)
    given.require_taken(models or list(FAMILIES), _OF_THE_TABLE)
    _require_named(table, given)
    assumed = list(notes)
    table = without_counters(table, named_of(given.roles, given.settings), assumed)
    given = _with_outcome_of_formula(given, table)
    roles, proposals = proposed_roles(table, given) if propose else (given, [])
    for proposal in proposals:
        screen.note(f"{proposal.option} {proposal.column} was taken up: {proposal.because}")
    names = list(models) or list(FAMILIES)
    questions = _questions(table, given, roles, names)
    if "outcome" in questions:
        roles = _with_task(table, roles, screen)
    candidates: dict[str, Candidate] = {}
    posed: dict[str, tuple[pd.DataFrame, list[Entrant], list[str]]] = {}
    for question in reversed(questions):  # what the first one says of families stands
        found, told = entrants(table, roles, question, names, data)
        if not found:
            raise Mistake(_nothing_applies(told))
        candidates |= {
            one.family: one for one in told if one.family not in candidates or one.applies != OTHER
        }
        rows, left_out = common_rows(table, roles, found, plan)
        if len(rows) < len(table):
            found, told = entrants(rows, roles, question, [one.candidate.family for one in found], data)
            candidates |= {one.family: one for one in told}
            if not found:
                raise Mistake(_nothing_applies(told))
        posed[question] = (rows, found, [*(assumed if question == questions[0] else []), *left_out])
    show_candidates([candidates[name] for name in names], screen)
    contests = [
        run_contest(question, *posed[question], roles, screen, plan, len(questions)) for question in questions
    ]
    n_rows = len(posed[questions[0]][0])
    command = as_command(given, ",".join(models) or None, data, *plan_words(plan))
    facts = [("Rows", f"{n_rows:,}"), ("Columns", f"{table.shape[1]:,}")]
    facts += [("Held-out folds", str(plan.cv)), ("Seed", str(plan.seed))]
    facts += [("Took", told_seconds(time.monotonic() - started)), ("intertwine", intertwine.__version__)]
    result = TableComparison(
        data,
        facts,
        [(one.option, one.column, one.because) for one in proposals],
        [candidates[name] for name in names],
        contests,
        command,
    )
    return result, [entrant for question in questions for entrant in posed[question][1]]


def _require_named(table: pd.DataFrame, given: TableOptions) -> None:
    """Refuse names of columns that are not there."""
    named = outcome_columns(given, table) if given.target is None or given.event is None else []
    named += [name for name in (given.time, given.entry, given.user, given.item, given.subject) if name]
    for several in (
        *(given.drop, given.keep, given.categorical, given.groups, given.coords, given.covariates),
        *(given.measurements, given.smooth, given.slopes, given.user_features, given.item_features),
    ):
        named += spread(several)
    for name in named:
        require_column(table, name)


def _with_outcome_of_formula(given: TableOptions, table: pd.DataFrame) -> TableOptions:
    """The outcome of a formula is what all families are to predict."""
    if given.formula is None:
        return given
    outcome = given.formula.partition("~")[0].strip()
    if given.target is not None or given.time is not None or given.groups:
        raise Mistake("the formula names outcome, times and groups: leave out --target, --time and --groups")
    if outcome not in table.columns:
        raise Mistake(
            f"{outcome!r} is no column that every family could predict: say --model mixed-model for this formula"
        )
    return replace(given, target=outcome)


def _questions(
    table: pd.DataFrame, given: TableOptions, roles: TableOptions, models: Sequence[str]
) -> list[str]:
    """What is asked: an outcome, visits, latents of all columns; the first one decides about the families."""
    others = {"longitudinal-vae": "visits", "random-effects-pca": "latents", "random-effects-vae": "latents"}
    asked = list(dict.fromkeys(others[name] for name in models if name in others))
    if roles.target is not None or roles.event is not None:
        visits = asks_for_visits(given) and roles.subject is not None and "longitudinal-vae" in models
        return ["outcome", "visits"] if visits else ["outcome"]
    if len(asked) == 1 and all(name in others for name in models):
        return asked
    if asks_for_visits(given) or given.subject is not None:
        return ["visits"]
    if given.groups or given.coords:
        return ["latents"]
    raise Mistake(
        "say which column to predict: --target NAME, or --time NAME --event NAME for survival"
        + (
            f"; or what else is asked: --subject {roles.subject} for forecasts of visits"
            if roles.subject
            else ""
        )
        + f"; there are {listed(list(table.columns), 12)}"
    )


def _with_task(table: pd.DataFrame, roles: TableOptions, screen: Screen) -> TableOptions:
    """Whole numbers that users gave items are numbers; of other few numbers the user has to say what they are."""
    outcomes = outcome_columns(roles, table)
    if roles.event is None and len(outcomes) > 1:
        return roles
    target = None if roles.event is not None else table[outcomes[0]]
    is_rating = roles.user is not None and roles.item is not None
    if (
        target is not None
        and roles.task == "auto"
        and is_rating
        and is_number(target)
        and target.nunique() > 2
    ):
        screen.note(f"{outcomes[0]!r} was taken as numbers; --task classification would take it as classes")
        return replace(roles, task="regression")
    task = "classification" if roles.ordinal else roles.task
    time = roles.time if roles.event is not None else None
    task_for(task, None if roles.event else outcomes[0], time, roles.event, table, InteractionsFamily())
    return roles


def _nothing_applies(told: Sequence[Candidate]) -> str:
    reasons = [f"{one.family}: {one.why}" for one in told if one.applies != OTHER]
    return "no family applies. " + " ".join(dict.fromkeys(reasons))
