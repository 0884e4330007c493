"""Rows that a fitted mixed model takes in without a search: its variances stay, everything else is solved for again."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import require_same_functions
from intertwine.estimators.effect_rows.levels import with_new_labels
from intertwine.estimators.mixed_model.formula_design import FormulaDesign
from intertwine.estimators.mixed_model.rows import read_rows, take_rows
from intertwine.fitting.mixed_model import MixedModelData, solve_mixed_model
from intertwine.validation import check_weights
from intertwine.validation.outcomes import check_same_outcomes

__all__ = ["conditioned"]

Array = NDArray[np.float64]


def conditioned(
    estimator: Any, X: Any, y: Any, sample_weight: Any, groups: Any, time: Any, coords: Any
) -> Any:
    """A copy of a fitted mixed model that has seen more rows; see `MixedModel.condition`."""
    if isinstance(estimator._columns, FormulaDesign):
        raise ValueError("condition is for models without a formula: pass columns of X, and effects, to fit")
    rows = read_rows(estimator, estimator._columns, X, groups, time, coords, estimator._effects)
    outcomes = check_same_outcomes(y, estimator._outcomes, rows.inputs.rows)
    fitted: MixedModelData = estimator._rows
    weights = check_weights(sample_weight, rows.inputs.n_rows, rows.inputs.rows)
    observed = ~np.isnan(outcomes) & (weights > 0)[:, None]
    kept = observed.any(axis=1)
    if not kept.any():
        raise ValueError("nothing is observed in y: condition needs outcomes of some rows")
    data, added = with_new_labels(estimator._data, estimator._effects, rows.inputs)
    levels = estimator._effect_rows.joined(take_rows(added, kept))
    effects = tuple(effect.bind(levels) for effect in estimator._effects)
    require_same_functions(fitted.effects, effects)
    before = _entry_weights(fitted)
    entries = np.concatenate([before, weights[kept, None] * observed[kept]])
    joined = MixedModelData(
        effects,
        np.concatenate([fitted.fixed, rows.fixed[kept]]),
        np.concatenate([fitted.y, np.where(observed, outcomes, 0.0)[kept]]),
        None if np.all(entries == 1.0) else entries,
        fitted.seed,
    )
    model, fit = copy(estimator), estimator._fit
    model._data, model._effect_rows, model._rows = data, levels, joined
    posterior = solve_mixed_model(joined, fit.shapes, fit.variances)
    log_likelihood = posterior.log_likelihood
    if estimator.method == "ml":
        at_best = joined.system(fit.shapes, restricted=False).posterior(joined.y, fit.variances)
        log_likelihood = at_best.log_likelihood
    model._fit = fit._replace(posterior=posterior, log_likelihood=log_likelihood)
    return model


def _entry_weights(rows: MixedModelData) -> Array:
    if rows.weights is None:
        return np.ones(rows.y.shape)
    return np.broadcast_to(rows.weights[:, None] if rows.weights.ndim == 1 else rows.weights, rows.y.shape)
