"""The algebra of levels that share nothing, of all outputs side by side: the last axis of every array is the outputs.

Of a level and an output, with T the basis of its rows and Σ = σ² Λ Λᵀ (Λ, ``factor``, is relative to the noise, as in
lme4),

    G = TᵀWT (packed lower triangle, ``gram``)      H = TᵀWC (``cross``)      s = TᵀWy (``sums``)
    A = I + ΛᵀGΛ = L Lᵀ (L, ``root``)               E = L⁻¹Λᵀ (``white``)

and the posterior covariance of b at known γ is σ² EᵀE, its mean EᵀE (s − Hγ). As in `_block_sums`, each function does
the levels from ``first`` up to ``last``. Where outputs are few, several levels stand side by side too, so that the
innermost loops are never short.
"""

import numpy as np
from numba import njit

_FAST = {"reassoc", "contract"}
_LARGE = 1e60  # of a product of determinants, before its logarithm is taken
_WIDTH = 64  # of the innermost loops, at least


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def spread(source, j, pattern, out):
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


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _side_by_side(factor, levels):
    """(…, p) repeated for so many levels."""
    p = factor.shape[2]
    out = np.empty((factor.shape[0], factor.shape[1], levels * p))
    for a in range(factor.shape[0]):  # loops: assignments of slices take seconds to compile
        for b in range(factor.shape[1]):
            for x in range(levels * p):
                out[a, b, x] = factor[a, b, x % p]
    return out


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _gather(first, last, gram, cross, sums, pattern, G, H, s):
    """G, H and s of some levels side by side; what is left of the width is of levels without rows."""
    p, width = sums.shape[2], s.shape[1]
    for at in range(first, last):
        here = (at - first) * p
        spread(gram, at, pattern, G[:, here : here + p])
        spread(cross, at, pattern, H[:, here : here + p])
        for a in range(s.shape[0]):
            for m in range(p):
                s[a, here + m] = sums[at, a, m]
    for x in range((last - first) * p, width):
        for a in range(G.shape[0]):
            G[a, x] = 0.0
        for a in range(H.shape[0]):
            H[a, x] = 0.0
        for a in range(s.shape[0]):
            s[a, x] = 0.0


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def whiten(gram, factor, root, white, determinant):
    """L (with the inverses of its pivots in place of them) and E of a level; determinants are multiplied by det A."""
    r, p = factor.shape[0], factor.shape[2]
    if r == 1:
        for m in range(p):
            entry = 1.0 + gram[0, m] * factor[0, 0, m] * factor[0, 0, m]
            determinant[m] *= entry
            root[0, 0, m] = 1.0 / np.sqrt(entry)
            white[0, 0, m] = factor[0, 0, m] * root[0, 0, m]
        return
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


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def reduce_levels(first, last, gram, cross, pattern, factor, sums, log_determinant, squares, products, grams):
    """Add up Σ log det A (p,), Σ sᵀEᵀEs (p,), Σ HᵀEᵀEs (c, p) and Σ HᵀEᵀEH (packed lower triangle, p)."""
    r, c, outputs = sums.shape[1], products.shape[0], sums.shape[2]
    levels = (_WIDTH + outputs - 1) // outputs
    p = levels * outputs
    root, white = np.zeros((r, r, p)), np.zeros((r, r, p))
    factors = _side_by_side(factor, levels)
    G, H, s = np.empty((gram.shape[2], p)), np.empty((r * c, p)), np.empty((r, p))
    d, B, determinant = np.empty(p), np.empty((c, p)), np.ones(p)
    log_sum, square_sum = np.zeros(p), np.zeros(p)
    product_sum, gram_sum = np.zeros((c, p)), np.zeros((grams.shape[0], p))
    for start in range(first, last, levels):
        _gather(start, min(start + levels, last), gram, cross, sums, pattern, G, H, s)
        whiten(G, factors, root, white, determinant)
        for m in range(p):
            if determinant[m] > _LARGE:
                log_sum[m] += np.log(determinant[m])
                determinant[m] = 1.0
        for a in range(r):
            for m in range(p):
                d[m] = 0.0
            for z in range(r):
                for m in range(p):
                    d[m] += white[a, z, m] * s[z, m]
            for m in range(p):
                square_sum[m] += d[m] * d[m]
            place = 0
            for b in range(c):
                for m in range(p):
                    B[b, m] = 0.0
                for z in range(r):
                    for m in range(p):
                        B[b, m] += white[a, z, m] * H[z * c + b, m]
                for m in range(p):
                    product_sum[b, m] += B[b, m] * d[m]
                for z in range(b + 1):
                    for m in range(p):
                        gram_sum[place, m] += B[b, m] * B[z, m]
                    place += 1
    for m in range(p):
        log_determinant[m % outputs] += log_sum[m] + np.log(determinant[m])
        squares[m % outputs] += square_sum[m]
        for b in range(c):
            products[b, m % outputs] += product_sum[b, m]
        for place in range(grams.shape[0]):
            grams[place, m % outputs] += gram_sum[place, m]


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def level_means(first, last, gram, cross, pattern, factor, noise, sums, gamma, gamma_root, means, score):
    """E[b | y] (q, r, p); adds to ``score`` (packed lower triangle, p) twice the gradient with respect to Σ.

    That is Σ_j TᵀPyyᵀPT − TᵀPT, with TᵀPy = (s − Hγ − G E[b]) / σ² and TᵀV⁻¹T = (G − GEᵀEG) / σ², to which an unknown
    γ of covariance σ² · gamma_root gamma_rootᵀ adds −(H − GEᵀEH) gamma_root times its transpose / σ².
    """
    r, c, outputs = sums.shape[1], gamma.shape[0], sums.shape[2]
    levels, unknown = (_WIDTH + outputs - 1) // outputs, gamma_root.shape[1]
    p = levels * outputs
    root, white, EG = np.zeros((r, r, p)), np.zeros((r, r, p)), np.zeros((r, r, p))
    factors, gamma_roots = _side_by_side(factor, levels), _side_by_side(gamma_root, levels)
    gammas = _side_by_side(gamma.reshape(1, c, outputs), levels)[0]
    noises = _side_by_side(noise.reshape(1, 1, outputs), levels)[0, 0]
    G, H, t = np.empty((gram.shape[2], p)), np.empty((r * c, p)), np.empty((r, p))
    d, HS, FS, mean = np.empty((r, p)), np.empty((r, p)), np.empty((r, p)), np.empty((r, p))
    score_sum, determinant = np.zeros((score.shape[0], p)), np.ones(p)
    for start in range(first, last, levels):
        stop = min(start + levels, last)
        _gather(start, stop, gram, cross, sums, pattern, G, H, t)
        determinant[:] = 1.0
        whiten(G, factors, root, white, determinant)
        for a in range(r):
            for b in range(c):
                for m in range(p):
                    t[a, m] -= H[a * c + b, m] * gammas[b, m]
        _twice(white, t, d, mean)
        for j in range(start, stop):
            for a in range(r):
                for m in range(outputs):
                    means[j, a, m] = mean[a, (j - start) * outputs + m]
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
                    score_sum[place, m] += t[a, m] * t[b, m] / noises[m] - G[place, m]
                for z in range(r):
                    for m in range(p):
                        score_sum[place, m] += EG[z, a, m] * EG[z, b, m]
                place += 1
        for x in range(unknown):
            for a in range(r):
                for m in range(p):
                    HS[a, m] = 0.0
                for z in range(c):
                    for m in range(p):
                        HS[a, m] += H[a * c + z, m] * gamma_roots[z, x, m]
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
                        score_sum[place, m] += FS[a, m] * FS[b, m]
                    place += 1
    for place in range(score.shape[0]):
        for m in range(p):
            score[place, m % outputs] += score_sum[place, m]


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
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
