"""Latent factors as draws from their posterior: a factorization machine of the ids, and of what is known of them.

One feature per user, one per item, one per side feature: rows of two entries have sweeps of their own
(`intertwine.structures.fm_short`). Within a machine what is known of a user also interacts with itself, which no rating
can tell from the user's bias: it is counted there.

Source: R. Salakhutdinov & A. Mnih, Bayesian Probabilistic Matrix Factorization using MCMC (ICML 2008); as factorization
machine C. Freudenthaler et al., Bayesian Factorization Machines (2011).
"""

from __future__ import annotations

import time
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from intertwine.fitting.fm.gibbs import fit_gibbs
from intertwine.fitting.fm.model import FMOutcome, FMSettings, FMShape
from intertwine.fitting.latent_factors.model import FactorModel, FactorSettings, NewIdPrior
from intertwine.fitting.watch import AbstractProgress, Watch
from intertwine.losses.working import GaussianResponse
from intertwine.structures.fm import FactorizationMachine, FMParams
from intertwine.structures.ratings import RatingTable

__all__ = ["fit_gibbs_factors"]


def fit_gibbs_factors(
    X: RatingTable,
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    settings: FactorSettings,
    rng: np.random.Generator,
    watch: Watch,
    n_threads: int = 1,
) -> FactorModel:
    """Sample the posterior.

    Parameters
    ----------
    X : RatingTable
    y : ndarray of shape (n_ratings,)
        In the table's order; about its mean, of variance one.
    weight : ndarray of shape (n_ratings,) or None
        One each where None.
    settings : FactorSettings
    rng : numpy.random.Generator
    watch : Watch
    n_threads : int, default=1

    Returns
    -------
    FactorModel

    Raises
    ------
    FloatingPointError
        When numbers overflow.
    ValueError
        For side features without biases, where what they say of an id alone has no place.
    """
    known = [part for part in (X.user_features, X.item_features) if part is not None]
    if known and not settings.biases:
        raise ValueError("solver='gibbs' with side features or implicit=True needs biases=True")
    rows, groups = _rows_of(X)
    machine = FMSettings(
        shape=FMShape(settings.n_components, 0, settings.biases, True),
        groups=groups,
        alpha=0.0,
        alpha_factors=0.0,
        frequency_power=0.0,
        max_iter=settings.max_iter,
        n_burn_in=settings.n_burn_in,
        n_samples=settings.n_samples,
        tol=0.0,
        init_scale=settings.init_scale,
        learning_rate=0.0,
        validation_fraction=0.0,
        deterministic=True,
    )
    y = np.asarray(y, dtype=np.float64)
    weight = np.ones(len(y)) if weight is None else weight
    outcome = FMOutcome(None, GaussianResponse(y, weight), 0.0, 0.0, 1.0)
    clock = _Clock(watch.progress)
    fitted = fit_gibbs(rows, outcome, None, machine, rng, watch._replace(progress=clock), n_threads)
    noise = float(np.sqrt(np.mean(fitted.noise**2)))
    tables = np.split(fitted.tables, np.cumsum(_widths(X))[:-1], axis=1)
    user_own, user_weights, item_own, item_weights = tables
    history = np.full((len(fitted.history), 5), np.nan)
    history[:, :2] = fitted.history[:, :2]
    history[:, 3] = fitted.history[:, 0]  # a sweep is a pass
    history[:, 4] = [clock.seconds.get(int(number), np.nan) for number in history[:, 0]]
    return FactorModel(
        users=_totals(user_own, user_weights, X.user_features, settings),
        items=_totals(item_own, item_weights, X.item_features, settings),
        intercepts=fitted.intercepts,
        user_weights=user_weights,
        item_weights=item_weights,
        user_prior=_prior_of(user_own, noise),
        item_prior=_prior_of(item_own, noise),
        user_covariance=None,
        item_covariance=None,
        noise=noise,
        history=history,
        converged=bool(fitted.mixing < _LARGEST_MIXING),
    )


@final
class _Clock(AbstractProgress):
    """Hands on what it is told, and keeps when each sweep ended; sweeps of an interrupted run are not told again."""

    def __init__(self, inner: AbstractProgress) -> None:
        self._inner, self._began = inner, time.perf_counter()
        self.seconds: dict[int, float] = {}

    def section(self, text):
        self._inner.section(text)

    def part(self, what, number, total):
        self._inner.part(what, number, total)

    def iteration(self, row, state):
        self.seconds[row.iteration] = time.perf_counter() - self._began
        self._inner.iteration(row, state)

    def candidate(self, candidate):
        self._inner.candidate(candidate)


_LARGEST_MIXING = 1.2
_LEAST_SPREAD = 1e-6  # of ids, as a share of the noise


def _widths(X: RatingTable) -> list[int]:
    """Features that are users, known of users, items, known of items."""
    sides = (X.user_features, X.item_features)
    known = [0 if features is None else features.shape[1] for features in sides]
    return [X.n_users, known[0], X.n_items, known[1]]


def _rows_of(X: RatingTable) -> tuple[sparse.csr_array, NDArray[np.intp]]:
    """A row per rating, and the group of each feature."""
    users = X.users
    ones, each = np.ones(X.n_ratings), np.arange(X.n_ratings + 1)
    blocks: list[Any] = []
    for codes, n_ids, features in (
        (users, X.n_users, X.user_features),
        (X.item_of, X.n_items, X.item_features),
    ):
        blocks.append(sparse.csr_array((ones, codes, each), shape=(X.n_ratings, n_ids)))
        if features is not None:
            blocks.append(features[codes])
    groups = np.repeat(np.arange(4), _widths(X))
    rows = sparse.csr_array(sparse.hstack(blocks, format="csr"))
    rows.sort_indices()
    return rows, np.unique(groups, return_inverse=True)[1]


def _totals(own, weights, features, settings: FactorSettings) -> NDArray[np.float32]:
    """Bias and factors of each id, what is known of it included (n_draws, n_ids, d)."""
    if features is None:
        return own
    n_ids = own.shape[1]
    rows = sparse.csr_array(sparse.hstack([sparse.eye_array(n_ids), features], format="csr"))
    machine = FactorizationMachine(settings.n_components)
    totals = np.empty_like(own)
    for draw, table in enumerate(np.concatenate([own, weights], axis=1).astype(float)):
        params = FMParams(
            0.0, np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 1:]), table[:, :0]
        )
        totals[draw, :, 0] = machine.score(params, rows)
        totals[draw, :, 1:] = rows @ params.factors
    return totals


def _prior_of(own, noise: float) -> NewIdPrior:
    """What the draws of all ids say of one more: their mean and spread."""
    least = max(_LEAST_SPREAD * noise**2, np.finfo(float).tiny)  # one id has none
    spread = np.maximum(own.var(axis=1, dtype=float).mean(axis=0), least)
    return NewIdPrior(own.mean(axis=1, dtype=float), np.diag(noise**2 / spread), 0.0)
