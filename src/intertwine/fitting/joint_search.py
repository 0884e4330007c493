r"""J over everything at once, by products with the columns: a quick way to near the optimum on long tables.

The nested search (`intertwine.objective`) solves for coefficients exactly at every target. For a loss that is not
quadratic each solve takes several factorizations of n × n or m × m; an evaluation of

    J(γ, b, z) = L(f) + ½ ‖b‖² + κ · ½‖T(z)‖²,   f = C γ + A b + c φ(z)

with its gradient takes two products of n × p with p × p. Coefficients b have unit prior variance, which is as good a
scale as a diagonal gives. Where quasi-Newton steps end, the nested search goes on: what is published is its optimum.
"""

from __future__ import annotations

from typing import Any, NamedTuple, final

import numpy as np

from intertwine.fitting.fields import EffectColumns, ExactStrengths, prior_deviations
from intertwine.minimize import minimize
from intertwine.solvers.lbfgs import LBFGS

__all__ = ["JointObjective", "JointPoint", "descend_jointly", "pays"]

_EVALUATIONS = 500  # mostly a hundred or two; then the nested search takes over
_TOL = 1e-13
_WORTHWHILE = 2.0  # how many times cheaper than factorizations it has to be
_FACTORIZATIONS = 40  # of a nested search


class JointPoint(NamedTuple):
    """Fixed effects, whitened coefficients and their field, the target's parameters, and the scores of all together."""

    gamma: np.ndarray
    whitened: np.ndarray
    field: np.ndarray
    params: np.ndarray
    scores: np.ndarray


def pays(n_rows: int, n_columns: int, factorization: float) -> bool:
    """Tell whether a joint descent is much cheaper than a nested one, whose factorizations take so many operations."""
    return _WORTHWHILE * _EVALUATIONS * 4.0 * n_rows * n_columns**2 < _FACTORIZATIONS * factorization


@final
class JointObjective:
    """J(γ, b, z), flat in this order; b holds main effects with a penalty, squares and pairs."""

    def __init__(self, loss, columns: EffectColumns, fixed, strengths: ExactStrengths, target) -> None:
        self._loss, self._columns, self._fixed, self._target = loss, columns, fixed, target
        self._pairs = strengths.pairs
        self._upper = np.triu_indices(columns.products.shape[1], 1)
        self._everyone = np.arange(columns.products.shape[1])
        sizes = [columns.main.shape[1], columns.squares.shape[1], len(self._upper[0])]
        self._deviations = [
            np.full(size, d) for d, size in zip(prior_deviations(strengths), sizes, strict=False)
        ]
        self._cuts = np.cumsum([fixed.shape[1], *sizes])

    def join(self, gamma, params) -> np.ndarray:
        """The point with these fixed effects and this target, and no other coefficients."""
        return np.concatenate([gamma, np.zeros(self._cuts[-1] - self._cuts[0]), params])

    def point(self, v) -> JointPoint:
        """What a flat vector stands for."""
        gamma, main, squares, pairs, params = np.split(v, self._cuts)
        target = self._pairs.shrinkage * self._target.block(params, self._everyone, self._everyone)
        alone = self._scores(gamma, main, squares, pairs)
        scores = self._scores(gamma, main, squares, pairs, target)
        return JointPoint(
            gamma, v[self._cuts[0] : self._cuts[-1]], alone - self._fixed @ gamma, params, scores
        )

    def _theta(self, pairs):
        theta = np.zeros((len(self._everyone), len(self._everyone)))
        theta[self._upper] = self._deviations[2] * pairs
        return theta + theta.T

    def _scores(self, gamma, main, squares, pairs, target=0.0):
        """Scores; ``target`` (p, p) is added to the deviations of pairs."""
        columns = self._columns
        f = self._fixed @ gamma + columns.main @ (self._deviations[0] * main)
        f += columns.squares @ (self._deviations[1] * squares)
        return f + 0.5 * np.einsum(
            "ij,ij->i", columns.products @ (self._theta(pairs) + target), columns.products
        )

    def value_and_gradient(self, v):
        """J and its gradient.

        Raises
        ------
        FloatingPointError
            Where scores overflow: a step was too long.
        """
        gamma, main, squares, pairs, params = np.split(v, self._cuts)
        shrinkage, ridge, columns = self._pairs.shrinkage, self._pairs.target_ridge, self._columns
        target = shrinkage * self._target.block(params, self._everyone, self._everyone)
        f = self._scores(gamma, main, squares, pairs, target)
        try:
            value, slope = self._loss.value(f), self._loss.gradient(f)
        except ValueError as overflow:
            raise FloatingPointError(str(overflow)) from overflow
        moments = (columns.products.T * slope) @ columns.products
        np.fill_diagonal(moments, 0.0)
        norm, norm_gradient = self._target.half_norm(params)
        b = v[self._cuts[0] : self._cuts[-1]]
        gradient = [
            self._fixed.T @ slope,
            self._deviations[0] * (columns.main.T @ slope) + main,
            self._deviations[1] * (columns.squares.T @ slope) + squares,
            self._deviations[2] * moments[self._upper] + pairs,
            shrinkage * self._target.entry_pullback(params, moments) + ridge * norm_gradient,
        ]
        return value + 0.5 * b @ b + ridge * norm, np.concatenate(gradient)


def descend_jointly(objective: JointObjective, gamma, trials: list[Any]) -> JointPoint:
    """Descend from the best of some targets, alike but for their size; the other coefficients begin at zero."""

    def value(v):
        try:
            return objective.value_and_gradient(v)[0]
        except FloatingPointError:
            return np.inf

    first = min((objective.join(gamma, trial) for trial in trials), key=value)
    found = minimize(objective, LBFGS(_TOL), first, max_iter=_EVALUATIONS)
    return objective.point(found.state.params)
