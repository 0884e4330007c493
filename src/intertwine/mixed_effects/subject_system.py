"""The latent mixed model, subject by subject: shared coefficients given all sites, subjects given the shared ones.

All axes and chunks of subjects are worked on side by side; see `subjects` for the model.
"""

from __future__ import annotations

from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import NDArray

from intertwine.mixed_effects.own_factor import correlated
from intertwine.mixed_effects.shared_coefficients import (
    SharedInformation,
    SharedSolution,
    covariance_root,
    solve_shared,
)
from intertwine.mixed_effects.subject_elimination import AxisSites, EliminatedChunk, require_fit
from intertwine.mixed_effects.subject_prediction import draw_rows
from intertwine.mixed_effects.subject_rows import Chunk, SortedRows, in_threads
from intertwine.mixed_effects.subjects import (
    AbstractSubjectPosterior,
    LatentVariances,
    Marginals,
    SharedPosterior,
    Sites,
    SubjectRows,
)
from intertwine.resources import require_memory

__all__ = ["Kept", "SubjectPosterior", "SubjectSystem"]

Array = NDArray[np.float64]
Kept = dict[tuple[int, int, int], EliminatedChunk]  # by axis, and the first and last subject of the chunk

_KEPT = (
    2**22
)  # entries of eliminated subjects that a posterior keeps, rather than eliminate these anew when asked


@final
class SubjectSystem:
    """Visits of subjects, ready to be solved for any sites at any variances.

    Parameters
    ----------
    rows : SubjectRows

    Examples
    --------
    Three visits of one subject and two of another, with an intercept of each subject and a shared slope; nothing was
    seen at the last visit:

    >>> time = np.array([[0.0], [1.0], [2.0], [0.0], [1.0]])
    >>> system = SubjectSystem(SubjectRows(np.array([0, 0, 0, 1, 1]), 2, time, np.ones((5, 1))))
    >>> sites = Sites(np.array([[1.0], [2.0], [3.0], [3.0], [0.0]]), np.array([[0.1]] * 4 + [[np.inf]]))
    >>> noise, slope, intercept = np.full(1, 0.01), np.full((1, 1), np.inf), np.full((1, 1), 4.0)
    >>> posterior = system.posterior(sites, LatentVariances(noise, slope, intercept, np.empty((0, 1))))
    >>> posterior.shared.mean.round(2).tolist(), posterior.marginals().mean[4].round(2).tolist()
    ([[1.01]], [3.93])
    """

    def __init__(self, rows: SubjectRows) -> None:
        self.rows = SortedRows(rows)

    def trend_counts(self, sites: Sites) -> Array:
        """Different times of subjects that have sites, of each trend and axis."""
        rows, n_axes = self.rows, sites.mean.shape[1]
        counts = np.zeros((len(rows.trends), n_axes))
        if rows.trends:
            seen, subject = rows.sorted(np.isfinite(sites.variance)), rows.sorted_subject()
            for j, time in enumerate(rows.times.T):
                for k in range(n_axes):
                    there = np.flatnonzero(seen[:, k] & ~np.isnan(time))
                    new = np.ones(len(there), dtype=bool)
                    new[1:] = (np.diff(subject[there]) != 0) | (np.diff(time[there]) > 0.0)
                    counts[j, k] = new.sum()
        return counts

    def information(
        self, sites: Sites, variances: LatentVariances, kept: Kept | None = None
    ) -> SharedInformation:
        """What the sites say of the shared coefficients, own coefficients integrated out.

        Parameters
        ----------
        sites : Sites
        variances : LatentVariances
        kept : dict, optional
            Takes the eliminated subjects; the memory of those that it holds is used again.
        """
        p, n_axes = self.rows.n_shared, len(variances.noise)
        require_fit(self.rows, sites, variances)
        require_memory(
            16.0 * n_axes * (p + 1) ** 2,
            f"the matrices of {p:,} shared features for {n_axes} axes",
            "fewer functions, or subjects' own effects for categories with many levels",
        )
        grams: dict[tuple[int, int], Array] = {}
        constants: dict[tuple[int, int], float] = {}

        def work(axis: int, part: int, chunks: list[Chunk]) -> None:
            total, constant = np.zeros((p + 1, p + 1)), 0.0
            for chunk in chunks:
                here = AxisSites.of(sites, self.rows.at(chunk), axis, float(variances.noise[axis]))
                key = axis, chunk.first, chunk.last
                eliminated = EliminatedChunk(
                    self.rows, chunk, axis, variances, here, here.mean[:, None],
                    spent=None if kept is None else kept.get(key),
                )  # fmt: skip
                eliminated.add_gram(total)
                constant += eliminated.log_normaliser
                if kept is not None:
                    kept[key] = eliminated
            grams[axis, part], constants[axis, part] = total, constant

        n_parts = self.rows.each(n_axes, work)
        precision, shift, density = np.empty((n_axes, p, p)), np.empty((p, n_axes)), np.empty(n_axes)
        for axis in range(n_axes):
            gram = sum((grams.pop((axis, part)) for part in range(n_parts)), np.zeros((p + 1, p + 1)))
            precision[axis], shift[:, axis] = gram[:p, :p], gram[:p, p]
            density[axis] = sum(constants[axis, part] for part in range(n_parts)) - 0.5 * gram[p, p]
        return SharedInformation(precision, shift, density)

    def posterior(
        self, sites: Sites, variances: LatentVariances, kept: Kept | None = None
    ) -> SubjectPosterior:
        """All that is known once the sites have been seen.

        Parameters
        ----------
        sites : Sites
        variances : LatentVariances
        kept : dict, optional
            Eliminated subjects of a posterior of this system that is needed no longer: their memory is written over.

        Raises
        ------
        numpy.linalg.LinAlgError
            Where shared columns with a flat prior depend on each other.
        MemoryError
            Where the matrices of the shared features would not fit.
        """
        rows, kept = self.rows, Kept() if kept is None else kept
        n_stacked = rows.n_rows + rows.n_subjects * rows.n_own
        width = (rows.n_shared + 1) * (1 + len(rows.trends))
        small = n_stacked * width * len(variances.noise) <= _KEPT
        precision, shift, log_density = self.information(sites, variances, kept if small else None)
        solved: dict[int, SharedSolution] = {}

        def work(axis: int) -> None:
            solved[axis] = solve_shared(precision[axis], shift[:, axis], variances.shared[:, axis])

        in_threads([(axis,) for axis in range(len(log_density))], work, precision.size * len(shift))
        return SubjectPosterior(
            self, sites, variances, [solved[axis] for axis in range(len(solved))], log_density, kept
        )


