"""Factorization machines: every pair of features interacts, through the product of their factors.

f(x) = w₀ + Σ_j w_j x_j + Σ_{j<k} ⟨v_j, v_k⟩ x_j x_k
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
from scipy.special import expit, logit, ndtr, ndtri
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.utils.metaestimators import available_if

from intertwine.estimators.docstring import with_parameters
from intertwine.estimators.fm.parameters import FM_CLASSIFIER_PARAMETERS, FM_CONSTRAINTS, FM_PARAMETERS
from intertwine.estimators.fm.streams import ClassificationStreams, RegressionStreams
from intertwine.estimators.model_head import classes_from_state, classes_to_state
from intertwine.losses import LogisticLoss, SquaredLoss
from intertwine.losses.working import (
    GaussianResponse,
    LogisticResponse,
    OrdinalProbitResponse,
    ProbitResponse,
)
from intertwine.validation import (
    check_classification_target,
    check_regression_target,
    check_weights,
    order_classes,
    restored_on_failure,
    rows_that_count,
)

__all__ = ["FMClassifier", "FMRegressor"]


def _is_not_ordinal(estimator) -> bool:
    return not estimator.ordinal


@final
@with_parameters(FM_PARAMETERS)
class FMRegressor(RegressorMixin, RegressionStreams):
    """Factorization machine for a numeric outcome, on dense or sparse features.

    {parameters}

    References
    ----------
    S. Rendle, Factorization Machines (ICDM 2010). C. Freudenthaler et al., Bayesian Factorization Machines (2011).

    Examples
    --------
    >>> import numpy as np
    >>> from intertwine import FMRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 5))
    >>> y = X[:, 0] + 2 * X[:, 1] * X[:, 2] + 0.1 * rng.standard_normal(200)
    >>> model = FMRegressor(n_components=3, max_iter=100, random_state=0).fit(X, y)
    >>> model.top_interactions(1)["term"][0]
    'x1 × x2'
    >>> mean, std = model.predict(X, return_std=True)
    >>> bool(np.mean(np.abs(y - mean) < 2 * std) > 0.9)
    True
    """

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array-like, frame or sparse matrix (n, p)
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

        Warns
        -----
        ConvergenceWarning
            When more sweeps are needed.
        """
        with restored_on_failure(self):
            rows = self._read(X, reset=True)
            weights = check_weights(sample_weight, rows.shape[0], X)
            target = check_regression_target(y, X, weights)
            kept = weights > 0
            rows, target, weights = rows_that_count(rows, kept), target[kept], weights[kept]
            center = float(np.average(target, weights=weights)) if self.fit_intercept else 0.0
            spread = float(np.sqrt(np.average((target - center) ** 2, weights=weights)))
            if not spread > 0:
                raise ValueError(
                    "y does not vary over the rows that have weight, or too little to compute with: rescale it"
                )
            standard = (target - center) / spread
            solver = self._solver_for(rows)
            response = GaussianResponse(standard, weights)
            fit = self._fitter(
                solver, rows, SquaredLoss(standard, weights), response, 0.0, (center, spread), 0
            )
            self._fit_models(rows, X, [("", fit)], solver, weights, (rows, target, weights))
        return self

    def predict(self, X, return_std=False):
        """Predicted outcome.

        Parameters
        ----------
        X : array-like, frame or sparse matrix (n, p)
        return_std : bool, default=False
            Also give the predictive standard deviation of an outcome of weight one ("gibbs").

        Returns
        -------
        ndarray (n,), or two of them

        Raises
        ------
        ValueError
            For ``return_std`` where the solver gives one set of coefficients.
        """
        rows = self._rows_to_predict(X)
        model = self._models[0][1]
        mean, spread = model.moments(rows, self._segment)
        if not return_std:
            return mean
        if model.noise.size == 0:
            raise ValueError("return_std needs draws from the posterior: fit with solver='gibbs'")
        noise = model.spread * np.sqrt(np.mean(model.noise**2))
        return mean, np.hypot(spread, noise)

    def _labels(self) -> list:
        return [""]

    def _extra_state(self):
        return {}

    def _set_extra_state(self, extra):
        pass


