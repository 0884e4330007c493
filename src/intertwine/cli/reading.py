"""Tables from and to CSV and Parquet files."""

from __future__ import annotations

import gzip
import lzma
import re
import sys
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from intertwine.cli.columns import CODE
from intertwine.cli.csv_format import CsvFormat, encodings_of, sniffed, with_decimal_commas
from intertwine.cli.mistakes import Mistake
from intertwine.cli.parquet_columns import plain_columns
from intertwine.io import replaced_atomically

__all__ = ["is_named_like_a_table", "read_table_file", "write_table_file"]

_CSV = {".csv": ",", ".tsv": "\t", ".txt": ","}  # as they are written
_ENOUGH_ROWS = 100  # to see whether rows are as long as the header
_PARQUET = (".parquet", ".pq")
_COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
_CODE_IN_FILE = re.compile(rb"(?:^|[,;|\s\"])" + CODE.encode() + rb"(?:$|[,;|\s\"])")
_PART_OF_FILE = 1 << 24
_TOKENIZER = re.compile(r"^Error tokenizing data\. (?:C error: )?")
_NONE = "None"  # a gap to whoever wrote numbers with Python, a class to a physician
_GAPS = ("", "NA", "N/A", "n/a", "#N/A", "#N/A N/A", "#NA", "<NA>", "NaN", "nan", "-NaN", "-nan", "NULL", "null",
         "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN")  # fmt: skip
_DAMAGE = (EOFError, gzip.BadGzipFile, RuntimeError, lzma.LZMAError, zipfile.BadZipFile, zlib.error)


