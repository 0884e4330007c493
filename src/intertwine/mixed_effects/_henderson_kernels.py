"""Sums over rows for Henderson's equations, and their blocks on the way to and from a factor.

Everything that differs by output has the outputs first, so that one output is one stretch of memory and one thread's.
"""

import numpy as np
from numba import njit, prange

_SIDE_BY_SIDE = 8  # outputs: a line of the cache
_AT_ONCE = 32  # factors that stand side by side


@njit(cache=True, nogil=True, parallel=True)
def sum_pairs(pair, weights, left, right, out):
    """Σ_i w_i left_i right_iᵀ over the rows of each pair: out (weights, pairs, r_s, r_t)."""
    for v in prange(len(out)):
        w, total = weights[v], out[v]
        for i in range(len(pair)):
            for k in range(left.shape[1]):
                value = w[i] * left[i, k]
                for c in range(right.shape[1]):
                    total[pair[i], k, c] += value * right[i, c]


@njit(cache=True, nogil=True, parallel=True)
def sum_dense(level, weights, left, columns, out):
    """Σ_i w_i left_i columns_iᵀ over the rows of each level: out (weights, levels, r, columns)."""
    for v in prange(len(out)):
        w, total = weights[v], out[v]
        for i in range(len(level)):
            for k in range(left.shape[1]):
                value, target = w[i] * left[i, k], total[level[i], k]
                for c in range(columns.shape[1]):
                    target[c] += value * columns[i, c]


@njit(cache=True, nogil=True)
def sum_levels_one(level, left, value, total):
    """Σ_i left_i value_i over the rows of each level: value (n,), total (levels, r)."""
    for i in range(len(level)):
        for k in range(left.shape[1]):
            total[level[i], k] += left[i, k] * value[i]


@njit(cache=True, nogil=True)
def add_levels_one(level, left, b, total):
    """total_i += left_iᵀ b[level_i]: b (levels, r), total (n,)."""
    for i in range(len(level)):
        for k in range(left.shape[1]):
            total[i] += left[i, k] * b[level[i], k]


@njit(cache=True, nogil=True)
def scatter_one(G, slots, prior, left, right, target):
    """Write Λ_sᵀ G Λ_t + prior · I of every pair into its slots."""
    n_left, n_right = slots.shape[1], slots.shape[2]
    if n_left == 1 and n_right == 1:
        factor = left[0, 0] * right[0, 0]
        for e in range(len(slots)):
            target[slots[e, 0, 0]] = factor * G[e, 0, 0] + prior[e]
        return
    half = np.empty(n_right)
    for e in range(len(slots)):
        for k in range(n_left):
            for c in range(n_right):
                half[c] = 0.0
                for a in range(n_left):
                    half[c] += left[a, k] * G[e, a, c]
            for c in range(n_right):
                total = prior[e] if k == c else 0.0
                for a in range(n_right):
                    total += half[a] * right[a, c]
                target[slots[e, k, c]] = total


@njit(cache=True, nogil=True, parallel=True)
def scatter(values, value_of, slots, prior, left, right, out):
    """`scatter_one` for each factor."""
    for f in prange(len(out)):
        scatter_one(values[value_of[f]], slots, prior, left[f], right[f], out[f])


@njit(cache=True, nogil=True, parallel=True)
def scatter_side_by_side(values, value_of, slots, prior, left, right, out):
    """`scatter_one` for each factor, of which the numbers stand side by side: out (entries, factors)."""
    n_factors, shared = out.shape[1], len(values) == 1
    n_blocks = (n_factors + _AT_ONCE - 1) // _AT_ONCE
    for block in prange(n_blocks):
        first = np.uint64(block * n_factors // n_blocks)
        last = np.uint64((block + 1) * n_factors // n_blocks)
        if slots.shape[1] == 1 and slots.shape[2] == 1:
            factor = np.empty(last - first)
            for m in range(first, last):
                factor[m - first] = left[m, 0, 0] * right[m, 0, 0]
            for e in range(len(slots)):
                slot, own = slots[e, 0, 0], prior[e]
                if shared:
                    G = values[0, e, 0, 0]
                    for m in range(first, last):
                        out[slot, m] = factor[m - first] * G + own
                else:
                    for m in range(first, last):
                        out[slot, m] = factor[m - first] * values[value_of[m], e, 0, 0] + own
        else:
            for m in range(first, last):
                scatter_one(values[0 if shared else value_of[m]], slots, prior, left[m], right[m], out[:, m])


@njit(cache=True, nogil=True)
def gather(entries, slots, left, right, out):
    """Λ_s P Λ_tᵀ of every pair from the slots of one inverse: out (pairs, r_s, r_t)."""
    n_left, n_right = slots.shape[1], slots.shape[2]
    half = np.empty(n_right)
    for e in range(len(slots)):
        for k in range(n_left):
            for c in range(n_right):
                half[c] = 0.0
                for a in range(n_left):
                    half[c] += left[k, a] * entries[slots[e, a, c]]
            for c in range(n_right):
                total = 0.0
                for a in range(n_right):
                    total += half[a] * right[c, a]
                out[e, k, c] = total


@njit(cache=True, nogil=True, parallel=True)
def covariance_table(inverses, factor_of, slots, left_roots, right_roots, scale, out):
    """scale_m Λ_s P Λ_tᵀ of every pair, with P from the inverse of each output: out (pairs · r_s · r_t, outputs)."""
    n_left, n_right = slots.shape[1], slots.shape[2]
    p = len(factor_of)
    for block in prange((p + _SIDE_BY_SIDE - 1) // _SIDE_BY_SIDE):
        first, last = np.uint64(block * _SIDE_BY_SIDE), np.uint64(min(p, (block + 1) * _SIDE_BY_SIDE))
        if n_left == 1 and n_right == 1:
            factor = np.empty(last - first)
            for m in range(first, last):
                f = factor_of[m]
                factor[m - first] = scale[m] * left_roots[f, 0, 0] * right_roots[f, 0, 0]
            for e in range(len(slots)):
                slot = slots[e, 0, 0]
                for m in range(first, last):
                    out[e, m] = factor[m - first] * inverses[factor_of[m], slot]
            continue
        found = np.empty(slots.shape)
        for m in range(first, last):
            f = factor_of[m]
            gather(inverses[f], slots, left_roots[f], right_roots[f], found)
            for e in range(len(slots)):
                for k in range(n_left):
                    for c in range(n_right):
                        out[(e * n_left + k) * n_right + c, m] = scale[m] * found[e, k, c]


@njit(cache=True, nogil=True, parallel=True)
def traces(inverses, slots, prior, first, out):
    """Σ_e prior_e P_e over the pairs from ``first`` on, of each inverse: out (factors, r_s, r_t)."""
    p = len(inverses)
    for block in prange((p + _SIDE_BY_SIDE - 1) // _SIDE_BY_SIDE):
        begin, end = block * _SIDE_BY_SIDE, min(p, (block + 1) * _SIDE_BY_SIDE)
        out[begin:end] = 0.0
        for e in range(first, len(slots)):
            for k in range(slots.shape[1]):
                for c in range(slots.shape[2]):
                    slot = slots[e, k, c]
                    for f in range(begin, end):
                        out[f, k, c] += prior[e] * inverses[f, slot]
