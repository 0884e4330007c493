r"""A Newton step on a proposed support and its signs, by conjugate gradients on an implicit Hessian.

Where a proximal gradient step says which coordinates are not zero, and with which signs, the composite problem is
smooth. Conjugate gradients with the Jacobi preconditioner minimise its quadratic model over these coordinates while
the others go to zero; a product with the Hessian is one product with the design and one with its transpose.

Source: Milzarek & Ulbrich (2014), A semismooth Newton method with multidimensional filter globalization for
l1-optimization, SIAM J. Optim. 24; Dembo, Eisenstat & Steihaug (1982) for the accuracy of the inner solve.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["inverse_or_zero", "newton_target"]

_LARGEST_FORCING = 0.05
_MAX_PRODUCTS = 250


def newton_target(
    problem: Any, params: NDArray, scores: NDArray, gradient: NDArray, optimality: float, scale: NDArray
) -> NDArray:
    """Return the minimum of the quadratic model over the support and signs of a proximal gradient step.

    Parameters
    ----------
    problem : object
        Composite problem with linear scores; see `intertwine.solvers.proximal.ProximalGradient`.
    params, gradient, scale : ndarray of shape (size,)
        Current point, gradient of the loss there, and diagonal of the loss's Hessian.
    scores : ndarray of shape (n,)
        Scores of ``params``.
    optimality : float
        Relative violation at ``params``: the model is minimised the better the smaller it is.

    Returns
    -------
    ndarray of shape (size,)
        Coordinates that would have crossed zero are zero.
    """
    penalty = problem.penalty
    inverse = inverse_or_zero(scale)
    proposed = penalty.prox(params - inverse * gradient, inverse)
    free = penalty.l1 == 0.0
    support = (proposed != 0.0) | free
    signs = np.sign(proposed)
    curvature = problem.loss.curvature(scores)

    def hessian(direction: NDArray) -> NDArray:
        return problem.pullback(curvature.matmul(problem.score(direction))) + penalty.l2 * direction

    slope = gradient + penalty.smooth_gradient(params)
    slope[support] += penalty.l1[support] * signs[support]
    leaving = np.where(support, 0.0, -params)
    if leaving.any():
        slope += hessian(leaving)
    preconditioner = np.where(support, inverse_or_zero(scale + penalty.l2), 0.0)
    forcing = min(_LARGEST_FORCING, np.sqrt(optimality))
    target = params + _conjugate_gradients(hessian, -slope, preconditioner, forcing)
    target[~support | (~free & (np.sign(target) != signs))] = 0.0
    return target


def inverse_or_zero(scale: NDArray) -> NDArray:
    """Return 1/scale, and 0 for columns without curvature, which then stay where they are."""
    return np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0.0)


def _conjugate_gradients(
    hessian: Callable[[NDArray], NDArray], right: NDArray, preconditioner: NDArray, forcing: float
) -> NDArray:
    """Solve hessian(d) = right where the preconditioner is positive, to a share ``forcing`` of the start."""
    solution = np.zeros_like(right)
    inside = preconditioner > 0.0
    residual = np.where(inside, right, 0.0)
    direction = preconditioner * residual
    size = float(residual @ direction)
    stop = forcing**2 * size
    for _ in range(_MAX_PRODUCTS):
        if size <= stop:
            break
        product = hessian(direction)
        curvature = float(direction @ product)
        if curvature <= 0.0:  # rounding, in directions that the loss does not see
            break
        solution += (size / curvature) * direction
        residual -= np.where(inside, (size / curvature) * product, 0.0)
        scaled = preconditioner * residual
        size, before = float(residual @ scaled), size
        direction = scaled + (size / before) * direction
    return solution
