"""Subjects of the fit that networks never see: how well their later visits are predicted chooses the epoch.

They are subjects of the table that is fitted, so that nothing of a test is touched; once the epoch is chosen, variances
and shared coefficients are those of all subjects.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.longitudinal.latents import LatentState
from intertwine.fitting.longitudinal.problem import LongitudinalProblem, visit_order
from intertwine.fitting.longitudinal.sites import all_sites, decoded_outputs
from intertwine.mixed_effects.subject_prediction import predict_subjects
from intertwine.mixed_effects.subjects import SharedPosterior, Sites
from intertwine.networks import Autoencoder

__all__ = ["HeldOut", "first_visits", "held_out"]

Array = NDArray[np.float64]


class HeldOut(NamedTuple):
    """Visits of subjects that are held out.

    Attributes
    ----------
    problem : LongitudinalProblem
        Of these visits.
    given : ndarray of bool, shape (n,)
        First visits, from which the later ones are predicted.
    """

    problem: LongitudinalProblem
    given: NDArray[np.bool_]

    def misfit(
        self, encoder: Autoencoder, decoder: Any, predicted: Any, latents: LatentState, shape: Array
    ) -> float:
        """−log p of a later visit given the first ones of its subject, the mean over visits."""
        problem, X = self.problem, self.problem.visits.X
        mean, variance = all_sites(problem.architecture, problem.likelihood, encoder, X)
        sites = Sites(
            mean.astype(np.float64), np.where(self.given[:, None], variance, np.inf).astype(np.float64)
        )
        shared = SharedPosterior(latents.mean, latents.covariance)
        found = predict_subjects(shared, latents.variances, problem.rows(shape), sites)
        outputs = decoded_outputs(problem.architecture, Autoencoder((), decoder), found.mean)
        density = np.asarray(problem.likelihood.log_density(predicted, outputs, X), dtype=np.float64)
        return -float(density[~self.given].sum()) / max(int(np.sum(~self.given)), 1)


def held_out(
    problem: LongitudinalProblem, rng: np.random.Generator
) -> tuple[LongitudinalProblem, HeldOut | None]:
    """Divide the subjects: what networks are fitted to, and what is held out, by the settings.

    Raises
    ------
    ValueError
        Where a part would be without subjects, or no visit could be predicted.
    """
    part, visits = problem.settings.validation, problem.visits
    if not part:
        return problem, None
    n_held = round(part * visits.n_subjects)
    if not 0 < n_held < visits.n_subjects:
        raise ValueError(
            f"validation_fraction={part:g} of {visits.n_subjects} subjects leaves a part without any: change it, or "
            "set it to 0"
        )
    chosen = np.zeros(visits.n_subjects, dtype=bool)
    chosen[rng.permutation(visits.n_subjects)[:n_held]] = True
    inside = chosen[visits.subject]
    own = problem._replace(visits=visits.take(np.flatnonzero(inside)))
    given = first_visits(own)
    if given.all():
        raise ValueError("no held-out subject has a visit to predict: set validation_fraction to 0")
    return problem._replace(visits=visits.take(np.flatnonzero(~inside))), HeldOut(own, given)


def first_visits(problem: LongitudinalProblem) -> NDArray[np.bool_]:
    """Which visits are known where the later ones of their subjects are to be predicted, (n,)."""
    visits, n_given = problem.visits, problem.settings.context
    number, counts = visit_order(visits.subject, visits.time), np.bincount(visits.subject)
    known = np.maximum(counts // 4, 1) if n_given is None else np.full(counts.shape, n_given)
    return number < known[visits.subject]
