"""Rows that repeat themselves: what is known of a user stands in every rating of theirs.

Sums over the entries of a row are sums over its parts, and a part that many rows share, a *pattern*, is computed once.
"""

from __future__ import annotations

from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from intertwine.structures import _fm_patterns as kernels
from intertwine.structures.fm import FMParams

__all__ = ["PatternedRows", "Patterns", "find_patterns", "segments_of"]

_SEGMENTS = 32  # that are looked at, those of the most entries first
_GROWTH = 1.1  # of the number of patterns, up to which more columns are taken in
_FEWEST_ENTRIES = 2  # of a row, above which a pass over the patterns is cheaper


class Patterns(NamedTuple):
    """Columns in which rows repeat themselves.

    Attributes
    ----------
    features : ndarray of int
        The columns.
    rows : csr_array of shape (R, len(features))
        The different rows.
    of_row : ndarray of int, shape (n,)
        Which of them each row has.
    """

    features: NDArray[np.intp]
    rows: sparse.csr_array
    of_row: NDArray[np.intp]


class _Labels(NamedTuple):
    """Segments of columns, and the number of each row's pattern in them."""

    segments: list[int]
    of_row: NDArray[np.intp]
    number: int

    def joined(self, other: _Labels) -> _Labels:
        pairs, of_row = np.unique(self.of_row * other.number + other.of_row, return_inverse=True)
        return _Labels(self.segments + other.segments, of_row, pairs.size)


def segments_of(groups: NDArray) -> NDArray[np.intp]:
    """Number the runs of equal labels.

    Examples
    --------
    >>> segments_of(np.array([0, 0, 2, 2, 0]))
    array([0, 0, 1, 1, 2])
    """
    return np.concatenate([[0], np.cumsum(groups[1:] != groups[:-1])]).astype(np.intp)


def find_patterns(X: sparse.csr_array, segment: NDArray[np.intp], most: int) -> list[Patterns]:
    """Find sets of columns in which rows repeat themselves so often that it pays to work on the patterns.

    Parameters
    ----------
    X : csr_array of shape (n, p)
        With sorted indices.
    segment : ndarray of int, shape (p,)
        Runs of columns that stay together, numbered from zero; segments with (almost) the same members are joined.
    most : int
        Patterns of a set.

    Examples
    --------
    >>> about_users = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])[[0, 1, 1, 0]]
    >>> rows = sparse.csr_array(np.hstack([about_users, np.arange(1.0, 5.0)[:, None]]))
    >>> (found,) = find_patterns(rows, np.array([0, 0, 0, 1]), 2)
    >>> found.features, found.of_row
    (array([0, 1, 2]), array([0, 1, 1, 0]))
    """
    n, p = X.shape
    if n == 0 or p == 0:
        return []
    entries = np.bincount(segment, weights=np.bincount(X.indices, minlength=p)).astype(np.intp)
    if entries.sum() <= _FEWEST_ENTRIES * n:
        return []
    chosen = np.argsort(-entries, kind="stable")[:_SEGMENTS]
    found = [one for one in _labelled(X, segment, chosen) if one.number <= most]
    found.sort(key=lambda one: -one.number)
    patterns = []
    while found:
        base, *others = found
        found = []
        limit = min(most, int(_GROWTH * base.number))
        for other in others:
            both = base.joined(other)
            if both.number <= limit:
                base = both
            else:
                found.append(other)
        if entries[base.segments].sum() > _FEWEST_ENTRIES * n:
            patterns.append(_patterns(X, segment, base))
    return sorted(patterns, key=lambda one: int(one.features[0]))


def _without(X: sparse.csr_array, patterns: list[Patterns]) -> sparse.csr_array:
    if not patterns:
        return X
    kept = np.ones(X.shape[1], dtype=bool)
    kept[np.concatenate([one.features for one in patterns])] = False
    pointer = np.empty_like(X.indptr)
    kernels.count_kept(X.indptr, X.indices, kept, pointer)
    indices, data = np.empty(pointer[-1], X.indices.dtype), np.empty(pointer[-1], X.data.dtype)
    kernels.copy_kept(X.indptr, X.indices, X.data, kept, indices, data)
    return sparse.csr_array((data, indices, pointer), shape=X.shape)


def _labelled(X, segment, chosen) -> list[_Labels]:
    """Number the different rows of each chosen segment."""
    edges = np.flatnonzero(np.diff(segment, prepend=-1, append=-1))
    numbers = np.full(int(segment[-1]) + 1, -1)
    numbers[chosen] = np.arange(len(chosen))
    of_column = numbers[segment]
    hashes = np.zeros((X.shape[0], len(chosen)), np.uint64)
    data = np.ascontiguousarray(X.data, dtype=np.float64)
    kernels.hash_segments(X.indptr, X.indices, data.view(np.uint64), of_column, hashes)
    labels = []
    for number, own in enumerate(chosen):
        values, first, of_row = np.unique(hashes[:, number], return_index=True, return_inverse=True)
        if kernels.same_entries(X.indptr, X.indices, data, edges[own], edges[own + 1], first[of_row]):
            labels.append(_Labels([int(own)], of_row, values.size))
    return labels


def _patterns(X, segment, labels: _Labels) -> Patterns:
    features = np.flatnonzero(np.isin(segment, labels.segments))
    first = np.unique(labels.of_row, return_index=True)[1]
    return Patterns(features, sparse.csr_array(X[first][:, features]), labels.of_row)


@final
class PatternedRows:
    """Rows whose scores are computed from the patterns that they share.

    Parameters
    ----------
    X : csr_array of shape (n, p)
    patterns : list of Patterns
        Of columns that do not overlap; the others are taken row by row.

    Attributes
    ----------
    others : csr_array of shape (n, p)
        The rows with nothing left in the columns of ``patterns``.
    """

    def __init__(self, X: sparse.csr_array, patterns: list[Patterns]) -> None:
        self.patterns = patterns
        self._parts: list[tuple[Any, Any, Any]] = [(one.features, one.rows, one.of_row) for one in patterns]
        self.others = _without(X, patterns)
        self._parts.append((slice(None), self.others, slice(None)))
        self._powers = [(rows.power(2), rows.power(3)) for _, rows, _ in self._parts]

    def sums(self, params: FMParams) -> NDArray[np.float64]:
        """Everything of a score that adds up over the entries of a row (n, 1 + k + 2 k₃).

        That is wᵀx − ½ Σ s + ⅓ Σ t₃, then q, q₃ and s₃, in the terms of `intertwine.structures.fm`.
        """
        total: Any = 0.0
        for (features, rows, of_row), (squares, cubes) in zip(self._parts, self._powers, strict=True):
            linear, V, U = (block[features] for block in params[1:])
            part = np.hstack(
                [
                    (rows @ linear - 0.5 * (squares @ (V**2).sum(axis=1)))[:, None],
                    rows @ V,
                    rows @ U,
                    squares @ U**2,
                ]
            )
            if U.shape[1]:
                part[:, 0] += cubes @ (U**3).sum(axis=1) / 3.0
            total = total + part[of_row]
        return total

    def score(self, params: FMParams) -> NDArray[np.float64]:
        """Scores of the rows (n,)."""
        sums, k, k3 = self.sums(params), params.factors.shape[1], params.triples.shape[1]
        q, q3, s3 = np.split(sums[:, 1:], [k, k + k3], axis=1)
        pairs = 0.5 * np.einsum("ic,ic->i", q, q)
        return params.intercept + sums[:, 0] + pairs + (q3**3 / 6.0 - 0.5 * q3 * s3).sum(axis=1)
