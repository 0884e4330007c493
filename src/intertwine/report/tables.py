"""The tables of a section, as rows of text with the places of their marks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from intertwine.compare import Comparison
from intertwine.report.findings import Findings
from intertwine.report.words import count, decimals_of, number, signed, unsigned

__all__ = ["Table", "error_or_score_table", "interaction_table", "main_effect_table", "marks", "score_table"]

_MOST_MAIN_EFFECTS = 15
_FAR_OFF = 1.08  # times the smallest error, from which on a model has no mark


@final
@dataclass(frozen=True)
class Table:
    """Rows of text under a caption; `low` and `high` are the ends of the scale that the marks sit on."""

    caption: str
    rows: list[dict[str, Any]]
    low: str = ""
    high: str = ""
    metric: str = ""
    has_class: bool = False
    has_bootstrap: bool = False
    has_errors: bool = True
    has_share: bool = True
    has_expert: bool = False
    has_rows: bool = False
    has_mae: bool = False

    @property
    def n_numbers(self) -> int:
        """Columns of numbers that are shown of a pair."""
        flags = (self.has_errors, self.has_errors, self.has_bootstrap, self.has_share, self.has_bootstrap)
        return 1 + sum((*flags, self.has_expert, self.has_rows))


def error_or_score_table(comparison: Comparison | None) -> Table | None:
    """Errors of all models where the outcome has a unit, or else their scores."""
    if comparison is not None and "RMSE" in comparison.errors:
        return _error_table(comparison)
    return score_table(comparison)


def score_table(comparison: Comparison | None) -> Table | None:
    """Scores of all models, the first one marked, ordered from the best; nothing where none were compared."""
    if comparison is None:
        return None
    mean, error = comparison.mean, comparison.std_error
    low, high, places = marks(mean, error)
    rows = []
    for i in np.argsort(-mean, kind="stable"):
        first = i == 0
        rows.append(
            {
                "name": comparison.names[i],
                "ours": first,
                "score": number(float(mean[i]), 3)
                if abs(mean[i]) > 10
                else f"{mean[i]:.3f}".replace("-", "−"),
                "std_error": f"{error[i]:.3f}",
                "difference": "" if first else signed(float(comparison.difference[i]), 3),
                "difference_std_error": "" if first else f"{comparison.difference_std_error[i]:.3f}",
                "settings": f"{comparison.settings[i]:,}",
                "seconds": number(float(comparison.seconds[i].mean()), 2),
                **places[i],
            }
        )
    folds = comparison.scores.shape[1]
    caption = (
        f"{comparison.task.metric} on {folds} held-out folds, mean and standard error. "
        "Every model chose among its settings by cross-validation inside each training part; their number and the "
        "time it took are in the table. Differences are against this model, paired by fold, "
        "their standard error corrected for overlapping training parts."
    ) + _left_out(comparison)
    return Table(
        caption=caption, rows=rows, low=number(low, 3), high=number(high, 3), metric=comparison.task.metric
    )


def _error_table(comparison: Comparison) -> Table:
    """Errors of all models in the unit of the target, the first one marked, ordered from the best."""
    squared, absolute = comparison.errors["RMSE"], comparison.errors["MAE"]
    n_folds = squared.shape[1]
    mean, error = squared.mean(axis=1), squared.std(axis=1, ddof=1) / np.sqrt(n_folds)
    apart, apart_error = comparison.paired(squared)
    near = mean < _FAR_OFF * mean.min()  # a model far off would squeeze the others together
    low, high, near_places = marks(mean[near], error[near])
    places = iter(near_places)
    place = [next(places) if shown else {"at": ""} for shown in near]
    decimals = max(3, decimals_of(error.tolist(), mean.tolist()))
    rows = [
        {
            "name": comparison.names[i],
            "ours": i == 0,
            "rmse": f"{mean[i]:.{decimals}f}",
            "std_error": f"{error[i]:.{decimals}f}",
            "difference": "" if i == 0 else signed(float(apart[i]), decimals),
            "difference_std_error": "" if i == 0 else f"{apart_error[i]:.{decimals}f}",
            "mae": f"{absolute[i].mean():.{decimals}f}",
            "mae_std_error": f"{absolute[i].std(ddof=1) / np.sqrt(n_folds):.{decimals}f}",
            "r2": f"{round(float(comparison.mean[i]), 3) + 0.0:.3f}".replace("-", "−"),
            "seconds": number(float(comparison.seconds[i].mean()), 2),
            **place[i],
        }
        for i in np.argsort(mean, kind="stable")
    ]
    caption = (
        f"Root mean squared error (RMSE) and mean absolute error (MAE) on {n_folds} held-out folds, mean and "
        "standard error; smaller is better. Differences are against this model, paired by fold, their standard error "
        "corrected for overlapping training parts."
    ) + _left_out(comparison)
    return Table(
        caption=caption, rows=rows, low=number(low, 3), high=number(high, 3), metric="RMSE", has_mae=True
    )


def _left_out(comparison: Comparison) -> str:
    """Models without scores, and why."""
    if not comparison.out:
        return ""
    told = "; ".join(f"{name} ({why})" for name, why in comparison.out.items())
    return f" Without scores: {told}."


def interaction_table(
    findings: Findings, unit: str, *, curved: bool = False, which: str = "The largest", note: str = ""
) -> Table:
    """The largest interactions; `curved` says that each is the size of a surface, which has no sign.

    `which` says how they were picked, and `note` is added to the caption.
    """
    decimals = decimals_of(
        [row.std_error for row in findings.interactions], [row.estimate for row in findings.interactions]
    )
    rows = [
        {
            "term": row.term,
            "label": row.label,
            "sign": "" if curved else "positive" if row.estimate >= 0 else "negative",
            "estimate": unsigned(row.estimate, decimals) if curved else signed(row.estimate, decimals),
            "std_error": unsigned(row.std_error, decimals),
            "std_error_bootstrap": unsigned(row.std_error_bootstrap, decimals),
            "z": unsigned(row.z, 1) if curved else signed(row.z, 1),
            "target_share": _unit(row.target_share),
            "rank_stability": _unit(row.rank_stability),
            "expert": row.expert,
            "n_rows": "" if row.n_rows is None else f"{row.n_rows:,}",
        }
        for row in findings.interactions
    ]
    meaning = (
        "With splines a pair is a surface: its estimate is the root mean square over the rows, which has no sign. "
        if curved
        else ""
    )
    shown = findings.interactions
    has_share = any(math.isfinite(row.target_share) for row in shown)
    share = "“From latent structure” is the part of the estimate that the latent vectors account for."
    of_each = " of each expert" if any(row.expert is not None for row in shown) else ""
    largest = f"{which} of {count(findings.n_pairs, 'interaction')}{of_each}, in {unit}."
    caption = f"{largest} {meaning}{share if has_share else ''}{note}"
    return Table(
        caption=caption.strip(),
        rows=rows,
        has_class=any(row.label is not None for row in shown),
        has_bootstrap=findings.has_bootstrap,
        has_errors=any(math.isfinite(row.std_error) for row in shown) or has_share,
        has_share=has_share,
        has_expert=any(row.expert is not None for row in shown),
        has_rows=any(row.n_rows is not None for row in shown),
    )


def main_effect_table(findings: Findings, unit: str, *, curved: bool = False) -> Table:
    """The largest main effects; `curved` says that features were expanded in splines."""
    shown = findings.main_effects[:_MOST_MAIN_EFFECTS]
    estimate, error = np.array([row.estimate for row in shown]), np.array([row.std_error for row in shown])
    low, high, places = marks(estimate, 1.96 * np.where(np.isfinite(error), error, 0.0), anchor=0.0)
    decimals = decimals_of(error.tolist(), estimate.tolist())
    rows = [
        {
            "term": row.term,
            "label": row.label,
            "sign": "positive" if row.estimate >= 0 else "negative",
            "estimate": signed(row.estimate, decimals),
            "std_error": unsigned(row.std_error, decimals),
            "z": signed(row.z, 1),
            **place,
        }
        for row, place in zip(shown, places, strict=True)
    ]
    left_out = len(findings.main_effects) - len(shown)
    more = f" {left_out:,} smaller ones are left out." if left_out else ""
    caption = f"Effects of single features, at the mean of all others, in {unit}. Bars: ± 1.96 standard errors.{more}"
    if curved:
        caption += (
            " This model bends: a name with a number in brackets is one piece of that feature's spline, and the "
            "pieces of a feature have a meaning together only."
        )
    has_class = any(row.label is not None for row in shown)
    return Table(caption=caption, rows=rows, low=number(low, 2), high=number(high, 2), has_class=has_class)


def marks(
    value: NDArray[np.float64], reach: NDArray[np.float64], anchor: float | None = None
) -> tuple[float, float, list[dict[str, str]]]:
    """Ends of a scale that holds all intervals (and `anchor`), and where on it each stands, in percent."""
    if value.size == 0:
        return 0.0, 1.0, []
    low, high = float(np.min(value - reach)), float(np.max(value + reach))
    if anchor is not None:
        low, high = min(low, anchor), max(high, anchor)
    span = (high - low) or 1.0
    places = [
        {
            "left": f"{100 * (v - r - low) / span:.1f}",
            "width": f"{max(200 * r / span, 0.5):.1f}",
            "at": f"{100 * (v - low) / span:.1f}",
            "anchor": "" if anchor is None else f"{100 * (anchor - low) / span:.1f}",
        }
        for v, r in zip(value, reach, strict=True)
    ]
    return low, high, places


def _unit(value: float) -> float | None:
    return float(np.clip(value, 0, 1)) if math.isfinite(value) else None
