"""The kernel behind many simulated ratings."""

from __future__ import annotations

import numba
import numpy as np

__all__ = ["draw_distinct"]


@numba.njit(cache=True)
def draw_distinct(counts, keep, other, rng):
    """Items of one user after the other, none twice: a repeated draw is thrown away."""
    n_items = len(keep)
    drawn = np.empty(counts.sum(), dtype=np.int32)
    met_by = np.full(n_items, -1, dtype=np.int32)
    at = 0
    for user in range(len(counts)):
        left = counts[user]
        while left > 0:
            item = np.int32(rng.random() * n_items)
            if rng.random() >= keep[item]:
                item = other[item]
            if met_by[item] != user:
                met_by[item] = user
                drawn[at] = item
                at += 1
                left -= 1
    return drawn
