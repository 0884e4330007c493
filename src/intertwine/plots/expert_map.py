"""Which expert of a local model answers where."""

from __future__ import annotations

from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from intertwine.frames import make_frame
from intertwine.plots._display import AbstractDisplay
from intertwine.plots._labels import draw_labels
from intertwine.plots._results import asked_of, columns_of
from intertwine.plots._style import LIGHT, Palette

__all__ = ["ExpertMapDisplay"]

_MOST_ROWS = 1500  # drawn; evenly spaced among the others
_MARKERS = ("o", "s", "^", "D")


@final
class ExpertMapDisplay(AbstractDisplay):
    """Rows in a plane, each tied to the middle of the rows that the same expert answers.

    The shade of a row is the number of experts that its answer is blended from, in effect; the number beside a middle
    is that of the expert, and neighbouring experts have other colours and markers.

    Parameters
    ----------
    xy : (n, 2) array
    expert : (n,) array of int
        The one with the largest weight.
    neighbors : (n,) array
        Effective number of experts.
    first, second : str
        Names of the axes.

    Attributes
    ----------
    frame : frame
        A row for each row: the two axes, ``expert``, ``neighbors``.
    expert_frame : frame
        A row for each expert that answers any: ``expert``, the middle on the two axes, ``share`` of the rows.
    figure_, ax_
        Set by :meth:`plot`.

    Examples
    --------
    >>> display = ExpertMapDisplay(xy=[[0.0, 1.0], [2.0, 3.0]], expert=[4, 4], neighbors=[1.0, 1.5])
    >>> display.expert_frame["share"].tolist()
    [1.0]
    """

    figure_: Any
    ax_: Any

    def __init__(
        self, *, xy: Any, expert: Any, neighbors: Any, first: str = "axis 1", second: str = "axis 2"
    ) -> None:
        self.xy = np.asarray(xy, dtype=float)
        self.expert = np.asarray(expert).astype(int)
        self.neighbors = np.asarray(neighbors, dtype=float)
        self.first, self.second = first, second
        self.experts = np.unique(self.expert)
        self.middles = np.array([self.xy[self.expert == i].mean(axis=0) for i in self.experts])
        self.share = np.array([np.mean(self.expert == i) for i in self.experts])
        self.frame = make_frame(
            {
                first: self.xy[:, 0],
                second: self.xy[:, 1],
                "expert": self.expert,
                "neighbors": self.neighbors,
            }
        )
        self.expert_frame = make_frame(
            {
                "expert": self.experts,
                first: self.middles[:, 0],
                second: self.middles[:, 1],
                "share": self.share,
            }
        )

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        pair: tuple[Any, Any] | None = None,
        label: Any = None,
        ax: Any = None,
        palette: Palette = LIGHT,
    ) -> Self:
        """Draw the rows of `X` over two of the coordinates that distances are measured in.

        Parameters
        ----------
        estimator : fitted local factorization machine
        X : array-like, frame or sparse matrix (n, p)
        pair : two names or positions, optional
            Coordinates; without them the two, where there are two, or else the principal axes of the rows.
        label : class label, optional
            Whose experts, where there are more than two classes; the first by default.
        ax : matplotlib axes, optional
        palette : Palette, default LIGHT

        Raises
        ------
        TypeError
            If it is no local factorization machine.
        ValueError
            For a pair that is none.
        NotFittedError
        """
        coordinates = asked_of(estimator, "coordinates")
        check_is_fitted(estimator)
        classes = getattr(estimator, "classes_", None)
        if label is None and classes is not None and len(classes) > 2:
            label = classes[0]
        table = columns_of(coordinates(X, label))
        names = list(table)
        values = np.column_stack(list(table.values()))
        if pair is not None or len(names) <= 2:
            first, second = _two(names, pair)
            xy = np.column_stack([table[first], table[second] if second else 0 * table[first]])
        else:
            first, second = "principal axis 1", "principal axis 2"
            xy = _principal_plane(values)
        return cls(
            xy=xy,
            expert=estimator.responsible_expert(X, label),
            neighbors=estimator.effective_neighbors(X, label),
            first=first,
            second=second or "",
        ).plot(ax, palette=palette)

    @classmethod
    def from_frame(
        cls, frame: Any, *, first: str, second: str, ax: Any = None, palette: Palette = LIGHT
    ) -> Self:
        """Draw a frame with columns `first`, `second`, ``expert`` and ``neighbors``."""
        columns = columns_of(frame)
        return cls(
            xy=np.column_stack([columns[first], columns[second]]),
            expert=columns["expert"],
            neighbors=columns["neighbors"],
            first=first,
            second=second,
        ).plot(ax, palette=palette)

    @property
    def figsize(self) -> tuple[float, float]:
        """Size in inches of a figure of its own."""
        return (5.0, 4.1)

    def _paint(self, palette: Palette) -> None:
        n = len(self.xy)
        shown = np.unique(np.linspace(0, n - 1, min(n, _MOST_ROWS)).astype(int))
        color = _apart(self.middles, len(palette.series))
        place = np.searchsorted(self.experts, self.expert)
        many = shown.size > 200
        low, high = 1.0, max(float(self.neighbors.max()), 1.0 + 1e-9)
        for i in range(len(self.experts)):
            rows = shown[place[shown] == i]
            ends = np.stack([self.xy[rows], np.broadcast_to(self.middles[i], (rows.size, 2))], axis=1)
            # one line that is broken between rows
            broken = np.concatenate([ends, np.full((rows.size, 1, 2), np.nan)], axis=1).reshape(-1, 2)
            self.ax_.plot(
                *broken.T,
                color=palette.series[color[i]],
                linewidth=0.5,
                alpha=0.35,
                zorder=1,
                rasterized=many,
            )
            dots = self.ax_.scatter(
                *self.xy[rows].T,
                c=self.neighbors[rows],
                cmap=palette.sequential_map(),
                vmin=low,
                vmax=high,
                marker=_MARKERS[color[i]],
                s=16,
                edgecolors=palette.series[color[i]],
                linewidths=0.6,
                zorder=2,
                rasterized=many,
            )
        self.ax_.scatter(*self.middles.T, s=46, marker="X", color=palette.ink, linewidths=0, zorder=4)
        self.ax_.set(xlabel=self.first, ylabel=self.second)
        bar = self.figure_.colorbar(dots, ax=self.ax_, shrink=0.85, aspect=24)
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0, labelsize="small")
        bar.set_label("experts blended, in effect")
        order = np.argsort(-self.share, kind="stable")
        self.unlabelled = draw_labels(
            self.ax_,
            self.middles[order],
            [str(self.experts[i]) for i in order],
            color=palette.ink,
            leader=palette.muted,
            backing=palette.surface,
            weight="bold",
        )


