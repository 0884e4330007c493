"""The k largest inner products of each query with all candidates, without ever holding all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from intertwine.structures.fm_sweep import THREADS

__all__ = ["in_order", "top_k"]

_QUERIES, _CANDIDATES = 256, 4096  # products held at once: 4 MiB, which a processor keeps near
_RUN = 64  # products that are compared at once


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
    found = np.full((len(queries), k), -1, dtype=np.int64)
    products = np.full((len(queries), k), -np.inf)
    tiles = [
        np.ascontiguousarray(candidates[first : first + _CANDIDATES].T, dtype=np.float32)
        for first in range(0, len(candidates), _CANDIDATES)
    ]
    for begin in range(0, len(queries), _QUERIES):
        block = slice(begin, min(begin + _QUERIES, len(queries)))
        if k:
            hidden = None if excluded is None else excluded(block.start, block.stop)
            _search(queries[block].astype(np.float32), tiles, hidden, found[block], parallel)
        found[block], products[block] = in_order(queries[block], candidates, found[block])
    return found, products


def in_order(
    queries: NDArray[Any], candidates: NDArray[Any], found: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Candidates found for each query by their products in double precision; those that are −1 last, with −∞.

    Parameters
    ----------
    queries : ndarray of shape (m, d)
    candidates : ndarray of shape (n, d)
    found : ndarray of int, shape (m, k)

    Returns
    -------
    found : ndarray of int, shape (m, k)
    products : ndarray of shape (m, k)
    """
    products = np.einsum("md,mkd->mk", queries, candidates[found], dtype=np.float64)
    products[found < 0] = -np.inf
    order = np.argsort(-products, axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(products, order, axis=1)


def _search(queries, tiles, hidden, found, parallel: bool) -> None:
    best = np.full(found.shape, -np.inf, dtype=np.float32)
    if hidden is not None:
        rows, columns = hidden
        by_column = np.argsort(columns, kind="stable")
        rows, columns = rows[by_column], columns[by_column]
        cuts = np.searchsorted(columns, np.arange(len(tiles) + 1) * _CANDIDATES)
    for number, tile in enumerate(tiles):
        scores, first = queries @ tile, number * _CANDIDATES
        if hidden is not None:
            part = slice(cuts[number], cuts[number + 1])
            scores[rows[part], columns[part] - first] = -np.inf
        if parallel:
            with THREADS:
                _keep_largest_in_parallel(scores, first, best, found)
        else:
            _keep_largest(scores, first, best, found)


@njit(cache=True, nogil=True, fastmath={"reassoc", "nnan", "nsz"})
def _largest(scores, first, end):
    largest = scores[first]
    for j in range(first, end):
        largest = max(largest, scores[j])
    return largest


@njit(cache=True, nogil=True)
def _keep_largest_of_row(scores, first, best, found):
    """Put in their places the scores that are larger than what was kept; earlier ones stay before equals."""
    k = found.size
    least = best[k - 1]
    for begin in range(0, scores.size, _RUN):
        end = min(begin + _RUN, scores.size)
        if _largest(scores, begin, end) <= least:  # true of nearly all, and quickly told
            continue
        for j in range(begin, end):
            score = scores[j]
            if score > least:
                place = k - 1
                while place > 0 and best[place - 1] < score:
                    best[place], found[place] = best[place - 1], found[place - 1]
                    place -= 1
                best[place], found[place] = score, first + j
                least = best[k - 1]


@njit(cache=True, nogil=True)
def _keep_largest(scores, first, best, found):
    for row in range(scores.shape[0]):
        _keep_largest_of_row(scores[row], first, best[row], found[row])


@njit(cache=True, nogil=True, parallel=True)
def _keep_largest_in_parallel(scores, first, best, found):
    for row in prange(scores.shape[0]):
        _keep_largest_of_row(scores[row], first, best[row], found[row])
