"""The k largest inner products of each query with all candidates, without ever holding all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from intertwine.structures.fm_sweep import THREADS

__all__ = ["top_k"]

_ENTRIES = 1 << 24  # products held at once


def top_k(
    queries: NDArray[Any],
    candidates: NDArray[Any],
    k: int,
    excluded: Callable[[int, int], tuple[NDArray[Any], NDArray[Any]]] | None = None,
    parallel: bool = False,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Search exhaustively: products in single precision, those that are found again in double.

    Parameters
    ----------
    queries : ndarray of shape (m, d)
    candidates : ndarray of shape (n, d)
    k : int
    excluded : callable, optional
        Given first and last query of a block, positions (query in the block, candidate) that do not count.
    parallel : bool, default=False

    Returns
    -------
    found : ndarray of int, shape (m, min(k, n))
        Candidates of each query, the best first; −1 where fewer than k are allowed.
    products : ndarray of shape (m, min(k, n))
        −∞ there.

    Examples
    --------
    >>> import numpy as np
    >>> top_k(np.array([[1.0], [-1.0]]), np.array([[3.0], [1.0], [2.0]]), 2)[0]
    array([[0, 2],
           [1, 2]])
    """
    k = min(k, len(candidates))
    found = np.empty((len(queries), k), dtype=np.int64)
    products = np.full((len(queries), k), -np.inf)
    narrow = np.ascontiguousarray(candidates.T, dtype=np.float32)
    size = max(1, _ENTRIES // max(len(candidates), 1))
    for begin in range(0, len(queries), size):
        end = min(begin + size, len(queries))
        block = queries[begin:end].astype(np.float32) @ narrow
        if excluded is not None:
            block[excluded(begin, end)] = -np.inf
        if parallel:
            with THREADS:
                _largest_in_parallel(block, found[begin:end])
        else:
            _largest(block, found[begin:end])
        exact = np.einsum("md,mkd->mk", queries[begin:end], candidates[found[begin:end]], dtype=np.float64)
        exact[found[begin:end] < 0] = -np.inf
        order = np.argsort(-exact, axis=1, kind="stable")
        found[begin:end] = np.take_along_axis(found[begin:end], order, axis=1)
        products[begin:end] = np.take_along_axis(exact, order, axis=1)
    return found, products


@njit(cache=True, nogil=True)
def _largest_of_row(scores, found):
    """Positions of the largest scores, the best first; earlier ones among equals. −1 where scores are −∞."""
    k = found.size
    best = np.full(k, -np.inf, dtype=scores.dtype)
    found[:] = -1
    if k == 0:
        return
    least = best[k - 1]
    for j in range(scores.size):
        score = scores[j]
        if score > least:
            place = k - 1
            while place > 0 and best[place - 1] < score:
                best[place], found[place] = best[place - 1], found[place - 1]
                place -= 1
            best[place], found[place] = score, j
            least = best[k - 1]


@njit(cache=True, nogil=True)
def _largest(scores, found):
    for row in range(scores.shape[0]):
        _largest_of_row(scores[row], found[row])


@njit(cache=True, nogil=True, parallel=True)
def _largest_in_parallel(scores, found):
    for row in prange(scores.shape[0]):
        _largest_of_row(scores[row], found[row])
