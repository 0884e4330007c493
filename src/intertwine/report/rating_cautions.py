"""What to be careful about in a model of ratings, each point only where it applies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intertwine.report.cautions import Caution, calibrated, preparation
from intertwine.report.rating_findings import Ratings
from intertwine.report.study import Study
from intertwine.report.words import count, listed, number

__all__ = ["rating_cautions"]

_FEW = 5  # ratings, under which an id is mostly its prior
_NOTABLE = 0.1  # of the ids
_BUSY_SHARE = 0.01  # of the items, whose part of the ratings is told
_POPULAR = 0.3  # correlation of level and popularity
_ONE_SCALE = 0.02  # of the users


def rating_cautions(
    study: Study, ratings: Ratings, predictions: dict[str, NDArray[Any]] | None
) -> list[Caution]:
    """Collect the points that apply."""
    points = [*_settled(study), *_few(ratings), _cold(study), *_popular(study, ratings)]
    points += _one_scale(study, ratings)
    if predictions is not None:
        points += calibrated(study, predictions)
    points += preparation(study)
    points += [
        Caution(
            "Known users",
            "Folds were drawn by rating: the errors are those of further ratings of known users and items. For users "
            "who are new they are larger.",
        ),
        Caution(
            "Who rates is no accident",
            "People rate what they chose to see. The model speaks of pairs like those that were rated; that somebody "
            "would like a thing is not that they would choose it.",
        ),
    ]
    if study.estimator.item_factors_.shape[1] > 0:
        points.append(
            Caution(
                "Factors have no names",
                "Axes may be turned without changing a prediction, and another seed turns them. Read directions and "
                "neighbours, not single coordinates.",
            )
        )
    return points


def _settled(study: Study) -> Iterator[Caution]:
    if not study.estimator.converged_:
        yield Caution(
            "The solver had not settled",
            f"{study.estimator.solver_} stopped after {count(study.estimator.n_iter_, 'iteration')}; more (max_iter) "
            "would still move coefficients.",
        )


def _few(ratings: Ratings) -> Iterator[Caution]:
    told = []
    for name, counts in (("user", ratings.user_counts), ("item", ratings.item_counts)):
        few = int(np.sum(counts < _FEW))
        if few > _NOTABLE * counts.size:
            told.append(f"{few:,} of {count(counts.size, name)}")
    if told:
        yield Caution(
            "Few ratings an id",
            f"{listed(told)} have fewer than {_FEW} ratings. What is said of them leans on the average.",
        )


def _cold(study: Study) -> Caution:
    told = [
        f"{name}s by {listed([str(column) for column in columns])}"
        for name, columns in (
            ("user", study.estimator.user_features),
            ("item", study.estimator.item_features),
        )
        if len(columns)
    ]
    if told:
        return Caution(
            "New ids",
            f"An id without ratings is judged by its features alone ({listed(told)}). Its own ratings count as soon as "
            "they are folded in.",
        )
    return Caution(
        "New ids",
        "A user or an item that was not in the fit counts as an average one. fold_in takes its first ratings in "
        "without a refit; features would let the model say something before.",
    )


def _popular(study: Study, ratings: Ratings) -> Iterator[Caution]:
    counts = np.sort(ratings.item_counts)[::-1]
    busy = max(1, round(_BUSY_SHARE * counts.size))
    share = float(counts[:busy].sum() / counts.sum())
    level = study.estimator.item_biases_
    told = []
    if share > 10 * busy / counts.size and counts.size >= 100:
        told.append(f"{count(busy, 'item')} of {counts.size:,} have {share:.0%} of all ratings")
    if np.ptp(level) > 0 and np.ptp(ratings.item_counts) > 0:
        with_count = float(np.corrcoef(level, np.log1p(ratings.item_counts))[0, 1])
        if with_count > _POPULAR:
            told.append(
                f"the more ratings an item has, the higher its level (correlation {number(with_count, 2)})"
            )
    if told:
        text = listed(told)
        yield Caution(
            "Popularity",
            f"{text[0].upper()}{text[1:]}. Errors are dominated by popular items, and recommendations lean to them.",
        )


def _one_scale(study: Study, ratings: Ratings) -> Iterator[Caution]:
    if ratings.users is None or study.y is None:
        return
    size = ratings.user_counts.size
    times = np.bincount(ratings.users, minlength=size)
    mean = np.bincount(ratings.users, study.y, size) / np.maximum(times, 1)
    square = np.bincount(ratings.users, (study.y - mean[ratings.users]) ** 2, size)
    alike = (times >= _FEW) & (square <= 1e-12 * np.maximum(times, 1))
    able = int(np.sum(times >= _FEW))
    if able and alike.sum() > _ONE_SCALE * able:
        yield Caution(
            "Users of one mark",
            f"{int(alike.sum()):,} of {count(able, 'user')} with at least {_FEW} ratings gave the same rating every "
            "time. Nothing can be learnt from them of what they like.",
        )
