"""Measurements of one paper, written to a file after each, so that an interrupted run loses one fit at most."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from intertwine.io import write_atomically

__all__ = ["Measurement", "Measurements", "mean_and_error", "verdict", "with_error"]


@dataclass(frozen=True)
class Measurement:
    """One number.

    Attributes
    ----------
    design, case, method : str
    seed : int
    value : float
    seconds : float
        That tuning, fitting and predicting took.
    facts : dict
        What is worth keeping beside it, such as the chosen hyperparameters.
    """

    design: str
    case: str
    method: str
    seed: int
    value: float
    seconds: float
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What makes it this measurement and no other."""
        return (self.design, self.case, self.method, self.seed)


class Measurements:
    """All measurements of a paper.

    Parameters
    ----------
    path : Path or None
        File to keep them in; what it holds of the same version of intertwine is taken over.
    version : str
        Of intertwine.

    Raises
    ------
    ValueError
        When the file is something else.
    """

    def __init__(self, path: Path | None, version: str) -> None:
        self._path, self._version = path, version
        self._rows: dict[tuple, Measurement] = {}
        if path is not None and path.exists():
            try:
                kept = json.loads(path.read_text(encoding="utf-8"))
                rows = [Measurement(**row) for row in kept["rows"]]
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{path} holds no measurements ({error}); move it away") from error
            if kept.get("intertwine") == version:
                self._rows = {row.key: row for row in rows}

    def __len__(self) -> int:
        return len(self._rows)

    def has(self, design: str, case: str, method: str, seed: int) -> bool:
        """Whether it has been measured."""
        return (design, case, method, seed) in self._rows

    def add(self, row: Measurement) -> None:
        """Take a measurement up and write the file."""
        self._rows[row.key] = row
        if self._path is not None:
            state = {"intertwine": self._version, "rows": [asdict(row) for row in self._rows.values()]}
            write_atomically(self._path, json.dumps(state, indent=1, ensure_ascii=False).encode())

    def select(self, design: str, case: str, method: str) -> list[Measurement]:
        """The measurements of one cell of a table, by seed."""
        found = [row for row in self._rows.values() if row.key[:3] == (design, case, method)]
        return sorted(found, key=lambda row: row.seed)

    def values(self, design: str, case: str, method: str) -> np.ndarray:
        """Their numbers."""
        return np.array([row.value for row in self.select(design, case, method)])

    def differences(self, design: str, case: str, first: str, second: str) -> np.ndarray:
        """First minus second, seed by seed, where both were measured."""
        other = {row.seed: row.value for row in self.select(design, case, second)}
        return np.array(
            [row.value - other[row.seed] for row in self.select(design, case, first) if row.seed in other]
        )


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """Mean and its standard error, NaN for fewer than two.

    Examples
    --------
    >>> mean_and_error(np.array([1.0, 3.0]))
    (2.0, 1.0)
    """
    if len(values) == 0:
        return float("nan"), float("nan")
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
    return float(values.mean()), float(error)


def with_error(values: np.ndarray, digits: int = 3, of: int | None = None) -> str:
    """Mean ± standard error; how many they are where fewer than ``of``.

    Examples
    --------
    >>> with_error(np.array([1.0, 3.0]), digits=1, of=5), with_error(np.array([2.0])), with_error(np.array([]))
    ('2.0 ± 1.0 (2)', '2.000 (1)', '–')
    """
    if len(values) == 0:
        return "–"
    mean, error = mean_and_error(values)
    text = f"{mean:.{digits}f}" if np.isnan(error) else f"{mean:.{digits}f} ± {error:.{digits}f}"
    return text if len(values) > 1 and (of is None or len(values) >= of) else f"{text} ({len(values)})"


def verdict(values: np.ndarray, published: float, *, lower_is_better: bool) -> str:
    """Word for our mean beside a published number, which comes without an error of its own.

    Two standard errors are the yardstick; without several seeds, five percent of what is left to gain.

    Examples
    --------
    >>> verdict(np.array([0.95, 0.96, 0.97]), 0.9, lower_is_better=False)
    'better'
    >>> verdict(np.array([1.0, 1.2, 1.1]), 1.05, lower_is_better=True)
    'the same'
    >>> verdict(np.array([1.0]), 0.5, lower_is_better=True)
    'not reached'
    """
    mean, error = mean_and_error(values)
    rest = published if lower_is_better else 1.0 - published
    margin = 0.05 * rest if np.isnan(error) else 2.0 * error
    gain = published - mean if lower_is_better else mean - published
    if abs(gain) <= margin:
        return "the same"
    return "better" if gain > 0 else "not reached"
