"""Bad input as a table: what is wrong, to whom, and what must answer."""

from __future__ import annotations

from collections.abc import Iterator

from bad_inputs.arrays import ARRAYS
from bad_inputs.cases import Case
from bad_inputs.columns import COLUMNS, Column
from bad_inputs.files import FILES
from bad_inputs.frames import FRAMES
from bad_inputs.grouped import GROUPED
from bad_inputs.hyperparameters import HYPERPARAMETERS
from bad_inputs.interrupted import INTERRUPTED
from bad_inputs.rated import RATED
from bad_inputs.reasons import REASONS
from bad_inputs.size import SIZE
from bad_inputs.survival import SURVIVAL

__all__ = ["COLUMNS", "REASONS", "TABLE", "cells"]

TABLE = {
    "arrays": ARRAYS,
    "frames": FRAMES,
    "survival": SURVIVAL,
    "groups, time, space": GROUPED,
    "ratings": RATED,
    "hyperparameters": HYPERPARAMETERS,
    "files": FILES,
    "interrupted": INTERRUPTED,
    "size": SIZE,
}


# Rows that do not touch an estimator are told in `reasons`.
def cells() -> Iterator[tuple[Column, str, Case]]:
    """Every cell that is not empty: an estimator, the words of its row, and a case."""
    for column in COLUMNS:
        for group, lines in TABLE.items():
            for line, cases in lines.items():
                for case in cases:
                    if column.has(case.to):
                        yield column, f"{group}: {line}", case
