"""Fit by the exact path, and publish as a model."""

from __future__ import annotations

import numpy as np

from intertwine.coefficients import DualCoefficients
from intertwine.fitting.exact import ExactFit, ExactProblem
from intertwine.fitting.fields import ExactStrengths, n_coefficients, prefers_factor
from intertwine.fitting.model import Diagnostics, InteractionModel
from intertwine.fitting.prepare_rows import fit_preparation
from intertwine.fitting.settings import ModelSettings
from intertwine.fitting.watch import UNWATCHED, Watch
from intertwine.resources import require_memory

__all__ = [
    "dual_coefficients",
    "exact_bytes",
    "exact_operations",
    "exact_problem",
    "fit_exact",
    "strengths_of",
]


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
    """Multiplications of one factorization: n³/3 of a matrix of rows, or n m² of one of m coefficients."""
    if prefers_factor(n_rows, n_columns, n_columns, order):
        return float(n_rows) * n_coefficients(n_columns, n_columns, order) ** 2
    return n_rows**3 / 3.0


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
    """
    preparation = fit_preparation(X, loss, settings.preparation, settings.unpenalized)
    problem = exact_problem(loss, preparation, X, settings)
    fit = problem.fit(strengths_of(settings), settings.latent, rng, watch)
    return publish(problem, fit, preparation)


def publish(problem: ExactProblem, fit: ExactFit, preparation) -> InteractionModel:
    """Coefficients, their variances and diagnostics from an exact fit."""
    posterior = problem.posterior(fit)
    strengths, mode, latent = fit.strengths, fit.mode, fit.latent
    spread = 1.0 / strengths.main
    has_intercept = int(problem.loss.has_intercept)
    free = np.flatnonzero(~problem.penalized)
    main = spread * (problem.columns.T @ mode.alpha)
    main[free] = mode.gamma[has_intercept:]
    variance = _main_variance(problem.columns, posterior, spread)
    variance[free] = np.diag(posterior.fixed_covariance)[has_intercept:]
    # columns without variation carry no information and no effect
    variance[preparation.scale == 0] = np.nan
    return InteractionModel(
        preparation=preparation,
        intercept=float(mode.gamma[0]) if has_intercept else 0.0,
        main=main,
        main_variance=variance,
        squares=problem.squares.T @ mode.alpha / strengths.pairs.ridge,
        pairs=dual_coefficients(problem, fit, posterior),
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


def dual_coefficients(problem: ExactProblem, fit: ExactFit, posterior=None) -> DualCoefficients:
    """Interactions of an exact fit; without a posterior they have no variances."""
    latent = fit.latent
    return DualCoefficients(
        problem.columns,
        fit.mode.alpha,
        fit.strengths.pairs,
        None if latent is None else latent.target,
        None if latent is None else latent.params,
        problem.order,
        posterior,
    )


def _optimality(loss, mode, latent):
    """Largest violation of α = −∂L/∂f, relative, or of the latent search where there was one."""
    gradient = loss.gradient(mode.scores)
    violation = np.max(np.abs(mode.alpha + gradient)) / max(np.max(np.abs(gradient)), 1e-300)
    return float(violation if latent is None else max(violation, latent.optimality))


def _main_variance(columns, posterior, spread):
    step = max(1, (1 << 22) // len(columns))
    parts = [
        posterior.variance(columns[:, start : start + step], spread)
        for start in range(0, columns.shape[1], step)
    ]
    return np.concatenate(parts)
