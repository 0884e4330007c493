"""Search over the latent target: several starts, the best optimum."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

from intertwine.fitting.watch import UNWATCHED, Watch
from intertwine.minimize import Callback, minimize
from intertwine.objective import Beginning, SumOfTargets
from intertwine.solvers.lbfgs import LBFGS, LBFGSState
from intertwine.structures.latent import leading_directions
from intertwine.structures.registry import candidates, rebuild

__all__ = [
    "LatentFit",
    "LatentSettings",
    "SearchIteration",
    "TargetPoint",
    "history_rows",
    "history_table",
    "search_target",
]

_SCALES = np.logspace(-3, 2, 6)


class LatentSettings(NamedTuple):
    """What to search and how hard."""

    name: str
    n_components: int
    n_init: int
    max_iter: int
    tol: float


class SearchIteration(NamedTuple):
    """One row of a search's history.

    Attributes
    ----------
    start : int
        Number of the start, from 1; 0 for what is solved before any target is searched.
    iteration : int
    value, optimality : float
    seconds : float
        Since this start began.
    """

    start: int
    iteration: int
    value: float
    optimality: float
    seconds: float


class TargetPoint(NamedTuple):
    """A target and its parameters: where a search may begin."""

    target: Any  # AbstractLatentTarget, or SumOfTargets
    params: np.ndarray

    def to_state(self) -> dict:
        parts = self.target.parts if isinstance(self.target, SumOfTargets) else [self.target]
        return {"targets": [part.signature() for part in parts], "params": self.params}

    @classmethod
    def from_state(cls, state: dict, n_features: int) -> TargetPoint:
        parts = [rebuild(signature, n_features) for signature in state["targets"]]
        target = parts[0] if len(parts) == 1 else SumOfTargets(parts)
        if state["params"] is None or len(state["params"]) != target.size:
            raise ValueError(f"a latent target has not the {target.size} parameters that it needs")
        return cls(target, state["params"])


class LatentFit(NamedTuple):
    """The best target found.

    ``history`` holds the iterations of every start, ``spread`` the objective where each ended; the best start has the
    least.
    """

    target: Any  # AbstractLatentTarget, or SumOfTargets
    params: np.ndarray
    value: float
    optimality: float
    converged: bool
    history: list[SearchIteration]
    spread: list[float]

    @property
    def point(self) -> TargetPoint:
        return TargetPoint(self.target, self.params)


class SearchObjective(Protocol):
    """J(z), with what it remembers between evaluations and begins the next from."""

    def value_and_gradient(self, params: np.ndarray) -> tuple[float, np.ndarray]:
        """J and its gradient."""

    def choose(self, trials: list[np.ndarray], follow: Callback) -> Beginning:
        """Where to begin: the best of some targets that differ in size, or a point that one of them leads to."""

    def memory(self) -> dict:
        """What the next evaluation depends on besides its parameters, as arrays that will not change."""

    def remember(self, memory: dict) -> None:
        """Go on as if the evaluations behind ``memory`` had been made."""


def search_target(
    make_objective, X, dual, settings: LatentSettings, rng, watch: Watch = UNWATCHED, start=None
) -> LatentFit:
    """Minimise J(z) over the structures that a name stands for, from several starts each.

    Parameters
    ----------
    make_objective : callable
        Target to `SearchObjective`.
    X : ndarray (n, p)
        Columns whose products are the interactions.
    dual : ndarray (n,)
        −∂L/∂f without a target: says in which directions the pairs want to move.
    settings : LatentSettings
    rng : numpy.random.Generator
    watch : Watch
    start : TargetPoint or LatentFit, optional
        An earlier fit on the same columns: its structure and parameters are the only start, counted after its own.
    """
    if start is not None:
        history, spread = (start.history, start.spread) if isinstance(start, LatentFit) else ([], [])
        number = len(spread) + 1
        watch.progress.part("start", number, number)
        objective = make_objective(start.target)
        fit = _descend(
            objective, start.target, lambda follow: Beginning(start.params), settings, watch, number
        )
        return fit._replace(history=history + fit.history, spread=spread + fit.spread)
    values, vectors = leading_directions(X, dual, 3 * settings.n_components, rng)
    targets = candidates(settings.name, X.shape[1], settings.n_components, values)
    fits: list[LatentFit] = []
    failed = None
    for target in targets:
        objective = make_objective(target)
        points = [target.spectral_start(values, vectors, rng)]
        points += [target.init(X, rng) for _ in range(settings.n_init - 1)]
        for point in points:
            number = len(fits) + 1
            watch.progress.part("start", number, len(targets) * settings.n_init)

            def scaled(follow, objective=objective, target=target, point=point):
                # the direction of a start matters less than its size; sizes are cheap to try
                return objective.choose([target.scaled(point, scale) for scale in _SCALES], follow)

            try:
                fits.append(_descend(objective, target, scaled, settings, watch, number))
            except FloatingPointError as failure:  # it does not count
                failed = failure
    if not fits:
        raise FloatingPointError("no start of the latent search could be fitted") from failed
    best = min(fits, key=lambda fit: fit.value)
    return best._replace(
        history=[row for fit in fits for row in fit.history], spread=[fit.value for fit in fits]
    )


def _descend(objective, target, first, settings: LatentSettings, watch: Watch, number: int) -> LatentFit:
    """One start, a step of the journal; ``first`` gives where it begins, and tells how it came there."""
    computed = False

    def compute() -> dict:
        nonlocal computed
        computed = True
        state, history, converged = _run(objective, first, settings, watch, number)
        ended = {"params": state.params, "value": float(state.value), "optimality": float(state.optimality)}
        return ended | {
            "converged": bool(converged),
            "history": history_table(history),
            "memory": objective.memory(),
        }

    ended = watch.journal.step(f"start {number}", compute)
    if not computed:
        objective.remember(ended["memory"])
    return LatentFit(
        target,
        ended["params"],
        ended["value"],
        ended["optimality"],
        ended["converged"],
        history_rows(ended["history"]),
        [ended["value"]],
    )


def _run(objective, first, settings: LatentSettings, watch: Watch, number: int):
    """Descend from the start, or from where an interrupted run has left off."""
    solver = LBFGS(settings.tol)
    history: list[SearchIteration] = []
    done, seconds = 0, 0.0  # before what is told now

    def tell(row, state):
        row = row._replace(iteration=done + row.iteration, seconds=seconds + row.seconds)
        history.append(SearchIteration(number, *row))
        watch.progress.iteration(row, state)

    begun = watch.journal.begun()
    if begun is None:
        beginning = first(tell)
        approach = done = len(history)
        state = solver.init(objective, beginning.params)
        # where a descent has converged nothing is left to do
        state = state._replace(optimality=min(state.optimality, beginning.promise))
    else:
        history += history_rows(begun["history"])
        approach, done = begun["approach"], history[-1].iteration
        state = LBFGSState(**begun["state"])
        objective.remember(begun["memory"])
    seconds = history[-1].seconds if history else 0.0

    def follow(row, state):
        if row.iteration == 0 and begun is not None:  # where the interrupted run was
            return
        repeated = bool(history) and tuple(history[-1][2:4]) == (row.value, row.optimality)
        tell(row, state)
        # a step that changes nothing is the last, and would not be if the loop began with it
        if not repeated:
            memory, length = objective.memory(), len(history)
            watch.journal.keep(
                lambda: {
                    "state": state._asdict()
                    | {"value": float(state.value), "optimality": float(state.optimality)},
                    "history": history_table(history[:length]),
                    "approach": approach,
                    "memory": memory,
                }
            )

    # the steps of an approach are cheap: those of the search itself are counted
    rest = settings.max_iter - (done - approach)
    result = minimize(objective, solver, start=state, max_iter=rest, callbacks=[follow])
    return result.state, history, result.converged


def history_table(history: list[SearchIteration]) -> np.ndarray:
    """A history as one array, a column for each field."""
    return np.array(history, float).reshape(-1, len(SearchIteration._fields))


def history_rows(table: np.ndarray) -> list[SearchIteration]:
    """A history from what `history_table` gave."""
    return [SearchIteration(int(row[0]), int(row[1]), *row[2:]) for row in table.tolist()]
