r"""All products of two features as one implicit linear operator: the n × p(p−1)/2 design is never built.

With Θ symmetric and zero on its diagonal,

* score      f = ½ rowsum((X Θ) ∘ X)
* pullback   offdiag(Xᵀ diag(v) X), the upper half of which is the gradient over the pairs

cost two matrix products, O(n p²). Standardised products (x_j x_k − C_jk)/S_jk need nothing more:

* C = Xᵀ W X / Σw,  S² = (X²)ᵀ W X² / Σw − C²
* score of Θ/S minus Σ_{j<k} C_jk Θ_jk / S_jk;  pullback (Xᵀ diag(v) X − C Σv) / S

The pullback can be streamed in row blocks of its upper half, so that a scan over 12.5 million pairs (p = 5000)
touches a few megabytes at a time.

Source: the identities are those of LIT-LVM, arXiv 2506.15492, rewritten for matrix products.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.structures.base import AbstractStructure

__all__ = ["Pairwise", "ProductScaling", "fit_product_scaling"]

_ROWS = 2048  # rows in flight: 2048 × 300 features are 5 MB
_ENTRIES = 1 << 21  # entries of one streamed block of the p × p gradient: 16 MB


class ProductScaling(NamedTuple):
    """Center and scale of every product, both symmetric.

    Attributes
    ----------
    center : ndarray of shape (p, p)
        Weighted means C of x_j x_k.
    scale : ndarray of shape (p, p)
        Weighted standard deviations S of x_j x_k; ∞ where a product does not vary, which makes its column zero.
    """

    center: NDArray
    scale: NDArray


def fit_product_scaling(X: NDArray, sample_weight: NDArray | None = None) -> ProductScaling:
    """Means and standard deviations of all products, without building them.

    Parameters
    ----------
    X : ndarray of shape (n, p)
        Features.
    sample_weight : ndarray of shape (n,), optional
        Non-negative weights; equal ones by default.

    Returns
    -------
    ProductScaling

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0, 2.0], [3.0, 1.0], [2.0, 5.0]])
    >>> scaling = fit_product_scaling(X)
    >>> products = X[:, 0] * X[:, 1]
    >>> bool(np.isclose(scaling.center[0, 1], products.mean())), bool(np.isclose(scaling.scale[0, 1], products.std()))
    (True, True)
    """
    n, p = X.shape
    weight = np.full(n, 1.0 / n) if sample_weight is None else sample_weight / np.sum(sample_weight)
    center = np.zeros((p, p))
    second = np.zeros((p, p))
    for start in range(0, n, _ROWS):
        chunk = np.ascontiguousarray(X[start : start + _ROWS])
        weighted = chunk * weight[start : start + _ROWS, None]
        center += weighted.T @ chunk
        weighted *= chunk
        second += weighted.T @ np.square(chunk)
    variance = second - center**2
    # a difference of equal numbers: below this share of the second moment only rounding is left
    constant = variance <= 1e-12 * second
    return ProductScaling(center, np.where(constant, np.inf, np.sqrt(np.where(constant, 1.0, variance))))


@final
class Pairwise(AbstractStructure):
    """Scores Σ_{j<k} θ_jk x_j x_k, or of standardised products.

    Parameters are a symmetric (p, p) array Θ with zero diagonal; the map is linear in it.

    Parameters
    ----------
    scaling : ProductScaling, optional
        Center and scale of the products; raw products by default.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0, 2.0, 3.0], [0.0, 1.0, 4.0]])
    >>> theta = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 2.0], [0.0, 2.0, 0.0]])
    >>> Pairwise().score(theta, X)  # 1·x₁x₂ + 2·x₂x₃
    array([14.,  8.])
    """

    degree = 1

    def __init__(self, scaling: ProductScaling | None = None) -> None:
        self.scaling = scaling

    def init(self, X: NDArray, rng: np.random.Generator) -> NDArray:
        """Return Θ = 0, shape (p, p): the problems this structure is fitted in are convex."""
        return np.zeros((X.shape[1], X.shape[1]))

    def score(self, params: NDArray, X: NDArray) -> NDArray:
        """Return the scores of Θ = ``params``, shape (n,)."""
        if self.scaling is None:
            return _half_quadratic_forms(params, X)
        scaled = params / self.scaling.scale
        return _half_quadratic_forms(scaled, X) - 0.5 * np.vdot(scaled, self.scaling.center)

    def pushforward(self, params: NDArray, X: NDArray, direction: NDArray) -> NDArray:
        """Return the scores of ``direction``: the map is linear, ``params`` play no part."""
        return self.score(direction, X)

    def pullback(self, params: NDArray, X: NDArray, v: NDArray) -> NDArray:
        """Return the symmetric zero-diagonal (p, p) array of ⟨product_jk, v⟩; ``params`` play no part.

        The adjoint with respect to sums over pairs j < k, i.e. half the sum over the whole square.
        """
        out = np.empty((X.shape[1], X.shape[1]))
        for start, block in self.pullback_blocks(X, v):
            stop = start + len(block)
            out[start:stop, start:] = block
            out[start:, start:stop] = block.T
        np.fill_diagonal(out, 0.0)
        return out

    def pullback_blocks(self, X: NDArray, v: NDArray) -> Iterator[tuple[int, NDArray]]:
        """Stream the upper half of the pullback.

        Parameters
        ----------
        X : ndarray of shape (n, p)
            Features.
        v : ndarray of shape (n,)
            What to pull back.

        Yields
        ------
        start : int
            First feature of the block.
        block : ndarray of shape (rows, p − start)
            ⟨product_jk, v⟩ for j = start … start + rows − 1 and k ≥ start; entries with k ≤ j are to be ignored.
            It is a view of a buffer that the next block overwrites; the caller may write to it.
        """
        p = X.shape[1]
        bounds = _feature_blocks(p)
        buffer = np.empty(bounds[0][1] * p)
        total = float(np.sum(v))
        for start, stop in bounds:
            block = buffer[: (stop - start) * (p - start)].reshape(stop - start, p - start)
            _weighted_gram(X[:, start:stop], X[:, start:], v, block)
            if self.scaling is not None:
                block -= total * self.scaling.center[start:stop, start:]
                block /= self.scaling.scale[start:stop, start:]
            yield start, block

    def squared_norms(self, params: NDArray | None, X: NDArray, weight: NDArray) -> NDArray:
        """Return Σ_i w_i (product_jk,i)² for all pairs, shape (p, p): the diagonal of a Gauss-Newton matrix.

        The map is linear: ``params`` play no part.
        """
        squares = np.square(X)
        second = _weighted_gram(squares, squares, weight, np.empty((X.shape[1], X.shape[1])))
        if self.scaling is None:
            return second
        first = _weighted_gram(X, X, weight, np.empty_like(second))
        center, scale = self.scaling
        return (second - center * (2.0 * first - center * np.sum(weight))) / scale**2


def _half_quadratic_forms(theta: NDArray, X: NDArray) -> NDArray:
    """½ x_iᵀ Θ x_i for every row, from blocks of the upper half of Θ, a chunk of rows at a time."""
    p = len(theta)
    blocks = []
    for start, stop in _feature_blocks(p):
        block = theta[start:stop, start:].copy()
        # within the diagonal block both halves are summed
        block[:, : stop - start] *= 0.5
        blocks.append((start, stop, block))
    out = np.zeros(len(X))
    step = _ROWS if len(X) > 2 * _ROWS else max(len(X), 1)
    for first in range(0, len(X), step):
        chunk = X[first : first + step].T
        target = out[first : first + step]
        for start, stop, block in blocks:
            target += np.einsum("ji,ji->i", block @ chunk[start:], chunk[start:stop])
    return out


def _feature_blocks(p: int) -> list[tuple[int, int]]:
    """Bounds of row blocks of a p × p array: small enough to skip most of the lower half, and to stream."""
    rows = max(1, min(max(48, p // 6), max(16, _ENTRIES // max(p, 1))))
    return [(start, min(start + rows, p)) for start in range(0, p, rows)]


def _weighted_gram(A: NDArray, B: NDArray, weight: NDArray, out: NDArray) -> NDArray:
    """Aᵀ diag(weight) B into ``out``, rows in chunks."""
    step = _ROWS if len(A) > 2 * _ROWS else len(A)
    np.matmul((A[:step] * weight[:step, None]).T, B[:step], out=out)
    for start in range(step, len(A), step):
        stop = start + step
        out += (A[start:stop] * weight[start:stop, None]).T @ B[start:stop]
    return out
