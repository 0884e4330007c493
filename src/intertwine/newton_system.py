"""The Newton system of a loss over a Gaussian field and fixed effects, at one curvature W.

With prior covariance K of the field, design C of the fixed effects and H = K + W⁻¹, the minimiser of the quadratic
model at scores f with gradient g and offset o is

    γ = (CᵀH⁻¹C)⁻¹ CᵀH⁻¹ q,   α = H⁻¹ (q − C γ),   q = f − o − W⁻¹ g.

W⁻¹ is never formed: H⁻¹ = (I + W K)⁻¹ W holds also where W is singular, as Cox's always is. Where K = A Aᵀ has few
columns, Woodbury's identity makes it W − W A (I + Aᵀ W A)⁻¹ Aᵀ W, a system of their size for any W.
"""

from __future__ import annotations

import abc
from functools import cached_property, singledispatch
from typing import final

import numpy as np
from scipy import linalg

from intertwine.covariance import AbstractCovariance, DenseCovariance, FactoredCovariance
from intertwine.losses.base import AbstractCurvature, DiagonalCurvature
from intertwine.projection import (
    AbstractProjection,
    CholeskyProjection,
    DeferredProjection,
    DenseProjection,
    FactoredProjection,
    inverse_of_factored,
)

__all__ = ["AbstractNewtonSystem", "DampedCurvature", "factorize"]

_SATURATED = 1e-8  # rows whose curvature is below this share of the largest hardly have any


class AbstractNewtonSystem(abc.ABC):
    """The Newton system at one curvature, factored once and solved often."""

    curvature: AbstractCurvature
    log_determinant: float  # of I + W K
    fixed_covariance: np.ndarray  # (CᵀH⁻¹C)⁻¹
    _inverse_C: np.ndarray  # H⁻¹C

    def _set_fixed(self, C, inverse_C):
        self._C, self._inverse_C = C, inverse_C
        self.fixed_covariance = linalg.pinvh(C.T @ inverse_C) if C.shape[1] else np.zeros((0, 0))
        self._fixed = self.fixed_covariance @ inverse_C.T

    @abc.abstractmethod
    def target(self, scores, offset, gradient):
        """Minimiser (α, γ, K α, b) of the quadratic model of the objective; b is empty where K has no factor."""

    @abc.abstractmethod
    def _inverse(self, design: np.ndarray) -> np.ndarray:
        """H⁻¹ D for D of shape (n, m)."""

    @abc.abstractmethod
    def _project(self) -> AbstractProjection:
        """P, formed when it is asked for, of the parts of the factored system that this takes and no others."""

    @final
    @cached_property
    def projection(self) -> AbstractProjection:
        """The matrix of everything of second order: as much work as two factorizations, hence not done in advance."""
        return self._project()

    @final
    def quadratic(self, design: np.ndarray) -> np.ndarray:
        """Diagonal of Dᵀ P D, (m,), by solving: for fewer columns than rows cheaper than to form P."""
        applied = self._inverse(design)
        applied -= self._inverse_C @ (self._fixed @ design)
        return np.einsum("im,im->m", design, applied)

    @abc.abstractmethod
    def coefficient_covariance(self) -> np.ndarray | None:
        """Posterior covariance (m, m) of the coefficients behind the field, in units of s²; None without a factor."""

    @abc.abstractmethod
    def own_quadratic(self, places: slice) -> np.ndarray | None:
        """DᵀPD of some columns D that K is made of, without their deviations; None where K is not known by columns."""

    @final
    def weights(self) -> np.ndarray:
        """Diagonal of W, bounded away from zero."""
        diagonal = self.curvature.diagonal()
        return np.maximum(diagonal, _SATURATED * diagonal.max())


