"""Tables of subjects' visits: who, when, covariates and measurements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from intertwine.cli.columns import complete_rows, is_number, refuse_dates, require_column
from intertwine.cli.effect_columns import role_mistakes
from intertwine.cli.id_columns import kind_of
from intertwine.cli.longitudinal_preparation import LongitudinalPreparation, refuse_no_numbers
from intertwine.cli.mistakes import Mistake, did_you_mean
from intertwine.cli.problem import Problem
from intertwine.cli.typos import refuse_typos
from intertwine.compare import ForecastTask, LongitudinalFamily
from intertwine.compare.longitudinal import factors_of
from intertwine.compare.visits_from_table import VisitColumns
from intertwine.report.words import count

__all__ = ["pose_visits"]

_SUBJECT_NAMES = ("subject", "subject_id", "patient", "patient_id", "participant", "person", "id")
_TIME_NAMES = ("time", "visit", "day", "week", "month", "year")
_MOST_COMPONENTS = 8
_KINDS = ("gaussian", "bernoulli", "ordinal", "poisson")


def pose_visits(table: pd.DataFrame, *, roles: dict[str, Any], family: LongitudinalFamily) -> Problem:
    """Pick subject, time, covariates and measurements out of `table`.

    By default covariates are columns of labels, and columns of numbers that do not change within any subject; other
    numbers are measurements.

    Raises
    ------
    Mistake
        For columns that do not exist or do not suit their role, and a target, of which there is none.
    """
    table = table.rename(columns=str).reset_index(drop=True)
    role_mistakes(family.name, roles)
    if roles["target"] is not None or roles["task"] != "auto":
        raise Mistake(f"--model {family.name} explains all measurements alike: leave out --target, --task")
    notes: list[str] = []
    subject = _found(table, family.subject, _SUBJECT_NAMES, "subject", roles["drop"], notes)
    if subject is None:
        raise Mistake(
            f"say whose visits the rows are: --subject NAME; {did_you_mean('subject', table.columns)}"
        )
    time = _found(table, roles["time"] or family.time, _TIME_NAMES, "time", roles["drop"], notes)
    _refuse_twice([subject, time, *(family.covariates or []), *family.measurements, *roles["drop"]])
    for name in (*(family.covariates or []), *family.measurements, *roles["drop"], *roles["categorical"]):
        require_column(table, name)
    table = complete_rows(table, [subject, *([] if time is None else [time])], notes).reset_index(drop=True)
    if time is not None:
        refuse_no_numbers(table[time], time)
    rest = table.drop(columns=[subject, *([] if time is None else [time]), *roles["drop"]])
    labels = [name for name in rest if name in roles["categorical"] or not is_number(rest[name])]
    covariates = _covariates(rest, labels, table[subject], family, notes)
    _refuse_no_curve(family.smooth, covariates, labels)
    _refuse_no_product(family.interactions, [*covariates, *([] if time is None else [time])])
    _refuse_no_slope(family.slopes, [*covariates, *([] if time is None else [time])], labels, table, subject)
    wanted = family.measurements or [name for name in rest if name not in (*covariates, *labels)]
    measurements = _measurements(rest, wanted, notes)
    _refuse_no_kind(family.likelihood, measurements)
    columns = VisitColumns(
        subject,
        time,
        tuple(name for name in covariates if name not in labels),
        tuple(name for name in covariates if name in labels),
        tuple(measurements),
    )
    preparation = LongitudinalPreparation(columns, kind_of(table[subject], subject, notes))
    X = pd.concat([preparation.visits(table), preparation.features(table)], axis=1)
    X, y = _observed(X, columns, notes)
    _refuse_few_visits(X[subject], subject)
    yes_or_no = [name for name in measurements if _is_yes_or_no(X[name])]
    if yes_or_no:
        notes.append(f"Measurements of 0 and 1 only are taken as no and yes: {_listed(yes_or_no)}.")
    chosen = family.posed(
        n_components=family.n_components or max(1, min(_MOST_COMPONENTS, len(measurements) // 2)),
        subject=subject,
        time=time,
        covariates=covariates,
        measurements=measurements,
        labels=list(columns.labels),
        yes_or_no=yes_or_no,
    )
    gaps = float(np.isnan(y).mean())
    told = f"{len(X):,} visits of {X[subject].nunique():,} subjects, {len(measurements):,} measurements"
    told += f" ({gaps:.1%} missing)" if gaps else ""
    told += f", covariates {_listed(covariates)}" if covariates else ", no covariates"
    task = ForecastTask()
    return Problem(X, y, task, "the measurements", measurements, [], chosen, notes, told)


def _found(
    table: pd.DataFrame,
    given: str | None,
    usual: Iterable[str],
    role: str,
    dropped: Sequence[str],
    notes: list[str],
) -> str | None:
    """The column that was named for a role, or that has a usual name for it."""
    if given is not None:
        require_column(table, given)
        return given
    named = {name.lower(): name for name in reversed(list(table.columns)) if name not in dropped}
    for name in usual:
        if name in named and (role == "subject" or is_number(table[named[name]])):
            notes.append(f"{named[name]!r} was taken as {role}; --{role} NAME names another column.")
            return named[name]
    return None


def _refuse_twice(names: Sequence[str | None]) -> None:
    if twice := [name for name in names if name is not None and names.count(name) > 1]:
        raise Mistake(f"{twice[0]!r} is named twice, as subject, time, covariate, measurement or dropped")


def _covariates(
    rest: pd.DataFrame,
    labels: Sequence[str],
    subject: pd.Series,
    family: LongitudinalFamily,
    notes: list[str],
) -> list[str]:
    if family.covariates is not None:
        _left_out([n for n in labels if n not in (*family.covariates, *family.measurements)], notes)
        for name in family.covariates:
            refuse_dates(rest[name], name)
        return family.covariates
    found, idle = [], []
    for name in rest:
        if name in family.measurements:
            continue
        refuse_dates(rest[name], name)
        number = name not in labels
        if rest[name].nunique() < 2 or (name in labels and _names_rows(rest[name])):
            idle.append(name)
        elif not number or name in family.smooth or _is_of_subjects(rest[name], subject):
            refuse_typos(rest[name], name)
            found.append(name)
    _left_out([name for name in idle if name in labels or family.measurements], notes)
    numbers = [name for name in found if name not in labels and name not in family.smooth]
    if numbers:
        notes.append(
            f"{_listed(numbers)} never change within a subject, and were taken as covariates; --covariates says which "
            "columns are."
        )
    return found


def _is_of_subjects(values: pd.Series, subject: pd.Series) -> bool:
    """Whether a column never changes within a subject, and some subject has it at two visits."""
    by_subject = values.groupby(subject)
    return bool((by_subject.nunique() <= 1).all() and (by_subject.count() > 1).any())


def _names_rows(values: pd.Series) -> bool:
    return bool(values.nunique() == values.notna().sum())


def _left_out(names: Sequence[str], notes: list[str]) -> None:
    if names:
        notes.append(f"Columns that no effect can read were left out: {_listed(names)}.")


def _refuse_no_curve(smooth: Sequence[str], covariates: Sequence[str], labels: Sequence[str]) -> None:
    for name in smooth:
        if name not in covariates:
            raise Mistake(f"--smooth {name}: no covariate; {did_you_mean(name, covariates)}")
        if name in labels:
            raise Mistake(f"--smooth {name}: labels have no curve")


def _refuse_no_slope(
    slopes: Sequence[str], able: Sequence[str], labels: Sequence[str], visits: pd.DataFrame, subject: str
) -> None:
    for place, name in enumerate(slopes):
        if name not in able:
            raise Mistake(f"--slopes {name}: no covariate, nor the time; {did_you_mean(name, able)}")
        if name in labels:
            raise Mistake(f"--slopes {name}: labels have no slope")
        if name in slopes[:place]:
            raise Mistake(f"--slopes {name}: it is named twice")
        if not (visits.groupby(subject)[name].nunique() > 1).any():
            raise Mistake(f"--slopes {name}: it never changes within a subject, so that none has a slope")


def _refuse_no_product(products: Sequence[str], able: Sequence[str]) -> None:
    for text in products:
        names = factors_of(text)
        if len(names) < 2 or len(set(names)) < len(names):
            raise Mistake(f"--interactions {text}: it is a product of two columns at least, such as sex*age")
        for name in names:
            if name not in able:
                raise Mistake(
                    f"--interactions {text}: {name!r} is no covariate, nor the time; {did_you_mean(name, able)}"
                )


def _refuse_no_kind(kinds: Sequence[str], measurements: Sequence[str]) -> None:
    for text in kinds:
        name, _, kind = text.partition("=")
        if kind not in _KINDS:
            raise Mistake(f"--likelihood {text}: it is COLUMN=KIND; {did_you_mean(kind, _KINDS)}")
        if name not in measurements:
            raise Mistake(
                f"--likelihood {text}: {name!r} is no measurement; {did_you_mean(name, measurements)}"
            )


def _measurements(rest: pd.DataFrame, wanted: Sequence[str], notes: list[str]) -> list[str]:
    idle = []
    for name in wanted:
        refuse_dates(rest[name], name)
        if not is_number(rest[name]):
            refuse_typos(rest[name], name)
            raise Mistake(f"--measurements {name}: it holds text")
        if np.isinf(rest[name].to_numpy(float, na_value=np.nan)).any():
            raise Mistake(f"infinite values in {name}")
        if rest[name].nunique() < 2:
            idle.append(name)
    if idle:
        notes.append(f"Measurements that do not vary were left out: {_listed(idle)}.")
    found = [name for name in wanted if name not in idle]
    if len(found) < 2:
        raise Mistake(
            "visits need two measurements at least: columns of numbers beside subject, time and covariates"
        )
    return found


def _observed(X: pd.DataFrame, columns: VisitColumns, notes: list[str]) -> tuple[pd.DataFrame, Any]:
    """Without subjects of whom nothing was measured."""
    y = columns.values(X)
    seen = X[columns.subject].isin(X.loc[~np.isnan(y).all(axis=1), columns.subject]).to_numpy()
    if not seen.all():
        n = X.loc[~seen, columns.subject].nunique()
        notes.append(f"{count(n, 'subject')} without any measurement {'was' if n == 1 else 'were'} left out.")
    return X[seen].reset_index(drop=True), y[seen]


def _refuse_few_visits(labels: pd.Series, name: str) -> None:
    if labels.nunique() < 2:
        raise Mistake(f"{name!r} is {str(labels.iloc[0])!r} in every row: there is one subject")
    if labels.nunique() == len(labels):
        raise Mistake(f"{name!r} is another one in every row: no subject has two visits")


def _is_yes_or_no(values: pd.Series) -> bool:
    return set(values.dropna().unique()) == {0.0, 1.0}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
