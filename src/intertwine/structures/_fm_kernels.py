"""Loops of the factorization machine over stored entries: scores by rows, conditionals by columns.

A table holds one row of coefficients θ_j per feature: the linear weight (where there is one), the factors of pairs, the
factors of triples. The score is multilinear: with all other features fixed it is const + h·θ_j, where

    h = x_j · [1,  q − v x_j,  ½((q₃ − u x_j)² − (s₃ − u² x_j²))],   q = Vᵀx,  q₃ = Uᵀx,  s₃ = (U²)ᵀx²,

so that θ_j has one Gaussian conditional of as many dimensions as the table has columns. What a row needs for it stands
side by side in ``state``: residual, square root of the weight, q, q₃, s₃.
"""

import numpy as np
from numba import njit, prange

RESIDUAL, ROOT_WEIGHT, SUMS = 0, 1, 2  # columns of the state

_FAST = {"reassoc", "contract"}
CHUNK = 128  # rows whose slopes are held at once: they stay in the first cache
PARTS = 64  # of a block's columns, taken by turns: the popular ones often stand together


@njit(cache=True, nogil=True, fastmath=_FAST)
def score_rows(indptr, indices, data, table, n_linear, n_pair, scores):
    """Add the scores of CSR rows, without the intercept, to ``scores``."""
    _score_range(0, indptr.size - 1, indptr, indices, data, table, n_linear, n_pair, scores)


@njit(cache=True, nogil=True, parallel=True, fastmath=_FAST)
def score_rows_in_parallel(indptr, indices, data, table, n_linear, n_pair, scores):
    """The same by all threads: rows do not see one another."""
    n = indptr.size - 1
    n_parts = (n + 4095) // 4096
    for part in prange(n_parts):
        begin = part * 4096
        _score_range(begin, min(begin + 4096, n), indptr, indices, data, table, n_linear, n_pair, scores)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _score_range(begin, end, indptr, indices, data, table, n_linear, n_pair, scores):
    n_triple = table.shape[1] - n_linear - n_pair
    first, second, third = np.empty(n_pair), np.empty(n_pair), np.empty((3, n_triple))
    for i in range(begin, end):
        first[:] = 0.0
        second[:] = 0.0
        third[:] = 0.0
        total = 0.0
        for t in range(indptr[i], indptr[i + 1]):
            j, x = indices[t], data[t]
            if n_linear:
                total += table[j, 0] * x
            for f in range(n_pair):
                term = table[j, n_linear + f] * x
                first[f] += term
                second[f] += term * term
            for f in range(n_triple):
                term = table[j, n_linear + n_pair + f] * x
                third[0, f] += term
                third[1, f] += term * term
                third[2, f] += term * term * term
        for f in range(n_pair):
            total += 0.5 * (first[f] * first[f] - second[f])
        for f in range(n_triple):
            s = third[0, f]
            total += (s * s * s - 3.0 * s * third[1, f] + 2.0 * third[2, f]) / 6.0
        scores[i] += total


@njit(cache=True, nogil=True, error_model="numpy")
def draw_gaussian(precision, rhs, noise):
    """Replace ``rhs`` by P⁻¹ rhs + L⁻ᵀ noise, P = L Lᵀ; P is overwritten. False where P is not positive definite."""
    d = rhs.size
    for a in range(d):  # L in the lower half, one over its diagonal on the diagonal
        for b in range(a + 1):
            total = precision[a, b]
            for c in range(b):
                total -= precision[a, c] * precision[b, c]
            if a > b:
                precision[a, b] = total * precision[b, b]
            elif total > 0.0:
                precision[a, a] = 1.0 / np.sqrt(total)
            else:
                return False
    for a in range(d):
        total = rhs[a]
        for c in range(a):
            total -= precision[a, c] * rhs[c]
        rhs[a] = total * precision[a, a]
    for a in range(d):
        rhs[a] += noise[a]
    for a in range(d - 1, -1, -1):
        total = rhs[a]
        for c in range(a + 1, d):
            total -= precision[c, a] * rhs[c]
        rhs[a] = total * precision[a, a]
    return True


