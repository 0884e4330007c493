r"""What latent vectors that were searched add to the errors of coefficients: Laplace's term, to first order.

Around an optimum z* of the integrated objective (`intertwine.objective`) the vectors have the covariance s² H⁻¹ with

    H = c² φ'ᵀ P φ' + κ Σ_{j<k} ∇g_jk ∇g_jkᵀ,

the Gauss-Newton curvature of loss and ridge, and a coefficient moves with them by ∂θ/∂z:

    Var θ = Var(θ | z) + s² ∂θ/∂z H⁻¹ (∂θ/∂z)ᵀ,   ∂θ_jk/∂z = c (∇g_jk − v a_jkᵀ P φ'),   v = 1/μ.

This is exact where targets are linear in z. Turning a map leaves every target as it is: there H and ∂θ/∂z both
vanish, and a ridge of rounding's size stands for the pseudo-inverse. The result lies between the variance at fixed z
and that of coefficients without a target, whose prior variance is 1/λ₂.

A residual variance that was estimated as if z were given is too small by the share of the degrees of freedom that z has
taken, tr(H⁻¹ c² φ'ᵀ P φ').

Source: Rasmussen & Williams (2006), section 3.4, for Laplace's approximation; Hastie, Tibshirani & Friedman (2009),
section 7.6, for effective degrees of freedom.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import linalg

__all__ = ["MOST_PARAMETERS", "LatentErrors"]

MOST_PARAMETERS = 2000  # of a target: beyond, H alone takes longer than the fit
_NULL = 1e-10  # ridge on directions that change no target, relative


class LatentErrors(NamedTuple):
    """The covariance of a target's parameters.

    Attributes
    ----------
    factor : ndarray (m, m)
        L, lower triangular: L Lᵀ = U H U with the units U of the parameters.
    units : ndarray (m,)
        Diagonal of U: changes of about unit effect, so that what is null does not depend on the size of a vector.
    scale : float
        s².
    inflation : float
        By how much all variances grow since the parameters took degrees of freedom; 1 where s² is known.
    """

    factor: np.ndarray
    units: np.ndarray
    scale: float
    inflation: float

    @classmethod
    def of(cls, of_loss, of_ridge, scale: float, freedom: float) -> LatentErrors:
        """From the two parts of H, (m, m) each.

        Parameters
        ----------
        of_loss, of_ridge : ndarray (m, m)
            c² φ'ᵀ P φ', and the ridge's.
        scale : float
            s².
        freedom : float
            Degrees of freedom that s² was estimated with; infinite where it is known.
        """
        H = of_loss + of_ridge
        diagonal = H.diagonal()
        units = np.divide(1.0, np.sqrt(diagonal), out=np.zeros(len(H)), where=diagonal > 0)
        H *= units[:, None] * units
        H.flat[:: len(H) + 1] = 1.0 + _NULL
        factor = linalg.cholesky(H, lower=True, check_finite=False)
        of_loss = of_loss * (units[:, None] * units)
        taken = np.trace(linalg.cho_solve((factor, True), of_loss, check_finite=False))
        # rows that hardly outnumber the parameters say nothing of what is left
        left = max(1.0 - taken / freedom, 1.0 / freedom) if np.isfinite(freedom) else 1.0
        return cls(factor, units, scale, 1.0 / left)

    def spread(self, slopes) -> np.ndarray:
        """Rows (k, m) whose products are the covariance of k coefficients with derivatives ``slopes`` (k, m)."""
        scaled = (np.sqrt(self.scale) * self.units * slopes).T
        return linalg.solve_triangular(self.factor, scaled, lower=True, check_finite=False).T
