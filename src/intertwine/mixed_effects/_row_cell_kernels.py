"""Sums over rows and values at rows, of several outputs at once, cell by cell: see `row_cells`.

The rows of cell c are ``order[starts[c]:starts[c + 1]]``. A cell knows a few rows of a table (unknowns, outputs) by
its ``unknown`` (cells, a) and ``basis`` (cells, a). The outputs stand side by side; a sum over rows belongs to one
thread, or to a part of the cells whose number does not depend on the threads: neither do results.
"""

import numpy as np
from numba import njit, prange

_FAST = {"reassoc", "contract"}
_OUTPUTS = 64  # that one thread sums
_PARTS = 16  # of the cells


@njit(cache=True, nogil=True, parallel=True, fastmath=_FAST, error_model="numpy")
def sum_cells(order, starts, unknown, basis, y, weights, out):
    """Add ZᵀWy to a table (unknowns, p). ``weights`` are (n, p), (n, 1), or empty: then W = I."""
    p, some = y.shape[1], weights.shape[1]
    n_blocks = (p + _OUTPUTS - 1) // _OUTPUTS
    for block in prange(n_blocks):
        # unsigned: the compiler then sees that neighbours lie side by side, as no index can count from the end
        first, last = np.uint64(block * p // n_blocks), np.uint64((block + 1) * p // n_blocks)
        total = np.empty(last - first)
        for c in range(len(starts) - 1):
            total[:] = 0.0
            for at in range(starts[c], starts[c + 1]):
                i = order[at]
                if some == 0:
                    for m in range(first, last):
                        total[m - first] += y[i, m]
                elif some == 1:
                    w = weights[i, 0]
                    for m in range(first, last):
                        total[m - first] += w * y[i, m]
                else:
                    for m in range(first, last):
                        total[m - first] += weights[i, m] * y[i, m]
            for a in range(unknown.shape[1]):
                x, j = basis[c, a], unknown[c, a]
                for m in range(first, last):
                    out[j, m] += x * total[m - first]


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy", inline="always")
def _fitted(c, unknown, basis, table, out):
    for m in range(len(out)):
        out[m] = 0.0
    for a in range(unknown.shape[1]):
        x, j = basis[c, a], unknown[c, a]
        for m in range(len(out)):
            out[m] += x * table[j, m]


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy", inline="always")
def _variance(c, basis, groups, pair, covariance, out):
    for m in range(len(out)):
        out[m] = 0.0
    for g in range(len(groups)):
        left, n_left, right, n_right = groups[g]
        at = pair[c, g]
        for k in range(n_left):
            for z in range(n_right):
                x = basis[c, left + k] * basis[c, right + z]
                for m in range(len(out)):
                    out[m] += x * covariance[at, m]
                at += 1


@njit(cache=True, nogil=True, parallel=True, fastmath=_FAST, error_model="numpy")
def add_cells(order, starts, unknown, basis, table, out):
    """Add Zb to the rows, (n, p), of b in a table (unknowns, p)."""
    n_cells, p = len(starts) - 1, out.shape[1]
    for part in prange(_PARTS):
        fitted = np.empty(p)
        for c in range(part * n_cells // _PARTS, (part + 1) * n_cells // _PARTS):
            _fitted(c, unknown, basis, table, fitted)
            for at in range(starts[c], starts[c + 1]):
                i = order[at]
                for m in range(p):
                    out[i, m] += fitted[m]


@njit(cache=True, nogil=True, parallel=True, fastmath=_FAST, error_model="numpy")
def misfit_of_cells(order, starts, unknown, basis, table, y, weights):
    """(y − Zb)ᵀ W (y − Zb) of every output."""
    n_cells, p, some = len(starts) - 1, y.shape[1], weights.shape[1]
    squares = np.zeros((_PARTS, p))
    for part in prange(_PARTS):
        fitted, total = np.empty(p), np.zeros(p)
        for c in range(part * n_cells // _PARTS, (part + 1) * n_cells // _PARTS):
            _fitted(c, unknown, basis, table, fitted)
            for at in range(starts[c], starts[c + 1]):
                i = order[at]
                if some == 0:
                    for m in range(p):
                        left = y[i, m] - fitted[m]
                        total[m] += left * left
                elif some == 1:
                    w = weights[i, 0]
                    for m in range(p):
                        left = y[i, m] - fitted[m]
                        total[m] += w * left * left
                else:
                    for m in range(p):
                        left = y[i, m] - fitted[m]
                        total[m] += weights[i, m] * left * left
        squares[part] = total
    return squares.sum(axis=0)


@njit(cache=True, nogil=True, parallel=True, fastmath=_FAST, error_model="numpy")
def variance_of_cells(order, starts, basis, groups, pair, covariance, out):
    """Add the variance of Zb to the rows, (n, p): see `row_cells.RowTables`."""
    n_cells, p = len(starts) - 1, out.shape[1]
    for part in prange(_PARTS):
        variance = np.empty(p)
        for c in range(part * n_cells // _PARTS, (part + 1) * n_cells // _PARTS):
            _variance(c, basis, groups, pair, covariance, variance)
            for at in range(starts[c], starts[c + 1]):
                i = order[at]
                for m in range(p):
                    out[i, m] += variance[m]


@njit(cache=True, nogil=True, parallel=True, fastmath=_FAST, error_model="numpy")
def tell_cells(tables, residual, noise, beta, largest, offset, weight):
    """Fill offset and weight (n, p), float32: what a row is told by the other rows.

    With v the variance of Zb at a row, the row's leverage v/βσ² counts as ``largest`` at most.
    """
    (order, starts, unknown, basis), groups, pair, means, covariance = tables
    n_cells, p = len(starts) - 1, residual.shape[1]
    for part in prange(_PARTS):
        fitted, leverage, pull = np.empty(p), np.empty(p), np.empty(p)
        own, precision = np.empty(p, np.float32), np.empty(p, np.float32)
        for c in range(part * n_cells // _PARTS, (part + 1) * n_cells // _PARTS):
            _fitted(c, unknown, basis, means, fitted)
            _variance(c, basis, groups, pair, covariance, leverage)
            for m in range(p):
                share = min(max(leverage[m] / (beta * noise[m]), 0.0), largest)
                kept = 1.0 - share
                precision[m] = kept / noise[m]
                pull[m] = fitted[m] / kept
                own[m] = share / kept
            for at in range(starts[c], starts[c + 1]):
                i = order[at]
                for m in range(p):
                    offset[i, m] = pull[m] - own[m] * residual[i, m]
                    weight[i, m] = precision[m]
