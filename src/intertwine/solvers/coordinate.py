r"""Cyclic coordinate descent for a quadratic plus a separable elastic net.

    min over u:  gᵀ(u − a) + ½ (u − a)ᵀ H (u − a) + Σ_c [ l1_c|u_c| + ½ l2_c u_c² − shift_c u_c ]

H is kept as columns Z and weights with H = Z diag(weight) Zᵀ, and a residual is updated, O(n) a coordinate: right when
there are more columns than rows. `intertwine.solvers.gram_descent` has H itself.

Descent finds the support and the signs in a few sweeps but settles slowly when columns are correlated. On a fixed
support with fixed signs the problem is a linear system, so sweeps that have cost as much as that solve and have not
settled are followed by it, cut short where the first coefficient would change its sign. This ends at machine precision
in a handful of rounds; it took the place of Anderson acceleration, which only extrapolates the same limit.
"""

from __future__ import annotations

from typing import final

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from intertwine.penalties import ElasticNet
from intertwine.solvers.gram_descent import coordinate_minimum

__all__ = ["ColumnQuadratic", "minimize_quadratic"]

_MAX_ROUNDS = 200
_LEAST_SWEEPS = 4
_TRIFLE = 1e-11  # of the largest diagonal entry
_FIRM = 1e-8  # of the same: a ridge above it leaves Woodbury's identity enough digits
_LARGEST_SOLVE = 3000  # a Cholesky factor of this size takes about as long as a hundred sweeps


@final
class ColumnQuadratic:
    """Quadratic with H = Z diag(weight) Zᵀ, at a moving point: its residual follows the moves.

    Parameters
    ----------
    columns : ndarray of shape (w, n), C order
        Z, one row a column of the design.
    weight : ndarray of shape (n,)
        Curvature of the loss, or more than it.
    residual : ndarray of shape (n,)
        Gradient of the loss with respect to the scores at the starting point.
    """

    def __init__(self, columns: NDArray, weight: NDArray, residual: NDArray) -> None:
        self._columns = columns
        self._weight = weight
        self._residual = residual.copy()
        self._diagonal = _column_norms(columns, weight)

    def sweep(self, point: NDArray, penalty: ElasticNet, order: NDArray) -> float:
        """Sweep, O(n) a coordinate."""
        return _column_sweep(
            self._columns,
            self._weight,
            self._diagonal,
            self._residual,
            point,
            penalty.l1,
            penalty.l2,
            penalty.shift,
            order,
        )

    def gradient(self, index: NDArray) -> NDArray:
        """Return the gradient, O(n) a coordinate."""
        return self._columns[index] @ self._residual

    def newton_direction(self, index: NDArray, slope: NDArray, ridge: NDArray) -> NDArray:
        """Solve in the smaller of two spaces: that of the coordinates, or that of the rows where a ridge is firm."""
        columns = self._columns[index]
        soft = ridge <= _FIRM * self._diagonal[index].max()
        if np.count_nonzero(soft) + len(self._weight) >= len(index):
            return _solve_regularised((columns * self._weight) @ columns.T, slope, ridge)
        return _solve_by_rows(columns, self._weight, slope, ridge, soft)

    def can_solve(self, n_coordinates: int) -> bool:
        """One of the two spaces has to be of modest size."""
        return 0 < min(n_coordinates, len(self._weight)) <= _LARGEST_SOLVE

    def sweeps_of_a_solve(self, n_coordinates: int) -> int:
        """The system has the size of the support or of the rows."""
        return min(n_coordinates, len(self._weight)) // 8

    def move(self, index: NDArray, change: NDArray) -> None:
        """Update the residual."""
        self._residual += self._weight * (change @ self._columns[index])


def minimize_quadratic(
    quadratic: ColumnQuadratic, start: NDArray, penalty: ElasticNet, tol: float
) -> NDArray:
    """Minimise a quadratic plus an elastic net.

    Parameters
    ----------
    quadratic : ColumnQuadratic
        At ``start``; it is moved to the solution.
    start : ndarray of shape (w,)
        Starting point.
    penalty : ElasticNet
        Strengths of shape (w,).
    tol : float
        Largest change in a full sweep at which to stop, in units of the gradient.

    Returns
    -------
    ndarray of shape (w,)

    Examples
    --------
    >>> import numpy as np
    >>> columns = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    >>> quadratic = ColumnQuadratic(columns, np.ones(3), np.array([-3.0, 0.0, -0.4]))
    >>> minimize_quadratic(quadratic, np.zeros(2), ElasticNet(np.full(2, 1.0), np.zeros(2), np.zeros(2)), 1e-12)
    array([1., 0.])
    """
    point = start.copy()
    everything = np.arange(len(point))
    free = penalty.l1 == 0.0
    for _ in range(_MAX_ROUNDS):
        if quadratic.sweep(point, penalty, everything) <= tol:
            break
        support = np.flatnonzero((point != 0.0) | free)
        if not _settles(quadratic, point, penalty, support, tol):
            _solve_on_support(quadratic, point, penalty, np.flatnonzero((point != 0.0) | free))
    return point


