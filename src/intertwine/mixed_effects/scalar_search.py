"""The maximum of a costly function of one variable, in few evaluations.

Points spread from the start until the best has a lower one on either side or lies on a bound; then parabolas through
the best and its neighbours, with golden sections where these do not close in. The search ends when a parabola promises
no more than what would matter: for a log-likelihood an absolute number, whatever the scale of the variable.

Source: Brent, Algorithms for Minimization without Derivatives (1973), chapter 5; the stopping rule is that of a
likelihood, whose units have a meaning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

__all__ = ["ScalarMaximum", "maximize_scalar"]

_GOLDEN = 0.381966
_NARROW = 1.6  # a parabola over a wider bracket is not believed when it promises nothing


class ScalarMaximum(NamedTuple):
    """Where a function of one variable is largest: ``bound`` is −1 or 1 where that is the lower or upper limit."""

    x: float
    value: float
    bound: int
    converged: bool
    n_evaluations: int


def maximize_scalar(
    function: Callable[[float], float],
    start: float,
    low: float,
    high: float,
    *,
    step: float = 1.0,
    tolerance: float = 1e-3,
    max_evaluations: int = 40,
) -> ScalarMaximum:
    """Maximise a function between two limits.

    Parameters
    ----------
    function : callable
    start : float
    low, high : float
    step : float, default=1.0
        Distance of the first points from the start.
    tolerance : float, default=1e-3
        Of the value: the search ends when no more is expected to be gained.
    max_evaluations : int, default=40

    Returns
    -------
    ScalarMaximum

    Examples
    --------
    >>> found = maximize_scalar(lambda x: -(x - 0.3) ** 4 - (x - 0.3) ** 2, 1.0, -3.0, 3.0, tolerance=1e-6)
    >>> round(found.x, 2), found.bound, found.n_evaluations < 10
    (0.3, 0, True)
    """
    values: dict[float, float] = {}

    def evaluate(x: float) -> None:
        values[x] = function(x)

    evaluate(min(max(start, low), high))
    widths: list[float] = []
    while len(values) < max_evaluations:
        tried = sorted(values)
        at = max(range(len(tried)), key=lambda i: values[tried[i]])
        best = tried[at]
        left = tried[at - 1] if at > 0 else None
        right = tried[at + 1] if at + 1 < len(tried) else None
        if right is None and best < high:
            reach = step if left is None else max(step, 2.0 * (best - left))
            evaluate(min(best + reach, high))
        elif left is None and best > low:
            reach = step if right is None else max(step, 2.0 * (right - best))
            evaluate(max(best - reach, low))
        elif left is None or right is None:  # on a bound: what is next to it may yet be better
            neighbour = right if left is None else left
            if neighbour is None or abs(neighbour - best) <= 0.75 * step:
                return _found(values, best, low, high, converged=True)
            evaluate(0.5 * (best + neighbour))
        else:
            new, gain = _vertex(left, best, right, values)
            narrow = right - left <= _NARROW * step
            if (narrow and gain <= tolerance) or right - left <= 1e-9 * max(1.0, abs(best)):
                return _found(values, best, low, high, converged=True)
            widths.append(right - left)
            stuck = len(widths) > 2 and widths[-1] > 0.5 * widths[-3]
            longer = right - best > best - left
            if stuck or not left < new < right:
                new = best + _GOLDEN * (right - best) if longer else best - _GOLDEN * (best - left)
            elif abs(new - best) < 0.02 * (right - left):  # so near, it would not make the bracket narrower
                new = best + 0.05 * (right - left) * (1.0 if longer else -1.0)
            evaluate(new)
    best = max(values, key=lambda x: values[x])
    return _found(values, best, low, high, converged=False)


def _found(
    values: dict[float, float], best: float, low: float, high: float, converged: bool
) -> ScalarMaximum:
    bound = 0 if low == high else -1 if best == low else 1 if best == high else 0
    return ScalarMaximum(best, values[best], bound, converged, len(values))


def _vertex(a: float, b: float, c: float, values: dict[float, float]) -> tuple[float, float]:
    """Top of the parabola through three points, of which the middle one is highest, and how far it lies above that."""
    rise_left = (values[b] - values[a]) / (b - a)
    rise_right = (values[c] - values[b]) / (c - b)
    bend = (rise_right - rise_left) / (c - a)  # half the second derivative
    if not bend < 0.0:
        return b, 0.0
    slope = (rise_left * (c - b) + rise_right * (b - a)) / (c - a)  # at b
    return b - 0.5 * slope / bend, -0.25 * slope**2 / bend
