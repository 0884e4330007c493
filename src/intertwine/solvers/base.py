"""What every solver provides to `intertwine.minimize.minimize`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from numpy.typing import NDArray

__all__ = ["AbstractSolver", "BasicState"]


class BasicState(NamedTuple):
    """The least a state holds; a solver with more to remember has its own NamedTuple with these three first.

    Attributes
    ----------
    params : ndarray or NamedTuple of ndarray
        Current parameters.
    value : float
        Objective at ``params``.
    optimality : float
        Largest violation of the first-order conditions at ``params``, in the units of ``tol``.
    """

    params: NDArray | tuple
    value: float
    optimality: float


class AbstractSolver(ABC):
    """An algorithm as ``init`` and ``step`` on immutable states.

    A solver holds settings only. Everything that changes during a run is in the state, a NamedTuple of arrays and
    numbers with at least ``params``, ``value`` and ``optimality``, so that a run can be saved and resumed.
    Say in the subclass's docstring which problem it accepts: *smooth* problems have ``value_and_gradient(params)``,
    *composite* ones also ``penalty(params)`` and ``prox(params, step)``.

    Parameters
    ----------
    tol : float
        The run has converged once ``state.optimality <= tol``.
    """

    def __init__(self, tol: float) -> None:
        self.tol = tol

    @abstractmethod
    def init(self, problem: Any, params: Any) -> Any:
        """Return the state at ``params``, before any step."""

    @abstractmethod
    def step(self, problem: Any, state: Any) -> Any:
        """Return the state after one more step; ``state`` itself is left as it is."""

    def converged(self, state: Any) -> bool:
        """Tell whether the first-order conditions hold within ``tol``."""
        return bool(state.optimality <= self.tol)
