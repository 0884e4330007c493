"""What to be careful about in a mixed model, each point only where it applies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intertwine.plots._groups import group_labels
from intertwine.report.cautions import Caution, calibrated, preparation
from intertwine.report.mixed_findings import MixedFindings
from intertwine.report.study import Study
from intertwine.report.words import count, listed

__all__ = ["mixed_cautions"]

_FEW = 10  # levels, under which a variance is hardly known
_ALONE = 0.5  # of the levels have one row
_SHARED = (0.1, 0.9)  # share of a column's variance between groups, inside which it varies on both sides


def mixed_cautions(
    study: Study, findings: MixedFindings, predictions: dict[str, NDArray[Any]] | None
) -> list[Caution]:
    """Collect the points that apply; predictions are of one outcome."""
    points = [*_converged(study), *_boundary(findings), *_few(findings), *_single_rows(study)]
    points += _within_and_between(study)
    if predictions is not None and study.y is not None and study.y.ndim == 1:
        points += calibrated(study, predictions)
    points += preparation(study)
    points += _seen_before(study)
    points += [
        Caution(
            "Standard errors",
            "They are those of given variances, and limits are of the normal distribution: with few levels both are "
            "a little too small.",
        ),
        Caution(
            "Shrinkage",
            "A level's estimate is drawn to the average level, the more the fewer rows it has. That makes predictions "
            "better and a ranking of levels milder than plain means; a level far out may still be chance.",
        ),
        Caution(
            "Not causes",
            "That levels differ says nothing of why. Levels may differ in what no column tells.",
        ),
    ]
    return points


def _converged(study: Study) -> Iterator[Caution]:
    if not np.all(study.estimator.converged_):
        yield Caution(
            "Not fully converged",
            f"The search for the variances stopped after {count(study.estimator.n_iter_, 'iteration')}; raise "
            "max_iter.",
        )


def _boundary(findings: MixedFindings) -> Iterator[Caution]:
    for effect in findings.effects:
        told = findings.at_boundary(effect)
        if told:
            yield Caution(
                f"Boundary: {effect}",
                f"Of {effect}, {listed(told, limit=3)}. The rows cannot tell more apart: a simpler effect would "
                "predict the same, and standard errors that take the variances as known are too small.",
            )


def _few(findings: MixedFindings) -> Iterator[Caution]:
    few = [
        f"{name} has {findings.n_levels(name)}" for name in findings.effects if findings.n_levels(name) < _FEW
    ]
    if few:
        yield Caution(
            "Few levels",
            f"{listed(few)}. A variance between so few levels is hardly known; as a fixed effect, a column of labels "
            "would say as much.",
        )


def _single_rows(study: Study) -> Iterator[Caution]:
    if study.groups is None:
        return
    _, counts = np.unique(group_labels(study.groups).astype(str), return_counts=True)
    alone = int(np.sum(counts == 1))
    if alone > _ALONE * counts.size:
        yield Caution(
            "Levels of one row",
            f"{alone:,} of {counts.size:,} levels {'has' if alone == 1 else 'have'} a single row. Their own "
            "part and noise are told apart by the "
            "other levels only.",
        )


def _within_and_between(study: Study) -> Iterator[Caution]:
    """Columns that differ both between groups and within them: one coefficient stands for two slopes."""
    if study.groups is None or study.X is None:
        return
    _, codes, counts = np.unique(
        group_labels(study.groups).astype(str), return_inverse=True, return_counts=True
    )
    mixed = []
    for name, column in zip(study.names, study.table.T, strict=True):
        total = float(np.var(column))
        means = np.bincount(codes, column) / counts
        between = float(np.average((means - column.mean()) ** 2, weights=counts))
        chance = (counts.size - 1) / max(len(column) - 1, 1)
        if total > 0 and _SHARED[0] + chance < between / total < _SHARED[1]:
            mixed.append(name)
    if mixed:
        yield Caution(
            "Within and between",
            f"{listed(mixed, limit=5)} {'varies' if len(mixed) == 1 else 'vary'} both within groups and between their "
            "means. One coefficient stands for both slopes; where they may differ, add the group's mean as a column.",
        )


def _seen_before(study: Study) -> Iterator[Caution]:
    if study.comparison is not None and study.by_unit is not None:
        yield Caution(
            "Known or new",
            "Two comparisons, two questions: folds drawn by row ask about further rows of what is known, the others "
            f"about {study.unit or 'groups'} that nobody has seen. Take the one that you will meet.",
        )
    yield Caution(
        "Levels not seen",
        "A level that was not in the fit is predicted as an average one, with a wider standard deviation and a "
        "warning.",
    )
