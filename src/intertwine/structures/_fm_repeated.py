"""Conditionals of features whose part of a row is the same in many rows.

In a table of ratings everything that is known of a user stands in each of their rows. Where rows share their entries x
in a set of columns (a *pattern*), the sums q of a member fall into what these columns add, o, the same for all members,
and the rest, which does not change while they are redrawn. With ω, e the members' weights and residuals before that,
all that the conditionals need of the rows is

    n = Σ ω,   s = Σ ω rest,   S = Σ ω rest restᵀ,   ε = Σ ω e,   c = Σ ω e rest.

Slopes of a feature are x [1, rest + u] with u = o − x v, so that over its patterns

    Σ ω hhᵀ = Σ x² [n, (s + n u)ᵀ; s + n u, S + s uᵀ + u sᵀ + n u uᵀ],

and once the columns have changed the residual of a member by −(g + mᵀrest),

    Σ ω e h = Σ x [ε', c' + ε' u],   ε' = ε − g n − mᵀs,   c' = c − g s − S m.

A sweep therefore costs the entries of the *different* patterns, and one pass over the rows before and after.

Source: the idea is that of S. Rendle, Scaling Factorization Machines to Relational Data (VLDB 2013); the sums here are
those of the joint conditional of a feature.
"""

import numpy as np
from numba import njit, prange

from intertwine.structures._fm_kernels import CHUNK, RESIDUAL, ROOT_WEIGHT, SUMS, draw_gaussian

_FAST = {"reassoc", "contract"}
LANES = 4  # numbers that a processor multiplies at once: rows of S are filled up to a multiple


@njit(cache=True, nogil=True)
def sum_over_members(pointer, members, own, state, vectors, matrices):
    """Write [n, s, ε, c] and S of every pattern; ``own`` (R, k) is what the columns add to q."""
    _sum_patterns(0, 1, pointer, members, own, state, vectors, matrices)


@njit(cache=True, nogil=True, parallel=True)
def sum_over_members_in_parallel(n_parts, pointer, members, own, state, vectors, matrices):
    """The same by all threads: patterns do not see one another."""
    for part in prange(n_parts):
        _sum_patterns(part, n_parts, pointer, members, own, state, vectors, matrices)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _sum_patterns(first, step, pointer, members, own, state, vectors, matrices):
    k = own.shape[1]
    rows, products = np.empty((CHUNK, k + 2)), np.empty((k + 2, k + 2))
    for r in range(first, pointer.size - 1, step):
        vectors[r] = 0.0
        matrices[r] = 0.0
        for start in range(pointer[r], pointer[r + 1], CHUNK):
            size = min(CHUNK, pointer[r + 1] - start)
            for t in range(size):
                i = members[start + t]
                root = state[i, ROOT_WEIGHT]
                rows[t, 0] = root
                rows[t, k + 1] = root * state[i, RESIDUAL]
                for f in range(k):
                    rows[t, 1 + f] = root * (state[i, SUMS + f] - own[r, f])
            np.dot(rows[:size].T, rows[:size], products)
            for f in range(k + 1):
                vectors[r, f] += products[0, f]
                vectors[r, k + 1 + f] += products[k + 1, f]
            for f in range(k):
                for c in range(k):
                    matrices[r, f, c] += products[1 + f, 1 + c]


