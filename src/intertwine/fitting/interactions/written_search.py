"""J(z) of a quadratic loss whose pairs are written out: no row is touched while a target is searched.

With D the columns of the pairs and P, α those of the Gaussian model at a target T*, the optimum over all else is

    J(T) = J(T*) − c αᵀD (t − t*) + ½ c² (t − t*)ᵀ DᵀPD (t − t*) + κ (½‖T‖² − ½‖T*‖²),

exactly. DᵀPD is formed once; the cost of an evaluation is the square of the number of pairs, however many rows.
"""

from __future__ import annotations

from typing import final

import numpy as np

from intertwine.mixed_model import GaussianField
from intertwine.objective import Beginning, Strengths, best_size

__all__ = ["WrittenObjective"]

_FAR_BELOW = 0.01  # share of the centre's value under which rounding asks for a new centre


@final
class WrittenObjective:
    """`intertwine.objective.IntegratedObjective` for tall tables under a quadratic loss.

    Parameters
    ----------
    model : GaussianField
        The loss, the covariance of everything Gaussian, and the fixed effects.
    target : AbstractLatentTarget
    X : ndarray (n, p)
        Columns whose products are the pairs, at the rows of the model.
    strengths : Strengths
    curvature : ndarray (k, k)
        DᵀPD of all pairs, in the order of the upper half of Θ.
    """

    def __init__(
        self, model: GaussianField, target, X: np.ndarray, strengths: Strengths, curvature: np.ndarray
    ) -> None:
        self.model, self.target = model, target
        self._X, self._strengths, self._curvature = X, strengths, curvature
        self._upper = np.triu_indices(X.shape[1], 1)
        self._move_to(None)

    def _move_to(self, params: np.ndarray | None) -> None:
        """Make a target, or that there is none, the centre that others are compared with."""
        self._center = params
        mode = self.model.mode(self._offset(params))
        moments = (self._X.T * mode.alpha) @ self._X
        self._value, self._slope, self._entries = mode.value, moments[self._upper], self._entries_of(params)

    def _entries_of(self, params):
        return np.zeros(len(self._curvature)) if params is None else self.target.entries(params, *self._upper)

    def _offset(self, params):
        if params is None:
            return np.zeros(len(self._X))
        return self._strengths.shrinkage * self.target.score(params, self._X)

    def mode(self, params):
        """Optimum over everything else at this target."""
        return self.model.mode(self._offset(params))

    def memory(self) -> dict:
        """The centre, as a state for a checkpoint."""
        return {"center": self._center}

    def remember(self, memory: dict) -> None:
        """Go on from a centre."""
        self._move_to(memory["center"])

    def choose(self, trials, follow):
        """Where to begin, of targets that differ in size."""
        return Beginning(best_size(trials, lambda params: self.value_and_gradient(params)[0]))

    def value_and_gradient(self, params):
        value, slope = self._without_ridge(params)
        if value < _FAR_BELOW * self._value:
            self._move_to(params.copy())
            value, slope = self._without_ridge(params)
        norm, norm_gradient = self.target.half_norm(params)
        theta = np.zeros((self._X.shape[1], self._X.shape[1]))
        theta[self._upper] = slope
        ridge = self._strengths.target_ridge
        gradient = self.target.entry_pullback(params, theta + theta.T) + ridge * norm_gradient
        return value + ridge * norm, gradient

    def _without_ridge(self, params) -> tuple[float, np.ndarray]:
        """J without what the target itself adds, and its slope along the target's entries."""
        change = self._strengths.shrinkage * (self._entries_of(params) - self._entries)
        pull = self._curvature @ change
        value = self._value + float(change @ (0.5 * pull - self._slope))
        return value, self._strengths.shrinkage * (pull - self._slope)
