"""Cox partial likelihood with Efron's and Breslow's approximation for tied deaths.

At event time k let Sₖ = Σ wⱼ exp(fⱼ) over those at risk, Tₖ the same sum over those who die there, d their
number and w̄ their mean weight. The negative log partial likelihood is

    Breslow:  Σₖ [ Σ_deaths w (log Sₖ − f) ],
    Efron:    Σₖ [ Σ_deaths −w f + w̄ Σ_{l<d} log(Sₖ − l/d · Tₖ) ],

as in R's survival::coxph, divided here by the total weight.
"""

from abc import abstractmethod
from typing import NamedTuple, Self, TypedDict, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._risk_kernels import efron_moments
from .base import AbstractLikelihoodLoss, FloatArray, require_length, valid_column
from .cox_curvature import CoxCurvature, Deaths, TiedMoments
from .event_times import find_event_times
from .risk_sets import RiskSets, ScaledRiskSets


class CumulativeHazard(TypedDict):
    """Columns of a tidy table, one row per event time of every stratum, sorted by stratum and time."""

    strata: NDArray
    time: FloatArray
    cumulative_hazard: FloatArray


class _AtScores(NamedTuple):
    """Everything about the risk sets that depends on the scores."""

    risk: ScaledRiskSets
    deaths: Deaths
    moments: TiedMoments


