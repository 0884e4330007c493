"""Fitted interactions: coefficients of pairs on demand, never all p (p − 1) / 2 of them unless asked.

Two representations with one interface:

* `DualCoefficients` (exact path): θ_jk = c·g_jk + (1/μ) Σ_i α_i x_ij x_ik, from the fitted rows and the target;
* `ExplicitCoefficients` (sparse path): the nonzero entries.

Coefficients here belong to the scaled and weighted columns that the model was fitted on.
"""

from __future__ import annotations

import abc
from functools import cached_property
from typing import NamedTuple, final

import numpy as np
from scipy import sparse

from intertwine.effects.features import Pairs, Triples
from intertwine.latent_errors import MOST_PARAMETERS, LatentErrors
from intertwine.objective import Strengths, SumOfTargets

__all__ = [
    "AbstractCoefficients",
    "DualCoefficients",
    "ExplicitCoefficients",
    "Ranking",
    "WrittenPairs",
    "strongest",
]

_BLOCK = 2048


class AbstractCoefficients(abc.ABC):
    """Coefficients θ_jk of all pairs of ``n_columns`` columns."""

    n_columns: int
    has_variances: bool
    has_conditional_variances: bool

    @abc.abstractmethod
    def scores(self, columns) -> np.ndarray:
        """What the interactions add to the scores of rows, (n,)."""

    @abc.abstractmethod
    def entries(self, j, k) -> np.ndarray:
        """θ_jk for index arrays of equal length."""

    @abc.abstractmethod
    def target_entries(self, j, k) -> np.ndarray:
        """The part of θ_jk that comes from the latent target."""

    @abc.abstractmethod
    def block(self, rows, columns) -> np.ndarray:
        """Dense block of Θ, zero on the diagonal."""

    @abc.abstractmethod
    def variances(self, j, k) -> np.ndarray:
        """Posterior variance of θ_jk, the target's own included; NaN where there is none."""

    @abc.abstractmethod
    def conditional_variances(self, j, k) -> np.ndarray:
        """The same at a target held fixed."""


class WrittenPairs(NamedTuple):
    """Deviations of pairs from their target, written out: a tall table has few.

    Attributes
    ----------
    theta : ndarray (q, q)
        Symmetric, zero on the diagonal.
    variances : ndarray (q (q − 1) / 2,) or None
        At a fixed target, in the order of ``numpy.triu_indices``; None where none are wanted.
    covariance : ndarray (q (q − 1) / 2, q (q − 1) / 2) or None
        Likewise; None also in a model loaded from a file that it would have made too large.
    spread : ndarray (q (q − 1) / 2, m) or None
        Rows whose products are what the target's m parameters add (`LatentErrors.spread`); None where not known.
    inflation : float
        `LatentErrors.inflation`.
    """

    theta: np.ndarray
    variances: np.ndarray | None
    covariance: np.ndarray | None
    spread: np.ndarray | None = None
    inflation: float = 1.0

    @classmethod
    def of(cls, n_columns: int, values, covariance) -> WrittenPairs:
        """From the values over the pairs j < k."""
        theta = np.zeros((n_columns, n_columns))
        theta[np.triu_indices(n_columns, 1)] = values
        variances = None if covariance is None else np.diag(covariance).copy()
        return cls(theta + theta.T, variances, covariance)

    def places(self, j, k) -> np.ndarray:
        """Positions of pairs in the order of ``numpy.triu_indices``."""
        low, high = np.minimum(j, k), np.maximum(j, k)
        return low * len(self.theta) - low * (low + 1) // 2 + high - low - 1


