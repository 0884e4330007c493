"""Models of several families on the same folds: one that fails or takes too long is named, the others go on."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from intertwine.compare.base import AbstractTask, Split
from intertwine.compare.comparison import Comparison, Outcome
from intertwine.compare.contender import Contender, Unfinished, attempt, told_seconds
from intertwine.compare.time_limit import processes_until

__all__ = ["Ranking", "rank_models"]

#: How a model stands to the best one.
BEST, AS_GOOD, PERHAPS, WORSE, UNSTEADY = "best", "as good", "perhaps worse", "worse", "unsteady"
_NEAR, _CLEAR = (
    1.0,
    2.0,
)  # standard errors of a difference up to which it is none, and from which on it counts
_ROUNDING = 1e-9  # of scores
_QUICK, _AS_QUICK = (
    1.0,
    3.0,
)  # seconds of a fit that matter to nobody, and times the quickest that are as quick
_NEW_LEVELS = "unknown categories"  # in what scikit-learn says of levels that only a held-out fold has
_FIRST = 0.5  # of the time that is left, for the first fits of models
_FLOOR = 0.25  # of the time that was allowed is there for quick models, however long the slow ones have taken


@dataclass(frozen=True)
class Ranking:
    """How models stand on the same folds.

    Parameters
    ----------
    comparison : Comparison or None
        Of the models that got through all folds, the best one first; None where none did.
    families : mapping of str to str
        Names of the models that belong to a family, and of these.
    failed : mapping of str to str
        Models that failed, and with which error.
    given_up : mapping of str to str
        Models that were not run to the end, and why.
    said : mapping of str to sequence of str
        What models of families warned of in every fold.
    out_of_fold : mapping of str to mapping
        Predictions of the families' models for every row, from the fold that held it out.
    """

    comparison: Comparison | None
    families: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    given_up: Mapping[str, str] = field(default_factory=dict)
    said: Mapping[str, Sequence[str]] = field(default_factory=dict)
    out_of_fold: Mapping[str, Mapping[str, NDArray[Any]]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Models in their order."""
        return [] if self.comparison is None else self.comparison.names

    def word(self, i: int) -> str:
        """Say of the model in place `i` how it stands to the best one.

        Unsteady: far behind, by the standard error of the best one, in folds that differ too much to be sure of it.
        """
        assert self.comparison is not None
        if i == 0:
            return BEST
        apart, error = self.comparison.difference[i], self.comparison.difference_std_error[i]
        if apart + _NEAR * error >= 0:
            behind = max(_CLEAR * float(self.comparison.std_error[0]), _ROUNDING)
            return UNSTEADY if apart < -behind else AS_GOOD
        return PERHAPS if apart + _CLEAR * error >= 0 else WORSE

    def as_good(self) -> list[str]:
        """Models that are as good as the best one, which is left out."""
        return [name for i, name in enumerate(self.names) if self.word(i) == AS_GOOD]

    @property
    def choice(self) -> str:
        """The model to use: of those as good as the best, and about as quick as the quickest of them, the best."""
        assert self.comparison is not None
        seconds = dict(zip(self.names, self.comparison.seconds.mean(axis=1), strict=True))
        near = [self.names[0], *self.as_good()]
        enough = max(_QUICK, _AS_QUICK * min(seconds[name] for name in near))
        return next(name for name in near if seconds[name] <= enough)

    def about(self, name: str) -> Comparison:
        """The same scores with another model first, as a report on that model has them."""
        assert self.comparison is not None
        first = self.names.index(name)
        order = [first, *(i for i in range(len(self.names)) if i != first)]
        return _ordered(
            self.comparison, order, dict(self.out_of_fold[name]) if name in self.out_of_fold else None
        )


def rank_models(
    contenders: Sequence[Contender],
    y: NDArray[Any],
    task: AbstractTask,
    splits: Sequence[Split],
    *,
    n_jobs: int | None = None,
    seconds: float = np.inf,
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
    race = _Race(contenders, len(splits), seconds, _processes(n_jobs))
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
        self, contenders: Sequence[Contender], n_splits: int, seconds: float, processes: int
    ) -> None:
        self.contenders = contenders
        self.limit, self.processes = seconds, processes
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

        Rivals come first: most of them are quick, and what they leave of the time is for the others.
        """
        rows, folds = self.scores.shape
        order = sorted(range(rows), key=lambda row: bool(self.contenders[row].family))
        for fold in range(folds):
            for row in order:
                if not self._is_out(row) and self._left > 0:
                    yield row, fold

    def limit_for(self, row: int) -> tuple[float, float]:
        """What a fit of a model may take, and when all have to end.

        Before a model has been seen nobody knows whether it is slow: those that have not been share half of what is
        left, and the other half is for what comes after.
        """
        end = time.time() + self._left
        if np.isfinite(self.scores[row]).any() or np.isinf(self.limit):
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
            )
            comparison = _ordered(whole, sorted(through, key=lambda row: -float(whole.mean[row])))
        return Ranking(
            comparison,
            {one.name: one.family for one in self.contenders if one.family},
            self.failed,
            {name: why for name, why in self.given_up.items() if name not in self.failed},
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
        name = self.contenders[row].name
        return name in self.failed or name in self.given_up

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
            slowest = max(left, key=left.__getitem__)
            each = float(np.nanmean(self.seconds[slowest]))
            self.given_up[self.contenders[slowest].name] = (
                f"a fit takes {told_seconds(each)}: all folds together would take longer than the "
                f"{told_seconds(self.limit)} that were allowed"
            )


def _ordered(comparison: Comparison, order: Sequence[int], out_of_fold: Any = None) -> Comparison:
    """The same comparison of some of the models, in another order."""
    rows = list(order)
    return Comparison(
        comparison.task,
        [comparison.names[row] for row in rows],
        comparison.scores[rows],
        comparison.seconds[rows],
        test_share=comparison.test_share,
        settings=comparison.settings[rows],
        errors={name: values[rows] for name, values in comparison.errors.items()},
        out_of_fold=out_of_fold,
    )


def _processes(n_jobs: int | None) -> int:
    from joblib import effective_n_jobs

    return max(int(effective_n_jobs(n_jobs)), 1)