@njit(cache=True, nogil=True, fastmath=_FAST)
def _redraw_column(
    begin,
    end,
    rows,
    data,
    theta,
    n_linear,
    n_pair,
    mean,
    strength,
    noise,
    state,
    slopes,
    products,
    precision,
    rhs,
):
    """Give one feature its new coefficients, and bring the state of its rows up to date.

    The last four arrays are room to work in: ``slopes`` (CHUNK, d + 1) holds those of some rows, with their residuals
    in the last column, so that one product with itself gives both sides of the normal equations.
    """
    d = theta.size
    n_triple = d - n_linear - n_pair
    precision[:] = 0.0
    rhs[:] = 0.0
    for start in range(begin, end, CHUNK):
        size = min(CHUNK, end - start)
        for r in range(size):
            i, x = rows[start + r], data[start + r]
            scaled = x * state[i, ROOT_WEIGHT]
            if n_linear:
                slopes[r, 0] = scaled
            for f in range(n_pair):
                slopes[r, n_linear + f] = scaled * (state[i, SUMS + f] - theta[n_linear + f] * x)
            for f in range(n_triple):
                a = n_linear + n_pair + f
                own = theta[a] * x
                rest = state[i, SUMS + n_pair + f] - own
                rest2 = state[i, SUMS + n_pair + n_triple + f] - own * own
                slopes[r, a] = 0.5 * scaled * (rest * rest - rest2)
            slopes[r, d] = state[i, RESIDUAL] * state[i, ROOT_WEIGHT]
        np.dot(slopes[:size].T, slopes[:size], products)
        for a in range(d):
            rhs[a] += products[d, a]
            for b in range(d):
                precision[a, b] += products[a, b]
    for a in range(d):
        for b in range(d):
            rhs[a] += precision[a, b] * theta[b]
    for a in range(d):
        precision[a, a] += strength[a]
        rhs[a] += strength[a] * mean[a]
    if not draw_gaussian(precision, rhs, noise):
        return False
    for t in range(begin, end):
        i, x = rows[t], data[t]
        gain = 0.0
        if n_linear:
            gain += x * (rhs[0] - theta[0])
        for f in range(n_pair):
            a = n_linear + f
            change = x * (rhs[a] - theta[a])
            gain += change * (state[i, SUMS + f] - theta[a] * x)
            state[i, SUMS + f] += change
        for f in range(n_triple):
            a = n_linear + n_pair + f
            old, new = theta[a] * x, rhs[a] * x
            rest = state[i, SUMS + n_pair + f] - old
            rest2 = state[i, SUMS + n_pair + n_triple + f] - old * old
            gain += 0.5 * (new - old) * (rest * rest - rest2)
            state[i, SUMS + n_pair + f] = rest + new
            state[i, SUMS + n_pair + n_triple + f] = rest2 + new * new
        state[i, RESIDUAL] -= gain
    theta[:] = rhs
    return True


@njit(cache=True, nogil=True)
def redraw_columns(
    begin, end, step, indptr, rows, data, table, n_linear, n_pair, group, mean, strength, noise, state
):
    """Redraw every ``step``-th feature from ``begin`` on, in turn. False where a conditional is not proper."""
    d = table.shape[1]
    slopes, products = np.empty((CHUNK, d + 1)), np.empty((d + 1, d + 1))
    precision, rhs = np.empty((d, d)), np.empty(d)
    for j in range(begin, end, step):
        g = group[j]
        if not _redraw_column(
            indptr[j],
            indptr[j + 1],
            rows,
            data,
            table[j],
            n_linear,
            n_pair,
            mean[g],
            strength[g],
            noise[j],
            state,
            slopes,
            products,
            precision,
            rhs,
        ):
            return False
    return True


@njit(cache=True, nogil=True, parallel=True)
def redraw_exclusive_columns(
    begin, end, indptr, rows, data, table, n_linear, n_pair, group, mean, strength, noise, state
):
    """The same for features that share no row, by all threads: their conditionals do not see one another."""
    failures = 0
    n_parts = min(PARTS, end - begin)
    for part in prange(n_parts):
        if not redraw_columns(
            begin + part,
            end,
            n_parts,
            indptr,
            rows,
            data,
            table,
            n_linear,
            n_pair,
            group,
            mean,
            strength,
            noise,
            state,
        ):
            failures += 1
    return failures == 0


@njit(cache=True, nogil=True)
def sum_columns(indptr, indices, data, weight, scale, squares, present):
    """Add Σ w (x / scale)² of every column to ``squares``, and Σ w of its entries other than zero to ``present``."""
    for i in range(indptr.size - 1):
        for t in range(indptr[i], indptr[i + 1]):
            j = indices[t]
            x = data[t] / scale[j]
            squares[j] += x * x * weight[i]
            if x != 0.0:
                present[j] += weight[i]


@njit(cache=True)
def number_runs(n, indptr, rows):
    """Number the runs of neighbouring columns that share no row."""
    last, runs, run = np.full(n, -1), np.zeros(indptr.size - 1, dtype=np.intp), 0
    for j in range(runs.size):
        for t in range(indptr[j], indptr[j + 1]):
            if last[rows[t]] == run:
                run += 1
                break
        for t in range(indptr[j], indptr[j + 1]):
            last[rows[t]] = run
        runs[j] = run
    return runs
