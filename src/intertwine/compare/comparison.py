"""Scores of several models on the same folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intertwine.compare.base import AbstractTask
from intertwine.frames import make_frame

__all__ = ["Comparison"]


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
    out : mapping of str to str, optional
        Models that have no scores, and why: they failed, or were not finished in time.

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
        out: Mapping[str, str] | None = None,
    ) -> None:
        self.task = task
        self.names = list(names)
        self.scores = np.asarray(scores, dtype=float)
        self.seconds = np.asarray(seconds, dtype=float)
        self.test_share = test_share
        self.settings = np.ones(len(names), int) if settings is None else np.asarray(settings).astype(int)
        self.errors = {name: np.asarray(values, dtype=float) for name, values in (errors or {}).items()}
        self.out_of_fold = out_of_fold
        self.out = dict(out or {})
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

    def in_order(self, rows: Sequence[int], out_of_fold: dict[str, NDArray[Any]] | None = None) -> Comparison:
        """The same scores of some of the models, in another order; the first one is then the one under study.

        Parameters
        ----------
        rows : sequence of int
            Places of the models.
        out_of_fold : dict of arrays, optional
            Predictions of the model that is first.
        """
        chosen = list(rows)
        return Comparison(
            self.task,
            [self.names[row] for row in chosen],
            self.scores[chosen],
            self.seconds[chosen],
            test_share=self.test_share,
            settings=self.settings[chosen],
            errors={name: values[chosen] for name, values in self.errors.items()},
            out_of_fold=out_of_fold,
            out=self.out,
        )
