"""A posterior sample of a factorization machine, from rows and an outcome."""

from __future__ import annotations

from functools import partial
from typing import final

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.fm.model import (
    FMModel,
    FMOutcome,
    FMSettings,
    group_scale,
    scaled_columns,
    start_point,
)
from intertwine.fitting.fm.rows import sweep_over
from intertwine.fitting.watch import Watch
from intertwine.minimize import Iteration
from intertwine.solvers.gibbs import GibbsSampler, GibbsState
from intertwine.structures.fm_sweep import AbstractFMSweep, GaussianPriors

__all__ = ["fit_gibbs", "scale_reduction"]

_SINGLE = 1e25  # sizes of features whose coefficients have their digits in single precision
_ROUND = 20  # sweeps after which rounding is wiped off, and between two entries of the journal


@final
class _Rows:
    """What the sampler asks for, over one table of rows."""

    def __init__(self, sweep: AbstractFMSweep, groups: NDArray[np.intp]) -> None:
        self.scores, self.begin, self.replace = sweep.scores, sweep.begin, sweep.replace
        self._sweep, self._groups = sweep, groups

    def run(self, running, table, mean, precision, noise):
        return self._sweep.run(running, table, GaussianPriors(self._groups, mean, precision), noise)


def fit_gibbs(
    X, outcome: FMOutcome, previous: FMModel | None, settings: FMSettings, rng, watch: Watch, n_threads=1
) -> FMModel:
    """Sample the posterior.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n, p)
    outcome : FMOutcome
        Its response is an `intertwine.losses.working.AbstractDrawnResponse`.
    previous : FMModel or None
        Whose last draw to start from.
    settings : FMSettings
    rng : numpy.random.Generator
    watch : Watch
    n_threads : int, default=1

    Returns
    -------
    FMModel

    Raises
    ------
    FloatingPointError
        When numbers overflow.
    """
    response = outcome.response
    scale = group_scale(X, response.sample_weight, settings.groups)
    rows = scaled_columns(X, scale)
    model = _Rows(sweep_over(rows, settings.shape, settings.groups, n_threads), settings.groups)
    sampler = GibbsSampler(model, response, settings.groups, settings.shape.intercept)
    state = sampler.start(*start_point(rows, outcome, settings, scale, previous, rng))
    kept = _sweeps_to_keep(settings)
    rounds: list[dict] = []
    for done in range(0, settings.max_iter, _ROUND):
        numbers = range(done + 1, min(done + _ROUND, settings.max_iter) + 1)
        found = watch.journal.step(
            f"sweeps {numbers[0]} to {numbers[-1]}",
            partial(_round, sampler, state, numbers, kept, rng, watch.progress),
            rng,
        )
        response.remember(found["response"])
        # from scratch: rounding errors of running sums do not add up over a chain
        state = GibbsState(**found["state"], scores=np.zeros(0))
        state = state._replace(scores=state.intercept + model.scores(state.table))
        rounds.append(found)
    return _published(rounds, scale, outcome, settings)


def _sweeps_to_keep(settings: FMSettings) -> set[int]:
    """Numbers of the sweeps whose draws are kept, evenly spaced after the burn-in."""
    after = settings.max_iter - settings.n_burn_in
    count = min(settings.n_samples, after)
    return set((settings.n_burn_in + np.arange(1, count + 1) * after // count).tolist())


def _round(sampler, state, numbers, kept, rng, progress) -> dict:
    """Some sweeps: the state after them, the draws to keep, and a line of history for each."""
    draws, history = [], []
    for number, now in zip(numbers, sampler.run(state, len(numbers), rng), strict=True):
        misfit = sampler.response.misfit(now.scores)
        history.append((number, misfit, now.noise_precision**-0.5))
        progress.iteration(Iteration(number, misfit, float("nan"), 0.0), now)
        state = now
        if number in kept:
            draws.append(
                {
                    "table": now.table.astype(np.float32),
                    "intercept": now.intercept,
                    "noise": now.noise_precision**-0.5,
                    "thresholds": sampler.response.thresholds,
                }
            )
    after = state._asdict()
    del after["scores"]
    after = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in after.items()}
    return {
        "state": after,
        "draws": draws,
        "history": np.array(history, dtype=float),
        "response": sampler.response.memory(),
    }


def _published(rounds, scale, outcome, settings) -> FMModel:
    draws = [draw for found in rounds for draw in found["draws"]]
    history = np.vstack([found["history"] for found in rounds])
    tables = np.stack([draw["table"] for draw in draws])
    if scale.min() > 1.0 / _SINGLE and scale.max() < _SINGLE:
        tables /= scale[:, None].astype(np.float32)
    else:  # beyond what single precision holds
        tables = tables / scale[:, None]
    return FMModel(
        shape=settings.shape,
        intercepts=np.array([draw["intercept"] for draw in draws]),
        tables=tables,
        center=outcome.center,
        spread=outcome.spread,
        noise=np.array([draw["noise"] for draw in draws[: 0 if outcome.response.known_noise else None]]),
        thresholds=np.stack([draw["thresholds"] for draw in draws]),
        history=history,
        mixing=scale_reduction(history[settings.n_burn_in :, 1]),
    )


def scale_reduction(trace: NDArray[np.float64]) -> float:
    """Split potential scale reduction R̂ of one chain: near one where its halves tell the same.

    Source: A. Gelman et al., Bayesian Data Analysis (3rd ed.), section 11.4, on four quarters of the chain.

    Examples
    --------
    >>> trace = np.sin(np.arange(400.0))
    >>> bool(scale_reduction(trace) < 1.05), bool(scale_reduction(trace + np.arange(400)) > 1.2)
    (True, True)
    """
    length = len(trace) // 4
    if length < 2:
        return float("inf")  # too short to tell
    parts = trace[: 4 * length].reshape(4, length)
    within = float(parts.var(axis=1, ddof=1).mean())
    between = float(parts.mean(axis=1).var(ddof=1))
    return 1.0 if within <= 0 else float(np.sqrt((length - 1) / length + between / within))
