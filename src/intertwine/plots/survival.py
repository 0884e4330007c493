"""Predicted survival of risk groups beside what happened to them."""

from __future__ import annotations

from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from intertwine.frames import make_frame
from intertwine.plots._display import AbstractDisplay
from intertwine.plots._kaplan_meier import kaplan_meier
from intertwine.plots._results import columns_of, require_method
from intertwine.plots._style import LIGHT, Palette
from intertwine.validation import check_survival_target

__all__ = ["SurvivalCurvesDisplay", "curve_times", "survival_at"]

_NAMES = {1: ("all",), 2: ("low risk", "high risk"), 3: ("low risk", "middle", "high risk")}


@final
class SurvivalCurvesDisplay(AbstractDisplay):
    """Mean predicted survival curve of each risk group, with the Kaplan–Meier estimate of the same rows.

    Parameters
    ----------
    times : (m,) array
        Times of the predicted curves, ascending.
    predicted : (g, m) array
        Mean predicted survival of each group, the lowest risk first.
    observed : list of g dict
        Kaplan–Meier estimate of each group: ``time``, ``survival``, ``lower``, ``upper``.
    names : list of g str
    unit : str, optional
        Unit of time, for the axis.

    Attributes
    ----------
    frame : frame
        ``group``, ``time``, ``predicted``, ``observed``, ``lower``, ``upper`` at `times`.
    figure_, ax_
        Set by :meth:`plot`.

    Examples
    --------
    >>> import numpy as np
    >>> curve = {"time": np.array([0.0, 1.0]), "survival": np.array([1.0, 0.5])}
    >>> curve |= {"lower": np.array([1.0, 0.2]), "upper": np.array([1.0, 0.8])}
    >>> display = SurvivalCurvesDisplay(times=[0.5, 1.5], predicted=[[0.9, 0.6]], observed=[curve], names=["all"])
    >>> display.frame.shape
    (2, 6)
    """

    figure_: Any
    ax_: Any

    def __init__(
        self,
        *,
        times: Any,
        predicted: Any,
        observed: list[dict[str, NDArray[np.float64]]],
        names: list[str],
        unit: str | None = None,
    ) -> None:
        self.times = np.asarray(times, dtype=float)
        self.predicted = np.atleast_2d(np.asarray(predicted, dtype=float))
        self.observed = observed
        self.names = list(names)
        self.unit = unit
        steps = [np.searchsorted(curve["time"], self.times, side="right") - 1 for curve in observed]
        looked_up = {
            column: np.concatenate([curve[column][step] for curve, step in zip(observed, steps, strict=True)])
            for column in ("survival", "lower", "upper")
        }
        self.frame = make_frame(
            {
                "group": np.repeat(np.array(self.names, dtype=object), self.times.size),
                "time": np.tile(self.times, len(self.names)),
                "predicted": self.predicted.ravel(),
                "observed": looked_up["survival"],
                "lower": looked_up["lower"],
                "upper": looked_up["upper"],
            }
        )

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        n_groups: int = 3,
        unit: str | None = None,
        ax: Any = None,
        palette: Palette = LIGHT,
    ) -> Self:
        """Draw the curves that a fitted Cox estimator predicts for `X`, against what `y` says.

        `n_groups` groups of equal size by predicted risk; `unit` of time, for the axis.

        Raises
        ------
        TypeError
            If `estimator` is no Cox estimator.
        ValueError
            If `y` is no survival target.
        """
        require_method(estimator, "predict_survival_function", "Cox estimators")
        y = check_survival_target(y, X)
        entry = y["entry"] if "entry" in y.dtype.names else None
        times = curve_times(y["time"], y["event"])
        survival = survival_at(estimator, X, times)
        return cls.from_predictions(
            times,
            survival,
            estimator.predict(X),
            y["time"],
            y["event"],
            entry,
            n_groups=n_groups,
            unit=unit,
            ax=ax,
            palette=palette,
        )

    @classmethod
    def from_predictions(
        cls,
        times: Any,
        survival: NDArray[np.float64],
        risk: NDArray[np.float64],
        time: NDArray[np.float64],
        event: NDArray[np.bool_],
        entry: NDArray[np.float64] | None = None,
        *,
        n_groups: int = 3,
        unit: str | None = None,
        ax: Any = None,
        palette: Palette = LIGHT,
    ) -> Self:
        """Draw predicted curves `survival` (n, m) at `times`, in `n_groups` by quantiles of the predicted `risk` (n,).

        `time`, `event` and `entry` (n,) are what was observed; `unit` of time, for the axis.
        """
        groups = np.array_split(np.argsort(np.asarray(risk), kind="stable"), n_groups)
        observed = [
            kaplan_meier(time[rows], event[rows], None if entry is None else entry[rows]) for rows in groups
        ]
        names = _NAMES.get(n_groups, tuple(f"risk group {i + 1}" for i in range(n_groups)))
        display = cls(
            times=times,
            predicted=[survival[rows].mean(axis=0) for rows in groups],
            observed=observed,
            names=list(names),
            unit=unit,
        )
        return display.plot(ax, palette=palette)

    @property
    def figsize(self) -> tuple[float, float]:
        """Size in inches of a figure of its own."""
        return (4.6, 3.6)

    def _paint(self, palette: Palette) -> None:
        count = len(self.names)
        colors = (
            palette.ordered
            if count == 3
            else [palette.ordered[0], palette.ordered[2]]
            if count == 2
            else palette.series
        )
        end = self.times[-1]
        for group, name in enumerate(self.names):
            color = colors[group % len(colors)]
            curve = self.observed[group]
            inside = curve["time"] <= end
            clock = np.r_[curve["time"][inside], end]
            stairs = {
                key: np.r_[curve[key][inside], curve[key][inside][-1]]
                for key in ("survival", "lower", "upper")
            }
            self.ax_.fill_between(
                clock, stairs["lower"], stairs["upper"], step="post", color=color, alpha=0.16, linewidth=0
            )
            self.ax_.step(clock, stairs["survival"], where="post", color=color, linewidth=1.0)
            self.ax_.plot(
                np.r_[0, self.times],
                np.r_[1, self.predicted[group]],
                color=color,
                linewidth=2.2,
                linestyle=(0, (5, 1.6)),
            )
            self.ax_.annotate(
                name,
                (end, self.predicted[group][-1]),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                color=palette.ink,
                fontsize="small",
                annotation_clip=False,
            )
        self.ax_.plot([], [], color=palette.muted, linewidth=2.2, linestyle=(0, (5, 1.6)), label="predicted")
        self.ax_.plot([], [], color=palette.muted, linewidth=1.0, label="Kaplan–Meier, 95%")
        self.ax_.legend(loc="lower left", fontsize="small")
        unit = "" if self.unit is None else f" ({self.unit})"
        self.ax_.set(xlim=(0, end), ylim=(0, 1.02), xlabel=f"time{unit}", ylabel="surviving")


def survival_at(estimator: Any, X: Any, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Predicted survival (n, m) at `times` as a plain array."""
    curves = columns_of(estimator.predict_survival_function(X, times=times))
    return np.asarray(curves["survival"], dtype=float).reshape(-1, len(times))


def curve_times(time: NDArray[np.float64], event: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Times up to where a tenth of the rows are still at risk: beyond, curves are drawn by a handful."""
    last = float(np.quantile(time, 0.9))
    if not np.any(event & (time <= last)):
        last = float(time.max())
    return np.linspace(last / 100, last, 100)
