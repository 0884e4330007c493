"""What every display is: a size, and a drawing on axes that are given or made."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self, final

from intertwine.plots._style import LIGHT, Palette, new_axes

__all__ = ["AbstractDisplay"]


class AbstractDisplay(ABC):
    """A picture of a fitted model with the data behind it; final classes are made by ``from_estimator`` and the like.

    Attributes
    ----------
    figure_, ax_ : matplotlib figure and axes
        Where it was drawn last.
    """

    figure_: Any
    ax_: Any

    @property
    @abstractmethod
    def figsize(self) -> tuple[float, float]:
        """Size in inches of a figure of its own."""

    @final
    def plot(self, ax: Any = None, *, palette: Palette = LIGHT) -> Self:
        """Draw on `ax`, or on a new figure."""
        self.figure_, self.ax_ = new_axes(ax, self.figsize)
        self._paint(palette)
        return self

    @abstractmethod
    def _paint(self, palette: Palette) -> None:
        """Draw on ``ax_``, which has nothing on it."""
