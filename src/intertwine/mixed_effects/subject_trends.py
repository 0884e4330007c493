"""Trends of a chunk's subjects, for one axis: columns are filtered before own coefficients are eliminated.

What the filter leaves of [U, F, z̃] are rows without trends, whose noise has variance one; elimination goes on with
those. What rows see afterwards is what the smoother does not explain.
"""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from intertwine.mixed_effects import _trend_kernels as kernels
from intertwine.mixed_effects.subjects import Trend

__all__ = ["ChunkTrends", "SmoothedColumns", "checked_times"]

Array = NDArray[np.float64]

_ORDERS = {"matern12": 1, "matern32": 2, "matern52": 3}
# Of the scaled state (g, g′/λ, …) where time is measured in 1/λ: N, c and P∞.
_NILPOTENT = {
    1: [[0.0]],
    2: [[1.0, 1.0], [-1.0, -1.0]],
    3: [[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [-1.0, -3.0, -2.0]],
}
_SPECTRAL = {1: 2.0, 2: 4.0, 3: 16.0 / 3.0}
_AT_REST = {
    1: np.eye(1),
    2: np.eye(2),
    3: np.array([[3.0, 0.0, -1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 3.0]]) / 3.0,
}


class SmoothedColumns(NamedTuple):
    """E[g_j | a column is data] for each trend (J, rows, w), and Cov(g_j, Σ g) then, (J, rows)."""

    values: Array
    covariance: Array


@final
class ChunkTrends:
    """The trends of some subjects at the variances of one axis.

    Parameters
    ----------
    trends : tuple of Trend
    times : array of shape (rows, J)
        Of the chunk, sorted.
    starts : array of int
        Of the subjects.
    variances : array of shape (J,)
    weight : array of shape (rows,)
        1/√R, zero where there is no site.
    """

    def __init__(
        self,
        trends: tuple[Trend, ...],
        times: Array,
        starts: NDArray[np.int64],
        variances: Array,
        weight: Array,
    ) -> None:
        noise = 1.0 / np.where(weight > 0.0, weight, 1.0) ** 2
        self._given = (starts, times, _process(trends, variances))
        self._data = (noise, weight)

    def whiten(self, columns: Array) -> tuple[Array, float]:
        """Innovations of columns (rows, w), each of variance one, and Σ log of their variances."""
        out = np.empty_like(columns)
        return out, kernels.filter_columns(*self._given, columns, *self._data, out)

    def smooth(self, columns: Array) -> SmoothedColumns:
        """What trends explain of columns (rows, w)."""
        n_trends, (n, w) = self._given[1].shape[1], columns.shape
        values, covariance = np.empty((n_trends, n, w)), np.empty((n_trends, n))
        kernels.smooth_columns(*self._given, columns, *self._data, values, covariance)
        return SmoothedColumns(values, covariance)

    def draw(self, generator: np.random.Generator, drawn: Array) -> None:
        """Add a draw of Σ g from the prior to each of the columns (rows, s)."""
        d = len(self._given[2].at_rest)
        unit = generator.standard_normal((len(drawn), d, drawn.shape[1]))
        kernels.draw_values(*self._given, unit, drawn)


def _process(trends: tuple[Trend, ...], variances: Array) -> kernels.Process:
    """The trends as one Markov process, at these variances."""
    order = np.array([_ORDERS[trend.kernel] for trend in trends], dtype=np.int64)
    powers = np.zeros((len(trends), 3, 3, 3))
    for j, d in enumerate(order):
        N = np.array(_NILPOTENT[int(d)])
        for k, factorial in zip(range(d), (1.0, 1.0, 2.0), strict=False):
            powers[j, k, :d, :d] = np.linalg.matrix_power(N, k) / factorial
    rest = [variance * _AT_REST[int(d)] for d, variance in zip(order, variances, strict=True)]
    return kernels.Process(
        order,
        np.cumsum(order) - order,
        powers,
        np.array([_SPECTRAL[int(d)] for d in order]) * variances,
        np.array([np.sqrt(2 * d - 1) / trend.length_scale for d, trend in zip(order, trends, strict=True)]),
        block_diag(*rest) if rest else np.empty((0, 0)),
    )


def checked_times(trends: tuple[Trend, ...], n_rows: int) -> list[Array]:
    """Times of the trends as arrays; refuses unknown kernels, lengths that differ, and times without end."""
    out = []
    for trend in trends:
        if trend.kernel not in _ORDERS:
            raise ValueError(f"a trend has the kernel {trend.kernel!r}, expecting one of {sorted(_ORDERS)}")
        if not (np.isfinite(trend.length_scale) and trend.length_scale > 0.0):
            raise ValueError(f"length scales of trends must be positive, got {trend.length_scale}")
        time = np.asarray(trend.time, dtype=np.float64)
        if time.shape != (n_rows,) or np.isinf(time).any():
            raise ValueError(
                f"times of a trend must be {n_rows} finite numbers (NaN: the trend is not there)"
            )
        out.append(time)
    return out
