"""Subjects' visits and what a model foretells of them: several features at a time, with predictive intervals."""

from __future__ import annotations

from typing import Any, Self, final

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_is_fitted

from intertwine.frames import make_frame
from intertwine.plots._display import AbstractDisplay
from intertwine.plots._groups import group_labels, shown_levels
from intertwine.plots._labels import shortened
from intertwine.plots._results import columns_of, require_method
from intertwine.plots._style import LIGHT, Palette
from intertwine.plots._visit_rows import VisitRows, feature_names, first_rows

__all__ = ["VisitsDisplay"]

_Z = 1.959964


@final
class VisitsDisplay(AbstractDisplay):
    """Subjects in columns, features in rows: what was measured, what the model expects, and a 95% predictive interval.

    Filled dots are measurements that the model was given; hollow ones it was not shown, from the dotted line on. The
    band is of a single further measurement at that time, so that about one dot of twenty lies outside. Panels of a
    feature share their scale.

    Parameters
    ----------
    subject, feature : (n,) arrays
        Of each row.
    time : (n,) array
    mean, std : (n,) arrays
        Of the predictive distribution.
    observed : (n,) array, optional
        NaN where nothing was measured.
    given : (n,) array of bool, optional
        Whether the model was given the measurement; by default all.
    time_name : str, default "time"

    Attributes
    ----------
    frame : frame
        ``subject``, ``feature``, ``time``, ``observed``, ``given``, ``mean``, ``std``, sorted as panels are.
    subjects, features : list
    figure_, ax_
        Set by :meth:`plot`.

    Examples
    --------
    >>> display = VisitsDisplay(
    ...     subject=["a", "a"], feature=["pulse", "pulse"], time=[1.0, 0.0], mean=[71.0, 70.0], std=[2.0, 1.0],
    ...     observed=[72.5, 70.2], given=[False, True],
    ... )
    >>> display.frame["time"].tolist(), display.covered
    ([0.0, 1.0], 1.0)
    """

    figure_: Any
    ax_: Any

    def __init__(
        self,
        *,
        subject: Any,
        feature: Any,
        time: Any,
        mean: Any,
        std: Any,
        observed: Any = None,
        given: Any = None,
        time_name: str = "time",
    ) -> None:
        subject, feature = np.asarray(subject), np.asarray(feature).astype(str)
        time = np.asarray(time, dtype=float)
        self.subjects = list(dict.fromkeys(subject.tolist()))
        self.features = list(dict.fromkeys(feature.tolist()))
        column = {one: i for i, one in enumerate(self.subjects)}
        row = {one: i for i, one in enumerate(self.features)}
        order = np.lexsort(
            [time, [column[one] for one in subject.tolist()], [row[one] for one in feature.tolist()]]
        )
        self.subject, self.feature, self.time = subject[order], feature[order], time[order]
        self.mean, self.std = (np.asarray(part, dtype=float)[order] for part in (mean, std))
        unknown = np.full(time.size, np.nan)
        self.observed = (unknown if observed is None else np.asarray(observed, dtype=float))[order]
        self.given = (np.ones(time.size, bool) if given is None else np.asarray(given, dtype=bool))[order]
        self.time_name = time_name
        self.frame = make_frame(
            {
                "subject": self.subject,
                "feature": self.feature,
                "time": self.time,
                "observed": self.observed,
                "given": self.given,
                "mean": self.mean,
                "std": self.std,
            }
        )

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        covariates: Any = None,
        subject: Any,
        time: Any = None,
        along: Any = None,
        n_given: int | None = None,
        subjects: Any = None,
        features: Any = None,
        n_subjects: int = 4,
        n_features: int = 3,
        n_between: int = 4,
        ax: Any = None,
        palette: Palette = LIGHT,
    ) -> Self:
        """Draw visits of subjects, of the fit or new ones, and what the model foretells of them.

        Nothing is fitted: the model is given the first visits of each subject that is shown, in place of what it knew
        of it. Between two visits numbers among the covariates move along a line, and categories stay.

        Parameters
        ----------
        estimator : fitted LongitudinalVAE
        X : array or frame (n, p)
            Visits; NaN where nothing was measured.
        covariates, subject, time
            As in ``fit``.
        along : str, int or (n,) array, optional
            The horizontal axis: a covariate, or values; by default `time`, and without it the first covariate that
            changes from visit to visit.
        n_given : int, optional
            First visits of each subject that the model is given; None: all.
        subjects, features : sequence, optional
            Which; by default the `n_subjects` with the most visits, and the first `n_features`.
        n_subjects : int, default 4
        n_features : int, default 3
        n_between : int, default 4
            Points of a curve from visit to visit.
        ax : matplotlib axes, optional
        palette : Palette, default LIGHT

        Raises
        ------
        TypeError
            If it forecasts no visits.
        ValueError
            For subjects or features that are not there.
        NotFittedError
        """
        require_method(estimator, "forecast", "LongitudinalVAE")
        check_is_fitted(estimator)
        labels = group_labels(subject)
        names, values = feature_names(estimator, X)
        rows = VisitRows.read(labels, covariates, time)
        clock, clock_name = rows.clock(along)
        chosen = shown_levels(labels, subjects, n_subjects)
        order = np.concatenate(
            [
                here[np.argsort(clock[here], kind="stable")]
                for here in (np.flatnonzero(labels == one) for one in chosen)
            ]
        )
        rows, clock, values = rows.take(order), clock[order], values[order]
        given = first_rows(rows.subject, n_given)
        known = estimator.condition(
            _safe_indexing(X, order[given]), **rows.take(np.flatnonzero(given)).asked(), known="replace"
        )
        curve = rows.with_between(clock, n_between)
        mean, std = known.forecast(**curve.rows.asked(), return_std=True)
        measured = np.where((curve.visit >= 0)[:, None], values[curve.visit], np.nan)
        wanted = _positions(names, features, n_features)
        many = len(wanted)
        return cls(
            subject=np.tile(curve.rows.subject, many),
            feature=np.repeat([names[j] for j in wanted], curve.clock.size),
            time=np.tile(curve.clock, many),
            mean=mean[:, wanted].T.ravel(),
            std=std[:, wanted].T.ravel(),
            observed=measured[:, wanted].T.ravel(),
            given=np.tile(given[curve.until], many),
            time_name=clock_name,
        ).plot(ax, palette=palette)

    @classmethod
    def from_frame(
        cls, frame: Any, *, time_name: str = "time", ax: Any = None, palette: Palette = LIGHT
    ) -> Self:
        """Draw a frame with the columns of ``frame``; `time_name` as in the class."""
        return cls(**columns_of(frame), time_name=time_name).plot(ax, palette=palette)

    @property
    def covered(self) -> float:
        """Share of the measurements that the model was not given which lie in the band; NaN where there are none."""
        ahead = ~self.given & np.isfinite(self.observed)
        inside = np.abs(self.observed - self.mean)[ahead] <= _Z * self.std[ahead]
        return float(inside.mean()) if ahead.any() else float("nan")

    @property
    def figsize(self) -> tuple[float, float]:
        """Size in inches of a figure of its own."""
        return (0.9 + 1.75 * len(self.subjects), 0.8 + 1.35 * len(self.features))

    def _paint(self, palette: Palette) -> None:
        """Panels share the axis of time."""
        for side in ("left", "bottom"):
            self.ax_.spines[side].set_visible(False)
        self.ax_.set(xticks=[], yticks=[])
        # the labels stand clear of the panels' own numbers
        self.ax_.set_xlabel(self.time_name, labelpad=18)
        self.ax_.set_ylabel(" ", labelpad=34)
        width, height = 1.0 / max(len(self.subjects), 1), 1.0 / max(len(self.features), 1)
        for row, feature in enumerate(self.features):
            limits = self._limits(self.feature == feature)
            for column, subject in enumerate(self.subjects):
                rows = (self.feature == feature) & (self.subject == subject)
                corner = (column * width, 1 - (row + 1) * height)
                panel = self.ax_.inset_axes((*corner, 0.9 * width, 0.84 * height))
                self._draw(panel, rows, palette)
                panel.set_ylim(limits)
                panel.set_xlim(self._times(self.subject == subject))
                last = row + 1 == len(self.features)
                panel.tick_params(labelsize="x-small", labelleft=column == 0, labelbottom=last, length=2)
                if row == 0:
                    panel.set_title(shortened(str(subject), 18), fontsize="small", loc="left", pad=4)
                if column == 0:
                    panel.set_ylabel(shortened(feature, 16), fontsize="small")

    def _draw(self, panel: Any, rows: Any, palette: Palette) -> None:
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
        time, mean, half = self.time[rows], self.mean[rows], _Z * self.std[rows]
        observed, given = self.observed[rows], self.given[rows]
        # the two parts meet at the last visit that the model was given
        last = int(np.flatnonzero(given)[-1]) if given.any() else 0
        parts = [(slice(0, last + 1), palette.series[0])]
        if not given.all():
            parts.append((slice(last, None), palette.series[1]))
            panel.axvline(time[last], color=palette.muted, linewidth=0.9, linestyle=(0, (1, 2)))
        for part, colour in parts:
            band = (mean - half)[part], (mean + half)[part]
            panel.fill_between(time[part], *band, color=colour, alpha=0.18, linewidth=0)
            panel.plot(time[part], mean[part], color=colour, linewidth=1.4)
        dots: dict[str, Any] = {"marker": "o", "linestyle": "", "markersize": 3.4, "color": palette.ink}
        panel.plot(time[given], observed[given], markeredgewidth=0, **dots)
        panel.plot(
            time[~given], observed[~given], markerfacecolor=palette.surface, markeredgewidth=0.9, **dots
        )

    def _limits(self, rows: Any) -> tuple[float, float]:
        half = _Z * self.std[rows]
        parts = np.concatenate([self.mean[rows] - half, self.mean[rows] + half, self.observed[rows]])
        return _with_room(float(np.nanmin(parts)), float(np.nanmax(parts)))

    def _times(self, rows: Any) -> tuple[float, float]:
        return _with_room(float(self.time[rows].min()), float(self.time[rows].max()))


def _with_room(low: float, high: float) -> tuple[float, float]:
    room = 0.04 * ((high - low) or 1.0)
    return low - room, high + room


def _positions(names: list[str], features: Any, n_features: int) -> list[int]:
    if features is None:
        return list(range(min(n_features, len(names))))
    positions = []
    for one in features:
        if str(one) in names:
            positions.append(names.index(str(one)))
        elif isinstance(one, int | np.integer) and 0 <= one < len(names):
            positions.append(int(one))
        else:
            raise ValueError(f"no feature {one!r}; there are {len(names)}: {names[0]!r}, …")
    return positions
