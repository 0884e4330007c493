"""Caterpillar plot: the levels of a random effect in order, each with how sure it is."""

from __future__ import annotations

from typing import Any, Self, final

import numpy as np

from intertwine.frames import make_frame
from intertwine.plots._display import AbstractDisplay
from intertwine.plots._groups import require_mixed_model
from intertwine.plots._labels import shortened
from intertwine.plots._results import columns_of
from intertwine.plots._style import LIGHT, Palette

__all__ = ["RandomEffectsDisplay"]

_NAMED = 45  # levels up to which each has its name
_REACH = 1.96


@final
class RandomEffectsDisplay(AbstractDisplay):
    """Estimates of the levels of an effect from the lowest to the highest, ± 1.96 standard errors.

    Levels whose bar does not reach zero stand out: filled and blue below, filled and vermillion above; the others are
    hollow and grey.

    Parameters
    ----------
    level : (q,) array
        Labels.
    estimate, std_error : (q,) arrays
    title : str, default "random effect"
        What is estimated, for the axis.

    Attributes
    ----------
    frame : frame
        ``level``, ``estimate``, ``std_error``, from the lowest estimate to the highest.
    figure_, ax_
        Set by :meth:`plot`.

    Examples
    --------
    >>> display = RandomEffectsDisplay(level=["a", "b"], estimate=[0.4, -0.1], std_error=[0.1, 0.1])
    >>> list(display.frame["level"])
    ['b', 'a']
    """

    figure_: Any
    ax_: Any

    def __init__(self, *, level: Any, estimate: Any, std_error: Any, title: str = "random effect") -> None:
        order = np.argsort(np.asarray(estimate, dtype=float), kind="stable")
        self.level = np.asarray(level)[order]
        self.estimate = np.asarray(estimate, dtype=float)[order]
        self.std_error = np.asarray(std_error, dtype=float)[order]
        self.title = title
        self.frame = make_frame({"level": self.level, "estimate": self.estimate, "std_error": self.std_error})

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        effect: str | None = None,
        term: str | None = None,
        output: str | None = None,
        ax: Any = None,
        palette: Palette = LIGHT,
    ) -> Self:
        """Draw an effect of a fitted mixed model.

        Parameters
        ----------
        estimator : fitted MixedModel
        effect, term, output : str, optional
            As ``random_effects_`` names them; the first of each by default.
        ax : matplotlib axes, optional
        palette : Palette, default LIGHT

        Raises
        ------
        TypeError
            If it is no mixed model.
        ValueError
            For an effect, term or output that is not there.
        NotFittedError
        """
        require_mixed_model(estimator)
        return cls.from_frame(
            estimator.random_effects_, effect=effect, term=term, output=output, ax=ax, palette=palette
        )

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        effect: str | None = None,
        term: str | None = None,
        output: str | None = None,
        ax: Any = None,
        palette: Palette = LIGHT,
    ) -> Self:
        """Draw a frame as ``random_effects_`` is; of ``effect``, ``term`` and ``output`` the first by default."""
        columns = columns_of(frame)
        title = []
        for name, wanted in (("effect", effect), ("term", term), ("output", output)):
            if name not in columns:
                continue
            values = columns[name]
            if not len(values):
                raise ValueError("the model has no random effects")
            chosen = values[0] if wanted is None else wanted
            if not (here := values == chosen).any():
                known = list(dict.fromkeys(values.tolist()))
                raise ValueError(f"no {name} {chosen!r}; there are {known}")
            columns = {key: column[here] for key, column in columns.items()}
            title.append(str(chosen))
        if "term" in columns and len(title) > 1:
            title[:2] = [f"{title[1]} by {title[0]}"]
        return cls(
            level=columns["level"],
            estimate=columns["estimate"],
            std_error=columns["std_error"],
            title=", ".join(title) or "random effect",
        ).plot(ax, palette=palette)

    @property
    def figsize(self) -> tuple[float, float]:
        """Size in inches of a figure of its own."""
        named = self.level.size <= _NAMED
        return (4.4, 0.9 + 0.19 * max(self.level.size, 4)) if named else (4.4, 5.6)

    def _paint(self, palette: Palette) -> None:
        count, place = self.level.size, np.arange(self.level.size)
        half = _REACH * self.std_error
        above, below = self.estimate - half > 0, self.estimate + half < 0
        few = count <= _NAMED
        self.ax_.axvline(0.0, color=palette.muted, linewidth=0.8, zorder=0)
        for these, color, filled in (
            (~above & ~below, palette.muted, False),
            (above, palette.positive, True),
            (below, palette.negative, True),
        ):
            self.ax_.hlines(
                place[these],
                (self.estimate - half)[these],
                (self.estimate + half)[these],
                color=color,
                linewidth=2.0 if few else max(0.25, 130.0 / count),
                alpha=0.5 if few else 0.35,
                zorder=1,
                rasterized=count > 1000,
            )
            self.ax_.scatter(
                self.estimate[these],
                place[these],
                s=20 if few else max(1.0, 900.0 / count),
                facecolors=color if filled else palette.surface,
                edgecolors=color,
                linewidths=1.0 if few else 0.3,
                zorder=2,
                rasterized=count > 1000,
            )
        if few:
            self.ax_.set_yticks(place, [shortened(str(one)) for one in self.level], fontsize="small")
        else:
            self.ax_.set_yticks([])
            self.ax_.set_ylabel(f"{count} levels, in order")
        self.ax_.set_ylim(-0.7, count - 0.3)
        self.ax_.tick_params(axis="y", length=0)
        self.ax_.spines["left"].set_visible(False)
        self.ax_.set_xlabel(f"{self.title} ± 1.96 standard errors")
