"""Ratings as a descent sees them: sums over all of them, wherever they lie."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.latent_factors.held_out_ratings import held_out
from intertwine.fitting.latent_factors.squared_ratings import SquaredRatingRisk, weighted_squares
from intertwine.risk import AbstractRisk
from intertwine.structures.latent_factors import FactorParams, FactorScores, LatentFactors
from intertwine.structures.linearization import StackedLayout
from intertwine.structures.ratings import RatingTable

__all__ = ["AbstractRatingRows", "LocalRatings"]

Vector = NDArray[np.float64]


class AbstractRatingRows(ABC):
    """Ratings y of weight w, of users for items.

    Attributes
    ----------
    n_users, n_items, n_ratings : int
    user_features, item_features : csr_array or None
    user_counts, item_counts : ndarray of int
        Ratings of each user, and of each item.
    total_weight, square : float
        Σ w and Σ w y².
    """

    n_users: int
    n_items: int
    n_ratings: int
    user_features: Any
    item_features: Any
    user_counts: NDArray[Any]
    item_counts: NDArray[Any]
    total_weight: float
    square: float

    def layout(self, structure: LatentFactors) -> StackedLayout:
        """How all coefficients lie in one vector."""
        features = (
            0 if known is None else known.shape[1] for known in (self.user_features, self.item_features)
        )
        rows = (self.n_users, self.n_items, *features)
        return StackedLayout(FactorParams(*(np.broadcast_to(0.0, (n, structure.width)) for n in rows)))

    @abstractmethod
    def risk(self, structure: LatentFactors, level: float) -> AbstractRisk:
        """Half of Σ w (y + level − f)²."""

    @abstractmethod
    def squares(self, structure: LatentFactors, level: float) -> Callable[[Vector], float]:
        """Coefficients to Σ w (y + level − f)²."""

    @abstractmethod
    def by_user(self, items: Vector) -> Vector:
        """Sum of the rows of ``items`` over what each user rated, shape (n_users, ·)."""

    @abstractmethod
    def by_item(self, users: Vector) -> Vector:
        """Sum of the rows of ``users`` over who rated each item, shape (n_items, ·)."""

    @abstractmethod
    def hold_out(self, fraction: float, rng: np.random.Generator) -> tuple[Self, Self]:
        """Ratings to learn from, and ratings held out: the same ones wherever they lie."""


@final
class LocalRatings(AbstractRatingRows):
    """Ratings in the memory of this process.

    Parameters
    ----------
    X : RatingTable
    y : ndarray of shape (n_ratings,), float32 or float64
        In the order of the table.
    weight : ndarray of shape (n_ratings,) or None
        One each where None.
    n_threads : int, default=1
    kept : ndarray of bool, shape (n_ratings,), optional
        Which ratings are there; the others are as if they were not in the table.

    Examples
    --------
    >>> X, order = RatingTable.build(np.array([0, 1, 1]), np.array([0, 0, 1]), 2, 2)
    >>> rows = LocalRatings(X, np.array([1.0, 2.0, -3.0]), None)
    >>> rows.by_item(np.array([[1.0], [10.0]])).ravel()
    array([11., 10.])
    >>> rows.square
    14.0
    """

    def __init__(
        self,
        X: RatingTable,
        y: Vector,
        weight: Vector | None,
        n_threads: int = 1,
        kept: NDArray[np.bool_] | None = None,
    ) -> None:
        self.X, self.y, self.n_threads = X, y, n_threads
        self.n_users, self.n_items, self.n_ratings = X.n_users, X.n_items, X.n_ratings
        self.user_features, self.item_features = X.user_features, X.item_features
        self.user_counts, self.item_counts = X.user_counts, X.item_counts
        if kept is not None:
            self.n_ratings = int(np.count_nonzero(kept))
            self.user_counts, self.item_counts = X.counts_of(kept)
        # one byte each where ratings only count or do not
        counted = np.ones(len(y), dtype=bool) if kept is None else kept
        self.weight: NDArray[Any] = counted if weight is None else weight * counted
        self.total_weight = float(self.weight.sum())
        self.square = weighted_squares(self.y, self.weight)

    def risk(self, structure, level):
        return SquaredRatingRisk(self._scores(structure), self.y, self.weight, level)

    def squares(self, structure, level):
        scores = self._scores(structure)
        return lambda theta: scores.squares(theta, self.y, self.weight, level)

    def by_user(self, items):
        return self._pulled(np.empty((self.n_users, 0)), items)[0]

    def by_item(self, users):
        return self._pulled(users, np.empty((self.n_items, 0)))[1]

    def hold_out(self, fraction, rng):
        held, table = held_out(self.X, fraction, rng)
        weight = None if self.weight.dtype == bool else self.weight
        # what is learnt from is the same table, in which the ratings held out weigh nothing
        train = LocalRatings(self.X, self.y, weight, self.n_threads, ~held)
        return train, LocalRatings(
            table, self.y[held], None if weight is None else weight[held], self.n_threads
        )

    def _scores(self, structure: LatentFactors) -> FactorScores:
        return FactorScores(structure, self.X, self.n_threads)

    def _pulled(self, users: Vector, items: Vector) -> tuple[Vector, Vector]:
        """Sums of rows over the ratings that weigh anything."""
        counted = self.weight if self.weight.dtype == bool else self.weight != 0
        scores = self._scores(LatentFactors(0))
        return scores.pull(counted, np.ascontiguousarray(users), np.ascontiguousarray(items))