@final
class DualCoefficients(AbstractCoefficients):
    """Interactions of the exact path.

    Parameters
    ----------
    columns : ndarray (n, q)
        Fitted rows.
    alpha : ndarray (n,)
        Dual coefficients.
    strengths : Strengths
    target, params : structure and its parameters, or None
    order : {2, 3}
    posterior : Posterior or None
        None: no variances but those that are written (a large model loaded from a file).
    written : WrittenPairs or None
        Deviations from the target, where there are fewer of them than rows; otherwise they follow from ``alpha``.
    """

    def __init__(
        self,
        columns,
        alpha,
        strengths: Strengths,
        target,
        params,
        order,
        posterior,
        written: WrittenPairs | None,
    ):
        self.columns = columns
        self.alpha = alpha
        self.strengths = strengths
        self.target = target
        self.params = params
        self.order = order
        self.posterior = posterior
        self.written = written
        self.n_columns = columns.shape[1]
        known = posterior is not None if written is None else written.variances is not None
        self.has_conditional_variances = known
        self.n_target_parameters = 0 if target is None else self._pair_target()[0].size
        told = self.n_target_parameters <= MOST_PARAMETERS if written is None else written.spread is not None
        self.has_variances = known and (target is None or told)

    @property
    def _spread(self):
        return 0.0 if np.isinf(self.strengths.deviation) else 1.0 / self.strengths.deviation

    def _pair_target(self):
        if isinstance(self.target, SumOfTargets):
            return self.target.parts[0], self.target.split(self.params)[0]
        return self.target, self.params

    def scores(self, columns):
        f = np.zeros(len(columns))
        if self._spread:
            f += self._deviation_scores(columns)
            if self.order == 3:
                f += self._spread * (Triples().covariance(columns, self.columns) @ self.alpha)
        if self.target is not None:
            f += self.strengths.shrinkage * self.target.score(self.params, columns)
        return f

    def _deviation_scores(self, columns):
        """The pairs' deviations from the target: by their matrix where it is smaller than a kernel between rows."""
        if self.written is None and self.n_columns > len(self.columns):
            return self._spread * (Pairs().covariance(columns, self.columns) @ self.alpha)
        return 0.5 * np.einsum("ij,ij->i", columns @ self._deviations, columns)

    @cached_property
    def _deviations(self):
        if self.written is not None:
            return self.written.theta
        columns = np.ascontiguousarray(self.columns)  # as a file gives them back: products round by the order
        theta = self._spread * ((columns.T * self.alpha) @ columns)
        np.fill_diagonal(theta, 0.0)
        return theta

    def target_entries(self, j, k):
        if self.target is None:
            return np.zeros(len(j))
        target, params = self._pair_target()
        return self.strengths.shrinkage * target.entries(params, j, k)

    def entries(self, j, k):
        if self.written is not None:
            return self.written.theta[j, k] + self.target_entries(j, k)
        deviation = self._spread * np.einsum("i,ij,ij->j", self.alpha, self.columns[:, j], self.columns[:, k])
        return deviation + self.target_entries(j, k)

    def block(self, rows, columns):
        rows, columns = np.asarray(rows), np.asarray(columns)
        if self.written is not None:
            theta = self.written.theta[np.ix_(rows, columns)]
        else:
            theta = self._spread * ((self.columns[:, rows].T * self.alpha) @ self.columns[:, columns])
        if self.target is not None:
            target, params = self._pair_target()
            theta += self.strengths.shrinkage * target.block(params, rows, columns)
        theta[rows[:, None] == columns[None, :]] = 0.0
        return theta

    def variances(self, j, k):
        if not self.has_variances:
            return np.full(len(j), np.nan)
        variances = self.conditional_variances(j, k)
        if self.target is None:
            return variances
        of_target = [np.sum(self._spread_of(*part) ** 2, axis=1) for part in _parts(j, k)]
        return self._inflation * (variances + np.concatenate([np.zeros(0), *of_target]))

    def conditional_variances(self, j, k):
        if not self.has_conditional_variances:
            return np.full(len(j), np.nan)
        if self.written is not None:
            assert self.written.variances is not None  # has_conditional_variances
            return self.written.variances[self.written.places(np.asarray(j), np.asarray(k))]
        variances = [self.posterior.variance(self._products(*part), self._spread) for part in _parts(j, k)]
        return np.concatenate([np.zeros(0), *variances])

    def covariance(self, j, k) -> np.ndarray | None:
        """Posterior covariance of some pairs, (m, m), the target's own included; None where it is not known."""
        covariance = self.conditional_covariance(j, k)
        if covariance is None or not self.has_variances or self.target is None:
            return covariance if self.has_variances else None
        spread = self._spread_of(j, k)
        return self._inflation * (covariance + spread @ spread.T)

    def conditional_covariance(self, j, k) -> np.ndarray | None:
        """The same at a target held fixed."""
        if not self.has_conditional_variances:
            return None
        if self.written is not None:
            places = self.written.places(np.asarray(j), np.asarray(k))
            whole = self.written.covariance
            return None if whole is None else whole[np.ix_(places, places)]
        products = self._products(j, k)
        explained = products.T @ self.posterior.P.matmul(products)
        return self.posterior.scale * self._spread * (np.eye(len(j)) - self._spread * explained)

    def _products(self, j, k):
        return self.columns[:, j] * self.columns[:, k]

    @property
    def _inflation(self):
        return self._latent_errors.inflation if self.written is None else self.written.inflation

    def _spread_of(self, j, k):
        """What the target's parameters do to pairs, (m, size): `LatentErrors.spread`."""
        if self.written is not None:
            assert self.written.spread is not None  # has_variances
            return self.written.spread[self.written.places(np.asarray(j), np.asarray(k))]
        target, params = self._pair_target()
        slopes = target.entry_jacobian(params, j, k) - self._spread * self._products(j, k).T @ self._pulled
        return self._latent_errors.spread(self.strengths.shrinkage * slopes)

    @cached_property
    def _pulled(self):
        """P φ': how the dual coefficients move with the target's parameters, (n, size)."""
        target, params = self._pair_target()
        return self.posterior.P.matmul(target.jacobian(params, self.columns))

    @cached_property
    def _latent_errors(self) -> LatentErrors:
        target, params = self._pair_target()
        quadratic = target.jacobian(params, self.columns).T @ self._pulled
        return LatentErrors.of(
            self.strengths.shrinkage**2 * quadratic,
            self.strengths.target_ridge * target.entry_gram(params),
            self.posterior.scale,
            self.posterior.freedom,
        )


