"""What a pair of features does together."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Self, final

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from intertwine.frames import feature_names, make_frame
from intertwine.plots._display import AbstractDisplay
from intertwine.plots._results import class_column, require_method
from intertwine.plots._style import LIGHT, Palette

__all__ = ["InteractionSurfaceDisplay"]

_FEW_LEVELS = 4


@final
class InteractionSurfaceDisplay(AbstractDisplay):
    """Prediction over a grid of two features, all others at their mean.

    Two continuous features give a shaded map with contour lines and the rows of the data as dots. Where one
    of the two takes at most four values, each of these gets a line instead: parallel lines mean no
    interaction.

    Parameters
    ----------
    first_grid, second_grid : (a,), (b,) arrays
        Values of the two features, in their own units.
    prediction : (b, a) array
    first, second : str
        Names of the two features.
    points : (n, 2) array, optional
        Rows of the data.
    quantity : str, default "prediction"
        What is predicted, for the axis.

    Attributes
    ----------
    frame : frame
        One row per grid point, with a column for each of the two features and ``prediction``.
    figure_, ax_
        Set by :meth:`plot`.

    Examples
    --------
    >>> import numpy as np
    >>> grid = np.linspace(0, 1, 5)
    >>> display = InteractionSurfaceDisplay(
    ...     first_grid=grid, second_grid=grid, prediction=np.outer(grid, grid), first="age", second="dose"
    ... )
    >>> display.frame.shape
    (25, 3)
    """

    figure_: Any
    ax_: Any

    def __init__(
        self,
        *,
        first_grid: Any,
        second_grid: Any,
        prediction: Any,
        first: str,
        second: str,
        points: NDArray[np.float64] | None = None,
        quantity: str = "prediction",
    ) -> None:
        self.first_grid = np.asarray(first_grid, dtype=float)
        self.second_grid = np.asarray(second_grid, dtype=float)
        self.prediction = np.asarray(prediction, dtype=float)
        expected = (self.second_grid.size, self.first_grid.size)
        if self.prediction.shape != expected:
            raise ValueError(f"prediction has shape {self.prediction.shape}, expecting {expected}")
        self.first, self.second = first, second
        self.points = points
        self.quantity = quantity
        wide, tall = np.meshgrid(self.first_grid, self.second_grid)
        self.frame = make_frame(
            {first: wide.ravel(), second: tall.ravel(), "prediction": self.prediction.ravel()}
        )

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        pair: tuple[Any, Any],
        *,
        grid_resolution: int = 40,
        label: Any = None,
        quantity: str | None = None,
        ax: Any = None,
        palette: Palette = LIGHT,
    ) -> Self:
        """Draw the prediction of a fitted estimator over `pair`: two columns of `X`, by name or position.

        For a classifier the probability of class `label` is shown (the last class by default), for Cox the log relative
        hazard, else the predicted mean.  The grid covers the central 96 % of each feature at `grid_resolution` points;
        `quantity` names what is shown.
        """
        require_method(estimator, "predict", "fitted estimators")
        names = [str(name) for name in feature_names(X)]
        j, k = _positions(pair, names)
        table = _as_array(X)
        first, second = _levels(table[:, j], grid_resolution), _levels(table[:, k], grid_resolution)
        if first.size <= _FEW_LEVELS < second.size:  # the feature with few values makes the lines
            j, k, first, second = k, j, second, first
        wide, tall = np.meshgrid(first, second)
        rows = np.tile(table.mean(axis=0), (wide.size, 1))
        rows[:, j], rows[:, k] = wide.ravel(), tall.ravel()
        values, name = _predict(estimator, _like(rows, X, names), label)
        display = cls(
            first_grid=first,
            second_grid=second,
            prediction=values.reshape(wide.shape),
            first=names[j],
            second=names[k],
            points=table[:, [j, k]],
            quantity=name if quantity is None else quantity,
        )
        return display.plot(ax, palette=palette)

    @classmethod
    def from_frame(
        cls, frame: Any, *, first: str, second: str, ax: Any = None, palette: Palette = LIGHT
    ) -> Self:
        """Draw a frame that holds a full grid: columns `first`, `second` and ``prediction``."""
        from intertwine.plots._results import columns_of

        columns = columns_of(frame)
        first_grid, place_1 = np.unique(columns[first], return_inverse=True)
        second_grid, place_2 = np.unique(columns[second], return_inverse=True)
        prediction = np.full((second_grid.size, first_grid.size), np.nan)
        prediction[place_2, place_1] = columns["prediction"]
        display = cls(
            first_grid=first_grid, second_grid=second_grid, prediction=prediction, first=first, second=second
        )
        return display.plot(ax, palette=palette)

    @property
    def figsize(self) -> tuple[float, float]:
        """Size in inches of a figure of its own."""
        return (3.3, 2.9)

    def _paint(self, palette: Palette) -> None:
        if self.second_grid.size <= _FEW_LEVELS:
            self._draw_lines(palette)
        else:
            self._draw_map(palette)
        self.ax_.set_xlabel(self.first)

    def _draw_map(self, palette: Palette) -> None:
        span = float(np.ptp(self.prediction))
        levels = 10 if span > 0 else np.array([-0.5, 0.5]) + self.prediction.flat[0]
        filled = self.ax_.contourf(
            self.first_grid, self.second_grid, self.prediction, levels=levels, cmap=palette.sequential_map()
        )
        if span > 0:
            lines = self.ax_.contour(
                self.first_grid,
                self.second_grid,
                self.prediction,
                levels=filled.levels[1:-1:2],
                colors=palette.ink,
                linewidths=0.5,
                alpha=0.6,
            )
            self.ax_.clabel(lines, fontsize=7.5, fmt="%g")
        if self.points is not None:
            self.ax_.scatter(
                self.points[:, 0],
                self.points[:, 1],
                s=9,
                facecolors="none",
                edgecolors=palette.ink,
                linewidths=0.5,
                alpha=0.35,
                rasterized=len(self.points) > 200,
            )
        self.ax_.set(xlim=self.first_grid[[0, -1]], ylim=self.second_grid[[0, -1]], ylabel=self.second)
        bar = self.figure_.colorbar(filled, ax=self.ax_, shrink=0.85, aspect=24)
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0, labelsize="small")
        bar.set_label(self.quantity)

    def _draw_lines(self, palette: Palette) -> None:
        dashes = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
        marker = "o" if self.first_grid.size <= _FEW_LEVELS else None
        for row, level in enumerate(self.second_grid):
            color = palette.series[row % len(palette.series)]
            self.ax_.plot(
                self.first_grid,
                self.prediction[row],
                color=color,
                linewidth=2.0,
                linestyle=dashes[row],
                marker=marker,
                label=f"{self.second} = {level:g}",
            )
        if self.points is not None and self.first_grid.size > _FEW_LEVELS:
            inside = (self.points[:, 0] >= self.first_grid[0]) & (self.points[:, 0] <= self.first_grid[-1])
            self.ax_.plot(
                self.points[inside, 0],
                np.zeros(int(inside.sum())),
                "|",
                transform=self.ax_.get_xaxis_transform(),
                color=palette.muted,
                alpha=0.4,
                markersize=6,
                rasterized=int(inside.sum()) > 200,
            )
        if marker is not None:
            self.ax_.set_xticks(self.first_grid)
        self.ax_.set_ylabel(self.quantity)
        self.ax_.legend(fontsize="small", loc="best")


def _positions(pair: tuple[Any, Any], names: list[str]) -> tuple[int, int]:
    """Columns of two different features, given by name or position."""
    different = f"pair must name two different columns of X, got {pair!r}"
    if np.ndim(pair) != 1 or len(pair) != 2:
        raise ValueError(different)
    found = []
    for name in pair:
        if str(name) in names:
            found.append(names.index(str(name)))
        elif isinstance(name, Integral) and -len(names) <= int(name) < len(names):
            found.append(int(name) % len(names))
        else:
            raise ValueError(f"pair names {name!r}, which is no column of X: {', '.join(names[:10])}")
    if found[0] == found[1]:
        raise ValueError(different)
    return found[0], found[1]


def _levels(values: NDArray[np.float64], resolution: int) -> NDArray[np.float64]:
    distinct = np.unique(values)
    if distinct.size <= _FEW_LEVELS:
        return distinct
    low, high = np.quantile(values, [0.02, 0.98])
    return (
        np.linspace(low, high, resolution)
        if high > low
        else np.linspace(distinct[0], distinct[-1], resolution)
    )


def _predict(estimator: Any, rows: Any, label: Any) -> tuple[NDArray[np.float64], str]:
    if hasattr(estimator, "predict_proba"):
        probability = np.asarray(estimator.predict_proba(rows))
        column = class_column(estimator, label)
        return probability[:, column], f"probability of “{estimator.classes_[column]}”"
    if hasattr(estimator, "predict_survival_function"):
        return np.asarray(estimator.predict(rows), dtype=float), "log relative hazard"
    return np.asarray(estimator.predict(rows), dtype=float), "predicted mean"


def _as_array(X: Any) -> NDArray[np.float64]:
    return np.asarray(nw.to_native(X, pass_through=True), dtype=float)


def _like(rows: NDArray[np.float64], X: Any, names: list[str]) -> Any:
    """`rows` as a frame of the library of `X`, or as an array where `X` is one."""
    if isinstance(X, np.ndarray):
        return rows
    return make_frame({name: rows[:, i] for i, name in enumerate(names)}, like=X)