@final
class _DiagonalSystem(AbstractNewtonSystem):
    """Rows do not interact: B = I + W^½ K W^½ has eigenvalues ≥ 1, so Cholesky never fails."""

    def __init__(self, curvature: DiagonalCurvature, K, C):
        self.curvature = curvature
        self._K = K
        self._weights = curvature.diagonal()
        self._root = np.sqrt(self._weights)
        B = self._root[:, None] * K
        B *= self._root
        B.flat[:: len(B) + 1] += 1.0
        # of a C-ordered matrix LAPACK sees the transpose, which is the same and needs no copy
        self._factor = linalg.cholesky(B.T, lower=True, overwrite_a=True, check_finite=False)
        self.log_determinant = 2.0 * float(np.sum(np.log(np.diag(self._factor))))
        self._set_fixed(C, self._inverse(C))
        # A working response divides by the weights, which leaves no digits where rows are saturated.
        self._regular = self._weights.min() > _SATURATED * self._weights.max()

    def _inverse(self, design):
        root = self._root if design.ndim == 1 else self._root[:, None]
        return root * linalg.cho_solve((self._factor, True), root * design, check_finite=False)

    def target(self, scores, offset, gradient):
        if self._regular:
            response = scores - offset - gradient / self._weights
            gamma = self._fixed @ response
            alpha = self._inverse(response) - self._inverse_C @ gamma
            # (K + W⁻¹) α + C γ = response: the field needs no product with K
            return alpha, gamma, response - alpha / self._weights - self._C @ gamma, np.zeros(0)
        # The same by (I + W K)⁻¹ = I − H⁻¹ K, which divides by nothing.
        response = scores - offset + self._K @ gradient
        gamma = self._fixed @ response - self.fixed_covariance @ (self._C.T @ gradient)
        alpha = self._inverse(response) - gradient - self._inverse_C @ gamma
        return alpha, gamma, self._K @ alpha, np.zeros(0)

    def coefficient_covariance(self):
        return None

    def own_quadratic(self, places):
        return None

    def _project(self):
        return CholeskyProjection(self._factor, self._root, self._inverse_C, self._fixed)


@final
class _CoupledSystem(AbstractNewtonSystem):
    """Rows interact (Cox): R = (I + W K)⁻¹ by LU; W may be singular."""

    def __init__(self, curvature, K, C):
        self.curvature = curvature
        self._K = K
        lu = linalg.lu_factor(np.eye(len(K)) + curvature.matmul(K), check_finite=False)
        self.log_determinant = float(np.sum(np.log(np.abs(np.diag(lu[0])))))
        self._solve = lambda b: linalg.lu_solve(lu, b, check_finite=False)
        self._set_fixed(C, self._solve(curvature.matmul(C)))

    def target(self, scores, offset, gradient):
        response = self._solve(self.curvature.matmul(scores - offset) - gradient)
        gamma = self.fixed_covariance @ (self._C.T @ response)
        alpha = response - self._inverse_C @ gamma
        return alpha, gamma, self._K @ alpha, np.zeros(0)

    def coefficient_covariance(self):
        return None

    def own_quadratic(self, places):
        return None

    def _inverse(self, design):
        return self._solve(self.curvature.matmul(design))

    def _project(self):
        solve, curvature, inverse_C, fixed = self._solve, self.curvature, self._inverse_C, self._fixed

        def form():
            inverse = solve(curvature.matmul(np.eye(len(inverse_C))))
            return DenseProjection(0.5 * (inverse + inverse.T) - inverse_C @ fixed)

        return DeferredProjection(len(inverse_C), form)


