"""Which problem a family poses in a table, and how it reads other tables."""

from __future__ import annotations

from typing import Any

import pandas as pd

from intertwine.cli.latent_table import LatentPreparation, pose_latents
from intertwine.cli.longitudinal_preparation import LongitudinalPreparation
from intertwine.cli.longitudinal_table import pose_visits
from intertwine.cli.mixed_table import MixedPreparation, pose_mixed
from intertwine.cli.preparation import AbstractPreparation, TablePreparation
from intertwine.cli.problem import Problem, pose
from intertwine.cli.rating_table import RatingPreparation, pose_ratings
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
    """Pose the problem of a family in a table.

    Raises
    ------
    Mistake
    """
    if isinstance(family, LatentFactorsFamily):
        return pose_ratings(table, roles=roles, family=family)
    if isinstance(family, MixedModelFamily):
        return pose_mixed(table, roles=roles, family=family)
    if isinstance(family, AbstractLatentEffectsFamily):
        return pose_latents(table, roles=roles, family=family)
    if isinstance(family, LongitudinalFamily):
        return pose_visits(table, roles=roles, family=family)
    return pose(table, **roles, family=family)
