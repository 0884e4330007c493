"""The algebra of levels that share nothing, of all outputs side by side: the last axis of every array is the outputs.

Of a level and an output, with T the basis of its rows and Σ = σ² Λ Λᵀ (Λ, ``factor``, is relative to the noise, as in
lme4),

    G = TᵀWT (packed lower triangle, ``gram``)      H = TᵀWC (``cross``)      s = TᵀWy (``sums``)
    A = I + ΛᵀGΛ = L Lᵀ (L, ``root``)               E = L⁻¹Λᵀ (``white``)

and the posterior covariance of b at known γ is σ² EᵀE, its mean EᵀE (s − Hγ). As in `_block_sums`, each function does
the levels from ``first`` up to ``last``.
"""

import numpy as np
from numba import njit

_FAST = {"reassoc", "contract"}
_LARGE = 1e60  # of a product of determinants, before its logarithm is taken


@njit(cache=True, nogil=True, fastmath=_FAST)
def _spread(source, j, pattern, out):
    """What outputs with the same weights share, written out for each; source (q, k, d), out (d, p)."""
    if source.shape[1] == 1:
        for x in range(out.shape[0]):
            value = source[j, 0, x]
            for m in range(out.shape[1]):
                out[x, m] = value
    else:
        for x in range(out.shape[0]):
            for m in range(out.shape[1]):
                out[x, m] = source[j, pattern[m], x]


@njit(cache=True, nogil=True, fastmath=_FAST)
def _whiten(gram, factor, root, white, determinant):
    """L (with the inverses of its pivots in place of them) and E of a level; determinants are multiplied by det A."""
    r, p = factor.shape[0], factor.shape[2]
    for a in range(r):  # white holds GΛ for a moment
        for b in range(r):
            for m in range(p):
                white[a, b, m] = 0.0
            for z in range(b, r):
                at = a * (a + 1) // 2 + z if z <= a else z * (z + 1) // 2 + a
                for m in range(p):
                    white[a, b, m] += gram[at, m] * factor[z, b, m]
    for b in range(r):
        for a in range(b, r):
            for m in range(p):
                root[a, b, m] = 1.0 if a == b else 0.0
            for z in range(a, r):
                for m in range(p):
                    root[a, b, m] += factor[z, a, m] * white[z, b, m]
            for z in range(b):
                for m in range(p):
                    root[a, b, m] -= root[a, z, m] * root[b, z, m]
            if a == b:
                for m in range(p):
                    determinant[m] *= root[a, a, m]
                    root[a, a, m] = 1.0 / np.sqrt(root[a, a, m])
            else:
                for m in range(p):
                    root[a, b, m] *= root[b, b, m]
    for b in range(r):
        for a in range(r):
            for m in range(p):
                white[a, b, m] = factor[b, a, m]
            for z in range(a):
                for m in range(p):
                    white[a, b, m] -= root[a, z, m] * white[z, b, m]
            for m in range(p):
                white[a, b, m] *= root[a, a, m]


@njit(cache=True, nogil=True, fastmath=_FAST)
def reduce_levels(first, last, gram, cross, pattern, factor, sums, log_determinant, squares, products, grams):
    """Add up Σ log det A (p,), Σ sᵀEᵀEs (p,), Σ HᵀEᵀEs (c, p) and Σ HᵀEᵀEH (packed lower triangle, p)."""
    r, p, c = sums.shape[1], sums.shape[2], products.shape[0]
    root, white = np.zeros((r, r, p)), np.zeros((r, r, p))
    G, H = np.empty((gram.shape[2], p)), np.empty((r * c, p))
    d, B, determinant = np.empty(p), np.empty((c, p)), np.ones(p)
    for j in range(first, last):
        _spread(gram, j, pattern, G)
        _spread(cross, j, pattern, H)
        _whiten(G, factor, root, white, determinant)
        for m in range(p):
            if determinant[m] > _LARGE:
                log_determinant[m] += np.log(determinant[m])
                determinant[m] = 1.0
        for a in range(r):
            for m in range(p):
                d[m] = 0.0
            for z in range(r):
                for m in range(p):
                    d[m] += white[a, z, m] * sums[j, z, m]
            for m in range(p):
                squares[m] += d[m] * d[m]
            place = 0
            for b in range(c):
                for m in range(p):
                    B[b, m] = 0.0
                for z in range(r):
                    for m in range(p):
                        B[b, m] += white[a, z, m] * H[z * c + b, m]
                for m in range(p):
                    products[b, m] += B[b, m] * d[m]
                for z in range(b + 1):
                    for m in range(p):
                        grams[place, m] += B[b, m] * B[z, m]
                    place += 1
    for m in range(p):
        log_determinant[m] += np.log(determinant[m])


