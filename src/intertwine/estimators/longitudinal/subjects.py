"""Subjects whose visits are known: forecasts of further visits of theirs, in closed form on the latents."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from intertwine.estimators.longitudinal.courses import ColumnCourses
from intertwine.estimators.longitudinal.covariate_data import CovariateData, CovariateInputs, Visits
from intertwine.estimators.longitudinal.density import log_densities, prediction_shift, predictive_deviation
from intertwine.estimators.longitudinal.imputation import Filled
from intertwine.estimators.longitudinal.visits import SeenVisits, drawn_latents, known_latents
from intertwine.mixed_effects.subjects import Marginals, Sites
from intertwine.resources import require_memory
from intertwine.validation.caller import depth_of_caller
from intertwine.validation.wording import counted, listed

if TYPE_CHECKING:
    from intertwine.fitting.longitudinal.model import AbstractLongitudinalModel

__all__ = ["LongitudinalSubjects", "SubjectVisits", "new_codes", "seen_visits"]

Array = NDArray[np.float64]


class SubjectVisits(NamedTuple):
    """Visits that are known, beside what they were read from.

    Attributes
    ----------
    seen : SeenVisits
        Subjects of the fit by their code there, others behind them.
    new_codes : dict
        Of the labels of subjects that were not in the fit.
    X : ndarray of shape (n, p) or None
        Their values, for `LongitudinalSubjects.impute`; None of the visits of the fit, which keeps their sites alone.
    given : ndarray of int
        Which of ``seen`` the rows of X are: the last ones.
    residuals : ndarray of shape (m, q)
        What latents leave of the visits that come before them, for the courses of columns.
    """

    seen: SeenVisits
    new_codes: Mapping[Any, int]
    X: Array | None
    given: NDArray[np.int64]
    residuals: Array


@final
class LongitudinalSubjects:
    """What is known of subjects once their visits have been seen; made by `LongitudinalVAE.condition`.

    The networks and the variances are those of the fit. What subjects have of their own is Gaussian given the sites of
    their visits; of subjects that were not in the fit the visits tell of the shared coefficients as well, exactly as if
    the fit had met each of them beside its own subjects.

    Examples
    --------
    >>> import numpy as np
    >>> from intertwine.datasets import simulate_longitudinal
    >>> from intertwine import LongitudinalVAE
    >>> study = simulate_longitudinal(40, 6, n_new=5, random_state=0)
    >>> rows = {name: (study.X[at], study.subject[at], study.time[at]) for name, at in study.items()
    ...         if name in ("train", "given", "future")}
    >>> X, subject, time = rows["train"]
    >>> model = LongitudinalVAE(2, hidden_layer_sizes=(8,), max_iter=20, random_state=0)
    >>> _ = model.fit(X, subject=subject, time=time)
    >>> X, subject, time = rows["given"]
    >>> patients = model.condition(X, subject=subject, time=time)
    >>> _, subject, time = rows["future"]
    >>> mean, std = patients.forecast(subject=subject, time=time, return_std=True)
    >>> mean.shape == std.shape == (len(time), 6), bool(np.all(std > 0))
    (True, True)
    """

    def __init__(
        self,
        model: AbstractLongitudinalModel,
        courses: ColumnCourses,
        data: CovariateData,
        visits: SubjectVisits,
        unseen: str,
        read_values: Callable[[Any], Array],
        expects_strangers: bool = False,
        refine_iter: int = 0,
    ) -> None:
        self._model, self._courses = model, courses
        self._data, self._visits, self._unseen = data, visits, unseen
        self._read_values, self._expects_strangers = read_values, expects_strangers
        self._refine_iter = refine_iter

    @property
    def subjects_(self) -> NDArray[Any]:
        """Labels of the subjects whose visits are known."""
        known = self._data.subject_labels
        new = sorted(self._visits.new_codes, key=self._visits.new_codes.__getitem__)
        codes = np.unique(self._visits.seen.subject)
        labels = np.concatenate([np.asarray(known, dtype=object), np.array(new, dtype=object)])
        return labels[codes[codes < len(labels)]]

    def transform(self) -> Array:
        """Latents of the visits that were given, E[z | all visits of the subject], (n, n_components)."""
        return self._of_given().mean

    def impute(self, return_std=False):
        """The visits that were given, with what was not observed of them.

        Parameters
        ----------
        return_std : bool, default=False
            Whether to give the standard deviation of what would be observed as well; zero where an entry was.

        Returns
        -------
        ndarray of shape (n, p), or a pair of them
            What was observed stays as it is.
        """
        filled = self._filled
        missing, course, variance = np.isnan(filled.X), *self._courses_at(None)
        mean = np.where(missing, self._courses.added(filled.mean, course), filled.X)
        if not return_std:
            return mean
        noise = self._noise(filled.X.shape[1])
        return mean, np.where(missing, self._courses.widened(filled.deviation(), variance, noise), 0.0)

    def forecast(self, covariates=None, *, subject=None, time=None, return_std=False):
        """Expected values at visits that have not been seen.

        Parameters
        ----------
        covariates : array-like, frame or dict of columns, optional
            Of the visits, as in the fit.
        subject : array-like (n,), optional
            A subject of which nothing is known has the mean of all, with a warning.
        time : array-like (n,), optional
        return_std : bool, default=False
            Whether to give the standard deviation of what would be observed as well: of the latents and of the noise.

        Returns
        -------
        ndarray of shape (n, p), or a pair of them
            Both are those of ``sample_trajectories``: one distribution, whose mean is that of the decoder for predicted
            latents, with the courses of columns. ``score_samples`` has the same without such courses.
        """
        asked = self._read(covariates, subject, time)
        found, (course, variance) = self._marginals(asked), self._courses_at(asked)
        mean = self._model.decode_predicted(found.mean)
        moved = self._courses.added(mean, course)
        if not return_std:
            return moved
        deviation = predictive_deviation(self._model, found, mean)
        return moved, self._courses.widened(deviation, variance, self._noise_ahead(mean.shape[1]))

    def predict_latents(self, covariates=None, *, subject=None, time=None, return_std=False):
        """Latents at visits that have not been seen: means (n, n_components), and standard deviations if asked for.

        The parameters are those of ``forecast``.
        """
        found = self._marginals(self._read(covariates, subject, time))
        return (found.mean, np.sqrt(found.variance)) if return_std else found.mean

    def sample_trajectories(
        self, covariates=None, *, subject=None, time=None, n_draws=1, noise=True, random_state=None
    ) -> Array:
        """Draw all visits of each subject jointly.

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
        if not isinstance(n_draws, int | np.integer) or isinstance(n_draws, bool) or n_draws < 1:
            raise ValueError(f"n_draws must be a whole number from 1 on, got {n_draws!r}")
        rng = np.random.default_rng(check_random_state(random_state).randint(2**31))
        asked = self._read(covariates, subject, time)
        together = self._together(asked)
        n_asked = asked.columns.n_rows
        n_features = self._model.outputs(np.zeros((1, self._model.n_components))).shape[1]
        width = self._model.n_components + len(self._courses.columns)
        size = 8.0 * n_draws * (together.columns.n_rows * width + n_asked * n_features)
        require_memory(size, f"{n_draws:,} draws of {n_asked:,} visits", "fewer draws")
        latents = drawn_latents(self._model, together, self._n_known, rng, int(n_draws), bool(noise))
        first = together.columns.n_rows - n_asked
        shift = prediction_shift(self._model, self._of_asked(together, first))
        flat = latents[:, first:].reshape(-1, latents.shape[2])
        outputs = self._model.outputs(flat).reshape(n_draws, n_asked, -1) + shift
        outputs = outputs.reshape(len(flat), -1)
        values = self._model.sample(outputs, rng) if noise else self._model.expected(outputs)
        values = values.reshape(n_draws, n_asked, -1)
        if len(columns := self._courses.columns):
            expected = self._model.expected(outputs)[:, columns].reshape(n_draws, n_asked, -1)
            visits, residuals = self._with_residuals(asked)
            course = self._courses.drawn(visits, residuals, int(n_draws), rng)[:, -n_asked:]
            values[:, :, columns] = self._courses.observed(expected + course, bool(noise), rng)
        return values

    def score_samples(self, X, covariates=None, *, subject=None, time=None) -> Array:
        """Log density of each further visit given those that are known, and not given each other.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Entries that are NaN do not count.
        covariates, subject, time
            As in ``forecast``.

        Returns
        -------
        ndarray of shape (n,)
        """
        values = self._read_values(X)
        found = self._marginals(self._read(covariates, subject, time, (X, len(values), "X")))
        return log_densities(self._model, values, found)

    @property
    def _n_known(self) -> int:
        return len(self._data.subject_labels)

    @cached_property
    def _filled(self) -> Filled:
        """The visits that were given, at their latents."""
        found = self._of_given()
        values, seen = self._visits.X, self._visits.seen.take(self._visits.given)
        assert values is not None  # or there would be no latents
        return Filled.of(self._model, values, seen, found, self._refine_iter)

    def _courses_at(self, asked: SeenVisits | None) -> tuple[Array, Array]:
        """Means and variances (n, q) of the courses of columns at visits that are asked about, or that were given."""
        n = len(self._visits.given) if asked is None else asked.columns.n_rows
        if not len(self._courses.columns):
            return np.empty((n, 0)), np.empty((n, 0))
        mean, variance = self._courses.predicted(*self._with_residuals(asked))
        first = len(mean) - n
        return mean[first:], variance[first:]

    def _with_residuals(self, asked: SeenVisits | None) -> tuple[SeenVisits, Array]:
        """Visits that are known, and then those that are asked about, with what latents leave of them."""
        visits, residuals = self._visits.seen, self._visits.residuals
        if self._visits.X is not None:
            left = self._courses.left(self._visits.X, self._filled.mean)
            residuals = np.concatenate([residuals, left])
        if asked is None:
            return visits, residuals
        here = np.flatnonzero(np.isin(visits.subject, asked.subject))
        unknown = np.full((asked.columns.n_rows, residuals.shape[1]), np.nan)
        return visits.take(here).followed_by(asked), np.concatenate([residuals[here], unknown])

    def _noise(self, n_features: int) -> Array:
        """Variances (p,) of values given latents, where these do not depend on them."""
        return self._model.noise_variance(np.zeros((1, n_features)))[0]

    def _noise_ahead(self, n_features: int) -> Array:
        """The same of visits that are predicted."""
        return self._model.noise_ahead(np.zeros((1, n_features)))[0]

    def _of_given(self) -> Marginals:
        if self._visits.X is None:
            raise ValueError(
                "the fit keeps no values of its visits; pass them to condition(), or to transform()"
            )
        found = known_latents(self._model, self._visits.seen, self._n_known)
        return Marginals(*(part[self._visits.given] for part in found))

    def _marginals(self, asked: SeenVisits) -> Marginals:
        """Of visits that are asked about, and that say nothing themselves."""
        together = self._together(asked)
        return self._of_asked(together, together.columns.n_rows - asked.columns.n_rows)

    def _of_asked(self, together: SeenVisits, first: int) -> Marginals:
        """Of all but the ``first`` of some visits, given each other."""
        found = known_latents(self._model, together, self._n_known)
        return Marginals(*(part[first:] for part in found))

    def _together(self, asked: SeenVisits) -> SeenVisits:
        return self._visits.seen.of_subjects(np.unique(asked.subject)).followed_by(asked)

    def _read(self, covariates: Any, subject: Any, time: Any, rows: Any = None) -> SeenVisits:
        inputs = _inputs_of_visits(covariates, subject, time, rows)
        visits = self._data.visits(inputs, self._unseen)
        codes = self._codes(visits)
        self._tell_of_unknown(codes, visits)
        return SeenVisits.ahead(visits.columns, codes, self._model.n_components)

    def _codes(self, visits: Visits) -> NDArray[np.int64]:
        """Codes of subjects here: those that are known keep theirs, others get further ones."""
        known = self._visits.new_codes
        after = 1 + max(self._n_known + len(known), int(self._visits.seen.subject.max(initial=-1)))
        table = [
            known[label] if label is not None and label in known else after + place
            for place, label in enumerate(visits.new_labels)
        ]
        codes = np.concatenate([np.arange(visits.n_known), np.array(table, dtype=np.int64)])
        return codes[visits.subject]

    def _tell_of_unknown(self, codes: NDArray[np.int64], visits: Visits) -> None:
        if self._data.subjects is None or self._unseen == "ignore":
            return
        if self._expects_strangers and self._unseen == "warn":
            return
        strangers = np.unique(visits.subject[~np.isin(codes, self._visits.seen.subject)])
        if not len(strangers):
            return
        labels = np.concatenate(
            [np.asarray(self._data.subject_labels, dtype=object), np.array(visits.new_labels, dtype=object)]
        )[strangers]
        what = f"nothing is known of {counted(len(labels), 'subject', 'subjects')} {listed(labels)}"
        if self._unseen == "raise":
            raise ValueError(f"{what}: pass their visits to condition()")
        warnings.warn(
            f"{what}: they have the mean of all, and a wider variance; condition() takes their visits",
            UserWarning,
            stacklevel=depth_of_caller(),
        )


