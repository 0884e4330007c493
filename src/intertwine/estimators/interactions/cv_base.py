"""What the interaction estimators with cross-validation share: search space, folds, refit, tables, files."""

from __future__ import annotations

import abc
import warnings
from itertools import product
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from intertwine.estimators.interactions.base import load_estimator_state
from intertwine.estimators.interactions.cv_table import (
    candidate_params,
    cv_table,
    require_usable_folds,
    tuning_rows,
)
from intertwine.estimators.interactions.layout import INTERACTIONS, SEARCH
from intertwine.estimators.long_work import seed_of, watched
from intertwine.estimators.model_head import AbstractSaved, with_params
from intertwine.estimators.progress import progress
from intertwine.estimators.results import InteractionResults
from intertwine.fitting.interactions.selection import SearchSpace, Selection, select
from intertwine.fitting.interactions.settings import PreparationSettings
from intertwine.fitting.watch import Watch
from intertwine.frames import make_frame
from intertwine.io.layout import require_layout
from intertwine.resources import thread_limit
from intertwine.validation import (
    check_choices,
    check_column_selection,
    check_same_rows,
)
from intertwine.validation.parameters import CV_CONSTRAINTS

__all__ = ["AbstractInteractionCV"]

_SMALL = 1500  # rows up to which threads of the linear algebra cost more than they bring


class AbstractInteractionCV(InteractionResults, AbstractSaved, BaseEstimator):
    """Chooses among the settings of a search space, then refits; see the final classes for the parameters."""

    _parameter_constraints: dict = CV_CONSTRAINTS
    _training = None

    def __init__(
        self,
        *,
        scalings=("features", "quantile"),
        n_knots=(0, 3, 5),
        relevances=(0.0, 0.5, 1.0, "evidence"),
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
        if not preparations:
            raise ValueError(
                "splines are never joined with scaling 'quantile'; add 'features' to scalings, or 0 to n_knots"
            )
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
        require_usable_folds(drawn["folds"], tuned)
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
        with progress(self.verbose, type(self).__name__) as shown:
            return self.best_estimator_._bootstrap(n_bootstrap, k, shown)

    def _to_state(self) -> dict[str, Any]:
        check_is_fitted(self)
        return self.best_estimator_._to_state() | {
            "class": type(self).__name__,
            "search": self._search_state(),
        }

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
    def _from_state(cls, state: dict[str, Any]) -> Self:
        require_layout(state, INTERACTIONS)
        search = state["search"]
        require_layout(search, SEARCH)
        estimator = with_params(
            cls, {k: tuple(v) if isinstance(v, list) else v for k, v in search["params"].items()}
        )
        base = estimator._base_estimator(**state["params"])
        base._validate_params()
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
