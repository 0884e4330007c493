"""What to be careful about in a factorization machine, each point only where it applies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from intertwine.compare import SETTLED
from intertwine.report.cautions import Caution, calibrated, not_causes, preparation
from intertwine.report.findings import Findings
from intertwine.report.machine_findings import FEW_ROWS, levels_of, one_inside_the_other
from intertwine.report.study import Study
from intertwine.report.words import count, listed

__all__ = ["local_cautions", "machine_cautions"]


def machine_cautions(
    study: Study, findings: Findings, predictions: dict[str, NDArray[Any]] | None
) -> list[Caution]:
    """Collect the points that apply to one machine."""
    points = [*_chain(study), *_few_rows(study), *_unseen(study), *_inside(study, findings)]
    points += _of_levels(findings)
    points += _held_out(study, predictions)
    points += preparation(study)
    points.append(
        Caution(
            "Shrinkage",
            "Factors are pulled towards the average of their kind, the more the fewer rows a level has. A pair whose "
            "levels hardly occur together is an inference from their factors, not an observation.",
        )
    )
    return [*points, not_causes()]


def local_cautions(study: Study, predictions: dict[str, NDArray[Any]] | None) -> list[Caution]:
    """Collect the points that apply to local machines."""
    points = [*_descent(study), *_idle_experts(study), *_few_rows(study), *_held_out(study, predictions)]
    points += preparation(study)
    points.append(
        Caution(
            "Experts are not groups",
            "Where an expert stands depends on the random start: another seed divides the rows otherwise and predicts "
            "nearly the same. Read the map as a description of this fit.",
        )
    )
    return [*points, not_causes()]


def _chain(study: Study) -> Iterator[Caution]:
    reduction = getattr(study.estimator, "scale_reduction_", None)
    if reduction is None:
        yield Caution(
            "One set of coefficients",
            "This solver finds an optimum and gives no standard errors; solver='gibbs' does.",
        )
    elif reduction > SETTLED:
        yield Caution(
            "The chain had not settled",
            f"The potential scale reduction is {reduction:.2f} after {study.estimator.n_iter_:,} sweeps, where up to "
            f"{SETTLED} is good: single coefficients and their deviations would still change. Predictions are averages"
            " over the draws and suffer less. More sweeps (max_iter) help.",
        )


def _few_rows(study: Study) -> Iterator[Caution]:
    told = []
    for group in levels_of(study):
        few = int(np.sum((group.n_rows < FEW_ROWS) & (group.n_rows > 0)))
        if few > 0.1 * len(group.names) and few > 1:
            told.append(f"{few:,} of {count(len(group.names), 'level')} of {group.column}")
    if told:
        yield Caution(
            "Few rows a level",
            f"{listed(told)} have fewer than {FEW_ROWS} rows: what is said of them leans on the others.",
        )


def _unseen(study: Study) -> Iterator[Caution]:
    columns = [group.column for group in levels_of(study) if len(group.names) > 2]
    if columns and getattr(study.estimator, "scale_reduction_", None) is not None:
        yield Caution(
            "Levels to come",
            f"A level of {listed(columns)} that was not among these rows counts as an average one, and its predictions "
            "are less sure by as much as levels differ.",
        )


def _inside(study: Study, findings: Findings) -> Iterator[Caution]:
    nested = one_inside_the_other(study, findings)
    if nested:
        told = [f"{rarer} never without {other}" for rarer, other in nested]
        yield Caution(
            "Pairs that are one level",
            f"{count(len(nested), 'pair')} among the strongest {'is' if len(nested) == 1 else 'are'} of levels of which"
            f" one includes the other ({listed(told, limit=3)}): that interaction is as well an effect of the rarer"
            " one alone.",
        )


def _of_levels(findings: Findings) -> Iterator[Caution]:
    if any("=" in row.first and "=" in row.second for row in findings.interactions):
        yield Caution(
            "Levels are compared with their average",
            "Where every row has one level of a column, the estimate of a pair is its deviation from what all levels of"
            " that column share, weighted by their rows; the shared part is in the effects of single levels.",
        )


def _held_out(study: Study, predictions: dict[str, NDArray[Any]] | None) -> Iterator[Caution]:
    if predictions is None:
        return
    yield from calibrated(study, predictions)
    if "std" in predictions:
        assert study.y is not None
        z = np.abs(study.y - predictions["mean"]) / predictions["std"]
        inside, error = float(np.mean(z < norm.ppf(0.95))), float(np.sqrt(0.09 / len(z)))
        if abs(inside - 0.9) > max(3 * error, 0.02):
            size = "small" if inside < 0.9 else "large"
            yield Caution(
                "Predictive deviations",
                f"They are too {size}: {inside:.0%} of the held-out rows lie inside their 90% intervals.",
            )


def _descent(study: Study) -> Iterator[Caution]:
    estimator = study.estimator
    if not estimator.converged_:
        yield Caution(
            "Not fully converged",
            f"The descent was cut off after {estimator.max_iter:,} iterations; raise max_iter. With a penalty this "
            "small, held-out predictions often lose nothing by it.",
        )


def _idle_experts(study: Study) -> Iterator[Caution]:
    if not study.has_data:
        return
    label = study.first_class
    codes = study.estimator.codes(study.X, label)
    answers = np.bincount(study.estimator.responsible_expert(study.X, label), minlength=codes.shape[1])
    few = int(np.sum(answers < FEW_ROWS))
    if few > 0:
        yield Caution(
            "Experts with few rows",
            f"{few:,} of {count(codes.shape[1], 'expert')} {'is' if few == 1 else 'are'} the first to answer for fewer "
            f"than {FEW_ROWS} rows: what they hold is hardly determined.",
        )
