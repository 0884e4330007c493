"""The result on a table of ratings, in a few plain sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intertwine.compare import FACTORIZATION, LEVELS, NO_FEATURES, Comparison
from intertwine.report.study import Study
from intertwine.report.words import listed, number, plus_minus

__all__ = ["headline", "rating_verdict"]


def rating_verdict(
    study: Study, predictions: dict[str, NDArray[Any]] | None, highest: Sequence[str]
) -> list[str]:
    """Say how far off predictions are, whether factors and features help, and what is rated highest."""
    sentences = []
    if predictions is not None:
        sentences.append(_how_far_off(study, predictions))
    comparison = study.comparison
    if comparison is not None and "RMSE" in comparison.errors:
        sentences.append(_gain(comparison, LEVELS, "Factors", "levels of users and items alone"))
        sentences.append(_gain(comparison, NO_FEATURES, "What is told besides the ids", "ids alone"))
        sentences.append(_better_rival(comparison))
    if highest:
        sentences.append(f"Rated highest, users being equal: {listed([f'“{one}”' for one in highest])}.")
    return [sentence for sentence in sentences if sentence]


def headline(study: Study, predictions: dict[str, NDArray[Any]] | None) -> str:
    """The error with its standard error, where folds tell of one."""
    comparison = study.comparison
    if comparison is not None and "RMSE" in comparison.errors:
        folds = comparison.errors["RMSE"][0]
        return f"RMSE {plus_minus(float(folds.mean()), float(folds.std(ddof=1) / np.sqrt(folds.size)))}"
    if predictions is None or study.y is None:
        return ""
    return f"RMSE {number(_rmse(study.y - predictions['mean']), 3)}"


def _how_far_off(study: Study, predictions: dict[str, NDArray[Any]]) -> str:
    assert study.y is not None
    off = study.y - predictions["mean"]
    return (
        f"A rating that the model has not seen is off by {number(_rmse(off), 3)} (root mean square; half of them by "
        f"less than {number(float(np.median(np.abs(off))), 3)}), where the mean of all ratings is off by "
        f"{number(float(np.std(study.y)), 3)}."
    )


def _gain(comparison: Comparison, name: str, what: str, rival: str) -> str:
    """Say whether `what` helps, over the model called `name`."""
    if name not in comparison.names:
        return ""
    difference, error = comparison.paired(comparison.errors["RMSE"])
    row = comparison.names.index(name)
    gain, size = float(difference[row]), f"{abs(float(difference[row])):.4f} ± {error[row]:.4f}"
    verb = "help" if what.endswith("ors") else "helps"
    if gain > 2 * error[row]:
        return f"{what} {verb}: the error is smaller by {size} than with {rival}."
    if gain < -2 * error[row]:
        return f"{what} {'do' if verb == 'help' else 'does'} harm here: {rival} come closer by {size}."
    return f"Whether {what[0].lower()}{what[1:]} {verb} cannot be told: the error differs by {size} from {rival}."


def _better_rival(comparison: Comparison) -> str:
    """Name the best of the other models where it is clearly better."""
    difference, error = comparison.paired(comparison.errors["RMSE"])
    rivals = [i for i, name in enumerate(comparison.names) if i and name not in (LEVELS, NO_FEATURES)]
    if not rivals:
        return ""
    best = min(rivals, key=lambda i: difference[i])
    if -difference[best] <= 2 * error[best]:
        return ""
    name = comparison.names[best]
    who = "The same model, sampled" if name == FACTORIZATION else name[0].upper() + name[1:]
    called = f" ({name})" if name == FACTORIZATION else ""
    return f"{who}{called}, comes closer by {-difference[best]:.4f} ± {error[best]:.4f}."


def _rmse(off: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(off**2)))
