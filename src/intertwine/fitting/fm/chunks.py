"""Labelled rows that come in chunks, and the part of them that is held out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

__all__ = ["Chunk", "TrainingRows", "held_out_rows", "labelled_rows", "split"]


class Chunk(NamedTuple):
    """Some labelled rows.

    Attributes
    ----------
    X : csr_array of shape (m, p)
        Without duplicates and stored zeros; p may differ from one chunk to the next.
    y : ndarray of shape (m,)
        Outcome; −1 or +1 for the logistic loss.
    weight : ndarray of shape (m,)
        Positive.
    """

    X: sparse.csr_array
    y: NDArray[np.float64]
    weight: NDArray[np.float64]

    def take(self, rows: NDArray) -> Chunk:
        """Some of the rows (positions or a mask)."""
        return Chunk(*(part[rows] for part in self))


def labelled_rows(
    X: NDArray | sparse.csr_array, y: ArrayLike, sample_weight: ArrayLike | None = None
) -> Chunk:
    """Bring rows into the form of a chunk; rows of weight zero are left out.

    Examples
    --------
    >>> chunk = labelled_rows(np.array([[0.0, 2.0], [1.0, 0.0]]), [1, 3], [1.0, 0.0])
    >>> chunk.X.toarray(), chunk.y
    (array([[0., 2.]]), array([1.]))
    """
    X = sparse.csr_array(X, dtype=np.float64)
    if not X.has_canonical_format or (X.data == 0.0).any():
        X = X.copy()
        X.sum_duplicates()
        X.eliminate_zeros()
    y = np.ascontiguousarray(y, dtype=np.float64)
    if y.shape != (X.shape[0],):  # the kernels would read beyond it
        raise ValueError(f"X has {X.shape[0]} rows, but y has shape {y.shape}")
    weight = np.ones(y.size) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    chunk = Chunk(X, y, weight)
    return chunk if (weight > 0.0).all() else chunk.take(weight > 0.0)


def split(chunk: Chunk, first: int, fraction: float, seed: int) -> tuple[Chunk, Chunk]:
    """Training rows and rows held out, chosen by their numbers in the stream, so however it is cut.

    Parameters
    ----------
    chunk : Chunk
    first : int
        Number of its first row.
    fraction : float
        Share to hold out.
    seed : int
    """
    start = (seed * 0xD1342543DE82EF95 + first + 1) % 2**64
    number = (np.arange(chunk.y.size, dtype=np.uint64) + np.uint64(start)) * np.uint64(0x9E3779B97F4A7C15)
    for factor in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB):  # the finalizer of SplitMix64
        number = (number ^ (number >> np.uint64(30))) * np.uint64(factor)
    is_out = (number >> np.uint64(32)) < np.uint64(fraction * 2**32)
    return (chunk.take(~is_out), chunk.take(is_out)) if is_out.any() else (chunk, chunk.take(is_out))


def _parts(chunks: Iterable[Chunk], fraction: float, seed: int) -> Iterator[tuple[Chunk, Chunk]]:
    first = 0
    for chunk in chunks:
        yield split(chunk, first, fraction, seed) if fraction else (chunk, chunk)
        first += chunk.y.size


def held_out_rows(chunks: Iterable[Chunk], fraction: float, seed: int) -> Chunk:
    """All rows held out, together in memory."""
    parts = [part for _, part in _parts(chunks, fraction, seed)]
    width = max((part.X.shape[1] for part in parts), default=0)
    X = sparse.vstack([widened(part.X, width) for part in parts], format="csr") if parts else None
    if X is None:
        raise ValueError("the stream has no chunks")
    return Chunk(
        X, np.concatenate([part.y for part in parts]), np.concatenate([part.weight for part in parts])
    )


@final
class TrainingRows:
    """Iterate, again and again, over the chunks less what is held out."""

    def __init__(self, chunks: Iterable[Chunk], fraction: float, seed: int) -> None:
        self._chunks, self._fraction, self._seed = chunks, fraction, seed

    def __iter__(self) -> Iterator[Chunk]:
        return (training for training, _ in _parts(self._chunks, self._fraction, self._seed))


def widened(X: sparse.csr_array, n_features: int) -> sparse.csr_array:
    """The same rows with features that none of them has, up to ``n_features``."""
    if X.shape[1] == n_features:
        return X
    return sparse.csr_array((X.data, X.indices, X.indptr), shape=(X.shape[0], n_features))
