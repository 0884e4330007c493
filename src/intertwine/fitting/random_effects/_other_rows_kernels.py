"""What a row is told by the other rows of its level, in one pass over the rows."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"}, error_model="numpy")
def tell_rows(residual, level, basis, means, covariance, noise, beta, largest, offset, weight):
    """Fill offset and weight (n, p), float32, of one effect; see `vae_effects.OtherRows`.

    ``means`` (q, r, p) and ``covariance`` (q, r (r + 1) / 2, p), packed lower triangles, are those of coefficients
    given all rows; ``basis`` (n, r) takes them to the rows. ``largest`` is the leverage that a row may count with.
    """
    p, r = residual.shape[1], basis.shape[1]
    fitted, variance, scale = np.empty(p), np.empty(p), np.empty(p)
    for m in range(p):
        scale[m] = 1.0 / (beta * noise[m])
    for i in range(len(level)):
        j, place = level[i], 0
        for m in range(p):
            fitted[m] = 0.0
            variance[m] = 0.0
        for a in range(r):
            x = basis[i, a]
            for m in range(p):
                fitted[m] += x * means[j, a, m]
            for b in range(a + 1):
                square = x * basis[i, b] * (1.0 if a == b else 2.0)
                for m in range(p):
                    variance[m] += square * covariance[j, place, m]
                place += 1
        for m in range(p):
            leverage = min(max(variance[m] * scale[m], 0.0), largest)
            kept = 1.0 - leverage
            offset[i, m] = (fitted[m] - leverage * residual[i, m]) / kept
            weight[i, m] = kept / noise[m]
