"""What needs no model: the mean, the subject's mean, the last value."""

from __future__ import annotations

import abc
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from intertwine.reproduce.lmm_vae.visits import Task, Visits

__all__ = ["AbstractMethod", "FeatureMean", "LastValue", "SubjectMean"]

Array = NDArray[Any]


class AbstractMethod(abc.ABC):
    """A method; what it knows after ``fit`` are the visits of the task's ``train``.

    An answer is None where a method has none.
    """

    @abc.abstractmethod
    def fit(self, task: Task, seed: int) -> None:
        """Learn from the task's visits."""

    @abc.abstractmethod
    def gaps(self, given: Visits | None) -> Array | None:
        """Whole rows of visits of new subjects, or, without any, of the visits learnt from."""

    @abc.abstractmethod
    def wanted(self, given: Visits | None, wanted: Visits) -> Array | None:
        """Rows of which nothing is seen: of new subjects with visits ``given``, or of those learnt from."""

    @abc.abstractmethod
    def facts(self) -> dict[str, Any]:
        """What else is known of the fit."""


@final
class FeatureMean(AbstractMethod):
    """The mean of every feature."""

    def fit(self, task: Task, seed: int) -> None:
        self._train, self._mean = task.train, np.nanmean(task.train.X, axis=0)

    def gaps(self, given: Visits | None) -> Array:
        return np.broadcast_to(self._mean, (given or self._train).X.shape)

    def wanted(self, given: Visits | None, wanted: Visits) -> Array:
        return np.broadcast_to(self._mean, wanted.X.shape)

    def facts(self) -> dict[str, Any]:
        return {}


@final
class SubjectMean(AbstractMethod):
    """The mean of what is seen of the subject; that of all where nothing is."""

    def fit(self, task: Task, seed: int) -> None:
        self._train, self._mean = task.train, np.nanmean(task.train.X, axis=0)

    def gaps(self, given: Visits | None) -> Array:
        seen = given or self._train
        return self._means(seen, seen.subject)

    def wanted(self, given: Visits | None, wanted: Visits) -> Array:
        return self._means(given or self._train, wanted.subject)

    def facts(self) -> dict[str, Any]:
        return {}

    def _means(self, seen: Visits, subject: Array) -> Array:
        who, code = np.unique(np.concatenate([seen.subject, subject]), return_inverse=True)
        observed = np.isfinite(seen.X)
        sums, counts = np.zeros((2, len(who), seen.X.shape[1]))
        np.add.at(sums, code[: len(seen.X)], np.where(observed, seen.X, 0.0))
        np.add.at(counts, code[: len(seen.X)], observed)
        means = np.where(counts > 0, sums / np.maximum(counts, 1.0), self._mean)
        return np.asarray(means[code[len(seen.X) :]])


@final
class LastValue(AbstractMethod):
    """The last value of the subject before the visit; where there is none the mean of all."""

    def fit(self, task: Task, seed: int) -> None:
        self._train, self._mean = task.train, np.nanmean(task.train.X, axis=0)

    def gaps(self, given: Visits | None) -> Array | None:
        seen = given or self._train
        return self._carried(seen, seen)

    def wanted(self, given: Visits | None, wanted: Visits) -> Array | None:
        return self._carried(given or self._train, wanted)

    def facts(self) -> dict[str, Any]:
        return {}

    def _carried(self, seen: Visits, asked: Visits) -> Array | None:
        if seen.time is None or asked.time is None:
            return None
        n = len(asked.X)
        is_seen = np.repeat([False, True], [n, len(seen.X)])  # at the same time, what is asked comes first
        subject = np.concatenate([asked.subject, seen.subject])
        order = np.lexsort((is_seen, np.concatenate([asked.time, seen.time]), subject))
        found = np.broadcast_to(self._mean, asked.X.shape).copy()
        last, who = np.full(found.shape[1], np.nan), None
        for row in order:
            if subject[row] != who:
                who, last = subject[row], np.full_like(last, np.nan)
            if is_seen[row]:
                values = seen.X[row - n]
                last = np.where(np.isfinite(values), values, last)
            else:
                found[row] = np.where(np.isfinite(last), last, found[row])
        return found
