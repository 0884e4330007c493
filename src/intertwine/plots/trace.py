"""What was followed while a model was fitted: the trace of a chain, or a descent."""

from __future__ import annotations

from typing import Any, Self, final

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from intertwine.frames import make_frame
from intertwine.plots._display import AbstractDisplay
from intertwine.plots._results import asked_of, columns_of
from intertwine.plots._style import LIGHT, Palette

__all__ = ["TraceDisplay"]

_SERIES = ("class", "machine", "start")  # columns of a history that tell lines apart
_SETTLING = 0.1  # of the iterations, whose values may leave the picture
_DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
_MOST_NAMED = 6
_CALLED = {"value": "objective"}


@final
class TraceDisplay(AbstractDisplay):
    """One quantity against the iterations of a fit, a line for each class, machine or start.

    Parameters
    ----------
    iteration, value : (m,) arrays
    series : (m,) array of str, optional
        Which line a value belongs to; one line by default.
    quantity : str, default "value"
    burn_in : int, default 0
        Iterations before the first draw that is kept; they are shaded.
    scale_reduction : float, optional
        Potential scale reduction of a chain, written into the picture.

    Attributes
    ----------
    frame : frame
        ``iteration``, ``series``, ``value``.
    figure_, ax_
        Set by :meth:`plot`.

    Examples
    --------
    >>> display = TraceDisplay(iteration=[1, 2, 3], value=[0.9, 0.5, 0.4], quantity="misfit", burn_in=1)
    >>> display.frame.shape
    (3, 3)
    """

    figure_: Any
    ax_: Any

    def __init__(
        self,
        *,
        iteration: Any,
        value: Any,
        series: Any = None,
        quantity: str = "value",
        burn_in: int = 0,
        scale_reduction: float | None = None,
    ) -> None:
        self.iteration = np.asarray(iteration).astype(int)
        self.value = np.asarray(value, dtype=float)
        if self.iteration.size == 0:
            raise ValueError("there are no iterations to show: the problem was solved directly")
        names = np.full(self.iteration.size, "", dtype=object) if series is None else series
        self.series = np.array([str(name) for name in names], dtype=object)
        self.quantity = quantity
        self.burn_in = int(burn_in)
        self.scale_reduction = scale_reduction
        self.frame = make_frame({"iteration": self.iteration, "series": self.series, "value": self.value})

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, quantity: str | None = None, ax: Any = None, palette: Palette = LIGHT
    ) -> Self:
        """Draw a column of ``history_``, the first that was followed by default; of a chain, with its burn-in.

        Raises
        ------
        TypeError
            If it is no estimator of this package.
        ValueError
            For a `quantity` that was not followed, or a problem that was solved directly.
        NotFittedError
        """
        if isinstance(estimator, BaseEstimator) and hasattr(type(estimator), "history_"):
            check_is_fitted(estimator)
        columns = columns_of(asked_of(estimator, "history_"))
        iteration = columns.pop("iteration")
        parts = [
            [f"{name} {value}" for value in columns.pop(name)]
            for name in _SERIES
            if name in columns and len(set(columns[name].tolist())) > 1
        ]
        followed = [name for name in columns if name not in (*_SERIES, "best")]
        if quantity is not None and quantity not in followed:
            raise ValueError(f"{quantity!r} was not followed; there are {', '.join(followed)}")
        chosen = followed[0] if quantity is None else quantity
        return cls(
            iteration=iteration,
            value=columns[chosen],
            series=[", ".join(names) for names in zip(*parts, strict=True)] if parts else None,
            quantity=chosen,
            burn_in=getattr(estimator, "n_burn_in_", 0),
            scale_reduction=getattr(estimator, "scale_reduction_", None),
        ).plot(ax, palette=palette)

    @classmethod
    def from_frame(
        cls, frame: Any, *, quantity: str = "value", ax: Any = None, palette: Palette = LIGHT
    ) -> Self:
        """Draw a frame with ``iteration``, ``value`` and perhaps ``series``; `quantity` is what the value is."""
        columns = columns_of(frame)
        return cls(
            iteration=columns["iteration"],
            value=columns["value"],
            series=columns.get("series"),
            quantity=quantity,
        ).plot(ax, palette=palette)

    @property
    def figsize(self) -> tuple[float, float]:
        """Size in inches of a figure of its own."""
        return (4.6, 2.9)

    def _paint(self, palette: Palette) -> None:
        names = list(dict.fromkeys(self.series))
        for place, name in enumerate(names):
            rows = self.series == name
            self.ax_.plot(
                self.iteration[rows],
                self.value[rows],
                color=palette.series[place % len(palette.series)],
                linestyle=_DASHES[place // len(palette.series) % len(_DASHES)],
                linewidth=1.2,
                marker="o" if rows.sum() == 1 else None,
                markersize=4,
                label=name or None,
            )
        settled = self.value[self.iteration > _SETTLING * self.iteration.max()]
        settled = settled if settled.size > 1 and np.ptp(settled) > 0 else self.value
        low, high = float(np.nanmin(settled)), float(np.nanmax(settled))
        margin = 0.2 * (high - low) or 0.1 * abs(high) or 0.1
        self.ax_.set_ylim(low - margin, high + margin)
        self.ax_.set_xlim(0, self.iteration.max() * 1.01)
        if self.burn_in > 0:
            self.ax_.axvspan(0, self.burn_in, color=palette.faint, alpha=0.6, linewidth=0, zorder=0)
            self._write(0.01, 0.03, "burn-in", palette)
        if self.scale_reduction is not None:
            self._write(0.99, 0.97, f"scale reduction {self.scale_reduction:.2f}", palette)
        if 1 < len(names) <= _MOST_NAMED:
            self.ax_.legend(fontsize="small", loc="best")
        self.ax_.set(xlabel="iteration", ylabel=_CALLED.get(self.quantity, self.quantity))

    def _write(self, x: float, y: float, text: str, palette: Palette) -> None:
        self.ax_.text(
            x,
            y,
            text,
            transform=self.ax_.transAxes,
            ha="left" if x < 0.5 else "right",
            va="bottom" if y < 0.5 else "top",
            color=palette.muted,
            fontsize=8.5,
        )
