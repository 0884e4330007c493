"""Locally linear factorization machines: each row is answered by a blend of the experts at its nearest anchors.

    f(x) = Σ_i γ_i(u) f_i(x),    f_i(x) = b_i + w_iᵀx + Σ_{j<k} ⟨v_ij, v_ik⟩ x_j x_k,    Σ_i γ_i = 1,

with the weights γ a coding (`intertwine.structures.coding`) of the squared distances gamma · ‖u − z_i‖² between anchors
and the row's coordinates u: the row itself, some of its columns, or its projection u = Pᵀx.

References
----------
Liu, Zhang, Zhao, Zhou & Sun (2017), Locally linear factorization machines, IJCAI.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from intertwine.structures import _local_fm_kernels as kernels
from intertwine.structures._lanes import LANES, aligned_zeros
from intertwine.structures.base import AbstractStructure
from intertwine.structures.coding import AbstractCoding, Codes

__all__ = ["Anchors", "Blend", "LocalFM", "LocalFMParams", "Rows", "in_vectors"]

_START_SPREAD = 0.1  # of the factors
_ROWS = 8192  # scored at a time: what is kept of a row is many times the row


class LocalFMParams(NamedTuple):
    """Parameters of a local factorization machine with m anchors over p features.

    Attributes
    ----------
    intercepts : ndarray of shape (m,)
    experts : ndarray of shape (m, p, 1 + k)
        Of each expert and feature: the linear weight, then the k factors.
    anchors : ndarray of shape (m, q)
    projection : ndarray of shape (p, r)
        P, with q = r; r = 0 where rows are not projected.
    gamma : ndarray of shape ()
        Factor of the squared distances.
    """

    intercepts: NDArray
    experts: NDArray
    anchors: NDArray
    projection: NDArray
    gamma: NDArray

    @property
    def linear(self) -> NDArray:
        """Linear weights (m, p)."""
        return self.experts[:, :, 0]

    @property
    def factors(self) -> NDArray:
        """Factors (m, p, k)."""
        return self.experts[:, :, 1:]


class Rows(NamedTuple):
    """The arrays of a CSR matrix; ``indptr`` may be a slice of a longer one."""

    indptr: NDArray
    indices: NDArray
    data: NDArray

    @classmethod
    def of(cls, X: Any) -> Rows:
        """Those of a CSR matrix, or of an array that is taken as full."""
        if sparse.issparse(X):
            return cls(X.indptr, X.indices, X.data)
        n, q = X.shape
        return cls(np.arange(n + 1) * q, np.tile(np.arange(q), n), X.ravel())


def in_vectors(width: int) -> int:
    """So many numbers, rounded up to what whole vectors hold.

    Examples
    --------
    >>> in_vectors(12)
    16
    """
    return -(-width // LANES) * LANES


def _zeros(*shape: int) -> NDArray:
    """Zeros with a last axis that is read in whole vectors."""
    whole = in_vectors(shape[-1])
    return aligned_zeros(math.prod(shape[:-1]) * whole).reshape(*shape[:-1], whole)


class Anchors(NamedTuple):
    """Anchors as they are searched and moved: anchor i is ``scale[i] * directions[:, i]``.

    Attributes
    ----------
    directions : ndarray of shape (q, m or a little more)
        In whole vectors, zero behind the last anchor.
    scale, squares : ndarray of shape (m,)
        ``squares`` are the squared norms of the anchors.
    """

    directions: NDArray
    scale: NDArray
    squares: NDArray

    @classmethod
    def of(cls, anchors: NDArray) -> Anchors:
        """Lay out anchors given as rows."""
        m, q = anchors.shape
        directions = _zeros(q, m)
        directions[:, :m] = anchors.T
        return cls(directions, np.ones(m), np.einsum("iq,iq->i", anchors, anchors))

    @property
    def rows(self) -> NDArray:
        """Anchors as rows (m, q)."""
        return np.ascontiguousarray((self.directions[:, : len(self.scale)] * self.scale).T)


class Blend(NamedTuple):
    """Scores of some rows, and all that the chain rule needs of them.

    Attributes
    ----------
    scores : ndarray of shape (n,)
    codes : Codes
    values : ndarray of shape (n, K)
        Scores of each row's experts.
    sums : ndarray of shape (n, K, k)
        V_iᵀx of each row's experts.
    coordinates : Rows
        What distances were measured in.
    """

    scores: NDArray
    codes: Codes
    values: NDArray
    sums: NDArray
    coordinates: Rows


@final
class LocalFM(AbstractStructure):
    """Blend of factorization machines over anchors.

    Parameters
    ----------
    n_features, n_components, n_anchors : int
        p, k and m.
    coding : AbstractCoding
        From distances to weights.
    columns : ndarray of int, optional
        Columns that distances are measured in; None: all.

    Examples
    --------
    >>> import numpy as np
    >>> from intertwine.structures.coding import GaussianCoding
    >>> X = np.random.default_rng(0).standard_normal((6, 3))
    >>> machine = LocalFM(3, 2, 4, GaussianCoding(2))
    >>> params = machine.init(X, np.random.default_rng(1))
    >>> machine.score(params, X).shape
    (6,)
    >>> machine.codes(params, X).weights.sum(axis=1)
    array([1., 1., 1., 1., 1., 1.])
    """

    def __init__(
        self,
        n_features: int,
        n_components: int,
        n_anchors: int,
        coding: AbstractCoding,
        columns: NDArray | None = None,
    ) -> None:
        self.n_features = n_features
        self.n_components = n_components
        self.n_anchors = n_anchors
        self.coding = coding
        self.columns = columns

    def init(self, X, rng):
        """Small random factors, and anchors at rows drawn at random."""
        rows = np.sort(rng.choice(X.shape[0], self.n_anchors, replace=X.shape[0] < self.n_anchors))
        anchors = self.coordinates(X)[rows]
        experts = np.zeros((self.n_anchors, self.n_features, 1 + self.n_components))
        experts[:, :, 1:] = _START_SPREAD * rng.standard_normal(experts[:, :, 1:].shape)
        return LocalFMParams(
            np.zeros(self.n_anchors),
            experts,
            np.ascontiguousarray(anchors.toarray() if sparse.issparse(anchors) else anchors),
            np.zeros((self.n_features, 0)),
            np.array(1.0),
        )

    def coordinates(self, X, projection: NDArray | None = None):
        """What distances are measured in, shape (n, q); an array or CSR, as X is."""
        if projection is not None and projection.shape[1]:
            return np.ascontiguousarray(X @ projection)
        return X if self.columns is None else X[:, self.columns]

    def blend(
        self, params: LocalFMParams, rows: Rows, coordinates: Rows, anchors: Anchors | None = None
    ) -> Blend:
        """Score rows, with what `pull_back` needs; ``anchors`` take the place of those of ``params``."""
        codes = self._code(params, coordinates, Anchors.of(params.anchors) if anchors is None else anchors)
        nearest, _, weights, counts = codes
        n, size = nearest.shape
        values, sums, scores = np.zeros((n, size)), np.empty((n, size, self.n_components)), np.empty(n)
        kernels.score_experts(
            *rows, nearest, weights, counts, params.intercepts, params.experts, values, sums, scores
        )
        return Blend(scores, codes, values, sums, coordinates)

    def _code(self, params: LocalFMParams, coordinates: Rows, anchors: Anchors) -> Codes:
        n, size = len(coordinates.indptr) - 1, min(self.coding.n_neighbors, self.n_anchors)
        nearest, distances = np.empty((n, size), dtype=np.int32), np.empty((n, size))
        reach = self.coding.reach / float(params.gamma)
        kernels.find_nearest(*coordinates, *anchors, reach, nearest, distances)
        return Codes(nearest, distances, *self.coding.weigh(params.gamma * distances))

    def slopes(self, params: LocalFMParams, blend: Blend, v: NDArray) -> NDArray:
        """V · ∂f/∂‖u − z_i‖² for every row and its anchors, shape (n, K)."""
        _, _, weights, counts = blend.codes
        slopes = self.coding.slopes(weights, counts, blend.values, blend.scores)
        slopes *= v[:, None] * params.gamma
        return slopes

    def rows_of(self, params: LocalFMParams, X) -> tuple[Rows, Rows]:
        """Rows and their coordinates."""
        X = X if sparse.issparse(X) else sparse.csr_array(X)
        coordinates = self.coordinates(X, params.projection)
        return Rows.of(X), Rows.of(coordinates)

    def score(self, params, X):
        anchors = Anchors.of(params.anchors)
        # of each expert and feature: the linear weight, ½‖v‖², the factors
        table = _zeros(*params.experts.shape[:2], 2 + self.n_components)
        table[:, :, 0], table[:, :, 1] = params.linear, 0.5 * (params.factors**2).sum(axis=2)
        table[:, :, 2 : 2 + self.n_components] = params.factors
        scores = np.empty(X.shape[0])
        for start in range(0, X.shape[0], _ROWS):
            part = slice(start, start + _ROWS)
            rows, coordinates = self.rows_of(params, X[part])
            nearest, _, weights, counts = self._code(params, coordinates, anchors)
            kernels.blend_scores(*rows, nearest, weights, counts, params.intercepts, table, scores[part])
        return scores

    def codes(self, params: LocalFMParams, X) -> Codes:
        """Code rows over the anchors."""
        anchors, parts = Anchors.of(params.anchors), []
        for start in range(0, X.shape[0], _ROWS):
            _, coordinates = self.rows_of(params, X[start : start + _ROWS])
            parts.append(self._code(params, coordinates, anchors))
        return Codes(*map(np.concatenate, zip(*parts, strict=True)))

    def pushforward(self, params, X, direction):
        rows, coordinates = self.rows_of(params, X)
        blend = self.blend(params, rows, coordinates)
        nearest, distances, weights, counts = blend.codes
        out, one = np.zeros(X.shape[0]), np.ones(X.shape[0])
        kernels.push_forward_experts(
            *rows, nearest, weights, counts, params.experts, blend.sums,
            direction.intercepts, direction.experts, out,
        )  # fmt: skip
        slopes = self.slopes(params, blend, one)
        moves = np.einsum("iq,iq->i", params.anchors, direction.anchors)
        kernels.push_forward_anchors(*coordinates, nearest, counts, slopes, direction.anchors, moves, out)
        if params.projection.shape[1]:
            gaps = X @ params.projection
            out += 2.0 * np.einsum(
                "na,naq,nq->n", slopes, gaps[:, None] - params.anchors[nearest], X @ direction.projection
            )
        return out + (slopes * distances).sum(axis=1) * direction.gamma / params.gamma

    def pullback(self, params, X, v):
        rows, coordinates = self.rows_of(params, X)
        return self.pull_back(params, X, rows, self.blend(params, rows, coordinates), v)

    def pull_back(self, params: LocalFMParams, X, rows: Rows, blend: Blend, v: NDArray) -> LocalFMParams:
        """Jᵀ v at rows that have been scored; X is read only where rows are projected."""
        nearest, distances, weights, counts = blend.codes
        intercepts, experts = np.zeros_like(params.intercepts), np.zeros_like(params.experts)
        kernels.pull_back_experts(
            *rows, nearest, weights, counts, v, params.experts, blend.sums, intercepts, experts
        )
        slopes = self.slopes(params, blend, v)
        anchors, totals = np.zeros_like(params.anchors), np.zeros(self.n_anchors)
        kernels.pull_back_anchors(*blend.coordinates, nearest, counts, slopes, totals, anchors)
        anchors += 2.0 * totals[:, None] * params.anchors
        projection = np.zeros_like(params.projection)
        if projection.shape[1]:
            projection += X.T @ self.coordinate_slopes(params, blend, slopes)
        gamma = np.array((slopes * distances).sum() / params.gamma)
        return LocalFMParams(intercepts, experts, anchors, projection, gamma)

    def coordinate_slopes(self, params: LocalFMParams, blend: Blend, slopes: NDArray) -> NDArray:
        """Σ_i slope_i · ∂‖u − z_i‖²/∂u, shape (n, r), of projected rows."""
        u = blend.coordinates.data.reshape(len(slopes), -1)
        centers = np.einsum("na,naq->nq", slopes, params.anchors[blend.codes.nearest])
        return 2.0 * (slopes.sum(axis=1)[:, None] * u - centers)
