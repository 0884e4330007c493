"""Which model to use, in words."""

from __future__ import annotations

import math

from intertwine.compare.ranking import WORSE, Ranking
from intertwine.report.words import listed, number, plus_minus

__all__ = ["advice"]

_MOST_NAMES = 3
# What knowing nothing scores, and what it is.
_CHANCE = {"R²": 0.0, "AUC": 0.5, "concordance": 0.5}
_PLAIN = {"R²": "the mean of the target", "AUC": "chance", "concordance": "chance"}


def advice(ranking: Ranking, held_out: str) -> list[str]:
    """Say in a few sentences which model to use, and what else would do.

    Parameters
    ----------
    ranking : Ranking
    held_out : str
        "rows", or what units are called.
    """
    comparison = ranking.comparison
    where = "On further rows" if held_out == "rows" else f"On new {held_out}"
    if comparison is None:
        return [f"{where}, no model got through all folds."]
    names, metric = comparison.names, comparison.task.metric
    score = {
        name: f"{metric} {plus_minus(float(mean), float(error))}"
        for name, mean, error in zip(names, comparison.mean, comparison.std_error, strict=True)
    }
    best, choice = names[0], ranking.choice
    if len(names) == 1:
        return [f"{where}, {best} reaches {score[best]}; there is no other model to compare it with."]
    if comparison.mean[0] - comparison.std_error[0] <= _CHANCE.get(metric, -math.inf):
        return [
            f"{where}, no model clearly predicts better than {_PLAIN[metric]}: {best} reaches {score[best]}."
        ]
    told = [f"{where}, use {choice}: {score[choice]}."]
    others = [name for name in [best, *ranking.as_good()] if name not in (choice, best)]
    if choice != best:
        seconds = dict(zip(names, comparison.seconds.mean(axis=1), strict=True))
        told.append(
            f"The highest score is that of {best} ({score[best]}), from which it cannot be told; a fit takes "
            f"{number(float(seconds[choice]), 2)} seconds in place of {number(float(seconds[best]), 2)}."
        )
    if others:
        told.append(f"As good: {listed(others, _MOST_NAMES)}.")
    elif choice == best:
        clear = all(ranking.word(i) == WORSE for i in range(1, len(names)))
        told.append("It is clearly better than all others." if clear else "It is ahead of all others.")
    ours = next((name for name in names if name in ranking.families), None)
    if ours is None:
        told.append("No family of intertwine was among them.")
    elif ranking.word(names.index(ours)) == WORSE:
        i = names.index(ours)
        told.append(
            f"The best family of intertwine here, {ours}, is behind by {-comparison.difference[i]:.3f} ± "
            f"{comparison.difference_std_error[i]:.3f}."
        )
    return told
