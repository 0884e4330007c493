r"""Coefficients of ids from their own ratings, all others as they are: ridge regressions in closed form.

For a user who rated the items i, with the slopes h_i = [1, φ(q_i)] of their coefficients θ = [b, p],

    θ | r ~ N(m, σ² A⁻¹),   A = P + Σ_i w_i E[h_i h_iᵀ],   A m = P μ + Σ_i w_i E[h_i (r_i − c_i)],

with the prior N(μ, σ² P⁻¹), and expectations over what is not known of the items. Items are folded in alike, and so are
users and items again when more ratings come: what was known of them is the prior. With a mapping φ′(p) is part of
the slopes, and the same regression is solved at every step of a Gauss-Newton descent.
"""

from __future__ import annotations

from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.latent_factors.model import FactorSettings
from intertwine.structures.mapping import MAPPINGS, Identity

__all__ = ["Batch", "OtherSide", "fold_in"]

_STEPS = 50  # of a descent through a mapping
_HALVINGS = 20
_SMALL = 1e-10


class Batch(NamedTuple):
    """Ratings of some ids of one side.

    Attributes
    ----------
    starts : ndarray of int64, shape (n_ids + 1,)
        The ratings of id j are those from ``starts[j]`` to ``starts[j + 1]``.
    partners : ndarray of int, shape (n,)
        Codes on the other side.
    target, weight : ndarray of shape (n,)
    """

    starts: NDArray[np.int64]
    partners: NDArray[Any]
    target: NDArray[np.float64]
    weight: NDArray[np.float64]


class OtherSide(NamedTuple):
    """Whom they rated, or who rated them.

    Attributes
    ----------
    table : ndarray of shape (n_draws, n_partners, d)
    covariance : ndarray of shape (n_partners, d, d), or None
    intercepts : ndarray of shape (n_draws,)
    """

    table: NDArray[Any]
    covariance: NDArray[Any] | None
    intercepts: NDArray[np.float64]


def fold_in(
    batch: Batch,
    other: OtherSide,
    mean: NDArray[np.float64],
    precision: NDArray[np.float64],
    settings: FactorSettings,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Posterior of the coefficients of ids, given the other side.

    Parameters
    ----------
    batch : Batch
    other : OtherSide
    mean : ndarray of shape (n_draws, n_ids, d)
        Of the prior.
    precision : ndarray of shape (n_ids, d, d)
        Of the prior, in units of the residual variance.
    settings : FactorSettings

    Returns
    -------
    rows : ndarray of shape (n_draws, n_ids, d)
    precision : ndarray of shape (n_ids, d, d)
        Averaged over the draws.
    """
    rows = mean.copy()
    after = precision.copy()
    for j, (begin, end) in enumerate(zip(batch.starts[:-1], batch.starts[1:], strict=True)):
        if begin == end:
            continue
        mine = slice(begin, end)
        seen = batch.partners[mine]
        covariance = None if other.covariance is None else other.covariance[seen].astype(float)
        problem = _OneId(
            other.table[:, seen].astype(float),
            covariance,
            batch.target[mine] - other.intercepts[:, None],
            batch.weight[mine],
            settings,
        )
        rows[:, j], found = problem.solve(mean[:, j], precision[j])
        after[j] = found.mean(axis=0)
    return rows, after


@final
class _OneId:
    """Ratings of one id, under every draw of the partners (n_draws, n, d)."""

    def __init__(self, partners, covariance, target, weight, settings: FactorSettings) -> None:
        self._first = int(settings.biases)
        self._mapping = MAPPINGS[settings.mapping]
        self._linear = isinstance(self._mapping, Identity)
        self._factors = self._mapping.value(partners[:, :, self._first :])
        self._target = target - partners[:, :, 0] if self._first else target
        self._weight = weight
        self._covariance = covariance

    def solve(self, mean, prior):
        """Most probable coefficients (n_draws, d), and their precision (n_draws, d, d)."""
        if self._linear:
            precision, gradient = self._linearised(mean, mean, prior)
            return mean - _solved(precision, gradient), precision
        return self._descent(mean, prior)

    def _descent(self, mean, prior):
        rows, value = mean.copy(), self._value(mean, mean, prior)
        for _ in range(_STEPS):
            precision, gradient = self._linearised(rows, mean, prior)
            step = _solved(precision, gradient)
            length = np.ones(len(rows))
            for _ in range(_HALVINGS):
                trial = rows - length[:, None] * step
                reached = self._value(trial, mean, prior)
                worse = ~(reached <= value)
                if not worse.any():
                    break
                length = np.where(worse, 0.5 * length, length)
            taken = reached <= value
            rows = np.where(taken[:, None], trial, rows)
            gained = value - np.where(taken, reached, value)
            value = value - gained
            if (gained <= _SMALL * np.abs(value)).all():
                break
        return rows, self._linearised(rows, mean, prior)[0]

    def _scores(self, rows):
        raw = rows[:, self._first :]
        scores = np.einsum("snk,sk->sn", self._factors, self._mapping.value(raw))
        return scores + rows[:, :1] if self._first else scores

    def _value(self, rows, mean, prior):
        error = self._scores(rows) - self._target
        away = rows - mean
        return 0.5 * (error**2 @ self._weight + np.einsum("sd,de,se->s", away, prior, away))

    def _linearised(self, rows, mean, prior):
        """Curvature and gradient at ``rows``."""
        slope = self._mapping.slope(rows[:, self._first :])
        slopes = self._factors * slope[:, None, :]
        if self._first:
            slopes = np.concatenate([np.ones((*slopes.shape[:2], 1)), slopes], axis=2)
        weighted = slopes * self._weight[:, None]
        precision = prior + np.einsum("snd,sne->sde", weighted, slopes)
        error = self._scores(rows) - self._target
        gradient = np.einsum("snd,sn->sd", weighted, error) + (rows - mean) @ prior
        if self._covariance is not None:
            spread = np.einsum("n,nde->de", self._weight, self._covariance)
            own = spread.copy()
            if self._first:
                own[0], own[:, 0] = 0.0, 0.0
                gradient[:, 1:] += spread[0, 1:]
            precision = precision + own
            gradient = gradient + rows @ own
        return precision, gradient


def _solved(precision, gradient):
    return np.linalg.solve(precision, gradient[:, :, None])[:, :, 0]
