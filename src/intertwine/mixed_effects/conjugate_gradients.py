"""Conjugate gradients for several right-hand sides at once, and the logarithms that they give away.

The steps of conjugate gradients are those of Lanczos: their lengths are the tridiagonal matrix T of the operator M in
the space that b has opened, and bᵀ log(M) b is ‖b‖² e₁ᵀ log(T) e₁, to the accuracy of the solution.

Source: Golub & Meurant, Matrices, Moments and Quadrature (2010); Ubaru, Chen & Saad (2017).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Solution", "conjugate_gradients", "log_quadratic_forms"]

Array = NDArray[np.float64]


class Solution(NamedTuple):
    """Solutions (unknowns, right-hand sides), the lengths of steps, and whether all have converged."""

    x: Array
    steps: Array  # (iterations, right-hand sides): α, and zero once a side is done
    turns: Array  # β
    converged: bool


def conjugate_gradients(
    apply: Callable[[Array], Array], right: Array, tolerance: float, max_iter: int
) -> Solution:
    """Solve M X = B for a symmetric positive definite M.

    Parameters
    ----------
    apply : callable
        M times the columns of an array.
    right : (unknowns, k) array
    tolerance : float
        Of each residual, relative to its right-hand side.
    max_iter : int

    Examples
    --------
    >>> M = np.array([[2.0, 1.0], [1.0, 2.0]])
    >>> found = conjugate_gradients(lambda x: M @ x, np.array([[3.0], [3.0]]), 1e-10, 10)
    >>> found.x.ravel().round(6).tolist()
    [1.0, 1.0]
    """
    x, residual = np.zeros_like(right), right.copy()
    direction = residual.copy()
    squares = np.einsum("ij,ij->j", residual, residual)
    enough = tolerance**2 * squares
    steps, turns = [], []
    active = np.flatnonzero(squares > 0)
    for _ in range(max_iter):
        if not len(active):
            break
        whole = len(active) == right.shape[1]
        d = direction if whole else direction[:, active]
        image = apply(d)
        alpha, beta = np.zeros(right.shape[1]), np.zeros(right.shape[1])
        alpha[active] = squares[active] / np.einsum("ij,ij->j", d, image)
        if whole:
            x += alpha * d
            residual -= alpha * image
        else:
            x[:, active] += alpha[active] * d
            residual[:, active] -= alpha[active] * image
        r = residual if whole else residual[:, active]
        after = np.einsum("ij,ij->j", r, r)
        beta[active] = after / squares[active]
        if whole:
            direction *= beta
            direction += r
        else:
            direction[:, active] = r + beta[active] * d
        squares[active] = after
        steps.append(alpha)
        turns.append(beta)
        active = active[after > enough[active]]
    shape = (len(steps), right.shape[1])
    return Solution(x, np.reshape(steps, shape), np.reshape(turns, shape), not len(active))


def log_quadratic_forms(solution: Solution, right: Array) -> Array:
    """bᵀ log(M) b of each right-hand side, (k,).

    Examples
    --------
    >>> M = np.diag([1.0, np.e])
    >>> b = np.array([[0.0], [2.0]])
    >>> log_quadratic_forms(conjugate_gradients(lambda x: M @ x, b, 1e-10, 10), b).round(6).tolist()
    [4.0]
    """
    steps, turns = solution.steps, solution.turns
    used = (steps > 0).sum(axis=0)
    out = np.zeros(right.shape[1])
    for k in np.unique(used[used > 0]):
        sides = np.flatnonzero(used == k)
        alpha, beta = steps[:k, sides].T, turns[: k - 1, sides].T
        T = np.zeros((len(sides), k, k))
        every = np.arange(k)
        T[:, every, every] = 1.0 / alpha
        T[:, every[1:], every[1:]] += beta / alpha[:, :-1]
        T[:, every[1:], every[:-1]] = np.sqrt(beta) / alpha[:, :-1]  # the lower triangle is what is read
        values, vectors = np.linalg.eigh(T)
        logs = np.log(np.maximum(values, np.finfo(float).tiny))
        out[sides] = (right[:, sides] ** 2).sum(axis=0) * (vectors[:, 0] ** 2 * logs).sum(axis=1)
    return out
