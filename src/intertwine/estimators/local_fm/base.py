"""What the local factorization machines share: hyperparameters, fitting, files."""

from __future__ import annotations

import abc
import warnings
from collections.abc import Sequence
from functools import partial
from numbers import Integral, Real
from os import PathLike
from typing import Any, Self

import numpy as np
import threadpoolctl
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from intertwine.estimators.local_fm.results import LocalFMResults
from intertwine.estimators.local_fm.state import LOCAL_FM, fit_from_state, fit_to_state
from intertwine.estimators.local_fm.threads import fits_in_order, n_threads_for, results_in_order
from intertwine.estimators.long_work import seed_of, watched
from intertwine.estimators.model_head import AbstractSaved, head_of, take_features, with_params
from intertwine.fitting.local_fm.feature_scaling import FeatureScaling
from intertwine.fitting.local_fm.fit import (
    Batch,
    Descent,
    LocalFMFit,
    LocalFMSettings,
    Stochastic,
    fit_local_fm,
)
from intertwine.fitting.local_fm.memory import require_memory_of_fits, require_memory_of_scores
from intertwine.frames import frame_library
from intertwine.io.layout import require_layout
from intertwine.losses import AbstractLoss
from intertwine.resources import thread_limit
from intertwine.structures.coding import AdaptiveCoding, GaussianCoding
from intertwine.structures.fm_sweep import exclusive_runs
from intertwine.validation import check_column_selection, check_features
from intertwine.validation.wording import counted

__all__ = ["AbstractLocalFM"]

_BATCH_WORK = 5e6  # products of one evaluation up to which all rows at once are quicker than mini-batches
# and how many neighbors are usual: k*-NN chooses by itself, seldom as many as may be looked at
_CODINGS: dict[str, tuple[type, int]] = {"gaussian": (GaussianCoding, 5), "adaptive": (AdaptiveCoding, 20)}
_ROWS = 32768  # scored at a time, so that a large prediction needs little beside its rows
_USELESS = 1.05  # times the loss of a constant: mini-batches judge a little too high
_COUNT = Interval(Integral, 1, None, closed="left")
_POSITIVE = Interval(Real, 0, None, closed="neither")
_STRENGTH = Interval(Real, 0, None, closed="left")

_CONSTRAINTS: dict[str, list[Any]] = {
    "n_anchors": [_COUNT],
    "n_components": [_COUNT],
    "anchors": [StrOptions({"fixed", "learned"})],
    "coding": [StrOptions({"gaussian", "adaptive"})],
    "n_neighbors": [_COUNT, None],
    "gamma": [_POSITIVE, StrOptions({"scale"})],
    "space": [StrOptions({"features", "latent"}), "array-like"],
    "n_latent": [_COUNT, None],
    "alpha": [_STRENGTH],
    "alpha_anchors": [_STRENGTH],
    "scaling": [StrOptions({"features"}), None],
    "n_estimators": [_COUNT],
    "solver": [StrOptions({"auto", "lbfgs", "adam"})],
    "learning_rate": [_POSITIVE],
    "batch_size": [_COUNT],
    "n_epochs": [_COUNT],
    "max_iter": [_COUNT],
    "tol": [_STRENGTH],
    "random_state": ["random_state"],
    "n_jobs": [Integral, None],
    "verbose": ["verbose"],
    "checkpoint": [str, PathLike, None],
}


