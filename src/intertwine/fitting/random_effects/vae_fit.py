"""Networks by mini-batches, everything Gaussian in closed form: the fit of a VAE with random effects.

An epoch is one pass of Adam over the rows, each of which sees what the other rows say of its random effects, then one
exact solve for the effects and EM for the variances, at the residuals that the pass left behind: these are draws from
q(u), so that second moments include what is not known of u. Starts that order the latents differently race for a
quarter of the epochs; the one with the best bound goes on. The bound is that of `intertwine.elbo`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.random_effects.vae_effects import AbstractCollapsedEffects
from intertwine.fitting.random_effects.vae_epochs import EpochState, evaluated, history_row, run_epochs
from intertwine.fitting.random_effects.vae_problem import (
    LocalEntries,
    VAEProblem,
    VAESettings,
    in_other_units,
    prepared,
)
from intertwine.fitting.random_effects.vae_start import STARTS
from intertwine.fitting.random_effects.vae_steps import started
from intertwine.fitting.watch import Watch
from intertwine.mixed_effects.base import VarianceComponents
from intertwine.networks import Autoencoder, drawn_autoencoder

__all__ = ["FittedVAE", "fit_vae"]

Array = NDArray[np.float64]

_RACE = 0.25  # of the epochs
_LEAST_RACE = 3


class FittedVAE(NamedTuple):
    """Where a fit ended.

    Attributes
    ----------
    params : Autoencoder
    spread : ndarray of shape (p,)
        Networks see features divided by it.
    variances : VarianceComponents
        In the units of the features as they were given.
    residual : ndarray of float32, shape (n, p)
        Features less E f(u), in their units; zero where nothing was observed.
    bound : float
        Of the rows of the fit, in the units of the features.
    start : str
        The one that was kept.
    bounds : tuple of (str, float)
        Of each start, at the end of the race.
    history : dict of str to list
        Of the start that was kept.
    converged : bool
        Whether the last tenth of the epochs brought less than a hundredth of all gain.
    precision : ndarray of float32, shape (n, p), or None
        Weights of the residuals where columns are not Gaussian, whose residuals are measurements of η less the rest.
    latents : ndarray of float32, shape (n, d), or None
        Means of q(u) of the rows; files before they were kept have none.
    """

    params: Autoencoder
    spread: Array
    variances: VarianceComponents
    residual: NDArray[np.float32]
    bound: float
    start: str
    bounds: tuple[tuple[str, float], ...]
    history: dict[str, list[Any]]
    converged: bool
    precision: NDArray[np.float32] | None = None
    latents: NDArray[np.float32] | None = None


class _Runner(NamedTuple):
    """One start: where it has come to."""

    name: str
    rng: np.random.Generator
    scores: NDArray[np.float32]
    state: EpochState
    history: list[dict[str, Any]]


def fit_vae(
    X: Array,
    effects: AbstractCollapsedEffects,
    variances: VarianceComponents,
    settings: VAESettings,
    rng: np.random.Generator,
    watch: Watch,
    *,
    level: NDArray[np.int64] | None = None,
    basis: Array | None = None,
    entries: LocalEntries | None = None,
) -> FittedVAE:
    """Fit a variational autoencoder beside random effects.

    Parameters
    ----------
    X : ndarray of shape (n, p)
        Features about their mean; NaN where nothing was observed, zero in columns that are not Gaussian.
    effects : AbstractCollapsedEffects
        They observe what is not NaN in X.
    variances : VarianceComponents
        Where EM begins.
    settings : VAESettings
    rng : numpy.random.Generator
    watch : Watch
    level, basis : ndarray, optional
        Of the only effect, (n,) and (n, r), where batches are to hold whole groups.
    entries : LocalEntries, optional
        Of columns that are not Gaussian.

    Returns
    -------
    FittedVAE

    Raises
    ------
    FloatingPointError
        When the networks diverge.
    """
    problem = prepared(X, effects, variances, settings, level, basis, entries)
    race = _race_epochs(problem)
    generators = [np.random.default_rng(seed) for seed in rng.integers(2**63 - 1, size=len(settings.starts))]
    runners = []
    for number, (name, own) in enumerate(zip(settings.starts, generators, strict=True), start=1):
        watch.progress.part("start", number, len(settings.starts))
        runner = _begun(problem, name, own)
        state, history = run_epochs(
            problem, runner.state, range(race), runner.scores, own, watch, f"start {number}"
        )
        runners.append(runner._replace(state=state, history=history))
    bounds = [evaluated(problem, runner.state).bound for runner in runners]
    best = runners[int(np.argmax(bounds))]
    rest = range(race, problem.n_epochs)
    state, history = run_epochs(problem, best.state, rest, best.scores, best.rng, watch, "epochs")
    state = state._replace(variances=problem.settled(state.residual, state.variances))
    residual, solved, bound, latents = evaluated(problem, state)
    left, precision = problem.effects.measured(residual.astype(np.float64), solved)
    rows = best.history + history
    seconds = (best.history[-1]["seconds"] if best.history else 0.0) + (
        history[-1]["seconds"] if history else 0.0
    )
    rows.append(history_row(problem, state, problem.n_epochs, bound, seconds))
    return FittedVAE(
        jax.tree.map(np.asarray, state.training.params),
        problem.spread,
        in_other_units(state.variances, problem.spread),
        (left * problem.spread).astype(np.float32),
        bound,
        best.name,
        tuple(zip(settings.starts, bounds, strict=True)),
        {column: [row[column] for row in rows] for column in rows[0]},
        _settled([row["bound"] for row in rows]),
        None if precision is None else precision.astype(np.float32),
        latents,
    )


def _settled(bounds: list[float]) -> bool:
    """Whether the last tenth of the epochs brought less than a hundredth of what all of them did."""
    if len(bounds) < _LEAST_RACE:
        return False
    before = bounds[-1 - max(1, len(bounds) // 10)]
    return bounds[-1] - before < 0.01 * max(max(bounds) - bounds[0], 0.0)


def _race_epochs(problem: VAEProblem) -> int:
    """How many epochs every start is given; all of them where there is one start."""
    if len(problem.settings.starts) == 1:
        return problem.n_epochs
    return min(max(_LEAST_RACE, int(_RACE * problem.n_epochs)), problem.n_epochs)


def _begun(problem: VAEProblem, name: str, rng: np.random.Generator) -> _Runner:
    settings = problem.settings
    left = problem.x.astype(np.float64) - problem.others.offset
    if problem.observed is not None:
        left *= problem.observed
    scores = STARTS[name](left, settings.n_components, rng).astype(np.float32)
    masked = problem.observed is not None
    params = drawn_autoencoder(rng, problem.x.shape[1], settings.hidden, settings.n_components, masked=masked)
    state = EpochState(started(params), problem.x, problem.variances, np.float64(0.0), problem.sites)
    return _Runner(name, rng, scores, state, [])
