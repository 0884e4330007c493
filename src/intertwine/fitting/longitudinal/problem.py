"""What a longitudinal variational autoencoder is fitted to: visits, their effects, and what the fit is told."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.architectures.base import AbstractArchitecture
from intertwine.effects.covariate import Covariates
from intertwine.likelihoods.columns import ColumnLikelihood
from intertwine.mixed_effects.coefficient_priors import AbstractCoefficientPrior
from intertwine.mixed_effects.latent_effects import LatentEffects
from intertwine.mixed_effects.subjects import SubjectRows

__all__ = ["LongitudinalProblem", "LongitudinalSettings", "LongitudinalVisits", "visit_order"]

Array = NDArray[np.float64]
Rows = NDArray[np.int64]


class LongitudinalSettings(NamedTuple):
    """What a fit is told.

    Attributes
    ----------
    warm_up, epochs, decoder_epochs : int
        Passes over the visits: without effects, with them, and of the decoder of predictions alone.
    batch_size : int
        Visits of a mini-batch, which holds whole subjects.
    learning_rate : float
        At the beginning of the first two phases, in each of which it falls as half a cosine.
    decoder_learning_rate : float
        Of the last phase.
    prediction : float
        1 − α: weight of the prediction of visits from others of their subject, against the bound.
    beta : float
        Weight of the latents' divergence once there are effects.
    dropout : float
        Part of the observed entries that is hidden from the encoder.
    mixup : float
        Part of the subjects of a batch that are mixtures of two.
    context : int or None
        First visits from which predictions start; None: any number, up to half of a subject's.
    validation : float
        Part of the subjects that is held out, to choose the epoch that predicts them best; 0 holds none out.
    n_solves : int
        Of the shared coefficients and variances in an epoch.
    """

    warm_up: int = 4
    epochs: int = 10
    decoder_epochs: int = 3
    batch_size: int = 128
    learning_rate: float = 1e-3
    decoder_learning_rate: float = 1e-3
    prediction: float = 0.5
    beta: float = 1.0
    dropout: float = 0.15
    mixup: float = 0.0
    context: int | None = None
    validation: float = 0.0
    n_solves: int = 3


class LongitudinalVisits(NamedTuple):
    """The rows of a fit.

    Attributes
    ----------
    X : ndarray of float32, shape (n, p)
        In the units of the table; NaN where not observed.
    columns : Covariates
    subject : ndarray of int, shape (n,)
    n_subjects : int
    time : ndarray of shape (n,), or None
        What orders the visits of a subject; None: the order of the rows.
    """

    X: NDArray[np.float32]
    columns: Covariates
    subject: Rows
    n_subjects: int
    time: Array | None

    def take(self, rows: Rows) -> LongitudinalVisits:
        """Some of the visits; subjects are numbered anew."""
        subject, number = np.unique(self.subject[rows], return_inverse=True)
        time = None if self.time is None else self.time[rows]
        return LongitudinalVisits(self.X[rows], self.columns.take(rows), number, len(subject), time)


class LongitudinalProblem(NamedTuple):
    """What all epochs share.

    Attributes
    ----------
    visits : LongitudinalVisits
    effects : LatentEffects
    architecture : AbstractArchitecture
    likelihood : ColumnLikelihood
    prior : AbstractCoefficientPrior
    settings : LongitudinalSettings
    """

    visits: LongitudinalVisits
    effects: LatentEffects
    architecture: AbstractArchitecture
    likelihood: ColumnLikelihood
    prior: AbstractCoefficientPrior
    settings: LongitudinalSettings

    @property
    def n_components(self) -> int:
        return self.architecture.n_components

    def rows(self, shape: Array) -> SubjectRows:
        """Features of the visits at length scales."""
        visits = self.visits
        return self.effects.rows(visits.columns, visits.subject, visits.n_subjects, shape)


def visit_order(subject: Rows, time: Array | None) -> Rows:
    """The number of each visit among those of its subject, (n,), from 0.

    Examples
    --------
    >>> visit_order(np.array([0, 1, 0, 1, 1]), np.array([2.0, 5.0, 1.0, 4.0, 6.0])).tolist()
    [1, 1, 0, 0, 2]
    """
    within = np.arange(len(subject)) if time is None else time
    order = np.lexsort([within, subject])
    counts = np.bincount(subject)
    number = np.empty(len(subject), dtype=np.int64)
    number[order] = np.arange(len(subject)) - np.repeat(np.cumsum(counts) - counts, counts)
    return number
