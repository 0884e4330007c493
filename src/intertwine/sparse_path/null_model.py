"""The model without penalised terms: the unit of tolerances, and where a path begins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from intertwine.minimize import minimize
from intertwine.pair_problem import PairProblem
from intertwine.restricted_problem import RestrictedProblem
from intertwine.solvers.proximal_newton import GramNewton
from intertwine.structures.columns import Coordinates

__all__ = ["critical_factor", "gradient_scale"]

_TOL = 1e-10
_MAX_STEPS = 100


def gradient_scale(problem: PairProblem) -> float:
    """Return the largest gradient of any coordinate when only the coefficients without any penalty are fitted."""
    unpenalised = (problem.penalty.linear_l1 == 0.0) & (problem.penalty.linear_l2 == 0.0)
    linear, pairs = problem.largest_gradients(_scores_of_linear(problem, unpenalised))
    return max(float(np.max(linear, initial=0.0)), pairs, np.finfo(float).tiny)


def critical_factor(problem: PairProblem) -> float:
    """Return the least factor of all strengths at which every coordinate with L1 is zero.

    The coefficients without L1 are fitted at the present strength of their ridge, if they have one.
    """
    penalised = problem.penalty.linear_l1 > 0.0
    linear, pairs = problem.largest_gradients(_scores_of_linear(problem, ~penalised))
    of_linear = float(np.max(linear[penalised] / problem.penalty.linear_l1[penalised], initial=0.0))
    of_pairs = pairs / problem.penalty.pairs_l1 if problem.penalty.pairs_l1 > 0.0 else 0.0
    return max(of_linear, of_pairs)


def _scores_of_linear(problem: PairProblem, mask: NDArray) -> NDArray:
    """Scores of the model with some columns of the linear block only."""
    kept = np.flatnonzero(mask)
    columns = Coordinates(np.full(len(kept), -1), kept)
    restricted = problem.restrict(columns)
    zero = np.zeros(len(kept))
    size = float(np.max(np.abs(restricted.gradient(np.zeros(problem.loss.n_rows))), initial=0.0))
    restricted = RestrictedProblem(problem.loss, restricted.columns, restricted.penalty, size or 1.0)
    return minimize(restricted, GramNewton(_TOL), zero, max_iter=_MAX_STEPS).state.scores
