"""Rows in the order of their levels, and their levels shared out between threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import final

import numpy as np
from numpy.typing import NDArray

__all__ = ["LevelRows"]

_PARTS = 16  # into which levels are dealt, whatever the number of threads, so that sums do not depend on it
_SMALL = 200_000  # entries that one thread is done with before another has woken up


@final
class LevelRows:
    """Which rows a level has: ``order[starts[j]:starts[j + 1]]``."""

    def __init__(self, level: NDArray[np.int64], n_levels: int, n_outputs: int) -> None:
        level = np.asarray(level, dtype=np.int64)
        counts = np.bincount(level, minlength=n_levels)
        self.starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        is_sorted = bool(np.all(level[1:] >= level[:-1]))
        self.order = np.arange(len(level)) if is_sorted else np.argsort(level, kind="stable")
        work = self.starts + np.arange(n_levels + 1)  # a level costs about what a row does
        parts = 1 if work[-1] * n_outputs < _SMALL else min(_PARTS, n_levels)
        bounds = np.searchsorted(work, np.linspace(0, work[-1], parts + 1))
        bounds[0], bounds[-1] = 0, n_levels
        self._parts = [(int(a), int(b)) for a, b in pairwise(bounds) if a < b]

    @property
    def n_parts(self) -> int:
        return len(self._parts)

    def each(self, work: Callable[[int, int, int], None]) -> None:
        """Call ``work(part, first, last)`` for all parts of the levels, on several threads where it pays."""
        jobs = [(part, first, last) for part, (first, last) in enumerate(self._parts)]
        threads = 1
        if len(jobs) > 1:
            import numba

            threads = min(numba.get_num_threads(), len(jobs))
        if threads == 1:
            for job in jobs:
                work(*job)
            return
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda job: work(*job), jobs))
