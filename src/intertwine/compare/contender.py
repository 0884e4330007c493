"""One model on one fold: what is fitted, within which time, and how it went."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.compare.base import AbstractTask
from intertwine.compare.comparison import Outcome, held_out
from intertwine.compare.time_limit import OutOfTime, at_most

__all__ = ["Contender", "Unfinished", "attempt", "in_words", "told_seconds"]


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
            found = held_out(contender.model, contender.preprocessor, contender.X, y, train, test, task)
    except OutOfTime:
        return place, Unfinished(most)
    except Exception as error:  # a model of any kind fails in any manner: it is named, and the others go on
        return place, in_words(error)
    return place, found if np.isfinite(found.score) else "its predictions have no score"


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
