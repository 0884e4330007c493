"""The result in a few plain sentences."""

from __future__ import annotations

import numpy as np

from intertwine.compare import MAIN_EFFECTS, Comparison
from intertwine.report.findings import Findings
from intertwine.report.study import Study
from intertwine.report.words import count, plus_minus, signed

__all__ = ["verdict"]


def verdict(study: Study, findings: Findings) -> list[str]:
    """Say how well the model predicts, whether pairs help, which pair is strongest, and whether a rival is better."""
    sentences = []
    if study.comparison is not None:
        sentences.append(_how_well(study, study.comparison))
        sentences.append(_do_pairs_help(study.comparison))
        sentences.append(_is_a_rival_better(study.comparison))
    sentences.append(_what_interacts(findings))
    return [sentence for sentence in sentences if sentence]


def _how_well(study: Study, comparison: Comparison) -> str:
    mean, error = float(comparison.mean[0]), float(comparison.std_error[0])
    figure = f"{comparison.task.metric} {plus_minus(mean, error)}"
    match comparison.task.name:
        case "regression":
            explained = (
                f"explains {max(mean, 0):.0%} of the variance of {study.target}"
                if mean > 0
                else f"does not predict {study.target}"
            )
            return f"On rows it has not seen, the model {explained} ({figure})."
        case "survival":
            return (
                f"On rows it has not seen, the model puts {mean:.0%} of comparable pairs in the "
                f"right order of risk ({figure})."
            )
        case _:
            if study.y is not None and np.unique(study.y).size == 2:
                label = np.unique(study.y)[1]
                told = f"ranks a row of “{label}” above one of the other class {_share(mean)} of the time"
            else:
                told = f"ranks a row above one of another class {_share(mean)} of the time, averaged over classes"
            return f"On rows it has not seen, the model {told} ({figure})."


def _do_pairs_help(comparison: Comparison) -> str:
    if MAIN_EFFECTS not in comparison.names:
        return ""
    row = comparison.names.index(MAIN_EFFECTS)
    gain, error = -float(comparison.difference[row]), float(comparison.difference_std_error[row])
    size = f"{signed(gain, 3)} ± {error:.3f} in {comparison.task.metric}"
    if gain > 2 * error:
        return f"Pairs of features help: {size} over main effects alone."
    if gain < -2 * error:
        return (
            f"Pairs of features do harm here: {size} against main effects alone, which are the better model."
        )
    return f"Whether pairs of features help the prediction cannot be told: {size} over main effects alone."


def _is_a_rival_better(comparison: Comparison) -> str:
    if len(comparison.names) < 2:
        return ""
    best = 1 + int(np.nanargmax(comparison.mean[1:]))
    name = comparison.names[best]
    if name == MAIN_EFFECTS:
        return ""
    gain, error = float(comparison.difference[best]), float(comparison.difference_std_error[best])
    if gain > 2 * error:
        return (
            f"{name[0].upper()}{name[1:]} predicts better (by {gain:.3f} ± {error:.3f}), "
            "so part of the signal is not in pairs."
        )
    return ""


def _what_interacts(findings: Findings) -> str:
    if not findings.interactions:
        return "The model holds no interactions."
    top = findings.interactions[0]
    label = "" if top.label is None else f" (for “{top.label}”)"
    largest = f"The largest interaction is {top.term}{label}, {plus_minus(top.estimate, top.std_error)}"
    if not findings.has_errors:
        return f"{largest}; there are no standard errors."
    if findings.n_clear == 0:
        return (
            f"{largest}; none of the {count(findings.n_pairs, 'pair')} stands out once their number "
            "is taken into account."
        )
    verb = "stands" if findings.n_clear == 1 else "stand"
    return (
        f"{largest}; {findings.n_clear:,} of {count(findings.n_pairs, 'pair')} {verb} out once "
        "their number is taken into account."
    )


def _share(mean: float) -> str:
    return f"{mean:.1%}" if mean > 0.9 else f"{mean:.0%}"
