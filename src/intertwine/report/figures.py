"""Which pictures a section shows, and the words beside them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from intertwine.plots import (
    CalibrationDisplay,
    InteractionForestDisplay,
    InteractionHeatmapDisplay,
    InteractionSurfaceDisplay,
    LatentMapDisplay,
    ObservedPredictedDisplay,
    PathDisplay,
    SurvivalCurvesDisplay,
)
from intertwine.report.findings import Findings
from intertwine.report.picture import Picture, scratch_axes, take_picture
from intertwine.report.study import Study
from intertwine.report.words import compact, listed, number, signed

__all__ = [
    "held_out_predictions",
    "picture_of_fit",
    "picture_of_tie",
    "pictures_of_interactions",
    "pictures_of_pairs",
]

_FOLDS = 5  # of predictions, where no comparison has made any
_PAIRS = 3  # that have a picture

_READING = {
    "low_rank": (
        "Two features that point the same way interact positively, opposite ways negatively, "
        "at a right angle not at all."
    ),
    "signed": (
        "Along an axis of positive sign, features on the same side interact positively; "
        "along one of negative sign, negatively."
    ),
    "two_factor": "Each feature has one vector for each side of a pair; the map shows the two axes that vary most.",
    "distance": "The closer two features stand, the more positive their interaction; only distances matter.",
}


def held_out_predictions(study: Study) -> dict[str, NDArray[Any]] | None:
    """Predict every row by a model that did not see it.

    The predictions of the nested cross-validation serve where there is one; else the chosen hyperparameters
    are refitted.
    """
    if not study.has_data or study.y is None:
        return None
    if study.comparison is not None and study.comparison.out_of_fold is not None:
        return study.comparison.out_of_fold
    task = study.task
    kept: dict[str, NDArray[Any]] = {}
    for train, test in task.splits(study.y, _FOLDS, 0):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the whole table they were heard when the model was fitted
            model = clone(study.chosen).fit(study.take(train), study.y[train])
            found = task.predict(model, study.take(test), study.y)
        for key, values in found.items():
            kept.setdefault(key, np.empty((len(study.y), *values.shape[1:]), dtype=values.dtype))[test] = (
                values
            )
    return kept


def picture_of_fit(study: Study, predictions: dict[str, NDArray[Any]]) -> list[Picture]:
    """Predicted against observed, in the manner of the task."""
    y = study.y
    assert y is not None
    if "mean" in predictions:
        display: Any = ObservedPredictedDisplay(observed=y, predicted=predictions["mean"])
        correlation = float(np.corrcoef(y, predictions["mean"])[0, 1])
        return [
            take_picture(
                display,
                title="Observed against predicted",
                alt=f"Scatter of observed against held-out predictions of {study.target}; "
                f"correlation {correlation:.2f}.",
                caption="Each dot is a row, predicted by a model that did not see it. "
                "Diamonds are means of eight equal groups; on the dashed line, predictions are right on average.",
            )
        ]
    if "survival" in predictions:
        entry = y["entry"] if "entry" in (y.dtype.names or ()) else None
        display = SurvivalCurvesDisplay.from_predictions(
            predictions["times"][0],
            predictions["survival"],
            predictions["risk"],
            y["time"],
            y["event"],
            entry,
            unit=study.time_unit,
            ax=scratch_axes(),
        )
        final = [float(curve[-1]) for curve in display.predicted]
        return [
            take_picture(
                display,
                title="Survival by predicted risk",
                alt="Survival curves of three risk groups. Predicted survival at the end: "
                + listed([f"{name} {value:.0%}" for name, value in zip(display.names, final, strict=True)])
                + ".",
                caption="Thirds of the rows by held-out predicted risk. Dashed: mean predicted curve. "
                "Steps: Kaplan–Meier estimate of the same rows with 95% band. The closer the two, "
                "the better calibrated.",
            )
        ]
    return [
        _calibration(study, predictions["probability"], column)
        for column in _shown_classes(predictions["probability"])
    ]


def pictures_of_interactions(study: Study, findings: Findings) -> list[Picture]:
    """Forest, heatmap and latent map."""
    if not findings.interactions:
        return []
    shown = findings.interactions
    forest = InteractionForestDisplay(
        terms=[row.term if row.label is None else f"{row.term} [{row.label}]" for row in shown],
        estimate=[row.estimate for row in shown],
        std_error=[row.std_error for row in shown],
        lower=[row.lower for row in shown] if findings.has_bootstrap else None,
        upper=[row.upper for row in shown] if findings.has_bootstrap else None,
    )
    strongest = listed([f"{row.term} ({_told(row.estimate, study)})" for row in shown], limit=5)
    thin = " Thin bar: bootstrap, which lets the latent vectors move too." if findings.has_bootstrap else ""
    signs = "" if study.curved else " Filled: positive. Hollow: negative."
    pictures = [
        take_picture(
            forest,
            title="The largest interactions",
            alt=f"Forest plot of the {len(shown)} largest interactions with intervals; strongest {strongest}.",
            caption=f"Thick bar: ± 1.96 standard errors given the latent vectors.{thin}{signs}",
        )
    ]
    heat = InteractionHeatmapDisplay.from_estimator(study.estimator, n_features=12, ax=scratch_axes())
    pictures.append(
        take_picture(
            heat,
            title="Who interacts with whom",
            alt=f"Heatmap of the interactions among {len(heat.features)} features: {listed(heat.features, limit=14)}.",
            caption="Features with similar partners stand together. "
            + (
                "Colour is size: the stronger, the further the two together are from their sum."
                if study.curved
                else "Orange and +: more than the sum of the two; blue and −: less."
            ),
        )
    )
    if getattr(study.estimator, "latent_", None) is not None and len(study.names) > 2:
        latent = LatentMapDisplay.from_estimator(study.estimator, n_labels=12, ax=scratch_axes())
        structure = getattr(study.chosen, "latent", "low_rank")
        pictures.append(
            take_picture(
                latent,
                title="Latent map",
                alt=f"Map of {len(latent.features)} features in two latent axes, "
                f"which hold {latent.share:.0%} of the latent structure.",
                caption=f"{_READING.get(structure, '')} The two axes hold {latent.share:.0%} of the "
                "latent structure.".strip(),
            )
        )
    return pictures


def pictures_of_pairs(study: Study, findings: Findings) -> list[Picture]:
    """What each of the largest pairs does together."""
    if not study.has_data or study.y is None:
        return []
    pictures = []
    seen: set[tuple[str, str]] = set()
    for row in findings.interactions:
        if (row.first, row.second) in seen or row.first == row.second or len(seen) == _PAIRS:
            continue
        seen.add((row.first, row.second))
        names = study.names
        pair = (row.first, row.second) if row.first in names else (int(row.first), int(row.second))
        display = InteractionSurfaceDisplay.from_estimator(
            study.estimator, study.X, pair, label=row.label, ax=scratch_axes()
        )
        display = _in_units(display, study)
        low, high = float(display.prediction.min()), float(display.prediction.max())
        pictures.append(
            take_picture(
                display,
                title=row.term,
                alt=f"{display.quantity} as {row.first} and {row.second} vary together, "
                f"from {number(low)} to {number(high)}; "
                f"their interaction is {_told(row.estimate, study)}.",
                caption=f"{display.quantity.capitalize()} with all other features at their mean.",
            )
        )
    return pictures


def picture_of_tie(study: Study) -> list[Picture]:
    """Cross-validated score against the tie, where several were tried."""
    try:
        display = PathDisplay.from_estimator(study.estimator, name="tie", ax=scratch_axes())
    except (TypeError, KeyError, ValueError):
        return []
    if display.values.size < 2:
        return []
    chosen = "none" if display.chosen is None else compact(display.chosen)
    low, high = float(np.nanmin(display.mean)), float(np.nanmax(display.mean))
    errors = ", ± one standard error" if np.any(np.isfinite(display.std_error)) else ""
    return [
        take_picture(
            display,
            title="Does the latent structure help?",
            alt=f"{display.score_name.capitalize()} against the strength of the tie, between {number(low)} and "
            f"{number(high)}; chosen {chosen}.",
            caption=f"Lowest {display.score_name} at each strength of the tie to the latent structure{errors}; "
            "lower is better. 0: pairs on their own; ∞: factorization machine. Ring: the one that was "
            "picked; a tie must also lower the held-out loss by more than its standard error.",
        )
    ]


def _in_units(display: InteractionSurfaceDisplay, study: Study) -> InteractionSurfaceDisplay:
    """The same surface with its axes in the units that the features had before they were standardised."""
    centre_1, scale_1 = study.units.get(display.first, (0.0, 1.0))
    centre_2, scale_2 = study.units.get(display.second, (0.0, 1.0))
    points = None if display.points is None else display.points * [scale_1, scale_2] + [centre_1, centre_2]
    return InteractionSurfaceDisplay(
        first_grid=display.first_grid * scale_1 + centre_1,
        second_grid=display.second_grid * scale_2 + centre_2,
        prediction=display.prediction,
        first=display.first,
        second=display.second,
        points=points,
        quantity=display.quantity,
    )


def _told(estimate: float, study: Study) -> str:
    """An interaction in words: with its sign, or as the size of a surface, which has none."""
    return f"size {estimate:,.3f}" if study.curved else signed(estimate, 3)


def _calibration(study: Study, probability: NDArray[np.float64], column: int) -> Picture:
    assert study.y is not None
    label = np.unique(study.y)[column]
    display = CalibrationDisplay.from_predictions(
        study.y == label, probability[:, column], name=str(label), ax=scratch_axes()
    )
    worst = float(np.max(np.abs(display.predicted - display.observed)))
    return take_picture(
        display,
        title="Are the probabilities right?",
        alt=f"Calibration of the probability of {label}: the largest gap between predicted and "
        f"observed is {worst:.2f}.",
        caption="Held-out probabilities in eight groups of equal size against how often the class occurred, "
        "with 95% intervals. On the dashed line, probabilities can be taken at their word.",
    )


def _shown_classes(probability: NDArray[np.float64]) -> range:
    return range(1, 2) if probability.shape[1] == 2 else range(min(probability.shape[1], 3))
