"""A convex problem on a few chosen columns: what coordinate descent and Newton steps work on."""

from __future__ import annotations

from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import NDArray

from intertwine.losses.base import AbstractLoss
from intertwine.penalties import ElasticNet
from intertwine.structures.columns import ChosenColumns

__all__ = ["RestrictedProblem"]

_COLUMN_BYTES = 1 << 26  # explicit columns built at a time for a Gram matrix


@final
class RestrictedProblem:
    """The problem on some coordinates, all others being zero.

    Parameters
    ----------
    loss : AbstractLoss
        Loss of the scores.
    columns : ChosenColumns
        Design of the coordinates.
    penalty : ElasticNet
        Their penalties, each strength of shape (w,).
    gradient_scale : float
        Unit in which violations are measured.
    """

    def __init__(
        self, loss: AbstractLoss, columns: ChosenColumns, penalty: ElasticNet, gradient_scale: float
    ) -> None:
        self.loss = loss
        self.columns = columns
        self.penalty = penalty
        self.gradient_scale = gradient_scale

    def value(self, coefficients: NDArray, scores: NDArray) -> float:
        """Return the objective (infinite where the loss overflows) of coefficients whose scores are known."""
        return self.loss.value_of_trial(scores) + self.penalty.value(coefficients)

    def gradient(self, scores: NDArray) -> NDArray:
        """Return the gradient of the loss over the coordinates, shape (w,)."""
        return self.columns.pullback(self.loss.gradient(scores))

    def optimality(self, coefficients: NDArray, gradient: NDArray) -> float:
        """Return the largest violation of the optimality conditions, relative to the gradient's scale."""
        return (
            float(np.max(self.penalty.violation(coefficients, gradient), initial=0.0)) / self.gradient_scale
        )

    @cached_property
    def explicit_columns(self) -> NDArray:
        """The columns as an array of shape (w, n), for designs with more columns than rows."""
        return self.columns.dense()

    def gram(self, scores: NDArray, first: int = 0) -> NDArray:
        """Return rows ``first`` … of the loss's Hessian columnsᵀ W columns at ``scores``, shape (w − first, w)."""
        curvature = self.loss.curvature(scores)
        width = self.columns.n_columns
        if first == 0 and not self.loss.rows_interact and 8 * width * self.columns.n_rows <= _COLUMN_BYTES:
            # a product of a matrix with itself takes half as many operations
            halves = self.columns.dense() * np.sqrt(curvature.diagonal())
            return halves @ halves.T
        out = np.empty((width - first, width))
        step = max(8, _COLUMN_BYTES // (8 * self.columns.n_rows))
        for start in range(first, width, step):
            new = slice(start, min(start + step, width))
            weighted = curvature.matmul(self.columns.take(new).dense().T)
            # what lies between ``first`` and ``start`` was filled by symmetry in earlier rounds
            block = self.columns.take(np.r_[0:first, start:width]).products(weighted)
            rows = slice(start - first, new.stop - first)
            out[rows, :first] = block[:first].T
            out[rows, start:] = block[first:].T
            out[start - first :, new] = block[first:]
        return out
