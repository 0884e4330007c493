"""Linear predictors with all pairwise interactions, tied to latent vectors: regression, classification, survival.

    f(x) = b + Σ_j β_j x_j + Σ_{j<k} θ_jk x_j x_k
    J = L(f) + alpha·EN(β) + alpha_pairs·EN(Θ) + ½·tie·Σ_{j<k} (θ_jk − g(z_j, z_k))²

with L the weighted mean loss and EN(u) = l1_ratio·‖u‖₁ + ½(1 − l1_ratio)‖u‖².
"""

from __future__ import annotations

from typing import final

import numpy as np
from scipy.special import expit
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context

from intertwine.estimators.docstring import with_parameters
from intertwine.estimators.interactions.base import AbstractInteractionEstimator
from intertwine.estimators.interactions.survival import SurvivalPredictions, cox_loss, resampled_cox
from intertwine.estimators.model_head import classes_from_state, classes_to_state
from intertwine.losses import LogisticLoss, SquaredLoss
from intertwine.validation import (
    COX_CONSTRAINTS,
    INTERACTION_CONSTRAINTS,
    check_classification_target,
    check_features,
    check_regression_target,
    check_weights,
    restored_on_failure,
    rows_that_count,
)

__all__ = ["InteractionClassifier", "InteractionCoxPH", "InteractionRegressor"]

_PARAMETERS = """
    Parameters
    ----------
    alpha : float, default=0.1
        Strength of the penalty on main effects.
    alpha_pairs : float, default=None
        Strength on interactions and own squares; None: the same as ``alpha``.
    l1_ratio : float in [0, 1], default=0.0
        Share of L1 in both penalties; 0 (ridge) allows the exact path.
    latent : {"low_rank", "signed", "two_factor", "distance"} or None, default="low_rank"
        What interactions are tied to: zᵀz, zᵀSz with signs chosen by the objective, ½(zᵀw + wᵀz), a₀ − ‖z − z‖².
        None: nothing (an elastic net with all pairs).
    n_components : int, default=2
        Latent dimension d.
    tie : float, default=0.1
        Strength of the tie; 0: none, ``np.inf``: interactions equal their target (a factorization machine).
    order : {2, 3}, default=2
        3 adds all three-way interactions (exact path).
    squares : bool, default=False
        Give every feature its own, separately signed square.
    relevance : float or "evidence", default=0.0
        Weight features by their marginal leave-one-out R² to this power, or by evidence (ARD).
    basis : {"spline"} or None, default=None
        Expand features in cubic B-splines first; interactions are then surfaces.
    n_knots : int, default=5
        Knots of the splines, at quantiles.
    scaling : {"features", "quantile", "products"} or None, default="features"
        Standardise features; their normal scores; features and, separately, all products (sparse path); nothing.
    unpenalized : sequence of names or positions, default=None
        Features whose main effect carries no penalty.
    heredity : {"weak", "strong"} or None, default=None
        Allow an interaction only with one (weak) or both (strong) main effects (sparse path).
    solver : {"auto", "exact", "sparse"}, default="auto"
        ``solver_`` and ``solver_reason_`` say what "auto" chose.
    n_init : int, default=3
        Starts of the latent search: one spectral, the others random.
    max_iter : int, default=500
        Iterations of every start.
    tol : float, default=1e-8
        The latent search ends when the decrease of the objective that is still in sight, relative, falls below it; the
        sparse path, when its optimality conditions hold to it.
    random_state : int, RandomState or None, default=None
        Random starts. The same seed gives the same fit for the same number of threads.
    n_jobs : int, default=None
        Threads of the linear algebra; None: as many as it likes.
    verbose : bool or int, default=False
        Show progress on standard error: one live line in a terminal, plain lines elsewhere; more lines from 2 on.
    checkpoint : str or path-like, default=None
        File in which the fit keeps what it has finished, at most every 20 seconds and when it is interrupted. A fit
        with the same data, parameters, number of threads and path goes on from there, to the same result to the bit;
        one with others is refused. Removed on success. One file is for one fit at a time.

    Attributes
    ----------
    coef_ : ndarray (p,) or (n_classes, p)
        Main effects per standard deviation.
    intercept_ : float
        Score where all features are at their mean.
    latent_ : ndarray (p, d) or None
        Latent coordinates.
    solver_, solver_reason_ : str
        Solver used and why.
    optimality_ : float
        Largest relative violation of the optimality conditions.
    noise_variance_, log_evidence_, objective_ : float
    history_ : frame
        Iterations of every start of the latent search: start, iteration, value, optimality, seconds, best.
    n_iter_, n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only for frames.
"""

