"""How far a mixed model draws the mean of each group to the rest: plain means beside its estimates."""

from __future__ import annotations

from typing import Any, Self, final

import numpy as np

from intertwine.frames import make_frame
from intertwine.plots._display import AbstractDisplay
from intertwine.plots._groups import group_labels, require_mixed_model, single_outcome
from intertwine.plots._results import columns_of
from intertwine.plots._style import LIGHT, Palette

__all__ = ["ShrinkageDisplay"]

_FEW = 60  # groups up to which each has an arrow


@final
class ShrinkageDisplay(AbstractDisplay):
    """Plain group means of what fixed effects leave, against the model's estimates of the same.

    On the dashed line a group is taken at its word. Groups of few rows, whose means are mostly chance, are drawn to
    zero, the average group; groups of many rows stay near the line.

    Parameters
    ----------
    level : (q,) array
        Groups.
    mean : (q,) array
        Mean over the rows of the group of the outcome less what fixed effects say.
    estimate : (q,) array
        Mean over the same rows of what the random effects say.
    n : (q,) array of int
        Rows of the group.

    Attributes
    ----------
    frame : frame
        ``level``, ``mean``, ``estimate``, ``n``.
    shrinkage : float
        How much of the plain means the model takes away: 1 − Σ n·mean·estimate / Σ n·mean².
    figure_, ax_
        Set by :meth:`plot`.

    Examples
    --------
    >>> display = ShrinkageDisplay(level=["a", "b"], mean=[2.0, -2.0], estimate=[1.0, -1.0], n=[3, 3])
    >>> display.shrinkage
    0.5
    """

    figure_: Any
    ax_: Any

    def __init__(self, *, level: Any, mean: Any, estimate: Any, n: Any) -> None:
        self.level = np.asarray(level)
        self.mean, self.estimate = np.asarray(mean, dtype=float), np.asarray(estimate, dtype=float)
        self.n = np.asarray(n).astype(int)
        spread = float(np.sum(self.n * self.mean**2))
        kept = float(np.sum(self.n * self.mean * self.estimate)) / spread if spread > 0 else 1.0
        self.shrinkage = 1.0 - kept
        self.frame = make_frame(
            {"level": self.level, "mean": self.mean, "estimate": self.estimate, "n": self.n}
        )

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        groups: Any,
        by: Any = None,
        output: Any = None,
        ax: Any = None,
        palette: Palette = LIGHT,
        **given: Any,
    ) -> Self:
        """Draw what a fitted mixed model makes of the groups of its rows.

        Parameters
        ----------
        estimator : fitted MixedModel
        X, y
            Rows of the fit.
        groups : array or frame
            As in ``fit``; for a model with a formula, the labels of the groups to show.
        by : str or int, optional
            Column of `groups`; the first by default.
        output : str, optional
            Which outcome; the first by default.
        ax : matplotlib axes, optional
        palette : Palette, default LIGHT
        **given
            ``time`` and ``coords``, where the model reads them.

        Raises
        ------
        TypeError
            If it is no mixed model.
        NotFittedError
        """
        require_mixed_model(estimator)
        passed = given if estimator.formula is not None else {"groups": groups, **given}
        outputs = columns_of(y) if np.ndim(y) == 2 and hasattr(y, "columns") else range(np.shape(y)[-1])
        alone, whole, observed = (
            single_outcome(part, outputs, output)
            for part in (
                estimator.predict(X, random_effects=False),
                estimator.predict(X, **passed),
                y,
            )
        )
        labels = group_labels(groups, by)
        known = ~np.isnan(observed)
        level, codes = np.unique(labels[known], return_inverse=True)
        n = np.bincount(codes)
        return cls(
            level=level,
            mean=np.bincount(codes, (observed - alone)[known]) / n,
            estimate=np.bincount(codes, (whole - alone)[known]) / n,
            n=n,
        ).plot(ax, palette=palette)

    @classmethod
    def from_frame(cls, frame: Any, *, ax: Any = None, palette: Palette = LIGHT) -> Self:
        """Draw a frame with ``level``, ``mean``, ``estimate`` and ``n``."""
        return cls(**columns_of(frame)).plot(ax, palette=palette)

    @property
    def figsize(self) -> tuple[float, float]:
        """Size in inches of a figure of its own."""
        return (4.8, 3.9)

    def _paint(self, palette: Palette) -> None:
        reach = 1.06 * max(float(np.max(np.abs(self.mean), initial=0.0)), 1e-12)
        self.ax_.axhline(0, color=palette.faint, linewidth=0.8, zorder=0)
        self.ax_.plot(
            [-reach, reach], [-reach, reach], color=palette.muted, linewidth=1, dashes=(4, 3), zorder=1
        )
        if self.mean.size <= _FEW:
            self.ax_.vlines(
                self.mean, self.mean, self.estimate, color=palette.muted, linewidth=0.7, alpha=0.7, zorder=1
            )
        area = 8.0 + 42.0 * self.n / max(int(self.n.max(initial=1)), 1)
        self.ax_.scatter(
            self.mean,
            self.estimate,
            s=area,
            color=palette.series[0],
            edgecolors=palette.surface,
            linewidths=0.5,
            alpha=0.85 if self.mean.size <= 300 else 0.4,
            rasterized=self.mean.size > 2000,
            zorder=3,
        )
        self.ax_.set_xlim(-reach, reach)
        self.ax_.set_ylim(-reach, reach)
        self.ax_.set(xlabel="plain mean of the group's rows", ylabel="estimate of the model")
