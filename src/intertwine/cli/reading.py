"""Tables from and to CSV and Parquet files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pandas as pd

from intertwine.cli.mistakes import Mistake

__all__ = ["is_named_like_a_table", "read_table_file", "write_table_file"]

_CSV = {".csv": ",", ".tsv": "\t", ".txt": None}
_SEPARATORS = {
    ";": ("semicolons", "save it with commas, and with points in decimals"),
    "\t": ("tabs", "let its name end in .tsv"),
    ",": ("commas", "let its name end in .csv"),
}
_PARQUET = (".parquet", ".pq")
_COMPRESSED = (".gz", ".bz2", ".xz", ".zst")


def read_table_file(path: Path) -> pd.DataFrame:
    """Read a table by the ending of its name: .csv, .tsv (also compressed) or .parquet.

    Raises
    ------
    Mistake
        When the file is absent, empty, of another kind, or cannot be parsed.
    """
    if not path.exists():
        folder = path.parent if path.parent.is_dir() else Path()
        siblings = [
            other.name for other in folder.iterdir() if other.suffix in {*_CSV, *_PARQUET, *_COMPRESSED}
        ]
        near = _nearest(path.name, siblings)
        raise Mistake(f"no file {path}" + (f"; did you mean {near!r}?" if near else ""))
    if path.is_dir():
        raise Mistake(f"{path} is a folder; name a .csv or .parquet file")
    kind = _kind(path)
    if path.stat().st_size == 0:
        raise Mistake(f"{path} is empty")
    try:
        table = _read_parquet(path) if kind in _PARQUET else _read_csv(path, _CSV[kind])
    except UnicodeDecodeError as error:
        raise Mistake(
            f"{path} is not in UTF-8; save it as UTF-8 (a spreadsheet calls it CSV UTF-8)"
        ) from error
    except (pd.errors.EmptyDataError, pd.errors.ParserError, ValueError) as error:
        raise Mistake(f"{path} cannot be read as {kind[1:]}: {' '.join(str(error).split())}") from error
    if table.shape[0] == 0:
        raise Mistake(f"{path} has a header but no rows")
    if table.shape[1] == 1:
        raise Mistake(f"{path} has one column, {table.columns[0]!r}; a table needs two at least")
    _refuse_repeated(path, table.columns)
    return table


def write_table_file(table: pd.DataFrame, path: Path | None) -> None:
    """Write a table by the ending of its name, or as CSV to standard output."""
    if path is None:
        table.to_csv(sys.stdout, index=False)
        return
    if not path.parent.is_dir():
        raise Mistake(f"there is no folder {path.parent}")
    kind = _kind(path)
    if kind in _PARQUET:
        table.to_parquet(path, index=False)
    else:
        table.to_csv(path, index=False, sep=_CSV[kind] or ",")


def is_named_like_a_table(path: Path) -> bool:
    """Whether a name ends as those of tables do.

    Examples
    --------
    >>> is_named_like_a_table(Path("patients.csv.gz")), is_named_like_a_table(Path("model.intertwine"))
    (True, False)
    """
    return _ending(path) in {*_CSV, *_PARQUET}


def _kind(path: Path) -> str:
    if not is_named_like_a_table(path):
        raise Mistake(f"{path.name}: only .csv, .tsv and .parquet tables can be read and written")
    return _ending(path)


def _ending(path: Path) -> str:
    endings = [ending.lower() for ending in path.suffixes]
    if endings and endings[-1] in _COMPRESSED:
        endings.pop()
    return endings[-1] if endings else ""


def _read_csv(path: Path, separator: str | None) -> pd.DataFrame:
    engine = "c" if separator else "python"
    # The header by itself: read with the table, a second "age" would be called "age.1".
    header = pd.read_csv(path, sep=separator, engine=engine, header=None, nrows=1, dtype=str)
    names = header.iloc[0].dropna()
    _refuse_separator(path, names)
    _refuse_repeated(path, names)
    table = pd.read_csv(path, sep=separator, engine=engine)
    # A nameless first column of 0, 1, 2, … is the index of whoever wrote the file.
    first = table.columns[0]
    if str(first).startswith("Unnamed: 0") and table[first].tolist() == list(range(len(table))):
        table = table.drop(columns=first)
    return table


def _refuse_separator(path: Path, names: pd.Series) -> None:
    for character, (called, advice) in _SEPARATORS.items():
        if len(names) == 1 and character in names.iloc[0]:
            raise Mistake(f"{path} has one column, {names.iloc[0]!r}: it is separated by {called}; {advice}")


def _refuse_repeated(path: Path, names: Any) -> None:
    repeated = list(dict.fromkeys(names[pd.Index(names).duplicated()]))
    if repeated:
        raise Mistake(f"{path} has columns of the same name: {', '.join(map(str, repeated))}; rename one")


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except ImportError as error:
        raise Mistake("Parquet files need pyarrow: pip install 'intertwine[cli]'") from error


def _nearest(name: str, names: list[str]) -> str | None:
    import difflib

    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return near[0] if near else None