@njit(cache=True, nogil=True, fastmath=_FAST)
def level_means(first, last, gram, cross, pattern, factor, noise, sums, gamma, gamma_root, means, score):
    """E[b | y] (q, r, p); adds to ``score`` (packed lower triangle, p) twice the gradient with respect to Σ.

    That is Σ_j TᵀPyyᵀPT − TᵀPT, with TᵀPy = (s − Hγ − G E[b]) / σ² and TᵀV⁻¹T = (G − GEᵀEG) / σ², to which an unknown
    γ of covariance σ² · gamma_root gamma_rootᵀ adds −(H − GEᵀEH) gamma_root times its transpose / σ².
    """
    r, p, c = sums.shape[1], sums.shape[2], gamma.shape[0]
    unknown = gamma_root.shape[1]
    root, white, EG = np.zeros((r, r, p)), np.zeros((r, r, p)), np.zeros((r, r, p))
    G, H = np.empty((gram.shape[2], p)), np.empty((r * c, p))
    t, d, HS, FS = np.empty((r, p)), np.empty((r, p)), np.empty((r, p)), np.empty((r, p))
    determinant = np.ones(p)
    for j in range(first, last):
        _spread(gram, j, pattern, G)
        _spread(cross, j, pattern, H)
        for m in range(p):
            determinant[m] = 1.0
        _whiten(G, factor, root, white, determinant)
        for a in range(r):
            for m in range(p):
                t[a, m] = sums[j, a, m]
            for b in range(c):
                for m in range(p):
                    t[a, m] -= H[a * c + b, m] * gamma[b, m]
        _twice(white, t, d, means[j])
        for a in range(r):
            for b in range(r):
                for m in range(p):
                    EG[a, b, m] = 0.0
                for z in range(r):
                    at = b * (b + 1) // 2 + z if z <= b else z * (z + 1) // 2 + b
                    for m in range(p):
                        EG[a, b, m] += white[a, z, m] * G[at, m]
        for a in range(r):  # s − Hγ − G b, with EᵀE (s − Hγ) = b and d = E (s − Hγ)
            for z in range(r):
                for m in range(p):
                    t[a, m] -= EG[z, a, m] * d[z, m]
        place = 0
        for a in range(r):
            for b in range(a + 1):
                for m in range(p):
                    score[place, m] += t[a, m] * t[b, m] / noise[m] - G[place, m]
                for z in range(r):
                    for m in range(p):
                        score[place, m] += EG[z, a, m] * EG[z, b, m]
                place += 1
        for x in range(unknown):
            for a in range(r):
                for m in range(p):
                    HS[a, m] = 0.0
                for z in range(c):
                    for m in range(p):
                        HS[a, m] += H[a * c + z, m] * gamma_root[z, x, m]
            for a in range(r):
                for m in range(p):
                    d[a, m] = 0.0
                for z in range(r):
                    for m in range(p):
                        d[a, m] += white[a, z, m] * HS[z, m]
            for a in range(r):
                for m in range(p):
                    FS[a, m] = HS[a, m]
                for z in range(r):
                    for m in range(p):
                        FS[a, m] -= EG[z, a, m] * d[z, m]
            place = 0
            for a in range(r):
                for b in range(a + 1):
                    for m in range(p):
                        score[place, m] += FS[a, m] * FS[b, m]
                    place += 1


@njit(cache=True, nogil=True, fastmath=_FAST)
def _twice(white, v, d, out):
    """Set d = E v and out = EᵀE v."""
    r, p = v.shape
    for a in range(r):
        for m in range(p):
            d[a, m] = 0.0
        for z in range(r):
            for m in range(p):
                d[a, m] += white[a, z, m] * v[z, m]
    for a in range(r):
        for m in range(p):
            out[a, m] = 0.0
        for z in range(r):
            for m in range(p):
                out[a, m] += white[z, a, m] * d[z, m]


@njit(cache=True, nogil=True, fastmath=_FAST)
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
        _spread(gram, j, pattern, G)
        determinant[:] = 1.0
        _whiten(G, factor, root, white, determinant)
        place = 0
        for a in range(r):
            for b in range(a + 1):
                for z in range(r):
                    for m in range(p):
                        D[place, m] += value * value * white[z, a, m] * white[z, b, m]
                place += 1
        if unknown:
            _spread(cross, j, pattern, H)
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


@njit(cache=True, nogil=True, fastmath=_FAST)
def row_moments(
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


@njit(cache=True, nogil=True, fastmath=_FAST)
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
