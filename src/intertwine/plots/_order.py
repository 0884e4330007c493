"""Order of rows and columns of a heatmap: features that interact alike stand side by side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import squareform

__all__ = ["cluster_order"]


def cluster_order(matrix: NDArray[np.float64]) -> NDArray[np.intp]:
    """Order of the features of a symmetric matrix by average linkage on their profiles, with optimal leaf ordering.

    The distance between two features is one minus the cosine of their rows, leaving out the two entries that
    they share, so that it does not depend on the diagonal.

    Parameters
    ----------
    matrix : (q, q) array
        Symmetric; its diagonal is not read.

    Returns
    -------
    (q,) integer array, a permutation.

    Examples
    --------
    >>> import numpy as np
    >>> block = np.array([[0, 0, 2, 0], [0, 0, 0, 2], [2, 0, 0, 0], [0, 2, 0, 0.0]])
    >>> sorted(cluster_order(block).tolist())
    [0, 1, 2, 3]
    """
    size = len(matrix)
    if size < 3:
        return np.arange(size)
    rows = np.array(matrix, dtype=float)
    np.fill_diagonal(rows, 0.0)
    # Row j without its entry for k, and the other way round: the shared entry meets a zero of the diagonal
    # in the product.
    norms = rows**2 @ np.ones(size)
    reduced = np.sqrt(np.maximum(norms[:, None] - rows**2, 0.0))
    scale = reduced * reduced.T
    cosine = np.divide(rows @ rows.T, scale, out=np.zeros_like(rows), where=scale > 0)
    distance = 1.0 - np.clip(cosine, -1.0, 1.0)
    np.fill_diagonal(distance, 0.0)
    condensed = squareform((distance + distance.T) / 2, checks=False)
    return np.asarray(leaves_list(optimal_leaf_ordering(linkage(condensed, "average"), condensed)))
