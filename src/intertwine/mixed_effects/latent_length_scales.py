"""Length scales of latent effects where the sites are held: the most likely ones, which all axes share.

Every trial builds the features anew and lets the variances follow; the logarithm of one length scale after the other
climbs, until a round gains no more than what would matter. Some subjects and some axes tell as much as all, so that
there are limits to what is looked at.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.covariate import Covariates
from intertwine.mixed_effects.latent_effects import LatentEffects
from intertwine.mixed_effects.latent_variance_search import fit_latent_variances
from intertwine.mixed_effects.scalar_search import maximize_scalar
from intertwine.mixed_effects.subject_system import SubjectSystem
from intertwine.mixed_effects.subjects import LatentVariances, Sites

__all__ = ["FittedLengthScales", "fit_length_scales"]

Array = NDArray[np.float64]

_STEP = 0.5  # of the logarithm, from the start to the first points that are tried
_TOLERANCE = 0.1  # of the log evidence
_ROUNDS = 6
_MOST_AXES = 8  # those on which effects weigh most against noise
# Variances are searched for more closely than length scales: what theirs leave undone looks like a gain, or hides one.
_VARIANCE_TOLERANCE, _STEPS = 0.01 * _TOLERANCE, 100


class FittedLengthScales(NamedTuple):
    """What was found.

    Attributes
    ----------
    shape : ndarray of shape (s,)
    bound : ndarray of int, shape (s,)
        −1 or 1 where a learnt length scale came to its lower or upper limit, else 0.
    log_evidence : float
        Of the visits and axes that were looked at.
    converged : bool
    """

    shape: Array
    bound: NDArray[np.int64]
    log_evidence: float
    converged: bool


def fit_length_scales(
    effects: LatentEffects,
    columns: Covariates,
    subject: NDArray[np.int64],
    sites: Sites,
    start: Array,
    variances: LatentVariances,
    *,
    max_visits: int = 5000,
) -> FittedLengthScales:
    """Find the length scales that are to be learnt.

    Parameters
    ----------
    effects : LatentEffects
    columns : Covariates
    subject : ndarray of int, shape (n,)
    sites : Sites
    start : ndarray of shape (s,)
    variances : LatentVariances
        To begin from.
    max_visits : int, default=5000
        Subjects are drawn until they have as many; one has all of its visits.
    """
    kept, whose = _some_subjects(subject, max_visits)
    finite = [np.where(np.isinf(field), 0.0, field).sum(axis=0) for field in variances.of_effects]
    axes = np.sort(np.argsort(-np.sum(finite, axis=0) / variances.noise, kind="stable")[:_MOST_AXES])
    few = Sites(sites.mean[np.ix_(kept, axes)], sites.variance[np.ix_(kept, axes)])
    variances = variances.of_axes(axes)
    trials = _Trials(effects, columns.take(kept), whose, few, variances)
    bounds = effects.shape_bounds()
    shape = np.clip(np.asarray(start, dtype=np.float64), bounds[:, 0], bounds[:, 1])
    free = [int(j) for j in np.flatnonzero(bounds[:, 1] > bounds[:, 0])]
    bound, converged, n_rounds = np.zeros(len(shape), dtype=np.int64), not free, 0
    value = trials.evidence(shape)
    while not converged and n_rounds < _ROUNDS:
        before = value
        for j in free:
            low, high = np.log(bounds[j])
            found = maximize_scalar(
                partial(trials.along, j, shape.copy()),
                float(np.log(shape[j])),
                low,
                high,
                step=_STEP,
                tolerance=_TOLERANCE,
            )
            shape[j], bound[j], value = np.exp(found.x), found.bound, found.value
        n_rounds += 1
        converged = len(free) == 1 or value - before <= _TOLERANCE
    return FittedLengthScales(shape, bound, value, converged)


@final
class _Trials:
    """The visits that are looked at, and the likeliest variances so far, from which the next trial begins."""

    def __init__(
        self,
        effects: LatentEffects,
        columns: Covariates,
        subject: NDArray[np.int64],
        sites: Sites,
        variances: LatentVariances,
    ) -> None:
        self.effects, self.columns, self.subject, self.sites = effects, columns, subject, sites
        self.n_subjects = int(subject.max()) + 1
        self.variances = variances
        self._best = -np.inf

    def evidence(self, shape: Array) -> float:
        """Of all axes, at the variances that suit these length scales."""
        system = SubjectSystem(self.effects.rows(self.columns, self.subject, self.n_subjects, shape))
        begin, learnt = _positive(self.variances), self.effects.learnt
        found = fit_latent_variances(
            system, self.sites, learnt, begin, tolerance=_VARIANCE_TOLERANCE, max_iter=_STEPS
        )
        value = float(found.log_evidence.sum())
        if value > self._best:
            self._best, self.variances = value, found.variances
        return value

    def along(self, j: int, shape: Array, log_scale: float) -> float:
        """The evidence where one length scale is changed."""
        shape[j] = np.exp(log_scale)
        return self.evidence(shape)


def _some_subjects(
    subject: NDArray[np.int64], max_visits: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of some subjects, in their order, and these numbered anew."""
    present, number, counts = np.unique(subject, return_inverse=True, return_counts=True)
    if len(subject) > max_visits:
        drawn = np.random.default_rng(0).permutation(len(present))
        enough = 1 + int(np.searchsorted(np.cumsum(counts[drawn]), max_visits))
        chosen = np.zeros(len(present), dtype=bool)
        chosen[drawn[: max(enough, 2)]] = True
        kept = np.flatnonzero(chosen[number])
        return kept, (np.cumsum(chosen) - 1)[number[kept]]
    return np.arange(len(subject)), number


def _positive(variances: LatentVariances) -> LatentVariances:
    """A variance of zero at one length scale may not be zero at another."""
    least = 1e-3 * variances.noise
    return variances.each(lambda field: np.maximum(field, least))._replace(noise=variances.noise)