def read_table_file(path: Path, notes: list[str] | None = None) -> pd.DataFrame:
    """Read a table by the ending of its name: .csv, .tsv, .txt (also compressed) or .parquet.

    Parameters
    ----------
    path : Path
    notes : list of str, optional
        Is told what was assumed: separators and encodings that are not the usual ones, commas in decimals.

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
        table, assumed = _read_parquet(path) if kind in _PARQUET else _read_csv(path, kind)
    except UnicodeError as error:
        raise Mistake(
            f"{path} is neither in UTF-8 nor in Windows-1252; save it as UTF-8 (a spreadsheet calls it CSV UTF-8)"
        ) from error
    except pd.errors.ParserError as error:
        raise Mistake(f"{path} cannot be read as {kind[1:]}: {_told_of_lines(error)}") from error
    except (*_DAMAGE, ValueError) as error:
        raise Mistake(f"{path} cannot be read as {kind[1:]}: {' '.join(str(error).split())}") from error
    if table.shape[0] == 0:
        raise Mistake(f"{path} has a header but no rows")
    if table.shape[1] == 1:
        raise Mistake(f"{path} has one column, {table.columns[0]!r}; a table needs two at least")
    _refuse_repeated(path, table.columns)
    if notes is not None:
        notes += assumed
    return table


def write_table_file(table: pd.DataFrame, path: Path | None) -> None:
    """Write a table by the ending of its name, or as CSV to standard output."""
    if path is None:
        table.to_csv(sys.stdout, index=False)
        return
    if not path.parent.is_dir():
        raise Mistake(f"there is no folder {path.parent}")
    kind = _kind(path)
    with replaced_atomically(path) as new:
        if kind in _PARQUET:
            table.to_parquet(new, index=False)
        else:
            table.to_csv(new, index=False, sep=_CSV[kind])


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


def _read_csv(path: Path, ending: str) -> tuple[pd.DataFrame, list[str]]:
    """A table and what was assumed, in the first encoding that has all characters of the file."""
    *first, last = encodings_of(path)
    for encoding in first:
        try:
            return _read_csv_in(path, ending, encoding)
        except UnicodeDecodeError:
            continue
    return _read_csv_in(path, ending, last)


def _read_csv_in(path: Path, ending: str, encoding: str) -> tuple[pd.DataFrame, list[str]]:
    notes: list[str] = []
    how = sniffed(path, ending, encoding, notes)
    _refuse_zero_bytes(path, encoding)
    # The header by itself: read with the table, a second "age" would be called "age.1".
    header = pd.read_csv(path, sep=how.separator, encoding=encoding, header=None, nrows=1, dtype=str)
    _refuse_repeated(path, header.iloc[0].dropna())
    table = _in_its_columns(path, how, notes)
    table = _with_codes(_with_gaps_of_numbers(table), path, how)
    if how.may_have_decimal_commas:
        table = with_decimal_commas(table, lambda: _in_its_columns(path, how, [], dtype=str), path, notes)
    return table, notes


def _parsed(path: Path, how: CsvFormat, **options: Any) -> pd.DataFrame:
    """A table as pandas reads it, but that "None" is a text as well as others."""
    return pd.read_csv(
        path,
        sep=how.separator,
        encoding=how.encoding,
        keep_default_na=False,
        na_values=_GAPS,
        **options,
    )


def _with_gaps_of_numbers(table: pd.DataFrame) -> pd.DataFrame:
    """Where all but "None" are numbers, "None" is a gap."""
    for name in table.columns[[not is_numeric_dtype(kind) for kind in table.dtypes]]:
        none = table[name] == _NONE
        if none.any():
            numbers = pd.to_numeric(table[name].where(~none), errors="coerce")
            if numbers.notna().any() and numbers.notna().equals(table[name].notna() & ~none):
                table[name] = numbers
    return table


def _with_codes(table: pd.DataFrame, path: Path, how: CsvFormat) -> pd.DataFrame:
    """Columns with codes such as 007 as texts: as numbers they would lose their zeros, and two of them could be one."""
    numbers = [name for name in table.columns if is_numeric_dtype(table[name])]
    if not numbers or not _may_hold_codes(path):
        return table
    texts = _in_its_columns(path, how, [], dtype=str)
    for name in numbers:
        if texts[name].str.fullmatch(CODE).any():
            table[name] = texts[name]
    return table


def _may_hold_codes(path: Path) -> bool:
    """Whether a field of a file is such a code; true of files that are compressed."""
    if path.suffix.lower() in _COMPRESSED:
        return True
    with path.open("rb") as file:
        tail = b""
        while part := file.read(_PART_OF_FILE):
            if _CODE_IN_FILE.search(tail + part):
                return True
            tail = part[-64:]
    return False


def _refuse_zero_bytes(path: Path, encoding: str) -> None:
    """Refuse a file that was cut off while it was written: systems fill up with zeros what did not arrive."""
    if path.suffix.lower() in _COMPRESSED or encoding == "utf-16":
        return
    with path.open("rb") as file:
        read = 0
        while part := file.read(_PART_OF_FILE):
            if b"\0" in part:
                raise Mistake(
                    f"{path} holds zero bytes, the first at place {read + part.index(0):,}: it is no text, or was not "
                    "written to its end; make or copy it again"
                )
            read += len(part)


def _in_its_columns(path: Path, how: CsvFormat, notes: list[str], **options: Any) -> pd.DataFrame:
    """A table with values under their names, where rows have more fields than the header.

    Pandas makes an index of the first ones. These are names of rows, which R writes without a heading, and left out;
    unless lines end in a separator.
    """
    table = _parsed(path, how, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.ParserWarning)  # that rows are longer than the header
        start = _parsed(path, how, index_col=False, nrows=_ENOUGH_ROWS, **options)
        as_read = _parsed(path, how, nrows=_ENOUGH_ROWS, **options)
        if as_read.reset_index(drop=True).equals(start):
            return table
        if not table.iloc[:, -1].isna().all():
            notes.append("The first field of each row has no heading: it was taken as its name and left out.")
            return table.reset_index(drop=True)
        return _parsed(path, how, index_col=False, **options)


def _refuse_repeated(path: Path, names: Any) -> None:
    repeated = list(dict.fromkeys(names[pd.Index(names).duplicated()]))
    if repeated:
        raise Mistake(f"{path} has columns of the same name: {', '.join(map(str, repeated))}; rename one")


def _read_parquet(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """A table of plain columns, and what was made of others."""
    notes: list[str] = []
    try:
        table = pd.read_parquet(path)
    except ImportError as error:
        raise Mistake("Parquet files need pyarrow: pip install 'intertwine[cli]'") from error
    return plain_columns(table, path, notes), notes


def _told_of_lines(error: pd.errors.ParserError) -> str:
    """Which line is at fault, in the words of pandas, and what to do."""
    told = _TOKENIZER.sub("", " ".join(str(error).split()))
    return f"{told[0].lower()}{told[1:]}; the header must be first, and each line have its fields"


def _nearest(name: str, names: list[str]) -> str | None:
    import difflib

    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return near[0] if near else None
