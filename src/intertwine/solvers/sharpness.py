r"""What a second-order step descends: the objective, or its worst value in a small ball around the point.

With g the gradient, H the curvature (Gauss-Newton or exact) and ε = ρ g/‖g‖, the point of the ball where a linear
model is largest:

* *perturbed*: gradient and curvature at θ + ε;
* *perturbed gradient*: gradient at θ + ε, curvature at θ;
* *injected*: the objective plus ρ‖g‖, whose gradient is g + ρ H ĝ and whose curvature, with third derivatives left
  out, is H + (ρ/‖g‖) H (I − ĝĝᵀ) H.

Source: arXiv 2512.16277; P. Foret et al., Sharpness-Aware Minimization (ICLR 2021).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.risk import AbstractExpansion, AbstractRisk, Line

__all__ = [
    "SHARPNESS",
    "AbstractRadius",
    "AbstractSharpness",
    "Flat",
    "Injected",
    "Model",
    "Perturbed",
    "PerturbedGradient",
]

Vector = NDArray[np.float64]
Product = Callable[[Vector], Vector]


class Model(NamedTuple):
    """Quadratic model of a step, and the function that it models.

    Attributes
    ----------
    gradient : ndarray of shape (size,)
    product : callable
        v ↦ curvature times v.
    line : callable
        Direction to the `Line` that a step along it descends.
    passes : float
        Over the rows, to make the model.
    product_passes : float
        For one product.
    """

    gradient: Vector
    product: Product
    line: Callable[[Vector], Line]
    passes: float
    product_passes: float


class AbstractSharpness(ABC):
    """Makes the model of a step at a point."""

    @abstractmethod
    def model(self, problem: AbstractRisk, here: AbstractExpansion, exact: bool) -> Model:
        """Return the model at ``here``, with exact Hessian products if asked for."""


@final
class Flat(AbstractSharpness):
    """The objective itself."""

    def model(self, problem, here, exact):
        return Model(here.gradient, _curvature(here, exact), here.line, 0.0, 1.0)


class AbstractRadius(AbstractSharpness, ABC):
    """Sharpness within a radius.

    Parameters
    ----------
    rho : float
        Radius of the ball, or strength of the penalty on the gradient's length.
    """

    def __init__(self, rho: float) -> None:
        self.rho = rho


@final
class Perturbed(AbstractRadius):
    """Gradient and curvature at θ + ε."""

    def model(self, problem, here, exact):
        there = _perturbed(problem, here, self.rho)
        return Model(there.gradient, _curvature(there, exact), there.line, 1.0, 1.0)


@final
class PerturbedGradient(AbstractRadius):
    """Gradient at θ + ε, curvature at θ."""

    def model(self, problem, here, exact):
        there = _perturbed(problem, here, self.rho)
        return Model(there.gradient, _curvature(here, exact), there.line, 1.0, 1.0)


@final
class Injected(AbstractRadius):
    """The objective plus ρ‖g‖: sharpness enters the curvature."""

    def model(self, problem, here, exact):
        length = float(np.linalg.norm(here.gradient))
        curvature = _curvature(here, exact)
        if length == 0.0:
            return Model(here.gradient, curvature, here.line, 0.0, 1.0)
        unit = here.gradient / length
        strength = self.rho / length

        def product(v: Vector) -> Vector:
            bent = curvature(v)
            return bent + strength * curvature(bent - unit * (unit @ bent))

        def line(direction: Vector) -> Line:
            def penalised(t: float) -> float:
                there = problem.expand(here.theta + t * direction)
                return there.value + self.rho * float(np.linalg.norm(there.gradient))

            return Line([0.0], [penalised], here.value + self.rho * length, passes=1.0)

        return Model(here.gradient + self.rho * curvature(unit), product, line, 1.0, 2.0)


SHARPNESS: dict[str, type[AbstractRadius]] = {
    "perturbed": Perturbed,
    "perturbed_gradient": PerturbedGradient,
    "injected": Injected,
}


def _curvature(at: AbstractExpansion, exact: bool) -> Product:
    return at.hessian_product if exact else at.product


def _perturbed(problem: AbstractRisk, here: AbstractExpansion, rho: float) -> AbstractExpansion:
    length = float(np.linalg.norm(here.gradient))
    return problem.expand(here.theta + rho * here.gradient / length) if length > 0.0 else here
