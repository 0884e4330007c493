"""Visits in the order of their subjects, dealt out to threads in chunks of whole subjects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from intertwine.mixed_effects.subject_trends import checked_times
from intertwine.mixed_effects.subjects import SubjectRows
from intertwine.resources import thread_limit

__all__ = ["Chunk", "SortedRows", "in_threads"]

Array = NDArray[np.float64]

_CHUNK = 2**18  # entries of the columns that a chunk works on: they stay in a core's memory
_PARTS = 16  # into which axes and subjects are dealt, whatever the number of threads, so that sums do not depend on it
_SPARSE = (
    2**12
)  # columns that a sparse matrix counts for: its chunks are short, so that few columns are there
_SUMS = 2**25  # entries that the matrices of all parts may have
_SMALL = 2_000_000  # entries that one thread is done with before another has woken up


class Chunk(NamedTuple):
    """Subjects ``first`` up to ``last``, and where their rows stand in the sorted order."""

    first: int
    last: int
    rows: slice
    starts: NDArray[np.int64]  # (last − first + 1,) of subjects in the sorted order


@final
class SortedRows:
    """Rows of every subject side by side, in the order of time where there are trends.

    Parameters
    ----------
    rows : SubjectRows

    Raises
    ------
    ValueError
        Where lengths differ or features are not finite.
    """

    def __init__(self, rows: SubjectRows) -> None:
        subject = np.asarray(rows.subject, dtype=np.int64)
        self.n_rows, self.n_subjects = len(subject), int(rows.n_subjects)
        own = np.asarray(rows.own, dtype=np.float64)
        if sparse.issparse(rows.shared):
            shared = sparse.csr_array(rows.shared, dtype=np.float64, copy=True)
            shared.sum_duplicates()
        else:
            shared = np.asarray(rows.shared, dtype=np.float64)
        for name, part in (("shared", shared), ("own", own)):
            if part.ndim != 2 or part.shape[0] != self.n_rows:
                raise ValueError(f"{name} features have the shape {part.shape}, expecting ({self.n_rows}, …)")
            if not np.isfinite(part.data if sparse.issparse(part) else part).all():
                raise ValueError(f"{name} features are not finite")
        if self.n_rows and (subject.min() < 0 or subject.max() >= self.n_subjects):
            raise ValueError(f"subjects are numbered from 0 to {self.n_subjects - 1}")
        self.trends, times = rows.trends, checked_times(rows.trends, self.n_rows)
        self.order: NDArray[np.int64] | None = _order(subject, times)
        counts = np.bincount(subject, minlength=self.n_subjects)
        self.starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self.own = self.sorted(own)
        if sparse.issparse(shared):
            self.shared = shared if self.order is None else shared[self.order]
        else:
            self.shared = self.sorted(shared)
        self.times = self.sorted(np.column_stack([np.empty((self.n_rows, 0)), *times]))
        _require_order(self.times, self.sorted_subject())

    def sorted_subject(self) -> NDArray[np.int64]:
        """Subject of each row in this order."""
        return np.repeat(np.arange(self.n_subjects), np.diff(self.starts))

    @property
    def n_shared(self) -> int:
        return self.shared.shape[1]

    @property
    def n_own(self) -> int:
        return self.own.shape[1]

    def sorted(self, values: NDArray) -> NDArray:
        """Values of the rows in this order, contiguous."""
        return np.ascontiguousarray(values if self.order is None else values[self.order])

    def shared_block(self, chunk: Chunk) -> tuple[Array, slice | NDArray[np.int64]]:
        """Shared features of a chunk's rows (rows, c), and which columns these are: those that are there at all."""
        if not sparse.issparse(self.shared):
            return self.shared[chunk.rows], slice(None)
        first, last = self.shared.indptr[chunk.rows.start], self.shared.indptr[chunk.rows.stop]
        columns, place = np.unique(self.shared.indices[first:last], return_inverse=True)
        counts = np.diff(self.shared.indptr[chunk.rows.start : chunk.rows.stop + 1])
        block = np.zeros((len(counts), len(columns)))
        block[np.repeat(np.arange(len(counts)), counts), place] = self.shared.data[first:last]
        return block, columns

    def at(self, chunk: Chunk) -> slice | NDArray[np.int64]:
        """The rows of a chunk, as they were given."""
        return chunk.rows if self.order is None else self.order[chunk.rows]

    def chunks(self) -> list[Chunk]:
        """All subjects, few or many of them at a time, however long they are."""
        width = _SPARSE if sparse.issparse(self.shared) else self.n_shared + self.n_own + 1
        size = self.starts + self.n_own * np.arange(self.n_subjects + 1)
        number = size // max(1, _CHUNK // width)
        bounds = np.unique(np.concatenate([[0], np.flatnonzero(np.diff(number)), [self.n_subjects]]))
        return [
            Chunk(int(a), int(b), slice(int(self.starts[a]), int(self.starts[b])), self.starts[a : b + 1])
            for a, b in pairwise(bounds)
        ]

    def each(self, n_axes: int, work: Callable[[int, int, list[Chunk]], None]) -> int:
        """Call ``work(axis, part, chunks)`` for all parts of the subjects and all axes, on several threads.

        Returns how many parts there are; they do not depend on the number of threads.
        """
        chunks = self.chunks()
        n_parts = max(1, min(len(chunks), -(-_PARTS // max(n_axes, 1)), _SUMS // (self.n_shared + 1) ** 2))
        bounds = np.linspace(0, len(chunks), n_parts + 1).astype(int)
        jobs = [
            (axis, part, chunks[first:last])
            for axis in range(n_axes)
            for part, (first, last) in enumerate(pairwise(bounds))
        ]
        in_threads(jobs, work, self.n_rows * (self.n_shared + self.n_own + 1) * n_axes)
        return n_parts


def in_threads(jobs: Sequence[tuple[Any, ...]], work: Callable[..., None], n_entries: int) -> None:
    """Call ``work(*job)`` for all jobs, on several threads where there are many entries.

    The linear algebra inside has one thread whatever their number, so that results are the same to the bit.
    """
    import numba

    threads = min(numba.get_num_threads(), len(jobs)) if n_entries > _SMALL else 1
    with thread_limit(1):
        if threads <= 1:
            for job in jobs:
                work(*job)
            return
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda job: work(*job), jobs))


def _order(subject: NDArray[np.int64], times: list[Array]) -> NDArray[np.int64] | None:
    """By subject and time; None where rows are in order already, and no time asks for another."""
    if not times:
        return None if bool(np.all(subject[1:] >= subject[:-1])) else np.argsort(subject, kind="stable")
    key = times[0]
    for other in times[1:]:
        key = np.where(np.isnan(key), other, key)
    return np.lexsort([key, subject])


def _require_order(times: Array, subject: NDArray[np.int64]) -> None:
    """Refuse trends whose times put the rows of a subject in different orders; all is sorted."""
    for number, time in enumerate(times.T):
        there = np.flatnonzero(~np.isnan(time))
        one, other = there[:-1], there[1:]
        back = (subject[one] == subject[other]) & (time[one] > time[other])
        if back.any():
            raise ValueError(
                f"times of trend {number} run backwards where those of another trend run forwards, in subject "
                f"{subject[one[back][0]]}: trends of one model must agree on the order of visits"
            )
