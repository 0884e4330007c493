"""Gaussian posteriors of the rows of one side of a rating table, from the moments of the rows of the other side.

A rating of row a by partner b is a₀ + b₀ + ⟨a₁, b₁⟩: with biases, the slopes of a are [1, b₁] and b₀ is taken off the
outcome. All that is needed of a partner are its mean and its second moments E[b bᵀ], kept as packed lower triangles:
entry (i, j) of a triangle stands at i(i + 1)/2 + j.
"""

import numpy as np
from numba import njit, prange

_FAST = {"reassoc", "contract"}
_PARTS = 64  # into which rows are dealt, whatever the number of threads


@njit(cache=True, nogil=True, fastmath=_FAST)
def _add_up(begin, end, partner, outcome, weight, means, moments, total_moments, total_means, total_products):
    """Weighted sums over the partners of a row, in place; returns Σw, Σwy and Σwy²."""
    d, size = means.shape[1], moments.shape[1]
    total_moments[:] = 0.0
    total_means[:] = 0.0
    total_products[:] = 0.0
    weights = products = squares = 0.0
    t = begin
    while t + 4 <= end:  # four at a time: the sums are read and written a quarter as often
        a, b, c, e = partner[t], partner[t + 1], partner[t + 2], partner[t + 3]
        wa, wb, wc, we = 1.0, 1.0, 1.0, 1.0
        if weight.size:
            wa, wb, wc, we = weight[t], weight[t + 1], weight[t + 2], weight[t + 3]
        for s in range(size):
            total_moments[s] += (wa * moments[a, s] + wb * moments[b, s]) + (
                wc * moments[c, s] + we * moments[e, s]
            )
        t += 4
    for r in range(t, end):
        a, wa = partner[r], weight[r] if weight.size else 1.0
        for s in range(size):
            total_moments[s] += wa * moments[a, s]
    for r in range(begin, end):
        a, wa = partner[r], weight[r] if weight.size else 1.0
        product = wa * outcome[r]
        weights += wa
        products += product
        squares += product * outcome[r]
        for s in range(d):
            total_means[s] += wa * means[a, s]
            total_products[s] += product * means[a, s]
    return weights, products, squares


@njit(cache=True, nogil=True)
def sum_rows(starts, weight, sums):
    """Summed weights of the ratings of each row."""
    for row in range(sums.size):
        total = 0.0
        for t in range(starts[row], starts[row + 1]):
            total += weight[t]
        sums[row] = total


@njit(cache=True, nogil=True, fastmath=_FAST)
def _factorize(matrix, inverse):
    """Lower Cholesky factor in place, and the transpose of its inverse; returns log|matrix|, NaN unless positive."""
    d = matrix.shape[0]
    log_determinant = 0.0
    for j in range(d):
        pivot = matrix[j, j]
        for k in range(j):
            pivot -= matrix[j, k] * matrix[j, k]
        if not pivot > 0.0:
            return np.nan
        root = np.sqrt(pivot)
        matrix[j, j] = root
        log_determinant += 2.0 * np.log(root)
        for i in range(j + 1, d):
            entry = matrix[i, j]
            for k in range(j):
                entry -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = entry / root
    for j in range(d):
        inverse[j, j] = 1.0 / matrix[j, j]
        for i in range(j + 1, d):
            entry = 0.0
            for k in range(j, i):
                entry -= matrix[i, k] * inverse[j, k]
            inverse[j, i] = entry / matrix[i, i]
    return log_determinant


