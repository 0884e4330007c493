"""J(z) = min over everything that can be integrated or solved out, as a smooth function of the latent target alone.

With deviation strength μ = λ₂ + tie, c = tie/μ and κ = λ₂·tie/μ,

    min_Θ  λ₂/2 ‖Θ‖² + tie/2 ‖Θ − T‖²   is   μ/2 ‖Θ − cT‖² + κ/2 ‖T‖²,

so the pairs are a Gaussian field around c·T and only z is searched. By the envelope theorem the derivative is that of
the explicit part: ∇J = c·φ'(z)ᵀ ∂L/∂f + κ ∇½‖T‖², for every loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, final

import numpy as np

__all__ = ["Beginning", "IntegratedObjective", "Strengths", "SumOfTargets", "best_size"]

_ROUGH = 1e-2  # relative residual of a mode: its square is the error of J
_RISE = 1e-3  # relative; more than the error of rough values


class Strengths(NamedTuple):
    """Penalty strengths of the pairs: ridge λ₂ and tie to the target."""

    ridge: float
    tie: float

    @property
    def deviation(self) -> float:
        """μ, the strength on deviations from the (shrunk) target; infinite for a factorization machine."""
        return self.ridge + self.tie

    @property
    def shrinkage(self) -> float:
        """c, the share of the target that the pairs are centred at."""
        return 1.0 if np.isinf(self.tie) else self.tie / self.deviation if self.tie > 0 else 0.0

    @property
    def target_ridge(self) -> float:
        """κ, the ridge that remains on the target itself."""
        return self.ridge if np.isinf(self.tie) else self.ridge * self.shrinkage


class Beginning(NamedTuple):
    """Where a search for a target begins.

    Attributes
    ----------
    params : ndarray
    promise : float
        Relative decrease of J that may be left at most; infinite where nothing is known.
    """

    params: np.ndarray
    promise: float = np.inf


def best_size(trials: Iterable[np.ndarray], value: Callable[[np.ndarray], float]) -> np.ndarray:
    """Pick the best of targets that differ in size, the smallest first.

    J is convex in the target's entries, so that where it rises all larger ones, which take longest to solve for, are
    worse.
    """
    best, least = None, np.inf
    for params in trials:
        now = value(params)
        if best is not None and not now <= least + _RISE * abs(least):
            break
        if best is None or now < least:
            best, least = params, now
    assert best is not None  # there is something to choose from
    return best


@final
class SumOfTargets:
    """Targets of several orders side by side, each on its own slice of one flat vector."""

    def __init__(self, parts):
        self.parts = tuple(parts)
        self._cuts = np.cumsum([part.size for part in self.parts])[:-1]

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    def split(self, params):
        """The parameters of each part."""
        return np.split(params, self._cuts)

    def score(self, params, X):
        return sum(part.score(own, X) for part, own in zip(self.parts, self.split(params), strict=True))

    def pullback(self, params, X, v):
        return np.concatenate(
            [part.pullback(own, X, v) for part, own in zip(self.parts, self.split(params), strict=True)]
        )

    def jacobian(self, params, X):
        return np.hstack(
            [part.jacobian(own, X) for part, own in zip(self.parts, self.split(params), strict=True)]
        )

    def coordinates(self, params):
        """Coordinates of the pair target, the first part."""
        return self.parts[0].coordinates(self.split(params)[0])

    def half_norm(self, params):
        values, gradients = zip(
            *(part.half_norm(own) for part, own in zip(self.parts, self.split(params), strict=True)),
            strict=True,
        )
        return sum(values), np.concatenate(gradients)


@final
class IntegratedObjective:
    """J(z) with main effects, pairs and fixed effects integrated out by the exact engine.

    Parameters
    ----------
    model : MixedModel
        The loss, the covariance of everything Gaussian, and the fixed effects.
    target : structure
        Gives ``score``, ``pullback`` and ``half_norm``.
    X : ndarray (n, p)
        Columns whose products are the interactions.
    strengths : Strengths
    rows : ndarray of int
        The rows of X that the model sees; the others are evaluated for nothing, which is cheaper than a copy.
    approach : callable, optional
        Target, starts of several sizes and a callback to a `Beginning` near an optimum, and the mode there.
    """

    def __init__(self, model, target, X, strengths, rows, approach=None):
        self.model = model
        self.target = target
        self.X = X
        self.strengths = strengths
        self.rows = rows
        self._mode = None
        self._approach = approach

    def offset(self, params):
        return self.strengths.shrinkage * self.target.score(params, self.X)[self.rows]

    def mode(self, params):
        """Optimum over everything else at this target; begins from the last one."""
        self._mode = self.model.mode(self.offset(params), self._mode)
        return self._mode

    def memory(self) -> dict:
        """What the next evaluation begins from, as a state for a checkpoint."""
        return self.model.memory(self._mode)

    def remember(self, memory: dict) -> None:
        """Go on as if the evaluations behind ``memory`` had been made."""
        self._mode = self.model.remember(memory)

    def choose(self, trials, follow):
        """Where to begin, of targets that differ in size; ``follow`` is told the steps of a descent to there."""
        if self._approach is not None:
            beginning, self._mode = self._approach(self.target, trials, follow)
            return beginning
        return Beginning(best_size(trials, self._rough_value))

    def _rough_value(self, params):
        """J to a few digits; infinite for so large a target that the problem around it cannot be solved."""
        try:
            self._mode = self.model.mode(self.offset(params), self._mode, tol=_ROUGH)
        except FloatingPointError:
            return np.inf
        return self._mode.value + self.strengths.target_ridge * self.target.half_norm(params)[0]

    def value_and_gradient(self, params):
        mode = self.mode(params)
        norm, norm_gradient = self.target.half_norm(params)
        strengths = self.strengths
        # ∂L/∂f = −α at the mode
        dual = np.zeros(len(self.X))
        dual[self.rows] = mode.alpha
        gradient = -strengths.shrinkage * self.target.pullback(params, self.X, dual)
        return (
            mode.value + strengths.target_ridge * norm,
            gradient + strengths.target_ridge * norm_gradient,
        )
