"""Adam for tables of which a mini-batch touches a few rows: what a step costs depends on those rows alone.

A row that was left out for some steps is treated as one whose gradient was zero meanwhile: its moments have faded when
it is touched again, and the penalty that it owes for those steps is added then.

References
----------
Kingma & Ba (2015), Adam.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["RowMoments", "step_rows"]

FADING = 0.9  # of the mean of gradients
SQUARE_FADING = 0.999  # of the mean of their squares
_TINY = 1e-8


class RowMoments(NamedTuple):
    """What Adam remembers of a table of shape (R, c).

    Attributes
    ----------
    first, second : ndarray of shape (R, c)
        Fading means of gradients and of their squares, as they were when the row was last touched.
    touched : ndarray of int64, shape (R,)
        When that was.
    """

    first: NDArray
    second: NDArray
    touched: NDArray

    @classmethod
    def of(cls, table: NDArray) -> RowMoments:
        """Nothing to remember yet."""
        return cls(np.zeros_like(table), np.zeros_like(table), np.zeros(len(table), dtype=np.int64))

    def copy(self) -> RowMoments:
        """Arrays of its own."""
        return RowMoments(*(array.copy() for array in self))


def step_rows(
    table: NDArray,
    gradient: NDArray,
    moments: RowMoments,
    rows: NDArray,
    time: int,
    rate: float,
    alpha: float,
    center: NDArray | None = None,
) -> None:
    """Move some rows of a table one step, in place; their gradients are set to zero for the next batch.

    Parameters
    ----------
    table, gradient : ndarray of shape (R, c)
    moments : RowMoments
        Changed in place.
    rows : ndarray of int
        Rows that have a gradient.
    time : int
        Number of this step, from 1.
    rate : float
    alpha : float
        Strength of ½ ‖table − center‖².
    center : ndarray of shape (R, c), optional
        Zero when None.

    Examples
    --------
    >>> table = np.ones((3, 1))
    >>> step_rows(table, np.ones((3, 1)), RowMoments.of(table), np.array([1]), time=1, rate=0.1, alpha=0.0)
    >>> table.ravel().round(6)
    array([1. , 0.9, 1. ])
    """
    _step_rows(table, gradient, *moments, rows, time, rate, alpha, table[:0] if center is None else center)


@njit(cache=True, nogil=True)
def _step_rows(table, gradient, first, second, touched, rows, time, rate, alpha, center):
    corrected = rate / (1.0 - FADING**time)
    square_corrected = 1.0 / (1.0 - SQUARE_FADING**time)
    for at in range(len(rows)):
        row = rows[at]
        missed = time - touched[row]
        touched[row] = time
        fading, square_fading = FADING**missed, SQUARE_FADING**missed
        owed = alpha * missed
        for c in range(table.shape[1]):
            pull = table[row, c] if len(center) == 0 else table[row, c] - center[row, c]
            slope = gradient[row, c] + owed * pull
            first[row, c] = fading * first[row, c] + (1.0 - FADING) * slope
            second[row, c] = square_fading * second[row, c] + (1.0 - SQUARE_FADING) * slope * slope
            table[row, c] -= corrected * first[row, c] / (np.sqrt(square_corrected * second[row, c]) + _TINY)
            gradient[row, c] = 0.0
