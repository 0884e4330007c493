"""Pictures of a model of ratings, and the words beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from intertwine.plots import ConvergenceDisplay, ErrorByActivityDisplay, ItemMapDisplay
from intertwine.report.machine_figures import pictures_of_held_out
from intertwine.report.picture import Picture, scratch_axes, take_picture
from intertwine.report.rating_findings import Ratings, idle_factors
from intertwine.report.study import Study
from intertwine.report.words import count, listed, number

__all__ = ["picture_of_convergence", "pictures_of_maps", "pictures_of_ratings"]

_LABELS, _POINTS = 14, 400  # in a map


def pictures_of_ratings(
    study: Study, ratings: Ratings, predictions: dict[str, NDArray[Any]]
) -> list[Picture]:
    """Predicted against observed, coverage of intervals, errors by activity."""
    pictures = pictures_of_held_out(study, predictions)
    if ratings.users is None or ratings.items is None:
        return pictures
    display = ErrorByActivityDisplay.from_predictions(
        study.y,
        predictions["mean"],
        ratings.users,
        ratings.items,
        user_counts=ratings.user_counts[ratings.users],
        item_counts=ratings.item_counts[ratings.items],
        ax=scratch_axes(),
    )
    ends = []
    for side in ("user", "item"):
        rows = np.flatnonzero(display.side == side)
        first, last = rows[0], rows[-1]
        ends.append(
            f"{number(display.rmse[first], 3)} for {side}s of up to {count(int(display.high[first]), 'rating')} and "
            f"{number(display.rmse[last], 3)} for those of {display.low[last]:,} and more"
        )
    pictures.append(
        take_picture(
            display,
            title="Errors by activity",
            alt=f"Root mean squared error of held-out ratings by how often user and item were rated: {listed(ends)}.",
            caption="Ratings in groups by how many ratings their user, or their item, has in the table. Bars: standard "
            "errors, and from the fewest to the most ratings of a group.",
        )
    )
    return pictures


def pictures_of_maps(study: Study) -> list[Picture]:
    """Items in the plane of two factors."""
    estimator = study.estimator
    if idle_factors(estimator) or estimator.items_.size < 3:
        return []
    names = _worth_naming(estimator)
    display = ItemMapDisplay.from_estimator(estimator, names=names, n_points=_POINTS, ax=scratch_axes())
    total = float(np.sum(estimator.item_factors_**2)) or 1.0
    share = float(np.sum(estimator.item_factors_[:, :2] ** 2)) / total
    shown = min(estimator.items_.size, _POINTS)
    which = "Items" if shown == estimator.items_.size else f"The {shown} items with the most ratings"
    named = [str(one) for one in display.named]
    axes = "two strongest factors" if estimator.item_factors_.shape[1] > 1 else "one factor and their level"
    return [
        take_picture(
            display,
            title="Item map",
            alt=f"Map of {count(shown, 'item')} by their {axes}; named are those with the most ratings and those "
            f"furthest from the middle: {listed(named, limit=8)}.",
            caption=f"{which} by their {axes}, which hold {share:.0%} of the factors' squared length. Those in the "
            "same direction from the crossing of the lines are liked by the same users. The larger, the more ratings; "
            "colour: level, how much higher than average an item is rated; triangles: lower.",
        )
    ]


def _worth_naming(estimator: Any) -> list[Any]:
    """Items with the most ratings, and of those that are shown the ones furthest from the middle."""
    shown = np.argsort(-estimator.item_counts_, kind="stable")[:_POINTS]
    busiest = shown[: _LABELS // 2].tolist()
    factors = estimator.item_factors_[shown][:, :2]
    far = shown[np.argsort(-np.linalg.norm(factors, axis=1), kind="stable")]
    chosen = busiest + [i for i in far.tolist() if i not in busiest]
    return estimator.items_[chosen[:_LABELS]].tolist()


def picture_of_convergence(study: Study) -> list[Picture]:
    """What the solver lowered, over the passes."""
    if len(study.estimator.history_) < 2:
        return []
    display = ConvergenceDisplay.from_estimator(study.estimator, ax=scratch_axes())
    held_out = display.quantity == "validation_rmse"
    what = "Root mean squared error of the ratings held out" if held_out else "Objective"
    return [
        take_picture(
            display,
            title="Convergence",
            alt=f"{what} against passes over the data: {number(float(display.value[0]), 3)} after the first and "
            f"{number(float(display.value[-1]), 3)} after {count(round(float(display.cost[-1])), 'pass', 'passes')}.",
            caption="One pass reads all ratings once. "
            + (
                "The ring is around the lowest error: later steps only learn the ratings by heart."
                if held_out
                else "What the solver lowers, or of a chain the misfit of each draw: flat at the end is settled."
            ),
        )
    ]