@final
@with_parameters(FM_CLASSIFIER_PARAMETERS)
class FMClassifier(ClassifierMixin, ClassificationStreams):
    """Factorization machine for classes, on dense or sparse features.

    "gibbs" is a probit model, "als" and "adagrad" fit a logistic one. More than two classes are fitted one against the
    rest, or, where they are ordered, as one probit model with cutpoints.

    {parameters}
    classes_ : ndarray (n_classes,)

    References
    ----------
    S. Rendle, Factorization Machines (ICDM 2010). C. Freudenthaler et al., Bayesian Factorization Machines (2011).

    Examples
    --------
    >>> import numpy as np
    >>> from intertwine import FMClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((300, 4))
    >>> y = np.where(X[:, 1] * X[:, 2] > 0, "ill", "well")
    >>> model = FMClassifier(n_components=3, max_iter=100, random_state=0).fit(X, y)
    >>> bool(model.score(X, y) > 0.9)
    True
    """

    _parameter_constraints: dict = FM_CONSTRAINTS | {"ordinal": ["boolean"]}

    def __init__(
        self,
        *,
        ordinal=False,
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
        self.ordinal = ordinal
        given = {
            name: value for name, value in locals().items() if name not in ("self", "ordinal", "__class__")
        }
        super().__init__(**given)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array-like, frame or sparse matrix (n, p)
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

        Warns
        -----
        ConvergenceWarning
            When more sweeps are needed.
        """
        if self.ordinal and self.solver not in ("auto", "gibbs"):
            raise ValueError(f"ordinal=True needs solver='gibbs', not {self.solver!r}")
        with restored_on_failure(self):
            rows = self._read(X, reset=True)
            weights = check_weights(sample_weight, rows.shape[0], X)
            codes, self.classes_ = check_classification_target(y, X, weights)
            if self.ordinal:
                codes, self.classes_ = order_classes(y, codes, self.classes_)
            kept = weights > 0
            rows, codes, weights = rows_that_count(rows, kept), codes[kept], weights[kept]
            self._ordered = bool(self.ordinal) and len(self.classes_) > 2
            solver = "gibbs" if self.ordinal else self._solver_for(rows)
            contrasts = [
                (label, self._contrast(solver, rows, codes, weights, number, place))
                for place, (number, label) in enumerate(
                    zip(self._contrast_numbers(), self._labels(), strict=True)
                )
            ]
            self._fit_models(rows, X, contrasts, solver, weights, (rows, codes, weights))
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = bool(self.ordinal)  # on classes that have no order
        return tags

    def _contrast(self, solver, rows, codes, weights, number, place):
        """A function that fits one contrast: a class against the rest, or all classes in order."""
        if self._ordered:
            ordered = OrdinalProbitResponse(codes, len(self.classes_), weights)
            return self._fitter(solver, rows, None, ordered, ordered.start_score, (0.0, 1.0), 0)
        sign = np.where(codes == number, 1.0, -1.0)
        share = float(weights[sign > 0].sum() / weights.sum())
        loss = LogisticLoss(sign, weights)
        if solver == "gibbs":
            probit = ProbitResponse(sign, weights)
            return self._fitter(solver, rows, loss, probit, float(ndtri(share)), (0.0, 1.0), place)
        logistic = LogisticResponse(sign, weights)
        return self._fitter(solver, rows, loss, logistic, loss.start_score(), (0.0, 1.0), place)

    def _contrast_numbers(self) -> list[int]:
        if len(self.classes_) == 2:
            return [1]
        return [0] if self._ordered else list(range(len(self.classes_)))

    def _labels(self) -> list:
        return [self.classes_[number] for number in self._contrast_numbers()]

    @available_if(_is_not_ordinal)
    def decision_function(self, X) -> np.ndarray:
        """Score of the second class (n,), or of each class against the rest (n, n_classes).

        The probit ("gibbs") or log odds (others) of the probability that the draws give together.
        """
        rows = self._rows_to_predict(X)
        inverse = ndtri if self.solver_ == "gibbs" else logit
        tiny = np.finfo(float).tiny
        scores = [inverse(np.clip(share, tiny, 1.0 - 1e-16)) for share in self._shares(rows)]
        return scores[0] if len(scores) == 1 else np.column_stack(scores)

    def _shares(self, rows) -> list[np.ndarray]:
        """Probability of each contrast, averaged over the draws."""
        link = ndtr if self.solver_ == "gibbs" else expit
        return [model.mean_of(rows, lambda f, s: link(f), self._segment) for _, model in self._models]

    def predict_proba(self, X) -> np.ndarray:
        """Class probabilities (n, n_classes), averaged over the draws."""
        rows = self._rows_to_predict(X)
        if self._ordered:
            model = self._models[0][1]
            return model.mean_of(rows, lambda f, s: _ordered_shares(f, model.thresholds[s]), self._segment)
        shares = self._shares(rows)
        if len(shares) == 1:
            return np.column_stack([1.0 - shares[0], shares[0]])
        table = np.column_stack(shares)
        total = table.sum(axis=1, keepdims=True)
        return np.where(total > 0, table / np.where(total > 0, total, 1.0), 1.0 / table.shape[1])

    def predict(self, X) -> np.ndarray:
        """Most probable class (n,)."""
        chosen = np.argmax(self.predict_proba(X), axis=1)
        return self.classes_[chosen]

    def expected_value(self, X) -> np.ndarray:
        """Mean of numeric classes under their probabilities (n,): the best guess of a rating under squared error.

        Raises
        ------
        ValueError
            When the classes are no numbers.
        """
        probability = self.predict_proba(X)
        if not np.issubdtype(np.asarray(self.classes_).dtype, np.number):
            raise ValueError(f"classes are no numbers: {list(self.classes_[:5])}")
        return probability @ np.asarray(self.classes_, dtype=float)

    def _extra_state(self):
        return {"classes": classes_to_state(self.classes_), "ordered": self._ordered}

    def _set_extra_state(self, extra):
        self.classes_ = classes_from_state(extra["classes"])
        self._ordered = extra["ordered"]


def _ordered_shares(scores, thresholds) -> Any:
    """Probabilities of ordered classes (n, n_classes)."""
    below = ndtr(thresholds[None, :] - scores[:, None])
    edges = np.hstack([np.zeros((len(scores), 1)), below, np.ones((len(scores), 1))])
    return np.diff(edges, axis=1)
