"""Locally linear factorization machines for regression and classification.

    f(x) = Σ_i γ_i(x) f_i(x),    f_i(x) = b_i + w_iᵀx + Σ_{j<k} ⟨v_ij, v_ik⟩ x_j x_k

with weights γ that sum to one over the anchors near x.
"""

from __future__ import annotations

from typing import final

import numpy as np
from scipy.special import expit, logit
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context

from intertwine.estimators.docstring import with_parameters
from intertwine.estimators.local_fm.base import AbstractLocalFM
from intertwine.estimators.model_head import classes_from_state, classes_to_state
from intertwine.losses import LogisticLoss, SquaredLoss
from intertwine.validation import (
    check_classification_target,
    check_regression_target,
    check_weights,
    restored_on_failure,
    rows_that_count,
)

__all__ = ["LocalFMClassifier", "LocalFMRegressor"]

_PARAMETERS = """
    Parameters
    ----------
    n_anchors : int, default=20
        Experts, each with an anchor of its own; at most one a row.
    n_components : int, default=5
        Factors of each expert.
    anchors : {"fixed", "learned"}, default="learned"
        Keep the anchors where k-means put them, or move them with the experts.
    coding : {"gaussian", "adaptive"}, default="gaussian"
        Weights of the nearest anchors: exp(−gamma d) normalised, d the squared distance; or those of k*-NN, where the
        number of anchors with any weight is chosen for every row.
    n_neighbors : int, default=None
        Most anchors that a row uses; None: 5 in Gaussian coding, 20 in adaptive coding, which takes fewer by itself.
        Gaussian weights jump where an anchor enters a row's list.
    gamma : float or "scale", default="scale"
        Factor of the squared distances between scaled rows and anchors: the larger, the fewer experts answer a row. In
        adaptive coding it is the ratio L/C. "scale": one over the mean squared distance to the neighbors at the start.
    space : {"features", "latent"} or sequence of names or positions, default="features"
        What distances are measured in: all features, a learnt projection of them, or some columns. Rows of one-hot
        features are all equally far from one another: take "latent".
    n_latent : int, default=None
        Dimension of the latent space; None: ``n_components``. It begins at the factors of a plain factorization
        machine, or, with as many dimensions as features, at these; with ``anchors="learned"`` it moves, too.
    alpha : float, default=1e-05
        Strength of the penalty ½ alpha (‖b‖² + ‖w‖² + ‖v‖²) on the experts, beside the mean loss.
    alpha_anchors : float, default=0.0
        Strength of ½ alpha_anchors ‖anchors − those of k-means‖², in scaled features.
    scaling : {"features"} or None, default="features"
        Center features and divide them by their standard deviation (sparse: divide by the largest absolute value only).
    n_estimators : int, default=1
        Machines that are fitted from random starts of their own and averaged: less chance in predictions, for as many
        times the time.
    solver : {"auto", "lbfgs", "adam"}, default="auto"
        All rows at once, or mini-batches; "auto" by the size of the problem, see ``solver_``. Where Gaussian weights
        jump as anchors move, "lbfgs" finishes the experts between anchors that mini-batches have found.
    learning_rate : float, default=0.02
        Of mini-batches; falls linearly to zero.
    batch_size : int, default=256
    n_epochs : int, default=20
        Passes over the rows of mini-batches.
    max_iter : int, default=200
        Iterations of L-BFGS.
    tol : float, default=0.0001
        L-BFGS ends when the decrease of the objective that is still in sight, relative, falls below it.
    random_state : int, RandomState or None, default=None
        k-means, random factors, order of the rows. The same seed gives the same fit, whatever the number of threads.
    n_jobs : int, default=None
        Threads over machines and classes; None: one.
    verbose : bool or int, default=False
        Show progress on standard error: one live line in a terminal, plain lines elsewhere; more lines from 2 on.
    checkpoint : path, default=None
        File to keep the progress in: an interrupted fit goes on from it, to the same result. It is written at most
        every 20 seconds and removed when the fit is complete. One machine after another keeps every epoch or iteration;
        those that are fitted in threads are kept as a whole, in their order.

    Attributes
    ----------
    anchors_ : ndarray (n_experts, q)
        Anchors in the units of the features (or of the latent space).
    gamma_ : float
    solver_ : str
    converged_ : bool
        Whether every descent ended by itself, not at its last iteration.
    history_ : frame
        machine, iteration, value, optimality, seconds.
    n_iter_, n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only for frames.
"""


