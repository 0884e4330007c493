"""Whether smooth effects have functions enough: the variance that is missing, by how many there are."""

from __future__ import annotations

from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.waves import WaveRule, waves
from intertwine.frames import make_frame
from intertwine.plots._display import AbstractDisplay
from intertwine.plots._results import columns_of, require_method
from intertwine.plots._style import LIGHT, Palette

__all__ = ["BasisDisplay"]

_PLACES = 65  # at which the variance is looked at, over the range of the covariate
_TOO_MUCH = 0.05
_FLOOR = 1e-4
_STYLES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (5, 1.5, 1, 1.5)))


@final
class BasisDisplay(AbstractDisplay):
    """Share of a smooth effect's prior variance that is missing, by the number of functions; a mark where the fit is.

    It is the largest share over the range of the covariate, with the kernel, the length scale and the box of the fit.
    A curve levels out where the box is the limit: then a wider boundary helps, and more functions do not. The dashed
    line is the error that the rule of the kernel aims at; in the shaded region, above .05, more functions are wanted.

    Parameters
    ----------
    effect, kernel : sequence of str
        One for each smooth function.
    length_scale, half_range : sequence of float
        In the unit of the covariate.
    n_functions : sequence of int
    boundary : sequence of float
        Half width of the box, in half ranges.

    Attributes
    ----------
    frame : frame
        The functions of the fit: the parameters, and ``missing_variance``.
    curves : list of ndarray
        Missing variance with 1, 2, … functions.
    figure_, ax_
        Set by :meth:`plot`.

    Examples
    --------
    >>> display = BasisDisplay(
    ...     effect=["age"], kernel=["rbf"], length_scale=[6.0], half_range=[10.0], n_functions=[11], boundary=[1.91]
    ... )
    >>> display.frame["missing_variance"].round(3).tolist()
    [0.01]
    """

    figure_: Any
    ax_: Any

    def __init__(
        self, *, effect: Any, kernel: Any, length_scale: Any, half_range: Any, n_functions: Any, boundary: Any
    ) -> None:
        self.effect = [str(one) for one in effect]
        self.kernel = [str(one) for one in kernel]
        self.length_scale, self.half_range, self.boundary = (
            np.asarray(part, dtype=float) for part in (length_scale, half_range, boundary)
        )
        self.n_functions = np.asarray(n_functions, dtype=int)
        self.curves = [
            missing_variance(kernel, one / half, boundary, max(count + 8, int(np.ceil(1.6 * count))))
            for kernel, one, half, boundary, count in zip(
                self.kernel, self.length_scale, self.half_range, self.boundary, self.n_functions, strict=True
            )
        ]
        found = [curve[count - 1] for curve, count in zip(self.curves, self.n_functions, strict=True)]
        self.frame = make_frame(
            {
                "effect": np.array(self.effect, dtype=object),
                "kernel": np.array(self.kernel, dtype=object),
                "length_scale": self.length_scale,
                "half_range": self.half_range,
                "n_functions": self.n_functions,
                "boundary": self.boundary,
                "missing_variance": np.array(found, dtype=float),
            }
        )

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None, palette: Palette = LIGHT) -> Self:
        """Draw the smooth effects of a fitted model.

        Parameters
        ----------
        estimator : fitted LongitudinalVAE
        ax : matplotlib axes, optional
        palette : Palette, default LIGHT

        Raises
        ------
        TypeError
            If it has no smooth effects of covariates.
        ValueError
            If none is represented by functions: courses by state space miss nothing.
        NotFittedError
        """
        require_method(estimator, "covariate_effect", "LongitudinalVAE")
        return cls.from_frame(estimator.basis_, ax=ax, palette=palette)

    @classmethod
    def from_frame(cls, frame: Any, *, ax: Any = None, palette: Palette = LIGHT) -> Self:
        """Draw a frame as ``basis_`` is.

        Raises
        ------
        ValueError
            If no row of it is of functions.
        """
        columns = columns_of(frame)
        rows = np.isfinite(np.asarray(columns["boundary"], dtype=float))
        if not rows.any():
            raise ValueError("no effect is represented by functions: there is nothing that could be missing")
        names = ("effect", "kernel", "length_scale", "half_range", "n_functions", "boundary")
        return cls(**{name: columns[name][rows] for name in names}).plot(ax, palette=palette)

    @property
    def figsize(self) -> tuple[float, float]:
        """Size in inches of a figure of its own."""
        return (6.6, 3.2)

    def _paint(self, palette: Palette) -> None:
        self.ax_.axhspan(_TOO_MUCH, 2.0, color=palette.positive, alpha=0.1, linewidth=0)
        for error in sorted({WaveRule.of(kernel).error for kernel in self.kernel}):
            self.ax_.axhline(error, color=palette.muted, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
        lowest = 1.0
        for place, (name, curve, count) in enumerate(
            zip(self.effect, self.curves, self.n_functions.tolist(), strict=True)
        ):
            colour = palette.series[place % len(palette.series)]
            style = _STYLES[place // len(palette.series) % len(_STYLES)]
            shown = np.maximum(curve, _FLOOR)
            lowest = min(lowest, float(shown.min()))
            self.ax_.plot(
                np.arange(1, shown.size + 1), shown, color=colour, linestyle=style, linewidth=1.4, zorder=2
            )
            self.ax_.plot(
                count,
                shown[count - 1],
                "o",
                markerfacecolor=colour if place == 0 else "none",
                markeredgecolor=colour,
                markeredgewidth=1.4,
                markersize=5.0 + 4.0 * place,  # rings: marks of several effects may fall together
                zorder=3,
                label=f"{name}: {count} functions,\nlength scale {self.length_scale[place]:.3g}",
            )
        self.ax_.set(
            yscale="log",
            ylim=(0.5 * lowest, 1.3),
            xlabel="functions",
            ylabel="largest missing share of variance",
        )
        self.ax_.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
        self.ax_.locator_params(axis="x", integer=True)
        self.ax_.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5), labelspacing=0.8)


def missing_variance(
    kernel: str, length_scale: float, boundary: float, n_functions: int
) -> NDArray[np.float64]:
    """Largest missing share over a range of half width one, with 1, 2, … functions.

    Examples
    --------
    >>> missing_variance("rbf", 0.6, 1.91, 11).round(2)[[0, 1, 3, 10]].tolist()
    [0.68, 0.3, 0.04, 0.01]
    """
    places = np.linspace(-1.0, 1.0, _PLACES)
    values = waves(kernel, places, boundary, length_scale, n_functions)
    return np.clip(1.0 - np.cumsum(np.square(values), axis=1).min(axis=0), 0.0, 1.0)
