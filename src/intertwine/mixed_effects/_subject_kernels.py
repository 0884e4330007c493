"""Subjects eliminated one by one, of one axis: each has its rows, and below them q rows for its own coefficients.

With β the prior deviations of the own coefficients, R the variances of the sites and D = [F, z̃] any columns,

    A = I + β UᵀR⁻¹U β = L Lᵀ        c = A⁻¹ β UᵀR⁻¹D        D̂ = D − U β c

and [R^−½ D̂; c] is a square root: its Gram matrix is DᵀWD, W = (R + U β² Uᵀ)⁻¹, as a sum of squares, from which nothing
was subtracted. The block of subject j in such *stacked* columns begins at row ``starts[j] + j q``.
"""

import numpy as np
from numba import njit

_FAST = {"reassoc", "contract"}
_LARGE = 3000  # multiplications for which the linear algebra library is worth its call


@njit(cache=True, nogil=True, fastmath=_FAST)
def stack(starts, q, columns, weights, at, stacked):
    """Rows of ``columns`` times their weights, into ``stacked`` from column ``at``; starts[0] is row 0."""
    for j in range(len(starts) - 1):
        shift = j * q
        for i in range(starts[j] - starts[0], starts[j + 1] - starts[0]):
            w = weights[i]
            for m in range(columns.shape[1]):
                stacked[i + shift, at + m] = w * columns[i, m]


@njit(cache=True, nogil=True, fastmath=_FAST)
def _scaled(rows, deviations):
    """Columns times deviations."""
    out = np.empty(rows.shape)
    for i in range(rows.shape[0]):
        for a in range(rows.shape[1]):
            out[i, a] = rows[i, a] * deviations[a]
    return out


@njit(cache=True, nogil=True, fastmath=_FAST)
def _transposed_times(left, right, out):
    """leftᵀ right."""
    if left.shape[0] * left.shape[1] * right.shape[1] > _LARGE:
        np.dot(left.T, right, out)
        return
    out[:] = 0.0
    for i in range(left.shape[0]):
        for a in range(left.shape[1]):
            x = left[i, a]
            for m in range(right.shape[1]):
                out[a, m] += x * right[i, m]


@njit(cache=True, nogil=True, fastmath=_FAST)
def _subtract_product(left, right, from_):
    """Take left @ right away."""
    if left.shape[0] * left.shape[1] * right.shape[1] > _LARGE:
        product = np.dot(left, right)
        for i in range(left.shape[0]):
            for m in range(right.shape[1]):
                from_[i, m] -= product[i, m]
        return
    for i in range(left.shape[0]):
        for a in range(left.shape[1]):
            x = left[i, a]
            for m in range(right.shape[1]):
                from_[i, m] -= x * right[a, m]


@njit(cache=True, nogil=True)
def _cholesky(matrix):
    """Lower factor of a small matrix, in its place; the logarithm of its determinant."""
    q, log_determinant = len(matrix), 0.0
    for b in range(q):
        for z in range(b):
            matrix[b, b] -= matrix[b, z] * matrix[b, z]
        matrix[b, b] = np.sqrt(matrix[b, b])
        log_determinant += 2.0 * np.log(matrix[b, b])
        for a in range(b + 1, q):
            for z in range(b):
                matrix[a, b] -= matrix[a, z] * matrix[b, z]
            matrix[a, b] /= matrix[b, b]
            matrix[b, a] = 0.0
    return log_determinant


@njit(cache=True, nogil=True, fastmath=_FAST)
def _solve_lower(factor, columns):
    """L⁻¹ columns, in their place."""
    for a in range(len(factor)):
        for z in range(a):
            x = factor[a, z]
            for m in range(columns.shape[1]):
                columns[a, m] -= x * columns[z, m]
        x = 1.0 / factor[a, a]
        for m in range(columns.shape[1]):
            columns[a, m] *= x


@njit(cache=True, nogil=True, fastmath=_FAST)
def _solve_upper(factor, columns):
    """L⁻ᵀ columns, in their place."""
    for a in range(len(factor) - 1, -1, -1):
        for z in range(a + 1, len(factor)):
            x = factor[z, a]
            for m in range(columns.shape[1]):
                columns[a, m] -= x * columns[z, m]
        x = 1.0 / factor[a, a]
        for m in range(columns.shape[1]):
            columns[a, m] *= x


@njit(cache=True, nogil=True)
def eliminate(starts, own, deviations, stacked, factors):
    """Turn stacked [R^−½ D; anything] into [R^−½ D̂; c], given own = R^−½ U; returns Σ log det A. Factors are L."""
    q, log_determinant = own.shape[1], 0.0
    if q == 0:
        return log_determinant
    for j in range(len(starts) - 1):
        first, last = starts[j] - starts[0], starts[j + 1] - starts[0]
        U = _scaled(own[first:last], deviations)
        A = factors[j]
        _transposed_times(U, U, A)
        for a in range(q):
            A[a, a] += 1.0
        log_determinant += _cholesky(A)
        rows = stacked[first + j * q : last + j * q]
        c = stacked[last + j * q : last + (j + 1) * q]
        _transposed_times(U, rows, c)
        _solve_lower(A, c)
        _solve_upper(A, c)
        _subtract_product(U, c, rows)
    return log_determinant


