"""Are predictive standard deviations as large as the errors that they speak of?  Shares inside intervals."""

from __future__ import annotations

from typing import Any, Self, final

import numpy as np
from scipy.stats import norm

from intertwine.frames import make_frame
from intertwine.plots._display import AbstractDisplay
from intertwine.plots._results import columns_of, require_method
from intertwine.plots._style import LIGHT, Palette
from intertwine.plots.calibration import wilson_interval

__all__ = ["CoverageDisplay"]

_LEVELS = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99])


@final
class CoverageDisplay(AbstractDisplay):
    """Share of the outcomes inside central predictive intervals, against the share that should be.

    Above the diagonal the standard deviations are too large, below it too small.

    Parameters
    ----------
    level, covered : (b,) arrays
        Nominal and observed share inside the interval.
    count : int
        Rows.

    Attributes
    ----------
    frame : frame
        ``level``, ``covered``, ``count``, ``lower``, ``upper`` (Wilson intervals).
    figure_, ax_
        Set by :meth:`plot`.

    Examples
    --------
    >>> display = CoverageDisplay(level=[0.5, 0.9], covered=[0.48, 0.93], count=200)
    >>> display.frame.shape
    (2, 5)
    """

    figure_: Any
    ax_: Any

    def __init__(self, *, level: Any, covered: Any, count: int) -> None:
        self.level = np.asarray(level, dtype=float)
        self.covered = np.asarray(covered, dtype=float)
        self.count = int(count)
        self.lower, self.upper = wilson_interval(self.covered, self.count)
        self.frame = make_frame(
            {
                "level": self.level,
                "covered": self.covered,
                "count": np.full(self.level.size, self.count),
                "lower": self.lower,
                "upper": self.upper,
            }
        )

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, ax: Any = None, palette: Palette = LIGHT
    ) -> Self:
        """Draw how the intervals of a fitted regressor cover the outcomes `y`; it must know ``return_std``.

        On rows that it was fitted on they look too wide: take others.

        Raises
        ------
        TypeError
            If `estimator` has no ``predict``, or one that gives no standard deviation.
        """
        require_method(estimator, "predict", "regressors with predictive standard deviations")
        mean, std = estimator.predict(X, return_std=True)
        return cls.from_predictions(y, mean, std, ax=ax, palette=palette)

    @classmethod
    def from_predictions(
        cls, observed: Any, mean: Any, std: Any, *, ax: Any = None, palette: Palette = LIGHT
    ) -> Self:
        """Draw how intervals of `mean` and `std` (n,) cover the outcomes `observed` (n,)."""
        z = np.abs(np.asarray(observed, dtype=float) - np.asarray(mean, dtype=float)) / np.asarray(std, float)
        reach = norm.ppf(0.5 + _LEVELS / 2)
        covered = np.mean(z[:, None] <= reach, axis=0)
        return cls(level=_LEVELS, covered=covered, count=z.size).plot(ax, palette=palette)

    @classmethod
    def from_frame(cls, frame: Any, *, ax: Any = None, palette: Palette = LIGHT) -> Self:
        """Draw a frame with ``level``, ``covered`` and ``count``."""
        columns = columns_of(frame)
        display = cls(level=columns["level"], covered=columns["covered"], count=int(columns["count"][0]))
        return display.plot(ax, palette=palette)

    @property
    def figsize(self) -> tuple[float, float]:
        """Size in inches of a figure of its own."""
        return (3.9, 3.6)

    def _paint(self, palette: Palette) -> None:
        self.ax_.plot([0, 1], [0, 1], color=palette.muted, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
        self.ax_.errorbar(
            self.level,
            self.covered,
            yerr=[np.maximum(self.covered - self.lower, 0), np.maximum(self.upper - self.covered, 0)],
            fmt="o-",
            color=palette.series[0],
            markersize=4.5,
            linewidth=1.2,
            elinewidth=1.1,
            capsize=2.5,
            zorder=2,
        )
        self.ax_.set(xlabel="share that should be inside", ylabel="share inside", xlim=(0, 1), ylim=(0, 1.02))
        self.ax_.set_aspect("equal")
