"""How a row is coded over anchors: weights γ on the simplex, from its squared distances to the nearest anchors.

With t_i = gamma · ‖u − z_i‖² over the nearest anchors, in rising order,

* Gaussian: γ_i = exp(−t_i) / Σ_j exp(−t_j),
* adaptive (k*-NN): the minimiser of ‖γ‖₂ + γᵀt on the simplex; how many weights are positive is part of the answer.

Both are functions of t alone, so one number, ∂f/∂t_i of the blend f = Σ_i γ_i f_i, carries the chain rule to anchors,
to the coordinates u of the row and to gamma. The weights of k*-NN reach zero where an anchor drops out, so f is
continuous; those of the Gaussian jump where two anchors change places at the end of the list.

References
----------
Anava & Levy (2016), k*-nearest neighbors: from global to local.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple, final

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["AbstractCoding", "AdaptiveCoding", "Codes", "GaussianCoding"]


class Codes(NamedTuple):
    """Rows coded over anchors; the nearest come first.

    Attributes
    ----------
    nearest : ndarray of int32, shape (n, K)
        Anchors.
    distances : ndarray of shape (n, K)
        Squared. Where ``counts`` ends before the list does, what follows need not be the next nearest.
    weights : ndarray of shape (n, K)
        γ, summing to one in every row; zero from ``counts`` on.
    counts : ndarray of int32, shape (n,)
        How many weights are positive.
    """

    nearest: NDArray
    distances: NDArray
    weights: NDArray
    counts: NDArray


class AbstractCoding(ABC):
    """Weights as a function of scaled distances.

    Parameters
    ----------
    n_neighbors : int
        Most anchors that a row may use.
    """

    jumps: bool  # whether weights jump where an anchor enters or leaves the list
    reach: (
        float  # how much farther than the nearest, in scaled distance, an anchor may be and still have weight
    )

    def __init__(self, n_neighbors: int) -> None:
        self.n_neighbors = n_neighbors

    @abstractmethod
    def weigh(self, scaled: NDArray) -> tuple[NDArray, NDArray]:
        """Return weights and counts.

        Parameters
        ----------
        scaled : ndarray of shape (n, K)
            t = gamma · squared distance, rising in every row.

        Returns
        -------
        weights : ndarray of shape (n, K)
        counts : ndarray of int32, shape (n,)
        """

    @abstractmethod
    def slopes(self, weights: NDArray, counts: NDArray, values: NDArray, blend: NDArray) -> NDArray:
        """Differentiate the blend f = Σ_i γ_i f_i with respect to the scaled distances t.

        Parameters
        ----------
        weights, counts : ndarray
            From `weigh`.
        values : ndarray of shape (n, K)
            f_i; those without weight are not looked at.
        blend : ndarray of shape (n,)
            f.

        Returns
        -------
        ndarray of shape (n, K)
            ∂f/∂t_i, zero for anchors without weight.
        """


@final
class GaussianCoding(AbstractCoding):
    """γ_i ∝ exp(−t_i) over the nearest anchors.

    Examples
    --------
    >>> weights, counts = GaussianCoding(2).weigh(np.array([[0.0, np.log(3.0)]]))
    >>> weights, counts
    (array([[0.75, 0.25]]), array([2], dtype=int32))
    """

    jumps = True
    reach = np.inf

    def weigh(self, scaled):
        weights = np.exp(scaled[:, :1] - scaled)
        weights /= weights.sum(axis=1, keepdims=True)
        return weights, np.full(len(scaled), scaled.shape[1], dtype=np.int32)

    def slopes(self, weights, counts, values, blend):
        return weights * (blend[:, None] - values)


@final
class AdaptiveCoding(AbstractCoding):
    """k*-NN: γ_i = (λ − t_i)₊ / S, with λ such that Σ_i (λ − t_i)₊² = 1.

    Examples
    --------
    >>> weights, counts = AdaptiveCoding(3).weigh(np.array([[0.0, 0.1, 5.0]]))
    >>> weights.round(3), counts
    (array([[0.535, 0.465, 0.   ]]), array([2], dtype=int32))
    """

    jumps = False
    reach = 1.0  # Σ (λ − t_i)² = 1 leaves no more than one to λ − t_1

    def weigh(self, scaled):
        weights, counts = np.zeros_like(scaled), np.empty(len(scaled), dtype=np.int32)
        _weigh_adaptively(scaled, weights, counts)
        return weights, counts

    def slopes(self, weights, counts, values, blend):
        out = np.zeros_like(weights)
        _adaptive_slopes(weights, counts, values, blend, out)
        return out


@njit(cache=True, nogil=True)
def _weigh_adaptively(scaled, weights, counts):
    for row in range(len(scaled)):
        t = scaled[row]
        # Measured from the nearest anchor: the root below then never subtracts large equal numbers.
        nearest, total, squares, k, level = t[0], 0.0, 0.0, 0, 1.0
        while k < len(t) and level > t[k] - nearest:
            gap = t[k] - nearest
            total += gap
            squares += gap * gap
            k += 1
            level = (total + np.sqrt(max(k + total * total - k * squares, 0.0))) / k
        mass = 0.0
        for i in range(k):
            weights[row, i] = max(level - (t[i] - nearest), 0.0)
            mass += weights[row, i]
        for i in range(k):
            weights[row, i] /= mass
        counts[row] = k


@njit(cache=True, nogil=True)
def _adaptive_slopes(weights, counts, values, blend, out):
    for row in range(len(weights)):
        k = counts[row]
        mean, norm = 0.0, 0.0
        for i in range(k):
            mean += values[row, i]
            norm += weights[row, i] ** 2
        mean /= k
        per_mass = np.sqrt(norm)  # 1 / S, since Σ (λ − t_i)² = 1
        for i in range(k):
            pull = k * weights[row, i] * (blend[row] - mean)  # through λ
            out[row, i] = -per_mass * (values[row, i] - blend[row] + pull)
