"""The equations of many random effects in unknowns that are scaled node by node, for conjugate gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from intertwine.effects.random import CovariancePrior, PrecisionPrior
from intertwine.mixed_effects.row_design import RowDesign

__all__ = ["ScaledEquations"]

Array = NDArray[np.float64]


@final
class _Nodes(NamedTuple):
    """How the unknowns of one effect are scaled: R⁻ᵀ and Λ R⁻ᵀ as block diagonals, and F where K = F Fᵀ is dense."""

    begin: int
    n_nodes: int
    n_basis: int
    back: sparse.csr_array
    scaled: sparse.csr_array
    dense: Array | None


@final
class ScaledEquations:
    """The equations of one output in unknowns x that have diagonal blocks I.

    b = A x with, for each node, A = Λ R⁻ᵀ where R Rᵀ is the diagonal block of Λᵀ ZᵀWZ Λ + K⁻¹ ⊗ I; where K is a dense
    matrix, of the unknowns F⁻¹v with F Fᵀ = K.

    Parameters
    ----------
    design : RowDesign
    matrix : sparse array
        ZᵀWZ, with the fixed columns last.
    roots : Λ of each effect, (r, r)
    """

    def __init__(self, design: RowDesign, matrix: sparse.csr_array, roots: Sequence[Array]) -> None:
        n = design.blocks[-1].begin
        self.random, self.mixed, self.fixed = (
            matrix[:n, :n],
            matrix[:n, n:].toarray(),
            matrix[n:, n:].toarray(),
        )
        self.log_determinant = 0.0  # of the diagonal blocks
        to_nodes, priors, self._least = [], [], []
        diagonal = _diagonal_blocks(design, self.random)
        for t, (prior, root) in enumerate(zip(design.priors, roots, strict=True)):
            block, G = design.blocks[t], diagonal[t]
            q, r = block.n_nodes, block.n_basis
            dense: Array | None = None
            K = sparse.csr_array(sparse.eye_array(q))
            if isinstance(prior, CovariancePrior):
                dense = np.asarray(np.linalg.cholesky(prior.covariance), np.float64)
                G = np.einsum("lk,lab->kab", np.square(dense), G)
            if isinstance(prior, PrecisionPrior):
                K = sparse.csr_array(prior.precision)
            own = np.einsum("ca,qcd,db->qab", root, G, root, optimize=True)
            own += K.diagonal()[:, None, None] * np.eye(r)
            R = np.linalg.cholesky(own)
            self.log_determinant += 2.0 * np.log(np.einsum("qaa->qa", R)).sum()
            inverse = np.linalg.inv(R).transpose(0, 2, 1)  # R⁻ᵀ
            scaled = np.matmul(root, inverse)
            self._least.append(scaled @ scaled.transpose(0, 2, 1) if dense is None else np.zeros_like(scaled))
            back = _block_diagonal(inverse)
            to_nodes.append(_Nodes(block.begin, q, r, back, _block_diagonal(scaled), dense))
            priors.append(back.T @ sparse.kron(K, sparse.eye_array(r), format="csr") @ back)
        self._to_nodes = to_nodes
        self._prior = sparse.csr_array(sparse.block_diag(priors, format="csr"))

    def to_coefficients(self, x: Array) -> Array:
        """A x: coefficients b of the levels, or of the functions; (unknowns, k)."""
        out = np.empty_like(x)
        for begin, q, r, _, scaled, dense in self._to_nodes:
            part = scaled @ x[begin : begin + q * r]
            if dense is not None:
                part = (dense @ part.reshape(q, -1)).reshape(q * r, -1)
            out[begin : begin + q * r] = part
        return out

    def to_prior(self, x: Array) -> Array:
        """R⁻ᵀ x: the unknowns v, or F⁻¹v, whose prior covariance is σ² K ⊗ I, or σ² I."""
        out = np.empty_like(x)
        for begin, q, r, back, _, _ in self._to_nodes:
            out[begin : begin + q * r] = back @ x[begin : begin + q * r]
        return out

    def least_covariances(self) -> list[Array]:
        """A Aᵀ of each node, which the covariance of its coefficients over σ² exceeds; 0 where K is a dense matrix."""
        return self._least

    def from_sums(self, sums: Array) -> Array:
        """Aᵀ of sums over levels."""
        out = np.empty_like(sums)
        for begin, q, r, _, scaled, dense in self._to_nodes:
            part = sums[begin : begin + q * r]
            if dense is not None:
                part = (dense.T @ part.reshape(q, -1)).reshape(q * r, -1)
            out[begin : begin + q * r] = scaled.T @ part
        return out

    def apply(self, x: Array) -> Array:
        """M x."""
        return self.from_sums(self.random @ self.to_coefficients(x)) + self._prior @ x


def _diagonal_blocks(design: RowDesign, matrix: sparse.csr_array) -> list[Array]:
    """The r × r block of every node, for each effect: (q, r, r)."""
    out = []
    for block in design.blocks[:-1]:
        own = np.empty((block.n_nodes, block.n_basis, block.n_basis))
        first = block.begin + np.arange(block.n_nodes) * block.n_basis
        for a, b in np.ndindex(block.n_basis, block.n_basis):
            own[:, a, b] = np.asarray(matrix[first + a, first + b]).ravel() if a != b else 0.0
        whole = matrix.diagonal()[block.begin : block.begin + block.n_nodes * block.n_basis]
        for a in range(block.n_basis):
            own[:, a, a] = whole.reshape(-1, block.n_basis)[:, a]
        out.append(own)
    return out


def _block_diagonal(blocks: Array) -> sparse.csr_array:
    q, r, _ = blocks.shape
    if r == 1:
        return sparse.csr_array(sparse.diags_array(blocks[:, 0, 0]))
    return sparse.csr_array(sparse.bsr_array((blocks, np.arange(q), np.arange(q + 1))))
