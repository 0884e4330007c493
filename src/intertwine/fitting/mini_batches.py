"""Mini-batches of one shape: rows at random, or whole groups at random."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Chosen", "GroupPacks", "row_batches"]

Rows = NDArray[np.int64]


class Chosen(NamedTuple):
    """Rows of a mini-batch, padded to its size.

    Attributes
    ----------
    rows : ndarray of int, shape (size,)
        The padding repeats the first row.
    n_rows : int
        How many come before the padding.
    level : ndarray of int, shape (size,), or None
        Which of ``groups`` a row belongs to, where whole groups were chosen; the padding belongs to the last place.
    groups : ndarray of int, shape (n_groups,), or None
        Padded by repeating the first one.
    """

    rows: Rows
    n_rows: int
    level: Rows | None = None
    groups: Rows | None = None


def row_batches(rng: np.random.Generator, n_rows: int, size: int) -> Iterator[Chosen]:
    """All rows once, in random order.

    Examples
    --------
    >>> [chosen.n_rows for chosen in row_batches(np.random.default_rng(0), 10, 4)]
    [4, 4, 2]
    """
    order = rng.permutation(n_rows)
    for first in range(0, n_rows, size):
        rows = order[first : first + size]
        padding = np.full(size - len(rows), rows[0])
        yield Chosen(np.concatenate([rows, padding]), len(rows))


@final
class GroupPacks:
    """Batches of whole groups.

    Parameters
    ----------
    level : ndarray of int, shape (n,)
        Group of each row.
    size : int
        Rows of a batch; the largest group, where that has more.
    within : ndarray of shape (n,), optional
        What puts the rows of a group in order; by default they stay in theirs.

    Examples
    --------
    >>> packs = GroupPacks(np.array([0, 0, 1, 2, 2, 2]), 4)
    >>> sorted(chosen.n_rows for chosen in packs.batches(np.random.default_rng(0)))
    [3, 3]
    """

    def __init__(self, level: Rows, size: int, within: NDArray[Any] | None = None) -> None:
        counts = np.bincount(level)
        self._order = np.lexsort([level] if within is None else [within, level])
        self._starts = np.concatenate([[0], np.cumsum(counts)])
        self._inhabited = np.flatnonzero(counts)
        self.size = max(size, int(counts.max()))
        # twice as many groups as fit on average: small ones may come together
        typical = self.size / counts[self._inhabited].mean()
        self.n_groups = int(min(len(self._inhabited), np.ceil(2.0 * typical) + 1))

    def batches(self, rng: np.random.Generator) -> Iterator[Chosen]:
        """All rows once, their groups in random order."""
        pack: list[int] = []
        filled = 0
        for group in rng.permutation(self._inhabited):
            count = self._starts[group + 1] - self._starts[group]
            if pack and (filled + count > self.size or len(pack) == self.n_groups):
                yield self._packed(pack)
                pack, filled = [], 0
            pack.append(int(group))
            filled += count
        yield self._packed(pack)

    def _packed(self, pack: list[int]) -> Chosen:
        parts = [self._order[self._starts[group] : self._starts[group + 1]] for group in pack]
        rows = np.concatenate(parts)
        level = np.repeat(np.arange(len(pack)), [len(part) for part in parts])
        spare = self.size - len(rows)
        groups = np.concatenate([pack, np.full(self.n_groups - len(pack), pack[0])])
        return Chosen(
            np.concatenate([rows, np.full(spare, rows[0])]),
            len(rows),
            np.concatenate([level, np.full(spare, self.n_groups - 1)]),
            groups,
        )
