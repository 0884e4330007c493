"""Which problem a family poses in a table, and how it reads other tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

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


class _Way(NamedTuple):
    """How a family reads tables."""

    pose: Callable[..., Problem]
    preparation: type[AbstractPreparation]


_NUMBERS_AND_LABELS = _Way(pose, TablePreparation)
_WAYS: dict[Any, _Way] = {  # by classes of families, some of them abstract
    LatentFactorsFamily: _Way(pose_ratings, RatingPreparation),
    MixedModelFamily: _Way(pose_mixed, MixedPreparation),
    AbstractLatentEffectsFamily: _Way(pose_latents, LatentPreparation),
    LongitudinalFamily: _Way(pose_visits, LongitudinalPreparation),
}


def _way_of(family: AbstractFamily) -> _Way:
    """By numbers and labels, unless it has a way of its own."""
    return next((way for kind, way in _WAYS.items() if isinstance(family, kind)), _NUMBERS_AND_LABELS)


def preparation_kind(family: AbstractFamily) -> type[AbstractPreparation]:
    """How tables of a family are read."""
    return _way_of(family).preparation


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
    problem = _way_of(family).pose(without_counters(table, kept, notes), roles=others, family=family)
    read = [name for name in (*problem.X.columns, roles["target"]) if name is not None]
    notes += problem.notes
    notes += notes_on_numbers(table, problem.numeric, wanted) + notes_on_spelling(table, read)
    return replace(problem, notes=notes)
