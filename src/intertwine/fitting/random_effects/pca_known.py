"""What principal components know of random effects once the rows of a fit have been seen."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import AbstractBoundEffect, EffectRows, Located
from intertwine.fitting.random_effects.joint_levels import JointLevels
from intertwine.fitting.random_effects.latent import EffectTerms, RowEffects
from intertwine.fitting.random_effects.open_latents import variances_beside_latents
from intertwine.fitting.random_effects.pca_bound import system_of_rows
from intertwine.fitting.random_effects.pca_exact import PCAParameters, level_solution, moved_by_mean
from intertwine.fitting.random_effects.rotated_rows import RotatedRows
from intertwine.fitting.random_effects.told_levels import ToldLevels
from intertwine.mixed_effects.base import AbstractGaussianSystem, VarianceComponents

__all__ = ["AbstractKnownEffects", "LevelEffects", "ModeEffects", "NoEffects", "PosteriorEffects"]

Array = NDArray[np.float64]


class AbstractKnownEffects(abc.ABC):
    """What is known of the effects once the rows of a fit have been seen."""

    n_levels: int

    @abc.abstractmethod
    def at(self, located: Sequence[Located], n_rows: int, n_features: int) -> RowEffects:
        """Effects at rows."""

    @abc.abstractmethod
    def terms(self) -> tuple[EffectTerms, ...]:
        """Coefficients of each effect at its levels."""

    @abc.abstractmethod
    def to_state(self) -> dict[str, Any]:
        """Arrays that a file holds."""


@final
class NoEffects(AbstractKnownEffects):
    """Of a fit without any."""

    n_levels = 0

    def at(self, located, n_rows, n_features):
        return RowEffects(np.zeros((n_rows, n_features)), np.zeros((n_rows, n_features)))

    def terms(self):
        return ()

    def to_state(self):
        return {"kind": "none"}


@final
class LevelEffects(AbstractKnownEffects):
    """Coefficients of independent levels: of level j of kind k they have the covariance C_k + F_k F_kᵀ.

    C_k is that if the latents were known, feature by feature; F_k what these leave open, which features share. The last
    kind is that of levels that were not in the fit.

    Parameters
    ----------
    mean : ndarray of shape (q + 1, r, p)
    covariance : ndarray of shape (k + 1, p, r, r)
    shared : ndarray of shape (k + 1, p, r, f)
    level_kind : ndarray of int of shape (q + 1,)
    from_mean : ndarray of shape (k + 1, p, r), optional
        What coefficients vary for that the mean of the features is estimated: rows do not, whose mean goes along.
    """

    def __init__(
        self,
        mean: Array,
        covariance: Array,
        shared: Array,
        level_kind: NDArray[np.int64],
        from_mean: Array | None = None,
    ) -> None:
        self.mean, self.covariance, self.shared, self.kind = mean, covariance, shared, level_kind
        self.from_mean = np.zeros(covariance.shape[:3]) if from_mean is None else from_mean
        self.n_levels = len(mean) - 1

    @classmethod
    def of(cls, rows: RotatedRows, params: PCAParameters) -> LevelEffects:
        """From the rows and parameters of a fit."""
        Sigma = params.effects[0]
        R, a, G_inverse, tall = level_solution(rows, params)
        turned = np.swapaxes(R, 1, 2)
        mean = np.einsum("mab,qbm->qam", Sigma, turned[rows.kind] @ a, optimize=True)
        spread = Sigma @ turned[:, None]  # Σ Rᵀ (k, p, r, r)
        covariance = Sigma - spread @ G_inverse @ np.swapaxes(spread, 2, 3)
        shared = spread @ tall
        from_mean = sum(np.sum(moved**2, axis=3) for moved in moved_by_mean(rows, params))
        return cls(
            np.concatenate([mean, np.zeros_like(mean[:1])]),
            np.concatenate([covariance, Sigma[None]]),
            np.concatenate([shared, np.zeros_like(shared[:1])]),
            np.append(rows.kind, len(R)),
            np.concatenate([from_mean, np.zeros_like(Sigma[None, :, 0])]),
        )

    @classmethod
    def of_levels(cls, params: PCAParameters, mean: Array, roots: Array, from_mean: Array) -> LevelEffects:
        """From means (q, r, p), roots (q, p, r, f) of covariances, and what the mean adds (q, p, r), of each level."""
        Sigma = params.effects[0]
        return cls(
            np.concatenate([mean, np.zeros_like(mean[:1])]),
            np.concatenate([np.zeros((len(mean), *Sigma.shape)), Sigma[None]]),
            np.concatenate([roots, np.zeros_like(roots[:1])]),
            np.arange(len(mean) + 1),
            np.concatenate([from_mean, np.zeros_like(from_mean[:1])]),
        )

    def updated(self, told: ToldLevels, place: NDArray[np.int64], n_levels: int) -> LevelEffects:
        """Once further rows have told of some of ``n_levels`` levels, of which those before are at ``place``."""
        mean = np.zeros((n_levels + 1, *self.mean.shape[1:]))
        kind = np.full(n_levels + 1, self.kind[-1])
        mean[place], kind[place] = self.mean[:-1], self.kind[:-1]
        before = kind[told.levels]
        means, roots = told.posterior(mean[told.levels], self.covariance[before], self.shared[before])
        f = max(self.shared.shape[3], roots.shape[3])
        mean[told.levels] = means
        kind[told.levels] = len(self.covariance) + np.arange(len(told.levels))
        return LevelEffects(
            mean,
            np.concatenate([self.covariance, np.zeros_like(self.covariance[before])]),
            np.concatenate(
                [np.pad(one, [(0, 0)] * 3 + [(0, f - one.shape[3])]) for one in (self.shared, roots)]
            ),
            kind,
            np.concatenate([self.from_mean, self.from_mean[before]]),
        )

    def at(self, located, n_rows, n_features):
        where = located[0]
        level = np.where(where.level < 0, len(self.mean) - 1, where.level)
        kind, z = self.kind[level], where.basis
        if z is None:
            variance, shared = self.covariance[:, :, 0, 0][kind], self.shared[:, :, 0]
            return RowEffects(self.mean[level, 0], variance, shared, kind)
        mean = np.einsum("ia,iam->im", z, self.mean[level])
        variance = np.einsum("ia,imab,ib->im", z, self.covariance[kind], z, optimize=True)
        shared = np.einsum("ia,imaf->imf", z, self.shared[kind])
        return RowEffects(mean, variance, shared, np.arange(n_rows))

    def terms(self):
        own = np.einsum("kmaa->kma", self.covariance) + np.sum(self.shared**2, axis=3) + self.from_mean
        return (EffectTerms(self.mean[:-1], own.transpose(0, 2, 1)[self.kind[:-1]]),)

    def to_state(self):
        names = ("mean", "covariance", "shared", "from_mean")
        return {"kind": "levels", "level_kind": self.kind} | {name: getattr(self, name) for name in names}


@final
class ModeEffects(AbstractKnownEffects):
    """Levels that share a covariance, by independent modes of mean ê and variance v.

    Variances are exact; that features share what the latents leave open of the modes is left out.

    Parameters
    ----------
    mean, variance : ndarray of shape (m, p)
    modes : ndarray of shape (levels or functions, m)
        Of what rows are projected on.
    level_modes : ndarray of shape (q, m)
    prior : ndarray of shape (p,)
    from_mean : ndarray of shape (q, p), optional
        As of `LevelEffects`.
    """

    def __init__(
        self,
        mean: Array,
        variance: Array,
        modes: Array,
        level_modes: Array,
        prior: Array,
        from_mean: Array | None = None,
    ) -> None:
        self.from_mean = np.zeros((len(level_modes), len(prior))) if from_mean is None else from_mean
        self.mean, self.variance, self.modes = mean, variance, modes
        self.level_modes, self.prior, self.n_levels = level_modes, prior, len(level_modes)

    @classmethod
    def of(cls, rows: RotatedRows, params: PCAParameters, modes: Array, level_modes: Array) -> ModeEffects:
        """From the rows and parameters of a fit."""
        tau = params.effects[0][:, 0, 0]
        R, a, G_inverse, tall = level_solution(rows, params)
        spread = tau * R[:, 0]  # (m, p)
        shrink = G_inverse[:, :, 0, 0] - np.sum(tall[:, :, 0] ** 2, axis=2)
        from_mean = np.zeros((len(level_modes), len(tau)))
        for moved in moved_by_mean(rows, params):
            from_mean += np.sum(np.tensordot(level_modes, moved[:, :, 0], 1) ** 2, axis=2)
        return cls(spread * a[:, 0], tau - spread**2 * shrink, modes, level_modes, tau, from_mean)

    def at(self, located, n_rows, n_features):
        where = located[0]
        modes = self.level_modes if where.projection is None else np.asarray(where.projection @ self.modes)
        mean, variance = modes @ self.mean, modes**2 @ self.variance
        if where.extra is not None:
            variance += where.extra[:, None] * self.prior
        return RowEffects(mean[where.level], variance[where.level])

    def terms(self):
        mean, variance = self.level_modes @ self.mean, self.level_modes**2 @ self.variance
        return (EffectTerms(mean[:, None], (variance + self.from_mean)[:, None]),)

    def to_state(self):
        names = ("mean", "variance", "modes", "level_modes", "prior", "from_mean")
        return {"kind": "modes"} | {name: getattr(self, name) for name in names}


@final
class PosteriorEffects(AbstractKnownEffects):
    """Any effects, as the engine knows them; a file holds the rows, from which they are found once more.

    Parameters
    ----------
    left : ndarray of shape (n, p)
        Rows of the fit less what their latents explain, NaN where an entry is missing.
    rows : EffectRows
    system : AbstractGaussianSystem
        Of these rows.
    variances : VarianceComponents
    bound : sequence of AbstractBoundEffect
    shapes : sequence of ndarray
    loadings : ndarray of shape (p, d)
    """

    def __init__(
        self,
        left: Array,
        rows: EffectRows,
        system: AbstractGaussianSystem,
        variances: VarianceComponents,
        bound: Sequence[AbstractBoundEffect],
        shapes: Sequence[Array],
        loadings: Array,
    ) -> None:
        self.left, self.rows, self.variances = left, rows, variances
        self.bound, self.shapes, self.loadings = bound, shapes, loadings
        self.posterior = system.posterior(np.where(np.isfinite(left), left, 0.0), variances)

    @classmethod
    def from_state(
        cls,
        state: dict[str, Any],
        bound: Sequence[AbstractBoundEffect],
        shapes: Sequence[Array],
        variances: VarianceComponents,
        loadings: Array,
    ) -> PosteriorEffects:
        """What `to_state` wrote, solved for once more."""
        observed = state["observed"]
        left = np.where(observed, state["left"], np.nan)
        system = system_of_rows(observed, bound, shapes)
        return cls(left, EffectRows.restore(state["rows"]), system, variances, bound, shapes, loadings)

    def at(self, located, n_rows, n_features):
        return RowEffects(*self.posterior.predict(located, None))

    def terms(self):
        observed = np.isfinite(self.left)
        weights = None if observed.all() else observed.astype(np.float64)
        explained = np.sum(self.loadings**2, axis=1)
        at = self.bound, self.shapes, weights, self.variances, explained, self._alone
        return tuple(map(EffectTerms, self.posterior.effects, variances_beside_latents(*at)))

    def _alone(self, t: int) -> JointLevels:
        effect, (n, d) = self.bound[t], (len(self.left), self.loadings.shape[1])
        weight = np.isfinite(self.left) / self.variances.noise

        def slopes_at(rows: NDArray[np.int64]) -> Array:
            return np.broadcast_to(self.loadings, (*rows.shape, *self.loadings.shape))

        rows = self.left, np.zeros((n, d)), slopes_at, weight
        return JointLevels(*rows, effect.level, effect.n_levels, effect.basis, self.variances.effects[t])

    def to_state(self):
        observed = np.isfinite(self.left)
        left = np.where(observed, self.left, 0.0)
        return {"kind": "posterior", "left": left, "observed": observed, "rows": self.rows.state()}
