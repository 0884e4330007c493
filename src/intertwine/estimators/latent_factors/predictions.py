"""Predictions of a latent-factor model, also of ids that were not in its fit."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from intertwine.estimators.latent_factors.rating_data import RatedPairs, Side, numbered, pairs_of_matrix
from intertwine.fitting.latent_factors.model import (
    FactorModel,
    FactorSettings,
    scores_of_pairs,
    variance_of_pairs,
)
from intertwine.fitting.latent_factors.more_ratings import variance_of_new, with_new_ids
from intertwine.frames import make_frame
from intertwine.validation.ratings import read_columns
from intertwine.validation.wording import counted, listed

__all__ = ["FactorPredictions"]


class FactorPredictions:
    """Predictions from the tables of a fit."""

    _model: FactorModel
    _settings: FactorSettings
    _sides: tuple[Side, Side]
    _center: float
    _spread: float
    _frame_library: str | None
    _n_fitted: tuple[int, int]
    rating_scale: Any

    def predict(self, X, return_std=False):
        """Predicted ratings; of ids that were not in the fit, those of an average user or item.

        Parameters
        ----------
        X : array-like or frame (n, p)
            Columns as in fit.
        return_std : bool, default=False
            Also give the predictive standard deviation of a rating ("variational", "gibbs").

        Returns
        -------
        ndarray (n,), or two of them

        Raises
        ------
        ValueError
            For ``return_std`` where the solver gives one set of coefficients.

        Warns
        -----
        UserWarning
            With the number of ids that were not in the fit.
        """
        check_is_fitted(self, "_model")
        pairs = self._read(X)
        model = self._grown(pairs)
        draws = [
            scores_of_pairs(u, i, pairs.user_codes, pairs.item_codes, self._settings) + mu
            for u, i, mu in zip(model.users, model.items, model.intercepts, strict=True)
        ]
        mean = self._clipped(self._center + self._spread * np.mean(draws, axis=0))
        if not return_std:
            return mean
        if model.user_covariance is not None:
            variance = variance_of_pairs(model, pairs.user_codes, pairs.item_codes, self._settings)
        elif model.n_draws > 1:
            known = len(self._sides[0].ids), len(self._sides[1].ids)
            codes = pairs.user_codes, pairs.item_codes
            variance = np.var(draws, axis=0) + variance_of_new(model, codes, known, self._settings)
        else:
            raise ValueError("return_std needs a posterior: fit with solver='variational' or 'gibbs'")
        return mean, self._spread * np.sqrt(variance + model.noise**2)

    def _read(self, X) -> RatedPairs:
        if sparse.issparse(X):
            X = pairs_of_matrix(X)[0]
        return numbered(self, read_columns(self, X, reset=False), self._sides)

    def _grown(self, pairs: RatedPairs, warn: bool = True) -> FactorModel:
        """The model with rows for the ids of a table that are new."""
        sides = (pairs.users, pairs.user_codes), (pairs.items, pairs.item_codes)
        known = [len(side.ids) for side in self._sides]
        new = [len(side.ids) - before for (side, _), before in zip(sides, known, strict=True)]
        if warn and any(new):
            _warn_of_new_ids(sides, known)
        features = [
            side.features_of(pairs.columns, codes, before)
            for (side, codes), before in zip(sides, known, strict=True)
        ]
        return with_new_ids(self._model, (new[0], new[1]), (features[0], features[1]))

    def _clipped(self, prediction: np.ndarray) -> np.ndarray:
        if self.rating_scale is None:
            return prediction
        low, high = self.rating_scale
        return np.clip(prediction, low, high)

    @property
    def n_iter_(self) -> int:
        """Iterations, sweeps or epochs."""
        check_is_fitted(self, "_model")
        return int(self._model.history[-1, 0]) if len(self._model.history) else 0

    @property
    def converged_(self) -> bool:
        """Whether the solver had settled when it stopped."""
        check_is_fitted(self, "_model")
        return bool(self._model.converged)

    @property
    def history_(self) -> Any:
        """One row per iteration: objective, error of the ratings held out, passes over the data, seconds.

        The error is a root mean square. Seconds are of the clock, since the solver began; NaN in files of earlier
        versions, and for draws that were made before an interruption.
        """
        check_is_fitted(self, "_model")
        iteration, objective, held_out, passes, seconds = self._model.history.T
        return make_frame(
            {
                "iteration": iteration.astype(int),
                "objective": objective,
                "validation_rmse": held_out * self._spread,
                "passes": passes,
                "seconds": seconds,
            },
            self._frame_library,
        )


def _warn_of_new_ids(sides, known) -> None:
    told = []
    for (side, codes), before in zip(sides, known, strict=True):
        if len(side.ids) > before:
            n_rows = int((codes >= before).sum())
            told.append(
                f"{counted(len(side.ids) - before, f'{side.ids.name} id', f'{side.ids.name} ids')} in "
                f"{counted(n_rows, 'row', 'rows')}, {listed(side.ids.labels[before:], 5)}"
            )
    warnings.warn(
        f"not in the fit: {' and '.join(told)}; these count as average ones: bias only, and what their features say",
        UserWarning,
        stacklevel=4,
    )
