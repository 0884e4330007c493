"""Cholesky factors of many small matrices, and solutions with them."""

import numpy as np
from numba import njit, prange

_FAST = {"reassoc", "contract"}


@njit(cache=True, nogil=True, fastmath=_FAST)
def factor_some(begin, end, blocks, damping, least):
    """Overwrite the lower halves of blocks + damping by their Cholesky factors, diagonals inverted."""
    d = blocks.shape[1]
    for b in range(begin, end):
        for i in range(d):
            for j in range(i + 1):
                rest = blocks[b, i, j]
                if i == j:
                    rest += damping
                for c in range(j):
                    rest -= blocks[b, i, c] * blocks[b, j, c]
                if i == j:
                    blocks[b, i, i] = 1.0 / np.sqrt(max(rest, least))
                else:
                    blocks[b, i, j] = rest * blocks[b, j, j]


@njit(cache=True, nogil=True, fastmath=_FAST)
def solve_some(begin, end, factors, out):
    """Overwrite the rows of ``out`` (n, d) by the solutions."""
    d = factors.shape[1]
    for b in range(begin, end):
        for i in range(d):
            rest = out[b, i]
            for c in range(i):
                rest -= factors[b, i, c] * out[b, c]
            out[b, i] = rest * factors[b, i, i]
        for i in range(d - 1, -1, -1):
            value = out[b, i] * factors[b, i, i]
            out[b, i] = value
            for c in range(i):
                out[b, c] -= value * factors[b, i, c]


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
