"""A correct pairwise factorization machine: each pair once, no squares, every parameter regularised.

    f(x) = b + βᵀx + Σ_{j<k} z_jᵀ z_k x_j x_k = b + βᵀx + ½ Σ_r [(Xz_r)² − X² z_r²]

minimised jointly over (b, β, Z) by L-BFGS from several starts on the mean loss + ½ alpha ‖β‖² + ½ alpha_latent ‖Z‖².
The published linear FM baseline doubles the interactions and adds squares; figures below are for this one.
"""

from __future__ import annotations

import numpy as np
from baselines._losses import BaselineLoss, LogisticLoss, SquaredLoss
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted


def fm_score(intercept: float, main: np.ndarray, latent: np.ndarray, X: np.ndarray) -> np.ndarray:
    """Score of a factorization machine, in O(n p d)."""
    projected = X @ latent
    self_products = (X**2) @ np.einsum("jr,jr->j", latent, latent)
    return intercept + X @ main + 0.5 * (np.einsum("ir,ir->i", projected, projected) - self_products)


def fm_objective(
    packed: np.ndarray,
    X: np.ndarray,
    squares: np.ndarray,
    loss: BaselineLoss,
    alpha: float,
    alpha_latent: float,
) -> tuple[float, np.ndarray]:
    """Objective and gradient at packed (b, β, Z); ``squares`` is X² (kept, since every step needs it)."""
    n_features = X.shape[1]
    main = packed[1 : n_features + 1]
    latent = packed[n_features + 1 :].reshape(n_features, -1)
    projected = X @ latent
    self_products = squares @ np.einsum("jr,jr->j", latent, latent)
    score = packed[0] + X @ main + 0.5 * (np.einsum("ir,ir->i", projected, projected) - self_products)
    value, slope = loss.value_and_gradient(score)
    to_latent = X.T @ (slope[:, None] * projected) - (squares.T @ slope)[:, None] * latent
    value += 0.5 * alpha * float(main @ main) + 0.5 * alpha_latent * float(np.sum(latent**2))
    to_main = X.T @ slope + alpha * main
    gradient = np.concatenate([[slope.sum()], to_main, (to_latent + alpha_latent * latent).ravel()])
    return value, gradient


class _FactorizationMachine(BaseEstimator):
    """What the two outcomes share: the search over (b, β, Z)."""

    def __init__(
        self,
        alpha: float = 1e-3,
        alpha_latent: float = 1e-3,
        n_components: int = 2,
        n_init: int = 3,
        max_iter: int = 500,
        random_state: int = 0,
    ) -> None:
        self.alpha = alpha
        self.alpha_latent = alpha_latent
        self.n_components = n_components
        self.n_init = n_init
        self.max_iter = max_iter
        self.random_state = random_state

    def _search(self, X: np.ndarray, loss: BaselineLoss, scale: float) -> None:
        n_features = X.shape[1]
        squares = X**2
        rng = np.random.default_rng(self.random_state)
        # Starts of the size that the outcome's spread asks for: sd of the pair part ≈ .1 of the outcome's.
        spread = np.sqrt(0.1 * scale * np.sqrt(2.0 / (self.n_components * n_features**2)))
        self.objective_ = np.inf
        for _ in range(self.n_init):
            start = np.zeros(1 + n_features * (1 + self.n_components))
            start[1 + n_features :] = spread * rng.standard_normal(n_features * self.n_components)
            found = minimize(
                fm_objective,
                start,
                args=(X, squares, loss, self.alpha, self.alpha_latent),
                jac=True,
                method="L-BFGS-B",
                options={"maxiter": self.max_iter, "maxfun": 2 * self.max_iter, "maxcor": 20},
            )
            if found.fun < self.objective_:
                self.objective_ = float(found.fun)
                self.intercept_ = float(found.x[0])
                self.coef_ = found.x[1 : n_features + 1]
                self.latent_ = found.x[n_features + 1 :].reshape(n_features, self.n_components)
        self.n_features_in_ = n_features

    def _score(self, X: np.ndarray) -> np.ndarray:
        check_is_fitted(self, "latent_")
        return fm_score(self.intercept_, self.coef_, self.latent_, np.asarray(X, dtype=float))


class FMRegressor(RegressorMixin, _FactorizationMachine):
    """Squared loss."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> FMRegressor:
        y = np.asarray(y, dtype=float)
        centre, spread = y.mean(), y.std()  # the strengths then mean the same at every scale of the outcome
        self._search(np.asarray(X, dtype=float), SquaredLoss((y - centre) / spread), 1.0)
        self._centre, self._spread = centre, spread
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self._centre + self._spread * self._score(X)


class FMClassifier(ClassifierMixin, _FactorizationMachine):
    """Logistic loss, two classes."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> FMClassifier:
        self.classes_ = np.unique(y)
        signs = np.where(np.asarray(y) == self.classes_[1], 1.0, -1.0)
        self._search(np.asarray(X, dtype=float), LogisticLoss(signs), 1.0)
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        return self._score(X)

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.classes_[(self._score(X) > 0).astype(int)]
