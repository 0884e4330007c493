"""Find a table on this machine, else download it; accept it only when its content is the right one.

Looked into in this order, for the file ``<family>/<name>.csv.gz``:

1. the folder that the environment variable ``INTERTWINE_DATA`` names,
2. the cache: ``INTERTWINE_CACHE``, or the platform's usual place,
3. the public archives of :mod:`intertwine.datasets.sources`; what comes from there is put into the cache.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from intertwine.datasets.tables import Table
from intertwine.io import write_atomically

__all__ = ["cache_folder", "content_digest", "keep_in_cache", "places", "read_table"]

_LONGEST_NUMBER = 64  # bytes of text


def cache_folder() -> Path:
    """Return the folder that downloaded tables are kept in.

    ``INTERTWINE_CACHE`` where it is set, else ``intertwine`` in the platform's cache folder.

    Returns
    -------
    pathlib.Path
        It need not exist.
    """
    chosen = os.environ.get("INTERTWINE_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "intertwine"
    variable, usual = ("LOCALAPPDATA", "AppData/Local") if os.name == "nt" else ("XDG_CACHE_HOME", ".cache")
    return Path(os.environ.get(variable) or Path.home() / usual) / "intertwine"


def content_digest(values: NDArray[np.float64]) -> str:
    """Summarise a table's content so that every faithful copy has the same digest.

    Copies differ in the number of printed digits and in the order of their rows; neither counts here:
    values are taken in single precision, rows in the order of their bytes.

    Parameters
    ----------
    values : ndarray of shape (n, k)

    Returns
    -------
    str
        SHA-256, hexadecimal.

    Examples
    --------
    >>> a = np.array([[1.0, 0.1], [2.0, 0.2]])
    >>> content_digest(a) == content_digest(a[::-1] + 1e-12), content_digest(a) == content_digest(a.T)
    (True, False)
    """
    single = np.ascontiguousarray(values, dtype="<f4") + np.float32(0)  # adding zero turns -0 into 0
    digest = hashlib.sha256(str(single.shape).encode())
    for row in sorted(row.tobytes() for row in single):
        digest.update(row)
    return digest.hexdigest()


def read_table(table: Table, *, download_if_missing: bool = True) -> NDArray[np.float64]:
    """Read a table from this machine, or from the archives when it is not here.

    Parameters
    ----------
    table : Table
    download_if_missing : bool, default=True

    Returns
    -------
    ndarray of shape (n, len(table.columns))

    Raises
    ------
    FileNotFoundError
        When the table is nowhere to be had. The message says how to get it.
    ValueError
        When the file on this machine is damaged or holds something else.
    """
    for path in places(table.family, f"{table.name}.csv.gz"):
        if path.is_file():
            return _read_file(path, table)
    return _download(table, download_if_missing)


def places(family: str, file_name: str) -> list[Path]:
    """Where a file may lie on this machine, in the order of looking.

    Parameters
    ----------
    family : str
        Its folder.
    file_name : str

    Returns
    -------
    list of pathlib.Path
    """
    given = os.environ.get("INTERTWINE_DATA")
    folders = [*([Path(given).expanduser()] if given else []), cache_folder()]
    return [folder / family / file_name for folder in folders]


def keep_in_cache(family: str, file_name: str, content: bytes) -> None:
    """Write what was downloaded to the cache.

    Raises
    ------
    OSError
        When the cache cannot be written.
    """
    path = cache_folder() / family / file_name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)


def _read_file(path: Path, table: Table) -> NDArray[np.float64]:
    try:
        largest = _LONGEST_NUMBER * (table.n_rows + 1) * (len(table.columns) + 1)
        with gzip.open(path, "rb") as file:
            text = file.read(largest + 1)
        if len(text) > largest:
            raise ValueError("it is far too large")
        values = np.loadtxt(io.BytesIO(text), delimiter=",", skiprows=1, ndmin=2)
    except (ValueError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is damaged ({error}); delete it to have it downloaded again") from error
    try:
        _verify(values, table)
    except ValueError as error:
        raise ValueError(f"{path} {error}; delete it to have the right one downloaded") from None
    return values


def _verify(values: NDArray[np.float64], table: Table) -> None:
    expected = (table.n_rows, len(table.columns))
    if values.shape != expected:
        raise ValueError(f"has shape {values.shape}, but {table.name} has {expected}")
    counted = [index for index, column in enumerate(table.columns) if column not in table.labels]
    known = values[:, counted]
    if table.n_digits is not None:
        known = _rounded(known, table.n_digits)
    if content_digest(known) != table.digest:
        raise ValueError(f"does not hold the values of {table.name} (its checksum differs)")


def _rounded(values: NDArray[np.float64], n_digits: int) -> NDArray[np.float64]:
    """Values as they read when printed with so many significant digits."""
    return np.array([float(f"{value:.{n_digits}g}") for value in values.ravel()]).reshape(values.shape)


def _download(table: Table, allowed: bool) -> NDArray[np.float64]:
    failures = []
    for source in table.sources if allowed else ():
        try:
            values = source.download()
            if values.shape[1] != len(source.columns):
                raise ValueError(f"has {values.shape[1]} columns, expected {len(source.columns)}")
            values = values[:, [source.columns.index(column) for column in table.columns]]
            _verify(values, table)
        except (OSError, ValueError, EOFError, zlib.error) as error:
            failures.append(f"{type(source).__name__} {source.name!r}: {error}")
            continue
        _keep(values, table)
        return values
    raise FileNotFoundError(_how_to_get(table, failures))


def _how_to_get(table: Table, failures: list[str]) -> str:
    file_name = f"{table.name}.csv.gz"
    here = " or ".join(str(path) for path in places(table.family, file_name))
    archives = ", ".join(f"{type(source).__name__} {source.name!r}" for source in table.sources)
    download = f", or let it be downloaded ({archives})" if archives else "; no public archive keeps it"
    tried = f" Tried: {'; '.join(failures)}." if failures else ""
    return (
        f"the dataset {table.name} is not on this machine. Put it at {here} (comma-separated, one header "
        f"line, columns as in intertwine.datasets.tables), or set INTERTWINE_DATA to the folder that holds "
        f"{table.family}/{file_name}{download}.{tried}"
    )


def _keep(values: NDArray[np.float64], table: Table) -> None:
    text = io.StringIO()
    np.savetxt(text, values, fmt="%.17g", delimiter=",", header=",".join(table.columns), comments="")
    try:
        keep_in_cache(table.family, f"{table.name}.csv.gz", gzip.compress(text.getvalue().encode()))
    except OSError as error:
        warnings.warn(f"{table.name} was downloaded but cannot be kept: {error}", UserWarning, stacklevel=5)
