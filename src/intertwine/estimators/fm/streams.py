"""Factorization machines from rows that come bit by bit: chunks of a stream, or one call after another."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if

from intertwine.estimators.fm.base import AbstractFM
from intertwine.estimators.fm.chunks import CheckedChunk, CheckedChunks, CodedChunks, checked_column, reread
from intertwine.estimators.long_work import digest_of, seed_of, watched
from intertwine.fitting.fm.adagrad import adagrad_settings, model_of, structure_of
from intertwine.fitting.fm.chunks import labelled_rows
from intertwine.fitting.fm.model import FMShape
from intertwine.fitting.fm.pairs import Categories
from intertwine.fitting.fm.stream import AdaGradFit, fit_chunks, update
from intertwine.fitting.fm.units import AbstractRowLoss, LogisticRows, SquaredRows
from intertwine.frames import frame_library
from intertwine.resources import thread_limit
from intertwine.validation import (
    check_classification_target,
    check_weights,
    restored_on_failure,
)
from intertwine.validation.vectors import finite_numbers, labels, raveled
from intertwine.validation.wording import listed

__all__ = ["ClassificationStreams", "RegressionStreams"]


def _reads_streams(estimator) -> bool:
    """One solver reads them, so "auto" is that one."""
    if estimator.solver not in ("auto", "adagrad"):
        raise AttributeError(f"fit_stream needs solver='adagrad' or 'auto', not {estimator.solver!r}")
    return True


def _is_adagrad(estimator) -> bool:
    if estimator.solver != "adagrad":
        why = ""
        if estimator.solver == "auto":
            why = ", whose fit may sample the posterior, to which no rows can be added: set it when the model is made"
        raise AttributeError(f"partial_fit needs solver='adagrad', not {estimator.solver!r}{why}")
    return True


_numbers = partial(finite_numbers, name="y")
_labels = partial(labels, name="y")


class AbstractStreams(AbstractFM):
    """What regression and classification from streams share."""

    def _fit_stream(self, loss: AbstractRowLoss, checked: Iterable[CheckedChunk], streams: list) -> None:
        """Fit a model for each of ``streams``: (label, iterable of Chunk); all are made of ``checked``."""
        settings, fits = self._settings("adagrad", np.zeros(0, dtype=np.intp)), []
        structure = structure_of(settings.shape)
        threads = thread_limit(1 if self.n_jobs is None else self.n_jobs)
        data = None
        if self.checkpoint is not None:  # which reads the stream once more
            data = ([digest_of(chunk) for chunk in checked], self._begun_from(len(streams)))
        with threads as n_threads, watched(self, data) as watch:
            seed = seed_of(self, watch)
            for number, (label, chunks) in enumerate(streams):
                if len(streams) > 1:
                    watch.progress.section(f"class {label}")
                before = self._progress_of(number, settings.shape) if self.warm_start else None
                chosen = adagrad_settings(settings, n_threads)
                fits.append((label, fit_chunks(loss, chunks, structure, chosen, seed, before, watch)))
        self._publish(fits, settings.shape)
        self._warn_of_mixing(settings.max_iter)

    def _name_columns(self, read: CheckedChunks) -> None:
        """Take the names of the columns from chunks that were read."""
        self.__dict__.pop("feature_names_in_", None)
        if read.columns is not None:
            self.feature_names_in_ = np.array(read.columns, dtype=object)
        self._frame_library = read.frame_library

    def _update(self, loss: AbstractRowLoss, chunks: list, like: Any) -> None:
        """One pass over new rows for each of ``chunks``: (label, Chunk)."""
        settings = self._settings("adagrad", np.zeros(0, dtype=np.intp))
        chosen, structure, seed = adagrad_settings(settings, 1), structure_of(settings.shape), self._seed()
        fits = [
            (label, update(loss, chunk, structure, chosen, seed, self._progress_of(number, settings.shape)))
            for number, (label, chunk) in enumerate(chunks)
        ]
        self._frame_library = frame_library(like)
        self._publish(fits, settings.shape)

    def _progress_of(self, number: int, shape: FMShape) -> AdaGradFit | None:
        """How far the last fit of a contrast came, where it has that shape."""
        models = getattr(self, "_models", [])
        if number >= len(models) or models[number][1].shape != shape:
            return None
        return models[number][1].progress

    def _require_progress(self) -> None:
        """Refuse to go on with a model that no pass of this shape has made, instead of beginning anew in silence."""
        model = self._models[0][1]
        if model.progress is None:
            raise ValueError(
                f"partial_fit goes on with fits of solver='adagrad', not of {self.solver_!r}: fit anew"
            )
        if model.shape != self._settings("adagrad", np.zeros(0, dtype=np.intp)).shape:
            raise ValueError("n_components, order, linear or fit_intercept is not that of the fit: fit anew")

    def _publish(self, fits: list, shape: FMShape) -> None:
        seen = fits[0][1].seen
        self.n_features_in_ = seen.counts.size
        self.solver_ = "adagrad"
        self._models = [(label, model_of(fit, shape)) for label, fit in fits]
        self._segment = None
        self._scale = np.sqrt(np.where(seen.counts > 0, seen.squares / np.maximum(seen.counts, 1), 1.0))
        self._seen = self._varies = seen.counts > 0
        # which features exclude each other, a stream does not tell
        self._categories = Categories(np.arange(seen.counts.size), np.zeros(seen.counts.size))

    def _seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**31))


class RegressionStreams(AbstractStreams):
    """``fit_stream`` and ``partial_fit`` for a numeric outcome."""

    @available_if(_reads_streams)
    @_fit_context(prefer_skip_nested_validation=True)
    def fit_stream(self, chunks):
        """Fit rows of which one chunk at a time is in memory (``solver="adagrad"``, which "auto" is here).

        Parameters
        ----------
        chunks : iterable of (X, y) or (X, y, sample_weight)
            Arrays or sparse matrices, of which later ones may be wider, or frames with the same columns.
            ``intertwine.io.LibsvmFile(path)`` reads a file. Anything but a list or tuple is iterated once and kept in
            a temporary folder for the epochs, 12 bytes an entry: reading text takes many times as long as learning.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            Naming the chunk, or the line of the file, that cannot be used.
        OSError
            When the temporary folder has no room.

        Warns
        -----
        ConvergenceWarning
            When more epochs are needed.

        Examples
        --------
        >>> import numpy as np
        >>> from intertwine import FMRegressor
        >>> rng = np.random.default_rng(0)
        >>> X = rng.standard_normal((200, 5))
        >>> y = X[:, 0] + 2 * X[:, 1] * X[:, 2]
        >>> chunks = [(X[:100], y[:100]), (X[100:], y[100:])]
        >>> model = FMRegressor(n_components=3, random_state=0).fit_stream(chunks)
        >>> bool(model.score(X, y) > 0.95)
        True
        """
        read = CheckedChunks(chunks, _numbers)
        with restored_on_failure(self), reread(read) as checked:
            self._fit_stream(SquaredRows(), checked, [("", CodedChunks(checked, np.asarray))])
            self._name_columns(read)
        return self

    @available_if(_is_adagrad)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None):
        """Learn from some more rows: one pass (``solver="adagrad"``).

        Parameters
        ----------
        X : array-like, frame or sparse matrix (n, p)
        y : array-like (n,)
        sample_weight : array-like (n,), default=None

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            As ``fit``.
        """
        with restored_on_failure(self):
            first = not hasattr(self, "_models")
            if not first:
                self._require_progress()
            rows = self._read_part(X, reset=first)
            weights = check_weights(sample_weight, rows.shape[0], X)
            target = finite_numbers(
                raveled(y, "y"), "y"
            )  # one value in all rows is no fault of a part of them
            if target.size != rows.shape[0]:
                raise ValueError(f"X has {rows.shape[0]} rows, but y has {target.size}")
            self._update(SquaredRows(), [("", labelled_rows(rows, target, weights))], X)
        return self


class ClassificationStreams(AbstractStreams):
    """``fit_stream`` and ``partial_fit`` for classes."""

    ordinal: bool

    @available_if(_reads_streams)
    @_fit_context(prefer_skip_nested_validation=True)
    def fit_stream(self, chunks):
        """Fit rows of which one chunk at a time is in memory (``solver="adagrad"``, which "auto" is here).

        Parameters
        ----------
        chunks : iterable of (X, y) or (X, y, sample_weight)
            Arrays or sparse matrices, of which later ones may be wider, or frames with the same columns.
            ``intertwine.io.LibsvmFile(path)`` reads a file. Anything but a list or tuple is iterated once and kept in
            a temporary folder for the epochs, 12 bytes an entry: reading text takes many times as long as learning.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            Naming the chunk, or the line of the file, that cannot be used; also for a single class.
        OSError
            When the temporary folder has no room.

        Warns
        -----
        ConvergenceWarning
            When more epochs are needed.
        """
        read = CheckedChunks(chunks, _labels)
        with restored_on_failure(self), reread(read) as checked:
            found = [np.unique(y) for _, y, _ in checked]
            if not found:
                raise ValueError("the stream has no chunks")
            self._begin(check_classification_target(np.concatenate(found), None)[1])
            streams = [(label, CodedChunks(checked, partial(_sign, label))) for label in self._labels()]
            self._fit_stream(LogisticRows(), checked, streams)
            self._name_columns(read)
        return self

    @available_if(_is_adagrad)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Learn from some more rows: one pass (``solver="adagrad"``).

        Parameters
        ----------
        X : array-like, frame or sparse matrix (n, p)
        y : array-like (n,)
        classes : array-like, default=None
            All classes that will ever come; needed in the first call.
        sample_weight : array-like (n,), default=None

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            As ``fit``; also for labels that are none of ``classes``.
        """
        with restored_on_failure(self):
            first = not hasattr(self, "_models")
            if first and classes is None:
                raise ValueError("classes must be passed on the first call to partial_fit")
            if not first:
                self._require_progress()
            rows = self._read_part(X, reset=first)
            weights = check_weights(sample_weight, rows.shape[0], X)
            if classes is not None:
                known = check_classification_target(classes, None)[1]
                if not first and not np.array_equal(known, self.classes_):
                    raise ValueError(
                        f"classes {listed(known)} differ from those of earlier calls, {listed(self.classes_)}"
                    )
                self._begin(known)
            target = checked_column(_labels, y, rows)
            if (strange := ~np.isin(target, self.classes_)).any():
                raise ValueError(
                    f"y has labels {listed(np.unique(target[strange]))} that are none of {listed(self.classes_)}"
                )
            chunks = [(label, labelled_rows(rows, _sign(label, target), weights)) for label in self._labels()]
            self._update(LogisticRows(), chunks, X)
        return self

    def _begin(self, classes: np.ndarray) -> None:
        if self.ordinal:
            raise ValueError("ordinal=True needs solver='gibbs', not 'adagrad'")
        self.classes_, self._ordered = classes, False


def _sign(label: Any, y: np.ndarray) -> np.ndarray:
    """+1 for a label, −1 for all others."""
    return np.where(y == label, 1.0, -1.0)
