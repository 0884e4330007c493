"""What sums over levels that share nothing say together: fixed effects, likelihood, its slopes at a point of a search.

Letters are those of `_block_kernels`. A point is log σ² and the entries of a factor L of Σ = σ² R L Lᵀ Rᵀ, where R
makes basis functions orthonormal.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from intertwine.mixed_effects._block_kernels import level_means, reduce_levels

_LOG_TWO_PI = np.log(2.0 * np.pi)


class Search(NamedTuple):
    """What the points of a search are: R, which entries of L they hold, and how far log σ² may be from its centre."""

    root: NDArray[np.float64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    farthest: float


class Observed(NamedTuple):
    """Sums over the rows of each level and over all rows, as `BlockSystem` and `BlockObserved` describe them."""

    gram: NDArray[np.float64]
    cross: NDArray[np.float64]
    pattern: NDArray[np.int64]
    sums: NDArray[np.float64]
    square: NDArray[np.float64]
    squares: NDArray[np.float64]
    products: NDArray[np.float64]
    n_entries: NDArray[np.float64]
    log_weights: NDArray[np.float64]
    log_triangle: float
    restricted: bool


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
def _reduced(observed, factor):
    """What the levels leave of each output: log det A (p,), squares (p,), products (c, p) and Gram matrices."""
    p, c = observed.sums.shape[2], observed.square.shape[1]
    logs, squares = np.zeros(p), np.zeros(p)
    right, grams = np.zeros((c, p)), np.zeros((c * (c + 1) // 2, p))
    gram, cross, pattern, sums = observed.gram, observed.cross, observed.pattern, observed.sums
    reduce_levels(0, len(sums), gram, cross, pattern, factor, sums, logs, squares, right, grams)
    for m in range(p):
        squares[m] = observed.squares[m] - squares[m]
        for a in range(c):
            right[a, m] = observed.products[a, m] - right[a, m]
    return logs, squares, right, grams


@njit(cache=True, nogil=True, error_model="numpy")
def _slopes(observed, factor, noise, gamma, roots):
    """Twice the gradient with respect to Σ, times σ² (packed lower triangle, p)."""
    (p, c), r = gamma.shape, observed.sums.shape[1]
    unknown = c if observed.restricted else 0
    gammas, gamma_roots = np.empty((c, p)), np.empty((c, unknown, p))
    for m in range(p):
        for a in range(c):
            gammas[a, m] = gamma[m, a]
            for b in range(unknown):
                gamma_roots[a, b, m] = roots[m, a, b]
    score, means = np.zeros((r * (r + 1) // 2, p)), np.empty(observed.sums.shape)
    gram, cross, pattern, sums = observed.gram, observed.cross, observed.pattern, observed.sums
    level_means(0, len(sums), gram, cross, pattern, factor, noise, sums, gammas, gamma_roots, means, score)
    return score


@njit(cache=True, nogil=True, error_model="numpy")
def _along_entries(score, A, search, gradient):
    """From slopes along Σ of one output to those along the entries of L: 2 Rᵀ S R L, S half of ``score`` / σ²."""
    r = len(A)
    slope, back = np.empty((r, r)), np.empty((r, r))
    for a in range(r):
        for b in range(a + 1):
            slope[a, b] = slope[b, a] = score[a * (a + 1) // 2 + b]
    for a in range(r):
        for b in range(r):
            back[a, b] = 0.0
            for z in range(r):
                back[a, b] += slope[a, z] * A[z, b]
    for place in range(len(search.rows)):
        gradient[1 + place] = 0.0
        for z in range(r):
            gradient[1 + place] += search.root[z, search.rows[place]] * back[z, search.columns[place]]


@njit(cache=True, nogil=True, error_model="numpy")
def climb(x, centre, search, observed):
    """Log-likelihoods (p,) at points (p, d), and their gradients; −∞ and zeros far from the centre of log σ²."""
    p, r, c = len(x), len(search.root), observed.square.shape[1]
    inside, log_noise = np.empty(p, dtype=np.bool_), np.empty(p)
    for m in range(p):
        inside[m] = abs(x[m, 0] - centre[m]) < search.farthest
        log_noise[m] = x[m, 0] if inside[m] else centre[m]
    noise, L, A, factor = np.empty(p), np.empty((p, r, r)), np.empty((p, r, r)), np.empty((r, r, p))
    _variances(x, log_noise, search.root, search.rows, search.columns, noise, L, A, factor)
    logs, squares, right, grams = _reduced(observed, factor)
    square = np.empty((p, c, c))
    for m in range(p):
        for a in range(c):
            for b in range(c):
                square[m, a, b] = observed.square[observed.pattern[m], a, b]
    gamma, roots, quadratic, value = np.empty((p, c)), np.empty((p, c, c)), np.empty(p), np.empty(p)
    given = observed.n_entries, observed.log_weights, observed.restricted
    solve_fixed(square, grams, right, squares, logs, noise, *given, gamma, roots, quadratic, value)
    score = _slopes(observed, factor, noise, gamma, roots)
    gradient, unknown = np.zeros(x.shape), c if observed.restricted else 0
    for m in range(p):
        if observed.restricted:
            value[m] -= 0.5 * observed.log_triangle
        gradient[m, 0] = 0.5 * (quadratic[m] + unknown - observed.n_entries[m])
        _along_entries(score[:, m], A[m], search, gradient[m])
        if not (inside[m] and np.isfinite(value[m]) and np.isfinite(gradient[m]).all()):
            value[m] = -np.inf
            gradient[m, :] = 0.0
    return value, gradient
