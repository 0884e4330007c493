"""New subjects: each is given what the fit says of the shared coefficients, and its own sites, and nothing else.

With the shared coefficients a = μ + ρ t, t ~ N(0, I), of the fit, and a subject's stacked root [Y, d] of its data (see
`_subject_kernels`; Y of F ρ, d of z̃ − Fμ), t has the posterior covariance (I + YᵀY)⁻¹ and mean (I + YᵀY)⁻¹Yᵀd: what a
refit with this one subject added gives for it, the other subjects' sites and the variances being held.

Draws come from the prior and are corrected by the mean of what they miss of the sites (Matheron's rule; Hoffman &
Ribak 1991), so that a trajectory is drawn as a whole.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from intertwine.mixed_effects import _subject_kernels as kernels
from intertwine.mixed_effects.own_factor import OwnFactor
from intertwine.mixed_effects.shared_coefficients import covariance_root
from intertwine.mixed_effects.subject_elimination import AxisSites, EliminatedChunk, require_fit
from intertwine.mixed_effects.subject_rows import Chunk, SortedRows
from intertwine.mixed_effects.subject_trends import ChunkTrends
from intertwine.mixed_effects.subjects import LatentVariances, Marginals, SharedPosterior, Sites, SubjectRows
from intertwine.resources import require_memory

__all__ = ["draw_rows", "draw_subjects", "predict_subjects"]

Array = NDArray[np.float64]
Roots = Callable[[int, slice | NDArray[np.int64]], Array]


def predict_subjects(
    shared: SharedPosterior, variances: LatentVariances, rows: SubjectRows, sites: Sites
) -> Marginals:
    """Marginals of the visits of new subjects.

    Parameters
    ----------
    shared : SharedPosterior
        Of the fit.
    variances : LatentVariances
    rows : SubjectRows
        Of the new subjects; a visit of the future is a row whose site has infinite variance.
    sites : Sites

    Examples
    --------
    A fit that knows the shared mean to ±1, and a subject seen once of two times: its own intercept has variance 4.

    >>> shared = SharedPosterior(np.array([[10.0]]), np.array([[[1.0]]]))
    >>> rows = SubjectRows(np.array([0, 0]), 1, np.ones((2, 1)), np.ones((2, 1)))
    >>> own, none = np.array([[4.0]]), np.empty((0, 1))
    >>> variances = LatentVariances(np.array([0.5]), np.array([[np.inf]]), own, none)
    >>> sites = Sites(np.array([[16.0], [0.0]]), np.array([[0.5], [np.inf]]))
    >>> found = predict_subjects(shared, variances, rows, sites)
    >>> found.linear_mean.ravel(), found.linear_variance.ravel().round(3)
    (array([15., 15.]), array([0.833, 0.833]))
    """
    ordered = SortedRows(rows)
    require_fit(ordered, sites, variances)
    n, n_axes = ordered.n_rows, len(variances.noise)
    require_memory(
        32.0 * n * n_axes,
        f"means and variances of {n:,} visits and {n_axes} axes",
        "fewer subjects at a time",
    )
    out = Marginals(*(np.empty((n, n_axes)) for _ in range(4)))
    roots = _roots(shared)

    def work(axis: int, part: int, chunks: list[Chunk]) -> None:
        for chunk in chunks:
            at = ordered.at(chunk)
            here = AxisSites.of(sites, at, axis, float(variances.noise[axis]))
            expected = ordered.shared[chunk.rows] @ shared.mean[:, axis]
            missed = (here.mean - expected)[:, None]
            eliminated = EliminatedChunk(ordered, chunk, axis, variances, here, missed)
            correction, variance = _given_own_sites(eliminated, roots(axis, eliminated.columns))
            mean = expected + correction[:, 0]
            factor, left = here.noise_given_linear()
            out.linear_mean[at, axis], out.linear_variance[at, axis] = mean, variance
            out.mean[at, axis] = mean + factor * (here.mean - mean)
            out.variance[at, axis] = left + here.kept**2 * variance

    ordered.each(n_axes, work)
    return out


def _roots(shared: SharedPosterior) -> Roots:
    """Roots of the covariance, of all columns or of those that a chunk has."""
    whole: dict[int, Array] = {}

    def root(axis: int, columns: slice | NDArray[np.int64]) -> Array:
        if isinstance(columns, slice):
            if axis not in whole:
                whole[axis] = covariance_root(shared.covariance[axis])
            return whole[axis]
        return covariance_root(shared.covariance[axis][columns[:, None], columns])

    return root


def _given_own_sites(eliminated: EliminatedChunk, root: Array) -> tuple[Array, Array]:
    """Means (rows, s) of F ρ t + U b given responses (rows, s) that these make, and their variance (rows,)."""
    p, seen = eliminated.n_shared, eliminated.at_rows()
    mean, variance = -seen.columns[:, p:], seen.variance
    if p:
        white, scaled = eliminated.stacked[:, :p] @ root, seen.columns[:, :p] @ root
        variance += np.einsum("ij,ij->i", scaled, scaled)
        reduction = np.zeros(len(variance))
        responses = np.ascontiguousarray(eliminated.stacked[:, p:])
        kernels.learn_shared(
            eliminated.chunk.starts, eliminated.n_own, white, responses, scaled, mean, reduction
        )
        variance -= reduction
    return mean, variance


def draw_subjects(
    shared: SharedPosterior,
    variances: LatentVariances,
    rows: SubjectRows,
    sites: Sites,
    rng: np.random.Generator,
    n_draws: int = 1,
    noise: bool = False,
) -> Array:
    """Joint draws of the trajectories of new subjects, (n_draws, n, K); different subjects are drawn independently.

    Parameters
    ----------
    shared, variances, rows, sites
        As of `predict_subjects`.
    rng : Generator
    n_draws : int
    noise : bool
        Whether of z, with its noise, and not of its linear part.
    """
    ordered = SortedRows(rows)
    roots = _roots(shared)

    def start(axis: int, chunk: Chunk, generator: np.random.Generator) -> Array:
        """F a at the rows, of an a of each subject's own."""
        n_subjects = chunk.last - chunk.first
        block, columns = ordered.shared_block(chunk)
        unit = generator.standard_normal((n_draws, n_subjects, block.shape[1]))
        a = unit @ roots(axis, columns).T + shared.mean[columns, axis]
        of_row = np.repeat(np.arange(n_subjects), np.diff(chunk.starts))
        return np.einsum("ij,sij->is", block, a[:, of_row])

    return draw_rows(ordered, variances, sites, rng, n_draws, noise, start, roots)


