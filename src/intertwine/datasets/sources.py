"""Where a table can be downloaded from: the public archives that keep it."""

from __future__ import annotations

import gzip
import io
import urllib.request
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

__all__ = ["PMLB", "AbstractSource", "OpenML"]

_TIMEOUT_SECONDS = 60


class AbstractSource(ABC):
    """An archive's copy of a table: its name there, and the order its columns stand in."""

    name: str
    columns: tuple[str, ...]

    @abstractmethod
    def download(self) -> NDArray[np.float64]:
        """Return the whole table, shape (n, len(columns)), with categories as their codes.

        Raises
        ------
        OSError
            When the archive cannot be reached.
        ValueError
            When it answers something else.
        """


@final
@dataclass(frozen=True)
class OpenML(AbstractSource):
    """Version 1 of a data set of OpenML, whose MD5 checksum scikit-learn compares.

    Source: https://www.openml.org
    """

    name: str
    columns: tuple[str, ...]

    def download(self) -> NDArray[np.float64]:
        """Return the table, shape (n, len(columns))."""
        from sklearn.datasets import fetch_openml

        table: Any = fetch_openml(
            self.name,
            version=1,
            target_column=None,
            as_frame=False,
            parser="liac-arff",
            cache=False,
            n_retries=0,
        )
        return np.asarray(table.data, dtype=np.float64)


@final
@dataclass(frozen=True)
class PMLB(AbstractSource):
    """A table of the Penn Machine Learning Benchmarks.

    Source: https://github.com/EpistasisLab/pmlb
    """

    name: str
    columns: tuple[str, ...]

    def download(self) -> NDArray[np.float64]:
        """Return the table, shape (n, len(columns))."""
        url = f"https://github.com/EpistasisLab/pmlb/raw/master/datasets/{self.name}/{self.name}.tsv.gz"
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:
            text = gzip.decompress(response.read())
        return np.loadtxt(io.BytesIO(text), delimiter="\t", skiprows=1, ndmin=2)
