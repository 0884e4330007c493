"""Cholesky factors of many small matrices, and solutions with them.

Matrices are packed lower triangles: row i of one begins at i(i + 1)/2.
"""

import numpy as np
from numba import njit, prange

_FAST = {"reassoc", "contract"}


@njit(cache=True, nogil=True, fastmath=_FAST)
def factor_some(begin, end, blocks, damping, least):
    """Overwrite blocks + damping by their Cholesky factors, diagonals inverted."""
    d = int(np.sqrt(2.0 * blocks.shape[1]))  # of d (d + 1) / 2 entries
    for b in range(begin, end):
        # column by column: no entry waits for another of its own
        block, start = blocks[b], 0
        for j in range(d):
            row = block[start : start + j + 1]
            rest = row[j] + damping
            for c in range(j):
                rest -= row[c] * row[c]
            row[j] = 1.0 / np.sqrt(max(rest, least))
            start += j + 1
            below = start
            for i in range(j + 1, d):
                own = block[below : below + j + 1]
                rest = own[j]
                for c in range(j):
                    rest -= own[c] * row[c]
                own[j] = rest * row[j]
                below += i + 1


@njit(cache=True, nogil=True, fastmath=_FAST)
def solve_some(begin, end, factors, out):
    """Overwrite the rows of ``out`` (n, d) by the solutions."""
    d = out.shape[1]
    for b in range(begin, end):
        factor, solved, start = factors[b], out[b], 0
        for i in range(d):
            own = factor[start : start + i + 1]
            rest = solved[i]
            for c in range(i):
                rest -= own[c] * solved[c]
            solved[i] = rest * own[i]
            start += i + 1
        for i in range(d - 1, -1, -1):
            start -= i + 1
            own = factor[start : start + i + 1]
            value = solved[i] * own[i]
            solved[i] = value
            for c in range(i):
                solved[c] -= value * own[c]


@njit(cache=True, nogil=True, parallel=True)
def factor_in_parallel(parts, blocks, damping, least):
    """Factors of all blocks, by all threads."""
    for part in prange(parts):
        begin, end = part * len(blocks) // parts, (part + 1) * len(blocks) // parts
        factor_some(begin, end, blocks, damping, least)


@njit(cache=True, nogil=True, parallel=True)
def solve_in_parallel(parts, factors, out):
    """Solutions of all blocks, by all threads."""
    for part in prange(parts):
        solve_some(part * len(out) // parts, (part + 1) * len(out) // parts, factors, out)
