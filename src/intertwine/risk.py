r"""J(θ) = Σ_i w_i ℓ_i(f_i(θ)) + penalty(θ): the chain rule between a loss, a structure and a ridge, on flat vectors.

All that a second-order solver asks of the rows is a sum over them: the value, the gradient Jᵀ r, products with the
Gauss-Newton matrix Jᵀ W J or the Hessian Jᵀ W J + Σ r_i ∇²f_i, diagonal blocks of the former, and the course along a
line. These few are `AbstractExpansion`; a sum over parts of the rows, wherever those are kept, is an expansion again.

Where scores have degree two along a line, f(t) = f + t f₁ + t² f₂, a squared loss is a quartic in t whose five
coefficients are sums over the rows, and the best step is the root of a cubic: no step is ever tried.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Self, final

import numpy as np
from numpy.polynomial import polynomial
from numpy.typing import NDArray

from intertwine.losses.base import AbstractLoss, LossOverflowError
from intertwine.penalties import ElasticNet
from intertwine.structures.linearization import AbstractScoreMap, packed_diagonal, width_of_packed

__all__ = ["AbstractExpansion", "AbstractRisk", "Line", "PenalisedRisk", "RowRisk", "SummedRisk"]

Vector = NDArray[np.float64]
Blocks = list[NDArray[np.float64]]

_SUFFICIENT = 1e-4  # of the decrease that the slope promises
_MOST_TRIALS = 30
_NEAR = 0.2  # relative: so near to the vertex of the parabola nothing is gained by going there


@final
class Line:
    """A function of a step t: a polynomial, plus functions that have to be evaluated.

    Parameters
    ----------
    coefficients : array of shape (degree + 1,)
        Of the polynomial, the constant first.
    functions : sequence of callable, default=()
    start : float, default=0
        Sum of the functions at zero.
    passes : float, default=0
        Passes over the rows that one evaluation costs.

    Attributes
    ----------
    spent : float
        Passes that evaluations have cost so far.

    Examples
    --------
    >>> Line([1.0, -2.0, 1.0]).search(-2.0)  # (t − 1)²: step and value there
    (1.0, 0.0)
    """

    def __init__(
        self,
        coefficients: Sequence[float] | Vector,
        functions: Sequence[Callable[[float], float]] = (),
        start: float = 0.0,
        passes: float = 0.0,
    ) -> None:
        self.coefficients = np.asarray(coefficients, dtype=float)
        self.functions = tuple(functions)
        self.passes, self.spent = passes, 0.0
        self._known = {0.0: start}

    def __add__(self, other: Self) -> Line:
        # parts of the rows are evaluated side by side: together they cost one pass
        return Line(
            polynomial.polyadd(self.coefficients, other.coefficients),
            self.functions + other.functions,
            self._known[0.0] + other._known[0.0],
            max(self.passes, other.passes),
        )

    def __call__(self, t: float) -> float:
        """Value at t; infinite where a score or a loss overflows."""
        if t not in self._known:
            self.spent += self.passes
            try:
                self._known[t] = sum(function(t) for function in self.functions)
            except (LossOverflowError, FloatingPointError):
                self._known[t] = np.inf
        return float(polynomial.polyval(t, self.coefficients)) + self._known[t]

    def search(self, slope: float) -> tuple[float, float]:
        """Return a good step t > 0 and the value there.

        The best step of all for a polynomial. Otherwise the better of a unit step and the vertex of the parabola
        through it, after as many shorter ones as it takes to go down.

        Parameters
        ----------
        slope : float
            Derivative at zero; negative.
        """
        if not self.functions:
            roots = polynomial.Polynomial(self.coefficients).deriv().roots()
            steps = [0.0, *roots.real[(np.abs(roots.imag) <= 1e-9 * np.abs(roots)) & (roots.real > 0.0)]]
            values = [self(t) for t in steps]
            best = int(np.argmin(values))
            return float(steps[best]), values[best]
        start, t = self(0.0), 1.0
        for _ in range(_MOST_TRIALS):
            value = self(t)
            rise = value - start - t * slope
            vertex = -0.5 * slope * t * t / rise if 0.0 < rise < np.inf else np.inf
            if value <= start + _SUFFICIENT * t * slope:
                other = min(vertex, 4.0 * t)
                if abs(other - t) > _NEAR * t and self(other) < value:
                    return other, self(other)
                return t, value
            t = min(max(vertex, 0.1 * t), 0.5 * t) if np.isfinite(vertex) else 0.1 * t
        return 0.0, start


class AbstractExpansion(ABC):
    """A function near a point, as sums over rows.

    Attributes
    ----------
    theta : ndarray of shape (size,)
        The point.
    value : float
    gradient : ndarray of shape (size,)
    """

    theta: Vector
    value: float
    gradient: Vector

    @abstractmethod
    def product(self, v: Vector) -> Vector:
        """Gauss-Newton product: positive semi-definite."""

    @abstractmethod
    def hessian_product(self, v: Vector) -> Vector:
        """Exact Hessian product, which may be indefinite.

        Raises
        ------
        ValueError
            Where the structure does not offer it.
        """

    @abstractmethod
    def blocks(self) -> Blocks:
        """Diagonal blocks of the Gauss-Newton matrix, see `AbstractLinearization.gram_blocks`: the caller's own."""

    @abstractmethod
    def line(self, direction: Vector) -> Line:
        """Return t ↦ value at θ + t·direction."""


class AbstractRisk(ABC):
    """A function of a flat vector that is a sum over rows, known by its expansions.

    Attributes
    ----------
    size : int
        Entries of the vector.
    """

    size: int

    @abstractmethod
    def expand(self, theta: Vector) -> AbstractExpansion:
        """Value and derivatives at ``theta``: one pass over the rows."""


