"""Many small maximisations at once: BFGS of p functions that are evaluated together.

An evaluation passes over data that the functions share, so all take their steps at the same time, each of its own
length; those that have converged, or have found a step, are not asked again.

Source: Nocedal & Wright, Numerical Optimization (2006), chapters 3 and 6.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.mixed_effects import _lockstep_kernels as kernels

__all__ = ["Maxima", "maximize"]

Array = NDArray[np.float64]
_MAX_TRIALS = 25  # along one direction


class Maxima(NamedTuple):
    """Where p functions have their maxima: x (p, d), values and the gains still expected (p,)."""

    x: Array
    value: Array
    expected_gain: Array
    converged: NDArray[np.bool_]
    n_iter: NDArray[np.int64]


def maximize(
    evaluate: Callable[[Array, NDArray[np.int64]], tuple[Array, Array]],
    x: Array,
    curvature: Array,
    tolerance: float,
    max_iter: int,
    on_iteration: Callable[[int, Array], None] | None = None,
) -> Maxima:
    """Maximise p smooth functions of d variables in lockstep.

    Parameters
    ----------
    evaluate : callable
        Values (k,) and gradients (k, d) at points (k, d) of k of the functions, and which of them these are (k,).
    x : array of shape (p, d)
        Where to begin.
    curvature : array of shape (p, d)
        About minus the second derivative along each axis; sets the length of the first step.
    tolerance : float
        Of the gain that a quadratic model still expects.
    max_iter : int
    on_iteration : callable, optional
        Called with the number of the iteration and the values.

    Examples
    --------
    >>> centre = np.array([[1.0, 2.0], [-3.0, 0.5]])
    >>> def hills(x, which):
    ...     return -np.sum((x - centre[which]) ** 4, axis=1), -4 * (x - centre[which]) ** 3
    >>> found = maximize(hills, np.zeros((2, 2)), np.ones((2, 2)), 1e-12, 100)
    >>> bool(np.all(np.abs(found.x - centre) < 0.01)), bool(found.converged.all())
    (True, True)
    """
    p, d = x.shape
    x = np.array(x, dtype=np.float64)
    value, gradient = (np.array(one, dtype=np.float64) for one in evaluate(x, np.arange(p)))
    new_x, new_value, new_gradient = x.copy(), value.copy(), gradient.copy()
    curvature, inverse = np.array(curvature, dtype=np.float64), np.zeros((p, d, d))
    for m in range(p):
        kernels.begin(m, curvature, inverse)
    active, searching, n_iter = np.ones(p, dtype=bool), np.zeros(p, dtype=bool), np.zeros(p, dtype=np.int64)
    gain, step, direction = np.full(p, np.inf), np.empty(p), np.empty((p, d))
    which, trial = np.empty(p, dtype=np.int64), np.empty((p, d))
    for iteration in range(max_iter):
        asked = kernels.aim(
            x, value, gradient, inverse, tolerance, active, searching, gain, direction, step, which, trial
        )
        if not asked:
            break
        for _ in range(_MAX_TRIALS):
            found = evaluate(trial[:asked], which[:asked])
            asked = kernels.weigh(
                asked,
                *found,
                x,
                value,
                gain,
                searching,
                direction,
                step,
                which,
                trial,
                new_x,
                new_value,
                new_gradient,
            )
            if not asked:
                break
        kernels.learn(
            x, value, gradient, inverse, curvature, active, searching, n_iter, new_x, new_value, new_gradient
        )
        if on_iteration is not None:
            on_iteration(iteration, value.copy())
    converged = gain <= 1e3 * (tolerance + kernels.ROUNDING * np.abs(value))
    return Maxima(x, value, gain, converged, n_iter)
