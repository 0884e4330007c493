"""Variance components by maximum likelihood, restricted or not, of several outputs at once.

Source: Bates et al., Fitting linear mixed-effects models using lme4 (2015), section 3; Laird & Ware (1982) for EM.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import AbstractBoundEffect
from intertwine.mixed_effects.base import (
    AbstractGaussianSystem,
    AbstractPosterior,
    Array,
    VarianceComponents,
)
from intertwine.mixed_effects.lockstep import Maxima
from intertwine.mixed_effects.row_sample import row_sample
from intertwine.mixed_effects.variance_search import VarianceSearch, basis_root

__all__ = ["VarianceReport", "em_variances", "fit_variances", "start_variances"]

_SAMPLE = 10_000  # rows that tell the size of y well enough to start from


class VarianceReport(NamedTuple):
    """How the search of each output ended.

    ``boundary`` says of each effect (T, p) whether its Σ is singular: a variance is zero, or a correlation is ±1.
    ``expected_gain`` is what a quadratic model of the log-likelihood still promised.
    """

    converged: NDArray[np.bool_]
    n_iter: NDArray[np.int64]
    boundary: NDArray[np.bool_]
    expected_gain: Array
    n_evaluations: int


def start_variances(
    effects: Sequence[AbstractBoundEffect], y: Array, fixed: Array | None = None, weights: Array | None = None
) -> VarianceComponents:
    """Half of what fixed columns leave of the variance to the noise, the rest to all basis functions alike.

    Of many rows a sample is read, and no entries of weight zero.
    """
    rows = row_sample(len(y), _SAMPLE)
    columns = None if fixed is None else np.linalg.qr(fixed[rows])[0]
    observed = None if weights is None else (weights[:, None] if weights.ndim == 1 else weights) > 0.0
    total = np.empty(y.shape[1])
    for m in range(y.shape[1]):
        there, own = rows, columns
        if observed is not None:
            of_output = observed[:, min(m, observed.shape[1] - 1)]
            seen = of_output[rows]
            there, own = rows[seen], None if columns is None else columns[seen]
            if 2 * len(there) < len(rows):
                there = np.flatnonzero(of_output)[:_SAMPLE]
                own = None if fixed is None else np.linalg.qr(fixed[there])[0]
        total[m] = _left_variance(y[there, m], own)
    total = np.where(total > 0.0, total, 1.0)
    roots = [basis_root(effect) for effect in effects]
    share = 0.5 / sum(len(root) for root in roots)
    return VarianceComponents(
        0.5 * total, tuple(share * total[:, None, None] * (root @ root.T) for root in roots)
    )


def _left_variance(y: Array, columns: Array | None) -> float:
    """Of y less what columns give, which are orthonormal, or rows of such."""
    if columns is not None and columns.shape[1]:
        y = y - columns @ np.linalg.lstsq(columns.T @ columns, columns.T @ y, rcond=None)[0]
    return float(np.mean(y**2)) if y.size else 0.0


def em_variances(
    posterior: AbstractPosterior,
    system: AbstractGaussianSystem,
    effects: Sequence[AbstractBoundEffect],
    extra_noise: Array | float = 0.0,
) -> VarianceComponents:
    """One step of EM: every variance becomes the expectation of what it is the variance of.

    Parameters
    ----------
    posterior : AbstractPosterior
        At the variances before the step.
    system : AbstractGaussianSystem
    effects : sequence of AbstractBoundEffect
        Say which Σ are diagonal.
    extra_noise : array of shape (p,) or float, default=0.0
        Added to the weighted sum of squares of the noise: what is uncertain in y itself, summed over entries.

    Returns
    -------
    VarianceComponents
        With a higher likelihood, or the same.
    """
    new = []
    for moment, q, effect in zip(posterior.second_moments(), system.n_levels, effects, strict=True):
        Sigma = moment / q
        new.append(Sigma if effect.correlated else Sigma * np.eye(Sigma.shape[1]))
    return VarianceComponents((posterior.noise_moment() + extra_noise) / system.n_entries, tuple(new))


def fit_variances(
    system: AbstractGaussianSystem,
    y: Array,
    effects: Sequence[AbstractBoundEffect],
    start: VarianceComponents,
    tolerance: float = 1e-10,
    max_iter: int = 200,
    on_iteration: Callable[[int, Array], None] | None = None,
) -> tuple[VarianceComponents, AbstractPosterior, VarianceReport]:
    """Maximise the likelihood that a system gives, separately for each output.

    Parameters
    ----------
    system : AbstractGaussianSystem
        Restricted or not.
    y : array of shape (n, p)
    effects : sequence of AbstractBoundEffect
        Those of the system; they say which Σ are diagonal.
    start : VarianceComponents
        Positive definite. See `start_variances`.
    tolerance : float, default=1e-10
        Of the log-likelihood: an output has converged when no more than this is expected to be gained.
    max_iter : int, default=200
    on_iteration : callable, optional
        Called with the number of the iteration and the log-likelihoods (p,).

    Returns
    -------
    variances : VarianceComponents
    posterior : AbstractPosterior
        At these variances.
    report : VarianceReport

    Examples
    --------
    >>> from intertwine.effects import Grouped
    >>> from intertwine.effects.random import EffectRows, GroupCodes
    >>> from intertwine.mixed_effects.choose import system_for
    >>> groups = np.repeat(np.arange(50), 20)
    >>> rng = np.random.default_rng(0)
    >>> y = 3.0 * rng.standard_normal((50, 1))[groups] + rng.standard_normal((1000, 1))
    >>> effects = [Grouped().bind(EffectRows(1000, {None: GroupCodes(groups, 50)}))]
    >>> fixed = np.ones((1000, 1))
    >>> start = start_variances(effects, y, fixed)
    >>> found, posterior, report = fit_variances(system_for(effects, fixed=fixed), y, effects, start)
    >>> report.converged, found.noise.round(2), found.effects[0].round(1)
    (array([ True]), array([0.96]), array([[[7.7]]]))
    """
    search = VarianceSearch(system, y, effects, start)
    found = search.maximize(search.start, tolerance, max_iter, on_iteration)
    n_iter = found.n_iter
    for _ in range(2):
        lifted = search.lift(found.x)
        if lifted is None:
            break
        again = search.maximize(lifted, tolerance, max_iter, on_iteration)
        better = again.value > found.value
        n_iter = n_iter + again.n_iter
        found = Maxima(*(_choose(better, new, old) for new, old in zip(again, found, strict=True)))
    x = search.settle(found)
    variances = search.variances(x)
    posterior = search.at(variances)
    report = VarianceReport(
        found.converged, n_iter, search.singular(x), found.expected_gain, search.n_evaluations
    )
    return variances, posterior, report


def _choose(which: NDArray[np.bool_], new, old):
    return np.where(which.reshape(-1, *[1] * (np.ndim(new) - 1)), new, old)
