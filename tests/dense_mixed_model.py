"""The mixed model by dense matrices, one output at a time: what every Gaussian system must equal.

    y = C γ + Z u + e,     u ~ N(0, G),     e ~ N(0, R),     V = Z G Zᵀ + R

u stacks the coefficients of all effects: of the levels, or of the functions where K has a basis, each with its r basis
functions side by side, so that G has the blocks K ⊗ Σ. The definitions stand here as they do in Searle, Casella &
McCulloch, Variance Components (1992), chapters 6 and 7; nothing is inverted but V and CᵀV⁻¹C.
"""

from typing import final

import numpy as np
from scipy.linalg import block_diag
from scipy.sparse import issparse

from intertwine.effects.random import (
    AbstractBoundEffect,
    BasisPrior,
    CovariancePrior,
    IndependentPrior,
    Located,
)
from intertwine.mixed_effects.base import AbstractGaussianSystem, AbstractPosterior, VarianceComponents


@final
class GivenEffect(AbstractBoundEffect):
    """Levels, basis and prior as they are given, whatever the shape."""

    def __init__(self, level, prior, n_levels, basis=None, correlated=True):
        self.level, self.basis, self.n_levels, self._prior = np.asarray(level), basis, n_levels, prior
        self.basis_names = tuple(f"f{k}" for k in range(1 if basis is None else basis.shape[1]))
        self.correlated = correlated

    def start_shape(self):
        return np.empty(0)

    def shape_bounds(self):
        return np.empty((0, 2))

    def prior(self, shape):
        return self._prior

    def locate(self, rows, shape):
        return Located(self.level, self.basis, None, None)

    def state(self):
        return {"level": self.level, "basis": self.basis, "n_levels": self.n_levels}


def loadings_and_covariance(prior):
    """L (levels, coefficients) and the covariance D of the coefficients: K = L D Lᵀ."""
    if isinstance(prior, IndependentPrior):
        return np.eye(prior.n_levels), np.eye(prior.n_levels)
    if isinstance(prior, CovariancePrior):
        return np.eye(len(prior.covariance)), prior.covariance
    if isinstance(prior, BasisPrior):
        return prior.loadings, np.diag(prior.variances)
    return np.eye(prior.precision.shape[0]), np.linalg.inv(prior.precision.toarray())


def columns_of(level, basis, projection, loadings, n_basis):
    """Z of one effect: row i has basis[i] in the columns of its level, carried to the coefficients."""
    basis = np.ones((len(level), n_basis)) if basis is None else basis
    to_levels = loadings
    if projection is not None:
        to_levels = projection.toarray() if issparse(projection) else projection
    return (to_levels[level][:, :, None] * basis[:, None, :]).reshape(len(level), -1)


@final
class DenseSystem(AbstractGaussianSystem):
    """The arguments of `intertwine.mixed_effects.choose.system_for`, for tens of rows.

    Weights are those of the model: the noise of an entry has variance σ²/w, and an entry of weight zero is not there.
    """

    def __init__(self, effects, shapes=None, fixed=None, weights=None, n_outputs=1, restricted=True):
        shapes = [effect.start_shape() for effect in effects] if shapes is None else shapes
        self.priors = [
            loadings_and_covariance(effect.prior(shape))
            for effect, shape in zip(effects, shapes, strict=True)
        ]
        self.n_basis = tuple(effect.n_basis for effect in effects)
        self.n_levels = tuple(len(covariance) for _, covariance in self.priors)
        self.Z = np.hstack(
            [
                columns_of(effect.level, effect.basis, None, loadings, effect.n_basis)
                for effect, (loadings, _) in zip(effects, self.priors, strict=True)
            ]
        )
        n = len(self.Z)
        self.C = np.empty((n, 0)) if fixed is None else np.asarray(fixed)
        weights = np.ones(n) if weights is None else np.asarray(weights)
        self.W = np.broadcast_to(weights[:, None] if weights.ndim == 1 else weights, (n, n_outputs))
        self.n_entries = (self.W > 0).sum(axis=0).astype(float)
        self.n_fixed = self.C.shape[1]
        self.restricted = restricted

    def posterior(self, y, variances: VarianceComponents):
        return DensePosterior(self, y, variances)


