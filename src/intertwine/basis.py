"""Transformations of features ahead of scaling: normal scores, and cubic B-splines of the features that vary enough.

Both wrap scikit-learn's transformers and know how to be written to, and rebuilt from, plain arrays.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.interpolate import BSpline
from scipy.special import ndtri
from sklearn.preprocessing import QuantileTransformer, SplineTransformer

__all__ = ["NormalScores", "SplineBasis"]

_QUANTILES = 200
_TAIL = 3.0  # normal scores beyond this say only that a value is extreme
_DEGREE = 3


class NormalScores(NamedTuple):
    """Features replaced by the normal quantiles of their ranks: outliers and row scale lose their pull."""

    transformer: QuantileTransformer

    @classmethod
    def fit(cls, X) -> NormalScores:
        """Learn the quantiles of every feature of X (n, p)."""
        transformer = QuantileTransformer(n_quantiles=min(len(X), _QUANTILES), subsample=None)
        return cls(transformer.fit(X))

    def transform(self, X) -> np.ndarray:
        """Scores (n, p)."""
        # The transformer's own normal output takes all values within 1e-7 of the extremes for extreme.
        return np.clip(ndtri(self.transformer.transform(X)), -_TAIL, _TAIL)

    def to_state(self) -> dict:
        """Plain arrays."""
        return {"quantiles": self.transformer.quantiles_, "references": self.transformer.references_}

    @classmethod
    def from_state(cls, state) -> NormalScores:
        """Rebuilt without fitting."""
        n_quantiles = len(state["references"])
        transformer = QuantileTransformer(n_quantiles=n_quantiles, subsample=None)
        transformer.quantiles_, transformer.references_ = state["quantiles"], state["references"]
        transformer.n_quantiles_, transformer.n_features_in_ = n_quantiles, state["quantiles"].shape[1]
        return cls(transformer)


class SplineBasis(NamedTuple):
    """Cubic B-splines with knots at quantiles; features with few distinct values stay one linear column.

    Attributes
    ----------
    smooth : ndarray of int
        Features that are expanded.
    feature_of : ndarray of int (q,)
        Feature of every column, increasing.
    transformer : SplineTransformer or None
        For the smooth features; None when there are none.
    """

    smooth: np.ndarray
    feature_of: np.ndarray
    transformer: SplineTransformer | None

    @classmethod
    def fit(cls, X, n_knots: int) -> SplineBasis:
        """Learn knots from X (n, p)."""
        distinct = np.array([len(np.unique(column)) for column in X.T])
        # Knots at quantiles must differ, or some splines vanish.
        probabilities = np.linspace(0, 1, n_knots)
        knots_differ = np.all(np.diff(np.quantile(X, probabilities, axis=0), axis=0) > 0, axis=0)
        smooth = np.flatnonzero((distinct > n_knots) & knots_differ)
        transformer = None
        width = np.ones(X.shape[1], dtype=int)
        if len(smooth):
            transformer = SplineTransformer(
                n_knots=n_knots, degree=_DEGREE, knots="quantile", include_bias=False, extrapolation="linear"
            ).fit(X[:, smooth])
            width[smooth] = transformer.n_features_out_ // len(smooth)
        return cls(smooth, np.repeat(np.arange(X.shape[1]), width), transformer)

    def transform(self, X) -> np.ndarray:
        """Columns (n, q), those of one feature side by side."""
        out = np.empty((len(X), len(self.feature_of)))
        expanded = np.isin(self.feature_of, self.smooth)
        out[:, ~expanded] = X[:, self.feature_of[~expanded]]
        if self.transformer is not None:
            out[:, expanded] = self.transformer.transform(X[:, self.smooth])
        return out

    def to_state(self) -> dict:
        """Plain arrays: knots of every smooth feature."""
        splines = [] if self.transformer is None else self.transformer.bsplines_
        return {
            "smooth": self.smooth,
            "feature_of": self.feature_of,
            "knots": np.array([spline.t for spline in splines]),
        }

    @classmethod
    def from_state(cls, state) -> SplineBasis:
        """Rebuilt without fitting."""
        smooth, knots = state["smooth"], state["knots"]
        if not len(smooth):
            return cls(smooth, state["feature_of"], None)
        n_splines = knots.shape[1] - _DEGREE - 1
        transformer = SplineTransformer(degree=_DEGREE, include_bias=False, extrapolation="linear")
        coefficients = np.eye(n_splines)
        transformer.bsplines_ = [BSpline.construct_fast(t, coefficients, _DEGREE) for t in knots]
        transformer.n_features_in_ = len(smooth)
        transformer.n_features_out_ = len(smooth) * (n_splines - 1)
        return cls(smooth, state["feature_of"], transformer)
