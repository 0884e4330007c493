"""The only loop of the package: step a solver until it has converged, watched by callbacks.

A solver knows how to make one step; a problem knows values, gradients and proximal maps; this module knows neither.
Because a state is a NamedTuple of arrays, whatever a callback is given can be written to a file and handed back as
``start`` later: the run continues as if it had never stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol, final

__all__ = ["Callback", "Checkpoint", "Iteration", "Result", "Solver", "State", "minimize"]


class State(Protocol):
    """What the loop reads from a solver's state."""

    @property
    def params(self) -> Any:
        """Current parameters: an array or a NamedTuple of arrays."""

    @property
    def value(self) -> float:
        """Objective at ``params``."""

    @property
    def optimality(self) -> float:
        """Largest violation of the first-order conditions at ``params``."""


class Solver(Protocol):
    """What the loop needs from a solver; `intertwine.solvers.base.AbstractSolver` provides it."""

    def init(self, problem: Any, params: Any) -> Any:
        """Return the state before the first step."""

    def step(self, problem: Any, state: Any) -> Any:
        """Return the state after one more step."""

    def converged(self, state: Any) -> bool:
        """Tell whether ``state`` satisfies the solver's tolerance."""


class Iteration(NamedTuple):
    """One row of the history.

    Attributes
    ----------
    iteration : int
        Number of steps made; 0 is the starting point.
    value : float
        Objective.
    optimality : float
        Largest violation of the first-order conditions.
    seconds : float
        Time since the loop began.
    """

    iteration: int
    value: float
    optimality: float
    seconds: float


Callback = Callable[[Iteration, Any], "bool | None"]
"""Called with the row and the state after every step (and once before the first); returning True stops the loop."""


class Result(NamedTuple):
    """What `minimize` returns.

    Attributes
    ----------
    params : array or NamedTuple of arrays
        Parameters at the end.
    state : NamedTuple
        Last state; give it to `minimize` as ``start`` to go on.
    history : list of Iteration
        One row for the starting point and one for every step.
    converged : bool
        Whether the solver's tolerance was met.
    """

    params: Any
    state: Any
    history: list[Iteration]
    converged: bool


def minimize(
    problem: Any,
    solver: Solver,
    params: Any = None,
    *,
    start: Any = None,
    max_iter: int = 1000,
    callbacks: Iterable[Callback] = (),
) -> Result:
    """Minimise a problem with a solver.

    The loop ends when the solver has converged, when a callback asks for it, after ``max_iter`` steps, or when a
    step changed neither the value nor the optimality (further steps would repeat it: rounding has the last word).
    An exception, Ctrl-C included, passes through; states are immutable, so nothing is left half-made.

    Parameters
    ----------
    problem : object
        What the solver asks for: ``value_and_gradient(params)``, and ``prox`` for composite objectives.
    solver : Solver
        Makes the steps and owns the tolerance.
    params : array or NamedTuple of arrays, optional
        Starting point; left out when ``start`` is given.
    start : state, optional
        State of an earlier run to go on from.
    max_iter : int, default=1000
        Most steps to make.
    callbacks : iterable of callable, default=()
        See `Callback`.

    Returns
    -------
    Result

    Raises
    ------
    ValueError
        If neither or both of ``params`` and ``start`` are given.

    Examples
    --------
    >>> from typing import NamedTuple
    >>> class Halving:
    ...     class State(NamedTuple):
    ...         params: float
    ...         value: float
    ...         optimality: float
    ...     def init(self, problem, params):
    ...         return self.State(params, problem(params), abs(params))
    ...     def step(self, problem, state):
    ...         return self.init(problem, state.params / 2)
    ...     def converged(self, state):
    ...         return state.optimality <= 0.1
    >>> result = minimize(lambda x: x * x, Halving(), 1.0)
    >>> result.params, result.converged, len(result.history)
    (0.0625, True, 5)
    """
    if (params is None) == (start is None):
        raise ValueError("give either params or start")
    callbacks = tuple(callbacks)
    began = time.perf_counter()
    state = solver.init(problem, params) if start is None else start
    history: list[Iteration] = []
    stopped = _record(history, state, began, callbacks)
    while not stopped and not solver.converged(state) and len(history) <= max_iter:
        previous, state = state, solver.step(problem, state)
        stopped = _record(history, state, began, callbacks)
        stopped = stopped or (state.value == previous.value and state.optimality == previous.optimality)
    return Result(state.params, state, history, bool(solver.converged(state)))


def _record(history: list[Iteration], state: State, began: float, callbacks: tuple[Callback, ...]) -> bool:
    row = Iteration(len(history), float(state.value), float(state.optimality), time.perf_counter() - began)
    history.append(row)
    # every callback is called, also after one that asks to stop: a checkpoint must not depend on its place
    answers = [callback(row, state) for callback in callbacks]
    return any(answer is True for answer in answers)


@final
class Checkpoint:
    """Callback that saves the state every so often.

    Parameters
    ----------
    save : callable
        Given the state; is expected to write atomically (see `intertwine.io`).
    every_seconds : float, default=60
        Least time between two saves.

    Examples
    --------
    >>> saved = []
    >>> keep = Checkpoint(saved.append, every_seconds=0)
    >>> keep(Iteration(1, 0.0, 0.0, 0.0), "state")
    >>> saved
    ['state']
    """

    def __init__(self, save: Callable[[Any], object], every_seconds: float = 60.0) -> None:
        self._save = save
        self._every_seconds = every_seconds
        self._last = float("-inf")

    def __call__(self, row: Iteration, state: Any) -> None:
        """Save ``state`` when it is due; the starting point never is."""
        if row.iteration > 0 and row.seconds - self._last >= self._every_seconds:
            self._save(state)
            self._last = row.seconds
