"""What a column keeps of a subject beside all that columns share: a level, and a course that fades.

    r(t) = a + u(t) + e        a ~ N(0, level),   cov(u(s), u(t)) = serial · exp(−|s − t| / ℓ),   e ~ N(0, noise)

by column, independent between columns and subjects. Both processes are Markov chains, so that columns are filtered in
time linear in their rows, whatever the times and the gaps. The variances are those under which entries that were hidden
are most likely given the others: residuals of entries that latents have seen are smaller than those that they have not.
Nearby entries tell how fast a course moves, hardly how far: the three variances sum to that of hidden entries.

Source: Diggle, Heagerty, Liang & Zeger, Analysis of Longitudinal Data (2002), chapter 5; Geisser (1975) for the
predictive likelihood.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import softmax

from intertwine.mixed_effects.subject_trends import ChunkTrends
from intertwine.mixed_effects.subjects import Trend

__all__ = ["HiddenResiduals", "SerialResiduals", "likely_serial_residuals"]

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

_MOST_ROWS = 10_000  # of a column; a sample of subjects tells four numbers well enough
_GAIN = 3.0  # of log-likelihood, for three numbers beside the noise: Akaike's criterion
_LOWEST, _HIGHEST = -12.0, 4.0  # logarithm of the noise where it is alone, relative to the mean square
_FLAT = 10.0  # logarithms of two variances, relative to the noise's
_NEAREST, _FARTHEST = 0.25, 4.0  # length scales, relative to the shortest step and to the longest series
# Where the search begins: logarithms of the variances, and the length scale between the nearest and the farthest.
_SIMPLEX = np.array([[0.0, 0.5, 0.4], [1.0, 0.5, 0.4], [0.0, 1.5, 0.4], [0.0, 0.5, 0.6]])
_EVALUATIONS, _NEAR = 100, 1e-2


class SerialResiduals(NamedTuple):
    """The variances of every column, each of shape (p,).

    Attributes
    ----------
    level : ndarray
        Of what stays.
    serial : ndarray
        Of what fades.
    length_scale : ndarray
        Time in which its correlation falls to 1/e.
    noise : ndarray
        Of single entries.

    Examples
    --------
    >>> law = SerialResiduals(*(np.array([x]) for x in (0.0, 1.0, 2.0, 1e-9)))
    >>> residuals, time = np.array([[1.0], [np.nan], [np.nan]]), np.array([0.0, 2.0, 200.0])
    >>> mean, variance = law.predicted(residuals, np.zeros(3, dtype=int), time)
    >>> mean.ravel().round(3).tolist(), variance.ravel().round(3).tolist()
    ([1.0, 0.368, 0.0], [0.0, 0.865, 1.0])
    """

    level: Array
    serial: Array
    length_scale: Array
    noise: Array

    def predicted(self, residuals: Array, subject: Rows, time: Array) -> tuple[Array, Array]:
        """Means and variances of a + u at all rows, (n, p), given the residuals that are not NaN.

        Parameters
        ----------
        residuals : ndarray of shape (n, p)
        subject : ndarray of int, shape (n,)
            Any codes.
        time : ndarray of shape (n,)
        """
        mean, variance = np.zeros(residuals.shape), np.zeros(residuals.shape)
        order, starts = _by_subject(subject, time)
        for j in np.flatnonzero(self.level + self.serial > 0.0):
            trends = self._of_column(j, time[order], starts, np.isfinite(residuals[order, j]))
            mean[order, j], variance[order, j] = _smoothed(trends, residuals[order, j])
        return mean, variance

    def drawn(
        self, residuals: Array, subject: Rows, time: Array, n_draws: int, rng: np.random.Generator
    ) -> Array:
        """Joint draws of a + u at all rows, (n_draws, n, p), given the residuals that are not NaN.

        A draw of the prior is moved by what it would have been told by its own residuals.
        Source: Durbin & Koopman (2002), A simple and efficient simulation smoother.
        """
        out = np.zeros((n_draws, *residuals.shape))
        order, starts = _by_subject(subject, time)
        for j in np.flatnonzero(self.level + self.serial > 0.0):
            seen = np.isfinite(residuals[order, j])
            trends = self._of_column(j, time[order], starts, seen)
            prior = np.zeros((len(order), n_draws))
            trends.draw(rng, prior)
            noise = np.sqrt(self.noise[j]) * rng.standard_normal(prior.shape)
            apart = np.where(seen, np.nan_to_num(residuals[order, j]), 0.0)[:, None] - (prior + noise)
            out[:, order, j] = (prior + trends.smooth(seen[:, None] * apart).values.sum(axis=0)).T
        return out

    def _of_column(self, j: np.integer, time: Array, starts: Rows, seen: NDArray[np.bool_]) -> ChunkTrends:
        return _trends(self.level[j], self.serial[j], self.length_scale[j], self.noise[j], time, starts, seen)


class HiddenResiduals(NamedTuple):
    """Residuals of rows of which some entries were hidden from whatever was subtracted.

    Attributes
    ----------
    values : ndarray of shape (n, p)
        NaN where nothing was observed.
    hidden : ndarray of bool, shape (n, p)
    known_variance : ndarray of shape (n, p)
        What is known of the error of hidden entries already, without their noise.
    subject : ndarray of int, shape (n,)
    time : ndarray of shape (n,)
    """

    values: Array
    hidden: NDArray[np.bool_]
    known_variance: Array
    subject: Rows
    time: Array

    def take(self, rows: Rows) -> HiddenResiduals:
        """Some rows."""
        return HiddenResiduals(
            self.values[rows],
            self.hidden[rows],
            self.known_variance[rows],
            self.subject[rows],
            self.time[rows],
        )


def likely_serial_residuals(given: HiddenResiduals, rng: np.random.Generator) -> SerialResiduals:
    """The variances under which hidden entries are most likely given the others, column by column.

    A column without enough of a course to pay for three numbers has noise alone.

    Parameters
    ----------
    given : HiddenResiduals
    rng : Generator
        Draws subjects where rows are many.
    """
    order, starts = _by_subject(given.subject, given.time)
    ordered = given.take(order)
    steps = np.diff(ordered.time)[np.diff(ordered.subject) == 0]
    spans = ordered.time[starts[1:] - 1] - ordered.time[starts[:-1]]
    found = np.zeros((4, given.values.shape[1]))
    found[2] = 1.0
    near, far = _NEAREST * steps[steps > 0.0].min(initial=np.inf), _FARTHEST * spans.max(initial=0.0)
    for j in range(given.values.shape[1]):
        column = _Column.of(ordered, j, rng)
        found[3, j], alone = column.noise_alone()
        if near < far and column.n_hidden:
            likely, value = column.with_course(np.log(near), np.log(far), found[3, j])
            if value > alone + _GAIN:
                found[:, j] = likely
    return SerialResiduals(*found)


class _Column(NamedTuple):
    """Observed entries of one column, by subject and time."""

    values: Array
    hidden: NDArray[np.bool_]
    known_variance: Array
    time: Array
    starts: Rows

    @classmethod
    def of(cls, rows: HiddenResiduals, j: int, rng: np.random.Generator) -> _Column:
        """Of rows that are sorted, where the column was observed; of many, those of some subjects."""
        at = np.flatnonzero(np.isfinite(rows.values[:, j]))
        if len(at) > _MOST_ROWS:
            _, number, counts = np.unique(rows.subject[at], return_inverse=True, return_counts=True)
            drawn = rng.permutation(len(counts))
            kept = np.zeros(len(counts), dtype=bool)
            kept[drawn[: np.searchsorted(np.cumsum(counts[drawn]), _MOST_ROWS) + 1]] = True
            at = at[kept[number]]
        starts = np.flatnonzero(np.diff(rows.subject[at], prepend=-1, append=-1))
        starts = starts if len(at) else np.zeros(1, dtype=np.int64)
        return cls(rows.values[at, j], rows.hidden[at, j], rows.known_variance[at, j], rows.time[at], starts)

    @property
    def n_hidden(self) -> int:
        return int(self.hidden.sum())

    def noise_alone(self) -> tuple[float, float]:
        """The variance of noise where there is nothing else, and the log-likelihood then."""
        square = np.square(self.values[self.hidden])
        if not len(square):
            return 0.0, 0.0
        known = self.known_variance[self.hidden]
        top = np.log(max(square.mean(), np.finfo(float).tiny))
        best = minimize_scalar(
            lambda x: -_log_density(square, known + np.exp(x)),
            bounds=(top + _LOWEST, top + _HIGHEST),
            method="bounded",
        )
        return float(np.exp(best.x)), float(-best.fun)

    def with_course(self, near: float, far: float, total: float) -> tuple[Array, float]:
        """The four numbers, of which the variances sum to ``total``, and the log-likelihood."""

        def law(x: Array) -> Array:
            level, serial, noise = total * softmax([x[0], x[1], 0.0])
            return np.array([level, serial, np.exp(near + x[2] * (far - near)), noise])

        def negative(x: Array) -> float:
            level, serial, length_scale, noise = law(x)
            trends = _trends(level, serial, length_scale, noise, self.time, self.starts, ~self.hidden)
            mean, variance = _smoothed(trends, np.where(self.hidden, np.nan, self.values))
            known = (variance + noise + self.known_variance)[self.hidden]
            return -_log_density(np.square(self.values - mean)[self.hidden], known)

        ends = [(-_FLAT, _FLAT), (-_FLAT, _FLAT), (0.0, 1.0)]
        options = {"maxfev": _EVALUATIONS, "xatol": np.inf, "fatol": _NEAR, "initial_simplex": _SIMPLEX}
        best = minimize(negative, _SIMPLEX[0], method="Nelder-Mead", bounds=ends, options=options)
        return law(best.x), -float(best.fun)


def _log_density(square: Array, variance: Array) -> float:
    """Without its constant."""
    return float(-0.5 * np.sum(square / variance + np.log(variance)))


def _by_subject(subject: Rows, time: Array) -> tuple[Rows, Rows]:
    """Rows sorted by subject and time, and where subjects begin, with the end."""
    order = np.lexsort((time, subject))
    return order, np.append(np.flatnonzero(np.diff(subject[order], prepend=-1)), len(order))


def _trends(
    level: float,
    serial: float,
    length_scale: float,
    noise: float,
    time: Array,
    starts: Rows,
    seen: NDArray[np.bool_],
) -> ChunkTrends:
    """Both processes of one column; what stays is one whose correlation never falls."""
    trends = (Trend(time, "matern12", np.inf), Trend(time, "matern12", float(length_scale)))
    weight = seen / np.sqrt(noise)
    return ChunkTrends(trends, np.column_stack([time, time]), starts, np.array([level, serial]), weight)


def _smoothed(trends: ChunkTrends, values: Array) -> tuple[Array, Array]:
    """Means and variances (n,) of a + u; where values are NaN nothing is seen."""
    found = trends.smooth(np.nan_to_num(values)[:, None])
    return found.values[:, :, 0].sum(axis=0), np.maximum(found.covariance.sum(axis=0), 0.0)
