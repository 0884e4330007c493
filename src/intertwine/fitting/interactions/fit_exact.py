"""Fit by the exact path, and publish as a model."""

from __future__ import annotations

import warnings

import numpy as np

from intertwine.coefficients import DualCoefficients, WrittenPairs
from intertwine.fitting.interactions.exact import ExactFit, ExactProblem
from intertwine.fitting.interactions.fields import (
    ExactStrengths,
    factorization_operations,
    n_coefficients,
    prefers_factor,
)
from intertwine.fitting.interactions.model import Diagnostics, InteractionModel
from intertwine.fitting.interactions.prepare_rows import fit_preparation
from intertwine.fitting.interactions.settings import ModelSettings
from intertwine.fitting.watch import UNWATCHED, Watch
from intertwine.latent_errors import MOST_PARAMETERS, LatentErrors
from intertwine.objective import SumOfTargets
from intertwine.resources import require_memory

__all__ = [
    "dual_coefficients",
    "exact_bytes",
    "exact_operations",
    "exact_problem",
    "fit_exact",
    "strengths_of",
]

_LOST = 0.1  # error of a score, relative to a weak bound


def exact_bytes(n_rows: int, n_columns: int, order: int) -> int:
    """Memory of the exact path at its peak, besides its columns.

    Covariances by kind, their sum, its factor and P; or the columns of coefficients, twice with weights and once as a
    factor of P, with their system.
    """
    if prefers_factor(n_rows, n_columns, n_columns, order):
        m = n_coefficients(n_columns, n_columns, order)
        return 8 * (5 * n_rows * m + 3 * m**2)
    return 8 * n_rows**2 * (7 + (order == 3))


def exact_operations(n_rows: int, n_columns: int, order: int) -> float:
    """Multiplications of one factorization, own squares counted in."""
    return factorization_operations(n_rows, n_columns, n_columns, order)


def strengths_of(settings: ModelSettings) -> ExactStrengths:
    """Strengths of the exact path; a ridge of exactly zero is replaced by rounding's."""
    pairs = settings.pair_strengths
    return ExactStrengths(max(settings.alpha, 1e-12), pairs._replace(ridge=max(pairs.ridge, 1e-12)))


def exact_problem(loss, preparation, X, settings: ModelSettings) -> ExactProblem:
    """The problem on these rows, in prepared columns."""
    columns = preparation.columns(X)
    n, q = columns.shape
    require_memory(
        exact_bytes(n, q, settings.order),
        f"the exact path for {n} rows",
        "solver='sparse' with l1_ratio > 0, or fewer rows",
    )
    squares = preparation.squares(columns) if settings.preparation.squares else np.zeros((n, 0))
    penalized = ~np.isin(preparation.feature_of, settings.unpenalized)
    return ExactProblem(loss, columns, squares, penalized, settings.order)


def fit_exact(loss, X, settings: ModelSettings, rng, watch: Watch = UNWATCHED) -> InteractionModel:
    """Prepare, fit and publish.

    Parameters
    ----------
    loss : AbstractLoss
    X : ndarray (n, p)
        Features.
    settings : ModelSettings
    rng : numpy.random.Generator
    watch : Watch

    Raises
    ------
    MemoryError
        If the covariances of n rows would not fit.
    LinAlgError
        If the penalty is so weak for the size of the columns that no digits are left.
    """
    preparation = fit_preparation(X, loss, settings.preparation, settings.unpenalized)
    problem = exact_problem(loss, preparation, X, settings)
    try:
        fit = problem.fit(strengths_of(settings), settings.latent, rng, watch)
        return publish(problem, fit, preparation)
    except np.linalg.LinAlgError as failure:
        raise np.linalg.LinAlgError(
            "the penalty is too weak for columns of this size; scale the features or raise alpha and alpha_pairs"
        ) from failure


