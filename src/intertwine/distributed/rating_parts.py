"""From tables on disk to ratings by user, each user's on one worker; only ids and counts come to the client.

Every worker reads its files and lists the ids in them. The client numbers the ids. A user whose ratings lie in several
parts is given to one of them, which the others send theirs: next to nothing where files are sorted by user, nearly
everything where they are not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.distributed.cluster import Cluster, Held
from intertwine.distributed.sources import Source
from intertwine.fitting.latent_factors.duplicate_ratings import merged_duplicates
from intertwine.fitting.latent_factors.rating_ids import IdIndex
from intertwine.structures.ratings import RatingTable
from intertwine.validation.ratings import check_rating_scale, check_ratings, id_values

__all__ = ["PartOfRatings", "RatingParts", "read_rating_parts"]

_SCATTER = 2654435761  # Knuth's multiplier: neighbours among ids go to different parts


class PartOfRatings(NamedTuple):
    """Ratings of some users.

    Attributes
    ----------
    table : RatingTable
        Users are numbered within the part, items as in all parts.
    y, weight : ndarray of shape (n_ratings,)
        In the order of the table.
    """

    table: RatingTable
    y: NDArray[np.float64]
    weight: NDArray[np.float64]

    @property
    def n_bytes(self) -> int:
        """Memory that it takes."""
        return sum(part.nbytes for part in (*self.table, self.y, self.weight) if isinstance(part, np.ndarray))


class RatingParts(NamedTuple):
    """Ratings on the workers.

    Attributes
    ----------
    users, items : IdIndex
    parts : list of distributed.Future
        Each of a `Held` `PartOfRatings`.
    users_of_parts : list of ndarray of int
        Codes of each part's users, ascending.
    """

    users: IdIndex
    items: IdIndex
    parts: list[Any]
    users_of_parts: list[NDArray[np.intp]]


class _Ratings(NamedTuple):
    """Columns of a part as they were read; ids, then codes."""

    users: NDArray[Any]
    items: NDArray[Any]
    y: NDArray[np.float64]
    weight: NDArray[np.float64]


def read_rating_parts(
    cluster: Cluster,
    source: Source,
    names: Sequence[str],
    duplicates: str,
    rating_scale: Sequence[float] | None = None,
) -> RatingParts:
    """Have the workers read a table.

    Parameters
    ----------
    cluster : Cluster
    source : Source
    names : sequence of str
        Columns of user, item, rating and, if there is one, weight.
    duplicates : {"error", "mean", "last", "keep"}
    rating_scale : (low, high), optional

    Raises
    ------
    ValueError, TypeError
        For what a local fit refuses too.
    """
    count = len(source.recipes)
    read = cluster.each(
        _read, source.recipes, [source.reader] * count, [list(names)] * count, [rating_scale] * count
    )
    ids_of_users = cluster.each(_user_ids, read)
    item_ids, *user_ids = cluster.fetch(
        [cluster.tree(_all_ids, cluster.each(_item_ids, read)), *ids_of_users]
    )
    _require_one_kind([*user_ids, item_ids])
    users, codes = IdIndex.of(_joined(user_ids), "user")
    items = IdIndex(item_ids, "item")
    codes_of_parts = np.split(codes, np.cumsum([len(ids) for ids in user_ids])[:-1])
    homes = _homes(codes_of_parts, len(users))
    coded = cluster.each(_with_codes, read, codes_of_parts, [cluster.one(_same, items)] * count)
    parts, users_of_parts = [], []
    for part in range(count):
        mine = np.flatnonzero(homes == part)
        if not mine.size:
            continue
        pieces = []
        for other, known in enumerate(codes_of_parts):
            goes = homes[known] == part
            if goes.all():
                pieces.append(coded[other])
            elif goes.any():
                pieces.append(cluster.one(_of_users, coded[other], known[goes]))
        parts.append(cluster.one(_by_user, pieces, mine, len(items), duplicates))
        users_of_parts.append(mine)
    return RatingParts(users, items, parts, users_of_parts)


def _homes(codes_of_parts: Sequence[NDArray[np.intp]], n_users: int) -> NDArray[np.intp]:
    """Part of each user: one of those that have ratings of theirs."""
    codes = np.concatenate(codes_of_parts)
    parts = np.repeat(np.arange(len(codes_of_parts)), [len(own) for own in codes_of_parts])
    counts = np.bincount(codes, minlength=n_users)
    chosen = (np.arange(n_users) * _SCATTER % 2**32) % counts
    return parts[np.argsort(codes, kind="stable")][np.cumsum(counts) - counts + chosen]


def _require_one_kind(labels: Sequence[NDArray[Any]]) -> None:
    if len({own.dtype.kind == "O" for own in labels[:-1]}) > 1:
        raise TypeError("user ids are text in some parts of the table and numbers in others")


def _joined(labels: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(list(labels))


# What is run on the workers.


def _same(value: Any) -> Any:
    return value


def _read(recipe: Any, reader: Callable[..., Any], names: list[str], rating_scale: Any) -> Held:
    users, items, rating, *weight = reader(recipe, names)
    y = check_ratings(rating, rating).astype(np.float64, copy=False)
    check_rating_scale(y, rating_scale)
    weights = np.ones(len(y)) if not weight else np.asarray(weight[0], dtype=float)
    if not (np.isfinite(weights).all() and (weights >= 0.0).all()):
        raise ValueError(f"column {names[3]!r} holds weights that are negative, NaN or infinite")
    return _held(_Ratings(id_values(users, "user"), id_values(items, "item"), y, weights))


def _held(ratings: _Ratings) -> Held:
    objects = sum(56 * len(ids) for ids in ratings[:2] if ids.dtype.kind == "O")  # of texts
    return Held(ratings, objects + sum(column.nbytes for column in ratings))


def _user_ids(read: Held) -> NDArray[Any]:
    return IdIndex.of(read.value.users, "user")[0].labels


def _item_ids(read: Held) -> NDArray[Any]:
    return IdIndex.of(read.value.items, "item")[0].labels


def _all_ids(labels: list[NDArray[Any]]) -> NDArray[Any]:
    if len({own.dtype.kind == "O" for own in labels}) > 1:
        raise TypeError("item ids are text in some parts of the table and numbers in others")
    return IdIndex.of(_joined(labels), "item")[0].labels


def _with_codes(read: Held, codes_of_users: NDArray[np.intp], items: IdIndex) -> Held:
    ratings: _Ratings = read.value
    users = codes_of_users[IdIndex.of(ratings.users, "user")[1]]
    return _held(ratings._replace(users=users, items=items.codes(ratings.items)))


def _of_users(coded: Held, users: NDArray[np.intp]) -> Held:
    ratings: _Ratings = coded.value
    places = np.minimum(np.searchsorted(users, ratings.users), len(users) - 1)
    kept = users[places] == ratings.users
    return _held(_Ratings(*(column[kept] for column in ratings)))


def _by_user(pieces: list[Held], mine: NDArray[np.intp], n_items: int, duplicates: str) -> Held:
    ratings = _Ratings(
        *(np.concatenate(column) for column in zip(*(piece.value for piece in pieces), strict=True))
    )
    users = np.searchsorted(mine, ratings.users)
    users, items, y, weight = merged_duplicates(
        users, ratings.items, n_items, ratings.y, ratings.weight, duplicates
    )
    assert weight is not None  # they were given
    kept = weight > 0
    table, order = RatingTable.build(users[kept], items[kept], len(mine), n_items)
    part = PartOfRatings(table, y[kept][order], weight[kept][order])
    return Held(part, part.n_bytes)