_COX_PARAMETERS = _PARAMETERS.replace(
    "    alpha :",
    """    ties : {"efron", "breslow"}, default="efron"
        How events at the same time are counted.
    alpha :""",
    1,
)


@final
@with_parameters(_PARAMETERS)
class InteractionRegressor(RegressorMixin, AbstractInteractionEstimator):
    """Regression with all pairwise interactions, tied to latent vectors.

    {parameters}

    References
    ----------
    LIT-LVM, arXiv 2506.15492; the exact path and its derivation are documented in `intertwine.objective`.

    Examples
    --------
    >>> import numpy as np
    >>> from intertwine import InteractionRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 6))
    >>> y = X[:, 0] + 2 * X[:, 1] * X[:, 2] + 0.1 * rng.standard_normal(100)
    >>> model = InteractionRegressor(alpha=0.01, latent=None).fit(X, y)
    >>> model.top_interactions(1)["term"][0]
    'x1 × x2'
    """

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array-like or frame (n, p)
        y : array-like (n,)
        sample_weight : array-like (n,), default=None

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            For input that cannot be used; the message names columns or rows.
        MemoryError
            Before anything too large is allocated.
        """
        return self._fit(X, y, sample_weight)

    def _fit(self, X, y, sample_weight, watch=None):
        with restored_on_failure(self):
            rows = check_features(self, X, reset=True)
            weights = check_weights(sample_weight, len(rows), X)
            target = check_regression_target(y, X, weights)
            kept = weights > 0
            self._fit_models(
                rows_that_count(rows, kept), [SquaredLoss(target[kept], weights[kept])], [""], X, watch
            )
        return self

    def predict(self, X) -> np.ndarray:
        """Predicted outcome (n,)."""
        return self._scores(X)

    def _resampled(self, loss, model, rng):
        noise = np.sqrt(model.diagnostics.dispersion / loss.sample_weight) * rng.standard_normal(loss.n_rows)
        return SquaredLoss(model.pairs.posterior.scores + noise, loss.sample_weight)

    def _extra_state(self):
        return {}

    def _set_extra_state(self, extra):
        pass


@final
@with_parameters(_PARAMETERS)
class InteractionClassifier(ClassifierMixin, AbstractInteractionEstimator):
    """Logistic regression with all pairwise interactions, tied to latent vectors.

    More than two classes are fitted one against the rest, each with a latent map of its own; probabilities are
    normalised over the classes.

    {parameters}
    classes_ : ndarray (n_classes,)

    References
    ----------
    LIT-LVM, arXiv 2506.15492.

    Examples
    --------
    >>> import numpy as np
    >>> from intertwine import InteractionClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 5))
    >>> y = np.where(X[:, 1] * X[:, 2] > 0, "ill", "well")
    >>> model = InteractionClassifier(alpha=0.01, latent=None).fit(X, y)
    >>> bool(model.score(X, y) > 0.9)
    True
    """

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array-like or frame (n, p)
        y : array-like (n,)
            Class labels, two or more.
        sample_weight : array-like (n,), default=None

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError, MemoryError
            As in regression; also for a single class.
        """
        return self._fit(X, y, sample_weight)

    def _fit(self, X, y, sample_weight, watch=None):
        with restored_on_failure(self):
            rows = check_features(self, X, reset=True)
            weights = check_weights(sample_weight, len(rows), X)
            codes, self.classes_ = check_classification_target(y, X, weights)
            kept = weights > 0
            contrasts = [1] if len(self.classes_) == 2 else range(len(self.classes_))
            losses = [LogisticLoss(np.where(codes[kept] == c, 1.0, -1.0), weights[kept]) for c in contrasts]
            self._class_labels = [self.classes_[c] for c in contrasts]
            self._fit_models(rows_that_count(rows, kept), losses, self._class_labels, X, watch)
        return self

    def decision_function(self, X) -> np.ndarray:
        """Log odds of the second class (n,), or of every class against the rest (n, n_classes)."""
        return self._scores(X)

    def predict_proba(self, X) -> np.ndarray:
        """Class probabilities (n, n_classes)."""
        probability = expit(self._scores(X))
        if probability.ndim == 1:
            return np.column_stack([1.0 - probability, probability])
        total = probability.sum(axis=1, keepdims=True)
        return np.where(total > 0, probability / np.where(total > 0, total, 1.0), 1.0 / probability.shape[1])

    def predict(self, X) -> np.ndarray:
        """Most probable class (n,)."""
        scores = self._scores(X)
        chosen = (scores > 0).astype(int) if scores.ndim == 1 else np.argmax(scores, axis=1)
        return self.classes_[chosen]

    def _resampled(self, loss, model, rng):
        probability = expit(model.pairs.posterior.scores)
        y = np.where(rng.random(loss.n_rows) < probability, 1.0, -1.0)
        return LogisticLoss(y, loss.sample_weight)

    def _extra_state(self):
        return {"classes": classes_to_state(self.classes_)}

    def _set_extra_state(self, extra):
        self.classes_ = classes_from_state(extra["classes"])
        contrasts = [1] if len(self.classes_) == 2 else range(len(self.classes_))
        self._class_labels = [self.classes_[c] for c in contrasts]