def publish(problem: ExactProblem, fit: ExactFit, preparation) -> InteractionModel:
    """Coefficients, their variances and diagnostics from an exact fit."""
    posterior = problem.posterior(fit)
    strengths, mode, latent = fit.strengths, fit.mode, fit.latent
    written = problem.fields.written(strengths, mode)
    covariance = fit.model.coefficient_covariance(mode, posterior.scale)
    if covariance is None:
        _warn_of_lost_digits(fit, posterior)
    spread = 1.0 / strengths.main
    has_intercept = int(problem.loss.has_intercept)
    main, variance = (np.empty(problem.columns.shape[1]) for _ in range(2))
    held, free = np.flatnonzero(problem.penalized), np.flatnonzero(~problem.penalized)
    main[held], main[free] = written.main, mode.gamma[has_intercept:]
    variance[held] = (
        _main_variance(fit, problem.columns[:, held], posterior.scale, spread)
        if covariance is None
        else np.diag(covariance)[: len(held)]
    )
    variance[free] = np.diag(posterior.fixed_covariance)[has_intercept:]
    # columns without variation carry no information and no effect
    variance[preparation.scale == 0] = np.nan
    return InteractionModel(
        preparation=preparation,
        intercept=float(mode.gamma[0]) if has_intercept else 0.0,
        main=main,
        main_variance=variance,
        squares=written.squares,
        pairs=dual_coefficients(problem, fit, posterior, covariance),
        coordinates=None if latent is None else latent.target.coordinates(latent.params),
        diagnostics=Diagnostics(
            solver="exact",
            value=mode.value if latent is None else latent.value,
            optimality=_optimality(problem.loss, mode, latent),
            converged=latent is None or latent.converged,
            history=[] if latent is None else latent.history,
            spread=[] if latent is None else latent.spread,
            dispersion=posterior.dispersion,
            log_evidence=posterior.log_evidence,
        ),
    )


def dual_coefficients(
    problem: ExactProblem, fit: ExactFit, posterior=None, covariance=None
) -> DualCoefficients:
    """Interactions of an exact fit; without a posterior they have no variances."""
    latent = fit.latent
    effects = problem.fields.written(fit.strengths, fit.mode)
    written = None
    if effects.pairs is not None:
        first = len(effects.main) + len(effects.squares)
        block = slice(first, first + len(effects.pairs))
        of_pairs = None if covariance is None else covariance[block, block]
        written = WrittenPairs.of(problem.columns.shape[1], effects.pairs, of_pairs)
        if posterior is not None and latent is not None:
            written = _with_spread(written, fit, posterior, block)
    return DualCoefficients(
        problem.columns,
        fit.mode.alpha,
        fit.strengths.pairs,
        None if latent is None else latent.target,
        None if latent is None else latent.params,
        problem.order,
        posterior,
        written,
    )


def _with_spread(written: WrittenPairs, fit: ExactFit, posterior, places: slice) -> WrittenPairs:
    """With what the target's parameters add to the covariance of pairs."""
    assert fit.latent is not None
    assert written.covariance is not None
    target, params = fit.latent.target, fit.latent.params
    if isinstance(target, SumOfTargets):
        target, params = target.parts[0], target.split(params)[0]
    if target.size > MOST_PARAMETERS:
        return written
    if len(written.theta) < 2:
        return written._replace(spread=np.zeros((0, target.size)))
    strengths = fit.strengths.pairs
    entries = target.entry_jacobian(params, *np.triu_indices(len(written.theta), 1))
    quadratic = fit.model.own_quadratic(fit.mode, places)
    errors = LatentErrors.of(
        strengths.shrinkage**2 * (entries.T @ quadratic @ entries),
        strengths.target_ridge * (entries.T @ entries),
        posterior.scale,
        posterior.freedom,
    )
    # 1 − v DᵀPD, the share of a deviation that the data have left open
    open_share = (
        np.eye(len(entries))
        if np.isinf(strengths.deviation)
        else written.covariance * (strengths.deviation / posterior.scale)
    )
    spread = errors.spread(strengths.shrinkage * (open_share @ entries))
    return written._replace(spread=spread, inflation=errors.inflation)


def _warn_of_lost_digits(fit: ExactFit, posterior) -> None:
    """Prior variances so large that coefficients, sums of n products with α, cancel to nothing."""
    size = fit.model.K.mean_variance() * posterior.weights.max() * len(posterior.weights)
    if np.finfo(float).eps * size > _LOST:
        warnings.warn(
            "the penalty is so weak for columns of this size that few digits of the coefficients are left; "
            "scale the features or raise alpha",
            UserWarning,
            stacklevel=2,
        )


def _optimality(loss, mode, latent):
    """Largest violation of α = −∂L/∂f, relative, or of the latent search where there was one."""
    gradient = loss.gradient(mode.scores)
    violation = np.max(np.abs(mode.alpha + gradient)) / max(np.max(np.abs(gradient)), 1e-300)
    return float(violation if latent is None else max(violation, latent.optimality))


def _main_variance(fit: ExactFit, columns, scale: float, spread: float):
    step = max(1, (1 << 22) // len(columns))
    parts = [
        fit.model.explained(fit.mode, columns[:, start : start + step])
        for start in range(0, columns.shape[1], step)
    ]
    return scale * spread * np.maximum(1.0 - spread * np.concatenate(parts), 0.0)
