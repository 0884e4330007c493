"""What methods are asked: visits to learn from, visits that are given, visits that are wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.covariate import AbstractCovariateEffect

__all__ = ["Question", "Task", "Visits"]

Rows = NDArray[np.int64]
Array = NDArray[Any]


@final
@dataclass(frozen=True)
class Visits:
    """Rows as a model is given them.

    Attributes
    ----------
    X : ndarray of shape (n, p)
        NaN where nothing is known.
    covariates : dict of ndarray of shape (n,)
    subject : ndarray of shape (n,)
    time : ndarray of shape (n,) or None
    """

    X: Array
    covariates: dict[str, Array]
    subject: Array
    time: Array | None

    @classmethod
    def of(cls, drawn: Any, rows: Rows, X: Array | None = None) -> Visits:
        """Some of the rows of a data set of intertwine.datasets."""
        time = drawn.get("time")
        return cls(
            (drawn.X if X is None else X)[rows],
            {name: values[rows] for name, values in drawn.covariates.items()},
            drawn.subject[rows],
            None if time is None else time[rows],
        )

    def take(self, rows: Rows) -> Visits:
        """Some of them."""
        covariates = {name: values[rows] for name, values in self.covariates.items()}
        time = None if self.time is None else self.time[rows]
        return Visits(self.X[rows], covariates, self.subject[rows], time)

    def beside(self) -> dict[str, Any]:
        """What an estimator is given beside X."""
        given: dict[str, Any] = {"covariates": self.covariates, "subject": self.subject}
        return given if self.time is None else {**given, "time": self.time}

    def __add__(self, other: Visits) -> Visits:
        return Visits(
            np.concatenate([self.X, other.X]),
            {
                name: np.concatenate([values, other.covariates[name]])
                for name, values in self.covariates.items()
            },
            np.concatenate([self.subject, other.subject]),
            None if self.time is None or other.time is None else np.concatenate([self.time, other.time]),
        )


@final
@dataclass(frozen=True)
class Question:
    """Entries to predict.

    Attributes
    ----------
    given : Visits or None
        Of subjects that were not learnt from; None: the subjects are known.
    wanted : Visits
        Their X is not looked at; None: the gaps of ``given``, or of the visits learnt from, are wanted.
    truth : ndarray
        NaN where an entry is not judged.
    """

    given: Visits | None
    wanted: Visits | None
    truth: Array


@final
@dataclass(frozen=True)
class Task:
    """A data set and its questions.

    Attributes
    ----------
    train : Visits
    questions : dict of Question
    effects : callable
        Makes those that models of covariates are told of.
    image_shape : tuple of int, optional
    bounds : tuple of float, optional
        Between which all values lie, such as pixels: the answers of every method are cut there.
    """

    train: Visits
    questions: dict[str, Question]
    effects: Callable[[], list[AbstractCovariateEffect]]
    image_shape: tuple[int, int] | None = None
    bounds: tuple[float, float] | None = None
