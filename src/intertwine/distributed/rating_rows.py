"""Ratings on the workers of a cluster, as a descent sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from intertwine.distributed.cluster import Cluster, Held
from intertwine.distributed.rating_parts import PartOfRatings, RatingParts
from intertwine.distributed.risk import DistributedRisk, OwnRows, fetch_sums
from intertwine.fitting.latent_factors.held_out_ratings import (
    held_mask,
    largest_numbers,
    rating_numbers,
    seed_and_threshold,
    smallest_free,
)
from intertwine.fitting.latent_factors.rating_rows import AbstractRatingRows, LocalRatings
from intertwine.structures.latent_factors import LatentFactors

__all__ = ["DistributedRatings", "center_and_spread", "rated_by", "weights_of_ids"]

Vector = NDArray[np.float64]


@final
class DistributedRatings(AbstractRatingRows):
    """Ratings whose parts are the users' of one worker each.

    Parameters
    ----------
    cluster : Cluster
    parts : sequence of distributed.Future
        Each of a `Held` `PartOfRatings`.
    users_of_parts : sequence of ndarray of int
    n_users, n_items : int
    """

    def __init__(
        self,
        cluster: Cluster,
        parts: Sequence[Any],
        users_of_parts: Sequence[NDArray[np.intp]],
        n_users: int,
        n_items: int,
    ) -> None:
        self.cluster, self.parts, self.users_of_parts = cluster, list(parts), list(users_of_parts)
        self.n_users, self.n_items = n_users, n_items
        self.user_features = self.item_features = None
        sums, own, counts = fetch_sums(cluster, cluster.each(_counted, self.parts), self._n_bytes(1))
        self.user_counts = self._own(1).join(own, ()).astype(np.int64)
        self.item_counts = counts
        self.n_ratings, self.total_weight, self.square = int(sums[0]), float(sums[1]), float(sums[2])

    def risk(self, structure, level):
        count = len(self.parts)
        parts = self.cluster.each(_risk, self.parts, [structure] * count, [level] * count)
        size = (self.n_users + self.n_items) * structure.width
        return DistributedRisk(self.cluster, parts, size, self._own(structure.width))

    def squares(self, structure, level):
        own, count = self._own(structure.width), len(self.parts)

        def squares(theta: Vector) -> float:
            told = own.split(theta), self.cluster.tell_all(theta[own.size :], count)
            results = self.cluster.each(_squares, self.parts, [structure] * count, [level] * count, *told)
            return float(sum(self.cluster.fetch(results)))

        return squares

    def by_user(self, items):
        told = self.cluster.tell_all(items, len(self.parts))
        own = self.cluster.fetch(self.cluster.each(_by_user, self.parts, told))
        return self._own(items.shape[1]).join(own, items.shape[1:])

    def by_item(self, users):
        own = [users[codes] for codes in self.users_of_parts]
        results = self.cluster.each(_by_item, self.parts, own)
        return fetch_sums(self.cluster, results, self._n_bytes(users.shape[1]), with_own=False)[2]

    def hold_out(self, fraction, rng):
        seed, threshold = seed_and_threshold(fraction, rng)
        cluster, count = self.cluster, len(self.parts)
        numbered = cluster.each(_numbered, self.parts, self.users_of_parts, [seed] * count)
        largest = [cluster.tree(_largest, cluster.each(_largest_of_items, numbered))] * count
        free = cluster.fetch(cluster.each(_smallest_free, self.parts, numbered, largest))
        free = [number for number in free if number > 0]
        threshold = max(threshold, min(free, default=np.uint64(0)))
        split = [
            cluster.each(_kept, self.parts, numbered, largest, [threshold] * count, [held] * count)
            for held in (False, True)
        ]
        return tuple(
            DistributedRatings(cluster, parts, self.users_of_parts, self.n_users, self.n_items)
            for parts in split
        )

    def _n_bytes(self, width: int) -> int:
        """What a row for each id takes, from all parts."""
        return 8 * width * (self.n_users + len(self.parts) * self.n_items)

    def _own(self, width: int) -> OwnRows:
        return OwnRows(self.n_users, width, self.users_of_parts)


def center_and_spread(cluster: Cluster, ratings: RatingParts) -> tuple[float, float, list[Any]]:
    """Mean and standard deviation of the ratings, and parts whose ratings are about the one, divided by the other.

    Raises
    ------
    ValueError
        When ratings do not vary, or none has weight.
    """
    count = len(ratings.parts)
    weight, total = np.sum(
        cluster.fetch(cluster.each(_moments, ratings.parts, [0.0] * count, [1] * count)), axis=0
    )
    center = total / weight if weight > 0.0 else 0.0
    square = np.sum(
        cluster.fetch(cluster.each(_moments, ratings.parts, [center] * count, [2] * count)), axis=0
    )[1]
    spread = float(np.sqrt(square / weight)) if weight > 0.0 else 0.0
    if not spread > 0.0:
        raise ValueError("y does not vary over the ratings that have weight: there is nothing to explain")
    return float(center), spread, cluster.each(_scaled, ratings.parts, [center] * count, [spread] * count)


def weights_of_ids(cluster: Cluster, ratings: RatingParts) -> tuple[Vector, Vector]:
    """Total weight of the ratings of each user, and of each item."""
    n_bytes = 8 * (len(ratings.users) + len(ratings.items) * len(ratings.parts))
    _, own, of_items = fetch_sums(cluster, cluster.each(_weights, ratings.parts), n_bytes)
    return OwnRows(len(ratings.users), 1, ratings.users_of_parts).join(own, ()), of_items


def rated_by(cluster: Cluster, ratings: RatingParts) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """What each user rated, brought to the client: four bytes for each rating.

    Returns
    -------
    starts : ndarray of int64, shape (n_users + 1,)
    item_of : ndarray of int32, shape (n_ratings,)
    """
    told = cluster.fetch(cluster.each(_rated, ratings.parts))
    counts = np.zeros(len(ratings.users), dtype=np.int64)
    for users, (own, _) in zip(ratings.users_of_parts, told, strict=True):
        counts[users] = own
    starts = np.concatenate([[0], np.cumsum(counts)])
    item_of = np.empty(starts[-1], dtype=np.int32)
    for users, (own, items) in zip(ratings.users_of_parts, told, strict=True):
        within = np.arange(len(items)) - np.repeat(np.cumsum(own) - own, own)
        item_of[np.repeat(starts[users], own) + within] = items
    return starts, item_of


# What is run on the workers.


def _counted(part: Held) -> tuple[Vector, NDArray[Any], NDArray[Any]]:
    table, y, weight = part.value
    return np.array([len(y), weight.sum(), weight @ y**2]), table.user_counts, table.item_counts


def _moments(part: Held, center: float, power: int) -> Vector:
    _, y, weight = part.value
    return np.array([weight.sum(), weight @ (y - center) ** power])


def _scaled(part: Held, center: float, spread: float) -> Held:
    scaled = part.value._replace(y=(part.value.y - center) / spread)
    return Held(scaled, part.n_bytes)


def _weights(part: Held) -> tuple[int, NDArray[Any], NDArray[Any]]:
    table, _, weight = part.value
    of_users = np.bincount(table.users, weight, table.n_users)
    return 0, of_users, np.bincount(table.item_of, weight, table.n_items)


def _rated(part: Held) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    return part.value.table.user_counts, part.value.table.item_of


def _local(part: Held) -> LocalRatings:
    return LocalRatings(*part.value)


def _risk(part: Held, structure: LatentFactors, level: float) -> Held:
    return Held(_local(part).risk(structure, level), part.n_bytes)


def _squares(part: Held, structure: LatentFactors, level: float, own: Vector, shared: Vector) -> float:
    return _local(part).squares(structure, level)(np.concatenate([own, shared]))


def _by_user(part: Held, items: Vector) -> Vector:
    return _local(part).by_user(items)


def _by_item(part: Held, users: Vector) -> tuple[int, None, Vector]:
    return 0, None, _local(part).by_item(users)


def _numbered(part: Held, users: NDArray[np.intp], seed: np.uint64) -> Held:
    numbers = rating_numbers(part.value.table, users, seed)
    of_users, of_items = largest_numbers(part.value.table, numbers)
    return Held((numbers, of_users, of_items), numbers.nbytes + of_users.nbytes + of_items.nbytes)


def _largest_of_items(numbered: Held) -> NDArray[np.uint64]:
    return numbered.value[2]


def _largest(numbers: list[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    return np.max(numbers, axis=0)


def _smallest_free(part: Held, numbered: Held, of_items: NDArray[np.uint64]) -> np.uint64:
    numbers, of_users, _ = numbered.value
    return smallest_free(part.value.table, numbers, of_users, of_items)


def _kept(part: Held, numbered: Held, of_items: NDArray[np.uint64], threshold: np.uint64, held: bool) -> Held:
    table, y, weight = part.value
    numbers, of_users, _ = numbered.value
    kept = held_mask(table, numbers, of_users, of_items, threshold) == held
    taken = PartOfRatings(table.take(kept), y[kept], weight[kept])
    return Held(taken, taken.n_bytes)
