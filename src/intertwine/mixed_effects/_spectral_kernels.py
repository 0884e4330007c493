"""Sums of rows at their levels, in the order of the rows."""

from numba import njit


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def add_rows(level, weights, y, sums, squares):
    """Add Wy of rows (n, p), float32 or float64, to the sums (q, p) of their levels, and yᵀWy to the squares (p,)."""
    for i in range(len(level)):
        j, w = level[i], weights[i]
        for m in range(y.shape[1]):
            value = w * y[i, m]
            sums[j, m] += value
            squares[m] += value * y[i, m]