def _parts(j, k):
    """Index arrays in blocks."""
    return [(j[start : start + _BLOCK], k[start : start + _BLOCK]) for start in range(0, len(j), _BLOCK)]


@final
class ExplicitCoefficients(AbstractCoefficients):
    """Interactions of the sparse path: entries (j < k) and, with standardised products, how those were scaled.

    Parameters
    ----------
    n_columns : int
    j, k : ndarray of int (m,)
    values, targets : ndarray (m,)
        Coefficients, and the latent target at the same places.
    center, scale : ndarray (m,)
        Of the products x_j x_k; 0 and 1 for plain products.
    """

    has_variances = has_conditional_variances = False

    def __init__(self, n_columns, j, k, values, targets, center, scale):
        self.n_columns = n_columns
        self.j, self.k, self.values, self.targets = j, k, values, targets
        self.center, self.scale = center, scale
        half = sparse.coo_array((values / scale, (j, k)), shape=(n_columns, n_columns))
        # A product of a dense row block with many entries is faster dense.
        dense = len(values) > 0.05 * n_columns**2
        self._half = half.toarray() if dense else half.tocsr()
        self._shift = float(np.sum(values * center / scale))

    @cached_property
    def _matrix(self):
        return self._symmetric(self.values)

    @cached_property
    def _target_matrix(self):
        return self._symmetric(self.targets)

    def _symmetric(self, values):
        shape = (self.n_columns, self.n_columns)
        upper = sparse.coo_array((values, (self.j, self.k)), shape=shape).tocsr()
        return upper + upper.T

    def scores(self, columns):
        return np.einsum("ij,ij->i", columns @ self._half, columns) - self._shift

    def entries(self, j, k):
        return _picked(self._matrix, j, k)

    def target_entries(self, j, k):
        return _picked(self._target_matrix, j, k)

    def block(self, rows, columns):
        return self._matrix[np.asarray(rows)][:, np.asarray(columns)].toarray()

    def variances(self, j, k):
        return np.full(len(j), np.nan)

    def conditional_variances(self, j, k):
        return np.full(len(j), np.nan)


def _picked(matrix, j, k):
    # scipy picks no entries as a sparse array
    return np.asarray(matrix[j, k]).ravel() if len(j) else np.zeros(0)


class Ranking(NamedTuple):
    """Pairs in order of strength."""

    j: np.ndarray
    k: np.ndarray


def strongest(coefficients: AbstractCoefficients, n_pairs: int, weights, by: str) -> Ranking:
    """The pairs with the largest |estimate| or |z|, streamed over blocks of Θ.

    ``weights`` (q,) turn coefficients of weighted columns into those of scaled ones. Ties in strength are broken by
    position, so the ranking does not depend on the blocks.
    """
    q = coefficients.n_columns
    best_j, best_k, best = np.zeros(0, int), np.zeros(0, int), np.zeros(0)
    everyone = np.arange(q)
    for start in range(0, q, _BLOCK):
        rows = everyone[start : start + _BLOCK]
        for other in range(start, q, _BLOCK):
            columns = everyone[other : other + _BLOCK]
            size = np.abs(coefficients.block(rows, columns)) * np.abs(weights[rows, None] * weights[columns])
            upper = rows[:, None] < columns[None, :]
            if by == "z":
                a, b = np.nonzero(upper)
                deviation = np.sqrt(coefficients.variances(rows[a], columns[b]))
                deviation *= np.abs(weights[rows[a]] * weights[columns[b]])
                size[a, b] = np.divide(size[a, b], deviation, out=np.zeros(len(a)), where=deviation > 0)
            size[~upper] = -1.0
            keep = min(n_pairs, size.size)
            flat = np.argpartition(-size, keep - 1, axis=None)[:keep]
            a, b = np.unravel_index(flat, size.shape)
            best_j, best_k = np.append(best_j, rows[a]), np.append(best_k, columns[b])
            best = np.append(best, size[a, b])
            order = np.lexsort((best_k, best_j, -best))[:n_pairs]
            best_j, best_k, best = best_j[order], best_k[order], best[order]
    positive = best > 0
    return Ranking(best_j[positive], best_k[positive])
