"""The real tables of the paper that can be had, through the library's own loaders, which never ship them.

The loaders read the folder that INTERTWINE_DATA names.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from intertwine import datasets

_FETCH = {
    "clean1": datasets.fetch_clean1,
    "clean2": datasets.fetch_clean2,
    "tecator": datasets.fetch_tecator,
    "hill_valley": datasets.fetch_hill_valley,
    "fri_c4_1000_100": datasets.fetch_fri_c4,
}

NAMES = tuple(_FETCH)


@dataclass(frozen=True)
class Table:
    """A binary classification table: X (n, p), y (n,) in {0, 1}, and the groups of its rows where rows recur."""

    X: np.ndarray
    y: np.ndarray
    groups: np.ndarray | None


def load(name: str) -> Table:
    """Read one table.

    Raises
    ------
    FileNotFoundError
        When it is absent, with what to do.
    """
    bunch = _FETCH[name](download_if_missing=False)
    return Table(np.ascontiguousarray(bunch.data, dtype=float), np.asarray(bunch.target), bunch.get("groups"))
