"""Conditionals of features in rows of few entries, from the coefficients of the other features of each row.

For an entry x_j of a row with the partners x_c, c ≠ j, the slopes of θ_j are

    h = x_j · [1, r],   r = Σ_c v_c x_c,

and what is left for them to explain is target − Σ_c w_c x_c − Σ_{c<c'} ⟨v_c, v_c'⟩ x_c x_c'. Entries and their partners
are read in the order of the columns, one after the other, and nothing about the rows has to be kept up to date.
"""

import numpy as np
from numba import njit, prange

from intertwine.structures._fm_kernels import CHUNK, PARTS, draw_gaussian

_FAST = {"reassoc", "contract"}


@njit(cache=True, nogil=True, fastmath=_FAST)
def redraw_short(
    begin,
    end,
    step,
    indptr,
    data,
    partners,
    values,
    table,
    n_linear,
    group,
    mean,
    strength,
    noise,
    target,
    root,
):
    """Redraw every ``step``-th feature from ``begin`` on, in turn. False where a conditional is not proper.

    ``partners`` and ``values`` (nnz, m) hold the other features of the row of each entry, and their entries;
    ``target`` and ``root`` (nnz,) what its row is to reach, and the root of its weight.
    """
    d = table.shape[1]
    n_pair = d - n_linear
    slopes, products = np.empty((CHUNK, d + 1)), np.empty((d + 1, d + 1))
    precision, rhs = np.empty((d, d)), np.empty(d)
    for j in range(begin, end, step):
        precision[:] = 0.0
        rhs[:] = 0.0
        for start in range(indptr[j], indptr[j + 1], CHUNK):
            size = min(CHUNK, indptr[j + 1] - start)
            for r in range(size):
                t = start + r
                left = target[t]
                for q in range(partners.shape[1]):
                    c, x = partners[t, q], values[t, q]
                    if n_linear:
                        left -= x * table[c, 0]
                    if q == 0:
                        for f in range(n_pair):
                            slopes[r, n_linear + f] = x * table[c, n_linear + f]
                    else:
                        for f in range(n_pair):
                            term = x * table[c, n_linear + f]
                            left -= term * slopes[r, n_linear + f]
                            slopes[r, n_linear + f] += term
                scaled = data[t] * root[t]
                for f in range(n_pair):
                    slopes[r, n_linear + f] *= scaled
                if n_linear:
                    slopes[r, 0] = scaled
                slopes[r, d] = left * root[t]
            np.dot(slopes[:size].T, slopes[:size], products)
            for a in range(d):
                rhs[a] += products[d, a]
                for b in range(d):
                    precision[a, b] += products[a, b]
        g = group[j]
        for a in range(d):
            precision[a, a] += strength[g, a]
            rhs[a] += strength[g, a] * mean[g, a]
        if not draw_gaussian(precision, rhs, noise[j]):
            return False
        table[j] = rhs
    return True


@njit(cache=True, nogil=True, parallel=True)
def redraw_short_in_parallel(
    begin, end, indptr, data, partners, values, table, n_linear, group, mean, strength, noise, target, root
):
    """The same for features that share no row, by all threads: none is another's partner."""
    failures = 0
    n_parts = min(PARTS, end - begin)
    for part in prange(n_parts):
        if not redraw_short(
            begin + part, end, n_parts, indptr, data, partners, values, table, n_linear,
            group, mean, strength, noise, target, root,
        ):  # fmt: skip
            failures += 1
    return failures == 0


@njit(cache=True, nogil=True)
def score_short(features, values, table, n_linear, scores):
    """Scores of all rows, from the products of every two of their few features."""
    _score_some(0, scores.size, features, values, table, n_linear, scores)


@njit(cache=True, nogil=True, parallel=True)
def score_short_in_parallel(features, values, table, n_linear, scores):
    """The same by all threads."""
    for part in prange((scores.size + 4095) // 4096):
        begin = 4096 * part
        _score_some(begin, min(begin + 4096, scores.size), features, values, table, n_linear, scores)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _score_some(begin, end, features, values, table, n_linear, scores):
    for i in range(begin, end):
        total = 0.0
        for q in range(features.shape[1]):
            j, x = features[i, q], values[i, q]
            if n_linear:
                total += x * table[j, 0]
            for other in range(q):
                c, product = features[i, other], 0.0
                for f in range(n_linear, table.shape[1]):
                    product += table[j, f] * table[c, f]
                total += x * values[i, other] * product
        scores[i] = total
