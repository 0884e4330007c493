"""Fit a linear mixed model: search its variances, and solve for what the user asks."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import AbstractBoundEffect
from intertwine.fitting.watch import AbstractProgress
from intertwine.minimize import Iteration
from intertwine.mixed_effects.base import AbstractGaussianSystem, AbstractPosterior, VarianceComponents
from intertwine.mixed_effects.choose import system_for
from intertwine.mixed_effects.least_squares import LeastSquaresSystem
from intertwine.mixed_effects.shapes import cautions, fit_shapes
from intertwine.mixed_effects.variances import start_variances
from intertwine.validation.caller import depth_of_caller

__all__ = ["MixedModelData", "MixedModelFit", "fit_mixed_model", "solve_mixed_model"]

Array = NDArray[np.float64]


class MixedModelData(NamedTuple):
    """Rows of a mixed model.

    Attributes
    ----------
    effects : tuple of AbstractBoundEffect
    fixed : ndarray of shape (n, c)
    y : ndarray of shape (n, p)
        Zero where an outcome is missing.
    weights : ndarray of shape (n,) or (n, p), or None
        Zero where an outcome is missing.
    seed : int
        Of random probes, where designs are so large that determinants are estimated.
    """

    effects: tuple[AbstractBoundEffect, ...]
    fixed: Array
    y: Array
    weights: Array | None
    seed: int = 0

    def system(self, shapes: Sequence[Array], restricted: bool) -> AbstractGaussianSystem:
        """The Gaussian system of these rows."""
        n_outputs = self.y.shape[1]
        if not self.effects:
            return LeastSquaresSystem(self.fixed, self.weights, n_outputs, restricted)
        return system_for(self.effects, shapes, self.fixed, self.weights, n_outputs, restricted, self.seed)


class MixedModelFit(NamedTuple):
    """What a fit has found.

    Attributes
    ----------
    shapes : tuple of ndarray
        Of each effect.
    variances : VarianceComponents
    posterior : AbstractPosterior
        That of the restricted system at these variances: it knows that fixed effects are estimates.
    log_likelihood : ndarray of shape (p,)
        Restricted or not, as it was maximised.
    converged : ndarray of bool, shape (p,)
    n_iter : ndarray of int, shape (p,)
    boundary : ndarray of bool, shape (T, p)
        Whether the covariance of an effect is singular.
    expected_gain : ndarray of shape (p,)
        In log-likelihood, at the end of the search.
    history : tuple of Iteration
    """

    shapes: tuple[Array, ...]
    variances: VarianceComponents
    posterior: AbstractPosterior
    log_likelihood: Array
    converged: NDArray[np.bool_]
    n_iter: NDArray[np.int64]
    boundary: NDArray[np.bool_]
    expected_gain: Array
    history: tuple[Iteration, ...]


def fit_mixed_model(
    data: MixedModelData, restricted: bool, tolerance: float, max_iter: int, progress: AbstractProgress
) -> MixedModelFit:
    """Maximise the likelihood, restricted or not, of each outcome.

    Parameters
    ----------
    data : MixedModelData
    restricted : bool
    tolerance : float
        In log-likelihood.
    max_iter : int
    progress : AbstractProgress

    Returns
    -------
    MixedModelFit
    """
    if not data.effects:
        return _least_squares(data, restricted)
    history: list[Iteration] = []
    began = time.perf_counter()

    def note(number: int, log_likelihood: Array) -> None:
        total = -float(np.sum(log_likelihood))
        gain = history[-1].value - total if history else 0.0
        history.append(Iteration(len(history), total, max(gain, 0.0), time.perf_counter() - began))
        progress.iteration(history[-1], None)

    unit = _unit(data.weights)
    near_one = data if unit == 1.0 or data.weights is None else data._replace(weights=data.weights / unit)
    start = start_variances(data.effects, data.y, data.fixed, near_one.weights)
    found = fit_shapes(
        data.effects,
        lambda shapes: near_one.system(shapes, restricted),
        data.y,
        start,
        variance_tolerance=tolerance,
        max_iter=max_iter,
        on_iteration=note,
    )
    for caution in cautions(data.effects, found):
        warnings.warn(caution, UserWarning, stacklevel=depth_of_caller())
    if not _is_exact(found.system):
        warnings.warn(
            "the design is too large to factorise: log-likelihoods, variances and standard errors are estimated with "
            "random probes, and change a little with random_state",
            UserWarning,
            stacklevel=depth_of_caller(),
        )
    report, posterior = found.variance_report, found.posterior
    log_likelihood = posterior.log_likelihood
    variances = found.variances._replace(noise=found.variances.noise * unit)
    if unit != 1.0 or not restricted:
        posterior = solve_mixed_model(data, found.shapes, variances)
    return MixedModelFit(
        found.shapes,
        variances,
        posterior,
        log_likelihood,
        report.converged & found.shape_report.converged,
        report.n_iter,
        report.boundary,
        report.expected_gain,
        tuple(history),
    )


def _unit(weights: Array | None) -> float:
    """A power of two, so that weights over it are about one, to the bit.

    Only σ²/w enters the model: in other units of w, σ² is another, which the search would look for far from its start.
    """
    there = np.empty(0) if weights is None else weights[weights > 0.0]
    return float(2.0 ** np.round(np.mean(np.log2(there)))) if there.size else 1.0


def _is_exact(system: AbstractGaussianSystem) -> bool:
    from intertwine.mixed_effects.iterative import IterativeSystem

    return not isinstance(system, IterativeSystem)


def solve_mixed_model(
    data: MixedModelData, shapes: Sequence[Array], variances: VarianceComponents
) -> AbstractPosterior:
    """What rows say at known variances, fixed effects being estimates."""
    return data.system(shapes, restricted=True).posterior(data.y, variances)


def _least_squares(data: MixedModelData, restricted: bool) -> MixedModelFit:
    n_outputs = data.y.shape[1]
    system = LeastSquaresSystem(data.fixed, data.weights, n_outputs, restricted)
    variances = VarianceComponents(system.noise(data.y), ())
    log_likelihood = system.posterior(data.y, variances).log_likelihood
    return MixedModelFit(
        (),
        variances,
        solve_mixed_model(data, (), variances),
        log_likelihood,
        np.ones(n_outputs, dtype=bool),
        np.ones(n_outputs, dtype=np.int64),
        np.zeros((0, n_outputs), dtype=bool),
        np.zeros(n_outputs),
        (Iteration(0, -float(np.sum(log_likelihood)), 0.0, 0.0),),
    )