@final
class DensePosterior(AbstractPosterior):
    """Everything by its definition."""

    def __init__(self, system, y, variances):
        self.system, self.variances = system, variances
        self.outputs = [self._one_output(y[:, m], m) for m in range(y.shape[1])]
        self.fixed = np.column_stack([one["gamma"] for one in self.outputs])
        self.fixed_covariance = np.stack([one["cov_gamma"] for one in self.outputs])
        self.log_likelihood = np.array([one["log_likelihood"] for one in self.outputs])
        self.effects = tuple(
            np.stack([L @ one["mean"][part].reshape(q, r) for one in self.outputs], axis=-1)
            for part, L, q, r in self._parts()
        )

    def _parts(self):
        """Where the coefficients of each effect stand in u, its loadings, and its q and r."""
        start = 0
        for (loadings, _), q, r in zip(
            self.system.priors, self.system.n_levels, self.system.n_basis, strict=True
        ):
            yield slice(start, start + q * r), loadings, q, r
            start += q * r

    def _one_output(self, y, m):
        there = self.system.W[:, m] > 0
        y, C, Z, w = y[there], self.system.C[there], self.system.Z[there], self.system.W[there, m]
        D = [covariance for _, covariance in self.system.priors]
        G = block_diag(*[np.kron(K, Sigma[m]) for K, Sigma in zip(D, self.variances.effects, strict=True)])
        R = np.diag(self.variances.noise[m] / w)
        V = Z @ G @ Z.T + R
        iV = np.linalg.inv(V)
        cov_gamma = np.linalg.inv(C.T @ iV @ C)
        gamma = cov_gamma @ C.T @ iV @ y
        P = iV - iV @ C @ cov_gamma @ C.T @ iV
        Q = P if self.system.restricted else iV  # whether γ is unknown or at its best value
        n, c = C.shape
        log_likelihood = -0.5 * (n * np.log(2 * np.pi) + np.linalg.slogdet(V)[1] + y @ P @ y)
        if self.system.restricted:
            log_likelihood += 0.5 * (c * np.log(2 * np.pi) - np.linalg.slogdet(C.T @ iV @ C)[1])
        noise_mean, noise_covariance = R @ P @ y, R - R @ Q @ R
        return {
            "gamma": gamma,
            "cov_gamma": cov_gamma,
            "log_likelihood": log_likelihood,
            "mean": G @ Z.T @ P @ y,
            "covariance": G - G @ Z.T @ Q @ Z @ G,
            "cross": -cov_gamma @ C.T @ iV @ Z @ G,  # Cov(γ, u) where γ is unknown
            "noise_moment": noise_mean @ (w * noise_mean) + np.trace(w[:, None] * noise_covariance),
            "prior": G,
        }

    def _moments(self, design, fixed):
        """Mean and variance of C* γ + Z* u; γ is unknown only under the restricted likelihood."""
        mean, variance = [], []
        for one in self.outputs:
            mean.append(design @ one["mean"])
            variance.append(np.einsum("ij,jk,ik->i", design, one["covariance"], design))
            if fixed is not None:
                mean[-1] = mean[-1] + fixed @ one["gamma"]
            if fixed is not None and self.system.restricted:
                variance[-1] = variance[-1] + np.einsum("ij,jk,ik->i", fixed, one["cov_gamma"], fixed)
                variance[-1] = variance[-1] + 2 * np.einsum("ij,jk,ik->i", fixed, one["cross"], design)
        return np.column_stack(mean), np.column_stack(variance)

    def fitted(self):
        return self._moments(self.system.Z, None)[0]

    def row_variance(self):
        return self._moments(self.system.Z, None)[1]

    def level_covariance(self, effect):
        part, L, q, r = list(self._parts())[effect]
        blocks = [one["covariance"][part, part].reshape(q, r, q, r) for one in self.outputs]
        return np.stack([np.einsum("la,akbm,lb->lkm", L, block, L) for block in blocks], axis=1)

    def second_moments(self):
        out = []
        for (part, _, q, r), (_, D) in zip(self._parts(), self.system.priors, strict=True):
            moments = [
                np.outer(one["mean"][part], one["mean"][part]) + one["covariance"][part, part]
                for one in self.outputs
            ]
            inverse = np.linalg.inv(D)
            out.append(np.stack([np.einsum("ab,akbl->kl", inverse, E.reshape(q, r, q, r)) for E in moments]))
        return tuple(out)

    def noise_moment(self):
        return np.array([one["noise_moment"] for one in self.outputs])

    def predict(self, located, fixed):
        design = [
            columns_of(where.level, where.basis, where.projection, loadings, r)
            for where, (_, loadings, _, r) in zip(located, self._parts(), strict=True)
        ]
        mean, variance = self._moments(np.hstack(design), fixed)
        for where, Sigma in zip(located, self.variances.effects, strict=True):
            if where.extra is not None:
                basis = np.ones((len(where.level), 1)) if where.basis is None else where.basis
                variance = variance + where.extra[where.level, None] * np.einsum(
                    "ik,mkl,il->im", basis, Sigma, basis
                )
        return mean, variance


def assert_same_posterior(got, expected, n_effects, rtol=1e-8, atol=1e-9):
    """Every quantity that an `AbstractPosterior` gives, but for `predict`."""

    def same(name, one, other):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol, err_msg=name)

    for name in ("log_likelihood", "fixed", "fixed_covariance"):
        same(name, getattr(got, name), getattr(expected, name))
    for name in ("fitted", "row_variance", "noise_moment"):
        same(name, getattr(got, name)(), getattr(expected, name)())
    moments, expected_moments = got.second_moments(), expected.second_moments()
    for t in range(n_effects):
        same(f"effects[{t}]", got.effects[t], expected.effects[t])
        same(f"second_moments[{t}]", moments[t], expected_moments[t])
        same(f"level_covariance({t})", got.level_covariance(t), expected.level_covariance(t))


def random_variances(rng, n_basis, n_outputs):
    """Noise between 0.3 and 2, and full covariances of size about one."""
    effects = []
    for r in n_basis:
        factor = rng.normal(size=(n_outputs, r, r)) / np.sqrt(r)
        effects.append(factor @ factor.transpose(0, 2, 1) + 0.1 * np.eye(r))
    return VarianceComponents(rng.uniform(0.3, 2.0, n_outputs), tuple(effects))
