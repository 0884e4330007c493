r"""Variational Bayes for latent factors of users and items: posteriors of rows, and priors learnt from the ratings.

    y_ui ~ N(b_u + c_i + ⟨p_u, q_i⟩, 1 / (α w_ui)),   [b_u, p_u] ~ N(m + Aᵀx_u, Λ⁻¹),   A_j ~ N(0, (γ Λ)⁻¹)

and items alike with their own m, A, Λ and γ. The posterior is approximated by independent rows: Gaussians with full
covariances for users and for items, and with covariance Λ⁻¹ / (γ + Σ_u x_uj²) for the coefficients of a feature. All
else is set where the evidence bound is highest. Each update raises the bound, so it never falls.

With a full Λ the bound does not change when factors are rotated, stretched or shifted between users and items: there is
no direction in which the two sides hold each other back, and a dozen sweeps suffice.

Sources: Y. J. Lim & Y. W. Teh, Variational Bayesian Approach to Movie Rating Prediction (KDD Cup 2007), here with
biases among the factors, full precisions and side features; the prior of A is that of J. Simm et al., Macau (2015).
"""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.solvers.base import AbstractSolver
from intertwine.solvers.feature_ridge import RowRegression
from intertwine.solvers.rated_sides import RatedSide, RatedSides
from intertwine.structures.factor_moments import Conditional, Moments

__all__ = ["FactorPosterior", "FactorPrior", "VariationalFactors", "VariationalState", "feature_strength"]

_RIDGE_STEPS = 4  # of conjugate gradients in a half sweep; the coefficients start where they were
_STRENGTH_STEPS = 10  # of the fixed point for γ
_INFORMED = 1.5  # how much more a row learns from its ratings than from its prior, at the start
_START_VARIANCES = 0.1, 1.0  # of factors: the least, where ids have hundreds of ratings, and the most
_WEAK = 1e-3  # rows' worth of unit variance that keep a precision from growing without end
_WEAK_STRENGTH = 1e-4  # the same for γ, per mean square of a row of features
_WEAK_NOISE = 1e-9  # the same for α, as a share of the squares of the outcome


class FactorPrior(NamedTuple):
    """Prior of the rows of one side.

    Attributes
    ----------
    regression : RowRegression
        m and the mean of A.
    precision : ndarray of shape (d, d)
        Λ.
    strength : float
        γ.
    """

    regression: RowRegression
    precision: NDArray[np.float64]
    strength: float


class FactorPosterior(NamedTuple):
    """All that a sweep changes."""

    users: Moments
    items: Moments
    user_prior: FactorPrior
    item_prior: FactorPrior
    noise_precision: float


class VariationalState(NamedTuple):
    """State of `VariationalFactors`.

    Attributes
    ----------
    params : FactorPosterior
    value : float
        Minus the evidence bound; infinite before the first sweep.
    optimality : float
        Share of the bound by which the last sweep raised it; infinite before the second.
    """

    params: FactorPosterior
    value: float
    optimality: float


@final
class VariationalFactors(AbstractSolver):
    """Sweeps over users and items, for `RatedSides` of outcomes with about unit variance and without a scale of rows.

    Parameters
    ----------
    tol : float
        Converged once a sweep raises the evidence bound by less than this share of it.
    """

    @staticmethod
    def start(sides: RatedSides, n_components: int, init_scale: float, rng: np.random.Generator):
        """Return a point to start from: broad priors, and factors of items drawn ``init_scale`` times as broad."""
        biases = sides.users.rows.biases
        variances = np.full(int(biases) + n_components, _start_variance(sides))
        if biases:
            variances[0] = 0.25
        deviation = init_scale * np.sqrt(variances)
        items = deviation * rng.standard_normal((sides.items.rows.n_rows, variances.size))
        if biases:
            items[:, 0] = 0.0
        users = np.zeros((sides.users.rows.n_rows, variances.size))
        spread = 0.1 * np.diag(variances)
        return FactorPosterior(
            Moments.of(users, spread),
            Moments.of(items, spread),
            _start_prior(sides.users, variances),
            _start_prior(sides.items, variances),
            1.0,
        )

    def init(self, problem: RatedSides, params: FactorPosterior) -> VariationalState:
        """Return the state at ``params``."""
        return VariationalState(params, float("inf"), float("inf"))

    def step(self, problem: RatedSides, state: VariationalState) -> VariationalState:
        """Return the state after one sweep: users, then items."""
        old = state.params
        rows = problem.users.rows
        weak_noise = _WEAK_NOISE * rows.total_square()
        total = float(problem.users.rows.total_weights().sum())
        users, user_prior, user_bound = _updated(
            problem.users, old.items, old.user_prior, old.noise_precision
        )
        noise_precision = total / float(users.errors.sum() + weak_noise)
        items, item_prior, item_bound = _updated(
            problem.items, users.moments, old.item_prior, noise_precision
        )
        noise_precision = total / float(items.errors.sum() + weak_noise)
        bound = 0.5 * total * (np.log(noise_precision / (2.0 * np.pi)) - 1.0) + user_bound + item_bound
        params = FactorPosterior(users.moments, items.moments, user_prior, item_prior, noise_precision)
        return VariationalState(params, -bound, (state.value + bound) / max(abs(bound), 1e-300))


