"""Nested cross-validation of several models on the same folds."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline

from intertwine.compare.base import AbstractTask
from intertwine.frames import make_frame

__all__ = ["Comparison", "compare_models"]


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
    out_of_fold : dict of arrays, optional
        Predictions of the first model for every row, from the fold that held it out.

    Attributes
    ----------
    frame : frame
        One row per model: ``model``, ``score`` (mean over folds), ``std_error`` (standard deviation over
        folds / √folds), ``difference`` to the first model, ``difference_std_error`` and ``seconds``. The
        difference is paired by fold, and its standard error is corrected for the overlap of the training sets
        (Nadeau and Bengio, 2003): without the correction it is too small by half or more.
    fold_frame : frame
        ``model``, ``fold``, ``score``, ``seconds``.

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
        out_of_fold: dict[str, NDArray[Any]] | None = None,
    ) -> None:
        self.task = task
        self.names = list(names)
        self.scores = np.asarray(scores, dtype=float)
        self.seconds = np.asarray(seconds, dtype=float)
        self.test_share = test_share
        self.out_of_fold = out_of_fold
        n_folds = self.scores.shape[1]
        self.mean = self.scores.mean(axis=1)
        self.std_error = self.scores.std(axis=1, ddof=1) / np.sqrt(n_folds)
        paired = self.scores - self.scores[0]
        self.difference = paired.mean(axis=1)
        self.difference_std_error = paired.std(axis=1, ddof=1) * np.sqrt(1 / n_folds + test_share)
        self.frame = make_frame(
            {
                "model": np.array(self.names, dtype=object),
                "score": self.mean,
                "std_error": self.std_error,
                "difference": self.difference,
                "difference_std_error": self.difference_std_error,
                "seconds": self.seconds.mean(axis=1),
            }
        )
        self.fold_frame = make_frame(
            {
                "model": np.repeat(np.array(self.names, dtype=object), n_folds),
                "fold": np.tile(np.arange(1, n_folds + 1), len(self.names)),
                "score": self.scores.ravel(),
                "seconds": self.seconds.ravel(),
            }
        )


def compare_models(
    models: Mapping[str, Any],
    X: Any,
    y: NDArray[Any],
    task: AbstractTask,
    *,
    preprocessor: Any = None,
    n_splits: int = 5,
    random_state: int = 0,
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
    random_state : int, default 0
        Of the shuffle.
    on_step : callable, optional
        Called with the model's name and the fold (from 1) before each fit.

    Returns
    -------
    Comparison

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
    splits = task.splits(y, n_splits, random_state)
    scores, seconds = np.full((len(models), n_splits), np.nan), np.zeros((len(models), n_splits))
    kept: dict[str, NDArray[Any]] = {}
    # Folds outside, models inside: a slow spell of the machine hits all models alike.
    for fold, (train, test) in enumerate(splits):
        X_train, X_test = _rows(X, train), _rows(X, test)
        for row, (name, model) in enumerate(models.items()):
            if on_step is not None:
                on_step(name, fold + 1)
            steps = [clone(model)] if preprocessor is None else [clone(preprocessor), clone(model)]
            fitted = make_pipeline(*steps)
            started = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore", ConvergenceWarning
                )  # a baseline's grid has settings that nobody picks
                fitted.fit(X_train, y[train])
            seconds[row, fold] = time.perf_counter() - started
            prediction = _predict(task, fitted, X_test, y)
            scores[row, fold] = task.score(y[test], prediction)
            if row == 0:
                for key, values in prediction.items():
                    kept.setdefault(key, np.empty((len(y), *values.shape[1:]), dtype=values.dtype))[test] = (
                        values
                    )
    share = float(np.mean([len(test) / len(train) for train, test in splits]))
    return Comparison(task, list(models), scores, seconds, test_share=share, out_of_fold=kept)


def _predict(task: AbstractTask, fitted: Any, X: Any, y: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Predictions of a pipeline's last step: a pipeline does not forward the methods of survival models."""
    transformed = fitted[:-1].transform(X) if len(fitted) > 1 else X
    return task.predict(fitted[-1], transformed, y)


def _rows(X: Any, index: NDArray[np.intp]) -> Any:
    return X[index] if isinstance(X, np.ndarray) else nw.from_native(X, eager_only=True)[index].to_native()
