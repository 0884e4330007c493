"""The kernels of `_sparse_cholesky_kernels` for many matrices at once, with the numbers of all of them side by side.

``values`` (entries, matrices) holds one entry of every matrix after the other: each step of the elimination is found
once, and done for all matrices of a block by the vector unit. A matrix belongs to one thread. Numbers of matrices are
unsigned: the compiler then sees that neighbours lie side by side, as no index can count from the end.
"""

import numpy as np
from numba import njit, prange

_FAST = {"contract"}
_AT_ONCE = 32  # matrices of a block
_UNKNOWNS = 64  # that are turned around at once


@njit(cache=True, nogil=True, parallel=True, fastmath=_FAST, error_model="numpy")
def factor_columns(values, column_start, rows, row_start, row_column, row_entry, tail_start, n_tail, failed):
    """Factor the heads in place and take their part from the tails; fills the failing column of each, or −1."""
    n_head, n_matrices = len(column_start) - 1, values.shape[1]
    n_blocks = (n_matrices + _AT_ONCE - 1) // _AT_ONCE
    for block in prange(n_blocks):
        first = np.uint64(block * n_matrices // n_blocks)
        width = np.uint64((block + 1) * n_matrices // n_blocks) - first
        factor = np.empty(width)
        where = np.empty(n_head + n_tail, np.int64)
        for j in range(n_head):
            begin, end = column_start[j], column_start[j + 1]
            for t in range(begin, end):
                where[rows[t]] = t
            for s in range(row_start[j], row_start[j + 1]):
                at = row_entry[s]
                for m in range(width):
                    factor[m] = values[at, first + m]
                for t in range(at, column_start[row_column[s] + 1]):
                    target = where[rows[t]]
                    for m in range(width):
                        values[target, first + m] -= factor[m] * values[t, first + m]
            for m in range(width):
                if not values[begin, first + m] > 0.0 and failed[first + m] < 0:
                    failed[first + m] = j
                values[begin, first + m] = np.sqrt(values[begin, first + m])
                factor[m] = 1.0 / values[begin, first + m]
            for t in range(begin + 1, end):
                for m in range(width):
                    values[t, first + m] *= factor[m]
            for t in range(tail_start[j], end):
                for m in range(width):
                    factor[m] = values[t, first + m]
                row = column_start[n_head] + (rows[t] - n_head) * n_tail - n_head
                for u in range(tail_start[j], t + 1):
                    for m in range(width):
                        values[row + rows[u], first + m] -= factor[m] * values[u, first + m]


@njit(cache=True, nogil=True, parallel=True, fastmath=_FAST, error_model="numpy")
def forward_columns(values, column_start, rows, x):
    """Eliminate the heads from right-hand sides (unknowns, matrices), in place."""
    n_matrices = x.shape[1]
    n_blocks = (n_matrices + _AT_ONCE - 1) // _AT_ONCE
    for block in prange(n_blocks):
        first = np.uint64(block * n_matrices // n_blocks)
        last = np.uint64((block + 1) * n_matrices // n_blocks)
        for j in range(len(column_start) - 1):
            begin = column_start[j]
            for m in range(first, last):
                x[j, m] /= values[begin, m]
            for t in range(begin + 1, column_start[j + 1]):
                for m in range(first, last):
                    x[rows[t], m] -= values[t, m] * x[j, m]


@njit(cache=True, nogil=True, parallel=True, fastmath=_FAST, error_model="numpy")
def backward_columns(values, column_start, rows, x):
    """Find the unknowns of the heads once those of the tails are known, in place."""
    n_matrices = x.shape[1]
    n_blocks = (n_matrices + _AT_ONCE - 1) // _AT_ONCE
    for block in prange(n_blocks):
        first = np.uint64(block * n_matrices // n_blocks)
        last = np.uint64((block + 1) * n_matrices // n_blocks)
        for j in range(len(column_start) - 2, -1, -1):
            begin = column_start[j]
            for t in range(begin + 1, column_start[j + 1]):
                for m in range(first, last):
                    x[j, m] -= values[t, m] * x[rows[t], m]
            for m in range(first, last):
                x[j, m] /= values[begin, m]


@njit(cache=True, nogil=True, parallel=True, fastmath=_FAST, error_model="numpy")
def invert_columns(values, inverse, column_start, rows, tail_start, n_tail):
    """Entries of the inverses in the pattern of the head, from their tails, which are there in full."""
    n_head, n_matrices = len(column_start) - 1, values.shape[1]
    n_blocks = (n_matrices + _AT_ONCE - 1) // _AT_ONCE
    for block in prange(n_blocks):
        first = np.uint64(block * n_matrices // n_blocks)
        width = np.uint64((block + 1) * n_matrices // n_blocks) - first
        factor, total = np.empty(width), np.empty(width)
        where = np.full(n_head + n_tail, -1, np.int64)
        for j in range(n_head - 1, -1, -1):
            begin, end = column_start[j], column_start[j + 1]
            for t in range(begin, end):
                where[rows[t]] = t
                for m in range(width):
                    inverse[t, first + m] = 0.0
            for t in range(begin + 1, tail_start[j]):
                k = rows[t]
                for m in range(width):
                    factor[m] = values[t, first + m]
                    total[m] = factor[m] * inverse[column_start[k], first + m]
                for s in range(column_start[k] + 1, column_start[k + 1]):
                    u = where[rows[s]]
                    if u >= 0:
                        for m in range(width):
                            inverse[u, first + m] -= factor[m] * inverse[s, first + m]
                            total[m] += values[u, first + m] * inverse[s, first + m]
                for m in range(width):
                    inverse[t, first + m] -= total[m]
            for t in range(tail_start[j], end):
                row = column_start[n_head] + (rows[t] - n_head) * n_tail - n_head
                for m in range(width):
                    factor[m] = values[t, first + m]
                    total[m] = factor[m] * inverse[row + rows[t], first + m]
                for u in range(tail_start[j], t):
                    for m in range(width):
                        total[m] += values[u, first + m] * inverse[row + rows[u], first + m]
                        inverse[u, first + m] -= factor[m] * inverse[row + rows[u], first + m]
                for m in range(width):
                    inverse[t, first + m] -= total[m]
            for m in range(width):
                factor[m] = 1.0 / values[begin, first + m]
                total[m] = 0.0
            for t in range(begin + 1, end):
                for m in range(width):
                    inverse[t, first + m] *= factor[m]
                    total[m] += values[t, first + m] * inverse[t, first + m]
            for m in range(width):
                inverse[begin, first + m] = (factor[m] - total[m]) * factor[m]
            for t in range(begin, end):
                where[rows[t]] = -1


@njit(cache=True, nogil=True, parallel=True)
def in_order_of_elimination(right, position, factor_of, x):
    """Lay right-hand sides (outputs, unknowns) side by side, each in the column of its matrix."""
    n = len(position)
    for block in prange((n + _UNKNOWNS - 1) // _UNKNOWNS):
        for m in range(len(right)):
            for j in range(block * _UNKNOWNS, min(n, (block + 1) * _UNKNOWNS)):
                x[position[j], factor_of[m]] = right[m, j]


@njit(cache=True, nogil=True, parallel=True)
def in_order_of_unknowns(x, position, factor_of, out):
    """The way back."""
    n = len(position)
    for block in prange((n + _UNKNOWNS - 1) // _UNKNOWNS):
        for m in range(len(out)):
            for j in range(block * _UNKNOWNS, min(n, (block + 1) * _UNKNOWNS)):
                out[m, j] = x[position[j], factor_of[m]]
