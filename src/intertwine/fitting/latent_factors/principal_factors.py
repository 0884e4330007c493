"""Factors on axes of their own: a model only knows their inner products."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["principal_factors"]

_DRAWS = 20  # that the mean is taken over: more change nothing one could see


def principal_factors(
    users: NDArray[Any], items: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """U √Σ and V √Σ, from the singular value decomposition U Σ Vᵀ of the mean of P Qᵀ over the draws.

    Any invertible A makes the same predictions of P A and Q A⁻ᵀ; here the axes are orthogonal, equally long on both
    sides and sorted by what they explain, and their signs such that users sum to something positive.

    Parameters
    ----------
    users : ndarray of shape (n_draws, n_users, k)
    items : ndarray of shape (n_draws, n_items, k)

    Returns
    -------
    ndarray of shape (n_users, k), ndarray of shape (n_items, k)

    Examples
    --------
    >>> import numpy as np
    >>> P, Q = np.array([[[2.0], [-1.0]]]), np.array([[[3.0], [1.0], [0.0]]])
    >>> left, right = principal_factors(10 * P, Q / 10)
    >>> np.allclose(left @ right.T, P[0] @ Q[0].T)
    True
    """
    k = users.shape[2]
    chosen = np.unique(np.linspace(0, len(users) - 1, min(len(users), _DRAWS)).astype(int))
    wide = [np.concatenate(list(table[chosen].astype(float)), axis=1) for table in (users, items)]
    (user_axes, R), (item_axes, S) = (np.linalg.qr(table) for table in wide)
    left, values, right = np.linalg.svd(R @ S.T / len(chosen))
    count = min(k, len(values))
    root = np.sqrt(values[:count])
    factors = user_axes @ left[:, :count] * root, item_axes @ right[:count].T * root
    sign = np.where(factors[0].sum(axis=0) < 0, -1.0, 1.0)
    padding = k - count
    padded = [np.pad(table * sign, ((0, 0), (0, padding))) for table in factors]
    return padded[0], padded[1]
