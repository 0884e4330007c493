"""Paths over decreasing strengths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from intertwine.sparse_path.problem import SparsePairProblem
from intertwine.sparse_path.quadratic_path import PathBlock
from intertwine.sparse_path.solution import SparseSolution
from intertwine.structures.columns import Coordinates

__all__ = ["geometric_factors", "iterate_blocks", "iterate_path"]

_BLOCK = 8  # points solved before anybody is asked whether more are wanted


def geometric_factors(largest: float, n_factors: int = 32, ratio: float = 0.01) -> NDArray:
    """Return ``n_factors`` factors from ``largest`` down to ``ratio * largest``, evenly spaced in their logarithm.

    Examples
    --------
    >>> geometric_factors(2.0, n_factors=3, ratio=0.01)
    array([2.  , 0.2 , 0.02])
    """
    return largest * np.geomspace(1.0, ratio, n_factors)


def iterate_path(
    problem: SparsePairProblem,
    factors: Sequence[float] | NDArray,
    tol: float | NDArray = 1e-8,
) -> Iterator[SparseSolution]:
    """Solve a problem at several strengths, each solution the start of the next; a path may be left early.

    Parameters
    ----------
    problem : SparsePairProblem
        Strengths at factor 1.
    factors : sequence of float
        What to multiply all strengths by, best in decreasing order; see `SparsePairProblem.critical_factor` for the
        one at which the path begins.
    tol : float or ndarray of shape (n_factors,), default=1e-8
        See `SparsePairProblem.solve`; an array has one for every factor.

    Yields
    ------
    SparseSolution
        One for each factor. Each is certified on its own: the path changes the time, not the result.

    Examples
    --------
    >>> import numpy as np
    >>> from intertwine.losses.squared import SquaredLoss
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 6))
    >>> loss = SquaredLoss(X[:, 0] * X[:, 1] + 0.1 * rng.standard_normal(100))
    >>> problem = SparsePairProblem(loss, np.ones((100, 1)), [0.0], [0.0], X, pairs_l1=1.0, pairs_l2=0.0)
    >>> path = iterate_path(problem, geometric_factors(problem.critical_factor(), 4, 0.1))
    >>> [len(solution.values) for solution in path]
    [0, 1, 1, 1]
    """
    solution = None
    for factor, own_tol in zip(factors, _one_each(tol, factors), strict=True):
        solution = problem.scaled(float(factor)).solve(start=solution, tol=float(own_tol))
        yield solution


def iterate_blocks(
    problem: SparsePairProblem, factors: NDArray, tol: float | NDArray = 1e-8
) -> Iterator[PathBlock]:
    """Solve a problem at several strengths as `iterate_path` does, where only coefficients are wanted.

    Few coordinates under a quadratic loss come several points at a time, which saves most of the work there; other
    problems one by one.

    Parameters
    ----------
    problem, factors, tol
        As in `iterate_path`.

    Yields
    ------
    PathBlock
    """
    tols = _one_each(tol, factors)
    together = problem.quadratic_path()
    if together is not None:
        for start in range(0, len(factors), _BLOCK):
            points = slice(start, start + _BLOCK)
            yield together.solve(factors[points], tols[points])
        return
    for solution in iterate_path(problem, factors, tols):
        chosen = Coordinates.of(problem.design.n_linear, solution.rows, solution.cols)
        coefficients = np.concatenate([solution.linear, solution.values])
        yield PathBlock(chosen, coefficients[None], np.array([problem.loss.value(solution.scores)]))


def _one_each(tol: float | NDArray, factors: Sequence[float] | NDArray) -> NDArray:
    return np.broadcast_to(np.asarray(tol, float), len(factors))
