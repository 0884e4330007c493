"""Principal components with random effects: x_i = μ + W u_i + Σ_t (Z_t B_t)_i + e_i.

With u_i ~ N(0, I), effects of variance Σ_tm on feature m, and noise e_im ~ N(0, σ_m²) (or the same σ² in all features).
What is maximised depends on the design:

* complete rows with one effect, or none: the exact likelihood, u and B being integrated out together
  (`pca_exact`);
* one effect whose levels share nothing and entries missing: the exact likelihood, as long as there are not too many
  levels times features (`pca_missing`);
* several effects, or else entries missing: a lower bound of it, in which what is known of u and of B is independent
  (`pca_bound`); exact, too, where there is no effect.

Either climbs by EM, accelerated (`fixed_point`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import (
    AbstractBoundEffect,
    AbstractRandomEffect,
    BasisPrior,
    CovariancePrior,
    IndependentPrior,
    LevelPrior,
)
from intertwine.fitting.factor_rows import factor_posterior
from intertwine.fitting.random_effects.factor_steps import aligned, factor_step, principal_axes
from intertwine.fitting.random_effects.fixed_point import Ascent, FixedPoint, accelerated
from intertwine.fitting.random_effects.latent import LatentRows
from intertwine.fitting.random_effects.latent_shapes import learnt_shapes
from intertwine.fitting.random_effects.pca_bound import BoundProblem
from intertwine.fitting.random_effects.pca_exact import PCAParameters, exact_moments
from intertwine.fitting.random_effects.pca_known import (
    LevelEffects,
    ModeEffects,
    NoEffects,
    PosteriorEffects,
)
from intertwine.fitting.random_effects.pca_missing import MissingProblem
from intertwine.fitting.random_effects.pca_model import PCAModel
from intertwine.fitting.random_effects.rotated_rows import RotatedRows
from intertwine.fitting.watch import Watch
from intertwine.minimize import Iteration
from intertwine.mixed_effects.base import VarianceComponents
from intertwine.mixed_effects.factors import semidefinite_factor
from intertwine.resources import require_memory

_BYTES_OF_A_PAIR = 92  # measured: scatter, precisions and their eigenvectors
__all__ = ["PCASettings", "fit_random_effects_pca"]

Array = NDArray[np.float64]

_MOST_MODES = 4000  # of levels that share a covariance: beyond, their eigenvectors take minutes
_MOST_KEPT = 20_000_000  # numbers of the covariances of all levels, where features are missing
_MOST_WORK = 2_000_000_000  # rows times the size of such a covariance: an iteration of seconds
_INNER = 3  # steps to the factors of one covariance: cheap beside finding the covariance


class PCASettings(NamedTuple):
    """What a user chooses.

    Attributes
    ----------
    n_components : int
    isotropic : bool
        Whether all features have the same noise.
    max_iter : int
    tol : float
        Gain of the log-likelihood in an iteration, a row, under which the search has settled.
    """

    n_components: int
    isotropic: bool
    max_iter: int
    tol: float


def fit_random_effects_pca(
    rows: LatentRows, effects: Sequence[AbstractRandomEffect], settings: PCASettings, watch: Watch
) -> PCAModel:
    """Fit rows in the units of the fit; those with nothing observed say nothing."""
    shown = np.flatnonzero(np.isfinite(rows.X).any(axis=1))
    if len(shown) < len(rows.X):
        rows = LatentRows(rows.X[shown], rows.effects.take(shown))
    bound = [effect.bind(rows.effects) for effect in effects]
    shapes = learnt_shapes(rows.X, bound)
    if is_exact(rows.X, bound, shapes):
        return fit_exact_pca(rows, bound, shapes, settings, watch)
    if is_exact_with_holes(rows.X, bound, shapes):
        return fit_pca_with_holes(rows, bound, shapes, settings, watch)
    return fit_bound_pca(rows, bound, shapes, settings, watch)


def fit_exact_pca(
    given: LatentRows,
    bound: Sequence[AbstractBoundEffect],
    shapes: Sequence[Array],
    settings: PCASettings,
    watch: Watch,
) -> PCAModel:
    """Climb the exact likelihood of complete rows with one effect, or none.

    Raises
    ------
    MemoryError
        Where there are too many features for a matrix of their pairs.
    """
    X = given.X
    require_memory(
        _BYTES_OF_A_PAIR * X.shape[1] ** 2, f"all pairs of {X.shape[1]:,} features", "fewer features"
    )
    if not bound:
        rows = RotatedRows.plain(X)
    else:
        prior, level = bound[0].prior(shapes[0]), bound[0].level
        if isinstance(prior, IndependentPrior):
            rows = RotatedRows.of_levels(X, level, bound[0].n_levels, bound[0].basis)
        else:
            loadings, _ = _loadings(prior)
            rows, vectors = RotatedRows.of_modes(X, level, loadings)
    layout = _Layout(X.shape[1], settings, [effect.n_basis for effect in bound])
    correlated = [effect.correlated for effect in bound]

    def step(x: Array) -> tuple[Array, float]:
        params = layout.unpacked(x)
        moments = exact_moments(rows, params)
        loadings, noise = params.loadings, params.noise
        for _ in range(_INNER):
            loadings, noise = factor_step(
                moments.scatter / rows.n_rows, noise, settings.n_components, settings.isotropic
            )
        found = tuple(
            _covariance(Sigma + 2.0 * Sigma @ moments.gradient_effect @ Sigma / len(rows.Y), full)
            for Sigma, full in zip(params.effects, correlated, strict=True)
        )
        turned = aligned(loadings, params.loadings)
        return layout.packed(params._replace(loadings=turned, noise=noise, effects=found)), (
            moments.log_likelihood
        )

    found = climb(step, layout.packed(_start(rows, settings, bound)), len(X), settings, watch)
    params = layout.unpacked(found.x)
    params = params._replace(mean=exact_moments(rows, params).mean)
    params = params._replace(loadings=principal_axes(params.loadings))
    at: Any = NoEffects()
    if bound and isinstance(prior, IndependentPrior):
        at = LevelEffects.of(rows, params)
    elif bound:
        at = ModeEffects.of(rows, params, _loadings(prior)[1] @ vectors, loadings @ vectors)
    return PCAModel(params, at, bound, shapes, found.history, found.converged, "exact")


def fit_pca_with_holes(
    given: LatentRows,
    bound: Sequence[AbstractBoundEffect],
    shapes: Sequence[Array],
    settings: PCASettings,
    watch: Watch,
) -> PCAModel:
    """Climb the exact likelihood of one effect of independent levels where entries are missing."""
    (effect,) = bound
    layout = _Layout(given.X.shape[1], settings, [effect.n_basis])
    problem = MissingProblem(
        given.X, effect.level, effect.n_levels, effect.basis, settings.isotropic, effect.correlated
    )

    def step(x: Array) -> tuple[Array, float]:
        after, value = problem.step(layout.unpacked(x))
        return layout.packed(after), value

    start = layout.packed(start_of_bound(given.X, bound, settings)[0])
    found = climb(step, start, len(given.X), settings, watch)
    params = layout.unpacked(found.x)
    params = params._replace(mean=problem.mean_and_value(params)[0], loadings=principal_axes(params.loadings))
    known = LevelEffects.of_levels(params, *problem.known(params), problem.from_mean(params))
    return PCAModel(params, known, bound, shapes, found.history, found.converged, "exact")


def fit_bound_pca(
    given: LatentRows,
    bound: Sequence[AbstractBoundEffect],
    shapes: Sequence[Array],
    settings: PCASettings,
    watch: Watch,
) -> PCAModel:
    """Climb the lower bound: any effects, any entries missing."""
    X = given.X
    problem = BoundProblem(X, bound, shapes, settings.isotropic)
    layout = _Layout(X.shape[1], settings, [effect.n_basis for effect in bound])
    n, d = len(X), settings.n_components
    size = np.sqrt(n)  # latents count together as much as loadings do

    def step(x: Array) -> tuple[Array, float]:
        params, latents = layout.unpacked(x[: layout.size]), size * x[layout.size :].reshape(n, d)
        after, U, value = problem.step(params, latents)
        return np.concatenate([layout.packed(after), U.ravel() / size]), value

    params, latents = start_of_bound(X, bound, settings)
    found = climb(step, np.concatenate([layout.packed(params), latents.ravel() / size]), n, settings, watch)
    params = layout.unpacked(found.x[: layout.size])
    latents = size * found.x[layout.size :].reshape(n, d)
    solved = problem.solved(params, latents)
    left = X - latents @ params.loadings.T
    params = params._replace(mean=solved.mean, loadings=principal_axes(params.loadings))
    known: Any = NoEffects()
    if bound:
        variances = VarianceComponents(params.noise, params.effects)
        at = variances, bound, shapes, params.loadings
        known = PosteriorEffects(left, given.effects, problem.system, *at)
    objective = "bound" if bound else "exact"
    return PCAModel(params, known, bound, shapes, found.history, found.converged, objective)


def start_of_bound(
    X: Array, bound: Sequence[AbstractBoundEffect], settings: PCASettings
) -> tuple[PCAParameters, Array]:
    """Half of the variance to the effects, and factors of the rest."""
    observed = np.isfinite(X)
    shown = np.where(observed, X - np.nanmean(X, axis=0), 0.0)
    counts = np.maximum(observed.T.astype(np.float64) @ observed, 1.0)
    covariance = shown.T @ shown / counts
    share = 1.0 if not bound else 0.5
    values, vectors = np.linalg.eigh(covariance)  # pairs that were observed: it may not be a covariance
    covariance = share * (vectors * np.maximum(values, 1e-6)) @ vectors.T
    noise = np.maximum(0.5 * np.diag(covariance), 1e-3)
    for _ in range(10):
        loadings, noise = factor_step(covariance, noise, settings.n_components, settings.isotropic)
    noise = np.maximum(noise, 1e-2)
    variance = (
        (1.0 - share) * np.maximum(np.diag(counts) > 0, 0.0) * np.sum(shown**2, axis=0) / np.diag(counts)
    )
    effects = []
    for effect in bound:
        effects.append((variance / len(bound))[:, None, None] * _unit_covariance(effect))
    params = PCAParameters(np.zeros(X.shape[1]), loadings, noise, tuple(effects))
    latents = factor_posterior(np.where(observed, shown, np.nan), noise + variance, loadings).mean
    return params, latents


class Climbed(NamedTuple):
    """Where a climb ended, with one row of history per iteration."""

    x: Array
    history: dict[str, list[float]]
    converged: bool


def climb(step: Any, start: Array, n_rows: int, settings: PCASettings, watch: Watch) -> Climbed:
    """Accelerated EM, told to the watch; an interrupted one goes on from the journal."""

    def tell(iteration: int, value: float, gain: float) -> None:
        watch.progress.iteration(Iteration(iteration, -value, gain, 0.0), None)

    def compute() -> dict[str, Any]:
        kept = watch.journal.begun()
        at = start if kept is None else Ascent(**kept)
        tolerance = settings.tol * n_rows
        keep = lambda ascent: watch.journal.keep(ascent._asdict)  # noqa: E731
        return accelerated(step, at, settings.max_iter, tolerance, tell, keep)._asdict()

    found = FixedPoint(**watch.journal.step("climb", compute))
    history: dict[str, list[float]] = {
        "iteration": list(range(len(found.values))),
        "log_likelihood": found.values,
        "gain": [0.0, *np.diff(found.values).tolist()],
    }
    return Climbed(found.x, history, found.converged)


def is_exact(X: Array, bound: Sequence[AbstractBoundEffect], shapes: Sequence[Array]) -> bool:
    """Whether the exact likelihood has a closed form."""
    if not np.isfinite(X).all() or len(bound) > 1:
        return False
    if not bound:
        return True
    prior = bound[0].prior(shapes[0])
    if isinstance(prior, IndependentPrior):
        return True
    one_each = bound[0].n_basis == 1 and bound[0].basis is None
    return one_each and _n_modes(prior) <= _MOST_MODES


def is_exact_with_holes(X: Array, bound: Sequence[AbstractBoundEffect], shapes: Sequence[Array]) -> bool:
    """Whether the exact likelihood can be had where entries are missing: one effect, and few features or levels."""
    if len(bound) != 1 or not isinstance(bound[0].prior(shapes[0]), IndependentPrior):
        return False
    order = bound[0].n_basis * X.shape[1]
    occupied = len(np.unique(bound[0].level)) == bound[0].n_levels
    return occupied and bound[0].n_levels * order**2 <= _MOST_KEPT and len(X) * order**2 <= _MOST_WORK


def _n_modes(prior: LevelPrior) -> int:
    if isinstance(prior, BasisPrior):
        return prior.loadings.shape[1]
    if isinstance(prior, CovariancePrior):
        return len(prior.covariance)
    return prior.n_levels if isinstance(prior, IndependentPrior) else prior.precision.shape[0]


def _loadings(prior: LevelPrior) -> tuple[Array, Array]:
    """L with K = L Lᵀ at the levels, and at what other rows are projected on: levels, or functions of a basis."""
    if isinstance(prior, BasisPrior):
        size = np.sqrt(prior.variances)
        return prior.loadings * size, np.diag(size)
    if isinstance(prior, CovariancePrior):
        root = np.asarray(np.linalg.cholesky(prior.covariance))
        return root, root
    assert not isinstance(prior, IndependentPrior)
    root = np.asarray(np.linalg.inv(np.linalg.cholesky(prior.precision.toarray()))).T
    return root, root


@final
class _Layout:
    """Parameters without the mean as one vector: loadings, log σ², and a triangular root of Σ."""

    def __init__(self, n_features: int, settings: PCASettings, n_basis: Sequence[int]) -> None:
        self.p, self.d, self.n_basis = n_features, settings.n_components, tuple(n_basis)
        self.size = n_features * (self.d + 1 + sum(r * (r + 1) // 2 for r in n_basis))

    def packed(self, params: PCAParameters) -> Array:
        parts = [params.loadings, np.log(params.noise)[:, None]]
        for r, Sigma in zip(self.n_basis, params.effects, strict=True):
            parts.append(semidefinite_factor(Sigma)[:, *np.tril_indices(r)])
        return np.concatenate(parts, axis=1).ravel()

    def unpacked(self, x: Array) -> PCAParameters:
        table = x.reshape(self.p, -1)
        at, effects = self.d + 1, []
        for r in self.n_basis:
            root = np.zeros((self.p, r, r))
            root[:, *np.tril_indices(r)] = table[:, at : at + r * (r + 1) // 2]
            effects.append(root @ np.swapaxes(root, 1, 2))
            at += r * (r + 1) // 2
        noise = np.exp(np.clip(table[:, self.d], -50.0, 50.0))
        return PCAParameters(np.zeros(self.p), table[:, : self.d], noise, tuple(effects))


def _covariance(Sigma: Array, full: bool) -> Array:
    Sigma = 0.5 * (Sigma + np.swapaxes(Sigma, 1, 2))
    return Sigma if full else Sigma * np.eye(Sigma.shape[1])


def _unit_covariance(effect: AbstractBoundEffect) -> Array:
    """Σ (r, r) that adds a variance of one to a row, on average, and the same of every function of the basis.

    A full one is of functions made orthogonal: were it diagonal, years counted from zero would leave the slopes of this
    century next to nothing to start from.
    """
    if effect.basis is None:
        return np.ones((1, 1))
    gram = effect.basis.T @ effect.basis / len(effect.basis)
    size = np.sqrt(np.maximum(np.diag(gram), 1e-12))
    alike = gram / np.outer(size, size) if effect.correlated else np.eye(len(size))
    return np.linalg.pinv(alike, hermitian=True) / np.outer(size, size) / len(size)


def _start(rows: RotatedRows, settings: PCASettings, bound: Sequence[AbstractBoundEffect]) -> PCAParameters:
    """Factors of the free rows, and effects of what variance these leave."""
    p, total = rows.Y.shape[2], rows.scatter + np.einsum("qam,qan->mn", rows.Y, rows.Y)
    covariance = rows.scatter / rows.n_rest if rows.n_rest > 2 * p else 0.5 * total / rows.n_rows
    noise = np.maximum(0.5 * np.diag(covariance), 1e-3)
    for _ in range(10):
        loadings, noise = factor_step(covariance, noise, settings.n_components, settings.isotropic)
    effects = []
    for effect in bound:
        left = np.maximum(
            np.diag(total) / rows.n_rows - np.diag(covariance), 0.1 * np.diag(total) / rows.n_rows
        )
        effects.append(left[:, None, None] * _unit_covariance(effect))
    return PCAParameters(np.zeros(p), loadings, np.maximum(noise, 1e-3), tuple(effects))
