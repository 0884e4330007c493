"""A search over settings that is interrupted and goes on: what candidates scored is kept in a file."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Self, final

import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.model_selection import GridSearchCV, ParameterGrid, check_cv
from sklearn.utils import _safe_indexing

__all__ = ["KeptSearch"]


@final
class KeptSearch(BaseEstimator):
    """A grid search whose scores are on record, candidate by candidate and fold by fold.

    It picks what `search` would: an interrupted run repeats one fit at most, and the last one on all rows.

    Parameters
    ----------
    search : GridSearchCV
        Not fitted; its ``scoring`` is a function of the model, rows and targets.
    checkpoint : path-like, optional
        File for the scores; removed when the search is done.
    verbose : bool, default=False
        Show progress.

    Attributes
    ----------
    best_estimator_ : estimator
        The best candidate, fitted on all rows.
    best_params_ : dict

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> def score(model, X, y):
    ...     return model.score(X, y)
    >>> X = np.arange(12.0)[:, None]
    >>> search = GridSearchCV(Ridge(), {"alpha": [0.1, 1e5]}, scoring=score, cv=3)
    >>> KeptSearch(search).fit(X, X[:, 0]).best_params_
    {'alpha': 0.1}
    """

    def __init__(
        self, search: GridSearchCV, checkpoint: Path | str | None = None, verbose: bool = False
    ) -> None:
        self.search = search
        self.checkpoint = checkpoint
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> Self:
        """Score what has no score yet, and fit the best on all rows.

        Raises
        ------
        ValueError
            Where the checkpoint is of other rows or settings.
        """
        from intertwine.estimators.long_work import watched

        machine, candidates = self.search.estimator, list(ParameterGrid(self.search.param_grid))
        folds = list(check_cv(self.search.cv, y, classifier=is_classifier(machine)).split(X, y))
        rows = X.sparse.to_coo().tocsr() if hasattr(X, "sparse") else X
        with watched(self, (rows, list(getattr(X, "columns", ())), y)) as watch:
            scores = np.empty((len(candidates), len(folds)))
            for i, settings in enumerate(candidates):
                watch.progress.section(f"candidate {i + 1} of {len(candidates)}")
                for k, fold in enumerate(folds):
                    compute = partial(self._score, settings, X, y, *fold)
                    scores[i, k] = watch.journal.step(f"candidate {i}, fold {k}", compute)["score"]
            mean = scores.mean(axis=1)
            self.best_params_ = candidates[int(np.argmax(np.where(np.isnan(mean), -np.inf, mean)))]
            watch.progress.section("final fit")
            self.best_estimator_ = clone(machine).set_params(**self.best_params_).fit(X, y)
        return self

    def _score(self, settings: dict[str, Any], X: Any, y: Any, train: Any, test: Any) -> dict[str, float]:
        """Of one candidate on one fold; NaN where it cannot be fitted."""
        model = clone(self.search.estimator).set_params(**settings)
        try:
            model.fit(_safe_indexing(X, train), _safe_indexing(y, train))
            score = self.search.scoring(model, _safe_indexing(X, test), _safe_indexing(y, test))
        except ValueError:  # such as a fold of one class
            return {"score": float("nan")}
        return {"score": float(score)}
