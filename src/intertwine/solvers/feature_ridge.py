r"""Rows and their regression on side features to their joint optimum, a few conjugate-gradient steps at a time.

Rows a_u ~ N(m + Aᵀx_u, (s_u Λ)⁻¹) have been set to their conditional means given A, with covariances V_u. Moving A
takes the rows along: with e = m + Aᵀx and its change ε, a_u moves by V_u s_u Λ ε_u. What is left to
minimise over A and m,

    ½ Σ_u (a_u − e_u)ᵀ s_u Λ (a_u − e_u) + … ,   has the gradient   −Xᵀ [s_u Λ (a_u − e_u)] + γ A Λ
                                               and the curvature   D ↦ Xᵀ [(s_u Λ − s_u Λ V_u s_u Λ) D_u] + γ D Λ.

Regressing on rows that stay where they are would need hundreds of sweeps where rows have few ratings. A step never
raises the objective, and warm starts make two of them enough inside an alternating solver.
"""

from __future__ import annotations

from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from intertwine.structures import _factor_moments as kernels
from intertwine.structures.factor_moments import Conditional
from intertwine.structures.fm_sweep import THREADS, WORTH_THREADS

__all__ = ["FeatureRidge", "RowRegression"]


class RowRegression(NamedTuple):
    """What rows are expected to be.

    Attributes
    ----------
    mean : ndarray of shape (d,)
        m.
    weights : ndarray of shape (f, d)
        A.
    expected : ndarray of shape (1, d) or (n_rows, d)
        m + Aᵀx; one row where there are no features.
    """

    mean: NDArray[np.float64]
    weights: NDArray[np.float64]
    expected: NDArray[np.float64]


@final
class FeatureRidge:
    """The regression on one table of features, or on none.

    Parameters
    ----------
    features : csr_array of shape (n_rows, f) or None
    scale : ndarray of shape (n_rows,)
        s.
    centered : bool
        Whether m is zero.
    n_threads : int, default=1
    """

    def __init__(self, features: Any, scale: NDArray[np.float64], centered: bool, n_threads: int = 1) -> None:
        empty = sparse.csr_array((len(scale), 0))
        self._rows = sparse.csr_array(empty if features is None else features, dtype=np.float64)
        self._columns = sparse.csr_array(self._rows.T)
        self._scale = scale[:, None]
        self._centered = centered
        self._parallel = n_threads > 1 and self._rows.nnz >= WORTH_THREADS
        self.column_norms = np.asarray(self._columns.power(2) @ scale)

    @property
    def n_features(self) -> int:
        """Number f of side features."""
        return self._rows.shape[1]

    def at(self, mean: NDArray[np.float64], weights: NDArray[np.float64]) -> RowRegression:
        """Return the regression with these coefficients."""
        return RowRegression(mean, weights, self._fitted(mean, weights))

    def improved(
        self,
        regression: RowRegression,
        conditional: Conditional,
        precision: NDArray[np.float64],
        strength: float,
        noise_precision: float,
        n_steps: int,
    ) -> tuple[RowRegression, Conditional]:
        """Regression after some conjugate-gradient steps, and the conditional of the rows given it.

        Parameters
        ----------
        regression : RowRegression
            That the conditional was made with.
        conditional : Conditional
        precision : ndarray of shape (d, d)
            Λ.
        strength : float
            γ.
        noise_precision : float
        n_steps : int
        """
        if self._centered and not self.n_features:
            return regression, conditional
        moments = conditional.moments
        slopes = self._back(self._scale * ((moments.means - regression.expected) @ precision))
        residual = [slopes[0], slopes[1] - strength * regression.weights @ precision]
        solve = self._preconditioner(conditional, precision, strength)
        solved = solve(residual)
        direction, size = solved, _inner(residual, solved)
        mean, weights, expected = regression
        if not self.n_features:
            n_steps = 1  # is exact: the mean curvature is all there is
        for step in range(n_steps):
            image = self._fitted(*direction)
            pulled = self._scale * (image @ precision)
            curved = pulled - self._scale * (moments.times(pulled) @ precision)
            ridge = strength * direction[1] @ precision
            curvature = float((image * curved).sum()) + float((direction[1] * ridge).sum())
            if not curvature > 0.0:
                break
            length = size / curvature
            mean, weights = mean + length * direction[0], weights + length * direction[1]
            expected = expected + length * image
            if step + 1 < n_steps:
                slopes = self._back(curved)
                residual = [residual[0] - length * slopes[0], residual[1] - length * (slopes[1] + ridge)]
                solved = solve(residual)
                previous, size = size, _inner(residual, solved)
                direction = [new + size / previous * old for new, old in zip(solved, direction, strict=True)]
        moved = self._moved(conditional, regression.expected, expected, precision, noise_precision)
        return RowRegression(mean, weights, expected), moved

    def _moved(self, conditional, expected, now, precision, noise_precision) -> Conditional:
        """Take the rows, and their squared errors, along with what is expected of them."""
        moments = conditional.moments
        pulled = self._scale * ((now - expected) @ precision)
        shift = moments.times(pulled)
        weighted = self._scale * (shift @ precision)
        # at a conditional mean the errors' slope is the prior's pull back, their curvature V⁻¹ − sΛ
        change = 2.0 * (weighted * (expected - moments.means)).sum(axis=1)
        change += (shift * pulled).sum(axis=1) - (shift * weighted).sum(axis=1)
        return conditional._replace(
            moments=moments._replace(means=moments.means + shift),
            errors=conditional.errors + change / noise_precision,
        )

    def _preconditioner(self, conditional, precision, strength):
        """Solve with the rows' mean curvature in place of each one's own, and with features that are orthogonal."""
        total = float(self._scale.sum())
        mean_covariance = conditional.moments.total_covariance(self._scale[:, 0] ** 2) / total
        root = np.linalg.cholesky(precision)
        shares, axes = np.linalg.eigh(np.eye(len(root)) - root.T @ mean_covariance @ root)
        shares = np.clip(shares, 1e-9, None)
        to_axes = np.linalg.solve(root, np.eye(len(root))).T @ axes
        divisor = self.column_norms[:, None] * shares + strength

        def solve(residual):
            mean = np.zeros_like(residual[0])
            if not self._centered:
                mean = (residual[0] @ to_axes / (total * shares)) @ to_axes.T
            return [mean, (residual[1] @ to_axes / divisor) @ to_axes.T]

        return solve

    def _fitted(self, mean, weights) -> NDArray[np.float64]:
        return mean + self._times(self._rows, weights) if self.n_features else mean[None]

    def _back(self, table) -> list[NDArray[np.float64]]:
        mean = np.zeros(table.shape[1]) if self._centered else table.sum(axis=0)
        return [mean, self._times(self._columns, table)]

    def _times(self, matrix: sparse.csr_array, table: NDArray[np.float64]) -> NDArray[np.float64]:
        products = np.empty((matrix.shape[0], table.shape[1]))
        arguments = (matrix.indptr, matrix.indices, matrix.data, np.ascontiguousarray(table), products)
        if self._parallel:
            with THREADS:
                kernels.multiply_rows_in_parallel(*arguments)
        else:
            kernels.multiply_rows(0, 1, *arguments)
        return products


def _inner(left: list[NDArray], right: list[NDArray]) -> float:
    return float((left[0] @ right[0]) + (left[1] * right[1]).sum())
