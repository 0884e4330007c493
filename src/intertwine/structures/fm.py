r"""Factorization machine: all products of two (or three) features, with coefficients that are products of factors.

    f(x) = w₀ + Σ_j w_j x_j + Σ_{j<k} ⟨v_j, v_k⟩ x_j x_k  [ + Σ_{j<k<l} ⟨u_j, u_k, u_l⟩ x_j x_k x_l ]

With the sums q = Vᵀx, s = (V∘V)ᵀx², and q₃, s₃, t₃ = those of U with powers one, two and three, the products need no
pair of features (the ANOVA kernel by Newton's identities):

    Σ_{j<k} = ½ Σ (q² − s),        Σ_{j<k<l} = ⅙ Σ (q₃³ − 3 q₃ s₃ + 2 t₃),

O(nnz · k) for all rows. Derivatives, per row:

    ∂f/∂v_j = x_j (q − v_j x_j),   ∂f/∂u_j = ½ x_j ((q₃ − u_j x_j)² − (s₃ − u_j² x_j²)).

Source: S. Rendle, Factorization Machines (ICDM 2010), eq. 1 and lemma 3.1; for three features M. Blondel et al.,
Higher-Order Factorization Machines (NIPS 2016), section 2.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias, final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from intertwine.structures._fm_kernels import score_rows
from intertwine.structures.base import AbstractStructure

__all__ = ["FMParams", "FactorizationMachine", "stacked", "unstacked"]

Rows: TypeAlias = Any  # ndarray or csr_array, (n, p)


class FMParams(NamedTuple):
    """Coefficients of a factorization machine.

    Attributes
    ----------
    intercept : float
    linear : ndarray of shape (p,)
    factors : ndarray of shape (p, k)
        Row j is v_j.
    triples : ndarray of shape (p, k3)
        Row j is u_j; no columns where products of three are left out.
    """

    intercept: float
    linear: NDArray[np.float64]
    factors: NDArray[np.float64]
    triples: NDArray[np.float64]


def stacked(params: FMParams) -> NDArray[np.float64]:
    """One row per feature: linear weight, factors of pairs, factors of triples (p, 1 + k + k3)."""
    return np.hstack([params.linear[:, None], params.factors, params.triples])


def unstacked(intercept: float, table: NDArray[np.float64], n_components: int) -> FMParams:
    """What `stacked` joined."""
    return FMParams(
        float(intercept),
        np.ascontiguousarray(table[:, 0]),
        np.ascontiguousarray(table[:, 1 : 1 + n_components]),
        np.ascontiguousarray(table[:, 1 + n_components :]),
    )


@final
class FactorizationMachine(AbstractStructure):
    """Scores of a factorization machine on dense rows or CSR.

    Parameters
    ----------
    n_components : int
        k, the number of factors of pairs; 0 leaves a linear model.
    n_triple_components : int, default=0
        k₃, that of triples; 0 leaves products of three features out.

    Examples
    --------
    >>> import numpy as np
    >>> V = np.array([[1.0], [2.0], [3.0]])
    >>> params = FMParams(0.5, np.zeros(3), V, np.zeros((3, 0)))
    >>> FactorizationMachine(1).score(params, np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]))  # ½ + 2, ½ + 2 + 3 + 6
    array([ 2.5, 11.5])
    """

    def __init__(self, n_components: int, n_triple_components: int = 0) -> None:
        self.n_components = n_components
        self.n_triple_components = n_triple_components
        self.degree = 2 if n_triple_components == 0 else None

    def init(self, X: Rows, rng: np.random.Generator) -> FMParams:
        """Zero weights, factors near zero: at zero itself no product has a derivative."""
        p = X.shape[1]
        return FMParams(
            0.0,
            np.zeros(p),
            0.1 * rng.standard_normal((p, self.n_components)),
            0.1 * rng.standard_normal((p, self.n_triple_components)),
        )

    def score(self, params: FMParams, X: Rows) -> NDArray[np.float64]:
        """Return the scores of the rows, shape (n,)."""
        if sparse.issparse(X):
            scores = np.full(X.shape[0], float(params.intercept))
            table = stacked(params)
            score_rows(X.indptr, X.indices, X.data, table, 1, params.factors.shape[1], scores)
            return scores
        q, s, q3, s3, t3 = _sums(params, X)
        return (
            params.intercept
            + X @ params.linear
            + 0.5 * (q**2 - s).sum(axis=1)
            + (q3**3 - 3 * q3 * s3 + 2 * t3).sum(axis=1) / 6
        )

    def pushforward(self, params: FMParams, X: Rows, direction: FMParams) -> NDArray[np.float64]:
        """Return J v, shape (n,)."""
        X2, X3 = _power(X, 2), _power(X, 3)
        q, _, q3, s3, _ = _sums(params, X)
        V, U = params.factors, params.triples
        return (
            direction.intercept
            + X @ direction.linear
            + (q * (X @ direction.factors) - X2 @ (V * direction.factors)).sum(axis=1)
            + (
                0.5 * (q3**2 - s3) * (X @ direction.triples)
                - q3 * (X2 @ (U * direction.triples))
                + X3 @ (U**2 * direction.triples)
            ).sum(axis=1)
        )

    def pullback(self, params: FMParams, X: Rows, v: NDArray[np.float64]) -> FMParams:
        """Return Jᵀ v, shaped as the parameters."""
        X2, X3 = _power(X, 2), _power(X, 3)
        q, _, q3, s3, _ = _sums(params, X)
        V, U, column = params.factors, params.triples, v[:, None]
        return FMParams(
            float(v.sum()),
            X.T @ v,
            X.T @ (column * q) - V * (X2.T @ v)[:, None],
            0.5 * (X.T @ (column * (q3**2 - s3))) - U * (X2.T @ (column * q3)) + U**2 * (X3.T @ v)[:, None],
        )

    def squared_norms(self, params: FMParams, X: Rows, weight: NDArray[np.float64]) -> FMParams:
        """Σ_i w_i (∂f_i/∂θ)², shaped as the parameters: the diagonal of a Gauss-Newton matrix."""
        X2, X3, X4 = _power(X, 2), _power(X, 3), _power(X, 4)
        X5, X6 = _power(X, 5), _power(X, 6)
        q, _, q3, s3, _ = _sums(params, X)
        V, U, column = params.factors, params.triples, weight[:, None]
        # ∂f/∂u = x (a − q₃ (u x) + (u x)²) with a = ½ (q₃² − s₃): its square by powers of x
        a = 0.5 * (q3**2 - s3)
        return FMParams(
            float(weight.sum()),
            X2.T @ weight,
            X2.T @ (column * q**2) - 2.0 * V * (X3.T @ (column * q)) + V**2 * (X4.T @ weight)[:, None],
            X2.T @ (column * a**2)
            - 2.0 * U * (X3.T @ (column * a * q3))
            + U**2 * (X4.T @ (column * (q3**2 + 2.0 * a)))
            - 2.0 * U**3 * (X5.T @ (column * q3))
            + U**4 * (X6.T @ weight)[:, None],
        )


def _power(X: Rows, exponent: int) -> Any:
    return X.power(exponent) if sparse.issparse(X) else X**exponent


def _sums(params: FMParams, X: Rows) -> tuple[NDArray[np.float64], ...]:
    """q, s of the pairs and q, s, t of the triples, each with a row per row."""
    V, U = params.factors, params.triples
    X2, X3 = _power(X, 2), _power(X, 3)
    return X @ V, X2 @ V**2, X @ U, X2 @ U**2, X3 @ U**3
