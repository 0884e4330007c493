"""Curves of single subjects over time with bands, and the rows that they were learnt from."""

from __future__ import annotations

import math
from typing import Any, Self, final

import numpy as np

from intertwine.frames import make_frame
from intertwine.plots._display import AbstractDisplay
from intertwine.plots._groups import (
    group_labels,
    require_mixed_model,
    shown_levels,
    single_outcome,
)
from intertwine.plots._results import columns_of
from intertwine.plots._style import LIGHT, Palette

__all__ = ["TrajectoriesDisplay"]

_Z = 1.959964


@final
class TrajectoriesDisplay(AbstractDisplay):
    """Subjects in panels of their own: observed rows, the model's curve with a 95% band, and the population's curve.

    The band is of the subject's expected outcome; the population's curve (dashed) is what the model says of a subject
    that it knows nothing of.

    Parameters
    ----------
    level : (n,) array
        Subject of each row.
    time : (n,) array
    mean, std : (n,) arrays
        What the model expects, and how sure it is of that.
    population : (n,) array
        What it expects of a subject that is not known.
    observed : (n,) array, optional
    time_name, outcome_name : str

    Attributes
    ----------
    frame : frame
        ``level``, ``time``, ``observed``, ``mean``, ``std``, ``population``, sorted by subject and time.
    levels : list
        Subjects in the order of their panels.
    figure_, ax_
        Set by :meth:`plot`.

    Examples
    --------
    >>> display = TrajectoriesDisplay(
    ...     level=["b", "a", "a"], time=[0, 1, 0], mean=[1.0, 2.0, 1.5], std=[0.1, 0.2, 0.1], population=[1.2, 1.4, 1.2]
    ... )
    >>> display.levels
    ['b', 'a']
    """

    figure_: Any
    ax_: Any

    def __init__(
        self,
        *,
        level: Any,
        time: Any,
        mean: Any,
        std: Any,
        population: Any,
        observed: Any = None,
        time_name: str = "time",
        outcome_name: str = "outcome",
    ) -> None:
        level, time = np.asarray(level), np.asarray(time, dtype=float)
        self.levels = list(dict.fromkeys(level.tolist()))
        place = {one: i for i, one in enumerate(self.levels)}
        order = np.lexsort([time, [place[one] for one in level.tolist()]])
        self.level, self.time = level[order], time[order]
        self.mean, self.std, self.population = (
            np.asarray(part, dtype=float)[order] for part in (mean, std, population)
        )
        unknown = np.full(time.size, np.nan)
        self.observed = (unknown if observed is None else np.asarray(observed, dtype=float))[order]
        self.time_name, self.outcome_name = time_name, outcome_name
        self.frame = make_frame(
            {
                "level": self.level,
                "time": self.time,
                "observed": self.observed,
                "mean": self.mean,
                "std": self.std,
                "population": self.population,
            }
        )

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        groups: Any,
        time: Any,
        by: Any = None,
        levels: Any = None,
        n_levels: int = 9,
        output: Any = None,
        time_name: str = "time",
        outcome_name: str = "outcome",
        ax: Any = None,
        palette: Palette = LIGHT,
        **given: Any,
    ) -> Self:
        """Draw the curves of a fitted mixed model through the rows that are given.

        Parameters
        ----------
        estimator : fitted MixedModel
        X
            Features of the rows, of the fit or of a grid of times: the curve goes from row to row.
        y : array, optional
            Outcomes of the rows, drawn as dots; NaN where there is none.
        groups : array or frame
            As in ``fit``; for a model with a formula, the labels of the subjects.
        time : (n,) array
        by : str or int, optional
            Column of `groups` that has the subjects; the first by default.
        levels : sequence, optional
            Subjects to show; by default the `n_levels` with the most rows.
        n_levels : int, default 9
        output : str, optional
            Which outcome; the first by default.
        time_name, outcome_name : str
            Names of the axes.
        ax : matplotlib axes, optional
        palette : Palette, default LIGHT
        **given
            ``coords``, where the model reads them.

        Raises
        ------
        TypeError
            If it is no mixed model.
        ValueError
            For subjects without rows.
        NotFittedError
        """
        require_mixed_model(estimator)
        if estimator.formula is None:
            given = {"groups": groups, **given}
            if any("time" in effect.needs for effect in estimator.effects_):
                given["time"] = time
        outputs = columns_of(y) if np.ndim(y) == 2 and hasattr(y, "columns") else []
        mean, std = estimator.predict(X, return_std=True, include_noise=False, **given)
        parts = {"mean": mean, "std": std, "population": estimator.predict(X, random_effects=False)}
        if y is not None:
            parts["observed"] = y
        labels = group_labels(groups, by)
        chosen = shown_levels(labels, levels, n_levels)
        rows = np.concatenate([np.flatnonzero(labels == one) for one in chosen])
        columns = {name: single_outcome(part, outputs, output)[rows] for name, part in parts.items()}
        return cls(
            level=labels[rows],
            time=np.asarray(time, dtype=float)[rows],
            **columns,
            time_name=time_name,
            outcome_name=outcome_name,
        ).plot(ax, palette=palette)

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        time_name: str = "time",
        outcome_name: str = "outcome",
        ax: Any = None,
        palette: Palette = LIGHT,
    ) -> Self:
        """Draw a frame with ``level``, ``time``, ``mean``, ``std``, ``population`` and perhaps ``observed``.

        `time_name` and `outcome_name` as in the class.
        """
        return cls(**columns_of(frame), time_name=time_name, outcome_name=outcome_name).plot(
            ax, palette=palette
        )

    @property
    def figsize(self) -> tuple[float, float]:
        """Size in inches of a figure of its own."""
        n_rows, n_columns = self._grid()
        return (0.7 + 1.6 * n_columns, 0.7 + 1.3 * n_rows)

    def _paint(self, palette: Palette) -> None:
        """Panels share their axes."""
        for side in ("left", "bottom"):
            self.ax_.spines[side].set_visible(False)
        self.ax_.set(xticks=[], yticks=[])
        # the labels stand clear of the panels' own numbers
        self.ax_.set_xlabel(self.time_name, labelpad=18)
        self.ax_.set_ylabel(self.outcome_name, labelpad=34)
        n_rows, n_columns = self._grid()
        low, high = self._limits()
        for place, one in enumerate(self.levels):
            row, column = divmod(place, n_columns)
            width, height = 1.0 / n_columns, 1.0 / n_rows
            panel = self.ax_.inset_axes((column * width, 1 - (row + 1) * height, 0.93 * width, 0.80 * height))
            self._draw(panel, self.level == one, palette)
            panel.set_title(str(one), fontsize="small", loc="left", pad=2)
            panel.set_ylim(low, high)
            panel.set_xlim(self._times())
            below = place + n_columns >= len(self.levels)
            panel.tick_params(labelsize="x-small", labelleft=column == 0, labelbottom=below, length=2)

    def _draw(self, panel: Any, rows: Any, palette: Palette) -> None:
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
        time, mean, half = self.time[rows], self.mean[rows], _Z * self.std[rows]
        panel.plot(time, self.population[rows], color=palette.muted, linewidth=0.9, dashes=(4, 3))
        panel.fill_between(time, mean - half, mean + half, color=palette.series[0], alpha=0.2, linewidth=0)
        panel.plot(time, mean, color=palette.series[0], linewidth=1.4)
        panel.plot(
            time, self.observed[rows], "o", color=palette.ink, markersize=2.6, markeredgewidth=0, alpha=0.85
        )

    def _grid(self) -> tuple[int, int]:
        n = max(len(self.levels), 1)
        n_columns = min(n, 3 if n <= 9 else 4)
        return math.ceil(n / n_columns), n_columns

    def _limits(self) -> tuple[float, float]:
        half = _Z * self.std
        parts = np.concatenate([self.mean - half, self.mean + half, self.population, self.observed])
        low, high = float(np.nanmin(parts)), float(np.nanmax(parts))
        room = 0.04 * ((high - low) or 1.0)
        return low - room, high + room

    def _times(self) -> tuple[float, float]:
        low, high = float(self.time.min()), float(self.time.max())
        room = 0.03 * ((high - low) or 1.0)
        return low - room, high + room
