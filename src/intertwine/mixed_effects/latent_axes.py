"""What of latent axes is identified, and the convention for what is not.

A decoder makes of latents A φ(x) + ε whatever it likes, so that axes are known up to an affine map: up to order, sign
and scale where each axis has variances of its own, up to rotations as well among axes whose variances have the same
proportions, and not at all where an axis is nothing but noise. The convention:

    scale      the prior variance of a visit's latent, Σ_c v_ck s_c + σ_k², is one
    order      by the variance that effects explain: of what is observed, Σ_c v_ck s_c ‖w_k‖², where the decoder's mean
               slopes w_k are given, else of the latent; axes beyond the rank of A come last
    sign       the mean slope of largest magnitude is positive
    rotation   none: axes stay as their own variances make them; pairs that may be rotated are named (`alike_axes`)

Rank. An axis is told from noise where its sites are likelier with the effects than without any, by a ratio that
chance would not give: twice the gain in log evidence above the quantile of χ² with as many degrees of freedom as
there are effects, at a level of .01 for all axes together (variances are not negative, so that this errs towards
noise). Axes can share a signal; the rank counts the directions that have one: those of the latents, in units of their
noise, in which the posterior means of A φ are uncorrelated, each put to the same test as an axis of its own.

Source: Self & Liang, Asymptotic properties of maximum likelihood estimators and likelihood ratio tests under
nonstandard conditions (1987), for tests of variances.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from intertwine.mixed_effects.own_factor import correlated, covariance_of
from intertwine.mixed_effects.subject_system import SubjectSystem
from intertwine.mixed_effects.subjects import LatentVariances, Sites

__all__ = ["AxisConvention", "IdentifiedAxes", "alike_axes", "axis_convention", "identified_axes"]

Array = NDArray[np.float64]

_LEVEL = 0.01  # of the test that an axis is noise
_SHRUNK = (1.0, 0.1, 0.01)  # the variances at which a direction is tried, in those that its axes have
_ALIKE = 0.05  # of an axis' variance, by which proportions may differ and axes still be rotated


class IdentifiedAxes(NamedTuple):
    """Which axes carry a signal.

    Attributes
    ----------
    gain : ndarray of shape (K,)
        Of log evidence by the effects.
    identified : ndarray of bool, shape (K,)
        Axes told from noise by themselves.
    rank : int
        Of A, as far as it can be told from noise.
    """

    gain: Array
    identified: NDArray[np.bool_]
    rank: int


def identified_axes(
    system: SubjectSystem, sites: Sites, variances: LatentVariances, n_effects: int
) -> IdentifiedAxes:
    """Tell the axes, and the directions among them, that carry a signal from those of noise.

    Parameters
    ----------
    system : SubjectSystem
        Of the visits of a fit, or of part of its subjects.
    sites : Sites
    variances : LatentVariances
        As fitted: shared ones that are infinite stay.
    n_effects : int
        How many variances an axis has besides that of noise.
    """
    n_axes = len(variances.noise)
    seen = np.isfinite(sites.variance).all(axis=1)
    if not seen.any():
        return IdentifiedAxes(np.zeros(n_axes), np.zeros(n_axes, dtype=bool), 0)
    enough = 0.5 * float(chdtri(max(n_effects, 1), _LEVEL / n_axes))
    posterior = system.posterior(sites, variances)
    gain = posterior.log_evidence - _without_effects(system, sites, variances)
    signal = posterior.marginals().linear_mean
    signal = signal - signal.mean(axis=0)
    unit = 1.0 / np.sqrt(variances.noise + sites.variance[seen].mean(axis=0))
    turned = np.linalg.eigh(unit[:, None] * (signal.T @ signal) * unit)[1]
    directions = unit[:, None] * turned
    along, turned_variances = _in_directions(sites, variances, directions)
    best = np.full(n_axes, -np.inf)
    for shrunk in _SHRUNK:
        smaller = turned_variances.each(partial(_times, factor=shrunk))._replace(noise=turned_variances.noise)
        tried = system.posterior(along, smaller)
        best = np.maximum(best, tried.log_evidence)
    best -= _without_effects(system, along, turned_variances)
    return IdentifiedAxes(gain, gain > enough, int(np.count_nonzero(best > enough)))


class AxisConvention(NamedTuple):
    """How axes are to be turned into those that are reported.

    Attributes
    ----------
    order : ndarray of int, shape (K,)
        The old axis of each new one.
    sign, scale : ndarray of shape (K,)
        Of the new axes: new latent = sign · old latent / scale.

    Examples
    --------
    >>> convention = AxisConvention(np.array([1, 0]), np.array([1.0, -1.0]), np.array([2.0, 0.5]))
    >>> new = convention.latents(np.array([[1.0, 4.0]]))
    >>> new, convention.undone(new)
    (array([[ 2., -2.]]), array([[1., 4.]]))
    """

    order: NDArray[np.int64]
    sign: Array
    scale: Array

    def latents(self, latents: Array) -> Array:
        """Latents, or coefficients (…, K), of the new axes."""
        return latents[..., self.order] * (self.sign / self.scale)

    def undone(self, latents: Array) -> Array:
        """Latents (…, K) of the old axes: what the decoder reads."""
        old = np.empty_like(latents)
        old[..., self.order] = latents * (self.sign * self.scale)
        return old

    def slopes(self, slopes: Array) -> Array:
        """Slopes (…, K) of what is decoded in the new latents."""
        return slopes[..., self.order] * (self.sign * self.scale)

    def sites(self, sites: Sites) -> Sites:
        """Sites of the new axes."""
        return Sites(self.latents(sites.mean), sites.variance[:, self.order] / self.scale**2)

    def variances(self, variances: LatentVariances) -> LatentVariances:
        """Variances of the new axes."""
        return variances.of_axes(self.order).each(lambda field: field / self.scale**2)


def axis_convention(
    prior: Array, noise: Array, slopes: Array | None = None, identified: NDArray[np.bool_] | None = None
) -> AxisConvention:
    """Order, sign and scale of axes by the convention of this module.

    Parameters
    ----------
    prior : ndarray of shape (K,)
        Prior variance of A φ: variances of effects times their scales, `LatentEffects.scales`.
    noise : ndarray of shape (K,)
        σ².
    slopes : ndarray of shape (p, K), optional
        Mean slopes of what is observed in the latents, in units in which the p columns can be compared.
    identified : ndarray of bool, shape (K,), optional
        Others come last.

    Examples
    --------
    >>> slopes = np.array([[3.0, 0.1], [0.0, -2.0]])
    >>> axis_convention(np.array([1.0, 9.0]), np.array([3.0, 7.0]), slopes).order.tolist()
    [1, 0]
    """
    prior, noise = np.asarray(prior, dtype=np.float64), np.asarray(noise, dtype=np.float64)
    total = prior + noise
    explained = prior / total if slopes is None else prior * np.square(slopes).sum(axis=0)
    last = np.zeros(len(prior), dtype=bool) if identified is None else ~np.asarray(identified)
    order = np.lexsort([-explained, last])
    sign = np.ones(len(prior))
    if slopes is not None:
        steepest = slopes[np.abs(slopes).argmax(axis=0), np.arange(len(prior))]
        sign = np.where(steepest < 0.0, -1.0, 1.0)
    return AxisConvention(order, sign[order], np.sqrt(total[order]))


def alike_axes(by_effect: Array, scales: Array, noise: Array) -> list[tuple[int, int]]:
    """Pairs of axes whose variances have the same proportions: any rotation of the two fits as well.

    Parameters
    ----------
    by_effect : ndarray of shape (effects, K)
    scales : ndarray of shape (effects,)
    noise : ndarray of shape (K,)

    Examples
    --------
    >>> alike_axes(np.array([[1.0, 2.0, 0.1], [0.5, 1.0, 3.0]]), np.ones(2), np.array([1.0, 2.0, 1.0]))
    [(0, 1)]
    """
    parts = np.vstack([by_effect * np.asarray(scales)[:, None], noise])
    shares = parts / parts.sum(axis=0)
    differ = 0.5 * np.abs(shares[:, :, None] - shares[:, None, :]).sum(axis=0)
    first, second = np.nonzero(np.triu(differ < _ALIKE, k=1))
    return list(zip(first.tolist(), second.tolist(), strict=True))


def _without_effects(system: SubjectSystem, sites: Sites, variances: LatentVariances) -> Array:
    """Log evidence of each axis without any effect, at its own noise or at all that its sites vary."""
    seen = np.isfinite(sites.variance)
    site_variance = np.where(seen, sites.variance, 0.0)
    n_seen = np.maximum(seen.sum(axis=0), 1)
    mean = np.where(seen, sites.mean, 0.0).sum(axis=0) / n_seen
    square = np.where(seen, np.square(sites.mean - mean) - site_variance, 0.0).sum(axis=0) / n_seen
    none = variances.each(partial(_times, factor=0.0))
    noises = (variances.noise, np.maximum(square, variances.noise))
    evidences = [system.posterior(sites, none._replace(noise=noise)).log_evidence for noise in noises]
    return np.maximum(*evidences)


def _in_directions(
    sites: Sites, variances: LatentVariances, directions: Array
) -> tuple[Sites, LatentVariances]:
    """Sites and variances of directions of the latents (K, directions), each as an axis of its own."""
    squares = np.square(directions)
    seen = np.isfinite(sites.variance).all(axis=1, keepdims=True)
    variance = np.where(seen, np.where(seen, sites.variance, 0.0) @ squares, np.inf)
    flat = np.isinf(variances.shared)
    shared = np.where(flat, np.inf, np.where(flat, 0.0, variances.shared) @ squares)
    own, correlations = variances.own @ squares, []
    for one in variances.correlations:
        mixed = np.einsum("kij,kd->dij", covariance_of(variances.own, one), squares)
        own[one.columns], correlation = correlated(one.columns, mixed)
        correlations.append(correlation)
    noise, trends = variances.noise @ squares, variances.trends @ squares
    along = LatentVariances(noise, shared, own, trends, tuple(correlations))
    return Sites(sites.mean @ directions, variance), along


def _times(variances: Array, factor: float) -> Array:
    """Flat priors stay flat."""
    flat = np.isinf(variances)
    return np.where(flat, variances, factor * np.where(flat, 0.0, variances))
