"""Heatmap of a block of interactions."""

from __future__ import annotations

from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from intertwine.frames import make_frame
from intertwine.plots._display import AbstractDisplay
from intertwine.plots._order import cluster_order
from intertwine.plots._results import asked_of, gives_sizes, leading_features
from intertwine.plots._style import LIGHT, Palette

__all__ = ["InteractionHeatmapDisplay"]


@final
class InteractionHeatmapDisplay(AbstractDisplay):
    """Interactions of a block of features as one triangle of coloured cells.

    The colours are centred at 0. Features are ordered so that those with similar partners stand together.
    Cells above a third of the largest absolute value also carry their sign, so that the picture can be read
    without colour. Interactions of a spline model are sizes of surfaces, without a sign: there the colours
    run from 0 upwards.

    Parameters
    ----------
    matrix : (q, q) array
        Symmetric interactions; the diagonal is not shown.
    features : list of q str
        Names of the features.
    sizes : bool, default False
        Whether the interactions are sizes (a spline basis), which are never negative.

    Attributes
    ----------
    frame : frame
        The data behind: one row per pair shown, ``feature_1``, ``feature_2``, ``estimate``.
    figure_, ax_, image_, colorbar_
        Set by :meth:`plot`.

    Examples
    --------
    >>> import numpy as np
    >>> display = InteractionHeatmapDisplay(matrix=np.array([[0.0, 1.0], [1.0, 0.0]]), features=["age", "dose"])
    >>> display.frame.shape
    (1, 3)
    """

    figure_: Any
    ax_: Any
    image_: Any
    colorbar_: Any

    def __init__(self, *, matrix: NDArray[np.float64], features: list[str], sizes: bool = False) -> None:
        matrix = np.asarray(matrix, dtype=float)
        if matrix.shape != (len(features), len(features)):
            raise ValueError(
                f"matrix has shape {matrix.shape}, expecting {(len(features), len(features))} for "
                f"{len(features)} features"
            )
        self.sizes = sizes
        order = cluster_order(matrix)
        self.matrix = matrix[np.ix_(order, order)]
        self.features = [features[i] for i in order]
        lower = np.tril_indices(len(features), -1)
        names = np.array(self.features, dtype=object)
        self.frame = make_frame(
            {"feature_1": names[lower[1]], "feature_2": names[lower[0]], "estimate": self.matrix[lower]}
        )

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        features: list[str] | None = None,
        n_features: int = 15,
        ax: Any = None,
        palette: Palette = LIGHT,
    ) -> Self:
        """Draw the interactions of a fitted estimator, of its first class where it has several sets.

        Parameters
        ----------
        estimator : fitted interaction estimator
        features : list of str, optional
            The block to show; by default the `n_features` with the largest interactions.
        n_features : int, default 15
        ax : matplotlib axes, optional
        palette : Palette, default LIGHT
        """
        chosen = leading_features(estimator, n_features) if features is None else list(features)
        if len(chosen) < 2:
            raise ValueError(
                "a heatmap shows pairs of features; the model has no interactions, or one feature was named"
            )
        return cls(
            matrix=np.asarray(asked_of(estimator, "interaction_matrix")(chosen), dtype=float),
            features=chosen,
            sizes=gives_sizes(estimator),
        ).plot(ax, palette=palette)

    @classmethod
    def from_frame(cls, frame: Any, *, sizes: bool = False, ax: Any = None, palette: Palette = LIGHT) -> Self:
        """Draw a frame with columns ``feature_1``, ``feature_2`` and ``estimate``; pairs that are absent count as 0.

        `sizes` as in the class.
        """
        from intertwine.plots._results import columns_of

        columns = columns_of(frame)
        pairs = list(
            zip(
                map(str, columns["feature_1"]),
                map(str, columns["feature_2"]),
                columns["estimate"],
                strict=True,
            )
        )
        features = list(dict.fromkeys(name for first, second, _ in pairs for name in (first, second)))
        position = {name: i for i, name in enumerate(features)}
        matrix = np.zeros((len(features), len(features)))
        for first, second, estimate in pairs:
            matrix[position[first], position[second]] = matrix[position[second], position[first]] = estimate
        return cls(matrix=matrix, features=features, sizes=sizes).plot(ax, palette=palette)

    @property
    def figsize(self) -> tuple[float, float]:
        """Size in inches of a figure of its own."""
        side = float(np.clip(1.5 + 0.23 * len(self.features), 3.0, 9.0))
        return side + 0.3, side

    def _paint(self, palette: Palette) -> None:
        from matplotlib.collections import PolyCollection

        size = len(self.features)
        i, j = np.tril_indices(size, -1)
        limit = float(np.max(np.abs(self.matrix[i, j]), initial=0.0)) or 1.0
        corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
        self.image_ = PolyCollection(
            np.column_stack([j, i])[:, None, :] + corners,
            array=self.matrix[i, j],
            cmap=palette.sequential_map() if self.sizes else palette.diverging_map(),
            clim=(0.0 if self.sizes else -limit, limit),
            edgecolors=palette.surface,
            linewidths=0.8,
        )
        self.ax_.add_collection(self.image_)
        if not self.sizes:
            self._write_signs(limit, palette)
        self.ax_.set(
            xlim=(-0.5, size - 1.5 if size > 1 else 0.5),
            ylim=(size - 0.5, 0.5 if size > 1 else -0.5),
            aspect="equal",
        )
        font = float(np.clip(140 / max(size, 1), 5.0, 9.5))
        self.ax_.set_xticks(range(size - 1), self.features[:-1], fontsize=font)
        if size > 6:
            for text in self.ax_.get_xticklabels():
                text.set(rotation=90, rotation_mode="anchor", ha="right", va="center")
        self.ax_.set_yticks(range(1, size), self.features[1:], fontsize=font)
        self.ax_.tick_params(length=0)
        for spine in self.ax_.spines.values():
            spine.set_visible(False)
        self._add_colorbar(palette)

    def _write_signs(self, limit: float, palette: Palette) -> None:
        size = len(self.features)
        if size > 24:
            return
        for i in range(size):
            for j in range(i):
                value = self.matrix[i, j]
                if abs(value) > limit / 3:
                    strong = abs(value) > 0.6 * limit
                    self.ax_.text(
                        j,
                        i,
                        "+" if value > 0 else "−",
                        ha="center",
                        va="center",
                        fontsize=float(np.clip(110 / size, 6, 11)),
                        color=palette.surface if strong else palette.ink,
                    )

    def _add_colorbar(self, palette: Palette) -> None:
        # The empty triangle is the natural place for the legend.
        inset = self.ax_.inset_axes((0.62, 0.93, 0.36, 0.035))
        self.colorbar_ = self.figure_.colorbar(self.image_, cax=inset, orientation="horizontal")
        self.colorbar_.outline.set_visible(False)
        self.colorbar_.solids.set_rasterized(True)  # 256 shades as 256 shapes would weigh more than the cells
        self.colorbar_.locator = _few_ticks(symmetric=not self.sizes)
        self.colorbar_.update_ticks()
        inset.tick_params(length=0, labelsize=8)
        inset.set_title(
            "size of interaction" if self.sizes else "interaction", fontsize=8.5, color=palette.muted, pad=4
        )


def _few_ticks(*, symmetric: bool) -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=2, symmetric=symmetric)
