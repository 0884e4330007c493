"""One model on one fold: what is fitted, within which time, and how it went."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline

from intertwine.compare._tuning import settings_tried
from intertwine.compare.alike import with_inner_folds
from intertwine.compare.base import AbstractTask
from intertwine.compare.time_limit import OutOfTime, at_most

__all__ = ["Contender", "Outcome", "Unfinished", "attempt", "in_words", "told_seconds"]


@dataclass(frozen=True)
class Contender:
    """A model with the table as its family reads it.

    Parameters
    ----------
    name : str
        What tables call it.
    model : estimator
        Chooses its own hyperparameters in ``fit``.
    X : frame
        The rows are the same for all contenders.
    preprocessor : transformer, optional
        Fitted inside each training part.
    family : str, default ""
        What ``--model`` calls the family whose model it is; of baselines nothing.
    """

    name: str
    model: Any
    X: Any
    preprocessor: Any = None
    family: str = ""


class Unfinished(NamedTuple):
    """A fit that was ended after some seconds."""

    seconds: float


class Outcome(NamedTuple):
    """One model on one fold."""

    score: float
    errors: dict[str, float]
    seconds: float
    settings: int
    prediction: dict[str, NDArray[Any]]
    warnings: set[str]


def attempt(
    contender: Contender,
    y: NDArray[Any],
    train: Any,
    test: Any,
    task: AbstractTask,
    place: Any,
    limit: tuple[float, float] = (np.inf, np.inf),
) -> tuple[Any, Outcome | Unfinished | str]:
    """Fit one model and score it; an error comes back in words.

    `limit` has the seconds that it may take, and when the time is over for all, in seconds since the epoch: other
    processes have no clock in common.
    """
    most = min(limit[0], limit[1] - time.time())
    if most <= 0:
        return place, Unfinished(0.0)
    try:
        with at_most(most):
            found = _held_out(contender, y, train, test, task)
    except OutOfTime:
        return place, Unfinished(most)
    except Exception as error:  # a model of any kind fails in any manner: it is named, and the others go on
        return place, in_words(error)
    return place, found if np.isfinite(found.score) else "its predictions have no score"


def _held_out(
    contender: Contender,
    y: NDArray[Any],
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    task: AbstractTask,
) -> Outcome:
    """Fit on the training rows, predict and score the others."""
    X, preprocessor = contender.X, contender.preprocessor
    steps = [] if preprocessor is None else [clone(preprocessor)]
    fitted = make_pipeline(*steps, with_inner_folds(clone(contender.model), np.asarray(train), y[train]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        started = time.perf_counter()
        fitted.fit(_rows(X, train), y[train])
        seconds = time.perf_counter() - started
        # A pipeline does not forward the methods of survival models: its last step predicts.
        held_out = _rows(X, test) if preprocessor is None else fitted[:-1].transform(_rows(X, test))
        prediction = task.predict(fitted[-1], held_out, y)
    heard = {
        " ".join(str(warning.message).split())
        for warning in caught
        if issubclass(warning.category, UserWarning) and not issubclass(warning.category, ConvergenceWarning)
    }
    return Outcome(
        task.score(y[test], prediction),
        task.errors(y[test], prediction),
        seconds,
        settings_tried(fitted),
        prediction,
        heard,
    )


def _rows(X: Any, index: NDArray[np.intp]) -> Any:
    return X[index] if isinstance(X, np.ndarray) else nw.from_native(X, eager_only=True)[index].to_native()


def in_words(error: Exception) -> str:
    """An error in one line.

    Examples
    --------
    >>> in_words(ValueError("a b")), in_words(ZeroDivisionError())
    ('ValueError: a b', 'ZeroDivisionError')
    """
    text = " ".join(str(error).split())
    if isinstance(error, ImportError) and text:  # which extra is missing is no fault of the model
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def told_seconds(seconds: float) -> str:
    """Write how long something takes.

    Examples
    --------
    >>> told_seconds(0.3), told_seconds(1.2), told_seconds(42), told_seconds(600), told_seconds(9000)
    ('0.3 seconds', '1 second', '42 seconds', '10 minutes', '2.5 hours')
    """
    if seconds < 1:
        return f"{seconds:.1f} seconds"
    if seconds < 90:
        return f"{seconds:.0f} second{'' if round(seconds) == 1 else 's'}"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:,.1f} hours"