@final
class RowRisk(AbstractRisk):
    """Total loss of some rows, Σ w_i ℓ_i: the weighted mean of a loss times its total weight.

    Parameters
    ----------
    loss : AbstractLoss
    scores : AbstractScoreMap
        Of the same rows.
    """

    def __init__(self, loss: AbstractLoss, scores: AbstractScoreMap) -> None:
        self.loss, self.scores, self.size = loss, scores, scores.size

    def expand(self, theta):
        return _RowExpansion(self, theta)


@final
class _RowExpansion(AbstractExpansion):
    def __init__(self, of: RowRisk, theta: Vector) -> None:
        self._of, self.theta = of, theta
        self._near = of.scores.at(theta)
        total = of.loss.total_weight
        self.value = total * of.loss.value(self._near.scores)
        self._slope = total * of.loss.gradient(self._near.scores)
        self._curvature = of.loss.curvature(self._near.scores)
        self._weight = total * self._curvature.diagonal()
        self.gradient = self._near.pullback(self._slope)

    def product(self, v):
        if self._of.loss.rows_interact:
            pushed = self._curvature.matmul(self._near.pushforward(v))
            return self._near.pullback(self._of.loss.total_weight * pushed)
        return self._near.gram_product(self._weight, v)

    def hessian_product(self, v):
        return self.product(v) + self._near.bend_product(self._slope, v)

    def blocks(self):
        return self._near.gram_blocks(np.maximum(self._weight, 0.0))

    def line(self, direction):
        loss, scores, near = self._of.loss, self._of.scores, self._near
        if scores.degree is None:
            theta = self.theta

            def evaluated(t: float) -> float:
                return loss.total_weight * loss.value(scores.score(theta + t * direction))

            return Line([0.0], [evaluated], self.value, passes=1.0)
        first, second = near.along(direction)
        if loss.is_quadratic and not loss.rows_interact:
            r, w = self._slope, self._weight
            bent = w * second
            return Line(
                [
                    self.value,
                    float(r @ first),
                    0.5 * float((w * first) @ first) + float(r @ second),
                    float(bent @ first),
                    0.5 * float(bent @ second),
                ]
            )

        def on_the_curve(t: float) -> float:
            return loss.total_weight * loss.value(near.scores + t * (first + t * second))

        return Line([0.0], [on_the_curve], self.value)


@final
class SummedRisk(AbstractRisk):
    """Sum of risks of the same vector: the parts of a table that is kept in pieces.

    Parameters
    ----------
    parts : sequence of AbstractRisk
    """

    def __init__(self, parts: Sequence[AbstractRisk]) -> None:
        self.parts, self.size = tuple(parts), parts[0].size

    def expand(self, theta):
        return _SummedExpansion([part.expand(theta) for part in self.parts])


@final
class _SummedExpansion(AbstractExpansion):
    def __init__(self, parts: list[AbstractExpansion]) -> None:
        self._parts, self.theta = parts, parts[0].theta
        self.value = sum(part.value for part in parts)
        self.gradient = np.sum([part.gradient for part in parts], axis=0)

    def product(self, v):
        return np.sum([part.product(v) for part in self._parts], axis=0)

    def hessian_product(self, v):
        return np.sum([part.hessian_product(v) for part in self._parts], axis=0)

    def blocks(self):
        return [np.sum(same, axis=0) for same in zip(*(part.blocks() for part in self._parts), strict=True)]

    def line(self, direction):
        return sum((part.line(direction) for part in self._parts), start=Line([0.0]))


@final
class PenalisedRisk(AbstractRisk):
    """A risk plus a ridge; remembers the last expansion, so that a solver's next step begins where the last one ended.

    Parameters
    ----------
    rows : AbstractRisk
    penalty : ElasticNet
        Without its l1 part: a vector of strengths, or one for all coefficients.
    """

    def __init__(self, rows: AbstractRisk, penalty: ElasticNet) -> None:
        if np.any(penalty.l1 > 0.0):
            raise ValueError("a Gauss-Newton step needs a smooth penalty; l1 must be zero")
        self.rows, self.penalty, self.size = rows, penalty, rows.size
        self._last: _PenalisedExpansion | None = None

    def expand(self, theta):
        if self._last is None or self._last.theta is not theta:
            self._last = None  # not two at a time
            self._last = _PenalisedExpansion(self.rows.expand(theta), self.penalty)
        return self._last


@final
class _PenalisedExpansion(AbstractExpansion):
    def __init__(self, rows: AbstractExpansion, penalty: ElasticNet) -> None:
        self._rows, self._penalty, self.theta = rows, penalty, rows.theta
        self.value = rows.value + penalty.value(rows.theta)
        self.gradient = rows.gradient + penalty.smooth_gradient(rows.theta)

    def product(self, v):
        product = self._penalty.l2 * v
        product += self._rows.product(v)
        return product

    def hessian_product(self, v):
        return self._rows.hessian_product(v) + self._penalty.l2 * v

    def blocks(self):
        strengths = np.broadcast_to(self._penalty.l2, self.theta.shape)
        blocks, place = [], 0
        for rows in self._rows.blocks():
            count, d = len(rows), width_of_packed(rows)
            own = rows if rows.flags.writeable else rows.copy()
            own[:, packed_diagonal(d)] += strengths[place : place + count * d].reshape(count, d)
            blocks.append(own)
            place += count * d
        return blocks

    def line(self, direction):
        l2, theta = self._penalty.l2, self.theta
        slope = float(self._penalty.smooth_gradient(theta) @ direction)
        ridge = Line([self._penalty.value(theta), slope, 0.5 * float((l2 * direction) @ direction)])
        return self._rows.line(direction) + ridge