class AbstractLocalFM(LocalFMResults, AbstractSaved, BaseEstimator):
    """Blend of factorization machines over anchors; see the final classes for the parameters."""

    _parameter_constraints: dict = _CONSTRAINTS

    def __init__(
        self,
        *,
        n_anchors=20,
        n_components=5,
        anchors="learned",
        coding="gaussian",
        n_neighbors=None,
        gamma="scale",
        space="features",
        n_latent=None,
        alpha=1e-5,
        alpha_anchors=0.0,
        scaling="features",
        n_estimators=1,
        solver="auto",
        learning_rate=0.02,
        batch_size=256,
        n_epochs=20,
        max_iter=200,
        tol=1e-4,
        random_state=None,
        n_jobs=None,
        verbose=False,
        checkpoint=None,
    ):
        self.n_anchors = n_anchors
        self.n_components = n_components
        self.anchors = anchors
        self.coding = coding
        self.n_neighbors = n_neighbors
        self.gamma = gamma
        self.space = space
        self.n_latent = n_latent
        self.alpha = alpha
        self.alpha_anchors = alpha_anchors
        self.scaling = scaling
        self.n_estimators = n_estimators
        self.solver = solver
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_epochs = n_epochs
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.checkpoint = checkpoint

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _read_fit(self, X) -> Any:
        """The rows of a fit. Sparse ones are not centred: there a constant column is no column of zeros."""
        idle = "they cannot be told from the intercept" if sparse.issparse(X) else "their coefficients are 0"
        return check_features(
            self, X, reset=True, allow_sparse=True, idle=idle, alone="every expert is a line in it"
        )

    def _settings(self, X) -> LocalFMSettings:
        """The public parameters in the terms of the fit; X is scaled."""
        coding, usual = _CODINGS[self.coding]
        n_neighbors = min(self.n_neighbors or usual, self.n_anchors)
        work = X.nnz * n_neighbors * (1 + self.n_components)
        self.solver_ = self.solver
        if self.solver == "auto":
            self.solver_ = "lbfgs" if work <= _BATCH_WORK else "adam"
        by_name = isinstance(self.space, str)
        columns = None if by_name else check_column_selection(self.space, self, "space")
        if columns is not None and not columns.size:
            raise ValueError("space is empty; name the columns that distances are measured in, or 'features'")
        latent = by_name and self.space == "latent"
        return LocalFMSettings(
            n_anchors=self.n_anchors,
            n_components=self.n_components,
            coding=coding(n_neighbors),
            gamma=None if self.gamma == "scale" else float(self.gamma),
            columns=columns,
            n_latent=(self.n_latent or self.n_components) if latent else 0,
            learns_anchors=self.anchors == "learned",
            alpha=self.alpha,
            alpha_anchors=self.alpha_anchors,
            descent=Descent(
                Stochastic(self.n_epochs, self.learning_rate, self.batch_size),
                None if self.solver_ == "adam" else Batch(self.max_iter, self.tol),
            ),
        )

    def _fit_machines(self, X, losses: Sequence[AbstractLoss], labels: Sequence[Any], frame) -> None:
        """Fit ``n_estimators`` machines to each loss, and publish them."""
        scaling = FeatureScaling.none(X.shape[1])
        if self.scaling is not None:
            scaling = FeatureScaling.of(X, losses[0].sample_weight)
        rows = scaling.apply(X)
        settings = self._settings(rows)
        repeated = [loss for loss in losses for _ in range(self.n_estimators)]
        members = list(range(self.n_estimators)) * len(losses)
        require_memory_of_fits(rows, settings, len(repeated), n_threads_for(self.n_jobs, len(repeated)))

        def fit(seed, loss, member, watch):
            # every class contrast starts from the same random numbers
            rng = np.random.default_rng([seed, member])
            with threadpoolctl.threadpool_limits(1, "openmp"):  # a limit of each thread's own
                return fit_local_fm(loss, rows, settings, rng, watch)

        with watched(self, (X, losses)) as watch, thread_limit(1):
            seed = seed_of(self, watch)
            machines = [partial(fit, seed, *one) for one in zip(repeated, members, strict=True)]
            fits = fits_in_order(machines, self.n_jobs, watch)
        self._warn_if_unconverged(fits)
        self._warn_if_useless([(loss, fit) for loss, fit in zip(repeated, fits, strict=True)])
        groups = [fits[i : i + self.n_estimators] for i in range(0, len(fits), self.n_estimators)]
        self._machines = list(zip(labels, groups, strict=True))
        self._scaling = scaling
        self._runs = exclusive_runs(sparse.csc_array(X))
        self._frame_library = frame_library(frame)

    def _warn_if_unconverged(self, fits: list[LocalFMFit]) -> None:
        cut = [fit.history[-1].optimality for fit in fits if not fit.converged]
        if cut:
            warnings.warn(
                f"stopped after {counted(self.max_iter, 'iteration', 'iterations')} with optimality {max(cut):.1e}; "
                "raise max_iter, tol or alpha",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _warn_if_useless(self, fitted: list[tuple[AbstractLoss, LocalFMFit]]) -> None:
        """Warn of descents that ended above the loss of the best constant."""
        for loss, fit in fitted:
            constant = loss.value(np.full(loss.n_rows, fit.offset))
            reached = fit.history[-1].value
            if reached > _USELESS * constant:
                remedy = "lower learning_rate"
                if self.scaling is None:
                    remedy += ", or let scaling='features' bring the features to one scale"
                warnings.warn(
                    f"the fit ended at a loss of {reached:.3g}, above the {constant:.3g} of a constant; {remedy}",
                    ConvergenceWarning,
                    stacklevel=4,
                )
                return

    def _member_scores(self, X) -> list[np.ndarray]:
        """Scores (n, n_estimators) of every contrast."""
        check_is_fitted(self, "_machines")
        X = check_features(self, X, reset=False, allow_sparse=True)
        fits = [fit for _, members in self._machines for fit in members]
        starts = range(0, X.shape[0], _ROWS)
        machines = [fit.machine for fit in fits]
        filled = X.nnz if self._scaling.keeps_sparse(X) else X.shape[0] * X.shape[1]
        n_entries = filled * min(1.0, _ROWS / X.shape[0])
        require_memory_of_scores(X.shape[0], n_entries, machines, n_threads_for(self.n_jobs, len(starts)))

        def scores_from(start):
            rows = self._scaling.apply(X[start : start + _ROWS])
            return np.column_stack([fit.scores(rows) for fit in fits])

        scores = results_in_order([partial(scores_from, start) for start in starts], self.n_jobs)
        return np.split(np.concatenate(scores), len(self._machines), axis=1)

    def _to_state(self) -> dict[str, Any]:
        check_is_fitted(self, "_machines")
        space = self.space if isinstance(self.space, str) else np.asarray(self.space).tolist()
        return head_of(self, space=space) | {
            "solver_": self.solver_,
            "scaling": self._scaling._asdict(),
            "runs": self._runs,
            "machines": [[fit_to_state(fit) for fit in fits] for _, fits in self._machines],
            "extra": self._extra_state(),
        }

    @abc.abstractmethod
    def _extra_state(self) -> dict:
        """What this estimator publishes besides its machines."""

    @abc.abstractmethod
    def _set_extra_state(self, extra: dict) -> list:
        """Take back what ``_extra_state`` gave; return the labels of the contrasts."""

    @classmethod
    def _from_state(cls, state: dict[str, Any]) -> Self:
        require_layout(state, LOCAL_FM)
        estimator = with_params(cls, state["params"])
        take_features(estimator, state)
        estimator.solver_ = state["solver_"]
        estimator._scaling = FeatureScaling(**state["scaling"])
        # files of before did not say which features exclude each other
        estimator._runs = state.get("runs", np.arange(estimator.n_features_in_))
        labels = estimator._set_extra_state(state["extra"])
        machines = [[fit_from_state(fit) for fit in fits] for fits in state["machines"]]
        estimator._machines = list(zip(labels, machines, strict=True))
        return estimator
