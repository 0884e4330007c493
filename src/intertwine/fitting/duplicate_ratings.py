"""Pairs of user and item that are rated more than once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from intertwine.validation.wording import rows_where

__all__ = ["merged_duplicates"]

Codes = NDArray[np.intp]
Values = NDArray[np.float64]


def merged_duplicates(
    users: Codes, items: Codes, n_items: int, y: Values, weight: Values, how: str
) -> tuple[Codes, Codes, Values, Values]:
    """Codes, ratings and weights with every pair once, unless they are to be kept.

    Parameters
    ----------
    users, items : ndarray of int, shape (n,)
    n_items : int
    y, weight : ndarray of shape (n,)
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
    if how == "keep":
        return users, items, y, weight
    number = users.astype(np.int64) * n_items + items
    order = np.argsort(number, kind="stable")
    again = number[order][1:] == number[order][:-1]
    if not again.any():
        return users, items, y, weight
    if how == "error":
        repeated = np.zeros(len(y), dtype=bool)
        repeated[order[1:][again]] = True
        raise ValueError(
            f"{repeated.sum()} pairs of user and item occur more than once, e.g. {rows_where(repeated)}: choose "
            "duplicates='mean', 'last' or 'keep'"
        )
    starts = np.flatnonzero(np.concatenate([[True], ~again]))
    if how == "last":
        kept = order[np.concatenate([starts[1:], [len(y)]]) - 1]
        return users[kept], items[kept], y[kept], weight[kept]
    total = np.add.reduceat(weight[order], starts)
    sums = np.add.reduceat((weight * y)[order], starts)
    kept = order[starts]
    mean = np.divide(sums, total, out=y[kept].copy(), where=total > 0)
    return users[kept], items[kept], mean, total
