"""Which rows hold the same entries in a range of columns: loops over stored entries."""

import numpy as np
from numba import njit

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)


@njit(cache=True, nogil=True)
def hash_segments(indptr, indices, bits, segment, hashes):
    """Mix the entries of every row into one number for each segment of columns (n, n_segments).

    ``bits`` are the values as unsigned integers, ``segment`` the number of each column's segment, −1 for none.
    """
    for i in range(len(indptr) - 1):
        for t in range(indptr[i], indptr[i + 1]):
            s = segment[indices[t]]
            if s >= 0:
                mixed = (hashes[i, s] ^ bits[t]) * _MULTIPLIER
                mixed = ((mixed ^ (mixed >> _SHIFT)) + np.uint64(indices[t] + 1)) * _MULTIPLIER
                hashes[i, s] = mixed ^ (mixed >> _SHIFT)


@njit(cache=True, nogil=True)
def same_entries(indptr, indices, data, begin, end, example):
    """Whether every row has the entries of its ``example`` in columns ``begin`` to ``end``; indices are sorted."""
    for i in range(len(indptr) - 1):
        t = _first_from(indices, indptr[i], indptr[i + 1], begin)
        u = _first_from(indices, indptr[example[i]], indptr[example[i] + 1], begin)
        while t < indptr[i + 1] and indices[t] < end:
            if u == indptr[example[i] + 1] or indices[t] != indices[u] or data[t] != data[u]:
                return False
            t += 1
            u += 1
        if u < indptr[example[i] + 1] and indices[u] < end:
            return False
    return True


@njit(cache=True, nogil=True)
def count_kept(indptr, indices, kept, pointer):
    """Write where each row begins once only the entries in ``kept`` columns are left."""
    pointer[0] = 0
    for i in range(indptr.size - 1):
        count = 0
        for t in range(indptr[i], indptr[i + 1]):
            count += kept[indices[t]]
        pointer[i + 1] = pointer[i] + count


@njit(cache=True, nogil=True)
def copy_kept(indptr, indices, data, kept, left_indices, left_data):
    """Write these entries, row by row."""
    place = 0
    for i in range(indptr.size - 1):
        for t in range(indptr[i], indptr[i + 1]):
            if kept[indices[t]]:
                left_indices[place], left_data[place] = indices[t], data[t]
                place += 1


@njit(cache=True, nogil=True)
def _first_from(indices, low, high, column):
    """Place of the first entry in ``column`` or beyond."""
    while low < high:
        middle = (low + high) // 2
        if indices[middle] < column:
            low = middle + 1
        else:
            high = middle
    return low
