"""Damped Gauss-Newton steps, each solved by preconditioned conjugate gradients without forming a matrix.

A step d solves (G + γI) d = −g roughly, is stretched or shortened by a line search, and the damping γ follows how well
the quadratic model foretold the unit step: the ratio of the decrease to what the model promised.

Source: Nocedal & Wright (2006), algorithms 5.3, 7.1 (truncation at negative curvature) and section 10.3; the damping is
D. Marquardt's (1963), its rule that of chapter 4 there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.solvers.base import AbstractSolver
from intertwine.solvers.preconditioners import AbstractPreconditioner, BlockDiagonal
from intertwine.solvers.sharpness import AbstractSharpness, Flat

__all__ = ["GaussNewton", "GaussNewtonState", "conjugate_gradients"]

Vector = NDArray[np.float64]

_GOOD, _BAD = 0.75, 0.25  # shares of the promised decrease
_LEAST_DAMPING = 1e-12


class GaussNewtonState(NamedTuple):
    """State of `GaussNewton`.

    Attributes
    ----------
    params : ndarray of shape (size,)
    value : float
        Objective, without what sharpness adds.
    optimality : float
        Decrease that the model of the last step promised, relative to the value; infinite before the first.
    damping : float
        γ of the next step.
    passes : float
        Over the rows, so far.
    length : float
        Of the last step, in units of the direction.
    n_products : int
        Conjugate-gradient steps so far.
    """

    params: Vector
    value: float
    optimality: float
    damping: float
    passes: float
    length: float
    n_products: int


class Direction(NamedTuple):
    """What conjugate gradients found.

    Attributes
    ----------
    vector : ndarray
    residual : ndarray
        −g − (G + γI) d.
    n_products : int
    """

    vector: Vector
    residual: Vector
    n_products: int


def conjugate_gradients(
    product: Callable[[Vector], Vector],
    gradient: Vector,
    solve: Callable[[Vector], Vector],
    tol: float,
    max_iter: int,
) -> Direction:
    """Solve A d = −gradient roughly, for an A that may turn out to be indefinite.

    Parameters
    ----------
    product : callable
        v ↦ A v.
    gradient : ndarray
    solve : callable
        Preconditioner.
    tol : float
        Length of the residual, relative to the gradient's, both in the preconditioner's metric.
    max_iter : int
        Most products.

    Returns
    -------
    Direction
        One that leads down. At negative curvature it is what was found so far, or the first direction.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.diag([1.0, 4.0])
    >>> conjugate_gradients(A.__matmul__, np.array([1.0, 4.0]), np.copy, 1e-9, 5).vector.round(6)
    array([-1., -1.])
    """
    residual = -gradient
    preconditioned = solve(residual)
    direction, move = np.zeros_like(gradient), preconditioned
    size = float(residual @ preconditioned)
    target = tol * tol * size
    for count in range(max_iter):
        if size <= target:
            return Direction(direction, residual, count)
        bent = product(move)
        curvature = float(move @ bent)
        if curvature <= 0.0:
            # A d is unknown in the first case: the residual says that the model promises nothing beyond the slope
            return Direction(direction if count else move, residual, count + 1)
        length = size / curvature
        direction += length * move
        residual -= length * bent
        if count + 1 == max_iter:
            break  # the next direction is not asked for
        preconditioned = solve(residual)
        size, before = float(residual @ preconditioned), size
        move *= size / before
        move += preconditioned
    return Direction(direction, residual, max_iter)


@final
class GaussNewton(AbstractSolver):
    """Second-order descent on an `intertwine.risk.AbstractRisk`.

    Parameters
    ----------
    tol : float
        Converged once the model promises less than this share of the value.
    damping : float, default=1
        First γ.
    adaptive : bool, default=True
        Whether γ follows the gain; otherwise it stays.
    factor : float, default=3
        By which γ falls after a good step and rises after a bad one.
    preconditioner : AbstractPreconditioner, optional
        Block-diagonal by default.
    cg_tol : float, default=0.1
        Relative residual at which the conjugate gradients stop.
    cg_iter : int, default=20
        Most of their steps.
    line_search : bool, default=True
        Whether to search along the direction; otherwise unit steps.
    exact_hessian : bool, default=False
        Products with the Hessian, for which structures of degree two (and latent factors with any mapping) are known.
        At negative curvature the conjugate gradients stop, and the line search sees to it that the value falls.
    sharpness : AbstractSharpness, optional
        None by default: the objective itself is descended.

    Examples
    --------
    >>> import numpy as np
    >>> from intertwine.losses import SquaredLoss
    >>> from intertwine.minimize import minimize
    >>> from intertwine.penalties import ElasticNet
    >>> from intertwine.risk import PenalisedRisk, RowRisk
    >>> from intertwine.structures.linearization import StructureScores, SymmetricLayout
    >>> from intertwine.structures.pairwise import Pairwise
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((50, 3))
    >>> scores = StructureScores(Pairwise(), X, SymmetricLayout(3))
    >>> risk = PenalisedRisk(RowRisk(SquaredLoss(2.0 * X[:, 0] * X[:, 1]), scores), ElasticNet(l2=1e-6))
    >>> found = minimize(risk, GaussNewton(1e-12, damping=1e-9), np.zeros(3)).params
    >>> bool(np.allclose(found, [2.0, 0.0, 0.0], atol=1e-3))
    True
    """

    def __init__(
        self,
        tol: float,
        damping: float = 1.0,
        adaptive: bool = True,
        factor: float = 3.0,
        preconditioner: AbstractPreconditioner | None = None,
        cg_tol: float = 0.1,
        cg_iter: int = 20,
        line_search: bool = True,
        exact_hessian: bool = False,
        sharpness: AbstractSharpness | None = None,
    ) -> None:
        super().__init__(tol)
        self.damping = damping
        self.adaptive = adaptive
        self.factor = factor
        self.preconditioner = BlockDiagonal() if preconditioner is None else preconditioner
        self.cg_tol = cg_tol
        self.cg_iter = cg_iter
        self.line_search = line_search
        self.exact_hessian = exact_hessian
        self.sharpness = Flat() if sharpness is None else sharpness

    def init(self, problem, params):
        """Return the state at ``params``."""
        value = problem.expand(params).value
        return GaussNewtonState(params, value, float("inf"), self.damping, 1.0, 0.0, 0)

    def step(self, problem, state):
        here = problem.expand(state.params)
        damping = state.damping
        model = self.sharpness.model(problem, here, self.exact_hessian)

        def damped(v: Vector) -> Vector:
            product = damping * v
            product += model.product(v)
            return product

        found = conjugate_gradients(
            damped,
            model.gradient,
            self.preconditioner.at(here, damping),
            self.cg_tol,
            self.cg_iter,
        )
        direction = found.vector
        slope = float(model.gradient @ direction)
        # dᵀGd from the residual: no further product
        bend = -slope - float(direction @ found.residual) - damping * float(direction @ direction)
        promised = -slope - 0.5 * bend
        passes = state.passes + model.passes + self.preconditioner.passes
        passes += model.product_passes * found.n_products
        optimality = max(promised, 0.0) / max(abs(state.value), 1e-300)
        n_products = state.n_products + found.n_products
        if not slope < 0.0:  # a gradient of zero: nothing leads down
            return state._replace(optimality=0.0, passes=passes, n_products=n_products)
        if self.line_search:
            line = model.line(direction)
            length, _ = line.search(slope)
            gain = line(0.0) - line(1.0)
            passes += line.spent if line.passes else 1.0
        else:
            length, gain = 1.0, np.nan
        params = state.params + length * direction
        value = problem.expand(params).value
        passes += 1.0
        if not self.line_search:
            gain = state.value - value
        if self.adaptive:
            damping = self._next_damping(damping, gain, promised)
            if not self.line_search and not gain > 0.0:
                # no step at all: the expansion here has to be made again
                return state._replace(damping=damping, passes=passes + 1.0, n_products=n_products)
        return GaussNewtonState(params, value, optimality, damping, passes, length, n_products)

    def _next_damping(self, damping: float, gain: float, promised: float) -> float:
        if not gain >= _BAD * promised:
            return damping * self.factor
        if gain > _GOOD * promised:
            return max(damping / self.factor, _LEAST_DAMPING)
        return damping
