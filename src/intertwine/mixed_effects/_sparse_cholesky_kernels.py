"""Cholesky factors of several matrices of one pattern: sparse columns (the head) before a full square (the tail).

``values`` of one matrix holds the entries of the head, column by column, and then the tail, row by row, of which the
lower triangle is read. A matrix belongs to one thread: results do not depend on the number of threads.

Source: Davis, Direct Methods for Sparse Linear Systems (2006), chapter 4; the entries of the inverse by Takahashi,
Fagan & Chin (1973).
"""

import numpy as np
from numba import njit, prange

_PARTS = 8  # stretches of rows, for each factor, that threads share


@njit(cache=True, nogil=True)
def factor_one(values, column_start, rows, row_start, row_column, row_entry, tail_start, n_tail, where):
    """Factor the head in place and take its part from the tail; returns the failing column, or −1."""
    n_head = len(column_start) - 1
    tail = values[column_start[n_head] :].reshape(n_tail, n_tail)
    for j in range(n_head):
        begin, end = column_start[j], column_start[j + 1]
        for t in range(begin, end):
            where[rows[t]] = t
        for s in range(row_start[j], row_start[j + 1]):
            at = row_entry[s]
            factor = values[at]
            for t in range(at, column_start[row_column[s] + 1]):
                values[where[rows[t]]] -= factor * values[t]
        if not values[begin] > 0.0:
            return j
        root = np.sqrt(values[begin])
        values[begin] = root
        for t in range(begin + 1, end):
            values[t] /= root
        for t in range(tail_start[j], end):
            row, factor = tail[rows[t] - n_head], values[t]
            for u in range(tail_start[j], t + 1):
                row[rows[u] - n_head] -= factor * values[u]
    return -1


@njit(cache=True, nogil=True, parallel=True)
def factor_heads(values, column_start, rows, row_start, row_column, row_entry, tail_start, n_tail, failed):
    """`factor_one` of each matrix."""
    n_unknowns = len(column_start) - 1 + n_tail
    for f in prange(len(values)):
        where = np.empty(n_unknowns, np.int64)
        failed[f] = factor_one(
            values[f], column_start, rows, row_start, row_column, row_entry, tail_start, n_tail, where
        )


@njit(cache=True, nogil=True)
def forward_one(L, column_start, rows, x):
    """Eliminate the head from a right-hand side, in place."""
    for j in range(len(column_start) - 1):
        begin = column_start[j]
        x[j] /= L[begin]
        for t in range(begin + 1, column_start[j + 1]):
            x[rows[t]] -= L[t] * x[j]


@njit(cache=True, nogil=True, parallel=True)
def forward(values, factor_of, column_start, rows, right):
    """`forward_one` of each output."""
    for m in prange(len(right)):
        forward_one(values[factor_of[m]], column_start, rows, right[m])


@njit(cache=True, nogil=True)
def backward_one(L, column_start, rows, x):
    """Find the unknowns of the head once those of the tail are known, in place."""
    for j in range(len(column_start) - 2, -1, -1):
        begin = column_start[j]
        total = x[j]
        for t in range(begin + 1, column_start[j + 1]):
            total -= L[t] * x[rows[t]]
        x[j] = total / L[begin]


@njit(cache=True, nogil=True, parallel=True)
def backward(values, factor_of, column_start, rows, right):
    """`backward_one` of each output."""
    for m in prange(len(right)):
        backward_one(values[factor_of[m]], column_start, rows, right[m])


@njit(cache=True, nogil=True)
def invert_one(values, inverse, column_start, rows, tail_start, n_tail, where):
    """Entries of the inverse in the pattern of the head, from its tail, which is there in full."""
    n_head = len(column_start) - 1
    tail = inverse[column_start[n_head] :].reshape(n_tail, n_tail)
    where[:] = -1
    for j in range(n_head - 1, -1, -1):
        begin, end = column_start[j], column_start[j + 1]
        for t in range(begin, end):
            where[rows[t]] = t
            inverse[t] = 0.0
        for t in range(begin + 1, tail_start[j]):
            k, factor = rows[t], values[t]
            inverse[t] -= factor * inverse[column_start[k]]
            for s in range(column_start[k] + 1, column_start[k + 1]):
                u = where[rows[s]]
                if u >= 0:
                    inverse[u] -= factor * inverse[s]
                    inverse[t] -= values[u] * inverse[s]
        for t in range(tail_start[j], end):
            row, factor, total = tail[rows[t] - n_head], values[t], 0.0
            for u in range(tail_start[j], t):
                entry = row[rows[u] - n_head]
                total += values[u] * entry
                inverse[u] -= factor * entry
            inverse[t] -= total + factor * row[rows[t] - n_head]
        root, total = values[begin], 0.0
        for t in range(begin + 1, end):
            inverse[t] /= root
            total += values[t] * inverse[t]
        inverse[begin] = (1.0 / root - total) / root
        for t in range(begin, end):
            where[rows[t]] = -1