@njit(cache=True, nogil=True, fastmath=_FAST)
def redraw_repeated(
    features,
    indptr,
    patterns,
    data,
    table,
    n_linear,
    group,
    mean,
    strength,
    noise,
    own,
    vectors,
    matrices,
    gain,
    moved,
):
    """Redraw ``features`` one after the other; ``indptr``, ``patterns`` and ``data`` are their entries by columns.

    ``own`` (R, k), ``gain`` (R,) and ``moved`` (R, k), which start at o and zero, follow o, g and m of every pattern.
    """
    d, k, wide = table.shape[1], own.shape[1], matrices.shape[2]
    flat = matrices.reshape(len(matrices), k * wide)
    lanes = matrices.reshape(len(matrices), k, wide // LANES, LANES)
    longest = np.max(np.diff(indptr))
    left, right = np.empty((longest, k)), np.empty((longest, k))
    cross, total, pulled = np.empty((k, k)), np.empty(k * wide), np.empty((wide // LANES, LANES))
    border, sums, change = np.empty(k + 1), np.empty(k + 1), np.zeros(k + 1)
    precision, rhs = np.empty((d, d)), np.empty(d)
    for local in range(features.size):
        j = features[local]
        begin, size, g = indptr[local], indptr[local + 1] - indptr[local], group[j]
        total[:] = 0.0
        pulled[:] = 0.0
        border[:] = 0.0
        sums[:] = 0.0
        for t in range(size):
            r, x = np.uint32(patterns[begin + t]), data[begin + t]
            x2, weight = x * x, vectors[r, 0]
            error = vectors[r, k + 1] - gain[r] * weight
            for f in range(k):
                error -= moved[r, f] * vectors[r, 1 + f]
            border[0] += x2 * weight
            sums[0] += x * error
            for f in range(k):
                rest, u = vectors[r, 1 + f], own[r, f] - x * table[j, n_linear + f]
                right[t, f] = u
                left[t, f] = x2 * (rest + 0.5 * weight * u)
                border[1 + f] += x2 * (rest + weight * u)
                sums[1 + f] += x * (vectors[r, k + 2 + f] - gain[r] * rest + error * u)
            for a in range(flat.shape[1]):  # flat: one long loop instead of many short ones
                total[a] += x2 * flat[r, a]
            for a in range(lanes.shape[2]):  # S m, a register at a time
                first, second, third, fourth = 0.0, 0.0, 0.0, 0.0
                for b in range(k):
                    factor = moved[r, b]
                    first += factor * lanes[r, b, a, 0]
                    second += factor * lanes[r, b, a, 1]
                    third += factor * lanes[r, b, a, 2]
                    fourth += factor * lanes[r, b, a, 3]
                pulled[a, 0] += x * first
                pulled[a, 1] += x * second
                pulled[a, 2] += x * third
                pulled[a, 3] += x * fourth
        np.dot(left[:size].T, right[:size], cross)
        for f in range(k):
            for c in range(k):
                precision[n_linear + f, n_linear + c] = total[f * wide + c] + cross[f, c] + cross[c, f]
            rhs[n_linear + f] = sums[1 + f] - pulled[f // LANES, f % LANES]
        if n_linear:
            rhs[0] = sums[0]
            for f in range(k + 1):
                precision[0, f] = border[f]
                precision[f, 0] = border[f]
        for a in range(d):
            for b in range(d):
                rhs[a] += precision[a, b] * table[j, b]
        for a in range(d):
            precision[a, a] += strength[g, a]
            rhs[a] += strength[g, a] * mean[g, a]
        if not draw_gaussian(precision, rhs, noise[j]):
            return False
        for a in range(d):
            change[a + 1 - n_linear] = rhs[a] - table[j, a]
        table[j] = rhs
        for t in range(size):
            r, x = patterns[begin + t], data[begin + t]
            step = change[0]
            for f in range(k):
                step += change[1 + f] * right[t, f]
                moved[r, f] += x * change[1 + f]
                own[r, f] += x * change[1 + f]
            gain[r] += x * step
    return True


@njit(cache=True, nogil=True)
def pass_to_members(pointer, members, before, gain, moved, state):
    """Bring residuals and sums of the members up to date; ``before`` is what the columns added to q."""
    _pass_patterns(0, 1, pointer, members, before, gain, moved, state)


@njit(cache=True, nogil=True, parallel=True)
def pass_to_members_in_parallel(n_parts, pointer, members, before, gain, moved, state):
    """The same by all threads."""
    for part in prange(n_parts):
        _pass_patterns(part, n_parts, pointer, members, before, gain, moved, state)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _pass_patterns(first, step, pointer, members, before, gain, moved, state):
    for r in range(first, pointer.size - 1, step):
        for t in range(pointer[r], pointer[r + 1]):
            i = members[t]
            total = gain[r]
            for f in range(moved.shape[1]):
                total += moved[r, f] * (state[i, SUMS + f] - before[r, f])
                state[i, SUMS + f] += moved[r, f]
            state[i, RESIDUAL] -= total
