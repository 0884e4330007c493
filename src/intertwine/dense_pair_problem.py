"""The pair problem with all coordinates in one flat vector: for solutions in which most pairs are not zero."""

from __future__ import annotations

from typing import final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from intertwine.pair_problem import PairProblem
from intertwine.penalties import ElasticNet
from intertwine.structures.pairwise import Pairwise

__all__ = ["DensePairProblem"]


@final
class DensePairProblem:
    """A `PairProblem` over flat vectors [linear block | upper half of Θ, row by row].

    Products with the design go through p × p arrays, O(n p²); a vector has m + p(p − 1)/2 entries.

    Parameters
    ----------
    problem : PairProblem
        The problem to flatten.
    """

    def __init__(self, problem: PairProblem) -> None:
        self.loss = problem.loss
        self.gradient_scale = problem.gradient_scale
        self._design = problem.design
        self._structure = Pairwise(problem.design.scaling)
        self._features = problem.design.features_t.T
        self.penalty = self._flat_penalty(problem)

    @property
    def size(self) -> int:
        """Length of a flat vector."""
        p = self._design.n_features
        return self._design.n_linear + p * (p - 1) // 2

    def flatten(self, linear: NDArray, pairs: NDArray) -> NDArray:
        """Return the flat vector of a linear part (m,) and a symmetric array (p, p)."""
        out = np.empty(self.size)
        out[: self._design.n_linear] = linear
        _pack(pairs, out[self._design.n_linear :])
        return out

    def score(self, params: NDArray) -> NDArray:
        """Return the scores of a flat vector, shape (n,)."""
        m, p = self._design.n_linear, self._design.n_features
        theta = np.empty((p, p))
        _unpack(params[m:], theta)
        return params[:m] @ self._design.linear_t + self._structure.score(theta, self._features)

    def pullback(self, v: NDArray) -> NDArray:
        """Return ⟨column, v⟩ of every column, flat: the adjoint of `score`."""
        m, p = self._design.n_linear, self._design.n_features
        out = np.empty(self.size)
        out[:m] = self._design.linear_t @ v
        begin = m
        for start, block in self._structure.pullback_blocks(self._features, v):
            length = sum(p - 1 - j for j in range(start, start + len(block)))
            _pack(block, out[begin : begin + length])
            begin += length
        return out

    def value(self, params: NDArray, scores: NDArray) -> float:
        """Return the objective (infinite where the loss overflows) of a vector whose scores are known."""
        return self.loss.value_of_trial(scores) + self.penalty.value(params)

    def value_and_gradient(self, params: NDArray) -> tuple[float, NDArray]:
        """Return objective and gradient, for smooth solvers; right when no strength of an absolute value is set."""
        scores = self.score(params)
        gradient = self.pullback(self.loss.gradient(scores)) + self.penalty.smooth_gradient(params)
        return self.value(params, scores), gradient

    def curvature_diagonal(self, scores: NDArray) -> NDArray:
        """Return an upper bound of the diagonal of the loss's Hessian, exact when the rows do not interact."""
        weight = self.loss.curvature(scores).majorizer()
        linear = np.einsum("ci,i,ci->c", self._design.linear_t, weight, self._design.linear_t, optimize=True)
        return self.flatten(linear, self._structure.squared_norms(None, self._features, weight))

    def _flat_penalty(self, problem: PairProblem) -> ElasticNet:
        penalty, p = problem.penalty, self._design.n_features
        l1 = np.full((p, p), penalty.pairs_l1)
        if penalty.allowed is not None:
            l1[~penalty.allowed] = np.inf
        shift = np.zeros((p, p)) if penalty.shift is None else penalty.shift
        return ElasticNet(
            self.flatten(penalty.linear_l1, l1),
            self.flatten(penalty.linear_l2, np.full((p, p), penalty.pairs_l2)),
            self.flatten(np.zeros(self._design.n_linear), shift),
        )


@njit(cache=True, nogil=True)
def _pack(block, out):
    """Entries right of the diagonal, row by row; the block starts on the diagonal."""
    at = 0
    for i in range(block.shape[0]):
        for k in range(i + 1, block.shape[1]):
            out[at] = block[i, k]
            at += 1


@njit(cache=True, nogil=True)
def _unpack(flat, out):
    at = 0
    for i in range(out.shape[0]):
        out[i, i] = 0.0
        for k in range(i + 1, out.shape[1]):
            out[i, k] = flat[at]
            out[k, i] = flat[at]
            at += 1
