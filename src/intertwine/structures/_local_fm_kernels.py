"""Loops of local factorization machines over the rows of CSR arrays.

Rows come as (indptr, indices, data), of which ``indptr`` may be a slice: a batch of consecutive rows costs nothing.
Expert i's parameters of feature j are ``experts[i, j]``: the linear weight, then the factors, side by side in memory.
Anchor i is ``scale[i] * directions[:, i]`` with squared norm ``squares[i]``, so that moving it toward a sparse row
touches only that row's features.
"""

import numpy as np
from numba import njit

_FAST = {"reassoc", "contract"}
_LONGEST_STEP = 0.5  # of the way to the row
LANES = 8  # numbers that a processor compares at once
_CLASSES = 6  # of anchors, for each that is wanted
_FEW = 5  # anchors within reach, as a rule
_SMALLEST_SCALE = 1e-4  # below it an anchor is written out anew


@njit(cache=True, nogil=True, fastmath=_FAST)
def find_nearest(indptr, indices, data, directions, scale, squares, reach, nearest, distances):
    """Write the nearest anchors of every row and their squared distances, in rising order.

    Of anchors that lie more than ``reach`` beyond the nearest, some may be missing: places that are left have a
    distance twice that far.

    Anchors are dealt out into classes, and the smallest distance of each class is found without a branch. Where the
    ``size`` smallest of these end, the list ends at the latest: only the few classes that begin before are looked at.
    """
    n_anchors, size = directions.shape[1], nearest.shape[1]
    limited = reach < np.inf
    wanted = _CLASSES * min(size, _FEW if limited else size)
    n_classes = -(-min(wanted, n_anchors) // LANES) * LANES
    n_places = -(-n_anchors // n_classes) * n_classes
    place_of, twice = np.empty(n_places), -2.0 * scale
    lowest, order = np.empty(n_classes), np.empty(size)
    for row in range(len(indptr) - 1):
        own_square = 0.0
        place_of[:n_anchors] = 0.0
        place_of[n_anchors:] = np.inf
        at, end, own_square = indptr[row], indptr[row + 1], 0.0
        while at + 4 <= end:  # four features in one pass over the anchors
            x, y, z, w = data[at], data[at + 1], data[at + 2], data[at + 3]
            of_x, of_y = directions[indices[at]], directions[indices[at + 1]]
            of_z, of_w = directions[indices[at + 2]], directions[indices[at + 3]]
            own_square += x * x + y * y + z * z + w * w
            for i in range(n_anchors):
                place_of[i] += x * of_x[i] + y * of_y[i] + z * of_z[i] + w * of_w[i]
            at += 4
        for left in range(at, end):
            x, of_x = data[left], directions[indices[left]]
            own_square += x * x
            for i in range(n_anchors):
                place_of[i] += x * of_x[i]
        for i in range(n_anchors):  # distances short of the row's own square, which orders nothing
            place_of[i] = squares[i] + twice[i] * place_of[i]
        for c in range(n_classes):
            lowest[c] = place_of[c]
        for begin in range(n_classes, n_places, n_classes):
            for c in range(n_classes):
                value = place_of[begin + c]
                lowest[c] = value if value < lowest[c] else lowest[c]
        order[:] = np.inf
        for c in range(n_classes):
            value = lowest[c]
            if limited:
                order[0] = min(order[0], value)
            elif value < order[size - 1]:
                place = size - 1
                while place > 0 and order[place - 1] > value:
                    order[place] = order[place - 1]
                    place -= 1
                order[place] = value
        last = min(order[size - 1], order[0] + reach)
        filled = 0
        for c in range(n_classes):
            if not lowest[c] <= last:
                continue
            for i in range(c, n_anchors, n_classes):
                value = place_of[i]
                if not value <= last:
                    continue
                if filled < size:
                    filled += 1
                elif _comes_first(distances[row, size - 1], nearest[row, size - 1], value, i):
                    continue
                place = filled - 1
                while place > 0 and _comes_first(
                    value, i, distances[row, place - 1], nearest[row, place - 1]
                ):
                    distances[row, place] = distances[row, place - 1]
                    nearest[row, place] = nearest[row, place - 1]
                    place -= 1
                distances[row, place] = value
                nearest[row, place] = i
        for place in range(filled):
            distances[row, place] = max(distances[row, place] + own_square, 0.0)
        for place in range(filled, size):
            distances[row, place] = distances[row, 0] + 2.0 * reach if filled else np.nan
            nearest[row, place] = nearest[row, 0] if filled else 0


@njit(cache=True, nogil=True, inline="always")
def _comes_first(distance, anchor, other_distance, other_anchor):
    """Of anchors as far as one another the first in number comes first."""
    return distance < other_distance or (distance == other_distance and anchor < other_anchor)


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
def blend_scores(indptr, indices, data, nearest, weights, counts, intercepts, alone, factors, blend):
    """Write the blend alone; ``alone`` (m, p, 2) are a feature's linear weight and ½‖v‖²."""
    q = np.empty(factors.shape[2])
    for row in range(len(indptr) - 1):
        total = 0.0
        for a in range(counts[row]):
            i = np.uint32(nearest[row, a])
            value, pairs = intercepts[i], 0.0
            q[:] = 0.0
            for at in range(indptr[row], indptr[row + 1]):
                x, j = data[at], np.uint32(indices[at])
                value += x * (alone[i, j, 0] - x * alone[i, j, 1])
                for c in range(factors.shape[2]):
                    q[c] += x * factors[i, j, c]
            for c in range(factors.shape[2]):
                pairs += q[c] * q[c]
            total += weights[row, a] * (value + 0.5 * pairs)
        blend[row] = total


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
