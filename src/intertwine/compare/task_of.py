"""The task that an estimator stands for."""

from __future__ import annotations

from typing import Any

from sklearn.base import is_classifier

from intertwine.compare.base import AbstractTask
from intertwine.compare.classification import ClassificationTask
from intertwine.compare.regression import RegressionTask
from intertwine.compare.survival import SurvivalTask

__all__ = ["task_of"]


def task_of(estimator: Any) -> AbstractTask:
    """Return the task of a fitted or unfitted interaction estimator.

    Parameters
    ----------
    estimator : estimator

    Returns
    -------
    AbstractTask
        Survival where it predicts survival functions, else classification or regression.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> task_of(Ridge()).metric
    'R²'
    """
    if hasattr(estimator, "predict_survival_function"):
        return SurvivalTask()
    if is_classifier(estimator):
        return ClassificationTask()
    return RegressionTask()