def _inputs_of_visits(covariates: Any, subject: Any, time: Any, rows: Any = None) -> CovariateInputs:
    """Inputs of visits of which there is no X: as long as the first that was passed.

    Raises
    ------
    ValueError
        Where nothing was passed.
    """
    if rows is not None:
        given, n_rows, name = rows
        return CovariateInputs(given, n_rows, covariates, subject, time, name)
    columns = next(iter(covariates.values()), None) if isinstance(covariates, Mapping) else covariates
    for name, part in (("subject", subject), ("time", time), ("covariates", columns)):
        if part is not None:
            if not np.ndim(part):
                raise ValueError(f"{name} has shape (), expected a value for each visit, such as [{part!r}]")
            if not len(part):
                raise ValueError(f"{name} has no rows: pass one for each visit that is asked about")
            return CovariateInputs(part, len(part), covariates, subject, time, name)
    raise ValueError("which visits? pass covariates=, subject= or time=, with a row for each of them")


def new_codes(visits: Visits) -> dict[Any, int]:
    """Codes of the labels that were not in the fit."""
    labels = enumerate(visits.new_labels, start=visits.n_known)
    return {label: code for code, label in labels if label is not None}


def seen_visits(model: AbstractLongitudinalModel, visits: Visits, X: Array) -> SeenVisits:
    """Visits with what the encoder says of them."""
    sites = model.sites(X)
    return SeenVisits(visits.columns, visits.subject, Sites(sites.mean, sites.variance))
