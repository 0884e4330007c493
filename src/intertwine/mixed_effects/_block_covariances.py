"""Posterior covariances of levels that share nothing, of all outputs side by side; letters as in `_block_kernels`."""

import numpy as np
from numba import njit

from intertwine.mixed_effects._block_kernels import spread, whiten

_FAST = {"reassoc", "contract"}


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _level_spread(
    level, indptr, indices, values, gram, cross, pattern, factor, gamma_root, root, white, G, H, D, F, FS
):
    """Of a = Σ_j values · b_j the covariance at known γ over σ² (packed, p), and −Cov(a, γ) roots (r, unknown, p)."""
    r, p = factor.shape[0], factor.shape[2]
    c, unknown = gamma_root.shape[0], gamma_root.shape[1]
    D[:] = 0.0
    F[:] = 0.0
    determinant = np.ones(p)
    for at in range(indptr[level], indptr[level + 1]):
        j, value = indices[at], values[at]
        spread(gram, j, pattern, G)
        determinant[:] = 1.0
        whiten(G, factor, root, white, determinant)
        place = 0
        for a in range(r):
            for b in range(a + 1):
                for z in range(r):
                    for m in range(p):
                        D[place, m] += value * value * white[z, a, m] * white[z, b, m]
                place += 1
        if unknown:
            spread(cross, j, pattern, H)
            for b in range(c):
                for z in range(r):
                    FS[0, 0, :] = 0.0  # E H, of one column
                    for a in range(r):
                        for m in range(p):
                            FS[0, 0, m] += white[z, a, m] * H[a * c + b, m]
                    for a in range(r):
                        for m in range(p):
                            F[a, b, m] += value * white[z, a, m] * FS[0, 0, m]
    FS[:] = 0.0
    for a in range(r):
        for x in range(unknown):
            for b in range(c):
                for m in range(p):
                    FS[a, x, m] += F[a, b, m] * gamma_root[b, x, m]


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def row_variances(
    first,
    last,
    order,
    starts,
    basis,
    fixed,
    indptr,
    indices,
    values,
    gram,
    cross,
    pattern,
    factor,
    gamma_root,
    out,
):
    """Variances of Cγ + Ta, divided by σ², where a = Σ_j values · b_j at the level of a row; (n, p), in place.

    ``order`` and ``starts`` are of these rows and their levels, which stand among the levels of the system as the rows
    of a matrix in compressed form do.
    """
    r, p, c, unknown = basis.shape[1], out.shape[1], gamma_root.shape[0], gamma_root.shape[1]
    root, white = np.zeros((r, r, p)), np.zeros((r, r, p))
    G, H, D = np.empty((gram.shape[2], p)), np.empty((r * c, p)), np.empty((gram.shape[2], p))
    F, FS, v = np.empty((r, c, p)), np.empty((r, unknown, p)), np.empty(p)
    for level in range(first, last):
        if starts[level] == starts[level + 1]:
            continue
        _level_spread(
            level,
            indptr,
            indices,
            values,
            gram,
            cross,
            pattern,
            factor,
            gamma_root,
            root,
            white,
            G,
            H,
            D,
            F,
            FS,
        )
        for at in range(starts[level], starts[level + 1]):
            i = order[at]
            place = 0
            for a in range(r):
                for b in range(a + 1):
                    x = basis[i, a] * basis[i, b] * (1.0 if a == b else 2.0)
                    if place == 0:
                        for m in range(p):
                            out[i, m] = x * D[place, m]
                    else:
                        for m in range(p):
                            out[i, m] += x * D[place, m]
                    place += 1
            for t in range(unknown):
                for m in range(p):
                    v[m] = 0.0
                for z in range(fixed.shape[1]):
                    x = fixed[i, z]
                    for m in range(p):
                        v[m] += x * gamma_root[z, t, m]
                for a in range(r):
                    x = basis[i, a]
                    for m in range(p):
                        v[m] -= x * FS[a, t, m]
                for m in range(p):
                    out[i, m] += v[m] * v[m]


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def level_covariances(
    first, last, indptr, indices, values, gram, cross, pattern, factor, gamma_root, noise, out
):
    """Posterior covariance of a at each level, (levels, p, r, r)."""
    r, p = factor.shape[0], factor.shape[2]
    c, unknown = gamma_root.shape[0], gamma_root.shape[1]
    root, white = np.zeros((r, r, p)), np.zeros((r, r, p))
    G, H, D = np.empty((gram.shape[2], p)), np.empty((r * c, p)), np.empty((gram.shape[2], p))
    F, FS = np.empty((r, c, p)), np.empty((r, unknown, p))
    for level in range(first, last):
        _level_spread(
            level,
            indptr,
            indices,
            values,
            gram,
            cross,
            pattern,
            factor,
            gamma_root,
            root,
            white,
            G,
            H,
            D,
            F,
            FS,
        )
        place = 0
        for a in range(r):
            for b in range(a + 1):
                for m in range(p):
                    entry = D[place, m]
                    for t in range(unknown):
                        entry += FS[a, t, m] * FS[b, t, m]
                    out[level, m, a, b] = noise[m] * entry
                    out[level, m, b, a] = noise[m] * entry
                place += 1
