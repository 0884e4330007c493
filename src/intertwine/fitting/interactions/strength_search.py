"""Strengths of main effects and pairs without a target: a pattern search on a closed-form criterion.

One evaluation is one fit and one inverse; leaving rows out costs nothing more (`MixedModel.criterion`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from intertwine.fitting.interactions.exact import ExactProblem
from intertwine.fitting.interactions.fields import ExactStrengths
from intertwine.mixed_model import Mode
from intertwine.objective import Strengths

__all__ = ["StrengthSearch", "search_strengths"]

_LOWEST, _HIGHEST = -10.0, 1.0  # at the upper end an effect is gone
_STEPS = (1.0, 0.5)
_GAIN = 1e-4  # relative; less is the flat end of a range


class StrengthSearch(NamedTuple):
    """What was found: strengths, their criterion, and the solutions there, one for every problem."""

    strengths: ExactStrengths
    criterion: float
    modes: list[Mode]


def search_strengths(problems: Sequence[ExactProblem]) -> StrengthSearch:
    """Find the best strengths of main effects and pairs.

    Strengths are searched on a logarithmic scale relative to the mean prior variance of what they govern, from where
    prior and residual variance are alike. The search is exact to half a decade; predictions hardly change within.

    Parameters
    ----------
    problems : sequence of ExactProblem
        Class contrasts that share their strengths; one otherwise.
    """
    own, products = problems[0].fields.mean_variances()
    # products of fewer than two columns that vary are rounding noise; where nothing is governed any strength will do
    pairs = products > 1e-12 * own**2
    sizes = [size if size > 0 else 1.0 for size in (own, products)]
    memo: dict[tuple[float, ...], tuple[float, list[Mode]]] = {}

    def strengths(point):
        main = sizes[0] * 10.0 ** point[0]
        ridge = sizes[1] * 10.0 ** point[1] if pairs else main
        return ExactStrengths(main, Strengths(ridge, 0.0))

    def criterion(point):
        if point not in memo:
            memo[point] = _evaluate(problems, strengths(point), memo[best][1] if best in memo else [])
        return memo[point][0]

    level = -np.round(2 * np.log10(len(problems[0].rows))) / 2
    best = (level, level) if pairs else (level,)
    criterion(best)
    for step in _STEPS:
        improved = True
        while improved:
            improved = False
            for axis in range(len(best)):
                for direction in (-step, step):
                    trial = list(best)
                    trial[axis] = float(np.clip(trial[axis] + direction, _LOWEST, _HIGHEST))
                    if criterion(tuple(trial)) < criterion(best) - _GAIN * abs(criterion(best)):
                        best, improved = tuple(trial), True
    return StrengthSearch(strengths(best), *memo[best])


def _evaluate(problems, strengths, near: list[Mode]) -> tuple[float, list[Mode]]:
    modes, total = [], 0.0
    try:
        for i, problem in enumerate(problems):
            model = problem.model(strengths)
            # a quadratic is solved in one step from anywhere
            start = model.at(near[i].alpha, near[i].gamma) if near and not problem.loss.is_quadratic else None
            modes.append(model.mode(np.zeros(len(problem.rows)), start, tol=1e-5))
            total += model.criterion(modes[-1])
    except (FloatingPointError, np.linalg.LinAlgError, ValueError):
        # Too weak a penalty for this design: not a candidate.
        return np.inf, []
    return (total, modes) if np.isfinite(total) else (np.inf, [])
