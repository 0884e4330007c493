"""The exact path's model with every coefficient written out: dense algebra and scipy, nothing clever."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy.optimize import minimize


def products(columns, order):
    """Products of all pairs (order 2) or triples (order 3) of columns."""
    chosen = list(combinations(range(columns.shape[1]), order))
    if not chosen:
        return np.zeros((len(columns), 0))
    return np.column_stack([np.prod(columns[:, c], axis=1) for c in chosen])


class ExplicitModel:
    """min over b of L(D b) + ½ Σ λ_j b_j²; columns with λ = 0 are fixed effects.

    With a loss that is minus the mean log-likelihood over a total weight W, this is the mode of a Bayesian model
    with priors b_j ~ N(0, s²/λ_j), s² = σ²/W.
    """

    def __init__(self, loss, design, strengths):
        self.loss, self.design, self.strengths = loss, design, np.asarray(strengths, dtype=float)
        self.free = self.strengths == 0
        start = np.zeros(design.shape[1])
        found = minimize(
            self._value,
            start,
            jac=self._gradient,
            hess=self._hessian,
            method="trust-exact",
            options={"gtol": 1e-11, "maxiter": 500},
        )
        # one Newton step more: trust-region steps end where values can no longer be compared
        self.coefficients = found.x - np.linalg.solve(self._hessian(found.x), self._gradient(found.x))
        self.value = self._value(self.coefficients)

    def _value(self, b):
        return self.loss.value(self.design @ b) + 0.5 * self.strengths @ b**2

    def _gradient(self, b):
        return self.design.T @ self.loss.gradient(self.design @ b) + self.strengths * b

    def _hessian(self, b):
        W = self.loss.curvature(self.design @ b).matmul(np.eye(len(self.design)))
        return self.design.T @ W @ self.design + np.diag(self.strengths)

    @property
    def scores(self):
        return self.design @ self.coefficients

    def covariance(self, dispersion):
        """Posterior covariance of the coefficients (Laplace's; exact for a squared loss)."""
        return dispersion / self.loss.total_weight * np.linalg.inv(self._hessian(self.coefficients))

    def laplace_evidence(self):
        """Log of ∫ likelihood × prior for losses on their own scale, flat priors on the fixed effects."""
        total = self.loss.total_weight
        prior = total * self.strengths[~self.free] / (2 * np.pi)
        return (
            -total * self.value
            + 0.5 * np.log(prior).sum()
            + 0.5 * len(self.strengths) * np.log(2 * np.pi)
            - 0.5 * np.linalg.slogdet(total * self._hessian(self.coefficients))[1]
        )

    def gaussian_marginal(self, y):
        """REML's residual variance, and the log density of y with every coefficient integrated out."""
        loss, free = self.loss, self.free
        C, D = self.design[:, free], self.design[:, ~free]
        V = np.diag(1.0 / loss.sample_weight) + D / (loss.total_weight * self.strengths[~free]) @ D.T
        inverse = np.linalg.inv(V)
        gamma = np.linalg.solve(C.T @ inverse @ C, C.T @ inverse @ y)
        residual = y - C @ gamma
        quadratic, df = residual @ inverse @ residual, len(y) - C.shape[1]
        variance = quadratic / df
        log_density = -0.5 * (
            df * np.log(2 * np.pi * variance)
            + np.linalg.slogdet(V)[1]
            + np.linalg.slogdet(C.T @ inverse @ C)[1]
            + quadratic / variance
        )
        return variance, log_density
