"""Levels of different effects that meet in a row: where a row finds them in a table of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.mixed_effects.gram import PairGroup
from intertwine.mixed_effects.row_design import RowDesign

__all__ = ["MetLevels"]

Index = NDArray[np.int64]


@final
class MetLevels(NamedTuple):
    """The pairs of every two effects, and of every effect with itself, one block of r_s × r_t after the other.

    Attributes
    ----------
    places : dict
        Of every two effects (s, t) where their blocks begin and end in the table.
    groups, pair : ndarray of int
        Those of `row_cells.RowTables`.
    n_entries : int
        Of the table.
    """

    places: dict[tuple[int, int], tuple[int, int]]
    groups: Index
    pair: Index
    n_entries: int

    @classmethod
    def of(cls, design: RowDesign, groups: Sequence[PairGroup]) -> MetLevels:
        """Find them in the groups of a `Gram`."""
        first = design.cells.order[design.cells.starts[:-1]]
        widths = np.array([design.blocks[s].n_basis for s in design.hot], np.int64)
        column = dict(zip(design.hot, np.cumsum(widths) - widths, strict=True))
        places, rows, pair, begin = {}, [], [], 0
        for group in groups:
            if group.of_row is None:
                continue
            s, t = group.s, group.t
            left, right = design.blocks[s].n_basis, design.blocks[t].n_basis
            count = design.blocks[s].n_nodes if s == t else len(group.one)
            end = begin + count * left * right
            places[s, t] = begin, end
            rows.append((column[s], left, column[t], right))
            pair.append(begin + group.of_row[first] * left * right)
            begin = end
        return cls(places, np.array(rows, np.int64).reshape(-1, 4), np.column_stack(pair), begin)
