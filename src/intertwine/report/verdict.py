"""The result in a few plain sentences."""

from __future__ import annotations

import numpy as np

from intertwine.compare import MAIN_EFFECTS, Comparison
from intertwine.report.findings import Findings
from intertwine.report.study import Study
from intertwine.report.words import count, plus_minus, signed

__all__ = ["gain_over", "gain_over_main_effects", "how_well", "is_a_rival_better", "verdict"]


def verdict(study: Study, findings: Findings) -> list[str]:
    """Say how well the model predicts, whether pairs help, which pair is strongest, and whether a rival is better."""
    sentences = []
    if study.comparison is not None:
        sentences.append(how_well(study, study.comparison))
        sentences.append(gain_over_main_effects(study.comparison))
        sentences.append(is_a_rival_better(study.comparison, ", so part of the signal is not in pairs"))
    sentences.append(_what_interacts(findings))
    return [sentence for sentence in sentences if sentence]


def how_well(study: Study, comparison: Comparison) -> str:
    """Say in plain words what the score means."""
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


def gain_over_main_effects(comparison: Comparison) -> str:
    """Say whether pairs help the prediction; nothing where main effects were not compared."""
    if MAIN_EFFECTS not in comparison.names:
        return ""
    return gain_over(comparison, MAIN_EFFECTS, "Pairs of features", "main effects alone")


def gain_over(comparison: Comparison, name: str, what: str, rival: str) -> str:
    """Say whether `what` helps, over the model called `name`, which is `rival` in words."""
    row = comparison.names.index(name)
    gain, error = -float(comparison.difference[row]), float(comparison.difference_std_error[row])
    size = f"{signed(gain, 3)} ± {error:.3f} in {comparison.task.metric}"
    if gain > 2 * error:
        return f"{what} help: {size} over {rival}."
    if gain < -2 * error:
        return f"{what} do harm here: {size} against {rival}, the better model."
    return f"Whether {what[0].lower()}{what[1:]} help the prediction cannot be told: {size} over {rival}."


def is_a_rival_better(comparison: Comparison, so: str = "") -> str:
    """Name the best of the other models where it is clearly better, and what follows from it."""
    if len(comparison.names) < 2:
        return ""
    best = 1 + int(np.nanargmax(comparison.mean[1:]))
    name = comparison.names[best]
    if name == MAIN_EFFECTS:
        return ""
    gain, error = float(comparison.difference[best]), float(comparison.difference_std_error[best])
    if gain > 2 * error:
        return f"{name[0].upper()}{name[1:]} predicts better (by {gain:.3f} ± {error:.3f}){so}."
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
