"""Are predictions as large as what was observed?  Probabilities, and means."""

from __future__ import annotations

from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from intertwine.frames import make_frame
from intertwine.plots._display import AbstractDisplay
from intertwine.plots._results import class_column, columns_of, require_method
from intertwine.plots._style import LIGHT, Palette
from intertwine.validation.wording import listed

__all__ = ["CalibrationDisplay", "ObservedPredictedDisplay", "wilson_interval"]

# What only estimators of other kinds have, and what draws those.
_OTHER_KINDS = {"classes_": "CalibrationDisplay", "predict_survival_function": "SurvivalCurvesDisplay"}
_MOST_DOTS = 8000
_MOST_BANDS, _FEWEST_IN_BANDS = 12, 100  # values, rows


def wilson_interval(share: Any, count: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95 % interval of shares, each of so many rows.

    Source: Wilson (1927).

    Examples
    --------
    >>> low, high = wilson_interval(np.array([0.5]), 100)
    >>> round(float(low[0]), 3), round(float(high[0]), 3)
    (0.404, 0.596)
    """
    z2 = 1.96**2
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    variance = share * (1 - share) / count + z2 / (4 * count**2)
    reach = 1.96 * np.sqrt(variance) / (1 + z2 / count)
    return centre - reach, centre + reach


@final
class CalibrationDisplay(AbstractDisplay):
    """Predicted probability against observed frequency, in bins of equal size, with 95 % intervals.

    Parameters
    ----------
    predicted, observed : (b,) arrays
        Mean probability and frequency of the positive class in each bin.
    count : (b,) array of int
        Rows in each bin.
    name : str, optional
        Name of the positive class.

    Attributes
    ----------
    frame : frame
        ``predicted``, ``observed``, ``count``, ``lower``, ``upper`` (Wilson intervals).
    figure_, ax_
        Set by :meth:`plot`.

    Examples
    --------
    >>> display = CalibrationDisplay(predicted=[0.2, 0.8], observed=[0.25, 0.75], count=[40, 40])
    >>> display.frame.shape
    (2, 5)
    """

    figure_: Any
    ax_: Any

    def __init__(self, *, predicted: Any, observed: Any, count: Any, name: str | None = None) -> None:
        self.predicted = np.asarray(predicted, dtype=float)
        self.observed = np.asarray(observed, dtype=float)
        self.count = np.asarray(count, dtype=int)
        self.name = name
        self.lower, self.upper = wilson_interval(self.observed, self.count)
        self.frame = make_frame(
            {
                "predicted": self.predicted,
                "observed": self.observed,
                "count": self.count,
                "lower": self.lower,
                "upper": self.upper,
            }
        )

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        n_bins: int = 8,
        label: Any = None,
        ax: Any = None,
        palette: Palette = LIGHT,
    ) -> Self:
        """Draw the probabilities a fitted classifier gives for `X`.

        Parameters
        ----------
        estimator : fitted classifier
        X : frame or (n, p) array
        y : (n,) array
        n_bins : int
            Groups of rows with similar probability.
        label : optional
            The positive class; the last by default.
        ax : matplotlib axes, optional
        palette : Palette, default LIGHT

        Raises
        ------
        TypeError
            If `estimator` is no classifier.
        ValueError
            If `y` holds labels, or `label` is one, that the classifier was not fitted on.
        """
        require_method(estimator, "predict_proba", "classifiers")
        probability = np.asarray(estimator.predict_proba(X))
        classes, column = list(estimator.classes_), class_column(estimator, label)
        unknown = [found for found in dict.fromkeys(np.ravel(y).tolist()) if found not in classes]
        if unknown:
            raise ValueError(
                f"y holds {listed(unknown)}, which the model was not fitted on; it knows {listed(classes)}"
            )
        return cls.from_predictions(
            np.asarray(y) == classes[column],
            probability[:, column],
            n_bins=n_bins,
            name=str(classes[column]),
            ax=ax,
            palette=palette,
        )

    @classmethod
    def from_predictions(
        cls,
        hit: Any,
        probability: Any,
        *,
        n_bins: int = 8,
        name: str | None = None,
        ax: Any = None,
        palette: Palette = LIGHT,
    ) -> Self:
        """Draw probabilities against whether each row was of the positive class.

        Parameters
        ----------
        hit : (n,) array of bool
        probability : (n,) array
        n_bins : int
        name : str, optional
            Of the positive class.
        ax : matplotlib axes, optional
        palette : Palette, default LIGHT
        """
        probability, hit = np.asarray(probability, dtype=float), np.asarray(hit, dtype=float)
        bins = np.array_split(np.argsort(probability, kind="stable"), min(n_bins, probability.size))
        display = cls(
            predicted=[probability[rows].mean() for rows in bins],
            observed=[hit[rows].mean() for rows in bins],
            count=[rows.size for rows in bins],
            name=name,
        )
        return display.plot(ax, palette=palette)

    @classmethod
    def from_frame(cls, frame: Any, *, ax: Any = None, palette: Palette = LIGHT) -> Self:
        """Draw a frame with ``predicted``, ``observed`` and ``count``."""
        columns = columns_of(frame)
        display = cls(predicted=columns["predicted"], observed=columns["observed"], count=columns["count"])
        return display.plot(ax, palette=palette)

    @property
    def figsize(self) -> tuple[float, float]:
        """Size in inches of a figure of its own."""
        return (4.4, 4.0)

    def _paint(self, palette: Palette) -> None:
        self.ax_.plot([0, 1], [0, 1], color=palette.muted, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
        self.ax_.vlines(
            self.predicted, self.lower, self.upper, color=palette.series[0], linewidth=1.3, zorder=2
        )
        self.ax_.plot(
            self.predicted, self.observed, color=palette.series[0], linewidth=1.0, alpha=0.5, zorder=2
        )
        self.ax_.plot(self.predicted, self.observed, "o", color=palette.series[0], markersize=5.5, zorder=3)
        suffix = "" if self.name is None else f" of “{self.name}”"
        self.ax_.set(
            xlim=(-0.03, 1.03),
            ylim=(-0.03, 1.03),
            aspect="equal",
            xlabel=f"predicted probability{suffix}",
            ylabel="observed frequency",
        )


@final
class ObservedPredictedDisplay(AbstractDisplay):
    """Observed against predicted values, with the mean observed value in bins of the prediction.

    Parameters
    ----------
    observed, predicted : (n,) arrays
    n_bins : int, default 8

    Attributes
    ----------
    frame : frame
        ``observed``, ``predicted``.
    figure_, ax_
        Set by :meth:`plot`.

    Examples
    --------
    >>> ObservedPredictedDisplay(observed=[1.0, 2.0], predicted=[1.1, 1.9]).frame.shape
    (2, 2)
    """

    figure_: Any
    ax_: Any

    def __init__(self, *, observed: Any, predicted: Any, n_bins: int = 8) -> None:
        self.observed = np.asarray(observed, dtype=float)
        self.predicted = np.asarray(predicted, dtype=float)
        self.n_bins = n_bins
        self.frame = make_frame({"observed": self.observed, "predicted": self.predicted})

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, ax: Any = None, palette: Palette = LIGHT
    ) -> Self:
        """Draw what `estimator`, a fitted regressor, predicts for `X` against `y`.

        Raises
        ------
        TypeError
            If `estimator` is no regressor.
        """
        require_method(estimator, "predict", "regressors")
        for name, other in _OTHER_KINDS.items():
            if hasattr(estimator, name):
                raise TypeError(
                    f"{type(estimator).__name__} predicts no means; this picture is for regressors, use {other}"
                )
        return cls.from_predictions(y, estimator.predict(X), ax=ax, palette=palette)

    @classmethod
    def from_predictions(
        cls, observed: Any, predicted: Any, *, ax: Any = None, palette: Palette = LIGHT
    ) -> Self:
        """Draw observed against predicted values."""
        return cls(observed=observed, predicted=predicted).plot(ax, palette=palette)

    @property
    def figsize(self) -> tuple[float, float]:
        """Size in inches of a figure of its own."""
        return (4.4, 4.0)

    def _paint(self, palette: Palette) -> None:
        low = float(min(self.observed.min(), self.predicted.min()))
        high = float(max(self.observed.max(), self.predicted.max()))
        alpha = float(np.clip(60 / np.sqrt(max(self.observed.size, 1)) / 4, 0.12, 0.6))
        shown = _some(self.observed.size)
        dots = self.ax_.scatter(
            self.predicted[shown],
            _spread_apart(self.observed)[shown],
            s=14,
            color=palette.series[0],
            alpha=alpha,
            linewidths=0,
            zorder=2,
        )
        dots.set_rasterized(self.observed.size > 200)
        self.ax_.plot(
            [low, high], [low, high], color=palette.muted, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1
        )
        bins = np.array_split(
            np.argsort(self.predicted, kind="stable"), min(self.n_bins, self.predicted.size)
        )
        self.ax_.plot(
            [self.predicted[rows].mean() for rows in bins],
            [self.observed[rows].mean() for rows in bins],
            "D-",
            color=palette.positive,
            markersize=4.5,
            linewidth=1.2,
            markeredgecolor=palette.surface,
            zorder=3,
            label="mean of bin",
        )
        self.ax_.set(xlabel="predicted", ylabel="observed")
        self.ax_.legend(loc="upper left", fontsize="small")


def _some(n: int) -> NDArray[np.intp]:
    """Rows that are drawn, evenly spaced among all: more dots than that are ink without news."""
    return np.unique(np.linspace(0, n - 1, min(n, _MOST_DOTS)).astype(int))


def _spread_apart(observed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Heights of the dots: where outcomes are a few values, such as stars, each is a band and not a line."""
    values = np.unique(observed)
    if not 2 < values.size <= _MOST_BANDS or observed.size < _FEWEST_IN_BANDS:
        return observed
    # multiples of the golden ratio fill the band evenly, without a random number
    place = np.arange(observed.size) * 0.6180339887498949 % 1.0 - 0.5
    return observed + 0.55 * float(np.diff(values).min()) * place
