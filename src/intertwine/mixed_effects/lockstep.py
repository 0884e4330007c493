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

__all__ = ["Maxima", "maximize"]

Array = NDArray[np.float64]
_SUFFICIENT = 1e-4  # share of the expected gain that a step must bring
_MAX_STEP = 2.0
_ROUNDING = 1e-13  # of a value, below which differences of values mean nothing


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
    p = len(x)
    value, gradient = evaluate(x, np.arange(p))
    start = np.zeros((p, x.shape[1], x.shape[1]))
    np.einsum("pdd->pd", start)[:] = 1.0 / curvature
    inverse = start.copy()
    active, n_iter = np.ones(p, dtype=bool), np.zeros(p, dtype=np.int64)
    gain = np.full(p, np.inf)
    for iteration in range(max_iter):
        direction = np.einsum("pij,pj->pi", inverse, gradient)
        slope = np.sum(gradient * direction, axis=1)
        gain = np.where(active, 0.5 * slope, gain)
        active &= gain > tolerance + _ROUNDING * np.abs(value)
        if not active.any():
            break
        step = np.minimum(1.0, _MAX_STEP / np.maximum(np.abs(direction).max(axis=1), 1e-300))
        new_x, new_value, new_gradient, moved = _search(
            evaluate, x, value, gradient, direction, slope, step, active
        )
        n_iter[active] += 1
        stuck = active & ~moved
        first = np.all(inverse == start, axis=(1, 2))
        active &= ~(stuck & first)  # along the gradient itself nothing is gained
        inverse[stuck] = start[stuck]
        _update(inverse, new_x - x, gradient - new_gradient)
        x, value, gradient = new_x, new_value, new_gradient
        if on_iteration is not None:
            on_iteration(iteration, value)
    converged = gain <= 1e3 * (tolerance + _ROUNDING * np.abs(value))
    return Maxima(x, value, gain, converged, n_iter)


def _search(evaluate, x, value, gradient, direction, slope, step, active):
    """Step back along each direction until enough is gained; functions that gain nothing do not move."""
    searching, moved = active.copy(), np.zeros(len(x), dtype=bool)
    new_x, new_value, new_gradient = x.copy(), value.copy(), gradient.copy()
    for _ in range(25):
        which = np.flatnonzero(searching)
        trial = x[which] + step[which, None] * direction[which]
        trial_value, trial_gradient = evaluate(trial, which)
        expected = step[which] * slope[which]
        enough = trial_value >= value[which] + _SUFFICIENT * expected - _ROUNDING * np.abs(value[which])
        better = which[enough]
        new_x[better], new_value[better], new_gradient[better] = (
            trial[enough],
            trial_value[enough],
            trial_gradient[enough],
        )
        moved[better], searching[better] = True, False
        if enough.all():
            break
        # The vertex of the parabola through both values and the slope; a value that overflowed says only: nearer.
        missed = value[which] + expected - trial_value
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            vertex = 0.5 * expected * step[which] / missed
        shorter = np.where(
            np.isfinite(vertex), np.clip(vertex, 0.1 * step[which], 0.5 * step[which]), 0.1 * step[which]
        )
        step[which] = shorter
    return new_x, new_value, new_gradient, moved


def _update(inverse: Array, s: Array, y: Array) -> None:
    """BFGS of the inverse of minus the second derivative, where the curvature along the step is positive."""
    sy = np.sum(s * y, axis=1)
    good = sy > 1e-10 * np.linalg.norm(s, axis=1) * np.linalg.norm(y, axis=1)
    good &= sy > 0.0
    H, s, y, sy = inverse[good], s[good], y[good], sy[good, None, None]
    Hy = np.einsum("pij,pj->pi", H, y)
    yHy = np.sum(y * Hy, axis=1)[:, None, None]
    cross = s[:, :, None] * Hy[:, None, :]
    inverse[good] = (
        H + (1.0 + yHy / sy) * (s[:, :, None] * s[:, None, :]) / sy - (cross + cross.swapaxes(1, 2)) / sy
    )
