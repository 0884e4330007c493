"""Conditionals of features whose part of a row is the same in many rows.

In a table of ratings everything that is known of a user stands in each of their rows. Where rows share their entries x
in a block of columns (a *pattern*), what their conditionals need of the rows is, with q̃ = [1, q],

    M = Σ ω q̃q̃ᵀ,   c = Σ ω e q̃   over the members of the pattern,

since the slopes of a feature are h = x (q̃ − x ṽ), ṽ = [0, v]:

    Σ ω hhᵀ = x² M − x³ (M₁ṽᵀ + ṽM₁ᵀ) + x⁴ M₁₁ ṽṽᵀ,   Σ ω e h = x c − x² c₁ ṽ.

A change δ of the feature moves the sums of all members alike, q̃ += xδ̃, and M and c follow in closed form. A sweep
therefore costs the entries of the *different* patterns, and one pass over the rows before and after.

Source: the idea is that of S. Rendle, Scaling Factorization Machines to Relational Data (VLDB 2013); the sums here are
those of the joint conditional of a feature.
"""

import numpy as np
from numba import njit, prange

from intertwine.structures._fm_kernels import RESIDUAL, ROOT_WEIGHT, SUMS, draw_gaussian

_FAST = {"reassoc", "contract"}


@njit(cache=True, nogil=True)
def sum_over_members(pointer, members, n_pair, state, moments, cross):
    """M and c of every pattern, over its members."""
    for r in range(pointer.size - 1):
        _sum_pattern(pointer[r], pointer[r + 1], members, n_pair, state, moments[r], cross[r])


@njit(cache=True, nogil=True, parallel=True)
def sum_over_members_in_parallel(pointer, members, n_pair, state, moments, cross):
    """The same by all threads: patterns do not see one another."""
    for r in prange(pointer.size - 1):
        _sum_pattern(pointer[r], pointer[r + 1], members, n_pair, state, moments[r], cross[r])


@njit(cache=True, nogil=True, fastmath=_FAST)
def _sum_pattern(begin, end, members, n_pair, state, moments, cross):
    q = np.empty(1 + n_pair)
    moments[:] = 0.0
    cross[:] = 0.0
    for t in range(begin, end):
        i = members[t]
        weight = state[i, ROOT_WEIGHT] * state[i, ROOT_WEIGHT]
        q[0] = 1.0
        for f in range(n_pair):
            q[1 + f] = state[i, SUMS + f]
        for a in range(1 + n_pair):
            scaled = weight * q[a]
            cross[a] += scaled * state[i, RESIDUAL]
            for b in range(1 + n_pair):
                moments[a, b] += scaled * q[b]


@njit(cache=True, nogil=True, fastmath=_FAST)
def redraw_repeated(
    begin, indptr, rows, data, table, n_linear, group, mean, strength, noise, own, moments, cross, gain, shift
):
    """Redraw the features of a block, the first of which is number ``begin`` of the table.

    ``own`` (R, k) is what the block adds to the sums q of each pattern. ``gain`` (R,) and ``shift`` (R, 1 + k) collect
    what the scores of the members gain: gain_r + shift_r·[1, q − own_r], with q and ``own`` from before the block.
    """
    d = table.shape[1]
    size = d + 1 - n_linear  # of q̃; slopes have its first entry only with a linear weight
    skip = size - d
    total, first, factor, change = np.empty((size, size)), np.empty(size), np.zeros(size), np.zeros(size)
    sums, moved = np.empty(size), np.empty(size)
    precision, rhs = np.empty((d, d)), np.empty(d)
    for local in range(indptr.size - 1):
        j = begin + local
        g = group[j]
        factor[1:] = table[j, n_linear:]
        total[:] = 0.0
        first[:] = 0.0
        sums[:] = 0.0
        fourth = 0.0
        for t in range(indptr[local], indptr[local + 1]):
            r, x = rows[t], data[t]
            x2 = x * x
            fourth += x2 * x2 * moments[r, 0, 0]
            for a in range(size):
                first[a] += x2 * x * moments[r, 0, a]
                sums[a] += x * cross[r, a] - x2 * cross[r, 0] * factor[a]
            _add(x2, moments[r].ravel(), total.ravel())  # flat: one long loop instead of many short ones
        for a in range(d):
            u = factor[a + skip]
            rhs[a] = sums[a + skip]
            for b in range(d):
                v = factor[b + skip]
                precision[a, b] = (
                    total[a + skip, b + skip] - first[a + skip] * v - u * first[b + skip] + fourth * u * v
                )
        for a in range(d):
            for b in range(d):
                rhs[a] += precision[a, b] * table[j, b]
        for a in range(d):
            precision[a, a] += strength[g, a]
            rhs[a] += strength[g, a] * mean[g, a]
        if not draw_gaussian(precision, rhs, noise[j]):
            return False
        for a in range(d):
            change[a + skip] = rhs[a] - table[j, a]
        product = 0.0
        for a in range(1, size):
            product += change[a] * factor[a]
        for t in range(indptr[local], indptr[local + 1]):
            r, x = rows[t], data[t]
            _move_pattern(x, x * product, change, moments[r], cross[r], sums, moved)
            gain[r] -= x * x * product
            shift[r, 0] += x * change[0]
            for a in range(1, size):
                gain[r] += x * change[a] * own[r, a - 1]
                shift[r, a] += x * change[a]
                own[r, a - 1] += x * change[a]
        table[j] = rhs
    return True


@njit(cache=True, nogil=True, inline="always", fastmath=_FAST)
def _add(scale, part, total):
    for a in range(total.size):
        total[a] += scale * part[a]


@njit(cache=True, nogil=True, fastmath=_FAST)
def _move_pattern(x, own, change, moments, cross, sums, moved):
    """M and c after e −= x (q̃ − x ṽ)·δ̃ and q += x δ; ``own`` is x ṽ·δ̃."""
    size = change.size
    for a in range(size):
        total = 0.0
        for b in range(size):
            total += moments[a, b] * change[b]
        cross[a] -= x * (total - own * moments[0, a])
    count = moments[0, 0]
    for a in range(size):
        sums[a] = moments[0, a]
        moved[a] = x * change[a]
    moved[0] = 0.0  # the leading one of q̃ stays
    for a in range(1, size):
        cross[a] += moved[a] * cross[0]
    for a in range(size):
        left, right = moved[a], sums[a] + count * moved[a]
        for b in range(size):
            moments[a, b] += left * sums[b] + right * moved[b]


@njit(cache=True, nogil=True)
def pass_to_members(pointer, members, own, n_pair, gain, shift, state):
    """Bring residuals and sums of the members up to date; ``own`` is what it was before the block was redrawn."""
    for r in range(pointer.size - 1):
        _pass_pattern(pointer[r], pointer[r + 1], members, own[r], n_pair, gain[r], shift[r], state)


@njit(cache=True, nogil=True, parallel=True)
def pass_to_members_in_parallel(pointer, members, own, n_pair, gain, shift, state):
    """The same by all threads."""
    for r in prange(pointer.size - 1):
        _pass_pattern(pointer[r], pointer[r + 1], members, own[r], n_pair, gain[r], shift[r], state)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _pass_pattern(begin, end, members, own, n_pair, gain, shift, state):
    for t in range(begin, end):
        i = members[t]
        total = gain + shift[0]
        for f in range(n_pair):
            total += shift[1 + f] * (state[i, SUMS + f] - own[f])
            state[i, SUMS + f] += shift[1 + f]
        state[i, RESIDUAL] -= total
