"""Results that survive an interruption: JSON after every measurement, markdown tables from all that is there.

The library's half and the peers' half of a benchmark can be run again alone: adding a row keeps all others.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import _machine
import numpy as np

FOLDER = Path(__file__).with_name("results")


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"not JSON: {type(value).__name__}")


def named(name: str, quick: bool) -> str:
    """Stem of the results: a quick run must not take the place of the full one (and is not committed)."""
    return f"{name}_quick" if quick else name


class Results:
    """Rows of one half of a benchmark, kept in ``results/NAME.json`` beside those of the other.

    Parameters
    ----------
    name, half : str
        Stem of the script, and ``"ours"`` or ``"peers"``.
    key : sequence of str
        The columns that identify a row: adding it again replaces it.
    """

    def __init__(self, name: str, half: str, key: Sequence[str]) -> None:
        self._path = FOLDER / f"{name}.json"
        self._half = half
        self._key = ("half", *key)
        self._facts: dict | None = None

    @property
    def rows(self) -> list[dict]:
        """The rows of this half."""
        return [row for row in _read(self._path)["rows"] if row["half"] == self._half]

    def has(self, **key: object) -> bool:
        """Whether that row was measured already."""
        return any(all(row.get(name) == value for name, value in key.items()) for row in self.rows)

    def add(self, row: dict) -> None:
        """Add or replace a row and write the file."""
        self._facts = self._facts or _machine.facts()
        row = {"half": self._half, **row}
        state = _read(self._path)  # afresh: the other half may be running
        machines = [*state["machines"], self._facts]
        identity = [row.get(name) for name in self._key]
        rows = [kept for kept in state["rows"] if [kept.get(name) for name in self._key] != identity]
        self._write(machines, [*rows, {**row, "machine": len(machines) - 1}])

    def _write(self, machines: list[dict], rows: list[dict]) -> None:
        FOLDER.mkdir(exist_ok=True)
        distinct = []
        for row in rows:
            if machines[row["machine"]] not in distinct:
                distinct.append(machines[row["machine"]])
        numbered = [{**row, "machine": distinct.index(machines[row["machine"]])} for row in rows]
        state = {"machines": distinct, "rows": numbered}
        with tempfile.NamedTemporaryFile("w", dir=FOLDER, suffix=".part", delete=False) as stream:
            json.dump(state, stream, indent=1, default=_plain, allow_nan=True)
        os.replace(stream.name, self._path)


def all_rows(name: str) -> list[dict]:
    """The rows of both halves."""
    return sorted(_read(FOLDER / f"{name}.json")["rows"], key=lambda row: row["half"] == "ours")


def _read(path: Path) -> dict:
    return json.loads(path.read_text()) if path.exists() else {"machines": [], "rows": []}


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Mean over seeds and its standard error (NaN with fewer than two)."""
    array = np.asarray(values, dtype=float)
    error = array.std(ddof=1) / np.sqrt(len(array)) if len(array) > 1 else np.nan
    return float(array.mean()), float(error)


def with_error(values: Sequence[float], digits: int = 3) -> str:
    """``mean ± standard error``, or the mean alone."""
    mean, error = mean_and_error(values)
    return f"{mean:.{digits}f}" if np.isnan(error) else f"{mean:.{digits}f} ± {error:.{digits}f}"


def markdown(header: Sequence[str], body: Iterable[Sequence[object]]) -> str:
    """A markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in body]
    return "\n".join(lines) + "\n"


def write_table(name: str, text: str) -> None:
    """Write ``results/NAME.md`` and print it."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.md").write_text(text)
    print(text)
