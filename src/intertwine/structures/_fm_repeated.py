"""Conditionals of features whose part of a row is the same in many rows.

In a table of ratings everything that is known of a user stands in each of their rows. Where rows share their entries x
in a block of columns, the block adds a_r = Σ_j v_j x_j to the sums q of all of them, and the slopes of one feature are

    h = x · (ã + c̃),   ã = [0, a_r − v x],   c̃ = [1, q − a_r]

with c̃ untouched by the block. Three sums over the rows of each pattern, Σω c̃c̃ᵀ, Σω e c̃ and (as their first entries)
Σω and Σω e, therefore stand for the rows themselves: a sweep costs the entries of the *different* patterns.

Source: the idea is that of S. Rendle, Scaling Factorization Machines to Relational Data (VLDB 2013); the sums here are
those of the joint conditional of a feature.
"""

import numpy as np
from numba import njit, prange

from intertwine.structures._fm_kernels import RESIDUAL, ROOT_WEIGHT, SUMS, draw_gaussian

_FAST = {"reassoc", "contract"}


@njit(cache=True, nogil=True)
def sum_over_members(pointer, members, own, n_pair, state, second, cross):
    """Σω c̃c̃ᵀ and Σω e c̃ of every pattern, over its members; ``own`` holds the a_r."""
    for r in range(pointer.size - 1):
        _sum_pattern(pointer[r], pointer[r + 1], members, own[r], n_pair, state, second[r], cross[r])


@njit(cache=True, nogil=True, parallel=True)
def sum_over_members_in_parallel(pointer, members, own, n_pair, state, second, cross):
    """The same by all threads: patterns do not see one another."""
    for r in prange(pointer.size - 1):
        _sum_pattern(pointer[r], pointer[r + 1], members, own[r], n_pair, state, second[r], cross[r])


@njit(cache=True, nogil=True, fastmath=_FAST)
def _sum_pattern(begin, end, members, own, n_pair, state, second, cross):
    rest = np.empty(1 + n_pair)
    second[:] = 0.0
    cross[:] = 0.0
    for t in range(begin, end):
        i = members[t]
        weight = state[i, ROOT_WEIGHT] * state[i, ROOT_WEIGHT]
        rest[0] = 1.0
        for f in range(n_pair):
            rest[1 + f] = state[i, SUMS + f] - own[f]
        for a in range(1 + n_pair):
            scaled = weight * rest[a]
            cross[a] += scaled * state[i, RESIDUAL]
            for b in range(1 + n_pair):
                second[a, b] += scaled * rest[b]


@njit(cache=True, nogil=True, fastmath=_FAST)
def redraw_repeated(
    begin, indptr, rows, data, table, n_linear, group, mean, strength, noise, own, second, cross, gain, shift
):
    """Redraw the features of a block, the first of which is number ``begin`` of the table.

    ``gain`` (R,) and ``shift`` (R, 1 + k) collect what the scores of the members gain: gain_r + shift_r·c̃.
    """
    d = table.shape[1]
    n_pair = d - n_linear
    skip = 1 - n_linear  # c̃ has a leading one, slopes only with a linear weight
    tilde = np.zeros(1 + n_pair)
    for local in range(indptr.size - 1):
        j = begin + local
        theta, g = table[j], group[j]
        precision, rhs = np.zeros((d, d)), np.zeros(d)
        for t in range(indptr[local], indptr[local + 1]):
            r, x = rows[t], data[t]
            for f in range(n_pair):
                tilde[1 + f] = own[r, f] - theta[n_linear + f] * x
            square, count = x * x, second[r, 0, 0]
            for a in range(d):
                u = tilde[a + skip]
                rhs[a] += x * (cross[r, a + skip] + u * cross[r, 0])
                for b in range(d):
                    precision[a, b] += square * (
                        second[r, a + skip, b + skip]
                        + u * second[r, 0, b + skip]
                        + (second[r, 0, a + skip] + u * count) * tilde[b + skip]
                    )
        for a in range(d):
            for b in range(d):
                rhs[a] += precision[a, b] * theta[b]
        for a in range(d):
            precision[a, a] += strength[g, a]
            rhs[a] += strength[g, a] * mean[g, a]
        if not draw_gaussian(precision, rhs, noise[j]):
            return False
        change = rhs - theta
        for t in range(indptr[local], indptr[local + 1]):
            r, x = rows[t], data[t]
            flat = 0.0
            for f in range(n_pair):
                flat += change[n_linear + f] * (own[r, f] - theta[n_linear + f] * x)
            gain[r] += x * flat
            for a in range(1 + n_pair):
                total = second[r, 0, a] * flat
                for b in range(d):
                    total += second[r, a, b + skip] * change[b]
                cross[r, a] -= x * total
            for b in range(d):
                shift[r, b + skip] += x * change[b]
            for f in range(n_pair):
                own[r, f] += x * change[n_linear + f]
        theta[:] = rhs
    return True


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
