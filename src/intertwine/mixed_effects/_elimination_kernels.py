"""In which order unknowns are eliminated, and where the Cholesky factor then has entries.

The quotient graph of Amestoy, Davis & Duff, An approximate minimum degree ordering algorithm (1996): an eliminated node
stays as an *element*, the list of the nodes that it connected, which is the pattern of its column of the factor.
Elimination stops where what is left is nearly full: that is the work of LAPACK.
"""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def minimum_degree(start, adjacent, candidate, stop_density, max_fill):
    """Eliminate the candidates from a graph by least approximate degree.

    Parameters
    ----------
    start, adjacent : neighbours of each node, both directions of every edge, without loops.
    candidate : which nodes may be eliminated; the others only fill up.
    stop_density : stop where the least node is connected to more than this share of the nodes that are left.
    max_fill : stop where the patterns have so many entries.

    Returns
    -------
    order, pattern_start, pattern : the eliminated nodes, and of each the nodes that it was connected to.
    """
    n = len(start) - 1
    lists = adjacent.copy()  # of a node: its elements, then its remaining neighbours
    n_elements = np.zeros(n, np.int64)
    n_neighbours = start[1:] - start[:-1]
    degree = n_neighbours.copy()
    state = np.zeros(n, np.int8)  # 0 a node, 1 an element, 2 absorbed by a later element
    first = np.full(n + 1, -1, np.int64)  # nodes by degree, in doubly linked lists
    following = np.full(n, -1, np.int64)
    previous = np.full(n, -1, np.int64)
    n_candidates = 0
    for i in range(n - 1, -1, -1):
        if candidate[i]:
            _insert(i, degree[i], first, following, previous)
            n_candidates += 1
    begin = np.zeros(n, np.int64)  # of elements in the pattern
    end = np.zeros(n, np.int64)
    pattern = np.empty(len(adjacent) + n + 16, np.int32)
    pattern_start = np.zeros(n_candidates + 1, np.int64)
    order = np.empty(n_candidates, np.int64)
    mark = np.full(n, -1, np.int64)
    outside = np.zeros(n, np.int64)  # of an element: base + how many of its nodes are not in the new one
    base, used, least, remaining = np.int64(0), np.int64(0), 0, n
    for step in range(n_candidates):
        while first[least] < 0:
            least += 1
        pivot = first[least]
        _remove(pivot, degree[pivot], first, following, previous)
        at, stop_elements = start[pivot], start[pivot] + n_elements[pivot]
        room = used + n_neighbours[pivot]
        for t in range(at, stop_elements):
            room += end[lists[t]] - begin[lists[t]]
        if room > len(pattern):
            larger = np.empty(max(room, 2 * len(pattern)), np.int32)
            larger[:used] = pattern[:used]
            pattern = larger
        opened = used
        mark[pivot] = step
        for t in range(at, stop_elements):
            element = lists[t]
            if state[element] == 1:
                for u in range(begin[element], end[element]):
                    if mark[pattern[u]] != step:
                        mark[pattern[u]] = step
                        pattern[used] = pattern[u]
                        used += 1
        for t in range(stop_elements, stop_elements + n_neighbours[pivot]):
            if mark[lists[t]] != step:
                mark[lists[t]] = step
                pattern[used] = lists[t]
                used += 1
        size = used - opened
        remaining -= 1
        if size > stop_density * remaining or used > max_fill:
            return order[:step], pattern_start[: step + 1], pattern[:opened].copy()
        for t in range(at, stop_elements):
            state[lists[t]] = 2
        state[pivot] = 1
        begin[pivot], end[pivot] = opened, used
        order[step], pattern_start[step + 1] = pivot, used
        base += n + 1
        for u in range(opened, used):
            i = pattern[u]
            if candidate[i]:
                for t in range(start[i], start[i] + n_elements[i]):
                    element = lists[t]
                    if state[element] == 1:
                        if outside[element] < base:
                            outside[element] = base + end[element] - begin[element]
                        outside[element] -= 1
        for u in range(opened, used):
            i = pattern[u]
            if candidate[i]:
                _remove(i, degree[i], first, following, previous)
                others = _update_lists(
                    i, pivot, step, base, start, lists, n_elements, n_neighbours, state, mark, outside
                )
                degree[i] = min(remaining - 1, degree[i] + size - 1, others + size - 1)
                _insert(i, degree[i], first, following, previous)
                least = min(least, degree[i])
    return order, pattern_start, pattern[:used].copy()