@njit(cache=True, nogil=True, fastmath=_FAST)
def posterior_rows(
    begin,
    step,
    starts,
    partner,
    outcome,
    weight,
    biases,
    means,
    moments,
    prior_means,
    precisions,
    scale,
    noise_precision,
    spread,
    new_means,
    new_covariances,
    errors,
    log_determinants,
):
    """Posterior of every ``step``-th row from ``begin`` on. False where a precision is not positive.

    ``prior_means`` and ``precisions`` have one row for all or one for each; ``scale`` multiplies the precision of a
    row. ``weight`` may be empty: all one. ``errors`` are expected weighted squared errors, ``spread`` being the share
    of the posterior covariance that counts in them: 0 for a point.
    """
    d, size = means.shape[1], moments.shape[1]
    gram, precision, inverse = np.empty((d, d)), np.empty((d, d)), np.zeros((d, d))
    total_moments, total_means, total_products = np.empty(size), np.empty(d), np.empty(d)
    slope, solved = np.empty(d), np.empty(d)
    for row in range(begin, starts.size - 1, step):
        weights, products, error = _add_up(
            starts[row],
            starts[row + 1],
            partner,
            outcome,
            weight,
            means,
            moments,
            total_moments,
            total_means,
            total_products,
        )
        for i in range(d):
            for j in range(i + 1):
                gram[i, j] = total_moments[i * (i + 1) // 2 + j]
            slope[i] = total_products[i]
        if biases:
            error += total_moments[0] - 2.0 * total_products[0]
            gram[0, 0] = weights
            slope[0] = products - total_means[0]
            for i in range(1, d):
                gram[i, 0] = total_means[i]
                slope[i] -= total_moments[i * (i + 1) // 2]
        prior = min(row, precisions.shape[0] - 1)
        center = min(row, prior_means.shape[0] - 1)
        for i in range(d):
            pull = 0.0
            for j in range(d):
                pull += precisions[prior, i, j] * prior_means[center, j]
            solved[i] = noise_precision * slope[i] + scale[row] * pull
            for j in range(i + 1):
                precision[i, j] = noise_precision * gram[i, j] + scale[row] * precisions[prior, i, j]
        log_determinants[row] = _factorize(precision, inverse)
        if not np.isfinite(log_determinants[row]):
            return False
        for i in range(d - 1, -1, -1):
            entry = 0.0
            for j in range(i + 1):
                entry += inverse[j, i] * solved[j]
            solved[i] = entry
        for i in range(d):
            entry = 0.0
            for j in range(i, d):
                entry += inverse[i, j] * solved[j]
            new_means[row, i] = entry
        for i in range(d):
            for j in range(i + 1):
                covariance = 0.0
                for k in range(i, d):
                    covariance += inverse[i, k] * inverse[j, k]
                new_covariances[row, i * (i + 1) // 2 + j] = covariance
                moment = spread * covariance + new_means[row, i] * new_means[row, j]
                error += (2.0 if j < i else 1.0) * moment * gram[i, j]
            error -= 2.0 * new_means[row, i] * slope[i]
        errors[row] = error
    return True


@njit(cache=True, nogil=True, parallel=True)
def posterior_rows_in_parallel(
    starts,
    partner,
    outcome,
    weight,
    biases,
    means,
    moments,
    prior_means,
    precisions,
    scale,
    noise_precision,
    spread,
    new_means,
    new_covariances,
    errors,
    log_determinants,
):
    """The same for all rows, by all threads: none is another's partner."""
    failures = 0
    for part in prange(_PARTS):
        if not posterior_rows(
            part, _PARTS, starts, partner, outcome, weight, biases, means, moments, prior_means, precisions,
            scale, noise_precision, spread, new_means, new_covariances, errors, log_determinants,
        ):  # fmt: skip
            failures += 1
    return failures == 0


@njit(cache=True, nogil=True)
def second_moments(means, covariances, spread, moments):
    """E[a aᵀ] of all rows, packed: those of the mean plus ``spread`` times the covariance."""
    for row in range(len(means)):
        s = 0
        for i in range(means.shape[1]):
            for j in range(i + 1):
                moments[row, s] = means[row, i] * means[row, j]
                if spread != 0.0:
                    moments[row, s] += spread * covariances[row, s]
                s += 1


@njit(cache=True, nogil=True)
def multiply_packed(covariances, table, products):
    """Every row's symmetric matrix times the row of a table."""
    for row in range(len(table)):
        s = 0
        for i in range(table.shape[1]):
            products[row, i] = 0.0
            for j in range(i):
                products[row, i] += covariances[row, s] * table[row, j]
                products[row, j] += covariances[row, s] * table[row, i]
                s += 1
            products[row, i] += covariances[row, s] * table[row, i]
            s += 1


@njit(cache=True, nogil=True, fastmath=_FAST)
def multiply_rows(begin, step, starts, columns, entries, table, products):
    """Every ``step``-th row, from ``begin`` on, of a sparse matrix times a table of few columns."""
    for row in range(begin, starts.size - 1, step):
        products[row] = 0.0
        for t in range(starts[row], starts[row + 1]):
            entry, column = entries[t], columns[t]
            for c in range(table.shape[1]):
                products[row, c] += entry * table[column, c]


@njit(cache=True, nogil=True, parallel=True)
def multiply_rows_in_parallel(starts, columns, entries, table, products):
    """The same for all rows, by all threads."""
    for part in prange(_PARTS):
        multiply_rows(part, _PARTS, starts, columns, entries, table, products)
