"""Second derivative of the Cox loss as an operator.

With Q (K, n) the scaled risk sets, D (K, n) the same for those who die at each time, S_kl the denominator of
the l-th of d tied deaths at time k and w̄_k their mean weight,

    Σw · W = diag(a) − Σ_kl w̄_k / S_kl² · (Q − l/d D)ₖᵀ (Q − l/d D)ₖ,
    a = Qᵀh₀ − Dᵀh₁,    hₚ = Σ_l w̄ (l/d)ᵖ / S_l,

a graph Laplacian: W 1 = 0 in every stratum, no positive entry off the diagonal. diag(a) ⪰ Σw · W because what
is subtracted is positive semi-definite. Sums over l are moments of the share l/d, so the cost of a product
does not grow with d.
"""

from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from . import _risk_kernels as kernels
from .base import AbstractCurvature, FloatArray
from .risk_sets import ScaledRiskSets

# Columns that are multiplied at once: intermediate arrays stay at (n + K) × 32 however many vectors come.
_BLOCK = 32


class TiedMoments(NamedTuple):
    """Sums over the tied deaths l = 0 … d − 1 of one event time, in the units of its scaled risk set.

    With denominators S_l = S − (l/d) T and mean weight w̄: mean_log is the mean of log S_l, hazard[p] is
    Σ_l w̄ (l/d)^p / S_l and curvature[p] is Σ_l w̄ (l/d)^p / S_l².
    """

    mean_log: FloatArray  # (K,)
    hazard: FloatArray  # (2, K)
    curvature: FloatArray  # (3, K)


class Deaths(NamedTuple):
    """The matrix D (K, n): scaled size of each row that dies, at the time it dies."""

    rows: NDArray[np.int64]
    position: NDArray[np.int64]
    scale: FloatArray
    n_times: int

    def sums(self, vectors: FloatArray) -> FloatArray:
        """D V of shape (K, m)."""
        total = np.zeros((self.n_times, vectors.shape[1]))
        kernels.scatter(self.rows, self.position, self.scale, vectors, total)
        return total

    def add_spread(self, sums: FloatArray, vectors: FloatArray) -> None:
        """Add Dᵀ C to vectors of shape (n, m)."""
        kernels.gather(self.rows, self.position, self.scale, sums, vectors)


@final
class CoxCurvature(AbstractCurvature):
    """Exact Hessian of the Cox loss; a product costs O(n + K) per vector, O(n + K log K) with late entry.

    Made by `EfronLoss.curvature` and `BreslowLoss.curvature`.

    Parameters
    ----------
    risk : ScaledRiskSets
        The matrix Q at the current scores.
    deaths : Deaths
        The matrix D at the current scores.
    moments : TiedMoments
        Hazards and their squares, summed over ties.
    total_weight : float
        Σw, by which the Hessian is divided.
    """

    def __init__(
        self, risk: ScaledRiskSets, deaths: Deaths, moments: TiedMoments, total_weight: float
    ) -> None:
        self._risk = risk
        self._deaths = deaths
        self._square = moments.curvature[:, :, None] / total_weight
        self._has_ties = bool(moments.curvature[1].any())
        hazard = moments.hazard[:, :, None] / total_weight
        majorizer = risk.spread(hazard[0])
        deaths.add_spread(-hazard[1], majorizer)
        self._majorizer = majorizer[:, 0]

    def diagonal(self) -> FloatArray:
        """Diagonal of W, exact, shape (n,)."""
        removed = self._risk.squared().spread(self._square[0])
        # where a row dies it is in Q and in D with the same size
        squared_deaths = self._deaths._replace(scale=self._deaths.scale**2)
        squared_deaths.add_spread(self._square[2] - 2 * self._square[1], removed)
        return np.maximum(self._majorizer - removed[:, 0], 0.0)

    def matmul(self, vectors: FloatArray) -> FloatArray:
        """Product W V for V of shape (n,) or (n, m), in blocks of columns."""
        given = np.asarray(vectors, dtype=np.float64)
        columns = given.reshape(given.shape[0], -1)
        product = np.empty(columns.shape)
        for start in range(0, columns.shape[1], _BLOCK):
            block = np.ascontiguousarray(columns[:, start : start + _BLOCK])
            product[:, start : start + _BLOCK] = self._majorizer[:, None] * block - self._removed(block)
        return product.reshape(given.shape)

    def majorizer(self) -> FloatArray:
        """Vector a / Σw of the formula above, shape (n,)."""
        return self._majorizer.copy()

    def _removed(self, block: FloatArray) -> FloatArray:
        """diag(majorizer) − W, times a block of columns."""
        at_risk = self._risk.sums(block)
        if not self._has_ties:
            return self._risk.spread(self._square[0] * at_risk)
        dying = self._deaths.sums(block)
        removed = self._risk.spread(self._square[0] * at_risk - self._square[1] * dying)
        self._deaths.add_spread(self._square[2] * dying - self._square[1] * at_risk, removed)
        return removed
