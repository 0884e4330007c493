"""Loops of local factorization machines over the rows of CSR arrays.

Rows come as (indptr, indices, data), of which ``indptr`` may be a slice: a batch of consecutive rows costs nothing.
Expert i's parameters of feature j are ``experts[i, j]``: the linear weight, then the factors, side by side in memory.
Anchor i is ``scale[i] * directions[:, i]`` with squared norm ``squares[i]``, so that moving it toward a sparse row
touches only that row's features. There are whole vectors of directions, those behind the last anchor are zero.
"""

import numpy as np
from numba import njit

from intertwine.structures._lanes import (
    LANES,
    add_ranks,
    aligned_zeros,
    at_most,
    first,
    inserted,
    largest_below,
    load,
    lowest_bit,
    multiply_add,
    smaller,
    smallest,
    spread,
    store,
    total,
    without_first_two,
)

_FAST = {"reassoc", "contract"}
_LONGEST_STEP = 0.5  # of the way to the row
_WORD = 64  # anchors whose bits are looked at together
_SMALLEST_SCALE = 1e-4  # below it an anchor is written out anew


@njit(cache=True, nogil=True, fastmath=_FAST)
def find_nearest(indptr, indices, data, directions, scale, squares, reach, nearest, distances):
    """Write the nearest anchors of every row and their squared distances, in rising order.

    Of anchors that lie more than ``reach`` beyond the nearest, some may be missing: places that are left have a
    distance twice that far. Of anchors as far as one another the first in number comes first.

    Anchors are dealt out into the lanes of a few vectors, and the smallest distance of each lane is known at the end.
    Where the ``size`` smallest of these end, the list ends at the latest: few anchors besides it are as near.
    """
    n_anchors, size = len(scale), nearest.shape[1]
    n_vectors, n_lists = directions.shape[1] // LANES, -(-size // LANES)
    limited = reach < np.inf
    n_deals = 1 if limited else min(-(-3 * size // (2 * LANES)), n_vectors)
    level, twice = aligned_zeros(n_vectors * LANES), aligned_zeros(n_vectors * LANES)
    level[:n_anchors], level[n_anchors:] = squares, np.inf
    twice[:n_anchors] = -2.0 * scale
    place_of, lowest = aligned_zeros(n_vectors * LANES), aligned_zeros(n_deals * LANES)
    values, anchors = aligned_zeros(n_lists * LANES), aligned_zeros(n_lists * LANES)
    for row in range(len(indptr) - 1):
        begin, end = indptr[row], indptr[row + 1]
        for deal in range(n_deals):
            v, stop = deal * n_vectors // n_deals * LANES, (deal + 1) * n_vectors // n_deals * LANES
            low = spread(np.inf)
            while v + 4 * LANES <= stop:
                a = b = c = d = spread(0.0)
                for at in range(begin, end):
                    x, of = data[at], directions[np.uint32(indices[at])]
                    a = multiply_add(x, load(of, v), a)
                    b = multiply_add(x, load(of, v + LANES), b)
                    c = multiply_add(x, load(of, v + 2 * LANES), c)
                    d = multiply_add(x, load(of, v + 3 * LANES), d)
                # distances short of the row's own square, which orders nothing
                a = multiply_add(a, load(twice, v), load(level, v))
                b = multiply_add(b, load(twice, v + LANES), load(level, v + LANES))
                c = multiply_add(c, load(twice, v + 2 * LANES), load(level, v + 2 * LANES))
                d = multiply_add(d, load(twice, v + 3 * LANES), load(level, v + 3 * LANES))
                store(place_of, v, a)
                store(place_of, v + LANES, b)
                store(place_of, v + 2 * LANES, c)
                store(place_of, v + 3 * LANES, d)
                low = smaller(smaller(smaller(a, b), smaller(c, d)), low)
                v += 4 * LANES
            while v < stop:
                a = spread(0.0)
                for at in range(begin, end):
                    a = multiply_add(data[at], load(directions[np.uint32(indices[at])], v), a)
                a = multiply_add(a, load(twice, v), load(level, v))
                store(place_of, v, a)
                low = smaller(a, low)
                v += LANES
            store(lowest, deal * LANES, low)
        last = smallest(load(lowest, 0)) + reach
        if not limited:
            last = -np.inf
            for at in range(0, n_deals * LANES, LANES):
                ranks = spread(0.0)
                for other in range(0, n_deals * LANES, LANES):
                    ranks = add_ranks(ranks, load(lowest, other), load(lowest, at))
                last = max(last, largest_below(load(lowest, at), ranks, size))
        values[:], anchors[:] = np.inf, 0.0
        found = 0
        for v in range(0, n_vectors * LANES, _WORD):
            word = np.uint64(0)
            for at in range(v, min(v + _WORD, n_vectors * LANES), LANES):
                word |= at_most(load(place_of, at), last) << np.uint64(at - v)
            if v + _WORD > n_anchors:  # lanes behind the last anchor
                word &= (np.uint64(1) << np.uint64(n_anchors - v)) - np.uint64(1)
            while word:
                i = v + lowest_bit(word)
                word &= word - np.uint64(1)
                found += 1
                value, anchor = place_of[i], float(i)
                for at in range(0, n_lists * LANES, LANES):
                    known = load(values, at)
                    pushed_out, with_anchor = values[at + LANES - 1], anchors[at + LANES - 1]
                    store(anchors, at, inserted(load(anchors, at), anchor, known, value))
                    store(values, at, inserted(known, value, known, value))
                    if value < pushed_out:
                        value, anchor = pushed_out, with_anchor
        own_square = 0.0
        for at in range(begin, end):
            own_square += data[at] * data[at]
        for place in range(min(found, size)):
            distances[row, place] = max(values[place] + own_square, 0.0)
            nearest[row, place] = np.int32(anchors[place])
        for place in range(found, size):
            distances[row, place] = distances[row, 0] + 2.0 * reach if found else np.nan
            nearest[row, place] = nearest[row, 0] if found else 0


@njit(cache=True, nogil=True, fastmath=_FAST)
def score_experts(indptr, indices, data, nearest, weights, counts, intercepts, experts, values, sums, blend):
    """Write the scores of each row's experts (values), their factor sums V_iᵀx (sums) and the blend."""
    n_factors = sums.shape[2]
    for row in range(len(indptr) - 1):
        total = 0.0
        for a in range(counts[row]):
            i, q = nearest[row, a], sums[row, a]
            q[:] = 0.0
            linear, squares = intercepts[i], 0.0
            for at in range(indptr[row], indptr[row + 1]):
                x, own = data[at], experts[i, indices[at]]
                linear += x * own[0]
                for c in range(n_factors):
                    part = x * own[c + 1]
                    q[c] += part
                    squares += part * part
            pairs = 0.0
            for c in range(n_factors):
                pairs += q[c] * q[c]
            values[row, a] = linear + 0.5 * (pairs - squares)
            total += weights[row, a] * values[row, a]
        blend[row] = total


@njit(cache=True, nogil=True, fastmath=_FAST)
def blend_scores(indptr, indices, data, nearest, weights, counts, intercepts, table, blend):
    """Write the blend alone; ``table`` (m, p, whole vectors): linear weight, ½‖v‖², the factors, zeros."""
    width = table.shape[2]
    for row in range(len(indptr) - 1):
        score = 0.0
        begin, end = indptr[row], indptr[row + 1]
        for a in range(counts[row]):
            i = np.uint32(nearest[row, a])
            own, value = table[i], intercepts[i]
            one = other = spread(0.0)  # two sums at a time; where the last is alone, both are the same
            d = min(LANES, width - LANES)
            for at in range(begin, end):
                x, of = data[at], own[np.uint32(indices[at])]
                value -= x * x * of[1]
                one = multiply_add(x, load(of, 0), one)
                other = multiply_add(x, load(of, d), other)
            value += first(one)
            one = without_first_two(one)
            pairs = multiply_add(one, one, spread(0.0))
            if d:
                pairs = multiply_add(other, other, pairs)
            for c in range(2 * LANES, width, 2 * LANES):
                one = other = spread(0.0)
                d = min(c + LANES, width - LANES)
                for at in range(begin, end):
                    x, of = data[at], own[np.uint32(indices[at])]
                    one = multiply_add(x, load(of, c), one)
                    other = multiply_add(x, load(of, d), other)
                pairs = multiply_add(one, one, pairs)
                if d > c:
                    pairs = multiply_add(other, other, pairs)
            score += weights[row, a] * (value + 0.5 * total(pairs))
        blend[row] = score


@njit(cache=True, nogil=True, fastmath=_FAST)
def pull_back_experts(
    indptr, indices, data, nearest, weights, counts, v, experts, sums, d_intercepts, d_experts
):
    """Add Jᵀv with respect to the experts."""
    n_factors = sums.shape[2]
    for row in range(len(indptr) - 1):
        for a in range(counts[row]):
            i, q = nearest[row, a], sums[row, a]
            share = v[row] * weights[row, a]
            d_intercepts[i] += share
            for at in range(indptr[row], indptr[row + 1]):
                x, own, change = data[at], experts[i, indices[at]], d_experts[i, indices[at]]
                step = share * x
                change[0] += step
                for c in range(n_factors):
                    change[c + 1] += step * (q[c] - x * own[c + 1])


@njit(cache=True, nogil=True, fastmath=_FAST)
def push_forward_experts(
    indptr, indices, data, nearest, weights, counts, experts, sums, d_intercepts, d_experts, out
):
    """Add J v for a direction of the experts."""
    n_factors = sums.shape[2]
    for row in range(len(indptr) - 1):
        for a in range(counts[row]):
            i, q = nearest[row, a], sums[row, a]
            change = d_intercepts[i]
            for at in range(indptr[row], indptr[row + 1]):
                x, own, move = data[at], experts[i, indices[at]], d_experts[i, indices[at]]
                change += x * move[0]
                for c in range(n_factors):
                    change += x * move[c + 1] * (q[c] - x * own[c + 1])
            out[row] += weights[row, a] * change


@njit(cache=True, nogil=True, fastmath=_FAST)
def push_forward_anchors(indptr, indices, data, nearest, counts, slopes, d_anchors, anchor_moves, out):
    """Add Σ_i slope_i · ∂‖u − z_i‖²: ``anchor_moves`` holds ⟨z_i, dz_i⟩."""
    for row in range(len(indptr) - 1):
        for a in range(counts[row]):
            i = nearest[row, a]
            move = anchor_moves[i]
            for at in range(indptr[row], indptr[row + 1]):
                move -= data[at] * d_anchors[i, indices[at]]
            out[row] += 2.0 * slopes[row, a] * move


@njit(cache=True, nogil=True, fastmath=_FAST)
def pull_back_anchors(indptr, indices, data, nearest, counts, slopes, totals, d_anchors):
    """Add −2 Σ slope · u to the anchors' gradients, and the slopes themselves to ``totals``."""
    for row in range(len(indptr) - 1):
        for a in range(counts[row]):
            i, slope = nearest[row, a], slopes[row, a]
            totals[i] += slope
            for at in range(indptr[row], indptr[row + 1]):
                d_anchors[i, indices[at]] -= 2.0 * slope * data[at]


@njit(cache=True, nogil=True)
def touched_parameters(indptr, indices, nearest, counts, n_features, stamp, seen, touched):
    """List the rows i·n_features + j of the experts' table that a batch uses, each once; return how many."""
    found = 0
    for row in range(len(indptr) - 1):
        for a in range(counts[row]):
            start = nearest[row, a] * n_features
            for at in range(indptr[row], indptr[row + 1]):
                place = start + indices[at]
                if seen[place] != stamp:
                    seen[place] = stamp
                    touched[found] = place
                    found += 1
    return found


@njit(cache=True, nogil=True, fastmath=_FAST)
def move_anchors(
    indptr,
    indices,
    data,
    nearest,
    counts,
    slopes,
    distances,
    rate,
    energy,
    decay,
    correction,
    directions,
    scale,
    squares,
):
    """Descend along the gradient of each row in turn, in steps relative to the size of the gradients.

    One step size an anchor, not one a coordinate: a step z ← (1 + c) z − c u is then one number on the scale and a
    change in the row's own features, with ‖z‖² carried along.
    """
    n_anchors = len(scale)
    power = np.zeros(n_anchors)
    for row in range(len(indptr) - 1):
        for a in range(counts[row]):
            power[nearest[row, a]] += 4.0 * slopes[row, a] ** 2 * distances[row, a]
    for i in range(n_anchors):
        energy[i] = decay * energy[i] + (1.0 - decay) * power[i]
    for row in range(len(indptr) - 1):
        own = 0.0
        for at in range(indptr[row], indptr[row + 1]):
            own += data[at] * data[at]
        for a in range(counts[row]):
            i = nearest[row, a]
            if energy[i] == 0.0:
                continue
            c = -2.0 * slopes[row, a] * rate / np.sqrt(energy[i] / correction)
            c = min(max(c, -_LONGEST_STEP), _LONGEST_STEP)
            dot = 0.0
            for at in range(indptr[row], indptr[row + 1]):
                dot += data[at] * directions[indices[at], i]
            dot *= scale[i]
            squares[i] = (1.0 + c) ** 2 * squares[i] - 2.0 * (1.0 + c) * c * dot + c * c * own
            scale[i] *= 1.0 + c
            for at in range(indptr[row], indptr[row + 1]):
                directions[indices[at], i] -= c / scale[i] * data[at]
            if abs(scale[i]) < _SMALLEST_SCALE:
                for j in range(len(directions)):
                    directions[j, i] *= scale[i]
                scale[i] = 1.0
