"""From rows to columns under given settings, relevance weights included: what every fold repeats for itself."""

from __future__ import annotations

import numpy as np

from intertwine.fitting.interactions.relevance import evidence_relevance
from intertwine.fitting.interactions.settings import PreparationSettings
from intertwine.preparation import Preparation, marginal_relevance, prepare, reweight

__all__ = ["fit_preparation", "fit_relevance"]


def fit_preparation(X, loss, settings: PreparationSettings, unpenalized) -> Preparation:
    """Fit the preparation on these rows only."""
    weights = loss.sample_weight
    preparation = prepare(
        X,
        weights,
        spline_knots=settings.spline_knots,
        standardize=settings.standardize,
        quantile=settings.quantile,
        squares=settings.squares,
    )
    if settings.relevance == 0.0:
        return preparation
    relevance = fit_relevance(preparation.columns(X), preparation.feature_of, loss, settings, unpenalized)
    return reweight(preparation, X, weights, relevance)


def fit_relevance(columns, feature_of, loss, settings: PreparationSettings, unpenalized) -> np.ndarray:
    """Relevance (p,) of features, from their columns without weights (n, q) and the outcome."""
    weights = loss.sample_weight
    # The negative gradient at the null model is the residual for every loss (martingale residuals for Cox).
    null = np.full(loss.n_rows, loss.start_score())
    response = -loss.gradient(null) * loss.total_weight / np.maximum(weights, 1e-300)
    if settings.relevance is None:
        relevance = evidence_relevance(columns, feature_of, response, weights)
    else:
        relevance = marginal_relevance(columns, feature_of, response, weights) ** settings.relevance
    # A weight on a column without a penalty would change nothing but the meaning of its interactions.
    if len(unpenalized):
        relevance[unpenalized] = np.sqrt(np.mean(relevance**2))
    return relevance
