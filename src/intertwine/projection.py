"""P = H⁻¹ − H⁻¹C (CᵀH⁻¹C)⁻¹ CᵀH⁻¹, the matrix of everything of second order, in either form of the covariance.

See `intertwine.mixed_model` for what follows from it.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from functools import cached_property
from typing import final

import numpy as np
from scipy import linalg

from intertwine.losses.base import AbstractCurvature

__all__ = [
    "AbstractProjection",
    "CholeskyProjection",
    "DeferredProjection",
    "DenseProjection",
    "FactoredProjection",
    "inverse_of_factored",
]


class AbstractProjection(abc.ABC):
    """P, a symmetric positive semi-definite n × n operator."""

    @property
    @abc.abstractmethod
    def n_rows(self) -> int:
        """Number of rows n."""

    @abc.abstractmethod
    def matmul(self, design: np.ndarray) -> np.ndarray:
        """P D for D of shape (n, m)."""

    @abc.abstractmethod
    def quadratic(self, design: np.ndarray) -> np.ndarray:
        """Diagonal of Dᵀ P D, shape (m,)."""

    @abc.abstractmethod
    def diagonal(self) -> np.ndarray:
        """Diagonal of P, shape (n,)."""

    @abc.abstractmethod
    def block(self, rows: np.ndarray) -> np.ndarray:
        """P between some of the rows."""

    @abc.abstractmethod
    def dense(self) -> np.ndarray:
        """P as a matrix."""

    @abc.abstractmethod
    def widened(self, design: np.ndarray) -> tuple[AbstractProjection, float]:
        """P with further effects of unit variance, and log|I + Dᵀ P D|."""


@final
class DenseProjection(AbstractProjection):
    """P as a matrix of shape (n, n)."""

    def __init__(self, matrix: np.ndarray) -> None:
        self._matrix = matrix

    @property
    def n_rows(self):
        return len(self._matrix)

    def matmul(self, design):
        return self._matrix @ design

    def quadratic(self, design):
        return np.einsum("im,im->m", design, self._matrix @ design)

    def diagonal(self):
        return np.diag(self._matrix)

    def block(self, rows):
        return self._matrix[np.ix_(rows, rows)]

    def dense(self):
        return self._matrix

    def widened(self, design):
        n, m = design.shape
        if m <= n:
            half, log_determinant = _half(self, design)
            return DenseProjection(self._matrix - half.T @ half), log_determinant
        lu = linalg.lu_factor(np.eye(n) + self.matmul(design) @ design.T, check_finite=False)
        P = linalg.lu_solve(lu, self._matrix, check_finite=False)
        return DenseProjection(0.5 * (P + P.T)), float(np.sum(np.log(np.abs(np.diag(lu[0])))))


@final
class CholeskyProjection(AbstractProjection):
    """P = R (L Lᵀ)⁻¹ R − U F Uᵀ by its factor: leaving rows out asks for the diagonal alone, a third of the work.

    Parameters
    ----------
    factor : ndarray (n, n)
        L, lower triangular.
    root : ndarray (n,)
        Diagonal of R.
    border, fixed : ndarray (n, q), (q, n)
        U and F Uᵀ.
    """

    def __init__(self, factor: np.ndarray, root: np.ndarray, border: np.ndarray, fixed: np.ndarray) -> None:
        self._factor, self._root = factor, root
        self._border, self._fixed = border, fixed

    @cached_property
    def _whole(self) -> DenseProjection:
        matrix = inverse_of_factored(self._factor)
        matrix *= self._root[:, None]
        matrix *= self._root
        matrix -= self._border @ self._fixed
        return DenseProjection(matrix)

    @property
    def n_rows(self):
        return len(self._root)

    def matmul(self, design):
        return self._whole.matmul(design)

    def quadratic(self, design):
        return self._whole.quadratic(design)

    def diagonal(self):
        inverse, _ = linalg.lapack.dtrtri(self._factor, lower=1)
        own = np.einsum("im,im->m", inverse, inverse) * self._root**2
        return own - np.einsum("im,mi->i", self._border, self._fixed)

    def block(self, rows):
        return self._whole.block(rows)

    def dense(self):
        return self._whole.dense()

    def widened(self, design):
        return self._whole.widened(design)


@final
class FactoredProjection(AbstractProjection):
    """P = W − V Vᵀ.

    Parameters
    ----------
    curvature : AbstractCurvature
        W.
    V : ndarray (n, m)
    """

    def __init__(self, curvature: AbstractCurvature, V: np.ndarray) -> None:
        self._curvature = curvature
        self._V = V

    @property
    def n_rows(self):
        return len(self._V)

    def matmul(self, design):
        return self._curvature.matmul(design) - self._V @ (self._V.T @ design)

    def quadratic(self, design):
        own = np.einsum("im,im->m", design, self._curvature.matmul(design))
        return own - np.sum((self._V.T @ design) ** 2, axis=0)

    def diagonal(self):
        return self._curvature.diagonal() - np.einsum("im,im->i", self._V, self._V)

    def block(self, rows):
        units = np.zeros((self.n_rows, len(rows)))
        units[rows, np.arange(len(rows))] = 1.0
        return self._curvature.matmul(units)[rows] - self._V[rows] @ self._V[rows].T

    def dense(self):
        return self.block(np.arange(self.n_rows))

    def widened(self, design):
        half, log_determinant = _half(self, design)
        return FactoredProjection(self._curvature, np.hstack([self._V, half.T])), log_determinant


@final
class DeferredProjection(AbstractProjection):
    """P that is formed when it is first asked for: most fits are never asked.

    Parameters
    ----------
    n_rows : int
    form : callable
        Gives P.
    """

    def __init__(self, n_rows: int, form: Callable[[], AbstractProjection]) -> None:
        self._n_rows = n_rows
        self._form: Callable[[], AbstractProjection] | None = form

    @cached_property
    def _formed(self) -> AbstractProjection:
        assert self._form is not None  # called once
        formed = self._form()
        self._form = None  # with the factored system behind it
        return formed

    def __getstate__(self):
        return {"_n_rows": self._n_rows, "_formed": self._formed, "_form": None}

    @property
    def n_rows(self):
        return self._n_rows

    def matmul(self, design):
        return self._formed.matmul(design)

    def quadratic(self, design):
        return self._formed.quadratic(design)

    def diagonal(self):
        return self._formed.diagonal()

    def block(self, rows):
        return self._formed.block(rows)

    def dense(self):
        return self._formed.dense()

    def widened(self, design):
        return self._formed.widened(design)


def inverse_of_factored(factor: np.ndarray) -> np.ndarray:
    """(L Lᵀ)⁻¹, of which LAPACK gives the lower half."""
    lower, _ = linalg.lapack.dpotri(factor, lower=1)
    return np.tril(lower) + np.tril(lower, -1).T


def _half(projection: AbstractProjection, design: np.ndarray) -> tuple[np.ndarray, float]:
    """L⁻¹ Dᵀ P with L Lᵀ = I + Dᵀ P D, and the determinant's logarithm."""
    PD = projection.matmul(design)
    inner = design.T @ PD
    inner.flat[:: len(inner) + 1] += 1.0
    factor = linalg.cholesky(inner, lower=True, check_finite=False)
    half = linalg.solve_triangular(factor, PD.T, lower=True, check_finite=False)
    return half, 2.0 * float(np.sum(np.log(np.diag(factor))))