@njit(cache=True, nogil=True)
def _update_lists(i, pivot, step, base, start, lists, n_elements, n_neighbours, state, mark, outside):
    """Put the new element into the lists of node i and drop what it covers; bound the neighbours outside it."""
    at, kept, others = start[i], 0, 0
    for t in range(at, at + n_elements[i]):
        element = lists[t]
        if state[element] == 1:
            if outside[element] > base:
                lists[at + kept] = element
                kept += 1
                others += outside[element] - base
            else:
                state[element] = 2
    source, kept_neighbours = at + n_elements[i], 0
    for t in range(source, source + n_neighbours[i]):
        j = lists[t]
        if j != pivot and mark[j] != step and state[j] == 0:
            lists[source + kept_neighbours] = j
            kept_neighbours += 1
    if kept == n_elements[i]:  # the pivot was a neighbour, so one place is free after the others
        lists[source + kept_neighbours] = lists[source]
    else:
        for t in range(kept_neighbours):
            lists[at + kept + 1 + t] = lists[source + t]
    lists[at + kept] = pivot
    n_elements[i] = kept + 1
    n_neighbours[i] = kept_neighbours
    return others + kept_neighbours


@njit(cache=True, nogil=True)
def _insert(i, degree, first, following, previous):
    after = first[degree]
    following[i], previous[i] = after, -1
    if after >= 0:
        previous[after] = i
    first[degree] = i


@njit(cache=True, nogil=True)
def _remove(i, degree, first, following, previous):
    before, after = previous[i], following[i]
    if before >= 0:
        following[before] = after
    else:
        first[degree] = after
    if after >= 0:
        previous[after] = before


@njit(cache=True, nogil=True)
def expand_columns(order, pattern_start, pattern, place, size, n_unknowns, n_dense):
    """Columns of the head of the factor, unknown by unknown: of every column its diagonal first, then rows in order.

    A node has ``size`` unknowns from ``place`` on; the last ``n_dense`` unknowns are in every column.
    """
    n_head, n_entries = 0, np.int64(0)
    for step in range(len(order)):
        own, below = size[order[step]], n_dense
        for u in range(pattern_start[step], pattern_start[step + 1]):
            below += size[pattern[u]]
        n_head += own
        n_entries += own * below + own * (own + 1) // 2
    column_start = np.zeros(n_head + 1, np.int64)
    rows = np.empty(n_entries, np.int32)
    used, column = np.int64(0), 0
    for step in range(len(order)):
        node = order[step]
        nodes = pattern[pattern_start[step] : pattern_start[step + 1]]
        nodes = nodes[np.argsort(place[nodes])]
        for k in range(size[node]):
            for own in range(k, size[node]):
                rows[used] = place[node] + own
                used += 1
            for other in nodes:
                for c in range(size[other]):
                    rows[used] = place[other] + c
                    used += 1
            for d in range(n_unknowns - n_dense, n_unknowns):
                rows[used] = d
                used += 1
            column += 1
            column_start[column] = used
    return column_start, rows


@njit(cache=True, nogil=True)
def transpose_columns(column_start, rows):
    """Of every row of the head: which earlier columns have it, and where; of every column where its tail begins."""
    n_head = len(column_start) - 1
    row_start = np.zeros(n_head + 1, np.int64)
    tail_start = column_start[1:].copy()
    for j in range(n_head):
        for t in range(column_start[j] + 1, column_start[j + 1]):
            if rows[t] >= n_head:
                tail_start[j] = t
                break
            row_start[rows[t] + 1] += 1
    row_start = np.cumsum(row_start)
    fill = row_start[:-1].copy()
    row_column = np.empty(row_start[-1], np.int32)
    row_entry = np.empty(row_start[-1], np.int64)
    for j in range(n_head):
        for t in range(column_start[j] + 1, tail_start[j]):
            i = rows[t]
            row_column[fill[i]] = j
            row_entry[fill[i]] = t
            fill[i] += 1
    return row_start, row_column, row_entry, tail_start


@njit(cache=True, nogil=True)
def find_slots(one, other, column_start, rows, n_tail, slots):
    """Where the entries (one, other) of a symmetric matrix stand: in the head, or behind it in the square tail."""
    n_head = len(column_start) - 1
    for e in range(len(one)):
        i, j = max(one[e], other[e]), min(one[e], other[e])
        if j >= n_head:
            slots[e] = column_start[n_head] + np.int64(i - n_head) * n_tail + (j - n_head)
            continue
        low, high = column_start[j], column_start[j + 1] - 1
        while low < high:
            middle = (low + high) // 2
            if rows[middle] < i:
                low = middle + 1
            else:
                high = middle
        slots[e] = low if rows[low] == i else -1
