"""What sums over levels that share nothing say together: fixed effects, likelihood, its slopes at a point of a search.

Letters are those of `_block_kernels`. A point is log σ² and the entries of a factor L of Σ = σ² R L Lᵀ Rᵀ, where R
makes basis functions orthonormal.
"""

import numpy as np
from numba import njit

from intertwine.mixed_effects._block_kernels import level_means, reduce_levels

_LOG_TWO_PI = np.log(2.0 * np.pi)


@njit(cache=True, nogil=True, error_model="numpy")
def solve_fixed(
    square,
    grams,
    right,
    squares,
    logs,
    noise,
    n_entries,
    log_weights,
    restricted,
    gamma,
    roots,
    quadratic,
    value,
):
    """Of each output γ (p, c), a root of its covariance over σ² (p, c, c), the quadratic form and the log-likelihood.

    ``grams``, ``right``, ``squares`` and ``logs`` are what the levels leave. Where fixed columns cannot be told apart
    everything is NaN.
    """
    p, c = gamma.shape
    L, inverse = np.empty((c, c)), np.empty((c, c))
    for m in range(p):
        log_information = 0.0
        for a in range(c):
            for b in range(a + 1):
                entry = square[m, a, b] - grams[a * (a + 1) // 2 + b, m]
                for z in range(b):
                    entry -= L[a, z] * L[b, z]
                if a == b:
                    L[a, a] = np.sqrt(entry) if entry > 0.0 else np.nan
                    log_information += 2.0 * np.log(L[a, a])
                else:
                    L[a, b] = entry / L[b, b]
        for b in range(c):
            for a in range(c):
                inverse[a, b] = 0.0
            inverse[b, b] = 1.0 / L[b, b]
            for a in range(b + 1, c):
                for z in range(b, a):
                    inverse[a, b] -= L[a, z] * inverse[z, b]
                inverse[a, b] /= L[a, a]
        explained = 0.0
        for a in range(c):
            gamma[m, a] = 0.0
            for b in range(c):
                roots[m, a, b] = inverse[b, a]
        for a in range(c):
            white = 0.0
            for b in range(a + 1):
                white += inverse[a, b] * right[b, m]
            explained += white * white
            for b in range(a + 1):
                gamma[m, b] += inverse[a, b] * white
        quadratic[m] = (squares[m] - explained) / noise[m]
        value[m] = n_entries[m] * (_LOG_TWO_PI + np.log(noise[m])) + logs[m] - log_weights[m] + quadratic[m]
        if restricted:
            value[m] -= c * (_LOG_TWO_PI + np.log(noise[m])) - log_information
        value[m] *= -0.5


@njit(cache=True, nogil=True, error_model="numpy")
def _variances(x, log_noise, root, rows, columns, noise, L, A, factor):
    """σ² (p,), L and R L (p, r, r), and the lower factor of R L Lᵀ Rᵀ, (r, r, p)."""
    r, tiny = len(root), 1e-14
    for m in range(len(x)):
        noise[m] = np.exp(log_noise[m])
        for a in range(r):
            for b in range(r):
                L[m, a, b] = 0.0
        for place in range(len(rows)):
            L[m, rows[place], columns[place]] = x[m, 1 + place]
        for a in range(r):
            for b in range(r):
                A[m, a, b] = 0.0
                for z in range(r):
                    A[m, a, b] += root[a, z] * L[m, z, b]
        for b in range(r):
            for a in range(r):
                factor[a, b, m] = 0.0
            pivot, full = 0.0, 0.0
            for a in range(b, r):
                entry = 0.0
                for z in range(r):
                    entry += A[m, a, z] * A[m, b, z]
                if a == b:
                    full = entry
                for z in range(b):
                    entry -= factor[a, z, m] * factor[b, z, m]
                if a == b:
                    if entry <= tiny * full:
                        break
                    pivot = np.sqrt(entry)
                factor[a, b, m] = entry / pivot


@njit(cache=True, nogil=True, error_model="numpy")
def climb(
    first,
    last,
    x,
    centre,
    farthest,
    root,
    rows,
    columns,
    gram,
    cross,
    pattern,
    sums,
    square,
    squares,
    products,
    n_entries,
    log_weights,
    log_triangle,
    restricted,
):
    """Log-likelihoods (p,) at points (p, d), and their gradients; −∞ and zeros farther from the centre of log σ²."""
    p, r, c = len(x), len(root), square.shape[1]
    inside = np.empty(p, dtype=np.bool_)
    log_noise = np.empty(p)
    for m in range(p):
        inside[m] = abs(x[m, 0] - centre[m]) < farthest
        log_noise[m] = x[m, 0] if inside[m] else centre[m]
    noise, L, A, factor = np.empty(p), np.empty((p, r, r)), np.empty((p, r, r)), np.empty((r, r, p))
    _variances(x, log_noise, root, rows, columns, noise, L, A, factor)
    logs, explained, right, grams = (
        np.zeros(p),
        np.zeros(p),
        np.zeros((c, p)),
        np.zeros((c * (c + 1) // 2, p)),
    )
    reduce_levels(first, last, gram, cross, pattern, factor, sums, logs, explained, right, grams)
    own_square = np.empty((p, c, c))
    for m in range(p):
        explained[m] = squares[m] - explained[m]
        for a in range(c):
            right[a, m] = products[a, m] - right[a, m]
            for b in range(c):
                own_square[m, a, b] = square[pattern[m], a, b]
    gamma, roots, quadratic, value = np.empty((p, c)), np.empty((p, c, c)), np.empty(p), np.empty(p)
    solve_fixed(
        own_square,
        grams,
        right,
        explained,
        logs,
        noise,
        n_entries,
        log_weights,
        restricted,
        gamma,
        roots,
        quadratic,
        value,
    )
    unknown = c if restricted else 0
    gammas, gamma_roots = np.empty((c, p)), np.empty((c, unknown, p))
    for m in range(p):
        for a in range(c):
            gammas[a, m] = gamma[m, a]
            for b in range(unknown):
                gamma_roots[a, b, m] = roots[m, a, b]
    score, means = np.zeros((r * (r + 1) // 2, p)), np.empty(sums.shape)
    level_means(first, last, gram, cross, pattern, factor, noise, sums, gammas, gamma_roots, means, score)
    gradient = np.zeros(x.shape)
    slope, back = np.empty((r, r)), np.empty((r, r))
    for m in range(p):
        if restricted:
            value[m] -= 0.5 * log_triangle
        gradient[m, 0] = 0.5 * (quadratic[m] + unknown - n_entries[m])
        for a in range(r):
            for b in range(r):
                place = a * (a + 1) // 2 + b if b <= a else b * (b + 1) // 2 + a
                slope[a, b] = score[place, m]
        for a in range(r):  # σ² Rᵀ · score / σ² · R L, times two halves
            for b in range(r):
                back[a, b] = 0.0
                for z in range(r):
                    back[a, b] += slope[a, z] * A[m, z, b]
        good = inside[m] and np.isfinite(value[m])
        for place in range(len(rows)):
            entry = 0.0
            for z in range(r):
                entry += root[z, rows[place]] * back[z, columns[place]]
            gradient[m, 1 + place] = entry
            good = good and np.isfinite(entry)
        if not (good and np.isfinite(gradient[m, 0])):
            value[m] = -np.inf
            for place in range(x.shape[1]):
                gradient[m, place] = 0.0
    return value, gradient
