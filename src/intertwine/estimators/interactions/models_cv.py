"""Interaction estimators that choose all their hyperparameters by cross-validation."""

from __future__ import annotations

from typing import final

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.utils.validation import check_is_fitted

from intertwine.estimators.docstring import with_parameters
from intertwine.estimators.interactions.cv_base import AbstractInteractionCV
from intertwine.estimators.interactions.cv_parameters import CV_PARAMETERS
from intertwine.estimators.interactions.models import (
    InteractionClassifier,
    InteractionCoxPH,
    InteractionRegressor,
)
from intertwine.estimators.interactions.survival import SurvivalPredictions, cox_loss
from intertwine.losses import LogisticLoss, SquaredLoss
from intertwine.validation import (
    check_class_sizes,
    check_classification_target,
    check_features,
    check_regression_target,
    check_weights,
    restored_on_failure,
)

__all__ = ["InteractionClassifierCV", "InteractionCoxPHCV", "InteractionRegressorCV"]


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
            target = check_regression_target(y, X, weights)
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
            check_class_sizes(codes[kept], self.classes_)
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
