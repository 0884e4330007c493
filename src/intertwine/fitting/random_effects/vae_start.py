"""Where latents start: coordinates of rows along what the residuals of the random effects show at first sight.

A decoder can fold a curve, or visit its parts in another order, at almost no cost in likelihood, and gradients do not
undo it later. So a start orders the rows before any network is trained: along principal axes, or along the graph of
neighbouring cluster centres, whose shortest paths follow a curved sheet (a topology-representing network with geodesic
scaling). Both give normal scores, since u ~ N(0, I).

Source: Martinetz & Schulten, Topology representing networks (1994); Tenenbaum, de Silva & Langford (2000), Isomap.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import minimum_spanning_tree, shortest_path
from scipy.special import ndtri
from scipy.stats import rankdata

__all__ = ["STARTS", "manifold_scores", "principal_scores"]

Array = NDArray[np.float64]

_SIGNAL = 1.3  # a principal variance above so many typical ones is taken for signal
_MOST_AXES = 12
_CENTERS = (40, 60, 100)  # per latent dimension
_SHARES = (0.2, 0.3, 0.4, 0.5)  # of a centre's rows that a neighbour must share to be linked
_SHORTEST = 1e-7  # distance in units of the fit: scipy's graphs take what is under 1e-8 for no edge
_LARGEST_SAMPLE = 50_000
_ROWS = 4096  # whose distances to all centres are held at once


def principal_scores(residual: Array, n_components: int, rng: np.random.Generator) -> Array:
    """Normal scores of the rows on the first principal axes, (n, d).

    Parameters
    ----------
    residual : ndarray of shape (n, p)
        Rows without random effects; zero where nothing was observed.
    n_components : int
    rng : numpy.random.Generator
        Draws the axes that are left where there are fewer features than latents.
    """
    scores = _on_axes(residual, n_components)[:, :n_components]
    missing = n_components - scores.shape[1]
    return _normal_scores(np.concatenate([scores, rng.standard_normal((len(scores), missing))], axis=1))


def manifold_scores(residual: Array, n_components: int, rng: np.random.Generator) -> Array:
    """Normal scores of the rows along a curved sheet, (n, d); see the module.

    Of several graphs the one is taken whose geodesic distances d dimensions explain best.

    Parameters
    ----------
    residual, n_components, rng
        As in `principal_scores`.
    """
    points = _on_axes(residual, n_components + 1)
    n_rows = len(points)
    sample = np.sort(rng.permutation(n_rows)[:_LARGEST_SAMPLE])
    best, explained = principal_scores(residual, n_components, rng), -1.0
    for n_centers in (count * n_components for count in _CENTERS):
        if n_centers * 5 > len(sample):
            break
        centers = _cluster_centers(points[sample], n_centers, rng)
        nearest, second = _two_nearest(points, centers)
        for share in _SHARES:
            scores, quality = _geodesic_scores(centers, nearest[sample], second[sample], share, n_components)
            if quality > explained:
                best, explained = _interpolated(points, centers, nearest, second, scores), quality
    return _normal_scores(best)


STARTS = {"manifold": manifold_scores, "principal": principal_scores}


def _on_axes(residual: Array, at_least: int) -> Array:
    """Rows on the principal axes that stand out of the noise, at most twelve but for latents that ask for more."""
    centered = residual - residual.mean(axis=0)
    values, vectors = np.linalg.eigh(centered.T @ centered / len(centered))
    values, vectors = values[::-1], vectors[:, ::-1]
    standing_out = int(np.sum(values > _SIGNAL * np.median(values)))
    n_axes = min(max(at_least, min(standing_out, _MOST_AXES)), residual.shape[1])
    return centered @ vectors[:, :n_axes]


def _normal_scores(values: Array) -> Array:
    return np.asarray(ndtri((rankdata(values, axis=0) - 0.5) / len(values)))


def _cluster_centers(points: Array, n_centers: int, rng: np.random.Generator) -> Array:
    from sklearn.cluster import MiniBatchKMeans

    seed = int(rng.integers(2**31 - 1))
    clusters = MiniBatchKMeans(n_centers, n_init=1, batch_size=2048, random_state=seed)
    return np.asarray(clusters.fit(points).cluster_centers_, dtype=np.float64)


def _two_nearest(points: Array, centers: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    two = [_two_nearest_of(points[start : start + _ROWS], centers) for start in range(0, len(points), _ROWS)]
    nearest, second = np.concatenate(two).T
    return nearest, second


def _two_nearest_of(points: Array, centers: Array) -> NDArray[np.int64]:
    """The nearest centre and the second of some rows (n, 2)."""
    distance = np.sum(centers**2, axis=1) - 2.0 * points @ centers.T  # less the square of the point
    two = np.argpartition(distance, 1, axis=1)[:, :2]
    swapped = np.take_along_axis(distance, two, 1) @ [1.0, -1.0] > 0
    two[swapped] = two[swapped, ::-1]
    return two


def _geodesic_scores(
    centers: Array, nearest: NDArray[np.int64], second: NDArray[np.int64], share: float, n_components: int
) -> tuple[Array, float]:
    """Coordinates of the centres, and the share of the geodesic distances' variance that they explain."""
    n_centers = len(centers)
    shared = np.bincount(nearest * n_centers + second, minlength=n_centers**2).reshape(n_centers, -1)
    size = np.bincount(nearest, minlength=n_centers)
    linked = shared + shared.T > share * np.maximum(np.minimum(size[:, None], size), 1)
    length = np.sqrt(np.sum((centers[:, None] - centers) ** 2, axis=2))
    length = np.maximum(length, _SHORTEST)
    # what is not linked is held together by its shortest bridges
    bridges = minimum_spanning_tree(np.where(linked, length, 1e3 * (length + length.max()))).toarray() > 0
    geodesic = shortest_path(np.where(linked | bridges | bridges.T, length, 0.0), directed=False)
    weight = size / size.sum()
    centering = np.eye(n_centers) - weight
    values, vectors = np.linalg.eigh(-0.5 * centering @ geodesic**2 @ centering.T)
    values = np.maximum(values[::-1], 0.0)
    scores = vectors[:, ::-1][:, :n_components] * np.sqrt(values[:n_components])
    return scores, float(values[:n_components].sum() / max(values.sum(), 1e-300))


def _interpolated(
    points: Array, centers: Array, nearest: NDArray[np.int64], second: NDArray[np.int64], scores: Array
) -> Array:
    """Scores of rows between their two nearest centres, by where they stand between these."""
    between = centers[second] - centers[nearest]
    along = np.sum((points - centers[nearest]) * between, axis=1)
    position = np.clip(along / np.maximum(np.sum(between**2, axis=1), 1e-300), 0.0, 0.5)[:, None]
    return (1.0 - position) * scores[nearest] + position * scores[second]
