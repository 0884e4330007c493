"""Placement of text labels beside points so that no two collide; greedy, in order of importance, without randomness."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["draw_labels", "place_labels", "shortened"]

Box = tuple[float, float, float, float]

# Unit directions from a point to the nearest edge of its label; right and left first, because horizontal
# text reads best there.
_DIRECTIONS = np.array(
    [(1, 0), (-1, 0), (0, 1), (0, -1), (0.8, 0.8), (-0.8, 0.8), (0.8, -0.8), (-0.8, -0.8)], dtype=float
)
_DISTANCES = (1.0, 2.2, 4.0, 6.5)
_LONGEST = 32


def shortened(name: str, longest: int = _LONGEST) -> str:
    """A name that fits beside a picture, its middle left out where it is long.

    Examples
    --------
    >>> shortened("age"), shortened("film=Cook the Thief His Wife & Her Lover, The (1989)")
    ('age', 'film=Cook the Thief H… The (1989)')
    """
    if len(name) <= longest:
        return name
    return f"{name[: longest - 11].rstrip()}…{name[-11:]}"


def place_labels(
    points: NDArray[np.float64], sizes: NDArray[np.float64], bounds: Box, *, gap: float = 6.0
) -> list[tuple[float, float] | None]:
    """Choose the centre of one label for each point.

    Labels are placed in the order given, the most important first.  A label never overlaps another and never leaves
    `bounds`; among the places that remain, the one nearest to its point that covers the fewest points wins.

    Parameters
    ----------
    points : (n, 2) array, pixels
        Where the points lie.  The first ``len(sizes)`` of them get a label; the others are only avoided.
    sizes : (m, 2) array, pixels
        Widths and heights of the labels, m ≤ n.
    bounds : (left, bottom, right, top), pixels
        Region that labels must stay in.
    gap : float, default 6.0
        Distance in pixels between a point and its label at the nearest place.

    Returns
    -------
    list of m centres (x, y), or None where no place is free.

    Examples
    --------
    >>> import numpy as np
    >>> place_labels(np.array([[50.0, 50.0]]), np.array([[20.0, 10.0]]), (0.0, 0.0, 100.0, 100.0))
    [(66.0, 50.0)]
    """
    taken: list[Box] = []
    centres: list[tuple[float, float] | None] = []
    for point, size in zip(points, sizes, strict=False):
        best: tuple[float, tuple[float, float], Box] | None = None
        for rank, (distance, direction) in enumerate((d, u) for d in _DISTANCES for u in _DIRECTIONS):
            centre = point + direction * gap * distance + np.sign(direction) * size / 2
            box = _box(centre, size)
            if not _inside(box, bounds) or any(_overlap(box, other) for other in taken):
                continue
            covered = float(np.sum(_contains(box, points, margin=2.0)))
            cost = 10.0 * covered + 4.0 * distance + 0.1 * rank
            if best is None or cost < best[0]:
                best = (cost, (float(centre[0]), float(centre[1])), box)
        if best is None:
            centres.append(None)
        else:
            centres.append(best[1])
            taken.append(best[2])
    return centres


def draw_labels(
    ax: Any,
    xy: NDArray[np.float64],
    names: list[str],
    *,
    color: str,
    leader: str,
    backing: str,
    weight: str = "normal",
) -> list[str]:
    """Write `names` beside the first points of `xy` (data units); return those that found no room."""
    figure = ax.figure
    figure.draw_without_rendering()  # the layout engine must settle the axes before pixels mean anything
    shown = [shortened(name) for name in names]
    texts = [
        ax.text(0.5, 0.5, name, transform=ax.transAxes, color=color, fontsize=9, weight=weight)
        for name in shown
    ]
    extents = [text.get_window_extent() for text in texts]
    sizes = np.array([(e.width + 2.0, e.height + 1.0) for e in extents]).reshape(-1, 2)
    pixels = ax.transData.transform(xy)
    frame = ax.get_window_extent()
    centres = place_labels(
        pixels, sizes, (frame.x0, frame.y0, frame.x1, frame.y1), gap=6.0 * figure.dpi / 100
    )
    left_out = []
    per_point = 72.0 / figure.dpi
    for i, (text, name, centre) in enumerate(zip(texts, shown, centres, strict=True)):
        text.remove()
        if centre is None:
            left_out.append(names[i])
            continue
        offset = (np.array(centre) - pixels[i]) * per_point
        far = np.hypot(*offset) > 0.5 * sizes[i, 0] * per_point + 14
        ax.annotate(
            name,
            xy[i],
            xytext=tuple(offset),
            textcoords="offset points",
            ha="center",
            va="center",
            color=color,
            fontsize=9,
            weight=weight,
            bbox={"boxstyle": "square,pad=0.1", "facecolor": backing, "edgecolor": "none", "alpha": 0.75},
            zorder=5,
            arrowprops={"arrowstyle": "-", "color": leader, "lw": 0.6, "shrinkB": 3} if far else None,
        )
    return left_out


def _box(centre: NDArray[np.float64], size: NDArray[np.float64]) -> Box:
    return (
        centre[0] - size[0] / 2,
        centre[1] - size[1] / 2,
        centre[0] + size[0] / 2,
        centre[1] + size[1] / 2,
    )


def _inside(box: Box, bounds: Box) -> bool:
    return box[0] >= bounds[0] and box[1] >= bounds[1] and box[2] <= bounds[2] and box[3] <= bounds[3]


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _contains(box: Box, points: NDArray[np.float64], margin: float) -> NDArray[np.bool_]:
    x, y = points[:, 0], points[:, 1]
    return (x > box[0] - margin) & (x < box[2] + margin) & (y > box[1] - margin) & (y < box[3] + margin)
