"""Strengths of a latent tie: a pattern search on the closed-form criterion, warm from one point to the next.

Every point is one search for the target on all rows; leaving rows out costs no more (`ExactProblem.criterion`).
Where that criterion is the evidence, which is too sure of strong ties, `settle_tie` has the last word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from intertwine.fitting.interactions.exact import ExactFit, ExactProblem
from intertwine.fitting.interactions.fields import ExactStrengths
from intertwine.fitting.interactions.latent_search import LatentSettings, TargetPoint
from intertwine.fitting.watch import UNWATCHED, Watch
from intertwine.objective import Strengths

__all__ = ["search_tie", "settle_tie"]

_STEPS = (1.0, 0.5)
_GAIN = 5e-4  # relative decrease of the criterion that is worth a step
# all at once first: where the fit is all but perfect, only their ratios are known well
_DIRECTIONS = (("deviation", "ridge", "main"), ("deviation",), ("ridge",), ("main",))
_SETTLING = (2.0, 1.0)  # decades
# decades of the strength on deviations above that on the target
_LOOSEST, _LIKE_A_MACHINE = 0.2, 6.0
_BOUNDS = {"deviation": (-4.0, 5.0), "ridge": (-6.0, 3.0), "main": (-5.0, 2.0)}


class _Point(NamedTuple):
    """Decades relative to the strengths without a tie.

    Attributes
    ----------
    deviation : float
        Strength on deviations from the target, relative to that on pairs.
    ridge : float
        Strength on the target itself, likewise.
    main : float
        Strength on main effects.
    """

    deviation: float = 1.0
    ridge: float = -1.0
    main: float = 0.0

    def moved(self, direction: tuple[str, ...], step: float) -> _Point:
        """One step of all these strengths, inside the bounds; the target's ridge stays below that of deviations."""
        moves = {name: float(np.clip(getattr(self, name) + step, *_BOUNDS[name])) for name in direction}
        point = self._replace(**moves)
        return point._replace(ridge=min(point.ridge, point.deviation - 0.2))

    def strengths(self, plain: ExactStrengths) -> ExactStrengths:
        """In the terms of the objective; an infinite deviation is a factorization machine."""
        main, unit = plain.main * 10.0**self.main, plain.pairs.ridge
        ridge, deviation = unit * 10.0**self.ridge, unit * 10.0**self.deviation
        return ExactStrengths(main, Strengths(ridge, np.inf if np.isinf(deviation) else deviation - ridge))


def search_tie(
    problems: Sequence[ExactProblem],
    plain: ExactStrengths,
    latent: LatentSettings,
    rng: np.random.Generator,
    report: Callable[[ExactStrengths, float], None],
    watch: Watch = UNWATCHED,
) -> tuple[ExactStrengths, float] | None:
    """Best strengths of main effects, pairs and tie, and their criterion; None if no target could be found.

    Parameters
    ----------
    problems : sequence of ExactProblem
        Class contrasts that share their strengths; one otherwise.
    plain : ExactStrengths
        The best without a tie.
    latent : LatentSettings
    rng : numpy.random.Generator
    report : callable
        Given every point that was tried.
    watch : Watch
        Every point is a step of its journal.
    """
    memo: dict[_Point, float] = {}
    starts: list[TargetPoint | None] = [None] * len(problems)

    def evaluate(point):
        nonlocal starts
        if point not in memo:
            strengths = point.strengths(plain)

            def compute():
                fits = _fit_all(problems, strengths, latent, rng, watch, starts)
                targets = [fit.latent.point.to_state() for fit in fits if fit.latent is not None]
                return {"criterion": float(_sum_of_criteria(problems, fits)), "targets": targets}

            found = watch.journal.step(f"{latent.name} {latent.n_components}: {tuple(point)}", compute, rng)
            memo[point] = found["criterion"]
            if np.isfinite(memo[point]):
                report(strengths, memo[point])
                if memo[point] <= min(memo.values()):
                    starts = [
                        TargetPoint.from_state(target, problem.columns.shape[1])
                        for target, problem in zip(found["targets"], problems, strict=True)
                    ]
        return memo[point]

    best = _Point()
    if not np.isfinite(evaluate(best)):
        return None
    for step in _STEPS:
        improved = True
        while improved:
            improved = False
            for direction in _DIRECTIONS:
                here = memo[best]
                for trial in (best.moved(direction, step), best.moved(direction, -step)):
                    if evaluate(trial) < here - _GAIN * abs(here):
                        best, improved = trial, True
                        break
    machine = best._replace(deviation=np.inf)
    best = machine if evaluate(machine) < memo[best] - _GAIN * abs(memo[best]) else best
    return best.strengths(plain), memo[best]


def settle_tie(first: Strengths, loss: Callable[[Strengths], float]) -> list[Strengths]:
    """Try stronger and looser ties by held-out loss, and return all that were tried, ``first`` among them.

    The strength on deviations from the target moves alone: what the target is penalised with stays.

    Parameters
    ----------
    first : Strengths
        Of the pairs, from `search_tie`.
    loss : callable
        Held-out loss; as much work as a target searched in every fold.
    """
    start = min(float(np.log10(first.deviation / first.ridge)), _LIKE_A_MACHINE)

    def moved(decades: float) -> Strengths:
        place = start + decades
        ratio = np.inf if place >= _LIKE_A_MACHINE else 10.0**place
        return first if decades == 0.0 else Strengths(first.ridge, first.ridge * (ratio - 1.0))

    best, tried = 0.0, {0.0: loss(first)}
    for step in _SETTLING:
        for direction in (-step, step):
            while (
                trial := best + direction
            ) not in tried and _LOOSEST <= start + trial < _LIKE_A_MACHINE + step:
                tried[trial] = loss(moved(trial))
                if not tried[trial] < tried[best]:
                    break
                best = trial
    return [moved(decades) for decades in tried]


def _fit_all(problems, strengths, latent, rng, watch, starts) -> list[ExactFit]:
    try:
        return [
            problem.fit(strengths, latent, rng, watch, start)
            for problem, start in zip(problems, starts, strict=True)
        ]
    except (FloatingPointError, np.linalg.LinAlgError, ValueError):
        return []  # too weak a penalty for this design: not a candidate


def _sum_of_criteria(problems, fits) -> float:
    if not fits:
        return np.inf
    try:
        value = sum(problem.criterion(fit) for problem, fit in zip(problems, fits, strict=True))
    except (FloatingPointError, np.linalg.LinAlgError):
        return np.inf
    return value if np.isfinite(value) else np.inf