def draw_rows(
    ordered: SortedRows,
    variances: LatentVariances,
    sites: Sites,
    rng: np.random.Generator,
    n_draws: int,
    noise: bool,
    start: Callable[[int, Chunk, np.random.Generator], Array],
    roots: Roots | None,
) -> Array:
    """Draws (n_draws, n, K), given F a at a chunk's rows; a learns from a subject's sites where roots are given."""
    require_fit(ordered, sites, variances)
    n, n_axes = ordered.n_rows, len(variances.noise)
    require_memory(
        8.0 * n * n_axes * n_draws, f"{n_draws:,} draws of {n:,} visits and {n_axes} axes", "fewer draws"
    )
    out = np.empty((n_draws, n, n_axes))
    seed = int(rng.integers(2**63))

    def work(axis: int, part: int, chunks: list[Chunk]) -> None:
        for chunk in chunks:
            generator = np.random.default_rng([seed, axis, chunk.first])
            at = ordered.at(chunk)
            here = AxisSites.of(sites, at, axis, float(variances.noise[axis]))
            drawn = start(axis, chunk, generator) + _draw_own(
                ordered, variances, axis, chunk, generator, n_draws
            )
            if ordered.trends:
                given = ordered.trends, ordered.times[chunk.rows], chunk.starts
                ChunkTrends(*given, variances.trends[:, axis], here.weight).draw(generator, drawn)
            error = generator.standard_normal(drawn.shape) * np.sqrt(here.noise + here.variance)[:, None]
            missed = here.mean[:, None] - drawn - error
            with_shared = roots is not None
            eliminated = EliminatedChunk(ordered, chunk, axis, variances, here, missed, with_shared)
            root = np.empty((0, 0)) if roots is None else roots(axis, eliminated.columns)
            drawn += _given_own_sites(eliminated, root)[0]
            if noise:
                factor, left = here.noise_given_linear()
                drawn += factor[:, None] * (here.mean[:, None] - drawn)
                drawn += np.sqrt(left)[:, None] * generator.standard_normal(drawn.shape)
            out[:, at, axis] = drawn.T

    ordered.each(n_axes, work)
    return out


def _draw_own(
    ordered: SortedRows,
    variances: LatentVariances,
    axis: int,
    chunk: Chunk,
    generator: np.random.Generator,
    n_draws: int,
) -> Array:
    """U b at the rows of a chunk, drawn from the prior, (rows, n_draws)."""
    n_subjects, factor = chunk.last - chunk.first, OwnFactor(variances, axis)
    b = generator.standard_normal((n_draws, n_subjects, ordered.n_own)) * factor.deviations
    of_row = np.repeat(np.arange(n_subjects), np.diff(chunk.starts))
    return np.einsum("ij,sij->is", factor.features(ordered.own[chunk.rows]), b[:, of_row])
