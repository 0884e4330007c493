"""Fits that take a while on small tables, and ways to interrupt them: shared by the tests of long work."""

from __future__ import annotations

import signal

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import KFold

from intertwine import (
    InteractionClassifier,
    InteractionClassifierCV,
    InteractionCoxPH,
    InteractionCoxPHCV,
    InteractionRegressor,
    InteractionRegressorCV,
    survival_target,
)
from intertwine.mixed_model import GaussianField
from intertwine.solvers.lbfgs import LBFGS
from intertwine.sparse_path import SparsePairProblem

N, P = 40, 3


def features(seed=0):
    return np.random.default_rng(seed).standard_normal((N, P))


def target_of(estimator, seed=0):
    X = features(seed)
    f = X[:, 0] + X[:, 1] * X[:, 2] + 0.5 * np.random.default_rng(seed + 1).standard_normal(N)
    if "CoxPH" in type(estimator).__name__:
        return survival_target(np.exp(-f), np.arange(N) % 4 > 0)
    return np.digitize(f, [-0.5, 0.7]) if "Classifier" in type(estimator).__name__ else f


SEARCH = {
    "scalings": ("features",),
    "n_knots": (0,),
    "relevances": (0.0,),
    "squares": (False, True),
    "latents": ("signed",),
    "n_components": 1,
    "cv": 2,
    "n_init": 2,
    "max_iter": 20,
}
LATENT = {"alpha": 0.1, "tie": 1.0, "n_init": 3, "max_iter": 30}
FITS = {
    "regressor": InteractionRegressor(random_state=0, **LATENT),
    "regressor, any seed": InteractionRegressor(**LATENT),
    "regressor, third order": InteractionRegressor(order=3, latent="distance", random_state=0, **LATENT),
    "three classes": InteractionClassifier(latent="signed", random_state=0, **LATENT | {"n_init": 1}),
    "Cox": InteractionCoxPH(latent="two_factor", random_state=0, **LATENT),
    "sparse with a tie": InteractionRegressor(
        alpha=0.05, l1_ratio=0.5, tie=0.5, n_init=2, max_iter=30, random_state=0
    ),
    "sparse classes": InteractionClassifier(alpha=0.05, l1_ratio=0.5, latent=None, random_state=0),
    "heredity": InteractionRegressor(alpha=0.05, l1_ratio=0.5, latent=None, heredity="strong"),
    "regressor CV": InteractionRegressorCV(random_state=0, l1_ratios=(0.5,), **SEARCH),
    "regressor CV, random folds": InteractionRegressorCV(
        **SEARCH | {"cv": KFold(2, shuffle=True), "latents": ()}
    ),
    "classifier CV": InteractionClassifierCV(random_state=0, **SEARCH | {"latents": ("low_rank",)}),
    "Cox CV": InteractionCoxPHCV(random_state=0, **SEARCH),
}
every_fit = pytest.mark.parametrize("name", FITS)


def answers(model):
    """Everything a fit says, but for seconds."""
    columns = [model.top_interactions(6), model.main_effects(), model.history_.drop(columns="seconds")]
    if hasattr(model, "cv_table"):
        columns.append(model.cv_table())
    if hasattr(model, "baseline_hazard_"):
        columns.append(model.baseline_hazard_)
    numbers = [model.predict(features(1)), model.interaction_matrix(), model.coef_, model.objective_]
    if hasattr(model, "predict_proba"):
        numbers.append(model.predict_proba(features(1)))
    return columns, numbers


def assert_same_to_the_bit(left, right):
    for one, other in zip(answers(left)[0], answers(right)[0], strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    for one, other in zip(answers(left)[1], answers(right)[1], strict=True):
        np.testing.assert_array_equal(one, other)


def seed_global(seed):
    np.random.seed(seed)  # noqa: NPY002 - what random_state=None draws from


class Interrupted:
    """Count calls of everything that computes, and send Ctrl-C at one of them."""

    PLACES = ((GaussianField, "mode"), (LBFGS, "step"), (SparsePairProblem, "solve"))

    def __init__(self, monkeypatch, at=float("inf")):
        self.calls, self.at = 0, at
        for owner, name in self.PLACES:
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, original):
        def counted(*arguments, **keywords):
            self.calls += 1
            if self.calls == self.at:
                signal.raise_signal(signal.SIGINT)
            return original(*arguments, **keywords)

        return counted


def number_of_calls(estimator, X, y, monkeypatch):
    with monkeypatch.context() as patch:
        counter = Interrupted(patch)
        clone(estimator).fit(X, y)
    return counter.calls


def interrupted_at(call, estimator, X, y, monkeypatch):
    """Fit until Ctrl-C; how many calls were made."""
    with monkeypatch.context() as patch:
        counter = Interrupted(patch, call)
        with pytest.raises(KeyboardInterrupt):
            estimator.fit(X, y)
    return counter.calls
