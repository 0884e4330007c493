"""Pictures of factorization machines, and the words beside them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intertwine.plots import (
    CoverageDisplay,
    ExpertMapDisplay,
    InteractionForestDisplay,
    LatentMapDisplay,
    TraceDisplay,
)
from intertwine.report.figures import picture_of_fit, pictures_of_pairs
from intertwine.report.findings import Findings
from intertwine.report.picture import Picture, scratch_axes, take_picture
from intertwine.report.study import Study
from intertwine.report.words import listed, number, signed

__all__ = [
    "picture_of_experts",
    "picture_of_trace",
    "pictures_of_held_out",
    "pictures_of_strongest",
    "pictures_of_surfaces",
]

_MOST_ENTRIES = 5_000_000  # of a table that is made dense for a picture
_FEW_VALUES = 4


def pictures_of_held_out(study: Study, predictions: dict[str, NDArray[Any]]) -> list[Picture]:
    """Predicted against observed, and whether intervals hold as many rows as they promise."""
    pictures = picture_of_fit(study, predictions)
    if "std" not in predictions:
        return pictures
    display = CoverageDisplay.from_predictions(
        study.y, predictions["mean"], predictions["std"], ax=scratch_axes()
    )
    covered = float(display.covered[display.level == 0.9][0])
    pictures.append(
        take_picture(
            display,
            title="Are the predictive deviations right?",
            alt=f"Share of held-out rows inside central predictive intervals against their nominal share; of the 90% "
            f"intervals {covered:.0%} hold the outcome.",
            caption="Above the dashed line the predictive standard deviations are too large, below it too small. "
            "Bars: 95% intervals.",
        )
    )
    return pictures


def pictures_of_strongest(study: Study, findings: Findings) -> list[Picture]:
    """Forest of the strongest pairs, and the map of the factors."""
    pictures = []
    if findings.interactions and findings.has_errors:
        shown = findings.interactions
        forest = InteractionForestDisplay(
            terms=[row.term if row.label is None else f"{row.term} [{row.label}]" for row in shown],
            estimate=[row.estimate for row in shown],
            std_error=[row.std_error for row in shown],
        )
        strongest = listed([f"{row.term} ({signed(row.estimate, 3)})" for row in shown], limit=5)
        pictures.append(
            take_picture(
                forest,
                title="The strongest pairs",
                alt=f"Forest plot of the {len(shown)} strongest pairs with posterior intervals; first {strongest}.",
                caption="Dot: posterior mean. Bar: ± 1.96 posterior standard deviations. Filled: positive. "
                "Hollow: negative.",
            )
        )
    if getattr(study.estimator, "n_components", 0) > 0 and len(study.names) > 2:
        display = LatentMapDisplay.from_estimator(study.estimator, n_labels=12, ax=scratch_axes())
        named = [display.features[i] for i in np.argsort(-display.importance, kind="stable")[:12]]
        pictures.append(
            take_picture(
                display,
                title="Factor map",
                alt=f"Map of {len(display.features)} features by their factors, in two axes that hold "
                f"{display.share:.0%} of the factors' squared length; the longest are {listed(named, limit=6)}.",
                caption="Features that point the same way interact positively, opposite ways negatively, at a right "
                f"angle not at all. The two axes hold {display.share:.0%} of the factors' squared length; the longest "
                "are named. Levels of one column never meet: only their place relative to other columns counts.",
            )
        )
    return pictures


def pictures_of_surfaces(study: Study, findings: Findings) -> list[Picture]:
    """Predictions over the strongest pairs with a column of numbers, where the table is small enough for it."""
    if not study.has_data or not hasattr(study.X, "columns"):
        return []
    columns, place = study.columns, {name: j for j, name in enumerate(study.names)}
    if columns.shape[0] * columns.shape[1] > _MOST_ENTRIES:
        return []

    def is_curve(name: str) -> bool:
        j = place[name]
        values = columns.data[columns.indptr[j] : columns.indptr[j + 1]]
        return np.unique(values).size > _FEW_VALUES

    rows = [row for row in findings.interactions if is_curve(row.first) or is_curve(row.second)]
    return pictures_of_pairs(study, replace(findings, interactions=rows))


def picture_of_trace(study: Study) -> list[Picture]:
    """The misfit over the sweeps, or the objective over the iterations."""
    display = TraceDisplay.from_estimator(study.estimator, ax=scratch_axes())
    last = float(display.value[-1])
    chain = display.scale_reduction is not None
    settled = f"; potential scale reduction {display.scale_reduction:.2f}" if chain else ""
    meaning = (
        "Misfit of each draw. A chain that has settled wanders about one level after the burn-in; its scale reduction "
        "is then near 1."
        if chain
        else "What the descent lowers. It should be flat at the end."
    )
    return [
        take_picture(
            display,
            title="Trace of the chain" if chain else "Trace of the descent",
            alt=f"{display.quantity.capitalize()} against {int(display.iteration.max())} iterations, "
            f"{number(last)} at the end{settled}.",
            caption=meaning,
        )
    ]


def picture_of_experts(study: Study) -> list[Picture]:
    """Which expert answers where."""
    display = ExpertMapDisplay.from_estimator(study.estimator, study.X, ax=scratch_axes())
    order = np.argsort(-display.share, kind="stable")
    largest = listed([f"{display.experts[i]} ({display.share[i]:.0%} of the rows)" for i in order], limit=5)
    return [
        take_picture(
            display,
            title="Who answers where",
            alt=f"Map of the rows by {display.first} and {display.second}: {len(display.experts)} experts answer; "
            f"the most rows have {largest}.",
            caption="Each row is tied to the middle of the rows that the same expert answers most; the number is the "
            "expert's. Darker (on dark pages: lighter) rows are blended from more experts.",
        )
    ]
