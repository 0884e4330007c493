r"""J over everything at once, by products with the columns: the quick way to the optimum on long tables.

The nested search (`intertwine.objective`) solves for coefficients exactly at every target. For a loss that is not
quadratic each solve takes several factorizations of n × n or m × m; an evaluation of

    J(γ, b, z) = L(f) + ½ ‖b‖² + κ · ½‖T(z)‖²,   f = C γ + A b + c φ(z)

with its gradient takes two products of n × p with p × p. Coefficients b have unit prior variance. Quasi-Newton steps
are made in units in which every parameter has a curvature of about one, which saves two thirds of them. Solved for all
but z exactly, J(z) is no higher than J(γ, b, z): what a descent leaves to gain bounds what the nested search could
find, and mostly there is nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, final

import numpy as np

from intertwine.fitting.interactions.fields import EffectColumns, ExactStrengths, prior_deviations
from intertwine.losses import LossOverflowError
from intertwine.minimize import Callback, minimize
from intertwine.solvers.lbfgs import LBFGS

__all__ = ["JointObjective", "JointPoint", "descend_jointly", "pays"]

_EVALUATIONS = 500  # mostly a hundred or less; then the nested search takes over
_PROBES = 4  # random directions that a target's curvature is known from
_WORTHWHILE = 2.0  # how many times cheaper than factorizations it has to be
_FACTORIZATIONS = 40  # of a nested search


class JointPoint(NamedTuple):
    """Where a descent over everything has ended.

    Attributes
    ----------
    gamma, whitened, field : ndarray
        Fixed effects, coefficients of unit prior variance, and their field.
    params : ndarray
        The target's parameters.
    scores : ndarray
        Of all together.
    optimality : float
        Relative decrease that is still promised.
    """

    gamma: np.ndarray
    whitened: np.ndarray
    field: np.ndarray
    params: np.ndarray
    scores: np.ndarray
    optimality: float


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
        ends = np.cumsum([0, fixed.shape[1], *sizes, target.size])
        self._parts = [slice(start, stop) for start, stop in itertools.pairwise(ends.tolist())]
        self._coefficients = slice(ends[1], ends[-2])  # all with a prior

    def join(self, gamma, params) -> np.ndarray:
        """The point with these fixed effects and this target, and no other coefficients."""
        others = self._coefficients
        return np.concatenate([gamma, np.zeros(others.stop - others.start), params])

    def _split(self, v):
        return [v[part] for part in self._parts]

    def point(self, v, optimality: float) -> JointPoint:
        """What a flat vector stands for."""
        gamma, main, squares, pairs, params = self._split(v)
        target = self._shrunk_target(params)
        alone = self._scores(gamma, main, squares, pairs)
        scores = self._scores(gamma, main, squares, pairs, target)
        whitened, field = v[self._coefficients], alone - self._fixed @ gamma
        return JointPoint(gamma, whitened, field, params, scores, optimality)

    def units(self, v) -> np.ndarray:
        """Change of every parameter that has about unit effect on J, from the curvature at a point.

        Exact for all coefficients but for the rows' interaction; a target's parameters share one unit, which does not
        depend on how its coordinates are turned.
        """
        gamma, main, squares, pairs, params = self._split(v)
        shrinkage, columns, target = self._pairs.shrinkage, self._columns, self._target
        with _too_far():
            scores = self._scores(gamma, main, squares, pairs, self._shrunk_target(params))
            weights = self._loss.curvature(scores).diagonal()
        squared = columns.products**2
        own = [columns.main**2, columns.squares**2]
        products = ((squared.T * weights) @ squared)[self._upper]
        curvatures = [
            np.maximum(weights @ self._fixed**2, 1e-12),
            *(1.0 + d**2 * (weights @ square) for d, square in zip(self._deviations, own, strict=False)),
            1.0 + self._deviations[2] ** 2 * products,
        ]
        rng = np.random.default_rng(0)
        probes = [rng.choice([-1.0, 1.0], target.size) for _ in range(_PROBES if target.size else 0)]
        moves = [target.pushforward(params, columns.products, probe) for probe in probes]
        trace = shrinkage**2 * np.mean([weights @ move**2 for move in moves]) if moves else 0.0
        curvatures.append(np.full(target.size, max(trace / max(target.size, 1), 1e-12)))
        return 1.0 / np.sqrt(np.concatenate(curvatures))

    def _shrunk_target(self, params):
        return self._pairs.shrinkage * self._target.block(params, self._everyone, self._everyone)

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
        gamma, main, squares, pairs, params = self._split(v)
        shrinkage, ridge, columns = self._pairs.shrinkage, self._pairs.target_ridge, self._columns
        f = self._scores(gamma, main, squares, pairs, self._shrunk_target(params))
        with _too_far():
            value, slope = self._loss.value(f), self._loss.gradient(f)
        moments = (columns.products.T * slope) @ columns.products
        np.fill_diagonal(moments, 0.0)
        norm, norm_gradient = self._target.half_norm(params)
        b = v[self._coefficients]
        gradient = [
            self._fixed.T @ slope,
            self._deviations[0] * (columns.main.T @ slope) + main,
            self._deviations[1] * (columns.squares.T @ slope) + squares,
            self._deviations[2] * moments[self._upper] + pairs,
            shrinkage * self._target.entry_pullback(params, moments) + ridge * norm_gradient,
        ]
        return value + 0.5 * b @ b + ridge * norm, np.concatenate(gradient)


@contextmanager
def _too_far() -> Iterator[None]:
    """Scores that overflow are no mistake of the data here: a step was too long."""
    try:
        yield
    except LossOverflowError as overflow:
        raise FloatingPointError(str(overflow)) from overflow


@final
class _InUnits:
    """An objective of v / units."""

    def __init__(self, objective: JointObjective, units: np.ndarray) -> None:
        self._objective, self._units = objective, units

    def value_and_gradient(self, v):
        value, gradient = self._objective.value_and_gradient(self._units * v)
        return value, self._units * gradient


def descend_jointly(
    objective: JointObjective,
    gamma,
    trials: list[Any],
    tol: float,
    max_iter: int = _EVALUATIONS,
    callbacks: Iterable[Callback] = (),
) -> JointPoint:
    """Descend from the best of some targets, alike but for their size; the other coefficients begin at zero."""

    def value(v):
        try:
            return objective.value_and_gradient(v)[0]
        except FloatingPointError:
            return np.inf

    first = min((objective.join(gamma, trial) for trial in trials), key=value)
    units = objective.units(first)
    scaled = _InUnits(objective, units)
    steps = min(max_iter, _EVALUATIONS)
    found = minimize(scaled, LBFGS(tol), first / units, max_iter=steps, callbacks=callbacks)
    return objective.point(units * found.params, found.state.optimality)
