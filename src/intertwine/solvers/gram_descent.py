r"""Coordinate descent for a quadratic with an explicit Hessian plus a separable elastic net, in compiled code.

    min over u:  gᵀ(u − a) + ½ (u − a)ᵀ H (u − a) + Σ_c [ l1_c|u_c| + ½ l2_c u_c² − shift_c u_c ]

Right when there are more rows than columns: once H is there, rows no longer matter. Descent is on the *active*
coordinates alone, those that are not zero or violate the conditions for optimality, copied side by side so that a
sweep stays in the cache; the gradient of all others follows when the active ones have settled, and shows which of
them to add. On its active coordinates it goes as `intertwine.solvers.coordinate` says: sweeps, and where those have
cost as much as the linear system of the present signs, that system.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from intertwine.penalties import ElasticNet

__all__ = ["coordinate_minimum", "descend"]

_MAX_ROUNDS = 200
_LEAST_SWEEPS = 15
_SWEEPS_OF_A_SOLVE = 20  # matrix products run some twenty times as fast as sweeps
_LARGEST_SOLVE = 3000  # a Cholesky factor of this size takes about as long as a hundred sweeps
_TRIFLE = 1e-11  # of the largest diagonal entry
_SETTLED = 0.5  # share of the tolerance: small changes in a sweep may add up to a larger violation


def descend(hessian: NDArray, gradient: NDArray, point: NDArray, penalty: ElasticNet, tol: float) -> float:
    """Minimise a quadratic plus an elastic net, changing ``point`` and ``gradient`` in place.

    Parameters
    ----------
    hessian : ndarray of shape (w, w)
        H.
    gradient : ndarray of shape (w,)
        Gradient of the quadratic at ``point``.
    point : ndarray of shape (w,)
        Starting point.
    penalty : ElasticNet
        Strengths of shape (w,).
    tol : float
        Largest violation of the conditions for optimality at which to stop, in units of the gradient.

    Returns
    -------
    float
        Largest violation at the end.

    Examples
    --------
    >>> import numpy as np
    >>> point, gradient = np.zeros(2), np.array([-3.0, -0.4])
    >>> penalty = ElasticNet(np.full(2, 1.0), np.zeros(2), np.zeros(2))
    >>> descend(np.array([[2.0, 1.0], [1.0, 2.0]]), gradient, point, penalty, 1e-12)
    0.0
    >>> point
    array([1., 0.])
    """
    return _descend(hessian, gradient, point, penalty.l1, penalty.l2, penalty.shift, tol)


def descend_path(
    hessian: NDArray, gradient: NDArray, penalty: ElasticNet, factors: NDArray, tol: NDArray, before: NDArray
) -> tuple[NDArray, NDArray]:
    """Minimise a quadratic plus multiples of an elastic net, each minimum the start of the next.

    A start goes on along the line of the last two minima as far as signs hold: between changes of signs the path of a
    lasso is straight.

    Parameters
    ----------
    hessian : ndarray of shape (w, w)
        H.
    gradient : ndarray of shape (w,)
        Gradient of the quadratic at zero.
    penalty : ElasticNet
        Strengths of shape (w,); its shift is not multiplied.
    factors : ndarray of shape (2 + k,)
        Multiples: two of earlier minima, which may be equal where there are none, and those to solve at.
    tol : ndarray of shape (k,)
        As in `descend`, one for each.
    before : ndarray of shape (2, w)
        The earlier minima; zeros where there are none.

    Returns
    -------
    found : ndarray of shape (k, w)
    changes : ndarray of shape (k,)
        The quadratic there, without the elastic net, less its value at zero.

    Examples
    --------
    >>> hessian, penalty = np.array([[2.0, 1.0], [1.0, 2.0]]), ElasticNet(np.ones(2), np.zeros(2), np.zeros(2))
    >>> path = np.array([3.0, 3.0, 2.0, 1.0]), np.full(2, 1e-12), np.zeros((2, 2))
    >>> found, changes = descend_path(hessian, np.array([-3.0, -0.4]), penalty, *path)
    >>> found
    array([[0.5, 0. ],
           [1. , 0. ]])
    >>> changes
    array([-1.25, -2.  ])
    """
    return _descend_path(hessian, gradient, penalty.l1, penalty.l2, penalty.shift, factors, tol, before)


@njit(cache=True, nogil=True, inline="always")
def coordinate_minimum(value, slope, curvature, l1, l2, shift):
    """Minimum of the quadratic along one coordinate; a coordinate without curvature stays."""
    if curvature + l2 <= 0.0:
        return value
    target = curvature * value - slope + shift
    if target > l1:
        return (target - l1) / (curvature + l2)
    if target < -l1:
        return (target + l1) / (curvature + l2)
    return 0.0


@njit(cache=True, nogil=True)
def _descend(hessian, gradient, point, l1, l2, shift, tol):
    width = len(point)
    member = np.empty(width, np.bool_)
    for c in range(width):
        member[c] = point[c] != 0.0 or l1[c] == 0.0
    violation = _recruit(gradient, point, l1, l2, shift, tol, member)
    for _ in range(_MAX_ROUNDS):
        if violation <= tol:
            break
        active = np.flatnonzero(member)
        if 2 * len(active) > width:  # their own block would not be worth the copy
            _settle(hessian, gradient, point, l1, l2, shift, active, _SETTLED * tol)
            violation = _recruit(gradient, point, l1, l2, shift, tol, member)
            continue
        own_hessian = np.empty((len(active), len(active)))
        for i in range(len(active)):
            row = hessian[active[i]]
            for k in range(len(active)):
                own_hessian[i, k] = row[active[k]]
        own_point, own_gradient = point[active], gradient[active]
        everything = np.arange(len(active))
        _settle(
            own_hessian,
            own_gradient,
            own_point,
            l1[active],
            l2[active],
            shift[active],
            everything,
            _SETTLED * tol,
        )
        for i in range(len(active)):
            change = own_point[i] - point[active[i]]
            if change != 0.0:
                point[active[i]] = own_point[i]
                _follow(gradient, change, hessian[active[i]])
        violation = _recruit(gradient, point, l1, l2, shift, tol, member)
    return violation


@njit(cache=True, nogil=True)
def _descend_path(hessian, start_gradient, l1, l2, shift, factors, tol, before):
    width = len(start_gradient)
    found = np.empty((len(factors), width))
    changes = np.empty(len(tol))
    found[:2] = before
    point, gradient = before[1].copy(), np.empty(width)
    for i in range(2, len(factors)):
        past = factors[i - 1] - factors[i - 2]
        if past != 0.0:
            _extrapolate(point, found[i - 2], (factors[i] - factors[i - 1]) / past)
        # anew for every point: what follows the moves gathers their rounding
        gradient[:] = start_gradient
        for c in range(width):
            if point[c] != 0.0:
                _follow(gradient, point[c], hessian[c])
        _descend(hessian, gradient, point, factors[i] * l1, factors[i] * l2, shift, tol[i - 2])
        found[i] = point
        changes[i - 2] = 0.5 * np.sum((start_gradient + gradient) * point)
    return found[2:], changes


@njit(cache=True, nogil=True)
def _extrapolate(point, before, ratio):
    """Go on along the line from ``before``, as far as signs hold."""
    for c in range(len(point)):
        if point[c] != 0.0 and before[c] != 0.0:
            further = point[c] + ratio * (point[c] - before[c])
            if further * point[c] > 0.0:
                point[c] = further


@njit(cache=True, nogil=True)
def _recruit(gradient, point, l1, l2, shift, tol, member):
    """Make members of all that violate the conditions for optimality, and return the largest violation."""
    largest = 0.0
    for c in range(len(point)):
        slope = gradient[c] + l2[c] * point[c] - shift[c]
        violation = abs(slope) - l1[c] if point[c] == 0.0 else abs(slope + np.sign(point[c]) * l1[c])
        if violation > tol:
            member[c] = True
        largest = max(largest, violation)
    return largest


@njit(cache=True, nogil=True)
def _settle(hessian, gradient, point, l1, l2, shift, order, tol):
    """Minimise over the coordinates of ``order``, the others being zero.

    Sweeps until they change nothing, shortened by solves on the support.
    """
    for _ in range(_MAX_ROUNDS):
        if _sweep(hessian, gradient, point, l1, l2, shift, order) <= tol:
            return
        support = np.flatnonzero((point != 0.0) | (l1 == 0.0))
        settled = False
        for _ in range(_LEAST_SWEEPS + len(support) // _SWEEPS_OF_A_SOLVE):
            if _sweep(hessian, gradient, point, l1, l2, shift, support) <= tol:
                settled = True
                break
        if not settled:
            support = np.flatnonzero((point != 0.0) | (l1 == 0.0))
            _solve_on_support(hessian, gradient, point, l1, l2, shift, support)


@njit(cache=True, nogil=True)
def _sweep(hessian, gradient, point, l1, l2, shift, order):
    """Minimise over each coordinate of ``order`` in turn; return the largest change, in units of the gradient."""
    largest = 0.0
    for c in order:
        curvature = hessian[c, c]
        new = coordinate_minimum(point[c], gradient[c], curvature, l1[c], l2[c], shift[c])
        change = new - point[c]
        if change != 0.0:
            point[c] = new
            _follow(gradient, change, hessian[c])
            largest = max(largest, abs(change) * (curvature + l2[c]))
    return largest


@njit(cache=True, nogil=True, inline="always", fastmath={"reassoc", "contract"})
def _follow(gradient, change, row):
    for k in range(len(gradient)):
        gradient[k] += change * row[k]


@njit(cache=True, nogil=True)
def _solve_on_support(hessian, gradient, point, l1, l2, shift, support):
    """Move to the minimum with the present signs, or to the first coefficient that would change its sign.

    With more coordinates than rows, or collinear ones, a trifle on the diagonal makes the direction run along what the
    data do not determine until a coefficient is zero: the support shrinks until the system is regular.
    """
    size = len(support)
    if size == 0 or size > _LARGEST_SOLVE:
        return
    system, change = np.empty((size, size)), np.empty(size)
    largest = 0.0
    for i in range(size):
        c = support[i]
        largest = max(largest, hessian[c, c])
        change[i] = -(gradient[c] + l2[c] * point[c] - shift[c] + l1[c] * np.sign(point[c]))
        for k in range(size):
            system[i, k] = hessian[c, support[k]]
    for i in range(size):
        system[i, i] += l2[support[i]] + _TRIFLE * largest
    try:
        factor = np.linalg.cholesky(system)
    except Exception:  # columns of zeros only (compiled code knows no narrower class): the sweeps go on alone
        return
    _solve_in_place(factor, change)
    fraction, first = 1.0, -1
    for i in range(size):
        c = support[i]
        if l1[c] > 0.0 and (point[c] + change[i]) * point[c] <= 0.0 and -point[c] / change[i] < fraction:
            fraction, first = -point[c] / change[i], c
    for i in range(size):
        c = support[i]
        new = 0.0 if c == first else point[c] + fraction * change[i]
        _follow(gradient, new - point[c], hessian[c])
        point[c] = new


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _solve_in_place(factor, right):
    """(L Lᵀ)⁻¹ right, along the rows of L both ways."""
    size = len(right)
    for i in range(size):
        total = right[i]
        for k in range(i):
            total -= factor[i, k] * right[k]
        right[i] = total / factor[i, i]
    for i in range(size - 1, -1, -1):
        right[i] /= factor[i, i]
        for k in range(i):
            right[k] -= factor[i, k] * right[i]
