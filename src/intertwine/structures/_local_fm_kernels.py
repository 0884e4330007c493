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
_SMALLEST_SCALE = 1e-4  # below it an anchor is written out anew


@njit(cache=True, nogil=True, fastmath=_FAST)
def find_nearest(indptr, indices, data, directions, scale, squares, nearest, distances):
    """Write the nearest anchors of every row and their squared distances, in rising order."""
    n_anchors, size = directions.shape[1], nearest.shape[1]
    dots = np.empty(n_anchors)
    for row in range(len(indptr) - 1):
        own = 0.0
        dots[:] = 0.0
        for at in range(indptr[row], indptr[row + 1]):
            x, direction = data[at], directions[indices[at]]
            own += x * x
            for i in range(n_anchors):
                dots[i] += x * direction[i]
        filled = 0
        for i in range(n_anchors):
            distance = max(own - 2.0 * scale[i] * dots[i] + squares[i], 0.0)
            if filled < size:
                filled += 1
            elif distance >= distances[row, size - 1]:
                continue
            place = filled - 1
            while place > 0 and distances[row, place - 1] > distance:
                distances[row, place] = distances[row, place - 1]
                nearest[row, place] = nearest[row, place - 1]
                place -= 1
            distances[row, place] = distance
            nearest[row, place] = i


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