@final
class _FactoredSystem(AbstractNewtonSystem):
    """K = A Aᵀ with few columns: M = I + Aᵀ W A by Cholesky, whether rows interact or not."""

    def __init__(self, curvature, K: FactoredCovariance, C):
        self.curvature = curvature
        self._K = K
        # W times the plain columns; the deviations scale on either side of M
        self._WA, gram = K.weighed(curvature)
        M = gram * K.deviations[:, None]
        M *= K.deviations
        M.flat[:: len(M) + 1] += 1.0
        self._factor = linalg.cholesky(M.T, lower=True, overwrite_a=True, check_finite=False)
        self.log_determinant = 2.0 * float(np.sum(np.log(np.diag(self._factor))))
        WC = curvature.matmul(C)
        self._set_fixed(C, WC - self._weigh(self._coefficients(WC)))

    def _coefficients(self, v):
        """M⁻¹ Aᵀ v."""
        return linalg.cho_solve((self._factor, True), self._K.gather(v), check_finite=False)

    def _weigh(self, b):
        """W A b."""
        return self._WA @ (self._K.deviations * b.T).T

    def target(self, scores, offset, gradient):
        working = self.curvature.matmul(scores - offset) - gradient  # W q
        response = working - self._weigh(self._coefficients(working))
        gamma = self.fixed_covariance @ (self._C.T @ response)
        working -= self.curvature.matmul(self._C @ gamma)
        b = self._coefficients(working)
        return working - self._weigh(b), gamma, self._K.spread(b), b

    def coefficient_covariance(self):
        # M⁻¹ + U F Uᵀ with U = M⁻¹ Aᵀ W C: sums of squares, however weak the prior
        inverse = inverse_of_factored(self._factor)
        shared = self._coefficients(self.curvature.matmul(self._C))
        inverse += shared @ self.fixed_covariance @ shared.T
        inverse *= self._K.deviations[:, None]
        inverse *= self._K.deviations
        return inverse

    def own_quadratic(self, places):
        gram, deviations = self._K.weighed(self.curvature)[1], self._K.deviations
        own = deviations[places]
        if np.min(own) > 0.0 and np.max(own**2 * np.diag(gram)[places]) > 1.0:
            # I − M⁻¹ in units of the deviations: where these are large it cancels less than what follows
            quadratic = -inverse_of_factored(self._factor)[places, places]
            quadratic.flat[:: len(own) + 1] += 1.0
            quadratic /= own[:, None] * own
        else:
            cross = gram[places] * deviations
            solved = linalg.cho_solve((self._factor, True), cross.T, check_finite=False)
            quadratic = gram[places, places] - cross @ solved
        border = self._K.columns[:, places].T @ self._inverse_C
        return quadratic - border @ self.fixed_covariance @ border.T

    def _inverse(self, design):
        weighted = self.curvature.matmul(design)
        return weighted - self._weigh(self._coefficients(weighted))

    def _project(self):
        factor, WA, deviations, curvature = self._factor, self._WA, self._K.deviations, self.curvature
        inverse_C, fixed_covariance = self._inverse_C, self.fixed_covariance

        def form():
            # for few columns a product with the inverse is twice as fast as solving
            inverse, _ = linalg.lapack.dtrtri(factor, lower=1)
            half = linalg.blas.dtrmm(1.0, inverse, (WA * deviations).T, lower=1, overwrite_b=1)
            # the square root of a covariance that may be singular
            values, vectors = linalg.eigh(fixed_covariance)
            fixed = inverse_C @ (vectors * np.sqrt(np.maximum(values, 0.0)))
            return FactoredProjection(curvature, np.hstack([half.T, fixed]))

        return DeferredProjection(len(inverse_C), form)


@final
class DampedCurvature(AbstractCurvature):
    """W + λ I, for the steps that W alone would make too long."""

    def __init__(self, curvature: AbstractCurvature, damping: float):
        self._curvature = curvature
        self._damping = damping

    def diagonal(self):
        return self._curvature.diagonal() + self._damping

    def matmul(self, vectors):
        return self._curvature.matmul(vectors) + self._damping * vectors

    def majorizer(self):
        return self._curvature.majorizer() + self._damping


@singledispatch
def factorize(K: AbstractCovariance, curvature: AbstractCurvature, C: np.ndarray) -> AbstractNewtonSystem:
    """Factor the system of a covariance at a curvature, in the way that both allow."""
    raise TypeError(f"no Newton system for a covariance of type {type(K).__name__}")


@factorize.register
def _(K: FactoredCovariance, curvature, C) -> AbstractNewtonSystem:
    return _FactoredSystem(curvature, K, C)


@factorize.register
def _(K: DenseCovariance, curvature, C) -> AbstractNewtonSystem:
    return _factorize_dense(curvature, K.matrix, C)


@singledispatch
def _factorize_dense(curvature, K, C) -> AbstractNewtonSystem:
    return _CoupledSystem(curvature, K, C)


@_factorize_dense.register
def _(curvature: DiagonalCurvature, K, C) -> AbstractNewtonSystem:
    return _DiagonalSystem(curvature, K, C)
