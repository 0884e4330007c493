"""Latents of rows in a plane, by group or by the value of a column."""

from __future__ import annotations

from typing import Any, Self, final

import numpy as np
from sklearn.utils.validation import check_is_fitted

from intertwine.frames import make_frame
from intertwine.plots._display import AbstractDisplay
from intertwine.plots._groups import group_labels
from intertwine.plots._results import columns_of, require_method
from intertwine.plots._style import LIGHT, Palette

__all__ = ["LatentsDisplay"]

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_MOST_GROUPS = len(_MARKERS)
_MANY = 2000  # points from which on they are drawn as pixels
_OTHERS = "others"


@final
class LatentsDisplay(AbstractDisplay):
    """Rows as points in the plane of two latents, or in strips along one, by group or coloured by a number.

    Parameters
    ----------
    x : (n,) array
        First latent.
    y : (n,) array, optional
        Second latent; None where there is one.
    by : (n,) array, optional
        Labels (the groups with the most rows have colours and marks of their own) or numbers (a colour scale; crosses
        where they are NaN).
    by_name : str, default ""
    first, second : str
        Names of the axes.

    Attributes
    ----------
    frame : frame
        ``x``, ``y``, ``by``.
    groups : list
        Groups that are told apart, the largest first; empty for numbers.
    figure_, ax_
        Set by :meth:`plot`.

    Examples
    --------
    >>> display = LatentsDisplay(x=[0.2, -0.4, 0.3], y=[0.1, 0.3, 0.0], by=["a", "b", "a"])
    >>> display.groups
    ['a', 'b']
    """

    figure_: Any
    ax_: Any

    def __init__(
        self,
        *,
        x: Any,
        y: Any = None,
        by: Any = None,
        by_name: str = "",
        first: str = "latent 1",
        second: str = "latent 2",
    ) -> None:
        self.x = np.asarray(x, dtype=float)
        self.y = np.full(self.x.size, np.nan) if y is None else np.asarray(y, dtype=float)
        self.by = None if by is None else np.asarray(by)
        self.by_name, self.first, self.second = by_name, first, second
        self.has_two = not bool(np.all(np.isnan(self.y)))
        self.is_number = (
            self.by is not None and self.by.dtype.kind in "fiu" and np.unique(self.by).size > _MOST_GROUPS
        )
        self.groups: list[Any] = []
        if self.by is not None and not self.is_number:
            known, counts = np.unique(self.by.astype(str), return_counts=True)
            self.groups = known[np.argsort(-counts, kind="stable")][:_MOST_GROUPS].tolist()
        columns = {"x": self.x, "y": self.y}
        if self.by is not None:
            columns["by"] = self.by
        self.frame = make_frame(columns)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        groups: Any = None,
        by: Any = None,
        by_name: str = "",
        axes: tuple[int, int] = (0, 1),
        ax: Any = None,
        palette: Palette = LIGHT,
        **given: Any,
    ) -> Self:
        """Draw the latents that a fitted model finds in rows.

        Parameters
        ----------
        estimator : fitted LongitudinalVAE, RandomEffectsVAE or RandomEffectsPCA
        X
            Rows.
        groups : array or frame, optional
            As in ``fit``; the rows' labels where `by` gives none.
        by : (n,) array, optional
            What to colour by, such as a covariate.
        by_name : str, default ""
        axes : (int, int), default (0, 1)
            Which latents, from 0.
        ax : matplotlib axes, optional
        palette : Palette, default LIGHT
        **given
            ``time`` and ``coords``, or ``covariates``, ``subject`` and ``time``, where the model reads them.

        Raises
        ------
        TypeError
            If it has no latents of rows.
        ValueError
            For latents that are not there.
        NotFittedError
        """
        require_method(estimator, "reconstruct", "RandomEffectsVAE, RandomEffectsPCA and LongitudinalVAE")
        check_is_fitted(estimator)
        passed = {**({} if groups is None else {"groups": groups}), **given}
        found = estimator.transform(X, **passed)
        latents = (
            np.column_stack(list(columns_of(found).values()))
            if hasattr(found, "columns")
            else np.asarray(found)
        )
        colour = by if by is not None else None if groups is None else group_labels(groups).astype(str)
        first, second = axes if latents.shape[1] > 1 else (0, 0)
        if not (0 <= first < latents.shape[1] and 0 <= second < latents.shape[1]):
            raise ValueError(f"axes={axes} must be two of the latents 0 to {latents.shape[1] - 1}")
        return cls(
            x=latents[:, first],
            y=latents[:, second] if latents.shape[1] > 1 else None,
            by=colour,
            by_name=by_name,
            first=f"latent {first + 1}",
            second=f"latent {second + 1}",
        ).plot(ax, palette=palette)

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        by_name: str = "",
        first: str = "latent 1",
        second: str = "latent 2",
        ax: Any = None,
        palette: Palette = LIGHT,
    ) -> Self:
        """Draw a frame with ``x`` and perhaps ``y`` and ``by``; `by_name`, `first` and `second` as in the class."""
        return cls(**columns_of(frame), by_name=by_name, first=first, second=second).plot(ax, palette=palette)

    @property
    def figsize(self) -> tuple[float, float]:
        """Size in inches of a figure of its own."""
        return (5.8, 4.2) if self.has_two else (5.8, 1.4 + 0.3 * max(len(self.groups), 3))

    def _paint(self, palette: Palette) -> None:
        height = self.y if self.has_two else self._strips()
        look: dict[str, Any] = {
            "s": float(np.clip(4000 / max(self.x.size, 1), 4, 22)),
            "linewidths": 0.2,
            "edgecolors": palette.surface,
            "alpha": 0.8 if self.x.size <= 500 else 0.5,
            "rasterized": self.x.size > _MANY,
        }
        if self.is_number:
            assert self.by is not None
            told = ~np.isnan(self.by.astype(float))
            look |= {"s": float(np.clip(12000 / max(self.x.size, 1), 6, 26)), "alpha": 0.9}
            shown = self.ax_.scatter(
                self.x[told], height[told], c=self.by[told], cmap=_seen_map(palette), **look
            )
            shown.set_edgecolor(palette.muted)
            if not told.all():
                self.ax_.scatter(
                    self.x[~told],
                    height[~told],
                    marker="x",
                    color=palette.muted,
                    label="does not apply",
                    **look | {"linewidths": 0.6, "edgecolors": None, "alpha": 0.35, "zorder": 0},
                )
                self.ax_.legend(
                    fontsize="small", loc="lower left", bbox_to_anchor=(0.0, 1.0), handletextpad=0.2
                )
            self.figure_.colorbar(shown, ax=self.ax_, label=self.by_name, shrink=0.85)
        else:
            self._draw_groups(height, look, palette)
        self.ax_.set_xlabel(self.first)
        if self.has_two:
            self.ax_.set_ylabel(self.second)
        elif self.groups:
            ticks = [*self.groups, *([_OTHERS] if self._has_others() else [])]
            self.ax_.set_yticks([-float(place) for place in range(len(ticks))], ticks)
        else:
            self.ax_.set_yticks([])

    def _draw_groups(self, height: Any, look: dict[str, Any], palette: Palette) -> None:
        labels = None if self.by is None else self.by.astype(str)
        if labels is None:
            self.ax_.scatter(self.x, height, color=palette.series[0], **look)
            return
        rest = ~np.isin(labels, self.groups)
        if rest.any():
            name = f"{np.unique(labels[rest]).size:,} others"
            self.ax_.scatter(
                self.x[rest], height[rest], color=palette.muted, label=name, **look | {"alpha": 0.3}
            )
        colours = _spread_colours(palette, len(self.groups))
        for place, one in enumerate(self.groups):
            rows = labels == one
            self.ax_.scatter(
                self.x[rows],
                height[rows],
                color=colours[place],
                marker=_MARKERS[place],
                label=str(one),
                **look,
            )
        if self.has_two:
            self.ax_.legend(
                title=self.by_name or None, fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5)
            )

    def _has_others(self) -> bool:
        return self.by is not None and bool((~np.isin(self.by.astype(str), self.groups)).any())

    def _strips(self) -> Any:
        """A strip for each group, its rows spread in it by their order, which tells nothing."""
        place = np.zeros(self.x.size)
        if self.groups:
            assert self.by is not None
            labels = self.by.astype(str)
            place = np.full(self.x.size, float(len(self.groups)))
            for i, one in enumerate(self.groups):
                place[labels == one] = i
        golden = 0.6180339887498949
        return -place + 0.6 * (np.mod(golden * np.arange(self.x.size), 1.0) - 0.5)


def _seen_map(palette: Palette) -> Any:
    """The map of one hue without the end that is like the surface: points of it would not be seen."""
    from matplotlib.colors import ListedColormap

    return ListedColormap(palette.sequential_map()(np.linspace(0.22, 1.0, 256)))


def _spread_colours(palette: Palette, n: int) -> list[Any]:
    """The palette's own colours first, then steps of its ordered ones: marks tell groups apart as well."""
    more = [*palette.series, *palette.ordered]
    return [more[place % len(more)] for place in range(n)]
