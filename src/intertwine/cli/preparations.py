"""Which problem a family poses in a table, and how it reads other tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from intertwine.cli.latent_table import LatentPreparation, pose_latents
from intertwine.cli.longitudinal_preparation import LongitudinalPreparation
from intertwine.cli.longitudinal_table import pose_visits
from intertwine.cli.mixed_table import MixedPreparation, named_in, pose_mixed
from intertwine.cli.preparation import AbstractPreparation, TablePreparation
from intertwine.cli.problem import Problem, pose
from intertwine.cli.rating_table import RatingPreparation, pose_ratings
from intertwine.cli.suspects import named_of, notes_on_numbers, notes_on_spelling, without_counters
from intertwine.compare import (
    AbstractFamily,
    AbstractLatentEffectsFamily,
    LatentFactorsFamily,
    LongitudinalFamily,
    MixedModelFamily,
)

__all__ = ["pose_table", "preparation_kind"]

_KINDS: dict[type[AbstractFamily], type[AbstractPreparation]] = {
    LatentFactorsFamily: RatingPreparation,
    LongitudinalFamily: LongitudinalPreparation,
    MixedModelFamily: MixedPreparation,
}


def preparation_kind(family: AbstractFamily) -> type[AbstractPreparation]:
    """How tables of a family are read: by numbers and labels, unless it has a way of its own."""
    if isinstance(family, AbstractLatentEffectsFamily):
        return LatentPreparation
    return _KINDS.get(type(family), TablePreparation)


def pose_table(table: pd.DataFrame, roles: dict[str, Any], family: Any) -> Problem:
    """Pose the problem of a family in a table, without counters of its rows, and note what is suspicious about it.

    Raises
    ------
    Mistake
    """
    table = table.rename(columns=str)
    settings = family.settings()
    formula = settings.get("formula")
    kept = named_of(roles, settings) | set(named_in(formula, table.columns) if formula else ())
    notes: list[str] = []
    # models of earlier versions were kept without this role
    wanted, others = roles.get("keep", []), {name: roles[name] for name in roles if name != "keep"}
    problem = _posed(without_counters(table, kept, notes), others, family)
    read = [name for name in (*problem.X.columns, roles["target"]) if name is not None]
    notes += problem.notes
    notes += notes_on_numbers(table, problem.numeric, wanted) + notes_on_spelling(table, read)
    return replace(problem, notes=notes)


def _posed(table: pd.DataFrame, roles: dict[str, Any], family: Any) -> Problem:
    if isinstance(family, LatentFactorsFamily):
        return pose_ratings(table, roles=roles, family=family)
    if isinstance(family, MixedModelFamily):
        return pose_mixed(table, roles=roles, family=family)
    if isinstance(family, AbstractLatentEffectsFamily):
        return pose_latents(table, roles=roles, family=family)
    if isinstance(family, LongitudinalFamily):
        return pose_visits(table, roles=roles, family=family)
    return pose(table, **roles, family=family)