@final
class SubjectPosterior(AbstractSubjectPosterior):
    """The posterior of a `SubjectSystem`; many subjects are eliminated anew for whatever is asked of them."""

    def __init__(
        self,
        system: SubjectSystem,
        sites: Sites,
        variances: LatentVariances,
        solved: list[SharedSolution],
        log_density: Array,
        kept: Kept | None = None,
    ) -> None:
        self._kept = Kept() if kept is None else kept
        self.system, self.rows, self.sites, self.variances = system, system.rows, sites, variances
        self._solved = solved
        self.log_evidence = log_density + np.array([one.log_evidence for one in solved])

    @cached_property
    def shared(self) -> SharedPosterior:
        n_axes, p = len(self._solved), self.rows.n_shared
        covariance = np.empty((n_axes, p, p))

        def work(axis: int) -> None:
            np.dot(self._solved[axis].root, self._solved[axis].root.T, out=covariance[axis])

        in_threads([(axis,) for axis in range(n_axes)], work, covariance.size * p)
        return SharedPosterior(np.column_stack([one.mean for one in self._solved]), covariance)

    def _root(self, axis: int, columns: slice | NDArray[np.int64]) -> Array:
        """A root of the covariance of some shared coefficients, square."""
        if isinstance(columns, slice):
            return self._solved[axis].root
        return covariance_root(self.shared.covariance[axis][columns[:, None], columns])

    def _eliminated(self, axis: int, chunk: Chunk) -> EliminatedChunk:
        kept = self._kept.get((axis, chunk.first, chunk.last))
        if kept is not None:
            return kept
        here = AxisSites.of(self.sites, self.rows.at(chunk), axis, float(self.variances.noise[axis]))
        return EliminatedChunk(self.rows, chunk, axis, self.variances, here, here.mean[:, None])

    def own_means(self) -> Array:
        means = np.empty((self.rows.n_subjects, self.rows.n_own, len(self._solved)))

        def work(axis: int, part: int, chunks: list[Chunk]) -> None:
            for chunk in chunks:
                means[chunk.first : chunk.last, :, axis] = self._own_means(
                    axis, self._eliminated(axis, chunk)
                )

        self.rows.each(len(self._solved), work)
        return means

    def _own_means(self, axis: int, eliminated: EliminatedChunk) -> Array:
        c, p = eliminated.coefficient_rows(), eliminated.n_shared
        b = c[:, p] - c[:, :p] @ self._solved[axis].mean[eliminated.columns]
        new = b.reshape(len(eliminated.factors), self.rows.n_own) * eliminated.deviations
        return eliminated.factor.coefficients(new)

    def own(self) -> tuple[Array, Array]:
        P, q, n_axes = self.rows.n_subjects, self.rows.n_own, len(self._solved)
        require_memory(
            8.0 * P * q * n_axes * (q + 1),
            f"the covariances of {q} coefficients of {P:,} subjects and {n_axes} axes",
            "marginals(), or fewer subjects at a time",
        )
        means, covariances = np.empty((P, q, n_axes)), np.empty((P, n_axes, q, q))

        def work(axis: int, part: int, chunks: list[Chunk]) -> None:
            for chunk in chunks:
                eliminated = self._eliminated(axis, chunk)
                c, m = eliminated.coefficient_rows()[:, : eliminated.n_shared], chunk.last - chunk.first
                spread = c @ self._root(axis, eliminated.columns)
                spread = spread.reshape(m, q, c.shape[1]) * eliminated.deviations[:, None]
                spread = eliminated.factor.coefficients(spread.swapaxes(1, 2)).swapaxes(1, 2)
                means[chunk.first : chunk.last, :, axis] = self._own_means(axis, eliminated)
                covariances[chunk.first : chunk.last, axis] = (
                    eliminated.own_covariances() + spread @ spread.transpose(0, 2, 1)
                )

        self.rows.each(n_axes, work)
        return means, covariances

    def marginals(self) -> Marginals:
        n, n_axes = self.rows.n_rows, len(self._solved)
        require_memory(
            32.0 * n * n_axes,
            f"means and variances of {n:,} visits and {n_axes} axes",
            "fewer subjects at a time",
        )
        out = Marginals(*(np.empty((n, n_axes)) for _ in range(4)))
        self._visit(out)
        return out

    def moments(self) -> LatentVariances:
        return self._visit(None)

    def draw(self, rng: np.random.Generator, n_draws: int = 1, noise: bool = False) -> Array:
        shared = [
            one.mean[:, None] + one.root @ rng.standard_normal((self.rows.n_shared, n_draws))
            for one in self._solved
        ]

        def start(axis: int, chunk: Chunk, generator: np.random.Generator) -> Array:
            block, columns = self.rows.shared_block(chunk)
            return block @ shared[axis][columns]

        return draw_rows(self.rows, self.variances, self.sites, rng, n_draws, noise, start, None)

    def _visit(self, out: Marginals | None) -> LatentVariances:
        """Second moments of all that is random; on the way, marginals of the rows where these are wanted."""
        p, q, n_axes = self.rows.n_shared, self.rows.n_own, len(self._solved)
        n_trends, blocks = len(self.rows.trends), self.variances.correlations
        width = 2 + q + n_trends + sum(len(columns) ** 2 for columns, _ in blocks)
        sums: dict[tuple[int, int], Array] = {}

        def work(axis: int, part: int, chunks: list[Chunk]) -> None:
            total = np.zeros(width)
            for chunk in chunks:
                total += self._visit_chunk(axis, chunk, out)
            sums[axis, part] = total

        n_parts = self.rows.each(n_axes, work)
        totals = [
            sum((sums[axis, part] for part in range(n_parts)), np.zeros(width)) for axis in range(n_axes)
        ]
        table = np.stack(totals, axis=1)
        n_sites, noise, own, excess, second = np.split(table, np.cumsum([1, 1, q, n_trends]))
        P, found = max(self.rows.n_subjects, 1), []
        own = own / P
        for columns, _ in blocks:
            m = len(columns)
            of_block, second = np.split(second, [m * m])
            own[columns], correlation = correlated(columns, of_block.T.reshape(-1, m, m) / P)
            found.append(correlation)
        shared = [one.mean**2 + np.sum(one.root**2, axis=1) for one in self._solved]
        return LatentVariances(
            np.where(n_sites[0] > 0.0, noise[0] / np.maximum(n_sites[0], 1.0), self.variances.noise),
            np.column_stack(shared).reshape(p, n_axes),
            own,
            self._trend_moments(excess),
            tuple(found),
        )

    def _trend_moments(self, excess: Array) -> Array:
        """What EM takes for v, by Fisher's identity from the slope of the evidence in v.

        v + v Σ (E α E g − Cov(g, linear part) / R) / m,    α = (z̃ − linear part) / R.
        """
        prior = self.variances.trends
        return prior * (1.0 + excess / np.maximum(self.system.trend_counts(self.sites), 1.0))

    def _visit_chunk(self, axis: int, chunk: Chunk, out: Marginals | None) -> Array:
        """Number of sites, Σ E ε² at them, Σ E b² (q,), of each trend what its square is too large by, Σ E bbᵀ."""
        eliminated = self._eliminated(axis, chunk)
        p, shared = eliminated.n_shared, self._solved[axis].mean[eliminated.columns]
        root = self._root(axis, eliminated.columns)
        if out is None and eliminated.trends is None and not self.variances.correlations:
            return _squares(eliminated, shared, root)
        sites, seen = eliminated.sites, eliminated.at_rows()
        mean = seen.columns[:, :p] @ shared - seen.columns[:, p]
        scaled = seen.columns[:, :p] @ root
        variance = seen.variance + np.einsum("ij,ij->i", scaled, scaled)
        factor, left = sites.noise_given_linear()
        if out is not None:
            at, kept = self.rows.at(chunk), sites.kept
            out.linear_mean[at, axis], out.linear_variance[at, axis] = mean, variance
            out.mean[at, axis] = mean + factor * (sites.mean - mean)
            out.variance[at, axis] = left + kept**2 * variance
        there = sites.weight > 0.0
        squares = (factor**2 * ((sites.mean - mean) ** 2 + variance) + left)[there].sum()
        c = eliminated.coefficient_rows()
        b, spread = c[:, p] - c[:, :p] @ shared, c[:, :p] @ root
        own = (b**2 + np.einsum("ij,ij->i", spread, spread)).reshape(len(eliminated.factors), -1).sum(axis=0)
        own = own * eliminated.deviations**2 + eliminated.own_variances().sum(axis=0)
        pull, trends = sites.weight**2 * (sites.mean - mean), []
        for trend in eliminated.trends_at_rows():
            value = trend.columns[:, :p] @ shared - trend.columns[:, p]
            common = np.einsum("ij,ij->i", trend.columns[:, :p] @ root, scaled) + trend.variance
            trends.append(float(np.sum(pull * value) - np.sum(sites.weight**2 * common)))
        second = self._second_moments(eliminated, b, spread)
        return np.concatenate([[float(there.sum()), squares], own, trends, *second])

    def _second_moments(self, eliminated: EliminatedChunk, b: Array, spread: Array) -> list[Array]:
        """Σ E bbᵀ over subjects of each set of correlated coefficients, (m²,)."""
        if not self.variances.correlations:
            return []
        factor, shape = eliminated.factor, (len(eliminated.factors), self.rows.n_own, -1)
        mean = factor.coefficients(b.reshape(shape[:2]) * eliminated.deviations)
        roots = factor.coefficients(spread.reshape(shape).swapaxes(1, 2) * eliminated.deviations)
        known = eliminated.own_covariances()
        out = []
        for columns, _ in self.variances.correlations:
            here, root = mean[:, columns], roots[:, :, columns].reshape(-1, len(columns))
            at_once = known[:, columns[:, None], columns].sum(axis=0)
            out.append((here.T @ here + root.T @ root + at_once).ravel())
        return out


def _squares(eliminated: EliminatedChunk, shared: Array, root: Array) -> Array:
    """Number of sites, Σ E ε² at them, Σ E b² (q,), without marginals of rows, which take longer.

    A stacked row times [ρ, −a] is what is not known of it, and what is missing to its response.
    """
    p, sites = eliminated.n_shared, eliminated.sites
    by = np.zeros((p + 1, root.shape[1] + 1))
    by[:p, :-1], by[:p, -1], by[p, -1] = root, -shared, 1.0
    rows, own = eliminated.sums_of_squares(by)
    there = sites.weight > 0.0
    factor, left = sites.noise_given_linear()
    given = factor**2 * eliminated.own_variance_at_rows() + left
    own = own * eliminated.deviations**2 + eliminated.own_variances().sum(axis=0)
    return np.concatenate([[float(there.sum()), sites.noise**2 * rows + given[there].sum()], own])
