"""Predictions of a fitted mixed model, and how good they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import _num_samples, check_is_fitted

from intertwine.effects.random import EffectRows, Located
from intertwine.estimators.effect_rows.data import EffectData, EffectInputs, tell_of_unseen
from intertwine.estimators.effect_rows.names import effect_names
from intertwine.estimators.mixed_model.formula_design import FormulaDesign
from intertwine.estimators.mixed_model.rows import FixedColumns, read_fixed, read_rows, take_rows
from intertwine.fitting.mixed_model import MixedModelData, MixedModelFit
from intertwine.mixed_effects.predicted_mean import predicted_mean
from intertwine.validation import check_weights
from intertwine.validation.outcomes import check_same_outcomes
from intertwine.validation.wording import counted, listed

__all__ = ["MixedModelPredictions"]

_ROWS = 65536  # predicted at a time, so that a large prediction needs little beside its rows


class MixedModelPredictions:
    """What a fitted model says of rows."""

    unseen: str
    _fit: MixedModelFit
    _rows: MixedModelData
    _columns: FixedColumns | FormulaDesign
    _effects: Sequence[Any]
    _data: EffectData
    _outcomes: list[str]
    _is_vector: bool

    def predict(
        self,
        X,
        *,
        groups=None,
        time=None,
        coords=None,
        return_std=False,
        include_noise=True,
        random_effects=True,
    ):
        """Expected outcomes, random effects of known levels included.

        Parameters
        ----------
        X : array-like or frame of shape (n, p), or None
        groups, time, coords
            As in ``fit``. Labels that were not in the fit, missing ones among them, get what the rest of the model
            says; see ``unseen``.
        return_std : bool, default=False
            Also how far a new outcome may be from its prediction.
        include_noise : bool, default=True
            False: how far the expected outcome may be from its prediction, without the noise of single rows.
        random_effects : bool, default=True
            False: the fixed effects alone; groups, time and coords are not needed. Their standard deviation says how
            well they are known, and nothing of single outcomes: for these, predict at levels that were not in the fit.

        Returns
        -------
        mean : ndarray of shape (n,) or (n, n_outputs)
        std : ndarray of the same shape
            With ``return_std``. Variances are taken as known.

        Raises
        ------
        ValueError, TypeError
            As in ``fit``; with ``unseen="raise"`` also for levels that were not in the fit.

        Warns
        -----
        UserWarning
            With the labels that were not in the fit.
        """
        check_is_fitted(self, "_fit")
        if random_effects:
            rows = read_rows(self, self._columns, X, groups, time, coords, self._effects)
            mean, variance = self._predicted(
                rows.fixed, self._data.rows(rows.inputs, self.unseen), return_std
            )
        else:
            fixed = read_fixed(self, self._columns, X, groups, time, coords)
            posterior = self._fit.posterior
            mean = fixed @ posterior.fixed
            variance = np.einsum("ia,mab,ib->im", fixed, posterior.fixed_covariance, fixed)
        if not return_std:
            return mean[:, 0] if self._is_vector else mean
        noise = self._fit.variances.noise if include_noise and random_effects else 0.0
        variance = np.maximum(variance, 0.0) + noise
        std = np.sqrt(variance)
        return (mean[:, 0], std[:, 0]) if self._is_vector else (mean, std)

    def predict_effect(self, effect, X=None, *, groups=None, time=None, coords=None, return_std=False):
        """What one of the random effects contributes, at known levels or at others.

        Parameters
        ----------
        effect : str or int
            Its name in ``random_effects_``, or its place among the effects.
        X : array-like or frame, default=None
            Where it has slopes of columns, or there is a formula.
        groups, time, coords
            As in ``fit``, as far as this effect reads them.
        return_std : bool, default=False
            Also the standard deviation of the contribution.

        Returns
        -------
        mean : ndarray of shape (n,) or (n, n_outputs)
        std : ndarray of the same shape
            With ``return_std``.

        Raises
        ------
        ValueError
            For an effect that is not there, and as in ``predict``.
        """
        check_is_fitted(self, "_fit")
        t = self._place_of(effect)
        chosen = self._effects[t]
        data = self._data.only(chosen)
        if X is None:
            inputs = EffectInputs(*_longest(groups, time, coords))
            inputs = inputs._replace(groups=groups, time=time, coords=coords)
        else:
            inputs = read_rows(self, self._columns, X, groups, time, coords, [chosen]).inputs
        rows = data.rows(inputs, self.unseen)
        located = [
            bound.locate(rows, shape) if s == t else _nowhere(bound.n_basis, rows.n_rows)
            for s, (bound, shape) in enumerate(zip(self._rows.effects, self._fit.shapes, strict=True))
        ]
        mean, variance = self._fit.posterior.predict(located, None)
        std = np.sqrt(np.maximum(variance, 0.0))
        if self._is_vector:
            mean, std = mean[:, 0], std[:, 0]
        return (mean, std) if return_std else mean

    def _place_of(self, effect: Any) -> int:
        names = effect_names(self._effects, self._data)
        if effect in names:
            return names.index(effect)
        if isinstance(effect, int | np.integer) and 0 <= effect < len(names):
            return int(effect)
        raise ValueError(f"effect={effect!r} is none of the random effects {listed(names)}")

    def score(self, X, y=None, sample_weight=None, *, groups=None, time=None, coords=None) -> float:
        """Share of the variance that predictions explain, R²; on average over outcomes, where they are observed.

        Parameters
        ----------
        X, y, sample_weight, groups, time, coords
            As in ``fit``.

        Returns
        -------
        float
            One for exact predictions, zero for the mean, below zero for worse than that.
        """
        check_is_fitted(self, "_fit")
        predicted = self.predict(X, groups=groups, time=time, coords=coords)
        if y is None and isinstance(self._columns, FormulaDesign):
            y = self._columns.outcome_in(X)
        outcomes = check_same_outcomes(y, self._outcomes, X)
        predicted = predicted.reshape(outcomes.shape)
        weights = check_weights(sample_weight, len(outcomes), X)
        scores = []
        for expected, found in zip(outcomes.T, predicted.T, strict=True):
            there = ~np.isnan(expected)
            if there.any():
                scores.append(_r_squared(expected[there], found[there], weights[there]))
        return float(np.mean(scores)) if scores else float("nan")

    def _predicted(
        self, fixed: np.ndarray, effect_rows: EffectRows, with_variance: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Means and variances (n, n_outputs), and a word on combinations of groups that were not in the fit."""
        new = np.zeros(len(self._effects), dtype=int)
        means, variances = [], []
        for start in range(0, len(fixed), _ROWS):
            chunk = slice(start, start + _ROWS)
            rows = take_rows(effect_rows, chunk) if len(fixed) > _ROWS else effect_rows
            located = [
                bound.locate(rows, shape)
                for bound, shape in zip(self._rows.effects, self._fit.shapes, strict=True)
            ]
            for t, (effect, where) in enumerate(zip(self._effects, located, strict=True)):
                if len(effect.group_keys) > 1 and where.extra is not None:
                    parts = [rows.groups[key].codes >= 0 for key in effect.group_keys]
                    new[t] += int(np.sum((where.extra[where.level] > 0) & np.logical_and.reduce(parts)))
            if with_variance:
                mean, variance = self._fit.posterior.predict(located, fixed[chunk])
            else:
                mean = predicted_mean(
                    self._fit.posterior, self._rows.effects, self._fit.shapes, located, fixed[chunk]
                )
                variance = np.zeros_like(mean)
            means.append(mean)
            variances.append(variance)
        for name, count in zip(effect_names(self._effects, self._data), new, strict=True):
            if count:
                tell_of_unseen(
                    f"{counted(int(count), 'row has', 'rows have')} combinations of {name!r} that were not in fit",
                    self.unseen,
                )
        return np.concatenate(means), np.concatenate(variances)


def _nowhere(n_basis: int, n_rows: int) -> Located:
    """Rows to which an effect contributes nothing."""
    return Located(np.zeros(n_rows, dtype=np.int64), np.zeros((n_rows, n_basis)), None, None)


def _longest(*given: Any) -> tuple[Any, int]:
    """The first input that there is, and its number of rows."""
    for values in given:
        one = next(iter(values.values()), None) if isinstance(values, Mapping) else values
        if one is not None:
            return one, _num_samples(one)
    raise ValueError("groups, time, coords and X are all None: nothing says how many rows there are")


def _r_squared(expected: np.ndarray, found: np.ndarray, weights: np.ndarray) -> float:
    spread = np.sum(weights * (expected - np.average(expected, weights=weights)) ** 2)
    if spread == 0.0:
        return float(np.allclose(expected, found))
    return float(1.0 - np.sum(weights * (expected - found) ** 2) / spread)
