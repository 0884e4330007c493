"""Ids of users or items, and their codes 0, 1, 2, …: nothing is ever allocated by the size of an id."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

__all__ = ["IdIndex"]

_KINDS = {"i": "int", "f": "float", "O": "text"}
_WIDE = {"i": np.int64, "f": np.float64}
_DENSE = 4  # numbers per rating that a table of them may span
_CHUNK = 2**16  # ratings numbered at a time: what lies between is as long as this, not as the column


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
    (array([ 3, 70]), array([1, 0, 1], dtype=int32), array([ 0, -1]))
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
    def of(cls, values: NDArray[Any], name: str) -> tuple[IdIndex, NDArray[Any]]:
        """Number the ids of a column in their own order, and return the codes of its rows (int32 up to 2³¹ ids)."""
        if values.dtype.kind == "i" and (low := int(values.min())) + _DENSE * len(values) > int(values.max()):
            return _numbered(values, low, name)  # numbers that leave few gaps need no sorting
        if values.dtype.kind != "O":
            ids, codes = np.unique(values, return_inverse=True)
            return cls(ids.astype(_WIDE[ids.dtype.kind]), name), codes.astype(_code_type(ids))
        index = cls(_objects(sorted(set(values.tolist()))), name)
        return index, index.codes(values).astype(_code_type(index.labels))

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
            For text where ids are numbers, or the other way round.
        """
        if (values.dtype.kind == "O") != (self.labels.dtype.kind == "O"):
            given, wanted = _KINDS[values.dtype.kind], "text" if self.kind == "text" else "numbers"
            example = (
                f", such as {values.tolist()[0]!r} for {self.labels.tolist()[0]!r}" if len(values) else ""
            )
            raise TypeError(
                f"{self.name} ids were fitted as {self.kind}, but these are {given}{example}: pass them as {wanted}"
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


def _numbered(values: NDArray[Any], low: int, name: str) -> tuple[IdIndex, NDArray[Any]]:
    """Ids and codes of whole numbers from ``low`` on that leave few gaps."""
    present = np.zeros(int(values.max()) - low + 1, dtype=bool)
    chunks = [slice(first, first + _CHUNK) for first in range(0, len(values), _CHUNK)]
    for chunk in chunks:
        present[values[chunk].astype(np.int64) - low] = True
    ids = np.flatnonzero(present) + low
    number = np.cumsum(present, dtype=_code_type(ids))
    number -= 1
    codes = np.empty(len(values), dtype=number.dtype)
    for chunk in chunks:
        codes[chunk] = number[values[chunk].astype(np.int64) - low]
    return IdIndex(ids, name), codes


def _code_type(ids: NDArray[Any]) -> Any:
    return np.int32 if len(ids) < 2**31 else np.int64
