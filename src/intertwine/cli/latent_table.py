"""Tables for latents beside random effects: features, and the columns that say what rows share."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import pandas as pd

from intertwine.cli.columns import complete_rows, is_number, refuse_dates
from intertwine.cli.effect_columns import EffectColumns, require_columns_of, role_mistakes
from intertwine.cli.mistakes import Mistake
from intertwine.cli.preparation import AbstractPreparation, require_columns
from intertwine.cli.problem import Problem
from intertwine.cli.typos import refuse_typos
from intertwine.compare import AbstractLatentEffectsFamily, ReconstructionTask

__all__ = ["LatentPreparation", "pose_latents"]


def pose_latents(
    table: pd.DataFrame, *, roles: dict[str, Any], family: AbstractLatentEffectsFamily
) -> Problem:
    """Pick features, groups, times and coordinates out of `table`; columns without another role are features.

    Raises
    ------
    Mistake
        For columns that do not exist or do not suit their role, and a target, of which there is none.
    """
    table = table.rename(columns=str).reset_index(drop=True)
    role_mistakes(family.name, roles)
    if roles["target"] is not None or roles["task"] != "auto" or roles["categorical"]:
        raise Mistake(
            f"--model {family.name} explains all columns alike: leave out --target, --task, --categorical"
        )
    if roles["time"] is not None and not family.groups:
        raise Mistake("--time needs --groups NAME: whose times are they?")
    notes: list[str] = []
    chosen = family.posed(time=roles["time"])
    require_columns_of(table, chosen.beside, roles["drop"])
    table = complete_rows(table, chosen.beside.columns, notes) if chosen.beside.columns else table
    columns = EffectColumns.of(table, chosen.beside, notes)
    rest = table.drop(columns=[*chosen.beside.columns, *roles["drop"]])
    features = _numbers(rest, notes)
    if features.shape[1] < 2:
        raise Mistake("latents need two columns of numbers at least, beside groups, times and coordinates")
    X = pd.concat([features, columns.read(table)], axis=1).reset_index(drop=True)
    chosen = chosen.posed(features=list(features.columns), **_kinds(features, chosen, notes))
    gaps = float(features.isna().to_numpy().mean())
    parts = [f"{X[name].nunique():,} levels of {name}" for name in chosen.groups]
    told = [f"{len(X):,} rows of {features.shape[1]:,} features", *parts]
    told += [f"{gaps:.1%} of the entries missing"] if gaps else []
    return Problem(
        X,
        features.to_numpy(float, na_value=np.nan),
        ReconstructionTask(),
        "the features",
        list(features.columns),
        [],
        chosen,
        notes,
        ", ".join(told),
    )


def _kinds(
    features: pd.DataFrame, family: AbstractLatentEffectsFamily, notes: list[str]
) -> dict[str, list[str]]:
    """Features of 0 and 1, for a family that knows them from numbers.

    Raises
    ------
    Mistake
        For counts that are no features, or no counts.
    """
    settings = family.settings()
    if "yes_or_no" not in settings:
        return {}
    for name in settings["counts"]:
        if name not in features:
            raise Mistake(f"--counts {name}: there is no such column of numbers among the features")
        values = features[name].dropna()
        if (values < 0).any() or (values != values.round()).any():
            raise Mistake(f"--counts {name}: the column holds other numbers than 0, 1, 2, …")
    found = [
        name
        for name in features
        if name not in settings["counts"] and set(features[name].dropna().unique()) == {0.0, 1.0}
    ]
    if found:
        notes.append(f"Features of 0 and 1 only are taken as no and yes: {', '.join(found[:12])}.")
    return {"yes_or_no": found}


def _numbers(X: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    idle = []
    for name in X.columns:
        refuse_dates(X[name], name)
        if not is_number(X[name]):
            refuse_typos(X[name], name)
            idle.append(name)
        elif X[name].isna().all():
            idle.append(name)
        elif np.isinf(X[name].to_numpy(float, na_value=np.nan)).any():
            raise Mistake(f"infinite values in {name}")
    if idle:
        notes.append(f"Columns without numbers were left out: {', '.join(idle[:12])}.")
    return X.drop(columns=idle).astype(float)


@final
class LatentPreparation(AbstractPreparation):
    """The columns of a table for a latent model.

    Parameters
    ----------
    columns : EffectColumns
    names : list of str
        Features.
    """

    def __init__(self, columns: EffectColumns, names: list[str]) -> None:
        self.columns = columns
        self.names = names

    @classmethod
    def fitted(cls, problem: Problem, estimator: Any) -> tuple[LatentPreparation, Any]:
        """Fit the estimator on the problem."""
        family = problem.family
        assert isinstance(family, AbstractLatentEffectsFamily)
        model = estimator.fit(problem.X)
        return cls(EffectColumns.of(problem.X, family.beside, []), family.features), model.estimator_

    @classmethod
    def from_state(cls, state: dict[str, Any], family: Any) -> LatentPreparation:
        """That of a model file."""
        return cls(EffectColumns.from_state(state["beside"]), list(state["features"]))

    def to_state(self) -> dict[str, Any]:
        """Kinds of columns, names of features."""
        return {"beside": self.columns.to_state(), "features": self.names}

    @property
    def units(self) -> dict[str, tuple[float, float]]:
        """None are standardised here."""
        return {}

    def features(self, table: pd.DataFrame) -> pd.DataFrame:
        """The features; gaps stay gaps."""
        require_columns(table, self.names)
        for name in self.names:
            refuse_typos(table[name], name)
            if not is_number(table[name]) and table[name].notna().any():
                raise Mistake(f"{name!r} holds text, where the model was fitted on numbers")
        return table[self.names].astype(float)

    def beside(self, table: pd.DataFrame) -> dict[str, Any]:
        """Groups, times and coordinates."""
        return self.columns.beside.of(self.columns.read(table))

    def warn_of_gaps(self, table: pd.DataFrame) -> None:
        """Gaps are part of the model."""
