"""Refits to outcomes drawn again: how far the strongest interactions move when everything is fitted anew."""

from __future__ import annotations

from typing import final

import numpy as np

from intertwine.coefficients import DualCoefficients
from intertwine.fitting.interactions.exact import ExactProblem
from intertwine.fitting.interactions.feature_pairs import pair_errors, pair_estimates, ranked_pairs
from intertwine.fitting.interactions.fit_exact import dual_coefficients, strengths_of
from intertwine.fitting.interactions.latent_search import TargetPoint
from intertwine.fitting.interactions.model import InteractionModel
from intertwine.fitting.interactions.prepare_rows import fit_relevance
from intertwine.fitting.interactions.settings import ModelSettings
from intertwine.fitting.watch import AbstractProgress
from intertwine.preparation import column_weights

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

    Scaling, basis and hyperparameters are kept; relevance weights, coefficients and latent target are refitted, the
    target from where the original fit found it.

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
    redraw = _Redraw(loss, settings, model)
    pairs = model.pairs
    assert isinstance(pairs, DualCoefficients)  # the exact path's
    start = None if pairs.target is None else TargetPoint(pairs.target, pairs.params)
    estimates = np.empty((n_bootstrap, len(first)))
    recurs = np.zeros(len(first))
    for b in range(n_bootstrap):
        progress.part("refit", b + 1, n_bootstrap)
        problem, weights = redraw.problem(draw(rng))
        fit = problem.fit(strengths_of(settings), settings.latent, rng, start=start)
        preparation = model.preparation._replace(weights=weights)
        refit = model._replace(preparation=preparation, pairs=dual_coefficients(problem, fit))
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


@final
class _Redraw:
    """The problem of the original fit under other outcomes, from the columns that its coefficients hold."""

    def __init__(self, loss, settings: ModelSettings, model: InteractionModel) -> None:
        columns, preparation = model.pairs.columns, model.preparation  # type: ignore[attr-defined]
        none = np.zeros((len(columns), 0))
        # standardised: the same whatever the weights
        squares = preparation.squares(columns) if settings.preparation.squares else none
        self._settings = settings
        self._feature_of, self._weights = preparation.feature_of, preparation.weights
        penalized = ~np.isin(self._feature_of, settings.unpenalized)
        self._original = ExactProblem(loss, columns, squares, penalized, settings.order)
        self._unweighted = columns / np.where(self._weights == 0.0, 1.0, self._weights)

    def problem(self, loss) -> tuple[ExactProblem, np.ndarray]:
        """The problem of an outcome, and the weights of its columns."""
        if self._settings.preparation.relevance == 0.0:
            return self._original.with_loss(loss), self._weights
        try:
            relevance = fit_relevance(
                self._unweighted,
                self._feature_of,
                loss,
                self._settings.preparation,
                self._settings.unpenalized,
            )
        except ValueError:  # an outcome of one class only, drawn for a rare one, says nothing about relevance
            return self._original.with_loss(loss), self._weights
        weights, original = column_weights(relevance, self._feature_of), self._original
        columns = self._unweighted * weights
        return ExactProblem(loss, columns, original.squares, original.penalized, original.order), weights
