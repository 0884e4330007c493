"""Sums over levels that share nothing: small Cholesky factors, of one level and one output at a time.

Rows stand in the order of their levels: ``order[starts[j]:starts[j + 1]]`` are the rows of level j. Levels are dealt
into parts (``bounds``), whatever the number of threads, so that sums do not depend on it. Of a level and an output,
with T the basis of its rows and Σ = σ² Λ Λᵀ (Λ, ``factor``, is relative to the noise, as in lme4),

    G = TᵀWT (packed lower triangle, ``gram``)      H = TᵀWC (``cross``)      s = TᵀWy (``sums``)
    A = I + ΛᵀGΛ = L Lᵀ (L, ``root``)               E = L⁻¹Λᵀ (``white``)

and the posterior covariance of b at known γ is σ² EᵀE, its mean Eᵀ E (s − Hγ). Gram and cross hold once what outputs
with the same weights share: ``pattern`` says which column of weights an output has.
"""

import numpy as np
from numba import njit, prange

_FAST = {"reassoc", "contract"}
_LARGE = 1e100  # of a product of determinants, before its logarithm is taken


@njit(cache=True, nogil=True, parallel=True)
def design_sums(bounds, order, starts, basis, weights, fixed):
    """G (q, k, r (r + 1) / 2), H (q, k, r, c) and CᵀWC (k, c, c) for each of k columns of weights."""
    q, k, r, c = len(starts) - 1, weights.shape[1], basis.shape[1], fixed.shape[1]
    gram = np.zeros((q, k, r * (r + 1) // 2))
    cross = np.zeros((q, k, r, c))
    parts = len(bounds) - 1
    square = np.zeros((parts, k, c, c))
    for part in prange(parts):
        for j in range(bounds[part], bounds[part + 1]):
            for at in range(starts[j], starts[j + 1]):
                i = order[at]
                for x in range(k):
                    w = weights[i, x]
                    if w == 0.0:
                        continue
                    place = 0
                    for a in range(r):
                        wa = w * basis[i, a]
                        for b in range(a + 1):
                            gram[j, x, place] += wa * basis[i, b]
                            place += 1
                        for b in range(c):
                            cross[j, x, a, b] += wa * fixed[i, b]
                    for a in range(c):
                        wa = w * fixed[i, a]
                        for b in range(c):
                            square[part, x, a, b] += wa * fixed[i, b]
    return gram, cross, square.sum(axis=0)


@njit(cache=True, nogil=True, parallel=True)
def fixed_products(bounds, order, starts, weights, pattern, fixed, y):
    """CᵀWy, (p, c)."""
    p, c, parts, shared = y.shape[1], fixed.shape[1], len(bounds) - 1, weights.shape[1] == 1
    out = np.zeros((parts, c, p))
    for part in prange(parts):
        for at in range(starts[bounds[part]], starts[bounds[part + 1]]):
            i = order[at]
            if shared:
                w = weights[i, 0]
                if w != 0.0:
                    for a in range(c):
                        wa = w * fixed[i, a]
                        for m in range(p):
                            out[part, a, m] += wa * y[i, m]
            else:
                for m in range(p):
                    w = weights[i, pattern[m]]
                    if w != 0.0:
                        for a in range(c):
                            out[part, a, m] += w * fixed[i, a] * y[i, m]
    return np.ascontiguousarray(out.sum(axis=0).T)


@njit(cache=True, nogil=True, parallel=True)
def outcome_sums(bounds, order, starts, basis, weights, pattern, fixed, start, y):
    """TᵀWr of each level (q, r, p), rᵀWr (p,) and CᵀWr (p, c), for r = y − C start."""
    q, p, r, c, parts = len(starts) - 1, y.shape[1], basis.shape[1], fixed.shape[1], len(bounds) - 1
    shared = weights.shape[1] == 1
    sums = np.zeros((q, r, p))
    squares = np.zeros((parts, p))
    products = np.zeros((parts, c, p))
    for part in prange(parts):
        residual = np.empty(p)
        for j in range(bounds[part], bounds[part + 1]):
            for at in range(starts[j], starts[j + 1]):
                i = order[at]
                if shared and weights[i, 0] == 0.0:
                    continue
                for m in range(p):
                    residual[m] = y[i, m]
                for a in range(c):
                    for m in range(p):
                        residual[m] -= fixed[i, a] * start[a, m]
                if shared:
                    w = weights[i, 0]
                    for m in range(p):
                        squares[part, m] += w * residual[m] * residual[m]
                        residual[m] *= w
                else:
                    for m in range(p):
                        w = weights[i, pattern[m]]
                        if w == 0.0:
                            residual[m] = 0.0  # whatever stood there, and NaN is not read
                        else:
                            squares[part, m] += w * residual[m] * residual[m]
                            residual[m] *= w
                for a in range(r):
                    for m in range(p):
                        sums[j, a, m] += basis[i, a] * residual[m]
                for a in range(c):
                    for m in range(p):
                        products[part, a, m] += fixed[i, a] * residual[m]
    return sums, squares.sum(axis=0), np.ascontiguousarray(products.sum(axis=0).T)


@njit(cache=True, nogil=True)
def _whiten(gram, j, x, factor, m, root, white):
    """L and E of a level and an output, in place; returns det A."""
    r = factor.shape[1]
    for a in range(r):  # white holds GΛ for a moment
        for b in range(r):
            entry = 0.0
            for z in range(b, r):
                entry += (
                    gram[j, x, a * (a + 1) // 2 + z if z <= a else z * (z + 1) // 2 + a] * factor[m, z, b]
                )
            white[a, b] = entry
    determinant = 1.0
    for b in range(r):
        for a in range(b, r):
            entry = 1.0 if a == b else 0.0
            for z in range(a, r):
                entry += factor[m, z, a] * white[z, b]
            for z in range(b):
                entry -= root[a, z] * root[b, z]
            if a == b:
                determinant *= entry
                root[a, b] = np.sqrt(entry)
            else:
                root[a, b] = entry / root[b, b]
    for b in range(r):
        for a in range(r):
            entry = factor[m, b, a]
            for z in range(a):
                entry -= root[a, z] * white[z, b]
            white[a, b] = entry / root[a, a]
    return determinant


@njit(cache=True, nogil=True, parallel=True, fastmath=_FAST)
def reduce_levels(bounds, gram, cross, pattern, factor, sums):
    """Σ log det A (p,), Σ sᵀEᵀEs (p,), Σ HᵀEᵀEs (p, c) and Σ HᵀEᵀEH (p, c, c)."""
    r, p, c, parts = sums.shape[1], sums.shape[2], cross.shape[3], len(bounds) - 1
    log_determinant = np.zeros((parts, p))
    squares = np.zeros((parts, p))
    products = np.zeros((parts, p, c))
    grams = np.zeros((parts, p, c, c))
    for part in prange(parts):
        root, white, d, B = np.zeros((r, r)), np.zeros((r, r)), np.zeros(r), np.zeros((r, c))
        determinants = np.ones(p)
        for j in range(bounds[part], bounds[part + 1]):
            for m in range(p):
                x = pattern[m]
                determinants[m] *= _whiten(gram, j, x, factor, m, root, white)
                if determinants[m] > _LARGE:
                    log_determinant[part, m] += np.log(determinants[m])
                    determinants[m] = 1.0
                for a in range(r):
                    d[a] = 0.0
                    for z in range(r):
                        d[a] += white[a, z] * sums[j, z, m]
                    squares[part, m] += d[a] * d[a]
                    for b in range(c):
                        entry = 0.0
                        for z in range(r):
                            entry += white[a, z] * cross[j, x, z, b]
                        B[a, b] = entry
                        products[part, m, b] += entry * d[a]
                        for z in range(b + 1):
                            grams[part, m, b, z] += entry * B[a, z]
        log_determinant[part] += np.log(determinants)
    return log_determinant.sum(axis=0), squares.sum(axis=0), products.sum(axis=0), grams.sum(axis=0)


@njit(cache=True, nogil=True, parallel=True, fastmath=_FAST)
def level_means(bounds, gram, cross, pattern, factor, sums, gamma, gamma_root):
    """E[b | y] (q, r, p), and Σ ûûᵀ and Σ A⁻¹ + L⁻ᵀB S BᵀL⁻¹ (p, r, r) of u = Λ⁻¹ b.

    S = σ² · gamma_root gamma_rootᵀ is the covariance of γ; of a known γ the root has no columns.
    """
    q, r, p, c, parts = sums.shape[0], sums.shape[1], sums.shape[2], cross.shape[3], len(bounds) - 1
    unknown = gamma_root.shape[2]
    means = np.empty((q, r, p))
    outer = np.zeros((parts, p, r, r))
    spread = np.zeros((parts, p, r, r))
    for part in prange(parts):
        root, white, u, inverse = np.zeros((r, r)), np.zeros((r, r)), np.zeros(r), np.zeros((r, r))
        B, BS = np.zeros((r, c)), np.zeros(r)
        for j in range(bounds[part], bounds[part + 1]):
            for m in range(p):
                x = pattern[m]
                _whiten(gram, j, x, factor, m, root, white)
                for a in range(r):
                    u[a] = 0.0
                    for z in range(r):
                        u[a] += white[a, z] * sums[j, z, m]
                    for b in range(c):
                        entry = 0.0
                        for z in range(r):
                            entry += white[a, z] * cross[j, x, z, b]
                        B[a, b] = entry
                        u[a] -= entry * gamma[m, b]
                _solve_transposed(root, u)
                for a in range(r):
                    mean = 0.0
                    for z in range(a + 1):
                        mean += factor[m, a, z] * u[z]
                    means[j, a, m] = mean
                for a in range(r):
                    inverse[a, :] = 0.0
                    inverse[a, a] = 1.0
                    _solve_lower(root, inverse[a])
                    _solve_transposed(root, inverse[a])
                for a in range(r):
                    for b in range(a + 1):
                        outer[part, m, a, b] += u[a] * u[b]
                        spread[part, m, a, b] += inverse[a, b]
                for t in range(unknown):
                    for a in range(r):
                        BS[a] = 0.0
                        for z in range(c):
                            BS[a] += B[a, z] * gamma_root[m, z, t]
                    _solve_transposed(root, BS)
                    for a in range(r):
                        for b in range(a + 1):
                            spread[part, m, a, b] += BS[a] * BS[b]
    return means, outer.sum(axis=0), spread.sum(axis=0)


@njit(cache=True, nogil=True)
def _solve_lower(root, v):
    for a in range(len(v)):
        for z in range(a):
            v[a] -= root[a, z] * v[z]
        v[a] /= root[a, a]


@njit(cache=True, nogil=True)
def _solve_transposed(root, v):
    for a in range(len(v) - 1, -1, -1):
        for z in range(a + 1, len(v)):
            v[a] -= root[z, a] * v[z]
        v[a] /= root[a, a]


@njit(cache=True, nogil=True, parallel=True, fastmath=_FAST)
def row_moments(
    bounds,
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
    """Variances of Cγ + T a, divided by σ², where a = Σ_j values · b_j at the level of a row; (n, p), in place.

    ``order``, ``starts`` and ``bounds`` are those of these rows and their levels, which stand among the levels of the
    system as the rows of a matrix in compressed form do.
    """
    r, p, c, parts = basis.shape[1], len(pattern), cross.shape[3], len(bounds) - 1
    unknown, has_fixed = gamma_root.shape[2], fixed.shape[1] > 0
    for part in prange(parts):
        root, white = np.zeros((r, r)), np.zeros((r, r))
        covariance, F, FS = np.zeros((r, r, p)), np.zeros((r, c)), np.zeros((r, unknown, p))
        v = np.zeros(p)
        for level in range(bounds[part], bounds[part + 1]):
            covariance[:] = 0.0
            FS[:] = 0.0
            for m in range(p):
                x = pattern[m]
                F[:] = 0.0
                for at in range(indptr[level], indptr[level + 1]):
                    j, value = indices[at], values[at]
                    _whiten(gram, j, x, factor, m, root, white)
                    for a in range(r):
                        for b in range(r):
                            entry = 0.0
                            for z in range(r):
                                entry += white[z, a] * white[z, b]
                            covariance[a, b, m] += value * value * entry
                            for t in range(c):
                                F[a, t] += value * entry * cross[j, x, b, t]
                for a in range(r):
                    for t in range(unknown):
                        for z in range(c):
                            FS[a, t, m] += F[a, z] * gamma_root[m, z, t]
            for at in range(starts[level], starts[level + 1]):
                i = order[at]
                for m in range(p):
                    out[i, m] = 0.0
                for a in range(r):
                    for b in range(r):
                        product = basis[i, a] * basis[i, b]
                        for m in range(p):
                            out[i, m] += product * covariance[a, b, m]
                for t in range(unknown):
                    for m in range(p):
                        v[m] = 0.0
                        if has_fixed:
                            for z in range(c):
                                v[m] += fixed[i, z] * gamma_root[m, z, t]
                    for a in range(r):
                        for m in range(p):
                            v[m] -= basis[i, a] * FS[a, t, m]
                    for m in range(p):
                        out[i, m] += v[m] * v[m]


@njit(cache=True, nogil=True, parallel=True, fastmath=_FAST)
def level_covariances(bounds, gram, cross, pattern, factor, gamma_root, noise):
    """Posterior covariance of b at each level, (q, p, r, r)."""
    q, r, p, c, parts = len(gram), factor.shape[1], len(pattern), cross.shape[3], len(bounds) - 1
    unknown = gamma_root.shape[2]
    out = np.empty((q, p, r, r))
    for part in prange(parts):
        root, white, FS = np.zeros((r, r)), np.zeros((r, r)), np.zeros((r, unknown))
        for j in range(bounds[part], bounds[part + 1]):
            for m in range(p):
                x = pattern[m]
                _whiten(gram, j, x, factor, m, root, white)
                for a in range(r):
                    for b in range(r):
                        entry = 0.0
                        for z in range(r):
                            entry += white[z, a] * white[z, b]
                        out[j, m, a, b] = entry
                for a in range(r):
                    for t in range(unknown):
                        FS[a, t] = 0.0
                        for b in range(r):
                            for z in range(c):
                                FS[a, t] += out[j, m, a, b] * cross[j, x, b, z] * gamma_root[m, z, t]
                for a in range(r):
                    for b in range(r):
                        for t in range(unknown):
                            out[j, m, a, b] += FS[a, t] * FS[b, t]
                        out[j, m, a, b] *= noise[m]
    return out


@njit(cache=True, nogil=True, parallel=True, fastmath=_FAST)
def row_means(level, basis, means):
    """Σ_k basis[i, k] means[level[i], k], (n, p)."""
    n, r, p = len(level), basis.shape[1], means.shape[2]
    out = np.empty((n, p))
    for i in prange(n):
        j = level[i]
        for m in range(p):
            out[i, m] = basis[i, 0] * means[j, 0, m]
        for a in range(1, r):
            for m in range(p):
                out[i, m] += basis[i, a] * means[j, a, m]
    return out
