"""What a model of ratings found: what ratings hang on, levels of items, items that are liked alike."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.plots._results import columns_of
from intertwine.report.study import Study
from intertwine.report.tables import Table, marks
from intertwine.report.words import count, decimals_of, listed, number, signed

__all__ = ["Ratings", "idle_factors", "level_table", "neighbour_table", "what_moves"]

_SHOWN, _NEIGHBOURS = 8, 4
_IDLE = 0.03  # of the noise, under which factors are not read
_ENOUGH = 5  # ratings for a level that is shown


class Ratings(NamedTuple):
    """The ratings that a model was fitted on, as far as they are at hand.

    Attributes
    ----------
    user_counts, item_counts : (n_users,), (n_items,) arrays
        Ratings of each.
    users, items : (n,) arrays or None
        Codes of each row; None without rows, and for rows that were not in the fit.
    """

    user_counts: NDArray[np.float64]
    item_counts: NDArray[np.float64]
    users: NDArray[np.intp] | None
    items: NDArray[np.intp] | None

    @classmethod
    def of(cls, study: Study) -> Ratings:
        """Those of a study."""
        estimator = study.estimator
        counts = estimator.user_counts_, estimator.item_counts_
        if not study.has_data:
            return cls(*counts, None, None)
        user, _, item, _ = columns_of(estimator.activity(study.X)).values()
        codes = _codes(user, estimator.users_), _codes(item, estimator.items_)
        return cls(*counts, *codes) if all((code >= 0).all() for code in codes) else cls(*counts, None, None)

    @property
    def n(self) -> float:
        """How many there are: their weights, added up."""
        return float(self.user_counts.sum())

    @property
    def density(self) -> float:
        """Share of all pairs that was rated."""
        return self.n / (self.user_counts.size * self.item_counts.size)


def _codes(ids: NDArray[Any], known: NDArray[Any]) -> NDArray[np.intp]:
    place = {one: code for code, one in enumerate(known.tolist())}
    return np.fromiter((place.get(one, -1) for one in ids.tolist()), np.intp, len(ids))


def what_moves(study: Study, ratings: Ratings) -> list[str]:
    """How much of the spread of the ratings is told by levels and by factors."""
    estimator = study.estimator
    if ratings.users is None or ratings.items is None or study.y is None:
        return []
    user, item = estimator.user_biases_[ratings.users], estimator.item_biases_[ratings.items]
    factors = np.einsum(
        "nk,nk->n", estimator.user_factors_[ratings.users], estimator.item_factors_[ratings.items]
    )
    told = [
        f"{number(float(np.std(part)), 2)} by {name}"
        for name, part in (
            ("who rates", user),
            ("what is rated", item),
            ("the two together, the factors", factors),
        )
        if np.ptp(part) > 0
    ]
    return [
        f"The ratings have a standard deviation of {number(float(np.std(study.y)), 3)}: they are moved "
        f"{listed(told)}; what is left has {number(estimator.noise_, 2)}. Squares of these add up, roughly."
    ]


def idle_factors(estimator: Any) -> str:
    """Say that factors move ratings by too little to tell tastes from; empty where they do more."""
    users, items = estimator.user_factors_, estimator.item_factors_
    if items.shape[1] == 0:
        return "The model has no factors, so all users like the same things."
    squares = np.sum((users.T @ users / len(users)) * (items.T @ items / len(items)))
    spread = float(np.sqrt(squares))
    if spread > _IDLE * estimator.noise_:
        return ""
    return (
        f"Factors move a rating by {number(spread, 2)} (root mean square), where chance moves it by "
        f"{number(estimator.noise_, 2)}: this fit tells no tastes apart."
    )


def level_table(study: Study, ratings: Ratings) -> Table | None:
    """Items that are rated highest and lowest, users being equal."""
    estimator = study.estimator
    if not estimator.biases or estimator.item_biases_.size < 3:
        return None
    level, counts = estimator.item_biases_, ratings.item_counts
    enough = np.flatnonzero(counts >= min(_ENOUGH, counts.max()))
    order = enough[np.argsort(-level[enough], kind="stable")]
    half = min(_SHOWN, max(1, order.size // 2))
    chosen = np.concatenate([order[:half], order[max(half, order.size - half) :]])
    low, high, places = marks(level[chosen], np.zeros(chosen.size), anchor=0.0)
    mean = _means(study, ratings)
    decimals = decimals_of([], level[chosen].tolist())
    rows = [
        {
            "item": str(estimator.items_[i]),
            "level": signed(float(level[i]), decimals),
            "sign": "positive" if level[i] >= 0 else "negative",
            "mean": "" if mean is None else f"{mean[i]:.2f}",
            "n": f"{counts[i]:,.0f}",
            "break": place == half,
            **mark,
        }
        for place, (i, mark) in enumerate(zip(chosen, places, strict=True))
    ]
    caption = (
        f"The {half} items that are rated highest and the {len(chosen) - half} rated lowest, of those with at least "
        f"{count(int(min(_ENOUGH, counts.max())), 'rating')}. The level is what an item adds to the rating of "
        "an average user, "
        f"{number(estimator.intercept_, 3)}, and is pulled to zero where ratings are few; the plain mean is not."
    )
    return Table(
        caption=caption, rows=rows, low=number(low, 2), high=number(high, 2), has_rows=mean is not None
    )


def _means(study: Study, ratings: Ratings) -> NDArray[np.float64] | None:
    if ratings.items is None or study.y is None:
        return None
    size = ratings.item_counts.size
    times = np.bincount(ratings.items, minlength=size)
    return np.bincount(ratings.items, study.y, size) / np.maximum(times, 1)


def neighbour_table(study: Study, ratings: Ratings) -> Table | None:
    """For the items with the most ratings, those that the same users like."""
    estimator = study.estimator
    if (
        idle_factors(estimator)
        or estimator.item_factors_.shape[1] < 2
        or ratings.item_counts.size < 2 * _NEIGHBOURS
    ):
        return None
    busiest = np.argsort(-ratings.item_counts, kind="stable")[:_SHOWN]
    found = list(columns_of(estimator.similar_items(estimator.items_[busiest], 10 * _NEIGHBOURS)).values())
    count_of = dict(zip(estimator.items_.tolist(), ratings.item_counts.tolist(), strict=True))
    usual = float(np.median(ratings.item_counts[busiest])) / 10
    rows = []
    for one in estimator.items_[busiest].tolist():
        near = [
            (other, float(cosine))
            for item, _, other, cosine in zip(*found, strict=True)
            if item == one and count_of[other] >= max(_ENOUGH, usual)
        ][:_NEIGHBOURS]
        if near:
            rows.append({"item": str(one), "near": [f"{other} ({cosine:.2f})" for other, cosine in near]})
    if not rows:
        return None
    caption = (
        "The items with the most ratings, and those nearest to each by the angle between their factors (its cosine in "
        "brackets): who likes the one more than usual, likes the other more than usual. Items of few ratings are left "
        "out."
    )
    return Table(caption=caption, rows=rows)
