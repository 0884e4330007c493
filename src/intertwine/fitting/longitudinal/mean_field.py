"""The fit of the paper's objective, for comparison with the exact one.

At the end the encoder is shown all that was observed, and q(A) and the variances are brought to where they agree with
it: what is then missing to the exact posterior is not for want of steps.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.kept_epochs import kept_epochs
from intertwine.fitting.longitudinal.fit import settled
from intertwine.fitting.longitudinal.mean_field_epochs import FieldRunner, FieldState
from intertwine.fitting.longitudinal.mean_field_model import MeanFieldModel
from intertwine.fitting.longitudinal.model import FittedLatents, LongitudinalModel
from intertwine.fitting.longitudinal.problem import LongitudinalProblem
from intertwine.fitting.longitudinal.sites import (
    all_sites,
    decoded_outputs,
    decoder_slopes,
    require_finite_sites,
)
from intertwine.fitting.longitudinal.steps import Networks
from intertwine.fitting.watch import Watch
from intertwine.minimize import Iteration
from intertwine.mixed_effects.latent_axes import axis_convention
from intertwine.mixed_effects.mean_field import MeanField
from intertwine.mixed_effects.subjects import LatentVariances, SharedPosterior, Sites, SubjectRows
from intertwine.resources import require_memory

__all__ = ["fit_mean_field_vae"]

Array = NDArray[np.float64]

_LAST_STEPS = 10  # of q(A) and EM


def fit_mean_field_vae(
    problem: LongitudinalProblem, rng: np.random.Generator, watch: Watch
) -> MeanFieldModel:
    """Fit networks and independent coefficients together.

    Length scales stay where they start. There are as many epochs as the exact fit has in its two phases.

    Parameters
    ----------
    problem : LongitudinalProblem
        Of its settings ``epochs``, ``warm_up``, ``batch_size``, ``learning_rate``, ``dropout`` and ``prediction``
        (1 − α) are used.
    rng : numpy.random.Generator
    watch : Watch

    Raises
    ------
    ValueError
        Where an effect goes by state space.
    FloatingPointError
        When the networks diverge.
    MemoryError
        Before anything too large is allocated.
    """
    visits = problem.visits
    shape = problem.effects.start_shape()
    everyone = problem.rows(shape)
    n, P, q, K = len(visits.X), visits.n_subjects, everyone.own.shape[1], problem.n_components
    require_memory(
        4 * visits.X.size + 64 * n * K + 64 * P * q * K,
        f"the coefficients of {P:,} subjects and the latents of {n:,} visits",
        "the exact objective, which keeps no subject's coefficients",
    )
    seen = np.flatnonzero(~np.isnan(visits.X).all(axis=1))
    rows = SubjectRows(everyone.subject[seen], P, everyone.shared[seen], everyone.own[seen], everyone.trends)
    runner = FieldRunner(problem, rows, visits.X[seen])
    state, history = _run(runner, problem, rng, watch)
    params = jax.tree.map(np.asarray, state.training.params)
    found = all_sites(problem.architecture, problem.likelihood, params.autoencoder, visits.X)
    require_finite_sites(*found)
    sites = Sites(*(part.astype(np.float64) for part in found))
    mean, variance = sites.mean[seen], sites.variance[seen]
    field, variances = runner.settled(mean, variance, state.variances, _LAST_STEPS)
    drawn = mean + np.sqrt(variance) * rng.standard_normal(mean.shape)
    outputs = decoded_outputs(problem.architecture, params.autoencoder, drawn)
    density = problem.likelihood.log_density(params.likelihood, outputs, visits.X[seen])
    bound = float(np.asarray(density, np.float64).sum()) + float(
        field.bound(rows, mean, variance, variances).sum()
    )
    networks = Networks(params.autoencoder, params.likelihood, params.likelihood)
    model = _published(problem, everyone, shape, networks, (field, variances, sites), bound, history)
    return MeanFieldModel(model)


def _run(
    runner: FieldRunner, problem: LongitudinalProblem, rng: np.random.Generator, watch: Watch
) -> tuple[FieldState, list[dict[str, Any]]]:
    settings = problem.settings
    n_epochs = settings.warm_up + settings.epochs

    def advance(now: FieldState, epoch: int, history: list[dict[str, Any]]) -> FieldState:
        now, row = runner.epoch(now, (epoch, n_epochs), rng)
        history.append({"iteration": epoch + 1, "phase": "mean-field", **row})
        loss = row["reconstruction"] + row["divergence"]
        watch.progress.iteration(Iteration(epoch + 1, loss, float("nan"), row["seconds"]), row)
        return now

    return kept_epochs("mean-field", runner.begun(rng), range(n_epochs), advance, rng, watch.journal)


def _published(
    problem: LongitudinalProblem,
    rows: SubjectRows,
    shape: Array,
    networks: Networks,
    found: tuple[MeanField, LatentVariances, Sites],
    bound: float,
    history: list[dict[str, Any]],
) -> LongitudinalModel:
    """Axes by convention."""
    field, variances, sites = found
    prior = problem.effects.visit_variances(variances, rows).sum(axis=0)
    slopes = decoder_slopes(problem.architecture, networks.autoencoder, sites.mean)
    convention = axis_convention(prior, variances.noise, slopes)
    covariance = np.eye(len(field.shared_mean)) * field.shared_variance.T[:, :, None]
    shared = SharedPosterior(field.shared_mean, covariance)
    told = FittedLatents(problem.effects, shape, variances, shared, sites).turned(convention)
    predictor = networks.autoencoder.decoder
    columns = {name: [row[name] for row in history] for name in history[0]} if history else {}
    return LongitudinalModel(
        problem.architecture,
        problem.likelihood,
        networks,
        predictor,
        np.zeros(problem.visits.X.shape[1]),
        convention,
        told,
        bound,
        settled(history),
        columns,
    )
