"""What the interaction estimators share: hyperparameters, choice of solver, fitting, files."""

from __future__ import annotations

import abc
import warnings
from functools import partial
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from intertwine.estimators.effects_table import pair_terms
from intertwine.estimators.interactions.layout import INTERACTIONS
from intertwine.estimators.interactions.solver_choice import choose_solver
from intertwine.estimators.interactions.state import model_from_state, model_to_state
from intertwine.estimators.long_work import seed_of, watched
from intertwine.estimators.model_head import AbstractSaved, head_of, take_features, with_params
from intertwine.estimators.progress import progress, warn_if_unconverged
from intertwine.estimators.results import InteractionResults, check_count
from intertwine.fitting.interactions.bootstrap import bootstrap_table
from intertwine.fitting.interactions.fit_exact import fit_exact
from intertwine.fitting.interactions.fit_sparse import fit_sparse
from intertwine.fitting.interactions.latent_search import LatentSettings
from intertwine.fitting.interactions.settings import ModelSettings, PreparationSettings
from intertwine.fitting.watch import AbstractProgress, Watch
from intertwine.frames import frame_library, make_frame
from intertwine.io.layout import require_layout
from intertwine.losses import AbstractLoss, SquaredLoss
from intertwine.resources import thread_limit
from intertwine.sparse_path.heredity import StrongHeredity, WeakHeredity
from intertwine.validation import (
    INTERACTION_CONSTRAINTS,
    check_column_selection,
    check_features,
    check_unpenalized_rank,
)
from intertwine.validation.caller import depth_of_caller
from intertwine.validation.wording import columns_where

__all__ = ["AbstractInteractionEstimator", "load_estimator_state"]

_HEREDITY = {"weak": WeakHeredity, "strong": StrongHeredity}
_SPARSE_STEPS = 1000  # of the convex problem, at least: each is short
_STEEPEST = 20.0  # log odds, or log hazard ratio, of a standard deviation
_SMALL_ROWS = 1500  # small problems gain nothing from threads and lose reproducibility


