"""The latent mixed model of numbers that are there: one axis for every column, by the estimator's own engine."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.covariate import AbstractCovariateEffect, Covariates
from intertwine.effects.random import GroupCodes
from intertwine.estimators.longitudinal.covariate_data import CovariateData, CovariateInputs
from intertwine.mixed_effects.latent_effects import LatentEffects
from intertwine.mixed_effects.latent_variance_search import fit_latent_variances
from intertwine.mixed_effects.subject_prediction import predict_subjects
from intertwine.mixed_effects.subject_system import SubjectSystem
from intertwine.mixed_effects.subjects import LatentVariances, Sites, SubjectRows
from intertwine.reproduce.lmm_vae.simple import AbstractMethod
from intertwine.reproduce.lmm_vae.visits import Task, Visits

__all__ = ["ExactMixedModel", "MixedModelPerFeature"]

Array = NDArray[np.float64]

_SUBJECTS_FOR_VARIANCES = 300
_NATS = 0.1  # that the search may still miss


@final
class ExactMixedModel:
    """A mixed model for every column of Y, at its most likely variances; length scales are those to begin from.

    Parameters
    ----------
    train : Visits
    Y : ndarray of shape (n, K)
        NaN where not observed.
    effects : sequence of AbstractCovariateEffect
    seed : int
        Draws the subjects that variances are learnt from.
    """

    def __init__(
        self, train: Visits, Y: Array, effects: Sequence[AbstractCovariateEffect], seed: int
    ) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of covariates that no effect reads
            self._data, self._visits = CovariateData.read(effects, _inputs(train))
        self._effects = LatentEffects.of(effects, self._visits.columns, self._visits.subject)
        self._shape = self._effects.start_shape()
        self._Y = np.asarray(Y, dtype=np.float64)
        self._rows = self._rows_of(self._visits.columns, self._visits.subject, self._visits.n_subjects)
        self._variances = self._learn(np.random.default_rng(seed))

    def known(self, wanted: Visits) -> Array:
        """Means (n, K) at further visits of the subjects that were learnt from.

        Without effects of subjects all visits are of one kind, and whose they are does not matter.
        """
        asked = self._data.visits(_inputs(wanted))
        n = len(self._Y)
        columns = _joined(self._visits.columns, asked.columns)
        subject = np.concatenate([self._visits.subject, asked.subject])
        n_subjects = max(self._visits.n_subjects, asked.n_subjects)
        system = SubjectSystem(self._rows_of(columns, subject, n_subjects))
        marginals = system.posterior(_sites(_padded(self._Y, len(wanted.X))), self._variances).marginals()
        return marginals.linear_mean[n:]

    def new(self, given: Visits, Y: Array, wanted: Visits) -> Array:
        """Means (n, K) at visits ``wanted`` of new subjects, who are known by Y at those ``given``."""
        asked = self._data.visits(_inputs(given + wanted))
        present, number = asked.compact()
        shared = SubjectSystem(self._rows).posterior(_sites(self._Y), self._variances).shared
        rows = self._rows_of(asked.columns, number, len(present))
        sites = _sites(_padded(np.asarray(Y, dtype=np.float64), len(wanted.X)))
        return predict_subjects(shared, self._variances, rows, sites).linear_mean[len(given.X) :]

    def facts(self) -> dict[str, Any]:
        """The part of every effect in the variance of visits, all columns together."""
        variances = self._effects.by_effect(self._variances) * self._effects.scales(self._rows)[:, None]
        parts = {
            **dict(zip(self._effects.titles, variances.sum(axis=1).tolist(), strict=True)),
            "noise": float(self._variances.noise.sum()),
        }
        return {"shares": {name: round(part / sum(parts.values()), 4) for name, part in parts.items()}}

    def _rows_of(self, columns: Covariates, subject: NDArray[np.int64], n_subjects: int) -> SubjectRows:
        return self._effects.rows(columns, subject, n_subjects, self._shape)

    def _learn(self, rng: np.random.Generator) -> LatentVariances:
        """Most likely variances, by some of the subjects."""
        subjects = rng.permutation(self._visits.n_subjects)[:_SUBJECTS_FOR_VARIANCES]
        some = np.flatnonzero(np.isin(self._visits.subject, subjects))
        number = np.unique(self._visits.subject[some], return_inverse=True)[1]
        rows = self._rows_of(self._visits.columns.take(some), number, len(subjects))
        spread = np.nanvar(self._Y, axis=0)
        of_effects = 0.1 * spread / np.maximum(self._effects.scales(rows), 1e-3)[:, None]
        return fit_latent_variances(
            SubjectSystem(rows),
            _sites(self._Y[some]),
            self._effects.learnt,
            self._effects.variances(0.3 * spread, of_effects),
            tolerance=_NATS,
            max_iter=60,
        ).variances


def _inputs(visits: Visits) -> CovariateInputs:
    return CovariateInputs(visits.X, len(visits.X), **visits.beside())


def _sites(Y: Array) -> Sites:
    return Sites(np.nan_to_num(Y), np.where(np.isnan(Y), np.inf, 0.0))


def _padded(Y: Array, n_more: int) -> Array:
    """With rows of which nothing is known."""
    return np.concatenate([Y, np.full((n_more, Y.shape[1]), np.nan)])


def _joined(one: Covariates, other: Covariates) -> Covariates:
    return Covariates(
        one.n_rows + other.n_rows,
        {key: np.concatenate([values, other.numbers[key]]) for key, values in one.numbers.items()},
        {
            key: GroupCodes(np.concatenate([codes, other.categories[key].codes]), n)
            for key, (codes, n) in one.categories.items()
        },
    )


@final
class MixedModelPerFeature(AbstractMethod):
    """An exact mixed model of every feature by itself."""

    def fit(self, task: Task, seed: int) -> None:
        self._train = task.train
        self._model = ExactMixedModel(task.train, task.train.X, task.effects(), seed)

    def gaps(self, given: Visits | None) -> Array:
        return self._model.known(self._train) if given is None else self._model.new(given, given.X, given)

    def wanted(self, given: Visits | None, wanted: Visits) -> Array:
        return self._model.known(wanted) if given is None else self._model.new(given, given.X, wanted)

    def facts(self) -> dict[str, Any]:
        return self._model.facts()
