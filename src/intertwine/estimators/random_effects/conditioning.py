"""Rows that a fitted latent model takes in without a fit: what they say of their groups."""

from __future__ import annotations

from copy import copy
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from intertwine.estimators.effect_rows.inputs import EffectInputs
from intertwine.estimators.effect_rows.levels import with_new_labels

__all__ = ["RandomEffectsConditioning"]


class RandomEffectsConditioning:
    """How the groups of further rows become known."""

    def condition(self, X, *, groups=None, time=None, coords=None) -> Self:
        """Take in rows, of new groups or of those of the fit, without fitting again.

        Decoder, means, variances, length scales and the like stay as they are; random effects are the best predictions
        given the rows of the fit and these. So a group that was not in the fit has its own effects from its own rows,
        with the standard errors that belong to as many. Rows of the fit must not come again: they would count twice.

        Parameters
        ----------
        X, groups, time, coords
            As in ``fit``.

        Returns
        -------
        estimator
            One that answers, shows and saves like a fitted one; this estimator stays as it is. Likelihood, bound and
            history are still those of the fit, without these rows.

        Raises
        ------
        ValueError, TypeError
            As in ``fit``; for a model without effects, for columns that are not Gaussian, for
            ``inference="amortised"``; and of `RandomEffectsPCA`, for others than one effect with independent levels.
        """
        check_is_fitted(self, "_model")
        fitted: Any = self
        values = fitted._read(X)
        if not fitted._effects:
            raise ValueError(
                "the model has no random effects, so that condition has nothing to learn: fit all rows"
            )
        observed = np.isfinite(values).any(axis=1)
        data, rows = with_new_labels(
            fitted._data, fitted._effects, EffectInputs(X, len(values), groups, time, coords)
        )
        data.check_observed(rows, observed)
        kept = np.flatnonzero(observed)
        model: Any = copy(self)
        model._data = data
        model._model = fitted._model.conditioned(
            fitted._units.inside(values[kept]), rows.take(kept), fitted._effects
        )
        return model
