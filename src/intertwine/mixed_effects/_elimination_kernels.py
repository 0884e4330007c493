"""In which order unknowns are eliminated, and where the Cholesky factor then has entries.

The quotient graph of Amestoy, Davis & Duff, An approximate minimum degree ordering algorithm (1996): an eliminated node
stays as an *element*, the list of the nodes that it connected, which is the pattern of its column of the factor. In one
round no neighbour of an eliminated node is eliminated (Liu, Modification of the minimum-degree algorithm by multiple
elimination, 1985), which keeps the elimination tree shallow: a chain of n nodes has depth log n, not n. Elimination
stops where what is left is nearly full: that is the work of LAPACK.
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
    waiting = np.empty(n_candidates, np.int64)  # neighbours of what this round eliminated
    waits = np.zeros(n, np.bool_)
    n_waiting, limit, stamp, step = 0, -1, 0, 0
    base, used, least, remaining = np.int64(0), np.int64(0), 0, n
    while step < n_candidates:
        while least <= limit and first[least] < 0:
            least += 1
        if least > limit:  # the next round
            for w in range(n_waiting):
                i = waiting[w]
                waits[i] = False
                _insert(i, degree[i], first, following, previous)
            n_waiting, least = 0, 0
            while first[least] < 0:
                least += 1
            limit = min(n, least + 1 + least // 8)
        pivot = first[least]
        _remove(pivot, degree[pivot], first, following, previous)
        stamp += 1
        at, stop_elements = start[pivot], start[pivot] + n_elements[pivot]
        room = used + n_neighbours[pivot]
        for t in range(at, stop_elements):
            room += end[lists[t]] - begin[lists[t]]
        if room > len(pattern):
            larger = np.empty(max(room, 2 * len(pattern)), np.int32)
            larger[:used] = pattern[:used]
            pattern = larger
        opened = used
        mark[pivot] = stamp
        for t in range(at, stop_elements):
            element = lists[t]
            if state[element] == 1:
                for u in range(begin[element], end[element]):
                    if mark[pattern[u]] != stamp:
                        mark[pattern[u]] = stamp
                        pattern[used] = pattern[u]
                        used += 1
        for t in range(stop_elements, stop_elements + n_neighbours[pivot]):
            if mark[lists[t]] != stamp:
                mark[lists[t]] = stamp
                pattern[used] = lists[t]
                used += 1
        size = used - opened
        if size > stop_density * (remaining - 1) and n_waiting > 0 and used <= max_fill:
            _insert(pivot, degree[pivot], first, following, previous)  # a node that waits may have fewer
            used, limit = opened, -1
            continue
        if size > stop_density * (remaining - 1) or used > max_fill:
            return order[:step], pattern_start[: step + 1], pattern[:opened].copy()
        remaining -= 1
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
                if not waits[i]:
                    _remove(i, degree[i], first, following, previous)
                    waits[i] = True
                    waiting[n_waiting] = i
                    n_waiting += 1
                others = _update_lists(
                    i, pivot, stamp, base, start, lists, n_elements, n_neighbours, state, mark, outside
                )
                degree[i] = min(remaining - 1, degree[i] + size - 1, others + size - 1)
        step += 1
    return order, pattern_start, pattern[:used].copy()


@njit(cache=True, nogil=True)
def _update_lists(i, pivot, stamp, base, start, lists, n_elements, n_neighbours, state, mark, outside):
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
        if j != pivot and mark[j] != stamp and state[j] == 0:
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
def find_slot(one, other, column_start, rows, n_tail):
    """Where the entry (one, other) of a symmetric matrix stands: in the head, or behind it in the tail; or −1."""
    n_head = len(column_start) - 1
    i, j = max(one, other), min(one, other)
    if j >= n_head:
        return column_start[n_head] + np.int64(i - n_head) * n_tail + (j - n_head)
    low, high = column_start[j], column_start[j + 1] - 1
    while low < high:
        middle = (low + high) // 2
        if rows[middle] < i:
            low = middle + 1
        else:
            high = middle
    return low if rows[low] == i else np.int64(-1)


@njit(cache=True, nogil=True)
def find_slots(one, other, column_start, rows, n_tail, slots):
    """`find_slot` of many entries."""
    for e in range(len(one)):
        slots[e] = find_slot(one[e], other[e], column_start, rows, n_tail)


@njit(cache=True, nogil=True)
def pair_slots_of_rows(start, columns, column_start, rows, n_tail, widest):
    """Slots of all pairs of unknowns of each sparse row, in order; none where one is missing or the row is wide."""
    n = len(start) - 1
    pair_start = np.zeros(n + 1, np.int64)
    for i in range(n):
        width = start[i + 1] - start[i]
        pair_start[i + 1] = pair_start[i] + (width * (width + 1) // 2 if width <= widest else 0)
    slots, known = np.empty(pair_start[-1], np.int64), np.empty(n, np.bool_)
    for i in range(n):
        at = pair_start[i]
        known[i] = start[i + 1] - start[i] <= widest
        for t in range(start[i], start[i + 1] if known[i] else start[i]):
            for u in range(start[i], t + 1):
                slots[at] = find_slot(np.int64(columns[t]), np.int64(columns[u]), column_start, rows, n_tail)
                known[i] = known[i] and slots[at] >= 0
                at += 1
    return pair_start, slots, known
