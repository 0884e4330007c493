"""Interaction estimators that choose all their hyperparameters by cross-validation."""

from __future__ import annotations

import abc
import warnings
from itertools import product
from typing import Any, final

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from intertwine.estimators.base import load_estimator_state
from intertwine.estimators.cv_parameters import CV_PARAMETERS
from intertwine.estimators.cv_table import candidate_params, cv_table, tuning_rows
from intertwine.estimators.docstring import with_parameters
from intertwine.estimators.interactions import InteractionClassifier, InteractionCoxPH, InteractionRegressor
from intertwine.estimators.long_work import seed_of, watched
from intertwine.estimators.results import InteractionResults
from intertwine.estimators.survival import SurvivalPredictions, cox_loss
from intertwine.fitting.selection import SearchSpace, Selection, select
from intertwine.fitting.settings import PreparationSettings
from intertwine.fitting.watch import Watch
from intertwine.frames import make_frame
from intertwine.io import save_state
from intertwine.losses import LogisticLoss, SquaredLoss
from intertwine.resources import thread_limit
from intertwine.validation import (
    check_choices,
    check_classification_target,
    check_column_selection,
    check_features,
    check_regression_target,
    check_same_rows,
    check_weights,
    restored_on_failure,
)
from intertwine.validation.parameters import CV_CONSTRAINTS

__all__ = ["InteractionClassifierCV", "InteractionCoxPHCV", "InteractionRegressorCV"]

_SMALL = 1500  # rows up to which threads of the linear algebra cost more than they bring


