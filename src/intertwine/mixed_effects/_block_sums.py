"""Sums over the rows of levels that share nothing: what a block-diagonal system knows of its rows.

Rows stand in the order of their levels: ``order[starts[j]:starts[j + 1]]`` are the rows of level j. Each function does
the levels from ``first`` up to ``last`` and adds to what it is given, so that several threads can share the levels.
Outputs with the same weights share what does not depend on y: ``pattern`` says which column of weights an output has.
"""

import numpy as np
from numba import njit

_FAST = {"reassoc", "contract"}


@njit(cache=True, nogil=True)
def design_sums(first, last, order, starts, basis, weights, fixed, gram, cross, square):
    """TᵀWT of each level (q, k, r (r + 1) / 2), TᵀWC (q, k, r, c) and CᵀWC (k, c, c) for k columns of weights."""
    r, c = basis.shape[1], fixed.shape[1]
    for j in range(first, last):
        for at in range(starts[j], starts[j + 1]):
            i = order[at]
            for k in range(weights.shape[1]):
                w = weights[i, k]
                if w == 0.0:
                    continue
                place = 0
                for a in range(r):
                    wa = w * basis[i, a]
                    for b in range(a + 1):
                        gram[j, k, place] += wa * basis[i, b]
                        place += 1
                    for b in range(c):
                        cross[j, k, a, b] += wa * fixed[i, b]
                for a in range(c):
                    wa = w * fixed[i, a]
                    for b in range(c):
                        square[k, a, b] += wa * fixed[i, b]


@njit(cache=True, nogil=True, fastmath=_FAST)
def outcome_sums(
    first, last, order, starts, basis, weights, pattern, fixed, guess, y, sums, squares, products
):
    """TᵀWd of each level (q, r, p), dᵀWd (p,) and CᵀWd (c, p), for d = y − C guess.

    The flags leave NaN alone: what stands where a weight is zero is never added.
    """
    p, r, c = y.shape[1], basis.shape[1], fixed.shape[1]
    shared = weights.shape[1] == 1
    d = np.empty(p)
    for j in range(first, last):
        for at in range(starts[j], starts[j + 1]):
            i = order[at]
            if shared and weights[i, 0] == 0.0:
                continue
            for m in range(p):
                d[m] = y[i, m]
            for a in range(c):
                x = fixed[i, a]
                for m in range(p):
                    d[m] -= x * guess[a, m]
            if shared:
                w = weights[i, 0]
                for m in range(p):
                    squares[m] += w * d[m] * d[m]
                    d[m] *= w
            else:
                for m in range(p):
                    w = weights[i, pattern[m]]
                    if w == 0.0:
                        d[m] = 0.0
                    else:
                        squares[m] += w * d[m] * d[m]
                        d[m] *= w
            for a in range(r):
                x = basis[i, a]
                for m in range(p):
                    sums[j, a, m] += x * d[m]
            for a in range(c):
                x = fixed[i, a]
                for m in range(p):
                    products[a, m] += x * d[m]


@njit(cache=True, nogil=True, fastmath=_FAST)
def row_means(first, last, order, starts, basis, means, out):
    """Σ_a basis[i, a] means[level, a] at the rows of the levels, (n, p)."""
    p, r = out.shape[1], basis.shape[1]
    for j in range(first, last):
        for at in range(starts[j], starts[j + 1]):
            i = order[at]
            x = basis[i, 0]
            for m in range(p):
                out[i, m] = x * means[j, 0, m]
            for a in range(1, r):
                x = basis[i, a]
                for m in range(p):
                    out[i, m] += x * means[j, a, m]
