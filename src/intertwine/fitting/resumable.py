"""Descents that are kept on record while they run: an interrupted one goes on where it was, to the same result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any, NamedTuple, Protocol, final

import numpy as np

from intertwine.fitting.watch import Watch
from intertwine.minimize import Iteration, minimize

__all__ = ["Descended", "descended"]

_PARAMS = attrgetter("params")
_NUMBERS = (bool, int, float, np.bool_, np.integer, np.floating)


class Stopping(Protocol):
    """What ends a descent before its solver would, and remembers the parameters to go back to."""

    best: Any
    errors: list[float]

    def see(self, iteration: int, params: Any) -> bool:
        """Take note of parameters; tell whether to stop."""

    def memory(self) -> dict[str, Any]:
        """All but the best parameters, for a journal."""

    def take(self, memory: dict[str, Any], best: Any) -> None:
        """Go on as if what is behind ``memory`` had been seen."""


class Descended(NamedTuple):
    """Where a descent ended.

    Attributes
    ----------
    params : Any
        At the end, or those that ``stopping`` chose; with ``outcome``, what that takes from the last state.
    start : Iteration
        The row of the start.
    history : list of Iteration
        One row per step made.
    errors : list of float
        Of ``stopping``, after each step; empty without.
    told : list of float
        What ``tell`` said of the state after each step.
    settled : bool
        Whether the solver's tolerance was met, or ``stopping`` asked to stop.
    ended : bool
        Whether it ended by itself, for whatever reason, before the last step allowed.
    """

    params: Any
    start: Iteration
    history: list[Iteration]
    errors: list[float]
    told: list[float]
    settled: bool
    ended: bool


def descended(
    name: str,
    problem: Any,
    solver: Any,
    start: Any,
    max_iter: int,
    watch: Watch,
    *,
    stopping: Stopping | None = None,
    tell: Callable[[Any], float] = lambda state: float("nan"),
    rng: np.random.Generator | None = None,
    outcome: Callable[[Any], Any] = _PARAMS,
    like: Any = None,
    every: int = 1,
) -> Descended:
    """Run a solver, see `intertwine.minimize.minimize`, and keep its states on the journal.

    Parameters
    ----------
    name : str
        Of the step in the journal.
    problem, solver, start : object
    max_iter : int
    watch : Watch
    stopping : Stopping, optional
        Sees the start and the state after every step.
    tell : callable, optional
        State to a number that the history should have.
    rng : numpy.random.Generator, optional
        What steps draw from.
    outcome : callable, optional
        What is wanted of the last state, without ``stopping``; the parameters by default.
    like : tuple, optional
        Of the form of that; by default the start is.
    every : int, default=1
        Steps after which a state says all that the next step depends on; others are not kept.
    """
    template = start if like is None else like

    def compute() -> dict[str, Any]:
        run = _Run(watch, stopping, tell, rng, every)
        state = run.resumed(solver.init(problem, start))
        result = minimize(
            problem, solver, start=state, max_iter=max_iter - run.n_before, callbacks=[run.callback]
        )
        best = outcome(result.state) if stopping is None else stopping.best
        ended = run.n_before + len(result.history) <= max_iter
        return {
            "params": list(_leaves(best)),
            "start": list(run.start),
            "history": [list(row) for row in run.history],
            "errors": [] if stopping is None else stopping.errors[1:],
            "told": run.told,
            "settled": bool(result.converged or (stopping is not None and ended)),
            "ended": ended,
        }

    found = watch.journal.step(name, compute, rng)
    history = [Iteration(*row) for row in found["history"]]
    return Descended(
        _rebuilt(template, iter(found["params"])),
        Iteration(*found["start"]),
        history,
        found["errors"],
        found["told"],
        found["settled"],
        found["ended"],
    )


@final
class _Run:
    """The callback of one run: numbers its rows on from those of an interrupted one, and keeps states."""

    def __init__(self, watch: Watch, stopping: Stopping | None, tell, rng, every: int) -> None:
        self._watch, self._stopping, self._tell, self._rng = watch, stopping, tell, rng
        self._every = every
        self.start: Any = None
        self.history: list[Iteration] = []
        self.told: list[float] = []
        self.n_before, self._seconds = 0, 0.0
        self._again = False

    def resumed(self, fresh: Any) -> Any:
        """The state to begin from: that of the interrupted run, where there was one."""
        kept = self._watch.journal.begun()
        if kept is None:
            return fresh
        self._again = True
        self.start = Iteration(*kept["start"])
        self.history = [Iteration(*row) for row in kept["history"]]
        self.told = list(kept["told"])
        self.n_before, self._seconds = len(self.history), self.history[-1].seconds
        if self._rng is not None:
            self._rng.bit_generator.state = kept["random"]
        if self._stopping is not None:
            self._stopping.take(kept["stopping"], _rebuilt(fresh.params, iter(kept["best"])))
        return _rebuilt(fresh, iter(kept["state"]))

    def callback(self, row: Iteration, state: Any) -> bool:
        if row.iteration == 0 and self._again:
            return False  # it was seen before the interruption
        number = row.iteration + self.n_before
        before = self.history[-1] if self.history else self.start
        if number:
            seconds = row.seconds + self._seconds
            self.history.append(row._replace(iteration=number, seconds=seconds))
            self.told.append(float(self._tell(state)))
            self._watch.progress.iteration(self.history[-1], state)
        else:
            self.start = row
        stop = self._stopping is not None and self._stopping.see(number, state.params)
        # a descent ends where it stands still: were that state kept, a run that goes on from it would leave it
        moved = before is None or (row.value, row.optimality) != (before.value, before.optimality)
        if number and number % self._every == 0 and moved and not stop:
            self._keep(state)
        return stop

    def _keep(self, state: Any) -> None:
        start, history, told = self.start, list(self.history), list(self.told)
        random = None if self._rng is None else self._rng.bit_generator.state
        stopping = {} if self._stopping is None else self._stopping.memory()
        best = () if self._stopping is None else self._stopping.best
        self._watch.journal.keep(
            lambda: {
                "state": list(_leaves(state)),
                "start": list(start),
                "history": [list(row) for row in history],
                "told": told,
                "random": random,
                "stopping": stopping,
                "best": list(_leaves(best)),
            }
        )


def _leaves(tree: Any) -> Iterator[Any]:
    """Numbers and arrays of nested named tuples, in order."""
    if isinstance(tree, tuple):
        for part in tree:
            yield from _leaves(part)
    elif tree is not None:
        if not isinstance(tree, (np.ndarray, *_NUMBERS)):
            raise TypeError(f"a state holds a {type(tree).__name__}, which a journal cannot")
        yield tree


def _rebuilt(template: Any, leaves: Iterator[Any]) -> Any:
    """Nested named tuples like ``template`` of other numbers and arrays."""
    if isinstance(template, tuple):
        parts = [_rebuilt(part, leaves) for part in template]
        return type(template)(*parts) if hasattr(template, "_fields") else tuple(parts)
    return None if template is None else next(leaves)
