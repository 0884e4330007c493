"""Two classes: Banana, where a single machine is blind, and IJCNN1."""

from __future__ import annotations

from functools import cache, partial
from typing import Any, final

import numpy as np
from sklearn.metrics import log_loss

from intertwine import FMClassifier, LocalFMClassifier
from intertwine.datasets import fetch_banana, fetch_ijcnn1
from intertwine.reproduce.llfm.models import Effort, Task
from intertwine.reproduce.llfm.table import AbstractTable

__all__ = ["Banana", "Ijcnn1"]

_SIZES = (3533, 1767)  # rows of Banana to fit and to judge on


def _loss(model: Any, X: Any, y: np.ndarray) -> float:
    return float(log_loss(y, model.predict_proba(X)))


def _accuracy(model: Any, X: Any, y: np.ndarray) -> float:
    return float(np.mean(model.predict(X) == y))


_task = partial(
    Task,
    local=LocalFMClassifier,
    plain=FMClassifier,
    loss=_loss,
    accuracy=_accuracy,
)


@cache
def _banana(download: bool) -> Task:
    try:
        banana = fetch_banana(split="llfm", download_if_missing=download)
        train, test, note = banana.train, banana.test, ""
    except FileNotFoundError:
        banana = fetch_banana(download_if_missing=download)
        order = np.random.default_rng(0).permutation(sum(_SIZES))
        train, test = order[: _SIZES[0]], order[_SIZES[0] :]
        note = "The authors' split is not on this machine: as many rows were drawn anew, so figures differ by chance."
    X, y = banana.data, banana.target
    return _task(
        X=X[train], y=y[train], X_test=X[test], y_test=y[test], settings={"n_components": 10}, note=note
    )


@cache
def _ijcnn1(download: bool) -> Task:
    engine = fetch_ijcnn1(download_if_missing=download)
    X, y, train, test = engine.data, engine.target, engine.train, engine.test
    return _task(
        X=X[train], y=y[train], X_test=X[test], y_test=y[test], settings={"n_components": 10}, in_time=True
    )


@final
class Banana(AbstractTable):
    """Logistic loss and accuracy in the plane."""

    name = "Banana"
    title = "Banana: logistic loss and accuracy"
    about = "3533 rows to fit and 1767 to judge on; features standardised; L-BFGS to the optimum."
    loss_name = "Test loss"
    effort = Effort((1e-6, 1e-5, 1e-4, 1e-3), (1 / 3, 3.0), n_anchors=50, n_epochs=None, seeds=5)
    quick_effort = Effort((1e-5, 1e-4), (), n_anchors=50, n_epochs=None, seeds=3)
    quick_is_the_papers = True
    seconds = 3.0

    @staticmethod
    def task(download: bool) -> Task:
        """The authors' split, or one of the same sizes."""
        return _banana(download)


@final
class Ijcnn1(AbstractTable):
    """Logistic loss and accuracy of an engine's misfires."""

    name = "IJCNN1"
    title = "IJCNN1: logistic loss and accuracy"
    about = (
        "49,990 rows to fit and 91,701 to judge on; each feature divided by its largest size. Rows follow one another "
        "in time, so the last of those to fit are tuned on."
    )
    loss_name = "Test loss"
    effort = Effort((1e-6, 1e-5, 1e-4), (1 / 3, 3.0), n_anchors=50, n_epochs=20, seeds=5)
    quick_effort = Effort((1e-6, 1e-5), (), n_anchors=20, n_epochs=5, seeds=5, n_rows=20_000)

    @staticmethod
    def task(download: bool) -> Task:
        """The rows of the challenge."""
        return _ijcnn1(download)
