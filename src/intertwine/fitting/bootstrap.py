"""Refits to outcomes drawn again: how far the strongest interactions move when everything is fitted anew."""

from __future__ import annotations

import numpy as np

from intertwine.coefficients import strongest
from intertwine.fitting.exact import ExactProblem
from intertwine.fitting.fit_exact import publish, strengths_of
from intertwine.fitting.latent_search import LatentFit
from intertwine.fitting.settings import ModelSettings

__all__ = ["bootstrap_table"]


def bootstrap_table(X, loss, settings: ModelSettings, model, draw, n_bootstrap, k, rng) -> dict:
    """Columns first, second, estimate, std_error, std_error_bootstrap, lower, upper, rank_stability.

    Preparation and hyperparameters are kept; coefficients and latent target are refitted, the target from where the
    original fit found it.

    Parameters
    ----------
    X : ndarray (n, p)
    loss : AbstractLoss
        Of the original fit.
    settings : ModelSettings
    model : InteractionModel
        The original fit, by the exact path.
    draw : callable
        Generator to a loss of a new outcome.
    """
    weights = model.preparation.weights
    ranking = strongest(model.pairs, k, weights, "estimate")
    scale = weights[ranking.j] * weights[ranking.k]
    columns = model.pairs.columns
    squares = model.preparation.squares(columns) if len(model.squares) else np.zeros((len(columns), 0))
    penalized = ~np.isin(model.preparation.feature_of, settings.unpenalized)
    problem = ExactProblem(loss, columns, squares, penalized, settings.order)
    start = None
    if model.pairs.target is not None:
        start = LatentFit(model.pairs.target, model.pairs.params, 0.0, 0.0, True, [], [])
    estimates = np.empty((n_bootstrap, len(ranking.j)))
    recurs = np.zeros(len(ranking.j))
    pair_codes = ranking.j * len(weights) + ranking.k
    for b in range(n_bootstrap):
        problem.loss = draw(rng)
        fit = problem.fit(strengths_of(settings), settings.latent, rng, start=start)
        refit = publish(problem, fit, model.preparation).pairs
        estimates[b] = refit.entries(ranking.j, ranking.k) * scale
        again = strongest(refit, k, weights, "estimate")
        recurs += np.isin(pair_codes, again.j * len(weights) + again.k)
    return {
        "first": model.preparation.feature_of[ranking.j],
        "second": model.preparation.feature_of[ranking.k],
        "estimate": model.pairs.entries(ranking.j, ranking.k) * scale,
        "std_error": np.sqrt(model.pairs.variances(ranking.j, ranking.k)) * scale,
        "std_error_bootstrap": estimates.std(axis=0, ddof=1),
        "lower": np.quantile(estimates, 0.025, axis=0),
        "upper": np.quantile(estimates, 0.975, axis=0),
        "rank_stability": recurs / n_bootstrap,
    }
