"""The checks, called by small estimators as real ones call them; bad inputs are in `test_bad_inputs_table.py`."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.linear_model import Ridge
from sklearn.utils.estimator_checks import parametrize_with_checks

from intertwine.validation import (
    COX_CONSTRAINTS,
    INTERACTION_CONSTRAINTS,
    check_classification_target,
    check_features,
    check_regression_target,
    check_same_rows,
    check_strata,
    check_survival_target,
    check_unpenalized_rank,
    check_weights,
    restored_on_failure,
    survival_target,
)


class _Linear(BaseEstimator):
    """A ridge regression of some columns of responses on X: the least that checks can serve."""

    def __init__(
        self, *, alpha=0.1, alpha_pairs=None, l1_ratio=0.0, latent="low_rank", n_components=2, tie=0.1,
        order=2, squares=False, relevance=0.0, basis=None, n_knots=5, scaling="features", unpenalized=None,
        heredity=None, solver="auto", n_init=3, max_iter=200, tol=1e-6, random_state=None, n_jobs=None,
        verbose=False, checkpoint=None, ties="efron",
    ):  # fmt: skip
        for name, value in locals().items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    _parameter_constraints = INTERACTION_CONSTRAINTS | COX_CONSTRAINTS

    def _solve(self, X, responses, sample_weight):
        X = X.astype(float)
        center = np.average(X, axis=0, weights=sample_weight)
        if self.alpha == 0:
            check_unpenalized_rank(X - center, getattr(self, "feature_names_in_", range(X.shape[1])))
        design = np.c_[np.ones(len(X)), X - center]
        gram = design.T @ (design * sample_weight[:, None]) + 1e-3 * np.eye(design.shape[1])
        self.center_ = center
        self.coef_ = np.linalg.solve(gram, design.T @ (responses * sample_weight[:, None]))
        self.n_iter_ = 1

    def _scores(self, X):
        X = check_features(self, X, reset=False)
        return self.coef_[0] + (X - self.center_) @ self.coef_[1:]


class LinearRegressor(RegressorMixin, _Linear):
    def fit(self, X, y, sample_weight=None):
        self._validate_params()
        with restored_on_failure(self):
            matrix = check_features(self, X, reset=True)
            check_same_rows(X=X, sample_weight=sample_weight)
            weights = check_weights(sample_weight, len(matrix))
            self._solve(matrix, check_regression_target(y, X)[:, None], weights)
        return self

    def predict(self, X):
        return self._scores(X)[:, 0]


class LinearClassifier(ClassifierMixin, _Linear):
    def fit(self, X, y, sample_weight=None):
        self._validate_params()
        with restored_on_failure(self):
            matrix = check_features(self, X, reset=True)
            check_same_rows(X=X, sample_weight=sample_weight)
            weights = check_weights(sample_weight, len(matrix))
            codes, self.classes_ = check_classification_target(y, X, weights)
            self._solve(matrix, np.eye(len(self.classes_))[codes], weights)
        return self

    def predict(self, X):
        scores = self._scores(X)
        return self.classes_[scores.argmax(axis=1)]


class LinearSurvival(_Linear):
    def fit(self, X, y, sample_weight=None, strata=None):
        self._validate_params()
        with restored_on_failure(self):
            matrix = check_features(self, X, reset=True)
            check_same_rows(X=X, sample_weight=sample_weight, strata=strata)
            weights = check_weights(sample_weight, len(matrix))
            check_strata(strata, len(matrix))
            target = check_survival_target(y, X, weights)
            self._solve(matrix, -np.log1p(target["time"])[:, None], weights * target["event"])
        return self

    def predict(self, X):
        return self._scores(X)[:, 0]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.positive_only = True
        return tags


ESTIMATORS = {
    "regression": LinearRegressor(),
    "classification": LinearClassifier(),
    "survival": LinearSurvival(),
}


@parametrize_with_checks(list(ESTIMATORS.values()))
def test_estimators_that_use_the_checks_pass_scikit_learns(estimator, check):
    check(estimator)


X = np.random.default_rng(0).normal(size=(12, 3))

ACCEPTED = {
    "alpha": [0, 0.0, 3, np.float32(0.5)],
    "alpha_pairs": [None, 0],
    "l1_ratio": [0, 1, 0.5],
    "latent": [None, "low_rank", "signed", "two_factor", "distance"],
    "n_components": [1, np.int64(3)],
    "tie": [0, 0.1, np.inf],
    "order": [2, 3],
    "relevance": [0, 1.5, "evidence"],
    "basis": [None, "spline"],
    "scaling": ["features", "products", None],
    "unpenalized": [None, ["age"], [0, 2], np.array([1])],
    "heredity": [None, "weak", "strong"],
    "solver": ["auto", "exact", "sparse"],
    "random_state": [None, 0, np.random.RandomState(0)],
    "n_jobs": [None, -1, 2],
    "verbose": [False, True, 2],
    "checkpoint": [None, "work", Path("work")],
    "ties": ["efron", "breslow"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in ACCEPTED for value in ACCEPTED[name]])
def test_good_hyperparameters_are_accepted(name, value):

    LinearSurvival(**{name: value}).fit(X, survival_target(np.arange(12.0), np.arange(12) % 2))


def test_a_failed_fit_leaves_a_fitted_model_as_it_was():
    model = LinearRegressor().fit(X, X[:, 0])
    before = model.predict(X)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.full((12, 5), np.nan), X[:, 0])
    with pytest.raises(ValueError, match="NaN"):
        model.fit(pd.DataFrame(X, columns=list("abc")), np.full(12, np.nan))
    np.testing.assert_array_equal(model.predict(X), before)


def test_good_input_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = pd.DataFrame(X, columns=list("abc"), index=range(3, 15))
        model = LinearRegressor().fit(frame, pd.Series(X[:, 0], index=frame.index), np.ones(12))
        model.predict(frame)
        check_survival_target(survival_target(np.arange(12.0), np.arange(12) % 2), X)


def test_missing_entries_pass_where_they_are_allowed():
    X = np.array([[1.0, np.nan], [2.0, 3.0], [4.0, 5.0]])
    np.testing.assert_array_equal(check_features(Ridge(), X, reset=True, allow_missing=True), X)
    with pytest.raises(ValueError, match="NaN in columns"):
        check_features(Ridge(), X, reset=True)
    with pytest.raises(ValueError, match=r"no observed value in columns \[1\]"):
        check_features(Ridge(), np.where(np.arange(2) == 1, np.nan, X), reset=True, allow_missing=True)
    with pytest.raises(ValueError, match="infinity"):
        check_features(Ridge(), np.where(np.isnan(X), np.inf, X), reset=True, allow_missing=True)
