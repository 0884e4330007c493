"""Sparse tables in text files of the libsvm and libffm formats, in chunks: the file may be larger than memory.

    libsvm    label index:value index:value …
    libffm    label field:index:value field:index:value …

A chunk is parsed as a whole, by numpy; only where that finds something wrong is it read line by line, to say where.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import warnings
import zlib
from abc import ABC
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, NoReturn, final

import numpy as np
from numpy.typing import NDArray

from intertwine.resources import require_memory

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["AbstractSparseFile", "LibffmFile", "LibsvmFile"]

_OPEN = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_REMARK = re.compile(rb"#[^\n]*|(?<=\s)qid:\S+")
_LAST_BLANK = 32  # this byte and all below are white space
_NEWLINE, _COLON = 10, 58
_LARGEST_INDEX = 2**31 - 2


class Entries(NamedTuple):
    """What a block of text holds: labels, entries a row, and the numbers of each entry."""

    labels: NDArray[np.float64]
    counts: NDArray[np.int64]
    numbers: NDArray[np.float64]  # (entries, numbers of an entry)


class AbstractSparseFile(ABC):
    """A text file of labelled sparse rows, read anew at every iteration.

    Iterating gives pairs (X, y): canonical CSR and labels of as many rows as ``chunk_bytes`` of text hold.

    Parameters
    ----------
    path : str or path-like
        Plain text, or compressed where its name ends in .gz, .bz2 or .xz.
    n_features : int, optional
        Width of every chunk; by default a chunk is as wide as the largest index so far asks for.
    zero_based : bool
        Whether the first feature has index 0, or 1.
    chunk_bytes : int, default=4194304
        Text read at a time; while it is parsed some seventeen times as much is in memory.
    """

    _spelling: str
    _width: int

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        n_features: int | None = None,
        zero_based: bool,
        chunk_bytes: int = 2**22,
    ) -> None:
        self.path = Path(path)
        self.n_features = n_features
        self.zero_based = zero_based
        self.chunk_bytes = chunk_bytes

    def __iter__(self) -> Iterator[tuple[csr_array, NDArray[np.float64]]]:
        """Read the file from its beginning.

        Raises
        ------
        FileNotFoundError, PermissionError
        ValueError
            Naming the line that is malformed; or the file, when it is empty, truncated or corrupted.
        """
        from scipy.sparse import csr_array

        width = self.n_features or 0
        for entries in self._blocks():
            indices = entries.numbers[:, -2].astype(np.int32) - (not self.zero_based)
            if self.n_features is None:
                width = max(width, int(indices.max(initial=-1)) + 1)
            indptr = np.concatenate([[0], np.cumsum(entries.counts)]).astype(np.int32)
            X = csr_array(
                (entries.numbers[:, -1].copy(), indices, indptr), shape=(len(entries.labels), width)
            )
            X.sort_indices()
            yield X, entries.labels

    def _blocks(self) -> Iterator[Entries]:
        """Give the entries of every block of whole lines."""
        line, rest, empty = 1, b"", True
        with self._opened() as stream:
            while True:
                text = self._read(stream)
                block, rest = _cut(rest + text) if text else (rest, b"")
                if block:
                    entries = self._parsed(block, line)
                    line += block.count(b"\n")
                    if entries.labels.size:
                        empty = False
                        yield entries
                if not text:
                    break
        if empty:
            raise ValueError(f"{self.path} is empty")

    def _opened(self) -> BinaryIO:
        return _OPEN.get(self.path.suffix, open)(self.path, "rb")  # type: ignore[operator]

    def _read(self, stream: BinaryIO) -> bytes:
        try:
            return stream.read(self.chunk_bytes)
        except EOFError:
            raise ValueError(f"{self.path} is truncated") from None
        except (OSError, zlib.error, lzma.LZMAError) as error:
            raise ValueError(f"{self.path} is corrupted: {error}") from None

    def _parsed(self, block: bytes, line: int) -> Entries:
        text = _REMARK.sub(b"", block) if b"#" in block or b"qid:" in block else block
        entries = _entries(text, self._width)
        if entries is None or not self._is_right(entries):
            self._explain(block, line)
        return entries

    def _is_right(self, entries: Entries) -> bool:
        index = entries.numbers[:, -2]
        row = np.repeat(np.arange(len(entries.labels)), entries.counts)
        lowest = 0 if self.zero_based else 1
        highest = _LARGEST_INDEX if self.n_features is None else self.n_features - 1 + lowest
        return bool(
            np.isfinite(entries.labels).all()
            and np.isfinite(entries.numbers).all()
            and (entries.numbers[:, :-1] % 1 == 0).all()
            and (entries.numbers[:, :-1] >= 0).all()
            and ((lowest <= index) & (index <= highest)).all()
            and not _repeats(row, index)
        )

    def _explain(self, block: bytes, first: int) -> NoReturn:
        """Find the first line that is wrong, and say why."""
        for number, raw in enumerate(block.split(b"\n"), first):
            words = _REMARK.sub(b"", raw).decode(errors="replace").split()
            if words and (fault := self._fault(words)):
                raise ValueError(f"{self.path}, line {number}: {fault}")
        raise ValueError(f"{self.path}, from line {first} on: cannot be read")

    def _fault(self, words: list[str]) -> str:
        if not np.isfinite(_number(words[0])):
            return f"the label {words[0]!r} is not a finite number"
        met = set()
        for word in words[1:]:
            numbers = [_number(part) for part in word.split(":")]
            if len(numbers) != self._width or not np.isfinite(numbers).all():
                return f"{word!r} is not {self._spelling} with finite numbers"
            if any(number % 1 or number < 0 for number in numbers[:-1]):
                return f"{word!r} has an index that is not a whole number from 0 on"
            index = int(numbers[-2])
            if index == 0 and not self.zero_based:
                return f"{word!r} has index 0, but the first is 1; pass zero_based=True"
            if self.n_features is not None and index >= self.n_features + (not self.zero_based):
                return f"{word!r} is beyond n_features={self.n_features}"
            if index > _LARGEST_INDEX:
                return f"{word!r} has an index beyond {_LARGEST_INDEX}"
            if index in met:
                return f"index {index} occurs twice"
            met.add(index)
        return ""


@final
class LibsvmFile(AbstractSparseFile):
    r"""File of the libsvm (SVMlight) format, ``label index:value …``; comments and query ids are passed over.

    Parameters
    ----------
    path : str or path-like
        Plain text, or compressed where its name ends in .gz, .bz2 or .xz.
    n_features : int, optional
        Width of every chunk; by default a chunk is as wide as the largest index so far asks for.
    zero_based : bool, default=False
        Whether the first feature has index 0, or 1.
    chunk_bytes : int, default=4194304
        Text read at a time; while it is parsed some seventeen times as much is in memory.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "rows.txt")
    ...     _ = path.write_text("1 1:0.5 3:2  # a comment\n-1 2:1\n")
    ...     for X, y in LibsvmFile(path):
    ...         print(X.toarray(), y)
    [[0.5 0. 2. ]
     [0.  1. 0. ]] [ 1. -1.]
    """

    _spelling, _width = "index:value", 2

    def __init__(self, path, *, n_features=None, zero_based=False, chunk_bytes=2**22):
        super().__init__(path, n_features=n_features, zero_based=zero_based, chunk_bytes=chunk_bytes)


@final
class LibffmFile(AbstractSparseFile):
    r"""File of the libffm format, ``label field:index:value …``, whose indices are unique over all fields.

    Parameters
    ----------
    path : str or path-like
        Plain text, or compressed where its name ends in .gz, .bz2 or .xz.
    n_features : int, optional
        Width of every chunk; by default a chunk is as wide as the largest index so far asks for.
    zero_based : bool, default=True
        Whether the first feature has index 0, or 1.
    chunk_bytes : int, default=4194304
        Text read at a time; while it is parsed some seventeen times as much is in memory.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "clicks.ffm")
    ...     _ = path.write_text("1 0:0:1 1:3:1\n0 0:1:1 1:2:1\n")
    ...     file = LibffmFile(path)
    ...     [X.toarray() for X, y in file], file.feature_fields()
    ([array([[1., 0., 0., 1.],
           [0., 1., 1., 0.]])], array([0, 0, 1, 1]))
    """

    _spelling, _width = "field:index:value", 3

    def __init__(self, path, *, n_features=None, zero_based=True, chunk_bytes=2**22):
        super().__init__(path, n_features=n_features, zero_based=zero_based, chunk_bytes=chunk_bytes)

    def feature_fields(self) -> NDArray[np.int64]:
        """Read the file for the field of every feature (p,): −1 for features that do not occur.

        Raises
        ------
        ValueError
            As for iteration; also where a feature occurs in two fields.
        """
        fields = np.full(self.n_features or 0, -1)
        for entries in self._blocks():
            field, index = entries.numbers[:, :2].astype(np.int64).T
            index = index - (not self.zero_based)
            n_more = max(int(index.max(initial=-1)) + 1 - fields.size, 0)
            require_memory(
                8.0 * (fields.size + n_more),
                f"the table of fields of {fields.size + n_more:,} features",
                "indices without gaps",
            )
            fields = np.pad(fields, (0, n_more), constant_values=-1)
            known = fields[index]
            new = known < 0
            fields[index[new]] = field[new]
            if (other := fields[index] != field).any():
                j = index[other][0]
                both = sorted((fields[j], field[other][0]))
                raise ValueError(
                    f"{self.path}: index {j + (not self.zero_based)} occurs in the fields {both[0]} and {both[1]}"
                )
        return fields


def _cut(text: bytes) -> tuple[bytes, bytes]:
    """Whole lines, and the beginning of one more."""
    end = text.rfind(b"\n") + 1
    return text[:end], text[end:]


def _entries(text: bytes, width: int) -> Entries | None:
    """Parse lines of ``label (number:…:number)*``; None where they are anything else."""
    if not text.strip():
        return Entries(np.zeros(0), np.zeros(0, np.int64), np.zeros((0, width)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            numbers = np.fromstring(text.replace(b":", b" "), sep=" ")
        except (DeprecationWarning, ValueError):
            return None
    symbols = np.frombuffer(text, dtype=np.uint8)
    parts = (symbols <= _LAST_BLANK) | (symbols == _COLON)
    begins = np.flatnonzero(~parts & np.concatenate([[True], parts[:-1]]))
    if len(begins) != len(numbers):
        return None
    colons = np.diff(np.searchsorted(np.flatnonzero(symbols == _COLON), begins), prepend=0)
    lines = np.searchsorted(np.flatnonzero(symbols == _NEWLINE), begins)
    is_label = np.diff(lines, prepend=-1) > 0
    first = np.flatnonzero(~is_label & (colons == 0))  # of every entry
    n_numbers = len(numbers) - int(is_label.sum())
    follows = first[:, None] + np.arange(1, width)
    if len(first) * width != n_numbers or (len(first) and follows[-1, -1] >= len(numbers)):
        return None
    if (colons[is_label] != 0).any() or (colons[follows] != 1).any() or is_label[follows].any():
        return None
    if text.rstrip().endswith(b":"):
        return None
    counts = np.diff(np.append(np.searchsorted(first, np.flatnonzero(is_label)), len(first)))
    return Entries(numbers[is_label], counts, numbers[first[:, None] + np.arange(width)])


def _repeats(row: NDArray[np.int64], index: NDArray[np.float64]) -> bool:
    """Whether an index occurs twice in a row."""
    rises = index[1:] > index[:-1]
    if (rises | (row[1:] != row[:-1])).all():  # sorted, as it mostly is
        return False
    key = np.sort(row * (_LARGEST_INDEX + 1) + index.astype(np.int64))
    return bool((key[1:] == key[:-1]).any())


def _number(text: str) -> float:
    """What a text file may spell: not 1_000, which Python reads as well; NaN for anything else."""
    try:
        return float("nan" if "_" in text else text)
    except ValueError:
        return float("nan")
