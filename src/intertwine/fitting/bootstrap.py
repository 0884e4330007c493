"""Refits to outcomes drawn again: how far the strongest interactions move when everything is fitted anew."""

from __future__ import annotations

import numpy as np

from intertwine.coefficients import DualCoefficients
from intertwine.fitting.exact import ExactProblem
from intertwine.fitting.feature_pairs import pair_errors, pair_estimates, ranked_pairs
from intertwine.fitting.fit_exact import dual_coefficients, strengths_of
from intertwine.fitting.latent_search import TargetPoint
from intertwine.fitting.model import InteractionModel
from intertwine.fitting.settings import ModelSettings
from intertwine.fitting.watch import AbstractProgress

__all__ = ["bootstrap_table"]


def bootstrap_table(
    loss,
    settings: ModelSettings,
    model: InteractionModel,
    draw,
    n_bootstrap,
    k,
    rng,
    progress: AbstractProgress,
) -> dict:
    """Columns first, second, estimate, std_error, std_error_bootstrap, lower, upper, rank_stability.

    Preparation and hyperparameters are kept; coefficients and latent target are refitted, the target from where the
    original fit found it.

    Parameters
    ----------
    loss : AbstractLoss
        Of the original fit.
    settings : ModelSettings
    model : InteractionModel
        The original fit, by the exact path.
    draw : callable
        Generator to a loss of a new outcome.
    n_bootstrap, k : int
        Number of refits, and of pairs to follow.
    rng : numpy.random.Generator
    progress : AbstractProgress
    """
    first, second = ranked_pairs(model, k, "estimate")
    codes = first * len(model.preparation.weights) + second
    problem = _problem(loss, settings, model)
    pairs = model.pairs
    assert isinstance(pairs, DualCoefficients)  # the exact path's
    start = None if pairs.target is None else TargetPoint(pairs.target, pairs.params)
    estimates = np.empty((n_bootstrap, len(first)))
    recurs = np.zeros(len(first))
    for b in range(n_bootstrap):
        progress.part("refit", b + 1, n_bootstrap)
        fit = problem.with_loss(draw(rng)).fit(strengths_of(settings), settings.latent, rng, start=start)
        refit = model._replace(pairs=dual_coefficients(problem, fit))
        estimates[b] = pair_estimates(refit, first, second)
        again = ranked_pairs(refit, k, "estimate")
        recurs += np.isin(codes, again[0] * len(model.preparation.weights) + again[1])
    estimate = pair_estimates(model, first, second)
    # Refits to outcomes of a shrunken fit are shrunk once more, so their quantiles lie too near zero and may leave
    # out the estimate. Laying their errors off from it would go too far where the penalty leaves little of a null.
    low, high = estimate + np.quantile(estimates - estimates.mean(axis=0), [0.025, 0.975], axis=0)
    if model.preparation.spline is not None:  # sizes of surfaces
        low, high = np.maximum(low, 0.0), np.maximum(high, 0.0)
    return {
        "first": first,
        "second": second,
        "estimate": estimate,
        "std_error": pair_errors(model, first, second),
        "std_error_bootstrap": estimates.std(axis=0, ddof=1),
        "lower": low,
        "upper": high,
        "rank_stability": recurs / n_bootstrap,
    }


def _problem(loss, settings, model) -> ExactProblem:
    """The problem of the original fit, from the columns that its coefficients hold."""
    columns, preparation = model.pairs.columns, model.preparation
    squares = preparation.squares(columns) if settings.preparation.squares else np.zeros((len(columns), 0))
    penalized = ~np.isin(preparation.feature_of, settings.unpenalized)
    return ExactProblem(loss, columns, squares, penalized, settings.order)