@njit(cache=True, nogil=True)
def carry_to_rows(starts, own, deviations, stacked, columns):
    """Take U β c away from columns, at any rows."""
    q = own.shape[1]
    if q == 0:
        return
    for j in range(len(starts) - 1):
        first, last = starts[j] - starts[0], starts[j + 1] - starts[0]
        c = stacked[last + j * q : last + (j + 1) * q]
        _subtract_product(_scaled(own[first:last], deviations), c, columns[first:last])


@njit(cache=True, nogil=True, fastmath=_FAST)
def own_covariance_at_rows(starts, one, other, deviations, factors, covariance):
    """Add Cov(U₁ b, U₂ b), were the other columns' coefficients known, to (rows,)."""
    same = one is other
    for j in range(len(starts) - 1):
        first, last = starts[j] - starts[0], starts[j + 1] - starts[0]
        left = np.ascontiguousarray(_scaled(one[first:last], deviations).T)
        _solve_lower(factors[j], left)
        right = left
        if not same:
            right = np.ascontiguousarray(_scaled(other[first:last], deviations).T)
            _solve_lower(factors[j], right)
        for a in range(len(left)):
            for i in range(last - first):
                covariance[first + i] += left[a, i] * right[a, i]


@njit(cache=True, nogil=True)
def sums_of_squares(starts, stacked, by, weights, own):
    """Squares of rows of ``stacked`` @ ``by``: weighted sum over subjects' rows; each own coefficient's go to own."""
    q, total, longest = len(own), 0.0, 0
    for j in range(len(starts) - 1):
        longest = max(longest, starts[j + 1] - starts[j])
    product = np.empty((longest + q, by.shape[1]))
    for j in range(len(starts) - 1):
        first, n = starts[j] - starts[0], starts[j + 1] - starts[j]
        here = product[: n + q]
        np.dot(stacked[first + j * q : first + j * q + n + q], by, here)
        for i in range(n + q):
            square = 0.0
            for m in range(here.shape[1]):
                square += here[i, m] * here[i, m]
            if i < n:
                total += weights[first + i] * square
            else:
                own[i - n] += square
    return total


@njit(cache=True, nogil=True)
def own_variances(factors, deviations, out):
    """Diagonals of β A⁻¹ β, (P, q)."""
    q = len(deviations)
    for j in range(len(factors)):
        inverse = np.eye(q)
        _solve_lower(factors[j], inverse)
        for a in range(q):
            total = 0.0
            for z in range(q):
                total += inverse[z, a] * inverse[z, a]
            out[j, a] = deviations[a] * deviations[a] * total


@njit(cache=True, nogil=True)
def own_covariances(factors, deviations, out):
    """β A⁻¹ β of every subject, (P, q, q)."""
    for j in range(len(factors)):
        white = np.diag(deviations)
        _solve_lower(factors[j], white)
        _transposed_times(white, white, out[j])


@njit(cache=True, nogil=True)
def learn_shared(starts, q, white, responses, scaled, mean, reduction):
    """What each subject's sites add to what it knew of the shared coefficients a = μ + ρ t, t ~ N(0, I).

    ``white`` and ``responses`` are stacked columns of the data: responses = white t + noise of variance one. At the
    rows, ``scaled`` @ t is wanted: its mean (rows, s), and by how much its variance (rows,) falls below |scaled|².
    """
    p = white.shape[1]
    for j in range(len(starts) - 1):
        first, last = starts[j] - starts[0], starts[j + 1] - starts[0]
        Y = white[first + j * q : last + (j + 1) * q]
        d = responses[first + j * q : last + (j + 1) * q]
        G = scaled[first:last]
        if len(Y) <= p:
            K = np.dot(Y, Y.T)
            for a in range(len(K)):
                K[a, a] += 1.0
            L = np.linalg.cholesky(K)
            cross = np.dot(Y, G.T)
            known = d.copy()
            _solve_lower(L, cross)
            _solve_lower(L, known)
            mean[first:last] += np.dot(cross.T, known)
            for a in range(len(cross)):
                for i in range(last - first):
                    reduction[first + i] += cross[a, i] * cross[a, i]
        else:
            M = np.dot(Y.T, Y)
            for a in range(p):
                M[a, a] += 1.0
            L = np.linalg.cholesky(M)
            cross = np.ascontiguousarray(G.T)
            known = np.dot(Y.T, d)
            _solve_lower(L, cross)
            _solve_lower(L, known)
            mean[first:last] += np.dot(cross.T, known)
            for a in range(p):
                for i in range(last - first):
                    reduction[first + i] += scaled[first + i, a] ** 2 - cross[a, i] * cross[a, i]
