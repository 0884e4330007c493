"""The pair problem with its design written out, and a slow solver: what the sparse path is held against."""

import numpy as np
from scipy.optimize import minimize

from intertwine.losses import BreslowLoss, LogisticLoss, SquaredLoss
from intertwine.sparse_path import SparsePairProblem

LOSSES = ("squared", "logistic", "cox")


def make_table(n=150, p=7, seed=0):
    """Features, a linear predictor with pairs, and a random generator."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    X[:, 1] += 0.5 * X[:, 0]
    f = 0.8 * X[:, 0] - 0.5 * X[:, 2] + X[:, 0] * X[:, 1] - 0.7 * X[:, 2] * X[:, 3]
    return X, f, rng


def make_loss(kind, f, rng, weights=None):
    """A loss whose outcome follows the linear predictor f."""
    n = len(f)
    if kind == "squared":
        return SquaredLoss(f + rng.standard_normal(n), weights)
    if kind == "logistic":
        return LogisticLoss(np.where(f + rng.logistic(size=n) > 0, 1, -1), weights)
    time = np.ceil(5 * rng.exponential(np.exp(-f)))  # whole numbers: ties
    return BreslowLoss(time, rng.uniform(size=n) < 0.8, sample_weight=weights)


def make_problem(kind, alpha=0.1, l1_ratio=0.7, n=150, p=7, seed=0, scaling=None):
    """An elastic net of equal strength on main effects and pairs."""
    X, f, rng = make_table(n, p, seed)
    return assemble(make_loss(kind, f, rng), X, alpha, l1_ratio, scaling)


def assemble(loss, X, alpha, l1_ratio, scaling=None):
    """The same for any loss and features: an intercept where the loss has one, main effects, pairs."""
    linear = np.column_stack([np.ones(len(X)), X]) if loss.has_intercept else X
    penalised = np.r_[0.0, np.ones(X.shape[1])] if loss.has_intercept else np.ones(X.shape[1])
    l1, l2 = alpha * l1_ratio, alpha * (1 - l1_ratio)
    return SparsePairProblem(loss, linear, l1 * penalised, l2 * penalised, X, l1, l2, scaling)


def flat(solution, p):
    """Linear coefficients, then the pairs (0, 1), (0, 2), …"""
    return np.r_[solution.linear, solution.interactions(p)[np.triu_indices(p, 1)]]


class Explicit:
    """The problem over all columns: value, gradient, violation, and a long L-BFGS run on positive parts."""

    def __init__(self, problem, shift=None):
        design, penalty = problem.design, problem.penalty
        j, k = np.triu_indices(design.n_features, 1)
        X = design.features_t.T
        products = X[:, j] * X[:, k]
        if design.scaling is not None:
            products = (products - design.scaling.center[j, k]) / design.scaling.scale[j, k]
        n_pairs = len(j)
        self.loss = problem.loss
        self.columns = np.hstack([design.linear_t.T, products])
        self.l1 = np.r_[penalty.linear_l1, np.full(n_pairs, penalty.pairs_l1)]
        self.l2 = np.r_[penalty.linear_l2, np.full(n_pairs, penalty.pairs_l2)]
        self.shift = np.zeros(len(self.l1))
        if shift is not None:
            self.shift[-n_pairs:] = shift[j, k]

    def smooth(self, u):
        f = self.columns @ u
        value = self.loss.value(f) + 0.5 * self.l2 @ u**2 - self.shift @ u
        return value, self.columns.T @ self.loss.gradient(f) + self.l2 * u - self.shift

    def value(self, u):
        return self.smooth(u)[0] + self.l1 @ np.abs(u)

    def violation(self, u):
        gradient = self.smooth(u)[1]
        return np.max(
            np.where(
                u == 0, np.maximum(np.abs(gradient) - self.l1, 0), np.abs(gradient + self.l1 * np.sign(u))
            )
        )

    def long_run(self):
        size = len(self.l1)

        def split(both):
            value, gradient = self.smooth(both[:size] - both[size:])
            slope = np.concatenate([gradient + self.l1, -gradient + self.l1])
            return value + self.l1 @ (both[:size] + both[size:]), slope

        options = {"maxiter": 20000, "maxfun": 50000, "ftol": 1e-16, "gtol": 1e-10, "maxcor": 30}
        both = minimize(
            split,
            np.zeros(2 * size),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, None)] * (2 * size),
            options=options,
        ).x
        return both[:size] - both[size:]
