"""Fixed points of EM, found faster: Anderson's acceleration, which never lets the likelihood fall.

EM goes to x ← F(x) and gains little at a time where much is hidden. From the last few steps Anderson's method finds the
combination whose residual F(x) − x is smallest, and steps from there: a secant method in the space that the steps have
spanned. A step that would lower the likelihood is not made; EM's own is, and the memory begins anew.

Source: Walker & Ni, Anderson Acceleration for Fixed-Point Iterations (2011); Henderson & Varadhan, Damped Anderson
acceleration with restarts and monotonicity control for accelerating EM (2019).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ascent", "FixedPoint", "accelerated"]

Array = NDArray[np.float64]
Step = Callable[[Array], tuple[Array, float]]

_MEMORY = 8
_WINDOW = 4  # steps over which the gain is taken: a single one may be small by accident
_DAMPING = 1e-10


class FixedPoint(NamedTuple):
    """Where a search ended.

    Attributes
    ----------
    x : ndarray
        The best point seen, at which the last value was taken.
    values : list of float
        The objective after each step; it never falls.
    converged : bool
    """

    x: Array
    values: list[float]
    converged: bool


class Ascent(NamedTuple):
    """A search that is under way; it goes on from here as if it had never stopped.

    Attributes
    ----------
    x : ndarray
    image : ndarray
        EM's next point.
    values : list of float
        The objective at the start and after each step.
    moves, changes : list of ndarray
        What Anderson's method remembers: the last steps, and by how much their residuals changed.
    """

    x: Array
    image: Array
    values: list[float]
    moves: list[Array]
    changes: list[Array]


def accelerated(
    step: Step,
    start: Array | Ascent,
    max_iter: int,
    tol: float,
    tell: Callable[[int, float, float], None] = lambda iteration, value, gain: None,
    keep: Callable[[Ascent], None] = lambda ascent: None,
) -> FixedPoint:
    """Climb to a fixed point of EM.

    Parameters
    ----------
    step : callable
        A point to EM's next one, with the objective at the point. It may refuse a point by `numpy.linalg.LinAlgError`
        or an objective that is not finite; never one that it gave itself.
    start : ndarray or Ascent
        A point, or an earlier search to go on with.
    max_iter : int
    tol : float
        Gain over a few steps, each counted, under which the search has settled.
    tell : callable, optional
        Is told of the number, the objective and the gain of every step.
    keep : callable, optional
        Is given the search after every step; it does not change afterwards.

    Returns
    -------
    FixedPoint

    Examples
    --------
    >>> slow = lambda x: (x - 0.01 * (x - 3.0), -float(np.sum((x - 3.0) ** 2)))
    >>> found = accelerated(slow, np.zeros(2), max_iter=50, tol=1e-12)
    >>> found.x.round(6), len(found.values) < 10
    (array([3., 3.]), True)
    """
    if not isinstance(start, Ascent):
        image, value = step(start)
        start = Ascent(start, image, [value], [], [])
    x, image, (*values,), (*moves,), (*changes,) = start
    for iteration in range(len(values), max_iter + 1):
        value = values[-1]
        residual = image - x
        candidate = image if not moves else image - _combined(moves, changes, residual)
        found = _tried(step, candidate, value) if moves else None
        if found is None:
            moves, changes = [], []
            candidate, found = image, step(image)
        moves.append(candidate - x)
        changes.append(found[0] - candidate - residual)
        del moves[:-_MEMORY], changes[:-_MEMORY]
        tell(iteration, found[1], found[1] - value)
        x, image = candidate, found[0]
        values.append(found[1])
        keep(Ascent(x, image, list(values), list(moves), list(changes)))
        if iteration >= _WINDOW and values[-1] - values[-1 - _WINDOW] <= tol * _WINDOW:
            return FixedPoint(x, values, True)
    return FixedPoint(x, values, False)


def _combined(moves: list[Array], changes: list[Array], residual: Array) -> Array:
    """What Anderson's step takes back of EM's."""
    F = np.stack(changes)
    gram = F @ F.T
    size = np.sqrt(np.diag(gram))
    size[size == 0.0] = 1.0
    gram = gram / np.outer(size, size) + _DAMPING * np.eye(len(F))
    weights = np.linalg.solve(gram, (F @ residual) / size) / size
    return weights @ (np.stack(moves) + F)


def _tried(step: Step, candidate: Array, value: float) -> tuple[Array, float] | None:
    try:
        image, reached = step(candidate)
    except np.linalg.LinAlgError:
        return None
    return (image, reached) if reached >= value and np.isfinite(image).all() else None
