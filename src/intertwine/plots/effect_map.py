"""Map of a spatial effect: the field between the sites, and the sites."""

from __future__ import annotations

from typing import Any, Self, final

import numpy as np

from intertwine.frames import make_frame
from intertwine.plots._display import AbstractDisplay
from intertwine.plots._groups import require_mixed_model, single_outcome
from intertwine.plots._results import columns_of
from intertwine.plots._style import LIGHT, Palette

__all__ = ["EffectMapDisplay"]

_MARGIN = 0.04  # of the extent of the sites
_UNSURE = 0.9  # of the largest standard deviation on the map: where rows say next to nothing


@final
class EffectMapDisplay(AbstractDisplay):
    """What a spatial effect adds at every place of a map, beside its mean over the sites that it was learnt from.

    The mean is left out because a smooth field and the intercept share it as they like.

    Colours run from below zero (blue) to above (vermillion), with contour lines; where rows say next to nothing (a
    standard deviation within a tenth of the largest on the map) the map is hatched.

    Parameters
    ----------
    x_grid, y_grid : (a,), (b,) arrays
        Places, in the units of the coordinates.
    estimate : (b, a) array
        Of the effect.
    std : (b, a) array, optional
        Its standard deviation.
    sites : (q, 2) array, optional
        Places of the rows.
    first, second : str
        Names of the coordinates.
    quantity : str, default "spatial effect"
    geographic : bool, default False
        x and y are longitude and latitude in degrees, so that a degree of x is the shorter the further from the
        equator.

    Attributes
    ----------
    frame : frame
        One row per grid point: the two coordinates, ``estimate`` and, where given, ``std``.
    figure_, ax_
        Set by :meth:`plot`.

    Examples
    --------
    >>> import numpy as np
    >>> grid = np.linspace(0, 1, 5)
    >>> display = EffectMapDisplay(x_grid=grid, y_grid=grid, estimate=np.outer(grid, grid))
    >>> display.frame.shape
    (25, 3)
    """

    figure_: Any
    ax_: Any

    def __init__(
        self,
        *,
        x_grid: Any,
        y_grid: Any,
        estimate: Any,
        std: Any = None,
        sites: Any = None,
        first: str = "x",
        second: str = "y",
        quantity: str = "spatial effect",
        geographic: bool = False,
    ) -> None:
        self.x_grid, self.y_grid = np.asarray(x_grid, dtype=float), np.asarray(y_grid, dtype=float)
        self.estimate = np.asarray(estimate, dtype=float)
        self.std = None if std is None else np.asarray(std, dtype=float)
        expected = (self.y_grid.size, self.x_grid.size)
        for what, values in (("estimate", self.estimate), ("std", self.std)):
            if values is not None and values.shape != expected:
                raise ValueError(f"{what} has shape {values.shape}, expecting {expected}")
        self.sites = None if sites is None else np.asarray(sites, dtype=float)
        self.first, self.second, self.quantity = first, second, quantity
        self.geographic = geographic
        wide, tall = np.meshgrid(self.x_grid, self.y_grid)
        columns = {first: wide.ravel(), second: tall.ravel(), "estimate": self.estimate.ravel()}
        if self.std is not None:
            columns["std"] = self.std.ravel()
        self.frame = make_frame(columns)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        effect: str | None = None,
        output: str | None = None,
        grid_resolution: int = 60,
        ax: Any = None,
        palette: Palette = LIGHT,
    ) -> Self:
        """Draw a spatial effect of a fitted mixed model over the box of its sites.

        Parameters
        ----------
        estimator : fitted MixedModel
        effect : str, optional
            Its name in ``random_effects_``; the first of two coordinates by default.
        output : str, optional
            Which outcome; the first by default.
        grid_resolution : int, default 60
            Points along the longer side.
        ax : matplotlib axes, optional
        palette : Palette, default LIGHT

        Raises
        ------
        TypeError
            If it is no mixed model.
        ValueError
            Where it has no effect of two coordinates, or not that one.
        NotFittedError
        """
        require_mixed_model(estimator)
        sites, names, geographic, effect = estimator.spatial_sites(effect)
        if sites.shape[1] != 2:
            raise ValueError(f"a map is of two coordinates, but the rows have {sites.shape[1]}")
        across, up = (1, 0) if geographic else (0, 1)  # latitude comes first, and goes up
        low, high = sites.min(axis=0), sites.max(axis=0)
        extent = high - low
        counts = np.maximum(np.ceil(grid_resolution * extent / extent.max()), 8).astype(int)
        grids = [
            np.linspace(low[k] - _MARGIN * extent[k], high[k] + _MARGIN * extent[k], counts[k])
            for k in range(2)
        ]
        wide, tall = np.meshgrid(grids[across], grids[up])
        places = np.empty((wide.size, 2))
        places[:, across], places[:, up] = wide.ravel(), tall.ravel()
        mean, std = (
            single_outcome(part, estimator.outcome_names_, output).reshape(wide.shape)
            for part in estimator.predict_effect(effect, coords=places, return_std=True)
        )
        at_sites = estimator.predict_effect(effect, coords=sites)
        mean = mean - np.mean(single_outcome(at_sites, estimator.outcome_names_, output))
        named = names[across], names[up]
        if geographic and names[0].startswith("coordinate"):
            named = "longitude", "latitude"
        return cls(
            x_grid=grids[across],
            y_grid=grids[up],
            estimate=mean,
            std=std,
            sites=sites[:, [across, up]],
            first=named[0],
            second=named[1],
            quantity=f"{effect} effect",
            geographic=geographic,
        ).plot(ax, palette=palette)

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        first: str = "x",
        second: str = "y",
        sites: Any = None,
        quantity: str = "spatial effect",
        geographic: bool = False,
        ax: Any = None,
        palette: Palette = LIGHT,
    ) -> Self:
        """Draw a frame that holds a full grid: columns `first`, `second`, ``estimate`` and perhaps ``std``.

        `sites`, `quantity` and `geographic` as in the class.
        """
        columns = columns_of(frame)
        x_grid, across = np.unique(columns[first], return_inverse=True)
        y_grid, up = np.unique(columns[second], return_inverse=True)

        def gridded(name: str) -> Any:
            values = np.full((y_grid.size, x_grid.size), np.nan)
            values[up, across] = columns[name]
            return values

        return cls(
            x_grid=x_grid,
            y_grid=y_grid,
            estimate=gridded("estimate"),
            std=gridded("std") if "std" in columns else None,
            sites=sites,
            first=first,
            second=second,
            quantity=quantity,
            geographic=geographic,
        ).plot(ax, palette=palette)

    @property
    def figsize(self) -> tuple[float, float]:
        """Size in inches of a figure of its own."""
        shape = np.clip(np.ptp(self.y_grid) * self._aspect / max(np.ptp(self.x_grid), 1e-300), 0.4, 1.6)
        return 5.4, float(1.0 + 4.0 * shape)

    @property
    def _aspect(self) -> float:
        """How much longer a unit of y is than one of x."""
        if not self.geographic:
            return 1.0
        return float(1.0 / max(np.cos(np.radians(np.mean(self.y_grid[[0, -1]]))), 0.1))

    def _paint(self, palette: Palette) -> None:
        reach = float(np.nanmax(np.abs(self.estimate), initial=0.0)) or 1.0
        filled = self.ax_.contourf(
            self.x_grid,
            self.y_grid,
            self.estimate,
            levels=np.linspace(-reach, reach, 22),
            cmap=palette.diverging_map(),
        )
        lines = self.ax_.contour(
            self.x_grid,
            self.y_grid,
            self.estimate,
            levels=_round_levels(reach),
            colors=palette.ink,
            linewidths=0.5,
            alpha=0.6,
        )
        self.ax_.clabel(lines, fontsize=7.5, fmt="%g")
        if self.std is not None and np.ptp(self.std) > 0.3 * self.std.max():
            self.ax_.contourf(
                self.x_grid,
                self.y_grid,
                self.std,
                levels=[_UNSURE * self.std.max(), self.std.max() * 1.01],
                colors="none",
                hatches=["////"],
            )
        if self.sites is not None:
            many = len(self.sites) > 300
            self.ax_.scatter(
                *self.sites.T,
                s=3 if many else 10,
                facecolors="none" if not many else palette.ink,
                edgecolors=palette.ink,
                linewidths=0.0 if many else 0.6,
                alpha=0.35 if many else 0.7,
                rasterized=many,
            )
        self.ax_.set_aspect(self._aspect if 0.1 < self._shape() < 10 else "auto")
        self.ax_.set(
            xlim=self.x_grid[[0, -1]],
            ylim=self.y_grid[[0, -1]],
            xlabel=self.first,
            ylabel=self.second,
        )
        bar = self.figure_.colorbar(filled, ax=self.ax_, shrink=0.85, aspect=24)
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0, labelsize="small")
        bar.set_ticks(np.r_[_round_levels(reach), 0.0])
        bar.set_label(self.quantity)

    def _shape(self) -> float:
        return float(np.ptp(self.y_grid) * self._aspect / max(np.ptp(self.x_grid), 1e-300))


def _round_levels(reach: float) -> Any:
    """Levels for lines: few round numbers on either side of zero."""
    step = 10.0 ** np.floor(np.log10(reach))
    step = next(step * part for part in (0.5, 0.25, 0.2, 0.1) if reach / (step * part) >= 3)
    levels = np.arange(step, reach, step)
    return np.concatenate([-levels[::-1], levels])
