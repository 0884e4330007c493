"""The steps between evaluations of many small maximisations: BFGS of p functions of d variables, each by itself.

Arrays of a row for each function are written in their place. ``which`` are the functions that are asked next, and
``trial`` where; both are filled from the front, and how many there are is returned.
"""

import numpy as np
from numba import njit

_SUFFICIENT = 1e-4  # share of the expected gain that a step must bring
_MAX_STEP = 2.0
ROUNDING = 1e-13  # of a value, below which differences of values mean nothing


@njit(cache=True, nogil=True, error_model="numpy")
def aim(x, value, gradient, inverse, tolerance, active, searching, gain, direction, step, which, trial):
    """A direction, a step along it and a first trial for each function that still has something to gain."""
    p, d = x.shape
    asked = 0
    for m in range(p):
        searching[m] = False
        if not active[m]:
            continue
        slope, largest = 0.0, 1e-300
        for i in range(d):
            direction[m, i] = 0.0
            for j in range(d):
                direction[m, i] += inverse[m, i, j] * gradient[m, j]
            slope += gradient[m, i] * direction[m, i]
            largest = max(largest, abs(direction[m, i]))
        gain[m] = 0.5 * slope
        active[m] = gain[m] > tolerance + ROUNDING * abs(value[m])
        if active[m]:
            searching[m], step[m] = True, min(1.0, _MAX_STEP / largest)
            asked = _ask(m, asked, x, direction, step, which, trial)
    return asked


@njit(cache=True, nogil=True, error_model="numpy")
def _ask(m, asked, x, direction, step, which, trial):
    which[asked] = m
    for i in range(x.shape[1]):
        trial[asked, i] = x[m, i] + step[m] * direction[m, i]
    return asked + 1


@njit(cache=True, nogil=True, error_model="numpy")
def weigh(
    asked,
    trial_value,
    trial_gradient,
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
):
    """Take the trials that bring enough, and step back on the other directions."""
    again = 0
    for at in range(asked):
        m = which[at]
        expected = step[m] * 2.0 * gain[m]
        if trial_value[at] >= value[m] + _SUFFICIENT * expected - ROUNDING * abs(value[m]):
            new_value[m], searching[m] = trial_value[at], False
            for i in range(x.shape[1]):
                new_x[m, i], new_gradient[m, i] = trial[at, i], trial_gradient[at, i]
            continue
        # The vertex of the parabola through both values and the slope; a value that overflowed says only: nearer.
        missed = value[m] + expected - trial_value[at]
        vertex = 0.5 * expected * step[m] / missed if missed != 0.0 else np.inf
        step[m] = min(max(vertex, 0.1 * step[m]), 0.5 * step[m]) if np.isfinite(vertex) else 0.1 * step[m]
        again = _ask(m, again, x, direction, step, which, trial)
    return again


@njit(cache=True, nogil=True, error_model="numpy")
def learn(x, value, gradient, inverse, curvature, active, searching, n_iter, new_x, new_value, new_gradient):
    """Move, and learn from the step; a function that found none begins anew, or ends where it began anew before."""
    d = x.shape[1]
    s, y, Hy = np.empty(d), np.empty(d), np.empty(d)
    for m in range(len(x)):
        if not active[m]:
            continue
        n_iter[m] += 1
        if searching[m]:  # along the gradient itself nothing is gained
            active[m] = not _is_start(m, curvature, inverse)
            begin(m, curvature, inverse)
            continue
        sy, ss, yy = 0.0, 0.0, 0.0
        for i in range(d):
            s[i], y[i] = new_x[m, i] - x[m, i], gradient[m, i] - new_gradient[m, i]
            sy, ss, yy = sy + s[i] * y[i], ss + s[i] * s[i], yy + y[i] * y[i]
            x[m, i], gradient[m, i] = new_x[m, i], new_gradient[m, i]
        value[m] = new_value[m]
        if sy > 1e-10 * np.sqrt(ss * yy) and sy > 0.0:
            _update(m, inverse, s, y, sy, Hy)


@njit(cache=True, nogil=True, error_model="numpy")
def begin(m, curvature, inverse):
    """The inverse of a diagonal."""
    for i in range(curvature.shape[1]):
        for j in range(curvature.shape[1]):
            inverse[m, i, j] = 0.0
        inverse[m, i, i] = 1.0 / curvature[m, i]


@njit(cache=True, nogil=True, error_model="numpy")
def _is_start(m, curvature, inverse):
    for i in range(curvature.shape[1]):
        for j in range(curvature.shape[1]):
            if inverse[m, i, j] != (1.0 / curvature[m, i] if i == j else 0.0):
                return False
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def _update(m, inverse, s, y, sy, Hy):
    """BFGS of the inverse of minus the second derivative, where the curvature along the step is positive."""
    yHy = 0.0
    for i in range(len(s)):
        Hy[i] = 0.0
        for j in range(len(s)):
            Hy[i] += inverse[m, i, j] * y[j]
        yHy += y[i] * Hy[i]
    for i in range(len(s)):
        for j in range(len(s)):
            inverse[m, i, j] += ((1.0 + yHy / sy) * s[i] * s[j] - s[i] * Hy[j] - Hy[i] * s[j]) / sy
