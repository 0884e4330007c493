"""How a CSV file is written: its separator by the first lines, its encoding, commas in decimals."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from pandas.api.types import is_numeric_dtype

from intertwine.cli.mistakes import Mistake

__all__ = ["CsvFormat", "encodings_of", "sniffed", "with_decimal_commas"]

#: Any run of spaces and tabs, as pandas writes it.
BLANKS = r"\s+"

_CALLED = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", BLANKS: "blanks"}
_USUAL = {".csv": ",", ".tsv": "\t", ".txt": BLANKS}
_NO_SEPARATOR = "\x1f"  # the unit separator of ASCII, which no text has
_FIRST_LINES = 100
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_WESTERN = "cp1252"
_MOST_SHOWN = 6

_NEARLY_ALL = 0.9
_THOUSANDS = r"\s*[-+]?[1-9]\d{0,2}(?:\.\d{3})+\s*"
_EUROPEAN = r"\s*[-+]?(?:\d+|[1-9]\d{0,2}(?:\.\d{3})+)(?:,\d+)?(?:[eE][-+]?\d+)?\s*"


@dataclass(frozen=True)
class CsvFormat:
    """How the fields of a file are told apart.

    Parameters
    ----------
    separator : str
    encoding : str
        As Python calls it.
    """

    separator: str
    encoding: str

    @property
    def may_have_decimal_commas(self) -> bool:
        """Whether commas are free to stand in numbers."""
        return self.separator != ","


def encodings_of(path: Path) -> tuple[str, ...]:
    """Encodings to try, in their order: UTF-8 with or without a mark in front, or that of Windows.

    Latin-1 is Windows-1252 where both have letters, and nearly no file has other characters of it.
    """
    with path.open("rb") as file:
        return ("utf-16",) if file.read(2) in _UTF_16 else ("utf-8", _WESTERN)


def sniffed(path: Path, ending: str, encoding: str, notes: list[str]) -> CsvFormat:
    """The separator which parts the first lines into as many fields as the header has, and what is not as usual.

    Parameters
    ----------
    path : Path
    ending : {".csv", ".tsv", ".txt"}
        Its separator is preferred where several would do.
    encoding : str
    notes : list of str
        Is told what was assumed.

    Raises
    ------
    Mistake
        For files that are no text.
    """
    lines = pd.read_csv(
        path,
        sep=_NO_SEPARATOR,
        header=None,
        names=["line"],
        index_col=False,
        dtype=str,
        na_filter=False,
        quoting=csv.QUOTE_NONE,
        encoding=encoding,
        nrows=_FIRST_LINES,
    )["line"].tolist()
    if encoding == _WESTERN:
        if any("\0" in line for line in lines):
            raise Mistake(f"{path} is no text: save it as CSV in UTF-8")
        notes.append(
            f"{path.name} is not in UTF-8: it was read as Windows-1252, which Latin-1 is part of{_letters(lines)}."
        )
    usual = _USUAL[ending]
    evenness = {one: _evenness(lines, one) for one in (",", ";", "\t", "|")}
    if usual == BLANKS:
        evenness[BLANKS] = (0.0, 0.0)  # what is left where no other makes two columns
    separator = max(evenness, key=lambda one: (*evenness[one], one == usual))
    also = [_CALLED[one] for one in evenness if one != separator and evenness[one][0] == 1.0]
    doubt = f", though {' and '.join(also)} part its lines as evenly" if also else ""
    if separator != usual or also:
        notes.append(f"{path.name} was read as separated by {_CALLED[separator]}{doubt}.")
    return CsvFormat(separator, encoding)


def _evenness(lines: Sequence[str], separator: str) -> tuple[float, float]:
    """How well a separator parts lines.

    Returns
    -------
    share : float
        Of the lines that have as many fields as the header, or one more, the name of the row; 0 where the header
        has one field only.
    whole : float
        Share of the fields that have no other separator in them, but in numbers with commas in decimals.
    """
    try:
        reader = csv.reader((f"{line}\n" for line in lines), delimiter=separator)
        header, *records = [record for record in reader if record]
    except (csv.Error, ValueError):
        return 0.0, 0.0
    if len(lines) == _FIRST_LINES and len(records) > 1:
        records.pop()  # it may go on in the next line
    if len(header) < 2:
        return 0.0, 0.0
    sizes = [len(record) for record in records]
    share = max(sizes.count(len(header)), sizes.count(len(header) + 1)) / len(sizes) if sizes else 1.0
    fields = [field for record in records for field in record]
    others = set(",;\t|") - {separator}
    whole = [_is_european(field) or others.isdisjoint(field) for field in fields]
    return share, sum(whole) / len(whole) if whole else 1.0


def _letters(lines: Sequence[str]) -> str:
    """A word with a letter by which one sees whether the encoding is the right one."""
    words = (word for line in lines for word in re.findall(r"\w+", line) if not word.isascii())
    word = next(words, None)
    return f" ({word!r})" if word else ""


def with_decimal_commas(
    table: pd.DataFrame, texts: Callable[[], pd.DataFrame], path: Path, notes: list[str]
) -> pd.DataFrame:
    """Columns of numbers such as ``1.234,5``, as spreadsheets write them in much of Europe, as numbers.

    A column counts as one where nearly all of its entries are such numbers, and commas among them: in what is not of
    numbers alone, those that are get points, so that the others can be told. In such a file points stand between
    thousands where they can: in columns whose points all have three digits behind them.

    Parameters
    ----------
    table : DataFrame
        As read with points in decimals.
    texts : callable
        Reads all columns as they stand in the file.
    path : Path
    notes : list of str
        Is told which columns were read so.
    """
    found: dict[str, pd.Series] = {}
    for name in table.columns[[not is_numeric_dtype(kind) for kind in table.dtypes]]:
        known = table[name].dropna().astype(str)
        is_one = known.str.fullmatch(_EUROPEAN)
        if len(known) and is_one.mean() >= _NEARLY_ALL and known[is_one].str.contains(",").any():
            found[name] = known.where(~is_one, _with_points(known))
    if not found:
        return table
    first = next(iter(found))
    example = next(text for text in table[first].dropna().astype(str) if "," in text and _is_european(text))
    notes.append(
        f"{path.name} has commas in decimals, in {_shown(list(found))}: {example.strip()!r} was read as "
        f"{_with_points(pd.Series([example])).iloc[0]}."
    )
    grouped, as_written = [], texts()
    for name in table.columns:
        pointed = as_written[name].dropna()
        pointed = pointed[pointed.str.contains(".", regex=False)]
        if name not in found and len(pointed) and pointed.str.fullmatch(_THOUSANDS).all():
            found[name] = _with_points(as_written[name].dropna())
            grouped.append(name)
    if grouped:
        notes.append(f"Points in {_shown(grouped)} were taken as standing between thousands.")
    columns = {name: values.reindex(table.index) for name, values in found.items()}
    numbers = {name: pd.to_numeric(values, errors="coerce") for name, values in columns.items()}
    return table.assign(
        **{
            name: numbers[name] if numbers[name].notna().equals(values.notna()) else values
            for name, values in columns.items()
        }
    )


def _is_european(text: str) -> bool:
    return re.fullmatch(_EUROPEAN, text) is not None


def _with_points(texts: pd.Series) -> pd.Series:
    """Numbers as the rest of the world writes them."""
    return texts.str.strip().str.replace(".", "", regex=False).str.replace(",", ".", regex=False)


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return ", ".join(map(str, names[:_MOST_SHOWN])) + more
