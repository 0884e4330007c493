"""Features on comparable scales: centred and divided by their deviation, or, where sparse, divided by their largest."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["FeatureScaling"]


class FeatureScaling(NamedTuple):
    """Units of the features.

    Attributes
    ----------
    center, scale : ndarray of shape (p,)
    """

    center: NDArray
    scale: NDArray

    @classmethod
    def none(cls, n_features: int) -> FeatureScaling:
        """Leave features as they are."""
        return cls(np.zeros(n_features), np.ones(n_features))

    @classmethod
    def of(cls, X: Any, weights: NDArray) -> FeatureScaling:
        """Take the units from rows.

        Centring would fill a sparse table, and a rare indicator divided by its deviation would be a large number:
        sparse columns are divided by their largest absolute value.

        Examples
        --------
        >>> FeatureScaling.of(np.array([[1e6, 1.0], [3e6, 1.0]]), np.ones(2))
        FeatureScaling(center=array([2.e+06, 1.e+00]), scale=array([1.e+06, 1.e+00]))
        """
        if sparse.issparse(X):
            largest = abs(X).max(axis=0)
            largest = np.asarray(largest.todense(), dtype=np.float64).ravel()
            return cls(np.zeros(X.shape[1]), np.where(largest > 0, largest, 1.0))
        center = np.average(X, axis=0, weights=weights)
        deviation = np.sqrt(np.average((X - center) ** 2, axis=0, weights=weights))
        constant = X.max(axis=0) == X.min(axis=0)  # a mean may round
        return cls(np.where(constant, X[0], center), np.where(constant | (deviation == 0), 1.0, deviation))

    def keeps_sparse(self, X: Any) -> bool:
        """Whether rows in these units are as sparse as they came: units of dense rows are centred, which fills them."""
        return sparse.issparse(X) and not self.center.any()

    def apply(self, X: Any) -> sparse.csr_array:
        """Rows in these units."""
        if sparse.issparse(X) and not self.keeps_sparse(X):
            X = X.toarray()
        if sparse.issparse(X):
            scaled = sparse.csr_array(X, dtype=np.float64, copy=True)
            scaled.data /= self.scale[scaled.indices]
            return scaled
        return sparse.csr_array((np.asarray(X, dtype=np.float64) - self.center) / self.scale)
