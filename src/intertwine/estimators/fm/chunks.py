"""Chunks of labelled rows as a user gives them: checked, read once, coded for one contrast."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_array

from intertwine.fitting.fm.chunks import Chunk, labelled_rows
from intertwine.frames import frame_library
from intertwine.validation import check_numeric_columns, check_weights, eager_frame
from intertwine.validation.values import Extremes, check_values
from intertwine.validation.vectors import raveled
from intertwine.validation.wording import listed

__all__ = ["CheckedChunk", "CheckedChunks", "CodedChunks", "checked_column", "reread"]

CheckedChunk = tuple[Any, np.ndarray, np.ndarray]


@final
class CheckedChunks:
    """Iterate over chunks of a user: (X, y, weights) as matrices and vectors, or an error that names the chunk.

    Parameters
    ----------
    chunks : iterable of (X, y) or (X, y, sample_weight)
    outcome : callable
        Reads y.

    Attributes
    ----------
    columns : list of str or None
        Names of the columns of the first chunk, once it was read: all others must have them in that order.
    frame_library : str or None
        Library of its frame.
    """

    def __init__(self, chunks: Iterable[tuple], outcome: Callable[[Any], np.ndarray]) -> None:
        self._chunks, self._outcome = chunks, outcome
        self.columns: list[str] | None = None
        self.frame_library: str | None = None

    @property
    def lie_in_memory(self) -> bool:
        """Whether the user holds all of them."""
        return isinstance(self._chunks, list | tuple)

    def __iter__(self) -> Iterator[CheckedChunk]:
        for number, chunk in enumerate(self._chunks, start=1):
            try:
                X, y, *weight = chunk
                columns = _column_names(X)
                if number == 1:
                    self.columns, self.frame_library = columns, frame_library(X)
                _check_same_columns(columns, self.columns)
                X = check_array(X, accept_sparse="csr", dtype=np.float64, ensure_all_finite=False)
                check_values(Extremes.of(X), X.shape[0], None)
                checked = (
                    X,
                    checked_column(self._outcome, y, X),
                    check_weights(weight[0] if weight else None, X.shape[0]),
                )
            except (ValueError, TypeError) as error:
                raise type(error)(f"chunk {number}: {error}") from error
            yield checked


def _column_names(X: Any) -> list[str] | None:
    """Names of a frame of numbers; None without a frame, or with names that are no text."""
    frame = eager_frame(X)
    if frame is None:
        return None
    check_numeric_columns(frame)
    return list(frame.columns) if all(isinstance(name, str) for name in frame.columns) else None


def _check_same_columns(columns: list[str] | None, first: list[str] | None) -> None:
    """Refuse columns that are not those of the first chunk, and say which."""
    if columns == first:
        return
    if first is None:
        raise ValueError(f"X has column names {listed(columns or [])}, but chunk 1 has none")
    if columns is None:
        raise ValueError(f"X has no column names, those of chunk 1 are {listed(first)}")
    missing = [name for name in first if name not in set(columns)]
    unexpected = [name for name in columns if name not in set(first)]
    if missing or unexpected:
        parts = [("missing", missing), ("unexpected", unexpected)]
        told = ", ".join(f"{what} {listed(names)}" for what, names in parts if names)
        raise ValueError(f"the columns should be those of chunk 1: {told}")
    place = next(j for j, name in enumerate(columns) if name != first[j])
    raise ValueError(
        "the columns should be in the order of those of chunk 1. "
        f"Column {place} is {columns[place]!r}, expected {first[place]!r}"
    )


def checked_column(read: Callable[[Any], np.ndarray], y: Any, X: Any) -> np.ndarray:
    """The outcome of some rows; their values may all be one."""
    values = read(raveled(y, "y"))
    if values.size != X.shape[0]:
        raise ValueError(f"X has {X.shape[0]} rows, but y has {values.size}")
    return values


@final
class CodedChunks:
    """Iterate over checked chunks with the outcome of one contrast."""

    def __init__(self, checked: Iterable[CheckedChunk], code: Callable[[np.ndarray], np.ndarray]) -> None:
        self._checked, self._code = checked, code

    def __iter__(self) -> Iterator[Chunk]:
        return (labelled_rows(X, self._code(y), weight) for X, y, weight in self._checked)


@contextmanager
def reread(checked: CheckedChunks) -> Iterator[Iterable[CheckedChunk]]:
    """Chunks that can be iterated again and again, in binary form where they came from elsewhere than memory."""
    if checked.lie_in_memory:
        yield checked
        return
    with tempfile.TemporaryDirectory(prefix="intertwine-") as folder:
        yield _Kept(checked, Path(folder))


@final
class _Kept:
    """Iterate over chunks the first time, over copies on the disk from then on."""

    def __init__(self, checked: CheckedChunks, folder: Path) -> None:
        self._checked, self._folder = checked, folder
        self._files: list[Path] | None = None

    def __iter__(self) -> Iterator[CheckedChunk]:
        if self._files is not None:
            yield from map(_read, self._files)
            return
        files = []
        for number, (X, y, weight) in enumerate(self._checked):
            files.append(self._folder / f"{number}.npz")
            rows = sparse.csr_array(X)
            y = y.astype(str) if y.dtype == object else y  # of text: nothing is ever pickled
            arrays = {"data": rows.data, "indices": rows.indices, "indptr": rows.indptr, "shape": rows.shape}
            np.savez(files[-1], y=y, weight=weight, **arrays)
            yield rows, y, weight
        self._files = files


def _read(file: Path) -> CheckedChunk:
    with np.load(file, allow_pickle=False) as kept:
        X = sparse.csr_array((kept["data"], kept["indices"], kept["indptr"]), shape=tuple(kept["shape"]))
        return X, kept["y"], kept["weight"]
