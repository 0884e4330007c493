"""The k largest inner products of queries with very many candidates, nearly always: a search that looks at few of them.

Candidates get one more column that makes them all as long as the longest, √(max‖c‖² − ‖c‖²), queries a zero there: the
largest product then belongs to the nearest neighbour, which an inverted file finds among the cells nearest the query.

Source: B. Neyshabur & N. Srebro, On symmetric and asymmetric LSHs for inner product search (ICML 2015); M. Douze et
al., The Faiss library (2024).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.latent_factors.top_k import in_order, top_k

__all__ = ["ProductIndex"]

_CELLS = 4  # times √n
_SEARCHED = 80  # cells: finds 998 of 1,000 among 10⁵ candidates, 99 of 100 and more among 10⁶
_PER_CELL = 64  # candidates that a cell is learnt from
_LEAST_PER_CELL = 40  # below, faiss warns
_BLOCK = 4096  # queries whose products are found again at once
_MOST_HIDDEN = 1024  # candidates hidden from a query of the index: beyond, searching all is quicker


@final
class ProductIndex:
    """Candidates, ready to be searched.

    Parameters
    ----------
    candidates : ndarray of shape (n, d)

    Raises
    ------
    ImportError
        Without faiss.
    """

    def __init__(self, candidates: NDArray[Any]) -> None:
        self.candidates = candidates
        self._index = _inverted_file(candidates)

    def __reduce__(self) -> Any:
        return ProductIndex, (self.candidates,)

    def top_k(
        self,
        queries: NDArray[Any],
        k: int,
        hidden: Callable[[int, int], tuple[NDArray[Any], NDArray[Any]]] | None = None,
        n_threads: int = 1,
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Search, see `top_k`; queries that the index finds fewer than k for search all.

        Parameters
        ----------
        queries : ndarray of shape (m, d)
        k : int
        hidden : callable, optional
            Given first and last of a block of queries, positions (query in the block, candidate) that do not count.
        n_threads : int, default=1

        Returns
        -------
        found : ndarray of int, shape (m, min(k, n))
        products : ndarray of shape (m, min(k, n))
        """
        k, n = min(k, len(self.candidates)), len(self.candidates)
        rows, columns = (np.empty(0, np.int64),) * 2 if hidden is None else hidden(0, len(queries))
        counts = np.bincount(rows, minlength=len(queries))
        barred = np.sort(rows.astype(np.int64) * n + columns)
        found = np.full((len(queries), k), -1, dtype=np.int64)
        # as many more as are hidden have to be asked for: queries of about as many together
        wanted = k + np.where(counts > 0, 2 ** np.ceil(np.log2(np.maximum(counts, 1))).astype(np.int64), 0)
        for size in np.unique(wanted[counts <= _MOST_HIDDEN]):
            mine = np.flatnonzero((wanted == size) & (counts <= _MOST_HIDDEN))
            near = self._nearest(queries[mine], min(int(size), n), n_threads)
            allowed = (near >= 0) & ~_among(mine[:, None] * n + near, barred)
            place = np.cumsum(allowed, axis=1) - 1
            kept = allowed & (place < k)
            own = np.nonzero(kept)[0]
            found[mine[own], place[kept]] = near[kept]
        products = np.empty(found.shape)
        short = np.flatnonzero((found < 0).any(axis=1))
        whole = np.setdiff1d(np.arange(len(queries)), short, assume_unique=True)
        for begin in range(0, len(whole), _BLOCK):
            part = whole[begin : begin + _BLOCK]
            found[part], products[part] = in_order(queries[part], self.candidates, found[part])
        if short.size:
            starts = np.searchsorted(barred, short * n), np.searchsorted(barred, (short + 1) * n)

            def of_short(begin: int, end: int) -> tuple[NDArray[Any], NDArray[Any]]:
                runs = [barred[a:b] for a, b in zip(starts[0][begin:end], starts[1][begin:end], strict=True)]
                own = np.repeat(np.arange(end - begin), [len(run) for run in runs])
                return own, np.concatenate(runs) % n

            found[short], products[short] = top_k(queries[short], self.candidates, k, of_short, n_threads > 1)
        return found, products

    def _nearest(self, queries: NDArray[Any], k: int, n_threads: int) -> NDArray[np.int64]:
        import faiss

        lengthened = np.zeros((len(queries), queries.shape[1] + 1), dtype=np.float32)
        lengthened[:, :-1] = queries
        before = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(n_threads)
        try:
            return self._index.search(lengthened, k)[1]
        finally:
            faiss.omp_set_num_threads(before)


def _inverted_file(candidates: NDArray[Any]) -> Any:
    try:
        import faiss
    except ImportError as error:
        raise ImportError("search='index' needs faiss: pip install 'intertwine[index]'") from error
    n, d = candidates.shape
    square = np.einsum("nd,nd->n", candidates, candidates)
    table = np.empty((n, d + 1), dtype=np.float32)
    table[:, :-1] = candidates
    table[:, -1] = np.sqrt(np.maximum(square.max(initial=0.0) - square, 0.0))
    n_cells = max(1, min(int(_CELLS * np.sqrt(n)), n // _LEAST_PER_CELL))
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(d + 1), d + 1, n_cells)
    index.cp.max_points_per_centroid = _PER_CELL
    index.train(table)
    index.add(table)
    index.nprobe = min(n_cells, _SEARCHED)
    return index


def _among(numbers: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which numbers are among sorted ones."""
    if not known.size:
        return np.zeros(numbers.shape, dtype=bool)
    places = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
    return known[places] == numbers
