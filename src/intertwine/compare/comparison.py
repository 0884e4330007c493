"""Nested cross-validation of several models on the same folds."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline

from intertwine.compare._tuning import settings_tried
from intertwine.compare.base import AbstractTask, Split
from intertwine.frames import make_frame

__all__ = ["Comparison", "Outcome", "compare_models", "held_out"]


class Comparison:
    """Scores of several models on the same folds.

    Parameters
    ----------
    task : AbstractTask
    names : list of m str
        The first is the model under study, the others are its baselines.
    scores : (m, folds) array
        Score of each model on each held-out fold.
    seconds : (m, folds) array
        Time to tune and fit.
    test_share : float
        Rows of a test fold over rows of a training fold.
    settings : (m,) array, optional
        How many settings each model chose from.
    errors : dict of str to (m, folds) array, optional
        How far predictions of each model are off, in the target's own unit: "RMSE" and "MAE" of numbers.
    out_of_fold : dict of arrays, optional
        Predictions of the first model for every row, from the fold that held it out.

    Attributes
    ----------
    frame : frame
        One row per model: ``model``, ``score`` (mean over folds), ``std_error`` (standard deviation over
        folds / √folds), ``difference`` to the first model, ``difference_std_error``, ``settings`` and ``seconds``. The
        difference is paired by fold, and its standard error is corrected for the overlap of the training sets
        (Nadeau and Bengio, 2003): without the correction it is too small by half or more.
    fold_frame : frame
        ``model``, ``fold``, ``score``, the errors by name, ``seconds``.

    Examples
    --------
    >>> import numpy as np
    >>> from intertwine.compare import RegressionTask
    >>> scores = np.array([[0.5, 0.6], [0.4, 0.5]])
    >>> comparison = Comparison(RegressionTask(), ["pairs", "main effects"], scores, 0 * scores, test_share=1.0)
    >>> [round(float(value), 3) for value in comparison.difference]
    [0.0, -0.1]
    """

    def __init__(
        self,
        task: AbstractTask,
        names: list[str],
        scores: NDArray[np.float64],
        seconds: NDArray[np.float64],
        *,
        test_share: float,
        settings: NDArray[Any] | None = None,
        errors: Mapping[str, NDArray[np.float64]] | None = None,
        out_of_fold: dict[str, NDArray[Any]] | None = None,
    ) -> None:
        self.task = task
        self.names = list(names)
        self.scores = np.asarray(scores, dtype=float)
        self.seconds = np.asarray(seconds, dtype=float)
        self.test_share = test_share
        self.settings = np.ones(len(names), int) if settings is None else np.asarray(settings).astype(int)
        self.errors = {name: np.asarray(values, dtype=float) for name, values in (errors or {}).items()}
        self.out_of_fold = out_of_fold
        n_folds = self.scores.shape[1]
        self.mean = self.scores.mean(axis=1)
        self.std_error = self.scores.std(axis=1, ddof=1) / np.sqrt(n_folds)
        self.difference, self.difference_std_error = self.paired(self.scores)
        self.frame = make_frame(
            {
                "model": np.array(self.names, dtype=object),
                "score": self.mean,
                "std_error": self.std_error,
                "difference": self.difference,
                "difference_std_error": self.difference_std_error,
                "settings": self.settings,
                "seconds": self.seconds.mean(axis=1),
            }
        )
        self.fold_frame = make_frame(
            {
                "model": np.repeat(np.array(self.names, dtype=object), n_folds),
                "fold": np.tile(np.arange(1, n_folds + 1), len(self.names)),
                "score": self.scores.ravel(),
                **{name: values.ravel() for name, values in self.errors.items()},
                "seconds": self.seconds.ravel(),
            }
        )

    def paired(self, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean difference of `values` (m, folds) to those of the first model, and its corrected standard error."""
        apart = values - values[0]
        n_folds = values.shape[1]
        return apart.mean(axis=1), apart.std(axis=1, ddof=1) * np.sqrt(1 / n_folds + self.test_share)


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
    on_step : callable, optional
        Called with the model's name and the fold (from 1) after each fit.

    Returns
    -------
    Comparison

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
    n_splits = len(splits)
    shape = (len(models), n_splits)
    scores, seconds, tried = np.full(shape, np.nan), np.zeros(shape), np.ones(shape)
    errors: dict[str, NDArray[np.float64]] = {}
    kept: dict[str, NDArray[Any]] = {}
    said: Counter[str] = Counter()
    # Folds outside, models inside: a slow spell of the machine hits all models alike.
    places = list(product(range(n_splits), range(len(models))))
    estimators = list(models.values())
    outcomes = Parallel(n_jobs, return_as="generator")(
        delayed(held_out)(estimators[row], preprocessor, X, y, *splits[fold], task) for fold, row in places
    )
    for (fold, row), outcome in zip(places, outcomes, strict=True):
        if on_step is not None:
            on_step(list(models)[row], fold + 1)
        seconds[row, fold], scores[row, fold], tried[row, fold] = (
            outcome.seconds,
            outcome.score,
            outcome.settings,
        )
        for name, value in outcome.errors.items():
            errors.setdefault(name, np.full(shape, np.nan))[row, fold] = value
        if row == 0:
            said.update(outcome.warnings)
            for key, values in outcome.prediction.items():
                array = kept.setdefault(key, np.empty((len(y), *values.shape[1:]), dtype=values.dtype))
                array[splits[fold][1]] = values
    for message, times in said.items():
        if times == n_splits:
            warnings.warn(message, UserWarning, stacklevel=2)
    share = float(np.mean([len(test) / len(train) for train, test in splits]))
    return Comparison(
        task,
        list(models),
        scores,
        seconds,
        test_share=share,
        settings=np.median(tried, axis=1),
        errors=errors,
        out_of_fold=kept,
    )


class Outcome(NamedTuple):
    """One model on one fold."""

    score: float
    errors: dict[str, float]
    seconds: float
    settings: int
    prediction: dict[str, NDArray[Any]]
    warnings: set[str]


def held_out(
    model: Any,
    preprocessor: Any,
    X: Any,
    y: NDArray[Any],
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    task: AbstractTask,
) -> Outcome:
    """Fit on the training rows, predict and score the others."""
    steps = [clone(model)] if preprocessor is None else [clone(preprocessor), clone(model)]
    fitted = make_pipeline(*steps)
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
