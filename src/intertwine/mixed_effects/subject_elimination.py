"""A chunk of subjects with their own coefficients integrated out, for one axis: roots of DᵀWD, and what rows see."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.mixed_effects import _subject_kernels as kernels
from intertwine.mixed_effects.own_factor import OwnFactor
from intertwine.mixed_effects.subject_rows import Chunk, SortedRows
from intertwine.mixed_effects.subject_trends import ChunkTrends, SmoothedColumns
from intertwine.mixed_effects.subjects import LatentVariances, Sites

__all__ = ["AxisSites", "EliminatedChunk", "EliminatedRows", "require_fit"]

Array = NDArray[np.float64]

_LOG_TWO_PI = float(np.log(2.0 * np.pi))


@final
class AxisSites(NamedTuple):
    """Sites of some rows and one axis, with the noise: z̃, s̃ and 1/√R, all 0 where nothing is seen."""

    mean: Array
    variance: Array
    weight: Array
    noise: float

    @classmethod
    def of(cls, sites: Sites, rows: slice | NDArray[np.int64], axis: int, noise: float) -> AxisSites:
        variance = np.asarray(sites.variance[rows, axis], dtype=np.float64)
        there = np.isfinite(variance)
        total = noise + variance
        if not np.all(total > 0.0):
            raise ValueError(
                f"axis {axis}: noise and sites both have the variance zero, or less, or a site's variance is NaN"
            )
        mean = np.where(there, sites.mean[rows, axis], 0.0)
        if not np.isfinite(mean).all():
            raise ValueError(f"axis {axis}: means of sites are not finite")
        weight = np.where(there, 1.0 / np.sqrt(total), 0.0)
        return cls(mean, np.where(there, variance, 0.0), weight, noise)

    @property
    def kept(self) -> Array:
        """Share of what the linear part says that z keeps: s̃ / R."""
        return np.where(self.weight > 0.0, self.variance * self.weight**2, 1.0)

    def noise_given_linear(self) -> tuple[Array, Array]:
        """Factor c with E[ε | linear part] = c (z̃ − linear part), and the variance of ε then."""
        return self.noise * self.weight**2, self.noise * self.kept


class EliminatedRows(NamedTuple):
    """The linear part at the rows of a chunk: columns[:, :p] a − columns[:, p:], plus what else is not known."""

    columns: Array  # (rows, p + s)
    variance: Array  # (rows,) of own coefficients, were the shared ones known


@final
class EliminatedChunk:
    """The own coefficients of a chunk's subjects, integrated out of [F, responses].

    Parameters
    ----------
    rows : SortedRows
    chunk : Chunk
    axis : int
    variances : LatentVariances
    sites : AxisSites
        Of the chunk's rows.
    responses : array of shape (rows, s)
        Columns in place of z̃; read where there are sites.
    with_shared : bool
        Whether the shared features F are among the columns; p below are those that its rows have.
    spent : EliminatedChunk, optional
        One that is needed no longer: where it is as large as this one, its memory is written over, since asking the
        operating system for as much anew takes as long as the elimination.
    """

    def __init__(
        self,
        rows: SortedRows,
        chunk: Chunk,
        axis: int,
        variances: LatentVariances,
        sites: AxisSites,
        responses: Array,
        with_shared: bool = True,
        spent: EliminatedChunk | None = None,
    ) -> None:
        self.rows, self.chunk, self.sites = rows, chunk, sites
        self.shared: Array = np.empty((len(responses), 0))
        self.columns: slice | NDArray[np.int64] = slice(0, 0)
        if with_shared:
            self.shared, self.columns = rows.shared_block(chunk)
        self.n_own, self.n_shared = rows.n_own, self.shared.shape[1]
        self.factor = OwnFactor(variances, axis)
        self.deviations = self.factor.deviations
        self.own = self.factor.features(rows.own[chunk.rows])
        self.responses = responses
        n, m = chunk.rows.stop - chunk.rows.start, chunk.last - chunk.first
        shape = n + m * self.n_own, self.n_shared + responses.shape[1]
        usable = spent is not None and spent.stacked.shape == shape
        self.stacked: Array = spent.stacked if spent is not None and usable else np.empty(shape)
        self.factors = np.empty((m, self.n_own, self.n_own))
        self.trends = None
        self.log_determinant = 0.0
        if rows.trends:
            self.trends = ChunkTrends(
                rows.trends, rows.times[chunk.rows], chunk.starts, variances.trends[:, axis], sites.weight
            )
            white, self.log_determinant = self.trends.whiten(self._columns())
            own = np.ascontiguousarray(white[:, : self.n_own])
            kernels.stack(chunk.starts, self.n_own, white[:, self.n_own :], np.ones(n), 0, self.stacked)
        else:
            own = self.own * sites.weight[:, None]
            kernels.stack(chunk.starts, self.n_own, self.shared, sites.weight, 0, self.stacked)
            kernels.stack(chunk.starts, self.n_own, responses, sites.weight, self.n_shared, self.stacked)
        self.log_determinant += kernels.eliminate(
            chunk.starts, own, self.deviations, self.stacked, self.factors
        )
        there = sites.weight > 0.0
        self.n_sites = int(there.sum())
        if self.trends is None:
            self.log_determinant -= 2.0 * float(np.log(sites.weight[there]).sum())

    def _columns(self) -> Array:
        """[U M, F, responses] at the rows."""
        return np.hstack([self.own, self.shared, self.responses])

    @property
    def log_normaliser(self) -> float:
        """−½ log det (2π W⁻¹)."""
        return -0.5 * (self.n_sites * _LOG_TWO_PI + self.log_determinant)

    def add_gram(self, total: Array) -> None:
        """Add [F, responses]ᵀ W [F, responses] where these columns stand among all, the responses last."""
        gram = self.stacked.T @ self.stacked
        if isinstance(self.columns, slice):
            total += gram
        else:
            at = np.concatenate([self.columns, np.arange(len(total) - self.responses.shape[1], len(total))])
            total[at[:, None], at] += gram

    @cached_property
    def _smoothed(self) -> SmoothedColumns | None:
        return None if self.trends is None else self.trends.smooth(self._columns())

    def at_rows(self) -> EliminatedRows:
        """The linear part at all rows, also those without sites."""
        own, q = self.own, self.n_own
        n, width = len(own), self.stacked.shape[1]
        columns, variance = np.zeros((n, width)), np.zeros(n)
        columns[:, : self.n_shared] = self.shared
        if self._smoothed is not None:
            explained = self._smoothed.values.sum(axis=0)
            own = own - explained[:, :q]
            columns -= explained[:, q:]
            variance += self._smoothed.covariance.sum(axis=0)
        kernels.carry_to_rows(self.chunk.starts, own, self.deviations, self.stacked, columns)
        kernels.own_covariance_at_rows(self.chunk.starts, own, own, self.deviations, self.factors, variance)
        return EliminatedRows(columns, variance)

    def trends_at_rows(self) -> list[EliminatedRows]:
        """Each trend, as `at_rows` has the linear part; in place of a variance its covariance with the linear part."""
        if self._smoothed is None:
            return []
        q = self.n_own
        linear = self.own - self._smoothed.values[:, :, :q].sum(axis=0)
        out = []
        for values, known in zip(self._smoothed.values, self._smoothed.covariance, strict=True):
            columns, explained, covariance = -values[:, q:], -values[:, :q], known.copy()
            kernels.carry_to_rows(self.chunk.starts, explained, self.deviations, self.stacked, columns)
            kernels.own_covariance_at_rows(
                self.chunk.starts, explained, linear, self.deviations, self.factors, covariance
            )
            out.append(EliminatedRows(columns, covariance))
        return out

    def coefficient_rows(self) -> Array:
        """The c of each subject (m q, p + s): own coefficients are M β (c_z − c_F a), and what is not known of them."""
        m, q = self.chunk.last - self.chunk.first, self.n_own
        at = (self.chunk.starts[1:] - self.chunk.starts[0])[:, None] + q * np.arange(m)[:, None]
        return self.stacked[(at + np.arange(q)).ravel()]

    def sums_of_squares(self, by: Array) -> tuple[float, Array]:
        """Of rows of [R^−½ D̂; c] ``by``, (p + s, …): Σ ‖·‖² / R over sites; Σ ‖·‖² of each own coefficient, (q,)."""
        own = np.zeros(self.n_own)
        rows = kernels.sums_of_squares(
            self.chunk.starts, self.stacked, np.ascontiguousarray(by), self.sites.weight**2, own
        )
        return rows, own

    def own_variance_at_rows(self) -> Array:
        """Of U b at the rows (rows,), were the shared coefficients known; without trends."""
        variance = np.zeros(len(self.own))
        kernels.own_covariance_at_rows(
            self.chunk.starts, self.own, self.own, self.deviations, self.factors, variance
        )
        return variance

    def own_variances(self) -> Array:
        """Of what is new in own coefficients, (m, q), were the shared ones known."""
        out = np.empty((len(self.factors), self.n_own))
        kernels.own_variances(self.factors, self.deviations, out)
        return out

    def own_covariances(self) -> Array:
        """Of the own coefficients, (m, q, q), were the shared ones known."""
        out = np.empty_like(self.factors)
        kernels.own_covariances(self.factors, self.deviations, out)
        return self.factor.covariances(out)


def require_fit(rows: SortedRows, sites: Sites, variances: LatentVariances) -> None:
    """Refuse sites and variances of other shapes than rows have, and variances below zero."""
    n_axes = len(variances.noise)
    expected = {
        "sites.mean": (sites.mean, (rows.n_rows, n_axes)),
        "sites.variance": (sites.variance, (rows.n_rows, n_axes)),
        "variances.shared": (variances.shared, (rows.n_shared, n_axes)),
        "variances.own": (variances.own, (rows.n_own, n_axes)),
        "variances.trends": (variances.trends, (len(rows.trends), n_axes)),
    }
    for name, (value, shape) in expected.items():
        if np.shape(value) != shape:
            raise ValueError(f"{name} has the shape {np.shape(value)}, expecting {shape}")
    checked = {
        "noise": variances.noise,
        **dict(zip(("shared", "own", "trends"), variances.of_effects, strict=True)),
    }
    for name, value in checked.items():
        if not np.all(np.asarray(value) >= 0.0) or (name != "shared" and not np.isfinite(value).all()):
            raise ValueError(
                f"variances.{name} must not be negative" + ", NaN or infinite" * (name != "shared")
            )
    for columns, matrix in variances.correlations:
        if matrix.shape != (n_axes, len(columns), len(columns)):
            raise ValueError(
                f"correlations have the shape {matrix.shape}, of {len(columns)} own coefficients"
            )
