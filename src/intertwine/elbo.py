"""The collapsed bound: a decoder's evidence with the random effects integrated out before the latents are bounded.

    x_i = f(u_i) + (Σ_t Z_t b_t)_i + e_i,      V_m = Σ_t Z_t (K_t ⊗ Σ_tm) Z_tᵀ + σ_m² I   (outputs m)

    L = E_q(u) Σ_m log N(r_m; 0, V_m) − Σ_i KL[q(u_i | x_i) ‖ N(0, I)],      r = x − f(u)
      = Σ_m [log N(r̄_m; 0, V_m) − ½ Σ_i (V_m⁻¹)_ii S_im] − Σ KL,             r̄ = x − E f, S = Var f

There is no q(b), so nothing is lost on b: every q(b), amortised or not, gives less. What a mini-batch needs of L is the
distribution of one row given the others, which is Gaussian. With b̂ the BLUP, h the posterior variance of a row's own
effect and the leverage ℓ = h / σ²,

    r_i | r_others ~ N(o_i, 1 / w_i),     o_i = ((Z b̂)_i − ℓ_i r_i) / (1 − ℓ_i),     w_i = (V⁻¹)_ii = (1 − ℓ_i) / σ²

so that ½ w_i (x_i − f(u_i) − o_i)² has, at one draw of u_i from q, the exact gradient of −L in the row's part, the term
of S included (`conditional_loss`). The prediction o_i does not know row i: the encoder, which is given x_i − o_i, meets
at a new row what it met in training. Where all rows of a group are in the batch, V falls into blocks and nothing is
held fixed (`collapsed_loss`).
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

__all__ = ["collapsed_loss", "conditional_loss", "latent_divergence"]


def latent_divergence(mean: Any, log_scale: Any) -> Any:
    """KL[N(mean, scale²) ‖ N(0, I)] of each row, (n,)."""
    return 0.5 * jnp.sum(mean**2 + jnp.exp(2.0 * log_scale) - 2.0 * log_scale - 1.0, axis=1)


def conditional_loss(residual: Any, offset: Any, weight: Any) -> Any:
    """−log p(r_i | r_others) up to a constant, of each row, (n,).

    ``residual`` x − f(u), ``offset`` o and ``weight`` w, all (n, p); the weight is zero at missing entries.
    """
    return 0.5 * jnp.sum(weight * (residual - offset) ** 2, axis=1)


def collapsed_loss(residual: Any, precision: Any, basis: Any, level: Any, covariance: Any) -> Any:
    """−Σ_m log N(r_m; 0, V_m) up to a constant, over rows that hold whole groups of one effect with K = I.

    V⁻¹ = W − W T C Tᵀ W with W = diag(precision), T the basis of the rows and C the posterior covariance of a group.

    Parameters
    ----------
    residual : (n, p)
    precision : (n, p)
        1 / σ², zero at missing entries and in rows that are padding.
    basis : (n, r)
    level : (n,)
        Which of the g groups of the batch a row belongs to.
    covariance : (g, p, r, r)
        Of the groups' coefficients given all their rows.
    """
    scaled = precision * residual
    pull = jax.ops.segment_sum(basis[:, :, None] * scaled[:, None, :], level, covariance.shape[0])
    return 0.5 * jnp.sum(scaled * residual) - 0.5 * jnp.einsum("grp,gprs,gsp->", pull, covariance, pull)
