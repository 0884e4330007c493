"""Where the fit of a local factorization machine begins: coordinates, anchors, gamma, the size of random factors."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from intertwine.structures import _local_fm_kernels as kernels
from intertwine.structures.local_fm import Anchors, LocalFM, LocalFMParams, Rows

__all__ = ["start_of", "unit_projection"]

_CLUSTERED_ROWS = 20_000  # more rows do not move 50 means visibly
_PAIR_PART = 0.1  # standard deviation of an expert's pair part at the start, in units of the scores


def start_of(
    machine: LocalFM,
    X: Any,
    weights: NDArray,
    projection: NDArray,
    gamma: float | None,
    rng: np.random.Generator,
) -> LocalFMParams:
    """Anchors by k-means, small random factors, nothing else.

    The same to the bit only where the linear algebra libraries keep to one thread: the sums of several are added in
    whatever order they finish.

    Parameters
    ----------
    machine : LocalFM
    X : scipy.sparse.csr_array of shape (n, p)
    weights : ndarray of shape (n,)
        Weights of the rows.
    projection : ndarray of shape (p, r)
        r = 0 where rows are not projected.
    gamma : float or None
        None: one over the mean squared distance between rows and the anchors they may use.
    rng : numpy.random.Generator
    """
    n, p, m, k = X.shape[0], machine.n_features, machine.n_anchors, machine.n_components
    chosen = np.arange(n)
    if n > _CLUSTERED_ROWS:
        chosen = np.sort(rng.choice(n, _CLUSTERED_ROWS, replace=False))
    coordinates, weights = machine.coordinates(X[chosen], projection), weights[chosen]
    anchors = _means(coordinates, weights, m, rng)
    experts = np.zeros((m, p, 1 + k))
    experts[:, :, 1:] = _factor_spread(X[chosen], weights, k) * rng.standard_normal((m, p, k))
    experts[:, np.bincount(X.indices, minlength=p) == 0, 1:] = 0.0  # no row would ever change them
    if gamma is None:
        gamma = _unit_gamma(coordinates, weights, anchors, machine.coding.n_neighbors)
    return LocalFMParams(np.zeros(m), experts, anchors, projection, np.array(float(gamma)))


def _means(coordinates, weights, n_anchors, rng) -> NDArray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than anchors: some coincide
        clustering = KMeans(n_anchors, n_init=1, max_iter=30, random_state=int(rng.integers(2**31)))
        clustering.fit(coordinates, sample_weight=weights)
    return np.ascontiguousarray(clustering.cluster_centers_, dtype=np.float64)


def _factor_spread(X, weights, n_components) -> float:
    """Spread of random factors that gives pair parts the spread wanted, whatever the number and size of features."""
    squares = X.multiply(X)
    norms = np.asarray(squares.sum(axis=1)).ravel()
    fourths = np.asarray(squares.multiply(squares).sum(axis=1)).ravel()
    pairs = float(np.average(0.5 * np.maximum(norms**2 - fourths, 0.0), weights=weights)) * n_components
    return (_PAIR_PART**2 / pairs) ** 0.25 if pairs > 0 else _PAIR_PART


def _unit_gamma(coordinates, weights, anchors, n_neighbors) -> float:
    size = min(n_neighbors, len(anchors))
    nearest, distances = np.empty((len(weights), size), dtype=np.int32), np.empty((len(weights), size))
    kernels.find_nearest(*Rows.of(coordinates), *Anchors.of(anchors), np.inf, nearest, distances)
    mean = float(np.average(distances.mean(axis=1), weights=weights))
    return 1.0 / mean if mean > 0 else 1.0


def unit_projection(factors: NDArray, X: Any) -> NDArray:
    """Factors of a plain machine as a projection, in units in which coordinates have variance one on average."""
    coordinates = X @ factors
    spread = float(np.sqrt(coordinates.var(axis=0).mean()))
    return factors / spread if spread > 0 else factors
