"""From features to the columns a model works on: spline basis, scale, relevance weights, own squares.

Everything learnt here is learnt from the rows it is given, so that cross-validation refits it inside every fold.
A feature becomes one or several columns; interactions are products of columns. Coefficients are reported per
standard deviation of a feature: relevance weights change how strongly a column is penalised, not what its
coefficient means.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from intertwine.basis import NormalScores, SplineBasis

__all__ = ["Preparation", "marginal_relevance", "prepare", "reweight"]

_TINY = 1e-12
_BLOCK_ENTRIES = 1 << 21


class Preparation(NamedTuple):
    """A fitted map from features (n, p) to columns (n, q).

    Attributes
    ----------
    center, scale : ndarray (q,)
        Of the columns; a constant column has scale 0 and becomes 0.
    feature_of : ndarray of int (q,)
        The feature that every column comes from.
    weights : ndarray (q,)
        Relevance weight of every column.
    square_center, square_scale : ndarray (q,)
        Of the squared (scaled, weighted) columns; scale 0 where a square says nothing new (binary columns).
        Empty without own squares.
    ranks : NormalScores or None
        Applied to the features first.
    spline : SplineBasis or None
        Applied next.
    """

    center: np.ndarray
    scale: np.ndarray
    feature_of: np.ndarray
    weights: np.ndarray
    square_center: np.ndarray
    square_scale: np.ndarray
    ranks: NormalScores | None
    spline: SplineBasis | None

    def columns(self, X) -> np.ndarray:
        """Scaled, weighted columns (n, q)."""
        return self._scaled(X) * self.weights

    def _scaled(self, X):
        expanded = _expand(np.asarray(X, dtype=float), self.ranks, self.spline)
        return (expanded - self.center) * _safe_inverse(self.scale)

    def squares(self, columns) -> np.ndarray:
        """Standardised squares of those columns whose square is informative, (n, s)."""
        keep = self.square_kept
        return (columns[:, keep] ** 2 - self.square_center[keep]) / self.square_scale[keep]

    @property
    def square_kept(self) -> np.ndarray:
        """Indices of the columns that have an own square."""
        return np.flatnonzero(self.square_scale)


def _expand(X, ranks, spline):
    if ranks is not None:
        X = ranks.transform(X)
    return X if spline is None else spline.transform(X)


def _safe_inverse(scale):
    return np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)


def _moments(X, weights):
    share = weights / weights.sum()
    center = share @ X
    variance = np.empty(X.shape[1])
    # Squares are taken about the mean, or a year in seconds would drown its days; by blocks, as X may be large.
    step = max(1, _BLOCK_ENTRIES // len(X))
    for start in range(0, X.shape[1], step):
        block = X[:, start : start + step] - center[start : start + step]
        variance[start : start + step] = np.einsum("i,ij,ij->j", share, block, block) - (share @ block) ** 2
    spread = np.sqrt(np.maximum(variance, 0.0))
    # The mean leaves rounding behind in columns that are constant.
    return center, np.where(spread > 1e-12 * np.maximum(np.abs(center), _TINY), spread, 0.0)


def prepare(
    X, sample_weight, *, spline_knots=0, standardize=True, quantile=False, squares=False
) -> Preparation:
    """Fit a preparation with all relevance weights 1.

    Parameters
    ----------
    X : ndarray (n, p)
    sample_weight : ndarray (n,)
    spline_knots : int, default=0
        Knots of a cubic B-spline basis for every feature, at quantiles; 0 keeps the features as they are.
    standardize : bool, default=True
        Give every feature mean 0 and variance 1 (a feature's basis columns share one scale). A spline basis is
        always standardised.
    quantile : bool, default=False
        Replace every feature by its normal scores first: ranks, so that outliers and row scale lose their pull.
    squares : bool, default=False
        Also give every column its own, standardised square.
    """
    X = np.asarray(X, dtype=float)
    ranks, spline, feature_of, expanded = None, None, np.arange(X.shape[1]), X
    if quantile:
        ranks = NormalScores.fit(X)
        expanded = ranks.transform(X)
    if spline_knots:
        spline = SplineBasis.fit(expanded, spline_knots)
        feature_of, expanded = spline.feature_of, spline.transform(expanded)
    if standardize or quantile or spline_knots:
        center, scale = _moments(expanded, sample_weight)
        if spline_knots:
            # One scale for a feature's whole basis: rare columns at the edges are not blown up.
            total = np.sqrt(np.bincount(feature_of, weights=scale**2))
            scale = np.where(scale > 0, total[feature_of], 0.0)
    else:
        center, scale = np.zeros(expanded.shape[1]), np.ones(expanded.shape[1])
    empty = np.zeros(0)
    preparation = Preparation(center, scale, feature_of, np.ones(len(center)), empty, empty, ranks, spline)
    return _with_squares(preparation, X, sample_weight) if squares else preparation


def _with_squares(preparation, X, sample_weight):
    columns = preparation.columns(X)
    center, scale = _moments(columns**2, sample_weight)
    # The square of a two-valued column is a linear function of the column itself.
    two_valued = np.all((columns == columns.min(axis=0)) | (columns == columns.max(axis=0)), axis=0)
    return preparation._replace(square_center=center, square_scale=np.where(two_valued, 0.0, scale))


def column_weights(relevance, feature_of) -> np.ndarray:
    """Weights of columns (q,) from the relevance of features (p,), whose mean square becomes 1."""
    relevance = np.asarray(relevance, dtype=float)
    size = np.sqrt(np.mean(relevance**2))
    return (relevance / size if size > 0 else np.ones_like(relevance))[feature_of]


def reweight(preparation, X, sample_weight, relevance) -> Preparation:
    """The same preparation with relevance weights (p,), one for every feature, of mean square 1."""
    weighted = preparation._replace(weights=column_weights(relevance, preparation.feature_of))
    return _with_squares(weighted, X, sample_weight) if len(preparation.square_scale) else weighted


def marginal_relevance(columns, feature_of, response, sample_weight) -> np.ndarray:
    """Leave-one-out R² of a response regressed on each feature's columns alone, (p,), at least 1/n.

    The floor keeps a feature without a main effect of its own in the model, weakly: it may still interact.
    """
    n = len(response)
    root = np.sqrt(sample_weight)
    base = root / np.linalg.norm(root)
    target = root * response
    target = target - base * (base @ target)
    left_out = np.maximum(1.0 - base**2, _TINY)
    null = max(np.sum((target / left_out) ** 2), _TINY)
    result = np.empty(feature_of[-1] + 1)
    if len(result) == len(feature_of):
        step = max(1, _BLOCK_ENTRIES // n)
        for start in range(0, len(result), step):
            block = root[:, None] * columns[:, start : start + step]
            block -= base[:, None] * (base @ block)
            size = np.maximum(np.einsum("ij,ij->j", block, block), _TINY)
            residual = target[:, None] - block * ((target @ block) / size)
            residual /= np.maximum(left_out[:, None] - block**2 / size, _TINY)
            result[start : start + step] = 1.0 - np.einsum("ij,ij->j", residual, residual) / null
        return np.maximum(result, 1.0 / n)
    for j in range(len(result)):
        block = root[:, None] * columns[:, feature_of == j]
        block -= base[:, None] * (base @ block)
        Q, R = np.linalg.qr(block)
        size = np.abs(np.diag(R))
        Q = Q[:, size > 1e-9 * max(size.max(), _TINY)]
        residual = target - Q @ (Q.T @ target)
        residual /= np.maximum(left_out - np.einsum("ir,ir->i", Q, Q), _TINY)
        result[j] = 1.0 - np.sum(residual**2) / null
    return np.maximum(result, 1.0 / n)
