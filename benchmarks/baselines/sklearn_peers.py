"""Opponents that scikit-learn ships, and the correct factorization machine, tuned by grid search.

Every grid holds 16 to 25 candidates: the tuning effort is the same for each.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from baselines._peer import MIN_RATIO, PATH_LENGTH, Peer
from baselines.fm import FMClassifier, FMRegressor
from sklearn.base import BaseEstimator
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.svm import SVC

#: libsvm can run for hours on nearly collinear columns with a large C; such candidates lose anyway.
SVM_STEPS = 500_000


class GridPeer(Peer):
    """A scaled estimator and a grid, searched over the shared folds.

    Parameters
    ----------
    estimator : estimator
        Last step of a pipeline that starts with a ``StandardScaler``.
    grid : dict
        Candidates for that step, by the names of its own parameters.
    scoring : str
        ``"roc_auc"`` or ``"neg_mean_squared_error"``.
    tuning : str
        The search in words.
    refit_with : dict, optional
        Parameters of the final fit alone (a larger forest, more starts).
    """

    def __init__(
        self,
        estimator: BaseEstimator,
        grid: dict[str, list],
        scoring: str,
        tuning: str,
        refit_with: dict | None = None,
    ) -> None:
        self.tuning = tuning
        self._estimator, self._grid, self._scoring = estimator, grid, scoring
        self._refit_with = refit_with or {}

    def fit(self, X: np.ndarray, y: np.ndarray, folds: np.ndarray) -> GridPeer:
        pipeline = make_pipeline(StandardScaler(), self._estimator)
        step = pipeline.steps[-1][0]
        search = GridSearchCV(
            pipeline,
            {f"{step}__{name}": values for name, values in self._grid.items()},
            scoring=self._scoring,
            cv=PredefinedSplit(folds),
            refit=False,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            search.fit(X, y)
        self._chosen = {name.split("__")[1]: value for name, value in search.best_params_.items()}
        final = {f"{step}__{name}": value for name, value in {**self._chosen, **self._refit_with}.items()}
        self._pipeline = pipeline.set_params(**final).fit(X, y)
        return self

    def score(self, X: np.ndarray) -> np.ndarray:
        if hasattr(self._pipeline, "decision_function"):
            return self._pipeline.decision_function(X)
        if hasattr(self._pipeline, "predict_proba"):
            return self._pipeline.predict_proba(X)[:, 1]
        return self._pipeline.predict(X)

    def chosen(self) -> dict:
        return self._chosen


def classifiers(n_features: int, seed: int = 0) -> dict[str, Callable[[], Peer]]:
    """Makers of the tuned classifiers, by the name that the tables print."""
    auc = "roc_auc"
    gammas = [scale / n_features for scale in (0.03, 0.1, 0.3, 1.0, 3.0)]
    return {
        "logistic ridge, main effects": lambda: GridPeer(
            LogisticRegression(solver="newton-cholesky", max_iter=200),
            {"C": list(np.logspace(-4, 7, 23))},
            auc,
            "C, 23 values",
        ),
        "RBF-SVM": lambda: GridPeer(
            SVC(kernel="rbf", cache_size=400, max_iter=SVM_STEPS),
            {"C": list(np.logspace(-1, 3, 5)), "gamma": gammas},
            auc,
            "C × gamma, 25",
        ),
        "degree-2 SVM": lambda: GridPeer(
            SVC(kernel="poly", degree=2, coef0=1.0, cache_size=400, max_iter=SVM_STEPS),
            {"C": list(np.logspace(-4, 2, 7)), "gamma": gammas[1:4]},
            auc,
            "C × gamma, 21",
        ),
        "random forest": lambda: GridPeer(
            RandomForestClassifier(n_estimators=150, random_state=seed),
            {"max_features": ["sqrt", 0.1, 0.3, 0.6], "min_samples_leaf": [1, 2, 4, 8]},
            auc,
            "features × leaf, 16; 500 trees at the end",
            refit_with={"n_estimators": 500},
        ),
        "HistGradientBoosting": lambda: GridPeer(
            HistGradientBoostingClassifier(early_stopping=False, random_state=seed),
            {
                "learning_rate": [0.03, 0.1],
                "max_leaf_nodes": [7, 31],
                "max_iter": [100, 400],
                "l2_regularization": [0.0, 10.0],
            },
            auc,
            "rate × leaves × rounds × l2, 16",
        ),
        "factorization machine": lambda: GridPeer(
            FMClassifier(n_init=1, max_iter=200, random_state=seed),
            {
                "alpha": [1e-3, 1e-2, 1e-1],
                "alpha_latent": [1e-4, 1e-3, 1e-2, 1e-1],
                "n_components": [2, 5],
            },
            auc,
            "two ridges × rank, 24; 3 starts at the end",
            refit_with={"n_init": 3, "max_iter": 1000},
        ),
    }


def regressors(seed: int = 0) -> dict[str, Callable[[], Peer]]:
    """Makers of the tuned regressors."""
    mse = "neg_mean_squared_error"
    return {
        "ridge, main effects": lambda: GridPeer(
            Ridge(), {"alpha": list(np.logspace(-4, 6, 21))}, mse, "alpha, 21 values"
        ),
        # The kernel (1 + xᵀx')² is ridge on all pairs, squares and main effects at their implied weights.
        "kernel ridge, degree 2": lambda: GridPeer(
            KernelRidge(kernel="poly", degree=2, coef0=1.0, gamma=1.0),
            {"alpha": list(np.logspace(-6, 6, 13)), "coef0": [0.3, 1.0]},
            mse,
            "alpha × offset, 26",
        ),
        "HistGradientBoosting": lambda: GridPeer(
            HistGradientBoostingRegressor(early_stopping=False, random_state=seed),
            {
                "learning_rate": [0.03, 0.1],
                "max_leaf_nodes": [7, 31],
                "max_iter": [100, 400],
                "l2_regularization": [0.0, 10.0],
            },
            mse,
            "rate × leaves × rounds × l2, 16",
        ),
        "random forest": lambda: GridPeer(
            RandomForestRegressor(n_estimators=100, random_state=seed),
            {"max_features": [0.1, 0.3, 1.0], "min_samples_leaf": [1, 2, 4, 8, 16]},
            mse,
            "features × leaf, 15; 300 trees at the end",
            refit_with={"n_estimators": 300},
        ),
        # Two of them: at the rank of the paper (and of its simulated truth), and with the rank tuned as well. A rank
        # near p lets an FM be any matrix of pairs, so the second is the stronger where rows outnumber pairs.
        "factorization machine, rank 2": lambda: GridPeer(
            FMRegressor(n_init=3, max_iter=300, random_state=seed),
            {"alpha": [1e-6, 1e-4, 1e-2], "alpha_latent": list(np.logspace(-6, 0, 7))},
            mse,
            "two ridges, 21; 10 starts at the end",
            refit_with={"n_init": 10, "max_iter": 3000},
        ),
        "factorization machine, rank tuned": lambda: GridPeer(
            FMRegressor(alpha=1e-4, n_init=1, max_iter=200, random_state=seed),
            {"alpha_latent": [1e-5, 1e-3, 1e-2, 3e-2, 1e-1], "n_components": [2, 3, 5, 10, 20]},
            mse,
            "ridge × rank, 25; 5 starts at the end",
            refit_with={"n_init": 5, "max_iter": 3000},
        ),
    }


class PolynomialElasticNet(Peer):
    """The textbook recipe: StandardScaler, PolynomialFeatures(interaction_only), ElasticNetCV's path and folds."""

    tuning = f"alpha path of {PATH_LENGTH} × l1_ratio .5, 1"

    def fit(self, X: np.ndarray, y: np.ndarray, folds: np.ndarray) -> PolynomialElasticNet:
        from sklearn.linear_model import ElasticNetCV

        self._columns = make_pipeline(
            StandardScaler(),
            PolynomialFeatures(degree=2, interaction_only=True, include_bias=False),
            StandardScaler(),
        )
        search = ElasticNetCV(
            l1_ratio=[0.5, 1.0], eps=MIN_RATIO, alphas=PATH_LENGTH, cv=PredefinedSplit(folds)
        )
        self._model: ElasticNet = search.fit(self._columns.fit_transform(X), y)
        return self

    def score(self, X: np.ndarray) -> np.ndarray:
        return self._model.predict(self._columns.transform(X))

    def chosen(self) -> dict:
        return {"alpha": float(self._model.alpha_), "l1_ratio": float(self._model.l1_ratio_)}
