"""Opponents from the registries (requirements.txt): each is imported only when it is asked for.

A peer that cannot be imported raises ImportError, and the tables name it as absent.
"""

from __future__ import annotations

import contextlib
import io
import warnings

import numpy as np
from baselines._peer import MIN_RATIO, PATH_LENGTH, Peer
from baselines.adam_litlvm import pair_columns


class _Standardized:
    """Centre and scale learnt from the training rows."""

    def __init__(self, X: np.ndarray) -> None:
        scale = X.std(axis=0)
        self._centre, self._scale = X.mean(axis=0), np.where(scale > 0, scale, 1.0)

    def __call__(self, X: np.ndarray) -> np.ndarray:
        return (X - self._centre) / self._scale


class SkglmElasticNet(Peer):
    """skglm's coordinate descent with Anderson acceleration over explicit products, warm-started path per fold."""

    tuning = f"alpha path of {PATH_LENGTH} × l1_ratio .5, 1"

    def __init__(self) -> None:
        import skglm  # noqa: F401  (fail early when it is absent)

    def fit(self, X: np.ndarray, y: np.ndarray, folds: np.ndarray) -> SkglmElasticNet:
        from skglm import ElasticNet
        from skglm.datafits import Quadratic
        from skglm.penalties import L1_plus_L2
        from skglm.solvers import AndersonCD

        self._features = _Standardized(X)
        columns = self._explicit(X)
        self._columns = _Standardized(columns)
        columns, centre = np.asfortranarray(self._columns(columns)), y.mean()
        largest = np.abs(columns.T @ (y - centre)).max() / len(y)
        best = (np.inf, 0.0, 0.0)
        for ratio in (0.5, 1.0):
            alphas = largest / ratio * np.geomspace(1.0, MIN_RATIO, PATH_LENGTH)
            errors = np.zeros(len(alphas))
            for fold in np.unique(folds):
                train, held = folds != fold, folds == fold
                part = np.asfortranarray(columns[train])
                shift = y[train].mean()
                solver = AndersonCD(fit_intercept=False, warm_start=True)
                path = solver.path(part, y[train] - shift, Quadratic(), L1_plus_L2(1.0, ratio), alphas=alphas)
                errors += np.sum((columns[held] @ path[1] + shift - y[held][:, None]) ** 2, axis=0)
            if errors.min() < best[0]:
                best = (errors.min(), alphas[errors.argmin()], ratio)
        self._chosen = {"alpha": float(best[1]), "l1_ratio": best[2]}
        self._model = ElasticNet(**self._chosen).fit(columns, y)
        return self

    def _explicit(self, X: np.ndarray) -> np.ndarray:
        main = self._features(X)
        return np.hstack([main, pair_columns(main)])

    def score(self, X: np.ndarray) -> np.ndarray:
        return self._model.predict(self._columns(self._explicit(X)))

    def chosen(self) -> dict:
        return self._chosen


class UniPairsPeer(Peer):
    """uniPairs, two stages, at its defaults (its own ten folds in both stages)."""

    tuning = "its own 10-fold choice in both stages"

    def __init__(self, family: str) -> None:
        import uniPairs  # noqa: F401

        self._family = family

    def fit(self, X: np.ndarray, y: np.ndarray, folds: np.ndarray) -> UniPairsPeer:
        from uniPairs import UniPairs

        np.random.seed(0)  # noqa: NPY002  (it draws its folds from the global generator)
        self._model = UniPairs(two_stage=True, family_spec={"family": self._family})
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._model.fit(np.asarray(X, dtype=float), np.asarray(y, dtype=float))
        return self

    def score(self, X: np.ndarray) -> np.ndarray:
        with contextlib.redirect_stdout(io.StringIO()):
            return np.ravel(self._model.predict(np.asarray(X, dtype=float)))


class AdelieGlinternet(Peer):
    """The group lasso of glinternet (a pair enters with both its main effects), on adelie's lazy interaction matrix."""

    tuning = f"λ path of {PATH_LENGTH}, 5 folds drawn by adelie"

    def __init__(self, family: str) -> None:
        import adelie  # noqa: F401

        self._family = family

    def fit(self, X: np.ndarray, y: np.ndarray, folds: np.ndarray) -> AdelieGlinternet:
        import adelie as ad

        self._features = _Standardized(X)
        main = np.asfortranarray(self._features(X))
        design, groups = self._design(main)
        family = {"gaussian": ad.glm.gaussian, "binomial": ad.glm.binomial}[self._family]
        outcome = family(y=np.asarray(y, dtype=float))
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            search = ad.cv_grpnet(
                X=design,
                glm=outcome,
                groups=groups,
                n_folds=len(np.unique(folds)),
                seed=0,
                min_ratio=MIN_RATIO,
                lmda_path_size=PATH_LENGTH,
                progress_bar=False,
            )
            state = search.fit(X=design, glm=outcome, groups=groups, progress_bar=False)
        self._weights, self._intercept = state.betas[-1], float(state.intercepts[-1])
        self._chosen = {"lambda": float(search.lmdas[search.best_idx])}
        return self

    def _design(self, main: np.ndarray) -> tuple[object, np.ndarray]:
        import adelie as ad

        n_features = main.shape[1]
        n_pairs = n_features * (n_features - 1) // 2
        products = ad.matrix.interaction(main, intr_map=dict.fromkeys(range(n_features)), copy=True)
        parts = [ad.matrix.dense(main, method="naive"), products]
        groups = np.concatenate([np.arange(n_features), n_features + 3 * np.arange(n_pairs)])
        return ad.matrix.concatenate(parts, axis=1), groups

    def score(self, X: np.ndarray) -> np.ndarray:
        import adelie as ad

        main = np.asfortranarray(self._features(X))
        design, _ = self._design(main)
        return np.ravel(
            ad.diagnostic.predict(X=design, betas=self._weights, intercepts=np.array([self._intercept]))
        )

    def chosen(self) -> dict:
        return self._chosen


class ExplainableBoosting(Peer):
    """interpret's EBM at its defaults (its own bags and early stopping), one thread."""

    tuning = "defaults: 14 outer bags with early stopping"

    def __init__(self, family: str) -> None:
        from interpret import glassbox

        makers = {
            "gaussian": glassbox.ExplainableBoostingRegressor,
            "binomial": glassbox.ExplainableBoostingClassifier,
        }
        self._model = makers[family](n_jobs=1, random_state=0)
        self._family = family

    def fit(self, X: np.ndarray, y: np.ndarray, folds: np.ndarray) -> ExplainableBoosting:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._model.fit(X, y)
        return self

    def score(self, X: np.ndarray) -> np.ndarray:
        return self._model.predict(X) if self._family == "gaussian" else self._model.predict_proba(X)[:, 1]