def _two(names: list[str], pair: Any) -> tuple[str, str | None]:
    if pair is None:
        return names[0], names[1] if len(names) == 2 else None
    found = [names[name] if isinstance(name, int | np.integer) else name for name in pair]
    if len(found) != 2 or found[0] == found[1] or not set(found) <= set(names):
        raise ValueError(f"pair must name two different coordinates of {', '.join(names[:10])}, got {pair!r}")
    return found[0], found[1]


def _principal_plane(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rows on their two principal axes, each feature in units of its standard deviation."""
    spread = values.std(axis=0)
    scaled = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    _, axes = np.linalg.eigh(scaled.T @ scaled)
    xy = scaled @ axes[:, :-3:-1]
    return xy * np.where(xy[np.abs(xy).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0)


def _apart(middles: NDArray[np.float64], n_colors: int) -> NDArray[np.intp]:
    """A colour for each expert, as far as possible from the others of that colour."""
    spread = middles.std(axis=0)
    scaled = middles / np.where(spread > 0, spread, 1.0)
    color = np.zeros(len(middles), dtype=np.intp)
    for i in range(1, len(middles)):
        distance = np.linalg.norm(scaled[:i] - scaled[i], axis=1)
        nearest = [np.min(distance[color[:i] == c], initial=np.inf) for c in range(n_colors)]
        color[i] = int(np.argmax(nearest))
    return color
