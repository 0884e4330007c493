"""What single columns keep of a subject beside the latents: residuals of visits, and the courses that they tell of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from intertwine.estimators.longitudinal.imputation import Filled
from intertwine.estimators.longitudinal.visits import SeenVisits, known_latents
from intertwine.io.gaps import with_gaps, without_gaps
from intertwine.mixed_effects.serial_residuals import (
    HiddenResiduals,
    SerialResiduals,
    likely_serial_residuals,
)

if TYPE_CHECKING:
    from intertwine.fitting.longitudinal.model import AbstractLongitudinalModel

__all__ = ["ColumnCourses"]

Array = NDArray[np.float64]

_HIDDEN = 0.1  # of the observed entries, in each round
_VISITS, _ROUNDS = 5_000, 5  # so many visits are to have hidden entries, or so many rounds


@final
class ColumnCourses:
    """A level and a fading course of every subject in some of the columns; in none of them where none were asked for.

    Parameters
    ----------
    columns : ndarray of int, shape (q,)
        Which columns have them.
    law : SerialResiduals
        Their variances.
    key : object
        The covariate that orders visits.
    residuals : ndarray of shape (n, q)
        Of the visits of the fit; NaN where nothing was observed.
    """

    def __init__(self, columns: NDArray[np.int64], law: SerialResiduals, key: Any, residuals: Array) -> None:
        self.columns, self.law, self.key, self.residuals = columns, law, key, residuals

    @classmethod
    def none(cls, n_visits: int) -> ColumnCourses:
        """No courses."""
        law = SerialResiduals(*(np.empty(0) for _ in SerialResiduals._fields))
        return cls(np.empty(0, dtype=np.int64), law, None, np.empty((n_visits, 0)))

    @classmethod
    def learn(
        cls,
        model: AbstractLongitudinalModel,
        X: Array,
        visits: SeenVisits,
        columns: NDArray[np.int64],
        key: Any,
        n_steps: int,
    ) -> ColumnCourses:
        """Hide entries of the fit's visits, and see what their columns' other residuals say of them.

        Parameters
        ----------
        model : AbstractLongitudinalModel
            Fitted.
        X : ndarray of shape (n, p)
        visits : SeenVisits
            The same.
        columns : ndarray of int
            That may have a course.
        key : object
            The covariate that orders visits.
        n_steps : int
            To the most likely latents of a visit.
        """
        rng = np.random.default_rng(0)  # the same entries are hidden whenever a fit is made again
        n, noise = len(X), model.noise_variance(np.zeros((1, X.shape[1])))[0, columns]
        place, rounds = rng.random((n, len(columns))), int(np.clip(np.ceil(_VISITS / n), 1, _ROUNDS))
        parts = []
        for number in range(rounds):
            at = (place >= number * _HIDDEN) & (place < (number + 1) * _HIDDEN)
            hidden = np.zeros(X.shape, dtype=bool)
            hidden[:, columns] = at & np.isfinite(X[:, columns])
            hidden[hidden.sum(axis=1) == np.isfinite(X).sum(axis=1)] = False  # a visit is to keep an entry
            filled = _filled(model, np.where(hidden, np.nan, X), visits, n_steps)
            variance = np.maximum(filled.deviation()[:, columns] ** 2 - noise, 0.0)
            parts.append(
                HiddenResiduals(
                    (X - filled.mean)[:, columns],
                    hidden[:, columns],
                    variance,
                    visits.subject + number * (visits.subject.max() + 1),
                    visits.columns.numbers[key],
                )
            )
        rows = HiddenResiduals(*(np.concatenate(part) for part in zip(*parts, strict=True)))
        found = likely_serial_residuals(rows, rng)
        kept = np.flatnonzero(found.level + found.serial > 0.0)
        law = SerialResiduals(*(part[kept] for part in found))
        courses = cls(columns[kept], law, key, np.empty((n, len(kept))))
        if len(kept):
            courses.residuals = courses.left(X, _filled(model, X, visits, n_steps).mean)
        return courses

    def left(self, X: Array, mean: Array) -> Array:
        """What expected values leave of visits X, (n, q)."""
        return (X - mean)[:, self.columns]

    def predicted(self, visits: SeenVisits, residuals: Array) -> tuple[Array, Array]:
        """Means and variances (n, q) of the courses at visits, given the residuals that are not NaN."""
        return self.law.predicted(residuals, visits.subject, visits.columns.numbers[self.key])

    def drawn(self, visits: SeenVisits, residuals: Array, n_draws: int, rng: np.random.Generator) -> Array:
        """Joint draws (n_draws, n, q) of the courses at visits, given the residuals that are not NaN."""
        time = visits.columns.numbers[self.key]
        return self.law.drawn(residuals, visits.subject, time, n_draws, rng)

    def added(self, mean: Array, course: Array) -> Array:
        """Expected values (…, n, p) with the courses (…, n, q) of their columns."""
        out = mean.copy()
        out[..., self.columns] += course
        return out

    def observed(self, expected: Array, noise: bool, rng: np.random.Generator) -> Array:
        """Draws (…, n, q) of values with these expected values, with the noise of single entries or without."""
        scale = np.sqrt(self.law.noise) if noise else 0.0
        return expected + scale * rng.standard_normal(expected.shape)

    def widened(self, deviation: Array, variance: Array, noise: Array) -> Array:
        """Standard deviations (n, p) with the variances (n, q) of the courses.

        Parameters
        ----------
        deviation : ndarray of shape (n, p)
            Of values without courses.
        variance : ndarray of shape (n, q)
        noise : ndarray of shape (p,)
            The part of ``deviation`` that was noise, in whose place the noise beside the courses comes.
        """
        out = deviation.copy()
        known = np.maximum(deviation[:, self.columns] ** 2 - noise[self.columns], 0.0)
        out[:, self.columns] = np.sqrt(known + variance + self.law.noise)
        return out

    def to_state(self) -> dict[str, Any]:
        """What a file holds of them."""
        return {
            "columns": self.columns,
            "law": self.law._asdict(),
            "key": self.key,
            "residuals": without_gaps(self.residuals),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ColumnCourses:
        """The courses that `to_state` wrote."""
        law = SerialResiduals(**state["law"])
        return cls(state["columns"], law, state["key"], with_gaps(state["residuals"]))


def _filled(model: AbstractLongitudinalModel, X: Array, visits: SeenVisits, n_steps: int) -> Filled:
    seen = visits._replace(sites=model.sites(X))
    known = known_latents(model, seen, int(visits.subject.max()) + 1)
    return Filled.of(model, X, seen, known, n_steps)
