"""How fast solvers come to where they go: by passes over the data, by seconds, by iterations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, final

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from intertwine.frames import make_frame
from intertwine.plots._display import AbstractDisplay
from intertwine.plots._results import asked_of, columns_of
from intertwine.plots._style import LIGHT, Palette

__all__ = ["ConvergenceDisplay"]

_CALLED = {
    "objective": "objective",
    "validation_rmse": "RMSE of ratings held out",
    "passes": "passes over the data",
    "seconds": "seconds",
    "iteration": "iteration",
}
_LOOKS = (
    ("o", "-"),
    ("s", (0, (5, 2))),
    ("^", (0, (1.5, 1.5))),
    ("D", (0, (6, 2, 1.5, 2))),
    ("v", (0, (3, 1))),
    ("X", (0, (8, 2))),
)
_MARKS = 12  # along a line


@final
class ConvergenceDisplay(AbstractDisplay):
    """One quantity of one or several fits, over the work that they took.

    Parameters
    ----------
    model : (m,) array of str
        Which fit a value belongs to.
    cost, value : (m,) arrays
        Work done so far, and the quantity then.
    quantity : str, default "objective"
    by : {"passes", "seconds", "iteration"}, default "passes"
        What `cost` counts.

    Attributes
    ----------
    frame : frame
        ``model``, ``cost``, ``value``.
    figure_, ax_
        Set by :meth:`plot`.

    Examples
    --------
    >>> display = ConvergenceDisplay(model=["als", "als"], cost=[1.0, 2.0], value=[0.9, 0.8], by="seconds")
    >>> display.frame.shape
    (2, 3)
    """

    figure_: Any
    ax_: Any

    def __init__(
        self, *, model: Any, cost: Any, value: Any, quantity: str = "objective", by: str = "passes"
    ) -> None:
        self.model = np.array([str(name) for name in model], dtype=object)
        self.cost, self.value = np.asarray(cost, dtype=float), np.asarray(value, dtype=float)
        if self.value.size == 0:
            raise ValueError(f"{quantity} was not followed in any of the fits")
        self.quantity, self.by = quantity, by
        self.frame = make_frame({"model": self.model, "cost": self.cost, "value": self.value})

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        quantity: str | None = None,
        by: str = "passes",
        ax: Any = None,
        palette: Palette = LIGHT,
    ) -> Self:
        """Draw how a fit went, or several on top of each other.

        Parameters
        ----------
        estimator : fitted estimator with ``history_``, or mapping of names to such estimators
        quantity : str, optional
            A column of ``history_``; by default the error of the ratings held out where all fits held some out, and
            else the objective. Objectives of different solvers are not on one scale.
        by : str, default "passes"
            The column of ``history_`` that counts the work: "passes", "seconds" or "iteration".
        ax : matplotlib axes, optional
        palette : Palette, default LIGHT

        Raises
        ------
        TypeError
            If it is no estimator of this package.
        ValueError
            For a `quantity` or a cost that was not followed.
        NotFittedError
        """
        fits = dict(estimator) if isinstance(estimator, Mapping) else {"": estimator}
        histories = {}
        for name, one in fits.items():
            if isinstance(one, BaseEstimator) and hasattr(type(one), "history_"):
                check_is_fitted(one)
            histories[str(name)] = columns_of(asked_of(one, "history_"))
        if quantity is None:
            held_out = all(
                np.isfinite(history.get("validation_rmse", np.nan)).any() for history in histories.values()
            )
            quantity = "validation_rmse" if held_out else "objective"
        for history in histories.values():
            for wanted in (quantity, by):
                if wanted not in history:
                    raise ValueError(f"{wanted!r} was not followed; there are {', '.join(history)}")
        model, cost, value = [], [], []
        for name, history in histories.items():
            known = np.isfinite(history[quantity]) & np.isfinite(history[by])
            model += [name] * int(known.sum())
            cost.append(history[by][known])
            value.append(history[quantity][known])
        return cls(
            model=model, cost=np.concatenate(cost), value=np.concatenate(value), quantity=quantity, by=by
        ).plot(ax, palette=palette)

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        quantity: str = "objective",
        by: str = "passes",
        ax: Any = None,
        palette: Palette = LIGHT,
    ) -> Self:
        """Draw a frame with ``model``, ``cost`` and ``value``; `quantity` and `by` say what these are."""
        columns = columns_of(frame)
        return cls(
            model=columns["model"], cost=columns["cost"], value=columns["value"], quantity=quantity, by=by
        ).plot(ax, palette=palette)

    @property
    def figsize(self) -> tuple[float, float]:
        """Size in inches of a figure of its own."""
        return (4.8, 3.1)

    def _paint(self, palette: Palette) -> None:
        """The lowest value of each held-out error is marked."""
        names = list(dict.fromkeys(self.model))
        for place, name in enumerate(names):
            rows = np.flatnonzero(self.model == name)
            marker, line = _LOOKS[place % len(_LOOKS)]
            color = palette.series[place % len(palette.series)]
            self.ax_.plot(
                self.cost[rows],
                self.value[rows],
                color=color,
                linestyle=line,
                linewidth=1.4,
                marker=marker,
                markersize=3.5,
                markevery=max(1, rows.size // _MARKS),
                label=name or None,
            )
            if self.quantity == "validation_rmse":
                best = rows[np.argmin(self.value[rows])]
                self.ax_.plot(
                    self.cost[best], self.value[best], "o", markersize=9, markerfacecolor="none",
                    markeredgecolor=color, markeredgewidth=1.2,
                )  # fmt: skip
        low, high = _shown(self.value, self.model)
        self.ax_.set_ylim(low, high)
        self.ax_.set_xlim(left=0)
        if len(names) > 1:
            self.ax_.legend(fontsize="small", loc="best")
        self.ax_.set(xlabel=_CALLED.get(self.by, self.by), ylabel=_CALLED.get(self.quantity, self.quantity))


def _shown(value: Any, model: Any) -> tuple[float, float]:
    """Limits that leave the first steps of a long fit out, so that the end can be seen."""
    kept = []
    for name in dict.fromkeys(model):
        values = value[model == name]
        kept.append(values[values.size // 10 :] if values.size > 5 else values)
    shown = np.concatenate(kept)
    low, high = float(shown.min()), float(shown.max())
    margin = 0.08 * (high - low) or 0.05 * abs(high) or 0.1
    return low - margin, high + margin
