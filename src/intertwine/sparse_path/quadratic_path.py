"""Paths of few coordinates under a quadratic loss: several points in one compiled run on one Gram matrix.

A point takes a few dozen microseconds there, less than a call of a solver with its state and its certificate does.
"""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.pair_problem import PairProblem
from intertwine.solvers.gram_descent import descend_path
from intertwine.structures.columns import ChosenColumns, Coordinates

__all__ = ["PathBlock", "QuadraticPath"]


class PathBlock(NamedTuple):
    """Neighbouring points of a path.

    Attributes
    ----------
    coordinates : Coordinates
        The linear block and pairs; all others are zero at every point.
    coefficients : ndarray of shape (k, w)
        Coefficients of the coordinates at k points.
    losses : ndarray of shape (k,)
        Loss of the fitted rows at each, penalties left out.
    """

    coordinates: Coordinates
    coefficients: NDArray
    losses: NDArray


@final
class QuadraticPath:
    """A path that goes on where its last block ended.

    Parameters
    ----------
    problem : PairProblem
        Strengths at factor 1; its loss is quadratic.
    coordinates : Coordinates
        All of the problem.
    columns : ChosenColumns
        Theirs.
    hessian : ndarray of shape (w, w)
        Their Gram matrix.
    """

    def __init__(
        self, problem: PairProblem, coordinates: Coordinates, columns: ChosenColumns, hessian: NDArray
    ) -> None:
        nothing = np.zeros(problem.loss.n_rows)
        self._coordinates, self._hessian = coordinates, hessian
        self._penalty, self._unit = problem.penalty.of(coordinates), problem.gradient_scale
        self._loss = problem.loss.value(nothing)
        self._gradient = columns.pullback(problem.loss.gradient(nothing))
        self._last, self._last_factors = np.zeros((2, len(hessian))), np.zeros(2)

    def solve(self, factors: NDArray, tol: NDArray) -> PathBlock:
        """Solve at some strengths, each solution the start of the next.

        Parameters
        ----------
        factors : ndarray of shape (k,)
            What to multiply the strengths by.
        tol : ndarray of shape (k,)
            See `intertwine.sparse_path.problem.SparsePairProblem.solve`.
        """
        all_factors = np.concatenate([self._last_factors, factors])
        unit_tol = tol * self._unit
        found, changes = descend_path(
            self._hessian, self._gradient, self._penalty, all_factors, unit_tol, self._last
        )
        self._last, self._last_factors = np.vstack([self._last, found])[-2:], all_factors[-2:]
        return PathBlock(self._coordinates, found, self._loss + changes)