def _settles(
    quadratic: ColumnQuadratic, point: NDArray, penalty: ElasticNet, support: NDArray, tol: float
) -> bool:
    """Sweep over the support for about as long as a solve would take; tell whether that was enough."""
    for _ in range(_LEAST_SWEEPS + quadratic.sweeps_of_a_solve(len(support))):
        if quadratic.sweep(point, penalty, support) <= tol:
            return True
    return False


def _solve_on_support(
    quadratic: ColumnQuadratic, point: NDArray, penalty: ElasticNet, support: NDArray
) -> None:
    """Move to the minimum with the present signs, or to the first coefficient that would change its sign."""
    if not quadratic.can_solve(len(support)):
        return
    l1, l2, current = penalty.l1[support], penalty.l2[support], point[support]
    slope = quadratic.gradient(support) + l2 * current - penalty.shift[support] + l1 * np.sign(current)
    try:
        change = quadratic.newton_direction(support, slope, l2)
    except LinAlgError:  # columns of zeros only: the sweeps go on alone
        return
    crossing = (l1 > 0.0) & (np.sign(current + change) * np.sign(current) <= 0.0)
    if crossing.any():
        fractions = -current[crossing] / change[crossing]
        change *= fractions.min()
        first = support[crossing][fractions.argmin()]
        point[support] = current + change
        point[first] = 0.0
    else:
        point[support] = current + change
    quadratic.move(support, point[support] - current)


def _solve_regularised(hessian: NDArray, slope: NDArray, ridge: NDArray) -> NDArray:
    """−(hessian + diag(ridge) + a trifle)⁻¹ slope; the block is overwritten.

    With more coordinates than rows, or collinear ones, the trifle makes the direction run along what the data do not
    determine until a coefficient is zero: the support shrinks until the system is regular.
    """
    diagonal = np.diag_indices_from(hessian)
    hessian[diagonal] += ridge + _TRIFLE * hessian[diagonal].max()
    # a Gram matrix is symmetric: its transpose is in the order that LAPACK asks for
    factor = cho_factor(hessian.T, overwrite_a=True, check_finite=False)
    return -cho_solve(factor, slope, check_finite=False)


def _solve_by_rows(
    columns: NDArray, weight: NDArray, slope: NDArray, ridge: NDArray, soft: NDArray
) -> NDArray:
    """−(Z W Zᵀ + diag(ridge))⁻¹ slope through a system of the size of the rows.

    Woodbury's identity for the coordinates with a firm ridge, the few others (an intercept) by their Schur complement.
    """
    firm = ~soft
    scaled = columns[firm] * np.sqrt(weight)
    inverse = 1.0 / ridge[firm]
    inner = (scaled.T * inverse) @ scaled
    inner.flat[:: len(inner) + 1] += 1.0
    factor = cho_factor(inner.T, overwrite_a=True, check_finite=False)

    def apply_inverse(right: NDArray) -> NDArray:
        shrunk = (inverse * right.T).T
        return shrunk - (inverse * (scaled @ cho_solve(factor, scaled.T @ shrunk, check_finite=False)).T).T

    direction = np.empty(len(slope))
    border = (columns[soft] * np.sqrt(weight)) @ scaled.T
    towards = apply_inverse(slope[firm])
    if soft.any():
        own = (columns[soft] * weight) @ columns[soft].T - border @ apply_inverse(border.T)
        direction[soft] = _solve_regularised(own, slope[soft] - border @ towards, ridge[soft])
        towards += apply_inverse(border.T @ direction[soft])
    direction[firm] = -towards
    return direction


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _column_norms(columns, weight):
    out = np.empty(len(columns))
    for c in range(len(columns)):
        column = columns[c]
        total = 0.0
        for i in range(len(weight)):
            total += weight[i] * column[i] * column[i]
        out[c] = total
    return out


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _column_sweep(columns, weight, diagonal, residual, point, l1, l2, shift, order):
    largest = 0.0
    for c in order:
        column = columns[c]
        slope = 0.0
        for i in range(len(residual)):
            slope += column[i] * residual[i]
        new = coordinate_minimum(point[c], slope, diagonal[c], l1[c], l2[c], shift[c])
        change = new - point[c]
        if change != 0.0:
            point[c] = new
            for i in range(len(residual)):
                residual[i] += change * weight[i] * column[i]
            largest = max(largest, abs(change) * (diagonal[c] + l2[c]))
    return largest
