"""Colours and figure settings shared by every display.

Two palettes, one for light and one for dark surroundings. Signs are never told by hue alone: the diverging
map runs from blue to vermillion (distinct for colour-blind eyes), its two ends differ in lightness (distinct
in grey), and the displays add a glyph or a filled/hollow marker on top.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

__all__ = ["DARK", "LIGHT", "Palette", "new_axes", "require_matplotlib"]


@final
@dataclass(frozen=True)
class Palette:
    """The colours of one surrounding.

    Parameters
    ----------
    surface, ink, muted, faint : str
        Background of the axes, text, secondary text and rules, grid lines.
    positive, negative : str
        Colours of the two signs.
    series : tuple of str
        Colours for lines that are told apart, in order of use.
    ordered : tuple of str
        Low, middle, high.
    diverging, sequential : tuple of str
        Anchors of the two colour maps, from the lowest value to the highest.

    Examples
    --------
    >>> from intertwine.plots import DARK, LIGHT
    >>> LIGHT.surface, DARK.surface
    ('#ffffff', '#1a2029')
    """

    surface: str
    ink: str
    muted: str
    faint: str
    positive: str
    negative: str
    series: tuple[str, ...]
    ordered: tuple[str, str, str]
    diverging: tuple[str, ...]
    sequential: tuple[str, ...]

    def diverging_map(self) -> Any:
        """Colour map centred on the surface colour, to be used with limits symmetric around 0."""
        return _colormap("intertwine_diverging", self.diverging)

    def sequential_map(self) -> Any:
        """Colour map of one hue whose lightness is monotone."""
        return _colormap("intertwine_sequential", self.sequential)

    def rc_params(self) -> Any:
        """Settings for :func:`matplotlib.rc_context`, so that a figure sits on a page without a frame of its own."""
        return {
            "font.family": "DejaVu Sans",
            "font.size": 9.5,
            "axes.titlesize": 10.5,
            "axes.labelsize": 9.5,
            "axes.edgecolor": self.muted,
            "axes.labelcolor": self.ink,
            "axes.linewidth": 0.8,
            "axes.facecolor": "none",
            "figure.facecolor": "none",
            "savefig.facecolor": "none",
            "text.color": self.ink,
            "xtick.color": self.muted,
            "ytick.color": self.muted,
            "xtick.labelcolor": self.ink,
            "ytick.labelcolor": self.ink,
            "legend.frameon": False,
            "svg.fonttype": "none",
            "svg.hashsalt": "intertwine",
        }


LIGHT = Palette(
    surface="#ffffff",
    ink="#1c2430",
    muted="#66707d",
    faint="#dde1e6",
    positive="#cf5a1b",
    negative="#1f4e8c",
    series=("#1f4e8c", "#cf5a1b", "#2a8c82", "#8a5aa8"),
    ordered=("#7fb0d9", "#6b7480", "#b8430f"),
    diverging=(
        "#12315f",
        "#1f4e8c",
        "#6f9fd0",
        "#c5d9ec",
        "#f6f5f2",
        "#f9d8bd",
        "#f0a470",
        "#dd6f2e",
        "#b8500f",
    ),
    sequential=("#f3f6fa", "#c9dcee", "#8fb7dc", "#4d86c0", "#1f4e8c"),
)

DARK = Palette(
    surface="#1a2029",
    ink="#e8ebef",
    muted="#97a2b0",
    faint="#333c48",
    positive="#ffa366",
    negative="#5c9ae6",
    series=("#6fa8ec", "#ffa366", "#5cc4b8", "#c39be0"),
    ordered=("#4f86c6", "#a7b0bc", "#ffb07a"),
    diverging=(
        "#8fc0ff",
        "#5c9ae6",
        "#3c6cab",
        "#2b4266",
        "#20262f",
        "#5a3a28",
        "#99572c",
        "#e0843f",
        "#ffc08f",
    ),
    sequential=("#1f2732", "#2a4163", "#3f6ba6", "#6fa0dc", "#b5d5ff"),
)


def _colormap(name: str, anchors: tuple[str, ...]) -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list(name, list(anchors))


def require_matplotlib() -> Any:
    """Return ``matplotlib.pyplot``, or say which extra brings it.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as pyplot
    except ImportError as error:
        raise ImportError("drawing needs matplotlib: pip install 'intertwine[report]'") from error
    return pyplot


def new_axes(ax: Any, figsize: tuple[float, float]) -> tuple[Any, Any]:
    """Return (figure, axes): those of `ax`, or new ones of `figsize` inches."""
    pyplot = require_matplotlib()
    if ax is None:
        figure, ax = pyplot.subplots(figsize=figsize, layout="constrained")
    else:
        figure = ax.figure
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    return figure, ax
