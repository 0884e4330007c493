"""Coefficients taken as independent of each other: what an exact posterior is compared with.

    q(z_nk) = N(m_nk, s_nk), said by an encoder,    q(a) = Π_j N(μ_jk, v_jk), of shared and own coefficients alike

    E_q log p(z | a) = −½ Σ_n [log 2πσ² + (s_n + (m_n − φ_nᵀμ)² + Σ_j φ_nj² v_j) / σ²]

At its best such a q has the exact means, and v_j = 1 / (1/D_j + Σ_n φ_nj² / σ²): a coefficient is as sure as if all
others were known. The bound lacks ½ (Σ log Λ_jj − log |Λ|), Λ the precision of the exact posterior, and variances that
are learnt from these moments are too small, most where many coefficients explain the same visits: an intercept of each
subject beside its courses.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.mixed_effects.subject_system import SubjectSystem
from intertwine.mixed_effects.subjects import LatentVariances, Sites, SubjectRows

__all__ = ["MeanField", "latent_entropy"]

Array = NDArray[np.float64]


class MeanField(NamedTuple):
    """Means and variances of all coefficients.

    Attributes
    ----------
    shared_mean, shared_variance : ndarray of shape (p, K)
    own_mean, own_variance : ndarray of shape (P, q, K)
        Of every subject.
    """

    shared_mean: Array
    shared_variance: Array
    own_mean: Array
    own_variance: Array

    @classmethod
    def best(cls, rows: SubjectRows, latent_mean: Array, variances: LatentVariances) -> MeanField:
        """The best such posterior of visits whose latents have means (n, K).

        Raises
        ------
        ValueError
            Where a trend goes by state space, or coefficients are correlated a priori.

        Examples
        --------
        Two visits of one subject; the mean is shared, and shrunk to zero. Of the mean alone one would be as sure:

        >>> rows = SubjectRows(np.array([0, 0]), 1, np.ones((2, 1)), np.ones((2, 1)))
        >>> one = np.ones((1, 1))
        >>> variances = LatentVariances(np.ones(1), one, one, np.empty((0, 1)))
        >>> found = MeanField.best(rows, np.array([[1.0], [2.0]]), variances)
        >>> found.shared_mean.round(2).tolist(), found.shared_variance.round(2).tolist()
        ([[0.6]], [[0.33]])
        """
        _refuse_trends(rows)
        if variances.correlations:
            raise ValueError(
                "a posterior of independent coefficients has none for Correlated effects: name their effects one by "
                "one, or take the exact posterior (objective='exact')"
            )
        posterior = SubjectSystem(rows).posterior(Sites(latent_mean, np.zeros(latent_mean.shape)), variances)
        shared = np.sum(rows.shared**2, axis=0)[:, None] / variances.noise
        return cls(
            posterior.shared.mean,
            _given_data(variances.shared, shared),
            posterior.own_means(),
            _own_variance(rows, variances),
        )

    def linear(self, rows: SubjectRows) -> tuple[Array, Array]:
        """Means and variances (n, K) of A φ at rows of these subjects."""
        own = self.own_mean[rows.subject], self.own_variance[rows.subject]
        mean = rows.shared @ self.shared_mean + np.einsum("nq,nqk->nk", rows.own, own[0])
        variance = rows.shared**2 @ self.shared_variance + np.einsum("nq,nqk->nk", rows.own**2, own[1])
        return mean, variance

    def of_new_subjects(
        self, rows: SubjectRows, latent_mean: Array, seen: NDArray[np.bool_], variances: LatentVariances
    ) -> MeanField:
        """The same shared coefficients with those of other subjects, from visits that were ``seen`` (n,)."""
        _refuse_trends(rows)
        given = SubjectRows(rows.subject[seen], rows.n_subjects, rows.shared[seen], rows.own[seen])
        left = latent_mean[seen] - given.shared @ self.shared_mean
        alone = given._replace(shared=np.empty((len(left), 0)))
        nothing_shared = variances._replace(shared=np.empty((0, len(variances.noise))))
        posterior = SubjectSystem(alone).posterior(Sites(left, np.zeros(left.shape)), nothing_shared)
        return self._replace(own_mean=posterior.own_means(), own_variance=_own_variance(given, variances))

    def moments(self, rows: SubjectRows, latent_mean: Array, latent_variance: Array) -> LatentVariances:
        """Second moments of noise and coefficients: the variances of the next EM step, before effects share them."""
        mean, variance = self.linear(rows)
        own = np.mean(self.own_mean**2 + self.own_variance, axis=0)
        return LatentVariances(
            np.mean((latent_mean - mean) ** 2 + variance + latent_variance, axis=0),
            self.shared_mean**2 + self.shared_variance,
            own,
            np.empty((0, len(mean.T))),
        )

    def divergence(self, variances: LatentVariances) -> Array:
        """KL[q(a) ‖ p(a)] of each axis, (K,); a flat prior has density one."""
        shared = _divergence(self.shared_mean, self.shared_variance, variances.shared)
        own = _divergence(self.own_mean, self.own_variance, variances.own)
        return shared.sum(axis=0) + own.sum(axis=(0, 1))

    def bound(
        self, rows: SubjectRows, latent_mean: Array, latent_variance: Array, variances: LatentVariances
    ) -> Array:
        """What the latents contribute to the evidence lower bound, (K,).

        E log p(z | a) − KL[q(a) ‖ p(a)] and the entropy of q(z). The exact posterior has `log_evidence` of sites
        (m, 0), less Σ s / 2σ², in place of the first two.
        """
        mean, variance = self.linear(rows)
        squares = np.sum((latent_mean - mean) ** 2 + variance + latent_variance, axis=0)
        fit = -0.5 * (len(mean) * np.log(2.0 * np.pi * variances.noise) + squares / variances.noise)
        return fit - self.divergence(variances) + latent_entropy(latent_variance)


def latent_entropy(latent_variance: Array) -> Array:
    """Of q(z), (K,)."""
    return 0.5 * np.sum(1.0 + np.log(2.0 * np.pi * latent_variance), axis=0)


def _divergence(mean: Array, variance: Array, prior: Array) -> Array:
    flat, zero = np.isinf(prior), prior == 0.0
    safe, spread = np.where(flat | zero, 1.0, prior), np.where(zero, 1.0, variance)
    proper = np.where(zero, 0.0, 0.5 * ((mean**2 + variance) / safe - 1.0 + np.log(safe) - np.log(spread)))
    return np.where(flat, -0.5 * (1.0 + np.log(2.0 * np.pi * spread)), proper)


def _own_variance(rows: SubjectRows, variances: LatentVariances) -> Array:
    squares = np.zeros((rows.n_subjects, rows.own.shape[1]))
    np.add.at(squares, rows.subject, rows.own**2)
    return _given_data(variances.own, squares[:, :, None] / variances.noise)


def _given_data(prior: Array, precision: Array) -> Array:
    """1 / (1 / prior + precision), where the prior may be zero or infinite."""
    with np.errstate(divide="ignore"):
        return np.where(np.isinf(prior), 1.0 / precision, 1.0 / (1.0 / prior + precision))


def _refuse_trends(rows: SubjectRows) -> None:
    if rows.trends:
        raise ValueError(
            "a posterior of independent coefficients has none for trends by state space: give their effects "
            "method='basis', or take the exact posterior"
        )
