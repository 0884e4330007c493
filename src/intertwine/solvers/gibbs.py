r"""Gibbs sampling of multilinear models: every conditional in closed form, the priors' own parameters among them.

    z_i ~ N(f_i, 1 / (α ω_i)),   θ_jc ~ N(μ_gc, 1 / λ_gc),   g the group of feature j, c a column of the table
    α ~ Gamma(½, ½),   λ_gc ~ Gamma(½, ½),   μ_gc ~ N(0, 1 / λ_gc),   flat intercept

so that no strength of a penalty has to be chosen. Outcomes and columns are expected on their own scale, of order one.

Source: C. Freudenthaler, L. Schmidt-Thieme, S. Rendle, Bayesian Factorization Machines (2011); hyperpriors as there.
Theirs draws one coefficient at a time; here all coefficients of a feature are drawn together, which mixes faster.
"""

from __future__ import annotations

from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

__all__ = ["GibbsSampler", "GibbsState"]

_SHAPE = _RATE = 1.0  # twice the parameters of the Gamma priors


class GibbsState(NamedTuple):
    """Where a chain is.

    Attributes
    ----------
    intercept : float
    table : ndarray of shape (p, d)
        Coefficients, a row per feature.
    prior_mean, prior_precision : ndarray of shape (n_groups, d)
    noise_precision : float
        α.
    scores : ndarray of shape (n,)
    """

    intercept: float
    table: NDArray[np.float64]
    prior_mean: NDArray[np.float64]
    prior_precision: NDArray[np.float64]
    noise_precision: float
    scores: NDArray[np.float64]


@final
class GibbsSampler:
    """Draws from the posterior of a multilinear model.

    Parameters
    ----------
    model : object
        ``scores(table)`` of the rows; ``begin(table)``, what sweeps keep of them; ``replace(running, target, fitted,
        weight)``, which sets what they are to reach; ``run(running, table, mean, precision, noise)``, which redraws the
        table in place and returns the new scores.
    response : intertwine.losses.working.AbstractDrawnResponse
    group : ndarray of int, shape (p,)
        Group of each feature, numbered from zero.
    intercept : bool
        Whether there is one.
    """

    def __init__(self, model: Any, response: Any, group: NDArray[np.intp], intercept: bool) -> None:
        self.model = model
        self.response = response
        self.group = group
        self.sizes = np.bincount(group).astype(float)
        self.has_intercept = intercept

    def start(self, intercept: float, table: NDArray) -> GibbsState:
        """Return the state before the first sweep."""
        shape = (self.sizes.size, table.shape[1])
        scores = intercept + self.model.scores(table)
        return GibbsState(intercept, table.copy(), np.zeros(shape), np.ones(shape), 1.0, scores)

    def run(self, state: GibbsState, n_sweeps: int, rng: np.random.Generator):
        """Yield the state after each of ``n_sweeps`` sweeps; its arrays are the sampler's own until the next.

        Raises
        ------
        FloatingPointError
            When a conditional distribution has overflowed.
        """
        intercept, table, alpha = state.intercept, state.table.copy(), state.noise_precision
        mean, precision, known = (
            state.prior_mean.copy(),
            state.prior_precision.copy(),
            self.response.known_noise,
        )
        fitted = state.scores - intercept
        z, weight = self.response.drawn(state.scores, rng)
        total = float(weight.sum())
        running = self.model.begin(table)
        for _ in range(n_sweeps):
            residual = z - intercept - fitted
            if not known:
                alpha = rng.gamma(0.5 * (_SHAPE + total), 2.0 / (_RATE + float(weight @ residual**2)))
            self._draw_priors(table, mean, precision, rng)
            if self.has_intercept:
                intercept += float(weight @ residual) / total + rng.standard_normal() / np.sqrt(alpha * total)
            noise = rng.standard_normal(table.shape) / np.sqrt(alpha)
            self.model.replace(running, z - intercept, fitted, weight)
            fitted = self.model.run(running, table, mean, precision / alpha, noise)
            scores = intercept + fitted
            if not np.isfinite(scores).all():
                raise FloatingPointError("scores have overflowed")
            yield GibbsState(float(intercept), table, mean, precision, float(alpha), scores)
            if known:
                z, _ = self.response.drawn(scores, rng)

    def _draw_priors(self, table, mean, precision, rng) -> None:
        """Draw μ and λ of every group and column, in place."""
        for g, size in enumerate(self.sizes):
            rows = table[self.group == g]
            spread = ((rows - mean[g]) ** 2).sum(axis=0) + mean[g] ** 2 + _RATE
            precision[g] = rng.gamma(0.5 * (_SHAPE + 1.0 + size), 2.0 / spread)
            deviation = 1.0 / np.sqrt(precision[g] * (size + 1.0))
            mean[g] = rows.sum(axis=0) / (size + 1.0) + deviation * rng.standard_normal(mean.shape[1])
