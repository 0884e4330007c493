"""J(b, β, Θ, z) of the estimators as it is written in their documentation, for scipy to minimise."""

from __future__ import annotations

import numpy as np
from explicit_model import products
from scipy.optimize import minimize


def signed(signs):
    """g_jk = Σ_f s_f z_jf z_kf, and its derivative with respect to all of z."""

    def target(z, j, k):
        z = z.reshape(-1, len(signs))
        return np.sum(signs * z[j] * z[k], axis=1), lambda v: scatter(z, j, k, v[:, None] * signs)

    return target


def scatter(z, j, k, v):
    out = np.zeros_like(z)
    np.add.at(out, j, v * z[k])
    np.add.at(out, k, v * z[j])
    return out.ravel()


def two_factor(z, j, k):
    Z, W = np.split(z.reshape(len(np.unique(np.r_[j, k])), -1), 2, axis=1)

    def gradient(v):
        v = 0.5 * v[:, None]
        left, right = np.zeros_like(Z), np.zeros_like(W)
        np.add.at(left, j, v * W[k])
        np.add.at(left, k, v * W[j])
        np.add.at(right, k, v * Z[j])
        np.add.at(right, j, v * Z[k])
        return np.hstack([left, right]).ravel()

    return 0.5 * np.sum(Z[j] * W[k] + W[j] * Z[k], axis=1), gradient


def distance(z, j, k):
    Z = z[:-1].reshape(len(np.unique(np.r_[j, k])), -1)
    gap = Z[j] - Z[k]

    def gradient(v):
        out = np.zeros_like(Z)
        np.add.at(out, j, -2.0 * v[:, None] * gap)
        np.add.at(out, k, 2.0 * v[:, None] * gap)
        return np.append(out.ravel(), v.sum())

    return z[-1] - np.sum(gap**2, axis=1), gradient


D = 2
TARGETS = {
    "low_rank": [signed(np.array([1.0, 1.0]))],
    "signed": [signed(np.array(s)) for s in ([1.0, 1.0], [1.0, -1.0], [-1.0, -1.0])],
    "two_factor": [two_factor],
    "distance": [distance],
}


def latent_size(name, p):
    return {"two_factor": 2 * p * D, "distance": p * D + 1}.get(name, p * D)


class DirectObjective:
    """Ridge on main effects and pairs, tie of the pairs to a target: no coefficient is solved out.

    An infinite tie puts the target in place of the pairs.
    """

    def __init__(self, loss, X, main, ridge, tie, target, n_latent):
        self.loss, self.X, self.products = loss, X, products(X, 2)
        self.main, self.ridge, self.tie = main, ridge, tie
        self.target, self.n_latent = target, n_latent
        self.j, self.k = np.triu_indices(X.shape[1], 1)
        n_pairs = 0 if np.isinf(tie) else len(self.j)
        self.sizes = [int(loss.has_intercept), X.shape[1], n_pairs, n_latent]

    def split(self, u):
        return np.split(u, np.cumsum(self.sizes)[:-1])

    def value_and_gradient(self, u):
        b, beta, theta, z = self.split(u)
        g, pull_target = self.target(z, self.j, self.k)
        machine = np.isinf(self.tie)
        if machine:
            theta = g
        f = b.sum() + self.X @ beta + self.products @ theta
        value = self.loss.value(f) + 0.5 * self.main * beta @ beta + 0.5 * self.ridge * theta @ theta
        by_row = self.loss.gradient(f)
        by_pair = self.products.T @ by_row + self.ridge * theta
        first = [np.full(len(b), by_row.sum()), self.X.T @ by_row + self.main * beta]
        if machine:
            return value, np.concatenate([*first, pull_target(by_pair)])
        gap = theta - g
        value += 0.5 * self.tie * gap @ gap
        return value, np.concatenate([*first, by_pair + self.tie * gap, -self.tie * pull_target(gap)])

    def long_run(self, rng, scale):
        """The value that one long L-BFGS run from a random start ends at."""
        sizes = np.repeat([0.1, 0.1, 0.1, scale], self.sizes)
        start = sizes * rng.standard_normal(len(sizes))
        options = {"maxiter": 5000, "maxfun": 20000, "ftol": 1e-15, "gtol": 1e-9, "maxcor": 30}
        return minimize(self.value_and_gradient, start, jac=True, method="L-BFGS-B", options=options).fun
