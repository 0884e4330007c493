"""The optimum of a factorization machine's penalised loss, by alternating least squares."""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.fm.model import (
    FMModel,
    FMOutcome,
    FMSettings,
    column_scale,
    presence,
    scaled_columns,
    start_point,
)
from intertwine.fitting.fm.rows import sweep_over
from intertwine.fitting.resumable import descended
from intertwine.fitting.watch import Watch
from intertwine.solvers.als import AlternatingLeastSquares, MultilinearPoint
from intertwine.structures.fm_sweep import GaussianPriors

__all__ = ["fit_als"]

_REFRESHED = 10  # sweeps after which rounding is wiped off, and states that a journal keeps
_RAREST = 0.02  # relative frequency below which a penalty falls no further


@final
class _PenalisedLoss:
    """J = L(f) + ½ alpha ‖w‖² + ½ alpha_factors Σ_j s_j (‖v_j‖² + ‖u_j‖²), over one table of rows.

    s_j is how often feature j is not zero, relative to the average feature, to the power ``frequency_power``.
    """

    def __init__(self, X, outcome: FMOutcome, settings: FMSettings, n_threads: int) -> None:
        loss = outcome.loss
        self.loss = loss
        self.response = outcome.response
        self.shape = settings.shape
        shape = settings.shape
        self._sweep = sweep_over(X, shape, settings.groups, n_threads)
        # a table, what the sweep keeps of the rows there, and how often that was moved
        self._at: tuple | None = None
        strength = np.tile([settings.alpha_factors], (X.shape[1], shape.width))
        strength *= _frequency(X, loss.sample_weight)[:, None] ** settings.frequency_power
        strength[:, : int(shape.linear)] = settings.alpha
        self._strength = strength
        # the kernels see the sum over rows, the objective their mean
        each = np.arange(X.shape[1])
        self._priors = GaussianPriors(each, np.zeros_like(strength), strength * loss.total_weight)

    def scores(self, params: MultilinearPoint):
        known = self._at is not None and self._at[0] is params.table
        return params.intercept + (self._fitted if known else self._sweep.scores(params.table))

    def value(self, params: MultilinearPoint, scores) -> float:
        return self.loss.value(scores) + 0.5 * float((self._strength * params.table**2).sum())

    def majorized(self, scores):
        return self.response.majorized(scores)

    def sweep(self, params: MultilinearPoint, working, scores) -> MultilinearPoint:
        """Every coefficient to its optimum under the bound, the intercept first."""
        intercept = params.intercept
        if self.shape.intercept:
            residual = working.response - scores
            intercept += float(working.weight @ residual) / float(working.weight.sum())
        if self._at is None or self._at[0] is not params.table or self._at[2] >= _REFRESHED:
            self._at = params.table, self._sweep.begin(params.table), 0
        _, running, age = self._at
        table = params.table.copy()
        fitted = scores - params.intercept
        self._sweep.replace(running, working.response - intercept, fitted, working.weight)
        self._fitted = self._sweep.run(running, table, self._priors, np.zeros_like(table))
        self._at = table, running, age + 1
        return MultilinearPoint(intercept, table)


def _frequency(X, weight) -> NDArray[np.float64]:
    """Weight of the rows that hold each feature, over that of the average feature; not quite zero anywhere."""
    held = presence(X).T @ weight
    return np.maximum(held / held[held > 0].mean(), _RAREST) if held.any() else np.ones(X.shape[1])


def fit_als(
    X, outcome: FMOutcome, previous: FMModel | None, settings: FMSettings, rng, watch: Watch, n_threads=1
) -> FMModel:
    """Find an optimum.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n, p)
    outcome : FMOutcome
        Its response is an `intertwine.losses.working.AbstractMajorizedResponse`.
    previous : FMModel or None
        Whose coefficients to start from.
    settings : FMSettings
    rng : numpy.random.Generator
    watch : Watch
    n_threads : int, default=1

    Returns
    -------
    FMModel
    """
    scale = column_scale(X, outcome.loss.sample_weight)
    rows = scaled_columns(X, scale)
    problem = _PenalisedLoss(rows, outcome, settings, n_threads)
    start = MultilinearPoint(*start_point(rows, outcome, settings, scale, previous, rng))
    # in between, the next sweep depends on sums over the rows that are not part of the state
    found = descended(
        "sweeps",
        problem,
        AlternatingLeastSquares(settings.tol),
        start,
        settings.max_iter,
        watch,
        every=_REFRESHED,
    )
    history = [(row.iteration, row.value, row.optimality) for row in found.history]
    return FMModel(
        shape=settings.shape,
        intercepts=np.array([found.params.intercept]),
        tables=(found.params.table / scale[:, None])[None],
        center=outcome.center,
        spread=outcome.spread,
        noise=np.zeros(0),
        thresholds=np.zeros((1, 0)),
        history=np.array(history, dtype=float).reshape(-1, 3),
        mixing=1.0 if found.settled else float("inf"),
    )
