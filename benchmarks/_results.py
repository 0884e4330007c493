"""Results that survive an interruption: JSON after every measurement, markdown tables from all that is there.

The library's half and the peers' half of a benchmark are two files, so that either can be run again alone.
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


class Results:
    """Rows of one half of a benchmark, kept in ``results/NAME.HALF.json``.

    Parameters
    ----------
    name, half : str
        Stem of the script, and ``"ours"`` or ``"peers"``.
    key : sequence of str
        The columns that identify a row: adding it again replaces it.
    """

    def __init__(self, name: str, half: str, key: Sequence[str]) -> None:
        self._path = FOLDER / f"{name}.{half}.json"
        self._key = tuple(key)
        kept = json.loads(self._path.read_text()) if self._path.exists() else {"machines": [], "rows": []}
        self._machines: list[dict] = kept["machines"]
        self.rows: list[dict] = kept["rows"]
        self._machine: int | None = None

    def has(self, **key: object) -> bool:
        """Whether that row was measured already."""
        return any(all(row.get(name) == value for name, value in key.items()) for row in self.rows)

    def add(self, row: dict) -> None:
        """Add or replace a row and write the file."""
        if self._machine is None:
            self._machines.append(_machine.facts())
            self._machine = len(self._machines) - 1
        identity = [row.get(name) for name in self._key]
        self.rows = [kept for kept in self.rows if [kept.get(name) for name in self._key] != identity]
        self.rows.append({**row, "machine": self._machine})
        self._write()

    def _write(self) -> None:
        FOLDER.mkdir(exist_ok=True)
        used = sorted({row["machine"] for row in self.rows})
        number = {old: new for new, old in enumerate(used)}
        state = {
            "machines": [self._machines[old] for old in used],
            "rows": [{**row, "machine": number[row["machine"]]} for row in self.rows],
        }
        with tempfile.NamedTemporaryFile("w", dir=FOLDER, suffix=".part", delete=False) as stream:
            json.dump(state, stream, indent=1, default=_plain, allow_nan=True)
        os.replace(stream.name, self._path)


def all_rows(name: str) -> list[dict]:
    """The rows of both halves."""
    rows: list[dict] = []
    for half in ("peers", "ours"):
        path = FOLDER / f"{name}.{half}.json"
        if path.exists():
            rows.extend(json.loads(path.read_text())["rows"])
    return rows


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
