"""Descents that are kept on record while they run: an interrupted one goes on where it was, to the same result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, final

import numpy as np

from intertwine.fitting.latent_factors.early_stopping import EarlyStopping
from intertwine.fitting.watch import Watch
from intertwine.minimize import Iteration, minimize

__all__ = ["Descended", "descended"]

_NUMBERS = (bool, int, float, np.bool_, np.integer, np.floating)


class Descended(NamedTuple):
    """Where a descent ended.

    Attributes
    ----------
    params : Any
        At the end, or where ratings held out were predicted best.
    history : list of Iteration
        One row per step made.
    errors : list of float
        Of the ratings held out, after each step; empty without.
    told : list of float
        What ``tell`` said of the state after each step.
    settled : bool
        Whether the solver's tolerance was met, or the ratings held out asked to stop.
    """

    params: Any
    history: list[Iteration]
    errors: list[float]
    told: list[float]
    settled: bool


def descended(
    name: str,
    problem: Any,
    solver: Any,
    start: Any,
    max_iter: int,
    watch: Watch,
    *,
    stopping: EarlyStopping | None = None,
    tell: Callable[[Any], float] = lambda state: float("nan"),
    rng: np.random.Generator | None = None,
) -> Descended:
    """Run a solver, see `intertwine.minimize.minimize`, and keep each state on the journal.

    Parameters
    ----------
    name : str
        Of the step in the journal.
    problem, solver, start : object
    max_iter : int
    watch : Watch
    stopping : EarlyStopping, optional
        Sees the start and the state after every step.
    tell : callable, optional
        State to a number that the history should have.
    rng : numpy.random.Generator, optional
        What steps draw from.
    """
    template = start

    def compute() -> dict[str, Any]:
        run = _Run(watch, stopping, tell, rng)
        state = run.resumed(solver.init(problem, start))
        result = minimize(
            problem, solver, start=state, max_iter=max_iter - run.n_before, callbacks=[run.callback]
        )
        best = result.params if stopping is None else stopping.best
        stopped = run.n_before + len(result.history) <= max_iter
        return {
            "params": list(_leaves(best)),
            "history": [list(row) for row in run.history],
            "errors": [] if stopping is None else stopping.errors[1:],
            "told": run.told,
            "settled": bool(result.converged or (stopping is not None and stopped)),
        }

    found = watch.journal.step(name, compute, rng)
    history = [Iteration(*row) for row in found["history"]]
    params = _rebuilt(template, iter(found["params"]))
    return Descended(params, history, found["errors"], found["told"], found["settled"])


@final
class _Run:
    """The callback of one run: numbers its rows on from those of an interrupted one, and keeps every state."""

    def __init__(self, watch: Watch, stopping: EarlyStopping | None, tell, rng) -> None:
        self._watch, self._stopping, self._tell, self._rng = watch, stopping, tell, rng
        self.history: list[Iteration] = []
        self.told: list[float] = []
        self.n_before = 0
        self._again = False

    def resumed(self, fresh: Any) -> Any:
        """The state to begin from: that of the interrupted run, where there was one."""
        kept = self._watch.journal.begun()
        if kept is None:
            return fresh
        self._again = True
        self.history = [Iteration(*row) for row in kept["history"]]
        self.told = list(kept["told"])
        self.n_before = len(self.history)
        if self._rng is not None:
            self._rng.bit_generator.state = kept["random"]
        if self._stopping is not None:
            self._stopping.take(kept["stopping"], _rebuilt(fresh.params, iter(kept["best"])))
        return _rebuilt(fresh, iter(kept["state"]))

    def callback(self, row: Iteration, state: Any) -> bool:
        if row.iteration == 0 and self._again:
            return False  # it was seen before the interruption
        number = row.iteration + self.n_before
        if number:
            self.history.append(row._replace(iteration=number))
            self.told.append(float(self._tell(state)))
            self._watch.progress.iteration(self.history[-1], state)
        stop = self._stopping is not None and self._stopping.see(number, state.params)
        if number:
            self._keep(state)
        return stop

    def _keep(self, state: Any) -> None:
        history, told = list(self.history), list(self.told)
        random = None if self._rng is None else self._rng.bit_generator.state
        stopping = {} if self._stopping is None else self._stopping.memory()
        best = () if self._stopping is None else self._stopping.best
        self._watch.journal.keep(
            lambda: {
                "state": list(_leaves(state)),
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
