"""Models on the same folds by one clock: one that fails or takes too long is named, the others go on."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from intertwine.compare.base import AbstractTask, Split
from intertwine.compare.comparison import Comparison
from intertwine.compare.contender import Contender, Outcome, Unfinished, attempt, told_seconds
from intertwine.compare.ranking import Ranking
from intertwine.compare.time_limit import processes_until

__all__ = ["compare_models", "rank_models"]

_NEW_LEVELS = "unknown categories"  # in what scikit-learn says of levels that only a held-out fold has
_FIRST = 0.5  # of the time that is left, for the first fits of models
_FLOOR = 0.25  # of the time that was allowed is there for quick models, however long the slow ones have taken


def compare_models(
    models: Mapping[str, Any],
    X: Any,
    y: NDArray[Any],
    task: AbstractTask,
    *,
    preprocessor: Any = None,
    n_splits: int = 5,
    splits: Sequence[Split] | None = None,
    random_state: int = 0,
    n_jobs: int | None = None,
    seconds: float = np.inf,
    on_step: Callable[[str, int], None] | None = None,
) -> Comparison:
    """Score models on the same held-out folds; each model tunes itself inside every training part.

    Parameters
    ----------
    models : mapping of str to estimator
        The first is the model under study.  Each must choose its own hyperparameters in ``fit``.
    X : frame or (n, p) array
    y : (n,) array
        Target; for survival a structured array with ``time`` and ``event``.
    task : AbstractTask
    preprocessor : transformer, optional
        Fitted inside each training part, in front of every model.
    n_splits : int, default 5
    splits : sequence of (train, test), optional
        Rows of each fold, in place of shuffled ones.
    random_state : int, default 0
        Of the shuffle.
    n_jobs : int, optional
        Processes, as in joblib; scores do not depend on it.
    seconds : float, default=inf
        What all of it may take: the slowest of the other models are given up first.
    on_step : callable, optional
        Called with the model's name and the fold (from 1) after each fit.

    Returns
    -------
    Comparison
        Models that failed, or were not finished in time, are in its ``out``, each with the reason.

    Raises
    ------
    ValueError
        Where the first model failed, or was not finished in time.

    Warns
    -----
    UserWarning
        What the first model says in every fold, once: it is about the data.  What single folds say is not passed on,
        nor what the settings say that nobody picked.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from intertwine.compare import RegressionTask
    >>> X = np.random.default_rng(0).normal(size=(60, 2))
    >>> comparison = compare_models({"line": LinearRegression()}, X, X[:, 0], RegressionTask(), n_splits=3)
    >>> float(comparison.mean[0])
    1.0
    """
    splits = task.splits(y, n_splits, random_state) if splits is None else list(splits)
    first = next(iter(models))
    contenders = [
        Contender(name, model, X, preprocessor, family=name if name == first else "")
        for name, model in models.items()
    ]
    ranking = rank_models(
        contenders, y, task, splits, n_jobs=n_jobs, seconds=seconds, about=first, on_step=on_step
    )
    if first not in ranking.names:
        raise ValueError(f"{first} has no scores: {ranking.why_out(first)}")
    for message in ranking.said.get(first, ()):
        warnings.warn(message, UserWarning, stacklevel=2)
    order = [ranking.names.index(name) for name in models if name in ranking.names]
    return ranking.comparison.in_order(order, dict(ranking.out_of_fold[first]))  # type: ignore[union-attr]


def rank_models(
    contenders: Sequence[Contender],
    y: NDArray[Any],
    task: AbstractTask,
    splits: Sequence[Split],
    *,
    n_jobs: int | None = None,
    seconds: float = np.inf,
    about: str = "",
    on_step: Callable[[str, int], None] | None = None,
) -> Ranking:
    """Score models on the same folds and order them.

    Parameters
    ----------
    contenders : sequence of Contender
    y : (n,) array
    task : AbstractTask
    splits : sequence of (train, test)
    n_jobs : int, optional
        Processes, as in joblib; scores do not depend on it.
    seconds : float, default=inf
        What all of it may take. Where it will take longer, the slowest model is given up, and then the next. A fit
        that takes too large a part of it is ended, and so is whatever still runs a quarter of it later.
    about : str, optional
        Name of the model that the others are there for: it is fitted first and given up last, and without it the others
        are of no use.
    on_step : callable, optional
        Called with the model's name and the fold (from 1) after each fit.

    Returns
    -------
    Ranking

    Examples
    --------
    >>> from sklearn.dummy import DummyRegressor
    >>> from sklearn.linear_model import LinearRegression
    >>> from intertwine.compare import RegressionTask
    >>> X = np.random.default_rng(0).normal(size=(60, 2))
    >>> models = [Contender("mean", DummyRegressor(), X), Contender("line", LinearRegression(), X)]
    >>> task = RegressionTask()
    >>> ranking = rank_models(models, X[:, 0], task, task.splits(X[:, 0], 3, 0))
    >>> [(name, ranking.word(i)) for i, name in enumerate(ranking.names)]
    [('line', 'best'), ('mean', 'worse')]
    """
    race = _Race(contenders, len(splits), seconds, _processes(n_jobs), about)
    kept: dict[str, dict[str, NDArray[Any]]] = {}
    with processes_until((1 + _FLOOR) * seconds) as killed:
        outcomes = Parallel(n_jobs, return_as="generator")(
            delayed(attempt)(contenders[row], y, *splits[fold], task, (row, fold), race.limit_for(row))
            for row, fold in race.places()
        )
        try:
            for (row, fold), outcome in outcomes:
                contender = contenders[row]
                race.take(row, fold, outcome)
                if isinstance(outcome, Outcome) and contender.family:
                    for key, values in outcome.prediction.items():
                        arrays = kept.setdefault(contender.name, {})
                        array = arrays.setdefault(
                            key, np.empty((len(y), *values.shape[1:]), dtype=values.dtype)
                        )
                        array[splits[fold][1]] = values
                if on_step is not None:
                    on_step(contender.name, fold + 1)
        except Exception:
            if not killed.is_set():
                raise
    share = float(np.mean([len(test) / len(train) for train, test in splits]))
    return race.ranking(task, share, kept)


class _Race:
    """Where all models stand: what is scored, who is out, and how long the rest will take."""

    def __init__(
        self, contenders: Sequence[Contender], n_splits: int, seconds: float, processes: int, about: str = ""
    ) -> None:
        self.contenders = contenders
        self.limit, self.processes, self.about = seconds, processes, about
        shape = (len(contenders), n_splits)
        self.scores, self.seconds = np.full(shape, np.nan), np.full(shape, np.nan)
        self.tried = np.ones(shape)
        self.errors: dict[str, NDArray[np.float64]] = {}
        self.failed: dict[str, str] = {}
        self.given_up: dict[str, str] = {}
        self.said: dict[str, Counter[str]] = {}
        self.started = time.time()

    def places(self) -> Iterator[tuple[int, int]]:
        """What is to be fitted; folds outside, models inside: a slow spell of the machine hits all models alike.

        Rivals come first: most of them are quick, and what they leave of the time is for the others. Before them comes
        the model that they are there for.
        """
        rows, folds = self.scores.shape
        order = sorted(range(rows), key=lambda row: bool(self.contenders[row].family))
        order.sort(key=lambda row: self.contenders[row].name != self.about)
        for fold in range(folds):
            for row in order:
                if not self._is_out(row) and self._left > 0:
                    yield row, fold

    def limit_for(self, row: int) -> tuple[float, float]:
        """What a fit of a model may take, and when all have to end.

        Before a model has been seen nobody knows whether it is slow: those that have not been share half of what is
        left, and the other half is for what comes after. The model that all are there for may take what there is.
        """
        end = time.time() + self._left
        is_seen = bool(np.isfinite(self.scores[row]).any())
        if is_seen or np.isinf(self.limit) or self.contenders[row].name == self.about:
            return np.inf, end
        unseen = sum(
            np.isnan(self.scores[other]).all() and not self._is_out(other)
            for other in range(len(self.contenders))
        )
        return _FIRST * self._left * self.processes / max(unseen, self.processes), end

    def take(self, row: int, fold: int, outcome: Outcome | Unfinished | str) -> None:
        """Note how a fit went."""
        name = self.contenders[row].name
        if isinstance(outcome, Unfinished):
            if outcome.seconds > 0:
                self.given_up[name] = (
                    f"not finished in time: a fit was ended after {told_seconds(outcome.seconds)}, of the "
                    f"{told_seconds(self.limit)} that were allowed for all models"
                )
            return
        if isinstance(outcome, str):
            self.failed.setdefault(name, outcome)
            return
        self.scores[row, fold], self.seconds[row, fold] = outcome.score, outcome.seconds
        self.tried[row, fold] = outcome.settings
        for key, value in outcome.errors.items():
            self.errors.setdefault(key, np.full(self.scores.shape, np.nan))[row, fold] = value
        if self.contenders[row].family:
            self.said.setdefault(name, Counter()).update(outcome.warnings)
        self._give_up()

    def ranking(
        self, task: AbstractTask, test_share: float, kept: dict[str, dict[str, NDArray[Any]]]
    ) -> Ranking:
        """What came out."""
        n_splits = self.scores.shape[1]
        for row, one in enumerate(self.contenders):
            done = int(np.isfinite(self.scores[row]).sum())
            if done < n_splits and not self._is_out(row):
                self.given_up[one.name] = (
                    f"not finished in time: {done} of {n_splits} folds were done when the {told_seconds(self.limit)} "
                    "that were allowed were over"
                )
        through = [row for row in range(len(self.contenders)) if np.isfinite(self.scores[row]).all()]
        names = [contender.name for contender in self.contenders]
        given_up = {name: why for name, why in self.given_up.items() if name not in self.failed}
        comparison = None
        if through:
            whole = Comparison(
                task,
                names,
                self.scores,
                self.seconds,
                test_share=test_share,
                settings=np.median(self.tried, axis=1),
                errors=self.errors,
                out={name: f"failed: {why}" for name, why in self.failed.items()} | given_up,
            )
            comparison = whole.in_order(sorted(through, key=lambda row: -float(whole.mean[row])))
        return Ranking(
            comparison,
            {one.name: one.family for one in self.contenders if one.family},
            self.failed,
            given_up,
            {
                name: [text for text, n in said.items() if n == n_splits and _NEW_LEVELS not in text]
                for name, said in self.said.items()
            },
            kept,
        )

    @property
    def _left(self) -> float:
        """Seconds until all fits have to end."""
        return (1 + _FLOOR) * self.limit - (time.time() - self.started)

    def _is_out(self, row: int) -> bool:
        out = {*self.failed, *self.given_up}
        return self.contenders[row].name in out or self.about in out

    def _give_up(self) -> None:
        """Leave out the slowest models until what is left fits into the time."""
        gone = time.time() - self.started
        while self.limit < np.inf:
            left = {
                row: float(np.nanmean(self.seconds[row]) * np.isnan(self.seconds[row]).sum())
                for row in range(len(self.contenders))
                if not self._is_out(row)
                and not np.isnan(self.seconds[row]).all()
                and np.isnan(self.seconds[row]).any()
            }
            still = max(self.limit - gone, min(_FLOOR * self.limit, self._left))
            if not left or sum(left.values()) / self.processes <= still:
                return
            about = next((row for row in left if self.contenders[row].name == self.about), None)
            if about is not None and left[about] / self.processes <= still:
                del left[about]  # the others make room for it
            slowest = max(left, key=left.__getitem__)
            each = float(np.nanmean(self.seconds[slowest]))
            self.given_up[self.contenders[slowest].name] = (
                f"a fit takes {told_seconds(each)}: all folds together would take longer than the "
                f"{told_seconds(self.limit)} that were allowed"
            )


def _processes(n_jobs: int | None) -> int:
    from joblib import effective_n_jobs

    return max(int(effective_n_jobs(n_jobs)), 1)
