"""The picture of the sweep: test error by radius and mode."""

from __future__ import annotations

from typing import Any, final

import numpy as np

__all__ = ["Sweep"]

_STYLES = (("-", "o"), ("--", "s"), ("-.", "^"))


@final
class Sweep:
    """Test error against ρ; no sharpness stands a step left of the smallest radius.

    Parameters
    ----------
    rhos : tuple of float
    plain : (mean, standard error)
    lines : dict
        Mode to means and standard errors by radius.
    """

    figsize = (6.4, 3.6)

    def __init__(
        self, rhos: tuple[float, ...], plain: tuple[float, float], lines: dict[str, list[tuple[float, float]]]
    ) -> None:
        self._rhos, self._plain, self._lines = rhos, plain, lines

    def plot(self, axes: Any, *, palette: Any) -> None:
        """Draw the lines."""
        at = [self._rhos[0] / 3.0, *self._rhos]
        for index, (mode, points) in enumerate(self._lines.items()):
            dash, marker = _STYLES[index]
            means, errors = (np.array(column) for column in zip(self._plain, *points, strict=True))
            axes.errorbar(
                at, means, np.nan_to_num(errors), color=palette.series[index], linestyle=dash, marker=marker,
                capsize=2, label=f"mode {mode}",
            )  # fmt: skip
        axes.set_xscale("log")
        axes.set_xticks(at, ["0", *(f"{rho:g}" for rho in self._rhos)])
        axes.minorticks_off()
        axes.set_xlabel("radius ρ")
        axes.set_ylabel("test error")
        axes.legend(frameon=False)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