@final
@with_parameters(_COX_PARAMETERS)
class InteractionCoxPH(SurvivalPredictions, AbstractInteractionEstimator):
    """Cox proportional hazards with all pairwise interactions, tied to latent vectors.

    {parameters}
    baseline_hazard_ : frame
        Cumulative baseline hazard: strata, time, cumulative_hazard.

    References
    ----------
    LIT-LVM, arXiv 2506.15492. Cox (1972); Efron (1977).

    Examples
    --------
    >>> import numpy as np
    >>> from intertwine import InteractionCoxPH, survival_target
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((150, 4))
    >>> time = rng.exponential(np.exp(-X[:, 0] - X[:, 1] * X[:, 2]))
    >>> model = InteractionCoxPH(alpha=0.02, latent=None).fit(X, survival_target(time, np.ones(150)))
    >>> model.top_interactions(1)["term"][0]
    'x1 × x2'
    """

    _parameter_constraints: dict = INTERACTION_CONSTRAINTS | COX_CONSTRAINTS

    def __init__(
        self,
        *,
        ties="efron",
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
        self.ties = ties
        given = {name: value for name, value in locals().items() if name not in ("self", "ties", "__class__")}
        super().__init__(**given)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, strata=None):
        """Fit the model.

        Parameters
        ----------
        X : array-like or frame (n, p)
        y : structured array or frame
            From `survival_target(time, event, entry)`, or a frame with columns time, event and perhaps entry.
        sample_weight : array-like (n,), default=None
        strata : array-like (n,), default=None
            Rows of different strata have baselines of their own.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError, MemoryError
            As in regression; also for survival times that cannot be used.
        """
        return self._fit(X, y, sample_weight, strata)

    def _fit(self, X, y, sample_weight, strata, watch=None):
        with restored_on_failure(self):
            rows = check_features(self, X, reset=True)
            loss, kept = cox_loss(y, X, sample_weight, strata, len(rows), self.ties)
            self._fit_models(rows_that_count(rows, kept), [loss], [""], X, watch)
            self._set_baseline(
                loss, self._models[0][1].scores(np.asarray(rows_that_count(rows, kept), float))
            )
        return self

    def _resampled(self, loss, model, rng):
        return resampled_cox(loss, rng)

    def _extra_state(self):
        return self._baseline_state()

    def _set_extra_state(self, extra):
        self._restore_baseline(extra)
