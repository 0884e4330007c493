"""The machines of the table, tuned inside the rows they are given, and the time of their predictions."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.model_selection import train_test_split

__all__ = ["Effort", "Task", "local_machine", "measure_machine", "times_of"]

#: What makes the four machines of the paper; FM is the same descent with one expert.
_KINDS: dict[str, dict[str, Any]] = {
    "FM": {"n_anchors": 1, "anchors": "fixed"},
    "DO": {"anchors": "fixed"},
    "APL": {},
    "JO": {"coding": "adaptive"},
    "APL, latent space": {"space": "latent"},
}
_TIMED_ROWS = 20_000
_TIMED_RUNS = 5


class Effort(NamedTuple):
    """How much is spent on a machine.

    Attributes
    ----------
    alphas : tuple of float
        Strengths to choose from.
    gammas : tuple of float
        Multiples of the default factor of the distances, tried at the best strength.
    n_anchors : int
    n_epochs : int or None
        None: as many iterations as the optimum takes, for small data.
    seeds : int
    n_rows : int or None
        Rows to tune and fit on at most, drawn at random; None: all.
    n_sweeps : int
        Of Gibbs sampling.
    """

    alphas: tuple[float, ...]
    gammas: tuple[float, ...]
    n_anchors: int
    n_epochs: int | None
    seeds: int
    n_rows: int | None = None
    n_sweeps: int = 500


class Task(NamedTuple):
    """Rows to fit and to judge on, and what is judged.

    Attributes
    ----------
    X, y, X_test, y_test : arrays
    local, plain : callable
        Make a local machine and a plain one from keyword arguments.
    loss : callable
        (model, X, y) to a number, the smaller the better.
    accuracy : callable or None
        (model, X, y) to the share of right classes.
    settings : dict
        Of the local machines: what the paper fixes for these data.
    in_time : bool
        Rows follow one another in time: the last ones are tuned on, since neighbours give one another away.
    note : str
        What is to be said of these rows.
    """

    X: Any
    y: np.ndarray
    X_test: Any
    y_test: np.ndarray
    local: Callable[..., Any]
    plain: Callable[..., Any]
    loss: Callable[[Any, Any, np.ndarray], float]
    accuracy: Callable[[Any, Any, np.ndarray], float] | None
    settings: dict[str, Any]
    in_time: bool = False
    note: str = ""


def local_machine(task: Task, method: str, effort: Effort, seed: int, **chosen: Any) -> Any:
    """An estimator that is not fitted."""
    kind = {"n_anchors": effort.n_anchors} | task.settings | _KINDS[method]
    descent = (
        {"solver": "lbfgs"} if effort.n_epochs is None else {"solver": "adam", "n_epochs": effort.n_epochs}
    )
    return task.local(**kind, **descent, random_state=seed, **chosen)


def measure_machine(task: Task, method: str, effort: Effort, seed: int) -> tuple[float, dict[str, Any]]:
    """Tune on a fifth of the rows to fit, fit on all of them, judge on the others.

    Parameters
    ----------
    task : Task
    method : str
    effort : Effort
    seed : int

    Returns
    -------
    float
        Test loss.
    dict
        train_loss, accuracy (of classes), times_fm, alpha, gamma.
    """
    X, y = _some_rows(task, effort.n_rows, seed)
    alpha, gamma = _tuned(task, method, effort, seed, X, y)
    model = local_machine(task, method, effort, seed, alpha=alpha, gamma=gamma).fit(X, y)
    facts = {
        "train_loss": task.loss(model, X, y),
        "times_fm": times_of(model, task),
        "alpha": alpha,
        "gamma": float(model.gamma_),
    }
    if task.accuracy is not None:
        facts["accuracy"] = task.accuracy(model, task.X_test, task.y_test)
    return task.loss(model, task.X_test, task.y_test), facts


def _some_rows(task: Task, n_rows: int | None, seed: int) -> tuple[Any, np.ndarray]:
    if n_rows is None or n_rows >= len(task.y):
        return task.X, task.y
    chosen = np.sort(np.random.default_rng(seed).choice(len(task.y), n_rows, replace=False))
    return task.X[chosen], task.y[chosen]


def _tuned(
    task: Task, method: str, effort: Effort, seed: int, X: Any, y: np.ndarray
) -> tuple[float, float | str]:
    """Strength and factor of the distances: the first by the loss on a fifth of the rows, the second at that."""
    classes = None if task.accuracy is None else y
    how = {"shuffle": False} if task.in_time else {"random_state": seed, "stratify": classes}
    X, X_left, y, y_left = train_test_split(X, y, test_size=0.2, **how)

    def tried(alpha: float, gamma: float | str) -> tuple[float, float, float | str, float]:
        model = local_machine(task, method, effort, seed, alpha=alpha, gamma=gamma).fit(X, y)
        return task.loss(model, X_left, y_left), alpha, gamma, model.gamma_

    found = [tried(alpha, "scale") for alpha in effort.alphas]
    _, alpha, _, gamma = min(found, key=lambda one: one[0])
    if method != "FM":  # one expert answers everywhere, whatever the distances
        found += [tried(alpha, factor * gamma) for factor in effort.gammas]
    return min(found, key=lambda one: one[0])[1:3]


def times_of(model: Any, task: Task) -> float:
    """Time of a prediction as a multiple of a plain machine's with as many factors, medians of interleaved runs."""
    plain = task.plain(
        n_components=task.settings["n_components"], solver="als", max_iter=1, random_state=0
    ).fit(task.X, task.y)
    copies = -(-_TIMED_ROWS // len(task.y_test))
    rows = task.X_test
    if copies > 1:
        rows = (
            sparse.vstack([rows] * copies, format="csr")
            if sparse.issparse(rows)
            else np.tile(rows, (copies, 1))
        )
    seconds = np.array([[_seconds(one, rows) for one in (model, plain)] for _ in range(_TIMED_RUNS)])
    ours, reference = np.median(seconds, axis=0)
    return float(ours / reference)


def _seconds(model: Any, rows: Any) -> float:
    began = time.perf_counter()
    model.predict(rows)
    return time.perf_counter() - began
