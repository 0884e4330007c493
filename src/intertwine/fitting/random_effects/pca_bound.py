"""A lower bound of the likelihood of factors with any random effects, and any entries missing.

With q(U) q(B) for what is known of latents and effects, the best q(B) at the means û is that of a mixed model of
x − W û for every feature, which `intertwine.mixed_effects` finds exactly, and

    bound = Σ_m log N(x_m − Û w_m; μ_m, V_m) + Σ_i (½ log|C_i| − ½ û_iᵀû_i),      C_i = (I + Wᵀ D_i⁻¹ W)⁻¹

with D_i the noise of what was observed of row i. Without effects it is the likelihood itself. Means found by climbing
it are those of the exact posterior; variances neglect that latents and effects are confounded within a level.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import AbstractBoundEffect
from intertwine.fitting.factor_rows import factor_posterior
from intertwine.fitting.random_effects.factor_steps import NOISE_FLOOR, aligned, factor_step
from intertwine.fitting.random_effects.pca_exact import PCAParameters
from intertwine.mixed_effects.base import AbstractGaussianSystem, VarianceComponents
from intertwine.mixed_effects.choose import system_for
from intertwine.mixed_effects.least_squares import LeastSquaresSystem

__all__ = ["BoundProblem", "Solved", "system_of_rows"]

Array = NDArray[np.float64]

_INNER = 3


def system_of_rows(
    observed: NDArray[np.bool_], bound: Sequence[AbstractBoundEffect], shapes: Sequence[Array]
) -> AbstractGaussianSystem:
    """The mixed models of all features, with a mean each; ``observed`` (n, p) says which entries there are."""
    weights = None if observed.all() else observed.astype(np.float64)
    fixed, p = np.ones((len(observed), 1)), observed.shape[1]
    if not bound:
        return LeastSquaresSystem(fixed, weights, p, restricted=False)
    return system_for(bound, shapes, fixed, weights, p, restricted=False)


class Solved(NamedTuple):
    """The mixed models of every feature at given latents.

    Attributes
    ----------
    log_likelihood : float
        Summed over features.
    mean : ndarray of shape (p,)
    fitted : ndarray of shape (n, p)
        Of the effects, without the mean.
    extra : ndarray of shape (p,)
        Posterior variance of the effects at the rows where a feature was observed, summed.
    covariances : tuple of ndarray (p, r, r)
        What EM takes for Σ next.
    """

    log_likelihood: float
    mean: Array
    fitted: Array
    extra: Array
    covariances: tuple[Array, ...]


@final
class BoundProblem:
    """Rows and effects, ready for steps of EM.

    Parameters
    ----------
    X : ndarray of shape (n, p)
        NaN where an entry is missing.
    bound : sequence of AbstractBoundEffect
    shapes : sequence of ndarray
    isotropic : bool
    """

    def __init__(
        self,
        X: Array,
        bound: Sequence[AbstractBoundEffect],
        shapes: Sequence[Array],
        isotropic: bool,
    ) -> None:
        self.X, self.bound, self.isotropic = X, tuple(bound), isotropic
        observed = np.isfinite(X)
        self.complete = bool(observed.all())
        self.observed = None if self.complete else observed
        self.n_entries = observed.sum(axis=0).astype(np.float64)
        self.system = system_of_rows(observed, bound, shapes)

    def solved(self, params: PCAParameters, U: Array) -> Solved:
        """Effects and mean at given latents and variances."""
        left = self.X - U @ params.loadings.T
        shown = left if self.observed is None else np.where(self.observed, left, 0.0)
        posterior = self.system.posterior(shown, VarianceComponents(params.noise, params.effects))
        mean, fitted = posterior.fixed[0], posterior.fitted()
        misfit = shown - mean - fitted
        if self.observed is not None:
            misfit *= self.observed
        # what the noise has beyond the misfit is the variance of the effects: no need to find it row by row
        extra = np.maximum(posterior.noise_moment() - np.einsum("im,im->m", misfit, misfit), 0.0)
        moments = zip(posterior.second_moments(), self.system.n_levels, strict=True)
        return Solved(
            float(posterior.log_likelihood.sum()),
            mean,
            fitted,
            extra,
            tuple(moment / n_levels for moment, n_levels in moments),
        )

    def step(self, params: PCAParameters, U: Array) -> tuple[PCAParameters, Array, float]:
        """EM's next point, and the bound at this one."""
        found = self.solved(params, U)
        now = factor_posterior(self.X - found.mean - found.fitted, params.noise, params.loadings)
        log_det = np.linalg.slogdet(now.covariance[:1] if self.complete else now.covariance)[1]
        value = found.log_likelihood + 0.5 * float(np.sum(log_det * (len(U) if self.complete else 1)))
        value -= 0.5 * float(np.vdot(U, U))
        y = self.X - found.mean - found.fitted
        if self.complete:
            W, noise = self._complete_step(y, found.extra, params)
        else:
            W, noise = self._observed_step(y, found.extra, now.mean, now.covariance)
        W = aligned(W, params.loadings)
        effects = tuple(
            covariance if effect.correlated else covariance * np.eye(effect.n_basis)
            for covariance, effect in zip(found.covariances, self.bound, strict=True)
        )
        after = PCAParameters(found.mean, W, noise, effects)
        return after, factor_posterior(y, noise, W).mean, value

    def _complete_step(self, y: Array, extra: Array, params: PCAParameters) -> tuple[Array, Array]:
        """Factors of the covariance of what effects leave, u being integrated out."""
        scatter, W, noise = y.T @ y / len(y), params.loadings, params.noise
        for _ in range(_INNER):
            W, noise = factor_step(scatter, noise, W.shape[1], self.isotropic, extra / len(y))
        return W, noise

    def _observed_step(
        self,
        y: Array,
        extra: Array,
        mean: Array,
        covariance: Array,
    ) -> tuple[Array, Array]:
        """Regressions of each feature on the latents, over the rows where it was observed."""
        assert self.observed is not None
        n, d = mean.shape
        there = self.observed.astype(np.float64)
        moments = (covariance + mean[:, :, None] * mean[:, None, :]).reshape(n, d * d)
        gram = (there.T @ moments).reshape(-1, d, d)
        shown = np.where(self.observed, y, 0.0)
        products = shown.T @ mean
        ridge = 1e-10 * np.trace(gram, axis1=1, axis2=2)[:, None, None] * np.eye(d)
        W = np.linalg.solve(gram + ridge, products[:, :, None])[:, :, 0]
        total = np.sum(shown**2, axis=0) - 2.0 * np.sum(W * products, axis=1)
        total += np.einsum("ma,mab,mb->m", W, gram, W)
        total += extra
        if self.isotropic:
            return W, np.full(len(W), max(total.sum() / self.n_entries.sum(), NOISE_FLOOR))
        return W, np.maximum(total / self.n_entries, NOISE_FLOOR)
