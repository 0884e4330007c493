"""Forest plot of the largest interactions."""

from __future__ import annotations

from typing import Any, Self, final

import numpy as np

from intertwine.frames import make_frame
from intertwine.plots._display import AbstractDisplay
from intertwine.plots._labels import shortened
from intertwine.plots._results import asked_of, columns_of
from intertwine.plots._style import LIGHT, Palette

__all__ = ["InteractionForestDisplay"]

_LONG_NAME = 24


@final
class InteractionForestDisplay(AbstractDisplay):
    """The largest interactions with how sure we are of each.

    The thick bar is ± 1.96 standard errors given the latent vectors; the thin bar, where there is one, comes from the
    bootstrap, which lets the latent vectors move as well.  Filled markers are positive, hollow ones negative.

    Parameters
    ----------
    terms : sequence of str
    estimate, std_error : (k,) arrays
        NaN standard errors draw no bar.
    lower, upper : (k,) arrays, optional
        Bootstrap interval.

    Attributes
    ----------
    frame : frame
        ``term``, ``estimate``, ``std_error`` and, with a bootstrap, ``lower`` and ``upper``.
    figure_, ax_
        Set by :meth:`plot`.

    Examples
    --------
    >>> display = InteractionForestDisplay(terms=["age × dose"], estimate=[0.4], std_error=[0.1])
    >>> display.frame.shape
    (1, 3)
    """

    figure_: Any
    ax_: Any

    def __init__(
        self, *, terms: Any, estimate: Any, std_error: Any, lower: Any = None, upper: Any = None
    ) -> None:
        self.terms = [str(term) for term in terms]
        self.estimate = np.asarray(estimate, dtype=float)
        self.std_error = np.asarray(std_error, dtype=float)
        self.lower = None if lower is None else np.asarray(lower, dtype=float)
        self.upper = None if upper is None else np.asarray(upper, dtype=float)
        columns = {
            "term": np.array(self.terms, dtype=object),
            "estimate": self.estimate,
            "std_error": self.std_error,
        }
        if self.lower is not None and self.upper is not None:
            columns |= {"lower": self.lower, "upper": self.upper}
        self.frame = make_frame(columns)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        k: int = 15,
        n_bootstrap: int = 0,
        ax: Any = None,
        palette: Palette = LIGHT,
    ) -> Self:
        """Draw the `k` largest interactions of a fitted estimator; `n_bootstrap` > 0 adds the bootstrap's intervals."""
        if n_bootstrap > 0:
            frame = asked_of(estimator, "bootstrap_interactions")(n_bootstrap=n_bootstrap, k=k)
        else:
            frame = asked_of(estimator, "top_interactions")(k)
        return cls.from_frame(frame, ax=ax, palette=palette)

    @classmethod
    def from_frame(cls, frame: Any, *, ax: Any = None, palette: Palette = LIGHT) -> Self:
        """Draw a frame with ``term``, ``estimate``, ``std_error`` and optionally ``lower`` and ``upper``, ``class``."""
        columns = columns_of(frame)
        terms = columns["term"]
        if "class" in columns:
            terms = np.array(
                [f"{term} [{label}]" for term, label in zip(terms, columns["class"], strict=True)],
                dtype=object,
            )
        return cls(
            terms=terms,
            estimate=columns["estimate"],
            std_error=columns["std_error"],
            lower=columns.get("lower"),
            upper=columns.get("upper"),
        ).plot(ax, palette=palette)

    @property
    def figsize(self) -> tuple[float, float]:
        """Size in inches of a figure of its own."""
        lines = sum(len(label) - 1 for label in self._labels())
        return 4.1, 0.9 + 0.27 * max(len(self.terms), 2) + 0.13 * lines

    def _paint(self, palette: Palette) -> None:
        count = len(self.terms)
        colors = np.where(self.estimate >= 0, palette.positive, palette.negative)
        self.ax_.axvline(0.0, color=palette.muted, linewidth=0.8, zorder=0)
        for row in range(count):
            self.ax_.axhline(row, color=palette.faint, linewidth=0.6, zorder=0)
            if self.lower is not None and self.upper is not None:
                self.ax_.plot(
                    [self.lower[row], self.upper[row]], [row, row], color=colors[row], linewidth=1.0, zorder=1
                )
            if np.isfinite(self.std_error[row]):
                reach = 1.96 * self.std_error[row]
                ends = [self.estimate[row] - reach, self.estimate[row] + reach]
                self.ax_.plot(
                    ends,
                    [row, row],
                    color=colors[row],
                    linewidth=3.4,
                    alpha=0.4,
                    solid_capstyle="butt",
                    zorder=2,
                )
            face = colors[row] if self.estimate[row] >= 0 else palette.surface
            self.ax_.plot(
                self.estimate[row],
                row,
                "o",
                markersize=5.5,
                color=colors[row],
                markerfacecolor=face,
                zorder=3,
            )
        self.ax_.set_yticks(range(count), [""] * count)
        for row, lines in enumerate(self._labels()):
            self._write_label(row, lines, palette)
        self.ax_.set_ylim(count - 0.4, -0.6)
        self.ax_.tick_params(axis="y", length=0)
        self.ax_.spines["left"].set_visible(False)
        self.ax_.set_xlabel("interaction ± 1.96 standard errors")

    def _labels(self) -> list[list[str]]:
        """Lines of each name: long pairs take two, so that they leave room for the bars."""
        return [
            [
                shortened(line)
                for line in (term.replace(" × ", "\n× ", 1) if len(term) > _LONG_NAME else term).split("\n")
            ]
            for term in self.terms
        ]

    def _write_label(self, row: int, lines: list[str], palette: Palette) -> None:
        # One text for each line: the lines of a single text would drift apart where the reader's font is
        # narrower than ours.
        for line, text in enumerate(lines):
            up = 0.0 if len(lines) == 1 else 5.2 - 10.4 * line
            self.ax_.annotate(
                text,
                (0, row),
                xycoords=self.ax_.get_yaxis_transform(),
                xytext=(-5, up),
                textcoords="offset points",
                ha="right",
                va="center",
                color=palette.ink,
                fontsize=9,
                annotation_clip=False,
            )
