"""Sums over ratings, one user after the other.

A rating of user u and item i sees two rows, ``left[u]`` and ``right[i]``, whose inner product is its score. Values of
ratings stand in the order of the users. What a rating adds to its user is added up in the user's row, what it adds to
its item at once, while both rows are at hand: users are dealt into parts, each with sums over items of its own, and
the parts follow from the table alone. Results do not depend on the number of threads.
"""

import numpy as np
from numba import njit, prange

_FAST = {"reassoc", "contract"}
_CHUNK = 256  # ratings whose rows are gathered for one matrix product


@njit(cache=True, nogil=True, fastmath=_FAST)
def score_some(begin, end, starts, item_of, left, right, scores):
    """⟨left, right⟩ of the ratings of some users."""
    for u in range(begin, end):
        own = left[u]
        for t in range(starts[u], starts[u + 1]):
            row = right[np.uint32(item_of[t])]
            total = 0.0
            for c in range(left.shape[1]):
                total += own[c] * row[c]
            scores[t] = total


@njit(cache=True, nogil=True, parallel=True)
def score_in_parallel(bounds, starts, item_of, left, right, scores):
    """The same of all users, by all threads."""
    for part in prange(len(bounds) - 1):
        score_some(bounds[part], bounds[part + 1], starts, item_of, left, right, scores)


@njit(cache=True, nogil=True, fastmath=_FAST)
def square_some(begin, end, starts, item_of, left, right, y, weight, level, squares):
    """Σ w (y + level − ⟨left, right⟩)² over the ratings of each of some users."""
    for u in range(begin, end):
        own, total = left[u], 0.0
        for t in range(starts[u], starts[u + 1]):
            row = right[np.uint32(item_of[t])]
            error = -(y[t] + level)
            for c in range(left.shape[1]):
                error += own[c] * row[c]
            total += weight[t] * error * error
        squares[u] = total


@njit(cache=True, nogil=True, parallel=True)
def square_in_parallel(bounds, starts, item_of, left, right, y, weight, level, squares):
    """The same of all users, by all threads."""
    for part in prange(len(bounds) - 1):
        square_some(bounds[part], bounds[part + 1], starts, item_of, left, right, y, weight, level, squares)


@njit(cache=True, nogil=True, fastmath=_FAST)
def pull_some(begin, end, starts, item_of, values, left, right, users, items):
    """Σ value · right over the ratings of some users; what they add to Σ value · left of their items is added."""
    for u in range(begin, end):
        own, mine = left[u], users[u]
        mine[:] = 0.0
        for t in range(starts[u], starts[u + 1]):
            i, value = np.uint32(item_of[t]), values[t]
            row, out = right[i], items[i]
            for c in range(right.shape[1]):
                mine[c] += value * row[c]
            for c in range(left.shape[1]):
                out[c] += value * own[c]


@njit(cache=True, nogil=True, parallel=True)
def pull_in_parallel(bounds, starts, item_of, values, left, right, users, items):
    """The same of all users, by all threads; ``items`` has the sums of every part."""
    for part in prange(len(bounds) - 1):
        pull_some(bounds[part], bounds[part + 1], starts, item_of, values, left, right, users, items[part])


@njit(cache=True, nogil=True, fastmath=_FAST)
def descend_some(begin, end, starts, item_of, left, right, y, weight, level, squares, users, items):
    """`square_some` and, of half of what it gives, the derivatives with respect to left and right."""
    for u in range(begin, end):
        own, mine, total = left[u], users[u], 0.0
        mine[:] = 0.0
        for t in range(starts[u], starts[u + 1]):
            i = np.uint32(item_of[t])
            row, out = right[i], items[i]
            error = -(y[t] + level)
            for c in range(left.shape[1]):
                error += own[c] * row[c]
            slope = weight[t] * error
            total += slope * error
            for c in range(left.shape[1]):
                mine[c] += slope * row[c]
            for c in range(left.shape[1]):
                out[c] += slope * own[c]
        squares[u] = total


@njit(cache=True, nogil=True, parallel=True)
def descend_in_parallel(bounds, starts, item_of, left, right, y, weight, level, squares, users, items):
    """The same of all users, by all threads; ``items`` has the sums of every part."""
    for part in prange(len(bounds) - 1):
        descend_some(
            bounds[part], bounds[part + 1], starts, item_of, left, right, y, weight, level, squares, users,
            items[part],
        )  # fmt: skip


@njit(cache=True, nogil=True, fastmath=_FAST)
def multiply_some(begin, end, starts, item_of, moves, rows, weight, users, items):
    """Gauss-Newton product: w · (J v) of the ratings of some users, and its sums as in `pull_some`.

    ``moves`` has [d left, left] of each user, ``rows`` [right, d right] of each item, side by side in memory.
    """
    d = users.shape[1]
    for u in range(begin, end):
        move, own, mine = moves[u, :d], moves[u, d:], users[u]
        mine[:] = 0.0
        for t in range(starts[u], starts[u + 1]):
            i = np.uint32(item_of[t])
            row, change, out = rows[i, :d], rows[i, d:], items[i]
            total = 0.0
            for c in range(d):
                total += move[c] * row[c] + own[c] * change[c]
            total *= weight[t]
            for c in range(d):
                mine[c] += total * row[c]
            for c in range(d):
                out[c] += total * own[c]


@njit(cache=True, nogil=True, parallel=True)
def multiply_in_parallel(bounds, starts, item_of, moves, rows, weight, users, items):
    """The same of all users, by all threads; ``items`` has the sums of every part."""
    for part in prange(len(bounds) - 1):
        multiply_some(
            bounds[part], bounds[part + 1], starts, item_of, moves, rows, weight, users, items[part]
        )


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
def gram_some(begin, end, starts, other_of, weight, table, out):
    """Σ w · row rowᵀ over the ratings of some ids, a packed lower triangle each; values in the order of the ids."""
    d = table.shape[1]
    rows, weighted = np.empty((_CHUNK, d)), np.empty((_CHUNK, d))
    product, total = np.empty((d, d)), np.empty((d, d))
    for own in range(begin, end):
        for start in range(starts[own], starts[own + 1], _CHUNK):
            size = min(_CHUNK, starts[own + 1] - start)
            for r in range(size):
                w, row = weight[start + r], table[np.uint32(other_of[start + r])]
                for c in range(d):
                    rows[r, c] = row[c]
                    weighted[r, c] = w * row[c]
            if start == starts[own]:
                np.dot(rows[:size].T, weighted[:size], total)
            else:
                np.dot(rows[:size].T, weighted[:size], product)
                total += product
        if starts[own] == starts[own + 1]:
            total[:] = 0.0
        packed, place = out[own], 0
        for i in range(d):
            for j in range(i + 1):
                packed[place + j] = total[i, j]
            place += i + 1


@njit(cache=True, nogil=True, parallel=True)
def gram_in_parallel(bounds, starts, other_of, weight, table, out):
    """The same of all ids, by all threads."""
    for part in prange(len(bounds) - 1):
        gram_some(bounds[part], bounds[part + 1], starts, other_of, weight, table, out)
