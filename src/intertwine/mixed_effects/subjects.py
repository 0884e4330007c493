"""Latents of visits under a linear mixed model: shared coefficients, and coefficients of every subject, exactly.

    z_nk = f_nᵀ a_k + u_nᵀ b_pk + (g_pk)(t_n) + ε_nk,     z̃_nk ~ N(z_nk, s̃_nk)        subject p of visit n, axis k
    a_k ~ N(0, diag(D_k)),   b_pk ~ N(0, B_k),   g_pk ~ a Markov process,   ε_nk ~ N(0, σ_k²)

B_k is diagonal but for blocks of coefficients that are correlated.

The z̃ are Gaussian sites: what an encoder says of a visit; s̃ = ∞ says nothing, so that a visit of the future is a row
like any other. Subjects are eliminated first: with R = diag(σ² + s̃) and W_p = (R_p + U_p B U_pᵀ)⁻¹,

    Λ = D⁻¹ + Σ_p F_pᵀ W_p F_p,    μ = Λ⁻¹ Σ_p F_pᵀ W_p z̃_p,
    log Z = Σ_p log N(z̃_p; F_p a, W_p⁻¹) integrated over a

and given a, subjects are independent of each other. A shared coefficient of infinite variance is flat: its likelihood
is the restricted one.

Source: Henderson (1975); Searle, Casella & McCulloch, Variance Components (1992), chapter 7.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = [
    "AbstractSubjectPosterior",
    "LatentVariances",
    "Marginals",
    "OwnCorrelation",
    "SharedPosterior",
    "Sites",
    "SubjectRows",
    "Trend",
]

Array = NDArray[np.float64]


class Trend(NamedTuple):
    """A Markov process of every subject: by state space, for series so long that functions would not do.

    Attributes
    ----------
    time : ndarray of shape (n,)
        NaN at visits where the process is not there. Two trends must put the visits of a subject in the same order.
    kernel : str
        "matern12", "matern32" or "matern52".
    length_scale : float
    """

    time: Array
    kernel: str
    length_scale: float


class SubjectRows(NamedTuple):
    """What the model reads of n visits, in any order.

    Attributes
    ----------
    subject : ndarray of int, shape (n,)
        0 … n_subjects − 1.
    n_subjects : int
    shared : ndarray or sparse matrix of shape (n, p)
        Features of the coefficients that all subjects share; sparse where a visit has few of many, as of categories.
    own : ndarray of shape (n, q)
        Features of the coefficients of each subject; q may be 0.
    trends : tuple of Trend
    """

    subject: NDArray[np.int64]
    n_subjects: int
    shared: Array | sparse.csr_array
    own: Array
    trends: tuple[Trend, ...] = ()


class OwnCorrelation(NamedTuple):
    """Correlations of some of a subject's own coefficients; different ones concern different coefficients.

    Attributes
    ----------
    columns : ndarray of int, shape (m,)
        Of the own features.
    matrix : ndarray of shape (K, m, m)
    """

    columns: NDArray[np.int64]
    matrix: Array


class LatentVariances(NamedTuple):
    """Variances of the K axes: of every coefficient as features are scaled, so that effects repeat theirs.

    Attributes
    ----------
    noise : ndarray of shape (K,)
    shared : ndarray of shape (p, K)
        Infinite: a flat prior.
    own : ndarray of shape (q, K)
    trends : ndarray of shape (number of trends, K)
    correlations : tuple of OwnCorrelation
        Own coefficients in none of them are independent.
    """

    noise: Array
    shared: Array
    own: Array
    trends: Array
    correlations: tuple[OwnCorrelation, ...] = ()

    @property
    def of_effects(self) -> tuple[Array, Array, Array]:
        """Those of shared and own coefficients and of trends."""
        return self.shared, self.own, self.trends

    def of_axes(self, axes: NDArray[np.int64]) -> LatentVariances:
        """Of some axes, in their order."""
        shared, own, trends = (field[:, axes] for field in self.of_effects)
        correlations = tuple(OwnCorrelation(columns, matrix[axes]) for columns, matrix in self.correlations)
        return LatentVariances(self.noise[axes], shared, own, trends, correlations)

    def each(self, change: Callable[[Array], Array]) -> LatentVariances:
        """All variances changed, correlations as they are."""
        shared, own, trends = (change(field) for field in self.of_effects)
        return LatentVariances(change(self.noise), shared, own, trends, self.correlations)


class Sites(NamedTuple):
    """What is seen of the latents: means and variances, (n, K) each; the variance is infinite where nothing is."""

    mean: Array
    variance: Array


class SharedPosterior(NamedTuple):
    """The shared coefficients given the sites of the fit: mean (p, K) and covariance (K, p, p)."""

    mean: Array
    covariance: Array


class Marginals(NamedTuple):
    """Of every visit and axis, (n, K) each, all sites known: of A φ (the linear part) and of z (with its noise)."""

    linear_mean: Array
    linear_variance: Array
    mean: Array
    variance: Array


class AbstractSubjectPosterior(abc.ABC):
    """All that is known once the sites have been seen, at given variances."""

    log_evidence: Array  # (K,) log of the density of the sites' means

    @property
    @abc.abstractmethod
    def shared(self) -> SharedPosterior:
        """The shared coefficients given all sites."""

    @abc.abstractmethod
    def own_means(self) -> Array:
        """Means (P, q, K) of subjects' coefficients; costs far less than their covariances."""

    @abc.abstractmethod
    def own(self) -> tuple[Array, Array]:
        """Means (P, q, K) and covariances (P, K, q, q) of subjects' coefficients; the shared ones integrated out."""

    @abc.abstractmethod
    def marginals(self) -> Marginals:
        """Of the rows that the system was set up for."""

    @abc.abstractmethod
    def moments(self) -> LatentVariances:
        """Second moments, what EM takes for variances.

        E Σ ε² / m over the m visits that have sites, E a², Σ_p E b² / P, and of each trend Σ E gᵀK⁻¹g / m, g its values
        at the m different times of subjects that have sites and K their correlation. Of correlated coefficients the
        matrix Σ_p E bbᵀ / P, as its diagonal and its correlations.
        """

    @abc.abstractmethod
    def draw(self, rng: np.random.Generator, n_draws: int = 1, noise: bool = False) -> Array:
        """Joint draws of the trajectories of all subjects, (n_draws, n, K): of A φ, or with ``noise`` of z."""
