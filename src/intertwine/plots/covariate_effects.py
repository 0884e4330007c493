"""How features change along a covariate, all else alike: curves with bands, or levels with bars."""

from __future__ import annotations

import math
from typing import Any, Self, final

import numpy as np
from sklearn.utils.validation import check_is_fitted

from intertwine.frames import make_frame
from intertwine.plots._display import AbstractDisplay
from intertwine.plots._labels import shortened
from intertwine.plots._results import columns_of, require_method
from intertwine.plots._style import LIGHT, Palette

__all__ = ["CovariateEffectsDisplay"]

_STYLES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.5, 1, 1.5)))
_MARKERS = ("o", "s", "^", "D")
_MOST_FEATURES = 9


@final
class CovariateEffectsDisplay(AbstractDisplay):
    """A panel for each feature: its expected value along a covariate, with bands; a line for each level of another.

    Along numbers these are curves, of categories points with bars. Every panel has a scale of its own.

    Parameters
    ----------
    feature : (n,) array
        Name of the feature of each row.
    value : (n,) array
        Of the covariate: numbers or labels.
    mean, lower, upper : (n,) arrays
    level : (n,) array, optional
        Label of another covariate; None for one line.
    covariate, by : str
        Names of the two covariates.

    Attributes
    ----------
    frame : frame
        ``feature``, ``value``, ``level`` (where there is one), ``mean``, ``lower``, ``upper``.
    features, levels : list
        In the order of panels and of lines.
    figure_, ax_
        Set by :meth:`plot`.

    Examples
    --------
    >>> display = CovariateEffectsDisplay(
    ...     feature=["weight"] * 2, value=[40.0, 60.0], mean=[70.0, 72.0], lower=[69.0, 70.0], upper=[71.0, 74.0]
    ... )
    >>> display.features, display.is_number
    (['weight'], True)
    """

    figure_: Any
    ax_: Any

    def __init__(
        self,
        *,
        feature: Any,
        value: Any,
        mean: Any,
        lower: Any,
        upper: Any,
        level: Any = None,
        covariate: str = "covariate",
        by: str = "",
    ) -> None:
        self.feature, self.value = np.asarray(feature).astype(str), np.asarray(value)
        self.is_number = all(
            isinstance(one, int | float | np.number) and not isinstance(one, bool) for one in self.value
        )
        if self.is_number:
            self.value = self.value.astype(float)
        self.mean, self.lower, self.upper = (np.asarray(part, dtype=float) for part in (mean, lower, upper))
        self.level = None if level is None else np.asarray(level).astype(str)
        self.covariate, self.by = covariate, by
        self.features = list(dict.fromkeys(self.feature.tolist()))
        self.levels = [] if self.level is None else list(dict.fromkeys(self.level.tolist()))
        columns: dict[str, Any] = {"feature": self.feature, "value": self.value}
        if self.level is not None:
            columns["level"] = self.level
        self.frame = make_frame({**columns, "mean": self.mean, "lower": self.lower, "upper": self.upper})

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        covariate: Any,
        *,
        features: Any = None,
        by: Any = None,
        n_features: int = 6,
        ax: Any = None,
        palette: Palette = LIGHT,
        **given: Any,
    ) -> Self:
        """Draw what a fitted model says of a covariate.

        Parameters
        ----------
        estimator : fitted LongitudinalVAE
        covariate : str or int
            "time" for ``time=``.
        features : sequence of str or int, optional
            By default the `n_features` that the covariate moves furthest, beside how sure that is.
        by : str or int, optional
            A category: a line for each of its levels.
        n_features : int, default 6
        ax : matplotlib axes, optional
        palette : Palette, default LIGHT
        **given
            Further arguments of ``covariate_effect``, such as ``at`` or ``level``.

        Raises
        ------
        TypeError
            If it has no effects of covariates.
        ValueError
            For a covariate that no shared effect reads.
        NotFittedError
        """
        require_method(estimator, "covariate_effect", "LongitudinalVAE")
        check_is_fitted(estimator)
        columns = columns_of(estimator.covariate_effect(features, covariate, by=by, **given))
        if features is None:
            columns = _furthest(columns, n_features)
        return cls.from_frame(columns, ax=ax, palette=palette)

    @classmethod
    def from_frame(cls, frame: Any, *, ax: Any = None, palette: Palette = LIGHT) -> Self:
        """Draw a frame as ``covariate_effect`` gives it."""
        columns: dict[str, Any] = columns_of(frame)
        names: dict[str, Any] = {
            name: str(columns.pop(name)[0]) for name in ("covariate", "by") if name in columns
        }
        return cls(**columns, **names).plot(ax, palette=palette)

    @property
    def figsize(self) -> tuple[float, float]:
        """Size in inches of a figure of its own."""
        n_rows, n_columns = self._grid()
        beside = 1.1 if self.levels else 0.0
        return (0.8 + 2.15 * n_columns + beside, 0.7 + 1.7 * n_rows)

    def _paint(self, palette: Palette) -> None:
        """Panels share the axis of the covariate."""
        for side in ("left", "bottom"):
            self.ax_.spines[side].set_visible(False)
        self.ax_.set(xticks=[], yticks=[])
        self.ax_.set_xlabel(self.covariate, labelpad=18)
        self.ax_.set_ylabel("expected value", labelpad=28)
        n_rows, n_columns = self._grid()
        for place, one in enumerate(self.features):
            row, column = divmod(place, n_columns)
            width, height = 1.0 / n_columns, 1.0 / n_rows
            panel = self.ax_.inset_axes((column * width, 1 - (row + 1) * height, 0.8 * width, 0.78 * height))
            for side in ("top", "right"):
                panel.spines[side].set_visible(False)
            self._draw(panel, self.feature == one, palette)
            panel.set_title(shortened(one, 24), fontsize="small", loc="left", pad=3)
            below = place + n_columns >= len(self.features)
            panel.tick_params(labelsize="x-small", labelbottom=below, length=2)
        if self.levels:
            self._explain(palette)

    def _draw(self, panel: Any, rows: Any, palette: Palette) -> None:
        names = list(dict.fromkeys(self.value.astype(str).tolist()))
        for i, label in enumerate(self.levels or [None]):
            here = rows if self.level is None else rows & (self.level == label)
            look = self._look(i, palette)
            mean, lower, upper = self.mean[here], self.lower[here], self.upper[here]
            if self.is_number:
                panel.fill_between(
                    self.value[here], lower, upper, color=look["color"], alpha=0.18, linewidth=0
                )
                panel.plot(
                    self.value[here], mean, color=look["color"], linestyle=look["linestyle"], linewidth=1.5
                )
            else:
                aside = 0.16 * (i - 0.5 * (max(len(self.levels), 1) - 1))
                at = np.array([names.index(one) for one in self.value[here].astype(str)]) + aside
                panel.vlines(at, lower, upper, color=look["color"], linewidth=2.2, alpha=0.5)
                panel.plot(at, mean, look["marker"], color=look["color"], markersize=4.5)
        if self.is_number:
            panel.margins(x=0.02)
        else:
            panel.set_xticks(range(len(names)), [shortened(one, 14) for one in names])
            panel.set_xlim(-0.5, len(names) - 0.5)

    def _look(self, place: int, palette: Palette) -> dict[str, Any]:
        """Lines are told apart by hue, and by dashes or marks as well."""
        return {
            "color": palette.series[place % len(palette.series)],
            "linestyle": _STYLES[place % len(_STYLES)],
            "marker": _MARKERS[place % len(_MARKERS)],
        }

    def _explain(self, palette: Palette) -> None:
        handles = []
        for place, _ in enumerate(self.levels):
            look = self._look(place, palette)
            shape = (
                {"linestyle": look["linestyle"]}
                if self.is_number
                else {"marker": look["marker"], "linestyle": ""}
            )
            handles += self.ax_.plot([], [], color=look["color"], **shape)
        self.ax_.legend(
            handles,
            self.levels,
            title=self.by or None,
            fontsize="small",
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
        )

    def _grid(self) -> tuple[int, int]:
        n = max(len(self.features), 1)
        n_columns = min(n, 3 if n <= _MOST_FEATURES else 4)
        return math.ceil(n / n_columns), n_columns


def _furthest(columns: dict[str, Any], n_features: int) -> dict[str, Any]:
    """Rows of the features whose curves go furthest, in widths of their bands, the furthest first."""
    names = columns["feature"].astype(str)
    level = columns.get("level", np.full(names.size, "")).astype(str)
    reach: dict[str, float] = {}
    for name in dict.fromkeys(names.tolist()):
        spans = []
        for one in dict.fromkeys(level.tolist()):
            here = (names == name) & (level == one)
            width = float(np.mean(columns["upper"][here] - columns["lower"][here]))
            spans.append(float(np.ptp(columns["mean"][here])) / max(width, 1e-300))
        reach[name] = max(spans)
    chosen = sorted(reach, key=lambda name: -reach[name])[:n_features]
    rows = np.concatenate([np.flatnonzero(names == name) for name in chosen])
    return {name: values[rows] for name, values in columns.items()}
