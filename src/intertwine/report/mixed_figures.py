"""Pictures of a mixed model, and the words beside them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from intertwine.plots import (
    EffectMapDisplay,
    RandomEffectsDisplay,
    ShrinkageDisplay,
    TrajectoriesDisplay,
)
from intertwine.plots._groups import group_labels
from intertwine.report.machine_figures import pictures_of_held_out
from intertwine.report.mixed_findings import MixedFindings
from intertwine.report.picture import Picture, scratch_axes, take_picture
from intertwine.report.study import Study
from intertwine.report.words import count, listed, number

__all__ = ["Grouping", "grouping_of", "pictures_of_effects", "pictures_of_fit"]

_PANELS = 9
_CATERPILLARS = 2
_Z = 1.959964


class Grouping(NamedTuple):
    """Labels of the rows by the first grouping, and over what its levels change, where they do."""

    name: str
    labels: NDArray[Any]
    course: NDArray[np.float64] | None
    course_name: str


def grouping_of(study: Study, findings: MixedFindings) -> Grouping | None:
    """The first grouping of a study, passed beside the features or, with a formula, a column of them."""
    if not study.has_data:
        return None
    columns = _columns(study.X)
    if study.groups is not None:
        name, labels = findings.effects[0].split(" ")[0], group_labels(study.groups)
        if hasattr(study.groups, "columns"):
            name = str(study.groups.columns[0])
    else:
        name = next((effect for effect in findings.effects if effect in columns), "")
        if not name:
            return None
        labels = columns[name]
    if study.time is not None:
        time = np.asarray(study.time, dtype=float)
        same = [one for one, values in columns.items() if _is_copy(values, time)]
        return Grouping(name, labels, time, next(iter(same), "time"))
    terms = findings.variances["term"].astype(str)[findings.variances["component"].astype(str) == name]
    for term in terms:
        if term in columns and columns[term].dtype.kind in "fiu":
            return Grouping(name, labels, columns[term].astype(float), term)
    return Grouping(name, labels, None, "")


def pictures_of_fit(study: Study, predictions: dict[str, NDArray[Any]]) -> list[Picture]:
    """Predicted against observed, and whether intervals hold what they promise; of the first outcome."""
    assert study.y is not None
    if study.y.ndim == 1:
        return pictures_of_held_out(study, predictions)
    y = study.y[:, 0]
    known = ~np.isnan(y)
    first = {name: values[known, 0] for name, values in predictions.items()}
    return pictures_of_held_out(replace(study, y=y[known], target=study.target.split(", ")[0]), first)


def pictures_of_effects(study: Study, findings: MixedFindings) -> list[Picture]:
    """Levels in order, the map, what levels do over time, and how far their means were drawn to the rest."""
    places = _map(study)
    pictures = [*places, *_caterpillars(study, findings, 0 if not places else 1)]
    grouping = grouping_of(study, findings)
    if grouping is None:
        return pictures
    if grouping.course is not None:
        pictures.append(_trajectories(study, grouping))
    return [*pictures, _shrinkage(study, grouping)]


def _caterpillars(study: Study, findings: MixedFindings, n_mapped: int) -> list[Picture]:
    """Levels of the first effects, those that are on the map left out."""
    pictures = []
    named = [name for name in findings.effects if not (n_mapped and name.startswith("spatial"))]
    for name in named[:_CATERPILLARS]:
        display = RandomEffectsDisplay.from_estimator(study.estimator, effect=name, ax=scratch_axes())
        low, high = int(np.argmin(display.estimate)), int(np.argmax(display.estimate))
        far = int(np.sum(np.abs(display.estimate) > _Z * display.std_error))
        pictures.append(
            take_picture(
                display,
                title=f"Levels of {name}",
                alt=f"{count(display.level.size, 'level')} of {name} in order with 95% intervals, from "
                f"{display.level[low]} ({number(float(display.estimate[low]))}) to {display.level[high]} "
                f"({number(float(display.estimate[high]))}); {far:,} are clear of zero.",
                caption=f"What each level adds, with a 95% interval given the variances. {far:,} of "
                f"{display.level.size:,} are clear of zero, the average level; of so many, some are by chance.",
            )
        )
    return pictures


def _map(study: Study) -> list[Picture]:
    """The first spatial effect of two coordinates, where there is one."""
    try:
        display = EffectMapDisplay.from_estimator(study.estimator, ax=scratch_axes())
    except ValueError:
        return []
    low, high = float(display.estimate.min()), float(display.estimate.max())
    n_sites = 0 if display.sites is None else len(display.sites)
    return [
        take_picture(
            display,
            title="Map",
            alt=f"Map of the {display.quantity} over {display.first} and {display.second}, from {number(low)} to "
            f"{number(high)}, with {count(n_sites, 'site')}.",
            caption="What a place adds. Vermillion: more than the average place; blue: less. Hatched: no row is near "
            "enough to say much.",
        )
    ]


def _trajectories(study: Study, grouping: Grouping) -> Picture:
    n_levels = np.unique(grouping.labels.astype(str)).size
    display = TrajectoriesDisplay.from_estimator(
        study.estimator,
        study.X,
        _first_outcome(study),
        groups=grouping.labels if study.groups is None else study.groups,
        time=grouping.course,
        n_levels=_PANELS,
        time_name=grouping.course_name,
        outcome_name=study.target.split(", ")[0],
        ax=scratch_axes(),
        **({} if study.coords is None else {"coords": study.coords}),
    )
    named = [str(one) for one in display.levels]
    low, high = float(np.min(display.mean)), float(np.max(display.mean))
    which = "All" if len(named) == n_levels else f"The {len(named)} with the most rows of {n_levels:,}"
    return take_picture(
        display,
        title=f"Courses of {grouping.name}",
        alt=f"Observed rows and expected course over {grouping.course_name} of {count(len(named), 'level')} of "
        f"{grouping.name} ({listed(named, limit=9)}), between {number(low)} and {number(high)}.",
        caption=f"{which}. Dots: rows. Line: what the model expects of the level, with a 95% band. Dashed: of a level "
        "that it knows nothing of, with the same columns.",
    )


def _shrinkage(study: Study, grouping: Grouping) -> Picture:
    given = {"time": study.time, "coords": study.coords}
    display = ShrinkageDisplay.from_estimator(
        study.estimator,
        study.X,
        _first_outcome(study),
        groups=grouping.labels if study.groups is None else study.groups,
        ax=scratch_axes(),
        **{name: values for name, values in given.items() if values is not None},
    )
    most = int(np.argmax(np.abs(display.mean)))
    return take_picture(
        display,
        title="Shrinkage",
        alt=f"Plain means of {count(display.level.size, 'level')} of {grouping.name} against the model's estimates, "
        f"{display.shrinkage:.0%} nearer to zero as a whole; the furthest, {display.level[most]}, goes from "
        f"{number(float(display.mean[most]))} to {number(float(display.estimate[most]))}.",
        caption=f"Each dot is a level of {grouping.name}, the larger the more rows it has: the mean of what fixed "
        "effects leave of its rows, and what random effects make of it. On the dashed line a mean is taken at its "
        f"word; the line to a dot is what was taken away, {display.shrinkage:.0%} over all.",
    )


def _first_outcome(study: Study) -> NDArray[np.float64]:
    assert study.y is not None
    return study.y if study.y.ndim == 1 else study.y[:, 0]


def _is_copy(values: NDArray[Any], time: NDArray[np.float64]) -> bool:
    return values.dtype.kind in "fiu" and bool(np.array_equal(values, time))


def _columns(X: Any) -> dict[str, NDArray[Any]]:
    if X is None or isinstance(X, np.ndarray):
        return {}
    native = nw.from_native(X, eager_only=True)
    return {str(name): native[name].to_numpy() for name in native.columns}
