"""Held-out loss, and coefficients, along one hyperparameter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from intertwine.frames import make_frame
from intertwine.plots._display import AbstractDisplay
from intertwine.plots._results import asked_of, columns_of, score_path
from intertwine.plots._style import LIGHT, Palette

__all__ = ["CoefficientPathDisplay", "PathDisplay"]


@final
class PathDisplay(AbstractDisplay):
    """Held-out loss (or score) of cross-validation against a hyperparameter, with standard errors.

    Values of 0 and infinity stand apart at the two ends of the logarithmic axis.  Where other hyperparameters varied as
    well, each point is the best candidate at that value.

    Parameters
    ----------
    values, mean, std_error : (m,) arrays
    chosen : float, optional
        The value that was picked.
    name : str, default "tie"
        Name of the hyperparameter.
    score_name : str, default "held-out loss"

    Attributes
    ----------
    frame : frame
        ``value``, ``mean``, ``std_error``, ``chosen``.
    figure_, ax_
        Set by :meth:`plot`.

    Examples
    --------
    >>> display = PathDisplay(values=[0.0, 0.1, 1.0], mean=[0.4, 0.5, 0.45], std_error=[0.02, 0.02, 0.02], chosen=0.1)
    >>> display.frame.shape
    (3, 4)
    """

    figure_: Any
    ax_: Any

    def __init__(
        self,
        *,
        values: Any,
        mean: Any,
        std_error: Any,
        chosen: float | None = None,
        name: str = "tie",
        score_name: str = "held-out loss",
    ) -> None:
        order = np.argsort(np.asarray(values, dtype=float), kind="stable")
        self.values = np.asarray(values, dtype=float)[order]
        self.mean = np.asarray(mean, dtype=float)[order]
        self.std_error = np.asarray(std_error, dtype=float)[order]
        self.chosen = chosen
        self.name = name
        self.score_name = score_name
        picked = np.zeros(self.values.size, dtype=bool) if chosen is None else self.values == chosen
        self.frame = make_frame(
            {"value": self.values, "mean": self.mean, "std_error": self.std_error, "chosen": picked}
        )

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, name: str = "tie", ax: Any = None, palette: Palette = LIGHT
    ) -> Self:
        """Draw the cross-validation results of a fitted ``…CV`` estimator along the hyperparameter `name`."""
        path = score_path(estimator, name)
        return cls(**path, name=name).plot(ax, palette=palette)

    @classmethod
    def from_frame(cls, frame: Any, *, name: str = "tie", ax: Any = None, palette: Palette = LIGHT) -> Self:
        """Draw a frame with ``value``, ``mean`` and ``std_error``; `name` is the hyperparameter."""
        columns = columns_of(frame)
        chosen = columns["value"][columns["chosen"].astype(bool)] if "chosen" in columns else []
        display = cls(
            values=columns["value"],
            mean=columns["mean"],
            std_error=columns["std_error"],
            chosen=float(chosen[0]) if len(chosen) else None,
            name=name,
        )
        return display.plot(ax, palette=palette)

    @property
    def figsize(self) -> tuple[float, float]:
        """Size in inches of a figure of its own."""
        return (4.4, 3.0)

    def _paint(self, palette: Palette) -> None:
        where, ticks, names = _positions(self.values)
        proper = np.isfinite(self.values) & (self.values > 0)
        error = np.where(np.isfinite(self.std_error), self.std_error, 0.0)
        self.ax_.plot(where[proper], self.mean[proper], color=palette.series[0], linewidth=1.6, zorder=2)
        self.ax_.errorbar(
            where,
            self.mean,
            yerr=error,
            fmt="o",
            color=palette.series[0],
            markersize=4.5,
            elinewidth=1.1,
            capsize=2.5,
            zorder=3,
        )
        if self.chosen is not None and np.any(self.values == self.chosen):
            at = int(np.flatnonzero(self.values == self.chosen)[0])
            self.ax_.axhline(
                self.mean[at], color=palette.muted, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1
            )
            self.ax_.plot(
                where[at],
                self.mean[at],
                "o",
                markersize=11,
                markerfacecolor="none",
                markeredgecolor=palette.positive,
                markeredgewidth=1.8,
                zorder=4,
            )
        self.ax_.set_xticks(ticks, names)
        self.ax_.set(xlabel=self.name, ylabel=self.score_name)
        self.ax_.margins(x=0.06, y=0.15)


@final
class CoefficientPathDisplay(AbstractDisplay):
    """Interactions against a hyperparameter, one line for each pair.

    Parameters
    ----------
    values : (m,) array
    estimates : (m, k) array
    terms : list of k str
    name : str, default "tie"
    n_labels : int, default 8
        How many of the lines carry their name; the largest at the last value.

    Attributes
    ----------
    frame : frame
        ``value``, ``term``, ``estimate``.
    figure_, ax_
        Set by :meth:`plot`.

    Examples
    --------
    >>> display = CoefficientPathDisplay(values=[0.1, 1.0], estimates=[[0.1], [0.2]], terms=["age × dose"])
    >>> display.frame.shape
    (2, 3)
    """

    figure_: Any
    ax_: Any

    def __init__(
        self, *, values: Any, estimates: Any, terms: list[str], name: str = "tie", n_labels: int = 8
    ) -> None:
        order = np.argsort(np.asarray(values, dtype=float), kind="stable")
        self.values = np.asarray(values, dtype=float)[order]
        self.estimates = np.asarray(estimates, dtype=float)[order]
        self.terms = [str(term) for term in terms]
        self.name = name
        self.n_labels = n_labels
        self.frame = make_frame(
            {
                "value": np.repeat(self.values, len(self.terms)),
                "term": np.tile(np.array(self.terms, dtype=object), self.values.size),
                "estimate": self.estimates.ravel(),
            }
        )

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        name: str = "tie",
        values: Sequence[float] = (0.0, 0.01, 0.1, 1.0, 10.0),
        k: int = 12,
        ax: Any = None,
        palette: Palette = LIGHT,
    ) -> Self:
        """Refit a clone of `estimator` to `X` and `y` at each of `values` and follow its `k` largest interactions.

        `name` is the hyperparameter that takes the values.
        """
        from sklearn.base import clone

        pairs = columns_of(asked_of(estimator, "top_interactions")(k))
        best = getattr(estimator, "best_estimator_", estimator)
        rows = []
        for value in values:
            fitted = clone(best).set_params(**{name: value}).fit(X, y)
            rows.append(
                [
                    fitted.interaction(j, m).estimate
                    for j, m in zip(pairs["feature_1"], pairs["feature_2"], strict=True)
                ]
            )
        display = cls(values=values, estimates=rows, terms=list(pairs["term"]), name=name)
        return display.plot(ax, palette=palette)

    @classmethod
    def from_frame(cls, frame: Any, *, name: str = "tie", ax: Any = None, palette: Palette = LIGHT) -> Self:
        """Draw a frame with ``value``, ``term`` and ``estimate``; `name` is the hyperparameter."""
        columns = columns_of(frame)
        values = np.unique(columns["value"].astype(float))
        terms = list(dict.fromkeys(str(term) for term in columns["term"]))
        estimates = np.full((values.size, len(terms)), np.nan)
        rows = np.searchsorted(values, columns["value"].astype(float))
        estimates[rows, [terms.index(str(term)) for term in columns["term"]]] = columns["estimate"]
        return cls(values=values, estimates=estimates, terms=terms, name=name).plot(ax, palette=palette)

    @property
    def figsize(self) -> tuple[float, float]:
        """Size in inches of a figure of its own."""
        return (5.6, 3.6)

    def _paint(self, palette: Palette) -> None:
        where, ticks, names = _positions(self.values)
        last = self.estimates[-1]
        leading = np.argsort(-np.abs(last), kind="stable")[: self.n_labels]
        self.ax_.axhline(0.0, color=palette.muted, linewidth=0.8, zorder=0)
        heights = _spread(last[leading], 0.055 * float(np.ptp(self.estimates) or 1.0))
        for column in range(len(self.terms)):
            color = palette.positive if last[column] >= 0 else palette.negative
            style = "-" if last[column] >= 0 else (0, (5, 2))
            self.ax_.plot(
                where,
                self.estimates[:, column],
                color=color,
                linestyle=style,
                linewidth=1.3,
                marker="o",
                markersize=3,
            )
        for column, height in zip(leading, heights, strict=True):
            self.ax_.annotate(
                self.terms[column],
                (where[-1], last[column]),
                xytext=(1.03, height),
                textcoords=self.ax_.get_yaxis_transform(),
                va="center",
                fontsize="small",
                color=palette.ink,
                annotation_clip=False,
                arrowprops={"arrowstyle": "-", "color": palette.faint, "lw": 0.7},
            )
        self.ax_.set_xticks(ticks, names)
        self.ax_.set(xlabel=self.name, ylabel="interaction")


def _positions(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[float], list[str]]:
    """Places on a logarithmic axis with 0 and infinity one step outside, tick places and tick names."""
    proper = np.isfinite(values) & (values > 0)
    logs = np.log10(values[proper]) if np.any(proper) else np.zeros(1)
    step = max(0.8, 0.15 * float(np.ptp(logs)))
    where = np.empty(values.size)
    where[proper] = np.log10(values[proper])
    where[values == 0] = logs.min() - step
    where[np.isposinf(values)] = logs.max() + step
    ticks = [float(place) for place in range(int(np.ceil(logs.min())), int(np.floor(logs.max())) + 1)]
    if np.any(proper) and len(ticks) < 2:
        ticks = sorted({float(place) for place in where[proper]})
    names = [f"{10**tick:g}" for tick in ticks]
    if np.any(values == 0):
        ticks, names = [float(logs.min() - step), *ticks], ["0", *names]
    if np.any(np.isposinf(values)):
        ticks, names = [*ticks, float(logs.max() + step)], [*names, "∞"]
    return where, ticks, names


def _spread(heights: NDArray[np.float64], gap: float) -> NDArray[np.float64]:
    """Move heights apart so that neighbours differ by at least `gap`, keeping their order and their mean."""
    order = np.argsort(heights, kind="stable")
    moved = heights[order].astype(float)
    for _ in range(200):
        short = gap - np.diff(moved)
        if not np.any(short > 1e-12 * gap):
            break
        for i in np.flatnonzero(short > 0):
            push = max(gap - (moved[i + 1] - moved[i]), 0.0) / 2
            moved[i] -= push
            moved[i + 1] += push
    result = np.empty_like(moved)
    result[order] = moved
    return result
