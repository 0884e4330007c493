"""Sweeps over rows of few entries, such as one user and one item: nothing is kept, everything is read in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from intertwine.structures import _fm_short as short
from intertwine.structures.fm_sweep import THREADS, WORTH_THREADS, AbstractFMSweep, exclusive_runs

__all__ = ["MOST_ENTRIES", "ShortRows"]

MOST_ENTRIES = 4  # of a row: partners cost m², running sums m


@final
@dataclass
class _Targets:
    """What every stored entry's row is to reach, in the order of the columns."""

    weight: NDArray[np.float64]
    target: NDArray[np.float64]
    root: NDArray[np.float64]


@final
class ShortRows(AbstractFMSweep):
    """Sweeps that compute slopes from the other features of a row.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n, p)
        With at most a few entries in a row.
    n_components : int
    linear : bool
    groups : ndarray of int, shape (p,)
    n_threads : int, default=1
    """

    def __init__(self, X, n_components, linear, groups, n_threads=1):
        super().__init__(X, n_components, 0, linear, n_threads)
        self.columns = self.rows.tocsc()
        self._features, self._entries = _padded(self.rows)
        self._partners, self._values = _partners(self.rows, self._features, self._entries)
        runs = exclusive_runs(self.columns)
        cuts = np.flatnonzero(np.diff(runs)) + 1
        self._runs = list(zip([0, *cuts], [*cuts, len(runs)], strict=True))

    def scores(self, table):
        scores = np.empty(self.rows.shape[0])
        arguments = (self._features, self._entries, table, self.n_linear, scores)
        if self.parallel and self.rows.nnz >= WORTH_THREADS:
            with THREADS:
                short.score_short_in_parallel(*arguments)
        else:
            short.score_short(*arguments)
        return scores

    def begin(self, table):
        return _Targets(np.zeros(0), np.zeros(0), np.zeros(0))

    def replace(self, running, target, fitted, weight):
        running.target = target[self.columns.indices]
        if weight is not running.weight:
            running.weight, running.root = weight, np.sqrt(weight)[self.columns.indices]

    def run(self, running, table, priors, noise):
        indptr = self.columns.indptr
        entries = (indptr, self.columns.data, self._partners, self._values, table, self.n_linear)
        settings = (priors.group, priors.mean, priors.precision, noise, running.target, running.root)
        for begin, end in self._runs:
            if self.parallel and indptr[end] - indptr[begin] >= WORTH_THREADS:
                with THREADS:
                    proper = short.redraw_short_in_parallel(begin, end, *entries, *settings)
            else:
                proper = short.redraw_short(begin, end, 1, *entries, *settings)
            if not proper:
                raise FloatingPointError("a conditional distribution has overflowed")
        return self.scores(table)


def _padded(rows: sparse.csr_array) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Features and entries of each row, filled up with zeros to the same number m (n, m)."""
    counts = np.diff(rows.indptr)
    places = np.arange(rows.nnz) - np.repeat(rows.indptr[:-1], counts)
    row_of = np.repeat(np.arange(rows.shape[0]), counts)
    shape = (rows.shape[0], max(int(counts.max(initial=1)), 2))
    features, entries = np.zeros(shape, np.int32), np.zeros(shape)
    features[row_of, places], entries[row_of, places] = rows.indices, rows.data
    return features, entries


def _partners(rows, features, entries) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Other features of the row of each entry, in the order of the columns, and their entries (nnz, m − 1)."""
    counts = np.diff(rows.indptr)
    places = np.arange(rows.nnz) - np.repeat(rows.indptr[:-1], counts)
    numbered = sparse.csr_array((np.arange(rows.nnz), rows.indices, rows.indptr), shape=rows.shape)
    order = numbered.tocsc().data
    row_of, place_of = np.repeat(np.arange(rows.shape[0]), counts)[order], places[order]
    width = features.shape[1] - 1
    partners, values = np.empty((rows.nnz, width), np.int32), np.empty((rows.nnz, width))
    for q in range(width):  # the q-th of the others: itself is left out
        place = q + (q >= place_of)
        partners[:, q], values[:, q] = features[row_of, place], entries[row_of, place]
    return partners, values
