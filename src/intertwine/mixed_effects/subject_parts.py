"""Subjects from whom the shared coefficients have been learnt, met again: moments, draws, and draws part by part.

What such a subject's visits say of the shared coefficients is in their posterior already, so that it must not be
counted again: given the shared coefficients, a subject's own ones follow from its sites. New subjects, from whom both
are learnt, are those of `subject_prediction`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.mixed_effects.own_factor import OwnFactor
from intertwine.mixed_effects.shared_coefficients import SharedSolution, covariance_root
from intertwine.mixed_effects.subject_elimination import AxisSites, EliminatedChunk, require_fit
from intertwine.mixed_effects.subject_rows import Chunk, SortedRows
from intertwine.mixed_effects.subject_system import SubjectPosterior, SubjectSystem
from intertwine.mixed_effects.subject_trends import ChunkTrends
from intertwine.mixed_effects.subjects import LatentVariances, SharedPosterior, Sites, SubjectRows
from intertwine.resources import require_memory

__all__ = ["DrawnParts", "draw_parts", "recalled_subjects"]

Array = NDArray[np.float64]


def recalled_subjects(
    shared: SharedPosterior, variances: LatentVariances, rows: SubjectRows, sites: Sites
) -> SubjectPosterior:
    """The posterior of subjects of a fit, and of further visits of theirs.

    Parameters
    ----------
    shared : SharedPosterior
        Given the sites of all subjects of the fit, these among them.
    variances : LatentVariances
    rows : SubjectRows
        Visits of the fit, and others; the latter's sites may be infinite.
    sites : Sites
        What further sites say of the shared coefficients is not used.

    Examples
    --------
    The fit knows the shared mean; its subject was seen once of two times, and is so no farther from the mean than
    before:

    >>> shared = SharedPosterior(np.array([[10.0]]), np.array([[[0.0]]]))
    >>> rows = SubjectRows(np.array([0, 0]), 1, np.ones((2, 1)), np.ones((2, 1)))
    >>> own, none = np.array([[4.0]]), np.empty((0, 1))
    >>> variances = LatentVariances(np.array([0.5]), np.array([[np.inf]]), own, none)
    >>> sites = Sites(np.array([[16.0], [0.0]]), np.array([[0.5], [np.inf]]))
    >>> recalled_subjects(shared, variances, rows, sites).marginals().linear_mean.ravel()
    array([14.8, 14.8])
    """
    system = SubjectSystem(rows)
    require_fit(system.rows, sites, variances)
    solved = [
        SharedSolution(shared.mean[:, k], covariance_root(covariance), 0.0)
        for k, covariance in enumerate(shared.covariance)
    ]
    return SubjectPosterior(system, sites, variances, solved, np.full(len(solved), np.nan))


class DrawnParts(NamedTuple):
    """Joint draws of all that latents are the sum of.

    Attributes
    ----------
    shared : ndarray of shape (n_draws, p, K)
        Coefficients.
    own : ndarray of shape (n_draws, n, q, K)
        Coefficients of the subject of each visit.
    trends : ndarray of shape (n_draws, number of trends, n, K)
        Values at visits.
    noise : ndarray of shape (n_draws, n, K)
    """

    shared: Array
    own: Array
    trends: Array
    noise: Array


def draw_parts(
    shared: SharedPosterior,
    variances: LatentVariances,
    rows: SubjectRows,
    sites: Sites,
    rng: np.random.Generator,
    n_draws: int = 1,
) -> DrawnParts:
    """Draw shared coefficients, and, given these and their sites, all that subjects of the fit have of their own.

    Draws of the prior are corrected by the mean of what they miss of the sites (Matheron's rule).

    Parameters
    ----------
    shared, variances, rows, sites
        As of `recalled_subjects`.
    rng : Generator
    n_draws : int
    """
    ordered = SortedRows(rows)
    require_fit(ordered, sites, variances)
    n, q, J, n_axes = ordered.n_rows, ordered.n_own, len(ordered.trends), len(variances.noise)
    require_memory(
        8.0 * n_draws * n_axes * n * (q + J + 3),
        f"{n_draws} draws of {n:,} visits and their parts",
        "fewer draws",
    )
    unit = rng.standard_normal((n_axes, n_draws, ordered.n_shared))
    roots = [covariance_root(covariance) for covariance in shared.covariance]
    a = np.stack(
        [unit[k] @ roots[k].T + shared.mean[:, k] for k in range(n_axes)] or [np.empty((n_draws, 0))], axis=-1
    )
    out = DrawnParts(
        a,
        np.empty((n_draws, n, q, n_axes)),
        np.empty((n_draws, J, n, n_axes)),
        np.empty((n_draws, n, n_axes)),
    )
    seed = int(rng.integers(2**63))

    def work(axis: int, part: int, chunks: list[Chunk]) -> None:
        for chunk in chunks:
            generator = np.random.default_rng([seed, axis, chunk.first])
            at = ordered.at(chunk)
            here = AxisSites.of(sites, at, axis, float(variances.noise[axis]))
            own, trends, noise = _drawn_chunk(
                ordered, variances, axis, chunk, here, a[:, :, axis].T, generator
            )
            out.own[..., axis][:, at] = own
            out.trends[..., axis][:, :, at] = trends
            out.noise[..., axis][:, at] = noise.T

    ordered.each(n_axes, work)
    return out


def _drawn_chunk(
    ordered: SortedRows,
    variances: LatentVariances,
    axis: int,
    chunk: Chunk,
    here: AxisSites,
    a: Array,
    generator: np.random.Generator,
) -> tuple[Array, Array, Array]:
    """Own coefficients (s, rows, q), trends (s, J, rows) and noise (rows, s), given shared coefficients a (p, s)."""
    n_draws, n_subjects, n_rows = a.shape[1], chunk.last - chunk.first, len(here.mean)
    factor_of_own, features = OwnFactor(variances, axis), ordered.own[chunk.rows]
    deviations = factor_of_own.deviations
    of_row = np.repeat(np.arange(n_subjects), np.diff(chunk.starts))
    new = generator.standard_normal((n_draws, n_subjects, ordered.n_own)) * deviations
    b = factor_of_own.coefficients(new)
    trends = np.zeros((len(ordered.trends), n_rows, n_draws))
    for j, trend in enumerate(ordered.trends):
        times, variance = ordered.times[chunk.rows, j : j + 1], variances.trends[j : j + 1, axis]
        ChunkTrends((trend,), times, chunk.starts, variance, here.weight).draw(generator, trends[j])

    def linear() -> Array:
        own = np.einsum("ij,sij->is", features, b[:, of_row])
        return ordered.shared[chunk.rows] @ a + own + trends.sum(axis=0)

    error = generator.standard_normal((n_rows, n_draws)) * np.sqrt(here.noise + here.variance)[:, None]
    missed = here.mean[:, None] - linear() - error
    eliminated = EliminatedChunk(ordered, chunk, axis, variances, here, missed, with_shared=False)
    correction = eliminated.coefficient_rows().reshape(n_subjects, ordered.n_own, n_draws)
    b = b + factor_of_own.coefficients(deviations * correction.transpose(2, 0, 1))
    for j, trend_rows in enumerate(eliminated.trends_at_rows()):
        trends[j] -= trend_rows.columns
    factor, left = here.noise_given_linear()
    noise = factor[:, None] * (here.mean[:, None] - linear())
    noise += np.sqrt(left)[:, None] * generator.standard_normal(noise.shape)
    return b[:, of_row], trends.transpose(2, 0, 1), noise