class CoxLoss(AbstractLikelihoodLoss):
    """Negative log partial likelihood of right-censored, possibly left-truncated times.

    Parameters
    ----------
    time : array-like of shape (n,)
        Time of the event or of censoring, in any unit.
    event : array-like of shape (n,)
        True (1) where the time is an event, False (0) where it is censored.
    entry : array-like of shape (n,), optional
        Time from which each row is at risk (entry < event time ≤ exit). None: from the start.
    strata : array-like of shape (n,), optional
        Labels; each stratum has risk sets and a baseline hazard of its own. None: one stratum, labelled 0.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows; one each when None.

    Raises
    ------
    ValueError
        When lengths differ, a value is not finite, an entry is not before its exit, or no row with weight has
        an event.

    Notes
    -----
    Two deaths are tied when their times are equal as floating-point numbers; round times that are the result
    of arithmetic. A weight of 2 equals a repeated row with Breslow's ties; with Efron's it does not for a
    death, because a repeated death is a tie.

    Value and gradient cost O(n) after one sort at construction, O(n + K log K) for K event times with late
    entry. Scores may span any range: sums over risk sets are kept relative to their largest term.

    Source: Therneau & Grambsch, Modeling Survival Data (2000), sections 3.1 to 3.3.
    """

    has_intercept = False
    rows_interact = True

    def __init__(
        self,
        time: ArrayLike,
        event: ArrayLike,
        entry: ArrayLike | None = None,
        strata: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> None:
        self.time = valid_column(time, "time")
        if np.isinf(self.time).any():
            raise ValueError("time contains infinity")
        n = self.time.size
        super().__init__(n, sample_weight)
        self.event = _valid_events(event, n)
        self.entry = None if entry is None else _valid_entry(entry, self.time)
        self.strata = np.zeros(n, dtype=np.int64) if strata is None else _valid_strata(strata, n)

        weighted = self.sample_weight > 0
        dies = self.event & weighted
        if not dies.any():
            raise ValueError("no events: the partial likelihood needs at least one row with an event")
        self._labels, stratum = np.unique(self.strata, return_inverse=True)
        self._times = find_event_times(self.time, dies, self.entry, stratum.astype(np.int64))
        # rows without weight leave the risk sets, or the largest term of a sum might be theirs
        last = np.where(weighted, self._times.last, -1)
        self._risk_sets = RiskSets(self._times.first, last, self._times.stratum_start)
        self._log_weight = np.log(self.sample_weight, out=np.zeros(n), where=weighted)

        self._death_rows = np.flatnonzero(dies)
        self._death_position = last[self._death_rows]
        n_times = self._times.time.size
        self._last: tuple[FloatArray, _AtScores] | None = None
        self._n_tied = np.bincount(self._death_position, minlength=n_times)
        self._death_weight = np.bincount(
            self._death_position, weights=self.sample_weight[self._death_rows], minlength=n_times
        )

    @abstractmethod
    def _tied_moments(self, total: FloatArray, tied: FloatArray) -> TiedMoments:
        """Moments over the denominators, from the sums over those at risk and those who die, (K,) each."""

    def unit_losses(self, f: ArrayLike) -> FloatArray:
        """Negative log partial likelihood of every row with an event, zero elsewhere, shape (n,)."""
        scores = self._valid_scores(f)
        risk, _, moments = self._at(scores)
        losses = np.zeros(self.n_rows)
        log_denominator = moments.mean_log + risk.peak
        losses[self._death_rows] = log_denominator[self._death_position] - scores[self._death_rows]
        return losses

    def gradient(self, f: ArrayLike) -> FloatArray:
        """Minus the martingale residuals, weighted, over the total weight, shape (n,)."""
        risk, deaths, moments = self._at(self._valid_scores(f))
        gradient = risk.spread(moments.hazard[0][:, None])[:, 0]
        deaths.add_spread(-moments.hazard[1][:, None], gradient[:, None])
        gradient[self._death_rows] -= self.sample_weight[self._death_rows]
        return gradient / self.total_weight

    def curvature(self, f: ArrayLike) -> CoxCurvature:
        """Exact Hessian as an operator."""
        return CoxCurvature(*self._at(self._valid_scores(f)), self.total_weight)

    def start_score(self) -> float:
        """Zero: every constant gives the same loss."""
        return 0.0

    def inverse_link(self, f: ArrayLike) -> FloatArray:
        """Hazard relative to the baseline, exp(f)."""
        return np.exp(np.asarray(f, dtype=np.float64))

    def take(self, rows: ArrayLike) -> Self:
        """Restrict the loss to rows (integer positions or a boolean mask), weights included."""
        index = np.asarray(rows)
        return type(self)(
            self.time[index],
            self.event[index],
            None if self.entry is None else self.entry[index],
            self.strata[index],
            self.sample_weight[index],
        )

    def baseline_cumulative_hazard(self, f: ArrayLike) -> CumulativeHazard:
        """Cumulative hazard of a row with score zero, at every event time of every stratum.

        The estimator that belongs to the handling of ties, as R's survfit(coxph) gives it.

        Parameters
        ----------
        f : array-like of shape (n,)
            Scores of the rows this loss is bound to.

        Returns
        -------
        dict of columns strata, time, cumulative_hazard
            Right-continuous steps, sorted by stratum and time; zero before the first time of a stratum.

        Raises
        ------
        ValueError
            When the scores are not finite, or so low that a hazard exceeds the largest number ("overflow").
        """
        risk, _, moments = self._at(self._valid_scores(f))
        with np.errstate(over="ignore"):
            steps = moments.hazard[0] * np.exp(-risk.peak)
        if not np.isfinite(steps).all():
            raise ValueError(
                "overflow: the baseline hazard is not finite; centre the scores, or raise the penalty behind them"
            )
        starts = np.unique(self._times.stratum_start)[1:]
        return CumulativeHazard(
            strata=self._labels[self._times.stratum],
            time=self._times.time.copy(),
            cumulative_hazard=np.concatenate([part.cumsum() for part in np.split(steps, starts)]),
        )

    def _at(self, scores: FloatArray) -> _AtScores:
        """Risk sets at these scores, remembered: value, gradient and curvature are asked for one after the other."""
        last = self._last
        if last is None or not np.array_equal(scores, last[0]):
            self._last = last = scores.copy(), self._risk_at(scores)
        return last[1]

    def _risk_at(self, scores: FloatArray) -> _AtScores:
        log_size = scores + self._log_weight
        risk = self._risk_sets.scaled(log_size)
        scale = np.exp(log_size[self._death_rows] - risk.peak[self._death_position])
        deaths = Deaths(self._death_rows, self._death_position, scale, risk.peak.size)
        ones = np.ones((self.n_rows, 1))
        moments = self._tied_moments(risk.sums(ones)[:, 0], deaths.sums(ones)[:, 0])
        return _AtScores(risk, deaths, moments)


@final
class EfronLoss(CoxLoss):
    """Cox loss with Efron's handling of tied deaths: the l-th of d faces 1 − l/d of their hazards.

    The more accurate of the two, and the usual choice. Parameters are those of `CoxLoss`.

    Examples
    --------
    >>> loss = EfronLoss(time=[1, 1, 2], event=[1, 1, 0])
    >>> round(loss.value([0.0, 0.0, 0.0]), 4)  # (log 3 + log 2) / 3
    0.5973
    """

    def _tied_moments(self, total: FloatArray, tied: FloatArray) -> TiedMoments:
        n_times = total.size
        moments = TiedMoments(np.zeros(n_times), np.zeros((2, n_times)), np.zeros((3, n_times)))
        efron_moments(total, tied, self._n_tied, self._death_weight, *moments)
        return moments


@final
class BreslowLoss(CoxLoss):
    """Cox loss with Breslow's handling of tied deaths: each faces the whole risk set.

    Agrees with glmnet, and makes weights equal to repetitions. Parameters are those of `CoxLoss`.

    Examples
    --------
    >>> loss = BreslowLoss(time=[1, 1, 2], event=[1, 1, 0])
    >>> round(loss.value([0.0, 0.0, 0.0]), 4)  # 2 log 3 / 3
    0.7324
    """

    def _tied_moments(self, total: FloatArray, tied: FloatArray) -> TiedMoments:
        none = np.zeros_like(total)
        rate = self._death_weight / total
        return TiedMoments(np.log(total), np.stack([rate, none]), np.stack([rate / total, none, none]))


def _valid_events(event: ArrayLike, n_rows: int) -> NDArray[np.bool_]:
    column = valid_column(event, "event")
    require_length(column, "event", n_rows)
    if not np.isin(column, (0.0, 1.0)).all():
        raise ValueError("event must be 0 (censored) or 1 (event) in every row")
    return column == 1.0


def _valid_entry(entry: ArrayLike, time: FloatArray) -> FloatArray:
    column = valid_column(entry, "entry")
    require_length(column, "entry", time.size)
    late = np.flatnonzero(column >= time)
    if late.size:
        raise ValueError(f"entry must be before time; it is not in rows {late[:5].tolist()}")
    return column


def _valid_strata(strata: ArrayLike, n_rows: int) -> NDArray:
    labels = np.array(strata)
    require_length(labels, "strata", n_rows)
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        raise ValueError(f"strata contains NaN in rows {np.flatnonzero(np.isnan(labels))[:5].tolist()}")
    return labels
