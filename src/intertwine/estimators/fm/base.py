"""What the factorization machines share: hyperparameters, choice of solver, fitting, readings, files."""

from __future__ import annotations

import abc
import warnings
from functools import partial
from typing import Any, Self

import numpy as np
import threadpoolctl
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from intertwine.estimators.fm.parameters import FM_CONSTRAINTS
from intertwine.estimators.fm.results import FMResults
from intertwine.estimators.fm.state import fm_from_state, fm_to_state
from intertwine.estimators.long_work import seed_of, watched
from intertwine.estimators.model_head import AbstractSaved
from intertwine.fitting.fm.adagrad import fit_adagrad
from intertwine.fitting.fm.als import fit_als
from intertwine.fitting.fm.gibbs import fit_gibbs
from intertwine.fitting.fm.model import FMModel, FMOutcome, FMSettings, FMShape, column_scale
from intertwine.fitting.fm.pairs import categories_of
from intertwine.frames import frame_library, make_frame
from intertwine.resources import require_memory, thread_limit
from intertwine.structures.fm_patterns import segments_of
from intertwine.validation import check_features
from intertwine.validation.values import Extremes
from intertwine.validation.wording import counted

__all__ = ["AbstractFM"]

_FIT = {"gibbs": fit_gibbs, "als": fit_als, "adagrad": fit_adagrad}
_SWEEPS = {"gibbs": 500, "als": 200, "adagrad": 100}
_TOLERANCE = {"gibbs": 0.0, "als": 1e-6, "adagrad": 1e-3}
_BURN_IN_SHARE = 5  # of the sweeps, one in five
_CHAIN = 1e13  # products that "auto" lets a chain take: two or three hours, less where rows repeat
_DRAWS = 2e9  # bytes of draws that "auto" lets it keep
_LARGEST_MIXING = 1.2


