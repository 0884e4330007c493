"""Map of the items, or of the users, of a latent-factor model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self, final

import numpy as np

from intertwine.frames import make_frame
from intertwine.plots._display import AbstractDisplay
from intertwine.plots._labels import draw_labels
from intertwine.plots._results import columns_of, require_factors
from intertwine.plots._style import LIGHT, Palette

__all__ = ["ItemMapDisplay"]

_SMALLEST, _LARGEST = 7.0, 60.0  # areas of the points, in square points
_ABOVE, _BELOW = "o", "v"  # the average
_MANY = 200  # points from which on they are drawn as pixels


@final
class ItemMapDisplay(AbstractDisplay):
    """Items, or users, as points in the plane of two principal factors.

    Items that lie in the same direction from the middle are liked by the same users. A point is the larger the more
    ratings it has, and its colour is its level: how much higher than average it is rated (triangles: lower).

    Parameters
    ----------
    x, y : (n,) arrays
        Two factors; with one factor, `y` is the level.
    label : (n,) array
        Ids.
    n_ratings : (n,) array, optional
    level : (n,) array, optional
    names : sequence of ids, optional
        Which are named; by default those with the most ratings.
    titles : mapping of ids to str, optional
        What they are called in the picture.
    n_labels : int, default 15
        How many are named, where `names` does not say which.
    n_points : int, optional
        How many are drawn, those with the most ratings; all by default. Named ones always are.
    first, second : str
        Names of the axes.

    Attributes
    ----------
    frame : frame
        ``label``, ``x``, ``y``, ``n_ratings``, ``level``.
    named : list
        Labels of the points that are named, as far as there is room.
    unlabelled : list of str
        Those that found no room; set by :meth:`plot`.
    figure_, ax_
        Set by :meth:`plot`.

    Examples
    --------
    >>> display = ItemMapDisplay(x=[0.2, -0.4], y=[0.1, 0.3], label=["Alien", "Brazil"], n_ratings=[30, 80], n_labels=1)
    >>> display.named
    ['Brazil']
    """

    figure_: Any
    ax_: Any
    unlabelled: list[str]

    def __init__(
        self,
        *,
        x: Any,
        y: Any,
        label: Any,
        n_ratings: Any = None,
        level: Any = None,
        names: Sequence[Any] | None = None,
        titles: Mapping[Any, str] | None = None,
        n_labels: int = 15,
        n_points: int | None = None,
        first: str = "factor 1",
        second: str = "factor 2",
    ) -> None:
        self.x, self.y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        self.label = np.asarray(label)
        self.n_ratings = np.ones(self.x.size) if n_ratings is None else np.asarray(n_ratings, dtype=float)
        self.level = np.zeros(self.x.size) if level is None else np.asarray(level, dtype=float)
        self.titles = dict(titles or {})
        self.first, self.second = first, second
        if names is None:
            places = np.argsort(-self.n_ratings, kind="stable")[:n_labels]
        else:
            place = {one: i for i, one in enumerate(self.label.tolist())}
            if absent := [one for one in names if one not in place]:
                raise ValueError(f"names {absent[:5]} are not among the labels")
            places = np.array([place[one] for one in names], dtype=int)
        self._places = places
        self._drawn = np.zeros(self.x.size, dtype=bool)
        self._drawn[np.argsort(-self.n_ratings, kind="stable")[:n_points]] = True
        self._drawn[places] = True
        self.named = self.label[places].tolist()
        self.frame = make_frame(
            {
                "label": self.label,
                "x": self.x,
                "y": self.y,
                "n_ratings": self.n_ratings,
                "level": self.level,
            }
        )

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        side: str = "items",
        names: Sequence[Any] | None = None,
        titles: Mapping[Any, str] | None = None,
        n_labels: int = 15,
        n_points: int | None = None,
        ax: Any = None,
        palette: Palette = LIGHT,
    ) -> Self:
        """Draw the items of a fitted latent-factor model on its two strongest factors, or its users.

        Parameters
        ----------
        estimator : fitted LatentFactorModel
        side : {"items", "users"}
        names : sequence of ids, optional
            Which are named; by default those with the most ratings.
        titles : mapping of ids to str, optional
            What they are called in the picture.
        n_labels : int, default 15
        n_points : int, optional
            How many are drawn, those with the most ratings.
        ax : matplotlib axes, optional
        palette : Palette, default LIGHT

        Raises
        ------
        TypeError
            If it is no latent-factor model.
        ValueError
            Without factors, for a side that is none, and for names that were not in the fit.
        NotFittedError
        """
        require_factors(estimator)
        if side not in ("items", "users"):
            raise ValueError(f"side must be 'items' or 'users', got {side!r}")
        one = side[:-1]
        factors = getattr(estimator, f"{one}_factors_")
        if factors.shape[1] == 0:
            raise ValueError("the estimator has no factors: fit it with n_components > 0")
        level = getattr(estimator, f"{one}_biases_")
        has_two = factors.shape[1] > 1
        return cls(
            x=factors[:, 0],
            y=factors[:, 1] if has_two else level,
            label=getattr(estimator, f"{side}_"),
            n_ratings=getattr(estimator, f"{one}_counts_"),
            level=level,
            names=names,
            titles=titles,
            n_labels=n_labels,
            n_points=n_points,
            second="factor 2" if has_two else "level",
        ).plot(ax, palette=palette)

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        names: Sequence[Any] | None = None,
        titles: Mapping[Any, str] | None = None,
        n_labels: int = 15,
        n_points: int | None = None,
        first: str = "factor 1",
        second: str = "factor 2",
        ax: Any = None,
        palette: Palette = LIGHT,
    ) -> Self:
        """Draw a frame with ``label``, ``x``, ``y``, and perhaps ``n_ratings`` and ``level``.

        `names`, `titles`, `n_labels`, `n_points`, `first` and `second` as in the class.
        """
        columns = columns_of(frame)
        return cls(
            x=columns["x"],
            y=columns["y"],
            label=columns["label"],
            n_ratings=columns.get("n_ratings"),
            level=columns.get("level"),
            names=names,
            titles=titles,
            n_labels=n_labels,
            n_points=n_points,
            first=first,
            second=second,
        ).plot(ax, palette=palette)

    @property
    def figsize(self) -> tuple[float, float]:
        """Size in inches of a figure of its own."""
        return (5.6, 4.6)

    def _paint(self, palette: Palette) -> None:
        for line in (self.ax_.axhline, self.ax_.axvline):
            line(0, color=palette.faint, linewidth=0.8, zorder=0)
        has_level = bool(np.ptp(self.level) > 0) if self.level.size else False
        reach = float(np.quantile(np.abs(self.level), 0.98)) if has_level else 1.0
        area = _SMALLEST + (_LARGEST - _SMALLEST) * self.n_ratings / max(self.n_ratings.max(), 1e-300)
        named = np.zeros(self.x.size, dtype=bool)
        named[self._places] = True
        others, low = self._drawn & ~named, self.level < 0
        for these, marker, width, height in (
            (others & ~low, _ABOVE, 0.25, 2),
            (others & low, _BELOW, 0.25, 2),
            (named & ~low, _ABOVE, 0.9, 3),
            (named & low, _BELOW, 0.9, 3),
        ):
            color: dict[str, Any] = {"color": palette.series[0]}
            if has_level:
                color = {
                    "c": self.level[these],
                    "cmap": palette.diverging_map(),
                    "vmin": -reach,
                    "vmax": reach,
                }
            dots = self.ax_.scatter(
                self.x[these],
                self.y[these],
                s=area[these],
                marker=marker,
                linewidths=width,
                edgecolors=palette.ink if height == 3 else palette.muted,
                zorder=height,
                alpha=1.0 if height == 3 else 0.75,
                rasterized=bool(others.sum() > _MANY and height == 2),
                **color,
            )
        if has_level:
            bar = self.figure_.colorbar(dots, ax=self.ax_, shrink=0.85, aspect=26, extend="both")
            bar.outline.set_visible(False)
            bar.ax.tick_params(length=0, labelsize="small")
            bar.set_label("level")
        self.ax_.margins(0.08)
        self.ax_.set(xlabel=self.first, ylabel=self.second)
        # the others are given too: labels keep off them
        order = np.concatenate([self._places, np.flatnonzero(others)])
        self.unlabelled = draw_labels(
            self.ax_,
            np.column_stack([self.x, self.y])[order],
            [str(self.titles.get(one, one)) for one in self.named],
            color=palette.ink,
            leader=palette.muted,
            backing=palette.surface,
        )
