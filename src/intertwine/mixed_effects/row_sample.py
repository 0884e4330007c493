"""Rows that stand for all, where a guess is enough."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["row_sample"]


def row_sample(n_rows: int, most: int) -> NDArray[np.int64]:
    """Evenly spaced rows, all of them where there are no more than wanted.

    Examples
    --------
    >>> row_sample(3, 10), row_sample(10, 4)
    (array([0, 1, 2]), array([0, 3, 6, 9]))
    """
    if n_rows <= most:
        return np.arange(n_rows)
    return np.unique(np.linspace(0, n_rows - 1, most).astype(np.int64))
