"""Who rated what: the pairs (user, item), in the order of the users and in that of the items.

Solvers that alternate read the ratings of one user after the other, then those of one item after the other, so the
pairs are kept twice; values (outcomes, weights, scores) once, in the order of the users.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["RatingTable", "place_type", "sorted_places"]


class RatingTable(NamedTuple):
    """Pairs of n_ratings ratings; make one with :meth:`build`.

    Attributes
    ----------
    n_users, n_items : int
    user_starts : ndarray of int64, shape (n_users + 1,)
        The ratings of user u are those from ``user_starts[u]`` to ``user_starts[u + 1]``, sorted by item.
    item_of : ndarray of int32, shape (n_ratings,)
        Item of each rating.
    item_starts : ndarray of int64, shape (n_items + 1,)
    user_of : ndarray of int32, shape (n_ratings,)
        User of each rating, in the order of the items.
    user_features, item_features : csr_array of shape (n_users, ·) and (n_items, ·), or None
        What is known of users and of items.
    """

    n_users: int
    n_items: int
    user_starts: NDArray[np.int64]
    item_of: NDArray[np.int32]
    item_starts: NDArray[np.int64]
    user_of: NDArray[np.int32]
    user_features: Any = None
    item_features: Any = None

    @classmethod
    def build(
        cls,
        users: NDArray,
        items: NDArray,
        n_users: int,
        n_items: int,
        user_features: Any = None,
        item_features: Any = None,
    ) -> tuple[RatingTable, NDArray[Any]]:
        """Sort ratings by user and item.

        Parameters
        ----------
        users, items : ndarray of int, shape (n_ratings,)
            Codes from zero.
        n_users, n_items : int
        user_features, item_features : csr_array or None

        Returns
        -------
        table : RatingTable
        order : ndarray of int, shape (n_ratings,)
            ``y[order]`` are the outcomes in the table's order.

        Examples
        --------
        >>> import numpy as np
        >>> table, order = RatingTable.build(np.array([1, 0, 1]), np.array([1, 1, 0]), 2, 2)
        >>> order.tolist(), table.item_of.tolist(), table.user_of.tolist()
        ([1, 2, 0], [1, 0, 1], [1, 0, 1])
        """
        users, items = users.astype(np.int32, copy=False), items.astype(np.int32, copy=False)
        # a stable sort by item, then one by user: two counting sorts, linear in the number of ratings
        _, by_item = sorted_places(items, n_items)
        user_starts = _starts(users, n_users)
        order = np.empty_like(by_item)
        _place_again(users, by_item, user_starts[:-1].copy(), order)
        del by_item
        item_of = np.empty_like(items)
        _gather(items, order, item_of)  # items[order] would make a copy of the order in 64 bits
        table = cls._of_sorted(user_starts, item_of, n_items, user_features, item_features)
        return table, order

    @property
    def n_ratings(self) -> int:
        """Number of ratings."""
        return len(self.item_of)

    @property
    def user_counts(self) -> NDArray[np.int64]:
        """Ratings of each user (n_users,)."""
        return np.diff(self.user_starts)

    @property
    def item_counts(self) -> NDArray[np.int64]:
        """Ratings of each item (n_items,)."""
        return np.diff(self.item_starts)

    @property
    def users(self) -> NDArray[np.int32]:
        """User of each rating, in the order of the users (n_ratings,); made anew each time."""
        return np.repeat(np.arange(self.n_users, dtype=np.int32), self.user_counts)

    def by_item(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values of the ratings, in the order of the items (n_ratings,).

        Examples
        --------
        >>> import numpy as np
        >>> table, _ = RatingTable.build(np.array([0, 0, 1]), np.array([0, 1, 0]), 2, 2)
        >>> table.by_item(np.array([1.0, 2.0, 3.0]))
        array([1., 3., 2.])
        """
        turned = np.empty_like(values)
        _turn_values(self.item_of, self.item_starts[:-1].copy(), values, turned)
        return turned

    def counts_of(self, kept: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ratings of each user, and of each item, among some of the ratings."""
        items = np.zeros(self.n_items, dtype=np.int64)
        _count_some(self.item_of, kept, items)
        return np.diff(_kept_starts(self.user_starts, kept)), items

    def take(self, kept: NDArray[np.bool_]) -> RatingTable:
        """Some of the ratings, of all users and items.

        Parameters
        ----------
        kept : ndarray of bool, shape (n_ratings,)
            The values of what is left are ``values[kept]``.
        """
        return RatingTable._of_sorted(
            _kept_starts(self.user_starts, kept),
            self.item_of[kept],
            self.n_items,
            self.user_features,
            self.item_features,
        )

    @classmethod
    def _of_sorted(
        cls, user_starts: NDArray, item_of: NDArray, n_items: int, user_features: Any, item_features: Any
    ) -> RatingTable:
        """Ratings that are in the order of the users already."""
        user_of = np.empty(len(item_of), dtype=np.int32)
        item_starts = _starts(item_of, n_items)
        _turn(user_starts, item_of, item_starts[:-1].copy(), user_of)
        n_users = len(user_starts) - 1
        return cls(n_users, n_items, user_starts, item_of, item_starts, user_of, user_features, item_features)


def sorted_places(codes: NDArray, n_codes: int) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Sort codes by counting.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        From 0 to ``n_codes`` − 1.
    n_codes : int

    Returns
    -------
    starts : ndarray of int64, shape (n_codes + 1,)
        Where each code begins once sorted.
    places : ndarray of int32 (int64 beyond 2³¹ codes), shape (n,)
        Which of the codes stands at each place; equal ones keep their order.
    """
    starts = _starts(codes, n_codes)
    places = np.empty(len(codes), dtype=place_type(len(codes)))
    _place(codes, starts[:-1].copy(), places)
    return starts, places


def place_type(n_ratings: int) -> Any:
    """Type that numbers so many ratings."""
    return np.int32 if n_ratings < 2**31 else np.int64


def _starts(codes: NDArray, n_codes: int) -> NDArray[np.int64]:
    starts = np.zeros(n_codes + 1, dtype=np.int64)
    _count(codes, starts[1:])  # np.bincount would make a copy of the codes in 64 bits
    return np.cumsum(starts, out=starts)


@njit(cache=True, nogil=True)
def _count(codes, counts):
    for position in range(codes.size):
        counts[codes[position]] += 1


@njit(cache=True, nogil=True)
def _count_some(codes, kept, counts):
    for position in range(codes.size):
        counts[codes[position]] += kept[position]


@njit(cache=True, nogil=True)
def _place(codes, following, places):
    for position in range(codes.size):
        code = codes[position]
        places[following[code]] = position
        following[code] += 1


@njit(cache=True, nogil=True)
def _place_again(codes, order, following, places):
    for position in order:
        code = codes[position]
        places[following[code]] = position
        following[code] += 1


@njit(cache=True, nogil=True)
def _gather(values, order, gathered):
    for position in range(order.size):
        gathered[position] = values[order[position]]


@njit(cache=True, nogil=True)
def _turn(user_starts, item_of, following, user_of):
    for u in range(user_starts.size - 1):
        for t in range(user_starts[u], user_starts[u + 1]):
            to = following[item_of[t]]
            user_of[to] = u
            following[item_of[t]] = to + 1


@njit(cache=True, nogil=True)
def _turn_values(item_of, following, values, turned):
    for t in range(item_of.size):
        to = following[item_of[t]]
        turned[to] = values[t]
        following[item_of[t]] = to + 1


@njit(cache=True, nogil=True)
def _kept_starts(starts, kept):
    left = np.zeros_like(starts)
    for own in range(starts.size - 1):
        count = 0
        for t in range(starts[own], starts[own + 1]):
            count += kept[t]
        left[own + 1] = left[own] + count
    return left