class AbstractInteractionEstimator(InteractionResults, AbstractSaved, BaseEstimator):
    """Linear predictor with all pairwise interactions; see the final classes for the parameters."""

    _parameter_constraints: dict = INTERACTION_CONSTRAINTS

    def __init__(
        self,
        *,
        alpha=0.1,
        alpha_pairs=None,
        l1_ratio=0.0,
        latent="low_rank",
        n_components=2,
        tie=0.1,
        order=2,
        squares=False,
        relevance=0.0,
        basis=None,
        n_knots=5,
        scaling="features",
        unpenalized=None,
        heredity=None,
        solver="auto",
        n_init=3,
        max_iter=500,
        tol=1e-8,
        random_state=None,
        n_jobs=None,
        verbose=False,
        checkpoint=None,
    ):
        self.alpha = alpha
        self.alpha_pairs = alpha_pairs
        self.l1_ratio = l1_ratio
        self.latent = latent
        self.n_components = n_components
        self.tie = tie
        self.order = order
        self.squares = squares
        self.relevance = relevance
        self.basis = basis
        self.n_knots = n_knots
        self.scaling = scaling
        self.unpenalized = unpenalized
        self.heredity = heredity
        self.solver = solver
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.checkpoint = checkpoint

    @abc.abstractmethod
    def _resampled(self, loss, model, rng) -> AbstractLoss:
        """The loss of a new outcome drawn from a fitted model, for the bootstrap."""

    def _settings(self) -> ModelSettings:
        """The public parameters in the terms of the objective."""
        latent = None
        if self.latent is not None and self.tie > 0:
            latent = LatentSettings(self.latent, self.n_components, self.n_init, self.max_iter, self.tol)
        return ModelSettings(
            preparation=PreparationSettings(
                spline_knots=self.n_knots if self.basis == "spline" else 0,
                standardize=self.scaling is not None,
                quantile=self.scaling == "quantile",
                squares=bool(self.squares),
                relevance=None if self.relevance == "evidence" else float(self.relevance),
            ),
            alpha=self.alpha,
            alpha_pairs=self.alpha if self.alpha_pairs is None else self.alpha_pairs,
            l1_ratio=self.l1_ratio,
            tie=self.tie,
            latent=latent,
            order=self.order,
            scaled_products=self.scaling == "products",
            unpenalized=check_column_selection(self.unpenalized, self, "unpenalized"),
            heredity=None if self.heredity is None else _HEREDITY[self.heredity](),
        )

    def _check_determined(self, X, settings: ModelSettings) -> None:
        """Refuse main effects without a penalty whose features repeat one another."""
        free = np.arange(X.shape[1]) if settings.alpha == 0 else settings.unpenalized
        if len(free):
            columns = X[:, free] - X[:, free].mean(axis=0)
            columns[:, np.ptp(X[:, free], axis=0) == 0] = 0.0  # a mean may round
            check_unpenalized_rank(columns, [self._features[j] for j in free])
        n_pairs = X.shape[1] * (X.shape[1] - 1) // 2
        if settings.alpha_pairs == 0 and n_pairs >= len(X):
            warnings.warn(
                f"{len(X)} rows cannot determine {n_pairs} pairs without a penalty; the smallest coefficients that fit "
                "are reported, and their standard errors mean nothing: set alpha_pairs > 0",
                UserWarning,
                stacklevel=4,
            )

    def _fit_models(self, X, losses, labels, frame, watch: Watch | None = None) -> None:
        """Fit and publish; ``watch`` is that of the fit around this one."""
        settings = self._settings()
        self._check_determined(np.asarray(X, dtype=float), settings)
        solver, reason = choose_solver(self.solver, settings, *X.shape)
        X = np.asarray(X, dtype=float)
        models = []
        threads = 1 if self.n_jobs is None and len(X) <= _SMALL_ROWS else self.n_jobs
        with thread_limit(threads), watched(self, (X, losses), watch) as watch:
            seed = seed_of(self, watch)
            for label, loss in zip(labels, losses, strict=True):
                if len(losses) > 1:
                    watch.progress.section(f"class {label}")
                rng = np.random.default_rng(seed)  # every class contrast starts from the same random numbers
                if solver == "exact":
                    models.append(fit_exact(loss, X, settings, rng, watch))
                else:
                    n_steps = max(self.max_iter, _SPARSE_STEPS)
                    models.append(fit_sparse(loss, X, settings, rng, self.tol, n_steps, watch))
        warn_if_unconverged(models, self.max_iter)
        self.solver_reason_ = reason
        self._frame_library = frame_library(frame)
        self._models = list(zip(labels, models, strict=True))
        self._training = (losses, settings)
        if settings.preparation.standardize and not isinstance(losses[0], SquaredLoss):
            self._warn_of_separation()

    def _warn_of_separation(self) -> None:
        """Warn of effects that no data have: the outcome is told without exception, and only the penalty holds them."""
        steep = np.abs(np.atleast_2d(self.coef_)).max(axis=0) > _STEEPEST
        if steep.any() and len(steep) == len(self._features):
            warnings.warn(
                f"{columns_where(steep, np.asarray(self._features, dtype=object))} diverges: it tells the outcome "
                "without exception, and its effect is as large as the penalty lets it be; raise alpha",
                ConvergenceWarning,
                stacklevel=depth_of_caller(),
            )

    def _scores(self, X) -> np.ndarray:
        """Scores of rows, (n,) or (n, n_contrasts)."""
        check_is_fitted(self, "_models")
        X = check_features(self, X, reset=False)
        scores = [model.scores(np.asarray(X, dtype=float)) for _, model in self._models]
        return scores[0] if len(scores) == 1 else np.column_stack(scores)

    def bootstrap_interactions(self, n_bootstrap: int = 100, k: int = 20) -> Any:
        """Spread of the strongest interactions over refits to outcomes drawn again.

        Regression and classification draw new outcomes from the fitted model (parametric bootstrap); Cox models
        draw weights of the rows (Bayesian bootstrap). Everything is refitted at the same hyperparameters, the latent
        target included, so this shows what fixed latent vectors hide, not what searched hyperparameters do.

        Parameters
        ----------
        n_bootstrap : int, default=100
            Number of refits, at least 2.
        k : int, default=20
            Number of pairs, those of ``top_interactions(k)``.

        Returns
        -------
        frame
            term, estimate, std_error (as in ``top_interactions``), std_error_bootstrap, lower, upper (2.5% and
            97.5% quantiles of the refits about their mean, moved to the estimate: a penalty shrinks refits once
            more), rank_stability (share of refits in which the pair is again among the k strongest); class in
            multiclass problems. With a spline basis an estimate is a size, and its limits say nothing about zero.

        Raises
        ------
        ValueError
            For a model loaded from a file (it does not hold the outcome) or fitted by the sparse path; for fewer
            than 2 refits.
        """
        check_is_fitted(self, "_models")
        with progress(self.verbose, type(self).__name__) as shown:
            return self._bootstrap(n_bootstrap, k, shown)

    def _bootstrap(self, n_bootstrap, k, shown: AbstractProgress):
        check_count(n_bootstrap, "n_bootstrap")
        check_count(k, "k")
        if n_bootstrap < 2:
            raise ValueError("n_bootstrap must be at least 2, or there is no spread")
        if self._training is None:
            raise ValueError("a model loaded from a file does not hold its outcome; fit again to bootstrap")
        if self.solver_ != "exact":
            raise ValueError("bootstrap_interactions needs the exact path (l1_ratio=0)")
        losses, settings = self._training
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
        tables = []
        for c, (label, model) in enumerate(self._models):
            if len(self._models) > 1:
                shown.section(f"class {label}")
            draw = partial(self._resampled, losses[c], model)
            table = bootstrap_table(losses[c], settings, model, draw, n_bootstrap, k, rng, shown)
            first, second = table.pop("first"), table.pop("second")
            table = {"term": pair_terms(self._features, first, second), **table}
            if len(self._models) > 1:
                table["class"] = np.full(len(first), label)
            tables.append(table)
        joined = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
        return make_frame(joined, self._frame_library)

    def _to_state(self) -> dict[str, Any]:
        check_is_fitted(self, "_models")
        return head_of(self) | {
            "solver_reason_": self.solver_reason_,
            "labels": [str(label) for label, _ in self._models],
            "models": [model_to_state(model) for _, model in self._models],
            "extra": self._extra_state(),
        }

    @abc.abstractmethod
    def _extra_state(self) -> dict:
        """What this estimator publishes besides its models."""

    @abc.abstractmethod
    def _set_extra_state(self, extra: dict) -> None:
        """Take back what ``_extra_state`` gave."""

    @classmethod
    def _from_state(cls, state: dict[str, Any]) -> Self:
        require_layout(state, INTERACTIONS)
        return load_estimator_state(with_params(cls, state["params"]), state)


def load_estimator_state(estimator, state: dict):
    """Fill a freshly constructed estimator from a file's state."""
    take_features(estimator, state)
    estimator.solver_reason_ = state["solver_reason_"]
    models = [model_from_state(model) for model in state["models"]]
    estimator._set_extra_state(state["extra"])
    labels = getattr(estimator, "_class_labels", state["labels"])
    estimator._models = list(zip(labels, models, strict=True))
    estimator._training = None
    return estimator
