"""Which families can answer what is asked of a table, each with its reason, its options and its problem."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import pandas as pd

from intertwine.cli.columns import is_number
from intertwine.cli.events import split_event
from intertwine.cli.mistakes import Mistake, one_line
from intertwine.cli.preparations import pose_table
from intertwine.cli.problem import Problem
from intertwine.cli.table_options import TableOptions, setting_of, spread
from intertwine.compare import FAMILIES, AbstractFamily
from intertwine.compare.candidates import APPLIES, NO, OTHER, Candidate
from intertwine.report.words import count, listed

__all__ = ["Entrant", "as_command", "asks_for_visits", "entrants", "groups_of", "outcome_columns", "title_of"]

_OF_FEATURES = ("interactions", "fm", "local-fm")
_OF_ROWS = ("random-effects-pca", "random-effects-vae")
_OF_VISITS = ("longitudinal-vae",)
_LEVELS_OF_COLUMNS = 50
_LEAST_ROWS_A_LEVEL = 2
# What families with another question do not do.
_LACKS = {
    "outcome": "explains no single outcome",
    "visits": "foretells no visits",
    "latents": "looks for no latents of single rows",
}


@dataclass(frozen=True)
class Entrant:
    """A family that applies, with its own reading of the table.

    Attributes
    ----------
    candidate : Candidate
    options : TableOptions
        Those that it has of what was given.
    problem : Problem
    notes : list of str
        What it does not see.
    """

    candidate: Candidate
    options: TableOptions
    problem: Problem
    notes: list[str]


def entrants(
    table: pd.DataFrame, roles: TableOptions, question: str, models: Sequence[str], data: str
) -> tuple[list[Entrant], list[Candidate]]:
    """The families that answer a question, and of all families whether and why.

    Parameters
    ----------
    table : DataFrame
    roles : TableOptions
        What was given and what is unmistakable.
    question : {"outcome", "visits", "latents"}
    models : sequence of str
        Names of families to look at.
    data : str
        What commands call the table.
    """
    found: list[Entrant] = []
    told: list[Candidate] = []
    answering = {"outcome": (*_OF_FEATURES, "latent-factors", "mixed-model"), "visits": _OF_VISITS}.get(
        question, _OF_ROWS
    )
    for name in models:
        family = FAMILIES[name]
        if name not in answering:
            told.append(_of_another_question(name, table, roles, question, data))
            continue
        if reason := _hindrance(family, table, roles):
            told.append(Candidate(name, title_of(family), NO, reason))
            continue
        options, notes = options_for(name, table, roles)
        try:
            with one_line():
                problem = pose_table(table, options.roles, options.family(name))
        except Mistake as mistake:
            told.append(Candidate(name, title_of(family), NO, _sentence(str(mistake))))
            continue
        columns = [*problem.numeric, *problem.categorical]
        if name in _OF_FEATURES and len(columns) < 2:
            why = f"It needs two columns at least, and can read {listed(columns)} alone."
            told.append(Candidate(name, title_of(family), NO, why))
            continue
        candidate = Candidate(
            name, title_of(family), APPLIES, _reason(problem), as_command(options, name, data)
        )
        told.append(candidate)
        found.append(Entrant(candidate, options, problem, notes))
    return found, told


def asks_for_visits(roles: TableOptions) -> bool:
    """Whether options speak of measurements at visits beside a target, so that both are asked."""
    return bool(roles.measurements or roles.covariates or roles.smooth or roles.slopes)


def title_of(family: type[AbstractFamily]) -> str:
    """What a table of several families calls one of them."""
    return "interactions" if family.name == "interactions" else family.title


def options_for(name: str, table: pd.DataFrame, roles: TableOptions) -> tuple[TableOptions, list[str]]:
    """What of the options a family takes, ids as labels, and notes on columns that it cannot see."""
    known = FAMILIES[name]().settings()
    # roles that a family finds itself, and what others call settings
    settings: dict[str, Any] = {
        one.name: one.default
        for one in fields(TableOptions)
        if setting_of(one.name) not in known and not roles.is_role(one.name)
    }
    options = replace(roles, **settings)
    notes: list[str] = []
    if name in _OF_FEATURES:
        options, notes = _of_features(name, table, roles, options)
    elif name == "latent-factors":
        columns = [roles.user, roles.item, *spread(roles.user_features), *spread(roles.item_features)]
        idle = [n for n in spread(roles.drop) if n not in columns]
        options = replace(options, time=None, event=None, entry=None, categorical=None, drop=idle or None)
    elif name == "mixed-model":
        options = _of_groups(table, roles, options)
        if roles.formula is not None:
            options = replace(
                options, target=None, time=None, groups=None, drop=None, task="auto", categorical=None
            )
    elif name in _OF_ROWS:
        options = replace(_of_groups(table, roles, options), target=None, categorical=None, task="auto")
        options = replace(options, event=None, entry=None)
    else:  # the time of survival is not that of visits
        time = None if roles.event is not None else roles.time
        options = replace(options, target=None, task="auto", event=None, entry=None, time=time)
    return options, notes


def groups_of(roles: TableOptions) -> list[str]:
    """Columns whose levels share something: named ones, or subjects, or who rated and what."""
    if roles.groups:
        return spread(roles.groups)
    if roles.subject is not None:
        return [roles.subject]
    return [name for name in (roles.user, roles.item) if name is not None]


def _of_groups(table: pd.DataFrame, roles: TableOptions, options: TableOptions) -> TableOptions:
    """Options of families with random effects; labels that are too many for fixed effects are left out."""
    groups = groups_of(roles)
    timed = roles.time if groups and roles.event is None else None
    named = {*groups, *spread(roles.coords), *spread(roles.drop), timed}
    named |= set(outcome_columns(roles, table))
    many = [
        name
        for name in table.columns
        if name not in named
        and (not is_number(table[name]) or name in spread(roles.categorical))
        and table[name].nunique() > _LEVELS_OF_COLUMNS
    ]
    labels = [name for name in spread(roles.categorical) if name not in (*groups, *many)]
    return replace(
        options,
        groups=groups or None,
        time=timed,
        drop=[*spread(roles.drop), *many] or None,
        categorical=labels or None,
    )


def _of_features(
    name: str, table: pd.DataFrame, roles: TableOptions, options: TableOptions
) -> tuple[TableOptions, list[str]]:
    """Options of families that predict from columns: ids are labels, and those with too many levels are not seen."""
    ids = [*spread(roles.groups), *(n for n in (roles.subject, roles.user, roles.item) if n is not None)]
    dropped = spread(roles.drop)
    roled = {*dropped, *outcome_columns(roles, table)}
    labels = [
        n for n in dict.fromkeys([*spread(roles.categorical), *ids]) if n not in roled and n in table.columns
    ]
    text = [n for n in table.columns if n not in roled and not is_number(table[n]) and n not in labels]
    most = FAMILIES[name].most_levels
    many = [n for n in (*labels, *text) if _too_many(table[n], most)]
    notes = []
    if many:
        told = listed([f"{n} ({table[n].nunique():,} levels)" for n in many])
        notes.append(f"{title_of(FAMILIES[name])} does not see {told}: too many for columns of their own.")
    return (
        replace(
            options,
            time=roles.time if roles.event is not None else None,
            drop=[*dropped, *many] or None,
            categorical=[n for n in labels if n not in many and is_number(table[n])] or None,
        ),
        notes,
    )


def _too_many(values: pd.Series, most: int | None) -> bool:
    levels = int(values.nunique())
    if most is None:
        return levels > _LEVELS_OF_COLUMNS and _LEAST_ROWS_A_LEVEL * levels > len(values)
    return levels > most


def outcome_columns(roles: TableOptions, table: pd.DataFrame) -> list[str]:
    """Columns that are to be explained."""
    names = []
    if roles.event is not None:
        column, _ = split_event(roles.event)
        names += [str(column), *(n for n in (roles.time, roles.entry) if n is not None)]
    if roles.target is not None:
        names += (
            [roles.target]
            if roles.target in table.columns
            else [n.strip() for n in roles.target.split(",") if n.strip()]
        )
    return names


def _hindrance(family: type[AbstractFamily], table: pd.DataFrame, roles: TableOptions) -> str:
    """Why a family cannot answer, as far as the roles tell; nothing where they do not."""
    name = family.name
    if name in _OF_VISITS:
        return "" if roles.subject else "No column says whose visits the rows are (--subject NAME)."
    if name in _OF_ROWS:
        return ""
    if roles.event is not None and "survival" not in family.tasks:
        return "It has no model of survival times."
    if name == "latent-factors" and roles.user is None and roles.item is None:
        return "No columns say who rated what (--user NAME --item NAME)."
    if name == "mixed-model" and not (groups_of(roles) or roles.coords or roles.formula):
        return "No column says what rows share: groups (--groups NAME) or places (--coords LAT,LON)."
    outcomes = outcome_columns(roles, table)
    if roles.event is None and len(outcomes) > 1 and name != "mixed-model":
        return f"It predicts one outcome, and {listed(outcomes)} are asked for."
    target = table[outcomes[0]] if len(outcomes) == 1 and outcomes[0] in table.columns else None
    if name in ("latent-factors", "mixed-model") and target is not None:
        if roles.task == "classification" or roles.ordinal:
            return "It predicts numbers, and classes are asked for."
        if not is_number(target) and pd.to_numeric(target, errors="coerce").notna().mean() < 0.5:
            return f"It predicts numbers, and {outcomes[0]} holds classes."
        if roles.task == "auto" and target.nunique() == 2:
            return f"It predicts numbers, and {outcomes[0]} holds two classes."
    return ""


def _of_another_question(
    name: str, table: pd.DataFrame, roles: TableOptions, question: str, data: str
) -> Candidate:
    """Why a family stands in no ranking of this question, and what runs it where the table is one for it."""
    family = FAMILIES[name]
    if name in _OF_VISITS:
        why = f"It foretells many measurements at visits of subjects, and {_LACKS[question]}."
        if roles.subject is None:
            return Candidate(name, title_of(family), NO, f"{why} No column says whose visits the rows are.")
    elif name in _OF_ROWS:
        why = f"It finds a few latents behind many columns of numbers, and {_LACKS[question]}."
    else:
        return Candidate(name, title_of(family), NO, "It predicts an outcome, and none is named (--target).")
    options, _ = options_for(name, table, roles)
    try:
        with one_line():
            pose_table(table, options.roles, options.family(name))
    except Mistake as mistake:
        return Candidate(name, title_of(family), NO, f"{why} {_sentence(str(mistake))}")
    return Candidate(name, title_of(family), OTHER, why, as_command(options, name, data))


def _reason(problem: Problem) -> str:
    """What makes a family one for this table."""
    family, shape = problem.family, problem.shape
    columns = count(len(shape.numeric) + len(shape.categorical), "column")
    match family.name:
        case "interactions":
            n = len(shape.numeric) + len(shape.categorical)
            each = "The pair" if n == 2 else f"Each of {count(n * (n - 1) // 2, 'pair')}"
            return f"{each} of columns gets an effect of its own."
        case "fm":
            levels = {name: int(problem.X[name].nunique()) for name in shape.categorical}
            many = [f"{name} ({n:,})" for name, n in levels.items() if n > _LEVELS_OF_COLUMNS]
            told = f"; labels of many levels are no trouble: {listed(many, 3)}" if many else ""
            return f"Pairs of {columns} share factors{told}."
        case "local-fm":
            return f"Pairs of {columns} may act differently in different parts of the table."
        case "latent-factors":
            settings = family.settings()
            return f"Columns {settings['user']} and {settings['item']} say who rated what."
        case "mixed-model":
            settings = family.settings()
            ones = " or ".join(f"one {name}" for name in settings["groups"])
            what = (
                f"rows of {ones} share what no column tells"
                if ones
                else "rows that are near each other are alike"
            )
            places = f", and {listed(settings['coords'])} say where" if settings["coords"] else ""
            return f"{what[0].upper()}{what[1:]}{places}."
    return f"{problem.summary[0].upper()}{problem.summary[1:]}."


def as_command(options: TableOptions, model: str | None, data: str, *more: str) -> str:
    """The command line with these options."""
    words = ["intertwine", "compare", data]
    if model is not None:
        words += ["--model", model]
    for one in fields(options):
        value: Any = getattr(options, one.name)
        if value == one.default or value is None or value == []:
            continue
        flag = f"--{one.name.replace('_', '-')}"
        words += (
            [flag] if value is True else [flag, ",".join(value) if isinstance(value, list) else str(value)]
        )
    return shlex.join([*words, *more])


def _sentence(text: str) -> str:
    """A message as a sentence."""
    return f"{text[0].upper()}{text[1:]}" + ("" if text.endswith((".", "?", "!")) else ".")
