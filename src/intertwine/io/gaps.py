"""Numbers that are not finite by design, in a file that refuses those that are not by accident."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["with_gaps", "without_gaps"]

_KINDS = (np.nan, np.inf, -np.inf)


def without_gaps(values: ArrayLike) -> dict[str, NDArray[Any]]:
    """An array as two that are finite: zeros in the gaps, and of what kind each gap is.

    Examples
    --------
    >>> state = without_gaps([1.0, np.nan, np.inf])
    >>> state["values"].tolist(), state["gaps"].tolist(), with_gaps(state).tolist()
    ([1.0, 0.0, 0.0], [0, 1, 2], [1.0, nan, inf])
    """
    array = np.asarray(values)
    gaps = np.zeros(array.shape, dtype=np.uint8)
    gaps[np.isnan(array)], gaps[np.isposinf(array)], gaps[np.isneginf(array)] = 1, 2, 3
    return {"values": np.where(gaps > 0, array.dtype.type(0), array), "gaps": gaps}


def with_gaps(state: Mapping[str, Any]) -> NDArray[Any]:
    """The array that `without_gaps` took apart."""
    array, gaps = np.array(state["values"]), state["gaps"]
    for code, value in enumerate(_KINDS, start=1):
        if (here := gaps == code).any():
            array[here] = value
    return array
