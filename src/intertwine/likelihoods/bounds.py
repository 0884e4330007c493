"""Between what expected values of Gaussian columns stay: shares, scores and pixels have an end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.likelihoods.kinds import position_of
from intertwine.validation.wording import columns_where

__all__ = ["Bounds", "column_bounds"]


class Bounds(NamedTuple):
    """Of every column, (p,) in single precision, in which networks compute; infinite where it has none."""

    low: Any
    high: Any

    @classmethod
    def none(cls, n_columns: int) -> Bounds:
        """No bounds."""
        return cls(np.full(n_columns, -np.inf, np.float32), np.full(n_columns, np.inf, np.float32))

    def check(self, X: NDArray[Any], names: NDArray[Any] | None) -> None:
        """Refuse values outside: a ValueError that names the columns."""
        low, high = (
            np.nextafter(self.low, -np.inf),
            np.nextafter(self.high, np.inf),
        )  # they were rounded inwards
        outside = np.any((low > X) | (high < X), axis=0)
        if outside.any():
            raise ValueError(
                f"X has values outside bounds in {columns_where(outside, names)}: widen bounds or correct the values"
            )


def column_bounds(bounds: Any, kinds: Sequence[str], names: NDArray[Any] | None = None) -> Bounds:
    """The bounds of every column.

    Parameters
    ----------
    bounds : (low, high), mapping or None
        Of all Gaussian columns; or of some, by name or position.
    kinds : sequence of str
        Of the columns.
    names : ndarray of str or None
        Of the columns.

    Raises
    ------
    ValueError, TypeError
        For pairs that are none, and for columns that are not there or not Gaussian.

    Examples
    --------
    >>> column_bounds((0, 1), ("gaussian", "poisson")).high.tolist()
    [1.0, inf]
    """
    found = Bounds.none(len(kinds))
    if bounds is None:
        return found
    if isinstance(bounds, Mapping):
        for column, pair in bounds.items():
            at = position_of(column, "bounds", len(kinds), names)
            if kinds[at] != "gaussian":
                raise ValueError(f"bounds names {column!r}, whose likelihood {kinds[at]!r} has its own")
            found.low[at], found.high[at] = _inwards(*_pair(pair))
    else:
        gaussian = np.array(kinds) == "gaussian"
        found.low[gaussian], found.high[gaussian] = _inwards(*_pair(bounds))
    return found


def _inwards(low: float, high: float) -> tuple[np.float32, np.float32]:
    """The nearest numbers of single precision that lie between."""
    least, most = np.float32(low), np.float32(high)
    up, down = np.float32(np.inf), np.float32(-np.inf)
    return (
        np.nextafter(least, up) if float(least) < low else least,
        np.nextafter(most, down) if float(most) > high else most,
    )


def _pair(pair: Any) -> tuple[float, float]:
    wrong = f"bounds must be (low, high) with low < high, or a dict of such by column, got {pair!r}"
    if isinstance(pair, str) or not isinstance(pair, Sequence | np.ndarray) or len(pair) != 2:
        raise TypeError(wrong)
    if not all(isinstance(end, Real) and not isinstance(end, bool) for end in pair):
        raise TypeError(wrong)
    low, high = (float(end) for end in pair)
    if not low < high:
        raise ValueError(wrong)
    return low, high
