"""What a fitted longitudinal autoencoder says of visits: latents, missing entries, forecasts, densities."""

from __future__ import annotations

import abc
import copy
import warnings
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from intertwine.estimators.longitudinal.courses import ColumnCourses
from intertwine.estimators.longitudinal.covariate_data import CovariateData, CovariateInputs
from intertwine.estimators.longitudinal.imputation import decoded
from intertwine.estimators.longitudinal.subjects import (
    LongitudinalSubjects,
    SubjectVisits,
    new_codes,
    seen_visits,
)
from intertwine.estimators.longitudinal.visits import SeenVisits, known_latents
from intertwine.validation import check_features
from intertwine.validation.caller import depth_of_caller
from intertwine.validation.wording import counted, rows_where

if TYPE_CHECKING:
    from intertwine.fitting.longitudinal.model import AbstractLongitudinalModel

__all__ = ["LongitudinalPredictions"]

Array = NDArray[np.float64]

_SAME = (
    1e-3  # of a site's deviation, by which sites of one visit may differ between two passes of the encoder
)


class LongitudinalPredictions(ClassNamePrefixFeaturesOutMixin, TransformerMixin, abc.ABC):
    """Methods of a fitted estimator; what each conditions on is told by its class."""

    n_components: int
    unseen: str
    _model: AbstractLongitudinalModel
    _courses: ColumnCourses
    _data: CovariateData
    _visits: SeenVisits

    def transform(self, X, *, covariates=None, subject=None, time=None):
        """Latents of visits: E[z | all visits of the subject in X].

        Parameters
        ----------
        X : array-like or frame of shape (n, p)
            NaN where an entry was not observed; a row without any has the latents that other visits predict.
        covariates, subject, time
            As in ``fit``; subjects may be new.

        Returns
        -------
        ndarray or frame of shape (n, n_components)
            As ``set_output`` says.
        """
        return self._latents(X, covariates, subject, time)[1]

    def inverse_transform(self, X) -> Array:
        """Expected values of visits with given latents.

        Parameters
        ----------
        X : array-like of shape (n, n_components)

        Returns
        -------
        ndarray of shape (n, p)
        """
        check_is_fitted(self, "_model")
        latents = check_array(X, dtype=np.float64, input_name="X")
        if latents.shape[1] != self._model.n_components:
            raise ValueError(
                f"X has {latents.shape[1]} latents, but n_components is {self._model.n_components}"
            )
        return self._model.decode(latents)

    def reconstruct(self, X, *, covariates=None, subject=None, time=None) -> Array:
        """Visits as their latents give them: ``inverse_transform`` of ``transform``, for all entries.

        Parameters
        ----------
        X, covariates, subject, time
            As in ``transform``.

        Returns
        -------
        ndarray of shape (n, p)
        """
        values, latents = self._latents(X, covariates, subject, time)
        return decoded(self._model, values, latents)

    def impute(self, X, *, covariates=None, subject=None, time=None, return_std=False):
        """Visits with their missing entries filled; what was observed stays as it is.

        Entries are those of the most likely latents of a visit, ``refine_iter`` steps beyond what ``transform`` gives.

        Parameters
        ----------
        X, covariates, subject, time
            As in ``transform``. A row without any observed entry is a visit that the others predict.
        return_std : bool, default=False
            Whether to give the standard deviation of what would be observed as well: of the latents, all axes together,
            and of the noise; zero where an entry was observed. The networks are taken as known.

        Returns
        -------
        ndarray of shape (n, p), or a pair of them
        """
        values, seen, codes = self._read_visits(X, covariates, subject, time)
        given = SubjectVisits(seen, codes, values, np.arange(len(values)), self._courses.residuals[:0])
        return self._subjects(given).impute(return_std=return_std)

    def forecast(self, covariates=None, *, subject=None, time=None, return_std=False):
        """Expected values at further visits of the subjects of the fit.

        The fit remembers what the visits of its subjects said of their latents: their values need not be passed again.
        For other subjects, or visits after the fit, see ``condition``.

        Parameters
        ----------
        covariates : array-like, frame or dict of columns, optional
            Of the visits, as in ``fit``.
        subject : array-like (n,), optional
            A subject that was not in the fit has the mean of all, with a warning.
        time : array-like (n,), optional
        return_std : bool, default=False
            Whether to give the standard deviation of what would be observed as well.

        Returns
        -------
        ndarray of shape (n, p), or a pair of them
        """
        return self._subjects_of_fit().forecast(covariates, subject=subject, time=time, return_std=return_std)

    def predict_latents(self, covariates=None, *, subject=None, time=None, return_std=False):
        """Latents at further visits of the subjects of the fit, (n, n_components); see ``forecast``.

        Parameters
        ----------
        covariates, subject, time
            As in ``forecast``.
        return_std : bool, default=False
            Whether to give their standard deviations as well.
        """
        return self._subjects_of_fit().predict_latents(
            covariates, subject=subject, time=time, return_std=return_std
        )

    def sample_trajectories(
        self, covariates=None, *, subject=None, time=None, n_draws=1, noise=True, random_state=None
    ) -> Array:
        """Draw further visits of the subjects of the fit, all visits of each subject jointly.

        Parameters
        ----------
        covariates, subject, time
            As in ``forecast``.
        n_draws : int, default=1
        noise : bool, default=True
            False: of the course that visits scatter about, without the noise of single visits and of values.
        random_state : int, RandomState or None, default=None

        Returns
        -------
        ndarray of shape (n_draws, n, p)
        """
        return self._subjects_of_fit().sample_trajectories(
            covariates, subject=subject, time=time, n_draws=n_draws, noise=noise, random_state=random_state
        )

    def condition(
        self,
        X,
        *,
        covariates=None,
        subject=None,
        time=None,
        known: Literal["extend", "replace"] = "extend",
    ) -> LongitudinalSubjects:
        """Take in visits of subjects, new ones or those of the fit, without fitting again.

        Parameters
        ----------
        X : array-like or frame of shape (n, p)
            Visits that have been seen.
        covariates, subject, time
            Of these, as in ``fit``.
        known : {"extend", "replace"}, default="extend"
            Whether visits of a subject of the fit come after those that it had there, or in their place.

        Returns
        -------
        LongitudinalSubjects
            It forecasts, imputes and draws for these subjects; it stays as it is when this estimator is fitted again.

        Raises
        ------
        ValueError
            Where no effect is of each subject, so that visits say nothing of each other.

        Warns
        -----
        UserWarning
            Visits that were in the fit already: they would count twice.
        """
        if known not in ("extend", "replace"):
            raise ValueError(f"known must be 'extend' or 'replace', got {known!r}")
        values, given, codes = self._read_visits(X, covariates, subject, time)
        if self._data.subjects is None:
            raise ValueError(
                "no effect is of each subject, so that a subject's visits say nothing of its others; see BySubject"
            )
        first, left = 0, self._courses.residuals[:0]
        seen = given
        if known == "extend":
            here = np.flatnonzero(np.isin(self._visits.subject, given.subject))
            before, left = self._visits.take(here), self._courses.residuals[here]
            _warn_of_repeated(before, given)
            first, seen = len(before.subject), before.followed_by(given)
        at = np.arange(first, first + len(values))
        return self._subjects(SubjectVisits(seen, codes, values, at, left))

    def score_samples(self, X, *, covariates=None, subject=None, time=None) -> Array:
        """Log density of each visit given the fit, and given nothing of this call.

        Of a subject of the fit its visits there are known, of another one nothing: its effects are integrated out, and
        so are the latents. ``condition(earlier visits).score_samples(later ones)`` scores forecasts of new subjects.

        Parameters
        ----------
        X, covariates, subject, time
            As in ``transform``; entries that are missing do not count.

        Returns
        -------
        ndarray of shape (n,)
            Estimates with 64 draws of the latents or more, on average lower bounds. Serial residuals are not read.
        """
        return self._subjects_of_fit(expects_strangers=True).score_samples(
            X, covariates, subject=subject, time=time
        )

    def score(self, X, y=None, *, covariates=None, subject=None, time=None) -> float:
        """Mean log density of visits that the fit has not seen: the mean of ``score_samples``.

        Parameters
        ----------
        X, covariates, subject, time
            As in ``transform``.
        y : None
            Ignored.

        Returns
        -------
        float
        """
        return float(np.mean(self.score_samples(X, covariates=covariates, subject=subject, time=time)))

    def _read(self, X, reset: bool = False) -> Array:
        if not reset:
            check_is_fitted(self, "_model")
        idle = "there is nothing to explain"
        return np.asarray(
            check_features(self, X, reset=reset, dtype=np.float64, allow_missing=True, idle=idle, alone=None)
        )

    def _read_values(self, X) -> Array:
        """Values of further visits, of the columns and the kinds of the fit."""
        values = self._read(X)
        self._check_values(values)
        return values

    def _read_visits(self, X, covariates, subject, time) -> tuple[Array, SeenVisits, dict[Any, int]]:
        values = self._read_values(X)
        visits = self._data.visits(CovariateInputs(X, len(values), covariates, subject, time), self.unseen)
        return values, seen_visits(self._model, visits, values), new_codes(visits)

    def _latents(self, X, covariates, subject, time) -> tuple[Array, Array]:
        """Values of visits, and their latents given all of each subject's visits in the call."""
        values, seen, _ = self._read_visits(X, covariates, subject, time)
        found = known_latents(self._model, seen, len(self._data.subject_labels))
        return values, found.mean

    def _subjects_of_fit(self, expects_strangers: bool = False) -> LongitudinalSubjects:
        """The subjects of the fit, whose visits there are known; where others are expected, nothing is said of them."""
        check_is_fitted(self, "_model")
        visits = SubjectVisits(self._visits, {}, None, np.empty(0, dtype=np.int64), self._courses.residuals)
        return self._subjects(visits, expects_strangers)

    def _subjects(self, visits: SubjectVisits, expects_strangers: bool = False) -> LongitudinalSubjects:
        as_it_is = copy.copy(self)  # columns are those of this fit, also when this estimator is fitted again
        return LongitudinalSubjects(
            self._model,
            self._courses,
            self._data,
            visits,
            self.unseen,
            as_it_is._read_values,
            expects_strangers,
            self.refine_iter,
        )

    @abc.abstractmethod
    def _check_values(self, values: Array) -> None:
        """Refuse values of new rows that are not of their column's kind."""


