"""The methods that are set side by side, and their answers."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from intertwine.reproduce.lmm_vae.components import PCAMixedModel
from intertwine.reproduce.lmm_vae.simple import AbstractMethod, FeatureMean, LastValue, SubjectMean
from intertwine.reproduce.lmm_vae.visits import Task, Visits

__all__ = ["OURS", "OurVAE", "answered", "simple_methods"]

OURS = "LongitudinalVAE"


def simple_methods(rank: int) -> dict[str, Callable[[], AbstractMethod]]:
    """What is measured beside it, in the order of the table; ``rank`` of principal components."""
    return {
        "mean": FeatureMean,
        "subject's mean": SubjectMean,
        "last value carried": LastValue,
        "PCA, mixed model of shared effects": partial(PCAMixedModel, rank, own=False),
        "PCA, exact mixed model": partial(PCAMixedModel, rank),
    }


@final
class OurVAE(AbstractMethod):
    """One fit; new subjects are met by conditioning.

    Parameters
    ----------
    **settings
        Parameters of the estimator.
    """

    def __init__(self, **settings: Any) -> None:
        self._settings = settings

    def fit(self, task: Task, seed: int) -> None:
        from intertwine import LongitudinalVAE  # JAX: only when it is needed

        self._train = task.train
        self._model = LongitudinalVAE(
            effects=task.effects(), bounds=task.bounds, random_state=seed, **self._settings
        )
        began = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of covariates that no effect reads
            self._model.fit(task.train.X, **task.train.beside())
        self._seconds = time.perf_counter() - began

    def gaps(self, given: Visits | None) -> NDArray[Any]:
        visits = given or self._train
        return np.asarray(self._model.impute(visits.X, **visits.beside()))

    def wanted(self, given: Visits | None, wanted: Visits) -> NDArray[Any]:
        answering: Any = self._model
        if given is not None:
            answering = self._model.condition(given.X, **given.beside())
        return np.asarray(answering.forecast(**wanted.beside()))

    def facts(self) -> dict[str, Any]:
        table = self._model.explain(n_draws=4, max_visits=400)
        shares = dict(zip(table["effect"], np.asarray(table["latent"], dtype=float).tolist(), strict=True))
        return {
            "shares": {name: round(share, 4) for name, share in shares.items() if np.isfinite(share)},
            "bound": float(self._model.bound_),
            "epochs": int(self._model.n_iter_),
            "model_seconds": round(self._seconds, 2),
        }


def answered(make: Callable[[], AbstractMethod], task: Task, seed: int) -> dict[str, Any]:
    """Mean squared error of every question that a method has an answer to, and what else is known of the fit."""
    began = time.perf_counter()
    method = make()
    method.fit(task, seed)
    said: dict[str, Any] = {}
    for name, question in task.questions.items():
        if question.wanted is None:
            found = method.gaps(question.given)
        else:
            found = method.wanted(question.given, question.wanted)
        if found is not None:
            found = found if task.bounds is None else found.clip(*task.bounds)
            said[name] = float(np.nanmean((question.truth - found) ** 2))
    seconds = time.perf_counter() - began
    return {**said, "seconds": round(seconds, 2), **method.facts()}