def _start_variance(sides: RatedSides) -> float:
    """Prior variance v of the factors of both sides for which ratings outweigh the priors of an average row.

    Of n ratings a row learns n v, of its prior 1 / v. A prior that is stronger than its ratings keeps the factors near
    zero until they are given up: there the evidence has an optimum of its own.
    """
    fewest = min(float(np.mean(side.rows.total_weights())) for side in sides)
    return float(np.clip(np.sqrt(_INFORMED / max(fewest, 1e-300)), *_START_VARIANCES))


def _start_prior(side: RatedSide, variances: NDArray[np.float64]) -> FactorPrior:
    features = side.features
    strength = 10.0 * _mean_square(side) if features.n_features else 1.0
    start = features.at(np.zeros(variances.size), np.zeros((features.n_features, variances.size)))
    return FactorPrior(start, np.diag(1.0 / variances), strength)


def _mean_square(side: RatedSide) -> float:
    """Mean squared length of a row of features."""
    return max(float(side.features.column_norms.sum()) / side.rows.n_rows, 1e-300)


def feature_strength(
    side: RatedSide, weights: NDArray[np.float64], precision: NDArray[np.float64], strength: float
) -> float:
    """γ nearer to where the evidence bound is highest given all else, from ``strength`` on."""
    pull = float(((weights @ precision) * weights).sum()) + 2.0 * _WEAK_STRENGTH / _mean_square(side)
    for _ in range(_STRENGTH_STEPS):
        variances = weights.shape[1] * float((1.0 / (side.features.column_norms + strength)).sum())
        strength = weights.size / (pull + variances)
    return strength


def _updated(
    side: RatedSide, partners: Moments, prior: FactorPrior, noise_precision: float
) -> tuple[Conditional, FactorPrior, float]:
    """New posterior and prior of one side, and what it adds to the evidence bound."""
    old, strength = prior.regression, prior.strength
    conditional = side.rows.conditional(partners, old.expected, prior.precision, noise_precision)
    regression, conditional = side.features.improved(
        old, conditional, prior.precision, strength, noise_precision, _RIDGE_STEPS
    )
    n_rows, d = conditional.moments.means.shape
    weights = regression.weights
    gap = conditional.moments.means - regression.expected
    # Σ E[(a − m − Aᵀx)(a − m − Aᵀx)ᵀ], weak prior and A: Λ is the inverse of their mean
    scatter = conditional.moments.total_covariance() + gap.T @ gap
    scatter += _WEAK * np.eye(d) + strength * (weights.T @ weights)
    precision = np.linalg.inv(scatter / n_rows)
    precision = 0.5 * (precision + precision.T)
    bound = 0.5 * (
        n_rows * np.linalg.slogdet(precision)[1]
        - (precision * scatter).sum()
        + n_rows * d
        - conditional.log_determinants.sum()
    )
    if len(weights):
        before, strength = strength, feature_strength(side, weights, precision, strength)
        pull = float(((weights @ precision) * weights).sum())
        bound += 0.5 * (before - strength) * pull - strength * _WEAK_STRENGTH / _mean_square(side)
        bound += 0.5 * d * float(np.log(strength / (side.features.column_norms + strength)).sum())
    return conditional, FactorPrior(regression, precision, strength), float(bound)
