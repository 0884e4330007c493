"""Survival specifics of the Cox estimators: the loss from a target, baseline hazard, curves, concordance."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from intertwine.frames import make_frame
from intertwine.losses import BreslowLoss, CoxLoss, EfronLoss, concordance_index
from intertwine.validation import check_same_rows, check_strata, check_survival_target, check_weights
from intertwine.validation.wording import counted

__all__ = ["SurvivalPredictions", "cox_loss", "resampled_cox"]

_TIES = {"efron": EfronLoss, "breslow": BreslowLoss}


def cox_loss(y, X, sample_weight, strata, n_rows, ties) -> tuple[CoxLoss, np.ndarray]:
    """Loss of the rows with positive weight, and which rows those are."""
    weights = check_weights(sample_weight, n_rows, X)
    target = check_survival_target(y, X, weights)
    check_same_rows(X=X, strata=strata)
    strata = check_strata(strata, n_rows)
    kept = weights > 0
    entry = target["entry"][kept] if "entry" in (target.dtype.names or ()) else None
    loss = _TIES[ties](
        target["time"][kept],
        target["event"][kept],
        entry,
        None if strata is None else strata[kept],
        weights[kept],
    )
    _check_comparable(loss)
    return loss, kept


def _check_comparable(loss: CoxLoss) -> None:
    """Refuse a target in which no event has another row at risk: any scores fit it equally well."""
    if not loss.curvature(np.zeros(loss.n_rows)).diagonal().any():
        raise ValueError(
            "no event has another row at risk beside it in its stratum, so there is nothing to learn from; "
            "check time and entry, or use coarser strata"
        )


def _sorted_times(times) -> np.ndarray:
    array = np.atleast_1d(np.asarray(times, dtype=float))
    if array.ndim > 1:
        raise ValueError(f"times has shape {array.shape}, expected 1-D: the same times serve all rows")
    if np.isnan(array).any():
        raise ValueError("times contains NaN")
    return np.sort(array)


def resampled_cox(loss: CoxLoss, rng) -> CoxLoss:
    """The loss under random weights of mean one (Bayesian bootstrap, Rubin 1981)."""
    weights = loss.sample_weight * rng.exponential(size=loss.n_rows)
    return type(loss)(loss.time, loss.event, loss.entry, loss.strata, weights)


class SurvivalPredictions(BaseEstimator):
    """Predictions of a Cox model; mixed into estimators that have ``_scores`` and ``_frame_library``."""

    _baseline: dict
    _frame_library: str | None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        # times alone are accepted as a target, and times are not negative
        tags.target_tags.positive_only = True
        return tags

    def _set_baseline(self, loss, scores) -> None:
        hazard = loss.baseline_cumulative_hazard(scores)
        strata = np.asarray(hazard["strata"])
        self._baseline = {
            "strata": strata if loss.strata is not None else np.zeros(len(strata), int),
            "time": hazard["time"],
            "cumulative_hazard": hazard["cumulative_hazard"],
        }

    def _baseline_state(self) -> dict:
        return {
            name: column.tolist() if column.dtype == object else column
            for name, column in self._baseline.items()
        }

    def _restore_baseline(self, state: dict) -> None:
        self._baseline = {
            name: np.array(column, dtype=object) if isinstance(column, list) else column
            for name, column in state.items()
        }

    @property
    def baseline_hazard_(self) -> Any:
        """Cumulative hazard of a row with score 0: strata, time, cumulative_hazard."""
        check_is_fitted(self, "_models")
        return make_frame(self._baseline, self._frame_library)

    def predict(self, X) -> np.ndarray:
        """Log relative hazard (n,): higher means sooner."""
        return self._scores(X)

    def predict_cumulative_hazard_function(self, X, times=None, strata=None) -> Any:
        """Cumulative hazard of rows over time.

        Parameters
        ----------
        X : array-like or frame (n, p)
        times : array-like, default=None
            Times to evaluate at, or one; None: all event times seen at fit.
        strata : array-like (n,), default=None
            Stratum of every row; needed when the model has several.

        Returns
        -------
        frame
            row, time, cumulative_hazard, one line for every row and time.

        Raises
        ------
        ValueError
            For unknown strata, or none where the model has several; for times that are NaN or not one row of them.
        """
        times, hazard = self._cumulative_hazards(X, times, strata)
        return self._long(times, hazard, "cumulative_hazard")

    def predict_survival_function(self, X, times=None, strata=None) -> Any:
        """Probability of surviving beyond each time: row, time, survival.

        ``times`` and ``strata`` as in ``predict_cumulative_hazard_function``.
        """
        times, hazard = self._cumulative_hazards(X, times, strata)
        return self._long(times, np.exp(-hazard), "survival")

    def _long(self, times, values, name):
        n = len(values)
        return make_frame(
            {"row": np.repeat(np.arange(n), len(times)), "time": np.tile(times, n), name: values.ravel()},
            self._frame_library,
        )

    def _cumulative_hazards(self, X, times, strata):
        scores = self._scores(X)
        baseline = self._baseline
        known = list(dict.fromkeys(baseline["strata"].tolist()))
        if strata is None:
            if len(known) > 1:
                raise ValueError(f"the model has {len(known)} strata; pass strata= for every row")
            strata = np.repeat(np.array(known, dtype=object), len(scores))
        strata = np.asarray(strata, dtype=object)
        if len(strata) != len(scores):
            raise ValueError(f"X has {counted(len(scores), 'row', 'rows')}, but strata has {len(strata)}")
        unknown = sorted({str(s) for s in strata.tolist()} - {str(s) for s in known})
        if unknown:
            raise ValueError(f"strata {', '.join(unknown[:5])} were not seen at fit")
        times = np.unique(baseline["time"]) if times is None else _sorted_times(times)
        hazard = np.empty((len(scores), len(times)))
        for stratum in known:
            own = baseline["strata"] == stratum
            steps = np.append(0.0, baseline["cumulative_hazard"][own])
            at = steps[np.searchsorted(baseline["time"][own], times, side="right")]
            members = np.array([str(s) == str(stratum) for s in strata.tolist()])
            hazard[members] = np.exp(scores[members, None]) * at
        return times, hazard

    def score(self, X, y, sample_weight=None, strata=None) -> float:
        """Concordance index of the predicted risk (Harrell's C): ½ says nothing, 1 orders everyone.

        ``y``, ``sample_weight`` and ``strata`` as at fit; only rows of one stratum are compared.
        """
        risk = self._scores(X)
        loss, kept = cox_loss(y, X, sample_weight, strata, len(risk), "efron")
        return float(
            concordance_index(loss.time, loss.event, risk[kept], loss.entry, loss.strata, loss.sample_weight)
        )