class AbstractInteractionCV(InteractionResults, BaseEstimator, abc.ABC):
    """Shared by the three: search space, folds, refit, files."""

    _parameter_constraints: dict = CV_CONSTRAINTS
    _training = None

    def __init__(
        self,
        *,
        scalings=("features", "quantile"),
        n_knots=(0, 3, 5),
        relevances=(0.0, 0.5, 1.0),
        squares=(False, True),
        orders=(2,),
        latents=("low_rank", "signed"),
        n_components=(2,),
        l1_ratios=(),
        unpenalized=None,
        cv=5,
        max_tune_rows=1000,
        n_init=3,
        max_iter=500,
        tol=1e-8,
        random_state=None,
        n_jobs=None,
        verbose=False,
        checkpoint=None,
    ):
        self.scalings = scalings
        self.n_knots = n_knots
        self.relevances = relevances
        self.squares = squares
        self.orders = orders
        self.latents = latents
        self.n_components = n_components
        self.l1_ratios = l1_ratios
        self.unpenalized = unpenalized
        self.cv = cv
        self.max_tune_rows = max_tune_rows
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.checkpoint = checkpoint

    @abc.abstractmethod
    def _base_estimator(self, **params) -> Any:
        """The estimator that the choice is refitted with."""

    def _space(self) -> SearchSpace:
        check_choices(self)
        preparations = [
            PreparationSettings(spline_knots=knots, quantile=scaling == "quantile")
            for knots, scaling in product(self.n_knots, self.scalings)
            if not (knots and scaling == "quantile")  # splines have their knots at quantiles already
        ]
        return SearchSpace(
            preparations=tuple(preparations),
            relevances=tuple(None if r == "evidence" else float(r) for r in self.relevances),
            squares=tuple(bool(s) for s in self.squares),
            orders=tuple(self.orders),
            latents=tuple(self.latents),
            n_components=tuple(np.atleast_1d(self.n_components).tolist()),
            l1_ratios=tuple(self.l1_ratios),
            unpenalized=check_column_selection(self.unpenalized, self, "unpenalized"),
            max_iter=self.max_iter,
            tol=self.tol,
        )

    def _search(self, X, kept, losses, strata, groups, refit) -> None:
        """Select on the rows with weight, then ``refit(estimator, watch)`` on what the user passed.

        ``losses`` hold the kept rows only, everything else all of them.
        """
        check_same_rows(X=X, groups=groups)
        X = np.asarray(X, dtype=float)
        with watched(self, (X, kept, losses, strata, groups)) as watch:
            selection, row_share = self._select(X, kept, losses, strata, groups, watch)
            self._publish(selection, row_share)
            estimator = self._base_estimator(
                **self.best_params_,
                n_init=self.n_init,
                max_iter=self.max_iter,
                tol=self.tol,
                random_state=self.random_state,
                n_jobs=self.n_jobs,
            )
            watch.progress.section("final fit")
            with warnings.catch_warnings():
                # what there is to say about the data has been said
                warnings.simplefilter("ignore", UserWarning)
                warnings.simplefilter("always", ConvergenceWarning)
                self.best_estimator_ = refit(estimator, watch)
        self._adopt(self.best_estimator_)

    def _select(self, X, kept, losses, strata, groups, watch: Watch) -> tuple[Selection, float]:
        """The selection, and the share of the rows that it was made on."""
        rng = np.random.default_rng(seed_of(self, watch))
        n = np.count_nonzero(kept)

        def split():
            rows, folds = tuning_rows(self.cv, X, kept, strata, groups, self.max_tune_rows, rng)
            return {"rows": rows, "folds": folds}

        drawn = watch.journal.step("folds", split, rng)
        rows = drawn["rows"]
        inside = np.searchsorted(np.flatnonzero(kept), rows)
        tuned = [loss.take(inside) if len(rows) < n else loss for loss in losses]
        subset = X[rows] if len(rows) < len(X) else X
        with thread_limit(1 if self.n_jobs is None and len(rows) <= _SMALL else self.n_jobs):
            return select(tuned, subset, drawn["folds"], self._space(), rng, watch), len(rows) / n

    def _publish(self, selection: Selection, row_share: float) -> None:
        self.best_params_ = candidate_params(selection.best.settings, row_share)
        if self.unpenalized is not None:
            self.best_params_["unpenalized"] = self.unpenalized
        self.best_score_ = -selection.best.mean
        self.cv_results_ = cv_table(selection)
        self.target_accepted_ = selection.best.settings.latent is not None

    def _adopt(self, estimator) -> None:
        self._models = estimator._models
        self._frame_library = estimator._frame_library
        self.solver_reason_ = estimator.solver_reason_

    def cv_table(self) -> Any:
        """Every candidate tried, as a frame: stage, parameters, mean_test_loss, std_error, chosen."""
        check_is_fitted(self)
        return make_frame(self.cv_results_, self._frame_library)

    def bootstrap_interactions(self, n_bootstrap: int = 100, k: int = 20) -> Any:
        """Spread of the strongest interactions over refits, hyperparameters kept as chosen.

        Parameters
        ----------
        n_bootstrap : int, default=100
        k : int, default=20
            Number of pairs, those of ``top_interactions(k)``.

        Returns
        -------
        frame
            As in the estimator without CV.
        """
        check_is_fitted(self)
        return self.best_estimator_.bootstrap_interactions(n_bootstrap, k)

    def save(self, path) -> None:
        """Write the chosen model and the record of the search to one file.

        Parameters
        ----------
        path : str or path-like
        """
        check_is_fitted(self)
        state = self.best_estimator_._to_state()
        save_state(path, state | {"class": type(self).__name__, "search": self._search_state()})

    def _search_state(self) -> dict:
        params = self.get_params(deep=False)
        if not isinstance(params["cv"], int):
            params["cv"] = 5
        if isinstance(params["random_state"], np.random.RandomState):
            params["random_state"] = None
        params["checkpoint"] = None  # a place on this machine
        results = {name: column.tolist() for name, column in self.cv_results_.items()}
        return {
            "params": params,
            "best_params": self.best_params_,
            "best_score": self.best_score_,
            "results": results,
        }

    @classmethod
    def _from_state(cls, state: dict):
        search = state["search"]
        estimator = cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in search["params"].items()})
        base = estimator._base_estimator(**state["params"])
        estimator.best_estimator_ = load_estimator_state(base, state)
        for name in ("n_features_in_", "feature_names_in_", "classes_", "_baseline"):
            if hasattr(base, name):
                setattr(estimator, name, getattr(base, name))
        estimator.best_params_ = search["best_params"]
        estimator.best_score_ = search["best_score"]
        estimator.cv_results_ = {
            name: np.array(column, dtype=object if isinstance(column[0], str) else None)
            for name, column in search["results"].items()
        }
        estimator.target_accepted_ = estimator.best_params_["latent"] is not None
        estimator._adopt(base)
        return estimator