@njit(cache=True, nogil=True, parallel=True)
def invert_heads(values, inverse, column_start, rows, tail_start, n_tail):
    """`invert_one` of each matrix."""
    n_unknowns = len(column_start) - 1 + n_tail
    for f in prange(len(values)):
        where = np.empty(n_unknowns, np.int64)
        invert_one(values[f], inverse[f], column_start, rows, tail_start, n_tail, where)


@njit(cache=True, nogil=True)
def copy_both_triangles(lower, out):
    """Write a symmetric matrix in full from its lower triangle."""
    for i in range(len(lower)):
        for j in range(i + 1):
            out[i, j] = lower[i, j]
            out[j, i] = lower[i, j]


@njit(cache=True, nogil=True)
def reach_of_rows(start, columns, known, parent):
    """Of each sparse vector the columns of the head where forward elimination meets it: up the elimination tree."""
    n_rows = len(start) - 1
    mark = np.full(len(parent), -1, np.int64)
    reach_start = np.zeros(n_rows + 1, np.int64)
    for i in range(n_rows):
        count = 0
        for t in range(start[i], start[i] if known[i] else start[i + 1]):
            j = np.int64(columns[t])
            while 0 <= j < len(parent) and mark[j] != i:
                mark[j] = i
                count += 1
                j = parent[j]
        reach_start[i + 1] = reach_start[i] + count
    reach = np.empty(reach_start[-1], np.int32)
    mark[:] = -1
    for i in range(n_rows):
        at = reach_start[i]
        for t in range(start[i], start[i] if known[i] else start[i + 1]):
            j = np.int64(columns[t])
            while 0 <= j < len(parent) and mark[j] != i:
                mark[j] = i
                reach[at] = j
                at += 1
                j = parent[j]
        reach[reach_start[i] : at].sort()
    return reach_start, reach


@njit(cache=True, nogil=True, parallel=True)
def eliminated_forms(values, inverses, column_start, rows, n_tail, start, columns, entries, paths, out):
    """aᵀ H⁻¹ a of sparse vectors a, of each factor: ‖L⁻¹a‖² in the head, the rest by the inverse of the tail.

    ``entries`` (factors, entries) of the vectors differ by factor; those that `looked_up_forms` knows are passed over.
    """
    known, _, _, reach_start, reach = paths
    n_head, n_rows = len(column_start) - 1, len(start) - 1
    for part in prange(len(values) * _PARTS):
        f, stretch = part // _PARTS, part % _PARTS
        L, a = values[f], entries[f]
        tail_inverse = inverses[f, column_start[n_head] :].reshape(n_tail, n_tail)
        x = np.zeros(n_head + n_tail)
        touched = np.empty(n_tail, np.int64)
        is_touched = np.zeros(n_tail, np.bool_)
        for i in range(stretch * n_rows // _PARTS, (stretch + 1) * n_rows // _PARTS):
            if known[i]:
                continue
            count, total = 0, 0.0
            for t in range(start[i], start[i + 1]):
                x[columns[t]] += a[t]
                if columns[t] >= n_head and not is_touched[columns[t] - n_head]:
                    is_touched[columns[t] - n_head] = True
                    touched[count] = columns[t] - n_head
                    count += 1
            for s in range(reach_start[i], reach_start[i + 1]):
                j = reach[s]
                begin = column_start[j]
                w = x[j] / L[begin]
                x[j] = 0.0
                total += w * w
                for t in range(begin + 1, column_start[j + 1]):
                    x[rows[t]] -= L[t] * w
                    if rows[t] >= n_head and not is_touched[rows[t] - n_head]:
                        is_touched[rows[t] - n_head] = True
                        touched[count] = rows[t] - n_head
                        count += 1
            for s in range(count):
                k = touched[s]
                row, cross = tail_inverse[k], 0.0
                for u in range(s):
                    cross += row[touched[u]] * x[n_head + touched[u]]
                total += x[n_head + k] * (2.0 * cross + row[k] * x[n_head + k])
            for s in range(count):
                x[n_head + touched[s]] = 0.0
                is_touched[touched[s]] = False
            out[f, i] = total


@njit(cache=True, nogil=True, parallel=True)
def looked_up_forms(inverses, start, entries, paths, out):
    """The same of the sparse vectors all of whose pairs have a slot in the inverse."""
    known, pair_start, slots, _, _ = paths
    n_rows = len(start) - 1
    for part in prange(len(inverses) * _PARTS):
        f, stretch = part // _PARTS, part % _PARTS
        inverse, a = inverses[f], entries[f]
        for i in range(stretch * n_rows // _PARTS, (stretch + 1) * n_rows // _PARTS):
            if not known[i]:
                continue
            at, total = pair_start[i], 0.0
            for t in range(start[i], start[i + 1]):
                cross = 0.0
                for u in range(start[i], t):
                    cross += a[u] * inverse[slots[at]]
                    at += 1
                total += a[t] * (2.0 * cross + a[t] * inverse[slots[at]])
                at += 1
            out[f, i] = total