def _warn_of_repeated(before: SeenVisits, given: SeenVisits) -> None:
    """Tell of visits that are those of the fit: same subject, same covariates, same site."""
    if not len(before.subject):
        return
    keys = []
    for visits in (before, given):
        columns = visits.columns
        parts = [visits.subject, *columns.numbers.values(), *(c.codes for c in columns.categories.values())]
        keys.append(np.nan_to_num(np.column_stack([np.asarray(part, dtype=np.float64) for part in parts])))
    _, number = np.unique(np.concatenate(keys), axis=0, return_inverse=True)
    number = number.ravel()
    first, later = number[: len(before.subject)], number[len(before.subject) :]
    repeated = np.zeros(len(later), dtype=bool)
    order = np.argsort(first, kind="stable")
    places = np.searchsorted(first[order], later)
    for row in np.flatnonzero(np.isin(later, first)):
        place = places[row]
        while place < len(order) and first[order[place]] == later[row]:
            here = order[place]
            apart = np.abs(before.sites.mean[here] - given.sites.mean[row])
            deviation = np.sqrt(given.sites.variance[row])
            repeated[row] |= bool(np.all(np.isfinite(deviation) & (apart <= _SAME * deviation)))
            place += 1
    if repeated.any():
        rows = counted(int(repeated.sum()), "visit was", "visits were")
        warnings.warn(
            f"{rows} in the fit already, {rows_where(repeated)}: they count twice; leave them out, or "
            "set known='replace'",
            UserWarning,
            stacklevel=depth_of_caller(),
        )