@final
@with_parameters(CV_PARAMETERS)
class InteractionRegressorCV(RegressorMixin, AbstractInteractionCV):
    """Regression with all pairwise interactions; everything chosen by cross-validation.

    {parameters}

    Examples
    --------
    >>> import numpy as np
    >>> from intertwine import InteractionRegressorCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((120, 5))
    >>> y = X[:, 0] + 2 * X[:, 1] * X[:, 2] + 0.1 * rng.standard_normal(120)
    >>> model = InteractionRegressorCV(n_knots=(0,), latents=(), random_state=0).fit(X, y)
    >>> model.top_interactions(1)["term"][0]
    'x1 × x2'
    """

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, groups=None):
        """Select and refit.

        Parameters
        ----------
        X : array-like or frame (n, p)
        y : array-like (n,)
        sample_weight : array-like (n,), default=None
        groups : array-like (n,), default=None
            For group splitters in ``cv``.

        Returns
        -------
        self
        """
        with restored_on_failure(self):
            rows = check_features(self, X, reset=True)
            weights = check_weights(sample_weight, len(rows), X)
            target = check_regression_target(y, X)
            kept = weights > 0
            loss = SquaredLoss(target[kept], weights[kept])
            self._search(
                rows, kept, [loss], None, groups, lambda e, watch: e._fit(X, y, sample_weight, watch)
            )
        return self

    def predict(self, X) -> np.ndarray:
        """Predicted outcome (n,)."""
        check_is_fitted(self)
        return self.best_estimator_.predict(X)

    def _base_estimator(self, **params):
        return InteractionRegressor(**params)


@final
@with_parameters(CV_PARAMETERS)
class InteractionClassifierCV(ClassifierMixin, AbstractInteractionCV):
    """Logistic regression with all pairwise interactions; everything chosen by cross-validation.

    {parameters}

    Examples
    --------
    >>> import numpy as np
    >>> from intertwine import InteractionClassifierCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((150, 4))
    >>> y = X[:, 1] * X[:, 2] > 0
    >>> model = InteractionClassifierCV(n_knots=(0,), latents=(), random_state=0).fit(X, y)
    >>> bool(model.score(X, y) > 0.9)
    True
    """

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, groups=None):
        """Select and refit; X, y and sample_weight as in the estimator without CV.

        ``groups`` (n,) are for group splitters in ``cv``.
        """
        with restored_on_failure(self):
            rows = check_features(self, X, reset=True)
            weights = check_weights(sample_weight, len(rows), X)
            codes, self.classes_ = check_classification_target(y, X, weights)
            kept = weights > 0
            contrasts = [1] if len(self.classes_) == 2 else range(len(self.classes_))
            losses = [LogisticLoss(np.where(codes[kept] == c, 1.0, -1.0), weights[kept]) for c in contrasts]
            self._search(
                rows, kept, losses, codes, groups, lambda e, watch: e._fit(X, y, sample_weight, watch)
            )
        return self

    def decision_function(self, X) -> np.ndarray:
        """Log odds, as in the estimator without CV."""
        check_is_fitted(self)
        return self.best_estimator_.decision_function(X)

    def predict_proba(self, X) -> np.ndarray:
        """Class probabilities (n, n_classes)."""
        check_is_fitted(self)
        return self.best_estimator_.predict_proba(X)

    def predict(self, X) -> np.ndarray:
        """Most probable class (n,)."""
        check_is_fitted(self)
        return self.best_estimator_.predict(X)

    def _base_estimator(self, **params):
        return InteractionClassifier(**params)


@final
@with_parameters(CV_PARAMETERS)
class InteractionCoxPHCV(SurvivalPredictions, AbstractInteractionCV):
    """Cox proportional hazards with all interactions; everything chosen by cross-validation.

    Held-out loss is the partial likelihood within the left-out rows. Ties in time are handled by Efron's method.

    {parameters}

    Examples
    --------
    >>> import numpy as np
    >>> from intertwine import InteractionCoxPHCV, survival_target
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((120, 3))
    >>> time = rng.exponential(np.exp(-X[:, 0] - 2 * X[:, 1] * X[:, 2]))
    >>> model = InteractionCoxPHCV(n_knots=(0,), latents=(), scalings=("features",), random_state=0)
    >>> model.fit(X, survival_target(time, np.ones(120))).top_interactions(1)["term"][0]
    'x1 × x2'
    """

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, strata=None, groups=None):
        """Select and refit; X, y, sample_weight and strata as in the estimator without CV.

        ``groups`` (n,) are for group splitters in ``cv``.
        """
        with restored_on_failure(self):
            rows = check_features(self, X, reset=True)
            loss, kept = cox_loss(y, X, sample_weight, strata, len(rows), "efron")
            events = np.zeros(len(rows), int)
            events[kept] = loss.event
            stratified = np.count_nonzero(~loss.event) > 1
            self._search(
                rows,
                kept,
                [loss],
                events if stratified else None,
                groups,
                lambda e, watch: e._fit(X, y, sample_weight, strata, watch),
            )
            self._baseline = self.best_estimator_._baseline
        return self

    def _scores(self, X):
        check_is_fitted(self)
        return self.best_estimator_._scores(X)

    def _base_estimator(self, **params):
        return InteractionCoxPH(**params)