class AbstractFM(FMResults, AbstractSaved, BaseEstimator):
    """Factorization machine; see the final classes for the parameters."""

    _parameter_constraints: dict = FM_CONSTRAINTS
    _segment: np.ndarray | None = None  # runs of columns of one group, where rows may repeat themselves

    def __init__(
        self,
        *,
        n_components=10,
        order=2,
        solver="auto",
        alpha=0.0001,
        alpha_factors=None,
        frequency_power=0.5,
        linear=True,
        fit_intercept=True,
        feature_groups="auto",
        max_iter=None,
        n_burn_in=None,
        n_samples=200,
        tol=None,
        init_scale=0.1,
        learning_rate=0.1,
        validation_fraction=0.0,
        deterministic=True,
        warm_start=False,
        random_state=None,
        n_jobs=None,
        verbose=False,
        checkpoint=None,
    ):
        self.n_components = n_components
        self.order = order
        self.solver = solver
        self.alpha = alpha
        self.alpha_factors = alpha_factors
        self.frequency_power = frequency_power
        self.linear = linear
        self.fit_intercept = fit_intercept
        self.feature_groups = feature_groups
        self.max_iter = max_iter
        self.n_burn_in = n_burn_in
        self.n_samples = n_samples
        self.tol = tol
        self.init_scale = init_scale
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.deterministic = deterministic
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.checkpoint = checkpoint

    @abc.abstractmethod
    def _labels(self) -> list:
        """Names of the contrasts, one for each model."""

    @abc.abstractmethod
    def _extra_state(self) -> dict:
        """What this estimator publishes besides its models."""

    @abc.abstractmethod
    def _set_extra_state(self, extra: dict) -> None:
        """Take back what ``_extra_state`` gave."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _read(self, X, *, reset: bool):
        idle = "they cannot be told from the intercept"
        return check_features(self, X, reset=reset, allow_sparse=True, dtype=np.float64, idle=idle)

    def _read_part(self, X, *, reset: bool):
        """Some rows of a stream: what is constant in them need not be so in others."""
        return check_features(
            self, X, reset=reset, allow_sparse=True, dtype=np.float64, idle=None, min_rows=1
        )

    def _solver_for(self, rows) -> str:
        """The solver asked for; "auto" samples unless a chain would take hours or its draws much memory."""
        if self.solver != "auto":
            return self.solver
        width = 1 + self.n_components * (self.order - 1)
        sweeps = _SWEEPS["gibbs"] if self.max_iter is None else self.max_iter
        nnz = rows.nnz if sparse.issparse(rows) else rows.size
        kept = 4.0 * self.n_samples * rows.shape[1] * width
        return "gibbs" if sweeps * nnz * width**2 <= _CHAIN and kept <= _DRAWS else "adagrad"

    def _settings(self, solver: str, groups: np.ndarray) -> FMSettings:
        """The public parameters in the terms of a fit."""
        max_iter = _SWEEPS[solver] if self.max_iter is None else self.max_iter
        burn_in = self._burn_in(max_iter)
        if solver == "gibbs" and burn_in >= max_iter:
            raise ValueError(f"n_burn_in={burn_in} leaves no draws of max_iter={max_iter} sweeps")
        k = self.n_components
        return FMSettings(
            shape=FMShape(k, k if self.order == 3 else 0, bool(self.linear), bool(self.fit_intercept)),
            groups=groups,
            alpha=float(self.alpha),
            alpha_factors=float(self.alpha if self.alpha_factors is None else self.alpha_factors),
            frequency_power=float(self.frequency_power),
            max_iter=int(max_iter),
            n_burn_in=int(burn_in),
            n_samples=int(self.n_samples),
            tol=float(_TOLERANCE[solver] if self.tol is None else self.tol),
            init_scale=float(self.init_scale),
            learning_rate=float(self.learning_rate),
            validation_fraction=float(self.validation_fraction),
            deterministic=bool(self.deterministic),
        )

    def _groups(self, p: int) -> np.ndarray:
        """Group of each of p features, numbered from zero."""
        if self.feature_groups is None:
            return np.zeros(p, dtype=np.intp)
        if isinstance(self.feature_groups, str):
            runs = self._categories.run
            alone = np.bincount(runs)[runs] == 1
            return np.unique(np.where(alone, -1, runs), return_inverse=True)[1]
        given = np.asarray(self.feature_groups)
        if given.shape != (p,):
            raise ValueError(
                f"feature_groups has shape {given.shape}, expecting one group for each of {p} features"
            )
        if given.dtype.kind not in "biuU":
            raise TypeError("feature_groups holds groups that are neither all integers nor all text")
        return np.unique(given, return_inverse=True)[1]

    def _fitter(self, solver, rows, loss, response, start_score, scale_of_y, place):
        """A function that fits the model at ``place``, from the last one there where that is asked for."""
        previous = None
        if self.warm_start and hasattr(self, "_models") and place < len(self._models):
            previous = self._models[place][1]
        outcome = FMOutcome(loss, response, start_score, *scale_of_y)
        return partial(_FIT[solver], rows, outcome, previous)

    def _fit_models(self, rows, X, contrasts, solver: str, sample_weight, data) -> None:
        """Fit and publish: ``contrasts`` are (label, function that fits one model)."""
        self._categories = categories_of(rows, sample_weight)
        settings = self._settings(solver, self._groups(rows.shape[1]))
        self._segment = segments_of(settings.groups)
        _require_memory(rows, settings, len(contrasts), solver)
        if solver == "gibbs":
            _warn_of_small_weights(sample_weight)
        models = []
        limits = thread_limit(1 if self.n_jobs is None else self.n_jobs)
        data = (data, self._begun_from(len(contrasts)))
        with limits as n_threads, watched(self, data) as watch, threadpoolctl.threadpool_limits(1, "blas"):
            seed = seed_of(self, watch)
            for label, fit in contrasts:
                if len(contrasts) > 1:
                    watch.progress.section(f"class {label}")
                rng = np.random.default_rng(seed)
                models.append((label, _guarded(partial(fit, settings, rng, watch, n_threads), solver)))
        self.solver_ = solver
        self._frame_library = frame_library(X)
        self._models = models
        self._scale = column_scale(rows, sample_weight)
        low, high = Extremes.of(rows)
        self._seen = (low != 0) | (high != 0)
        self._varies = high > low
        self._warn_of_mixing(settings.max_iter)

    def _begun_from(self, n_contrasts: int) -> list:
        """What the result depends on beside rows and parameters: the fit that a warm start begins from."""
        models = getattr(self, "_models", []) if self.warm_start else []
        return [
            (model.intercepts, model.tables, model.progress and model.progress.point)
            for _, model in models[:n_contrasts]
        ]

    def _warn_of_mixing(self, max_iter: int) -> None:
        worst = max(model.mixing for _, model in self._models)
        if self.solver_ == "gibbs" and worst > _LARGEST_MIXING:
            message = (
                f"the chain had not settled after {max_iter} sweeps (potential scale reduction {worst:.2f}); "
                f"raise max_iter"
            )
        elif np.isinf(worst):
            message = f"stopped after max_iter={max_iter} sweeps while the objective still fell; raise max_iter or tol"
        else:
            return
        warnings.warn(message, ConvergenceWarning, stacklevel=4)

    def _rows_to_predict(self, X):
        check_is_fitted(self, "_models")
        rows = self._read(X, reset=False)
        if not self._seen.all():
            unseen = np.flatnonzero(~self._seen)
            part = rows[:, unseen]
            used = np.asarray((part != 0).sum(axis=0)).ravel() > 0
            if used.any():
                n_rows = int((np.asarray((part != 0).sum(axis=1)).ravel() > 0).sum())
                names = ", ".join(str(self._features[j]) for j in unseen[used][:5])
                more = " and others" if used.sum() > 5 else ""
                warnings.warn(
                    f"{counted(n_rows, 'row has', 'rows have')} features that were zero in every row of fit "
                    f"({names}{more}); these "
                    + (
                        "count as an average feature of their group"
                        if self.solver_ == "gibbs"
                        else "add nothing"
                    ),
                    UserWarning,
                    stacklevel=3,
                )
        return rows

    @property
    def n_iter_(self) -> int:
        """Sweeps made, the most of any contrast."""
        check_is_fitted(self, "_models")
        return max(len(model.history) for _, model in self._models)

    def _burn_in(self, n_sweeps: int) -> int:
        return n_sweeps // _BURN_IN_SHARE if self.n_burn_in is None else self.n_burn_in

    @property
    def n_burn_in_(self) -> int:
        """Sweeps before the first draw that is kept; only of "gibbs"."""
        self._require_draws("n_burn_in_")
        return self._burn_in(self.n_iter_)

    @property
    def scale_reduction_(self) -> float:
        """Potential scale reduction of the chain, near one where it forgot its start; the largest of any class."""
        self._require_draws("scale_reduction_")
        return float(max(model.mixing for _, model in self._models))

    def _require_draws(self, name: str) -> None:
        check_is_fitted(self, "_models")
        if self.solver_ != "gibbs":
            raise AttributeError(f"{name} is of draws, and solver {self.solver_!r} makes none")

    @property
    def history_(self) -> Any:
        """One row per sweep: iteration, misfit (or objective), noise (or relative decrease); class where several."""
        check_is_fitted(self, "_models")
        last = "noise" if self.solver_ == "gibbs" else "decrease"
        first = "misfit" if self.solver_ == "gibbs" else "objective"
        table: dict[str, Any] = {}
        parts = [model.history for _, model in self._models]
        table["iteration"] = np.concatenate([part[:, 0] for part in parts]).astype(int)
        table[first] = np.concatenate([part[:, 1] for part in parts])
        table[last] = np.concatenate([part[:, 2] for part in parts])
        if len(parts) > 1:
            labels = [np.full(len(model.history), label) for label, model in self._models]
            table["class"] = np.concatenate(labels)
        return make_frame(table, self._frame_library)

    def _to_state(self) -> dict[str, Any]:
        check_is_fitted(self, "_models")
        return fm_to_state(self)

    @classmethod
    def _from_state(cls, state: dict[str, Any]) -> Self:
        return fm_from_state(cls, state)


def _guarded(fit, solver: str) -> FMModel:
    remedy = "rescale y or sample_weight" if solver == "gibbs" else "rescale y, or choose another alpha"
    try:
        model = fit()
    except FloatingPointError as error:
        raise ValueError(f"overflow: {error}; {remedy}") from error
    if not np.isfinite(model.tables).all():
        raise ValueError(f"overflow: coefficients are not finite; rescale X, {remedy}")
    return model


def _warn_of_small_weights(weight: np.ndarray) -> None:
    """Weights are numbers of rows to a posterior: shares that sum to one would be a single row."""
    if weight.sum() < 0.5 * weight.size:
        warnings.warn(
            f"sample_weight sums to {weight.sum():.3g} over {weight.size} rows: a posterior reads a weight as a number"
            " of rows, and so few leave it wide; if the weights are no such numbers, divide them by their mean",
            UserWarning,
            stacklevel=5,
        )


def _require_memory(rows, settings: FMSettings, n_models: int, solver: str) -> None:
    draws = settings.n_samples if solver == "gibbs" else 2
    kept = 4 * draws * rows.shape[1] * settings.shape.width * n_models
    running = 8 * rows.shape[0] * (2 + settings.shape.width)
    require_memory(
        1.5 * kept + running,
        f"{draws} draws of {rows.shape[1]} features",
        "a smaller n_samples or n_components",
    )
