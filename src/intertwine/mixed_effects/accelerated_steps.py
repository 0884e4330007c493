"""EM steps of many problems at once, and guesses in between of where they lead.

In logarithms θ of positive parameters, with r = θ₁ − θ₀ and w = (θ₂ − θ₁) − r of two steps, each parameter leaps to

    θ = θ₀ − r² / w,

the limit of a sequence whose steps shrink at one rate; where steps do not shrink it goes to θ₂. A problem whose next
step is longer than before the leap goes back to its θ₂. A variance that tends to zero like 1 / steps, as EM's do
where an effect does nothing, then falls by a factor of e with each leap.

Source: Aitken (1926); Varadhan & Roland, Simple and globally convergent methods for accelerating the convergence of any
EM algorithm (2008), who leap with one rate for all parameters.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["fixed_point"]

Array = NDArray[np.float64]

_FARTHEST = 3.0  # that a logarithm leaps
_WORSE = 1.0  # times the length of a step that the one after a leap may have


def fixed_point(
    step: Callable[[Array], Array], start: Array, floor: Array, tolerance: float, max_iter: int
) -> tuple[Array, NDArray[np.bool_], int]:
    """Find x = step(x) > 0 for K problems side by side.

    Parameters
    ----------
    step : callable
        From (d, K) to (d, K); entries that are zero or infinite stay as they are.
    start : array of shape (d, K)
    floor : array of shape (K,)
        Below it an entry is next to nothing, and its relative changes do not count.
    tolerance : float
        Of the relative change in one step.
    max_iter : int
        Steps.

    Returns
    -------
    x, converged, n_steps

    Examples
    --------
    A step that gains one part in fifty of what is missing takes 900 for seven digits:

    >>> goal = np.array([[2.0], [300.0]])
    >>> x, converged, n = fixed_point(lambda x: x**0.98 * goal**0.02, np.ones((2, 1)), np.zeros(1), 1e-10, 900)
    >>> x.round(6).ravel(), converged, n < 20
    (array([  2., 300.]), array([ True]), True)
    """
    x, fallback, before = start.copy(), start.copy(), np.full(start.shape[1], np.inf)
    converged, n = np.zeros(start.shape[1], dtype=bool), 0
    while n < max_iter and not converged.all():
        once = step(x)
        n += 1
        r = _change(x, once)
        length = np.linalg.norm(r, axis=0)
        worse = ~(length <= _WORSE * before)
        if worse.any():  # go on from where two plain steps had led
            x = np.where(worse, fallback, x)
            before = np.where(worse, np.inf, before)
            continue
        counts = np.minimum(x, once) > floor
        converged = np.max(np.abs(r), axis=0, where=counts, initial=0.0) <= tolerance
        if converged.all() or n == max_iter:
            return once, converged, n
        fallback = step(once)
        n += 1
        w = _change(once, fallback) - r
        nearer = r * w < 0.0
        ahead = np.where(nearer, -(r**2) / np.where(nearer, w, 1.0), 2.0 * r + w)
        x = x * np.exp(np.clip(ahead, -_FARTHEST, _FARTHEST))
        before = length
    return x, converged, n


def _change(before: Array, after: Array) -> Array:
    """Differences of logarithms; nought where an entry is zero or infinite."""
    there = np.isfinite(before) & (before > 0.0) & (after > 0.0)
    return np.log(np.where(there, after, 1.0) / np.where(there, before, 1.0))
