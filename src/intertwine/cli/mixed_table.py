"""Tables for mixed models: outcomes, fixed effects, and the columns that say what rows share."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, final

import pandas as pd

from intertwine.cli.columns import complete_rows, is_number, left_out, numbers_of, require_column
from intertwine.cli.effect_columns import (
    EffectColumns,
    require_columns_of,
    role_mistakes,
)
from intertwine.cli.mistakes import Mistake
from intertwine.cli.preparation import AbstractPreparation, require_columns
from intertwine.cli.problem import Problem, features_of
from intertwine.cli.typos import refuse_typos
from intertwine.compare import MixedModelFamily, RegressionTask
from intertwine.compare.from_table import Beside
from intertwine.compare.treatment import TreatmentColumns
from intertwine.report.words import count

__all__ = ["MixedPreparation", "named_in", "outcomes_of", "pose_mixed"]


def pose_mixed(table: pd.DataFrame, *, roles: dict[str, Any], family: MixedModelFamily) -> Problem:
    """Pick outcomes, fixed effects, groups, times and coordinates out of `table`.

    Columns without another role are fixed effects, and so is the time.

    Raises
    ------
    Mistake
        For columns that do not exist or do not suit their role, and where nothing says what rows share.
    """
    table = table.rename(columns=str).reset_index(drop=True)
    role_mistakes(family.name, roles)
    if roles["task"] not in ("auto", "regression"):
        raise Mistake(f"--model mixed-model is for regression, not for {roles['task']}")
    notes: list[str] = []
    if family.formula is not None:
        return _pose_formula(table, roles, family, notes)
    if not family.groups and not family.coords:
        raise Mistake(
            "say what rows share: --groups NAME for groups, --coords LAT,LON for places, or --formula "
            "'y ~ x + (1 | g)'"
        )
    if roles["time"] is not None and not family.groups:
        raise Mistake("--time needs --groups NAME: whose times are they?")
    outcomes = outcomes_of(table, roles["target"])
    chosen = family.posed(time=roles["time"], outcomes=outcomes)
    require_columns_of(table, chosen.beside, [*outcomes, *roles["drop"]])
    table = complete_rows(table, chosen.beside.columns, notes)
    table, y = _with_outcomes(table, outcomes, notes)
    columns = EffectColumns.of(table, chosen.beside, notes)
    idle = [*outcomes, *roles["drop"], *chosen.groups, *chosen.coords]
    rest = table.drop(columns=idle)
    X = features_of(rest, roles["categorical"], notes, chosen) if rest.shape[1] else rest
    labels = [name for name in X.columns if name in roles["categorical"] or not is_number(X[name])]
    numbers = [name for name in X.columns if name not in labels]
    whole = pd.concat([X.drop(columns=columns.beside.columns, errors="ignore"), columns.read(table)], axis=1)
    return Problem(
        whole.reset_index(drop=True),
        y,
        RegressionTask(),
        _called(outcomes),
        numbers,
        labels,
        chosen,
        notes,
        _summary(whole, chosen, numbers + labels),
    )


def outcomes_of(table: pd.DataFrame, target: str | None) -> list[str]:
    """Columns that ``--target`` names: one, or several with commas between them.

    Raises
    ------
    Mistake
    """
    if target is None:
        raise Mistake("say which column to predict: --target NAME, or several, --target A,B")
    if target in table.columns:
        return [target]
    names = [part.strip() for part in target.split(",") if part.strip()]
    for name in names if len(names) > 1 else [target]:
        require_column(table, name)
    return names


def _with_outcomes(table: pd.DataFrame, outcomes: list[str], notes: list[str]) -> tuple[pd.DataFrame, Any]:
    """Rows that have an outcome, and the outcomes; of several, single ones may be missing."""
    if len(outcomes) == 1:
        table = complete_rows(table, outcomes, notes)
        return table, numbers_of(table[outcomes[0]], outcomes[0])
    known = table[outcomes].notna().any(axis=1)
    if not known.all():
        notes.append(left_out(int((~known).sum()), len(table), "any outcome"))
    table = table[known]
    for name in outcomes:
        numbers_of(table[name].dropna(), name)
    return table, table[outcomes].to_numpy(dtype=float, na_value=float("nan"))


def _pose_formula(
    table: pd.DataFrame, roles: dict[str, Any], family: MixedModelFamily, notes: list[str]
) -> Problem:
    from intertwine.estimators.mixed_model.formula_design import FormulaDesign, formula_table
    from intertwine.estimators.mixed_model.formula_terms import parse_formula

    assert family.formula is not None
    terms = parse_formula(family.formula)
    if not terms.outcome:
        raise Mistake(f"the formula {family.formula!r} names no outcome: write 'y ~ …'")
    groups = list(dict.fromkeys(name for term in terms.random for name in term.group))
    # a family that was posed before, as a report on a model has it, names the groups of its formula
    given = [name for name in ("target", "time") if roles[name] is not None]
    given += ["groups"] if set(family.groups) - set(groups) else []
    if given:
        raise Mistake(
            "the formula names outcome, fixed effects, times and groups: leave out "
            + ", ".join(f"--{name}" for name in given)
        )
    if not groups and not family.coords:
        raise Mistake(f"the formula {family.formula!r} has no random term, such as (1 | g)")
    chosen = family.posed(groups=groups)
    named = named_in(family.formula, table.columns)
    require_columns_of(table, chosen.beside, [])
    table = complete_rows(
        table[list(dict.fromkeys([*named, *chosen.coords]))], [*named, *chosen.coords], notes
    )
    columns = EffectColumns.of(table, chosen.beside, notes)
    for name in set(named) - set(groups):
        refuse_typos(table[name], name)
    whole = table.assign(**columns.read(table))
    whole = whole.assign(
        **{name: whole[name].astype("category") for name in roles["categorical"] if name in whole}
    )
    design = FormulaDesign(family.formula, formula_table(whole))
    y = design.outcome_of(formula_table(whole))
    outcome = terms.outcome
    if outcome in whole.columns:
        y = numbers_of(whole[outcome], outcome)
    features = [name for name in design.variables if name not in groups]
    labels = [name for name in features if not is_number(whole[name])]
    numbers = [name for name in features if name not in labels]
    X = whole[list(dict.fromkeys([*features, *groups, *chosen.coords]))]
    return Problem(
        X.reset_index(drop=True),
        y,
        RegressionTask(),
        outcome,
        numbers,
        labels,
        chosen.posed(outcomes=[outcome]),
        notes,
        _summary(X, chosen, features),
    )


def named_in(formula: str, columns: Iterable[str]) -> list[str]:
    """Columns that a formula speaks of.

    Examples
    --------
    >>> named_in("log(y) ~ x + (1 | g)", ["y", "x2", "x", "g"])
    ['y', 'x', 'g']
    """
    return [name for name in columns if _is_in(name, formula)]


def _is_in(name: str, formula: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", formula) is not None


def _called(outcomes: Sequence[str]) -> str:
    return ", ".join(outcomes)


def _summary(X: pd.DataFrame, family: MixedModelFamily, features: Sequence[str]) -> str:
    parts = [f"{X[name].nunique():,} levels of {name}" for name in family.groups]
    if family.coords:
        parts.append(f"{len(X[family.coords].drop_duplicates()):,} places")
    fixed = f"{count(len(features), 'column')} of fixed effects"
    outcomes = f"; to predict: {', '.join(family.outcomes)}" if family.outcomes else ""
    return f"{len(X):,} rows, {', '.join(parts)}, {fixed}{outcomes}"


@final
class MixedPreparation(AbstractPreparation):
    """The columns of a table for a mixed model.

    Parameters
    ----------
    columns : EffectColumns
    fixed : TreatmentColumns or None
        None where a formula makes the columns of fixed effects.
    variables : list of str
        Columns that fixed effects are made of.
    """

    def __init__(self, columns: EffectColumns, fixed: TreatmentColumns | None, variables: list[str]) -> None:
        self.columns = columns
        self.fixed = fixed
        self.variables = variables

    @classmethod
    def fitted(cls, problem: Problem, estimator: Any) -> tuple[MixedPreparation, Any]:
        """Fit the estimator on the problem."""
        family = problem.family
        assert isinstance(family, MixedModelFamily)
        y = (
            problem.y
            if problem.y.ndim == 1
            else pd.DataFrame(problem.y, columns=list(family.settings()["outcomes"]))
        )
        model = estimator.fit(problem.X, y)
        columns = EffectColumns.of(problem.X, family.beside, [])
        return cls(columns, model.columns_, [*problem.numeric, *problem.categorical]), model.estimator_

    @classmethod
    def from_state(cls, state: dict[str, Any], family: Any) -> MixedPreparation:
        """That of a model file."""
        fixed = state["fixed"]
        return cls(
            EffectColumns.from_state(state["beside"]),
            None if fixed is None else TreatmentColumns.from_state(fixed),
            list(state["variables"]),
        )

    def to_state(self) -> dict[str, Any]:
        """Kinds of columns, medians and levels."""
        return {
            "beside": self.columns.to_state(),
            "fixed": None if self.fixed is None else self.fixed.to_state(),
            "variables": self.variables,
        }

    @property
    def units(self) -> dict[str, tuple[float, float]]:
        """None are standardised."""
        return {}

    def features(self, table: pd.DataFrame) -> Any:
        """Columns of fixed effects; with a formula, the table that it speaks of; None where there are none."""
        require_columns(table, self.variables)
        if self.fixed is None:
            return table[self.variables].assign(**self.columns.read(table))
        for name in self.fixed.medians_:
            refuse_typos(table[name], name)
            if not is_number(table[name]):
                raise Mistake(f"{name!r} holds text, where the model was fitted on numbers")
        found = self.fixed.transform(table)
        return found if found.shape[1] else None

    def beside(self, table: pd.DataFrame) -> dict[str, Any]:
        """Groups, times and coordinates; a formula finds its groups itself."""
        beside = self.columns.beside if self.fixed is not None else Beside(coords=self.columns.beside.coords)
        return beside.of(self.columns.read(table))

    def warn_of_gaps(self, table: pd.DataFrame) -> None:
        """Of numbers and labels."""
        if self.fixed is None:
            return
        gaps = [f"{name} ({n})" for name, n in table[self.variables].isna().sum().items() if n]
        if gaps:
            warnings.warn(
                "missing values count as the median of a number, and as a level of their own of a label: "
                f"{', '.join(gaps[:12])}",
                stacklevel=3,
            )
