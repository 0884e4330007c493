"""Ids of users or items, and their codes 0, 1, 2, …: nothing is ever allocated by the size of an id."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

__all__ = ["IdIndex"]

_KINDS = {"i": "int", "f": "float", "O": "text"}
_DENSE = 4  # numbers per rating that a table of them may span


@final
class IdIndex:
    """Ids in the order of their codes.

    Parameters
    ----------
    labels : ndarray of shape (n,), int64, float64 or object (text)
        Each once.
    name : str
        "user" or "item", for messages.

    Examples
    --------
    >>> index, codes = IdIndex.of(np.array([70, 3, 70]), "user")
    >>> index.labels, codes, index.codes(np.array([3, 4]))
    (array([ 3, 70]), array([1, 0, 1]), array([ 0, -1]))
    """

    def __init__(self, labels: NDArray[Any], name: str) -> None:
        self.labels = labels
        self.name = name
        if labels.dtype.kind == "O":
            self._code_of = {label: code for code, label in enumerate(labels.tolist())}
        else:
            self._sorter = np.argsort(labels, kind="stable")
            self._sorted = labels[self._sorter]

    @classmethod
    def of(cls, values: NDArray[Any], name: str) -> tuple[IdIndex, NDArray[np.intp]]:
        """Number the ids of a column in their own order, and return the codes of its rows."""
        if values.dtype.kind == "i" and (low := int(values.min())) + _DENSE * len(values) > int(values.max()):
            present = np.bincount(values - low) > 0  # numbers that leave few gaps need no sorting
            return cls(np.flatnonzero(present) + low, name), (np.cumsum(present) - 1)[values - low]
        if values.dtype.kind != "O":
            ids, codes = np.unique(values, return_inverse=True)
            return cls(ids, name), codes
        index = cls(_objects(sorted(set(values.tolist()))), name)
        return index, index.codes(values)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def kind(self) -> str:
        """What the ids are: "int", "float" or "text"."""
        return _KINDS[self.labels.dtype.kind]

    def codes(self, values: NDArray[Any]) -> NDArray[np.intp]:
        """Codes of ids; −1 for one that is not known.

        Raises
        ------
        TypeError
            For text where ids are numbers, or the other way round: '1' is not 1.
        """
        if (values.dtype.kind == "O") != (self.labels.dtype.kind == "O"):
            given = _KINDS[values.dtype.kind]
            raise TypeError(
                f"{self.name} ids were fitted as {self.kind}, but these are {given}: '1' is not 1"
            )
        if values.dtype.kind == "O":
            get = self._code_of.get
            return np.fromiter((get(label, -1) for label in values.tolist()), np.intp, len(values))
        places = np.searchsorted(self._sorted, values)
        places[places == len(self.labels)] = 0
        found = self._sorted[places] == values if len(self.labels) else np.zeros(len(values), bool)
        return np.where(found, self._sorter[places] if len(self.labels) else -1, -1)

    def extended(self, values: NDArray[Any]) -> tuple[IdIndex, NDArray[np.intp]]:
        """With new ids behind the known ones; and the codes of ``values`` in it."""
        known = self.codes(values)
        if (known >= 0).all():
            return self, known
        unknown = values[known < 0]
        new = np.unique(unknown) if unknown.dtype.kind != "O" else _objects(sorted(set(unknown.tolist())))
        grown = IdIndex(np.concatenate([self.labels, new]), self.name)
        return grown, grown.codes(values)


def _objects(labels: list) -> NDArray[Any]:
    ids = np.empty(len(labels), dtype=object)
    ids[:] = labels
    return ids
