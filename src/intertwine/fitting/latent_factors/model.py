"""A fitted latent-factor model: tables of users and items, as the optimum, a posterior, or draws from one."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from intertwine.structures.mapping import MAPPINGS

__all__ = ["FactorModel", "FactorSettings", "NewIdPrior", "scores_of_pairs", "variance_of_pairs"]

_PAIRS = 1 << 18  # whose factors are gathered at once
_LEAST_SPREAD = 1e-6  # of a population, as a share of the noise
_FEW = 1 << 13  # whose covariances are


class FactorSettings(NamedTuple):
    """Hyperparameters of a fit.

    Attributes
    ----------
    n_components : int
    biases : bool
    mapping : str
        Name in `intertwine.structures.mapping.MAPPINGS`.
    alpha, alpha_features : float
        Ridge strengths of an id's own coefficients and of those of side features, beside half the *sum* of squared
        errors.
    frequency_power : float
        ``alpha`` counts times the number of an id's ratings to this power; ``alpha_features`` times Σ x² over the
        ratings to it ("gauss_newton").
    rho, sharpness : float, str
        Radius and form of the sharpness-aware steps ("gauss_newton").
    damping : float
        First damping ("gauss_newton").
    cg_iter : int
        Most conjugate-gradient steps of one iteration ("gauss_newton").
    max_iter, n_burn_in, n_samples : int
    tol : float
    init_scale, learning_rate, validation_fraction : float
    """

    n_components: int = 20
    biases: bool = True
    mapping: str = "identity"
    alpha: float = 0.04
    alpha_features: float = 0.04
    frequency_power: float = 1.0
    rho: float = 0.0
    sharpness: str = "perturbed"
    damping: float = 60.0
    cg_iter: int = 20
    max_iter: int = 100
    n_burn_in: int = 20
    n_samples: int = 80
    tol: float = 1e-5
    init_scale: float = 0.1
    learning_rate: float = 0.01
    validation_fraction: float = 0.0

    @property
    def width(self) -> int:
        """Columns d of a table: the bias, then the factors."""
        return int(self.biases) + self.n_components


class NewIdPrior(NamedTuple):
    """Gaussian prior of the own coefficients of an id that was not in the fit.

    Attributes
    ----------
    mean : ndarray of shape (n_draws, d)
    precision : ndarray of shape (d, d)
        In units of the residual variance: that of a ridge beside half the sum of squared errors.
    power : float
        ``precision`` counts times the number of ratings to this power.
    """

    mean: NDArray[np.float64]
    precision: NDArray[np.float64]
    power: float

    @classmethod
    def of_population(cls, rows: NDArray[np.float64], noise: float) -> Self:
        """What fitted rows (n, d) say of one more: their mean and spread.

        For fits that early stopping regularises: their ridge alone is far too weak for an id of few ratings.
        """
        away = rows - rows.mean(axis=0)
        least = max(_LEAST_SPREAD * noise**2, np.finfo(float).tiny)  # one row has no spread
        spread = away.T @ away / len(rows) + least * np.eye(rows.shape[1])
        return cls(rows.mean(axis=0)[None], noise**2 * np.linalg.inv(spread), 0.0)


class FactorModel(NamedTuple):
    """What every solver returns.

    Attributes
    ----------
    users : ndarray of shape (n_draws, n_users, d)
        Bias and factors of each user, what side features say included, before the mapping. One draw unless they are
        draws from a posterior.
    items : ndarray of shape (n_draws, n_items, d)
    intercepts : ndarray of shape (n_draws,)
        Beside the mean outcome.
    user_weights, item_weights : ndarray of shape (n_draws, ·, d)
        Coefficients of side features.
    user_prior, item_prior : NewIdPrior
    user_covariance, item_covariance : ndarray of shape (n_users, d, d) and (n_items, d, d), or None
        Of the posterior ("variational").
    noise : float
        Residual standard deviation.
    history : ndarray of shape (n_iter, 5)
        Iteration, objective, root mean squared error of the ratings held out (NaN without), passes over the data,
        seconds since the descent began (NaN where they are not known).
    converged : bool
    """

    users: NDArray[Any]
    items: NDArray[Any]
    intercepts: NDArray[np.float64]
    user_weights: NDArray[np.float64]
    item_weights: NDArray[np.float64]
    user_prior: NewIdPrior
    item_prior: NewIdPrior
    user_covariance: NDArray[np.float32] | None
    item_covariance: NDArray[np.float32] | None
    noise: float
    history: NDArray[np.float64]
    converged: bool

    @property
    def n_draws(self) -> int:
        """Number of draws; one where there is an optimum."""
        return len(self.intercepts)


def scores_of_pairs(
    users: NDArray, items: NDArray, user_codes: NDArray, item_codes: NDArray, settings: FactorSettings
) -> NDArray[np.float64]:
    """b_u + c_i + ⟨φ(p_u), φ(q_i)⟩ of some pairs, from one draw of both tables.

    Parameters
    ----------
    users : ndarray of shape (n_users, d)
    items : ndarray of shape (n_items, d)
    user_codes, item_codes : ndarray of int, shape (n,)
    settings : FactorSettings

    Returns
    -------
    ndarray of shape (n,)
    """
    first = int(settings.biases)
    mapping = MAPPINGS[settings.mapping]
    user_factors = mapping.value(users[:, first:])
    item_factors = mapping.value(items[:, first:])
    scores = np.empty(len(user_codes))
    for start in range(0, len(scores), _PAIRS):
        part = slice(start, start + _PAIRS)
        u, i = user_codes[part], item_codes[part]
        scores[part] = np.einsum("nd,nd->n", user_factors[u], item_factors[i], dtype=np.float64)
        if first:
            scores[part] += users[u, 0]
            scores[part] += items[i, 0]
    return scores


def variance_of_pairs(
    model: FactorModel, user_codes: NDArray, item_codes: NDArray, settings: FactorSettings
) -> NDArray[np.float64]:
    """Variance of the scores of some pairs under a posterior of independent rows, noise left out.

    Parameters
    ----------
    model : FactorModel
        With covariances of both sides.
    user_codes, item_codes : ndarray of int, shape (n,)
    settings : FactorSettings

    Returns
    -------
    ndarray of shape (n,)
    """
    first = int(settings.biases)
    variance = np.empty(len(user_codes))
    sides = (model.users[0], model.user_covariance), (model.items[0], model.item_covariance)
    for start in range(0, len(variance), _FEW):
        part = slice(start, start + _FEW)
        (p, P), (q, Q) = (
            (table[codes[part]].copy(), covariance[codes[part]].astype(float))  # type: ignore[index]
            for (table, covariance), codes in zip(sides, (user_codes, item_codes), strict=True)
        )
        total = np.einsum("nij,nij->n", P[:, first:, first:], Q[:, first:, first:])
        p[:, :first], q[:, :first] = 1.0, 1.0  # the slope of a bias
        total += np.einsum("ni,nij,nj->n", q, P, q) + np.einsum("ni,nij,nj->n", p, Q, p)
        variance[part] = total
    return variance
