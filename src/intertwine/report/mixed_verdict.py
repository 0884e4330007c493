"""The result on rows that share groups, in a few plain sentences."""

from __future__ import annotations

import numpy as np

from intertwine.compare import FIXED_ALONE, Comparison
from intertwine.report.mixed_findings import MixedFindings
from intertwine.report.study import Study
from intertwine.report.words import listed, number, plus_minus

__all__ = ["mixed_headline", "mixed_verdict"]


def mixed_verdict(study: Study, findings: MixedFindings) -> list[str]:
    """Say how far off predictions are, for known groups and new ones, whether effects help, and where variation is."""
    sentences = [
        _how_far_off(study),
        _gain(study.comparison),
        _on_new_units(study),
        _better_rival(study.comparison, "further rows"),
        _better_rival(study.by_unit, f"new {study.unit}"),
        _shares(findings),
    ]
    return [sentence for sentence in sentences if sentence]


def mixed_headline(study: Study) -> str:
    """The score on further rows, with its standard error."""
    comparison = study.comparison
    if comparison is None:
        return ""
    return f"{comparison.task.metric} {plus_minus(float(comparison.mean[0]), float(comparison.std_error[0]))}"


def _how_far_off(study: Study) -> str:
    comparison = study.comparison
    if comparison is None:
        return ""
    explained = _explained(comparison)
    if "RMSE" not in comparison.errors:
        return f"Of further rows, the model explains {explained} of the variance."
    return f"Further rows are off by {_rmse(comparison)}: the model explains {explained} of their variance."


def _on_new_units(study: Study) -> str:
    comparison = study.by_unit
    if comparison is None:
        return ""
    where = f"Of {study.unit} that it has not seen it knows fixed effects only"
    where = where if study.unit.startswith("levels") else f"In {study.unit} without any known place"
    if comparison.mean[0] <= 0:
        return f"{where}, and does no better there than the mean ({_score(comparison)})."
    off = f", and is off by {_rmse(comparison)}" if "RMSE" in comparison.errors else ""
    return f"{where}{off}: {_explained(comparison)} of the variance ({_score(comparison)})."


def _gain(comparison: Comparison | None) -> str:
    if comparison is None or FIXED_ALONE not in comparison.names:
        return ""
    row = comparison.names.index(FIXED_ALONE)
    gain, error = -float(comparison.difference[row]), float(comparison.difference_std_error[row])
    size = f"{gain:+.3f} ± {error:.3f} in {comparison.task.metric}".replace("-", "−")
    if gain > 2 * error:
        return f"Random effects help: {size} over fixed effects alone."
    if gain < -2 * error:
        return f"Random effects do harm here: {size} against fixed effects alone."
    return f"Whether random effects help the prediction cannot be told: {size} over fixed effects alone."


def _better_rival(comparison: Comparison | None, on: str) -> str:
    if comparison is None or len(comparison.names) < 2:
        return ""
    best = 1 + int(np.nanargmax(comparison.mean[1:]))
    gain, error = float(comparison.difference[best]), float(comparison.difference_std_error[best])
    if gain <= 2 * error:
        return ""
    name = comparison.names[best]
    return f"On {on}, {name} predicts better by {gain:.3f} ± {error:.3f} in {comparison.task.metric}."


def _shares(findings: MixedFindings) -> str:
    if not findings.effects:
        return ""
    output = findings.outputs[0]
    of = f" of {output}" if output else ""
    told = [f"{findings.share(name, output):.0%} is between levels of {name}" for name in findings.effects]
    noise = f"{findings.share('noise', output):.0%} is noise"
    return f"Of the variance{of} that fixed effects leave, {listed(told)}; {noise}."


def _rmse(comparison: Comparison) -> str:
    folds = comparison.errors["RMSE"][0]
    return f"{number(float(folds.mean()), 3)} ± {number(float(folds.std(ddof=1) / np.sqrt(folds.size)), 2)}"


def _explained(comparison: Comparison) -> str:
    return f"{max(float(comparison.mean[0]), 0.0):.0%}"


def _score(comparison: Comparison) -> str:
    return f"{comparison.task.metric} {plus_minus(float(comparison.mean[0]), float(comparison.std_error[0]))}"
