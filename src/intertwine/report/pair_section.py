"""What a section shows of a model of pairs of features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from intertwine.report.picture import Picture
from intertwine.report.section import AbstractSection
from intertwine.report.study import Study
from intertwine.report.tables import Table

__all__ = ["PairSection", "facts_of", "unit_of"]


@final
@dataclass(frozen=True, kw_only=True)
class PairSection(AbstractSection):
    """Pairs, one by one: of all pairs, of a machine, or of machines that each answer for a part of the rows.

    Attributes
    ----------
    fit_pictures : list of Picture
    interactions : Table
    interaction_pictures, pair_pictures : sequence of Picture
    main_effects : Table or None
    experts : sequence of str
        Who answers where, in words; empty for models of one expert.
    expert_pictures : sequence of Picture
    """

    template: ClassVar[str] = "pairs.html"

    fit_pictures: list[Picture]
    interactions: Table
    pair_pictures: Sequence[Picture]
    interaction_pictures: Sequence[Picture] = ()
    main_effects: Table | None = None
    experts: Sequence[str] = ()
    expert_pictures: Sequence[Picture] = ()


def facts_of(study: Study, n_pairs: int) -> list[tuple[str, str]]:
    """The facts that stand at the top."""
    facts = [("Target", study.target)]
    if study.y is not None:
        facts.append(("Rows", f"{len(study.y):,}"))
        if study.task.name == "survival":
            facts.append(("Events", f"{int(np.sum(study.y['event'])):,}"))
        if study.task.name == "classification":
            labels, sizes = np.unique(study.y, return_counts=True)
            shown = [f"{size:,} {label}" for label, size in zip(labels[:4], sizes[:4], strict=True)]
            facts.append(("Classes", " · ".join(shown) + (" …" if labels.size > 4 else "")))
    facts += [("Features", f"{len(study.names):,}"), ("Pairs", f"{n_pairs:,}")]
    facts.append(("Model", type(study.estimator).__name__))
    return facts


def unit_of(study: Study) -> str:
    """The unit that effects are in."""
    scale = {
        "regression": f"units of {study.target}",
        "classification": "log odds",
        "survival": "log hazard",
    }[study.task.name]
    if getattr(study.chosen, "scaling", "features") is None:
        return f"{scale} per unit of the features"
    return f"{scale} per standard deviation of the features"
