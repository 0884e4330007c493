"""Who rated what: the pairs (user, item), in the order of the users and in that of the items.

Half of every derivative is a sum over the ratings of one user, the other half one over those of one item. Both are
read in order, so the pairs are kept twice; the values (outcomes, weights, scores) once, in the order of the users.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["RatingTable"]


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
    place : ndarray of int32 (int64 beyond 2³¹ ratings), shape (n_ratings,)
        Where each rating in the order of the items stands in the order of the users.
    user_features, item_features : csr_array of shape (n_users, ·) and (n_items, ·), or None
        What is known of users and of items.
    """

    n_users: int
    n_items: int
    user_starts: NDArray[np.int64]
    item_of: NDArray[np.int32]
    item_starts: NDArray[np.int64]
    user_of: NDArray[np.int32]
    place: NDArray[Any]
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
        >>> order.tolist(), table.item_of.tolist(), table.user_of.tolist(), table.place.tolist()
        ([1, 2, 0], [1, 0, 1], [1, 0, 1], [1, 0, 2])
        """
        place_type = np.int32 if len(users) < 2**31 else np.int64
        users, items = users.astype(np.int32, copy=False), items.astype(np.int32, copy=False)
        # a stable sort by item, then one by user: two counting sorts, linear in the number of ratings
        _, by_item = _sorted_places(items, n_items, place_type)
        user_starts, by_user = _sorted_places(users[by_item], n_users, place_type)
        order = by_item[by_user]
        del by_item, by_user
        item_of = items[order]
        item_starts, place = _sorted_places(item_of, n_items, place_type)
        user_of = np.repeat(np.arange(n_users, dtype=np.int32), np.diff(user_starts))[place]
        table = cls(
            n_users, n_items, user_starts, item_of, item_starts, user_of, place, user_features, item_features
        )
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

    def take(self, kept: NDArray[np.bool_]) -> RatingTable:
        """Some of the ratings, of all users and items.

        Parameters
        ----------
        kept : ndarray of bool, shape (n_ratings,)
            The values of what is left are ``values[kept]``.
        """
        table, _ = RatingTable.build(
            self.users[kept],
            self.item_of[kept],
            self.n_users,
            self.n_items,
            self.user_features,
            self.item_features,
        )
        return table


def _sorted_places(codes: NDArray, n_codes: int, place_type: Any) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Where the ratings of each code begin once sorted, and which rating stands at each place."""
    starts = np.zeros(n_codes + 1, dtype=np.int64)
    np.cumsum(np.bincount(codes, minlength=n_codes), out=starts[1:])
    places = np.empty(len(codes), dtype=place_type)
    _place(codes, starts[:-1].copy(), places)
    return starts, places


@njit(cache=True, nogil=True)
def _place(codes, following, places):
    for position in range(codes.size):
        code = codes[position]
        places[following[code]] = position
        following[code] += 1
