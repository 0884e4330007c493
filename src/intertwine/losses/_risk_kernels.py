"""Loops over rows and event times that numpy cannot express without a Python loop.

Arrays of sums have shape (K, m) for K event times and m columns; K counts the distinct event times of all
strata. None of these loops knows a formula of the Cox model, except `efron_moments`.
"""

import numpy as np
from numba import njit


@njit(cache=True)
def scatter(rows, position, scale, vectors, sums):
    """sums[position] += scale · vectors[rows]."""
    for j in range(rows.size):
        row, k, factor = rows[j], position[j], scale[j]
        for column in range(vectors.shape[1]):
            sums[k, column] += factor * vectors[row, column]


@njit(cache=True)
def gather(rows, position, scale, sums, vectors):
    """vectors[rows] += scale · sums[position]: the transpose of `scatter`."""
    for j in range(rows.size):
        row, k, factor = rows[j], position[j], scale[j]
        for column in range(sums.shape[1]):
            vectors[row, column] += factor * sums[k, column]


@njit(cache=True)
def scan_sum(down, up, sums):
    """Run sums along event times, in place: down[k] is the factor from k + 1 to k, up[k] from k to k + 1."""
    for k in range(down.size - 1, -1, -1):
        _pass_on(down[k], sums, k + 1, k)
    for k in range(up.size):
        _pass_on(up[k], sums, k, k + 1)


@njit(cache=True)
def _pass_on(factor, sums, source, target):
    if factor != 0.0:
        for column in range(sums.shape[1]):
            sums[target, column] += factor * sums[source, column]


@njit(cache=True)
def add_lifted(lift, part, total):
    """Add lift · part to total, without a temporary array."""
    for k in range(part.shape[0]):
        for column in range(part.shape[1]):
            total[k, column] += lift[k] * part[k, column]


@njit(cache=True)
def scan_max(position, log_size, goes_down, goes_up, peak, down, up):
    """Run maxima of log sizes along event times, and find the factors from one maximum to the next."""
    peak[:] = -np.inf
    for j in range(position.size):
        peak[position[j]] = max(peak[position[j]], log_size[j])
    for k in range(down.size - 1, -1, -1):
        down[k] = _rise(peak, k + 1, k) if goes_down[k] else 0.0
    for k in range(up.size):
        up[k] = _rise(peak, k, k + 1) if goes_up[k] else 0.0


@njit(cache=True)
def _rise(peak, source, target):
    """Raise the maximum at the target to that at the source; return the factor for a sum that goes there."""
    if peak[target] <= peak[source]:
        peak[target] = peak[source]
        return 1.0
    return np.exp(peak[source] - peak[target])


@njit(cache=True)
def efron_moments(total, tied, n_tied, weight, mean_log, hazard, curvature):
    """Add up moments of the shares l/d over the denominators total − (l/d) tied, l = 0 … d − 1."""
    for k in range(total.size):
        for part in range(n_tied[k]):
            share = part / n_tied[k]
            denominator = total[k] - share * tied[k]
            mean_log[k] += np.log(denominator) / n_tied[k]
            rate = weight[k] / n_tied[k] / denominator
            hazard[0, k] += rate
            hazard[1, k] += rate * share
            rate /= denominator
            curvature[0, k] += rate
            curvature[1, k] += rate * share
            curvature[2, k] += rate * share * share
