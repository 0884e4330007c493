"""Sums over ratings, one user or one item after the other.

A rating of user u and item i sees two rows, ``left[u]`` and ``right[i]``, whose inner product is its score. Values of
ratings stand in the order of the users; a pass over the items finds them through ``place``. A row of a result belongs
to one thread, and its sum runs in the order of the ratings: results do not depend on the number of threads.
"""

import numpy as np
from numba import njit, prange

_FAST = {"reassoc", "contract"}
_CHUNK = 256  # ratings whose rows are gathered for one matrix product


@njit(cache=True, nogil=True, fastmath=_FAST)
def score_some(begin, end, starts, item_of, left, right, scores):
    """⟨left, right⟩ of the ratings of some users."""
    for u in range(begin, end):
        for t in range(starts[u], starts[u + 1]):
            i = item_of[t]
            total = 0.0
            for c in range(left.shape[1]):
                total += left[u, c] * right[i, c]
            scores[t] = total


@njit(cache=True, nogil=True, parallel=True)
def score_in_parallel(bounds, starts, item_of, left, right, scores):
    """The same of all users, by all threads."""
    for part in prange(len(bounds) - 1):
        score_some(bounds[part], bounds[part + 1], starts, item_of, left, right, scores)


@njit(cache=True, nogil=True, fastmath=_FAST)
def pull_users_some(begin, end, starts, item_of, values, right, out):
    """Σ value · right over the ratings of some users."""
    for u in range(begin, end):
        out[u, :] = 0.0
        for t in range(starts[u], starts[u + 1]):
            i, value = item_of[t], values[t]
            for c in range(right.shape[1]):
                out[u, c] += value * right[i, c]


@njit(cache=True, nogil=True, parallel=True)
def pull_users_in_parallel(bounds, starts, item_of, values, right, out):
    """The same of all users, by all threads."""
    for part in prange(len(bounds) - 1):
        pull_users_some(bounds[part], bounds[part + 1], starts, item_of, values, right, out)


@njit(cache=True, nogil=True, fastmath=_FAST)
def pull_items_some(begin, end, starts, user_of, place, values, left, out):
    """Σ value · left over the ratings of some items."""
    for i in range(begin, end):
        out[i, :] = 0.0
        for t in range(starts[i], starts[i + 1]):
            u, value = user_of[t], values[place[t]]
            for c in range(left.shape[1]):
                out[i, c] += value * left[u, c]


@njit(cache=True, nogil=True, parallel=True)
def pull_items_in_parallel(bounds, starts, user_of, place, values, left, out):
    """The same of all items, by all threads."""
    for part in prange(len(bounds) - 1):
        pull_items_some(bounds[part], bounds[part + 1], starts, user_of, place, values, left, out)


@njit(cache=True, nogil=True, fastmath=_FAST)
def push_and_pull_some(begin, end, starts, item_of, moves, rows, weight, pushed, out):
    """First half of a Gauss-Newton product: w · (J v) of the ratings of some users, and its sums Σ · right.

    ``moves`` has [d left, left] of each user, ``rows`` [right, d right] of each item, side by side in memory.
    """
    d = out.shape[1]
    for u in range(begin, end):
        out[u, :] = 0.0
        for t in range(starts[u], starts[u + 1]):
            i = item_of[t]
            total = 0.0
            for c in range(2 * d):
                total += moves[u, c] * rows[i, c]
            total *= weight[t]
            pushed[t] = total
            for c in range(d):
                out[u, c] += total * rows[i, c]


@njit(cache=True, nogil=True, parallel=True)
def push_and_pull_in_parallel(bounds, starts, item_of, moves, rows, weight, pushed, out):
    """The same of all users, by all threads."""
    for part in prange(len(bounds) - 1):
        push_and_pull_some(bounds[part], bounds[part + 1], starts, item_of, moves, rows, weight, pushed, out)


@njit(cache=True, nogil=True, fastmath=_FAST)
def line_some(begin, end, starts, item_of, moves, rows, first, second):
    """First and second coefficient of the scores of some users' ratings along a direction."""
    d = moves.shape[1] // 2
    for u in range(begin, end):
        for t in range(starts[u], starts[u + 1]):
            i = item_of[t]
            slope, bend = 0.0, 0.0
            for c in range(2 * d):
                slope += moves[u, c] * rows[i, c]
            for c in range(d):
                bend += moves[u, c] * rows[i, d + c]
            first[t], second[t] = slope, bend


@njit(cache=True, nogil=True, parallel=True)
def line_in_parallel(bounds, starts, item_of, moves, rows, first, second):
    """The same of all users, by all threads."""
    for part in prange(len(bounds) - 1):
        line_some(bounds[part], bounds[part + 1], starts, item_of, moves, rows, first, second)


@njit(cache=True, nogil=True)
def gram_some(begin, end, starts, other_of, place, weight, table, out):
    """Σ w · row rowᵀ over the ratings of some ids, (d, d) each; ``place`` is empty in the order of the users."""
    d = table.shape[1]
    rows, weighted, product = np.empty((_CHUNK, d)), np.empty((_CHUNK, d)), np.empty((d, d))
    for own in range(begin, end):
        out[own] = 0.0
        for start in range(starts[own], starts[own + 1], _CHUNK):
            size = min(_CHUNK, starts[own + 1] - start)
            for r in range(size):
                w = weight[place[start + r]] if place.size else weight[start + r]
                other = other_of[start + r]
                for c in range(d):
                    rows[r, c] = table[other, c]
                    weighted[r, c] = w * table[other, c]
            np.dot(rows[:size].T, weighted[:size], product)
            out[own] += product


@njit(cache=True, nogil=True, parallel=True)
def gram_in_parallel(bounds, starts, other_of, place, weight, table, out):
    """The same of all ids, by all threads."""
    for part in prange(len(bounds) - 1):
        gram_some(bounds[part], bounds[part + 1], starts, other_of, place, weight, table, out)