@final
@with_parameters(_PARAMETERS)
class LocalFMRegressor(RegressorMixin, AbstractLocalFM):
    """Regression by factorization machines that each answer for a part of the feature space.

    The outcome is standardised while fitting, so that ``alpha`` and ``learning_rate`` mean the same in all units.

    {parameters}

    References
    ----------
    Liu, Zhang, Zhao, Zhou & Sun (2017), Locally linear factorization machines, IJCAI. Anava & Levy (2016), k*-nearest
    neighbors.

    Examples
    --------
    >>> import numpy as np
    >>> from intertwine import LocalFMRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-3, 3, (500, 2))
    >>> y = np.sin(2 * X[:, 0]) * X[:, 1]
    >>> model = LocalFMRegressor(random_state=0).fit(X, y)
    >>> bool(model.score(X, y) > 0.9)
    True
    >>> model.codes(X).shape
    (500, 20)
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
            For input that cannot be used, the message names columns or rows; for a descent that diverges.
        """
        with restored_on_failure(self):
            rows = self._read_fit(X)
            weights = check_weights(sample_weight, rows.shape[0], X)
            target = check_regression_target(y, X, weights)
            kept = weights > 0
            target, weights = target[kept], weights[kept]
            self._center = float(np.average(target, weights=weights))
            spread = float(np.sqrt(np.average((target - self._center) ** 2, weights=weights)))
            self._unit = spread if spread > 0 else 1.0
            loss = SquaredLoss((target - self._center) / self._unit, weights)
            self._fit_machines(rows_that_count(rows, kept), [loss], [""], X)
        return self

    def predict(self, X) -> np.ndarray:
        """Predicted outcome (n,)."""
        (scores,) = self._member_scores(X)
        return self._center + self._unit * scores.mean(axis=1)

    def _extra_state(self):
        return {"center": self._center, "unit": self._unit}

    def _set_extra_state(self, extra):
        self._center, self._unit = extra["center"], extra["unit"]
        return [""]


@final
@with_parameters(_PARAMETERS)
class LocalFMClassifier(ClassifierMixin, AbstractLocalFM):
    """Logistic classification by factorization machines that each answer for a part of the feature space.

    More than two classes are fitted one against the rest, each with experts of its own; probabilities are normalised
    over the classes. Machines of an ensemble are averaged on the scale of probabilities.

    {parameters}
    classes_ : ndarray (n_classes,)

    References
    ----------
    Liu, Zhang, Zhao, Zhou & Sun (2017), Locally linear factorization machines, IJCAI. Anava & Levy (2016), k*-nearest
    neighbors.

    Examples
    --------
    >>> import numpy as np
    >>> from intertwine import LocalFMClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((400, 2))
    >>> y = np.where(np.hypot(*X.T) < 1, "near", "far")
    >>> model = LocalFMClassifier(coding="adaptive", alpha=1e-3, random_state=0).fit(X, y)
    >>> bool(model.score(X, y) > 0.95)
    True
    """

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
        ValueError, TypeError
            As in regression; also for a single class.
        """
        with restored_on_failure(self):
            rows = self._read_fit(X)
            weights = check_weights(sample_weight, rows.shape[0], X)
            codes, self.classes_ = check_classification_target(y, X, weights)
            kept = weights > 0
            contrasts = self._contrasts()
            losses = [LogisticLoss(np.where(codes[kept] == c, 1.0, -1.0), weights[kept]) for c in contrasts]
            labels = [self.classes_[c] for c in contrasts]
            self._fit_machines(rows_that_count(rows, kept), losses, labels, X)
        return self

    def _contrasts(self) -> list[int]:
        return [1] if len(self.classes_) == 2 else list(range(len(self.classes_)))

    def decision_function(self, X) -> np.ndarray:
        """Log odds of the second class (n,), or of every class against the rest (n, n_classes)."""
        # a single machine's scores need not pass through probabilities, which lose digits near one
        scores = [
            members[:, 0] if members.shape[1] == 1 else _log_odds(members)
            for members in self._member_scores(X)
        ]
        return scores[0] if len(scores) == 1 else np.column_stack(scores)

    def predict_proba(self, X) -> np.ndarray:
        """Class probabilities (n, n_classes)."""
        probability = expit(self.decision_function(X))
        if probability.ndim == 1:
            return np.column_stack([1.0 - probability, probability])
        total = probability.sum(axis=1, keepdims=True)
        return np.where(total > 0, probability / np.where(total > 0, total, 1.0), 1.0 / probability.shape[1])

    def predict(self, X) -> np.ndarray:
        """Most probable class (n,)."""
        scores = self.decision_function(X)
        chosen = (scores > 0).astype(int) if scores.ndim == 1 else np.argmax(scores, axis=1)
        return self.classes_[chosen]

    def _extra_state(self):
        return {"classes": classes_to_state(self.classes_)}

    def _set_extra_state(self, extra):
        self.classes_ = classes_from_state(extra["classes"])
        return [self.classes_[c] for c in self._contrasts()]


def _log_odds(scores: np.ndarray) -> np.ndarray:
    """Log odds of the mean probability (n,), by the side that is the smaller: 1 − p would lose its digits."""
    sign = np.where(scores.mean(axis=1) > 0, -1.0, 1.0)
    return sign * logit(expit(sign[:, None] * scores).mean(axis=1))
