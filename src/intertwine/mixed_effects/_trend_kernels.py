"""Matérn processes of subjects as Markov chains: columns filtered, smoothed and drawn, whatever the times.

A process of smoothness ν = d − ½ has the state (g, g′/λ, …) of d numbers, λ = √(2ν)/ℓ. With x = λ · (time since the
row before), N = F + I nilpotent and b(s) = exp(N s) e_d,

    A = e^−x exp(N x),      Q = c ∫₀ˣ e^−2s b bᵀ ds

where the integrals are incomplete gamma functions, so that nothing cancels at small steps. Several processes are one
state; each reads a time of its own, and is nought where that is NaN. Columns share gains and variances.

Source: Hartikainen & Särkkä (2010); Durbin & Koopman, Time Series Analysis by State Space Methods (2012), section 4.4
for the smoother, which inverts nothing.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

_FAST = {"reassoc", "contract"}


class Process(NamedTuple):
    """J processes side by side, of d numbers together."""

    order: NDArray[np.int64]  # (J,) numbers of each
    place: NDArray[np.int64]  # (J,) where in the state each begins, which is where g stands
    powers: NDArray[np.float64]  # (J, 3, 3, 3): exp(N x) = Σ_k powers[k] xᵏ
    spectral: NDArray[np.float64]  # (J,) c, times the variance
    rate: NDArray[np.float64]  # (J,) λ
    at_rest: NDArray[np.float64]  # (d, d) P∞


@njit(cache=True, nogil=True)
def _gamma_share(n, y):
    """1 − e^−y Σ_{k<n} yᵏ/k!, without cancellation."""
    if y < 2.0:
        term = np.exp(-y)
        for k in range(1, n + 1):
            term *= y / k
        total, k = 0.0, n
        while term > 1e-17 * total:
            total += term
            k += 1
            term *= y / k
        return total
    term, total = np.exp(-y), 0.0
    for k in range(n):
        total += term
        term *= y / (k + 1)
    return 1.0 - total


@njit(cache=True, nogil=True)
def _transition(process, times, before, i, A, Q):
    """Fill A and Q for the step to row i; where a time is NaN a process stands still."""
    A[:], Q[:] = 0.0, 0.0
    powers = np.empty(5)  # ∫₀ˣ e^−2s sᵏ ds
    for j in range(len(process.order)):
        d, at, x = process.order[j], process.place[j], 0.0
        if not np.isnan(times[i, j]):
            if not np.isnan(before[j]):
                x = process.rate[j] * (times[i, j] - before[j])
            before[j] = times[i, j]
        decay, factor = np.exp(-x), 0.5
        for k in range(2 * d - 1):
            powers[k] = factor * _gamma_share(k + 1, 2.0 * x)
            factor *= 0.5 * (k + 1)
        for a in range(d):
            for b in range(d):
                entry = 0.0
                for k in range(d - 1, -1, -1):
                    entry = entry * x + process.powers[j, k, a, b]
                A[at + a, at + b] = decay * entry
                entry = 0.0
                for k in range(d):
                    for m in range(d):
                        entry += (
                            process.powers[j, k, a, d - 1] * process.powers[j, m, b, d - 1] * powers[k + m]
                        )
                Q[at + a, at + b] = process.spectral[j] * entry


@njit(cache=True, nogil=True)
def _reads(process, times, i, H):
    """Which numbers of the state row i is the sum of."""
    H[:] = 0.0
    for j in range(len(process.order)):
        if not np.isnan(times[i, j]):
            H[process.place[j]] = 1.0


@njit(cache=True, nogil=True, fastmath=_FAST)
def _product(left, transposed, right, out):
    """Product of a small matrix, or of its transpose, with columns; zeros cost nothing."""
    for a in range(len(left)):
        for m in range(right.shape[1]):
            out[a, m] = 0.0
        for z in range(len(left)):
            x = left[z, a] if transposed else left[a, z]
            if x != 0.0:
                for m in range(right.shape[1]):
                    out[a, m] += x * right[z, m]


@njit(cache=True, nogil=True)
def _sandwich(left, transposed, middle, half, out):
    """L M Lᵀ of a symmetric M, or with Lᵀ in the place of L; out may be M."""
    _product(left, transposed, middle, half)
    for a in range(len(left)):
        for b in range(len(left)):
            total = 0.0
            for z in range(len(left)):
                total += half[a, z] * (left[z, b] if transposed else left[b, z])
            out[a, b] = total


@njit(cache=True, nogil=True, fastmath=_FAST)
def _forward(first, last, times, process, columns, noise, seen, whitened, kept, P, x, A, K, S):
    """Filter one subject's columns; returns Σ log of the variances of innovations.

    Each array from P on has a row for every row of the subject, or one in all where these need not be ``kept``: the
    variance and mean of the state before row i is seen, the step to it, the gain and the variance of the innovation.
    """
    d, w, log_determinant = len(process.at_rest), columns.shape[1], 0.0
    mean, variance = np.zeros((d, w)), process.at_rest.copy()
    Q, half, moved, H = np.empty((d, d)), np.empty((d, d)), np.empty((d, w)), np.empty(d)
    before = np.full(len(process.order), np.nan)
    for i in range(first, last):
        t = i - first if kept else 0
        _transition(process, times, before, i, A[t], Q)
        _sandwich(A[t], False, variance, half, variance)
        _product(A[t], False, mean, moved)
        for a in range(d):
            for b in range(d):
                variance[a, b] += Q[a, b]
                P[t, a, b] = variance[a, b]
            for m in range(w):
                x[t, a, m] = mean[a, m] = moved[a, m]
            K[t, a] = 0.0
        S[t] = 0.0
        for m in range(w):
            whitened[i, m] = 0.0
        if seen[i] == 0.0:
            continue
        _reads(process, times, i, H)
        total = noise[i]
        for m in range(w):
            whitened[i, m] = columns[i, m]
        for a in range(d):
            if H[a] != 0.0:
                for b in range(d):
                    K[t, b] += variance[b, a]
        for a in range(d):
            if H[a] != 0.0:
                total += K[t, a]
                for m in range(w):
                    whitened[i, m] -= mean[a, m]
        S[t] = total
        log_determinant += np.log(total)
        for a in range(d):
            for b in range(d):
                variance[a, b] -= K[t, a] * K[t, b] / total
        scale = 1.0 / np.sqrt(total)
        for a in range(d):
            K[t, a] /= total
            for m in range(w):
                mean[a, m] += K[t, a] * whitened[i, m]
        for m in range(w):
            whitened[i, m] *= scale
    return log_determinant


@njit(cache=True, nogil=True)
def filter_columns(starts, times, process, columns, noise, seen, whitened):
    """Innovations of the columns (rows, w), each of variance one if it were data; Σ log of their variances.

    Rows where nothing is seen give zeros.
    """
    d, w, log_determinant = len(process.at_rest), columns.shape[1], 0.0
    P, x, A, K, S = (
        np.empty((1, d, d)),
        np.empty((1, d, w)),
        np.empty((1, d, d)),
        np.empty((1, d)),
        np.empty(1),
    )
    for s in range(len(starts) - 1):
        first, last = starts[s] - starts[0], starts[s + 1] - starts[0]
        log_determinant += _forward(
            first, last, times, process, columns, noise, seen, whitened, False, P, x, A, K, S
        )
    return log_determinant


@njit(cache=True, nogil=True, fastmath=_FAST)
def _add_row(H, K, S, innovation, r, N, row):
    """What a row tells the states before it: r ← (I − K H)ᵀ r + Hᵀ e / S, N ← (I − K H)ᵀ N (I − K H) + Hᵀ H / S."""
    d, w = r.shape
    scale = 1.0 / np.sqrt(S)
    for m in range(w):
        row[m] = innovation[m] * scale
    for a in range(d):
        for m in range(w):
            row[m] -= K[a] * r[a, m]
    NK, KNK = np.zeros(d), 0.0
    for a in range(d):
        for z in range(d):
            NK[a] += N[a, z] * K[z]
    for a in range(d):
        KNK += K[a] * NK[a]
    for a in range(d):
        if H[a] != 0.0:
            for m in range(w):
                r[a, m] += row[m]
        for b in range(d):
            N[a, b] += H[a] * H[b] * (KNK + 1.0 / S) - H[a] * NK[b] - NK[a] * H[b]


@njit(cache=True, nogil=True)
def smooth_columns(starts, times, process, columns, noise, seen, smoothed, covariance):
    """E[g_j | the column is data] of each process, (J, rows, w), and Cov(g_j, Σ g) then, (J, rows)."""
    d, w, J = len(process.at_rest), columns.shape[1], len(process.order)
    whitened, row, H = np.empty(columns.shape), np.empty(w), np.empty(d)
    carried, half, PNP = np.empty((d, w)), np.empty((d, d)), np.empty((d, d))
    for s in range(len(starts) - 1):
        first, last = starts[s] - starts[0], starts[s + 1] - starts[0]
        T = last - first
        P, x, A = np.empty((T, d, d)), np.empty((T, d, w)), np.empty((T, d, d))
        K, S = np.empty((T, d)), np.empty(T)
        _forward(first, last, times, process, columns, noise, seen, whitened, True, P, x, A, K, S)
        r, N = np.zeros((d, w)), np.zeros((d, d))
        for i in range(last - 1, first - 1, -1):
            t = i - first
            _reads(process, times, i, H)
            if S[t] > 0.0:
                _add_row(H, K[t], S[t], whitened[i], r, N, row)
            _sandwich(P[t], False, N, half, PNP)
            _product(P[t], False, r, carried)
            for j in range(J):
                at, total = process.place[j], 0.0
                for m in range(w):
                    smoothed[j, i, m] = H[at] * (x[t, at, m] + carried[at, m])
                for b in range(d):
                    total += H[at] * H[b] * (P[t, at, b] - PNP[at, b])
                covariance[j, i] = total
            _product(A[t], True, r, carried)  # back over the step to this row
            _sandwich(A[t], True, N, half, N)
            r, carried = carried, r


@njit(cache=True, nogil=True)
def draw_values(starts, times, process, unit, drawn):
    """Add Σ g at the rows, drawn from the prior, to (rows, s); ``unit`` is standard normal, (rows, d, s)."""
    d, s = unit.shape[1], unit.shape[2]
    A, Q, mean, error = np.empty((d, d)), np.empty((d, d)), np.empty((d, s)), np.empty((d, s))
    start = process.at_rest.copy()
    _semidefinite_factor(start)
    for subject in range(len(starts) - 1):
        first = starts[subject] - starts[0]
        before = np.full(len(process.order), np.nan)
        state = np.zeros((d, s))
        for i in range(first, starts[subject + 1] - starts[0]):
            _transition(process, times, before, i, A, Q)
            _semidefinite_factor(Q)
            _product(A, False, state, mean)
            _product(start if i == first else Q, False, unit[i], error)
            for a in range(d):
                for m in range(s):
                    state[a, m] = mean[a, m] + error[a, m]
            for j in range(len(process.order)):
                if not np.isnan(times[i, j]):
                    for m in range(s):
                        drawn[i, m] += state[process.place[j], m]


@njit(cache=True, nogil=True)
def _semidefinite_factor(matrix):
    """Lower factor, in its place; a pivot that is nothing gives a column of zeros."""
    d = len(matrix)
    for b in range(d):
        pivot = matrix[b, b]
        for z in range(b):
            pivot -= matrix[b, z] * matrix[b, z]
        there = pivot > 1e-15 * matrix[b, b]
        root = np.sqrt(pivot) if there else 0.0
        for a in range(b + 1, d):
            value = matrix[a, b]
            for z in range(b):
                value -= matrix[a, z] * matrix[b, z]
            matrix[a, b] = value / root if there else 0.0
            matrix[b, a] = 0.0
        matrix[b, b] = root
