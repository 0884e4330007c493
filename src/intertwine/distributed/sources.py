"""Tables that workers read for themselves: Parquet, by files and row groups, or the partitions of a Dask frame."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from os import PathLike, fspath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.distributed.cluster import Cluster
from intertwine.validation.wording import listed

__all__ = ["Source", "open_source"]


class Source(NamedTuple):
    """A table in pieces.

    Attributes
    ----------
    names : list of str
        Columns.
    recipes : list
        What makes each part: pieces of files, or a future of a frame.
    reader : callable
        Recipe and names of columns to a list of arrays; run on the workers.
    """

    names: list[str]
    recipes: list[Any]
    reader: Any


def open_source(source: Any, cluster: Cluster, n_parts: int | None = None) -> Source:
    """Find out about a table without reading its rows.

    Parameters
    ----------
    source : path, URL, glob or list of them, of Parquet files or a folder of such; or dask.dataframe.DataFrame
    cluster : Cluster
    n_parts : int, optional
        Parts of about as many rows, of whole row groups; one for each thread by default. A Dask frame has its own.

    Raises
    ------
    TypeError
        For anything else.
    FileNotFoundError
        Where there is nothing.
    """
    if hasattr(source, "to_delayed"):
        return Source(
            [str(name) for name in source.columns],
            cluster.client.compute(source.to_delayed()),
            _columns_of_frame,
        )
    if isinstance(source, str | PathLike):
        source = [source]
    if not isinstance(source, list | tuple) or not all(isinstance(one, str | PathLike) for one in source):
        raise TypeError(
            f"source is of type {type(source).__name__}; pass the path of Parquet files that all workers can "
            "read, or a "
            "dask.dataframe"
        )
    from pyarrow import dataset

    paths, filesystem = _paths([fspath(one) for one in source])
    table = dataset.dataset(paths, format="parquet", filesystem=filesystem)
    pieces = [piece for file in table.get_fragments() for piece in file.split_by_row_group()]
    rows = np.array([piece.count_rows() for piece in pieces])
    pieces, rows = [p for p, n in zip(pieces, rows, strict=True) if n], rows[rows > 0]
    if not pieces:
        raise ValueError(f"{listed(source)} holds no rows")
    n_parts = min(cluster.n_threads if n_parts is None else n_parts, len(pieces))
    # a piece belongs to the part in whose share of the rows its middle lies
    middle = np.cumsum(rows) - rows / 2
    owner = (middle * n_parts / rows.sum()).astype(int)
    recipes = [[pieces[k] for k in np.flatnonzero(owner == part)] for part in np.unique(owner)]
    return Source(list(table.schema.names), recipes, _columns_of_files)


def _paths(given: list[str]) -> tuple[Any, Any]:
    """Files, and where they are: None for this machine's own."""
    if not any("://" in one for one in given):
        if len(given) == 1 and not glob.has_magic(given[0]):
            return given[0], None
        found = [path for one in given for path in (sorted(glob.glob(one)) if glob.has_magic(one) else [one])]
        if not found:
            raise FileNotFoundError(f"no file matches {listed(given)}")
        return found, None
    import fsspec

    filesystem = fsspec.core.url_to_fs(given[0])[0]
    stripped = [filesystem._strip_protocol(one) for one in given]
    found = [
        path for one in stripped for path in (sorted(filesystem.glob(one)) if glob.has_magic(one) else [one])
    ]
    if not found:
        raise FileNotFoundError(f"no file matches {listed(given)}")
    return found if len(found) > 1 else found[0], filesystem


def _columns_of_files(pieces: list[Any], names: Sequence[str]) -> list[NDArray[Any]]:
    import pyarrow as pa

    read = [piece.to_table(columns=list(dict.fromkeys(names)), use_threads=False) for piece in pieces]
    table = pa.concat_tables(read)
    columns = []
    for name in names:
        column = table.column(name)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        columns.append(column.to_numpy())
    return columns


def _columns_of_frame(frame: Any, names: Sequence[str]) -> list[NDArray[Any]]:
    columns = []
    for name in names:
        column = frame[name]
        if str(column.dtype) == "category":
            column = column.astype(column.cat.categories.dtype)
        columns.append(column.to_numpy())
    return columns
