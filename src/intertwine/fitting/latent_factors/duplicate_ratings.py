"""Pairs of user and item that are rated more than once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from intertwine.structures.ratings import sorted_places
from intertwine.validation.wording import counted, rows_where

__all__ = ["merged_duplicates"]

Codes = NDArray[Any]
Values = NDArray[Any]


def merged_duplicates(
    users: Codes, items: Codes, n_items: int, y: Values, weight: Values | None, how: str
) -> tuple[Codes, Codes, Values, Values | None]:
    """Codes, ratings and weights with every pair once, unless they are to be kept.

    Parameters
    ----------
    users, items : ndarray of int, shape (n,)
    n_items : int
    y : ndarray of shape (n,)
    weight : ndarray of shape (n,) or None
        One each where None.
    how : {"error", "mean", "last", "keep"}

    Raises
    ------
    ValueError
        For pairs that occur twice, where that is not allowed.

    Examples
    --------
    >>> twice = np.array([0, 0]), np.array([1, 1]), 2, np.array([1.0, 4.0]), np.array([1.0, 2.0])
    >>> merged_duplicates(*twice, "mean")[2:]
    (array([3.]), array([3.]))
    """
    if how == "keep" or not len(y):
        return users, items, y, weight
    if not _any_repeated(*sorted_places(users, int(users.max()) + 1), items, n_items):
        return users, items, y, weight
    number = users.astype(np.int64) * n_items + items
    order = np.argsort(number, kind="stable")
    again = number[order][1:] == number[order][:-1]
    if how == "error":
        repeated = np.zeros(len(y), dtype=bool)
        repeated[order[1:][again]] = True
        raise ValueError(
            f"{counted(int(repeated.sum()), 'pair of user and item occurs', 'pairs of user and item occur')} "
            f"more than once, e.g. {rows_where(repeated)}: choose "
            "duplicates='mean', 'last' or 'keep'"
        )
    starts = np.flatnonzero(np.concatenate([[True], ~again]))
    if how == "last":
        kept = order[np.concatenate([starts[1:], [len(y)]]) - 1]
        return users[kept], items[kept], y[kept], None if weight is None else weight[kept]
    weight = np.ones(len(y)) if weight is None else weight
    total = np.add.reduceat(weight[order], starts)
    sums = np.add.reduceat((weight * y)[order], starts)
    kept = order[starts]
    mean = np.divide(sums, total, out=y[kept].astype(np.float64), where=total > 0)
    return users[kept], items[kept], mean, total


@njit(cache=True, nogil=True)
def _any_repeated(starts, by_user, items, n_items):
    last = np.full(n_items, -1)
    for u in range(starts.size - 1):
        for place in range(starts[u], starts[u + 1]):
            item = items[by_user[place]]
            if last[item] == u:
                return True
            last[item] = u
    return False
